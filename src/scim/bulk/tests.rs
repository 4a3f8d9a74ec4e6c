//! Bulk requests: order, references, and what is wrong with them.

#![expect(clippy::needless_pass_by_value, reason = "`json!` values read best by value")]

use serde_json::json;

use super::*;
use crate::scim::Compatibility;

fn parse(operations: Value) -> Result<BulkRequest, Error> {
    BulkRequest::parse(
        json!({"schemas": [urn::BULK_REQUEST], "Operations": operations}),
        10,
        &Rules::default(),
    )
}

fn post(path: &str, name: &str, refers: &[&str]) -> Value {
    let members: Vec<Value> = refers.iter().map(|it| json!({"value": format!("bulkId:{it}")})).collect();
    json!({"method": "post", "path": path, "bulkId": name, "data": {"displayName": name, "members": members}})
}

fn known(pairs: &[(&str, Option<&str>)]) -> Resolved {
    pairs.iter().map(|(name, id)| ((*name).to_owned(), id.map(str::to_owned))).collect()
}

#[test]
fn operations_follow_what_they_refer_to_and_keep_their_order_otherwise() {
    let check = |operations: Value, expected: &[(usize, bool)]| {
        assert_eq!(parse(operations).unwrap().order(), expected);
    };
    check(json!([post("/Users", "a", &[]), post("/Users", "b", &[])]), &[(0, false), (1, false)]);
    check(
        json!([post("/Groups", "g", &["b", "a"]), post("/Users", "a", &[]), post("/Users", "b", &[])]),
        &[(1, false), (2, false), (0, false)],
    );
    // A circle of two and one that looks at itself.
    check(json!([post("/Groups", "x", &["y"]), post("/Groups", "y", &["x"])]), &[(0, true), (1, false)]);
    check(json!([post("/Groups", "x", &["x"])]), &[(0, true)]);
    let patch = json!({"method": "PATCH", "path": "/Users/bulkId:a", "data": {"Operations": []}});
    check(json!([patch, post("/Users", "a", &[])]), &[(1, false), (0, false)]);
    check(json!([]), &[]);
}

#[test]
fn references_are_resolved_in_values_in_filters_and_in_paths() {
    let ids = known(&[("q", Some("42")), ("lost", None)]);
    let check = |value: Value, expected: Value| assert_eq!(resolve(value, &ids).unwrap(), expected);
    check(json!({"a": [{"value": "bulkId:q"}], "b": 7}), json!({"a": [{"value": "42"}], "b": 7}));
    check(json!("members[value eq \"bulkId:q\"]"), json!("members[value eq \"42\"]"));
    check(json!("../Users/bulkId:q"), json!("../Users/42"));
    check(json!("about bulkId:q"), json!("about bulkId:q"));
    check(json!("x/bulkId:other"), json!("x/bulkId:other"));
    assert_eq!(resolve(json!("bulkId:lost"), &ids).unwrap_err().status, 409);
    let unknown = resolve(json!(["bulkId:never"]), &ids).unwrap_err();
    assert!(unknown.status == 400 && unknown.detail.contains("never"), "{unknown}");
    let patch = json!([{"method": "PATCH", "path": "/Users/bulkId:q", "data": {"Operations": []}}]);
    let request = parse(patch).unwrap();
    assert_eq!(request.operations[0].id(&ids).unwrap().as_deref(), Some("42"));
}

#[test]
fn one_of_a_circle_is_cut_at_the_attributes_that_refer() {
    let request = parse(json!([post("/Groups", "x", &["y"]), post("/Groups", "y", &["x"])])).unwrap();
    let (now, later) = request.operations[0].cut(&Resolved::new());
    assert_eq!(now, json!({"displayName": "x"}));
    assert_eq!(Value::Object(later), json!({"members": [{"value": "bulkId:y"}]}));
    let (now, later) = request.operations[1].cut(&known(&[("x", Some("1"))]));
    assert_eq!((now.get("members").is_some(), later.is_empty()), (true, true));
}

#[test]
fn what_is_wrong_with_one_operation_is_told_in_its_place() {
    for (operation, status, part) in [
        (json!("x"), 400, "not an object"),
        (json!({"method": "GET", "path": "/Users"}), 400, "method \"GET\""),
        (json!({"method": "POST"}), 400, "no path"),
        (json!({"method": "POST", "path": "/Planets", "data": {}}), 404, "Planets"),
        (json!({"method": "POST", "path": "/Roles", "data": {}}), 405, "read only"),
        (json!({"method": "POST", "path": "/Users/7", "data": {}}), 400, "without an id"),
        (json!({"method": "DELETE", "path": "/Users"}), 400, "needs an id"),
        (json!({"method": "PUT", "path": "/Users/7"}), 400, "needs data"),
    ] {
        let request = parse(json!([operation, post("/Users", "a", &[])])).unwrap();
        let error = request.operations[0].target.clone().unwrap_err();
        assert!(error.status == status && error.detail.contains(part), "{operation}: {error}");
        assert!(request.operations[1].target.is_ok());
    }
}

#[test]
fn what_is_wrong_with_the_request_is_told_at_once() {
    let refused = |body: Value, rules: &Rules| BulkRequest::parse(body, 2, rules).err().unwrap();
    let generic = Rules::default();
    let many = json!({"Operations": [{}, {}, {}]});
    assert_eq!(refused(many, &generic).status, 413);
    for body in [json!([]), json!({}), json!({"Operations": {}})] {
        assert_eq!(refused(body, &generic).status, 400);
    }
    let fails = |number: Value| json!({"Operations": [], "failOnErrors": number});
    for number in [json!(0), json!(-1), json!("1"), json!(1.5)] {
        assert!(refused(fails(number), &generic).detail.contains("failOnErrors"));
    }
    let twice = json!({"Operations": [post("/Users", "a", &[]), post("/Users", "a", &[])]});
    assert!(refused(twice, &generic).detail.contains("two operations"));
    let strict = Rules::of(Compatibility::Strict);
    assert!(refused(json!({"Operations": []}), &strict).detail.contains("schemas"));
    let nameless = json!({"schemas": [urn::BULK_REQUEST], "Operations": [{"method": "POST", "path": "/Users", "data": {}}]});
    let request = BulkRequest::parse(nameless, 2, &strict).unwrap();
    assert!(request.operations[0].target.as_ref().unwrap_err().detail.contains("bulkId"));
}

#[test]
fn bulk_without_bulk_id() {
    let nameless = json!([{"method": "POST", "path": "/Users", "data": {"userName": "jo"}}]);
    assert!(parse(nameless).unwrap().operations[0].target.is_ok());
}
