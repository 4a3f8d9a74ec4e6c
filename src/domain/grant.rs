//! What a person's groups and attributes give: an agent group, a kind of agent, roles, rights documents.
//!
//! A pure function of what is stored, never of the order in which it arrived.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::person::elements;
use super::policy::{GroupMapping, LINKED_BY_NAME, MappedAgentType, Policy};
use super::rights_docs::RightsDocs;
use super::{GroupId, fold};
use crate::scim::schema::AGENT_GROUP;
use crate::scim::{Error, Resource};
use crate::upstream::model::{AgentGroupId, RightsDocId, RoleType};

/// A group of the identity provider in which a person is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Its SCIM id.
    pub id: GroupId,
    /// Its `displayName`.
    pub display_name: String,
    /// Its `externalId`.
    pub external_id: Option<String>,
    /// The agent group to which it is linked by name.
    pub linked: Option<AgentGroupId>,
}

/// An agent group, by whatever names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupWish {
    /// By the name in the attribute `agentGroupName`.
    Attribute(String),
    /// By the name in a mapping of the configuration.
    Mapping(String),
    /// By the id to which a SCIM group is linked.
    Linked(AgentGroupId),
    /// By the id of the group in which the agent was found.
    Home(AgentGroupId),
    /// By the name of the tenant's default.
    Default(String),
}

/// Everything that groups give one person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupGrants {
    /// The agent group of the winning mapping.
    pub agent_group: Option<GroupWish>,
    /// Whether some group makes its members supervisors.
    pub agent_type: Option<MappedAgentType>,
    /// The roles, all groups together.
    pub roles: BTreeSet<RoleType>,
    /// The rights documents, all groups together.
    pub rights_docs: BTreeSet<RightsDocId>,
    /// Roles that let their holder gain more and that another group has given first.
    pub barred: BTreeSet<Barred>,
    /// What groups name and the tenant does not give, one sentence each.
    pub faults: BTreeSet<String>,
}

/// A role that a group does not give, because the grant belongs to another group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Barred {
    /// The group that would give it.
    pub group: GroupId,
    /// Its name.
    pub name: String,
    /// The role.
    pub role: RoleType,
}

impl Barred {
    /// One sentence for the person and for the operator.
    pub fn sentence(&self) -> String {
        format!(
            "Group \"{}\" does not give {}: another group held this grant first; `ringcx-scim tenant release --group {}` hands \
             it over.",
            self.name, self.role, self.group
        )
    }
}

/// Which group was the first to give what lets its holder gain more, by the key of the grant; see [`pin_keys`].
pub type Pins = BTreeMap<String, GroupId>;

/// What `memberships` give under `policy` and `mappings`.
///
/// The agent group is that of the smallest (priority, folded name, id), so there are no ties and no history.
pub fn by_groups(
    memberships: &[Membership],
    policy: &Policy,
    mappings: &[GroupMapping],
    docs: &RightsDocs,
    pins: &Pins,
) -> GroupGrants {
    let mut grants = GroupGrants::default();
    let mut winner: Option<(i64, String, &GroupId, GroupWish)> = None;
    let mut consider = |candidate: (i64, String, _, GroupWish)| {
        if winner.as_ref().is_none_or(|best| candidate < *best) {
            winner = Some(candidate);
        }
    };
    for group in memberships {
        let speaking = mappings.iter().filter(|mapping| {
            mapping.speaks_of(&group.display_name, group.external_id.as_deref(), group.id.as_str())
        });
        for mapping in speaking {
            if let Some(name) = &mapping.agent_group {
                consider((
                    mapping.priority,
                    fold(&group.display_name),
                    &group.id,
                    GroupWish::Mapping(name.clone()),
                ));
            }
            grants.agent_type = grants.agent_type.max(mapping.agent_type);
            for role in mapped_roles(mapping, policy) {
                grants.give(role, group, &mapping_key(mapping), pins);
            }
            let named = mapping.rights_docs.iter().copied().map(RightsDocId);
            grants.rights_docs.extend(named.filter(|doc| may_give_doc(*doc, policy, docs)));
        }
        if let Some(id) = group.linked {
            consider((LINKED_BY_NAME, fold(&group.display_name), &group.id, GroupWish::Linked(id)));
        }
        match role_of_prefix(group, policy, mappings) {
            Some(Ok(role)) => grants.give(role, group, &name_key(group), pins),
            Some(Err(why)) => drop(grants.faults.insert(why)),
            None => {}
        }
        match doc_of_prefix(group, policy, mappings, docs) {
            Some(Ok(doc)) => drop(grants.rights_docs.insert(doc)),
            Some(Err(why)) => drop(grants.faults.insert(why)),
            None => {}
        }
    }
    grants.agent_group = winner.map(|(.., wish)| wish);
    grants
}

