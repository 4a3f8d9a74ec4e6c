//! The controller: lost answers on every changing call, work that waits for a person, batches, the queue, and the end of a process.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use ringcx_scim::clock::Clock;
use ringcx_scim::domain::TenantId;
use ringcx_scim::store::jobs;
use ringcx_scim::upstream::{
    Budget, Error, ExtensionSource, Lane, LocalBudget, RingCx, RingCxSettings, Transport,
};
use ringcx_simulator::{Fault, FaultKind, Knobs, Options, Profile, Seed};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Setup, Simulator, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";
const PROFILES: [Profile; 3] = [Profile::Friendly, Profile::Hostile, Profile::Spec];

fn tenant() -> TenantId {
    "default".parse().unwrap()
}

/// A write that is repeated until it is answered well, as an identity provider does.
async fn insist(bridge: &TestBridge, method: &str, path: &str, body: Option<&Value>) -> Value {
    for _ in 0..100 {
        let answer = bridge.send(method, path, body).await;
        match answer.status {
            200..=204 => return answer.body,
            429 | 503 => tokio::time::sleep(Duration::from_millis(20)).await,
            status => panic!("{method} {path}: {status} {}", answer.text),
        }
    }
    panic!("{method} {path} was never answered");
}

fn replace(path: &str, value: impl Into<Value>) -> Value {
    json!({"Operations": [{"op": "replace", "path": path, "value": value.into()}]})
}

