//! A person's life and what it costs RingCX: no more calls than the design allows, printed for the reader.

use ringcx_simulator::Profile;
use serde_json::json;

use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

/// The calls since `from`, printed under a title, and counted.
fn spent(bridge: &TestBridge, from: &mut usize, title: &str) -> usize {
    let calls = bridge.ringcx.calls();
    let new: Vec<String> =
        calls[*from..].iter().map(|call| format!("{} {}", call.operation, call.status)).collect();
    *from = calls.len();
    println!("{title}: {} calls: {}", new.len(), new.join(", "));
    new.len()
}

/// Created (1), moved twice (3 with the verification of the first way, then 2), a role by group (the administrator and two
/// roles, read back) and one by attribute, switched off and on, deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_life_costs_no_more_calls_than_the_design_allows() {
    for profile in [Profile::Friendly, Profile::Hostile, Profile::Spec] {
        println!("{profile:?}");
        let bridge = TestBridge::start(Setup {
            profile,
            policy: json!({
                "default_agent_group": "Default", "password_on_put": "omit",
                "allowed_roles": ["ACCESS_AUDIT_LOG"],
            }),
            groups: json!([
                {"match": "UK", "agent_group": "UK Agents", "priority": 10},
                {"match": "US", "agent_group": "US Agents", "priority": 5},
                {"match": "Reporters", "roles": ["REPORT_ADMINISTRATIVE_USER"]},
            ]),
            ..Setup::default()
        })
        .await;
        let mut from = 0;
        spent(&bridge, &mut from, "first contact");
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com", "externalId": "1"})).await;
        // The list of extensions is read once for everybody.
        assert!(spent(&bridge, &mut from, "create") <= 2);
        bridge.create(json!({"userName": "max@example.com"})).await;
        assert_eq!(spent(&bridge, &mut from, "another create"), 1);

        let groups = ["UK", "US", "Reporters"];
        let mut ids = Vec::new();
        for name in groups {
            let answer = bridge.send("POST", "/Groups", Some(&json!({"displayName": name}))).await;
            ids.push(answer.body["id"].as_str().unwrap().to_owned());
        }
        assert_eq!(spent(&bridge, &mut from, "three groups"), 0);
        let add =
            |id: &str| json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": id}]}]});

        bridge.send("PATCH", &format!("/Groups/{}", ids[0]), Some(&add(&id))).await;
        bridge.run_jobs().await;
        // Read, then one PUT and one look for each way until one works; there are three ways.
        assert!(spent(&bridge, &mut from, "first move") <= 7);
        bridge.send("PATCH", &format!("/Groups/{}", ids[1]), Some(&add(&id))).await;
        bridge.run_jobs().await;
        assert!(spent(&bridge, &mut from, "second move") <= 2);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1002);

        bridge.send("PATCH", &format!("/Groups/{}", ids[2]), Some(&add(&id))).await;
        bridge.run_jobs().await;
        // The administrator (read by name where the answer is empty), two roles, and one look at them.
        assert!(spent(&bridge, &mut from, "role by group") <= 5);
        let by_attribute =
            json!({"Operations": [{"op": "add", "path": "roles", "value": [{"value": "ACCESS_AUDIT_LOG"}]}]});
        bridge.send("PATCH", &format!("/Users/{id}"), Some(&by_attribute)).await;
        assert!(spent(&bridge, &mut from, "role by attribute") <= 3);

        let active =
            |active: bool| json!({"Operations": [{"op": "replace", "path": "active", "value": active}]});
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&active(false))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        // Both are read, switched off and looked at again; three roles go and are looked at; documents that others gave are
        // looked for. Where setIsActive is refused, a PUT and a look do its work.
        assert!(spent(&bridge, &mut from, "deactivate") <= 13);
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&active(true))).await;
        assert_eq!(answer.body[RINGCX]["provisioningState"], "active", "{}", answer.text);
        assert!(spent(&bridge, &mut from, "reactivate") <= 11);
        assert_eq!(bridge.send("DELETE", &format!("/Users/{id}"), None).await.status, 204);
        assert!(spent(&bridge, &mut from, "delete") <= 13);
        assert_eq!(bridge.ringcx.count("createAgent"), 2);
        assert_eq!(bridge.ringcx.count("deleteAgent"), 0);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
        assert_eq!(bridge.ringcx.admin_named("jo@example.com").unwrap()["enabled"], false);
    }
}
