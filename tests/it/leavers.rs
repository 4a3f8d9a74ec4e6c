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

/// Somebody with an agent and an administrator who holds a role and a document of the bridge's.
async fn of_both(bridge: &TestBridge, name: &str) -> (String, i64) {
    let body = json!({"userName": name, "roles": [{"value": ROLE}], "entitlements": [{"value": "4711"}]});
    bridge.create(body).await
}

fn works(bridge: &TestBridge, agent: i64, name: &str) -> (bool, bool) {
    let admin = bridge.ringcx.admin_named(name).unwrap();
    (bridge.ringcx.agent(agent).unwrap()["isActive"] == true, admin["enabled"] == true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_that_fails_keeps_at_work_only_whom_it_hides() {
    let name = "jo@example.com";
    for (operation, agent_works, admin_works) in
        [("getAgent", true, false), ("getUser", false, true), ("getAssignedRightsDocs", false, false)]
    {
        for status in [403, 500] {
            let bridge = start(json!({"allowed_rights_docs": [4711]}), Duration::from_millis(800)).await;
            let (id, agent) = of_both(&bridge, name).await;
            bridge.ringcx.fault(Fault::always(operation, FaultKind::Status(status, String::new())));
            let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&active(false))).await;
            assert_eq!(answer.status, 503, "{operation} {status}: {}", answer.text);
            assert_eq!(works(&bridge, agent, name), (agent_works, admin_works), "{operation} {status}");
            bridge.ringcx.clear_faults();
            bridge.run_jobs().await;
            assert_eq!(works(&bridge, agent, name), (false, false), "{operation} {status}");
            let admin = bridge.ringcx.admin_named(name).unwrap();
            assert!(!admin["roles"].to_string().contains(ROLE), "{operation} {status}: {admin}");
            assert!(bridge.ringcx.assignments(4711).is_empty(), "{operation} {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaver_without_documents_of_the_bridge_is_off_whether_or_not_documents_can_be_read() {
    let bridge = start(json!({}), Duration::from_secs(5)).await;
    let body = json!({"userName": "jo@example.com", "roles": [{"value": ROLE}]});
    let (id, agent) = bridge.create(body).await;
    bridge.ringcx.fault(Fault::always("getAssignedRightsDocs", FaultKind::Status(403, String::new())));
    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&active(false))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(works(&bridge, agent, "jo@example.com"), (false, false));
    let shown = &answer.body["urn:ietf:params:scim:schemas:extension:ringcx:2.0:User"];
    assert_eq!(shown["provisioningState"], "disabled");
    assert!(shown["lastError"].as_str().unwrap().contains("could not be read"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaver_whose_roles_cannot_be_read_is_off_under_the_floor() {
    let name = "jo@example.com";
    let extra = json!({"allowed_roles": [ROLE], "allowed_rights_docs": [4711]});
    let bridge = start(extra, Duration::from_millis(800)).await;
    let (id, agent) = of_both(&bridge, name).await;
    bridge.ringcx.set("roles_shape", "absent").unwrap();
    bridge.ringcx.fault(Fault::always("getRoles", FaultKind::Status(403, String::new())));
    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&active(false))).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    let agent_works = bridge.ringcx.agent(agent).unwrap()["isActive"] == true;
    // Whether the administrator was the last one who can administer the account cannot be seen here.
    assert!(!agent_works, "the agent needs none of that");
    bridge.ringcx.clear_faults();
    bridge.run_jobs().await;
    assert_eq!(works(&bridge, agent, name), (false, false));
    assert!(!bridge.ringcx.admin_named(name).unwrap()["roles"].to_string().contains(ROLE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_a_group_takes_its_role_although_the_agent_cannot_be_read() {
    let policy = json!({"default_agent_group": "Default", "password_on_put": "omit"});
    let groups = json!([{"match": "Reporters", "roles": [ROLE], "agent_group": "UK Agents"}]);
    let setup = Setup { policy, groups, settle: Duration::from_millis(500), ..Setup::default() };
    let bridge = TestBridge::start(setup).await;
    let (id, _) = bridge.create(json!({"userName": "jo@example.com"})).await;
    let group = json!({"displayName": "Reporters", "members": [{"value": id}]});
    let group = bridge.send("POST", "/Groups", Some(&group)).await.body["id"].as_str().unwrap().to_owned();
    bridge.run_jobs().await;
    let roles = || bridge.ringcx.admin_named("jo@example.com").unwrap()["roles"].to_string();
    assert!(roles().contains(ROLE));
    bridge.ringcx.fault(Fault::always("getAgent", FaultKind::Status(500, String::new())));
    let leaves = json!({"Operations": [{"op": "remove", "path": format!("members[value eq \"{id}\"]")}]});
    assert_eq!(bridge.send("PATCH", &format!("/Groups/{group}"), Some(&leaves)).await.status, 204);
    bridge.reconciler.run_jobs().await.unwrap();
    assert!(!roles().contains(ROLE), "{}", roles());
    bridge.ringcx.clear_faults();
    bridge.run_jobs().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_gone_shows_until_the_client_acts() {
    let bridge = start(json!({}), Duration::from_secs(5)).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    bridge.ringcx.remove_agent(agent);
    let path = format!("/Users/{id}");
    let change = json!({"Operations": [{"op": "replace", "path": "name.givenName", "value": "Jo"}]});
    let answer = bridge.send("PATCH", &path, Some(&change)).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let shown = |body: &Value| {
        let of = &body["urn:ietf:params:scim:schemas:extension:ringcx:2.0:User"];
        (of["provisioningState"].clone(), of["lastError"].as_str().unwrap_or_default().to_owned())
    };
    let (state, why) = shown(&bridge.send("GET", &path, None).await.body);
    assert_eq!(state, "error");
    assert!(why.contains("no longer has agent"), "{why}");
    let off = bridge.send("PATCH", &path, Some(&active(false))).await;
    assert_eq!((off.status, shown(&off.body).0), (200, json!("disabled")), "{}", off.text);
}