impl GroupGrants {
    /// Gives a role, unless it lets its holder gain more and `key` belongs to another group.
    fn give(&mut self, role: RoleType, group: &Membership, key: &str, pins: &Pins) {
        let elsewhere = pins.get(key).is_some_and(|first| *first != group.id);
        if is_privileged(&role) && elsewhere {
            let name = group.display_name.clone();
            self.barred.insert(Barred { group: group.id.clone(), name, role });
        } else {
            self.roles.insert(role);
        }
    }
}

/// The keys under which a group gives roles that let their holder gain more: the first group to have one keeps it.
///
/// A name in the identity provider is no identity: whoever may make or rename groups there could otherwise make
/// administrators here.
pub fn pin_keys(group: &Membership, policy: &Policy, mappings: &[GroupMapping]) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for mapping in mappings {
        let speaks = mapping.speaks_of(&group.display_name, group.external_id.as_deref(), group.id.as_str());
        if speaks && mapped_roles(mapping, policy).any(|role| is_privileged(&role)) {
            keys.insert(mapping_key(mapping));
        }
    }
    if role_of_prefix(group, policy, mappings).is_some_and(|it| it.is_ok_and(|role| is_privileged(&role))) {
        keys.insert(name_key(group));
    }
    keys
}

fn mapping_key(mapping: &GroupMapping) -> String {
    format!("mapping:{}", fold(&mapping.matches))
}

fn name_key(group: &Membership) -> String {
    format!("name:{}", fold(&group.display_name))
}

/// The roles that a mapping gives, as far as the tenant gives them at all.
pub(super) fn mapped_roles<'a>(
    mapping: &'a GroupMapping,
    policy: &'a Policy,
) -> impl Iterator<Item = RoleType> + 'a {
    mapping.roles.iter().map(|role| role_named(role, policy)).filter(|role| may_be_given(role, policy))
}

/// The role that a group gives by its name alone, or why it gives none: whoever may make groups in the identity provider chooses
/// among the roles that the settings name, and no others.
fn role_of_prefix(
    group: &Membership,
    policy: &Policy,
    mappings: &[GroupMapping],
) -> Option<Result<RoleType, String>> {
    let named = after_prefix(&group.display_name, policy.role_group_prefix.as_deref())?;
    let role = role_named(named, policy);
    let opted_in = || policy.privileged_roles.iter().any(|it| role_named(it, policy) == role);
    let is_named = opted_in() || allowed_roles(policy, mappings).contains(&role);
    Some(if is_named && may_be_given(&role, policy) {
        Ok(role)
    } else {
        Err(format!(
            "Group \"{}\" gives no role: {role} is none that this tenant gives (settings allowed_roles, privileged_roles).",
            group.display_name
        ))
    })
}

/// The rights document that a group gives by its name alone, or why it gives none; nothing where the documents are not known.
fn doc_of_prefix(
    group: &Membership,
    policy: &Policy,
    mappings: &[GroupMapping],
    docs: &RightsDocs,
) -> Option<Result<RightsDocId, String>> {
    let named = after_prefix(&group.display_name, policy.rights_doc_group_prefix.as_deref())?;
    if docs.is_empty() {
        return None;
    }
    let allowed = allowed_rights_docs(policy, mappings, docs);
    let mut found = docs.named(named).filter(|doc| allowed.contains(doc));
    Some(match (found.next(), found.next()) {
        (Some(doc), None) => Ok(doc),
        (Some(one), Some(other)) => Err(format!(
            "Group \"{}\" gives no rights document: {one} and {other} have this name.",
            group.display_name
        )),
        (None, _) => Err(format!(
            "Group \"{}\" gives no rights document: no document of this name is one that this tenant gives (setting \
             allowed_rights_docs).",
            group.display_name
        )),
    })
}

