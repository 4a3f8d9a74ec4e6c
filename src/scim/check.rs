//! POST and PUT bodies: from what a client sent to a checked [`Resource`].
//!
//! Start with [`create`]. Reading is tolerant (see [`quirks`]) in what has only one sensible meaning, and refuses
//! the rest with the attribute's path, the value, the reason and the fix.

use serde_json::Value;

use super::coerce::{At, Reader, check_depth};
use super::error::quoted;
use super::place;
use super::schema::{Attribute, Kind, Resolved, ResourceType, Schema, Storage};
use super::{Error, Object, Resource, Rules, quirks};

mod members;

pub use members::{Member, MemberKind, members};
pub(super) use members::{is_members, member_list};

/// Reads the body of a POST.
///
/// ```
/// use ringcx_scim::scim::{Rules, check, schema};
/// use serde_json::json;
///
/// let body = json!({"userName": "jo@b.com", "ACTIVE": "False", "title": null, "emails": {"value": "jo@b.com"}});
/// let user = check::create(&schema::USER, body, &Rules::default())?;
/// assert_eq!(user.flag("active"), Some(false));
/// assert_eq!(user.get("title"), None);
/// assert_eq!(user.get("emails"), Some(&json!([{"value": "jo@b.com"}])));
/// # Ok::<(), ringcx_scim::scim::Error>(())
/// ```
///
/// # Errors
///
/// 400 `invalidSyntax` when the body is no resource of this type, `invalidValue` when a value does not fit.
pub fn create(ty: &ResourceType, body: Value, rules: &Rules) -> Result<Resource, Error> {
    // A user of whom the client does not say whether they are active is active, and is shown so; what is stored is what was said.
    let incoming = Incoming::read(ty, body, Reader::of_body(rules, None))?;
    finish(ty, incoming.document)
}

/// Reads the body of a PUT over what is stored.
///
/// Core attributes missing from the body are cleared (RFC 7644 §3.5.1). An absent extension, and absent `roles`, `entitlements`,
/// `active` and `externalId`, leave what is stored: clients that build the body from their own model know nothing of them. An
/// explicit `null` or `[]` clears. Read-only attributes are ignored whatever they hold.
///
/// ```
/// use ringcx_scim::scim::{Rules, check, schema};
/// use serde_json::json;
///
/// let rules = Rules::default();
/// let stored = check::create(&schema::USER, json!({"userName": "jo", "title": "Guide", "roles": ["USER"]}), &rules)?;
/// let user = check::replace(&schema::USER, &stored, json!({"userName": "jo"}), &rules)?;
/// assert_eq!(user.get("title"), None);
/// assert_eq!(user.get("roles"), stored.get("roles"));
/// # Ok::<(), ringcx_scim::scim::Error>(())
/// ```
///
/// # Errors
///
/// As [`create`].
pub fn replace(ty: &ResourceType, stored: &Resource, body: Value, rules: &Rules) -> Result<Resource, Error> {
    let Incoming { mut document, cleared, whole } =
        Incoming::read(ty, body, Reader::of_body(rules, Some(stored)))?;
    let old = stored.as_object();
    for (extension, attribute) in ty.attributes() {
        if extension.is_some()
            || attribute.storage != Storage::KeptThroughPut
            || document.contains_key(attribute.name)
        {
            continue;
        }
        // A null never switches anybody on: `active` is true or false, and absent from the body means unchanged.
        let leave = attribute.kind == Kind::Boolean || !cleared.contains(&attribute.name);
        if let Some(value) = old.get(attribute.name).filter(|_| leave) {
            document.insert(attribute.name.to_owned(), value.clone());
        }
    }
    for extension in ty.extensions {
        let Some(Value::Object(old)) = old.get(extension.id) else { continue };
        if cleared.contains(&extension.id) {
            continue;
        }
        let given_whole = whole.contains(&extension.id);
        let kept = old.iter().filter(|(name, _)| {
            // What no GET shows cannot be in a body that was built from one.
            !given_whole || extension.attribute(name).is_some_and(Attribute::secret)
        });
        let mut inner: Object = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        for path in &cleared {
            inner.remove(*path);
        }
        if let Some(Value::Object(new)) = document.remove(extension.id) {
            inner.extend(new);
        }
        if !inner.is_empty() {
            document.insert(extension.id.to_owned(), Value::Object(inner));
        }
    }
    finish(ty, document)
}

/// Refuses a resource that lacks a required attribute.
pub(super) fn finish(ty: &ResourceType, document: Object) -> Result<Resource, Error> {
    for attribute in ty.schema.attributes.iter().filter(|each| each.required) {
        let missing = match document.get(attribute.name) {
            None => true,
            Some(Value::String(text)) => text.trim().is_empty(),
            Some(_) => false,
        };
        if missing {
            let (name, kind) = (attribute.name, ty.name);
            return Err(Error::invalid_value(format!(
                "{name} is required and may not be empty; send {name} of the {kind}."
            )));
        }
    }
    Ok(Resource::from_object(document))
}

