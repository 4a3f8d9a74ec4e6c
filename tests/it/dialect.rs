//! Questions that RingCX's documents leave open, in each reading: what is not held by a test of its own elsewhere.

use std::sync::Arc;
use std::time::Duration;

use ringcx_scim::clock::Clock;
use ringcx_scim::upstream::model::AgentGroupId;
use ringcx_scim::upstream::{
    ExtensionSource, Lane, LocalBudget, PlatformSettings, RingCx, RingCxSettings, Transport,
};
use ringcx_simulator::{Fault, FaultKind, Knobs, Options, Profile, Seed, Simulator};
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

async fn start(knobs: Vec<(&'static str, &'static str)>, extra: Value) -> TestBridge {
    let mut policy = json!({"default_agent_group": "Default", "password_on_put": "omit"});
    policy.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
    TestBridge::start(Setup { knobs, policy, ..Setup::default() }).await
}

fn replace(path: &str, value: &Value) -> Value {
    json!({"Operations": [{"op": "replace", "path": path, "value": value}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_by_list_happens_only_where_it_is_chosen() {
    for bulk_put in ["per_item", "atomic"] {
        let knobs = vec![("move_mode", "bulk"), ("bulk_put", bulk_put)];
        let bridge = start(knobs, json!({"move_strategy": "bulk"})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        let moved = replace(&format!("{RINGCX}:agentGroupName"), &json!("Platform Team"));
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&moved)).await;
        assert_eq!(answer.status, 200, "{bulk_put}: {}", answer.text);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1003, "{bulk_put}");
    }
    let bridge = start(vec![("move_mode", "bulk"), ("bulk_put", "replace_membership")], json!({})).await;
    let (id, _) = bridge.create(json!({"userName": "jo@example.com"})).await;
    let moved = replace(&format!("{RINGCX}:agentGroupName"), &json!("Platform Team"));
    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&moved)).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert!(bridge.ringcx.agent(5001).is_some(), "who was in the group before is still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_show_late_are_waited_for() {
    for delay in ["0", "400"] {
        let bridge = start(vec![("visibility_delay_ms", delay)], json!({})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        let off = replace("active", &json!(false));
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&off)).await;
        assert_eq!(answer.status, 200, "{delay}: {}", answer.text);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
        assert_eq!(bridge.ringcx.count("updateAgent"), 1, "{delay}: looked again, not sent again");
    }
    // The way of moving that has worked is the one that is remembered, also where it shows late.
    for mode in ["body_agentgroup_id", "body_groupid", "path"] {
        let knobs =
            vec![("visibility_delay_ms", "400"), ("move_mode", mode), ("group_path_check", "ignored")];
        let bridge = start(knobs, json!({})).await;
        for (place, name) in ["jo", "al"].into_iter().enumerate() {
            let (id, agent) = bridge.create(json!({"userName": format!("{name}@example.com")})).await;
            bridge.ringcx.clear_calls();
            let moved = replace(&format!("{RINGCX}:agentGroupName"), &json!("Platform Team"));
            let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&moved)).await;
            assert_eq!(answer.status, 200, "{mode} {name}: {}", answer.text);
            assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1003, "{mode} {name}");
            let tries = bridge.ringcx.count("updateAgent");
            assert!(tries == 1 || (place == 0 && mode == "path"), "{mode} {name}: {tries} tries");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_bridge_may_not_grant_is_a_mistake_in_the_configuration() {
    let extra = json!({"allowed_roles": ["REPORT_ADMINISTRATIVE_USER"], "allowed_rights_docs": [4711]});
    for (operation, attribute, value) in
        [("addRole", "roles", "REPORT_ADMINISTRATIVE_USER"), ("assignRightsDoc", "entitlements", "4711")]
    {
        let bridge = start(Vec::new(), extra.clone()).await;
        bridge.ringcx.forbid(operation);
        let mut body = json!({"userName": "jo@example.com"});
        body[attribute] = json!([{"value": value}]);
        let answer = bridge.send("POST", "/Users", Some(&body)).await;
        assert_eq!(answer.status, 400, "{operation}: {}", answer.text);
        assert!(answer.body["detail"].as_str().unwrap().contains("permission"), "{}", answer.text);
        assert_eq!(bridge.ringcx.count(operation), 1, "not tried again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_penalty_that_begins_again_with_each_call_meets_none() {
    for resets in ["yes", "no"] {
        let knobs = vec![("penalty_resets", resets), ("penalty_s", "1")];
        let bridge = start(knobs, json!({})).await;
        bridge.ringcx.fault(Fault::once(
            "createAgent",
            FaultKind::TooManyRequests { retry_after: Some("1".to_owned()) },
        ));
        let bodies: Vec<Value> = (0..10).map(|n| json!({"userName": format!("u{n}@example.com")})).collect();
        let posts = bodies.iter().map(|body| bridge.send("POST", "/Users", Some(body)));
        futures_util::future::join_all(posts).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        bridge.run_jobs().await;
        let limited = bridge.ringcx.calls().iter().filter(|call| call.status == 429).count();
        assert_eq!(limited, 1, "{resets}");
        assert_eq!(bridge.ringcx.agents().len(), 11, "{resets}");
    }
}

/// The client alone, without a bridge around it.
fn way_to(simulator: &Simulator, seed: &Seed) -> RingCx {
    let ringcx: RingCxSettings = serde_json::from_value(json!({
        "base_url": simulator.url(), "account_id": seed.account_id, "api_token": seed.api_token,
    }))
    .unwrap();
    let transport =
        Transport::new(&ringcx, None, Arc::new(LocalBudget::new(100_000)), Clock::system()).unwrap();
    RingCx::new(Arc::new(transport), &seed.account_id, ExtensionSource::Off)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_exchanged_by_form_or_by_query() {
    for (knob, setting) in [("both", "body"), ("body", "body"), ("both", "query"), ("query", "query")] {
        let mut knobs = Knobs::profile(Profile::Friendly);
        knobs.set("exchange_params", knob).unwrap();
        let seed = Seed::demo();
        let options = Options { knobs, seed: seed.clone(), ..Options::default() };
        let simulator = Simulator::start(options).await.unwrap();
        let ringcx: RingCxSettings = serde_json::from_value(json!({
            "base_url": simulator.url(), "account_id": seed.account_id, "exchange_params": setting,
        }))
        .unwrap();
        let platform: PlatformSettings = serde_json::from_value(json!({
            "base_url": simulator.url(), "client_id": seed.client.0, "client_secret": seed.client.1, "jwt": seed.jwt,
        }))
        .unwrap();
        let budget = Arc::new(LocalBudget::new(1000));
        let transport = Transport::new(&ringcx, Some(&platform), budget, Clock::system()).unwrap();
        let way = RingCx::new(Arc::new(transport), &seed.account_id, ExtensionSource::Off);
        assert!(way.calls(Lane::Update, None).agent_groups().await.is_ok(), "{knob} {setting}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_are_cut_off_are_read_by_pages() {
    let seed = (0..23).fold(Seed::demo(), |seed, n| {
        seed.agent(1003, json!({"agentId": 6000 + n, "username": format!("old{n}@example.com")}))
    });
    for (base, cap) in [("0", "0"), ("0", "10"), ("1", "10"), ("1", "24")] {
        let mut knobs = Knobs::profile(Profile::Friendly);
        for (name, value) in [("max_rows_cap", cap), ("page_base", base), ("auth_limit", "1000")] {
            knobs.set(name, value).unwrap();
        }
        let simulator =
            Simulator::start(Options { knobs, seed: seed.clone(), ..Options::default() }).await.unwrap();
        let calls = way_to(&simulator, &seed).with_pages(Some(10));
        let listed = calls.calls(Lane::Reconcile, None).agents(AgentGroupId(1003)).await.unwrap();
        assert_eq!(listed.len(), 24, "pages from {base}, at most {cap} rows");
    }
}
