//! Tolerated deviations: one function, one reason, one test each.
//!
//! The rest of [`scim`](super) reads as if clients followed the RFCs and calls a function here where they do not. Each asks
//! [`Rules`] by the deviation's name ([`Quirk`]), which says whether the tenant tolerates it and counts the use.

mod table;

pub use table::{Quirk, Where};

use scim_filter_parser::Options;
use serde_json::Value;

use super::schema::{Attribute, Kind, Resolved};
use super::{Error, Object, Rules, urn};

/// Booleans as text, in any case.
///
/// Entra's default PATCH shape sends `"False"`, OneLogin's template makes every boolean a string. Ignoring the value while
/// answering 200 would leave access open.
///
/// Test: `string_boolean_active_on_create`.
pub(super) fn boolean_text(rules: &Rules, text: &str) -> Option<bool> {
    let flag = read_boolean(text).filter(|_| rules.tolerates_silently(Quirk::BooleanText))?;
    rules.count(Quirk::BooleanText);
    Some(flag)
}

/// `true` or `false`, in any case.
pub(super) fn read_boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Numbers as text.
///
/// Templates make everything a string.
///
/// Test: `numbers_as_text`.
pub(super) fn number_text<T: std::str::FromStr>(rules: &Rules, text: &str) -> Option<T> {
    let number = text.trim().parse().ok()?;
    rules.tolerates(Quirk::NumberText).then_some(number)
}

/// Numbers and booleans where text is due.
///
/// Okta's samples carry numbers in `externalId`, `employeeNumber` and `postalCode`.
///
/// Test: `okta_numeric_external_id_coerced`.
pub(super) fn scalar_as_text(rules: &Rules, value: Value) -> Result<String, Value> {
    match value {
        Value::Number(number) if rules.tolerates(Quirk::ScalarAsText) => Ok(number.to_string()),
        Value::Bool(flag) if rules.tolerates(Quirk::ScalarAsText) => Ok(flag.to_string()),
        other => Err(other),
    }
}

/// A list of at most one where a single value is due.
///
/// Entra sends `manager` as `[{"value": "..."}]`.
///
/// Test: `entra_manager_raw_string_and_empty_clear`.
pub(super) fn list_as_single(rules: &Rules, mut items: Vec<Value>) -> Result<Value, Vec<Value>> {
    match items.len() {
        // RFC 7643 §2.5: an empty list says "unassigned", like null.
        0 => Ok(Value::Null),
        1 if rules.tolerates(Quirk::ListAsSingle) => Ok(items.pop().unwrap_or_default()),
        _ => Err(items),
    }
}

/// A single value where a list is due.
///
/// OneLogin sends `emails` as an object; validators send one member, or one operation, without a list around it.
///
/// Test: `onelogin_emails_object_not_array`, `group_member_value_shapes`.
pub(super) fn single_as_list(rules: &Rules, value: Value) -> Result<Vec<Value>, Value> {
    match value {
        Value::Array(items) => Ok(items),
        single if rules.tolerates(Quirk::SingleAsList) => Ok(vec![single]),
        other => Err(other),
    }
}

