//! The members of a group, in the shapes that clients send.

use serde_json::Value;

use crate::scim::error::shown;
use crate::scim::fold::strip_prefix;
use crate::scim::resource::is_empty;
use crate::scim::schema::GROUP;
use crate::scim::{Error, Object, Rules, quirks, urn};

/// Longest id of a member in bytes; those issued here have 36.
const MAX_ID: usize = 256;

/// What a member is, as far as the client said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemberKind {
    /// A user.
    User,
    /// A nested group.
    Group,
    /// Not said.
    Unknown,
}

impl MemberKind {
    /// The word of RFC 7643 §4.2, where one applies.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::User => Some("User"),
            Self::Group => Some("Group"),
            Self::Unknown => None,
        }
    }
}

/// A member as a client named it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its id, not checked against anything.
    pub id: String,
    /// The name the client gave it.
    pub display: Option<String>,
    /// What it is.
    pub kind: MemberKind,
}

/// The `members` of a group body: `None` when it has no such attribute, an empty list when it says "nobody".
///
/// ```
/// use ringcx_scim::scim::{Rules, check};
/// use serde_json::json;
///
/// let members = check::members(&json!({"members": [{"value": "2819c223"}]}), &Rules::default())?;
/// assert_eq!(members.map(|list| list.len()), Some(1));
/// assert_eq!(check::members(&json!({}), &Rules::default())?, None);
/// # Ok::<(), ringcx_scim::scim::Error>(())
/// ```
///
/// # Errors
///
/// 400 `invalidValue` when a member has no id.
pub fn members(body: &Value, rules: &Rules) -> Result<Option<Vec<Member>>, Error> {
    let Value::Object(body) = body else { return Ok(None) };
    match body.iter().find(|(key, _)| is_members(key)) {
        None => Ok(None),
        Some((_, value)) => member_list(value, rules).map(Some),
    }
}

/// Whether a key is `members`, in any case, with or without the URN of the group schema.
pub(in crate::scim) fn is_members(key: &str) -> bool {
    let name = strip_prefix(key, urn::GROUP).and_then(|rest| rest.strip_prefix(':')).unwrap_or(key);
    name.eq_ignore_ascii_case("members")
}

/// A list of members: an array, a single object, a bare id, or nothing.
///
/// Test: `group_member_value_shapes`.
pub(in crate::scim) fn member_list(value: &Value, rules: &Rules) -> Result<Vec<Member>, Error> {
    match value {
        empty if is_empty(empty) => Ok(Vec::new()),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| read_member(item, index, rules)).collect()
        }
        single => match quirks::single_as_list(rules, single.clone()) {
            Ok(items) => items.iter().map(|item| read_member(item, 0, rules)).collect(),
            Err(other) => Err(Error::invalid_value(format!("members is {}; send an array.", shown(&other)))),
        },
    }
}

fn read_member(item: &Value, index: usize, rules: &Rules) -> Result<Member, Error> {
    if let Value::Object(object) = item {
        return from_object(object, index);
    }
    let members = GROUP.schema.attribute("members");
    let object = members.and_then(|members| quirks::scalar_as_object(rules, members, item.clone()).ok());
    object.map_or_else(
        || {
            let shown = shown(item);
            Err(Error::invalid_value(format!(
                "members[{index}] is {shown}; send an object with the member's id as value."
            )))
        },
        |object| from_object(&object, index),
    )
}

fn from_object(object: &Object, index: usize) -> Result<Member, Error> {
    let text = |name: &str| {
        let value = object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)?;
        match value {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    };
    let reference = text("$ref");
    // `$ref` ends in the id (RFC 7643 §2.3.7), for the client that sends nothing else.
    let id = text("value")
        .or_else(|| reference.as_deref()?.trim_end_matches('/').rsplit('/').next().map(str::to_owned));
    if id.as_ref().is_some_and(|id| id.len() > MAX_ID) {
        return Err(Error::invalid_value(format!("members[{index}] has an id of more than {MAX_ID} bytes.")));
    }
    let Some(id) = id else {
        return Err(Error::invalid_value(format!(
            "members[{index}] has no value; send the id of the member there."
        )));
    };
    let stated = text("type");
    let is = |word: &str, path: &str| match (&stated, &reference) {
        (Some(stated), _) => stated.eq_ignore_ascii_case(word),
        (None, Some(reference)) => reference.contains(path),
        (None, None) => false,
    };
    let kind = if is("User", "/Users/") {
        MemberKind::User
    } else if is("Group", "/Groups/") {
        MemberKind::Group
    } else {
        MemberKind::Unknown
    };
    Ok(Member { id, display: text("display").or_else(|| text("displayName")), kind })
}
