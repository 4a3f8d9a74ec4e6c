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
fn entra_single_role_added_replaces_the_primary_one() {
    let packed = r#"{"id":"1","value":"New","displayName":"The new one"}"#;
    let given = json!({"roles": [
        {"value": "Other", "primary": false}, {"value": "Old", "primary": true, "type": "WindowsAzureActiveDirectoryRole"},
    ]});
    let is_now = json!({"roles": [
        {"value": "Other", "primary": false},
        {"value": "New", "display": "The new one", "primary": true, "type": "WindowsAzureActiveDirectoryRole"},
    ]});
    let add = |role: Value| json!([{"op": "Add", "path": "roles", "value": [role]}]);
    for run in [patched, entra] {
        assert_eq!(run(given.clone(), add(json!({"value": packed}))), is_now);
        assert_eq!(run(given.clone(), add(json!({"value": packed, "primary": "True"}))), is_now);
        let plain = json!({"primary": true, "type": "WindowsAzureActiveDirectoryRole", "value": "New", "display": "The new one"});
        assert_eq!(run(given.clone(), add(plain)), is_now);
        // Once more changes nothing.
        assert_eq!(run(is_now.clone(), add(json!({"value": packed}))), is_now);
    }
    // The expression for several roles stores none as primary, and adds.
    let several = json!({"roles": [{"value": "Old", "primary": false}]});
    let count = |value: &Value| value["roles"].as_array().unwrap().len();
    assert_eq!(count(&entra(several, add(json!({"value": packed})))), 2);
    // So does whoever is not Entra, and who adds two at a time.
    assert_eq!(count(&patched(given.clone(), add(json!({"value": "New", "primary": true})))), 3);
    let two = json!([{"op": "Add", "path": "roles", "value": [{"value": packed}, {"value": "B"}]}]);
    assert_eq!(count(&entra(given.clone(), two)), 4);
    let strict = rules(Compatibility::Strict);
    let operations = json!([{"op": "add", "path": "roles", "value": [{"value": "New", "primary": true}]}]);
    assert_eq!(count(&without_name(run(&strict, &named(given), operations).unwrap().resource)), 3);
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
