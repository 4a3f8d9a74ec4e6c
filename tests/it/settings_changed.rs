//! Power that was given under other settings: what a changed configuration means for those who hold it.

use reqwest::Method;
use ringcx_simulator::{Control, Options};
use serde_json::{Value, json};

use crate::crash::serve::{Serve, command, configure, send, until};
use crate::support::Simulator;

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

/// A bridge that is started anew with other settings.
struct Restarted {
    _folder: tempfile::TempDir,
    config: std::path::PathBuf,
    first: String,
    token: String,
    serve: Option<Serve>,
    ringcx: Control,
    _simulator: Simulator,
}

impl Restarted {
    /// Starts it with these lines of `[tenant.default.policy]` besides the usual ones, and what follows that table.
    async fn with(policy: &str, after: &str) -> Self {
        let mut options = Options::default();
        for knob in ["rate_limit", "auth_limit"] {
            options.knobs.set(knob, "1000000").unwrap();
        }
        let simulator = Simulator::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite://{}", folder.path().join("bridge.db").display());
        let (config, token) = configure(folder.path(), &simulator.url(), &store, "2s");
        let first = std::fs::read_to_string(&config).unwrap();
        let ringcx = simulator.admin();
        let mut new =
            Self { _folder: folder, config, first, token, serve: None, ringcx, _simulator: simulator };
        new.again(policy, after).await;
        new
    }

    /// Starts it anew with other lines.
    async fn again(&mut self, policy: &str, after: &str) {
        if let Some(serve) = self.serve.take() {
            assert!(serve.terminate().await);
        }
        let head = "[tenant.default.policy]\n";
        let text = self.first.replace(head, &format!("{head}password_on_put = \"omit\"\n{policy}\n"));
        std::fs::write(&self.config, format!("{text}\n{after}\n")).unwrap();
        self.serve = Some(Serve::ready(&self.config).await);
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let url = format!("{}{path}", self.serve.as_ref().unwrap().base);
        send(method, &url, &self.token, body).await.unwrap()
    }

    async fn create(&self, body: &Value) -> String {
        let (status, user) = self.send(Method::POST, "/Users", Some(body)).await;
        assert_eq!(status, 201, "{user}");
        format!("/Users/{}", user["id"].as_str().unwrap())
    }

    async fn set(&self, url: &str, path: &str, value: Value) -> (u16, Value) {
        let body = json!({"Operations": [{"op": "replace", "path": path, "value": value}]});
        self.send(Method::PATCH, url, Some(&body)).await
    }

