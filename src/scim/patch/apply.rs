//! Carries out the operations of a PATCH on a resource, one after another, all or none.

use serde_json::Value;

use super::path::{Target, target};
use super::{Operation, PatchOp, Verb};
use crate::scim::check::finish;
use crate::scim::coerce::{At, MAX_ELEMENTS, Reader};
use crate::scim::filter::Element;
use crate::scim::place::{
    add_distinct, covers, instead_of_primary, merge, one_primary, put, set, with_holder,
};
use crate::scim::resource::is_empty;
use crate::scim::schema::{Attribute, Kind, Resolved, ResourceType, Schema, Storage};
use crate::scim::{Error, Object, Resource, Rules, quirks};

/// The outcome of a PATCH.
#[derive(Clone, Debug, PartialEq)]
pub struct Patched {
    /// The resource as it is to be stored.
    pub resource: Resource,
    /// Attributes outside the published schema that were skipped, by path.
    pub skipped: Vec<String>,
}

/// Applies a request to what is stored. Atomic: on an error nothing has changed.
///
/// ```
/// use ringcx_scim::scim::patch::{PatchOp, apply};
/// use ringcx_scim::scim::{Rules, check, schema};
/// use serde_json::json;
///
/// let rules = Rules::default();
/// let stored = check::create(&schema::USER, json!({"userName": "jo"}), &rules)?;
/// let operations = json!([{"op": "Add", "path": "emails[type eq \"work\"].value", "value": "jo@b.com"}]);
/// let patched = apply(&schema::USER, &stored, &PatchOp::parse(json!({"Operations": operations}), &rules)?, &rules)?;
/// assert_eq!(patched.resource.get("emails"), Some(&json!([{"type": "work", "value": "jo@b.com"}])));
/// # Ok::<(), ringcx_scim::scim::Error>(())
/// ```
///
/// # Errors
///
/// 400 with the keyword of RFC 7644 §3.5.2 that fits; the detail names the operation by index and path.
pub fn apply(ty: &ResourceType, stored: &Resource, op: &PatchOp, rules: &Rules) -> Result<Patched, Error> {
    let mut patcher =
        Patcher { ty, rules, reader: Reader::of_patch(rules, stored), document: stored.as_object().clone() };
    for operation in &op.operations {
        patcher.operation(operation).map_err(|error| error.within(operation))?;
    }
    let mut skipped = patcher.reader.skipped;
    skipped.dedup();
    Ok(Patched { resource: finish(ty, patcher.document)?, skipped })
}

struct Patcher<'a> {
    ty: &'a ResourceType,
    rules: &'a Rules,
    reader: Reader<'a>,
    document: Object,
}

/// Whether a path was written out, so that a refusal has to be told, or is a key of an object, where clients echo what they read.
#[derive(Clone, Copy, PartialEq)]
enum Written {
    Path,
    Key,
}

