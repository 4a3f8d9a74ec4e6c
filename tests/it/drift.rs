//! What happens in RingCX behind the bridge's back: found by lists and by the audit log, and dealt with by policy.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringcx_scim::clock::Clock;
use ringcx_scim::domain::TenantId;
use ringcx_scim::reconcile::Drift;
use ringcx_scim::store::{Tx, facts};
use ringcx_simulator::{Fault, FaultKind, Profile};
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
    let called = json!({"givenName": "Jo", "familyName": "Doe"});
    bridge
        .create(json!({"userName": name, "name": called, "emails": [{"value": name, "type": "work"}]}))
        .await
}

/// Looks, repairs, and does what that has set going.
async fn reconcile(bridge: &TestBridge) -> Drift {
    let drift = bridge.reconciler.look(&tenant(), None).await.unwrap();
    bridge.reconciler.repair(&tenant(), &drift, None).await.unwrap();
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
async fn a_name_changed_by_hand_shows_in_the_lists() {
    for (policy, ends_as) in [("report", "Drifted"), ("repair", "Jo")] {
        let bridge = start(Profile::Friendly, json!({"on_drift": policy})).await;
        let (_, agent) = person(&bridge, "jo@example.com").await;
        person(&bridge, "ann@example.com").await;
        bridge.ringcx.edit_agent(agent, |it| drop(it.insert("firstName".to_owned(), json!("Drifted"))));
        bridge.ringcx.clear_calls();
        let drift = bridge.reconciler.look(&tenant(), None).await.unwrap();
        assert_eq!(kinds(&drift), ["Pending"], "{drift:?}");
        assert!(
            drift.findings[0].detail.contains("firstName") && !drift.findings[0].detail.contains("Drifted")
        );
        assert_eq!(bridge.ringcx.count("getAgent"), 0, "the lists are enough");
        reconcile(&bridge).await;
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["firstName"], ends_as, "{policy}");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_who_left_and_was_switched_on_by_hand_is_switched_off_again() {
    let roles = json!({"allowed_roles": ["REPORT_ADMINISTRATIVE_USER"]});
    for on_drift in ["report", "repair", "adopt"] {
        for profile in PROFILES {
            let mut extra = roles.clone();
            extra["on_drift"] = json!(on_drift);
            let bridge = start(profile, extra).await;
            let (id, _) = bridge
                .create(json!({
                    "userName": "jo@example.com", "emails": [{"value": "jo@example.com", "type": "work"}],
                    "roles": [{"value": "REPORT_ADMINISTRATIVE_USER"}],
                }))
                .await;
            let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
            assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&off)).await.status, 200);
            let user = bridge.ringcx.admin_named("jo@example.com").unwrap()["userId"].clone();
            let user = user.as_i64().or_else(|| user.as_str()?.parse().ok()).unwrap();
            bridge.ringcx.edit_admin(user, |fields| {
                fields.insert("enabled".to_owned(), json!(true));
            });
            let found = kinds(&reconcile(&bridge).await);
            assert!(found.contains(&"SwitchedOn".to_owned()), "{on_drift} {profile:?}: {found:?}");
            let admin = bridge.ringcx.admin_named("jo@example.com").unwrap();
            assert_eq!(admin["enabled"], false, "{on_drift} {profile:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_moved_into_a_group_that_was_made_by_hand_is_found() {
    for profile in PROFILES {
        let bridge = start(profile, json!({"on_drift": "repair"})).await;
        let (_, agent) = person(&bridge, "jo@example.com").await;
        bridge.ringcx.make_group(7001, "By Hand");
        bridge.ringcx.move_agent(agent, 7001);
        assert_eq!(kinds(&reconcile(&bridge).await), ["Moved"], "{profile:?}");
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1000, "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_in_the_audit_log_is_looked_at_once_and_one_that_cannot_be_seen_holds_up_no_other() {
    let bridge = start(Profile::Friendly, json!({"audit_feed": true})).await;
    bridge.ringcx.set("audit_delay_s", "0").unwrap();
    let (first_id, first) = person(&bridge, "a@example.com").await;
    let (_, second) = person(&bridge, "b@example.com").await;
    for agent in [first, second] {
        bridge.ringcx.move_agent(agent, 1002);
        bridge.ringcx.audit(101, agent);
    }
    bridge.ringcx.fault(Fault { times: 3, ..Fault::once("getAgent", FaultKind::Status(500, String::new())) });
    assert_eq!(bridge.reconciler.read_feed(&tenant()).await.unwrap(), 2);
    bridge.run_jobs().await;
    for agent in [first, second] {
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1000);
    }
    bridge.ringcx.clear_calls();
    assert_eq!(bridge.reconciler.read_feed(&tenant()).await.unwrap(), 0, "the overlap is no news");
    assert_eq!(bridge.ringcx.count("getAgent"), 0);
    assert!(bridge.send("GET", &format!("/Users/{first_id}"), None).await.status == 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_was_missing_is_asked_for_again_after_a_day() {
    let bridge = start(Profile::Friendly, json!({})).await;
    bridge.ringcx.forbid("integrationAgents");
    assert!(!bridge.reconciler.look(&tenant(), None).await.unwrap().integration);
    bridge.ringcx.permit("integrationAgents");
    assert!(!bridge.reconciler.look(&tenant(), None).await.unwrap().integration, "not at once");
    let yesterday = Clock::system().now() - std::time::Duration::from_hours(25);
    let text = yesterday.as_millisecond().to_string();
    bridge.store.write(move |tx| facts::set(tx, &tenant(), "wfo_asked_at", &text, yesterday)).await.unwrap();
    assert!(bridge.reconciler.look(&tenant(), None).await.unwrap().integration);
}

/// A list that is read while nobody knows yet what a create has made must not make a stranger of the agent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_read_meanwhile_hides_no_agent_whose_creation_was_not_answered() {
    for profile in PROFILES {
        let settle = Duration::from_secs(2);
        let bridge = TestBridge::start(Setup { profile, settle, ..Setup::default() }).await;
        bridge.ringcx.fault(Fault::once("createAgent", FaultKind::DropAfter));
        let unread = Fault::once("listAgents", FaultKind::Status(500, String::new()));
        bridge.ringcx.fault(Fault { times: 100, ..unread });
        let jo =
            json!({"userName": "jo@example.com", "emails": [{"value": "jo@example.com", "type": "work"}]});
        assert_eq!(bridge.send("POST", "/Users", Some(&jo)).await.status, 503);
        assert_eq!(bridge.ringcx.count("createAgent"), 1, "made, and nobody knows it");
        bridge.ringcx.clear_faults();
        bridge.reconciler.look(&tenant(), None).await.unwrap();
        let again = bridge.send("POST", "/Users", Some(&jo)).await;
        assert_eq!(again.status, 201, "{}", again.text);
        let made = bridge.ringcx.agents().iter().filter(|it| it["email"] == "jo@example.com").count();
        assert_eq!((made, bridge.ringcx.count("createAgent")), (1, 1), "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_watches_is_told_how_far_the_look_is() {
    let bridge = start(Profile::Friendly, json!({})).await;
    for name in ["jo@example.com", "al@example.com"] {
        person(&bridge, name).await;
    }
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let watched = bridge.reconciler.clone();
    let watched =
        watched.with_progress(Arc::new(move |what, done, all| heard.lock().unwrap().push((what, done, all))));
    watched.look(&tenant(), None).await.unwrap();
    let told = told.lock().unwrap().clone();
    let groups = bridge.ringcx.agent_groups().len();
    let lists = (0..=groups).map(|done| ("reading agent groups", done, groups));
    let people = (0..=2).map(|done| ("comparing people", done, 2));
    assert_eq!(told, lists.chain(people).collect::<Vec<_>>());
}

/// An administrator of the bridge's making with one role that it gave: the SCIM id and the administrator's.
async fn reporter(bridge: &TestBridge) -> (String, i64) {
    let (id, _) = bridge
        .create(json!({"userName": "ann@example.com", "roles": [{"value": "REPORT_ADMINISTRATIVE_USER"}]}))
        .await;
    let user = bridge.ringcx.admin_named("ann@example.com").unwrap()["userId"].as_i64().unwrap();
    (id, user)
}

fn held(bridge: &TestBridge) -> Value {
    bridge.ringcx.admin_named("ann@example.com").unwrap()["roles"].clone()
}

fn hand_set(bridge: &TestBridge, user: i64, field: &str, value: Value) {
    bridge.ringcx.edit_admin(user, |fields| drop(fields.insert(field.to_owned(), value)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_the_bridge_gave_and_somebody_took_is_given_again_and_one_of_theirs_is_only_named() {
    for (policy, ends_with) in [("report", None), ("repair", Some("REPORT_ADMINISTRATIVE_USER"))] {
        for profile in PROFILES {
            let extra = json!({"allowed_roles": ["REPORT_ADMINISTRATIVE_USER"], "on_drift": policy});
            let bridge = start(profile, extra).await;
            let (_, user) = reporter(&bridge).await;
            let before = bridge.reconciler.look(&tenant(), None).await.unwrap();
            assert_eq!(kinds(&before), Vec::<String>::new(), "{policy} {profile:?}: {before:?}");
            hand_set(&bridge, user, "roles", json!(["SUPER_USER"]));
            bridge.ringcx.clear_calls();
            let drift = bridge.reconciler.look(&tenant(), None).await.unwrap();
            assert_eq!(bridge.ringcx.count("getUser"), 0, "{policy} {profile:?}: the list is enough");
            assert_eq!(bridge.ringcx.count("listUsers"), 1, "{policy} {profile:?}");
            let mut found = kinds(&drift);
            found.sort();
            assert_eq!(found, ["ForeignRole", "Pending"], "{policy} {profile:?}: {drift:?}");
            let foreign = drift.findings.iter().find(|it| format!("{:?}", it.kind) == "ForeignRole").unwrap();
            assert!(foreign.detail.contains("SUPER_USER") && !foreign.repair, "{foreign:?}");
            reconcile(&bridge).await;
            let now = held(&bridge).to_string();
            assert!(now.contains("SUPER_USER"), "{policy} {profile:?}: {now}");
            assert_eq!(
                now.contains("REPORT_ADMINISTRATIVE_USER"),
                ends_with.is_some(),
                "{policy} {profile:?}: {now}"
            );
            assert_eq!(bridge.ringcx.count("removeRole"), 0, "{policy} {profile:?}");
            // The rounds of the server find the same.
            if policy == "repair" {
                hand_set(&bridge, user, "roles", json!(["SUPER_USER"]));
                let long_ago = Clock::system().now() - Duration::from_hours(24);
                let text = long_ago.as_millisecond().to_string();
                let due = move |tx: &mut Tx<'_>| facts::set(tx, &tenant(), "drift_round_at", &text, long_ago);
                bridge.store.write(due).await.unwrap();
                bridge.reconciler.round_of(&tenant()).await.unwrap();
                bridge.run_jobs().await;
                assert!(held(&bridge).to_string().contains("REPORT_ADMINISTRATIVE_USER"), "{profile:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_switched_off_by_hand_is_suspended_and_stays_off() {
    for profile in PROFILES {
        let bridge = start(profile, json!({"allowed_roles": ["REPORT_ADMINISTRATIVE_USER"]})).await;
        let (id, user) = reporter(&bridge).await;
        hand_set(&bridge, user, "enabled", json!(false));
        assert_eq!(kinds(&reconcile(&bridge).await), ["SwitchedOff"], "{profile:?}");
        let shown = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
        assert_eq!(shown[RINGCX]["provisioningState"], "suspended", "{profile:?}");
        assert_eq!(kinds(&reconcile(&bridge).await), Vec::<String>::new(), "{profile:?}: said once");
        let admin = bridge.ringcx.admin_named("ann@example.com").unwrap();
        assert_eq!(admin["enabled"], false, "{profile:?}: nothing switches it on");
        // Only a word of the client does.
        for active in [false, true] {
            let wish = json!({"Operations": [{"op": "replace", "path": "active", "value": active}]});
            assert_eq!(
                bridge.send("PATCH", &format!("/Users/{id}"), Some(&wish)).await.status,
                200,
                "{profile:?}"
            );
        }
        bridge.run_jobs().await;
        let admin = bridge.ringcx.admin_named("ann@example.com").unwrap();
        assert_eq!(admin["enabled"], true, "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_given_back_to_a_leaver_by_hand_are_named_and_not_taken() {
    for profile in PROFILES {
        let bridge = start(profile, json!({"allowed_roles": ["REPORT_ADMINISTRATIVE_USER"]})).await;
        let (id, user) = reporter(&bridge).await;
        let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
        assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&off)).await.status, 200);
        assert_eq!(held(&bridge), json!([]), "{profile:?}");
        hand_set(&bridge, user, "roles", json!(["REPORT_ADMINISTRATIVE_USER"]));
        assert_eq!(kinds(&reconcile(&bridge).await), ["ForeignRole"], "{profile:?}");
        assert_eq!(held(&bridge), json!(["REPORT_ADMINISTRATIVE_USER"]), "{profile:?}");
    }
}
