//! PATCH requests as clients really send them.

#![expect(clippy::needless_pass_by_value, reason = "`json!` values read best by value")]

use serde_json::{Value, json};

use super::*;
use crate::scim::schema::USER;
use crate::scim::{Compatibility, Resource, ScimType};

mod roles;

const ENTERPRISE: &str = urn::ENTERPRISE_USER;
const RINGCX: &str = urn::RINGCX_USER;

fn rules(compatibility: Compatibility) -> Rules {
    Rules::of(compatibility)
}

fn resource(value: &Value) -> Resource {
    Resource::from_object(value.as_object().unwrap().clone())
}

fn run(rules: &Rules, given: &Value, operations: Value) -> Result<Patched, Error> {
    let op = PatchOp::parse(json!({"schemas": [urn::PATCH_OP], "Operations": operations}), rules)?;
    apply(&USER, &resource(given), &op, rules)
}

/// A person with `given` besides the user name, after one generic request.
fn patched(given: Value, operations: Value) -> Value {
    without_name(run(&Rules::default(), &named(given), operations).unwrap().resource)
}

fn named(mut given: Value) -> Value {
    given.as_object_mut().unwrap().insert("userName".to_owned(), json!("jo"));
    given
}

fn without_name(resource: Resource) -> Value {
    let mut object = resource.into_object();
    object.remove("userName");
    Value::Object(object)
}

fn refused(given: Value, operations: Value) -> Error {
    run(&Rules::default(), &named(given), operations).unwrap_err()
}

fn entra(given: Value, operations: Value) -> Value {
    without_name(run(&rules(Compatibility::Entra), &named(given), operations).unwrap().resource)
}

#[test]
fn entra_patch_capitalised_op_string_bool() {
    let operations = json!([{"op": "Replace", "path": "active", "value": "False"}, {"op": "Add", "path": "title", "value": "x"}]);
    assert_eq!(patched(json!({"active": true}), operations), json!({"active": false, "title": "x"}));
}

#[test]
fn entra_patch_pathless_dotted_keys() {
    let operations = json!([{"op": "replace", "value": {
        "displayName": "Jo Bloggs", "name.givenName": "Jo", "active": false,
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber": "77",
        "emails[type eq \"work\"].value": "jo@b.c",
        RINGCX: {"AgentRank": "5", "agentId": "ignored"}
    }}]);
    assert_eq!(
        patched(
            json!({"active": true, "name": {"familyName": "B"}, "emails": [{"type": "work", "value": "x"}]}),
            operations
        ),
        json!({"displayName": "Jo Bloggs", "name": {"givenName": "Jo", "familyName": "B"}, "active": false,
               ENTERPRISE: {"employeeNumber": "77"}, "emails": [{"type": "work", "value": "jo@b.c"}], RINGCX: {"agentRank": 5}})
    );
}

#[test]
fn strict_takes_paths_in_path_only() {
    let strict = rules(Compatibility::Strict);
    for key in ["name.givenName", "emails[type eq \"work\"].value", &format!("{ENTERPRISE}:department")] {
        let as_path = json!([{"op": "add", "path": "name.givenName", "value": "x"}]);
        assert!(run(&strict, &named(json!({})), as_path).is_ok());
        let given = named(json!({"emails": [{"type": "work"}]}));
        let error = run(&strict, &given, json!([{"op": "add", "value": {key: "x"}}])).unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::InvalidPath), "{key}");
    }
    let object =
        json!([{"op": "add", "value": {"name": {"givenName": "x"}, ENTERPRISE: {"department": "Ops"}}}]);
    assert!(run(&strict, &named(json!({})), object).is_ok());
}

#[test]
fn okta_patch_pathless_active() {
    assert_eq!(
        patched(json!({"active": true}), json!([{"op": "replace", "value": {"active": false}}])),
        json!({"active": false})
    );
}

#[test]
fn entra_both_patch_shapes_same_tenant() {
    let old = json!([{"op": "Replace", "path": "name.givenName", "value": "Jo"}]);
    let new = json!([{"op": "replace", "value": {"name.givenName": "Jo"}}]);
    assert_eq!(entra(json!({}), old), json!({"name": {"givenName": "Jo"}}));
    assert_eq!(entra(json!({}), new), json!({"name": {"givenName": "Jo"}}));
}