/// A bare value where an object is due: it becomes the object's `value`.
///
/// Entra sends `manager` as the id alone; templates send `"roles": ["Admin"]` and `"emails": "jo@b.com"`.
///
/// Test: `entra_manager_raw_string_and_empty_clear`, `role_shapes`.
pub(super) fn scalar_as_object(rules: &Rules, attribute: &Attribute, value: Value) -> Result<Object, Value> {
    match value {
        Value::String(_) | Value::Number(_)
            if attribute.sub("value").is_some() && rules.tolerates(Quirk::ScalarAsObject) =>
        {
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
pub(super) fn sub_attribute_alias(
    rules: &Rules,
    attribute: &'static Attribute,
    key: &str,
) -> Option<&'static Attribute> {
    let sub = if key.eq_ignore_ascii_case("displayName") {
        attribute.sub("display")
    } else if attribute.name == "manager" && key.eq_ignore_ascii_case("managerId") {
        attribute.sub("value")
    } else {
        None
    };
    sub.filter(|_| rules.tolerates(Quirk::SubAttributeAlias))
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
pub(super) fn unpack_role(
    rules: &Rules,
    attribute: &Attribute,
    object: &mut Object,
) -> Result<(), &'static str> {
    if !matches!(attribute.name, "roles" | "entitlements") {
        return Ok(());
    }
    let Some(Value::String(text)) = object.get("value") else { return Ok(()) };
    if !text.trim_start().starts_with('{') || !rules.tolerates(Quirk::RoleInText) {
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

/// Whether an `add` of one role replaces the primary role instead of standing beside it.
///
/// Entra's `SingleAppRoleAssignment` changes a role by `Add roles [{"value": "{\"id\":...}"}]`, or by adding one of its own type with
/// `primary` true; both are Entra's alone. `AppRoleAssignmentsComplex` sends the same, and is told apart by what is stored: its
/// roles are not primary.
///
/// Test: `entra_single_role_added_replaces_the_primary_one`.
pub(super) fn single_role_added(
    rules: &Rules,
    attribute: &Attribute,
    stored: Option<&Value>,
    given: &Value,
) -> bool {
    let given = match given {
        Value::Array(items) if items.len() == 1 => items.first(),
        other => Some(other),
    };
    let Some(given) = given.and_then(Value::as_object).filter(|_| attribute.name == "roles") else {
        return false;
    };
    let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default();
    let packed = text("value").trim_start().starts_with('{');
    let primary = match given.get("primary") {
        Some(Value::Bool(flag)) => Some(*flag),
        Some(Value::String(text)) => read_boolean(text),
        _ => None,
    };
    let of_entra = packed || (primary == Some(true) && text("type") == "WindowsAzureActiveDirectoryRole");
    let is_primary = |role: &Value| role.get("primary") == Some(&Value::Bool(true));
    of_entra
        && primary != Some(false)
        && stored.and_then(Value::as_array).is_some_and(|roles| roles.iter().any(is_primary))
        && rules.tolerates(Quirk::SingleRoleAdded)
}

/// Whether a key of an object may be used like a path: dotted, with a value filter, or an attribute of an extension without its object.
///
/// Entra's newer PATCH shape sends `name.givenName` and `urn:...:User:employeeNumber` as keys; stored as they are, the update would
/// be lost without a word. The RFCs know paths only in `path`, and `strict` refuses them elsewhere.
///
/// Test: `strict_refuses_paths_as_keys`.
pub(super) fn key_as_path(rules: &Rules, key: &str, at: &Resolved) -> bool {
    let bare = at.extension.is_some() && !key.contains(':');
    let is_path =
        at.sub.is_some() || (at.attribute.is_some() && (at.extension.is_some() || key.contains([':', '['])));
    !is_path || rules.tolerates(if bare { Quirk::UnqualifiedExtension } else { Quirk::KeyAsPath })
}

/// Whether the path of an operation may name an attribute of an extension without the extension's URN.
///
/// Entra writes `manager`.
///
/// Test: `entra_manager_raw_string_and_empty_clear`.
pub(super) fn unqualified_extension(rules: &Rules, path: &str, at: &Resolved) -> bool {
    at.extension.is_none() || path.contains(':') || rules.tolerates(Quirk::UnqualifiedExtension)
}

/// Whether `schemas` may be as it is: absent, without the type's own URN, or with 1.0 and vendor URNs.
///
/// Test: `onelogin_core_1_0_schema_urn`, `validator_group_patch_loose_envelope`.
pub(super) fn loose_schemas(rules: &Rules, schemas: Option<&Value>, own: &str) -> bool {
    let listed = schemas.and_then(Value::as_array);
    listed.is_some_and(|listed| listed.iter().any(|each| each.as_str() == Some(own)))
        || rules.tolerates(Quirk::LooseSchemas)
}

/// Whether an empty text may clear an attribute (RFC 7643 §2.5 knows null and the empty list).
///
/// Entra clears a manager with `""`; its validator does so with every attribute.
///
/// Test: `entra_null_update_two_phase`.
pub(super) fn empty_text(rules: &Rules) -> bool {
    rules.tolerates(Quirk::EmptyText)
}

/// Whether more than one element may claim to be primary; the last one is then.
///
/// RFC 7643 §2.4 allows one.
///
/// Test: `entra_primary_string_and_single_primary`.
pub(super) fn several_primaries(rules: &Rules) -> bool {
    rules.tolerates(Quirk::SeveralPrimaries)
}

/// Whether a read-only attribute in the value of an operation is passed over.
///
/// Okta's rename of a group carries its `id`.
///
/// Test: `okta_group_rename_with_id_in_value`.
pub(super) fn read_only_in_value(rules: &Rules) -> bool {
    rules.tolerates(Quirk::ReadOnlyInValue)
}

/// Whether the word of an operation, which is not written in small letters, is read all the same.
///
/// Test: `entra_patch_capitalised_op_string_bool`.
pub(super) fn capitalised_op(rules: &Rules) -> bool {
    rules.tolerates(Quirk::CapitalisedOp)
}

/// Whether `remove` takes those elements that its `value` lists.
///
/// RFC 7644 §3.5.2.2 gives `value` no meaning there; removing everything instead would be a catastrophe.
///
/// Test: `entra_members_remove_value_array_only_listed`.
pub(super) fn remove_by_value(rules: &Rules) -> Result<(), Error> {
    if rules.tolerates(Quirk::RemoveByValue) {
        return Ok(());
    }
    Err(Error::invalid_syntax(
        "remove takes no value; select what is to go by a value filter, or leave value out to remove all.",
    ))
}

/// Whether members that nobody here has may be passed over, because others are known.
///
/// Okta gives up a whole push for one unknown member.
///
/// Test: `group_patch_unknown_member_partial`.
pub fn missing_members(rules: &Rules) -> bool {
    rules.tolerates(Quirk::MissingMembers)
}

/// Whether a bulk operation may create without a name of its own (RFC 7644 §3.7 requires one).
///
/// Test: `bulk_without_bulk_id`.
pub(super) fn missing_bulk_id(rules: &Rules) -> bool {
    rules.tolerates(Quirk::MissingBulkId)
}

/// Whether a token may stand in the header without the word Bearer (RFC 6750 §2.1).
///
/// Test: `okta_header_auth_without_bearer`.
pub fn bare_token(rules: &Rules) -> bool {
    rules.tolerates(Quirk::BareToken)
}

/// Whether a body without a content type is taken for JSON.
///
/// Test: `bodies_without_content_type`.
pub fn missing_content_type(rules: &Rules) -> bool {
    rules.tolerates(Quirk::MissingContentType)
}

/// Whether a path with repeated slashes, or one at its end, is the path without them.
///
/// Test: `keycloak_double_slash_path`.
pub fn path_slashes(rules: &Rules) -> bool {
    rules.tolerates(Quirk::PathSlashes)
}

/// Whether the disable in a request at fault is carried out alone.
///
/// Test: `entra_disable_survives_bad_sibling_op`.
pub fn disable_survives(rules: &Rules) -> bool {
    rules.tolerates(Quirk::DisableSurvives)
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

/// Whether an attribute outside the schema is passed over.
///
/// Every client has attributes of its own. A sample of Entra's documentation lacks a colon in the enterprise URN (`...2.0User`),
/// and other vendors add theirs: a key of a body that looks like a URN is passed over even with `strict_paths`.
///
/// Test: `unknown_urn_keys_are_ignored`.
pub(super) fn unknown_attribute(rules: &Rules, in_body: bool, key: &str) -> bool {
    let looks_like_urn = || {
        ["urn:", "http://", "https://"].iter().any(|start| super::fold::strip_prefix(key, start).is_some())
    };
    if in_body && !rules.strict() && looks_like_urn() {
        rules.count(Quirk::UnknownAttribute);
        return true;
    }
    rules.tolerates(Quirk::UnknownAttribute)
}

/// Whether `replace` through a value filter that selects nothing creates the element.
///
/// RFC 7644 §3.5.2.3 wants `noTarget`; Entra sends `replace` for an address that was never there and gives up on the user.
///
/// Test: `entra_filter_path_replace_creates_when_absent`.
pub(super) fn replace_creates_element(rules: &Rules) -> bool {
    rules.tolerates(Quirk::ReplaceCreatesElement)
}

/// Whether `add` through a value filter that selects nothing creates the element.
///
/// RFC 7644 is silent on it; servers that refuse it lose Entra's first telephone number of every person.
///
/// Test: `entra_filter_path_add_creates_work_email`.
pub(super) fn add_creates_element(rules: &Rules) -> bool {
    rules.tolerates(Quirk::AddCreatesElement)
}

/// Whether `remove` through a value filter that selects nothing succeeds.
///
/// A failed request here loses the rest of the batch, although what it wants is already so.
///
/// Test: `entra_remove_absent_filtered_element_noop`.
pub(super) fn remove_of_nothing(rules: &Rules) -> bool {
    rules.tolerates(Quirk::RemoveOfNothing)
}

/// Flags that Entra administrators append to the tenant URL; Entra copies them into every request.
const URL_FLAGS: [&str; 2] = ["aadOptscim062020", "AzureAdScimPatch2017"];

/// A query parameter whose name or value got a flag of the tenant URL glued to it by a second question mark.
///
/// The base URL may end in `?aadOptscim062020`, and how Entra joins that with its own query is not documented.
///
/// Test: `entra_tenant_url_flag_ignored`.
pub(super) fn without_url_flag<'a>(rules: &Rules, name: &'a str, value: &'a str) -> (&'a str, &'a str) {
    let is_flag = |text: &str| {
        URL_FLAGS.iter().any(|flag| flag.eq_ignore_ascii_case(text)) && rules.tolerates(Quirk::UrlFlag)
    };
    if is_flag(name) {
        return (name, value);
    }
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
pub(super) fn quoted_literal(rules: &Rules, kind: Kind, text: &str) -> bool {
    let fits = match kind {
        Kind::Boolean => read_boolean(text).is_some(),
        Kind::Integer | Kind::Decimal => text.trim().parse::<f64>().is_ok(),
        Kind::String | Kind::DateTime | Kind::Binary | Kind::Reference | Kind::Complex => return true,
    };
    fits && rules.tolerates(Quirk::QuotedLiteral)
}

/// Whether a number or a boolean may be compared with a text.
///
/// authentik filters `externalId eq 42`.
///
/// Test: `authentik_unquoted_filter_value`.
pub(super) fn unquoted(rules: &Rules) -> bool {
    rules.tolerates(Quirk::UnquotedLiteral)
}

/// How the grammar of filters is read: texts without quotes are taken as texts.
///
/// authentik filters `userName eq jo`; a sample of Entra's documentation does so too.
///
/// Test: `authentik_unquoted_filter_value`.
pub(super) fn unquoted_literal<T, E>(
    rules: &Rules,
    parse: impl Fn(&Options) -> Result<T, E>,
) -> Result<T, E> {
    match parse(&Options::default()) {
        Err(_) if rules.tolerates_silently(Quirk::UnquotedLiteral) => {
            let read = parse(&Options::tolerant())?;
            rules.count(Quirk::UnquotedLiteral);
            Ok(read)
        }
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::Quirk;

    /// The Rust files below a folder.
    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn every_quirk_names_its_tests() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let paths = ["src/scim", "src/server", "tests/it"].map(|folder| sources(&root.join(folder))).concat();
        let text: String = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        let own = include_str!("quirks.rs").split("#[cfg(test)]").next().unwrap();
        // One helper reads a word for several of them.
        let functions = own.matches("\npub(super) fn ").count() + own.matches("\npub fn ").count() - 1;
        let mut quirks_with_tests = 0;
        for line in own.lines().filter(|line| line.starts_with("/// Test: ")) {
            quirks_with_tests += 1;
            for name in line.split('`').skip(1).step_by(2) {
                assert!(text.contains(&format!("fn {name}()")), "there is no test {name}");
            }
        }
        assert_eq!(quirks_with_tests, functions);
        for quirk in Quirk::ALL {
            assert!(own.contains(&format!("Quirk::{quirk:?}")), "nothing asks for {quirk:?}");
        }
    }
}
