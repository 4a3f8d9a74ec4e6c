//! One test for each rule of the mapping whose whole is tried elsewhere in larger ones: a short look at what the rule promises.

use ringcx_simulator::Seed;
use serde_json::{Value, json};

use crate::support::{Answer, Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

fn seed() -> Seed {
    let agent = |id: i64, fields: Value| {
        let mut agent = json!({"agentId": id, "lastName": "Agent"});
        agent.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        agent
    };
    Seed::demo()
        .agent(1003, agent(5011, json!({"username": "ann@example.com", "externalAgentId": "K-1"})))
        .agent(1003, agent(5012, json!({"username": "bob@example.com", "externalAgentId": "K-2"})))
        .agent(1003, agent(5013, json!({"username": "cid@example.com", "externalAgentId": "K-2"})))
}

async fn start(policy: Value) -> TestBridge {
    let mut whole = json!({"default_agent_group": "Default", "password_on_put": "omit"});
    whole.as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
    TestBridge::start(Setup { seed: seed(), policy: whole, ..Setup::default() }).await
}

async fn set(bridge: &TestBridge, id: &str, path: &str, value: Value) -> Answer {
    let operations = json!([{"op": "replace", "path": path, "value": value}]);
    bridge.send("PATCH", &format!("/Users/{id}"), Some(&json!({"Operations": operations}))).await
}

fn agent(bridge: &TestBridge, id: i64) -> Value {
    bridge.ringcx.agent(id).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn username_template_conflict_409() {
    let bridge = start(json!({"username_template": "{local}@cc.example.com", "link_existing": false})).await;
    let (_, first) = bridge.create(json!({"userName": "jo@one.example.com"})).await;
    if agent(&bridge, first)["username"] != "jo@cc.example.com" {
        // This RingCX makes names of its own, which do not collide.
        return;
    }
    let answer = bridge.send("POST", "/Users", Some(&json!({"userName": "jo@two.example.com"}))).await;
    assert_eq!((answer.status, &answer.body["scimType"]), (409, &json!("uniqueness")), "{}", answer.text);
    assert!(answer.text.contains("username_template"), "{}", answer.text);
    assert_eq!(bridge.ringcx.agents().len(), 5, "no number is appended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rename_keep_leaves_ringcx_login() {
    let bridge = start(json!({})).await;
    let (id, at) = bridge.create(json!({"userName": "jo@example.com"})).await;
    let login = agent(&bridge, at)["username"].clone();
    let renamed = set(&bridge, &id, "userName", json!("joan@example.com")).await;
    assert_eq!(
        (&renamed.body["userName"], &renamed.body[RINGCX]["ringcxUsername"]),
        (&json!("joan@example.com"), &login)
    );
    assert_eq!(agent(&bridge, at)["username"], login);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn link_order_and_ambiguity_409() {
    // Two agents of one key: nobody is made, and the answer names both.
    let bridge = start(json!({})).await;
    let body = json!({"userName": "ann@example.com", "externalId": "K-2"});
    let answer = bridge.send("POST", "/Users", Some(&body)).await;
    if answer.status == 201 {
        // Lists that leave the key out leave the name.
        assert_eq!(answer.body[RINGCX]["agentId"], "5011");
    } else {
        assert_eq!(answer.body["scimType"], "uniqueness", "{}", answer.text);
        assert!(
            answer.text.contains("5012, 5013") && answer.text.contains("ringcx-scim import"),
            "{}",
            answer.text
        );
    }
    // A key goes before a name, where lists show keys.
    let knobs = vec![("list_fields", "full")];
    let bridge = TestBridge::start(Setup { seed: seed(), knobs, ..Setup::default() }).await;
    let answer = bridge.send("POST", "/Users", Some(&body)).await;
    assert_eq!((answer.status, &answer.body["scimType"]), (409, &json!("uniqueness")), "{}", answer.text);
    assert!(answer.text.contains("5012, 5013"), "{}", answer.text);
    let (_, linked) = bridge.create(json!({"userName": "bob@example.com", "externalId": "K-1"})).await;
    assert_eq!((linked, bridge.ringcx.count("createAgent")), (5011, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delete_defaults_to_disable() {
    let bridge = start(json!({})).await;
    let (id, at) = bridge.create(json!({"userName": "jo@example.com"})).await;
    assert_eq!(bridge.send("DELETE", &format!("/Users/{id}"), None).await.status, 204);
    assert_eq!(bridge.send("GET", &format!("/Users/{id}"), None).await.status, 404);
    assert_eq!((&agent(&bridge, at)["isActive"], bridge.ringcx.count("deleteAgent")), (&json!(false), 0));
}
