//! Two tenants in one process, one store and one RingCX account: nothing of one reaches the other.

use std::path::{Path, PathBuf};

use reqwest::Method;
use ringcx_scim::cli::runtime::Bridge;
use ringcx_scim::config::Config;
use ringcx_simulator::{Control, Options, Seed};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::crash::serve::{command, send, until};
use crate::support::Simulator;

const TENANTS: [&str; 2] = ["one", "two"];

/// Two tenants on one RingCX account, each with a credential of its own.
struct Two {
    ringcx: Control,
    url: String,
    tokens: [String; 2],
    stop: CancellationToken,
    config: PathBuf,
    _simulator: Simulator,
    _folder: tempfile::TempDir,
}

impl Drop for Two {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn write_config(folder: &Path, upstream: &str) -> std::path::PathBuf {
    let tenant = |name: &str, credential: &str| {
        format!(
            r#"
[tenant.{name}.ringcx]
base_url = "{upstream}"
account_id = "15300002"
rate_per_minute = 60000
auth_per_minute = 60000
{credential}

[tenant.{name}.policy]
default_agent_group = "Default"
password_on_put = "omit"
link_rc_extension = "off"
allowed_roles = ["REPORT_ADMINISTRATIVE_USER"]
mass_change = "off"
"#
        )
    };
    let jwt = format!(
        "[tenant.two.ringcentral]\nbase_url = \"{upstream}\"\nclient_id = \"simulated-client\"\n\
         client_secret = \"simulated-secret\"\njwt = \"simulated-jwt\"\n"
    );
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nsettle_timeout = \"10s\"\nmax_refusals_per_minute = 100000\n\n[store]\nurl = \"sqlite://{}\"\n{}{}{jwt}",
        folder.join("bridge.db").display(),
        tenant("one", "api_token = \"aws80:simulated\""),
        tenant("two", ""),
    );
    let path = folder.join("bridge.toml");
    std::fs::write(&path, text).unwrap();
    path
}

