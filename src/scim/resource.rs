//! A checked resource, as it is stored and compared.

use std::fmt;

use serde_json::Value;

use super::fold::strip_prefix;
use super::schema::EXTENSION_URNS;
use super::{Error, Object, urn};

/// A checked resource: names as the schema spells them, values of the right type.
///
/// Extension attributes sit in an object under the full URN. Absent attributes are absent, never `null`, `""` or `[]`. It holds no `schemas`, `id`, `meta`, `groups`, `members`
/// or other read-only attribute and no password; those are joined when the resource is shown. `Debug` shows names, never values.
#[derive(Clone, PartialEq, Default)]
pub struct Resource(Object);

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resource")?;
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Where a textual path leads: the extension's URN, the attribute, the sub-attribute.
struct Location<'p> {
    extension: Option<&'static str>,
    name: &'p str,
    sub: Option<&'p str>,
}

impl<'p> Location<'p> {
    fn of(path: &'p str) -> Self {
        let (extension, rest) = Self::split_urn(path);
        let (name, sub) = rest.split_once('.').map_or((rest, None), |(name, sub)| (name, Some(sub)));
        Self { extension, name, sub }
    }

    fn split_urn(path: &'p str) -> (Option<&'static str>, &'p str) {
        for extension in EXTENSION_URNS {
            match strip_prefix(path, extension) {
                Some("") => return (Some(extension), ""),
                Some(rest) => {
                    if let Some(rest) = rest.strip_prefix(':') {
                        return (Some(extension), rest);
                    }
                }
                None => {}
            }
        }
        let core =
            [urn::USER, urn::GROUP].iter().find_map(|core| strip_prefix(path, core)?.strip_prefix(':'));
        (None, core.unwrap_or(path))
    }
}

/// The member of this name, in any case.
fn member<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    object
        .get(name)
        .or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// The key that this object uses for `name`, else `name` itself.
fn spelling(object: &Object, name: &str) -> String {
    let known = object.keys().find(|key| key.eq_ignore_ascii_case(name));
    known.map_or_else(|| name.to_owned(), Clone::clone)
}

/// Puts `value` into the object at `key`, which is made if it is not there or is something else.
fn put_within(object: &mut Object, key: &str, put: impl FnOnce(&mut Object)) {
    let key = spelling(object, key);
    let mut inner = match object.remove(&key) {
        Some(Value::Object(inner)) => inner,
        _ => Object::new(),
    };
    put(&mut inner);
    object.insert(key, Value::Object(inner));
}

/// Puts `value` at `name` or `name.sub`.
fn put(holder: &mut Object, name: &str, sub: Option<&str>, value: Value) {
    match sub {
        None => {
            let key = spelling(holder, name);
            holder.insert(key, value);
        }
        Some(sub) => put_within(holder, name, |inner| put(inner, sub, None, value)),
    }
}

impl Resource {
    /// Wraps an object that is a checked resource already.
    pub fn from_object(object: Object) -> Self {
        Self(object)
    }

    /// The value at a path such as `userName`, `name.givenName`, the URN of an extension, or that followed by `:agentRank`; in
    /// any case. A sub-attribute of a list has no single value: `None`.
    pub fn get(&self, path: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(path) {
            return Some(value);
        }
        let location = Location::of(path);
        let holder = match location.extension {
            None => &self.0,
            Some(extension) if location.name.is_empty() => return member(&self.0, extension),
            Some(extension) => member(&self.0, extension)?.as_object()?,
        };
        let value = member(holder, location.name)?;
        match location.sub {
            None => Some(value),
            Some(sub) => member(value.as_object()?, sub),
        }
    }

