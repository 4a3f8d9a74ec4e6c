//! Protected accounts: whatever comes, from a client or from an operator, no call changes one of them.
//!
//! The accounts are tied to people while nothing protects them; then the setting is written, the server restarts, and every way
//! that leads to an account is gone.

use reqwest::Method;
use ringcx_simulator::{Control, Options, Seed};
use serde_json::{Value, json};

use crate::crash::serve::{Serve, command, configure, send, until};
use crate::support::Simulator;

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

/// The RingCentral extension of an agent that is nobody's here.
const VERA: i64 = 3_361_292_200;

/// One way.
enum Way {
    Send(&'static str, String, Value),
    Run(Vec<String>),
}

fn run(line: &str) -> Way {
    Way::Run(line.split(' ').map(str::to_owned).collect())
}

struct World {
    ringcx: Control,
    config: std::path::PathBuf,
    token: String,
    _simulator: Simulator,
    _folder: tempfile::TempDir,
}

fn seed() -> Seed {
    let agent = |id: i64, name: &str| {
        let email = format!("{name}@example.com");
        json!({"agentId": id, "username": email, "email": email, "lastName": name, "externalAgentId": format!("x-{name}")})
    };
    let mut vera = agent(5102, "vera");
    vera["rcUserId"] = json!(VERA);
    let extension = json!({
        "id": VERA, "extensionNumber": "201", "name": "Vera", "type": "User", "contact": {"email": "vera@example.com"},
    });
    Seed::demo()
        .agent(1000, agent(5101, "willa"))
        .agent(1000, vera)
        .agent(1000, agent(5103, "kim"))
        .agent(1000, agent(5104, "dora"))
        .rights_doc(4711, "Supervisor")
        .rc_extension(extension)
        .admin(json!({"userId": 103, "userName": "guarded@example.com", "roles": ["USER"]}))
        .admin(json!({"userId": 104, "userName": "alone@example.com", "roles": ["USER"]}))
}

impl World {
    async fn start() -> Self {
        let simulator = Simulator::start(Options { seed: seed(), ..Options::default() }).await.unwrap();
        for limit in ["rate_limit", "auth_limit"] {
            simulator.admin().set(limit, "100000").unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite://{}", folder.path().join("bridge.db").display());
        let (config, token) = configure(folder.path(), &simulator.url(), &store, "2s");
        let text = std::fs::read_to_string(&config).unwrap();
        let text = text.replace(
            "mass_change = \"off\"\n",
            "mass_change = \"off\"\nadopt_admins = true\n\n[[tenant.default.group]]\nmatch = \"Movers\"\n\
             agent_group = \"UK Agents\"\n\n[[tenant.default.group]]\nmatch = \"Reporters\"\n\
             roles = [\"REPORT_ADMINISTRATIVE_USER\"]\nrights_docs = [4711]\n",
        );
        std::fs::write(&config, text).unwrap();
        Self { ringcx: simulator.admin(), config, token, _simulator: simulator, _folder: folder }
    }

    fn protect(&self) {
        let text = std::fs::read_to_string(&self.config).unwrap();
        let names = "protected = [\"5101\", \" VERA@example.com\", \"5103\", \"dora@example.com\", \"guarded@example.com\", \"104\"]";
        std::fs::write(
            &self.config,
            text.replace("adopt_admins = true", &format!("adopt_admins = true\n{names}")),
        )
        .unwrap();
    }

    /// Calls that change something, besides signing in.
    fn changing(&self) -> Vec<String> {
        let calls = self.ringcx.calls().into_iter();
        let signs_in = |path: &str| path.contains("oauth") || path.contains("/auth/");
        let changing = calls.filter(|it| it.method != "GET" && !signs_in(&it.path));
        changing.map(|it| format!("{} {}", it.operation, it.path)).collect()
    }

    async fn send(&self, base: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let path = path.replace(' ', "%20").replace('"', "%22");
        send(method.parse::<Method>().unwrap(), &format!("{base}{path}"), &self.token, body).await.unwrap()
    }

    async fn id(&self, base: &str, name: &str) -> String {
        let (_, list) =
            self.send(base, "GET", &format!("/Users?filter=userName eq \"{name}@example.com\""), None).await;
        list["Resources"][0]["id"].as_str().unwrap_or_else(|| panic!("{name}: {list}")).to_owned()
    }

    /// Waits until nothing is under way any more.
    async fn rest(&self) {
        until("rest", async || {
            let (_, said) = command(&self.config, &["tenant", "status", "--json"]).await;
            let status: Value =
                serde_json::from_str(said.lines().find(|line| line.starts_with('{'))?).ok()?;
            status["jobs"].as_array()?.iter().all(|lane| lane["waiting"] == 0).then_some(())
        })
        .await;
    }
}

fn patch(operations: &Value) -> Value {
    json!({"Operations": operations})
}

/// Everything that leads to an account: `willa` has an agent and an administrator, `kim` and `dora` have agents, the others are
/// nobody's.
fn ways(willa: &str, kim: &str, dora: &str) -> Vec<Way> {
    let user = |id: &str| format!("/Users/{id}");
    let to = |path: &str, value: Value| patch(&json!([{"op": "replace", "path": path, "value": value}]));
    let send = |method: &'static str, path: &str, body: Value| Way::Send(method, path.to_owned(), body);
    let new = |fields: Value| {
        let mut body = json!({"userName": "new@example.com"});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        send("POST", "/Users", body)
    };
    let member =
        |group: &str| send("POST", "/Groups", json!({"displayName": group, "members": [{"value": willa}]}));
    let roles = json!([{"value": "REPORT_ADMINISTRATIVE_USER"}]);
    let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
        {"method": "PATCH", "path": user(willa), "data": to("active", json!(false))},
        {"method": "DELETE", "path": user(kim)},
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": {"userName": "vera@example.com"}},
    ]});
    let mut ways = vec![
        send("PATCH", &user(willa), to("name.givenName", json!("Changed"))),
        send("PATCH", &user(willa), to("userName", json!("other@example.com"))),
        send("PATCH", &user(willa), to(&format!("{RINGCX}:agentType"), json!("SUPERVISOR"))),
        send("PATCH", &user(willa), to("roles", roles.clone())),
        send("PATCH", &user(willa), to("entitlements", json!([{"value": "4711"}]))),
        send(
            "PUT",
            &user(willa),
            json!({"userName": "willa@example.com", "name": {"familyName": "Changed"}, "roles": roles}),
        ),
        member("Movers"),
        member("Reporters"),
        send("PATCH", &user(willa), to("active", json!(false))),
        send("PATCH", &user(willa), to("active", json!(true))),
        new(json!({"userName": "vera@example.com"})),
        new(json!({"externalId": "x-vera"})),
        new(json!({RINGCX: {"rcExtensionId": VERA.to_string()}})),
        new(json!({"userName": "alone@example.com", RINGCX: {"persona": "admin"}, "roles": roles})),
        send("POST", "/Bulk", bulk),
    ];
    ways.extend([
        run("import --max-age 0s"),
        run("import --decide agent:5102=new"),
        run(&format!("import --decide admin:104=link:{kim}")),
        run("office import --agent-group Default --yes vera@example.com"),
        run(&format!("office link {kim} --extension vera@example.com")),
        run("reconcile"),
        run(&format!("tenant release --person {willa}")),
        run("tenant release"),
        run("tenant reject"),
        run(&format!("reconcile --person {kim}")),
    ]);
    ways.extend([
        send("DELETE", &user(kim), Value::Null),
        run(&format!("tenant disown --person {dora}")),
        run("import --undo --force"),
        run("reconcile"),
    ]);
    ways
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_way_leads_to_a_call_that_changes_a_protected_account() {
    let world = World::start().await;
    let import = ["import", "--decide", "admin:103=link:agent:5101"];
    let (code, said) =
        command(&world.config, &[&import[..], &["--decide", "agent:5102=skip"]].concat()).await;
    assert_eq!(code, 0, "{said}");
    world.protect();
    let serve = Serve::ready(&world.config).await;
    let ids = [
        world.id(&serve.base, "willa").await,
        world.id(&serve.base, "kim").await,
        world.id(&serve.base, "dora").await,
    ];
    // Somebody has changed one by hand, which a look would like to put right.
    world.ringcx.move_agent(5101, 1001);
    world.ringcx.edit_agent(5103, |agent| drop(agent.insert("isActive".to_owned(), json!(false))));
    let held = || {
        let docs: Vec<_> = world.ringcx.docs().into_iter().map(|doc| world.ringcx.assignments(doc)).collect();
        (world.ringcx.agents(), world.ringcx.admins(), docs)
    };
    let before = held();
    world.ringcx.clear_calls();
    for way in ways(&ids[0], &ids[1], &ids[2]) {
        let what = match &way {
            Way::Send(method, path, body) => {
                let body = (!body.is_null()).then_some(body);
                let (status, answer) = world.send(&serve.base, method, path, body).await;
                // A group write succeeds, and the person says what became of it.
                let expected = if path == "/Groups" {
                    201
                } else if path == "/Bulk" {
                    200
                } else {
                    status
                };
                assert!(
                    status == expected && !(500..600).contains(&status) || status == 503,
                    "{method} {path}: {answer}"
                );
                format!("{method} {path} {body:?} -> {status} {answer}")
            }
            Way::Run(arguments) => {
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let (code, said) = command(&world.config, &arguments).await;
                format!("{arguments:?} -> {code} {said}")
            }
        };
        world.rest().await;
        assert_eq!(world.changing(), Vec::<String>::new(), "{what}");
        assert!(held() == before, "{what}");
    }
    serve.kill();
}
