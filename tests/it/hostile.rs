//! Hostile input, each with its answer: refused in one sentence, nothing half done, nothing slow, and the server lives on.

use serde_json::{Value, json};

use crate::support::{Answer, Setup, TestBridge};

async fn send(bridge: &TestBridge, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    let token = format!("Bearer {}", bridge.token);
    let headers = [("authorization", token.as_str()), ("content-type", "application/scim+json")];
    let body: Vec<u8> = body.into();
    bridge.raw(method, &format!("/scim/v2{path}"), &headers, (!body.is_empty()).then_some(body)).await
}

/// Method, path, body, status and `scimType`.
type Case = (&'static str, String, Vec<u8>, u16, Option<&'static str>);

fn bodies(id: &str) -> Vec<Case> {
    let user = format!("/Users/{id}");
    let post =
        |body: &str, status, kind| ("POST", "/Users".to_owned(), body.as_bytes().to_vec(), status, kind);
    let deep = |open: &str, close: &str, levels: usize| {
        format!(r#"{{"userName":"x","title":{}{}}}"#, open.repeat(levels), close.repeat(levels))
    };
    let operations = |count: usize| {
        let one = r#"{"op":"replace","path":"title","value":"x"}"#;
        format!(r#"{{"Operations":[{}]}}"#, vec![one; count].join(","))
    };
    let syntax = Some("invalidSyntax");
    let value = Some("invalidValue");
    vec![
        post(&deep("[", "]", 100), 400, syntax),
        post(&deep("{\"a\":", "}", 40).replace(":}", ":1}"), 400, syntax),
        post(&deep("[", "]", 5000), 400, syntax),
        post(&format!(r#"{{"userName":"{}"}}"#, "x".repeat(2000)), 400, value),
        post(&format!(r#"{{"userName":"{}"}}"#, "x".repeat(1_500_000)), 413, None),
        post(r#"{"userName":"\ud800"}"#, 400, syntax),
        post(r#"{"userName":"\udc00\ud800x"}"#, 400, syntax),
        post(r#"{"userName":"a","userName":"b"}"#, 400, syntax),
        post(r#"{"userName":"a","USERNAME":"b"}"#, 400, syntax),
        post(r#"{"userName":"a","active":true,"active":false}"#, 400, syntax),
        post(r#"{"userName":"a\u0000b"}"#, 400, value),
        post(r#"{"userName":"a","urn:ietf:params:scim:schemas:extension:ringcx:2.0:User":{"agentRank":1e400}}"#, 400, syntax),
        post(r#"{"userName":"a","urn:ietf:params:scim:schemas:extension:ringcx:2.0:User":{"agentRank":99999999999999999999}}"#, 400, value),
        post(r#"{"userName":"a","urn:ietf:params:scim:schemas:extension:ringcx:2.0:User":{"maxChats":-1}}"#, 400, value),
        post(r#"{"userName":{"toString":"x"}}"#, 400, value),
        post(r#"{"userName":["a","b"]}"#, 400, value),
        post(&format!(r#"{{"userName":"a","emails":[{}]}}"#, vec![r#"{"value":"x"}"#; 1001].join(",")), 400, value),
        post("[]", 400, syntax),
        post("null", 400, syntax),
        post("{", 400, syntax),
        post("{} {}", 400, syntax),
        ("POST", "/Users".to_owned(), vec![b'{', b'"', 0xff, b'"', b':', b'1', b'}'], 400, syntax),
        ("PATCH", user.clone(), operations(10_000).into_bytes(), 413, None),
        ("PATCH", user.clone(), br#"{"Operations":[]}"#.to_vec(), 400, syntax),
        ("PATCH", user.clone(), br#"{"Operations":[{"op":"move","path":"title","value":1}]}"#.to_vec(), 400, syntax),
        ("PATCH", user.clone(), br#"{"Operations":[{"op":"remove"}]}"#.to_vec(), 400, Some("noTarget")),
        ("PATCH", user.clone(), br#"{"Operations":[{"op":"add","path":"emails[","value":"x"}]}"#.to_vec(), 400, Some("invalidPath")),
        ("PATCH", user.clone(), br#"{"Operations":[{"op":"add","path":"__proto__.x","value":"x"},{"op":"add","path":"id","value":"x"}]}"#.to_vec(), 400, Some("invalidPath")),
        ("PATCH", user, format!(r#"{{"Operations":[{{"op":"add","path":"emails[{}value pr{}]","value":"x"}}]}}"#, "(".repeat(900), ")".repeat(900)).into_bytes(), 400, Some("invalidPath")),
        ("POST", "/Bulk".to_owned(), format!(r#"{{"Operations":[{}]}}"#, vec![r#"{"method":"DELETE","path":"/Users/x"}"#; 10_000].join(",")).into_bytes(), 413, None),
        ("POST", "/Users/.search".to_owned(), br#"{"filter":{"a":1},"count":"x"}"#.to_vec(), 400, value),
    ]
}

fn queries() -> Vec<Case> {
    let get = |query: &str, status, kind| ("GET", format!("/Users?{query}"), Vec::new(), status, kind);
    let filter = Some("invalidFilter");
    vec![
        get("filter=%ZZ", 400, filter),
        get("filter=%FF%FE", 400, filter),
        get("filter=userName%20eq%20%22a%00b%22", 400, filter),
        get(&format!("filter={}userName%20pr{}", "(".repeat(300), ")".repeat(300)), 400, filter),
        get(&format!("filter={}userName%20pr{}", "not%20(".repeat(300), ")".repeat(300)), 400, filter),
        get(&format!("filter={}", ["userName%20pr"; 700].join("%20or%20")), 400, filter),
        get("filter=userName%20eq%20%22%5Cud800%22", 400, filter),
        get("filter=phoneLoginPin%20eq%20%221%22", 400, filter),
        get("filter=password%20eq%20%221%22", 400, filter),
        get(
            "filter=urn:ietf:params:scim:schemas:extension:ringcx:2.0:User:phoneLoginPin%20sw%20%221%22",
            400,
            filter,
        ),
        get("filter=userName%20eq%20'%20OR%201=1%20--", 400, filter),
        get("count=1e9", 400, Some("invalidValue")),
        get("startIndex=99999999999999999999999&count=99999999999999999999999", 200, None),
        get("cursor=%00", 400, Some("invalidCursor")),
        get("sortBy=phoneLoginPin", 400, Some("invalidValue")),
        get(&format!("attributes={}", "a,".repeat(20_000)), 400, Some("invalidValue")),
        ("GET", "/Users/%00".to_owned(), Vec::new(), 404, None),
        ("GET", "/Users/%FF".to_owned(), Vec::new(), 404, None),
        ("GET", "/Users/..%2f..%2fetc%2fpasswd".to_owned(), Vec::new(), 404, None),
        ("GET", format!("/Users/{}", "x".repeat(5000)), Vec::new(), 404, None),
        ("GET", "/Users/'%20OR%20'1'='1".to_owned(), Vec::new(), 404, None),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_input_has_its_answer_and_no_effect() {
    let bridge = TestBridge::start(Setup::default()).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    let before = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
    let (held, calls) = (bridge.ringcx.agent(agent), bridge.ringcx.calls().len());
    for (method, path, body, status, kind) in bodies(&id).into_iter().chain(queries()) {
        let shown = String::from_utf8_lossy(&body).chars().take(120).collect::<String>();
        let place = format!("{method} {} {shown}", path.chars().take(120).collect::<String>());
        let answer = send(&bridge, method, &path, body).await;
        assert_eq!(answer.status, status, "{place}: {}", answer.text);
        if status >= 400 {
            assert_eq!(
                answer.body["schemas"],
                json!(["urn:ietf:params:scim:api:messages:2.0:Error"]),
                "{place}"
            );
            assert_eq!(answer.body.get("scimType").and_then(Value::as_str), kind, "{place}: {}", answer.text);
            let detail = answer.body["detail"].as_str().unwrap();
            assert!(detail.chars().count() < 500, "{place}: {detail}");
        }
    }
    assert_eq!(bridge.send("GET", &format!("/Users/{id}"), None).await.body, before);
    assert_eq!(bridge.send("GET", "/Users", None).await.body["totalResults"], 1);
    assert_eq!((bridge.ringcx.agent(agent), bridge.ringcx.calls().len()), (held, calls));
}
