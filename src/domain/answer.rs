//! How a stored person or group becomes what a GET returns.
//!
//! A person's answer is stored without `groups` and `meta`; those are spliced in at read, so a plain GET parses nothing.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::link::Link;
use super::{GroupId, PersonId};
use crate::scim::urn::{ENTERPRISE_USER, GROUP, RINGCX_USER, USER};
use crate::scim::{Object, Resource};

/// How far RingCX and the identity provider agree about one person: the attribute `provisioningState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provisioning {
    /// The person can work.
    Active,
    /// The person is switched off, as the identity provider wants.
    Disabled,
    /// The person is on record and waits for a group, or is to have no account.
    Held,
    /// RingCX has not confirmed the person yet.
    Pending,
    /// Somebody switched the person off in RingCX.
    Suspended,
    /// A guard stopped the change and waits for a decision.
    Blocked,
    /// RingCX refused; `lastError` says what.
    Error,
}

impl Provisioning {
    /// The word in the resource and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Held => "held",
            Self::Pending => "pending",
            Self::Suspended => "suspended",
            Self::Blocked => "blocked",
            Self::Error => "error",
        }
    }

    /// The state of a word from the store.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Active, Self::Disabled, Self::Held, Self::Pending, Self::Suspended, Self::Blocked, Self::Error]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// A group as it stands in a user's `groups`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRef {
    /// Its SCIM id.
    pub id: GroupId,
    /// Its `displayName`.
    pub display_name: String,
}

/// A member as it stands in a group's `members`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRef {
    /// The SCIM id.
    pub id: String,
    /// What the client wrote as `display`.
    pub display: Option<String>,
    /// Whether it is a group.
    pub is_group: bool,
}

/// What `meta` says of a resource, without its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta<'a> {
    /// The tenant's base URL, without a slash at the end.
    pub base: &'a str,
    /// When the resource was created.
    pub created: jiff::Timestamp,
    /// When the stored resource or the observed state last changed.
    pub modified: jiff::Timestamp,
    /// The version, as [`user_etag`] and [`group_etag`] make it.
    pub version: &'a str,
}

/// The stored part of a person's answer: what the client wrote, the id, and what RingCX has made of it.
pub fn stored_user(
    id: &PersonId,
    user: &Resource,
    link: &Link,
    state: Provisioning,
    last_error: Option<&str>,
) -> String {
    let mut answer = user.as_object().clone();
    let mut ringcx = match answer.remove(RINGCX_USER) {
        Some(Value::Object(ringcx)) => ringcx,
        _ => Map::new(),
    };
    // `returned: never` (RFC 7643 §7): what is stored as an answer is sent as it is.
    ringcx.remove("phoneLoginPin");
    if let Some(agent) = &link.agent {
        for (name, value) in agent.found.shown() {
            ringcx.entry(name).or_insert(value);
        }
        ringcx.insert("agentId".to_owned(), json!(agent.id.agent.to_string()));
        ringcx.insert("ringcxUsername".to_owned(), json!(agent.username));
        let word = match (&agent.rc_user_id, &link.unlinked) {
            (Some(_), _) => Some("linked"),
            (None, unlinked) => unlinked.as_ref().map(|it| it.why.as_str()),
        };
        if let Some(word) = word {
            ringcx.insert("rcLinkState".to_owned(), json!(word));
        }
    }
    if let Some(admin) = &link.admin {
        ringcx.insert("adminUserId".to_owned(), json!(admin.id.to_string()));
    }
    ringcx.insert("provisioningState".to_owned(), json!(state.as_str()));
    if let Some(error) = last_error {
        ringcx.insert("lastError".to_owned(), json!(error));
    }
    let mut schemas = vec![USER];
    if answer.contains_key(ENTERPRISE_USER) {
        schemas.push(ENTERPRISE_USER);
    }
    schemas.push(RINGCX_USER);
    answer.insert("schemas".to_owned(), json!(schemas));
    answer.insert("id".to_owned(), json!(id.as_str()));
    answer.entry("active".to_owned()).or_insert(Value::Bool(true));
    answer.insert(RINGCX_USER.to_owned(), Value::Object(ringcx));
    Value::Object(answer).to_string()
}

/// A person's whole answer as text: the stored part with `groups` and `meta` spliced in.
pub fn user_text(stored: &str, groups: &[GroupRef], meta: &Meta<'_>) -> String {
    let id = stored_id(stored);
    let mut text = String::with_capacity(stored.len() + 256 + groups.len() * 160);
    text.push_str(stored.trim_end().strip_suffix('}').unwrap_or("{"));
    if !groups.is_empty() {
        text.push_str(",\"groups\":");
        text.push_str(&groups_value(groups, meta.base).to_string());
    }
    text.push_str(",\"meta\":");
    text.push_str(&meta_value("User", "Users", &id, meta).to_string());
    text.push('}');
    text
}

