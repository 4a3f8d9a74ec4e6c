//! A pause: what waits, what goes on, and that nothing is lost, in one process and beside a running server.

use std::time::{Duration, Instant};

use reqwest::Method;
use ringcx_scim::domain::{Actor, TenantId};
use ringcx_scim::store::{self, Tx};
use ringcx_simulator::Options;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::crash::serve::{Serve, command, configure, send, until};
use crate::support::{Setup, Simulator, TestBridge};

fn default() -> TenantId {
    "default".parse().unwrap()
}

fn somebody() -> Actor {
    Actor::operator("kim", "run")
}

fn replace(path: &str, value: &Value) -> Value {
    json!({"Operations": [{"op": "replace", "path": path, "value": value}]})
}

/// What the auditor has: each action and who did it.
fn actions(tx: &mut Tx<'_>) -> Result<Vec<(String, String)>, store::Error> {
    tx.all("SELECT action, actor FROM audit ORDER BY id", &[], |row| {
        Ok((row.text(0)?, row.opt_text(1)?.unwrap_or_default()))
    })
}

#[tokio::test]
async fn a_paused_tenant_keeps_writes_and_answers_503_at_once() {
    let groups = json!([{"match": "UK", "agent_group": "UK Agents"}]);
    let bridge = TestBridge::start(Setup { groups, ..Setup::default() }).await;
    let (jo, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    let (leaver, leaving) = bridge.create(json!({"userName": "leaver@example.com"})).await;
    bridge.reconciler.pause(&default(), &somebody(), false).await.unwrap();
    bridge.ringcx.clear_calls();

    let begun = Instant::now();
    let answer = bridge.send("POST", "/Users", Some(&json!({"userName": "new@example.com"}))).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(begun.elapsed() < Duration::from_secs(2), "at once, not after the settle time");
    assert!(answer.headers["retry-after"].parse::<u32>().is_ok_and(|after| after > 0));
    assert!(answer.text.contains("paused"), "{}", answer.text);
    let url = format!("/Users/{jo}");
    let renamed = bridge.send("PATCH", &url, Some(&replace("name.familyName", &json!("Later")))).await;
    assert_eq!(renamed.status, 503, "{}", renamed.text);
    let titled =
        bridge.send("PATCH", &format!("/Users/{leaver}"), Some(&replace("title", &json!("Dr")))).await;
    assert_eq!(titled.status, 200, "what has no effect in RingCX goes on: {}", titled.text);
    let group = json!({"displayName": "UK", "members": [{"value": jo}]});
    assert_eq!(bridge.send("POST", "/Groups", Some(&group)).await.status, 201);
    bridge.reconciler.run_jobs().await.unwrap();
    assert!(bridge.ringcx.calls().is_empty(), "{:?}", bridge.ringcx.calls());

    let off =
        bridge.send("PATCH", &format!("/Users/{leaver}"), Some(&replace("active", &json!(false)))).await;
    assert_eq!(off.status, 200, "access is taken away all the same: {}", off.text);
    assert_eq!(bridge.ringcx.agent(leaving).unwrap()["isActive"], false);

    bridge.reconciler.resume(&default(), &somebody()).await.unwrap();
    bridge.run_jobs().await;
    let ringcx = bridge.ringcx.agent(agent).unwrap();
    assert_eq!((&ringcx["lastName"], &ringcx["agentGroupId"]), (&json!("Later"), &json!(1001)));
    let made = bridge.ringcx.agents().into_iter().filter(|it| it["username"] == "new@example.com").count();
    assert_eq!(made, 1);
    let records = bridge.store.read(actions).await.unwrap();
    for action in ["pause", "resume"] {
        let mine = |it: &&(String, String)| it.0 == action && it.1 == "cli:kim";
        assert_eq!(records.iter().filter(mine).count(), 1, "{action}");
    }
}

#[tokio::test]
async fn a_pause_of_everything_keeps_leavers_too() {
    let bridge = TestBridge::start(Setup::default()).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    bridge.reconciler.pause(&default(), &somebody(), true).await.unwrap();
    let off = bridge.send("PATCH", &format!("/Users/{id}"), Some(&replace("active", &json!(false)))).await;
    assert_eq!(off.status, 503, "{}", off.text);
    let gone = bridge.send("DELETE", &format!("/Users/{id}"), None).await;
    assert_eq!(gone.status, 503, "{}", gone.text);
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], true);
    bridge.reconciler.pause(&default(), &somebody(), false).await.unwrap();
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false, "a narrower pause lets them go");
}

