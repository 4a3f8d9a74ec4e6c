//! PATCH (RFC 7644 §3.5.2): reading the request; `apply` carries it out on a resource, `members` takes membership out of it.
//!
//! Start with [`PatchOp::parse`], then [`apply()`]. A path is kept as the client wrote it and understood only against the schema,
//! so that every error can name the operation by its index and its path.

mod apply;
mod members;
mod path;

pub use apply::{Patched, apply};
pub use members::{MemberChange, member_matches, split_members};

use std::fmt;

use serde_json::{Value, json};

use super::coerce::check_depth;
use super::error::{quoted, quoted_path};
use super::fold::strip_prefix;
use super::{Error, Object, Rules, quirks, urn};

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Replace,
    Remove,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }

    fn read(text: &str, rules: &Rules) -> Option<Self> {
        [Self::Add, Self::Replace, Self::Remove]
            .into_iter()
            .find(|verb| verb.as_str().eq_ignore_ascii_case(text.trim()))
            .filter(|verb| verb.as_str() == text || quirks::capitalised_op(rules))
    }
}

/// One operation.
#[derive(Clone, PartialEq)]
pub(super) struct Operation {
    /// Its place in the request, for errors.
    pub(super) index: usize,
    pub(super) verb: Verb,
    pub(super) path: Option<String>,
    /// `None` when the member is missing, which differs from `null`.
    pub(super) value: Option<Value>,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operations[{}] ({}", self.index, self.verb.as_str())?;
        match &self.path {
            Some(path) => write!(f, " {})", quoted_path(path)),
            None => f.write_str(" without path)"),
        }
    }
}

/// A PATCH request. `Debug` shows operations and paths, never values.
#[derive(Clone, PartialEq)]
pub struct PatchOp {
    pub(super) operations: Vec<Operation>,
}

impl fmt::Debug for PatchOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.operations.iter().map(ToString::to_string)).finish()
    }
}

impl PatchOp {
    /// Reads a request: operations in any case, `schemas` optional, foreign members of an operation ignored.
    ///
    /// # Errors
    ///
    /// 400 `invalidSyntax` for a wrong structure, `noTarget` for a `remove` without a path, `invalidValue` for a missing value.
    pub fn parse(body: Value, rules: &Rules) -> Result<Self, Error> {
        check_depth(&body)?;
        let Value::Object(mut body) = body else {
            return Err(Error::invalid_syntax(
                "The body is not a JSON object; send a PatchOp with Operations.",
            ));
        };
        if !quirks::loose_schemas(rules, body.get("schemas"), urn::PATCH_OP) {
            return Err(Error::invalid_syntax(format!(
                "schemas must be a list that contains {}.",
                urn::PATCH_OP
            )));
        }
        let operations = match take(&mut body, "Operations") {
            Some(operations @ (Value::Array(_) | Value::Object(_))) => {
                quirks::single_as_list(rules, operations).ok()
            }
            _ => None,
        };
        let operations = operations.ok_or_else(|| {
            Error::invalid_syntax("The body has no array Operations; send at least one operation.")
        })?;
        if operations.is_empty() {
            return Err(Error::invalid_syntax("Operations is empty; send at least one operation."));
        }
        let read = |(index, operation)| Operation::parse(index, operation, rules);
        Ok(Self { operations: operations.into_iter().enumerate().map(read).collect::<Result<_, _>>()? })
    }

    /// How many operations there are; a group PATCH may be left with none once its membership is split off.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The text under which an accepted request is stored.
    pub fn to_json(&self) -> String {
        let operation = |each: &Operation| {
            let mut object = Object::new();
            object.insert("index".to_owned(), Value::from(each.index));
            object.insert("op".to_owned(), Value::from(each.verb.as_str()));
            if let Some(path) = &each.path {
                object.insert("path".to_owned(), Value::from(path.as_str()));
            }
            if let Some(value) = &each.value {
                object.insert("value".to_owned(), value.clone());
            }
            Value::Object(object)
        };
        json!({"schemas": [urn::PATCH_OP], "Operations": self.operations.iter().map(operation).collect::<Vec<_>>()}).to_string()
    }

