//! The edges of the protocol: `/Me`, methods, discovery, bodies without a name.

use serde_json::json;

use crate::support::{Setup, TestBridge};
use ringcx_scim::scim::Compatibility;

async fn bridge() -> TestBridge {
    TestBridge::start(Setup::default()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn me_is_the_person_of_the_token_and_nobody_elsewise() {
    let bridge = bridge().await;
    let (id, agent) = bridge
        .create(json!({"userName": "jo@example.com", "name": {"givenName": "Jo", "familyName": "B"}}))
        .await;
    for method in ["GET", "PUT", "PATCH", "DELETE", "POST"] {
        let body = json!({"userName": "x"});
        let answer = bridge.send(method, "/Me", (method != "GET").then_some(&body)).await;
        assert_eq!(answer.status, 501, "{method}: {}", answer.text);
        assert_eq!(answer.body["status"], "501");
    }
    let token = format!("Bearer {}", bridge.token_of(&id).await);
    let headers = [("authorization", token.as_str()), ("content-type", "application/scim+json")];
    let me = bridge.raw("GET", "/scim/v2/Me", &headers, None).await;
    assert_eq!((me.status, &me.body["id"]), (200, &json!(id)));
    assert_eq!(me.headers["location"], format!("{}/Users/{id}", bridge.base));
    assert_eq!(me.body["meta"]["location"], me.headers["location"]);
    let rename = json!({"Operations": [{"op": "replace", "path": "name.givenName", "value": "Joan"}]});
    let changed = bridge.raw("PATCH", "/scim/v2/Me", &headers, Some(rename.to_string().into_bytes())).await;
    assert_eq!((changed.status, &changed.body["name"]["givenName"]), (200, &json!("Joan")));
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["firstName"], "Joan");
    let stale = [headers[0], headers[1], ("if-match", "W/\"1\"")];
    assert_eq!(bridge.raw("DELETE", "/scim/v2/Me", &stale, None).await.status, 412);
    assert_eq!(bridge.raw("DELETE", "/scim/v2/Me", &headers, None).await.status, 204);
    assert_eq!(bridge.raw("GET", "/scim/v2/Me", &headers, None).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_answers_like_get_without_a_body_and_options_names_the_methods() {
    let bridge = bridge().await;
    let (id, _) = bridge.create(json!({"userName": "jo@example.com"})).await;
    let token = format!("Bearer {}", bridge.token);
    let auth = [("authorization", token.as_str())];
    for path in ["/scim/v2/Users".to_owned(), format!("/scim/v2/Users/{id}"), "/scim/v2/Schemas".to_owned()] {
        let head = bridge.raw("HEAD", &path, &auth, None).await;
        let get = bridge.raw("GET", &path, &auth, None).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
        assert_eq!(head.headers.get("etag"), get.headers.get("etag"), "{path}");
        assert_eq!(head.headers["content-type"], "application/scim+json");
    }
    assert_eq!(bridge.raw("HEAD", "/scim/v2/Users/none", &auth, None).await.status, 404);
    for (path, methods) in [
        ("/scim/v2/Users", "GET,HEAD,POST"),
        ("/scim/v2/Users/1", "GET,HEAD,PUT,PATCH,DELETE"),
        ("/scim/v2/Bulk", "POST"),
        ("/scim/v2/Roles", "GET,HEAD"),
    ] {
        let options = bridge.raw("OPTIONS", path, &auth, None).await;
        let sorted = |text: &str| {
            let mut all: Vec<String> = text.split(',').map(|it| it.trim().to_owned()).collect();
            all.sort();
            all
        };
        assert_eq!((options.status, options.text.as_str()), (204, ""), "{path}");
        assert_eq!(sorted(&options.headers["allow"]), sorted(methods), "{path}");
        let wrong = bridge.raw("PROPFIND", path, &auth, None).await;
        assert_eq!((wrong.status, wrong.body["status"].as_str()), (405, Some("405")), "{path}");
        assert_eq!(sorted(&wrong.headers["allow"]), sorted(methods), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_says_about_itself_cannot_be_filtered() {
    let bridge = bridge().await;
    for path in ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/ResourceTypes/User"] {
        let answer = bridge.send("GET", &format!("{path}?filter=name eq \"User\""), None).await;
        assert_eq!((answer.status, answer.body["status"].as_str()), (403, Some("403")), "{path}");
        assert_eq!(bridge.send("GET", &format!("{path}?count=1&startIndex=1"), None).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_is_read_has_a_version() {
    let policy = json!({"default_agent_group": "Default", "password_on_put": "omit", "allowed_roles": ["ACCESS_AUDIT_LOG"],
        "allowed_rights_docs": [4711]});
    let bridge = TestBridge::start(Setup { policy, ..Setup::default() }).await;
    let (id, _) = bridge.create(json!({"userName": "jo@example.com"})).await;
    for path in [
        format!("/Users/{id}"),
        "/ServiceProviderConfig".to_owned(),
        "/ResourceTypes/User".to_owned(),
        "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User".to_owned(),
        "/Roles/ACCESS_AUDIT_LOG".to_owned(),
        "/Entitlements/4711".to_owned(),
        "/AgentGroups/1001".to_owned(),
    ] {
        let answer = bridge.send("GET", &path, None).await;
        let etag = answer.headers["etag"].clone();
        assert_eq!(answer.body["meta"]["version"], etag, "{path}");
        let again = bridge.send_with("GET", &path, None, &[("if-none-match".to_owned(), etag)]).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{path}");
    }
    for path in ["/Users", "/ResourceTypes", "/Schemas", "/Roles"] {
        let first = bridge.send("GET", path, None).await.body["Resources"][0]["meta"]["version"].clone();
        assert!(first.as_str().is_some_and(|version| version.starts_with("W/")), "{path}: {first}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_without_content_type() {
    for (compatibility, status) in [(Compatibility::Generic, 201), (Compatibility::Strict, 415)] {
        let bridge = TestBridge::start(Setup { compatibility, ..Setup::default() }).await;
        let token = format!("Bearer {}", bridge.token);
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "G"});
        let body = body.to_string().into_bytes();
        let answer =
            bridge.raw("POST", "/scim/v2/Groups", &[("authorization", token.as_str())], Some(body)).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_use_of_a_quirk_is_a_number_in_the_metrics() {
    let bridge = bridge().await;
    bridge
        .create(
            json!({"userName": "jo@example.com", "active": "True", "emails": {"value": "jo@example.com"}}),
        )
        .await;
    let (id, _) = bridge.create(json!({"userName": "al@example.com"})).await;
    let patch = json!({"Operations": [{"op": "Replace", "path": "active", "value": "False"}]});
    assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&patch)).await.status, 200);
    let metrics = bridge.raw("GET", "/metrics", &[], None).await.text;
    let count = |quirk: &str| {
        let start = format!("ringcx_scim_quirks_total{{quirk=\"{quirk}\",tenant=\"default\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&start));
        line.map_or(0, |number| number.parse::<u64>().unwrap())
    };
    assert_eq!(count("boolean_text"), 2, "{metrics}");
    assert_eq!(count("single_as_list"), 1);
    assert_eq!(count("capitalised_op"), 1);
    assert_eq!(count("bare_token"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strict_tolerates_nothing_over_http() {
    let bridge = TestBridge::start(Setup { compatibility: Compatibility::Strict, ..Setup::default() }).await;
    let token = format!("Bearer {}", bridge.token);
    let auth = [("authorization", token.as_str()), ("content-type", "application/scim+json")];
    let user = "urn:ietf:params:scim:schemas:core:2.0:User";
    let body = json!({"schemas": [user], "userName": "jo@example.com"}).to_string().into_bytes();
    let made = bridge.raw("POST", "/scim/v2/Users", &auth, Some(body.clone())).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let bare = [("authorization", bridge.token.as_str())];
    assert_eq!(bridge.raw("GET", "/scim/v2/Users", &bare, None).await.status, 401);
    for (path, status) in [
        ("/scim/v2/", 200),
        ("/scim/v2", 200),
        ("/scim/v2//Users", 404),
        ("/scim/v2/Users/", 404),
        ("/scim/v2/Users?filter=userName%20eq%20jo", 400),
        ("/scim/v2/Users?filter=active%20eq%20%22true%22", 400),
        ("/scim/v2/Users?filter=manager%20pr", 400),
    ] {
        assert_eq!(bridge.raw("GET", path, &auth, None).await.status, status, "{path}");
    }
    let url = format!("/scim/v2/Users/{}", made.body["id"].as_str().unwrap());
    for operation in [
        json!({"op": "Replace", "path": "title", "value": "x"}),
        json!({"op": "replace", "path": "active", "value": "False"}),
        json!({"op": "replace", "value": {"name.givenName": "x"}}),
        json!({"op": "replace", "value": {"id": "x"}}),
        json!({"op": "add", "path": "shoeSize", "value": 9}),
        json!({"op": "remove", "path": "emails[type eq \"work\"]"}),
        json!({"op": "replace", "path": "manager", "value": {"value": "x"}}),
    ] {
        let body =
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]});
        let answer = bridge.raw("PATCH", &url, &auth, Some(body.to_string().into_bytes())).await;
        assert_eq!(answer.status, 400, "{operation}: {}", answer.text);
    }
    assert_eq!(
        bridge.raw("GET", "/metrics", &[], None).await.text.matches("ringcx_scim_quirks_total{").count(),
        0
    );
}
