//! Changes of membership as clients really send them.

#![expect(clippy::needless_pass_by_value, reason = "`json!` values read best by value")]

use serde_json::{Value, json};

use super::*;
use crate::scim::patch::apply;
use crate::scim::{MemberKind, Resource, ScimType};

fn split(operations: Value) -> Result<(PatchOp, Vec<MemberChange>), Error> {
    let rules = Rules::default();
    split_members(&PatchOp::parse(json!({"Operations": operations}), &rules)?, &rules)
}

fn changes(operations: Value) -> Vec<MemberChange> {
    let (rest, changes) = split(operations).unwrap();
    assert!(rest.is_empty(), "{rest:?}");
    changes
}

fn member(id: &str) -> Member {
    Member { id: id.to_owned(), display: None, kind: MemberKind::Unknown }
}

fn ids(list: &[&str]) -> Vec<String> {
    list.iter().map(|&id| id.to_owned()).collect()
}

#[test]
fn entra_members_remove_value_array_only_listed() {
    let remove = |value: Value| changes(json!([{"op": "Remove", "path": "members", "value": value}]));
    assert_eq!(
        remove(json!([{"$ref": null, "value": "1"}, {"value": "2"}])),
        [MemberChange::Remove(ids(&["1", "2"]))]
    );
    assert_eq!(remove(json!({"value": "1"})), [MemberChange::Remove(ids(&["1"]))]);
    assert_eq!(remove(json!("1")), [MemberChange::Remove(ids(&["1"]))]);
    assert_eq!(remove(json!([])), []);
}

#[test]
fn okta_members_remove_filter_path() {
    let remove = |path: &str| changes(json!([{"op": "remove", "path": path}]));
    assert_eq!(remove("members[value eq \"89bb\"]"), [MemberChange::Remove(ids(&["89bb"]))]);
    assert_eq!(remove("MEMBERS[Value Eq \"1\" or value eq \"2\"]"), [MemberChange::Remove(ids(&["1", "2"]))]);
    assert_eq!(
        remove("urn:ietf:params:scim:schemas:core:2.0:Group:members[value eq \"1\"]"),
        [MemberChange::Remove(ids(&["1"]))]
    );
    let by_type = Filter::parse("type eq \"Group\"").unwrap();
    assert_eq!(remove("members[type eq \"Group\"]"), [MemberChange::RemoveWhere(by_type)]);
}

#[test]
fn group_members_remove_all() {
    assert_eq!(changes(json!([{"op": "remove", "path": "members"}])), [MemberChange::RemoveAll]);
    for empty in [json!([]), json!(null), json!("")] {
        let replace = changes(json!([{"op": "replace", "path": "members", "value": empty}]));
        assert_eq!(replace, [MemberChange::Replace(vec![])]);
        assert_eq!(changes(json!([{"op": "add", "path": "members", "value": empty}])), []);
    }
}

#[test]
fn group_patch_member_value_shapes() {
    for value in [json!([{"value": "1", "$ref": null}]), json!({"value": "1"}), json!("1"), json!(["1"])] {
        assert_eq!(
            changes(json!([{"op": "Add", "path": "members", "value": value}])),
            [MemberChange::Add(vec![member("1")])]
        );
    }
    let error = split(json!([{"op": "add", "path": "members", "value": [{"value": "1"}, {}]}])).unwrap_err();
    assert!(error.detail.contains("Operations[0]") && error.detail.contains("members[1]"), "{error}");
}

#[test]
fn validator_group_patch_loose_envelope() {
    let operations = json!([{"name": "addMember", "op": "Add", "path": "members", "value": [{"displayName": "Jo", "value": "1"}]}]);
    let named = Member { display: Some("Jo".to_owned()), ..member("1") };
    assert_eq!(changes(operations), [MemberChange::Add(vec![named])]);
}

#[test]
fn group_patch_no_path_add_members() {
    let operations = json!([{"op": "add", "value": {"members": [{"value": "1"}]}}]);
    assert_eq!(changes(operations), [MemberChange::Add(vec![member("1")])]);
    let operations = json!([{"op": "add", "path": "urn:ietf:params:scim:schemas:core:2.0:Group", "value": {"members": ["1"]}}]);
    assert_eq!(changes(operations), [MemberChange::Add(vec![member("1")])]);
}

#[test]
fn okta_group_rename_with_id_in_value() {
    let operations = json!([
        {"op": "replace", "value": {"id": "g1", "displayName": "X", "Members": [{"value": "1", "display": null}]}},
        {"op": "remove", "path": "members[value eq \"2\"]"},
        {"op": "add", "path": "members", "value": [{"value": "3", "display": "a@b.com"}]}
    ]);
    let (rest, changes) = split(operations).unwrap();
    let third = Member { display: Some("a@b.com".to_owned()), ..member("3") };
    assert_eq!(
        changes,
        [
            MemberChange::Replace(vec![member("1")]),
            MemberChange::Remove(ids(&["2"])),
            MemberChange::Add(vec![third])
        ]
    );
    let group = Resource::from_object(json!({"displayName": "Y"}).as_object().unwrap().clone());
    let outcome = apply(&GROUP, &group, &rest, &Rules::default()).unwrap();
    assert_eq!(outcome.resource.to_json(), r#"{"displayName":"X"}"#);
    assert_eq!(outcome.skipped, Vec::<String>::new());
}

#[test]
fn rauthy_group_externalid_null() {
    let group =
        Resource::from_object(json!({"displayName": "Y", "externalId": "e"}).as_object().unwrap().clone());
    let (rest, _) =
        split(json!([{"op": "replace", "value": {"displayName": "Z", "externalId": null}}])).unwrap();
    let outcome = apply(&GROUP, &group, &rest, &Rules::default()).unwrap();
    assert_eq!(outcome.resource.to_json(), r#"{"displayName":"Z"}"#);
}

#[test]
fn members_themselves_are_immutable() {
    for operation in [
        json!({"op": "replace", "path": "members[value eq \"1\"].display", "value": "x"}),
        json!({"op": "replace", "path": "members[value eq \"1\"]", "value": {"value": "2"}}),
        json!({"op": "add", "path": "members.display", "value": "x"}),
    ] {
        assert_eq!(
            split(json!([operation])).unwrap_err().scim_type,
            Some(ScimType::Mutability),
            "{operation}"
        );
    }
    assert_eq!(
        split(json!([{"op": "remove", "path": "members[colour eq 1]"}])).unwrap_err().scim_type,
        Some(ScimType::InvalidPath)
    );
}

#[test]
fn authentik_one_op_per_member_bulk() {
    let operations: Vec<Value> = (0..5000)
        .map(|n| json!({"op": "add", "path": "members", "value": [{"value": n.to_string()}]}))
        .collect();
    assert_eq!(changes(json!(operations)).len(), 5000);
}

#[test]
fn a_filter_on_members_selects_by_id_name_and_kind() {
    let check = |text: &str, expected: bool| {
        let filter = Filter::parse(text).unwrap();
        assert_eq!(member_matches(&filter, "id-1", Some("Jo B"), false), expected, "{text}");
    };
    check("type eq \"user\"", true);
    check("type eq \"Group\"", false);
    check("display co \"jo\" and value sw \"id\"", true);
    check("value eq \"ID-1\"", false);
    check("colour pr", false);
}
