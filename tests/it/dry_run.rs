//! A dry run: clients are answered as ever, RingCX is only read, and what was planned is carried out once after a release.

use std::collections::BTreeSet;

use reqwest::Method;
use ringcx_scim::domain::TenantId;
use ringcx_scim::upstream::{self, Lane};
use ringcx_simulator::{Options, Seed};
use serde_json::{Value, json};

use crate::crash::serve::{Serve, command, configure, send, until};
use crate::support::{Setup, Simulator, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

fn default() -> TenantId {
    "default".parse().unwrap()
}

fn dry(extra: &Value) -> Setup {
    let mut policy = json!({
        "default_agent_group": "Default", "password_on_put": "omit", "mode": "dry_run", "on_delete": "delete",
        "allowed_roles": ["REPORT_ADMINISTRATIVE_USER"], "auto_create_agent_groups": true,
    });
    policy.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let groups = json!([{"match": "UK", "agent_group": "UK Agents"}]);
    Setup { policy, groups, ..Setup::default() }
}

fn replace(path: &str, value: &Value) -> Value {
    json!({"Operations": [{"op": "replace", "path": path, "value": value}]})
}

/// The steps of the plan as the operator sees them: login name, step, target, detail.
async fn plan(bridge: &TestBridge) -> BTreeSet<String> {
    let preview = bridge.reconciler.preview(&default()).await.unwrap();
    let line = |it: &ringcx_scim::store::planned::Planned| {
        let name = it.user_name.clone().unwrap_or_else(|| "-".to_owned());
        format!("{name}: {} {} {}", it.step.step, it.step.target, it.step.detail).trim().to_owned()
    };
    preview.changes.iter().map(line).collect()
}

fn asserts_nothing_changed(bridge: &TestBridge) {
    let reads = ["GET"];
    let changing: Vec<_> = bridge
        .ringcx
        .calls()
        .into_iter()
        .filter(|call| {
            !reads.contains(&call.method.as_str())
                && !call.path.contains("oauth")
                && !call.path.contains("/auth/")
        })
        .collect();
    assert!(changing.is_empty(), "{changing:?}");
}

#[tokio::test]
async fn a_whole_cycle_is_answered_as_ever_and_changes_nothing() {
    let bridge = TestBridge::start(dry(&json!({}))).await;
    let (jo, agent) =
        bridge.create(json!({"userName": "jo@example.com", "name": {"familyName": "Jo"}})).await;
    assert_eq!(agent, -1, "there is no agent yet");
    let url = format!("/Users/{jo}");
    let answer = bridge.send("PATCH", &url, Some(&replace("name.familyName", &json!("Changed")))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    // An agent that RingCX has is taken over and would be changed.
    let wanda = json!({"userName": "wanda@example.com", "name": {"familyName": "Wander"}});
    let (wanda, agent) = bridge.create(wanda).await;
    assert_eq!(agent, 5001);
    let boss = json!({"userName": "boss@example.com", "roles": [{"value": "REPORT_ADMINISTRATIVE_USER"}]});
    assert_eq!(bridge.send("POST", "/Users", Some(&boss)).await.status, 201);
    for group in ["UK", "New Ones"] {
        let group = json!({"displayName": group, "members": [{"value": wanda}]});
        assert_eq!(bridge.send("POST", "/Groups", Some(&group)).await.status, 201);
    }
    bridge.run_jobs().await;
    let shown = bridge.send("GET", &url, None).await.body;
    assert_eq!(shown["name"]["familyName"], "Changed", "a GET returns what was written");
    assert_eq!(shown[RINGCX]["provisioningState"], "pending");
    assert!(shown[RINGCX]["lastError"].as_str().unwrap().contains("dry run"));
    let found = bridge.send("GET", r#"/Users?filter=userName eq "jo@example.com""#, None).await.body;
    assert_eq!(found["totalResults"], 1);
    let planned = plan(&bridge).await;
    for line in [
        "jo@example.com: create_agent agent group 1000 (Default)",
        "wanda@example.com: move_agent agent 5001 to agent group 1001 (UK Agents) lastName",
        "boss@example.com: give_role the new administrator REPORT_ADMINISTRATIVE_USER",
        "boss@example.com: create_admin administrator",
        "-: create_agent_group agent group with the name of the group",
    ] {
        assert!(planned.contains(line), "{line} is not in {planned:#?}");
    }
    // A leaver, and somebody who was never there.
    let off = bridge.send("PATCH", &format!("/Users/{wanda}"), Some(&replace("active", &json!(false)))).await;
    assert_eq!(off.status, 200, "{}", off.text);
    assert_eq!(bridge.send("DELETE", &url, None).await.status, 204);
    assert_eq!(bridge.send("GET", &url, None).await.status, 404);
    bridge.run_jobs().await;
    let planned = plan(&bridge).await;
    assert!(planned.contains("wanda@example.com: disable_agent agent 5001"), "{planned:#?}");
    assert!(!planned.iter().any(|line| line.starts_with("jo@")), "{planned:#?}");
    asserts_nothing_changed(&bridge);
    assert_eq!(bridge.ringcx.agents().len(), 1);
}

#[tokio::test]
async fn what_is_not_wanted_any_more_is_not_planned_any_more() {
    let bridge = TestBridge::start(dry(&json!({}))).await;
    let (wanda, _) = bridge.create(json!({"userName": "wanda@example.com"})).await;
    let url = format!("/Users/{wanda}");
    let before = plan(&bridge).await;
    bridge.send("PATCH", &url, Some(&replace("active", &json!(false)))).await;
    assert_ne!(plan(&bridge).await, before);
    let on = bridge.send("PATCH", &url, Some(&replace("active", &json!(true)))).await;
    assert_eq!(on.status, 200, "{}", on.text);
    assert_eq!(plan(&bridge).await, before);
    asserts_nothing_changed(&bridge);
}

#[tokio::test]
async fn a_refusal_of_a_guard_is_answered_as_ever() {
    let bridge = TestBridge::start(dry(&json!({"protected": ["wanda@example.com"]}))).await;
    let answer = bridge.send("POST", "/Users", Some(&json!({"userName": "wanda@example.com"}))).await;
    assert!((400..500).contains(&answer.status) && answer.text.contains("protected"), "{}", answer.text);
    let role = json!({"userName": "boss@example.com", "roles": [{"value": "SUPER_USER"}]});
    assert_eq!(bridge.send("POST", "/Users", Some(&role)).await.status, 400);
    asserts_nothing_changed(&bridge);
}

#[tokio::test]
async fn the_plan_says_what_the_last_admin_floor_would_keep() {
    let seed = Seed::demo().admin(json!({"userId": 200, "userName": "wanda@example.com", "roles": ["USER"]}));
    let bridge = TestBridge::start(Setup { seed, ..dry(&json!({"adopt_admins": true})) }).await;
    let (wanda, _) = bridge.create(json!({"userName": "wanda@example.com"})).await;
    bridge.ringcx.edit_admin(200, |admin| drop(admin.insert("roles".to_owned(), json!(["SUPER_USER"]))));
    bridge.ringcx.edit_admin(101, |admin| drop(admin.insert("enabled".to_owned(), json!(false))));
    let url = format!("/Users/{wanda}");
    let off = bridge.send("PATCH", &url, Some(&replace("active", &json!(false)))).await;
    assert!(off.status == 409 && off.text.contains("last-admin floor"), "{}", off.text);
    let planned = plan(&bridge).await;
    assert!(planned.contains("wanda@example.com: disable_agent agent 5001"), "{planned:#?}");
    let kept = planned.iter().find(|line| line.starts_with("wanda@example.com: refused")).unwrap();
    assert!(kept.contains("last-admin floor"), "{kept}");
    assert!(!planned.iter().any(|line| line.contains("disable_admin")), "{planned:#?}");
    // Another one is appointed, and the same wish is carried out as far as a dry run goes.
    bridge.ringcx.edit_admin(101, |admin| drop(admin.insert("enabled".to_owned(), json!(true))));
    let off = bridge.send("PATCH", &url, Some(&replace("active", &json!(false)))).await;
    assert_eq!(off.status, 200, "{}", off.text);
    let planned = plan(&bridge).await;
    assert!(planned.contains("wanda@example.com: disable_admin administrator 200"), "{planned:#?}");
    assert!(!planned.iter().any(|line| line.contains("refused")), "{planned:#?}");
    asserts_nothing_changed(&bridge);
}

#[tokio::test]
async fn no_changing_call_leaves_the_process_whoever_makes_it() {
    let bridge = TestBridge::start(dry(&json!({}))).await;
    let (_, ringcx) = bridge.reconciler.ways().next().unwrap();
    for lane in [Lane::Deactivate, Lane::Reconcile] {
        let calls = ringcx.calls(lane, None);
        let refused = calls.create_agent_group("X").await.unwrap_err();
        assert!(matches!(refused, upstream::Error::Held(_)), "{refused}");
        assert!(calls.set_admin_active(upstream::model::UserId(101), false).await.is_err());
        assert!(calls.agent_groups().await.is_ok(), "reading is allowed");
    }
    asserts_nothing_changed(&bridge);
}

/// A RingCX that takes any number of calls.
async fn patient() -> Simulator {
    let mut options = Options::default();
    for knob in ["rate_limit", "auth_limit"] {
        options.knobs.set(knob, "1000000").unwrap();
    }
    Simulator::start(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_a_dry_run_waits_for_a_release_and_does_everything_once() {
    let simulator = patient().await;
    let ringcx = simulator.admin();
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite://{}", folder.path().join("bridge.db").display());
    let (config, token) = configure(folder.path(), &simulator.url(), &store, "2s");
    let live = std::fs::read_to_string(&config).unwrap();
    let policy = "[tenant.default.policy]\n";
    std::fs::write(&config, live.replace(policy, &format!("{policy}mode = \"dry_run\"\n"))).unwrap();
    let serve = Serve::ready(&config).await;
    let users = format!("{}/Users", serve.base);
    for n in 0..5 {
        let body = json!({"userName": format!("n{n}@example.com")});
        assert_eq!(send(Method::POST, &users, &token, Some(&body)).await.unwrap().0, 201);
    }
    let (status, wanda) =
        send(Method::POST, &users, &token, Some(&json!({"userName": "wanda@example.com"}))).await.unwrap();
    assert_eq!(status, 201, "{wanda}");
    let wanda = format!("/Users/{}", wanda["id"].as_str().unwrap());
    let off = replace("active", &json!(false));
    let url = format!("{}{wanda}", serve.base);
    assert_eq!(send(Method::PATCH, &url, &token, Some(&off)).await.unwrap().0, 200);
    let (code, said) = command(&config, &["tenant", "release", "--yes"]).await;
    assert!(code == 2 && said.contains("dry run"), "{said}");
    let (code, said) = command(&config, &["tenant", "status"]).await;
    assert!(code == 0 && said.contains("5 create_agent") && said.contains("n0@example.com"), "{said}");
    serve.kill();

    std::fs::write(&config, live).unwrap();
    let serve = Serve::ready(&config).await;
    let users = format!("{}/Users", serve.base);
    let (status, answer) =
        send(Method::POST, &users, &token, Some(&json!({"userName": "late@example.com"}))).await.unwrap();
    assert!(status == 503 && answer["detail"].as_str().unwrap().contains("tenant release"), "{answer}");
    let (_, said) = command(&config, &["tenant", "status", "--json"]).await;
    let status: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&status["plan"]["awaits_release"], &status["mode"]), (&json!(true), &json!("live")));
    assert_eq!(status["plan"]["totals"]["create_agent"], 5);
    let (code, said) = command(&config, &["tenant", "release"]).await;
    assert!(code == 2 && said.contains("--yes"), "nobody was asked: {said}");
    assert_eq!(ringcx.agents().len(), 1, "nothing begins before the release");
    assert_eq!(ringcx.agent(5001).unwrap()["isActive"], true);
    let (code, said) = command(&config, &["tenant", "release", "--yes"]).await;
    assert!(code == 0 && said.contains("6 people"), "{said}");
    until("all that was planned", async || {
        let off = ringcx.agent(5001).unwrap()["isActive"] == false;
        (off && ringcx.agents().len() == 7).then_some(())
    })
    .await;
    until("the people to show it", async || {
        let url = format!("{users}?filter=active%20eq%20true");
        let (_, list) = send(Method::GET, &url, &token, None).await.unwrap();
        let states = list["Resources"].as_array().unwrap().iter();
        states.map(|it| &it[RINGCX]["provisioningState"]).all(|it| it == "active").then_some(())
    })
    .await;
    assert_eq!(ringcx.count("createAgent"), 6, "five that were planned and the late one, each once");
    let (code, said) = command(&config, &["tenant", "release", "--yes"]).await;
    assert!(code == 0 && said.contains("nothing"), "{said}");
    serve.kill();
}