    fn power(&self, name: &str) -> (bool, Vec<String>) {
        let admin = self.ringcx.admin_named(name).unwrap();
        let mut roles: Vec<String> = serde_json::from_value(admin["roles"].clone()).unwrap();
        roles.sort();
        (admin["enabled"] == true, roles)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_no_longer_manages_administrators_leaves_them_until_their_people_go() {
    let mut bridge = Restarted::with("", "").await;
    let roles = json!([{"value": "REPORT_ADMINISTRATIVE_USER"}]);
    let ann = bridge.create(&json!({"userName": "ann@example.com", "roles": roles})).await;
    let held = (true, vec!["REPORT_ADMINISTRATIVE_USER".to_owned(), "USER".to_owned()]);
    assert_eq!(bridge.power("ann@example.com"), held);
    bridge.again("manage_admins = false", "").await;
    for (path, value) in [("name.familyName", json!("New")), ("roles", json!([])), ("title", json!("Lead"))] {
        let (status, user) = bridge.set(&ann, path, value).await;
        assert_eq!(status, 200, "{path}: {user}");
        assert_eq!(user[RINGCX]["provisioningState"], "active", "{user}");
        assert_eq!(bridge.power("ann@example.com"), held, "{path}: somebody else manages administrators now");
    }
    // What it has given it takes from whoever leaves.
    let (status, user) = bridge.set(&ann, "active", json!(false)).await;
    assert_eq!(status, 200, "{user}");
    assert_eq!(bridge.power("ann@example.com"), (false, Vec::new()));
}

const OWNERS: &str = "[[tenant.default.group]]\nmatch = \"Owners\"\nroles = [\"SUPER_USER\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_privileged_mapping_that_comes_later_belongs_to_the_oldest_group_it_fits_whoever_is_looked_at_first()
 {
    let mut bridge = Restarted::with("", "").await;
    let ann = bridge.create(&json!({"userName": "ann@example.com"})).await;
    let eve = bridge.create(&json!({"userName": "eve@example.com"})).await;
    let member = |url: &str| json!([{"value": url.trim_start_matches("/Users/")}]);
    // The older one by its key in the identity provider, the younger one by a name that anybody may choose.
    for (name, key, who) in [("Administration", "owners", &ann), ("Owners", "x-1", &eve)] {
        let group = json!({"displayName": name, "externalId": key, "members": member(who)});
        assert_eq!(bridge.send(Method::POST, "/Groups", Some(&group)).await.0, 201);
    }
    bridge.again("privileged_roles = [\"SUPER_USER\"]", OWNERS).await;
    let (status, user) = bridge.set(&eve, "name.familyName", json!("Vil")).await;
    assert_eq!(status, 200, "{user}");
    assert!(user[RINGCX]["lastError"].as_str().unwrap_or_default().contains("another group held"), "{user}");
    assert_eq!(bridge.ringcx.admin_named("eve@example.com"), None);
    assert_eq!(bridge.set(&ann, "name.familyName", json!("Other")).await.0, 200);
    assert!(bridge.power("ann@example.com").1.contains(&"SUPER_USER".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_the_settings_give_no_more_is_taken_by_a_reconciliation() {
    let mapping =
        "[[tenant.default.group]]\nmatch = \"Reporters\"\nroles = [\"REPORT_ADMINISTRATIVE_USER\"]\n";
    let mut bridge = Restarted::with("", mapping).await;
    let ann = bridge.create(&json!({"userName": "ann@example.com"})).await;
    let group =
        json!({"displayName": "Reporters", "members": [{"value": ann.trim_start_matches("/Users/")}]});
    assert_eq!(bridge.send(Method::POST, "/Groups", Some(&group)).await.0, 201);
    let held = async |bridge: &Restarted, wanted: (bool, Vec<String>)| {
        until("the roles", async || {
            let admin = bridge.ringcx.admin_named("ann@example.com");
            admin.filter(|_| bridge.power("ann@example.com") == wanted).map(drop)
        })
        .await;
    };
    held(&bridge, (true, vec!["REPORT_ADMINISTRATIVE_USER".to_owned(), "USER".to_owned()])).await;
    bridge.again("", "").await;
    let (code, said) = command(&bridge.config, &["reconcile", "--dry-run"]).await;
    assert!(code == 1 && said.contains("take role REPORT_ADMINISTRATIVE_USER"), "{code} {said}");
    command(&bridge.config, &["reconcile"]).await;
    held(&bridge, (false, Vec::new())).await;
    // And given again with the mapping.
    bridge.again("", mapping).await;
    command(&bridge.config, &["reconcile"]).await;
    held(&bridge, (true, vec!["REPORT_ADMINISTRATIVE_USER".to_owned(), "USER".to_owned()])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_who_is_protected_since_is_not_changed_any_more() {
    let mut bridge = Restarted::with("", "").await;
    let roles = json!([{"value": "REPORT_ADMINISTRATIVE_USER"}]);
    let ann = bridge.create(&json!({"userName": "ann@example.com", "roles": roles})).await;
    let before = bridge.ringcx.admin_named("ann@example.com");
    // By its number: the agent has the same login name.
    let number = before.as_ref().unwrap()["userId"].to_string();
    bridge.again(&format!("protected = [\"{number}\"]"), "").await;
    for (path, value) in [("roles", json!([])), ("active", json!(false))] {
        let (status, answer) = bridge.set(&ann, path, value).await;
        assert!(
            status == 400 && answer["detail"].as_str().unwrap().contains("protected"),
            "{path}: {answer}"
        );
    }
    assert_eq!(bridge.send(Method::DELETE, &ann, None).await.0, 400);
    command(&bridge.config, &["reconcile"]).await;
    assert_eq!(bridge.ringcx.admin_named("ann@example.com"), before);
    let at_work = |it: &Value| it["username"] == "ann@example.com" && it["isActive"] == true;
    assert!(!bridge.ringcx.agents().iter().any(at_work), "and keeps nobody at work");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_lost_before_a_restart_counts_after_it() {
    let policy = "mass_change = \"on\"\nmass_change_per_hour = 2";
    let mut bridge = Restarted::with("", "").await;
    bridge.first = bridge.first.replace("mass_change = \"off\"\n", "");
    bridge.again(policy, "").await;
    let mut people = Vec::new();
    for n in 0..4 {
        people.push(bridge.create(&json!({"userName": format!("p{n}@example.com")})).await);
    }
    for url in &people[..2] {
        assert_eq!(bridge.set(url, "active", json!(false)).await.0, 200);
    }
    bridge.again(policy, "").await;
    let (status, answer) = bridge.set(&people[2], "active", json!(false)).await;
    assert!(status == 503 && answer["detail"].as_str().unwrap().contains("mass-change"), "{answer}");
    let (code, said) = command(&bridge.config, &["tenant", "reject", "--group", "x"]).await;
    assert!(code == 2 && said.contains("--group"), "{said}");
    bridge.again(policy, "").await;
    let (code, said) = command(&bridge.config, &["tenant", "reject"]).await;
    assert_eq!(code, 0, "{said}");
    let active = async || {
        let agents = bridge.ringcx.agents();
        let at_work =
            agents.iter().filter(|it| it["username"] != "wanda@example.com" && it["isActive"] == true);
        (at_work.count() == 4).then_some(())
    };
    until("everybody to be at work again", active).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_credential_of_somebody_else_the_bridge_is_somebody_else() {
    let mut bridge = Restarted::with("privileged_roles = [\"SUPER_USER\"]", OWNERS).await;
    let ann =
        bridge.create(&json!({"userName": "ann@example.com", "roles": [{"value": "SUPER_USER"}]})).await;
    bridge.ringcx.give_api_token(101, "of-the-owner");
    let (head, rest) = bridge.first.split_once("[tenant.default.ringcentral]").unwrap();
    let (_, policy) = rest.split_once("[tenant.default.policy]").unwrap();
    let own = "[tenant.default.ringcx]\n";
    let head = head.replace(own, &format!("{own}api_token = \"of-the-owner\"\n"));
    bridge.first = format!("{head}[tenant.default.policy]{policy}");
    bridge.again("privileged_roles = [\"SUPER_USER\"]", OWNERS).await;
    // Besides the owner, as whom the bridge signs in now, there is nobody but her.
    bridge.ringcx.edit_admin(100, |admin| drop(admin.insert("enabled".to_owned(), json!(false))));
    let (status, answer) = bridge.set(&ann, "active", json!(false)).await;
    assert!(status == 409 && answer["detail"].as_str().unwrap().contains("last-admin floor"), "{answer}");
    assert!(bridge.power("ann@example.com").0);
}
