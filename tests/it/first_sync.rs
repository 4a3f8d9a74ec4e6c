//! The first sync of a contact centre, as Entra sends it: people first, then their groups.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use ringcx_simulator::{Chaos, Seed};
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const USERS: usize = 500;
const GROUPS: usize = 20;
const ADMINS: usize = 30;

/// What the bridge may send a minute; RingCX takes 1,200.
const RATE: u32 = 1000;

fn seed() -> Seed {
    (0..GROUPS)
        .fold(Seed::demo(), |seed, at| seed.group(3000 + i64::try_from(at).unwrap(), &format!("Team {at}")))
}

async fn start(default_group: bool, rate: u32) -> TestBridge {
    let groups: Vec<Value> = (0..GROUPS)
        .map(|at| json!({"match": format!("Entra {at}"), "agent_group": format!("Team {at}")}))
        .collect();
    let mut policy = json!({
        "allowed_roles": ["REPORT_ADMINISTRATIVE_USER"], "link_rc_extension": "off", "default_persona": "none",
    });
    if default_group {
        policy["default_agent_group"] = json!("Default");
        policy["default_persona"] = json!("agent");
    }
    TestBridge::start(Setup {
        seed: seed(),
        policy,
        groups: json!(groups),
        rate,
        settle: Duration::from_secs(20),
        knobs: vec![("rate_limit", "1200"), ("penalty_s", "1")],
        ..Setup::default()
    })
    .await
}

/// A request that is repeated as Entra does when it is told to wait; nothing else may go wrong.
async fn insist(bridge: &TestBridge, method: &str, path: &str, body: &Value) -> Value {
    loop {
        let answer = bridge.send(method, path, Some(body)).await;
        match answer.status {
            200..=204 => return answer.body,
            429 | 503 => {
                let after: u64 = answer.headers["retry-after"].parse().unwrap();
                tokio::time::sleep(Duration::from_secs(after)).await;
            }
            status => panic!("{method} {path}: {status} {}", answer.text),
        }
    }
}

fn person(n: usize) -> Value {
    let mut user = json!({
        "userName": format!("u{n}@example.com"), "externalId": format!("x{n}"), "active": true,
        "emails": [{"value": format!("u{n}@example.com"), "type": "work", "primary": true}],
        "name": {"givenName": format!("G{n}"), "familyName": "F"},
    });
    if n < ADMINS {
        user["roles"] = json!([{"value": "REPORT_ADMINISTRATIVE_USER"}]);
    }
    user
}

async fn first_sync(bridge: &TestBridge) {
    let next = AtomicUsize::new(0);
    let workers = (0..24).map(|_| async {
        let mut made = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::SeqCst);
            if n >= USERS {
                return made;
            }
            let user = insist(bridge, "POST", "/Users", &person(n)).await;
            made.push((n, user["id"].as_str().unwrap().to_owned()));
        }
    });
    let mut ids: Vec<(usize, String)> = join_all(workers).await.into_iter().flatten().collect();
    ids.sort_unstable();
    for at in 0..GROUPS {
        let group = insist(bridge, "POST", "/Groups", &json!({"displayName": format!("Entra {at}")})).await;
        let path = format!("/Groups/{}", group["id"].as_str().unwrap());
        let members: Vec<&(usize, String)> = ids.iter().filter(|(n, _)| n % GROUPS == at).collect();
        for chunk in members.chunks(10) {
            let values: Value = chunk.iter().map(|(_, id)| json!({"value": id})).collect();
            let add = json!({"Operations": [{"op": "Add", "path": "members", "value": values}]});
            insist(bridge, "PATCH", &path, &add).await;
        }
    }
}

