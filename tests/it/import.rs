//! Import and adopt: what RingCX had before the bridge becomes known, the first cycle of an identity provider finds it, and it
//! can be taken back. The command runs beside the server, on the same store.

mod adopted;
mod edges;
mod seed;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use ringcx_scim::domain::{Actor, TenantId};
use ringcx_scim::reconcile::import::Reading;
use ringcx_simulator::{Fault, FaultKind, Profile, Seed};
use serde_json::{Value, json};

use super::support::{Setup, TestBridge};
use seed::{RINGCX, account, upn};

/// A bridge whose store is a file, and a configuration for the commands beside it.
struct Beside {
    bridge: TestBridge,
    file: String,
    _folder: tempfile::TempDir,
}

impl Beside {
    async fn start(seed: Seed, policy: &str, setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite://{}", folder.path().join("bridge.db").display());
        let policy_json: Value =
            serde_json::to_value(toml::from_str::<toml::Table>(policy).unwrap()).unwrap();
        let bridge = TestBridge::start(Setup {
            store_url: store.clone(),
            seed: seed.clone(),
            policy: policy_json,
            ..setup
        })
        .await;
        let file = configure(folder.path(), &store, &bridge.upstream_url(), &seed, policy);
        Self { bridge, file, _folder: folder }
    }

