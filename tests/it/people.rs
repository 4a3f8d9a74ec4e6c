//! Writes to users as identity providers send them: what RingCX holds afterwards.

use ringcx_simulator::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

async fn bridge() -> TestBridge {
    TestBridge::start(Setup::default()).await
}

async fn with_roles(policy: Value) -> TestBridge {
    let mut whole = json!({"password_on_put": "omit", "default_agent_group": "Default",
        "allowed_roles": ["ACCESS_AUDIT_LOG", "ACCESS_SIBLINGS"]});
    whole.as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
    TestBridge::start(Setup { policy: whole, ..Setup::default() }).await
}

fn person(name: &str) -> Value {
    json!({"userName": name, "externalId": format!("x-{name}"), "name": {"givenName": "Jo", "familyName": "Bloggs"},
        "emails": [{"value": name, "type": "work", "primary": true}]})
}

fn op(op: &str, path: &str, value: impl Into<Value>) -> Value {
    json!({"Operations": [{"op": op, "path": path, "value": value.into()}]})
}

fn roles_of(body: &Value) -> Vec<&str> {
    body["roles"].as_array().into_iter().flatten().map(|role| role["value"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicate_user_409() {
    let bridge = bridge().await;
    let (id, _) = bridge.create(person("jo@example.com")).await;
    for name in ["jo@example.com", "JO@Example.com"] {
        let mut body = person(name);
        body["externalId"] = json!("another");
        let answer = bridge.send("POST", "/Users", Some(&body)).await;
        assert_eq!((answer.status, &answer.body["scimType"]), (409, &json!("uniqueness")));
        assert!(answer.body["detail"].as_str().unwrap().contains(&id), "names the holder: {}", answer.text);
    }
    assert_eq!(bridge.ringcx.count("createAgent"), 1);
    assert_eq!(bridge.send("GET", "/Users", None).await.body["totalResults"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn create_over_inactive_is_409() {
    let bridge = bridge().await;
    let (id, agent) = bridge.create(person("jo@example.com")).await;
    assert_eq!(
        bridge
            .send("PATCH", &format!("/Users/{id}"), Some(&op("replace", "active", json!(false))))
            .await
            .status,
        200
    );
    let mut body = person("jo@example.com");
    body["externalId"] = json!("another");
    let answer = bridge.send("POST", "/Users", Some(&body)).await;
    assert_eq!((answer.status, &answer.body["scimType"]), (409, &json!("uniqueness")));
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains(&id) && detail.contains("inactive"), "{detail}");
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false, "nobody is switched on by that");
    assert_eq!(bridge.ringcx.count("createAgent"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn create_returns_201_body_location() {
    let bridge = bridge().await;
    let answer = bridge.send("POST", "/Users", Some(&person("jo@example.com"))).await;
    assert_eq!(answer.status, 201);
    let id = answer.body["id"].as_str().unwrap();
    assert_eq!(answer.headers["location"], format!("{}/Users/{id}", bridge.base));
    assert_eq!(answer.body["meta"]["location"], answer.headers["location"]);
    assert_eq!(answer.body["meta"]["version"], answer.headers["etag"]);
    assert_eq!(answer.body["name"], json!({"givenName": "Jo", "familyName": "Bloggs"}));
    assert_eq!(
        (&answer.body["active"], &answer.body["externalId"]),
        (&json!(true), &json!("x-jo@example.com"))
    );
    assert_eq!(answer.headers["content-type"], "application/scim+json");
    let agents = bridge.ringcx.agents();
    assert!(agents.iter().any(|agent| agent["email"] == "jo@example.com" && agent["lastName"] == "Bloggs"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn okta_rename_username() {
    for (policy, status, login) in [
        ("follow", 200, "new@example.com"),
        ("keep", 200, "old@example.com"),
        ("reject", 400, "old@example.com"),
    ] {
        let setup =
            json!({"default_agent_group": "Default", "password_on_put": "omit", "rename_policy": policy});
        // Whether RingCX takes another login name at all is a question of its own.
        let knobs = vec![("username_update", "allow")];
        let bridge = TestBridge::start(Setup { policy: setup, knobs, ..Setup::default() }).await;
        let (id, agent) = bridge.create(person("old@example.com")).await;
        // Okta lays its change over what it was shown.
        let mut body = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
        body["userName"] = json!("new@example.com");
        let answer = bridge.send("PUT", &format!("/Users/{id}"), Some(&body)).await;
        assert_eq!(answer.status, status, "{policy}: {}", answer.text);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["username"], login, "{policy}");
        let shown = bridge.send("GET", &format!("/Users/{id}"), None).await.body["userName"].clone();
        assert_eq!(shown, if status == 200 { "new@example.com" } else { "old@example.com" });
        if status == 400 {
            assert_eq!(answer.body["scimType"], "mutability");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entra_unknown_manager_not_fatal() {
    let bridge = bridge().await;
    let (id, agent) = bridge.create(person("jo@example.com")).await;
    let patch = json!({"Operations": [
        {"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": "11111111-2222-3333-4444-555555555555"},
        {"op": "Replace", "path": "name.givenName", "value": "Joan"}]});
    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&patch)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.body[ENTERPRISE]["manager"]["value"], "11111111-2222-3333-4444-555555555555");
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["firstName"], "Joan", "the rest is not lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_200_when_operation_ignored() {
    let bridge = bridge().await;
    let (id, agent) = bridge.create(person("jo@example.com")).await;
    let before = bridge.ringcx.agent(agent);
    let calls = bridge.ringcx.calls().len();
    for (name, value) in [
        ("active", json!("off")),
        ("active", json!(7)),
        ("emails", json!("not/an\u{0}address")),
        ("urn:ietf:params:scim:schemas:extension:ringcx:2.0:User:agentRank", json!(99)),
        ("name", json!("Jo Bloggs")),
        ("id", json!("x")),
        ("groups", json!([{"value": "x"}])),
        ("meta.created", json!("x")),
    ] {
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&op("replace", name, value))).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text);
        assert!(answer.body["detail"].as_str().unwrap().contains("Operations[0]"), "{}", answer.text);
    }
    assert_eq!(bridge.ringcx.agent(agent), before);
    assert_eq!(bridge.ringcx.calls().len(), calls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entra_single_role_returned_primary_true() {
    let bridge = with_roles(json!({})).await;
    let mut body = person("ann@example.com");
    body["roles"] =
        json!([{"primary": true, "type": "WindowsAzureActiveDirectoryRole", "value": "ACCESS_AUDIT_LOG"}]);
    let (id, _) = bridge.create(body).await;
    let url = format!("/Users/{id}");
    let shown = bridge.send("GET", &url, None).await.body;
    assert_eq!(shown["roles"][0]["primary"], true, "else Entra adds a second one instead of replacing it");
    let path = "roles[primary eq \"True\"].value";
    let changed = bridge.send("PATCH", &url, Some(&op("Replace", path, json!("ACCESS_SIBLINGS")))).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(roles_of(&changed.body), ["ACCESS_SIBLINGS"]);
    assert_eq!(changed.body["roles"][0]["primary"], true);
    let admin = bridge.ringcx.admin_named("ann@example.com").unwrap()["roles"].clone();
    assert!(admin.to_string().contains("ACCESS_SIBLINGS") && !admin.to_string().contains("AUDIT"), "{admin}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn okta_role_keyword_none() {
    let bridge = with_roles(json!({})).await;
    let mut body = person("ann@example.com");
    body["roles"] = json!([{"value": "None", "type": "base"}]);
    let (id, _) = bridge.create(body).await;
    assert_eq!(bridge.ringcx.admin_named("ann@example.com"), None);
    let grant = op("replace", "roles", json!([{"value": "ACCESS_AUDIT_LOG", "type": "base"}]));
    assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&grant)).await.status, 200);
    assert!(bridge.ringcx.admin_named("ann@example.com").unwrap()["roles"].to_string().contains("AUDIT"));
    let withdraw = op("replace", "roles", json!([{"value": "none", "type": "base"}]));
    assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&withdraw)).await.status, 200);
    let left = bridge.ringcx.admin_named("ann@example.com").unwrap()["roles"].to_string();
    assert!(!left.contains("AUDIT"), "{left}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delete_twice_204_404() {
    let bridge = bridge().await;
    let (id, agent) = bridge.create(person("jo@example.com")).await;
    let url = format!("/Users/{id}");
    let first = bridge.send("DELETE", &url, None).await;
    assert_eq!((first.status, first.text.as_str()), (204, ""));
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
    let calls = bridge.ringcx.calls().len();
    let second = bridge.send("DELETE", &url, None).await;
    assert_eq!((second.status, second.body["status"].as_str()), (404, Some("404")));
    assert_eq!(bridge.send("DELETE", "/Users/never", None).await.status, 404);
    assert_eq!(bridge.ringcx.calls().len(), calls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reactivate_keeps_group_and_roles() {
    let bridge = with_roles(json!({})).await;
    let mut body = person("ann@example.com");
    body["roles"] = json!([{"value": "ACCESS_AUDIT_LOG"}]);
    let (id, agent) = bridge.create(body).await;
    let group = json!({"displayName": "UK Agents", "members": [{"value": id}]});
    assert_eq!(bridge.send("POST", "/Groups", Some(&group)).await.status, 201);
    bridge.run_jobs().await;
    let url = format!("/Users/{id}");
    let before = bridge.send("GET", &url, None).await.body;
    let placed = bridge.ringcx.agent(agent).unwrap()["agentGroupId"].clone();
    for word in ["False", "True"] {
        let answer = bridge.send("PATCH", &url, Some(&op("Replace", "active", json!(word)))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(
            (&answer.body["groups"], &answer.body["roles"]),
            (&before["groups"], &before["roles"]),
            "{word}"
        );
        bridge.run_jobs().await;
    }
    let after = bridge.ringcx.agent(agent).unwrap();
    assert_eq!((&after["isActive"], &after["agentGroupId"]), (&json!(true), &placed));
    let admin = bridge.ringcx.admin_named("ann@example.com").unwrap();
    assert!(admin["roles"].to_string().contains("ACCESS_AUDIT_LOG"), "{admin}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn create_retry_no_orphan() {
    let setup = Setup { settle: std::time::Duration::from_millis(400), ..Setup::default() };
    let bridge = TestBridge::start(setup).await;
    // RingCX does the work, the answer never comes back, and the client gives up before we know.
    bridge.ringcx.fault(Fault::once("createAgent", FaultKind::DelayAfter(1500)));
    let body = person("jo@example.com");
    let first = bridge.send("POST", "/Users", Some(&body)).await;
    assert_eq!(first.status, 503, "{}", first.text);
    bridge.run_jobs().await;
    let again = bridge.send("POST", "/Users", Some(&body)).await;
    assert_eq!(again.status, 409, "{}", again.text);
    let found = bridge.send("GET", "/Users?filter=userName eq \"jo@example.com\"", None).await.body;
    assert_eq!(found["totalResults"], 1);
    let ours = bridge.ringcx.agents().iter().filter(|agent| agent["email"] == "jo@example.com").count();
    assert_eq!(ours, 1, "one account, whatever was lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_a_client_sends_is_nobodys_password() {
    const SECRET: &str = "1mz050nq-A";
    let bridge = bridge().await;
    let mut body = person("jo@example.com");
    body["password"] = json!(SECRET);
    let made = bridge.send("POST", "/Users", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let url = format!("/Users/{}", made.body["id"].as_str().unwrap());
    let put = bridge.send("PUT", &url, Some(&body)).await;
    let patched = bridge.send("PATCH", &url, Some(&op("replace", "password", SECRET))).await;
    let shown = bridge.send("GET", &url, None).await;
    for answer in [made, put, patched, shown] {
        assert!(matches!(answer.status, 200 | 201) && !answer.text.contains(SECRET), "{}", answer.text);
    }
    let agent = bridge.ringcx.agents().into_iter().find(|it| it["email"] == "jo@example.com").unwrap();
    let password = bridge.ringcx.password(agent["agentId"].as_i64().unwrap()).unwrap();
    assert!(password != SECRET && password.len() >= 20, "made by the bridge");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaver_is_switched_off_beside_a_bad_operation_where_the_client_needs_it() {
    use ringcx_scim::scim::Compatibility;
    for (compatibility, works) in [(Compatibility::Entra, false), (Compatibility::Generic, true)] {
        let bridge = TestBridge::start(Setup { compatibility, ..Setup::default() }).await;
        let (id, agent) = bridge.create(person("jo@example.com")).await;
        let both = json!({"Operations": [
            {"op": "Replace", "path": "name.givenName", "value": "Joan"},
            {"op": "Replace", "path": "emails[", "value": "x"},
            {"op": "Replace", "path": "active", "value": "False"},
        ]});
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&both)).await;
        assert_eq!(answer.status, 400, "{compatibility:?}: {}", answer.text);
        let now = bridge.ringcx.agent(agent).unwrap();
        assert_eq!((&now["isActive"], &now["firstName"]), (&json!(works), &json!("Jo")), "{compatibility:?}");
        let shown = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
        assert_eq!(shown["active"], works, "{compatibility:?}");
    }
}