/// Whether membership of this group decides an agent group, so that no agent group is made or linked for its name.
pub fn is_spoken_for(group: &Membership, policy: &Policy, mappings: &[GroupMapping]) -> bool {
    mappings
        .iter()
        .any(|it| it.speaks_of(&group.display_name, group.external_id.as_deref(), group.id.as_str()))
        || after_prefix(&group.display_name, policy.role_group_prefix.as_deref()).is_some()
        || after_prefix(&group.display_name, policy.rights_doc_group_prefix.as_deref()).is_some()
}

/// What an attribute of the person asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked<T> {
    /// What of it the tenant gives.
    pub given: BTreeSet<T>,
    /// What is wrong with the first value that it does not give (`invalidValue`): a write of it is refused, because answering
    /// success would record access as granted. A stored one, from before the settings changed, gives nothing.
    pub fault: Option<Error>,
}

/// The roles that the person's own `roles` attribute asks for.
pub fn asked_roles(user: &Resource, policy: &Policy, mappings: &[GroupMapping]) -> Asked<RoleType> {
    let allowed = allowed_roles(policy, mappings);
    let mut asked = Asked { given: BTreeSet::new(), fault: None };
    for text in values(user, "roles").map(str::trim).filter(|text| says_something(text, policy)) {
        let role = role_named(text, policy);
        let why = if !allowed.contains(&role) {
            let known = allowed.iter().map(RoleType::as_str).collect::<Vec<_>>().join(", ");
            let choice = if known.is_empty() {
                "none is allowed yet".to_owned()
            } else {
                format!("allowed are {known}")
            };
            format!(
                "roles value \"{text}\" is not a role that this tenant gives; {choice} (setting allowed_roles)."
            )
        } else if !may_be_given(&role, policy) {
            format!(
                "roles value \"{text}\" lets its holder gain more access; list it in the setting privileged_roles to allow it."
            )
        } else {
            asked.given.insert(role);
            continue;
        };
        asked.fault.get_or_insert_with(|| Error::invalid_value(why));
    }
    asked
}

/// The rights documents that the person's own `entitlements` attribute asks for.
pub fn asked_rights_docs(
    user: &Resource,
    policy: &Policy,
    mappings: &[GroupMapping],
    docs: &RightsDocs,
) -> Asked<RightsDocId> {
    let allowed = allowed_rights_docs(policy, mappings, docs);
    let mut asked = Asked { given: BTreeSet::new(), fault: None };
    let documents = elements(user, "entitlements").filter(|element| !names_agent_group(element));
    let texts = documents.filter_map(|element| element.get("value")).filter_map(Value::as_str);
    for text in texts.map(str::trim).filter(|text| says_something(text, policy)) {
        match text.parse().map(RightsDocId) {
            Ok(doc) if allowed.contains(&doc) => {
                asked.given.insert(doc);
            }
            _ => {
                asked.fault.get_or_insert_with(|| {
                    Error::invalid_value(format!(
                        "entitlements value \"{text}\" is not a rights document that this tenant gives; \
                         use the id of one in the setting allowed_rights_docs."
                    ))
                });
            }
        }
    }
    asked
}

