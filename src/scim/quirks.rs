//! Tolerated deviations: one function, one reason, one test each.
//!
//! The rest of [`scim`](super) reads as if clients followed the RFCs and calls a function here where they do not. Most are off
//! under `compatibility = "strict"`; the caller decides, by [`Rules`], whether to ask.

use serde_json::Value;

use super::schema::{Attribute, Kind, Resolved};
use super::{Compatibility, Object, Rules, urn};

/// Booleans as text, in any case.
///
/// Entra's default PATCH shape sends `"False"`, OneLogin's template makes every boolean a string. Ignoring the value while
/// answering 200 would leave access open.
///
/// Test: `string_boolean_active_on_create`.
pub(super) fn boolean_text(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Numbers and booleans where text is due.
///
/// Okta's samples carry numbers in `externalId`, `employeeNumber` and `postalCode`.
///
/// Test: `okta_numeric_external_id_coerced`.
pub(super) fn scalar_as_text(value: Value) -> Result<String, Value> {
    match value {
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        other @ (Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_)) => Err(other),
    }
}

/// A list of at most one where a single value is due.
///
/// Entra sends `manager` as `[{"value": "..."}]`.
///
/// Test: `entra_manager_raw_string_and_empty_clear`.
pub(super) fn list_as_single(mut items: Vec<Value>) -> Result<Value, Vec<Value>> {
    match items.len() {
        0 => Ok(Value::Null),
        1 => Ok(items.pop().unwrap_or_default()),
        _ => Err(items),
    }
}

/// A bare value where an object is due: it becomes the object's `value`.
///
/// Entra sends `manager` as the id alone; templates send `"roles": ["Admin"]` and `"emails": "jo@b.com"`.
///
/// Test: `entra_manager_raw_string_and_empty_clear`, `role_shapes`.
pub(super) fn scalar_as_object(attribute: &Attribute, value: Value) -> Result<Object, Value> {
    match value {
        Value::String(_) | Value::Number(_) if attribute.sub("value").is_some() => {
            let mut object = Object::new();
            object.insert("value".to_owned(), value);
            Ok(object)
        }
        other => Err(other),
    }
}

/// Other names of a sub-attribute.
///
/// Entra's role samples say `displayName` for `display`; OneLogin sends `{managerId, displayName}` as manager.
///
/// Test: `role_shapes`, `onelogin_manager_id`.
pub(super) fn sub_attribute_alias(attribute: &'static Attribute, key: &str) -> Option<&'static Attribute> {
    if key.eq_ignore_ascii_case("displayName") {
        attribute.sub("display")
    } else if attribute.name == "manager" && key.eq_ignore_ascii_case("managerId") {
        attribute.sub("value")
    } else {
        None
    }
}

/// A role whose `value` is a JSON document inside a string.
///
/// Entra's `AppRoleAssignmentsComplex` and `SingleAppRoleAssignment` send
/// `{"value": "{\"id\":\"...\",\"value\":\"Admin\",\"displayName\":\"Admin\"}"}`: the role is its `value`, else its `displayName`.
///
/// An error when the text begins like such a document and names no role: taking it for a name would record access that nobody
/// has.
///
/// Test: `entra_roles_json_string_in_value`.
pub(super) fn unpack_role(attribute: &Attribute, object: &mut Object) -> Result<(), &'static str> {
    if !matches!(attribute.name, "roles" | "entitlements") {
        return Ok(());
    }
    let Some(Value::String(text)) = object.get("value") else { return Ok(()) };
    if !text.trim_start().starts_with('{') {
        return Ok(());
    }
    let inner: Object = serde_json::from_str(text).map_err(|_| "is JSON in a text and cannot be parsed")?;
    let text_of = |name: &str| inner.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let Some(value) = text_of("value").or_else(|| text_of("displayName")) else {
        return Err("is JSON in a text that has neither value nor displayName");
    };
    if let Some(display) = text_of("displayName").or_else(|| text_of("display"))
        && !object.contains_key("display")
    {
        object.insert("display".to_owned(), Value::from(display));
    }
    object.insert("value".to_owned(), Value::from(value));
    Ok(())
}

/// Whether a key of an object is used like a path: dotted, with a value filter, or an attribute of an extension without its object.
///
/// Entra's newer PATCH shape sends `name.givenName` and `urn:...:User:employeeNumber` as keys; stored as they are, the update would
/// be lost without a word. The RFCs know paths only in `path`, and `strict` refuses them elsewhere.
///
/// Test: `strict_refuses_paths_as_keys`.
pub(super) fn key_is_path(key: &str, at: &Resolved) -> bool {
    at.sub.is_some() || (at.attribute.is_some() && (at.extension.is_some() || key.contains([':', '['])))
}

