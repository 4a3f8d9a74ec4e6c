//! Bulk requests (RFC 7644 §3.7): reading them, the order in which their operations can be carried out, and references between
//! them.
//!
//! A reference `bulkId:name` may stand in the path of an operation, in any text of its data, and in a value filter; forward and
//! backward. Where operations refer to each other in a circle (§3.7.1), one of them is carried out without the attributes that
//! refer, which follow when the others are there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::coerce::check_depth;
use super::error::{quoted, quoted_path};
use super::schema::{GROUP, RESOURCE_TYPES, ResourceType, USER};
use super::{Error, Object, Rules, quirks, urn};

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Creates.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Deletes.
    Delete,
}

impl Method {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What an operation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The type of the resource: users or groups.
    pub ty: &'static str,
    /// The id, or a reference; none for a new resource.
    pub id: Option<String>,
}

/// One operation of a request.
#[derive(Clone, PartialEq)]
pub struct Operation {
    /// The method, as it was written where it is none.
    pub method: Result<Method, String>,
    /// The name by which others refer to what this one creates.
    pub bulk_id: Option<String>,
    /// The version that the resource must have.
    pub version: Option<String>,
    /// The resource, or why there is none.
    pub target: Result<Target, Error>,
    /// The body.
    pub data: Option<Value>,
    /// The other operations' names to which this one refers.
    refers: BTreeSet<String>,
}

/// A bulk request.
#[derive(Clone, PartialEq)]
pub struct BulkRequest {
    /// The operations, in the order of the request.
    pub operations: Vec<Operation>,
    /// After how many errors the rest is left undone.
    pub fail_on_errors: Option<u64>,
}

/// The ids that names of operations stand for, so far; `None` where the operation failed.
pub type Resolved = BTreeMap<String, Option<String>>;

/// What every reference begins with.
const PREFIX: &str = "bulkId:";

impl BulkRequest {
    /// Reads a request. What is wrong with one operation is told in its place, not here.
    ///
    /// ```
    /// use ringcx_scim::scim::{Rules, bulk::BulkRequest};
    /// use serde_json::json;
    ///
    /// let group = json!({"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"members": [{"value": "bulkId:u"}]}});
    /// let user = json!({"method": "POST", "path": "/Users", "bulkId": "u", "data": {"userName": "jo"}});
    /// let request = BulkRequest::parse(json!({"Operations": [group, user]}), 10, &Rules::default())?;
    /// assert_eq!(request.order(), [(1, false), (0, false)]);
    /// # Ok::<(), ringcx_scim::scim::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// 400 `invalidSyntax` for what is no bulk request, `invalidValue` for a wrong `failOnErrors` or a `bulkId` given twice, 413 for
    /// more than `most` operations.
    pub fn parse(body: Value, most: usize, rules: &Rules) -> Result<Self, Error> {
        check_depth(&body)?;
        let Value::Object(mut body) = body else {
            return Err(Error::invalid_syntax("The body is not a JSON object; send a BulkRequest."));
        };
        if !quirks::loose_schemas(rules, body.get("schemas"), urn::BULK_REQUEST) {
            return Err(Error::invalid_syntax(format!(
                "schemas must be a list that contains {}.",
                urn::BULK_REQUEST
            )));
        }
        let Some(Value::Array(operations)) = body.remove("Operations") else {
            return Err(Error::invalid_syntax(
                "The body has no array Operations; send the operations of the BulkRequest there.",
            ));
        };
        if operations.len() > most {
            let count = operations.len();
            return Err(Error::new(
                413,
                format!("The request has {count} operations; send {most} at most at a time (maxOperations)."),
            ));
        }
        let fail_on_errors = match body.remove("failOnErrors") {
            None | Some(Value::Null) => None,
            Some(Value::Number(number)) if number.as_u64().is_some_and(|number| number > 0) => {
                number.as_u64()
            }
            Some(_) => {
                return Err(Error::invalid_value("failOnErrors must be a whole number, 1 or more."));
            }
        };
        let mut operations: Vec<Operation> =
            operations.into_iter().map(|operation| Operation::read(operation, rules)).collect();
        let mut names = BTreeSet::new();
        for name in operations.iter().filter_map(|operation| operation.bulk_id.as_ref()) {
            if !names.insert(name.clone()) {
                return Err(Error::invalid_value(format!(
                    "bulkId {} is given to two operations; it must be unique in the request.",
                    quoted(name)
                )));
            }
        }
        for operation in &mut operations {
            operation.look_for(&names);
        }
        Ok(Self { operations, fail_on_errors })
    }

