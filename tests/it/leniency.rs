//! What RingCX does not do of a write, and what becomes of the rest of it.

use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

fn set(path: &str, value: impl Into<Value>) -> Value {
    json!({"op": "replace", "path": path, "value": value.into()})
}

async fn start(knob: (&'static str, &'static str), policy: Value) -> TestBridge {
    let groups = json!([{"match": "UK", "agent_group": "UK Agents"}]);
    TestBridge::start(Setup { knobs: vec![knob], policy, groups, ..Setup::default() }).await
}

async fn usual(knob: (&'static str, &'static str)) -> TestBridge {
    start(knob, json!({"default_agent_group": "Default", "password_on_put": "omit"})).await
}

async fn patch(bridge: &TestBridge, id: &str, operations: &[Value]) -> crate::support::Answer {
    bridge.send("PATCH", &format!("/Users/{id}"), Some(&json!({"Operations": operations}))).await
}

async fn join(bridge: &TestBridge, id: &str) -> String {
    let group = json!({"displayName": "UK", "members": [{"value": id}]});
    let answer = bridge.send("POST", "/Groups", Some(&group)).await;
    bridge.run_jobs().await;
    answer.body["id"].as_str().unwrap().to_owned()
}

fn says(answer: &crate::support::Answer) -> (Value, String) {
    let shown = &answer.body[RINGCX];
    (shown["provisioningState"].clone(), shown["lastError"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_is_let_back_although_the_move_does_not_take() {
    for mode in ["unsupported", "bulk"] {
        let bridge = usual(("move_mode", mode)).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        assert_eq!(patch(&bridge, &id, &[set("active", false)]).await.status, 200);
        join(&bridge, &id).await;
        bridge.ringcx.clear_calls();
        let back = patch(&bridge, &id, &[set("active", true)]).await;
        assert_eq!((back.status, &back.body["active"]), (200, &json!(true)), "{mode}: {}", back.text);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], true, "{mode}");
        let (state, why) = says(&back);
        assert_eq!(state, "error", "{mode}");
        assert!(why.contains("move_strategy"), "{mode}: {why}");
        let puts = bridge.ringcx.count("updateAgent");
        assert!(puts <= 3, "{mode}: {puts} PUTs: each way once, and what was left of the change");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_does_not_take_holds_up_no_other_change() {
    let bridge = usual(("move_mode", "unsupported")).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    join(&bridge, &id).await;
    bridge.ringcx.clear_calls();
    let answer = patch(&bridge, &id, &[set("name.givenName", "Joan")]).await;
    assert_eq!((answer.status, says(&answer).0), (200, json!("error")), "{}", answer.text);
    let held = bridge.ringcx.agent(agent).unwrap();
    assert_eq!((&held["firstName"], &held["agentGroupId"]), (&json!("Joan"), &json!(1000)));
    let puts = bridge.ringcx.count("updateAgent");
    assert!(puts <= 3, "{puts} PUTs: each way once, and what was left of the change");
    // A move that the write itself asks for fails with the write.
    let asked = patch(&bridge, &id, &[set(&format!("{RINGCX}:agentGroupName"), "US Agents")]).await;
    assert_eq!(asked.status, 400, "{}", asked.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_name_that_ringcx_keeps_is_told_once_and_not_sent_again() {
    let policy =
        json!({"default_agent_group": "Default", "password_on_put": "omit", "rename_policy": "follow"});
    let bridge = start(("username_update", "reject400"), policy).await;
    let (id, agent) = bridge.create(json!({"userName": "old@example.com"})).await;
    let both = [set("userName", "new@example.com"), set("name.givenName", "Neu")];
    let answer = patch(&bridge, &id, &both).await;
    assert_eq!(
        (answer.status, &answer.body["userName"]),
        (200, &json!("new@example.com")),
        "{}",
        answer.text
    );
    let held = bridge.ringcx.agent(agent).unwrap();
    assert_eq!((&held["username"], &held["firstName"]), (&json!("old@example.com"), &json!("Neu")));
    let (state, why) = says(&answer);
    assert!(state == "active" && why.contains("login name"), "{state}: {why}");
    bridge.run_jobs().await;
    bridge.ringcx.clear_calls();
    let later = patch(&bridge, &id, &[set("name.givenName", "Neuer")]).await;
    assert_eq!((later.status, says(&later)), (200, (json!("active"), String::new())), "{}", later.text);
    assert_eq!(bridge.ringcx.count("updateAgent"), 1, "the name is not sent again");
    // Another name is another question.
    bridge.ringcx.set("username_update", "allow").unwrap();
    assert_eq!(patch(&bridge, &id, &[set("userName", "third@example.com")]).await.status, 200);
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["username"], "third@example.com");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_the_last_mapped_group_without_a_default_stays_and_is_told_of_without_a_call() {
    for deleted in [false, true] {
        let bridge = start(("move_mode", "body_agentgroup_id"), json!({"password_on_put": "omit"})).await;
        let (id, _) = bridge.create(json!({"userName": "jo@example.com"})).await;
        let group = join(&bridge, &id).await;
        let agents = bridge.ringcx.agents();
        bridge.ringcx.clear_calls();
        let leaves = json!({"Operations": [{"op": "remove", "path": format!("members[value eq \"{id}\"]")}]});
        let path = format!("/Groups/{group}");
        let left = if deleted {
            bridge.send("DELETE", &path, None).await
        } else {
            bridge.send("PATCH", &path, Some(&leaves)).await
        };
        assert_eq!(left.status, 204, "{}", left.text);
        bridge.run_jobs().await;
        assert_eq!((bridge.ringcx.calls().len(), bridge.ringcx.agents()), (0, agents), "deleted: {deleted}");
        let (state, why) = says(&bridge.send("GET", &format!("/Users/{id}"), None).await);
        assert!(state == "active" && why.contains("stays where it is"), "deleted: {deleted}: {state}: {why}");
    }
}
