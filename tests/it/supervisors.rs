//! Agents and supervisors: who decides the kind, and what a demotion leaves.

use serde_json::{Value, json};

use crate::admins::{PROFILES, member_of};
use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_attribute_decides_before_every_group_and_a_supervisor_administers_nothing() {
    for profile in PROFILES {
        let groups = json!([
            {"match": "Floor", "agent_type": "AGENT", "priority": 1},
            {"match": "Leads", "agent_type": "SUPERVISOR", "priority": 500},
        ]);
        let bridge = TestBridge::start(Setup { profile, groups, ..Setup::default() }).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        let kind = || bridge.ringcx.agent(agent).unwrap()["agentType"].clone();
        assert_eq!(kind(), "AGENT", "without a group");
        let leads = member_of(&bridge, "Leads", &id).await;
        member_of(&bridge, "Floor", &id).await;
        assert_eq!(kind(), "SUPERVISOR", "{profile:?}: whatever the priorities and the order");
        let before = bridge.ringcx.admins();
        assert_eq!(bridge.ringcx.count("createUser"), 0, "a supervisor is an agent and no administrator");
        // The attribute decides before any group.
        let path = format!("{RINGCX}:agentType");
        let set = json!({"Operations": [{"op": "replace", "path": path, "value": "AGENT"}]});
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&set)).await;
        assert_eq!((answer.status, kind()), (200, json!("AGENT")), "{}", answer.text);
        let unset = json!({"Operations": [{"op": "remove", "path": path}]});
        bridge.send("PATCH", &format!("/Users/{id}"), Some(&unset)).await;
        assert_eq!(kind(), "SUPERVISOR");
        bridge.send("DELETE", &format!("/Groups/{leads}"), None).await;
        bridge.run_jobs().await;
        assert_eq!(kind(), "AGENT");
        assert_eq!(bridge.ringcx.admins(), before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demotion_leaves_what_the_agent_supervises_and_names_it() {
    for profile in PROFILES {
        let groups = json!([{"match": "Leads", "agent_type": "SUPERVISOR"}]);
        let bridge = TestBridge::start(Setup { profile, groups, ..Setup::default() }).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        let leads = member_of(&bridge, "Leads", &id).await;
        let assigned = json!([{"agentId": 5001, "supervisorId": agent}]);
        bridge.ringcx.edit_agent(agent, |it| drop(it.insert("whereSupervisor".to_owned(), assigned.clone())));
        bridge.ringcx.set("null_on_get", "no").unwrap();
        bridge.send("DELETE", &format!("/Groups/{leads}"), None).await;
        bridge.run_jobs().await;
        let after = bridge.ringcx.agent(agent).unwrap();
        assert_eq!(
            (&after["agentType"], &after["whereSupervisor"]),
            (&json!("AGENT"), &assigned),
            "{profile:?}"
        );
        let user = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
        let told = user[RINGCX]["lastError"].as_str().unwrap_or_default();
        assert!(told.contains("5001") && told.contains("supervisor"), "{user}");
        let sql = "SELECT detail FROM audit WHERE action = 'demoted'";
        let found = bridge.store.read(move |tx| tx.all(sql, &[], |row| row.text(0))).await.unwrap();
        let told: Vec<Value> = found.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
        assert_eq!(told, [json!({"agentId": agent, "supervises": [5001]})]);
    }
}
