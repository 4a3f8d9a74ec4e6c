//! A leaver is switched off whatever else goes wrong, and nobody is switched on by the way.

use std::time::Duration;

use ringcx_simulator::{Fault, FaultKind, Seed};
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const ROLE: &str = "REPORT_ADMINISTRATIVE_USER";

async fn start(extra: Value, settle: Duration) -> TestBridge {
    let mut policy =
        json!({"default_agent_group": "Default", "password_on_put": "omit", "allowed_roles": [ROLE]});
    policy.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    TestBridge::start(Setup { policy, settle, seed: Seed::demo(), ..Setup::default() }).await
}

fn active(value: bool) -> Value {
    json!({"Operations": [{"op": "replace", "path": "active", "value": value}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaver_whose_role_cannot_be_taken_is_off_all_the_same() {
    for (operation, extra) in [
        ("removeRole", json!({})),
        ("setIsActive", json!({})),
        ("deleteUser", json!({"on_delete": "delete"})),
    ] {
        let bridge = start(extra, Duration::from_millis(500)).await;
        let body = json!({"userName": "jo@example.com", "roles": [{"value": ROLE}]});
        let (id, agent) = bridge.create(body).await;
        bridge.ringcx.forbid(operation);
        let path = format!("/Users/{id}");
        let answer = if operation == "deleteUser" {
            bridge.send("DELETE", &path, None).await
        } else {
            bridge.send("PATCH", &path, Some(&active(false))).await
        };
        // Where RingCX refuses `setIsActive`, a PUT of the whole object switches the administrator off.
        let expected = if operation == "setIsActive" { 200 } else { 503 };
        assert_eq!(answer.status, expected, "{operation}: {}", answer.text);
        let left = bridge.ringcx.agent(agent);
        assert!(left.is_none_or(|agent| agent["isActive"] == false), "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaver_whom_somebody_moved_into_a_new_group_is_found() {
    let bridge = start(json!({}), Duration::from_secs(5)).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    bridge.ringcx.add_group(1900, "Made By Hand");
    bridge.ringcx.move_agent(agent, 1900);
    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&active(false))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let after = bridge.ringcx.agent(agent).unwrap();
    assert_eq!((&after["isActive"], &after["agentGroupId"]), (&json!(false), &json!(1900)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_may_not_be_seen_is_not_gone() {
    let bridge = start(json!({}), Duration::from_millis(500)).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    bridge.ringcx.fault(Fault::always("getAgent", FaultKind::Status(403, String::new())));
    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&active(false))).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    bridge.ringcx.clear_faults();
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_agent_that_lists_hid_is_not_switched_on_by_a_create() {
    let bridge = start(json!({}), Duration::from_secs(5)).await;
    bridge.ringcx.edit_agent(5001, |fields| {
        fields.insert("isActive".to_owned(), json!(false));
        fields.insert("active".to_owned(), json!(false));
    });
    let answer = bridge.send("POST", "/Users", Some(&json!({"userName": "wanda@example.com"}))).await;
    assert_eq!((answer.status, &answer.body["scimType"]), (409, &json!("uniqueness")), "{}", answer.text);
    assert!(answer.body["detail"].as_str().unwrap().contains("5001"), "{}", answer.text);
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agent(5001).unwrap()["isActive"], false);
    assert_eq!(bridge.ringcx.count("updateAgent"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn off_and_on_again_in_one_go_ends_a_local_disable() {
    let bridge = start(json!({}), Duration::from_millis(300)).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    bridge.ringcx.edit_agent(agent, |fields| {
        fields.insert("isActive".to_owned(), json!(false));
        fields.insert("active".to_owned(), json!(false));
    });
    // Both writes wait for one look at RingCX.
    bridge.ringcx.fault(Fault::always("getAgent", FaultKind::Status(500, String::new())));
    let path = format!("/Users/{id}");
    for value in [false, true] {
        let answer = bridge.send("PATCH", &path, Some(&active(value))).await;
        assert_eq!(answer.status, 503, "{}", answer.text);
    }
    bridge.ringcx.clear_faults();
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], true);
}
