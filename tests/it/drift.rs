//! What happens in RingCX behind the bridge's back: found by lists and by the audit log, and dealt with by policy.

use ringcx_scim::domain::TenantId;
use ringcx_scim::reconcile::Drift;
use ringcx_simulator::Profile;
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";
const PROFILES: [Profile; 3] = [Profile::Friendly, Profile::Hostile, Profile::Spec];

fn tenant() -> TenantId {
    "default".parse().unwrap()
}

async fn start(profile: Profile, extra: Value) -> TestBridge {
    let mut policy = json!({"default_agent_group": "Default", "password_on_put": "omit"});
    policy.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
    TestBridge::start(Setup { profile, policy, ..Setup::default() }).await
}

async fn person(bridge: &TestBridge, name: &str) -> (String, i64) {
    bridge.create(json!({"userName": name, "emails": [{"value": name, "type": "work"}]})).await
}

/// Looks, repairs, and does what that has set going.
async fn reconcile(bridge: &TestBridge) -> Drift {
    let drift = bridge.reconciler.look(&tenant(), None).await.unwrap();
    bridge.reconciler.repair(&tenant(), &drift).await.unwrap();
    bridge.run_jobs().await;
    drift
}

fn kinds(drift: &Drift) -> Vec<String> {
    drift.findings.iter().map(|found| format!("{:?}", found.kind)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_found_where_nothing_has_changed() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        for n in 0..5 {
            person(&bridge, &format!("p{n}@example.com")).await;
        }
        let (id, _) = person(&bridge, "off@example.com").await;
        let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
        bridge.send("PATCH", &format!("/Users/{id}"), Some(&off)).await;
        bridge.ringcx.clear_calls();
        let drift = bridge.reconciler.look(&tenant(), None).await.unwrap();
        assert_eq!(kinds(&drift), Vec::<String>::new(), "{profile:?}");
        assert_eq!(drift.people, 6);
        let changing = bridge.ringcx.calls().iter().filter(|call| call.method != "GET").count();
        assert_eq!(changing, 0, "a look changes nothing");
        assert_eq!(drift.calls.values().sum::<u64>(), bridge.ringcx.calls().len() as u64);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_moved_by_hand_is_reported_repaired_or_adopted() {
    for (policy, ends_in, findings) in [("report", 1002, 1), ("repair", 1000, 0), ("adopt", 1002, 0)] {
        for profile in PROFILES {
            let bridge = start(profile, json!({"on_drift": policy})).await;
            let (_, agent) = person(&bridge, "jo@example.com").await;
            bridge.ringcx.move_agent(agent, 1002);
            assert_eq!(kinds(&reconcile(&bridge).await), ["Moved"], "{policy} {profile:?}");
            assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], ends_in, "{policy} {profile:?}");
            let again = bridge.reconciler.look(&tenant(), None).await.unwrap();
            assert_eq!(again.findings.len(), findings, "{policy} {profile:?}: {again:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_disable_reported_as_inactive_and_stays_so() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        let (id, agent) = person(&bridge, "jo@example.com").await;
        bridge.ringcx.edit_agent(agent, |fields| {
            fields.insert("isActive".to_owned(), json!(false));
            fields.insert("active".to_owned(), json!(false));
        });
        let found = kinds(&reconcile(&bridge).await);
        // Where lists leave out who is switched off, the look under the agent's own path finds it.
        assert!(found.contains(&"SwitchedOff".to_owned()), "{profile:?}: {found:?}");
        let user = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
        assert_eq!(user[RINGCX]["provisioningState"], "suspended", "{profile:?}");
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false, "{profile:?}");
        assert_eq!(kinds(&reconcile(&bridge).await), Vec::<String>::new(), "{profile:?}: said once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaver_who_was_switched_on_by_hand_is_switched_off_again() {
    for policy in ["report", "repair", "adopt"] {
        let bridge = start(Profile::Hostile, json!({"on_drift": policy})).await;
        let (id, agent) = person(&bridge, "jo@example.com").await;
        let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
        bridge.send("PATCH", &format!("/Users/{id}"), Some(&off)).await;
        bridge.ringcx.edit_agent(agent, |fields| {
            fields.insert("isActive".to_owned(), json!(true));
        });
        assert_eq!(kinds(&reconcile(&bridge).await), ["SwitchedOn"], "{policy}");
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false, "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absence_from_a_list_is_not_deletion() {
    let bridge = start(Profile::Hostile, json!({})).await;
    let (id, agent) = person(&bridge, "jo@example.com").await;
    let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    bridge.send("PATCH", &format!("/Users/{id}"), Some(&off)).await;
    // Lists do not show the agent now, and nothing is made of that.
    assert_eq!(kinds(&reconcile(&bridge).await), Vec::<String>::new());
    bridge.ringcx.remove_agent(agent);
    assert_eq!(kinds(&reconcile(&bridge).await), ["Gone"]);
    assert_eq!(bridge.send("GET", &format!("/Users/{id}"), None).await.status, 200, "reported, not deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_wfo_access_the_ordinary_lists_are_read() {
    let bridge = start(Profile::Friendly, json!({})).await;
    person(&bridge, "jo@example.com").await;
    assert!(bridge.reconciler.look(&tenant(), None).await.unwrap().integration);
    bridge.ringcx.forbid("integrationAgents");
    let drift = bridge.reconciler.look(&tenant(), None).await.unwrap();
    assert!(!drift.integration && drift.findings.is_empty(), "{drift:?}");
    bridge.ringcx.clear_calls();
    bridge.reconciler.look(&tenant(), None).await.unwrap();
    assert_eq!(bridge.ringcx.count("integrationAgents"), 0, "what was refused once is remembered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_tells_who_was_changed_by_others() {
    let bridge = start(Profile::Friendly, json!({"audit_feed": true})).await;
    bridge.ringcx.set("audit_delay_s", "0").unwrap();
    let (_, moved) = person(&bridge, "moved@example.com").await;
    let (_, other) = person(&bridge, "other@example.com").await;
    bridge.ringcx.move_agent(moved, 1002);
    bridge.ringcx.audit(101, moved);
    bridge.ringcx.clear_calls();
    assert_eq!(bridge.reconciler.read_feed(&tenant()).await.unwrap(), 1, "own changes are no news");
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agent(moved).unwrap()["agentGroupId"], 1000);
    let of_other = format!("/agents/{other}");
    assert!(!bridge.ringcx.calls().iter().any(|call| call.path.ends_with(&of_other)));
    bridge.ringcx.forbid("searchAuditLogs");
    assert_eq!(
        bridge.reconciler.read_feed(&tenant()).await.unwrap(),
        0,
        "a missing permission is no trouble"
    );
}
