//! Roles: one, several, packed into text.

use super::*;

#[test]
fn entra_roles_primary_eq_quoted_true() {
    let given = json!({"roles": [{"value": "A", "primary": false}, {"value": "B", "primary": true}]});
    let operations = json!([{"op": "Replace", "path": "roles[primary eq \"True\"].display", "value": "Bee"}]);
    assert_eq!(
        patched(given, operations),
        json!({"roles": [{"value": "A", "primary": false}, {"value": "B", "primary": true, "display": "Bee"}]})
    );
}

#[test]
fn entra_single_role_replaces() {
    let packed = r#"{"id":"1","value":"Admin","displayName":"The admin"}"#;
    let path = "roles[primary eq \"True\"].value";
    let given = json!({"roles": [{"value": "Old", "primary": true, "type": "t"}]});
    assert_eq!(
        patched(given.clone(), json!([{"op": "Replace", "path": path, "value": "New"}])),
        json!({"roles": [{"value": "New", "primary": true, "type": "t"}]})
    );
    assert_eq!(
        patched(given, json!([{"op": "Add", "path": path, "value": packed}])),
        json!({"roles": [{"value": "Admin", "display": "The admin", "primary": true, "type": "t"}]})
    );
    // The first one, with `primary` as a boolean, so that Entra finds it next time.
    assert_eq!(
        patched(json!({}), json!([{"op": "Add", "path": path, "value": "New"}])),
        json!({"roles": [{"value": "New", "primary": true}]})
    );
    assert_eq!(
        entra(json!({}), json!([{"op": "Replace", "path": path, "value": packed}])),
        json!({"roles": [{"value": "Admin", "display": "The admin", "primary": true}]})
    );
}

#[test]
fn entra_complex_roles_add_only() {
    let packed = r#"{"id":"1","value":"B","displayName":"Bee"}"#;
    let operations = json!([{"op": "Add", "path": "roles", "value": [{"value": packed}, {"value": "A"}]}]);
    assert_eq!(
        patched(json!({"roles": [{"value": "A", "display": "Ay"}]}), operations),
        json!({"roles": [{"value": "A", "display": "Ay"}, {"value": "B", "display": "Bee"}]})
    );
    // An empty list added takes nothing away.
    let given = json!({"roles": [{"value": "A"}]});
    assert_eq!(patched(given.clone(), json!([{"op": "Add", "path": "roles", "value": []}])), given);
}

#[test]
fn entra_assertive_roles_replace() {
    let given = json!({"roles": [{"value": "A"}, {"value": "B"}]});
    let set =
        |value: Value| patched(given.clone(), json!([{"op": "replace", "path": "roles", "value": value}]));
    assert_eq!(
        set(json!([{"primary": false, "type": "W", "display": "C", "value": "C"}])),
        json!({"roles": [{"primary": false, "type": "W", "display": "C", "value": "C"}]})
    );
    assert_eq!(set(json!([])), json!({}));
    // Entra's way to name what goes.
    let operations = json!([{"op": "Remove", "path": "roles", "value": [{"value": "a"}]}]);
    assert_eq!(patched(given.clone(), operations), json!({"roles": [{"value": "B"}]}));
    assert_eq!(patched(given.clone(), json!([{"op": "Remove", "path": "roles", "value": []}])), given);
    assert_eq!(patched(given.clone(), json!([{"op": "Remove", "path": "roles"}])), json!({}));
}
