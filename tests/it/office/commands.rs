//! `office list`, `import` and `link` as an operator runs them, beside nobody or beside a server.

use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use ringcx_simulator::{Control, Knobs, Options, Profile, Seed};
use serde_json::{Value, json};

use super::{JO, RINGCX, extension};
use crate::crash::serve::{Serve, configure, fuse, send};
use crate::support::Simulator;

/// A simulated RingCX and a configuration for it.
struct Site {
    simulator: Simulator,
    folder: tempfile::TempDir,
    config: PathBuf,
    token: String,
}

impl Site {
    async fn new(seed: Seed, knobs: &[(&str, &str)]) -> Self {
        let mut all = Knobs::profile(Profile::Friendly);
        for (name, value) in [("rate_limit", "100000"), ("auth_limit", "100000")].iter().chain(knobs) {
            all.set(name, value).unwrap();
        }
        let simulator = Simulator::start(Options { knobs: all, seed, ..Options::default() }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite://{}", folder.path().join("bridge.db").display());
        let (config, token) = configure(folder.path(), &simulator.url(), &store, "1s");
        Self { simulator, folder, config, token }
    }

    fn ringcx(&self) -> Control {
        self.simulator.admin()
    }

    /// Runs a command to its end: exit code, standard output, standard error.
    async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run_in(arguments, &[]).await
    }

