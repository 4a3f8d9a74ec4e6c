//! Bodies of POST and PUT, as clients really send them.

#![expect(clippy::needless_pass_by_value, reason = "`json!` values read best by value")]

use serde_json::json;

use super::*;
use crate::scim::schema::{GROUP, USER};
use crate::scim::{Compatibility, ScimType, urn};

fn rules() -> Rules {
    Rules::default()
}

fn strict() -> Rules {
    Rules::of(Compatibility::Strict)
}

/// A user with these members besides `userName`, as stored.
fn created(more: Value) -> Value {
    let resource = create(&USER, with_name(more), &rules()).unwrap();
    let mut object = resource.into_object();
    assert_eq!(object.remove("userName"), Some(json!("jo@contoso.com")));
    if object.get("active") == Some(&json!(true)) {
        object.remove("active");
    }
    Value::Object(object)
}

fn with_name(more: Value) -> Value {
    let mut body = json!({"userName": "jo@contoso.com"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn refused(more: Value) -> Error {
    create(&USER, with_name(more), &rules()).unwrap_err()
}

/// The stored user after a PUT of `body`.
fn put(stored: Value, body: Value) -> Value {
    let stored = Resource::from_object(stored.as_object().unwrap().clone());
    Value::Object(replace(&USER, &stored, body, &rules()).unwrap().into_object())
}

#[test]
fn entra_create_with_nulls() {
    let body = json!({
        "schemas": [urn::USER, urn::ENTERPRISE_USER], "externalId": "0a21", "displayName": "Jo B", "title": null,
        "addresses": null, "roles": [], "active": true, "meta": {"resourceType": "User"},
        "emails": [{"primary": true, "type": "work", "value": "jo@contoso.com"}],
        "name": {"formatted": "Jo B", "familyName": "B", "givenName": "Jo"},
        urn::ENTERPRISE_USER: {"department": "Ops", "manager": null}
    });
    assert_eq!(
        created(body),
        json!({"externalId": "0a21", "displayName": "Jo B",
               "emails": [{"primary": true, "type": "work", "value": "jo@contoso.com"}],
               "name": {"formatted": "Jo B", "familyName": "B", "givenName": "Jo"},
               urn::ENTERPRISE_USER: {"department": "Ops"}})
    );
}

#[test]
fn entra_extension_urn_not_listed() {
    let body = json!({"schemas": [urn::USER], urn::RINGCX_USER: {"agentRank": 5}});
    assert_eq!(created(body), json!({urn::RINGCX_USER: {"agentRank": 5}}));
}

#[test]
fn entra_create_without_emails() {
    assert_eq!(created(json!({})), json!({}));
    assert_eq!(created(json!({"emails": [], "title": "", "name": {}, urn::ENTERPRISE_USER: {}})), json!({}));
}

#[test]
fn keycloak_client_id_in_post_ignored() {
    let body = json!({"id": "mine", "meta": 7, "groups": "x", urn::RINGCX_USER: {"agentId": "1", "lastError": "no"}});
    assert_eq!(created(body), json!({}));
}

#[test]
fn onelogin_core_1_0_schema_urn() {
    assert_eq!(created(json!({"schemas": ["urn:scim:schemas:core:1.0"], "id": null})), json!({}));
    assert_eq!(created(json!({"schemas": "urn:scim:schemas:core:1.0"})), json!({}));
}

#[test]
fn group_body_at_users_is_400() {
    let error = refused(json!({"schemas": [urn::GROUP]}));
    assert_eq!(error.scim_type, Some(ScimType::InvalidSyntax));
    let body = json!({"schemas": [urn::USER], "displayName": "G"});
    assert_eq!(create(&GROUP, body, &rules()).unwrap_err().status, 400);
}

#[test]
fn entra_group_extra_schema_urn() {
    let body = json!({"schemas": [urn::GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
                      "externalId": "e", "displayName": "Agents UK", "meta": {"resourceType": "Group"}, "members": []});
    let group = create(&GROUP, body.clone(), &rules()).unwrap();
    assert_eq!(Value::Object(group.into_object()), json!({"externalId": "e", "displayName": "Agents UK"}));
    assert_eq!(members(&body, &rules()), Ok(Some(vec![])));
}

#[test]
fn string_boolean_active_on_create() {
    for (sent, expected) in [(json!("False"), false), (json!(" true "), true), (json!(false), false)] {
        let user = create(&USER, with_name(json!({"active": sent})), &rules()).unwrap();
        assert_eq!(user.flag("active"), Some(expected), "{sent}");
    }
    for sent in [json!("no"), json!(0), json!({}), json!([true, false])] {
        let error = refused(json!({"active": sent}));
        assert_eq!(error.scim_type, Some(ScimType::InvalidValue));
        assert!(error.detail.contains("active"), "{error}");
    }
    // Silence means active, and the answer says so; what is stored stays silent, so that `check` can tell.
    let user = create(&USER, with_name(json!({})), &rules()).unwrap();
    assert_eq!(user.flag("active"), None);
}

#[test]
fn onelogin_emails_object_not_array() {
    let email = json!([{"value": "a@b.c", "type": "work"}]);
    assert_eq!(created(json!({"emails": {"value": "a@b.c", "type": "work"}})), json!({"emails": email}));
    assert_eq!(created(json!({"emails": "a@b.c"})), json!({"emails": [{"value": "a@b.c"}]}));
    assert_eq!(created(json!({"emails": [null, {"value": ""}, {}]})), json!({}));
    assert_eq!(created(json!({"emails.value": "a@b.c"})), json!({"emails": [{"value": "a@b.c"}]}));
}

#[test]
fn okta_numeric_external_id_coerced() {
    let body = json!({"externalId": 77, "addresses": [{"postalCode": 94105}], urn::ENTERPRISE_USER: {"employeeNumber": 701_984}});
    assert_eq!(
        created(body),
        json!({"externalId": "77", "addresses": [{"postalCode": "94105"}], urn::ENTERPRISE_USER: {"employeeNumber": "701984"}})
    );
}

#[test]
fn okta_password_never_stored_or_echoed() {
    let secret = "1mz050nq";
    assert_eq!(created(json!({"password": secret})), json!({}));
    let stored = json!({"userName": "jo"});
    assert_eq!(put(stored.clone(), json!({"userName": "jo", "password": secret})), stored);
    let error = refused(json!({urn::RINGCX_USER: {"phoneLoginPin": "12a4"}}));
    assert!(error.detail.contains("phoneLoginPin") && !error.detail.contains("12a4"), "{error}");
}

#[test]
fn entra_primary_string_and_single_primary() {
    let body = json!({"emails": [{"value": "a", "primary": "True"}, {"value": "b", "primary": "true"}, {"value": "c"}]});
    assert_eq!(
        created(body),
        json!({"emails": [{"value": "a", "primary": false}, {"value": "b", "primary": true}, {"value": "c"}]})
    );
}

#[test]
fn role_shapes() {
    let check = |sent: Value, expected: Value| {
        assert_eq!(created(json!({"roles": sent.clone()})), json!({"roles": expected}), "{sent}");
    };
    check(json!("USER"), json!([{"value": "USER"}]));
    check(json!(["USER", {"value": "X"}]), json!([{"value": "USER"}, {"value": "X"}]));
    check(
        json!([{"value": "USER", "displayName": "User", "type": "t", "primary": "True"}]),
        json!([{"value": "USER", "display": "User", "type": "t", "primary": true}]),
    );
}

#[test]
fn entra_roles_json_string_in_value() {
    let check = |sent: &str, expected: Value| {
        assert_eq!(created(json!({"roles": [{"value": sent}]})), json!({"roles": [expected]}), "{sent}");
    };
    check(
        r#"{"id":"1","value":"Admin","displayName":"The admin"}"#,
        json!({"value": "Admin", "display": "The admin"}),
    );
    check(r#"{"id":"1","displayName":"Admin"}"#, json!({"value": "Admin", "display": "Admin"}));
    for sent in ["{not json", r#"{"id":"1"}"#] {
        let error = refused(json!({"roles": [{"value": sent}]}));
        assert_eq!(error.scim_type, Some(ScimType::InvalidValue), "{sent}");
        assert!(error.detail.starts_with("roles[0] is JSON"), "{error}");
    }
}

#[test]
fn entra_manager_raw_string_and_empty_clear() {
    let manager = |sent: Value| created(json!({urn::ENTERPRISE_USER: {"manager": sent}}));
    let set = json!({urn::ENTERPRISE_USER: {"manager": {"value": "m1"}}});
    assert_eq!(manager(json!("m1")), set);
    assert_eq!(manager(json!({"value": "m1"})), set);
    assert_eq!(manager(json!([{"value": "m1"}])), set);
    assert_eq!(manager(json!("")), json!({}));
    assert_eq!(manager(json!([])), json!({}));
    assert_eq!(created(json!({"manager": "m1"})), set);
}

#[test]
fn onelogin_manager_id() {
    assert_eq!(
        created(json!({urn::ENTERPRISE_USER: {"manager": {"managerId": "m1", "displayName": "Kim"}}})),
        json!({urn::ENTERPRISE_USER: {"manager": {"value": "m1", "displayName": "Kim"}}})
    );
}

#[test]
fn names_are_read_in_any_case_and_as_paths() {
    let body = json!({
        "NAME": {"GIVENNAME": "Jo"}, "name.familyName": "B", "Title": "x",
        "urn:ietf:params:scim:schemas:core:2.0:User:nickName": "J", urn::USER: {"locale": "en"},
        "urn:ietf:params:scim:schemas:extension:RingCX:2.0:User:AgentRank": "5",
    });
    assert_eq!(
        created(body),
        json!({"name": {"givenName": "Jo", "familyName": "B"}, "title": "x", "nickName": "J", "locale": "en",
               urn::RINGCX_USER: {"agentRank": 5}})
    );
}

#[test]
fn a_name_twice_in_different_case_is_400() {
    let error = refused(json!({"title": "a", "TITLE": "b"}));
    assert_eq!(error.scim_type, Some(ScimType::InvalidSyntax));
    assert!(error.detail.contains("title"), "{error}");
}

#[test]
fn unknown_attributes_are_skipped_unless_strict_paths() {
    let body = json!({"favouriteColour": "red", "name": {"nick": "x", "givenName": "Jo"}});
    assert_eq!(created(body.clone()), json!({"name": {"givenName": "Jo"}}));
    let strict_paths = Rules { strict_paths: true, ..rules() };
    let error = create(&USER, with_name(body), &strict_paths).unwrap_err();
    assert_eq!(error.scim_type, Some(ScimType::InvalidSyntax));
    assert!(error.detail.contains("favouriteColour"), "{error}");
}

#[test]
fn unknown_urn_keys_are_ignored() {
    let body = json!({"urn:ietf:params:scim:schemas:extension:enterprise:2.0User": {"department": "x"},
                      "urn:example:other:2.0:User": 1});
    assert_eq!(created(body.clone()), json!({}));
    let strict_paths = Rules { strict_paths: true, ..rules() };
    assert!(create(&USER, with_name(body), &strict_paths).is_ok());
}

#[test]
fn constraints_name_path_value_and_fix() {
    let check = |name: &str, sent: Value, part: &str| {
        let error = refused(json!({urn::RINGCX_USER: {name: sent.clone()}}));
        assert_eq!(error.scim_type, Some(ScimType::InvalidValue), "{error}");
        assert!(error.detail.contains(name) && error.detail.contains(part), "{sent}: {error}");
        assert!(error.detail.len() < 300, "{error}");
    };
    check("agentRank", json!(99), "99 is out of range 0-24");
    check("agentRank", json!("-1"), "-1 is out of range 0-24");
    check("agentRank", json!(1.5), "1.5 does not fit; send a whole number");
    check("agentRank", json!("high"), "\"high\"");
    check("maxChats", json!(-1), "is below 0");
    check("agentType", json!("BOSS"), "is none of AGENT, SUPERVISOR");
    check("persona", json!("x"), "agent, admin, both, none");
    check("directExtension", json!("12a"), "digits");
    check("manualOutboundCallerId", json!("call me"), "E.164");
    check("allowChat", json!("perhaps"), "true or false");
    check("team", json!({"a": 1}), "send text");
}

#[test]
fn constrained_values_are_normalised() {
    let body = json!({urn::RINGCX_USER: {
        "agentType": "supervisor", "persona": "BOTH", "agentRank": 24.0, "maxChats": "3", "rcExtensionId": 123_456_789_012_i64,
        "manualOutboundCallerId": "+44 (20) 7123-4567", "allowLoginUpdates": "True", "phoneLoginPin": 1234
    }});
    assert_eq!(
        created(body),
        json!({urn::RINGCX_USER: {
            "agentType": "SUPERVISOR", "persona": "both", "agentRank": 24, "maxChats": 3, "rcExtensionId": "123456789012",
            "manualOutboundCallerId": "+44 (20) 7123-4567", "allowLoginUpdates": true, "phoneLoginPin": "1234"
        }})
    );
}

#[test]
fn required_attributes_are_required() {
    for body in [json!({}), json!({"userName": null}), json!({"userName": "  "}), json!({"userName": ""})] {
        let error = create(&USER, body, &rules()).unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::InvalidValue));
        assert!(error.detail.starts_with("userName is required"), "{error}");
    }
    assert!(create(&GROUP, json!({"externalId": "x"}), &rules()).unwrap_err().detail.contains("displayName"));
    assert_eq!(create(&USER, json!([]), &rules()).unwrap_err().scim_type, Some(ScimType::InvalidSyntax));
}

#[test]
fn limits_have_errors_of_their_own() {
    let mut deep = json!("x");
    for _ in 0..60 {
        deep = json!([deep]);
    }
    assert!(refused(json!({"other": deep})).detail.contains("levels"));
    let many: Vec<Value> = (0..1001).map(|n| json!({"value": n.to_string()})).collect();
    assert!(refused(json!({"emails": many})).detail.contains("1001 elements"));
    assert!(refused(json!({"title": "x".repeat(1025)})).detail.contains("title is 1025 bytes"));
    assert!(
        refused(json!({"photos": [{"value": "x".repeat(300_000)}]}))
            .detail
            .contains("photos[0].value is 300000 bytes")
    );
    assert!(refused(json!({"title": "a\u{0}b"})).detail.contains("NUL"));
}

#[test]
fn strict_takes_no_liberties() {
    let core = json!([urn::USER]);
    let check = |more: Value| create(&USER, with_name(more), &strict()).unwrap_err();
    check(json!({}));
    check(json!({"schemas": core, "active": "True"}));
    check(json!({"schemas": core, "emails": {"value": "x"}}));
    check(json!({"schemas": core, "roles": ["x"]}));
    check(json!({"schemas": core, "externalId": 7}));
    check(json!({"schemas": core, "nonsense": 7}));
    assert!(
        create(&USER, with_name(json!({"schemas": core, "title": null, "emails": []})), &strict()).is_ok()
    );
}

#[test]
fn strict_refuses_paths_as_keys() {
    let department = format!("{}:department", urn::ENTERPRISE_USER);
    for key in ["name.givenName", "manager", &department, "urn:ietf:params:scim:schemas:core:2.0:User:title"]
    {
        assert!(create(&USER, with_name(json!({key: "x"})), &rules()).is_ok(), "{key}");
        let error =
            create(&USER, with_name(json!({"schemas": [urn::USER], key: "x"})), &strict()).unwrap_err();
        assert!(error.detail.contains(key), "{error}");
    }
}

#[test]
fn okta_put_echo_readonly_ignored() {
    let stored = json!({"userName": "jo", "active": true, "name": {"givenName": "Jo"}});
    let mut echo = stored.clone();
    let members = echo.as_object_mut().unwrap();
    members.extend(
        json!({"schemas": [urn::USER], "id": "1", "meta": {"version": "W/1"}, "groups": [{"value": "g"}],
                          urn::RINGCX_USER: {"provisioningState": "active", "agentId": "7"}})
        .as_object()
        .unwrap()
        .clone(),
    );
    assert_eq!(put(stored.clone(), echo), stored);
}

#[test]
fn okta_put_deactivate_full_body() {
    let stored = json!({"userName": "jo", "active": true, "title": "x"});
    assert_eq!(
        put(stored, json!({"userName": "jo", "active": false})),
        json!({"userName": "jo", "active": false})
    );
}

#[test]
fn put_clears_core_attributes_that_are_missing() {
    let stored = json!({"userName": "jo", "active": true, "title": "x", "emails": [{"value": "a"}], "name": {"givenName": "Jo"}});
    assert_eq!(
        put(stored, json!({"userName": "jo2", "name": {"familyName": "B"}})),
        json!({"userName": "jo2", "active": true, "name": {"familyName": "B"}})
    );
}

#[test]
fn put_absent_extension_preserved() {
    let stored = json!({"userName": "jo", "active": true, urn::RINGCX_USER: {"agentRank": 3, "team": "a", "phoneLoginPin": "1234"},
                        urn::ENTERPRISE_USER: {"department": "Ops"}});
    let body = |more: Value| {
        let mut body = json!({"userName": "jo", "active": true});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    assert_eq!(put(stored.clone(), body(json!({}))), stored);
    // One that is there replaces, except for what no GET shows.
    let ringcx =
        put(stored.clone(), body(json!({urn::RINGCX_USER: {"agentRank": 5}})))[urn::RINGCX_USER].clone();
    assert_eq!(ringcx, json!({"agentRank": 5, "phoneLoginPin": "1234"}));
    // A single attribute by its URN touches only that one.
    let rank = format!("{}:agentRank", urn::RINGCX_USER);
    let ringcx = put(stored.clone(), body(json!({&rank: 5})))[urn::RINGCX_USER].clone();
    assert_eq!(ringcx, json!({"agentRank": 5, "team": "a", "phoneLoginPin": "1234"}));
    let ringcx = put(stored.clone(), body(json!({&rank: null})))[urn::RINGCX_USER].clone();
    assert_eq!(ringcx, json!({"team": "a", "phoneLoginPin": "1234"}));
    // An explicit null clears.
    assert_eq!(put(stored.clone(), body(json!({urn::RINGCX_USER: null})))[urn::RINGCX_USER], Value::Null);
    assert_eq!(
        put(stored, body(json!({urn::RINGCX_USER: null})))[urn::ENTERPRISE_USER],
        json!({"department": "Ops"})
    );
}

#[test]
fn put_absent_roles_preserved() {
    let stored = json!({"userName": "jo", "active": false, "roles": [{"value": "USER"}], "entitlements": [{"value": "7"}]});
    assert_eq!(put(stored.clone(), json!({"userName": "jo"})), stored);
    assert_eq!(
        put(stored.clone(), json!({"userName": "jo", "roles": [], "entitlements": null})),
        json!({"userName": "jo", "active": false})
    );
    assert_eq!(put(stored, json!({"userName": "jo", "roles": ["X"]}))["roles"], json!([{"value": "X"}]));
}

#[test]
fn put_null_never_enables_anybody() {
    let stored = json!({"userName": "jo", "active": false});
    assert_eq!(put(stored.clone(), json!({"userName": "jo", "active": null})), stored);
    assert_eq!(put(stored.clone(), json!({"userName": "jo"})), stored);
}

#[test]
fn rauthy_externalid_null_unlink() {
    let stored = json!({"userName": "jo", "active": true, "externalId": "e"});
    assert_eq!(put(stored.clone(), json!({"userName": "jo"})), stored);
    assert_eq!(
        put(stored, json!({"userName": "jo", "externalId": null})),
        json!({"userName": "jo", "active": true})
    );
}

#[test]
fn put_echo_of_a_kind_only_ringcx_assigns_is_accepted() {
    let stored = json!({"userName": "jo", "active": true, urn::RINGCX_USER: {"agentType": "MULTI_USER"}});
    assert_eq!(put(stored.clone(), stored.clone()), stored);
    let plain = Resource::from_object(json!({"userName": "jo"}).as_object().unwrap().clone());
    assert!(replace(&USER, &plain, stored, &rules()).is_err());
}

#[test]
fn group_member_value_shapes() {
    let check = |sent: Value, expected: &[(&str, Option<&str>, MemberKind)]| {
        let read = members(&json!({"displayName": "G", "members": sent.clone()}), &rules()).unwrap().unwrap();
        let read: Vec<_> =
            read.iter().map(|each| (each.id.as_str(), each.display.as_deref(), each.kind)).collect();
        assert_eq!(read, expected, "{sent}");
    };
    check(json!([{"$ref": null, "value": "1"}]), &[("1", None, MemberKind::Unknown)]);
    check(json!({"value": "1", "displayName": "Jo"}), &[("1", Some("Jo"), MemberKind::Unknown)]);
    check(json!("1"), &[("1", None, MemberKind::Unknown)]);
    check(
        json!(["1", {"value": 2, "type": "user"}]),
        &[("1", None, MemberKind::Unknown), ("2", None, MemberKind::User)],
    );
    check(json!([{"$ref": "https://x/scim/v2/Groups/9"}]), &[("9", None, MemberKind::Group)]);
    check(json!(null), &[]);
    assert_eq!(members(&json!({"displayName": "G"}), &rules()), Ok(None));
    for wrong in [json!([{}]), json!([{"value": ""}]), json!([true]), json!([null])] {
        let error = members(&json!({"members": wrong}), &rules()).unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::InvalidValue));
        assert!(error.detail.contains("members[0]"), "{error}");
    }
}

#[test]
fn okta_put_group_member_display_null() {
    let body = json!({"displayName": "G", "members": [{"value": "1", "display": null}]});
    let read = members(&body, &rules()).unwrap().unwrap();
    assert_eq!(read, [Member { id: "1".to_owned(), display: None, kind: MemberKind::Unknown }]);
}

#[test]
fn numbers_as_text() {
    let rank =
        |rank: &str| json!({"userName": "jo", "schemas": [urn::USER], urn::RINGCX_USER: {"agentRank": rank}});
    let user = create(&USER, rank("7"), &rules()).unwrap();
    assert_eq!(user.get(&format!("{}:agentRank", urn::RINGCX_USER)), Some(&json!(7)));
    assert!(create(&USER, rank("many"), &rules()).is_err());
    assert_eq!(create(&USER, rank("7"), &strict()).unwrap_err().scim_type, Some(ScimType::InvalidValue));
}

#[test]
fn strict_wants_one_primary_and_no_empty_text() {
    let body = |more: Value| {
        let mut body = json!({"userName": "jo", "schemas": [urn::USER]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let two = json!({"emails": [{"value": "a", "primary": true}, {"value": "b", "primary": true}]});
    let error = create(&USER, body(two.clone()), &strict()).unwrap_err();
    assert!(error.detail.contains("2 primary elements"), "{error}");
    assert_eq!(created(two)["emails"][0]["primary"], false);
    assert_eq!(created(json!({"title": ""})), json!({}));
    assert_eq!(create(&USER, body(json!({"title": "x"})), &strict()).unwrap().text("title"), Some("x"));
}