#[test]
fn entra_filter_path_add_creates_work_email() {
    let operations = json!([
        {"op": "Add", "path": "emails[type eq \"work\"].value", "value": "a@b.c"},
        {"op": "Add", "path": "emails[type eq \"work\"].primary", "value": "True"},
        {"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+1 555 0100"}
    ]);
    let expected = json!({"emails": [{"type": "work", "value": "a@b.c", "primary": true}],
                          "phoneNumbers": [{"type": "mobile", "value": "+1 555 0100"}]});
    assert_eq!(patched(json!({}), operations.clone()), expected);
    let plain = json!([{"op": "add", "path": "emails[type eq \"work\"].value", "value": "a@b.c"}]);
    let strict = run(&rules(Compatibility::Strict), &named(json!({})), plain).unwrap_err();
    assert_eq!(strict.scim_type, Some(ScimType::NoTarget));
    let strict = run(&rules(Compatibility::Strict), &named(json!({})), operations).unwrap_err();
    assert_eq!(strict.scim_type, Some(ScimType::InvalidSyntax), "a capital letter");
}

#[test]
fn entra_filter_path_replace_creates_when_absent() {
    let operations = json!([{"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "a@b.c"}]);
    let given = json!({"emails": [{"type": "home", "value": "h"}]});
    assert_eq!(
        entra(given.clone(), operations.clone()),
        json!({"emails": [{"type": "home", "value": "h"}, {"type": "work", "value": "a@b.c"}]})
    );
    assert_eq!(refused(given, operations).scim_type, Some(ScimType::NoTarget));
    // What the filter says besides equality cannot be made up.
    let operations = json!([{"op": "Replace", "path": "emails[value co \"x\"].display", "value": "a"}]);
    assert!(run(&rules(Compatibility::Entra), &named(json!({})), operations).is_err());
}

#[test]
fn entra_address_subattribute_creates_element() {
    let operations = json!([{"op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "Leeds"},
                            {"op": "Add", "path": "addresses[type eq \"work\"].country", "value": "UK"}]);
    assert_eq!(
        patched(json!({}), operations),
        json!({"addresses": [{"type": "work", "locality": "Leeds", "country": "UK"}]})
    );
}

#[test]
fn entra_remove_absent_filtered_element_noop() {
    let operations =
        json!([{"op": "Remove", "path": "emails[type eq \"work\"]"}, {"op": "remove", "path": "title"}]);
    assert_eq!(
        patched(json!({"emails": [{"type": "home"}]}), operations.clone()),
        json!({"emails": [{"type": "home"}]})
    );
    let plain = json!([{"op": "remove", "path": "emails[type eq \"work\"]"}]);
    let strict = run(&rules(Compatibility::Strict), &named(json!({})), plain).unwrap_err();
    assert_eq!(strict.scim_type, Some(ScimType::NoTarget));
}

#[test]
fn strict_removes_nothing_by_value() {
    let operations = json!([{"op": "remove", "path": "emails", "value": [{"value": "a"}]}]);
    let error = run(&rules(Compatibility::Strict), &named(json!({})), operations).unwrap_err();
    assert_eq!(error.scim_type, Some(ScimType::InvalidSyntax));
}

#[test]
fn last_primary_wins() {
    let given = json!({"emails": [{"value": "a", "primary": true}, {"value": "b"}]});
    let add = json!([{"op": "add", "path": "emails", "value": [{"value": "c", "primary": "True"}]}]);
    assert_eq!(
        patched(given.clone(), add),
        json!({"emails": [{"value": "a", "primary": false}, {"value": "b"}, {"value": "c", "primary": true}]})
    );
    // Also when the newly primary one stands before the other.
    let given = json!({"emails": [{"value": "a"}, {"value": "b", "primary": true}]});
    let set = json!([{"op": "replace", "path": "emails[value eq \"a\"].primary", "value": true}]);
    assert_eq!(
        patched(given, set),
        json!({"emails": [{"value": "a", "primary": true}, {"value": "b", "primary": false}]})
    );
}

#[test]
fn entra_manager_raw_string_and_empty_clear() {
    let path = format!("{ENTERPRISE}:manager");
    let given = json!({ENTERPRISE: {"department": "Ops", "manager": {"value": "old"}}});
    let check = |operation: Value, expected: Value| {
        assert_eq!(patched(given.clone(), json!([operation])), json!({ENTERPRISE: expected}), "{operation}");
    };
    let set = json!({"department": "Ops", "manager": {"value": "m1"}});
    check(json!({"op": "Add", "path": path, "value": "m1"}), set.clone());
    check(json!({"op": "Replace", "path": path, "value": "m1"}), set.clone());
    check(json!({"op": "Add", "path": "manager", "value": [{"$ref": null, "value": "m1"}]}), set.clone());
    check(json!({"op": "Add", "path": path, "value": {"value": "m1"}}), set.clone());
    check(json!({"op": "Replace", "value": {"manager": "m1"}}), set);
    let cleared = json!({"department": "Ops"});
    check(json!({"op": "Replace", "path": path, "value": ""}), cleared.clone());
    check(json!({"op": "Replace", "path": path, "value": []}), cleared.clone());
    check(json!({"op": "Remove", "path": path}), cleared);
}

#[test]
fn entra_null_update_two_phase() {
    let given = json!({"title": "x", "name": {"givenName": "Jo", "familyName": "B"}, "emails": [{"type": "work", "value": "a"}],
                       ENTERPRISE: {"department": "Ops"}, RINGCX: {"agentRank": 5, "allowChat": true}});
    for empty in [json!(""), json!(null)] {
        let department = format!("{ENTERPRISE}:department");
        let by_path: Vec<Value> = ["title", "name.givenName", "emails[type eq \"work\"].value", &department]
            .into_iter()
            .map(|path| json!({"op": "replace", "path": path, "value": empty}))
            .collect();
        let rest = json!({"name": {"familyName": "B"}, "emails": [{"type": "work"}], RINGCX: {"agentRank": 5, "allowChat": true}});
        assert_eq!(patched(given.clone(), json!(by_path)), rest, "{empty}");
        let pathless = json!([{"op": "replace", "value": {
            "title": empty, "name.givenName": empty, "emails[type eq \"work\"].value": empty, department: empty,
            RINGCX: {"agentRank": empty, "allowChat": empty}
        }}]);
        let rest = json!({"name": {"familyName": "B"}, "emails": [{"type": "work"}]});
        assert_eq!(patched(given.clone(), pathless), rest, "{empty}");
        assert_eq!(
            patched(
                json!({"emails": [{"value": "a"}]}),
                json!([{"op": "replace", "path": "emails", "value": empty}])
            ),
            json!({})
        );
    }
}

#[test]
fn clearing_active_switches_nobody() {
    for operation in
        [json!({"op": "remove", "path": "active"}), json!({"op": "replace", "value": {"active": null}})]
    {
        assert_eq!(patched(json!({"active": false}), json!([operation])), json!({"active": false}));
        assert_eq!(patched(json!({"active": true}), json!([operation])), json!({"active": true}));
    }
}

#[test]
fn entra_complex_replace_merges() {
    let given = json!({"name": {"givenName": "Jo", "familyName": "B"}});
    let operations =
        json!([{"op": "replace", "path": "name", "value": {"givenName": "Joe", "honorificPrefix": "Mx"}}]);
    assert_eq!(
        patched(given, operations),
        json!({"name": {"givenName": "Joe", "familyName": "B", "honorificPrefix": "Mx"}})
    );
}

#[test]
fn bare_extension_urn_as_path_merges() {
    let given = json!({RINGCX: {"agentRank": 5, "team": "a"}});
    let set = json!([{"op": "replace", "path": RINGCX, "value": {"team": "b", "location": "L"}}]);
    assert_eq!(patched(given.clone(), set), json!({RINGCX: {"agentRank": 5, "team": "b", "location": "L"}}));
    assert_eq!(patched(given.clone(), json!([{"op": "remove", "path": RINGCX}])), json!({}));
    assert_eq!(patched(given.clone(), json!([{"op": "replace", "path": RINGCX, "value": null}])), json!({}));
    assert_eq!(
        patched(
            given,
            json!([{"op": "add", "path": urn::USER, "value": {"title": "x"}}, {"op": "remove", "path": RINGCX}])
        ),
        json!({"title": "x"})
    );
}

#[test]
fn validator_sequential_ops_same_attribute() {
    let operations = json!([
        {"op": "add", "path": "title", "value": "a"}, {"op": "replace", "path": "title", "value": "b"}, {"op": "remove", "path": "title"},
        {"op": "add", "path": "emails", "value": [{"value": "x"}]}, {"op": "remove", "path": "emails"},
        {"op": "add", "path": "emails", "value": [{"value": "y"}]}
    ]);
    assert_eq!(patched(json!({}), operations), json!({"emails": [{"value": "y"}]}));
}

#[test]
fn validator_patch_username() {
    let given = json!({"userName": "jo"});
    let to = |value: Value| {
        run(&Rules::default(), &given, json!([{"op": "Replace", "path": "userName", "value": value}]))
    };
    assert_eq!(to(json!("joe")).unwrap().resource.text("userName"), Some("joe"));
    for empty in [json!(""), json!(null)] {
        let error = to(empty).unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::InvalidValue));
        assert!(error.detail.contains("Operations[0]") && error.detail.contains("userName"), "{error}");
    }
}

#[test]
fn sub_attribute_of_a_list_reaches_all_elements() {
    let given = json!({"emails": [{"value": "a"}, {"value": "b", "type": "x"}]});
    let operations = json!([{"op": "replace", "path": "emails.type", "value": "work"}]);
    assert_eq!(
        patched(given.clone(), operations),
        json!({"emails": [{"value": "a", "type": "work"}, {"value": "b", "type": "work"}]})
    );
    assert_eq!(
        patched(given, json!([{"op": "remove", "path": "emails.type"}])),
        json!({"emails": [{"value": "a"}, {"value": "b"}]})
    );
    assert_eq!(
        patched(json!({}), json!([{"op": "add", "path": "emails.value", "value": "a"}])),
        json!({"emails": [{"value": "a"}]})
    );
}

#[test]
fn read_only_is_refused_as_path_and_ignored_as_key() {
    let explicit =
        |path: &str| refused(json!({}), json!([{"op": "replace", "path": path, "value": "x"}])).scim_type;
    for path in ["id", "groups", "meta.created", &format!("{RINGCX}:agentId")] {
        assert_eq!(explicit(path), Some(ScimType::Mutability), "{path}");
    }
    let keys = json!([{"op": "replace", "value": {"id": "x", "groups": [], "meta": {}, "schemas": [], "title": "t"}}]);
    assert_eq!(patched(json!({}), keys), json!({"title": "t"}));
}

#[test]
fn okta_password_change_discarded() {
    let operations = json!([{"op": "replace", "path": "password", "value": "s3cret"}, {"op": "add", "value": {"password": "s3cret"}}]);
    let outcome = run(&Rules::default(), &named(json!({})), operations).unwrap();
    assert_eq!(outcome, Patched { resource: resource(&named(json!({}))), skipped: vec![] });
}

#[test]
fn unknown_attributes_are_skipped_and_reported() {
    let operations = json!([
        {"op": "add", "path": "favouriteColour", "value": "red"}, {"op": "add", "path": "urn:x:y:z:colour", "value": "red"},
        {"op": "add", "path": "emails[type eq \"work\"].colour", "value": "red"},
        {"op": "add", "path": "colours[type eq \"work\"].value", "value": "red"},
        {"op": "replace", "value": {"colour": 1, "name": {"colour": 2, "givenName": "Jo"}, RINGCX: {"colour": 3}, "title": "t"}}
    ]);
    let outcome = run(&Rules::default(), &named(json!({})), operations.clone()).unwrap();
    assert_eq!(without_name(outcome.resource), json!({"name": {"givenName": "Jo"}, "title": "t"}));
    let ringcx = format!("{RINGCX}:colour");
    assert_eq!(
        outcome.skipped,
        [
            "favouriteColour",
            "urn:x:y:z:colour",
            "emails[type eq \"work\"].colour",
            "colours[type eq \"work\"].value",
            "colour",
            "name.colour",
            &ringcx
        ]
    );
    for rules in [Rules { strict_paths: true, ..Rules::default() }, rules(Compatibility::Strict)] {
        let error = run(&rules, &named(json!({})), operations.clone()).unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::InvalidPath));
        assert!(error.detail.contains("favouriteColour"), "{error}");
    }
}