    async fn run_in(&self, arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"));
        command.args(arguments).arg("--config").arg(&self.config).env("RINGCX_SCIM_FUSE", fuse(&self.config));
        command.envs(environment.iter().copied()).stdin(std::process::Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    async fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let (code, out, error) = self.run(&[arguments, &["--json"]].concat()).await;
        (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{arguments:?}: {out} {error}")))
    }

    /// What a client sees of a user name, from a server that is started for it.
    async fn user(&self, user_name: &str) -> Value {
        let serve = Serve::ready(&self.config).await;
        let url = format!("{}/Users?filter=userName%20eq%20%22{user_name}%22", serve.base);
        let (_, body) = send(Method::GET, &url, &self.token, None).await.unwrap();
        serve.kill();
        assert_eq!(body["totalResults"], 1, "{body}");
        body["Resources"][0].clone()
    }

    /// Makes a user over HTTP.
    async fn create(&self, body: &Value) -> Value {
        let serve = Serve::ready(&self.config).await;
        let (status, user) =
            send(Method::POST, &format!("{}/Users", serve.base), &self.token, Some(body)).await.unwrap();
        serve.kill();
        assert_eq!(status, 201, "{user}");
        user
    }

    /// Lets people wait for a group.
    fn without_default_group(&self) {
        let text = std::fs::read_to_string(&self.config).unwrap();
        std::fs::write(&self.config, text.replace("default_agent_group = \"Default\"", "")).unwrap();
    }
}

/// Jo (201), Kim (202), Lee (203) who is an agent, Max (204) who is not activated, and a department.
fn people() -> Seed {
    let person = |n: i64, name: &str, kind: &str| {
        json!({
            "id": JO + n, "extensionNumber": (201 + n).to_string(), "name": format!("{name} Doe"), "type": kind,
            "contact": {"email": format!("{}@example.com", name.to_lowercase()), "firstName": name, "lastName": "Doe"},
        })
    };
    let mut max = person(3, "Max", "User");
    max["status"] = json!("NotActivated");
    Seed::demo()
        .rc_extension(person(0, "Jo", "User"))
        .rc_extension(person(1, "Kim", "VirtualUser"))
        .rc_extension(person(2, "Lee", "DigitalUser"))
        .rc_extension(max)
        .rc_extension(json!({"id": 7, "extensionNumber": "200", "name": "Doe Sales", "type": "Department"}))
        .agent(1002, json!({
            "agentId": 6001, "username": "lee.doe", "firstName": "Lee", "lastName": "Doe", "email": "lee@example.com",
            "rcUserId": JO + 2,
        }))
}

fn numbers(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|it| it["extension"].as_str().unwrap()).collect()
}

fn agents_of(ringcx: &Control, id: i64) -> Vec<Value> {
    ringcx.agents().into_iter().filter(|it| it["rcUserId"] == id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn list_shows_who_is_an_agent() {
    let site = Site::new(people(), &[]).await;
    let (code, all) = site.json(&["office", "list"]).await;
    // 101 is the one person whom the demo has.
    assert_eq!((code, numbers(&all)), (0, vec!["101", "201", "202", "203", "204"]));
    let lee = &all[3];
    assert_eq!(lee["id"], (JO + 2).to_string());
    assert_eq!((&lee["type"], &lee["status"]), (&json!("DigitalUser"), &json!("Enabled")));
    assert_eq!(lee["agent"], json!({"id": "6001", "linked": true}));
    let (_, some) = site.json(&["office", "list", "--not-imported", "--search", "DOE"]).await;
    assert_eq!(numbers(&some), ["201", "202", "204"]);
    let (code, table, _) = site.run(&["office", "list", "--search", "kim@"]).await;
    assert!(
        code == 0 && table.contains("Kim Doe") && table.contains("VirtualUser") && !table.contains("Jo Doe")
    );
    let changing =
        site.ringcx().calls().into_iter().filter(|it| !matches!(it.method.as_str(), "GET")).count();
    let signing_in = site.ringcx().count("getToken") + site.ringcx().count("exchangeToken");
    assert_eq!(changing, signing_in, "looking changes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_preview_is_what_is_made_and_a_second_import_makes_nothing() {
    for fields in ["basic", "full"] {
        let site = Site::new(people(), &[("list_fields", fields)]).await;
        let chosen =
            ["office", "import", "--all-matching", "doe", "--agent-group", "UK Agents", "--outbound"];
        let (code, preview) = site.json(&[&chosen[..], &["--dry-run"]].concat()).await;
        let words = |report: &Value| -> Vec<String> {
            report["users"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["what"].as_str().unwrap().to_owned())
                .collect()
        };
        // Lee's agent is nobody's here, and Max has not begun at RingCentral.
        assert_eq!(
            (code, words(&preview)),
            (1, ["create", "create", "left", "left"].map(str::to_owned).to_vec())
        );
        assert!(preview["users"][2]["detail"].as_str().unwrap().contains("6001"), "{fields}: {preview}");
        assert_eq!(site.ringcx().count("createAgent"), 0);

        let (code, made) = site.json(&chosen).await;
        assert_eq!((code, words(&made)), (1, ["made", "made", "left", "left"].map(str::to_owned).to_vec()));
        assert_eq!(site.ringcx().count("createAgent"), 2);
        for id in [JO, JO + 1] {
            let found = agents_of(&site.ringcx(), id);
            assert_eq!(found.len(), 1);
            let agent = &found[0];
            assert_eq!(agent["agentGroupId"], 1001);
            assert_eq!(
                json!([agent["isActive"], agent["agentType"], agent["allowInbound"], agent["allowOutbound"]]),
                json!([true, "AGENT", true, true])
            );
            assert_eq!(agent["userManagedByRC"], false);
        }
        let (code, again) =
            site.json(&["office", "import", "201", "202", "--agent-group", "UK Agents"]).await;
        assert_eq!((code, words(&again)), (0, ["nothing", "nothing"].map(str::to_owned).to_vec()));
        assert_eq!(site.ringcx().count("createAgent"), 2);

        let user = site.user("jo@example.com").await;
        assert_eq!(user["name"], json!({"givenName": "Jo", "familyName": "Doe"}));
        assert_eq!(user[RINGCX]["rcExtensionId"], JO.to_string());
        assert_eq!(user[RINGCX]["rcLinkState"], "linked");
        assert!(
            user[RINGCX]["agentGroupName"].is_null(),
            "a group of the identity provider may still move them"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_four_permissions_come_from_the_options_else_from_the_tenant() {
    let site = Site::new(people(), &[]).await;
    let profile = [
        ("BRIDGE__TENANT__DEFAULT__POLICY__IMPORT_SUPERVISOR", "true"),
        ("BRIDGE__TENANT__DEFAULT__POLICY__IMPORT_INBOUND", "false"),
        ("BRIDGE__TENANT__DEFAULT__POLICY__IMPORT_OUTBOUND", "true"),
    ];
    let import = ["office", "import", "--agent-group", "us agents"];
    let (code, _, error) = site.run_in(&[&import[..], &["201"]].concat(), &profile).await;
    assert_eq!(code, 0, "{error}");
    let options = ["202", "--supervisor=false", "--inbound", "--outbound=false", "--sync"];
    assert_eq!(site.run_in(&[&import[..], &options].concat(), &profile).await.0, 0);
    let given = |id: i64| {
        let agent = agents_of(&site.ringcx(), id)[0].clone();
        json!([
            agent["agentType"],
            agent["allowInbound"],
            agent["allowOutbound"],
            agent["userManagedByRC"],
            agent["agentGroupId"]
        ])
    };
    assert_eq!(given(JO), json!(["SUPERVISOR", false, true, false, 1002]));
    assert_eq!(given(JO + 1), json!(["AGENT", true, false, true, 1002]));

    // Without login there is a record and no agent, until somebody is switched on.
    let site = Site::new(people(), &[]).await;
    assert_eq!(site.run(&[&import[..], &["201", "--login=false"]].concat()).await.0, 0);
    assert_eq!(site.ringcx().count("createAgent"), 0);
    assert_eq!(site.user("jo@example.com").await["active"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_is_there_is_used() {
    let site = Site::new(people(), &[]).await;
    site.without_default_group();
    let held = site
        .create(&json!({"userName": "jd", "externalId": "x1", "emails": [{"value": "JO@example.com", "type": "work"}]}))
        .await;
    assert_eq!(held[RINGCX]["provisioningState"], "held");
    let (code, made) = site.json(&["office", "import", "201", "--agent-group", "UK Agents"]).await;
    assert_eq!((code, &made["users"][0]["person"]), (0, &held["id"]), "{made}");
    let agents = agents_of(&site.ringcx(), JO);
    assert_eq!(
        (agents.len(), &agents[0]["agentGroupId"], &agents[0]["username"]),
        (1, &json!(1001), &json!("jd"))
    );
    let user = site.user("jd").await;
    assert_eq!((&user["id"], &user[RINGCX]["provisioningState"]), (&held["id"], &json!("active")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_dies_anywhere_leaves_one_agent_after_the_next() {
    let site = Site::new(people(), &[]).await;
    // RingCX's own list has no usage group, which so many runs would use up.
    let own_list = [("BRIDGE__TENANT__DEFAULT__RINGCX__EXTENSION_SOURCE", "ringcx")];
    let (mut points, mut deaths) = (1_usize, 0);
    loop {
        let (id, number) = (20_000 + i64::try_from(points).unwrap(), (1000 + points).to_string());
        let mut new = extension(id, &format!("p{points}@example.com"));
        new["extensionNumber"] = json!(number);
        site.ringcx().add_extension(new).unwrap();
        let import = ["office", "import", &number, "--agent-group", "UK Agents", "--yes"];
        std::fs::write(fuse(&site.config), points.to_string()).unwrap();
        let (code, ..) = site.run_in(&import, &own_list).await;
        std::fs::write(fuse(&site.config), "").unwrap();
        let died = code == 137;
        deaths += usize::from(died);
        if died {
            let (code, out, error) = site.run_in(&import, &own_list).await;
            assert_eq!(code, 0, "{points}: {out} {error}");
        }
        let agents = agents_of(&site.ringcx(), id);
        assert_eq!((agents.len(), &agents[0]["agentGroupId"]), (1, &json!(1001)), "{points}");
        if !died {
            break;
        }
        points += 2;
        assert!(points < 200, "the last point is never reached");
    }
    assert!(deaths > 10, "only {deaths}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn link_ties_an_agent_that_exists() {
    let site = Site::new(people(), &[]).await;
    let without = ("BRIDGE__TENANT__DEFAULT__POLICY__LINK_RC_EXTENSION", "off");
    let (code, _, error) = site.run_in(&["office", "link", "jo@example.com"], &[without]).await;
    assert!(code == 2 && error.contains("link_rc_extension"), "{error}");
    let (code, _, error) = site.run(&["office", "link", "jo@example.com"]).await;
    assert!(code == 2 && error.contains("no person"), "{error}");

    // Made before their extensions are: one of each kind of trouble.
    let user = site.create(&json!({"userName": "new@example.com"})).await;
    let id = user["id"].as_str().unwrap();
    let (code, _, error) = site.run(&["office", "link", id]).await;
    assert!(code == 1 && error.contains("no RingCentral extension") && error.lines().count() == 1, "{error}");
    for n in [40, 41] {
        site.ringcx().add_extension(extension(JO + n, "new@example.com")).unwrap();
    }
    let (code, _, error) = site.run(&["office", "link", "New@Example.com"]).await;
    assert!(code == 1 && error.contains("several") && error.lines().count() == 1, "{error}");
    assert_eq!(site.ringcx().count("updateAgent"), 0);
    let named = (JO + 41).to_string();
    let (code, done) = site.json(&["office", "link", id, "--extension", &named, "--sync"]).await;
    assert_eq!((code, &done["extension"]), (0, &json!(named)), "{done}");
    let agents = agents_of(&site.ringcx(), JO + 41);
    assert_eq!((agents.len(), &agents[0]["userManagedByRC"]), (1, &json!(true)));
    let calls = site.ringcx().calls();
    let put = calls.iter().rposition(|call| call.operation == "updateAgent").unwrap();
    assert!(calls[put..].iter().any(|call| call.operation == "getAgent"), "it is looked at afterwards");
    // Once more is nothing more.
    let puts = site.ringcx().count("updateAgent");
    assert_eq!(site.run(&["office", "link", id]).await.0, 0);
    assert_eq!(site.ringcx().count("updateAgent"), puts);
    let trail = site.run(&["audit", "export"]).await.1;
    assert!(trail.contains("updateAgent"), "{trail}");

    // Somebody else's extension.
    let other = site.create(&json!({"userName": "other@example.com"})).await;
    let (code, _, error) =
        site.run(&["office", "link", other["id"].as_str().unwrap(), "--extension", &named]).await;
    assert!(code == 1 && error.contains(&named), "{error}");
    assert_eq!(agents_of(&site.ringcx(), JO + 41).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_and_an_account_without_ringcentral_are_one_sentence() {
    let site = Site::new(people(), &[]).await;
    for (arguments, says) in [
        (vec!["office", "import", "999", "--agent-group", "UK Agents"], "\"999\""),
        (vec!["office", "import", "201", "--agent-group", "Nowhere"], "\"Nowhere\""),
        (vec!["office", "import", "--agent-group", "UK Agents"], "EXTENSION"),
        (
            vec!["office", "import", "--all-matching", "zzz", "--agent-group", "UK Agents"],
            "no RingCentral user",
        ),
    ] {
        let (code, out, error) = site.run(&arguments).await;
        assert!((code, out.as_str()) == (2, "") && error.contains(says), "{arguments:?}: {code} {error}");
    }
    assert_eq!(site.ringcx().count("createAgent"), 0);

    let source = |word| [("BRIDGE__TENANT__DEFAULT__RINGCX__EXTENSION_SOURCE", word)];
    let (code, out, error) = site.run_in(&["office", "list", "--json"], &source("ringcx")).await;
    assert_eq!(code, 0, "{error}");
    assert_eq!(numbers(&serde_json::from_str(&out).unwrap()).len(), 5);
    site.ringcx().set("rc_extensions", "404").unwrap();
    let (code, _, error) = site.run_in(&["office", "list"], &source("ringcx")).await;
    assert!(code == 1 && error.contains("section ringcentral") && error.lines().count() == 1, "{error}");
    site.ringcx().set("rc_link", "disabled").unwrap();
    let (code, _, error) = site.run(&["office", "list"]).await;
    assert!(
        code == 1 && error.contains("not linked to RingCentral") && error.lines().count() == 1,
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_tenant_imports_and_ties_nothing() {
    let site = Site::new(people(), &[]).await;
    let user = site.create(&json!({"userName": "new@example.com"})).await;
    site.ringcx().add_extension(extension(JO + 40, "new@example.com")).unwrap();
    assert_eq!(site.run(&["tenant", "pause"]).await.0, 0);
    let before = site.ringcx().agents();
    let (code, _, _) = site.run(&["office", "import", "201", "--agent-group", "UK Agents"]).await;
    assert_eq!(code, 1);
    let (code, _, error) = site.run(&["office", "link", user["id"].as_str().unwrap()]).await;
    assert!(code == 1 && error.contains("paused"), "{error}");
    assert_eq!(site.ringcx().agents(), before);
    // What was asked is kept, and made on resume.
    assert_eq!(site.run(&["tenant", "resume"]).await.0, 0);
    assert_eq!(site.run(&["office", "import", "201", "--agent-group", "UK Agents"]).await.0, 0);
    assert_eq!(agents_of(&site.ringcx(), JO).len(), 1);
    assert!(Path::new(site.folder.path()).exists());
}
