//! Rounds of reconciliation that are cut short go on where they were, and the audit log is read with its real lag.

use std::collections::BTreeSet;
use std::time::Duration;

use ringcx_scim::clock::Clock;
use ringcx_scim::domain::TenantId;
use ringcx_scim::reconcile::Reconciler;
use ringcx_scim::store::facts;
use ringcx_simulator::{Call, Fault, FaultKind, Profile};
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const GROUP: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User:agentGroupName";
const LISTS: [&str; 2] = ["integrationAgents", "listAgents"];

fn tenant() -> TenantId {
    "default".parse().unwrap()
}

async fn start(profile: Profile, policy: Value) -> TestBridge {
    let mut all = json!({"default_agent_group": "Default", "password_on_put": "omit", "on_drift": "repair"});
    all.as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
    TestBridge::start(Setup { profile, policy: all, ..Setup::default() }).await
}

/// Somebody with an agent in this group.
async fn person(bridge: &TestBridge, name: &str, group: &str) -> (String, i64) {
    let (id, agent) = bridge.create(json!({"userName": name, "emails": [{"value": name}]})).await;
    if group != "Default" {
        let moved = json!({"Operations": [{"op": "replace", "path": GROUP, "value": group}]});
        assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&moved)).await.status, 200);
    }
    (id, agent)
}

async fn switch_off(bridge: &TestBridge, id: &str) {
    let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&off)).await.status, 200);
}

/// The last round was long ago.
pub(crate) async fn make_due(bridge: &TestBridge) {
    let long_ago = Clock::system().now() - Duration::from_hours(24);
    let text = long_ago.as_millisecond().to_string();
    bridge.store.write(move |tx| facts::set(tx, &tenant(), "drift_round_at", &text, long_ago)).await.unwrap();
}

/// A bridge that was started on the same store after the first one had gone.
async fn after_restart(bridge: &TestBridge) -> &Reconciler {
    bridge.other.meet_all().await.unwrap();
    bridge.ringcx.clear_faults();
    bridge.ringcx.clear_calls();
    &bridge.other
}

/// The paths of the calls of these operations that were answered.
fn answered(calls: &[Call], operations: &[&str]) -> Vec<String> {
    let calls =
        calls.iter().filter(|call| call.status == 200 && operations.contains(&call.operation.as_str()));
    calls.map(|call| call.path.clone()).collect()
}

fn group_of(bridge: &TestBridge, agent: i64) -> i64 {
    bridge.ringcx.agent(agent).unwrap()["agentGroupId"].as_i64().unwrap()
}