#[test]
fn strict_paths_refuse_foreign_urns_too() {
    let rules = Rules { strict_paths: true, ..Rules::default() };
    for operation in [
        json!({"op": "add", "path": "urn:x:y:z:colour", "value": "red"}),
        json!({"op": "add", "value": {"urn:x:y:z:colour": "red"}}),
    ] {
        let error = run(&rules, &named(json!({})), json!([operation])).unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::InvalidPath));
    }
}

#[test]
fn unparsable_paths_are_quoted() {
    for path in [
        "emails[type eq",
        "emails[type eq \"work\"]]",
        "a b",
        "emails[colour eq 1].value",
        "title[value eq 1]",
        "name..x",
    ] {
        let error = refused(
            json!({}),
            json!([{"op": "add", "path": "title", "value": "x"}, {"op": "add", "path": path, "value": "x"}]),
        );
        assert_eq!(error.scim_type, Some(ScimType::InvalidPath), "{path}");
        assert!(
            error.detail.starts_with("Operations[1] (add ") && error.detail.contains(&format!("{path:?}")),
            "{error}"
        );
        assert!(error.detail.len() < 300, "{error}");
    }
}

#[test]
fn many_operations_grow_no_list_beyond_the_limit() {
    let add = |from: usize| {
        let emails: Vec<Value> = (from..from + 600).map(|n| json!({"value": n.to_string()})).collect();
        json!({"op": "add", "path": "emails", "value": emails})
    };
    let error = refused(json!({}), json!([add(0), add(600)]));
    assert!(error.detail.starts_with("Operations[1]") && error.detail.contains("1200 elements"), "{error}");
    assert!(run(&Rules::default(), &named(json!({})), json!([add(0), add(100)])).is_ok());
}