impl Patcher<'_> {
    fn operation(&mut self, operation: &Operation) -> Result<(), Error> {
        let value = operation.value.clone();
        match &operation.path {
            Some(path) => self.at_path(operation.verb, path, value, Written::Path),
            None => self.members(operation.verb, value),
        }
    }

    /// Every key of the object is a path: plain, dotted, with a URN, or the URN of an extension.
    fn members(&mut self, verb: Verb, value: Option<Value>) -> Result<(), Error> {
        let Some(Value::Object(members)) = value else {
            return Err(Error::invalid_value("the value is not an object of attributes; send one."));
        };
        for (path, value) in members {
            self.at_path(verb, &path, Some(value), Written::Key)?;
        }
        Ok(())
    }

    fn at_path(
        &mut self,
        verb: Verb,
        path: &str,
        value: Option<Value>,
        written: Written,
    ) -> Result<(), Error> {
        let (at, filter) = match target(self.ty, path, &mut self.reader)? {
            Target::Unknown => return Ok(()),
            Target::Resource => return self.members(verb, value),
            Target::At(at, _) if written == Written::Key && !quirks::key_as_path(self.rules, path, &at) => {
                return self.reader.unknown(path.to_owned());
            }
            Target::At(at, filter) => (at, filter),
        };
        self.at(verb, at, filter.as_ref(), value, written)
    }

    fn at(
        &mut self,
        verb: Verb,
        at: Resolved,
        filter: Option<&Element>,
        value: Option<Value>,
        written: Written,
    ) -> Result<(), Error> {
        let Some(attribute) = at.attribute else {
            return at.extension.map_or(Ok(()), |schema| self.extension(verb, schema, value));
        };
        if !at.writable() {
            return match written {
                Written::Key if quirks::read_only_in_value(self.rules) => Ok(()),
                Written::Key | Written::Path => {
                    Err(Error::mutability(format!("{at} is read-only; leave it out.")))
                }
            };
        }
        match attribute.storage {
            Storage::Dropped => return Ok(()),
            Storage::Joined => {
                return Err(Error::invalid_path(format!("{at} cannot be changed here.")));
            }
            Storage::Kept | Storage::KeptThroughPut => {}
        }
        match (verb, attribute.multi_valued) {
            (Verb::Remove, false) => self.clear(at, attribute),
            (Verb::Remove, true) => self.remove_elements(at, attribute, filter, value)?,
            (_, false) => self.assign(at, attribute, value.unwrap_or_default())?,
            (_, true) => match filter {
                Some(filter) => {
                    self.write_selected(verb, at, attribute, filter, value.unwrap_or_default())?;
                }
                None => self.write_list(verb, at, attribute, value.unwrap_or_default())?,
            },
        }
        self.still_there(at, attribute)
    }

    /// RFC 7644 §3.5.2.2: a required attribute cannot be removed.
    fn still_there(&self, at: Resolved, attribute: &Attribute) -> Result<(), Error> {
        if attribute.required && at.value(&self.document).is_none() {
            return Err(Error::invalid_value(format!(
                "{at} is required and cannot be removed; send a value."
            )));
        }
        Ok(())
    }

    fn extension(&mut self, verb: Verb, schema: &'static Schema, value: Option<Value>) -> Result<(), Error> {
        match value {
            _ if verb == Verb::Remove => {
                self.document.remove(schema.id);
            }
            Some(Value::Object(members)) => {
                for (key, value) in members {
                    match schema.find(&key) {
                        Some(at) => self.at(verb, at, None, Some(value), Written::Key)?,
                        None => self.reader.unknown(format!("{}:{key}", schema.id))?,
                    }
                }
            }
            Some(empty) if is_empty(&empty) => {
                if verb == Verb::Replace {
                    self.document.remove(schema.id);
                }
            }
            _ => {
                return Err(Error::invalid_value(format!(
                    "{} takes an object of its attributes.",
                    schema.id
                )));
            }
        }
        Ok(())
    }

    /// Clears a single-valued attribute or sub-attribute. Clearing `active` leaves it: that never switches anybody on or off.
    fn clear(&mut self, at: Resolved, attribute: &Attribute) {
        let keeps = attribute.kind == Kind::Boolean && attribute.storage == Storage::KeptThroughPut;
        if !keeps {
            set(&mut self.document, &at, None);
        }
    }

    /// `add` and `replace` of a single-valued attribute are the same; an object is merged (RFC 7644 §3.5.2.3).
    fn assign(&mut self, at: Resolved, attribute: &'static Attribute, value: Value) -> Result<(), Error> {
        let value = match value {
            Value::Array(items) => quirks::list_as_single(self.rules, items)
                .map_err(|_| Error::invalid_value(format!("{at} takes one value, not a list.")))?,
            other => other,
        };
        if value.is_null() || (value.as_str() == Some("") && quirks::empty_text(self.rules)) {
            self.clear(at, attribute);
            return Ok(());
        }
        if attribute.kind == Kind::Complex && at.sub.is_none() {
            let parts = self.reader.parts(at.into(), attribute, value)?;
            with_holder(&mut self.document, &at, |holder| {
                let mut inner = match holder.remove(attribute.name) {
                    Some(Value::Object(inner)) => inner,
                    _ => Object::new(),
                };
                merge(&mut inner, parts);
                put(holder, attribute.name, (!inner.is_empty()).then_some(Value::Object(inner)));
            });
            return Ok(());
        }
        let read = self.reader.read(at, value)?;
        set(&mut self.document, &at, read);
        Ok(())
    }

    /// Works on the list of a multi-valued attribute; an empty one is dropped afterwards.
    fn with_list<T>(
        &mut self,
        at: &Resolved,
        attribute: &Attribute,
        change: impl FnOnce(&mut Vec<Value>) -> T,
    ) -> T {
        with_holder(&mut self.document, at, |holder| {
            let mut list = match holder.remove(attribute.name) {
                Some(Value::Array(list)) => list,
                _ => Vec::new(),
            };
            let result = change(&mut list);
            list.retain(|element| !is_empty(element));
            put(holder, attribute.name, (!list.is_empty()).then_some(Value::Array(list)));
            result
        })
    }

    /// `add` appends what is not there, `replace` sets; with a sub-attribute all elements get the value.
    fn write_list(
        &mut self,
        verb: Verb,
        at: Resolved,
        attribute: &'static Attribute,
        value: Value,
    ) -> Result<(), Error> {
        if let Some(sub) = at.sub {
            let read = self.reader.read(at, value)?;
            self.with_list(&at, attribute, |list| {
                // RFC 7644 §3.5.2.3: a target that does not exist is added.
                if list.is_empty() && read.is_some() {
                    list.push(Value::Object(Object::new()));
                }
                for element in list.iter_mut().filter_map(Value::as_object_mut) {
                    put(element, sub.name, read.clone());
                }
                one_primary(list, &[]);
            });
            return Ok(());
        }
        let instead = verb == Verb::Add
            && quirks::single_role_added(self.rules, attribute, at.value(&self.document), &value);
        let elements = self.reader.elements(at.into(), attribute, value)?;
        let count = self.with_list(&at, attribute, |list| {
            if verb == Verb::Replace {
                list.clear();
            }
            let mut written = Vec::with_capacity(elements.len());
            for element in elements {
                let add = if instead { instead_of_primary } else { add_distinct };
                written.push(add(list, attribute, element));
            }
            one_primary(list, &written);
            list.len()
        });
        // Many operations must not grow what one may not, nor take quadratic time.
        if count > MAX_ELEMENTS {
            return Err(Error::invalid_value(format!(
                "{at} would have {count} elements; at most {MAX_ELEMENTS} are kept."
            )));
        }
        Ok(())
    }

    /// `add` and `replace` on the elements that a value filter selects.
    fn write_selected(
        &mut self,
        verb: Verb,
        at: Resolved,
        attribute: &'static Attribute,
        filter: &Element,
        value: Value,
    ) -> Result<(), Error> {
        let selected = self.selected(&at, filter);
        let list_at = At::from(Resolved { sub: None, ..at });
        let whole = at.sub.is_none() && verb == Verb::Replace;
        let clears = is_empty(&value);
        if selected.is_empty() && clears && quirks::remove_of_nothing(self.rules) {
            return Ok(());
        }
        // A value under a sub-attribute is read as an object of that one, so that a packed role unpacks here too.
        let value = match at.sub {
            None => value,
            Some(sub) => {
                let mut object = Object::new();
                object.insert(sub.name.to_owned(), value);
                Value::Object(object)
            }
        };
        let pairs = if selected.is_empty() || whole { self.pairs(list_at, filter)? } else { None };
        let parts = self.reader.parts(list_at, attribute, value)?;
        if selected.is_empty() {
            let creates = match verb {
                Verb::Add => quirks::add_creates_element(self.rules),
                Verb::Replace | Verb::Remove => quirks::replace_creates_element(self.rules),
            };
            let Some(mut element) = pairs.filter(|_| creates) else {
                return Err(Error::no_target(format!("no element of {list_at} matches; add it first.")));
            };
            merge(&mut element, parts);
            self.with_list(&at, attribute, |list| {
                let new = add_distinct(list, attribute, Value::Object(element));
                one_primary(list, &[new]);
            });
            return Ok(());
        }
        self.with_list(&at, attribute, |list| {
            for index in &selected {
                let Some(Value::Object(element)) = list.get_mut(*index) else { continue };
                if whole {
                    // RFC 7644 §3.5.2.3 replaces the element; what selected it stays true unless the value says otherwise.
                    *element = if clears { Object::new() } else { pairs.clone().unwrap_or_default() };
                }
                merge(element, parts.clone());
            }
            one_primary(list, &selected);
        });
        Ok(())
    }

    /// Indices of the elements that a value filter selects.
    fn selected(&self, at: &Resolved, filter: &Element) -> Vec<usize> {
        let list = at.value(&self.document).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let matches =
            |(index, element): (usize, &Value)| filter.matches(element.as_object()?).then_some(index);
        list.iter().enumerate().filter_map(matches).collect()
    }

    /// The element that a filter of equalities describes.
    fn pairs(&mut self, at: At, filter: &Element) -> Result<Option<Object>, Error> {
        let Some(pairs) = filter.equalities() else { return Ok(None) };
        let mut element = Object::new();
        for (sub, value) in pairs {
            let at = At { resolved: Resolved { sub: Some(sub), ..at.resolved }, ..at };
            put(&mut element, sub.name, self.reader.one(at, sub, value)?);
        }
        Ok(Some(element))
    }

    /// `remove` on a list: the selected elements, those listed as value, one sub-attribute of them, or all.
    fn remove_elements(
        &mut self,
        at: Resolved,
        attribute: &'static Attribute,
        filter: Option<&Element>,
        value: Option<Value>,
    ) -> Result<(), Error> {
        let selected = filter.map(|filter| self.selected(&at, filter));
        if selected.as_ref().is_some_and(Vec::is_empty) {
            return if quirks::remove_of_nothing(self.rules) {
                Ok(())
            } else {
                Err(Error::no_target(format!("no element of {} matches.", attribute.name)))
            };
        }
        // Entra names in `value` what to remove; taking it for "all" would strip everything.
        let listed = match value {
            Some(value) if filter.is_none() && at.sub.is_none() && !value.is_null() => {
                quirks::remove_by_value(self.rules)?;
                Some(self.reader.elements(at.into(), attribute, value)?)
            }
            _ => None,
        };
        self.with_list(&at, attribute, |list| {
            for (index, element) in list.iter_mut().enumerate() {
                let chosen = selected.as_ref().is_none_or(|selected| selected.contains(&index))
                    && listed
                        .as_ref()
                        .is_none_or(|listed| listed.iter().any(|each| covers(attribute, element, each)));
                match (chosen, at.sub) {
                    (false, _) => {}
                    (true, None) => *element = Value::Null,
                    (true, Some(sub)) => {
                        if let Some(object) = element.as_object_mut() {
                            object.remove(sub.name);
                        }
                    }
                }
            }
        });
        Ok(())
    }
}