    /// The order in which the operations can be carried out: that of the request, but none before what it refers to. True marks
    /// one of a circle, which is to be carried out without the attributes that refer to those after it.
    ///
    /// Linear in the number of operations and references, up to a logarithm.
    pub fn order(&self) -> Vec<(usize, bool)> {
        let creators: BTreeMap<&str, usize> = (self.operations.iter().enumerate())
            .filter_map(|(index, operation)| Some((operation.bulk_id.as_deref()?, index)))
            .collect();
        let mut followers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut missing: BTreeMap<usize, usize> = BTreeMap::new();
        for (index, operation) in self.operations.iter().enumerate() {
            let referred = operation.refers.iter().filter_map(|name| creators.get(name.as_str()));
            for creator in referred {
                followers.entry(*creator).or_default().push(index);
                *missing.entry(index).or_default() += 1;
            }
        }
        let mut ready: BTreeSet<usize> =
            (0..self.operations.len()).filter(|index| !missing.contains_key(index)).collect();
        let mut order = Vec::with_capacity(self.operations.len());
        loop {
            let (index, cut) = if let Some(index) = ready.pop_first() {
                (index, false)
            } else {
                // Only a circle, and what waits for it, is left: it is broken at the first that creates something.

                let creates = |index: &&usize| {
                    self.operations.get(**index).is_some_and(|operation| operation.bulk_id.is_some())
                };
                let Some(index) = missing.keys().find(creates).or(missing.keys().next()).copied() else {
                    return order;
                };
                missing.remove(&index);
                (index, true)
            };
            order.push((index, cut));
            for follower in followers.remove(&index).unwrap_or_default() {
                let Some(left) = missing.get_mut(&follower) else { continue };
                *left -= 1;
                if *left == 0 {
                    missing.remove(&follower);
                    ready.insert(follower);
                }
            }
        }
    }
}

impl Operation {
    fn read(operation: Value, rules: &Rules) -> Self {
        let refused = |why: &str| Self {
            method: Err(String::new()),
            bulk_id: None,
            version: None,
            target: Err(Error::invalid_syntax(why.to_owned())),
            data: None,
            refers: BTreeSet::new(),
        };
        let Value::Object(mut operation) = operation else {
            return refused("The operation is not an object; send method, path and data.");
        };
        let text = |operation: &mut Object, name: &str| match operation.remove(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        let method = text(&mut operation, "method").unwrap_or_default();
        let known = [Method::Post, Method::Put, Method::Patch, Method::Delete];
        let method = known.into_iter().find(|it| it.as_str().eq_ignore_ascii_case(&method)).ok_or(method);
        let path = text(&mut operation, "path");
        let bulk_id = text(&mut operation, "bulkId");
        let version = text(&mut operation, "version");
        let data = operation.remove("data").filter(|data| !data.is_null());
        let target = target(&method, path.as_deref(), bulk_id.as_deref(), data.as_ref(), rules);
        Self { method, bulk_id, version, target, data, refers: BTreeSet::new() }
    }

    /// Finds the names to which this operation refers.
    fn look_for(&mut self, names: &BTreeSet<String>) {
        let mut refers = BTreeSet::new();
        let mut each = |text: &str| {
            each_reference(text, |name| {
                if names.contains(name) {
                    refers.insert(name.to_owned());
                }
                None
            });
        };
        if let Some(data) = &self.data {
            visit(data, &mut each);
        }
        if let Ok(Target { id: Some(id), .. }) = &self.target {
            each(id);
        }
        self.refers = refers;
    }

    /// The id of the resource, with what its reference stands for.
    ///
    /// # Errors
    ///
    /// As [`resolve`].
    pub fn id(&self, resolved: &Resolved) -> Result<Option<String>, Error> {
        let Ok(Target { id: Some(id), .. }) = &self.target else { return Ok(None) };
        match resolve(Value::from(id.as_str()), resolved)? {
            Value::String(id) => Ok(Some(id)),
            _ => Ok(None),
        }
    }

    /// The body without those attributes that refer to what is not there yet, and those attributes.
    pub fn cut(&self, resolved: &Resolved) -> (Value, Object) {
        let Some(Value::Object(data)) = &self.data else { return (Value::Null, Object::new()) };
        let (mut now, mut later) = (Object::new(), Object::new());
        for (name, value) in data {
            let mut waits = false;
            visit(value, &mut |text| {
                each_reference(text, |name| {
                    waits |= self.refers.contains(name) && !resolved.contains_key(name);
                    None
                });
            });
            let side = if waits { &mut later } else { &mut now };
            side.insert(name.clone(), value.clone());
        }
        (Value::Object(now), later)
    }
}

/// A value with every reference replaced by the id that it stands for.
///
/// # Errors
///
/// 409 when the operation that would have created it failed; 400 `invalidValue` when no operation has that name.
pub fn resolve(value: Value, resolved: &Resolved) -> Result<Value, Error> {
    Ok(match value {
        Value::String(text) if text.contains(PREFIX) => Value::String(resolve_text(&text, resolved)?),
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| resolve(item, resolved)).collect::<Result<_, _>>()?)
        }
        Value::Object(object) => {
            let members = object.into_iter().map(|(name, value)| Ok((name, resolve(value, resolved)?)));
            Value::Object(members.collect::<Result<_, Error>>()?)
        }
        other => other,
    })
}