/// A body sorted into what it sets, what it clears, and which extensions it gives whole.
struct Incoming {
    document: Object,
    cleared: Vec<&'static str>,
    whole: Vec<&'static str>,
}

impl Incoming {
    fn read(ty: &ResourceType, body: Value, mut reader: Reader<'_>) -> Result<Self, Error> {
        check_depth(&body)?;
        let Value::Object(body) = body else {
            return Err(Error::invalid_syntax(format!("The body is not a JSON object; send a {}.", ty.name)));
        };
        check_schemas(ty, &body, reader.rules)?;
        let mut incoming = Self { document: Object::new(), cleared: Vec::new(), whole: Vec::new() };
        incoming.members(ty, body, &mut reader)?;
        for value in incoming.document.values_mut() {
            if let Value::Array(list) = value {
                place::one_primary(list, &[]);
            }
        }
        Ok(incoming)
    }

    fn members(&mut self, ty: &ResourceType, body: Object, reader: &mut Reader<'_>) -> Result<(), Error> {
        let mut seen: Vec<&'static str> = Vec::with_capacity(body.len());
        for (key, value) in body {
            if ty.is_core_urn(&key) {
                if let Value::Object(inner) = value {
                    self.members(ty, inner, reader)?;
                }
                continue;
            }
            let Some(at) = ty.find(&key) else {
                reader.unknown(key)?;
                continue;
            };
            if !quirks::key_as_path(reader.rules, &key, &at) {
                reader.unknown(key)?;
                continue;
            }
            match (at.attribute, at.extension) {
                (None, Some(extension)) => self.extension(extension, value, reader)?,
                (None, None) => {}
                (Some(attribute), _) => {
                    if at.sub.is_none() && seen.contains(&attribute.name) {
                        return Err(Error::invalid_syntax(format!(
                            "{at} is given twice, in different case ({}); send it once.",
                            quoted(&key)
                        )));
                    }
                    if at.sub.is_none() {
                        seen.push(attribute.name);
                    }
                    self.attribute(at, attribute, value, reader)?;
                }
            }
        }
        Ok(())
    }

    fn extension(
        &mut self,
        schema: &'static Schema,
        value: Value,
        reader: &mut Reader<'_>,
    ) -> Result<(), Error> {
        let inner = match value {
            Value::Object(inner) => inner,
            empty if super::resource::is_empty(&empty) => {
                self.cleared.push(schema.id);
                return Ok(());
            }
            other => {
                let shown = super::error::shown(&other);
                return Err(Error::invalid_value(format!("{} is {shown}; send an object.", schema.id)));
            }
        };
        self.whole.push(schema.id);
        for (key, value) in inner {
            match schema.find(&key) {
                None => reader.unknown(format!("{}:{key}", schema.id))?,
                Some(at) => {
                    if let Some(attribute) = at.attribute {
                        self.attribute(at, attribute, value, reader)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn attribute(
        &mut self,
        at: Resolved,
        attribute: &'static Attribute,
        value: Value,
        reader: &mut Reader<'_>,
    ) -> Result<(), Error> {
        // RFC 7644 §3.3: read-only attributes in a body are ignored. Membership is read by `members`.
        if !at.writable() || !attribute.in_resource() {
            return Ok(());
        }
        if attribute.multi_valued && at.sub.is_some() {
            // `"emails.value": "jo@b.com"`: a list of one.
            let one = reader.one(At { index: Some(0), resolved: at }, at.sub.unwrap_or(attribute), value)?;
            if let (Some(one), Some(sub)) = (one, at.sub) {
                let mut element = Object::new();
                element.insert(sub.name.to_owned(), one);
                self.document.insert(attribute.name.to_owned(), Value::Array(vec![Value::Object(element)]));
            }
            return Ok(());
        }
        let read = reader.read(at, value)?;
        if read.is_none() && at.sub.is_none() {
            self.cleared.push(attribute.name);
        }
        place::set(&mut self.document, &at, read);
        Ok(())
    }
}

fn check_schemas(ty: &ResourceType, body: &Object, rules: &Rules) -> Result<(), Error> {
    let schemas = body.iter().find(|(key, _)| key.eq_ignore_ascii_case("schemas")).map(|(_, value)| value);
    let own = ty.schema.id;
    match schemas {
        Some(schemas) if quirks::schemas_contradict(schemas, own) => Err(Error::invalid_syntax(format!(
            "schemas names another type of resource; {} takes {own}.",
            ty.endpoint
        ))),
        schemas if quirks::loose_schemas(rules, schemas, own) => Ok(()),
        _ => Err(Error::invalid_syntax(format!("schemas must be a list that contains {own}."))),
    }
}

#[cfg(test)]
mod tests;