#[test]
fn malformed_requests_say_what_is_wrong() {
    let check = |body: Value, scim_type: ScimType| {
        let error = PatchOp::parse(body.clone(), &Rules::default()).unwrap_err();
        assert_eq!(error.scim_type, Some(scim_type), "{body}: {error}");
    };
    check(json!([]), ScimType::InvalidSyntax);
    check(json!({}), ScimType::InvalidSyntax);
    check(json!({"Operations": []}), ScimType::InvalidSyntax);
    check(json!({"Operations": ["x"]}), ScimType::InvalidSyntax);
    check(json!({"Operations": [{"path": "title"}]}), ScimType::InvalidSyntax);
    check(json!({"Operations": [{"op": "move", "path": "title"}]}), ScimType::InvalidSyntax);
    check(json!({"Operations": [{"op": "remove"}]}), ScimType::NoTarget);
    check(json!({"Operations": [{"op": "add", "path": "title"}]}), ScimType::InvalidValue);
    check(json!({"Operations": [{"op": "add", "value": "x"}]}), ScimType::InvalidValue);
    check(json!({"Operations": [{"op": "add", "path": 7, "value": "x"}]}), ScimType::InvalidPath);
    assert!(
        PatchOp::parse(
            json!({"operations": {"OP": "ADD", "Path": "title", "Value": "x"}}),
            &Rules::default()
        )
        .is_ok()
    );
    assert!(
        PatchOp::parse(
            json!({"Operations": [{"op": "add", "path": "title", "value": "x"}]}),
            &rules(Compatibility::Strict)
        )
        .is_err()
    );
}