async fn two() -> Two {
    let una = json!({"agentId": 5002, "username": "una@example.com", "email": "una@example.com"});
    let mut options = Options { seed: Seed::demo().agent(1001, una), ..Options::default() };
    for knob in ["rate_limit", "auth_limit"] {
        options.knobs.set(knob, "1000000").unwrap();
    }
    let simulator = Simulator::start(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = write_config(folder.path(), &simulator.url());
    let mut tokens = Vec::new();
    for tenant in TENANTS {
        let (code, said) = command(&path, &["token", "create", "--name", "t", "--tenant", tenant]).await;
        assert_eq!(code, 0, "{said}");
        tokens.push(said.trim().to_owned());
    }
    let bridge = Bridge::start(Config::load(Some(&path), std::iter::empty()).unwrap()).await.unwrap();
    until("both to have met RingCX", async || bridge.is_ready().then_some(())).await;
    let (url, stop) = (bridge.url.clone(), CancellationToken::new());
    tokio::spawn(bridge.until(stop.clone()));
    let tokens = [tokens[0].clone(), tokens[1].clone()];
    Two { ringcx: simulator.admin(), url, tokens, stop, config: path, _simulator: simulator, _folder: folder }
}

impl Two {
    /// Sends to tenant `at` with the token of tenant `with`.
    async fn ask(
        &self,
        at: usize,
        with: usize,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let path = path.replace(' ', "%20").replace('"', "%22");
        let url = format!("{}/{}/scim/v2{path}", self.url, TENANTS[at]);
        send(method.parse::<Method>().unwrap(), &url, &self.tokens[with], body).await.unwrap()
    }

    async fn as_own(&self, at: usize, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.ask(at, at, method, path, body).await
    }

    async fn create(&self, at: usize, name: &str) -> (u16, Value) {
        let body = json!({"userName": name, "emails": [{"value": name}]});
        self.as_own(at, "POST", "/Users", Some(&body)).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_of_one_tenant_is_never_adopted_or_changed_by_another() {
    let two = two().await;
    let (status, wanda) = two.create(0, "wanda@example.com").await;
    assert_eq!(status, 201, "{wanda}");
    assert_eq!(two.create(0, "jo@example.com").await.0, 201);
    let before = two.ringcx.agents();
    two.ringcx.clear_calls();
    for name in ["wanda@example.com", "jo@example.com"] {
        let (status, answer) = two.create(1, name).await;
        assert_eq!((status, &answer["scimType"]), (409, &json!("uniqueness")), "{answer}");
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains("another tenant") && !detail.contains("500"), "{detail}");
    }
    let changing = two.ringcx.calls().into_iter().filter(|call| call.method != "GET").count();
    assert_eq!((two.ringcx.agents(), changing), (before, 0));
    assert_eq!(two.create(1, "fresh@example.com").await.0, 201, "others are not in the way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_tenants_that_want_one_account_at_once_one_gets_it() {
    let two = two().await;
    let (one, other) = tokio::join!(two.create(0, "wanda@example.com"), two.create(1, "wanda@example.com"));
    let mut statuses = [one.0, other.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{one:?} {other:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tenant_owns_the_administrators_of_a_main_account() {
    let two = two().await;
    let mut answers = Vec::new();
    for at in [0, 1] {
        let name = format!("boss{at}@example.com");
        let body = json!({"userName": name, "roles": [{"value": "REPORT_ADMINISTRATIVE_USER"}]});
        answers.push(two.as_own(at, "POST", "/Users", Some(&body)).await);
    }
    answers.sort_by_key(|(status, _)| *status);
    assert_eq!(answers[0].0, 201, "{answers:?}");
    assert_eq!(answers[1].0, 409, "{answers:?}");
    assert!(answers[1].1["detail"].as_str().unwrap().contains("manage_admins"), "{answers:?}");
    assert_eq!(two.ringcx.count("createUser"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_lists_what_another_tenant_owns_and_does_the_rest() {
    let two = two().await;
    assert_eq!(two.create(0, "wanda@example.com").await.0, 201);
    let before = two.ringcx.agents();
    let import = async |arguments: &[&str]| {
        command(&two.config, &[&["import", "--tenant", "two"], arguments].concat()).await
    };
    let (code, said) = import(&["--dry-run"]).await;
    assert_eq!(code, 1, "{said}");
    let line = said.lines().find(|line| line.contains("wanda@example.com")).unwrap();
    assert!(line.contains("conflict") && line.contains("another tenant"), "{line}");
    two.ringcx.clear_calls();
    let (code, said) = import(&["--json"]).await;
    assert_eq!(code, 1, "{said}");
    let report: Value =
        serde_json::from_str(said.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
    let accounts = report["accounts"].as_array().unwrap();
    let of = |class: &str| accounts.iter().filter(|it| it["class"] == class).collect::<Vec<_>>();
    let [wanda] = of("conflict")[..] else { panic!("{said}") };
    assert_eq!((&wanda["login"], &wanda["action"]), (&json!("wanda@example.com"), &json!("ask")), "{said}");
    let new = of("new").len();
    assert!(new > 0, "{said}");
    assert_eq!(
        (&report["imported"]["created"], &report["imported"]["left"]),
        (&json!(new), &json!([])),
        "{said}"
    );
    let (_, users) = two.as_own(1, "GET", "/Users", None).await;
    assert_eq!(users["totalResults"], json!(new), "{users}");
    assert!(!users.to_string().contains("wanda"), "{users}");
    let account = wanda["account"].as_str().unwrap();
    let (code, said) = import(&["--decide", &format!("{account}=new")]).await;
    assert_eq!(code, 2, "nobody can decide that here: {said}");
    let (code, said) = import(&["--decide", &format!("{account}=skip")]).await;
    assert_eq!(code, 0, "{said}");
    // Each run of the command signs in.
    let signs_in = |path: &str| path.contains("oauth") || path.contains("/auth/");
    let changing =
        two.ringcx.calls().into_iter().filter(|it| it.method != "GET" && !signs_in(&it.path)).count();
    assert_eq!((two.ringcx.agents(), changing), (before, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_move_to_another_tenant_and_back_and_ringcx_stays_as_it_is() {
    let two = two().await;
    for name in ["wanda@example.com", "una@example.com", "fresh@example.com"] {
        assert_eq!(two.create(0, name).await.0, 201);
    }
    let names = async |at: usize| {
        let (_, users) = two.as_own(at, "GET", "/Users", None).await;
        let mut names: Vec<String> = users["Resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["userName"].as_str().unwrap().to_owned())
            .collect();
        names.sort_unstable();
        names
    };
    let (before, all) = (two.ringcx.agents(), names(0).await);
    for (from, to) in [(0, 1), (1, 0)] {
        let (code, said) =
            command(&two.config, &["tenant", "disown", "--all", "--tenant", TENANTS[from]]).await;
        assert_eq!(code, 0, "{said}");
        let (code, said) =
            command(&two.config, &["import", "--max-age", "0s", "--tenant", TENANTS[to]]).await;
        assert_eq!(code, 0, "{said}");
        assert_eq!((names(from).await, names(to).await), (Vec::new(), all.clone()));
        // The new owner may change what the former one may not any more.
        let (status, answer) = two.create(from, "wanda@example.com").await;
        assert_eq!(status, 409, "{answer}");
        let (_, found) = two.as_own(to, "GET", "/Users?filter=userName eq \"wanda@example.com\"", None).await;
        let path = format!("/Users/{}", found["Resources"][0]["id"].as_str().unwrap());
        assert_eq!(two.ringcx.agents(), before, "moving changes nothing");
        for on in [false, true] {
            let change = json!({"Operations": [{"op": "replace", "path": "active", "value": on}]});
            assert_eq!(two.as_own(to, "PATCH", &path, Some(&change)).await.0, 200);
        }
        assert_eq!(two.ringcx.agents(), before);
    }
}

/// Every route below the base of a tenant, from the interface description, with its methods.
fn routes() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(ringcx_scim::server::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let below = paths.iter().filter(|(_, item)| item.get("servers").is_none());
    let methods = below.flat_map(|(path, methods)| {
        let names = methods.as_object().unwrap().keys().filter(|name| *name != "parameters");
        names.map(move |name| (name.to_uppercase(), path.clone()))
    });
    methods.collect()
}

fn body_for(method: &str, path: &str, foreign: &str) -> Option<Value> {
    let off = json!({"op": "replace", "path": "active", "value": false});
    match (method, path) {
        ("PATCH", path) if path.starts_with("/Groups") => {
            Some(json!({"Operations": [{"op": "replace", "path": "displayName", "value": "Stolen"}]}))
        }
        ("PATCH", _) => Some(json!({"Operations": [off]})),
        ("PUT", path) if path.starts_with("/Groups") => Some(json!({"displayName": "Stolen"})),
        ("PUT", _) => Some(json!({"userName": "stolen@example.com", "active": false})),
        (_, "/Bulk") => {
            let operation = |method: &str, path: String, data: Option<Value>| json!({"method": method, "path": path, "data": data});
            Some(json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
                operation("DELETE", format!("/Users/{foreign}"), None),
                operation("PATCH", format!("/Users/{foreign}"), Some(json!({"Operations": [off]}))),
                operation("DELETE", format!("/Groups/{foreign}"), None),
            ]}))
        }
        (_, path) if path.ends_with(".search") => Some(json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": format!("id eq \"{foreign}\""),
        })),
        ("POST", "/Users") => Some(json!({"userName": "intruder@example.com"})),
        ("POST", "/Groups") => Some(json!({"displayName": "Intruders", "members": [{"value": foreign}]})),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_route_reaches_the_other_tenant() {
    let two = two().await;
    let mut ids = Vec::new();
    for at in [0, 1] {
        let (_, user) = two.create(at, &format!("jo{at}@example.com")).await;
        assert_eq!(two.create(at, &format!("al{at}@example.com")).await.0, 201);
        let group = json!({"displayName": format!("G{at}"), "members": [{"value": user["id"]}]});
        let (status, group) = two.as_own(at, "POST", "/Groups", Some(&group)).await;
        assert_eq!(status, 201, "{group}");
        ids.push([user["id"].as_str().unwrap().to_owned(), group["id"].as_str().unwrap().to_owned()]);
    }
    let everything = async |at: usize| {
        let users = two.as_own(at, "GET", "/Users?sortBy=id", None).await.1["Resources"].clone();
        (users, two.as_own(at, "GET", "/Groups?sortBy=id", None).await.1["Resources"].clone())
    };
    let before = (everything(0).await, everything(1).await, two.ringcx.agents(), two.ringcx.admins());
    for (mine, theirs) in [(0, 1), (1, 0)] {
        for (method, route) in routes() {
            for foreign in &ids[theirs] {
                let path = route.replace("{id}", foreign);
                let body = body_for(&method, &route, foreign);
                let what = format!("{method} {path}");
                let (status, answer) = two.ask(mine, theirs, &method, &path, body.as_ref()).await;
                assert_eq!(status, 401, "{what} with their token at my address: {answer}");
                let (status, answer) = two.ask(theirs, mine, &method, &path, body.as_ref()).await;
                assert_eq!(status, 401, "{what} with my token at their address: {answer}");
                if method == "POST" && route == "/Users" {
                    continue;
                }
                let (status, answer) = two.as_own(mine, &method, &path, body.as_ref()).await;
                if route.contains("{id}") {
                    assert_eq!(status, 404, "{what}: {answer}");
                } else if route == "/Bulk" {
                    let operations = answer["Operations"].as_array().unwrap();
                    assert!(operations.iter().all(|it| it["status"] == "404"), "{what}: {answer}");
                } else if route == "/Groups" && method == "POST" {
                    assert_eq!(status, 400, "their person is nobody here: {answer}");
                } else if route.ends_with(".search") && status == 200 {
                    assert_eq!(answer["totalResults"], 0, "{what}: {answer}");
                }
                assert!(!answer.to_string().contains(&format!("jo{theirs}@")), "{what}: {answer}");
            }
        }
        let [user, group] = &ids[theirs];
        for filter in [format!("members.value eq \"{user}\""), format!("id eq \"{group}\"")] {
            let (_, found) = two.as_own(mine, "GET", &format!("/Groups?filter={filter}"), None).await;
            assert_eq!(found["totalResults"], 0, "{filter}: {found}");
        }
        let add = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": user}]}]});
        let own_group = &ids[mine][1];
        let (status, answer) = two.as_own(mine, "PATCH", &format!("/Groups/{own_group}"), Some(&add)).await;
        assert_eq!(status, 400, "{answer}");
        let (_, page) = two.as_own(theirs, "GET", "/Users?cursor&count=1", None).await;
        let cursor = page["nextCursor"].as_str().unwrap();
        let (status, answer) =
            two.as_own(mine, "GET", &format!("/Users?cursor={cursor}&count=1"), None).await;
        assert_eq!(status, 400, "{answer}");
    }
    let after = (everything(0).await, everything(1).await, two.ringcx.agents(), two.ringcx.admins());
    assert_eq!(before, after);
}
