//! Writes to groups as identity providers send them: who is where in RingCX afterwards.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Answer, Setup, TestBridge};

async fn bridge() -> TestBridge {
    TestBridge::start(Setup::default()).await
}

async fn user(bridge: &TestBridge, name: &str) -> (String, i64) {
    bridge.create(json!({"userName": name, "emails": [{"value": name, "type": "work"}]})).await
}

async fn group(bridge: &TestBridge, name: &str) -> String {
    let answer = bridge.send("POST", "/Groups", Some(&json!({"displayName": name}))).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.body["id"].as_str().unwrap().to_owned()
}

async fn patch(bridge: &TestBridge, group: &str, operations: Value) -> Answer {
    let body =
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
    bridge.send("PATCH", &format!("/Groups/{group}"), Some(&body)).await
}

fn values(ids: &[String]) -> Value {
    ids.iter().map(|id| json!({"value": id})).collect()
}

async fn members(bridge: &TestBridge, group: &str) -> Vec<String> {
    let body = bridge.send("GET", &format!("/Groups/{group}"), None).await.body;
    let members = body["members"].as_array().into_iter().flatten();
    members.map(|member| member["value"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_create_without_members() {
    let bridge = bridge().await;
    for (body, name) in [
        (json!({"displayName": "A"}), "A"),
        (json!({"displayName": "B", "members": []}), "B"),
        (json!({"displayName": "C", "members": null}), "C"),
    ] {
        let answer = bridge.send("POST", "/Groups", Some(&body)).await;
        assert_eq!((answer.status, &answer.body["displayName"]), (201, &json!(name)), "{}", answer.text);
        assert!(answer.body.get("members").is_none());
        assert!(answer.headers["location"].ends_with(answer.body["id"].as_str().unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn okta_group_rename_every_push() {
    let bridge = bridge().await;
    let (id, agent) = user(&bridge, "jo@example.com").await;
    let uk = group(&bridge, "UK Agents").await;
    let rename = json!({"op": "replace", "value": {"id": uk, "displayName": "UK Agents"}});
    let answer = patch(
        &bridge,
        &uk,
        json!([rename, {"op": "add", "path": "members", "value": values(std::slice::from_ref(&id))}]),
    )
    .await;
    assert!(answer.status == 204 || answer.status == 200, "{}", answer.text);
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1001);
    let version = bridge.send("GET", &format!("/Groups/{uk}"), None).await.headers["etag"].clone();
    let calls = bridge.ringcx.calls().len();
    assert_eq!(patch(&bridge, &uk, json!([rename])).await.status, 204);
    bridge.run_jobs().await;
    let after = bridge.send("GET", &format!("/Groups/{uk}"), None).await;
    assert_eq!((&after.headers["etag"], after.body["displayName"].as_str()), (&version, Some("UK Agents")));
    assert_eq!(members(&bridge, &uk).await, [id]);
    assert_eq!(bridge.ringcx.calls().len(), calls, "a rename to the same name costs nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_patch_unknown_member_partial() {
    let bridge = bridge().await;
    let (id, agent) = user(&bridge, "jo@example.com").await;
    let (left, _) = user(&bridge, "al@example.com").await;
    assert_eq!(bridge.send("DELETE", &format!("/Users/{left}"), None).await.status, 204);
    let uk = group(&bridge, "UK Agents").await;
    let ids = ["never-issued".to_owned(), id.clone(), left.clone()];
    let answer = patch(&bridge, &uk, json!([{"op": "add", "path": "members", "value": values(&ids)}])).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    let skipped = &answer.headers["x-skipped-members"];
    assert!(
        skipped.contains("never-issued") && skipped.contains(&left) && !skipped.contains(&id),
        "{skipped}"
    );
    bridge.run_jobs().await;
    assert_eq!(members(&bridge, &uk).await, [id]);
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1001);
    // The ids are in the audit, and the number is in the metrics.
    let records = bridge
        .store
        .read(|tx| tx.all("SELECT detail FROM audit WHERE action = 'patch_group'", &[], |row| row.text(0)));
    assert!(records.await.unwrap().concat().contains("never-issued"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_patch_only_unknown_members_400() {
    let bridge = bridge().await;
    let (id, _) = user(&bridge, "jo@example.com").await;
    let uk = group(&bridge, "UK Agents").await;
    assert_eq!(
        patch(
            &bridge,
            &uk,
            json!([{"op": "add", "path": "members", "value": values(std::slice::from_ref(&id))}])
        )
        .await
        .status,
        204
    );
    for op in ["add", "replace"] {
        let ids: Vec<String> = (0..7).map(|n| format!("ghost-{n}")).collect();
        let answer = patch(&bridge, &uk, json!([{"op": op, "path": "members", "value": values(&ids)}])).await;
        assert_eq!((answer.status, &answer.body["scimType"]), (400, &json!("invalidValue")));
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(
            detail.contains("ghost-0") && detail.contains("ghost-4") && !detail.contains("ghost-5"),
            "{detail}"
        );
        assert_eq!(members(&bridge, &uk).await, std::slice::from_ref(&id), "nothing half done");
    }
    let gone = patch(&bridge, &uk, json!([{"op": "remove", "path": "members[value eq \"ghost\"]"}])).await;
    assert_eq!(gone.status, 204, "who is no member may leave");
    bridge.run_jobs().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn group_concurrent_membership_no_lost_update() {
    let bridge = bridge().await;
    let ids: Vec<String> = join_all((0..12).map(|n| {
        let bridge = &bridge;
        async move { user(bridge, &format!("u{n}@example.com")).await.0 }
    }))
    .await;
    let uk = group(&bridge, "UK Agents").await;
    let pushes = ids.iter().map(|id| {
        patch(
            &bridge,
            &uk,
            json!([{"op": "add", "path": "members", "value": values(std::slice::from_ref(id))}]),
        )
    });
    for answer in join_all(pushes).await {
        assert_eq!(answer.status, 204, "{}", answer.text);
    }
    let mut found = members(&bridge, &uk).await;
    let mut expected = ids;
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    bridge.run_jobs().await;
    let placed = bridge.ringcx.agents().iter().filter(|agent| agent["agentGroupId"] == 1001).count();
    assert!(placed >= 12, "{placed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_patch_thousands_of_members() {
    let setup = json!({"password_on_put": "omit"});
    let bridge = TestBridge::start(Setup { policy: setup, ..Setup::default() }).await;
    let ids: Vec<String> = join_all((0..1500).map(|n| {
        let bridge = &bridge;
        // Without a default group they are held: nothing is created for them before the group is.
        async move { user(bridge, &format!("u{n}@example.com")).await.0 }
    }))
    .await;
    assert_eq!(bridge.ringcx.count("createAgent"), 0);
    let team = group(&bridge, "A Team").await;
    let calls = bridge.ringcx.calls().len();
    let answer =
        patch(&bridge, &team, json!([{"op": "add", "path": "members", "value": values(&ids)}])).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    assert_eq!(bridge.ringcx.calls().len(), calls, "the answer waits for no call");
    assert_eq!(members(&bridge, &team).await.len(), 1500);
    let gone: Vec<String> = ids.iter().skip(5).cloned().collect();
    let removed =
        patch(&bridge, &team, json!([{"op": "Remove", "path": "members", "value": values(&gone)}])).await;
    assert_eq!(removed.status, 204);
    assert_eq!(members(&bridge, &team).await.len(), 5);
    bridge.run_jobs().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicate_group_409() {
    let bridge = bridge().await;
    let id = group(&bridge, "Team Ä").await;
    for name in ["Team Ä", "team ä"] {
        let answer = bridge.send("POST", "/Groups", Some(&json!({"displayName": name}))).await;
        assert_eq!((answer.status, &answer.body["scimType"]), (409, &json!("uniqueness")), "{}", answer.text);
        assert!(answer.body["detail"].as_str().unwrap().contains(&id));
    }
    assert_eq!(bridge.send("DELETE", &format!("/Groups/{id}"), None).await.status, 204);
    assert_ne!(group(&bridge, "team ä").await, id, "the name is free again, the id is not");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn okta_link_existing_group() {
    let bridge = bridge().await;
    let (id, agent) = user(&bridge, "jo@example.com").await;
    // Another client has made it.
    let body = json!({"displayName": "UK Agents"}).to_string().into_bytes();
    let other = format!("Bearer {}", bridge.another_token("other").await);
    let headers = [("authorization", other.as_str()), ("content-type", "application/scim+json")];
    let made = bridge.raw("POST", "/scim/v2/Groups", &headers, Some(body)).await.body["id"].clone();
    let made = made.as_str().unwrap().to_owned();
    let found = bridge
        .send("GET", "/Groups?filter=displayName eq \"uk agents\"&startIndex=1&count=100", None)
        .await
        .body;
    assert_eq!((&found["totalResults"], &found["Resources"][0]["id"]), (&json!(1), &json!(made)));
    let answer = patch(
        &bridge,
        &made,
        json!([
        {"op": "replace", "value": {"id": made, "displayName": "UK Agents"}},
        {"op": "replace", "path": "members", "value": values(std::slice::from_ref(&id))}]),
    )
    .await;
    assert_eq!(answer.status, 204);
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1001);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sailpoint_groups_on_user_write() {
    let bridge = bridge().await;
    let uk = group(&bridge, "UK Agents").await;
    let body = json!({"userName": "jo@example.com", "groups": [{"value": uk, "display": "UK Agents"}]});
    let (id, agent) = bridge.create(body).await;
    let url = format!("/Users/{id}");
    let put = json!({"userName": "jo@example.com", "title": "Lead", "groups": [{"value": uk}]});
    let answer = bridge.send("PUT", &url, Some(&put)).await;
    assert_eq!((answer.status, &answer.body["title"]), (200, &json!("Lead")), "{}", answer.text);
    assert!(answer.body.get("groups").is_none(), "read-only: change the group instead");
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1000);
    assert!(members(&bridge, &uk).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_operation_per_member_is_one_change() {
    let bridge =
        TestBridge::start(Setup { policy: json!({"password_on_put": "omit"}), ..Setup::default() }).await;
    let ids = join_all((0..300).map(|n| {
        let bridge = &bridge;
        async move { user(bridge, &format!("u{n}@example.com")).await.0 }
    }))
    .await;
    let team = group(&bridge, "A Team").await;
    let add = |id: &String| json!({"op": "add", "path": "members", "value": [{"value": id}]});
    let records = || {
        let sql = "SELECT COUNT(*) FROM audit WHERE action = 'patch_group'";
        bridge.store.read(move |tx| tx.one(sql, &[], |row| row.int(0)))
    };
    // The last one is wrong, so nobody joins.
    let mut operations: Vec<Value> = ids.iter().map(add).collect();
    operations.push(json!({"op": "add", "path": "members[", "value": "x"}));
    assert_eq!(patch(&bridge, &team, json!(operations)).await.status, 400);
    assert_eq!((members(&bridge, &team).await.len(), records().await.unwrap()), (0, Some(0)));
    operations.pop();
    assert_eq!(patch(&bridge, &team, json!(operations)).await.status, 204);
    assert_eq!((members(&bridge, &team).await.len(), records().await.unwrap()), (300, Some(1)));
    bridge.run_jobs().await;
}