/// Whether `schemas` contradicts the resource type: it names another one and not this one.
///
/// It may be absent, list 1.0 URNs (OneLogin), vendor URNs (Entra's groups) or omit the URN of an extension that is in the body
/// (Entra). Only a group at `/Users`, or a user at `/Groups`, is known to be a mistake.
///
/// Test: `onelogin_core_1_0_schema_urn`, `entra_group_extra_schema_urn`, `group_body_at_users_is_400`.
pub(super) fn schemas_contradict(schemas: &Value, own: &str) -> bool {
    let other = if own == urn::USER { urn::GROUP } else { urn::USER };
    let names = |urn: &str| match schemas {
        Value::String(text) => text.eq_ignore_ascii_case(urn),
        Value::Array(all) => all.iter().filter_map(Value::as_str).any(|text| text.eq_ignore_ascii_case(urn)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    };
    names(other) && !names(own)
}

/// Whether an unknown key looks like the URN of a schema we do not have.
///
/// A sample of Entra's documentation lacks a colon in the enterprise URN (`...2.0User`); other vendors add their own. Such keys
/// are skipped in a body even where unknown attributes are refused, save under `strict`.
///
/// Test: `unknown_urn_keys_are_ignored`.
pub(super) fn foreign_urn(key: &str) -> bool {
    ["urn:", "http://", "https://"].iter().any(|start| super::fold::strip_prefix(key, start).is_some())
}

/// Whether `replace` through a value filter that selects nothing creates the element.
///
/// RFC 7644 §3.5.2.3 wants `noTarget`; Entra sends `replace` for an address that was never there and gives up on the user.
///
/// Test: `entra_filter_path_replace_creates_when_absent`.
pub(super) fn replace_creates_element(rules: &Rules) -> bool {
    rules.compatibility == Compatibility::Entra
}

/// Whether `add` through a value filter that selects nothing creates the element.
///
/// RFC 7644 is silent on it; servers that refuse it lose Entra's first telephone number of every person.
///
/// Test: `entra_filter_path_add_creates_work_email`.
pub(super) fn add_creates_element(rules: &Rules) -> bool {
    !rules.strict()
}

/// Whether `remove` through a value filter that selects nothing succeeds.
///
/// A failed request here loses the rest of the batch, although what it wants is already so.
///
/// Test: `entra_remove_absent_filtered_element_noop`.
pub(super) fn remove_of_nothing_succeeds(rules: &Rules) -> bool {
    !rules.strict()
}

/// Flags that Entra administrators append to the tenant URL; Entra copies them into every request.
const URL_FLAGS: [&str; 2] = ["aadOptscim062020", "AzureAdScimPatch2017"];

/// A query parameter whose name or value got a flag of the tenant URL glued to it by a second question mark.
///
/// The base URL may end in `?aadOptscim062020`, and how Entra joins that with its own query is not documented.
///
/// Test: `entra_tenant_url_flag_ignored`.
pub(super) fn without_url_flag<'a>(name: &'a str, value: &'a str) -> (&'a str, &'a str) {
    let is_flag = |text: &str| URL_FLAGS.iter().any(|flag| flag.eq_ignore_ascii_case(text));
    let name = match name.split_once('?') {
        Some((flag, rest)) if is_flag(flag) => rest,
        _ => name,
    };
    let value = match value.rsplit_once('?') {
        Some((rest, flag)) if is_flag(flag) => rest,
        _ => value,
    };
    (name, value)
}

/// Whether a quoted literal may stand for a boolean or a number in a filter.
///
/// Entra writes `roles[primary eq "True"]` although `primary` is a boolean.
///
/// Test: `entra_roles_primary_eq_quoted_true`.
pub(super) fn quoted_literal_fits(kind: Kind, text: &str) -> bool {
    match kind {
        Kind::Boolean => boolean_text(text).is_some(),
        Kind::Integer | Kind::Decimal => text.trim().parse::<f64>().is_ok(),
        Kind::String | Kind::DateTime | Kind::Binary | Kind::Reference | Kind::Complex => true,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    /// The Rust files below a folder.
    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn every_quirk_names_its_tests() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scim");
        let text: String = sources(&folder).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        let own = include_str!("quirks.rs").split("#[cfg(test)]").next().unwrap();
        let functions = own.matches("\npub(super) fn ").count();
        let mut quirks_with_tests = 0;
        for line in own.lines().filter(|line| line.starts_with("/// Test: ")) {
            quirks_with_tests += 1;
            for name in line.split('`').skip(1).step_by(2) {
                assert!(text.contains(&format!("fn {name}()")), "there is no test {name}");
            }
        }
        assert_eq!(quirks_with_tests, functions);
    }
}
