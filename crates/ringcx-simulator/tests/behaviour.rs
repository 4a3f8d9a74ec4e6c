//! The simulator over HTTP, held against RingCX's public documents and not against our client.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and says what it saw"
)]

use std::time::Duration;

use ringcx_simulator::{Fault, FaultKind, Knobs, Options, Profile, Simulator};
use serde_json::{Value, json};

const ACCOUNT: &str = "/voice/api/v1/admin/accounts/15300002";

struct Caller {
    simulator: Simulator,
    client: reqwest::Client,
    token: String,
}

impl Caller {
    async fn start(profile: Profile, knobs: &[(&str, &str)]) -> Self {
        let mut options = Options { knobs: Knobs::profile(profile), ..Options::default() };
        for (name, value) in knobs {
            options.knobs.set(name, value).unwrap();
        }
        let simulator = Simulator::start(options).await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
        let client = reqwest::Client::new();
        let mut caller = Self { simulator, client, token: String::new() };
        caller.sign_in().await;
        caller
    }

    /// The two steps of the guide: JWT grant with Basic, then the exchange in the form.
    async fn sign_in(&mut self) -> Value {
        let grant = self
            .client
            .post(format!("{}/restapi/oauth/token", self.simulator.url()))
            .basic_auth("simulated-client", Some("simulated-secret"))
            .form(&[
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", "simulated-jwt"),
            ]);
        let granted = send(grant).await.1;
        let exchange = self
            .client
            .post(format!("{}/api/auth/login/rc/accesstoken?includeRefresh=true", self.simulator.url()))
            .form(&[("rcAccessToken", granted["access_token"].as_str().unwrap()), ("rcTokenType", "Bearer")]);
        let exchanged = send(exchange).await.1;
        exchanged["accessToken"].as_str().unwrap().clone_into(&mut self.token);
        exchanged
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value, String) {
        let url = format!("{}{path}", self.simulator.url());
        let mut request = self.client.request(method.parse().unwrap(), url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        send(request).await
    }
}

async fn send(request: reqwest::RequestBuilder) -> (u16, Value, String) {
    #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default(), text)
}

fn agent(username: &str) -> Value {
    json!({"username": username, "password": "Secret-123", "firstName": "A", "team": "T"})
}

#[tokio::test]
async fn tokens_end_after_five_minutes_and_refresh_tokens_rotate() {
    let mut caller = Caller::start(Profile::Friendly, &[]).await;
    let exchanged = caller.sign_in().await;
    caller.simulator.admin().advance(Duration::from_secs(301));
    let (status, _, text) = caller.call("GET", &format!("{ACCOUNT}/agentGroups"), None).await;
    assert_eq!((status, text.as_str()), (401, "Jwt is expired"));
    let refresh = exchanged["refreshToken"].as_str().unwrap();
    let url = format!("{}/api/auth/token/refresh", caller.simulator.url());
    let again = || caller.client.post(&url).form(&[("refresh_token", refresh)]);
    let (status, fresh, _) = send(again()).await;
    assert_eq!(status, 200);
    assert_ne!(fresh["refreshToken"], refresh);
    assert_eq!(send(again()).await.0, 401, "the old one is used up");
}

#[tokio::test]
async fn five_exchanges_a_minute_and_no_more() {
    let mut caller = Caller::start(Profile::Friendly, &[]).await;
    for _ in 0..4 {
        caller.sign_in().await;
    }
    let url = format!("{}/api/auth/login/rc/accesstoken", caller.simulator.url());
    let (status, ..) =
        send(caller.client.post(url).form(&[("rcAccessToken", "x"), ("rcTokenType", "Bearer")])).await;
    assert_eq!(status, 429);
}

#[tokio::test]
async fn the_rate_limit_is_a_sliding_window() {
    let caller = Caller::start(Profile::Hostile, &[("rate_window_s", "60")]).await;
    for _ in 0..10 {
        assert_eq!(caller.call("GET", &format!("{ACCOUNT}/agentGroups"), None).await.0, 200);
    }
    let (status, _, text) = caller.call("GET", &format!("{ACCOUNT}/agentGroups"), None).await;
    assert_eq!((status, text.as_str()), (429, "rate"));
    caller.simulator.admin().advance(Duration::from_secs(61));
    assert_eq!(caller.call("GET", &format!("{ACCOUNT}/agentGroups"), None).await.0, 200);
}

#[tokio::test]
async fn a_put_merges_or_replaces_and_keeps_associations() {
    for (mode, team) in [("merge", json!("T")), ("replace", Value::Null)] {
        let caller =
            Caller::start(Profile::Friendly, &[("put_mode", mode), ("null_put_clears", "yes")]).await;
        let (status, made, _) =
            caller.call("POST", &format!("{ACCOUNT}/agentGroups/1000/agents"), Some(agent("a@x.com"))).await;
        assert_eq!((status, made.get("password"), made.get("email")), (201, None, None));
        let id = made["agentId"].as_i64().unwrap();
        caller.simulator.admin().associate(id, "gateAssignments", json!([1]));
        let url = format!("{ACCOUNT}/agentGroups/1000/agents/{id}");
        let body = json!({"username": "a@x.com", "firstName": "B"});
        assert_eq!(caller.call("PUT", &url, Some(body)).await.0, 200);
        let (_, now, _) = caller.call("GET", &url, None).await;
        assert_eq!(
            (&now["firstName"], &now["team"], &now["gateAssignments"]),
            (&json!("B"), &team, &Value::Null),
            "{mode}"
        );
        assert_eq!(caller.simulator.admin().associations(id)["gateAssignments"], json!([1]));
        assert!(caller.simulator.admin().membership_changes().is_empty());
        let clearing = json!({"username": "a@x.com", "gateAssignments": null});
        assert_eq!(caller.call("PUT", &url, Some(clearing)).await.0, 200);
        assert_eq!(caller.simulator.admin().associations(id), json!({}));
        let change = json!({"agentId": id, "before": {"gateAssignments": [1]}, "after": {}});
        assert_eq!(caller.simulator.admin().membership_changes(), [change]);
    }
}

#[tokio::test]
async fn names_are_unique_in_any_case_and_conflicts_have_dialects() {
    for (dialect, expected) in [("409", 409), ("400_validation", 400), ("500", 500)] {
        let caller = Caller::start(Profile::Friendly, &[("agent_conflict", dialect)]).await;
        let url = format!("{ACCOUNT}/agentGroups/1000/agents");
        assert_eq!(caller.call("POST", &url, Some(agent("WANDA@example.com"))).await.0, expected);
        assert_eq!(
            caller.call("POST", &url, Some(json!({"username": "x@x.com"}))).await.0,
            400,
            "a password is required"
        );
    }
}

#[tokio::test]
async fn deleting_an_administrator_takes_the_whole_tree_unless_told_otherwise() {
    let caller = Caller::start(Profile::Friendly, &[]).await;
    let users = "/voice/api/v1/admin/users";
    let (_, parent, _) = caller.call("POST", users, Some(json!({"userName": "p@x.com"}))).await;
    let parent = parent["userId"].as_i64().unwrap();
    let below = format!("{users}?parentUserId={parent}");
    let (_, child, _) = caller.call("POST", &below, Some(json!({"userName": "c@x.com"}))).await;
    let child = child["userId"].as_i64().unwrap();
    assert_eq!(caller.call("DELETE", &format!("{users}/{parent}?cascadeDelete=false"), None).await.0, 409);
    assert_eq!(caller.call("DELETE", &format!("{users}/{parent}"), None).await.0, 200);
    assert_eq!(caller.call("GET", &format!("{users}/{child}"), None).await.0, 404);
}

#[tokio::test]
async fn faults_meet_the_calls_they_name() {
    let caller = Caller::start(Profile::Friendly, &[]).await;
    let control = caller.simulator.admin();
    let url = format!("{ACCOUNT}/agentGroups/1000/agents");
    control.fault(Fault::once("createAgent", FaultKind::Html200));
    let (status, _, text) = caller.call("POST", &url, Some(agent("a@x.com"))).await;
    assert!(status == 200 && text.starts_with("<!DOCTYPE html>"), "{text}");
    control.fault(Fault::once("createAgent", FaultKind::DropAfter));
    #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
    let sent = caller
        .client
        .post(format!("{}{url}", caller.simulator.url()))
        .bearer_auth(&caller.token)
        .json(&agent("b@x.com"))
        .send()
        .await;
    let lost = match sent {
        Err(_) => true,
        Ok(response) => response.bytes().await.is_err(),
    };
    assert!(lost, "the connection breaks");
    let made: Vec<Value> =
        control.agents().into_iter().filter(|it| it["username"] != "wanda@example.com").collect();
    assert_eq!(made.len(), 1, "and the agent is there");
    let calls = control.calls();
    assert!(calls.iter().all(|call| call.operation != "createAgent" || call.body["password"] == "***"));
    let (status, shell, _) = caller.call("GET", "/v1/admin/users", None).await;
    assert_eq!((status, shell), (200, Value::Null), "a path outside the API serves the web application");
}
