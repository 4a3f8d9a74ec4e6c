//! Canaries: secrets and personal values that no log, metric, foreign error or field of an audit record may show.
//!
//! The real program runs as a child, says everything that it has to say, and is put through a person's life with everything
//! going wrong at RingCX. Whatever belongs to a person has the word in it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reqwest::Method;
use ringcx_scim::config::Config;
use ringcx_simulator::{Fault, FaultKind, Options, Seed};
use serde_json::{Value, json};

use crate::crash::serve::{configure, send, until};
use crate::support::Simulator;

/// Stands in every personal value, and in every secret that has a place for it.
const CANARY: &str = "canary";

/// Values in which the word cannot stand, and the ends of the tokens that the simulator makes.
const SILENT: [&str; 4] = ["5550177123", "739174", ".simulated", "eyJhbGciOiJIUzI1NiJ9"];

const SECRETS: [&str; 5] = ["canary-client-secret", "canary-jwt", "canary-Passw0rd", "739174", ".simulated"];

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
        let email = |name: &str| format!("canary-{name}@canary.example");
        let agent = |id: i64, name: &str| json!({"agentId": id, "username": email(name), "email": email(name), "firstName": "Canarygiven", "lastName": "Canaryfamily"});
        let extension = json!({
            "id": 3_361_292_111_i64, "extensionNumber": "201", "name": "Canary Name", "type": "User",
            "contact": {"email": email("office"), "firstName": "Canarygiven", "lastName": "Canaryfamily"},
        });
        let mut seed = Seed::demo()
            .agent(1001, agent(6001, "found"))
            .agent(1001, agent(6002, "found2"))
            .admin(json!({"userId": 201, "userName": email("found"), "roles": ["USER"]}))
            .rc_extension(extension);
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
            .env("RUST_BACKTRACE", "1")
            .env("RINGCX_SCIM_SNAP", "1")
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

/// What a command prints, and what it logs, with everything that it has to say.
fn apart(config: &Path, arguments: &[&str]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"));
    let command = command.args(arguments).arg("--config").arg(config).stdin(Stdio::null());
    let output = command.env("RUST_LOG", EVERYTHING).env("RUST_BACKTRACE", "1").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn command(config: &Path, arguments: &[&str]) -> String {
    let (printed, logged) = apart(config, arguments);
    format!("{printed}{logged}")
}

/// Whom the operator of a command asks about they are shown; a log or an error names nobody, and nothing shows a secret.
fn ask_about_people(world: &World) {
    let all = ["import", "--json", "--max-age", "0s"];
    for (operation, kind) in [
        ("getAgent", FaultKind::Status(400, "{\"message\":\"canary-found@canary.example\"}".to_owned())),
        ("getAgent", FaultKind::Status(500, "canary-found@canary.example".to_owned())),
    ] {
        world.fault(operation, kind);
        let (_, logged) = apart(&world.config, &[&all[..], &["--dry-run"]].concat());
        assert_eq!(shown(&logged, &world.token), Vec::<String>::new());
    }
    let decide = ["--decide", "admin:201=link:agent:6001"];
    let found = "canary-found@canary.example";
    for (arguments, says) in [
        (vec!["import", "--dry-run"], found),
        (vec!["import", "--dry-run", "--full", "--json"], found),
        (vec!["import", "--decide", "agent:6002=canary-nonsense"], ""),
        ([&all[..], &decide[..]].concat(), found),
        (vec!["import", "--undo", "--json"], "people"),
        (vec!["import"], "people made"),
        (vec!["office", "list"], "canary-office@canary.example"),
        (vec!["office", "import", "--agent-group", "Default", "canary-nobody@canary.example", "--yes"], ""),
        (
            vec!["office", "import", "--agent-group", "Default", "canary-office@canary.example", "--yes"],
            "is agent",
        ),
    ] {
        let (printed, logged) = apart(&world.config, &arguments);
        assert!(printed.contains(says), "{arguments:?}: {printed} {logged}");
        // What was typed may be said again to whoever typed it.
        let typed = |line: &String| {
            arguments.iter().any(|it| it.contains(CANARY) && line.contains(it.rsplit('=').next().unwrap()))
        };
        let named: Vec<String> =
            shown(&logged, &world.token).into_iter().filter(|line| !typed(line)).collect();
        assert_eq!(named, Vec::<String>::new(), "{arguments:?}");
        for secret in SECRETS.iter().copied().chain([world.token.as_str()]) {
            assert!(!printed.contains(secret) && !logged.contains(secret), "{arguments:?}: {secret}");
        }
    }
}

/// A handler that fails inside answers 500, work that does is tried again, and neither says about whom.
async fn fail_inside(world: &World) {
    for (number, place) in [(7, "handler"), (8, "work")] {
        let mut body = user(number);
        body["userName"] = json!(format!("canary-snap-in-{place}@canary.example"));
        let (status, answer) = world.send("POST", "/Users", Some(body)).await;
        assert!(status >= 500, "{answer}");
        assert_eq!(shown(&answer.to_string(), &world.token), Vec::<String>::new());
        let file = if place == "handler" { "users.rs" } else { "work.rs" };
        let told = |log: &str| {
            log.lines().any(|line| line.contains("failed inside; the message") && line.contains(file))
        };
        until("the panic in the log", async || told(&world.log()).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_secret_and_no_personal_value_is_shown_where_it_has_no_place() {
    let world = World::start().await;
    let person = live(&world).await;
    fail_inside(&world).await;
    ask_about_people(&world);
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
        for secret in SECRETS.iter().copied().chain([world.token.as_str()]) {
            assert!(!detail.contains(secret), "{secret}: {detail}");
        }
    }
}