/// A person's whole answer as an object, for filters and projections.
pub fn user_object(stored: &str, id: &PersonId, groups: &[GroupRef], meta: &Meta<'_>) -> Object {
    let mut object: Object = serde_json::from_str(stored).unwrap_or_default();
    if !groups.is_empty() {
        object.insert("groups".to_owned(), groups_value(groups, meta.base));
    }
    object.insert("meta".to_owned(), meta_value("User", "Users", id.as_str(), meta));
    object
}

/// A group's answer; `members` are left out where none are given.
pub fn group_object(
    id: &GroupId,
    group: &Resource,
    members: Option<&[MemberRef]>,
    meta: &Meta<'_>,
) -> Object {
    let mut object = group.as_object().clone();
    object.insert("schemas".to_owned(), json!([GROUP]));
    object.insert("id".to_owned(), json!(id.as_str()));
    if let Some(members) = members {
        let members = members.iter().map(|member| member_value(member, meta.base)).collect();
        object.insert("members".to_owned(), Value::Array(members));
    }
    object.insert("meta".to_owned(), meta_value("Group", "Groups", id.as_str(), meta));
    object
}

/// An answer with nothing but members, for questions about them.
pub fn members_only(members: &[MemberRef]) -> Object {
    let members = members.iter().map(|member| member_value(member, "")).collect();
    Object::from_iter([("members".to_owned(), Value::Array(members))])
}

/// The version of a person: that of the row, and a digest of the groups spliced into the answer.
pub fn user_etag(version: i64, groups: &[GroupRef]) -> String {
    if groups.is_empty() {
        return format!("W/\"{version}\"");
    }
    let digest = groups.iter().fold(FNV_OFFSET, |sum, group| {
        let sum = fnv(sum, group.id.as_str().as_bytes());
        fnv(fnv(sum, b"\0"), group.display_name.as_bytes())
    });
    format!("W/\"{version}-{digest:016x}\"")
}

/// The version of a group: that of its row, which every change of its members moves.
pub fn group_etag(version: i64) -> String {
    format!("W/\"{version}\"")
}

/// The version of what has no row of its own: a digest of its text.
pub fn text_etag(text: &str) -> String {
    format!("W/\"{:016x}\"", fnv(FNV_OFFSET, text.as_bytes()))
}

// FNV-1a with 64 bits: the digest must be the same on every replica and in every version; it guards nothing.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(sum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn stored_id(stored: &str) -> String {
    #[derive(Deserialize)]
    struct OnlyId<'a> {
        #[serde(borrow)]
        id: std::borrow::Cow<'a, str>,
    }
    serde_json::from_str::<OnlyId<'_>>(stored).map(|it| it.id.into_owned()).unwrap_or_default()
}

fn groups_value(groups: &[GroupRef], base: &str) -> Value {
    groups
        .iter()
        .map(|group| {
            json!({
                "value": group.id.as_str(),
                "$ref": format!("{base}/Groups/{}", group.id),
                "display": group.display_name,
                "type": "direct",
            })
        })
        .collect()
}

fn member_value(member: &MemberRef, base: &str) -> Value {
    let (kind, endpoint) = if member.is_group { ("Group", "Groups") } else { ("User", "Users") };
    let mut value =
        json!({"value": member.id, "type": kind, "$ref": format!("{base}/{endpoint}/{}", member.id)});
    if let (Some(display), Some(object)) = (&member.display, value.as_object_mut()) {
        object.insert("display".to_owned(), json!(display));
    }
    value
}

fn meta_value(kind: &str, endpoint: &str, id: &str, meta: &Meta<'_>) -> Value {
    json!({
        "resourceType": kind,
        "created": meta.created.to_string(),
        "lastModified": meta.modified.to_string(),
        "location": format!("{}/{endpoint}/{id}", meta.base),
        "version": meta.version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> Meta<'static> {
        Meta {
            base: "http://h/scim/v2",
            created: jiff::Timestamp::UNIX_EPOCH,
            modified: jiff::Timestamp::UNIX_EPOCH,
            version: "W/\"1\"",
        }
    }

    #[test]
    fn the_spliced_text_is_the_object() {
        let id = PersonId::from("a-b");
        let user = Resource::from_object(serde_json::from_str(r#"{"userName":"jo\"}"}"#).unwrap());
        let stored = stored_user(&id, &user, &Link::default(), Provisioning::Held, None);
        let groups = [GroupRef { id: GroupId::from("g"), display_name: "G \" }".to_owned() }];
        let text: Object = serde_json::from_str(&user_text(&stored, &groups, &meta())).unwrap();
        assert_eq!(text, user_object(&stored, &id, &groups, &meta()));
        assert_eq!(text["meta"]["location"], "http://h/scim/v2/Users/a-b");
        assert_eq!(text["active"], true);
    }

    #[test]
    fn the_version_of_a_person_moves_with_the_groups() {
        let group = |name: &str| GroupRef { id: GroupId::from("g"), display_name: name.to_owned() };
        let versions =
            [user_etag(1, &[]), user_etag(1, &[group("a")]), user_etag(1, &[group("b")]), user_etag(2, &[])];
        let distinct: std::collections::BTreeSet<_> = versions.iter().collect();
        assert_eq!(distinct.len(), versions.len());
    }
}
