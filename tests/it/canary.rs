//! Canaries: secrets and personal values that no log, metric, foreign error or field of an audit record may show.
//!
//! The real program runs as a child, says everything that it has to say, and is put through a person's life with everything
//! going wrong at RingCX. Whatever belongs to a person has the word in it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reqwest::Method;
use ringcx_scim::config::Config;
use ringcx_simulator::{Fault, FaultKind, Options, Seed, Simulator};
use serde_json::{Value, json};

use crate::crash::serve::{configure, send, until};

/// Stands in every personal value, and in every secret that has a place for it.
const CANARY: &str = "canary";

/// Values in which the word cannot stand, and the ends of the tokens that the simulator makes.
const SILENT: [&str; 4] = ["5550177123", "739174", ".simulated", "eyJhbGciOiJIUzI1NiJ9"];

const EVERYTHING: &str = "debug,ringcx_scim=trace";

struct World {
    folder: tempfile::TempDir,
    simulator: Simulator,
    config: PathBuf,
    token: String,
    serve: Child,
    base: String,
}

impl World {
    async fn start() -> Self {
        let mut seed = Seed::demo();
        "canary-client-secret".clone_into(&mut seed.client.1);
        "canary-jwt".clone_into(&mut seed.jwt);
        let mut options = Options { seed, ..Options::default() };
        for limit in ["rate_limit", "auth_limit"] {
            options.knobs.set(limit, "100000").unwrap();
        }
        let simulator = Simulator::start(options).await.unwrap();
        // The first look at the account meets an answer that names somebody.
        let text = "{\"message\":\"canary1@canary.example may not\"}".to_owned();
        simulator.admin().fault(Fault::once("listAgentGroups", FaultKind::Status(403, text)));
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("bridge.db").display());
        let (config, token) = configure(folder.path(), &simulator.url(), &url, "2s");
        let text = std::fs::read_to_string(&config).unwrap();
        let text = text.replace("\"simulated-secret\"", "\"canary-client-secret\"");
        let text = text.replace("\"simulated-jwt\"", "\"canary-jwt\"").replace("\"10s\"", "\"2s\"");
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut serve = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"))
            .args(["serve", "--config"])
            .arg(&config)
            .env("RUST_LOG", EVERYTHING)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(serve.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base = format!("{}/scim/v2", line.trim().strip_prefix("listening on ").unwrap());
        let world = Self { folder, simulator, config, token, serve, base };
        until("first contact", async || world.root("/readyz").await.filter(|it| it.0 == 200)).await;
        world
    }

    async fn root(&self, path: &str) -> Option<(u16, Value)> {
        send(Method::GET, &format!("{}{path}", self.base.trim_end_matches("/scim/v2")), "", None).await
    }

    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let path = path.replace(' ', "%20").replace('"', "%22");
        let url = format!("{}{path}", self.base);
        send(method.parse().unwrap(), &url, &self.token, body.as_ref()).await.unwrap()
    }

    fn fault(&self, operation: &str, kind: FaultKind) {
        self.simulator.admin().fault(Fault::once(operation, kind));
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.serve.kill());
        drop(self.serve.wait());
    }
}

fn user(number: u32) -> Value {
    json!({
        "userName": format!("canary{number}@canary.example"), "externalId": format!("canary-external-{number}"),
        "name": {"givenName": "Canarygiven", "familyName": "Canaryfamily"}, "displayName": "Canary Name",
        "emails": [{"value": format!("canary{number}@canary.example"), "type": "work"}],
        "phoneNumbers": [{"value": "+15550177123", "type": "work"}], "password": "canary-Passw0rd", "title": "Canary title",
        "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User": {"phoneLoginPin": "739174"},
    })
}

fn replace(path: &str, value: &Value) -> Value {
    json!({"Operations": [{"op": "replace", "path": path, "value": value}]})
}

/// Whatever must not be shown, in this text.
fn shown(text: &str, token: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| {
        let lower = line.to_lowercase();
        lower.contains(CANARY) || line.contains(token) || SILENT.iter().any(|silent| line.contains(silent))
    });
    lines.map(|line| line.chars().take(600).collect()).collect()
}

/// A person's life, with everything going wrong that can.
async fn live(world: &World) -> String {
    let echo = |text: &str| format!("{{\"message\":\"{text} canary1@canary.example\"}}");
    for kind in [
        FaultKind::Status(400, echo("bad userName")),
        FaultKind::Status(409, echo("taken")),
        FaultKind::Status(500, echo("failed for")),
        FaultKind::Status(503, "canary1@canary.example".to_owned()),
        FaultKind::Status(401, "canary1@canary.example may not".to_owned()),
        FaultKind::Status(403, echo("forbidden for")),
        FaultKind::Status(200, echo("garbled")),
        FaultKind::Status(418, "canary1@canary.example".to_owned()),
        FaultKind::Html200,
        FaultKind::DropAfter,
    ] {
        world.fault("createAgent", kind);
        let (status, body) = world.send("POST", "/Users", Some(user(1))).await;
        assert!(status >= 200, "{body}");
    }
    let (status, body) = until("a person", async || {
        let (status, body) = world.send("POST", "/Users", Some(user(2))).await;
        (status == 201 || status == 409).then_some((status, body))
    })
    .await;
    assert_eq!(status, 201, "{body}");
    let id = body["id"].as_str().unwrap().to_owned();
    change(world, &id, echo).await;
    ask(world, &id).await;
    id
}

