//! Callers, media types, paths and time limits as the clients need them, and how they try a connection.

use std::time::{Duration, Instant};

use ringcx_scim::server::Settings;
use ringcx_simulator::{Fault, FaultKind, Seed};
use serde_json::{Value, json};

use crate::http::raw;
use crate::support::{Setup, TestBridge};

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const GUID: &str = "5f1c9c1e-6a0a-4b7e-9b5e-0d6a1f6a9c11";

async fn bridge() -> TestBridge {
    TestBridge::start(Setup::default()).await
}

/// The agents of the simulator by login name.
fn logins(bridge: &TestBridge) -> Vec<String> {
    bridge.ringcx.agents().iter().map(|agent| agent["username"].as_str().unwrap().to_owned()).collect()
}

/// Asks, and sees that RingCX was not asked.
async fn ask(bridge: &TestBridge, path: &str) -> Value {
    let before = bridge.ringcx.calls().len();
    let answer = bridge.send("GET", path, None).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    assert_eq!(answer.headers["content-type"], "application/scim+json", "{path}");
    assert_eq!(bridge.ringcx.calls().len(), before, "{path}: a read never leaves the process");
    answer.body
}

fn empty_list(body: &Value) {
    assert_eq!(
        body,
        &json!({"schemas": [LIST], "totalResults": 0, "startIndex": 1, "itemsPerPage": 0, "Resources": []})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_scheme_case_insensitive() {
    let bridge = bridge().await;
    let body = |n: usize| format!(r#"{{"userName":"u{n}@example.com"}}"#);
    for (n, scheme) in ["Bearer", "bearer", "BEARER", "bEaReR"].into_iter().enumerate() {
        let auth = format!("{scheme} {}", bridge.token);
        let headers = [("authorization", auth.as_str()), ("content-type", "application/scim+json")];
        let (status, answer, _) = raw(&bridge, "POST", "/scim/v2/Users", &headers, Some(&body(n))).await;
        assert_eq!(status, 201, "{scheme}: {answer}");
        assert!(logins(&bridge).contains(&format!("u{n}@example.com")), "{scheme}");
    }
    let auth = format!("Basic {}", bridge.token);
    let (status, ..) = raw(&bridge, "GET", "/scim/v2/Users", &[("authorization", &auth)], None).await;
    assert_eq!(status, 401, "another scheme is no bearer token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_token_401_scim_error_body() {
    let bridge = bridge().await;
    let (before, agents) = (bridge.ringcx.calls().len(), logins(&bridge));
    let mut nearly = bridge.token.clone();
    let last = nearly.pop().unwrap();
    nearly.push(if last == 'a' { 'b' } else { 'a' });
    let body = json!({"userName": "jo@example.com"}).to_string();
    for given in ["", "Bearer", "Bearer wrong", "wrong", &format!("Bearer {nearly}"), "Basic am86am8="] {
        for (method, path) in [("GET", "/scim/v2/Users?startIndex=1&count=2"), ("POST", "/scim/v2/Users")] {
            let headers = [("authorization", given), ("content-type", "application/scim+json")];
            let body = (method == "POST").then_some(body.as_str());
            let (status, answer, kind) = raw(&bridge, method, path, &headers, body).await;
            assert_eq!((status, kind.as_str()), (401, "application/scim+json"), "{given}");
            assert_eq!(answer["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
            assert_eq!(answer["status"], "401", "{given}");
            assert!(!answer["detail"].as_str().unwrap().is_empty());
            assert!(!answer.to_string().contains(&nearly), "the token is not repeated");
        }
    }
    let answer = bridge.raw("GET", "/scim/v2/Users", &[("authorization", "Bearer wrong")], None).await;
    assert_eq!((answer.status, answer.headers["www-authenticate"].as_str()), (401, "Bearer"));
    assert_eq!((bridge.ringcx.calls().len(), logins(&bridge)), (before, agents));
    assert_eq!(ask(&bridge, "/Users").await["totalResults"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn google_application_json_content_type() {
    let bridge = bridge().await;
    let auth = ("authorization", bridge.token.as_str());
    let agent = ("user-agent", "Google-Auto-Provisioning");
    for (n, kind) in ["application/json", "application/json; charset=UTF-8"].into_iter().enumerate() {
        let headers = [auth, agent, ("content-type", kind), ("accept", "application/json")];
        let name = format!("u{n}@example.com");
        let body = json!({"userName": name, "name": {"givenName": "Gia"}}).to_string();
        let (status, made, shown) = raw(&bridge, "POST", "/scim/v2/Users", &headers, Some(&body)).await;
        assert_eq!((status, shown.as_str()), (201, "application/scim+json"), "{kind}: {made}");
        let url = format!("/scim/v2/Users/{}", made["id"].as_str().unwrap());
        let body = json!({"userName": name, "name": {"givenName": "Gina"}}).to_string();
        let (status, _, shown) = raw(&bridge, "PUT", &url, &headers, Some(&body)).await;
        assert_eq!((status, shown.as_str()), (200, "application/scim+json"), "{kind}");
        let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]}).to_string();
        let (status, _, shown) = raw(&bridge, "PATCH", &url, &headers, Some(&off)).await;
        assert_eq!((status, shown.as_str()), (200, "application/scim+json"), "{kind}");
        let agents = bridge.ringcx.agents();
        let held = agents.iter().find(|agent| agent["username"] == name.as_str()).unwrap();
        assert_eq!((&held["firstName"], &held["isActive"]), (&json!("Gina"), &json!(false)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn okta_accept_with_charset_parameter() {
    let bridge = bridge().await;
    let auth = ("authorization", bridge.token.as_str());
    let accepts = [
        "application/scim+json; charset=utf-8",
        "application/scim+json;charset=UTF-8, application/json;q=0.5",
        "application/json; charset=utf-8",
        "*/*;q=0.8",
    ];
    for (n, accept) in accepts.into_iter().enumerate() {
        let headers = [
            auth,
            ("accept", accept),
            ("accept-charset", "utf-8"),
            ("content-type", "application/scim+json; charset=utf-8"),
        ];
        let (status, _, kind) = raw(&bridge, "GET", "/scim/v2/Users", &headers, None).await;
        assert_eq!((status, kind.as_str()), (200, "application/scim+json"), "{accept}");
        let body = json!({"userName": format!("u{n}@example.com")}).to_string();
        let (status, answer, kind) = raw(&bridge, "POST", "/scim/v2/Users", &headers, Some(&body)).await;
        assert_eq!((status, kind.as_str()), (201, "application/scim+json"), "{accept}: {answer}");
        assert!(logins(&bridge).contains(&format!("u{n}@example.com")));
        let (status, _, kind) = raw(&bridge, "GET", "/scim/v2/Users/none", &headers, None).await;
        assert_eq!((status, kind.as_str()), (404, "application/scim+json"), "{accept}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn response_never_exceeds_okta_60s() {
    // No configuration lets a write wait longer than Okta does.
    for (text, fits) in [("50s", true), ("51s", false), ("60s", false), ("5m", false)] {
        let settings = Settings { settle_timeout: text.parse().unwrap(), ..Settings::default() };
        let complaint = settings.check().iter().any(|(key, _)| *key == "settle_timeout");
        assert_eq!(complaint, !fits, "{text}");
    }
    let bridge = TestBridge::start(Setup { settle: Duration::from_millis(300), ..Setup::default() }).await;
    bridge.ringcx.fault(Fault::once("createAgent", FaultKind::Delay(1500)));
    let begun = Instant::now();
    let body = json!({"userName": "jo@example.com"});
    let answer = bridge.send("POST", "/Users", Some(&body)).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.headers["retry-after"].parse::<u32>().unwrap() > 0);
    assert!(begun.elapsed() < Duration::from_millis(1400), "the answer did not wait for RingCX");
    bridge.run_jobs().await;
    let found = ask(&bridge, "/Users?filter=userName eq \"jo@example.com\"").await;
    assert_eq!(found["Resources"][0]["active"], true, "what was begun is finished: {found}");
    assert_eq!(bridge.ringcx.count("createAgent"), 1);
    assert!(logins(&bridge).contains(&"jo@example.com".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entra_test_connection_random_guid_empty_list() {
    let bridge = bridge().await;
    bridge.create(json!({"userName": "jo@example.com", "externalId": "jo"})).await;
    let probe = format!("/Users?filter=userName eq \"{GUID}\"");
    empty_list(&ask(&bridge, &probe).await);
    empty_list(&ask(&bridge, &format!("{probe}&aadOptscim062020")).await);
    assert_eq!(ask(&bridge, "/Users").await["totalResults"], 1, "the filter, not the tenant, is empty");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entra_test_connection_groups_probe() {
    // A tenant that maps no group at all.
    let bridge = bridge().await;
    bridge.create(json!({"userName": "jo@example.com"})).await;
    empty_list(&ask(&bridge, &format!("/Groups?filter=displayName eq \"{GUID}\"")).await);
    let members = format!("/Groups?excludedAttributes=members&filter=displayName eq \"{GUID}\"");
    empty_list(&ask(&bridge, &members).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entra_test_connection_alternate_match_attribute() {
    let bridge = bridge().await;
    let jo = json!({
        "userName": "jo@example.com", "externalId": "e-1",
        "emails": [{"value": "jo@example.com", "type": "work"}],
    });
    let (id, _) = bridge.create(jo).await;
    for (path, held) in [
        ("externalId", "e-1"),
        ("emails[type eq \"work\"].value", "JO@example.com"),
        ("emails.value", "jo@example.com"),
        ("emails", "jo@example.com"),
    ] {
        empty_list(&ask(&bridge, &format!("/Users?filter={path} eq \"{GUID}\"")).await);
        let found = ask(&bridge, &format!("/Users?filter={path} eq \"{held}\"")).await;
        assert_eq!(
            (&found["totalResults"], &found["Resources"][0]["id"]),
            (&json!(1), &json!(id)),
            "{path}: the attribute is searched, not merely let through"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn okta_connector_probe_count_2() {
    let bridge = bridge().await;
    for n in 0..3 {
        bridge.create(json!({"userName": format!("u{n}@example.com")})).await;
    }
    let page = ask(&bridge, "/Users?startIndex=1&count=2").await;
    for (name, number) in [("totalResults", 3), ("startIndex", 1), ("itemsPerPage", 2)] {
        assert_eq!(page[name].as_u64(), Some(number), "{name} is an integer");
    }
    assert_eq!(page["schemas"], json!([LIST]));
    assert_eq!(page["Resources"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn okta_spec_first_user_complete() {
    let bridge = bridge().await;
    let okta = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "ada@example.com", "name": {"givenName": "Ada", "familyName": "Byron"},
        "emails": [{"primary": true, "value": "ada@example.com", "type": "work"}],
        "displayName": "Ada Byron", "locale": "en-US", "externalId": "00u1", "groups": [], "password": "x1",
    });
    let (id, agent) = bridge.create(okta).await;
    let page = ask(&bridge, "/Users?count=1&startIndex=1").await;
    assert!(page["totalResults"].is_u64() && page["startIndex"].is_u64() && page["itemsPerPage"].is_u64());
    let first = &page["Resources"][0];
    assert_eq!(first["id"], id);
    for pointer in ["/id", "/name/givenName", "/name/familyName", "/userName", "/emails/0/value"] {
        let value = first.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        assert!(!value.is_empty(), "{pointer} of {first}");
    }
    assert_eq!(first["active"], true, "shown although Okta did not send it");
    let held = bridge.ringcx.agent(agent).unwrap();
    assert_eq!((&held["firstName"], &held["email"]), (&json!("Ada"), &json!("ada@example.com")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probe_count_1() {
    let bridge = bridge().await;
    for path in ["/Users?count=1", "/Groups?count=1"] {
        empty_list(&ask(&bridge, path).await);
    }
    for n in 0..2 {
        bridge.create(json!({"userName": format!("u{n}@example.com")})).await;
    }
    let page = ask(&bridge, "/Users?count=1").await;
    assert_eq!((&page["totalResults"], &page["itemsPerPage"]), (&json!(2), &json!(1)));
    assert_eq!(page["Resources"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_tenant_lists_200() {
    let bridge = TestBridge::start(Setup { seed: Seed::empty(), ..Setup::default() }).await;
    for path in [
        "/Users",
        "/Groups",
        "/Users?startIndex=1&count=100",
        "/Groups?startIndex=1&count=100",
        "/Users?filter=userName eq \"jo@example.com\"",
        "/Groups?filter=displayName eq \"Sales\"",
    ] {
        empty_list(&ask(&bridge, path).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keycloak_double_slash_path() {
    let bridge = bridge().await;
    let token = format!("Bearer {}", bridge.token);
    let headers = [("authorization", token.as_str()), ("content-type", "application/scim+json")];
    let body = json!({"id": "mine", "userName": "jo@example.com"}).to_string().into_bytes();
    let made = bridge.raw("POST", "/scim/v2//Users", &headers, Some(body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.body["id"].as_str().unwrap();
    assert_ne!(id, "mine");
    assert_eq!(bridge.ringcx.count("createAgent"), 1);
    for path in [format!("/scim//v2///Users//{id}/"), format!("//scim/v2/Users/{id}?attributes=id")] {
        let read = bridge.raw("GET", &path, &headers, None).await;
        assert_eq!((read.status, &read.body["id"]), (200, &json!(id)), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cyberark_resourcetypes_by_id() {
    let bridge = bridge().await;
    for (id, endpoint) in
        [("User", "/Users"), ("Group", "/Groups"), ("Role", "/Roles"), ("Entitlement", "/Entitlements")]
    {
        let answer = bridge.send("GET", &format!("/ResourceTypes/{id}"), None).await;
        assert_eq!((answer.status, &answer.body["endpoint"]), (200, &json!(endpoint)));
        assert!(answer.body.get("Resources").is_none(), "one object, not a list");
    }
    assert_eq!(bridge.send("GET", "/ResourceTypes/Planet", None).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sailpoint_schemas_by_urn() {
    let bridge = bridge().await;
    let all = bridge.send("GET", "/Schemas", None).await.body;
    for schema in all["Resources"].as_array().unwrap() {
        let answer = bridge.send("GET", &format!("/Schemas/{}", schema["id"].as_str().unwrap()), None).await;
        assert_eq!((answer.status, &answer.body), (200, schema));
    }
    assert_eq!(bridge.send("GET", "/Schemas/urn:none", None).await.status, 404);
}
