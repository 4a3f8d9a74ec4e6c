//! Agent groups that SCIM groups make: a lost answer, a refused name, and one that was deleted in RingCX.

use std::time::Duration;

use ringcx_scim::clock::Clock;
use ringcx_scim::domain::TenantId;
use ringcx_scim::reconcile::Status;
use ringcx_scim::store::{facts, groups};
use ringcx_simulator::{Fault, FaultKind, Profile};
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";
const PROFILES: [Profile; 3] = [Profile::Friendly, Profile::Hostile, Profile::Spec];

fn default() -> TenantId {
    "default".parse().unwrap()
}

/// Nobody has an agent before a group gives one.
async fn start(profile: Profile, makes: bool) -> TestBridge {
    let policy = json!({"password_on_put": "omit", "auto_create_agent_groups": makes});
    TestBridge::start(Setup { profile, policy, ..Setup::default() }).await
}

async fn group(bridge: &TestBridge, name: &str, members: &[&str]) -> String {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    let made = bridge.send("POST", "/Groups", Some(&json!({"displayName": name, "members": members}))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.body["id"].as_str().unwrap().to_owned()
}

async fn change(bridge: &TestBridge, id: &str, operation: Value) {
    let body = json!({"Operations": [operation]});
    let changed = bridge.send("PATCH", &format!("/Groups/{id}"), Some(&body)).await;
    assert!(changed.status < 300, "{}", changed.text);
}

/// The ids of the agent groups of this name.
fn named(bridge: &TestBridge, name: &str) -> Vec<i64> {
    bridge.ringcx.agent_groups().into_iter().filter(|(_, it)| it == name).map(|(id, _)| id).collect()
}

/// The agent groups in which somebody has an agent.
fn groups_of(bridge: &TestBridge, email: &str) -> Vec<i64> {
    let agents = bridge.ringcx.agents().into_iter().filter(|agent| agent["email"] == email);
    agents.map(|agent| agent["agentGroupId"].as_i64().unwrap()).collect()
}

async fn jo(bridge: &TestBridge) -> String {
    bridge.create(json!({"userName": "jo@example.com", "emails": [{"value": "jo@example.com"}]})).await.0
}

async fn shown(bridge: &TestBridge, id: &str) -> Value {
    bridge.send("GET", &format!("/Users/{id}"), None).await.body[RINGCX].clone()
}

async fn status(bridge: &TestBridge) -> Status {
    bridge.reconciler.status(&default(), "").await.unwrap()
}

async fn a_round(bridge: &TestBridge) {
    let long_ago = Clock::system().now() - Duration::from_hours(24);
    let text = long_ago.as_millisecond().to_string();
    let due = bridge.store.write(move |tx| facts::set(tx, &default(), "drift_round_at", &text, long_ago));
    due.await.unwrap();
    bridge.reconciler.round_of(&default()).await.unwrap();
    bridge.run_jobs().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_group_whose_creation_was_not_answered_is_found_by_its_name() {
    for profile in PROFILES {
        let bridge = start(profile, true).await;
        let id = jo(&bridge).await;
        bridge.ringcx.fault(Fault::once("createAgentGroup", FaultKind::DropAfter));
        group(&bridge, "Team", &[&id]).await;
        bridge.run_jobs().await;
        let made = named(&bridge, "Team");
        assert_eq!((made.len(), bridge.ringcx.count("createAgentGroup")), (1, 1), "{profile:?}");
        assert_eq!(groups_of(&bridge, "jo@example.com"), made, "{profile:?}");
        let sql = "SELECT outcome FROM journal WHERE operation = 'createAgentGroup'";
        let outcomes = bridge.store.read(move |tx| tx.all(sql, &[], |row| row.opt_text(0))).await.unwrap();
        assert_eq!(outcomes, [Some("looked_up".to_owned())], "{profile:?}: it was not refused");
        let sql = "SELECT agent_group_ours FROM groups WHERE agent_group_id IS NOT NULL";
        let ours = bridge.store.read(move |tx| tx.all(sql, &[], |row| row.flag(0))).await.unwrap();
        assert_eq!(ours, [true], "{profile:?}: the bridge has made it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_name_that_ringcx_refuses_is_told_and_tried_again_under_another_name() {
    for profile in PROFILES {
        let bridge = start(profile, true).await;
        let id = jo(&bridge).await;
        let why = r#"{"message": "groupName is too long"}"#.to_owned();
        bridge.ringcx.fault(Fault::always("createAgentGroup", FaultKind::Status(400, why)));
        let team = group(&bridge, "Team", &[&id]).await;
        for _ in 0..5 {
            bridge.run_jobs_briefly().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(bridge.ringcx.count("createAgentGroup"), 1, "{profile:?}: it is not tried for ever");
        let told = shown(&bridge, &id).await;
        assert_eq!(told["provisioningState"], "held", "{profile:?}: {told}");
        let error = told["lastError"].as_str().unwrap_or_default();
        assert!(error.contains(&team) && error.contains("too long"), "{profile:?}: {told}");
        let unmade = status(&bridge).await.unmade_groups;
        assert_eq!(unmade.len(), 1, "{profile:?}");
        assert!(
            unmade[0].group.as_str() == team && unmade[0].why.contains("too long"),
            "{profile:?}: {unmade:?}"
        );

        bridge.ringcx.clear_faults();
        change(&bridge, &team, json!({"op": "replace", "path": "displayName", "value": "T"})).await;
        bridge.run_jobs().await;
        assert_eq!(groups_of(&bridge, "jo@example.com"), named(&bridge, "T"), "{profile:?}");
        assert!(
            shown(&bridge, &id).await.get("lastError").is_none(),
            "{profile:?}: what is over is not told"
        );
        assert_eq!(status(&bridge).await.unmade_groups, [], "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_group_that_was_deleted_in_ringcx_is_made_again_where_groups_make_them() {
    for profile in PROFILES {
        let bridge = start(profile, true).await;
        let id = jo(&bridge).await;
        let team = group(&bridge, "Team", &[]).await;
        bridge.run_jobs().await;
        let first = named(&bridge, "Team");
        bridge.ringcx.remove_group(first[0]);
        change(&bridge, &team, json!({"op": "add", "path": "members", "value": [{"value": id}]})).await;
        bridge.run_jobs().await;
        let second = named(&bridge, "Team");
        assert_eq!(second.len(), 1, "{profile:?}");
        assert_ne!(first, second, "{profile:?}");
        assert_eq!(groups_of(&bridge, "jo@example.com"), second, "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_group_that_was_deleted_in_ringcx_is_told_and_one_of_its_name_takes_its_place() {
    for profile in PROFILES {
        let bridge = start(profile, false).await;
        let id = jo(&bridge).await;
        let uk = group(&bridge, "UK Agents", &[]).await;
        bridge.run_jobs().await;
        bridge.ringcx.remove_group(1001);
        change(&bridge, &uk, json!({"op": "add", "path": "members", "value": [{"value": id}]})).await;
        bridge.run_jobs().await;
        let told = shown(&bridge, &id).await;
        assert_eq!(told["provisioningState"], "held", "{profile:?}: {told}");
        assert!(
            told["lastError"].as_str().unwrap().contains("not in RingCX any more"),
            "{profile:?}: {told}"
        );
        assert_eq!(bridge.ringcx.count("createAgent"), 1, "{profile:?}: it is not tried for ever");

        bridge.ringcx.make_group(7001, "UK Agents");
        a_round(&bridge).await;
        assert_eq!(groups_of(&bridge, "jo@example.com"), [7001], "{profile:?}");
        assert!(shown(&bridge, &id).await.get("lastError").is_none(), "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_only_shows_what_the_import_found_makes_no_agent_group() {
    for (imported, made) in [(true, 0), (false, 1)] {
        let bridge = start(Profile::Friendly, true).await;
        let uk = group(&bridge, "UK Agents", &[]).await;
        bridge.run_jobs().await;
        let id = uk.as_str().into();
        bridge.store.write(move |tx| groups::set_imported(tx, &default(), &id, imported)).await.unwrap();
        bridge.ringcx.remove_group(1001);
        a_round(&bridge).await;
        assert_eq!(named(&bridge, "UK Agents").len(), made, "imported: {imported}");
    }
}
