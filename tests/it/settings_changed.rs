//! Power that was given under other settings: what a changed configuration means for those who hold it.

use reqwest::Method;
use ringcx_simulator::{Control, Options};
use serde_json::{Value, json};

use crate::crash::serve::{Serve, configure, send};
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
