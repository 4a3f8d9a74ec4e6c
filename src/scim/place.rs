//! Puts checked values into a resource under construction.

use serde_json::Value;

use super::Object;
use super::schema::{Attribute, Resolved};

/// Lets `change` work on the object that holds the attributes of an extension, or on the resource itself; an extension object
/// that is empty afterwards is dropped.
pub(super) fn with_holder<T>(
    document: &mut Object,
    at: &Resolved,
    change: impl FnOnce(&mut Object) -> T,
) -> T {
    let Some(schema) = at.extension else { return change(document) };
    let mut inner = match document.remove(schema.id) {
        Some(Value::Object(inner)) => inner,
        _ => Object::new(),
    };
    let result = change(&mut inner);
    if !inner.is_empty() {
        document.insert(schema.id.to_owned(), Value::Object(inner));
    }
    result
}

/// Sets an attribute, or one sub-attribute of a single complex one; `None` clears it.
pub(super) fn set(document: &mut Object, at: &Resolved, value: Option<Value>) {
    let Some(attribute) = at.attribute else { return };
    with_holder(document, at, |holder| match at.sub {
        None => put(holder, attribute.name, value),
        Some(sub) => {
            let mut inner = match holder.remove(attribute.name) {
                Some(Value::Object(inner)) => inner,
                _ => Object::new(),
            };
            put(&mut inner, sub.name, value);
            put(holder, attribute.name, (!inner.is_empty()).then_some(Value::Object(inner)));
        }
    });
}

/// Sets or removes one member.
pub(super) fn put(object: &mut Object, name: &str, value: Option<Value>) {
    match value {
        Some(value) => {
            object.insert(name.to_owned(), value);
        }
        None => {
            object.remove(name);
        }
    }
}

/// Merges sub-attributes into an object; `None` clears one.
pub(super) fn merge(object: &mut Object, parts: Vec<(&'static Attribute, Option<Value>)>) {
    for (sub, value) in parts {
        put(object, sub.name, value);
    }
}

/// Keeps at most one element primary: the last of `favoured` that is, else the last that is (RFC 7643 §2.4 allows one).
pub(super) fn one_primary(list: &mut [Value], favoured: &[usize]) {
    let primary = |element: &Value| element.get("primary") == Some(&Value::Bool(true));
    let is_primary = |index: &usize| list.get(*index).is_some_and(primary);
    let chosen = favoured.iter().copied().rfind(is_primary).or_else(|| list.iter().rposition(primary));
    for (index, element) in list.iter_mut().enumerate() {
        if Some(index) != chosen
            && let Some(flag @ Value::Bool(true)) = element.get_mut("primary")
        {
            *flag = Value::Bool(false);
        }
    }
}

/// Adds an element unless the list has it; gives its index. An element of the same `value` and `type` is the same one, and takes
/// over what the new one says in addition.
pub(super) fn add_distinct(list: &mut Vec<Value>, attribute: &Attribute, element: Value) -> usize {
    if let Some(index) = list.iter().position(|existing| same(attribute, existing, &element)) {
        if let (Some(Value::Object(existing)), Value::Object(new)) = (list.get_mut(index), element) {
            existing.extend(new);
        }
        return index;
    }
    list.push(element);
    list.len() - 1
}

/// Puts an element in the place of the primary one, whose type it keeps where it says none; gives its index.
pub(super) fn instead_of_primary(list: &mut Vec<Value>, attribute: &Attribute, mut element: Value) -> usize {
    let old = list.iter().position(|it| it.get("primary") == Some(&Value::Bool(true)));
    let old = old.map(|index| list.remove(index));
    if let Some(new) = element.as_object_mut() {
        new.insert("primary".to_owned(), Value::Bool(true));
        if let Some(kind) = old.as_ref().and_then(|old| old.get("type")) {
            new.entry("type").or_insert_with(|| kind.clone());
        }
    }
    add_distinct(list, attribute, element)
}

/// Whether two elements stand for the same thing.
pub(super) fn same(attribute: &Attribute, existing: &Value, new: &Value) -> bool {
    let (Some(old), Some(new)) = (existing.as_object(), new.as_object()) else { return existing == new };
    match (old.get("value"), new.get("value")) {
        (Some(left), Some(right)) => {
            let type_agrees = new.get("type").is_none_or(|wanted| old.get("type") == Some(wanted));
            type_agrees && equal_text(attribute.sub("value"), left, right)
        }
        // Addresses have no `value`: all of it decides, except which one is preferred.
        (None, None) => {
            let without = |object: &Object| object.iter().filter(|(key, _)| *key != "primary").count();
            without(old) == without(new)
                && new.iter().all(|(key, value)| key == "primary" || old.get(key) == Some(value))
        }
        _ => false,
    }
}

fn equal_text(attribute: Option<&Attribute>, left: &Value, right: &Value) -> bool {
    match (left.as_str(), right.as_str()) {
        (Some(left), Some(right)) if attribute.is_some_and(|each| !each.case_exact) => {
            super::fold::eq(left, right)
        }
        _ => left == right,
    }
}

/// Whether an element has everything that `given` says, preference aside; for removal by value.
pub(super) fn covers(attribute: &Attribute, element: &Value, given: &Value) -> bool {
    let (Some(element), Some(given)) = (element.as_object(), given.as_object()) else {
        return element == given;
    };
    let agrees = |key: &String, value: &Value| {
        element.get(key).is_some_and(|own| equal_text(attribute.sub(key), own, value))
    };
    // A name for people may have changed since; the value identifies.
    let decides = |key: &str| key != "primary" && !(given.contains_key("value") && key == "display");
    given.iter().all(|(key, value)| !decides(key) || agrees(key, value))
}
