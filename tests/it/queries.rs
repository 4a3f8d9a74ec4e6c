//! Queries as a client makes them: orders, cursors, by POST, over all types, and what the tenant has to give.

use std::collections::BTreeSet;

use ringcx_scim::scim::Compatibility;
use serde_json::{Value, json};

use crate::support::{Answer, Setup, TestBridge};

const POLICY: &str = r#"{"default_agent_group": "Default", "password_on_put": "omit", "allowed_rights_docs": [4711],
    "allowed_roles": ["REPORT_ADMINISTRATIVE_USER", "SUPER_USER"]}"#;

async fn bridge() -> TestBridge {
    let policy = serde_json::from_str(POLICY).unwrap();
    TestBridge::start(Setup { policy, compatibility: Compatibility::Okta, ..Setup::default() }).await
}

async fn people(bridge: &TestBridge, names: &[&str]) {
    for name in names {
        let (given, family) = name.split_once('.').unwrap();
        let body = json!({"userName": format!("{name}@example.com"), "name": {"givenName": given, "familyName": family},
            "emails": [{"value": format!("{family}@example.com"), "primary": true}, {"value": "a@example.com"}]});
        bridge.create(body).await;
    }
}

fn names(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let found = answer.body["Resources"].as_array().unwrap().iter();
    found
        .map(|it| {
            it.get("userName")
                .or(it.get("displayName"))
                .unwrap()
                .as_str()
                .unwrap()
                .replace("@example.com", "")
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_attribute_sorts_a_list() {
    let bridge = bridge().await;
    people(&bridge, &["b.zulu", "A.mike", "c.alpha"]).await;
    for (query, expected) in [
        ("sortBy=userName", ["A.mike", "b.zulu", "c.alpha"]),
        ("sortBy=userName&sortOrder=descending", ["c.alpha", "b.zulu", "A.mike"]),
        ("sortBy=name.familyName", ["c.alpha", "A.mike", "b.zulu"]),
        ("sortBy=emails", ["c.alpha", "A.mike", "b.zulu"]),
        ("sortBy=emails.value&sortOrder=Descending", ["b.zulu", "A.mike", "c.alpha"]),
        ("sortBy=meta.created", ["b.zulu", "A.mike", "c.alpha"]),
        (
            "sortBy=urn:ietf:params:scim:schemas:extension:ringcx:2.0:User:agentId",
            ["b.zulu", "A.mike", "c.alpha"],
        ),
    ] {
        assert_eq!(names(&bridge.send("GET", &format!("/Users?{query}"), None).await), expected, "{query}");
        let second = bridge.send("GET", &format!("/Users?{query}&startIndex=2&count=1"), None).await;
        assert_eq!(names(&second), [expected[1]], "{query}");
        assert_eq!(second.body["totalResults"], 3);
    }
    for bad in ["sortBy=shoeSize", "sortBy=name", "sortBy=userName&sortOrder=up"] {
        let answer = bridge.send("GET", &format!("/Users?{bad}"), None).await;
        assert_eq!((answer.status, &answer.body["scimType"]), (400, &json!("invalidValue")), "{bad}");
    }
}

/// Follows the cursors of a query to the end.
async fn walk(bridge: &TestBridge, path: &str) -> Vec<String> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let joint = if path.contains('?') { '&' } else { '?' };
        let page = bridge.send("GET", &format!("{path}{joint}cursor={cursor}"), None).await;
        seen.extend(names(&page));
        assert!(page.body.get("startIndex").is_none());
        assert_eq!(page.body["itemsPerPage"], page.body["Resources"].as_array().unwrap().len());
        let Some(next) = page.body["nextCursor"].as_str() else { return seen };
        // RFC 9865 §2: only characters that need no escaping.
        assert!(next.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)), "{next}");
        next.clone_into(&mut cursor);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_walk_through_any_list() {
    let bridge = bridge().await;
    let all = ["b.zulu", "A.mike", "c.alpha", "d.kilo", "e.echo"];
    people(&bridge, &all).await;
    assert_eq!(walk(&bridge, "/Users?count=2").await, all);
    assert_eq!(walk(&bridge, "/Users?count=5").await, all);
    let sorted = ["c.alpha", "e.echo", "d.kilo", "A.mike", "b.zulu"];
    assert_eq!(walk(&bridge, "/Users?count=2&sortBy=name.familyName").await, sorted);
    let filtered = walk(&bridge, "/Users?count=1&filter=name.familyName co \"i\"&sortBy=userName").await;
    assert_eq!(filtered, ["A.mike", "d.kilo"]);
    assert_eq!(walk(&bridge, "/Roles?count=1").await, ["Report administrative user"]);
    let everything = walk(&bridge, "/?count=3").await;
    assert_eq!(everything.len(), 5 + 2 + bridge.ringcx.agent_groups().len(), "{everything:?}");
    assert_eq!(everything.iter().collect::<BTreeSet<_>>().len(), everything.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_is_good_for_its_query_its_tenant_and_its_time_only() {
    let bridge = bridge().await;
    people(&bridge, &["b.zulu", "A.mike", "c.alpha"]).await;
    let first = bridge.send("GET", "/Users?cursor=&count=1&sortBy=userName", None).await;
    let cursor = first.body["nextCursor"].as_str().unwrap().to_owned();
    assert!(!cursor.contains("mike"), "nobody reads it");
    let check = async |path: String, kind: &str| {
        let answer = bridge.send("GET", &path, None).await;
        assert_eq!((answer.status, &answer.body["scimType"]), (400, &json!(kind)), "{path}: {}", answer.text);
    };
    check(format!("/Users?cursor={cursor}&count=1"), "invalidCursor").await;
    check(format!("/Groups?cursor={cursor}&count=1"), "invalidCursor").await;
    check(format!("/Users?cursor={cursor}&count=1&sortBy=userName&filter=active eq true"), "invalidCursor")
        .await;
    let last = cursor.chars().last().unwrap();
    let forged = format!("{}{}", &cursor[..cursor.len() - 1], if last == 'A' { 'E' } else { 'A' });
    for bad in [forged.as_str(), "x", "!!", &"A".repeat(5000)] {
        check(format!("/Users?cursor={bad}&count=1&sortBy=userName"), "invalidCursor").await;
    }
    for count in ["0", "-1", "201", "x"] {
        check(format!("/Users?cursor={cursor}&count={count}&sortBy=userName"), "invalidCount").await;
    }
    let next = bridge.send("GET", &format!("/Users?cursor={cursor}&count=2&sortBy=userName"), None).await;
    assert_eq!(names(&next), ["b.zulu", "c.alpha"], "another page size is no other query");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_is_good_after_a_restart_and_at_another_replica() {
    let folder = tempfile::tempdir().unwrap();
    let store_url = format!("sqlite://{}", folder.path().join("two.db").display());
    let one = TestBridge::start(Setup { store_url: store_url.clone(), ..Setup::default() }).await;
    people(&one, &["b.zulu", "A.mike", "c.alpha"]).await;
    let first = one.send("GET", "/Users?cursor=&count=2", None).await;
    let mut other = TestBridge::start(Setup { store_url, ..Setup::default() }).await;
    other.token.clone_from(&one.token);
    let next = format!("/Users?count=2&cursor={}", first.body["nextCursor"].as_str().unwrap());
    assert_eq!(names(&other.send("GET", &next, None).await), ["c.alpha"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_cursor_is_told_from_a_wrong_one() {
    let setup = Setup { cursor_timeout: std::time::Duration::from_millis(1), ..Setup::default() };
    let bridge = TestBridge::start(setup).await;
    people(&bridge, &["b.zulu", "A.mike"]).await;
    let first = bridge.send("GET", "/Users?cursor=&count=1", None).await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let next = format!("/Users?cursor={}&count=1", first.body["nextCursor"].as_str().unwrap());
    let late = bridge.send("GET", &next, None).await;
    assert_eq!((late.status, &late.body["scimType"]), (400, &json!("expiredCursor")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn search_by_post_answers_as_the_same_query_by_get() {
    let bridge = bridge().await;
    people(&bridge, &["b.zulu", "A.mike", "c.alpha"]).await;
    let search = |more: Value| {
        let mut body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let body = search(
        json!({"filter": "userName co \".\"", "sortBy": "userName", "sortOrder": "descending", "startIndex": 2,
        "count": 1, "attributes": ["userName"]}),
    );
    let posted = bridge.send("POST", "/Users/.search", Some(&body)).await;
    let path = "/Users?filter=userName co \".\"&sortBy=userName&sortOrder=descending&startIndex=2&count=1&attributes=userName";
    let got = bridge.send("GET", path, None).await;
    assert_eq!((posted.status, &posted.body), (200, &got.body));
    assert_eq!(names(&posted), ["b.zulu"]);
    let cursor =
        bridge.send("POST", "/Users/.search", Some(&search(json!({"cursor": "", "count": 2})))).await;
    let next = search(json!({"cursor": cursor.body["nextCursor"], "count": 2}));
    assert_eq!(names(&bridge.send("POST", "/Users/.search", Some(&next)).await), ["c.alpha"]);
    let groups = bridge.send("POST", "/Groups/.search", Some(&search(json!({})))).await;
    assert_eq!((groups.status, &groups.body["totalResults"]), (200, &json!(0)));
    for bad in [json!([]), search(json!({"filter": "userName eq"})), search(json!({"count": true}))] {
        assert_eq!(bridge.send("POST", "/Users/.search", Some(&bad)).await.status, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_root_is_a_query_over_all_types() {
    let bridge = bridge().await;
    people(&bridge, &["b.zulu", "A.mike"]).await;
    let group = json!({"displayName": "b.zulu@example.com team"});
    assert_eq!(bridge.send("POST", "/Groups", Some(&group)).await.status, 201);
    let search = |filter: &str| json!({"filter": filter, "attributes": ["userName", "displayName", "meta.resourceType"]});
    for (filter, expected) in [
        ("userName sw \"b.\" or displayName sw \"b.\"", vec!["b.zulu", "b.zulu team"]),
        ("userName sw \"A\"", vec!["A.mike"]),
        ("meta.resourceType eq \"Group\"", vec!["b.zulu team"]),
        ("meta.resourceType eq \"Role\"", vec!["Report administrative user"]),
        ("not (userName pr) and members pr", vec![]),
    ] {
        let answer = bridge.send("POST", "/.search", Some(&search(filter))).await;
        assert_eq!(names(&answer), expected, "{filter}");
        assert_eq!(answer.body["totalResults"], expected.len(), "{filter}");
        let by_get = bridge.send("GET", &format!("/?filter={filter}"), None).await;
        assert_eq!(names(&by_get), expected, "{filter}");
    }
    let unknown = bridge.send("POST", "/.search", Some(&search("shoeSize eq 9"))).await;
    assert_eq!((unknown.status, &unknown.body["scimType"]), (400, &json!("invalidFilter")));
    let filter = "userName pr or meta.resourceType eq \"Group\"";
    let sorted = json!({"filter": filter, "sortBy": "meta.created", "sortOrder": "descending"});
    let sorted = names(&bridge.send("POST", "/.search", Some(&sorted)).await);
    assert_eq!(sorted, ["b.zulu team", "A.mike", "b.zulu"]);
    for (start, expected) in [(1, "b.zulu"), (2, "A.mike"), (3, "b.zulu team")] {
        let page = json!({"filter": filter, "startIndex": start, "count": 1});
        let page = bridge.send("POST", "/.search", Some(&page)).await;
        assert_eq!((names(&page), &page.body["totalResults"]), (vec![expected.to_owned()], &json!(3)));
    }
    assert_eq!(
        walk(&bridge, &format!("/?count=1&filter={filter}")).await,
        ["b.zulu", "A.mike", "b.zulu team"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn okta_entitlements_discovery_sequence() {
    let bridge = bridge().await;
    let before = bridge.ringcx.calls().len();
    let types = bridge.send("GET", "/ResourceTypes", None).await;
    let of = |name: &str| {
        let all = types.body["Resources"].as_array().unwrap();
        all.iter().find(|ty| ty["id"] == name).unwrap_or_else(|| panic!("no type {name}")).clone()
    };
    assert_eq!(
        (of("User")["endpoint"].clone(), of("Group")["endpoint"].clone()),
        (json!("/Users"), json!("/Groups"))
    );
    assert_eq!(of("Role")["schema"], "urn:okta:scim:schemas:core:1.0:Role");
    assert_eq!(bridge.send("GET", "/Schemas", None).await.status, 200);
    let first = async |ty: &str| {
        let endpoint = of(ty)["endpoint"].as_str().unwrap().to_owned();
        bridge.send("GET", &endpoint, None).await.body["Resources"][0].clone()
    };
    let role = first("Role").await;
    assert_eq!(role["id"], "REPORT_ADMINISTRATIVE_USER", "SUPER_USER needs privileged_roles");
    assert!(role["displayName"].is_string() && role["description"].is_string());
    for ty in ["Entitlement", "AgentGroup"] {
        assert_eq!(of(ty)["schema"], "urn:okta:scim:schemas:core:1.0:Entitlement");
        assert_eq!(first(ty).await["type"], ty);
    }
    let document = first("Entitlement").await;
    assert_eq!(document["id"], "4711");
    assert_eq!(bridge.ringcx.calls().len(), before, "reads make no calls");
    let groups = bridge.send("GET", "/AgentGroups?filter=displayName eq \"uk agents\"", None).await;
    let uk = groups.body["Resources"][0]["id"].clone();
    let read = bridge.send("GET", &format!("/AgentGroups/{}", uk.as_str().unwrap()), None).await;
    assert_eq!((read.status, &read.body["displayName"]), (200, &json!("UK Agents")));
    // What was discovered can be given.
    let body = json!({"userName": "jo@example.com", "name": {"givenName": "Jo", "familyName": "B"},
        "roles": [{"value": role["id"], "display": role["displayName"]}],
        "entitlements": [{"value": document["id"], "type": "Entitlement"}, {"value": uk, "type": "AgentGroup"}]});
    let (_, agent) = bridge.create(body).await;
    let group = bridge.ringcx.agent(agent).unwrap()["agentGroupId"].clone();
    assert_eq!(group.to_string(), uk.as_str().unwrap());
    let admins = format!("{:?}", bridge.ringcx.admins());
    assert!(admins.contains("jo@example.com"), "{admins}");
    assert_eq!(bridge.send("GET", "/Roles/SUPER_USER", None).await.status, 404);
    assert_eq!(bridge.send("POST", "/Roles", Some(&json!({"displayName": "x"}))).await.status, 405);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn okta_entitlements_count_one() {
    let bridge = bridge().await;
    for endpoint in ["/Roles", "/Entitlements", "/AgentGroups"] {
        let page = bridge.send("GET", &format!("{endpoint}?count=1&startIndex=1"), None).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.body["itemsPerPage"], 1, "{endpoint}");
        assert_eq!(page.body["startIndex"], 1, "{endpoint}");
        assert!(page.body["totalResults"].is_u64(), "{endpoint}");
        assert!(!page.body["Resources"][0]["displayName"].as_str().unwrap().is_empty());
    }
}
