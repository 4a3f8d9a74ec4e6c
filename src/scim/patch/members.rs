//! Takes membership out of a group PATCH: members are rows in the store, not part of the resource.

use scim_filter_parser::PatchPath;
use serde_json::Value;

use super::{Operation, PatchOp, Verb};
use crate::scim::check::{Member, is_members, member_list};
use crate::scim::error::quoted_path;
use crate::scim::filter::{CompareOp, CompareValue, Element, Filter};
use crate::scim::resource::is_empty;
use crate::scim::schema::GROUP;
use crate::scim::{Error, Object, Rules, quirks};

/// One change of membership.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberChange {
    /// These become members; those who are stay.
    Add(Vec<Member>),
    /// These ids leave; ids that are no members do not matter.
    Remove(Vec<String>),
    /// Everybody leaves.
    RemoveAll,
    /// Those leave whom the filter on `value`, `display`, `type` or `$ref` selects.
    RemoveWhere(Filter),
    /// Exactly these are members.
    Replace(Vec<Member>),
}

/// Splits a group PATCH into its attribute operations and its changes of membership, each in the order of the request.
///
/// ```
/// use ringcx_scim::scim::Rules;
/// use ringcx_scim::scim::patch::{MemberChange, PatchOp, split_members};
/// use serde_json::json;
///
/// let operations = json!([{"op": "replace", "value": {"displayName": "X"}}, {"op": "remove", "path": "members[value eq \"7\"]"}]);
/// let op = PatchOp::parse(json!({"Operations": operations}), &Rules::default())?;
/// let (attributes, changes) = split_members(&op, &Rules::default())?;
/// assert_eq!(attributes.len(), 1);
/// assert_eq!(changes, [MemberChange::Remove(vec!["7".to_owned()])]);
/// # Ok::<(), ringcx_scim::scim::Error>(())
/// ```
///
/// # Errors
///
/// 400 as [`apply`](super::apply()), naming the operation.
pub fn split_members(op: &PatchOp, rules: &Rules) -> Result<(PatchOp, Vec<MemberChange>), Error> {
    let mut rest = Vec::new();
    let mut changes = Vec::new();
    for operation in &op.operations {
        let split = split(operation, rules).map_err(|error| error.within(operation))?;
        rest.extend(split.rest);
        changes.extend(split.change);
    }
    Ok((PatchOp { operations: rest }, changes))
}

/// Whether the filter of [`MemberChange::RemoveWhere`] selects a member.
pub fn member_matches(filter: &Filter, id: &str, display: Option<&str>, is_group: bool) -> bool {
    let Some(members) = GROUP.schema.attribute("members") else { return false };
    let mut member = Object::new();
    member.insert("value".to_owned(), Value::from(id));
    member.insert("type".to_owned(), Value::from(if is_group { "Group" } else { "User" }));
    if let Some(display) = display {
        member.insert("display".to_owned(), Value::from(display));
    }
    Element::compile(members, filter, &Rules::default()).is_ok_and(|element| element.matches(&member))
}

/// What an operation is apart from membership, and its change of membership.
#[derive(Default)]
struct Split {
    rest: Option<Operation>,
    change: Option<MemberChange>,
}

impl From<Option<MemberChange>> for Split {
    fn from(change: Option<MemberChange>) -> Self {
        Self { rest: None, change }
    }
}

fn split(operation: &Operation, rules: &Rules) -> Result<Split, Error> {
    let Some(path) = operation.path.as_ref().filter(|path| !GROUP.is_core_urn(path)) else {
        return split_object(operation, rules);
    };
    if is_members(path) {
        return Ok(change(operation.verb, operation.value.as_ref(), rules)?.into());
    }
    let attributes_only = || Split { rest: Some(operation.clone()), change: None };
    // Anything that does not parse, or is not about members, is for `apply` to judge.
    let Ok(parsed) = quirks::unquoted_literal(rules, |options| PatchPath::parse_with(path, options)) else {
        return Ok(attributes_only());
    };
    let Some(at) = GROUP.resolve(&parsed.attr) else { return Ok(attributes_only()) };
    let Some(members) = at.attribute.filter(|each| each.name == "members") else {
        return Ok(attributes_only());
    };
    if parsed.sub.is_some() || at.sub.is_some() {
        // RFC 7643 §4.2: what a member is cannot be changed, only whether it is one.
        return Err(Error::mutability(
            "sub-attributes of members are immutable; remove the member and add another.",
        ));
    }
    let Some(filter) = parsed.filter else { return Ok(attributes_only()) };
    if let Err(error) = Element::compile(members, &filter, rules) {
        return Err(Error::invalid_path(format!("path {}: {}", quoted_path(path), error.detail)));
    }
    if operation.verb != Verb::Remove {
        return Err(Error::mutability("members are immutable; remove the member and add another."));
    }
    Ok(Some(selected_ids(&filter).map_or(MemberChange::RemoveWhere(filter), MemberChange::Remove)).into())
}

/// A path-less operation: `members` among other keys (Okta's rename carries `id` and `displayName`).
fn split_object(operation: &Operation, rules: &Rules) -> Result<Split, Error> {
    let Some(Value::Object(object)) = &operation.value else {
        return Ok(Split { rest: Some(operation.clone()), change: None });
    };
    let mut rest = object.clone();
    let mut found = None;
    let keys: Vec<String> = object.keys().filter(|key| is_members(key)).cloned().collect();
    for key in keys {
        let value = rest.remove(&key);
        found = change(operation.verb, value.as_ref(), rules)?;
    }
    // An object that named nothing but members is done.
    let spent = rest.is_empty() && !object.is_empty();
    let rest = (!spent).then(|| Operation { value: Some(Value::Object(rest)), ..operation.clone() });
    Ok(Split { rest, change: found })
}

/// A change of the whole list.
fn change(verb: Verb, value: Option<&Value>, rules: &Rules) -> Result<Option<MemberChange>, Error> {
    let value = value.unwrap_or(&Value::Null);
    Ok(match verb {
        Verb::Add if is_empty(value) => None,
        Verb::Add => Some(MemberChange::Add(member_list(value, rules)?)),
        Verb::Replace => Some(MemberChange::Replace(member_list(value, rules)?)),
        Verb::Remove if value.is_null() => Some(MemberChange::RemoveAll),
        Verb::Remove => {
            quirks::remove_by_value(rules)?;
            let ids = member_list(value, rules)?.into_iter().map(|member| member.id).collect::<Vec<_>>();
            (!ids.is_empty()).then_some(MemberChange::Remove(ids))
        }
    })
}

/// The ids that a filter of `value eq "id"`, alone or joined by `or`, selects.
fn selected_ids(filter: &Filter) -> Option<Vec<String>> {
    match filter {
        Filter::Compare(path, CompareOp::Eq, CompareValue::String(id))
            if path.urn.is_none() && path.sub.is_none() && path.name.eq_ignore_ascii_case("value") =>
        {
            Some(vec![id.clone()])
        }
        Filter::Or(any) => {
            any.iter().map(selected_ids).collect::<Option<Vec<_>>>().map(|lists| lists.concat())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