    /// Runs `import`: exit code, standard output, standard error.
    fn import(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"));
        let output =
            command.args(["import", "--config", &self.file]).args(arguments).env_clear().output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn import_json(&self, arguments: &[&str]) -> (i32, Value) {
        let (code, out, error) = self.import(&[arguments, &["--json"]].concat());
        (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code} {out} {error}")))
    }

    async fn count(&self, sql: &'static str) -> i64 {
        self.bridge.store.read(move |tx| tx.one(sql, &[], |row| row.int(0))).await.unwrap().unwrap()
    }

    async fn user(&self, user_name: &str) -> Value {
        let list = self.bridge.send("GET", &format!("/Users?filter=userName eq \"{user_name}\""), None).await;
        assert_eq!(list.body["totalResults"], 1, "{user_name}: {}", list.text);
        list.body["Resources"][0].clone()
    }

    async fn group(&self, name: &str) -> Value {
        let list = self.bridge.send("GET", &format!("/Groups?filter=displayName eq \"{name}\""), None).await;
        assert_eq!(list.body["totalResults"], 1, "{name}: {}", list.text);
        list.body["Resources"][0].clone()
    }
}

fn configure(folder: &Path, store: &str, url: &str, seed: &Seed, policy: &str) -> String {
    let path = folder.join("bridge.toml");
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"

[store]
url = "{store}"

[tenant.default.ringcx]
base_url = "{url}"
account_id = "{account}"
rate_per_minute = 100000
auth_per_minute = 1000

[tenant.default.ringcentral]
base_url = "{url}"
client_id = "{id}"
client_secret = "{secret}"
jwt = "{jwt}"

[tenant.default.policy]
{policy}
"#,
        account = seed.account_id,
        id = seed.client.0,
        secret = seed.client.1,
        jwt = seed.jwt,
    );
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn patch(operations: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

const POLICY: &str =
    "default_agent_group = \"Default\"\npassword_on_put = \"omit\"\nprotected = [\"5399\"]\n";

/// Calls that changed RingCX.
fn changing(bridge: &TestBridge) -> Vec<String> {
    let calls = bridge.ringcx.calls();
    let changes = calls
        .iter()
        .filter(|call| call.method != "GET" && !call.path.contains("/token") && !call.path.contains("login"));
    changes
        .map(|call| call.operation.clone())
        .filter(|name| !name.contains("uth") && !name.contains("oken"))
        .collect()
}

/// Issue: a contact centre of 400 agents in 12 groups with everything that goes wrong in one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_whole_contact_centre_is_imported_found_by_both_clients_and_given_back() {
    let setup = Setup::default();
    let all_listed = setup.profile != Profile::Hostile;
    let centre = Beside::start(seed::centre(), POLICY, setup).await;
    seed::assign(&centre.bridge.ringcx);
    let before = centre.bridge.ringcx.state();
    centre.bridge.ringcx.clear_calls();

    let (code, table, error) = centre.import(&["--dry-run"]);
    assert_eq!(code, 1, "questions are left: {error}");
    assert_eq!(centre.count("SELECT COUNT(*) FROM people").await, 0, "a dry run stores nobody");
    if all_listed {
        insta::assert_snapshot!("plan", table);
    }
    let (code, report) = centre.import_json(&[]);
    assert_eq!(code, 1);
    let off = if all_listed { 8 } else { 0 };
    assert_eq!(
        report["summary"],
        json!({
            "new": 380 - 3 - 2 + 5 + off, "managed_by_ringcentral": 3, "read_only": 4, "conflict": 4, "candidate": 4,
            "foreign": 19, "protected": 3,
        })
    );
    assert_eq!(report["imported"]["created"], json!(380 + 5 + off + 2));
    assert_eq!((&report["imported"]["groups"], &report["open"]), (&json!(12), &json!(8)));
    assert_eq!(report["read"]["remembered"], report["read"]["agents"], "the dry run has read them all");
    assert_eq!(changing(&centre.bridge), Vec::<String>::new());
    assert_eq!(centre.bridge.ringcx.state(), before, "an import changes nothing in RingCX");

    entra_cycle(&centre).await;
    assert_eq!(centre.bridge.ringcx.count("createAgent"), 0);
    assert_eq!(centre.bridge.ringcx.state(), before, "what Entra says is what RingCX has");
    okta_import(&centre, 380 + 5 + off + 2).await;

    let (code, undone) = centre.import_json(&["--undo"]);
    assert_eq!(
        (code, undone["kept"].as_array().unwrap().len()),
        (1, 380 + 12),
        "what Entra has taken over stays"
    );
    let (code, undone) = centre.import_json(&["--undo", "--force"]);
    assert_eq!((code, &undone["people"], &undone["groups"]), (0, &json!(380), &json!(12)), "{undone}");
    assert_eq!(centre.bridge.ringcx.state(), before);
    seed::assert_empty(&centre.bridge.store).await;
}

/// Entra's first cycle: a query for each person, a PATCH of what differs; a query for each group, its members in one PATCH.
async fn entra_cycle(centre: &Beside) {
    let mut ids = Vec::new();
    for number in 0..380 {
        let user = centre.user(&upn(number)).await;
        let id = user["id"].as_str().unwrap().to_owned();
        let change = patch(&json!([
            {"op": "Add", "path": "externalId", "value": format!("object-{number}")},
            {"op": "Replace", "path": "active", "value": "True"},
            {"op": "Replace", "path": "name.givenName", "value": account(number)["firstName"]},
            {"op": "Replace", "path": "title", "value": "Agent"},
        ]));
        let answer = centre.bridge.send("PATCH", &format!("/Users/{id}"), Some(&change)).await;
        assert_eq!(answer.status, 200, "{number}: {}", answer.text);
        ids.push((seed::group_of(number), id));
    }
    for (number, name) in seed::groups() {
        let group = centre.group(&name).await;
        let path = format!("/Groups/{}", group["id"].as_str().unwrap());
        let named = patch(&json!([{"op": "Add", "path": "externalId", "value": format!("group-{number}")}]));
        assert_eq!(centre.bridge.send("PATCH", &path, Some(&named)).await.status, 204);
        let members: Vec<Value> =
            ids.iter().filter(|(of, _)| *of == number).map(|(_, id)| json!({"value": id})).collect();
        let add = patch(&json!([{"op": "Add", "path": "members", "value": members}]));
        assert_eq!(centre.bridge.send("PATCH", &path, Some(&add)).await.status, 204);
    }
    centre.bridge.run_jobs().await;
}

/// Okta's import: all users and all groups, page by page.
async fn okta_import(centre: &Beside, expected: usize) {
    let (mut start, mut seen) = (1, std::collections::BTreeSet::new());
    loop {
        let page =
            centre.bridge.send("GET", &format!("/Users?startIndex={start}&count=100"), None).await.body;
        let found = page["Resources"].as_array().unwrap();
        for user in found {
            let name = user["userName"].as_str().unwrap().to_owned();
            assert!(user["name"]["familyName"].is_string() && user["active"].is_boolean(), "{user}");
            assert!(seen.insert(name), "{user}");
        }
        start += found.len();
        if found.is_empty() || start > usize::try_from(page["totalResults"].as_u64().unwrap()).unwrap() {
            break;
        }
    }
    assert_eq!(seen.len(), expected);
    let groups = centre.bridge.send("GET", "/Groups?startIndex=1&count=100", None).await.body;
    assert_eq!(groups["totalResults"], 12);
    let members: usize = groups["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["members"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(members, expected, "everybody is in the group of their agent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn import_then_undo_leaves_no_trace_but_the_audit() {
    let small = Seed::demo().agent(
        1001,
        json!({"agentId": 5002, "username": "leo", "email": "leo@example.com", "location": "Leeds"}),
    );
    let centre = Beside::start(small, "default_agent_group = \"Default\"", Setup::default()).await;
    let before = centre.bridge.ringcx.state();
    let (code, report) = centre.import_json(&[]);
    assert_eq!((code, &report["imported"]["created"]), (0, &json!(2)), "{report}");
    let leo = centre.user("leo@example.com").await;
    assert_eq!(leo[RINGCX]["location"], "Leeds");
    assert_eq!(leo[RINGCX]["provisioningState"], "active");
    assert_eq!(centre.group("UK Agents").await["members"][0]["value"], leo["id"]);
    let (code, report) = centre.import_json(&[]);
    assert_eq!(
        (code, &report["summary"]["linked"], &report["imported"]["run"]),
        (0, &json!(2), &Value::Null)
    );
    let (code, undone) = centre.import_json(&["--undo"]);
    assert_eq!((code, &undone["people"], &undone["groups"]), (0, &json!(2), &json!(4)));
    seed::assert_empty(&centre.bridge.store).await;
    assert_eq!(centre.bridge.ringcx.state(), before);
    let audited = centre.count("SELECT COUNT(*) FROM audit WHERE action = 'undo_import'").await;
    assert_eq!(audited, 6, "two people and four groups");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_tenant_takes_between_plan_and_import_is_left_and_the_rest_is_done() {
    let agent = |id: i64, name: &str| json!({"agentId": id, "username": name, "email": name});
    let seed =
        Seed::empty().agent(1000, agent(5001, "ann@example.com")).agent(1000, agent(5002, "bob@example.com"));
    let bridge = TestBridge::start(Setup { seed, ..Setup::default() }).await;
    let id: TenantId = "default".parse().unwrap();
    let how = Reading { max_age: Duration::ZERO, lists_only: false };
    let seen = Arc::new(bridge.reconciler.read_for_import(&id, &how, &|_, _| ()).await.unwrap());
    let planned = bridge.reconciler.plan_import(&id, &seen, &[]).await.unwrap();
    let take = "INSERT INTO owners (realm, kind, upstream_id, tenant, person_id)
                SELECT realm, kind, 5001, 'other', 'p1' FROM realms WHERE kind = 'agent'";
    assert_eq!(bridge.store.write(move |tx| tx.exec(take, &[])).await.unwrap(), 1);
    let by = Actor::operator("kim", "run");
    let imported = bridge.reconciler.import(&id, &seen, &planned, &by).await.unwrap();
    assert_eq!(imported.created, 1, "{imported:?}");
    let [(account, why)] = imported.left.as_slice() else { panic!("{imported:?}") };
    assert!(account.to_string() == "agent:5001" && why.contains("another tenant"), "{imported:?}");
}

/// Reading RingCX for an import while nobody knows yet what a create has made must not make a stranger of the account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_meanwhile_hides_no_account_whose_creation_was_not_answered() {
    for (create, list) in [("createAgent", "listAgents"), ("createUser", "listUsers")] {
        for profile in [Profile::Friendly, Profile::Hostile, Profile::Spec] {
            let policy = json!({
                "default_agent_group": "Default", "password_on_put": "omit",
                "allowed_roles": ["REPORT_ADMINISTRATIVE_USER"],
            });
            let settle = Duration::from_secs(2);
            let bridge = TestBridge::start(Setup { profile, policy, settle, ..Setup::default() }).await;
            bridge.ringcx.fault(Fault::once(create, FaultKind::DropAfter));
            bridge.ringcx.fault(Fault::always(list, FaultKind::Status(500, String::new())));
            let jo = json!({
                "userName": "jo@example.com", "emails": [{"value": "jo@example.com", "type": "work"}],
                "roles": [{"value": "REPORT_ADMINISTRATIVE_USER"}],
            });
            assert_eq!(bridge.send("POST", "/Users", Some(&jo)).await.status, 503, "{create} {profile:?}");
            assert_eq!(bridge.ringcx.count(create), 1, "made, and nobody knows it");
            bridge.ringcx.clear_faults();
            let how = Reading { max_age: Duration::ZERO, lists_only: false };
            let id: TenantId = "default".parse().unwrap();
            bridge.reconciler.read_for_import(&id, &how, &|_, _| {}).await.unwrap();
            let again = bridge.send("POST", "/Users", Some(&jo)).await;
            assert_eq!(again.status, 201, "{create} {profile:?}: {}", again.text);
            let agents = bridge.ringcx.agents().iter().filter(|it| it["email"] == "jo@example.com").count();
            assert_eq!((agents, bridge.ringcx.count(create)), (1, 1), "{create} {profile:?}");
        }
    }
}
