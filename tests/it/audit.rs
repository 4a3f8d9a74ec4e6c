//! The audit record: one request's whole story, and a chain that shows what was done to it.

use std::path::Path;
use std::process::Command;

use ringcx_scim::domain::Actor;
use ringcx_scim::store::audit::story::{self, Stored};
use ringcx_simulator::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::crash::serve::{Serve, command, configure, send, until};
use crate::support::{Setup, TestBridge};

fn actions(story: &[Stored]) -> Vec<&str> {
    story.iter().map(|it| it.record.action.as_str()).collect()
}

async fn of_request(bridge: &TestBridge, request: &str) -> Vec<Stored> {
    story::of_request(&bridge.store, request).await.unwrap()
}

async fn count(bridge: &TestBridge) -> usize {
    let mut count = 0;
    story::each(&bridge.store, |_| count += 1).await.unwrap();
    count
}

fn jo() -> Value {
    json!({"userName": "jo@example.com", "emails": [{"value": "jo@example.com"}], "name": {"familyName": "Jones"}})
}

fn disable() -> Value {
    json!({"Operations": [{"op": "replace", "path": "active", "value": false}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_has_one_story() {
    let bridge = TestBridge::start(Setup::default()).await;
    let named = [("x-request-id".to_owned(), "okta-17".to_owned())];
    let answer = bridge.send_with("POST", "/Users", Some(&jo()), &named).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let request = answer.headers["x-request-id"].clone();
    let story = of_request(&bridge, &request).await;
    assert_eq!(actions(&story), ["create", "createAgent", "settled", "answered"]);
    let details: Vec<Value> = story.iter().map(Stored::detail).collect();
    assert_eq!(details[0]["changed"]["userName"], json!({"before": null, "after": "jo@example.com"}));
    assert_eq!(details[0]["decision"], "waits for RingCX");
    assert_eq!(details[1]["outcome"], "done");
    assert!(details[1]["duration_ms"].is_number() && details[1]["call"]["group"] == 1000, "{}", details[1]);
    assert_eq!(details[3]["status"], 201);
    for stored in &story {
        assert_eq!(stored.record.actor.as_deref(), Some("token:test"));
    }
    assert_eq!(story[0].record.client_request_id.as_deref(), Some("okta-17"));
    assert_eq!(actions(&of_request(&bridge, "okta-17").await), ["create", "answered"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_of_what_is_there_leaves_no_call_and_no_record() {
    let bridge = TestBridge::start(Setup::default()).await;
    let (id, _) = bridge.create(jo()).await;
    let path = format!("/Users/{id}");
    let current = bridge.send("GET", &path, None).await.body;
    let group = bridge
        .send("POST", "/Groups", Some(&json!({"displayName": "Any", "members": [{"value": id}]})))
        .await;
    bridge.run_jobs().await;
    let group = format!("/Groups/{}", group.body["id"].as_str().unwrap());
    let (before, calls) = (count(&bridge).await, bridge.ringcx.calls().len());
    assert_eq!(bridge.send("PUT", &path, Some(&current)).await.status, 200);
    let same = json!({"Operations": [{"op": "replace", "path": "active", "value": true}]});
    assert_eq!(bridge.send("PATCH", &path, Some(&same)).await.status, 200);
    let again = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": id}]}]});
    assert_eq!(bridge.send("PATCH", &group, Some(&again)).await.status, 204);
    assert_eq!((count(&bridge).await, bridge.ringcx.calls().len()), (before, calls));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_work_of_a_group_write_stands_under_its_request() {
    let groups = json!([{"match": "UK", "agent_group": "UK Agents"}]);
    let bridge = TestBridge::start(Setup { groups, ..Setup::default() }).await;
    let (id, agent) = bridge.create(jo()).await;
    let body = json!({"displayName": "UK", "members": [{"value": id}]});
    let answer = bridge.send("POST", "/Groups", Some(&body)).await;
    assert_eq!(answer.status, 201);
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1001);
    let story = of_request(&bridge, &answer.headers["x-request-id"]).await;
    assert_eq!(story[0].record.action, "create_group");
    assert_eq!(story[0].detail()["added"], json!([id]));
    assert!(story.len() > 1, "the move of the agent belongs to the request");
    for call in &story[1..] {
        assert_eq!(
            (call.record.action.as_str(), call.record.actor.as_deref()),
            ("moveAgent", Some("token:test"))
        );
        assert_eq!(call.record.person.as_ref().unwrap().as_str(), id);
    }
    assert_eq!(story.last().unwrap().detail()["outcome"], "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_carries_out_several_requests_names_them_all() {
    let setup = Setup { settle: std::time::Duration::from_secs(1), ..Setup::default() };
    let bridge = TestBridge::start(setup).await;
    let (id, _) = bridge.create(jo()).await;
    let path = format!("/Users/{id}");
    bridge.ringcx.fault(Fault::always("getAgent", FaultKind::Status(503, "busy".to_owned())));
    let mut requests: Vec<String> = Vec::new();
    for name in ["Smith", "Miller"] {
        let body = json!({"Operations": [{"op": "replace", "path": "name.familyName", "value": name}]});
        let answer = bridge.send("PATCH", &path, Some(&body)).await;
        assert_eq!(answer.status, 503, "{}", answer.text);
        requests.push(answer.headers["x-request-id"].clone());
    }
    bridge.ringcx.clear_faults();
    bridge.run_jobs().await;
    for (request, other) in requests.iter().zip(requests.iter().rev()) {
        let story = of_request(&bridge, request).await;
        assert!(actions(&story).contains(&"updateAgent"), "{story:?}");
        let call = story.iter().find(|it| it.record.action == "updateAgent").unwrap();
        assert!(call.record.request_id == *request || call.record.also.contains(request));
        assert!(call.record.request_id == *other || call.record.also.contains(other));
        let changed = &call.detail()["changed"]["lastName"];
        assert_eq!(changed, &json!({"before": "Jones", "after": "Miller"}));
        let mine = |action: &str| {
            story.iter().filter(|it| it.record.action == action && it.record.request_id == *request).count()
        };
        assert_eq!((mine("patch"), mine("answered"), mine("settled")), (1, 1, 1), "{:?}", actions(&story));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_recorded_with_what_was_answered() {
    let policy = json!({"default_agent_group": "Default", "manage_admins": true});
    let bridge = TestBridge::start(Setup { policy, ..Setup::default() }).await;
    let mut body = jo();
    body["roles"] = json!([{"value": "SUPER_USER"}]);
    let answer = bridge.send("POST", "/Users", Some(&body)).await;
    assert!((400..500).contains(&answer.status), "{}", answer.text);
    let story = of_request(&bridge, &answer.headers["x-request-id"]).await;
    assert_eq!(actions(&story), ["answered"]);
    assert_eq!(story[0].detail()["status"], answer.status);
    let (told, written) = (answer.body["detail"].as_str().unwrap(), story[0].detail()["detail"].clone());
    assert!(told.starts_with(written.as_str().unwrap()), "{told}: {written}");
    // A call that RingCX refuses is there as well, with its reason.
    bridge.ringcx.fault(Fault::once("createAgent", FaultKind::Status(400, "no".to_owned())));
    let answer = bridge.send("POST", "/Users", Some(&jo())).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let story = of_request(&bridge, &answer.headers["x-request-id"]).await;
    assert_eq!(actions(&story), ["create", "createAgent", "refused", "answered"]);
    assert_eq!(story[1].detail()["outcome"], "refused");
    assert!(story[1].detail()["reason"].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_recorded_before_it_is_looked_up() {
    let bridge = TestBridge::start(Setup::default()).await;
    bridge.ringcx.fault(Fault::once("createAgent", FaultKind::DropAfter));
    let answer = bridge.send("POST", "/Users", Some(&jo())).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let story = of_request(&bridge, &answer.headers["x-request-id"]).await;
    let outcomes: Vec<Value> = story
        .iter()
        .filter(|it| it.record.action == "createAgent")
        .map(|it| it.detail()["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["unknown", "looked_up"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_request_is_recorded_operation_by_operation() {
    let bridge = TestBridge::start(Setup::default()).await;
    let post = |id: &str| json!({"method": "POST", "path": "/Users", "bulkId": id, "data": {"userName": "a@example.com"}});
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [post("1"), post("2")],
    });
    let answer = bridge.send("POST", "/Bulk", Some(&body)).await;
    let story = of_request(&bridge, &answer.headers["x-request-id"]).await;
    let answered = story.last().unwrap();
    assert_eq!(answered.record.action, "answered");
    let statuses: Vec<Value> =
        answered.detail()["operations"].as_array().unwrap().iter().map(|it| it["status"].clone()).collect();
    assert_eq!(statuses, ["201", "409"], "{}", answer.text);
}

#[test]
fn an_operator_is_known_by_the_name_of_the_system() {
    assert_eq!(Actor::operator("ann", "1").name, "cli:ann");
}

/// Runs the program on the configuration; exit code, standard output, standard error.
fn run(config: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"));
    let output = command.args(arguments).arg("--config").arg(config).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_actor_stays_the_same_when_its_token_is_rotated_and_commands_tell_the_story() {
    let options = ringcx_simulator::Options::default();
    let simulator = crate::support::Simulator::start(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("bridge.db");
    let url = format!("sqlite://{}", database.display());
    let (config, first) = configure(folder.path(), &simulator.url(), &url, "2s");
    let serve = Serve::ready(&config).await;
    let users = format!("{}/Users", serve.base);
    let (status, user) = send(reqwest::Method::POST, &users, &first, Some(&jo())).await.unwrap();
    assert_eq!(status, 201, "{user}");
    let (code, second, error) = run(&config, &["token", "rotate", "--name", "test"]);
    assert_eq!(code, 0, "{error}");
    let person = user["id"].as_str().unwrap();
    let path = format!("{users}/{person}");
    for token in [second.trim(), first.as_str()] {
        let body = json!({"Operations": [{"op": "replace", "path": "title", "value": token.len().to_string() + &token[..12]}]});
        let (status, body) = send(reqwest::Method::PATCH, &path, token, Some(&body)).await.unwrap();
        assert_eq!(status, 200, "{body}");
    }
    let (status, _) = send(reqwest::Method::PATCH, &path, second.trim(), Some(&disable())).await.unwrap();
    assert_eq!(status, 200);
    until("sealing", async || {
        let (_, out, _) = run(&config, &["audit", "verify", "--json"]);
        (serde_json::from_str::<Value>(&out).unwrap()["unsealed"] == 0).then_some(())
    })
    .await;
    let lines = |arguments: &[&str]| -> Vec<Value> {
        let (code, out, error) = run(&config, &[&["audit", "export"], arguments].concat());
        assert_eq!(code, 0, "{error}");
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = lines(&[]);
    assert!(all.iter().enumerate().all(|(index, it)| it["seq"] == index + 1), "{all:?}");
    let mine = lines(&["--person", person]);
    let (tokens, names): (Vec<&Value>, Vec<&Value>) =
        mine.iter().map(|it| (&it["credential"], &it["actor"])).unzip();
    assert!(names.iter().all(|it| **it == json!("token:test")), "{names:?}");
    assert!(tokens.iter().any(|it| *it != tokens[0]), "another token was used");
    let operator = all.iter().find(|it| it["action"] == "rotate_token").unwrap();
    assert!(operator["actor"].as_str().unwrap().starts_with("cli:"), "{operator}");
    assert_eq!(lines(&["--until", "2020-01-01"]), Vec::<Value>::new());
    assert_eq!(lines(&["--tenant", "default", "--until", "2020-01-01"]), Vec::<Value>::new());
    assert_eq!(lines(&["--person", person, "--until", "2020-01-01"]), Vec::<Value>::new());
    let disabled = mine.iter().find(|it| it["action"] == "disableAgent").unwrap();
    let (code, out, error) = run(&config, &["audit", "trace", disabled["request_id"].as_str().unwrap()]);
    assert_eq!(code, 0, "{error}");
    for part in
        ["token:test", "active: true -> false", "disableAgent", "outcome: done", "settled", "status: 200"]
    {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
    let stored = mine.iter().find(|it| it["detail"]["decision"] == "stored").unwrap();
    answers_are_told(&config, &[(stored, true), (disabled, false), (operator, false)]);
    assert_eq!(run(&config, &["audit", "trace", "nobody"]).0, 2);
    serve.kill();
    broken_chains_are_named(&config, &database);
}

/// What was stored and answered in the same moment has no record of its answer; the story says how it ended. Nobody is told nothing
/// of a name that was mistyped.
fn answers_are_told(config: &Path, records: &[(&Value, bool)]) {
    for (record, at_once) in records {
        let request = record["request_id"].as_str().unwrap();
        let (_, out, _) = run(config, &["audit", "trace", request]);
        assert_eq!(out.contains("answered at once, with success"), *at_once, "{out}");
        let (_, out, _) = run(config, &["audit", "trace", request, "--json"]);
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["answered_at_once"], *at_once, "{out}");
    }
    for (option, unknown) in [("--tenant", "other"), ("--person", "nobody")] {
        let (code, out, error) = run(config, &["audit", "export", option, unknown]);
        assert_eq!((code, out.as_str()), (2, ""), "{error}");
        assert!(error.contains(unknown) && error.lines().count() == 1, "{error}");
    }
}

/// What somebody with the file can do, and what `audit verify` says to it.
fn broken_chains_are_named(config: &Path, database: &Path) {
    let (code, out, _) = run(config, &["audit", "verify"]);
    assert_eq!(code, 0, "{out}");
    let head = out.lines().find_map(|line| line.strip_prefix("head: ")).unwrap().to_owned();
    let whole = std::fs::read(database).unwrap();
    for (sql, arguments, says) in [
        ("UPDATE audit SET detail = '{}' WHERE seq = 3", vec![], "record 3 is not what was sealed"),
        ("DELETE FROM audit WHERE seq = 4", vec![], "record 4 is missing"),
        ("DELETE FROM audit WHERE seq < 3", vec![], "records 1 to 2 are missing"),
        (
            "UPDATE audit SET seq = -1 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = -1",
            vec![],
            "records 3 to 4 do not stand in the order",
        ),
        ("DELETE FROM audit WHERE seq > 5", vec!["--expect", &head], "is not in the chain"),
    ] {
        let open = rusqlite::Connection::open(database).unwrap();
        open.execute_batch(sql).unwrap();
        drop(open);
        let (code, out, error) = run(config, &[&["audit", "verify"], arguments.as_slice()].concat());
        assert_eq!(code, 1, "{sql}: {out}");
        assert!(out.contains(says) && error.contains(says), "{sql}: {out} {error}");
        std::fs::write(database, &whole).unwrap();
        for side in ["db-wal", "db-shm"] {
            drop(std::fs::remove_file(database.with_extension(side)));
        }
    }
    assert_eq!(run(config, &["audit", "verify", "--expect", &head]).0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_an_operator_sets_going_is_recorded_under_their_name() {
    let extension = json!({
        "id": 3_361_292_111_i64, "extensionNumber": "201", "name": "Al Doe", "type": "User", "contact": {"email": "al@example.com"},
    });
    let seed = ringcx_simulator::Seed::demo().rc_extension(extension);
    let simulator =
        crate::support::Simulator::start(ringcx_simulator::Options { seed, ..Default::default() });
    let simulator = simulator.await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("bridge.db").display());
    let (config, token) = configure(folder.path(), &simulator.url(), &url, "2s");
    let serve = Serve::ready(&config).await;
    let users = format!("{}/Users", serve.base);
    let (status, user) = send(reqwest::Method::POST, &users, &token, Some(&jo())).await.unwrap();
    assert_eq!(status, 201, "{user}");
    assert!(serve.terminate().await);
    let ringcx = simulator.admin();
    let agent = user["urn:ietf:params:scim:schemas:extension:ringcx:2.0:User"]["agentId"].as_str().unwrap();
    ringcx.move_agent(agent.parse().unwrap(), 1001);
    let (code, said) = command(&config, &["reconcile"]).await;
    assert_eq!(code, 0, "{said}");
    let import = ["office", "import", "--agent-group", "Default", "--yes", "al@example.com"];
    let (code, said) = command(&config, &import).await;
    assert_eq!(code, 0, "{said}");
    let (_, out, _) = run(&config, &["audit", "export"]);
    let records: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let by = |action: &str, actor: &str| {
        let found = records.iter().filter(|it| it["action"] == action && it["actor"] == actor);
        found.map(|it| it["request_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(by("createAgent", "token:test").len(), 1, "{out}");
    assert_eq!(by("createAgent", "cli:kim").len(), 1, "{out}");
    // Each run of a command is a request of its own.
    let moved = records.iter().find(|it| it["actor"] == "cli:kim" && it["person"] == user["id"]);
    let moved = moved.unwrap_or_else(|| panic!("{out}"))["request_id"].as_str().unwrap();
    assert!(!moved.is_empty() && !by("createAgent", "cli:kim").contains(&moved.to_owned()), "{out}");
    assert!(records.iter().all(|it| it["actor"] != "bridge"), "{out}");
}