/// Changes of a person, good ones and bad ones.
async fn change(world: &World, id: &str, echo: impl Fn(&str) -> String) {
    let path = format!("/Users/{id}");
    for kind in
        [FaultKind::Status(400, echo("bad")), FaultKind::Status(500, echo("failed")), FaultKind::DropAfter]
    {
        world.fault("updateAgent", kind);
        world.send("PATCH", &path, Some(replace("name.familyName", &json!("Canaryother")))).await;
    }
    world.send("PUT", &path, Some(user(2))).await;
    for value in [json!("canary-no-boolean"), json!({"canary": "canary"})] {
        assert_eq!(world.send("PATCH", &path, Some(replace("active", &value))).await.0, 400);
    }
    world
        .send(
            "PATCH",
            &path,
            Some(replace("emails[value eq \"canary2@canary.example\"].unknown", &json!("canary"))),
        )
        .await;
    world.send("PATCH", &path, Some(replace("unknownAttribute", &json!("canary")))).await;
    world.send("PATCH", &path, Some(replace("roles", &json!([{"value": "canary-role"}])))).await;
}

/// Everything else that a client asks, and who asks without a right to.
async fn ask(world: &World, id: &str) {
    let path = format!("/Users/{id}");
    assert_eq!(world.send("POST", "/Users", Some(user(2))).await.0, 409);
    world.send("GET", "/Users?filter=userName eq \"canary2@canary.example\"", None).await;
    world.send("GET", "/Users?filter=canary eq canary2@canary.example", None).await;
    world.send("GET", "/Users/canary2@canary.example", None).await;
    let member = json!({"displayName": "UK Agents", "members": [{"value": id, "display": "Canary Name"}, {"value": "canary-nobody"}]});
    world.send("POST", "/Groups", Some(member)).await;
    let post = |number| json!({"method": "POST", "path": "/Users", "bulkId": format!("b{number}"), "data": user(number)});
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [post(2), post(3), {"method": "PATCH"}],
    });
    world.send("POST", "/Bulk", Some(bulk)).await;
    world.send("PATCH", &path, Some(replace("active", &json!(false)))).await;
    world.send("PATCH", &path, Some(replace("active", &json!(true)))).await;
    for token in ["canary-wrong-token", "rcx_canary", "eyJhbGciOiJIUzI1NiJ9.canary.canary"] {
        let users = format!("{}/Users", world.base);
        let (status, body) = send(Method::GET, &users, token, None).await.unwrap();
        assert_eq!((status, shown(&body.to_string(), token)), (401, Vec::new()));
    }
}

/// What a command prints and logs, with everything that it has to say.
fn command(config: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"));
    let output =
        command.args(arguments).arg("--config").arg(config).env("RUST_LOG", EVERYTHING).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_secret_and_no_personal_value_is_shown_where_it_has_no_place() {
    let world = World::start().await;
    let person = live(&world).await;
    let log = world.log();
    assert!(log.contains("upstream call") && log.contains("request failed"), "the log says something");
    assert_eq!(shown(&log, &world.token), Vec::<String>::new());
    for path in ["/metrics", "/readyz", "/healthz", "/openapi.json"] {
        let url = format!("{}{path}", world.base.trim_end_matches("/scim/v2"));
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        assert_eq!(shown(&text, &world.token), Vec::<String>::new(), "{path}");
    }
    for arguments in [
        vec!["check"],
        vec!["check", "--json"],
        vec!["reconcile", "--dry-run"],
        vec!["reconcile", "--dry-run", "--person", &person],
        vec!["token", "list"],
        vec!["tenant", "status"],
        vec!["audit", "verify"],
    ] {
        let printed = command(&world.config, &arguments);
        assert_eq!(shown(&printed, &world.token), Vec::<String>::new(), "{arguments:?}");
    }
    records_hold_them_only_in_detail(&world);
    let config = Config::load(Some(&world.config), std::iter::empty()).unwrap();
    assert_eq!(
        shown(&format!("{:?} {:?} {:?}", config.tenant, config.store, config.server), &world.token),
        Vec::<String>::new()
    );
}

/// Records are for the auditor, who may see whom they are about; secrets are in none of them.
fn records_hold_them_only_in_detail(world: &World) {
    let exported = command(&world.config, &["audit", "export"]);
    let records: Vec<Value> = exported.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(records.len() > 20, "{exported}");
    for mut record in records {
        let detail = record.as_object_mut().unwrap().remove("detail").unwrap().to_string();
        assert_eq!(shown(&record.to_string(), &world.token), Vec::<String>::new());
        for secret in
            ["canary-client-secret", "canary-jwt", "canary-Passw0rd", "739174", ".simulated", &world.token]
        {
            assert!(!detail.contains(secret), "{secret}: {detail}");
        }
    }
}