fn resolve_text(text: &str, resolved: &Resolved) -> Result<String, Error> {
    let mut failed = None;
    let whole = text.strip_prefix(PREFIX);
    let replaced = each_reference(text, |name| match resolved.get(name) {
        Some(Some(id)) => Some(id.clone()),
        Some(None) => {
            let name = quoted(name);
            failed = Some(Error::new(
                409,
                format!("bulkId {name} stands for nothing, because its operation failed."),
            ));
            None
        }
        None if whole == Some(name) => {
            let name = quoted(name);
            failed = Some(Error::invalid_value(format!("bulkId {name} names no operation of this request.")));
            None
        }
        None => None,
    });
    failed.map_or(Ok(replaced), Err)
}

/// The text with each reference replaced by what `of` says, if it says something. A reference begins a text, or follows a quote
/// or a slash.
fn each_reference(text: &str, mut of: impl FnMut(&str) -> Option<String>) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(PREFIX) {
        let end = after.find(['"', '/', ']', ')', ' ']).unwrap_or(after.len());
        let (name, tail) = after.split_at_checked(end).unwrap_or((after, ""));
        let begins = before.is_empty() && replaced.is_empty() || before.ends_with(['"', '/']);
        replaced.push_str(before);
        match begins.then(|| of(name)).flatten() {
            Some(id) => replaced.push_str(&id),
            None => replaced.extend([PREFIX, name]),
        }
        rest = tail;
    }
    replaced.push_str(rest);
    replaced
}

/// Shows every text in a value.
fn visit(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(items) => items.iter().for_each(|item| visit(item, each)),
        Value::Object(object) => object.values().for_each(|value| visit(value, each)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn target(
    method: &Result<Method, String>,
    path: Option<&str>,
    bulk_id: Option<&str>,
    data: Option<&Value>,
    rules: &Rules,
) -> Result<Target, Error> {
    let method = method.as_ref().map_err(|text| {
        Error::invalid_syntax(format!("method {} is unknown; use POST, PUT, PATCH or DELETE.", quoted(text)))
    })?;
    let path =
        path.ok_or_else(|| Error::invalid_syntax("The operation has no path; send one such as /Users."))?;
    let mut parts = path.trim_matches('/').splitn(2, '/');
    let endpoint = parts.next().unwrap_or_default();
    let named = |ty: &&&ResourceType| ty.endpoint.trim_start_matches('/') == endpoint;
    let shown = quoted_path(path);
    let ty = RESOURCE_TYPES
        .iter()
        .find(named)
        .ok_or_else(|| Error::new(404, format!("Nothing is served at {shown}; use /Users or /Groups.")))?;
    if ty.name != USER.name && ty.name != GROUP.name {
        return Err(Error::new(405, format!("{} can be read only.", ty.endpoint)));
    }
    let id = parts.next().filter(|id| !id.is_empty()).map(str::to_owned);
    match (method, &id) {
        (Method::Post, Some(_)) => {
            return Err(Error::invalid_syntax(format!(
                "POST takes the path {}, without an id.",
                ty.endpoint
            )));
        }
        (Method::Post, None) if bulk_id.is_none() && !quirks::missing_bulk_id(rules) => {
            return Err(Error::invalid_syntax("POST needs a bulkId, unique in the request."));
        }
        (Method::Put | Method::Patch | Method::Delete, None) => {
            let method = method.as_str();
            return Err(Error::invalid_syntax(format!("{method} needs an id: the path {}/ID.", ty.endpoint)));
        }
        _ => {}
    }
    if *method != Method::Delete && data.is_none() {
        return Err(Error::invalid_syntax(format!("{} needs data.", method.as_str())));
    }
    Ok(Target { ty: ty.name, id })
}

#[cfg(test)]
mod tests;
