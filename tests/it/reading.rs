//! What clients read back: deleted and inactive people, pages, uniqueness, both ends of a membership.

use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

async fn bridge() -> TestBridge {
    TestBridge::start(Setup::default()).await
}

async fn found(bridge: &TestBridge, filter: &str) -> Value {
    let answer = bridge.send("GET", &format!("/Users?filter={filter}"), None).await;
    assert_eq!(answer.status, 200, "{filter}: {}", answer.text);
    answer.body
}

async fn group(bridge: &TestBridge, name: &str, members: &[&str]) -> String {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    let answer =
        bridge.send("POST", "/Groups", Some(&json!({"displayName": name, "members": members}))).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    bridge.run_jobs().await;
    answer.body["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inactive_user_still_returned() {
    let bridge = bridge().await;
    let jo = json!({"userName": "jo@example.com", "externalId": "e-1", "emails": [{"value": "jo@example.com", "type": "work"}]});
    let (id, agent) = bridge.create(jo).await;
    let off = json!({"Operations": [{"op": "Replace", "path": "active", "value": "False"}]});
    assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&off)).await.status, 200);
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
    let by_id = bridge.send("GET", &format!("/Users/{id}"), None).await;
    assert_eq!((by_id.status, &by_id.body["active"]), (200, &json!(false)));
    for filter in [
        "userName eq \"jo@example.com\"",
        "externalId eq \"e-1\"",
        "emails[type eq \"work\"].value eq \"jo@example.com\"",
        "active eq false",
    ] {
        let page = found(&bridge, filter).await;
        assert_eq!(
            (&page["totalResults"], &page["Resources"][0]["id"], &page["Resources"][0]["active"]),
            (&json!(1), &json!(id), &json!(false)),
            "{filter}"
        );
    }
    assert_eq!(bridge.send("GET", "/Users", None).await.body["totalResults"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_user_404_and_not_listed() {
    let bridge = bridge().await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com", "externalId": "e-1"})).await;
    let (other, _) = bridge.create(json!({"userName": "max@example.com"})).await;
    let team = group(&bridge, "Team", &[&id, &other]).await;
    assert_eq!(bridge.send("DELETE", &format!("/Users/{id}"), None).await.status, 204);
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false, "kept in RingCX, and locked");
    let off = json!({"Operations": [{"op": "replace", "path": "active", "value": true}]});
    for (method, body) in [("GET", None), ("PATCH", Some(&off)), ("DELETE", None)] {
        let answer = bridge.send(method, &format!("/Users/{id}"), body).await;
        assert_eq!((answer.status, &answer.body["status"]), (404, &json!("404")), "{method}");
    }
    for filter in ["userName eq \"jo@example.com\"", "externalId eq \"e-1\"", &format!("id eq \"{id}\"")] {
        assert_eq!(found(&bridge, filter).await["totalResults"], 0, "{filter}");
    }
    let all = bridge.send("GET", "/Users", None).await.body;
    assert_eq!((&all["totalResults"], &all["Resources"][0]["id"]), (&json!(1), &json!(other)));
    let team = bridge.send("GET", &format!("/Groups/{team}"), None).await.body;
    assert_eq!(team["members"].as_array().unwrap().len(), 1, "{team}");
    assert_eq!(team["members"][0]["value"], other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entra_ms25_pagination_startindex_echo() {
    let bridge = bridge().await;
    for n in 0..25 {
        let held = json!({"userName": format!("u{n:02}@example.com"), "active": false});
        assert_eq!(bridge.send("POST", "/Users", Some(&held)).await.status, 201);
        group(&bridge, &format!("G{n:02}"), &[]).await;
    }
    for kind in ["Users", "Groups"] {
        let mut seen = Vec::new();
        for start in [1_u64, 11, 21, 26, 500] {
            let answer = bridge.send("GET", &format!("/{kind}?startIndex={start}&count=10"), None).await;
            let page = answer.body;
            assert_eq!(page["startIndex"].as_u64(), Some(start), "{kind} {start}");
            assert_eq!(page["totalResults"].as_u64(), Some(25), "{kind} {start}");
            let shown = page["Resources"].as_array().unwrap();
            assert_eq!(page["itemsPerPage"].as_u64(), Some(shown.len() as u64), "{kind} {start}");
            seen.extend(shown.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 25, "{kind}: every resource on exactly one page");
    }
    assert_eq!(bridge.ringcx.count("createAgent"), 0, "inactive people take no seat");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn unique_username_enforced() {
    let bridge = bridge().await;
    let names = ["jo@example.com", "JO@example.com", "Jo@Example.COM", "jo@EXAMPLE.com"];
    let posts = names.map(|name| {
        let bridge = &bridge;
        async move {
            let body = json!({"userName": name, "externalId": name});
            bridge.send("POST", "/Users", Some(&body)).await.status
        }
    });
    let mut statuses = futures_util::future::join_all(posts).await;
    statuses.sort_unstable();
    // A create that is not finished is joined by the same client, so the first two may both be told of one person.
    assert_eq!(statuses.iter().filter(|it| matches!(it, 201 | 409)).count(), 4, "{statuses:?}");
    assert!(statuses.contains(&201), "{statuses:?}");
    for name in names {
        assert_eq!(found(&bridge, &format!("userName eq \"{name}\"")).await["totalResults"], 1, "{name}");
    }
    let (max, _) = bridge.create(json!({"userName": "max@example.com"})).await;
    let url = format!("/Users/{max}");
    let rename = json!({"Operations": [{"op": "replace", "path": "userName", "value": "jO@example.com"}]});
    for answer in [
        bridge.send("PATCH", &url, Some(&rename)).await,
        bridge.send("PUT", &url, Some(&json!({"userName": "jO@example.com"}))).await,
    ] {
        assert_eq!((answer.status, &answer.body["scimType"]), (409, &json!("uniqueness")), "{}", answer.text);
    }
    assert_eq!(bridge.send("GET", &url, None).await.body["userName"], "max@example.com");
    let agents = bridge.ringcx.agents();
    let of = |name: &str| {
        agents.iter().filter(|it| it["username"].as_str().unwrap().eq_ignore_ascii_case(name)).count()
    };
    assert_eq!((of("jo@example.com"), of("max@example.com")), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rauthy_user_groups_listed() {
    let bridge = bridge().await;
    let (id, _) = bridge.create(json!({"userName": "jo@example.com"})).await;
    let url = format!("/Users/{id}");
    assert_eq!(bridge.send("GET", &url, None).await.body.get("groups"), None);
    let one = group(&bridge, "One", &[&id]).await;
    let two = group(&bridge, "Two", &[&id]).await;
    let listed = |body: &Value| {
        let mut groups: Vec<(String, String)> = body["groups"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|it| (it["value"].as_str().unwrap().to_owned(), it["display"].as_str().unwrap().to_owned()))
            .collect();
        groups.sort_by(|a, b| a.1.cmp(&b.1));
        groups
    };
    let both = vec![(one.clone(), "One".to_owned()), (two.clone(), "Two".to_owned())];
    assert_eq!(listed(&bridge.send("GET", &url, None).await.body), both);
    let page = found(&bridge, "userName eq \"jo@example.com\"").await;
    assert_eq!(listed(&page["Resources"][0]), both, "in lists too");
    let leave = json!({"Operations": [{"op": "remove", "path": "members", "value": [{"value": id}]}]});
    assert_eq!(bridge.send("PATCH", &format!("/Groups/{one}"), Some(&leave)).await.status, 204);
    assert_eq!(listed(&bridge.send("GET", &url, None).await.body), both[1..]);
    let rename =
        json!({"Operations": [{"op": "replace", "value": {"displayName": "Zwei", "externalId": null}}]});
    assert_eq!(bridge.send("PATCH", &format!("/Groups/{two}"), Some(&rename)).await.status, 204);
    assert_eq!(listed(&bridge.send("GET", &url, None).await.body), [(two, "Zwei".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authentik_group_members_returned() {
    let bridge = bridge().await;
    let mut ids = Vec::new();
    for name in ["a@example.com", "b@example.com", "c@example.com"] {
        ids.push(bridge.create(json!({"userName": name})).await.0);
    }
    let team = group(&bridge, "Team", &[&ids[0], &ids[1]]).await;
    let url = format!("/Groups/{team}");
    let members = |body: &Value| {
        let mut members: Vec<String> = body["members"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|it| it["value"].as_str().unwrap().to_owned())
            .collect();
        members.sort();
        members
    };
    let sorted = |mut of: Vec<String>| {
        of.sort();
        of
    };
    let read = bridge.send("GET", &url, None).await.body;
    assert_eq!(members(&read), sorted(ids[..2].to_vec()));
    let operations = json!({"Operations": [
        {"op": "remove", "path": "members", "value": [{"value": ids[0]}]},
        {"op": "add", "path": "members", "value": [{"value": ids[2]}]},
    ]});
    assert_eq!(bridge.send("PATCH", &url, Some(&operations)).await.status, 204);
    let expected = sorted(ids[1..].to_vec());
    assert_eq!(members(&bridge.send("GET", &url, None).await.body), expected);
    let list = bridge.send("GET", "/Groups?startIndex=1", None).await.body;
    assert_eq!(members(&list["Resources"][0]), expected, "in lists too");
    let without = bridge.send("GET", &format!("{url}?excludedAttributes=members"), None).await.body;
    assert_eq!(without.get("members"), None);
}
