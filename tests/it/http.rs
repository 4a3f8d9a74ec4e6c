//! The server as a client sees it: callers, bodies, errors, versions, pages.

use ringcx_simulator::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

async fn bridge() -> TestBridge {
    TestBridge::start(Setup::default()).await
}

/// A request with exactly these headers.
pub(crate) async fn raw(
    bridge: &TestBridge,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> (u16, Value, String) {
    #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
    let client = reqwest::Client::new();
    let root = bridge.base.trim_end_matches("/scim/v2");
    let mut request = client.request(method.parse().unwrap(), format!("{root}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.body(body.to_owned());
    }
    #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let kind = response
        .headers()
        .get("content-type")
        .map(|kind| kind.to_str().unwrap().to_owned())
        .unwrap_or_default();
    assert!(response.headers().contains_key("x-request-id"), "{path}");
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default(), kind)
}

/// Status, method, path, headers, body.
type Case<'a> = (u16, &'a str, &'a str, Vec<(&'a str, &'a str)>, Option<&'a str>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_errors_are_scim_json() {
    let bridge = bridge().await;
    let token = format!("Bearer {}", bridge.token);
    let auth = ("authorization", token.as_str());
    let json = ("content-type", "application/scim+json");
    let large = format!(r#"{{"userName":"{}"}}"#, "x".repeat(2_000_000));
    let cases: Vec<Case<'_>> = vec![
        (401, "GET", "/scim/v2/Users", vec![], None),
        (401, "GET", "/scim/v2/Users", vec![("authorization", "Bearer wrong")], None),
        (401, "GET", "/scim/v2/Nothing", vec![], None),
        (404, "GET", "/scim/v2/Nothing", vec![auth], None),
        (404, "GET", "/", vec![], None),
        (404, "GET", "/scim/v2/Users/none", vec![auth], None),
        (
            404,
            "PATCH",
            "/scim/v2/Groups/none",
            vec![auth, json],
            Some(r#"{"Operations":[{"op":"remove","path":"members"}]}"#),
        ),
        (405, "DELETE", "/scim/v2/Users", vec![auth], None),
        (400, "POST", "/scim/v2/Users", vec![auth, json], Some("{")),
        (400, "POST", "/scim/v2/Users", vec![auth, json], Some("[]")),
        (400, "POST", "/scim/v2/Users", vec![auth, json], Some("{}")),
        (400, "GET", "/scim/v2/Users?filter=userName%20eq", vec![auth], None),
        (400, "GET", "/scim/v2/Users?filter=password%20eq%20%22x%22", vec![auth], None),
        (400, "GET", "/scim/v2/Users?count=many", vec![auth], None),
        (413, "POST", "/scim/v2/Users", vec![auth, json], Some(&large)),
        (415, "POST", "/scim/v2/Users", vec![auth, ("content-type", "text/csv")], Some("a,b")),
    ];
    for (status, method, path, headers, body) in cases {
        let (got, answer, kind) = raw(&bridge, method, path, &headers, body).await;
        assert_eq!(got, status, "{method} {path}: {answer}");
        assert_eq!(kind, "application/scim+json", "{method} {path}");
        assert_eq!(
            answer["schemas"],
            json!(["urn:ietf:params:scim:api:messages:2.0:Error"]),
            "{method} {path}"
        );
        assert_eq!(answer["status"], status.to_string(), "{method} {path}");
        assert!(!answer["detail"].as_str().unwrap().is_empty(), "{method} {path}");
        assert!(!answer.to_string().contains("xxxxxxxx"), "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_paths_and_media_types_are_read_as_clients_send_them() {
    let bridge = bridge().await;
    let bare = bridge.token.clone();
    let body = r#"{"userName":"jo@example.com"}"#;
    for header in [bare.clone(), format!("Bearer {bare}"), format!("bearer {bare}")] {
        let (status, ..) = raw(&bridge, "GET", "/scim/v2/Users", &[("authorization", &header)], None).await;
        assert_eq!(status, 200);
    }
    let auth = ("authorization", bare.as_str());
    for path in [
        "/scim/v2//Users",
        "/scim/v2/Users/",
        "//scim/v2/Users",
        "/scim/v2/Users?aadOptscim062020",
        "/scim/v2/Users?aadOptscim062020&count=1",
    ] {
        assert_eq!(raw(&bridge, "GET", path, &[auth], None).await.0, 200, "{path}");
    }
    let flagged = "/scim/v2/Users?aadOptscim062020?filter=userName%20eq%20%22nobody%22";
    assert_eq!(raw(&bridge, "GET", flagged, &[auth], None).await.1["totalResults"], 0);
    let kinds =
        ["application/json", "application/scim+json; charset=utf-8", "application/json;charset=UTF-8"];
    for (n, kind) in kinds.into_iter().enumerate() {
        let body = body.replace("jo@", &format!("jo{n}@"));
        let headers = [auth, ("content-type", kind), ("accept", "application/scim+json; charset=utf-8")];
        assert_eq!(raw(&bridge, "POST", "/scim/v2/Users", &headers, Some(&body)).await.0, 201, "{kind}");
    }
    let (status, answer, _) = raw(&bridge, "GET", "/emea/scim/v2/Users", &[auth], None).await;
    assert_eq!(status, 401, "a token of another tenant is no token: {answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_guard_reads_and_writes() {
    let bridge = bridge().await;
    let (id, _) = bridge.create(json!({"userName": "jo@example.com"})).await;
    let url = format!("/Users/{id}");
    let first = bridge.send("GET", &url, None).await;
    let etag = first.headers["etag"].clone();
    assert_eq!(first.body["meta"]["version"], etag);
    let with = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    assert_eq!(bridge.send_with("GET", &url, None, &with("if-none-match", &etag)).await.status, 304);
    let title = json!({"Operations": [{"op": "replace", "path": "title", "value": "Lead"}]});
    let stale = bridge.send_with("PATCH", &url, Some(&title), &with("if-match", "W/\"99\"")).await;
    assert_eq!(stale.status, 412, "{}", stale.text);
    assert_eq!(bridge.send_with("PATCH", &url, Some(&title), &with("if-match", &etag)).await.status, 200);
    assert_eq!(bridge.send_with("DELETE", &url, None, &with("if-match", &etag)).await.status, 412);
    let second = bridge.send("GET", &url, None).await.headers["etag"].clone();
    assert_ne!(etag, second);
    let group = json!({"displayName": "G", "members": [{"value": id}]});
    assert_eq!(bridge.send("POST", "/Groups", Some(&group)).await.status, 201);
    assert_ne!(bridge.send("GET", &url, None).await.headers["etag"], second, "a new group is a new version");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn projections_and_discovery_follow_the_schema() {
    let bridge = bridge().await;
    let (id, _) = bridge
        .create(json!({"userName": "jo@example.com", "title": "x", "emails": [{"value": "jo@example.com"}]}))
        .await;
    let only = bridge.send("GET", &format!("/Users/{id}?attributes=emails.value"), None).await.body;
    assert_eq!(only["emails"][0]["value"], "jo@example.com");
    assert!(only.get("userName").is_none() && only.get("title").is_none() && only.get("id").is_some());
    let without =
        bridge.send("GET", &format!("/Users/{id}?excludedAttributes=title,groups"), None).await.body;
    assert!(without.get("title").is_none() && without.get("userName").is_some());
    for path in ["/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas"] {
        assert_eq!(bridge.send("GET", path, None).await.status, 200, "{path}");
    }
    let schema =
        bridge.send("GET", "/Schemas/urn:ietf:params:scim:schemas:extension:ringcx:2.0:User", None).await;
    assert_eq!(schema.status, 200, "{}", schema.text);
    assert_eq!(bridge.send("GET", "/Schemas/urn:none", None).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rename_of_a_group_reaches_its_members_when_it_gives_something_else() {
    let setup =
        Setup { groups: json!([{"match": "Agents UK", "agent_group": "UK Agents"}]), ..Setup::default() };
    let bridge = TestBridge::start(setup).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    let group = json!({"displayName": "Whatever", "members": [{"value": id}]});
    let group = bridge.send("POST", "/Groups", Some(&group)).await.body["id"].as_str().unwrap().to_owned();
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1000);
    let rename =
        |name: &str| json!({"Operations": [{"op": "replace", "path": "displayName", "value": name}]});
    assert_eq!(
        bridge.send("PATCH", &format!("/Groups/{group}"), Some(&rename("Agents UK"))).await.status,
        204
    );
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1001);
    assert_eq!(
        bridge.send("PATCH", &format!("/Groups/{group}"), Some(&rename("Something Else"))).await.status,
        204
    );
    bridge.run_jobs().await;
    assert_eq!(
        bridge.ringcx.agent(agent).unwrap()["agentGroupId"],
        1001,
        "once matched, a rename moves nobody"
    );
    let taken = bridge.send("POST", "/Groups", Some(&json!({"displayName": "something else"}))).await;
    assert_eq!((taken.status, &taken.body["scimType"]), (409, &json!("uniqueness")));
}

/// The certificate that the server shows to a new connection.
async fn shown_certificate(bridge: &TestBridge) -> Vec<u8> {
    let client = reqwest::Client::builder().danger_accept_invalid_certs(true).tls_info(true).build().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
    let response = client.get(format!("{}/Users", bridge.base)).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 401);
    response.extensions().get::<reqwest::tls::TlsInfo>().unwrap().peer_certificate().unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_changes_is_read_again_and_a_broken_one_is_not() {
    let pems = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls");
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let put = |name: &str| {
        std::fs::copy(format!("{pems}/{name}.key.pem"), &key).unwrap();
        std::fs::copy(format!("{pems}/{name}.cert.pem"), &cert).unwrap();
    };
    put("one");
    let bridge =
        TestBridge::start(Setup { tls: Some((cert.clone(), key.clone())), ..Setup::default() }).await;
    bridge.create(json!({"userName": "jo@example.com"})).await;
    let first = shown_certificate(&bridge).await;
    std::fs::write(&cert, "not a certificate").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert_eq!(shown_certificate(&bridge).await, first, "the old one stays in use");
    put("two");
    for _ in 0..100 {
        if shown_certificate(&bridge).await != first {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the new certificate was not read within 10 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_request_ends_when_the_server_stops() {
    let bridge = bridge().await;
    bridge.ringcx.fault(Fault::once("createAgent", FaultKind::Delay(2000)));
    let body = json!({"userName": "jo@example.com"});
    let stop = async {
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        bridge.stop();
    };
    let (answer, ()) = tokio::join!(bridge.send("POST", "/Users", Some(&body)), stop);
    assert_eq!(answer.status, 201, "{}", answer.text);
    let refused = tokio::net::TcpStream::connect(
        bridge.base.trim_start_matches("http://").trim_end_matches("/scim/v2"),
    )
    .await;
    assert!(refused.is_err(), "no more connections are taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_turns_red_when_ringcx_refuses_the_credential_and_green_again() {
    let bridge = TestBridge::start(Setup::default()).await;
    let ready = async || bridge.raw("GET", "/readyz", &[], None).await;
    assert_eq!(ready().await.status, 200);
    let (quiet, asked) = (std::time::Duration::from_secs(45), bridge.ringcx.count("getAuth"));
    bridge.reconciler.feel_pulse(quiet).await;
    assert_eq!(bridge.ringcx.count("getAuth"), asked, "a credential that was just shown needs no question");
    bridge.ringcx.expire_tokens();
    for operation in ["refreshToken", "exchangeToken"] {
        bridge.ringcx.fault(Fault::always(operation, FaultKind::Unauthorized));
    }
    bridge.reconciler.feel_pulse(std::time::Duration::ZERO).await;
    let answer = ready().await;
    assert_eq!((answer.status, &answer.body["tenants_refused_by_ringcx"]), (503, &json!(["default"])));
    let why = "RingCX or RingCentral refuses the bridge's own credential of tenant default; run `ringcx-scim check`.";
    assert_eq!(answer.body["why"], json!([why]));
    bridge.ringcx.clear_faults();
    bridge.reconciler.feel_pulse(std::time::Duration::ZERO).await;
    assert_eq!(ready().await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_credentials_are_limited_by_address_and_good_ones_are_served_all_the_same() {
    let bridge = TestBridge::start(Setup::default()).await;
    let wrong = [("authorization", "Bearer wrong")];
    let mut statuses = std::collections::BTreeMap::<u16, u32>::new();
    let mut last = None;
    // Twice as many as are allowed, so that a minute that begins meanwhile changes nothing.
    let allowed = ringcx_scim::server::Settings::default().max_refusals_per_minute;
    for _ in 0..2 * allowed + 2 {
        let answer = bridge.raw("GET", "/scim/v2/Users", &wrong, None).await;
        *statuses.entry(answer.status).or_default() += 1;
        last = Some(answer);
    }
    assert!(statuses[&401] >= allowed && statuses.contains_key(&429) && statuses.len() == 2, "{statuses:?}");
    let last = last.unwrap();
    assert_eq!(last.body["status"], "429", "{}", last.text);
    assert!((1..=60).contains(&last.headers["retry-after"].parse::<u32>().unwrap()));
    assert_eq!(bridge.send("GET", "/Users", None).await.status, 200);
    let forwarded = [("authorization", "Bearer wrong"), ("x-forwarded-for", "203.0.113.9")];
    assert_eq!(
        bridge.raw("GET", "/scim/v2/Users", &forwarded, None).await.status,
        429,
        "nobody's word is taken"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_with_networks_is_good_only_from_there() {
    let bridge = TestBridge::start(Setup::default()).await;
    for (name, networks, status) in
        [("a", "10.0.0.0/8", 401), ("b", "10.0.0.0/8 127.0.0.0/8", 200), ("c", "nonsense", 401)]
    {
        let bearer = format!("Bearer {}", bridge.token_of(name).await);
        let change = move |tx: &mut ringcx_scim::store::Tx<'_>| {
            let token = format!("of-{name}");
            tx.exec("UPDATE tokens SET networks = $1 WHERE name = $2", &[networks.into(), (&token).into()])
        };
        bridge.store.write(change).await.unwrap();
        let answer = bridge.raw("GET", "/scim/v2/Users", &[("authorization", &bearer)], None).await;
        assert_eq!(answer.status, status, "{networks}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_interface_description_names_at_the_root_is_served_as_it_says() {
    let bridge = TestBridge::start(Setup::default()).await;
    let document: Value = serde_json::from_str(ringcx_scim::server::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let root: Vec<&String> =
        paths.iter().filter(|(_, it)| it["servers"][0]["url"] == "/").map(|(path, _)| path).collect();
    assert_eq!(root, ["/.well-known/jwks.json", "/healthz", "/metrics", "/oauth/token", "/readyz"]);
    for path in root {
        let (method, described) =
            paths[path].as_object().unwrap().iter().find(|(name, _)| *name != "servers").unwrap();
        let answer = bridge.raw(&method.to_uppercase(), path, &[], None).await;
        let response = &described["responses"][answer.status.to_string()]["content"];
        let kinds: Vec<&String> =
            response.as_object().unwrap_or_else(|| panic!("{path}: {}", answer.status)).keys().collect();
        let kind = answer.headers["content-type"].split(';').next().unwrap();
        assert_eq!(kinds, [kind], "{path}");
    }
    // A token of nobody, at every method of /Me.
    for method in paths["/Me"].as_object().unwrap().keys() {
        let body = json!({"userName": "jo@example.com", "Operations": [{"op": "replace", "path": "title", "value": "x"}]});
        let body = (method != "get" && method != "delete").then_some(&body);
        assert_eq!(bridge.send(&method.to_uppercase(), "/Me", body).await.status, 501, "{method}");
    }
}