/// Whether a value means something: neither nothing nor one of the words for nothing.
fn says_something(text: &str, policy: &Policy) -> bool {
    !text.is_empty() && !policy.no_role_keywords.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Every role that the settings and the mappings name, privileged ones included.
fn allowed_roles(policy: &Policy, mappings: &[GroupMapping]) -> BTreeSet<RoleType> {
    let mapped = mappings.iter().flat_map(|it| &it.roles);
    policy.allowed_roles.iter().chain(mapped).map(|role| role_named(role, policy)).collect()
}

/// The words that RingCX publishes; others are passed on as they are.
const PUBLISHED: [&str; 16] = [
    "SUPER_USER",
    "USER",
    "MANAGE_USERS",
    "MANAGE_RIGHTS",
    "ACCESS_SIBLINGS",
    "ACCESS_AUDIT_LOG",
    "ASSUME_USERS",
    "REPORT_ADMINISTRATIVE_USER",
    "WFO_ACCESS",
    "ACCESS_GOODDATA_EDITOR",
    "ACCESS_GOODDATA_ANALYST",
    "ACCESS_GOODDATA_VIEWER",
    "ACCESS_GOODDATA_ADMIN",
    "ACCESS_GOODDATA_EXPLORER",
    "ACCESS_GOODDATA_EMBEDDED_EXPLORER",
    "ACCESS_GOODDATA_EMBEDDED_DASHBOARD",
];

/// The roles that the settings or the mappings name and that will never be given, each with the reason and the fix.
pub fn ungivable_roles(policy: &Policy, mappings: &[GroupMapping]) -> Vec<String> {
    let named = allowed_roles(policy, mappings).into_iter();
    named
        .filter_map(|role| {
            if !PUBLISHED.contains(&role.as_str()) {
                let known = PUBLISHED.join(", ");
                return Some(format!("role {role} is none that RingCX publishes; correct the word, there are {known}"));
            }
            (!may_be_given(&role, policy)).then(|| {
                format!("role {role} lets its holder gain more access and is not given; list it in privileged_roles too, or take it out")
            })
        })
        .collect()
}

/// The roles that the tenant may give.
pub(super) fn givable_roles(policy: &Policy, mappings: &[GroupMapping]) -> BTreeSet<RoleType> {
    let mut roles = allowed_roles(policy, mappings);
    roles.retain(|role| may_be_given(role, policy));
    roles
}

/// The rights documents that the tenant may give: those that the settings name, or all that the bridge sees where they say so.
pub(super) fn allowed_rights_docs(
    policy: &Policy,
    mappings: &[GroupMapping],
    docs: &RightsDocs,
) -> BTreeSet<RightsDocId> {
    let mapped = mappings.iter().flat_map(|it| &it.rights_docs);
    let named = policy.allowed_rights_docs.iter().chain(mapped).copied().map(RightsDocId);
    let all = docs.ids().filter(|_| policy.all_rights_docs);
    named.chain(all).filter(|doc| may_give_doc(*doc, policy, docs)).collect()
}

/// A document of the main account reaches further than the sub-account, so it needs a setting of its own.
fn may_give_doc(doc: RightsDocId, policy: &Policy, docs: &RightsDocs) -> bool {
    policy.master_rights_docs || !docs.is_master(doc)
}

/// The agent group that an entitlement names, by id or by name: how Okta's entitlement management gives one.
pub fn entitled_agent_group(user: &Resource) -> Option<&str> {
    let mut named = elements(user, "entitlements").filter(|element| names_agent_group(element));
    named.find_map(|element| element.get("value").and_then(Value::as_str)).map(str::trim)
}

/// Whether an entitlement is one of the resource type `AgentGroup`.
fn names_agent_group(element: &Value) -> bool {
    let kind = element.get("type").and_then(Value::as_str);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(AGENT_GROUP.name))
}

/// Base access: `USER` comes with any other role and goes with the last one.
pub fn with_base_access(mut roles: BTreeSet<RoleType>, has_docs: bool) -> BTreeSet<RoleType> {
    if !roles.is_empty() || has_docs {
        roles.insert(RoleType::new("USER"));
    }
    roles
}

/// Roles whose holder can gain more; each needs an entry of its own in `privileged_roles`.
const PRIVILEGED: [&str; 4] = ["SUPER_USER", "MANAGE_RIGHTS", "ASSUME_USERS", "MANAGE_USERS"];

/// Whether a role lets its holder gain more.
pub fn is_privileged(role: &RoleType) -> bool {
    PRIVILEGED.contains(&role.as_str())
}

fn may_be_given(role: &RoleType, policy: &Policy) -> bool {
    // NO_ACCESS is a state that RingCX sets, not something to give.
    role.as_str() != "NO_ACCESS"
        && (!is_privileged(role) || policy.privileged_roles.iter().any(|it| role_named(it, policy) == *role))
}

fn role_named(text: &str, policy: &Policy) -> RoleType {
    let wanted = fold(text);
    let alias =
        policy.role_aliases.iter().find(|(name, _)| fold(name) == wanted).map(|(_, role)| role.as_str());
    RoleType::new(alias.unwrap_or(text).trim())
}

fn after_prefix<'a>(name: &'a str, prefix: Option<&str>) -> Option<&'a str> {
    let prefix = prefix?;
    let (head, rest) = name.split_at_checked(prefix.len())?;
    (fold(head) == fold(prefix) && !rest.trim().is_empty()).then(|| rest.trim())
}

fn values<'a>(user: &'a Resource, attribute: &str) -> impl Iterator<Item = &'a str> {
    elements(user, attribute).filter_map(|element| element.get("value")).filter_map(Value::as_str)
}
