//! Bulk requests (RFC 7644 §3.7): what RingCX and the store hold afterwards.

use ringcx_simulator::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::support::{Answer, Setup, TestBridge};

async fn bridge() -> TestBridge {
    TestBridge::start(Setup::default()).await
}

async fn bulk(bridge: &TestBridge, operations: Value) -> Answer {
    let body =
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations});
    let answer = bridge.send("POST", "/Bulk", Some(&body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:BulkResponse"]));
    answer
}

fn statuses(answer: &Answer) -> Vec<&str> {
    answer.body["Operations"].as_array().unwrap().iter().map(|it| it["status"].as_str().unwrap()).collect()
}

fn user(name: &str) -> Value {
    json!({"method": "POST", "path": "/Users", "bulkId": name, "data": {"userName": format!("{name}@example.com")}})
}

/// The id at the end of an entry's location.
fn id_of(entry: &Value) -> String {
    entry["location"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_has_its_own_answer_and_effect() {
    let bridge = bridge().await;
    let (old, agent) = bridge.create(json!({"userName": "old@example.com"})).await;
    let (gone, leaver) = bridge.create(json!({"userName": "gone@example.com"})).await;
    let etag = bridge.send("GET", &format!("/Users/{old}"), None).await.headers["etag"].clone();
    let deactivate = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    let group = json!({"displayName": "Team", "members": [{"value": "bulkId:new"}, {"value": gone}]});
    let answer = bulk(
        &bridge,
        json!([
            {"method": "POST", "path": "/Groups", "bulkId": "team", "data": group},
            user("new"),
            {"method": "PATCH", "path": format!("/Users/{old}"), "version": etag, "data": deactivate},
            {"method": "DELETE", "path": format!("/Users/{gone}")},
            {"method": "PATCH", "path": format!("/Users/{old}"), "version": "W/\"0\"", "data": deactivate},
            {"method": "POST", "path": "/Users", "bulkId": "twice", "data": {"userName": "NEW@example.com"}},
            {"method": "PUT", "path": "/Users/nobody", "data": {"userName": "x"}},
            {"method": "PATCH", "path": "/Groups/bulkId:team", "data": {"Operations": [
                {"op": "remove", "path": "members[value eq \"bulkId:new\"]"}]}},
        ]),
    )
    .await;
    assert_eq!(
        statuses(&answer),
        ["201", "201", "200", "204", "412", "409", "404", "200"],
        "{}",
        answer.text
    );
    let entries = answer.body["Operations"].as_array().unwrap();
    assert_eq!(entries[1]["bulkId"], "new");
    assert_eq!(entries[1]["method"], "POST");
    assert_eq!(entries[5]["response"]["scimType"], "uniqueness");
    assert_eq!(entries[6]["response"]["status"], "404");
    let new = bridge.send("GET", &format!("/Users/{}", id_of(&entries[1])), None).await;
    assert_eq!(new.headers["etag"], entries[1]["version"].as_str().unwrap());
    let team = bridge.send("GET", &format!("/Groups/{}", id_of(&entries[0])), None).await.body;
    assert!(team.get("members").is_none(), "one was removed, the other deleted: {team}");
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
    assert_eq!(bridge.ringcx.agent(leaver).unwrap()["isActive"], false);
    assert_eq!(bridge.ringcx.count("createAgent"), 3);
    bridge.run_jobs().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_hold_in_any_order_and_in_circles() {
    let bridge = bridge().await;
    let group = |name: &str, member: &str| {
        json!({"method": "POST", "path": "/Groups", "bulkId": name,
            "data": {"displayName": name, "members": [{"type": "Group", "value": format!("bulkId:{member}")}]}})
    };
    let boss = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let mut jo = user("jo");
    jo["data"][boss] = json!({"manager": {"value": "bulkId:al"}});
    let mut al = user("al");
    al["data"][boss] = json!({"manager": {"value": "bulkId:jo"}});
    let answer = bulk(&bridge, json!([group("A", "B"), group("B", "A"), jo, al])).await;
    assert_eq!(statuses(&answer), ["201"; 4], "{}", answer.text);
    let ids: Vec<String> = answer.body["Operations"].as_array().unwrap().iter().map(id_of).collect();
    for (group, other) in [(0, 1), (1, 0)] {
        let body = bridge.send("GET", &format!("/Groups/{}", ids[group]), None).await.body;
        assert_eq!(body["members"][0]["value"], json!(ids[other]));
        assert_eq!(body["members"][0]["type"], "Group");
    }
    for (person, other) in [(2, 3), (3, 2)] {
        let body = bridge.send("GET", &format!("/Users/{}", ids[person]), None).await.body;
        assert_eq!(body[boss]["manager"]["value"], json!(ids[other]));
    }
    bridge.run_jobs().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_refers_to_a_failure_fails_and_the_rest_does_not() {
    let bridge = bridge().await;
    bridge.create(json!({"userName": "taken@example.com"})).await;
    let answer = bulk(&bridge, json!([
        {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"displayName": "G", "members": [{"value": "bulkId:taken"}]}},
        user("taken"),
        user("fine"),
        {"method": "POST", "path": "/Groups", "bulkId": "h", "data": {"displayName": "H", "members": [{"value": "bulkId:never"}]}},
    ])).await;
    assert_eq!(statuses(&answer), ["409", "409", "201", "400"], "{}", answer.text);
    assert_eq!(bridge.send("GET", "/Groups", None).await.body["totalResults"], 0);
    assert_eq!(bridge.ringcx.count("createAgent"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fail_on_errors_leaves_the_rest_undone_and_unmentioned() {
    let bridge = bridge().await;
    let body = json!({"failOnErrors": 2, "Operations": [user("a"), {"method": "DELETE", "path": "/Users/x"}, user("b"),
        {"method": "DELETE", "path": "/Users/y"}, user("c")]});
    let answer = bridge.send("POST", "/Bulk", Some(&body)).await;
    assert_eq!(statuses(&answer), ["201", "404", "201", "404"], "{}", answer.text);
    assert_eq!(bridge.ringcx.count("createAgent"), 2);
    assert_eq!(bridge.send("GET", "/Users", None).await.body["totalResults"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_wait_serves_all_and_what_is_not_settled_answers_503_and_goes_on() {
    let setup = Setup { settle: std::time::Duration::from_millis(300), ..Setup::default() };
    let bridge = TestBridge::start(setup).await;
    bridge.ringcx.fault(Fault::always("createAgent", FaultKind::Status(503, String::new())));
    let begun = std::time::Instant::now();
    let answer = bulk(&bridge, (0..20).map(|n| user(&format!("u{n}"))).collect()).await;
    assert_eq!(statuses(&answer), ["503"; 20], "{}", answer.text);
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "not one wait after another");
    assert_eq!(bridge.send("GET", "/Users", None).await.body["totalResults"], 20, "the intents are kept");
    bridge.ringcx.clear_faults();
    bridge.run_jobs().await;
    let agents = bridge.ringcx.agents().len();
    assert!(agents >= 20, "{agents}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_request_has_limits() {
    let bridge = bridge().await;
    let many = json!({"Operations": (0..1001).map(|n| user(&format!("u{n}"))).collect::<Vec<_>>()});
    let answer = bridge.send("POST", "/Bulk", Some(&many)).await;
    assert_eq!((answer.status, answer.body["status"].as_str()), (413, Some("413")));
    let long = json!({"Operations": [{"method": "POST", "path": "/Users", "data": {"userName": "x".repeat(2_000_000)}}]});
    assert_eq!(bridge.send("POST", "/Bulk", Some(&long)).await.status, 413);
    assert_eq!(bridge.send("GET", "/Users", None).await.body["totalResults"], 0);
    let config = bridge.send("GET", "/ServiceProviderConfig", None).await.body;
    assert_eq!(
        (config["bulk"]["supported"].clone(), config["bulk"]["maxOperations"].clone()),
        (json!(true), json!(1000))
    );
}