#[tokio::test]
async fn a_pause_takes_a_role_away_and_gives_none() {
    let policy = json!({
        "default_persona": "admin", "password_on_put": "omit",
        "allowed_roles": ["REPORT_ADMINISTRATIVE_USER", "USER"],
    });
    let bridge = TestBridge::start(Setup { policy, ..Setup::default() }).await;
    let roles = |names: &[&str]| names.iter().map(|name| json!({"value": name})).collect::<Value>();
    let body = json!({"userName": "boss@example.com", "roles": roles(&["REPORT_ADMINISTRATIVE_USER"])});
    let made = bridge.send("POST", "/Users", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let url = format!("/Users/{}", made.body["id"].as_str().unwrap());
    bridge.reconciler.pause(&default(), &somebody(), false).await.unwrap();
    bridge.ringcx.clear_calls();
    let none = bridge.send("PATCH", &url, Some(&replace("roles", &json!([])))).await;
    assert_eq!(none.status, 200, "{}", none.text);
    assert!(bridge.ringcx.count("removeRole") > 0);
    let more = bridge.send("PATCH", &url, Some(&replace("roles", &roles(&["USER"])))).await;
    assert_eq!((more.status, bridge.ringcx.count("addRole")), (503, 0), "{}", more.text);
    bridge.reconciler.resume(&default(), &somebody()).await.unwrap();
    bridge.run_jobs().await;
    assert!(bridge.ringcx.count("addRole") > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_waits_for_a_call_stops_too() {
    let policy = json!({"default_agent_group": "Default", "async_create": true, "password_on_put": "omit"});
    let bridge = TestBridge::start(Setup { policy, rate: 120, ..Setup::default() }).await;
    for n in 0..30 {
        let body = json!({"userName": format!("n{n}@example.com")});
        assert_eq!(
            bridge.send("POST", "/Users", Some(&body)).await.status,
            201,
            "stored, and answered at once"
        );
    }
    let stop = CancellationToken::new();
    let worker = tokio::spawn(bridge.reconciler.clone().run(stop.clone()));
    until("some creates", async || (bridge.ringcx.count("createAgent") >= 5).then_some(())).await;
    bridge.reconciler.pause(&default(), &somebody(), false).await.unwrap();
    // Whoever stood in the line for a call leaves it without one.
    until("an empty line", async || {
        let leased = "SELECT COUNT(*) FROM jobs WHERE lease_until > 0";
        let leased = bridge.store.read(move |tx| tx.one(leased, &[], |row| row.int(0))).await.unwrap();
        (leased == Some(0)).then_some(())
    })
    .await;
    let before = bridge.ringcx.count("createAgent");
    assert!(before < 30, "the pause came too late to show anything");
    bridge.reconciler.run_jobs().await.unwrap();
    assert_eq!(bridge.ringcx.count("createAgent"), before);
    bridge.reconciler.resume(&default(), &somebody()).await.unwrap();
    until("all creates", async || (bridge.ringcx.count("createAgent") == 30).then_some(())).await;
    stop.cancel();
    worker.await.unwrap();
    assert_eq!(bridge.ringcx.agents().len(), 31);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_from_the_command_line_reaches_a_running_server_within_five_seconds() {
    let mut options = Options::default();
    for knob in ["rate_limit", "auth_limit"] {
        options.knobs.set(knob, "1000000").unwrap();
    }
    let simulator = Simulator::start(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite://{}", folder.path().join("bridge.db").display());
    let (config, token) = configure(folder.path(), &simulator.url(), &store, "2s");
    let serve = Serve::ready(&config).await;
    let users = format!("{}/Users", serve.base);
    let root = serve.base.trim_end_matches("/scim/v2").to_owned();
    let (code, said) = command(&config, &["tenant", "pause"]).await;
    assert_eq!(code, 0, "{said}");
    let body = json!({"userName": "jo@example.com"});
    let (status, answer) = send(Method::POST, &users, &token, Some(&body)).await.unwrap();
    assert_eq!(status, 503, "{answer}");
    let (_, ready) = send(Method::GET, &format!("{root}/readyz"), "", None).await.unwrap();
    assert_eq!((&ready["tenants_paused"], &ready["status"]), (&json!(["default"]), &json!("ready")));
    let metrics = crate::crash::serve::text(&format!("{root}/metrics")).await;
    assert!(metrics.contains("ringcx_scim_paused{tenant=\"default\"} 1\n"), "{metrics}");
    let (code, said) = command(&config, &["tenant", "status", "--json"]).await;
    let status: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(code, 0);
    assert_eq!((&status["paused"]["by"], &status["mode"]), (&json!("cli:kim"), &json!("live")));
    assert_eq!(status["people"], json!({"pending": 1}));
    assert_eq!(status["jobs"], json!([{"lane": "create", "waiting": 1, "parked": 0}]));
    assert!(status["last_contact"].is_string() && status["budget"]["last_call"].is_string(), "{status}");
    let (_, table) = command(&config, &["tenant", "status"]).await;
    assert!(table.contains("cli:kim") && table.contains("create: 1 waiting"), "{table}");
    let (code, said) = command(&config, &["tenant", "resume"]).await;
    assert!(code == 0 && said.contains("1 job waits"), "{said}");
    let ringcx = simulator.admin();
    let begun = Instant::now();
    until("the create", async || (ringcx.agents().len() == 2).then_some(())).await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    let (code, said) = command(&config, &["tenant", "pause", "--tenant", "nobody"]).await;
    assert!(code == 2 && said.contains("no tenant nobody"), "{said}");
    serve.kill();
}
