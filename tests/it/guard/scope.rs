//! The mistake itself: a scope in the identity provider that leaves out 200 of 380 people, against the real binary and its commands.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use futures_util::{StreamExt, stream};
use reqwest::Method;
use ringcx_simulator::{Control, Options};
use serde_json::{Value, json};

use super::replace;
use crate::crash::serve::{Serve, configure, send, until};
use crate::support::{Simulator, postgres_database};

const ALL: usize = 380;
const MISTAKEN: usize = 200;
/// 5 % of 380.
const PASS: usize = 19;

/// A RingCX that is as fast as a laptop.
async fn ringcx() -> Simulator {
    let mut options = Options::default();
    options.knobs.set("rate_limit", "1000000").unwrap();
    options.knobs.set("auth_limit", "1000000").unwrap();
    Simulator::start(options).await.unwrap()
}

/// What a webhook on this machine was told.
async fn webhook() -> (String, Arc<Mutex<Vec<Value>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let came = Arc::clone(&told);
    let take =
        move |body: String| async move { came.lock().unwrap().push(serde_json::from_str(&body).unwrap()) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(take))).await });
    (url, told)
}

/// The configuration with the guard on, and a webhook.
fn guarded(folder: &Path, upstream: &str, store: &str, webhook: &str) -> (std::path::PathBuf, String) {
    let (config, token) = configure(folder, upstream, store, "5s");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text
        .replace("mass_change = \"off\"", "mass_change = \"on\"\npassword_on_put = \"omit\"")
        .replace("on_delete = \"delete\"", "on_delete = \"disable\"");
    std::fs::write(&config, format!("{text}\n[alert]\nwebhook = \"{webhook}\"\n")).unwrap();
    (config, token)
}

/// A command that must succeed, and what it printed as JSON.
fn command(config: &Path, arguments: &[&str]) -> Value {
    let out = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"))
        .args(arguments)
        .args(["--json", "--config"])
        .arg(config)
        .output()
        .unwrap();
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// A client of one server.
struct Client<'a> {
    base: &'a str,
    token: &'a str,
}

impl Client<'_> {
    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        send(method, &format!("{}{path}", self.base), self.token, body).await.unwrap()
    }

    /// Creates so many people, sixteen at a time, and gives their ids in order.
    async fn hire(&self, count: usize) -> Vec<String> {
        let hired = (0..count).map(|n| async move {
            let body = json!({"userName": format!("p{n:03}@example.com")});
            let (status, user) = self.send(Method::POST, "/Users", Some(&body)).await;
            assert_eq!(status, 201, "{user}");
            user["id"].as_str().unwrap().to_owned()
        });
        stream::iter(hired).buffered(16).collect().await
    }

    /// Switches people off, every tenth by DELETE, eight at a time; how many succeeded, and how many were told 503.
    async fn switch_off(&self, people: &[String]) -> (usize, usize) {
        let off = replace("active", &json!(false));
        let answers: Vec<u16> = stream::iter(people.iter().enumerate().map(|(n, id)| {
            let (off, path) = (&off, format!("/Users/{id}"));
            async move {
                if n % 10 == 3 {
                    self.send(Method::DELETE, &path, None).await.0
                } else {
                    self.send(Method::PATCH, &path, Some(off)).await.0
                }
            }
        }))
        .buffered(8)
        .collect()
        .await;
        let count = |wanted: &[u16]| answers.iter().filter(|it| wanted.contains(it)).count();
        (count(&[200, 204]), count(&[503]))
    }
}

/// The agents that the bridge has made.
fn agents(ringcx: &Control) -> Vec<(i64, bool)> {
    let ours = |it: &Value| {
        it["username"].as_str().is_some_and(|name| name.starts_with('p') && name.contains("@example"))
    };
    let all = ringcx.agents();
    all.iter()
        .filter(|it| ours(it))
        .map(|it| (it["agentId"].as_i64().unwrap(), it["isActive"] == true))
        .collect()
}

fn working(ringcx: &Control) -> usize {
    agents(ringcx).iter().filter(|(_, works)| *works).count()
}

/// The people in a list of a report, however it shows them.
fn ids(list: &Value) -> Vec<String> {
    let id = |it: &Value| it.as_str().or(it["person"].as_str()).unwrap().to_owned();
    list.as_array().unwrap().iter().map(id).collect()
}