/// One agent in each of three groups, each moved to another one by hand.
async fn three_moved(bridge: &TestBridge) -> [(i64, i64); 3] {
    let mut moved = [(0, 0); 3];
    for (n, (group, id, elsewhere)) in
        [("Default", 1000, 1001), ("UK Agents", 1001, 1002), ("US Agents", 1002, 1000)]
            .into_iter()
            .enumerate()
    {
        let (_, agent) = person(bridge, &format!("p{n}@example.com"), group).await;
        assert_eq!(group_of(bridge, agent), id);
        moved[n] = (agent, elsewhere);
    }
    let were = moved.map(|(agent, _)| (agent, group_of(bridge, agent)));
    for (agent, elsewhere) in moved {
        bridge.ringcx.move_agent(agent, elsewhere);
    }
    were
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_that_was_cut_short_reads_no_agent_group_again() {
    for profile in [Profile::Friendly, Profile::Hostile, Profile::Spec] {
        let bridge = start(profile, json!({})).await;
        let were = three_moved(&bridge).await;
        make_due(&bridge).await;
        bridge.ringcx.clear_calls();
        for list in LISTS {
            let unread = Fault::once(list, FaultKind::Status(500, String::new()));
            bridge.ringcx.fault(Fault { skip: 2, times: 100, ..unread });
        }
        bridge.reconciler.round_of(&tenant()).await.unwrap_err();
        let first = answered(&bridge.ringcx.calls(), &LISTS);
        assert_eq!(first.len(), 2, "{profile:?}: {first:?}");

        after_restart(&bridge).await.round_of(&tenant()).await.unwrap();
        let then = answered(&bridge.ringcx.calls(), &LISTS);
        assert_eq!(then.len(), bridge.ringcx.agent_groups().len() - 2, "{profile:?}: {then:?}");
        assert!(then.iter().all(|path| !first.contains(path)), "{profile:?}: {first:?} {then:?}");
        bridge.run_jobs().await;
        for (agent, group) in were {
            assert_eq!(group_of(&bridge, agent), group, "{profile:?}: found before or after the break");
        }
        bridge.ringcx.clear_calls();
        bridge.other.round_of(&tenant()).await.unwrap();
        assert!(bridge.ringcx.calls().is_empty(), "{profile:?}: the round has ended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_whose_process_has_died_goes_on_in_another_one() {
    let bridge = start(Profile::Friendly, json!({})).await;
    three_moved(&bridge).await;
    make_due(&bridge).await;
    bridge.ringcx.clear_calls();
    bridge.ringcx.fault(Fault { skip: 1, ..Fault::once("integrationAgents", FaultKind::Delay(5_000)) });
    let id = tenant();
    let begun = bridge.reconciler.round_of(&id);
    assert!(tokio::time::timeout(Duration::from_millis(500), begun).await.is_err(), "it hangs in its call");
    let first = answered(&bridge.ringcx.calls(), &LISTS);
    assert_eq!(first.len(), 1);

    let other = after_restart(&bridge).await;
    let (mut then, left) = (Vec::new(), bridge.ringcx.agent_groups().len() - 1);
    for _ in 0..200 {
        // Not before the lease of the dead one has run out.
        other.round_of(&tenant()).await.unwrap();
        then = answered(&bridge.ringcx.calls(), &LISTS);
        if then.len() == left {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(then.len(), left, "{then:?}");
    assert!(!then.contains(&first[0]), "{then:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_that_was_cut_short_looks_at_nobody_again() {
    // Lists leave out who is switched off here, so each of them is looked at under their own path.
    let bridge = start(Profile::Hostile, json!({})).await;
    for n in 0..4 {
        let (id, _) = person(&bridge, &format!("p{n}@example.com"), "Default").await;
        switch_off(&bridge, &id).await;
    }
    make_due(&bridge).await;
    bridge.ringcx.clear_calls();
    let unread = Fault::once("getAgent", FaultKind::Status(500, String::new()));
    bridge.ringcx.fault(Fault { skip: 2, times: 100, ..unread });
    bridge.reconciler.round_of(&tenant()).await.unwrap_err();
    let mut all = answered(&bridge.ringcx.calls(), &["getAgent"]);
    assert_eq!(all.len(), 2);

    after_restart(&bridge).await.round_of(&tenant()).await.unwrap();
    let calls = bridge.ringcx.calls();
    assert_eq!(answered(&calls, &LISTS), [""; 0], "no list is read again");
    all.extend(answered(&calls, &["getAgent"]));
    let different: BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), different.len()), (4, 4), "each once: {all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_cannot_be_looked_at_holds_up_a_round_only_once() {
    let bridge = start(Profile::Hostile, json!({})).await;
    for n in 0..3 {
        let (id, _) = person(&bridge, &format!("p{n}@example.com"), "Default").await;
        switch_off(&bridge, &id).await;
    }
    make_due(&bridge).await;
    // The first try of each call and those that the client adds by itself.
    let unread = Fault::once("getAgent", FaultKind::Status(500, String::new()));
    bridge.ringcx.fault(Fault { times: 6, ..unread });
    bridge.reconciler.round_of(&tenant()).await.unwrap_err();
    bridge.reconciler.round_of(&tenant()).await.unwrap();
    let waiting = bridge.store.read(|tx| ringcx_scim::store::jobs::waiting(tx, &tenant())).await.unwrap();
    assert_eq!(waiting, 1, "the one is looked at by a job of their own");
    bridge.run_jobs().await;
}

/// Time passes for the bridge and for RingCX.
fn pass(bridge: &TestBridge, clock: &Clock, seconds: u64) {
    clock.advance(Duration::from_secs(seconds));
    bridge.ringcx.advance(Duration::from_secs(seconds));
}

/// What the feed finds when it is read each minute for ten minutes, by the minute.
async fn ten_minutes(bridge: &TestBridge, clock: &Clock, already_s: u64) -> Vec<usize> {
    let mut found = Vec::new();
    for minute in 0..10 {
        pass(bridge, clock, if minute == 0 { 60 - already_s } else { 60 });
        found.push(bridge.reconciler.read_feed(&tenant()).await.unwrap());
    }
    found
}

/// RingCX shows a change five minutes later, which is as late as the bridge looks; and one that comes later than it should falls
/// into the overlap of two windows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_the_audit_log_shows_late_is_found_once() {
    let clock = Clock::fixed(Clock::system().now());
    let policy = json!({
        "default_agent_group": "Default", "password_on_put": "omit", "on_drift": "repair", "audit_feed": true,
    });
    let feed_lag = Duration::from_mins(5);
    let bridge =
        TestBridge::start(Setup { policy, clock: clock.clone(), feed_lag, ..Setup::default() }).await;
    let (_, agent) = person(&bridge, "jo@example.com", "Default").await;
    assert_eq!(bridge.reconciler.read_feed(&tenant()).await.unwrap(), 0);
    for (delay, minute) in [("300", 5), ("350", 6)] {
        bridge.ringcx.set("audit_delay_s", delay).unwrap();
        // Late enough in its minute that a window reaches it before RingCX shows it with the longer delay.
        pass(&bridge, &clock, 45);
        bridge.ringcx.move_agent(agent, 1002);
        bridge.ringcx.audit(101, agent);
        let found = ten_minutes(&bridge, &clock, 45).await;
        let mut once = vec![0; 10];
        once[minute] = 1;
        assert_eq!(found, once, "shown after {delay} s");
        bridge.run_jobs().await;
        assert_eq!(group_of(&bridge, agent), 1000);
    }
}