/// Somebody who takes calls and administers, from the first day to the last.
async fn a_life(bridge: &TestBridge, label: &str) {
    let new = json!({
        "userName": "jo@example.com", "emails": [{"value": "jo@example.com", "type": "work"}],
        "roles": [{"value": "REPORT_ADMINISTRATIVE_USER"}], "entitlements": [{"value": "4711"}],
    });
    let user = insist(bridge, "POST", "/Users", Some(&new)).await;
    let url = format!("/Users/{}", user["id"].as_str().unwrap());
    let agents = || {
        bridge.ringcx.agents().into_iter().filter(|it| it["email"] == "jo@example.com").collect::<Vec<_>>()
    };
    let holds = |works: bool| {
        let admin = bridge.ringcx.admin_named("jo@example.com").unwrap();
        let role = admin["roles"].to_string().contains("REPORT_ADMINISTRATIVE_USER");
        let doc = bridge.ringcx.assignments(4711).contains(&admin["userId"].as_i64().unwrap());
        let found = agents();
        assert_eq!(found.len(), 1, "{label}: {found:?}");
        assert_eq!((&found[0]["isActive"], role, doc), (&json!(works), works, works), "{label}");
        assert_eq!(admin["enabled"], works, "{label}");
    };
    holds(true);
    insist(bridge, "PATCH", &url, Some(&replace("name.givenName", "Joan"))).await;
    assert_eq!(agents()[0]["firstName"], "Joan", "{label}");
    insist(bridge, "PATCH", &url, Some(&replace(&format!("{RINGCX}:agentGroupName"), "UK Agents"))).await;
    assert_eq!(agents()[0]["agentGroupId"], 1001, "{label}");
    insist(bridge, "PATCH", &url, Some(&replace("active", false))).await;
    holds(false);
    insist(bridge, "PATCH", &url, Some(&replace("active", true))).await;
    holds(true);
    let team = json!({"displayName": "New Team", "members": [{"value": user["id"]}]});
    insist(bridge, "POST", "/Groups", Some(&team)).await;
    bridge.run_jobs().await;
    let teams = bridge.ringcx.agent_groups().iter().filter(|(_, name)| name == "New Team").count();
    assert_eq!(teams, 1, "{label}");
    insist(bridge, "DELETE", &url, None).await;
    bridge.run_jobs().await;
    assert_eq!((agents().len(), bridge.ringcx.admin_named("jo@example.com")), (0, None), "{label}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_any_changing_call_changes_nothing_in_the_end() {
    let changing = [
        "createAgent",
        "updateAgent",
        "deleteAgent",
        "createUser",
        "updateUser",
        "setIsActive",
        "deleteUser",
        "addRole",
        "removeRole",
        "assignRightsDoc",
        "unassignRightsDoc",
        "createAgentGroup",
    ];
    for profile in PROFILES {
        for operation in changing {
            for kind in [FaultKind::DropAfter, FaultKind::DropBefore, FaultKind::Status(500, String::new())] {
                let policy = json!({
                    "default_agent_group": "Default", "password_on_put": "omit", "on_delete": "delete",
                    "auto_create_agent_groups": true, "allowed_roles": ["REPORT_ADMINISTRATIVE_USER"],
                    "allowed_rights_docs": [4711],
                });
                let bridge = TestBridge::start(Setup { profile, policy, ..Setup::default() }).await;
                bridge.ringcx.fault(Fault::once(operation, kind.clone()));
                a_life(&bridge, &format!("{profile:?} {operation} {kind:?}")).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_a_person_can_decide_is_parked_visible_and_delays_nobody() {
    let policy = json!({"default_agent_group": "Default"});
    let bridge =
        TestBridge::start(Setup { policy, settle: Duration::from_secs(1), ..Setup::default() }).await;
    // Wanda was there before and signs in with a password; what RingCX does with it on a change is not known.
    let wanda = json!({"userName": "wanda@example.com", "name": {"givenName": "Other"}});
    let answer = bridge.send("POST", "/Users", Some(&wanda)).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.text.contains("password_on_put"), "{}", answer.text);
    let list = bridge.send("GET", "/Users?filter=userName eq \"wanda@example.com\"", None).await.body;
    let shown = &list["Resources"][0][RINGCX];
    assert_eq!(shown["provisioningState"], "error", "{list}");
    assert!(shown["lastError"].as_str().unwrap().contains("password_on_put"));
    let calls = bridge.ringcx.calls().len();
    assert_eq!(bridge.reconciler.run_jobs().await.unwrap(), 0, "nobody works on it");
    assert_eq!(bridge.ringcx.calls().len(), calls);
    assert_eq!(bridge.send("POST", "/Users", Some(&json!({"userName": "jo@example.com"}))).await.status, 201);
    let metrics = bridge.raw("GET", "/metrics", &[], None).await.text;
    assert!(
        metrics.contains(r#"ringcx_scim_jobs{tenant="default",lane="create",state="parked"} 1"#),
        "{metrics}"
    );
    let released = bridge.store.write(|tx| jobs::unpark(tx, &tenant(), Clock::system().now())).await.unwrap();
    assert_eq!(released, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rights_document_for_thirty_people_takes_few_calls_and_takes_it_from_nobody() {
    for profile in PROFILES {
        let groups = json!([{"match": "Readers", "rights_docs": [4712]}]);
        let bridge = TestBridge::start(Setup { profile, groups, ..Setup::default() }).await;
        bridge.ringcx.assign(4712, 101);
        let mut ids = Vec::new();
        for n in 0..30 {
            let user =
                bridge.send("POST", "/Users", Some(&json!({"userName": format!("r{n}@example.com")}))).await;
            ids.push(json!({"value": user.body["id"]}));
        }
        let group = json!({"displayName": "Readers", "members": ids});
        assert_eq!(bridge.send("POST", "/Groups", Some(&group)).await.status, 201);
        let stop = CancellationToken::new();
        let worker = tokio::spawn(bridge.reconciler.clone().run(stop.clone()));
        for _ in 0..500 {
            if bridge.ringcx.assignments(4712).len() == 31 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.cancel();
        worker.await.unwrap();
        bridge.run_jobs().await;
        let holders = bridge.ringcx.assignments(4712);
        assert!(holders.len() == 31 && holders.contains(&101), "{profile:?}: {holders:?}");
        let assigned = bridge.ringcx.count("assignRightsDoc");
        assert!(assigned <= 15, "{profile:?}: {assigned} calls for 30 people");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_after_follows_from_the_queue() {
    let bridge =
        TestBridge::start(Setup { rate: 60, settle: Duration::from_secs(1), ..Setup::default() }).await;
    let bodies: Vec<Value> = (0..60).map(|n| json!({"userName": format!("q{n}@example.com")})).collect();
    let answers = join_all(bodies.iter().map(|body| bridge.send("POST", "/Users", Some(body)))).await;
    let waits: Vec<u64> = answers
        .iter()
        .filter(|answer| answer.status != 201)
        .map(|answer| answer.headers["retry-after"].parse().unwrap())
        .collect();
    // One call a second and a bucket of nine: the last of them is some fifty calls away.
    assert!(waits.iter().any(|wait| *wait >= 20), "{waits:?}");
    assert!(waits.iter().all(|wait| (5..=70).contains(wait)), "{waits:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_that_ringcx_names_is_learned() {
    let mut knobs = Knobs::profile(Profile::Spec);
    for (name, value) in [("rate_limit", "30"), ("penalty_s", "60")] {
        knobs.set(name, value).unwrap();
    }
    let seed = Seed::demo();
    let simulator =
        Simulator::start(Options { knobs, seed: seed.clone(), ..Options::default() }).await.unwrap();
    let settings: RingCxSettings = serde_json::from_value(json!({
        "base_url": simulator.url(), "account_id": seed.account_id, "api_token": seed.api_token,
    }))
    .unwrap();
    let budget = Arc::new(LocalBudget::new(600));
    let transport =
        Transport::new(&settings, None, Arc::<LocalBudget>::clone(&budget), Clock::system()).unwrap();
    let calls =
        RingCx::new(Arc::new(transport), &seed.account_id, ExtensionSource::Off).calls(Lane::Update, None);
    let refused = loop {
        if let Err(error) = calls.agent_groups().await {
            break error;
        }
    };
    assert!(matches!(refused, Error::Limited { after } if after == Duration::from_mins(1)), "{refused:?}");
    assert_eq!(budget.per_minute(), 30);
    assert_eq!(simulator.admin().calls().iter().filter(|call| call.status == 429).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stops_hands_its_work_over() {
    let policy = json!({"default_agent_group": "Default", "async_create": true});
    let bridge = TestBridge::start(Setup { policy, ..Setup::default() }).await;
    bridge.ringcx.fault(Fault::once("createAgent", FaultKind::DelayAfter(1500)));
    let stop = CancellationToken::new();
    let worker = tokio::spawn(bridge.reconciler.clone().run(stop.clone()));
    bridge.send("POST", "/Users", Some(&json!({"userName": "jo@example.com"}))).await;
    while bridge.ringcx.count("createAgent") == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    worker.await.unwrap();
    // The lease is free at once, and whoever takes over looks before it tries again.
    bridge.run_jobs().await;
    assert_eq!(
        bridge.ringcx.agents().iter().filter(|agent| agent["username"] == "jo@example.com").count(),
        1
    );
    assert_eq!(bridge.ringcx.count("createAgent"), 1);
}

/// Every answer to every open question that the bridge must live with by itself; the others have a setting and a test of
/// their own.
const READINGS: [(&str, &[&str]); 33] = [
    ("exchange_params", &["both", "body"]),
    ("token_ttl_s", &["2", "300"]),
    ("refresh_reuse", &["reject", "accept"]),
    ("refresh_ttl_s", &["0", "86400"]),
    ("refresh_counts_as_auth", &["yes", "no"]),
    ("unauthorized_body", &["text", "json", "empty"]),
    ("put_mode", &["merge", "replace"]),
    ("password_echo", &["mask", "absent", "real"]),
    ("put_masked_password", &["ignored", "literal"]),
    ("move_mode", &["body_agentgroup_id", "body_groupid", "path"]),
    ("group_path_check", &["strict", "ignored"]),
    ("bulk_put", &["atomic", "per_item", "replace_membership", "501"]),
    ("username_rewrite", &["never", "linked_only", "always"]),
    ("username_update", &["allow", "ignore", "reject400"]),
    ("password_required", &["yes", "unless_linked", "no"]),
    ("active_field", &["isActive", "active", "both_must_match"]),
    ("delete_mode", &["hard", "soft_keeps_username"]),
    ("list_fields", &["basic", "docs", "full"]),
    ("list_includes_inactive", &["yes", "no"]),
    ("group_name_unique", &["yes", "no"]),
    ("roles_shape", &["objects", "strings"]),
    ("getroles_shape", &["objects", "strings"]),
    ("put_without_roles", &["keep", "clear"]),
    ("role_add_existing", &["true", "409"]),
    ("role_remove_missing", &["true", "false", "404"]),
    ("create_user_status", &["200", "201_body", "201_empty"]),
    ("assign_mode", &["add", "replace"]),
    ("assign_existing", &["true", "409"]),
    ("agent_conflict", &["409", "400_validation", "500"]),
    ("ids", &["number", "string"]),
    ("require_body_group", &["no", "yes"]),
    ("delete_missing", &["404", "false", "403"]),
    ("null_put_clears", &["yes", "no"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_life_works_in_every_reading() {
    for (knob, values) in READINGS {
        for value in values {
            let policy = json!({
                "default_agent_group": "Default", "password_on_put": "omit", "on_delete": "delete",
                "auto_create_agent_groups": true, "allowed_roles": ["REPORT_ADMINISTRATIVE_USER"],
                "allowed_rights_docs": [4711],
            });
            let bridge =
                TestBridge::start(Setup { policy, knobs: vec![(knob, value)], ..Setup::default() }).await;
            a_life(&bridge, &format!("{knob} = {value}")).await;
        }
    }
}
