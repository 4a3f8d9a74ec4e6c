//! The real binary, killed without warning between intent and answer, on both databases.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ringcx_simulator::{Fault, FaultKind, Options, Simulator};
use serde_json::{Value, json};

/// A `serve` in a process of its own.
struct Serve {
    child: Child,
    base: String,
}

impl Serve {
    fn start(config: &PathBuf) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"))
            .args(["serve", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .expect("the first line says where it listens")
            .to_owned();
        Self { child, base: format!("{url}/scim/v2") }
    }

    /// SIGKILL: no drain, no last words.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn client() -> reqwest::Client {
    #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
    reqwest::Client::new()
}

async fn send(method: reqwest::Method, url: &str, token: &str, body: Option<&Value>) -> Option<(u16, Value)> {
    let mut request = client().request(method, url).bearer_auth(token);
    if let Some(body) = body {
        request = request.header("content-type", "application/scim+json").body(body.to_string());
    }
    #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    Some((status, serde_json::from_str(&response.text().await.ok()?).unwrap_or_default()))
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_mins(1) {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not happen within a minute");
}

/// A configuration file for `url`, and a token made by the command.
fn configure(folder: &std::path::Path, upstream: &str, url: &str) -> (PathBuf, String) {
    let path = folder.join("bridge.toml");
    let mut file = std::fs::File::create(&path).unwrap();
    write!(
        file,
        r#"
[server]
listen = "127.0.0.1:0"
settle_timeout = "10s"

[store]
url = "{url}"

[tenant.default.ringcx]
base_url = "{upstream}"
account_id = "15300002"
request_timeout = "1s"
rate_per_minute = 1000

[tenant.default.ringcentral]
base_url = "{upstream}"
client_id = "simulated-client"
client_secret = "simulated-secret"
jwt = "simulated-jwt"

[tenant.default.policy]
default_agent_group = "Default"
"#
    )
    .unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"))
        .args(["token", "create", "--name", "test", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (path, String::from_utf8(made.stdout).unwrap().trim().to_owned())
}

/// RingCX has made the agent and has not answered yet when the bridge dies; or it has not even begun.
async fn killed_between_intent_and_answer(
    url: impl Fn(&std::path::Path) -> String,
    fault: FaultKind,
    applied: bool,
) {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.knobs.set("rate_limit", "100000").unwrap();
    options.knobs.set("auth_limit", "1000").unwrap();
    let simulator = Simulator::start(options).await.unwrap();
    let ringcx = simulator.admin();
    let (config, token) = configure(folder.path(), &simulator.url(), &url(folder.path()));

    let serve = Serve::start(&config);
    let ready = format!("{}/readyz", serve.base.trim_end_matches("/scim/v2"));
    until("first contact", async || {
        send(reqwest::Method::GET, &ready, "", None).await.filter(|it| it.0 == 200)
    })
    .await;
    ringcx.fault(Fault::once("createAgent", fault));
    let body = json!({
        "userName": "jo@example.com", "externalId": "1", "emails": [{"value": "jo@example.com", "type": "work"}],
    });
    let (users, secret) = (format!("{}/Users", serve.base), token.clone());
    let posted = tokio::spawn(async move { send(reqwest::Method::POST, &users, &secret, Some(&body)).await });
    let is_jo = |agent: &Value| agent["email"] == "jo@example.com";
    if applied {
        until("the agent", async || ringcx.agents().iter().any(is_jo).then_some(())).await;
    } else {
        let filter = format!("{}/Users?filter=userName%20eq%20%22jo@example.com%22", serve.base);
        until("the intent", async || {
            send(reqwest::Method::GET, &filter, &token, None)
                .await
                .filter(|(_, body)| body["totalResults"] == 1)
        })
        .await;
    }
    serve.kill();
    drop(posted.await);

    let again = Serve::start(&config);
    let filter = format!("{}/Users?filter=userName%20eq%20%22jo@example.com%22", again.base);
    let settled = until("the person", async || {
        let (_, body) = send(reqwest::Method::GET, &filter, &token, None).await?;
        let user = body["Resources"].get(0)?.clone();
        let ringcx = &user["urn:ietf:params:scim:schemas:extension:ringcx:2.0:User"];
        (ringcx["provisioningState"] == "active").then_some(user)
    })
    .await;
    let found: Vec<Value> = ringcx.agents().into_iter().filter(is_jo).collect();
    assert_eq!(found.len(), 1, "{:?}", ringcx.calls());
    let agent = settled["urn:ietf:params:scim:schemas:extension:ringcx:2.0:User"]["agentId"].clone();
    assert_eq!(agent, json!(found[0]["agentId"].to_string()));
    let created =
        ringcx.calls().iter().filter(|call| call.operation == "createAgent" && call.applied).count();
    assert_eq!(created, 1);
    again.kill();
}

fn sqlite(folder: &std::path::Path) -> String {
    format!("sqlite://{}", folder.join("bridge.db").display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_after_the_agent_was_made_leaves_one_agent_on_sqlite() {
    killed_between_intent_and_answer(sqlite, FaultKind::DelayAfter(800), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_before_the_agent_was_made_leaves_one_agent_on_sqlite() {
    killed_between_intent_and_answer(sqlite, FaultKind::Delay(800), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_after_the_agent_was_made_leaves_one_agent_on_postgresql() {
    let Some(database) = crate::support::postgres_database().await else { return };
    killed_between_intent_and_answer(move |_| database.clone(), FaultKind::DelayAfter(800), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_before_the_agent_was_made_leaves_one_agent_on_postgresql() {
    let Some(database) = crate::support::postgres_database().await else { return };
    killed_between_intent_and_answer(move |_| database.clone(), FaultKind::Delay(800), false).await;
}