/// How many a rejection has given back, with those whose deletion was confirmed: they come back by name alone.
fn given_back(config: &Path, rejected: &Value) -> usize {
    let deleted = ids(&rejected["stays_deleted"]);
    for id in &deleted {
        let named = command(config, &["tenant", "reject", "--person", id]);
        assert_eq!(ids(&named["restored"]), [id.as_str()]);
    }
    ids(&rejected["restored"]).len() + deleted.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_scope_mistake_for_200_of_380_is_blocked_alerted_rejected_and_released() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = ringcx().await;
    let ringcx = simulator.admin();
    let (webhook, told) = webhook().await;
    let store = format!("sqlite://{}", folder.path().join("bridge.db").display());
    let (config, token) = guarded(folder.path(), &simulator.url(), &store, &webhook);
    let serve = Serve::ready(&config).await;
    let client = Client { base: &serve.base, token: &token };
    let people = client.hire(ALL).await;
    let found = agents(&ringcx);
    assert_eq!(found.len(), ALL);
    // What floor managers have set.
    let by_hand =
        json!({"gateAssignments": [8101], "dialGroupAssignments": [7001], "agentSkillProfiles": [3]});
    for (agent, _) in &found {
        for (field, value) in by_hand.as_object().unwrap() {
            ringcx.associate(*agent, field, value.clone());
        }
    }
    ringcx.clear_calls();

    assert_eq!(client.switch_off(&people[..MISTAKEN]).await, (PASS, MISTAKEN - PASS));
    assert_eq!(working(&ringcx), ALL - PASS);
    until("the alert", async || told.lock().unwrap().first().cloned()).await;
    let alert = told.lock().unwrap()[0].clone();
    assert_eq!((&alert["kind"], &alert["tenant"]), (&json!("mass_change"), &json!("default")));
    assert!(!alert.to_string().contains("example.com"), "{alert}");

    // Nobody else waits.
    let begun = Instant::now();
    let name = replace("name.givenName", &json!("Ann"));
    let path = format!("/Users/{}", people[300]);
    assert_eq!(client.send(Method::PATCH, &path, Some(&name)).await.0, 200);
    let new = json!({"userName": "new@example.com"});
    assert_eq!(client.send(Method::POST, "/Users", Some(&new)).await.0, 201);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    let blocked = json!({"blocked": MISTAKEN - PASS});
    let status = command(&config, &["tenant", "status"]);
    assert_eq!(status["people"]["blocked"], blocked["blocked"], "{status}");
    // A look first, which does nothing.
    let dry = command(&config, &["tenant", "reject", "--dry-run"]);
    assert_eq!(command(&config, &["tenant", "status"])["people"]["blocked"], blocked["blocked"]);
    let rejected = command(&config, &["tenant", "reject"]);
    assert_eq!(ids(&rejected["restored"]), ids(&dry["restored"]));
    assert_eq!((ids(&rejected["rejected"]).len(), &rejected["left"]), (MISTAKEN - PASS, &json!([])));
    assert_eq!(given_back(&config, &rejected), PASS);
    until("everybody works again", async || (working(&ringcx) == ALL).then_some(())).await;
    let path = "/Users?filter=active eq false&count=0".replace(' ', "%20");
    until("everybody is shown so", async || {
        let (_, list) = client.send(Method::GET, &path, None).await;
        (list["totalResults"] == 0).then_some(())
    })
    .await;

    // This time it is meant.
    assert_eq!(client.switch_off(&people[..MISTAKEN]).await, (PASS, MISTAKEN - PASS));
    let released = command(&config, &["tenant", "release"]);
    assert_eq!(released["released"].as_array().unwrap().len(), MISTAKEN - PASS);
    until("200 are off", async || (working(&ringcx) == ALL - MISTAKEN).then_some(())).await;
    assert_eq!(command(&config, &["tenant", "release"])["released"], json!([]));

    for (agent, _) in &found {
        assert_eq!(ringcx.associations(*agent), by_hand, "{agent}");
    }
    assert_eq!((ringcx.count("createAgent"), ringcx.count("deleteAgent")), (1, 0));
    serve.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_servers_on_one_database_count_together() {
    let Some(database) = postgres_database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let simulator = ringcx().await;
    let (webhook, told) = webhook().await;
    let (config, token) = guarded(folder.path(), &simulator.url(), &database, &webhook);
    let servers = [Serve::ready(&config).await, Serve::ready(&config).await];
    let [one, other] = servers.each_ref().map(|it| Client { base: &it.base, token: &token });
    let people = one.hire(40).await;
    let (left, right) = people.split_at(20);
    let (left, right) = tokio::join!(one.switch_off(left), other.switch_off(right));
    assert_eq!((left.0 + right.0, left.1 + right.1), (5, 35));
    assert_eq!(working(&simulator.admin()), 35);
    until("the alert", async || told.lock().unwrap().first().cloned()).await;
    assert_eq!(given_back(&config, &command(&config, &["tenant", "reject"])), 5);
    until("everybody works again", async || (working(&simulator.admin()) == 40).then_some(())).await;
    assert_eq!(told.lock().unwrap().len(), 1, "one of the two has told it");
    servers.into_iter().for_each(Serve::kill);
}