/// Works until nothing is left; penalties are waited out.
async fn work_off(bridge: &TestBridge) {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_mins(8) {
        let worked = bridge.reconciler.run_jobs().await.unwrap();
        let id: ringcx_scim::domain::TenantId = "default".parse().unwrap();
        let left = bridge.store.read(move |tx| ringcx_scim::store::jobs::count(tx, &id)).await.unwrap();
        if left == 0 {
            return;
        }
        if worked == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    panic!("work is left over");
}

/// Everybody is there once, in the right group, and the administrators have their role.
fn check_state(bridge: &TestBridge) {
    let mut by_email: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for agent in bridge.ringcx.agents() {
        by_email.entry(agent["email"].as_str().unwrap_or_default().to_owned()).or_default().push(agent);
    }
    for n in 0..USERS {
        let email = format!("u{n}@example.com");
        let found = &by_email[&email];
        assert_eq!(found.len(), 1, "{email}: {found:?}");
        assert_eq!(found[0]["agentGroupId"], 3000 + n % GROUPS, "{email}");
        assert_eq!(found[0]["firstName"], format!("G{n}"), "{email}");
        let admin = bridge.ringcx.admin_named(&email);
        assert_eq!(admin.is_some(), n < ADMINS, "{email}");
        if let Some(admin) = admin {
            assert!(admin["roles"].to_string().contains("REPORT_ADMINISTRATIVE_USER"), "{admin}");
        }
    }
    assert_eq!(bridge.ringcx.agents().len(), USERS + 1, "and the one who was there before");
}

/// The calls by operation, those that met no trouble and all of them.
fn calls(bridge: &TestBridge) -> BTreeMap<String, (usize, usize)> {
    let mut by_operation = BTreeMap::new();
    for call in bridge.ringcx.calls() {
        let count: &mut (usize, usize) = by_operation.entry(call.operation).or_default();
        count.0 += usize::from((200..300).contains(&call.status));
        count.1 += 1;
    }
    by_operation
}

/// Calls that arrived although RingCX had said a moment before that nobody should send anything.
fn calls_in_penalty(bridge: &TestBridge) -> usize {
    let calls = bridge.ringcx.calls();
    let penalties: Vec<i64> = calls.iter().filter(|call| call.status == 429).map(|call| call.at).collect();
    // What was on its way when the answer came cannot be called back.
    let during = |at: i64| penalties.iter().any(|told| (told + 250..told + 950).contains(&at));
    calls.iter().filter(|call| during(call.at)).count()
}

fn agent_calls(by_operation: &BTreeMap<String, (usize, usize)>) -> usize {
    ["createAgent", "getAgent", "updateAgent", "updateAgents", "listAgents"]
        .iter()
        .filter_map(|operation| by_operation.get(*operation))
        .map(|(good, _)| good)
        .sum()
}

async fn without_trouble(default_group: bool) -> usize {
    let bridge = start(default_group, 100_000).await;
    bridge.ringcx.set("rate_limit", "1000000").unwrap();
    bridge.ringcx.clear_calls();
    first_sync(&bridge).await;
    work_off(&bridge).await;
    check_state(&bridge);
    let by_operation = calls(&bridge);
    println!("{by_operation:?}");
    let good = |operation: &str| by_operation.get(operation).map_or(0, |(good, _)| *good);
    // The role that was asked for, and USER, without which nobody signs in.
    assert_eq!((good("createUser"), good("addRole")), (ADMINS, 2 * ADMINS), "{by_operation:?}");
    agent_calls(&by_operation)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_sync_costs_one_call_for_each_agent_that_waits_for_its_group() {
    let calls = without_trouble(false).await;
    assert!(calls * 100 <= USERS * 105, "{calls} calls for {USERS} agents");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_sync_costs_three_calls_for_each_agent_that_is_moved() {
    let calls = without_trouble(true).await;
    assert!(calls <= USERS * 3 + 5, "{calls} calls for {USERS} agents");
}

async fn with_trouble(default_group: bool, most_per_agent: f64) {
    let bridge = start(default_group, RATE).await;
    bridge.ringcx.clear_calls();
    bridge.ringcx.chaos(Chaos { limited: 100, failed: 50, lost: 20, seed: 7 });
    let begun = Instant::now();
    first_sync(&bridge).await;
    work_off(&bridge).await;
    let took = begun.elapsed();
    bridge.ringcx.clear_faults();
    check_state(&bridge);
    // A machine that is busy with other tests may hold back what was sent before; a bridge that does not listen has dozens.
    assert!(calls_in_penalty(&bridge) <= 3, "{} calls in a penalty", calls_in_penalty(&bridge));
    let by_operation = calls(&bridge);
    let all: usize = by_operation.values().map(|(_, all)| all).sum();
    let met: usize = by_operation.values().map(|(good, all)| all - good).sum();
    let limited = bridge.ringcx.calls().iter().filter(|call| call.status == 429).count();
    let bound = Duration::from_mins(u64::try_from(all).unwrap()) / RATE + Duration::from_secs(limited as u64);
    println!("calls (good, all): {by_operation:?}");
    println!(
        "{all} calls, {met} of them met trouble; {took:.1?} against {bound:.1?} of budget and penalties"
    );
    // A create whose answer is lost costs a list of its group, and a look at the agent found; a change costs a look.
    let allowed = most_per_agent * 500.0 + 2.0 * f64::from(u32::try_from(met).unwrap());
    let spent = agent_calls(&by_operation);
    assert!(f64::from(u32::try_from(spent).unwrap()) <= allowed, "{spent} calls against {allowed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_sync_in_trouble_ends_right_for_people_who_wait_for_their_group() {
    with_trouble(false, 1.05).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_sync_in_trouble_ends_right_for_people_who_are_moved() {
    with_trouble(true, 3.0).await;
}