#[test]
fn wrong_values_name_operation_and_path() {
    let error =
        refused(json!({}), json!([{"op": "add", "path": format!("{RINGCX}:agentRank"), "value": 99}]));
    assert_eq!(error.scim_type, Some(ScimType::InvalidValue));
    assert!(
        error.detail.starts_with("Operations[0] (add ") && error.detail.contains("99 is out of range 0-24"),
        "{error}"
    );
    assert!(error.detail.len() < 300, "{error}");
}

#[test]
fn debug_of_a_request_shows_no_values() {
    let op = PatchOp::parse(
        json!({"Operations": [{"op": "add", "path": "title", "value": "private"}]}),
        &Rules::default(),
    )
    .unwrap();
    let shown = format!("{op:?}");
    assert!(shown.contains("title") && !shown.contains("private"), "{shown}");
}

#[test]
fn entra_disable_survives_bad_sibling_op() {
    let only = |operations: Value| {
        let op = PatchOp::parse(json!({"Operations": operations}), &Rules::default()).unwrap();
        only_disable(&op).map(|op| op.to_json())
    };
    let disable = |index: usize| {
        Some(
            json!({"schemas": [urn::PATCH_OP], "Operations": [{"index": index, "op": "replace", "path": "active", "value": false}]})
                .to_string(),
        )
    };
    assert_eq!(
        only(
            json!([{"op": "add", "path": "x[", "value": 1}, {"op": "Replace", "path": "Active", "value": "False"}])
        ),
        disable(1)
    );
    assert_eq!(only(json!([{"op": "replace", "value": {"active": false, "colour": 1}}])), disable(0));
    assert_eq!(
        only(
            json!([{"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:active", "value": false}])
        ),
        disable(0)
    );
    assert_eq!(only(json!([{"op": "replace", "path": "active", "value": true}])), None);
    assert_eq!(
        only(
            json!([{"op": "replace", "path": "active", "value": false}, {"op": "replace", "path": "active", "value": true}])
        ),
        None
    );
    assert_eq!(only(json!([{"op": "remove", "path": "active"}])), None);
}