    /// A request from its stored text.
    ///
    /// # Errors
    ///
    /// 500 when the text is not what [`PatchOp::to_json`] wrote.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let unreadable = || Error::new(500, "A stored PATCH request is unreadable.");
        let mut body: Value = serde_json::from_str(text).map_err(|_| unreadable())?;
        let Some(Value::Array(operations)) = body.get_mut("Operations").map(Value::take) else {
            return Err(unreadable());
        };
        let read = |operation: Value| {
            let index =
                operation.get("index").and_then(Value::as_u64).and_then(|index| index.try_into().ok());
            Operation::parse(index.unwrap_or_default(), operation, &Rules::default())
        };
        Ok(Self { operations: operations.into_iter().map(read).collect::<Result<_, _>>()? })
    }
}

impl Operation {
    fn parse(index: usize, operation: Value, rules: &Rules) -> Result<Self, Error> {
        let Value::Object(mut operation) = operation else {
            return Err(Error::invalid_syntax(format!("Operations[{index}] is not an object.")));
        };
        let verb = match take(&mut operation, "op") {
            Some(Value::String(text)) => Verb::read(&text, rules).ok_or_else(|| {
                let text = quoted(&text);
                Error::invalid_syntax(format!(
                    "Operations[{index}] has op {text}; use add, remove or replace."
                ))
            })?,
            _ => {
                return Err(Error::invalid_syntax(format!(
                    "Operations[{index}] has no op; use add, remove or replace."
                )));
            }
        };
        let path = match take(&mut operation, "path") {
            None | Some(Value::Null) => None,
            Some(Value::String(path)) => Some(path.trim().to_owned()).filter(|path| !path.is_empty()),
            Some(_) => {
                return Err(Error::invalid_path(format!("Operations[{index}] has a path that is not text.")));
            }
        };
        let operation = Self { index, verb, path, value: take(&mut operation, "value") };
        match (verb, &operation.path, &operation.value) {
            // RFC 7644 §3.5.2.2: without a path there is nothing to remove.
            (Verb::Remove, None, _) => {
                Err(Error::no_target("it names nothing to remove; send a path.").within(&operation))
            }
            (Verb::Add | Verb::Replace, _, None) => {
                Err(Error::invalid_value("it has no value; send one.").within(&operation))
            }
            (Verb::Add | Verb::Replace, None, Some(value)) if !value.is_object() => {
                Err(Error::invalid_value("its value is not an object of attributes; send one, or a path.")
                    .within(&operation))
            }
            _ => Ok(operation),
        }
    }
}

/// Takes a member out, whatever the case of its name.
fn take(object: &mut Object, name: &str) -> Option<Value> {
    object.remove(name).or_else(|| {
        let key = object.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
        object.remove(&key)
    })
}

/// The part of a request that disables, alone; `None` when the request does not end with `active` false.
///
/// For `disable_survives_bad_patch`: a bad operation beside it must not keep access open.
///
/// ```
/// use ringcx_scim::scim::Rules;
/// use ringcx_scim::scim::patch::{PatchOp, only_disable};
/// use serde_json::json;
///
/// let operations = json!([{"op": "add", "path": "emails[", "value": "x"}, {"op": "Replace", "path": "active", "value": "False"}]);
/// let op = PatchOp::parse(json!({"Operations": operations}), &Rules::default())?;
/// assert_eq!(only_disable(&op).map(|disable| disable.len()), Some(1));
/// # Ok::<(), ringcx_scim::scim::Error>(())
/// ```
pub fn only_disable(op: &PatchOp) -> Option<PatchOp> {
    let last =
        op.operations.iter().rev().find_map(|operation| Some((operation.index, sets_active(operation)?)));
    let (index, false) = last? else { return None };
    let path = Some("active".to_owned());
    let disable = Operation { index, verb: Verb::Replace, path, value: Some(Value::Bool(false)) };
    Some(PatchOp { operations: vec![disable] })
}

/// What an operation sets `active` to.
fn sets_active(operation: &Operation) -> Option<bool> {
    if operation.verb == Verb::Remove {
        return None;
    }
    let value = match (&operation.path, operation.value.as_ref()?) {
        (Some(path), value) => is_active(path).then_some(value)?,
        (None, Value::Object(object)) => object.iter().rev().find(|(key, _)| is_active(key))?.1,
        (None, _) => return None,
    };
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => quirks::read_boolean(text),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_active(path: &str) -> bool {
    strip_prefix(path, urn::USER)
        .and_then(|rest| rest.strip_prefix(':'))
        .unwrap_or(path)
        .eq_ignore_ascii_case("active")
}

#[cfg(test)]
mod tests;