    /// The text at a path.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.as_str()
    }

    /// The boolean at a path.
    pub fn flag(&self, path: &str) -> Option<bool> {
        self.get(path)?.as_bool()
    }

    /// The whole number at a path.
    pub fn integer(&self, path: &str) -> Option<i64> {
        self.get(path)?.as_i64()
    }

    /// Puts a value at a path, unchecked. An empty value (`null`, `""`, `[]`, `{}`) removes what is there.
    pub fn set(&mut self, path: &str, value: Value) {
        if is_empty(&value) {
            self.remove(path);
            return;
        }
        let Location { extension, name, sub } = Location::of(path);
        match extension {
            None => put(&mut self.0, name, sub, value),
            Some(extension) if name.is_empty() => put(&mut self.0, extension, None, value),
            Some(extension) => put_within(&mut self.0, extension, |inner| put(inner, name, sub, value)),
        }
    }

    /// Removes and gives the value at a path; an object that becomes empty by that goes too.
    pub fn remove(&mut self, path: &str) -> Option<Value> {
        let location = Location::of(path);
        match location.extension {
            None => remove_from(&mut self.0, location.name, location.sub),
            Some(extension) => {
                let key = spelling(&self.0, extension);
                if location.name.is_empty() {
                    return self.0.remove(&key);
                }
                let inner = self.0.get_mut(&key)?.as_object_mut()?;
                let removed = remove_from(inner, location.name, location.sub);
                if inner.is_empty() {
                    self.0.remove(&key);
                }
                removed
            }
        }
    }

    /// The attributes.
    pub fn as_object(&self) -> &Object {
        &self.0
    }

    /// The attributes, owned.
    pub fn into_object(self) -> Object {
        self.0
    }

    /// The text that is stored.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// A resource from its stored text, which is trusted.
    ///
    /// # Errors
    ///
    /// 500 when the text is not a JSON object.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map(Self).map_err(|error| {
            Error::new(500, format!("A stored resource is unreadable at line {}.", error.line()))
        })
    }
}

fn remove_from(holder: &mut Object, name: &str, sub: Option<&str>) -> Option<Value> {
    let key = spelling(holder, name);
    let Some(sub) = sub else { return holder.remove(&key) };
    let inner = holder.get_mut(&key)?.as_object_mut()?;
    let sub = spelling(inner, sub);
    let removed = inner.remove(&sub);
    if inner.is_empty() {
        holder.remove(&key);
    }
    removed
}

/// Whether a value says "unassigned" (RFC 7643 §2.5): `null`, an empty list or object; and empty text, which is how Entra says it.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample() -> Resource {
        Resource::from_json(
            r#"{"userName":"jo","name":{"givenName":"Jo"},"active":true,
                "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User":{"agentRank":5}}"#,
        )
        .unwrap()
    }

    #[test]
    fn paths_are_read_in_any_case() {
        let resource = sample();
        assert_eq!(resource.text("USERNAME"), Some("jo"));
        assert_eq!(resource.text("name.GivenName"), Some("Jo"));
        assert_eq!(resource.flag("urn:ietf:params:scim:schemas:core:2.0:User:active"), Some(true));
        assert_eq!(
            resource.integer("urn:ietf:params:scim:schemas:extension:RINGCX:2.0:user:agentrank"),
            Some(5)
        );
        assert_eq!(resource.get(urn::RINGCX_USER), Some(&json!({"agentRank": 5})));
        assert_eq!(resource.get("userName.x"), None);
        assert_eq!(resource.get(""), None);
    }

    #[test]
    fn set_and_remove_leave_no_empty_object() {
        let mut resource = sample();
        resource.set("NAME.familyName", json!("B"));
        resource.set("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", json!("Ops"));
        assert_eq!(resource.get("name"), Some(&json!({"givenName": "Jo", "familyName": "B"})));
        assert_eq!(resource.get(urn::ENTERPRISE_USER), Some(&json!({"department": "Ops"})));
        resource.set("name.familyName", json!(""));
        assert_eq!(resource.remove("name.givenName"), Some(json!("Jo")));
        assert_eq!(resource.get("name"), None);
        resource.remove("urn:ietf:params:scim:schemas:extension:ringcx:2.0:User:agentRank");
        assert_eq!(resource.get(urn::RINGCX_USER), None);
        assert_eq!(Resource::from_json(&resource.to_json()), Ok(resource));
        assert_eq!(Resource::from_json("[]").unwrap_err().status, 500);
    }
}
