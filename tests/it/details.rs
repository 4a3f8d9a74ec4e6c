//! The texts that an administrator reads in the log of the identity provider, all in one file for reviewers
//! (`snapshots/it__details__details.snap`).

use ringcx_scim::scim::Compatibility;
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

fn op(op: &str, path: &str, value: impl Into<Value>) -> Value {
    json!({"Operations": [{"op": op, "path": path, "value": value.into()}]})
}

/// The body with the `schemas` that `strict` wants.
fn with_schemas(path: &str, mut body: Value) -> Value {
    let schema = match path {
        "/Users" => "urn:ietf:params:scim:schemas:core:2.0:User",
        "/Groups" => "urn:ietf:params:scim:schemas:core:2.0:Group",
        "/Bulk" => "urn:ietf:params:scim:api:messages:2.0:BulkRequest",
        _ => "urn:ietf:params:scim:api:messages:2.0:PatchOp",
    };
    if let Some(object) = body.as_object_mut() {
        object.entry("schemas").or_insert(json!([schema]));
    }
    body
}

/// What is asked: method, path with `ID` for the user and `GROUP` for the group, body.
type Question = (&'static str, String, Option<Value>);

fn questions() -> Vec<Question> {
    [creations(), changes(), memberships(), readings()].concat()
}

fn creations() -> Vec<Question> {
    let post = |body: Value| ("POST", "/Users".to_owned(), Some(body));
    vec![
        post(json!({"userName": "JO@example.com"})),
        post(json!({"userName": "al@example.com", "externalId": "x-1"})),
        post(json!({"displayName": "Jo"})),
        post(json!({"userName": " "})),
        post(json!([])),
        post(json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "userName": "x"})),
        post(json!({"userName": "x", "name": "Jo Bloggs"})),
        post(json!({"userName": "x", "emails": [{"value": {"a": 1}}]})),
        post(json!({"userName": "x", "active": "maybe"})),
        post(json!({"userName": "x".repeat(2000)})),
        post(json!({"userName": "x", "roles": ["SUPER_USER"]})),
        post(json!({"userName": "x", "roles": ["MANAGE_USERS"]})),
        post(json!({"userName": "x", "roles": [{"value": "{\"id\": 1}"}]})),
        post(json!({"userName": "x", "entitlements": ["99"]})),
        post(json!({"userName": "x", RINGCX: {"agentGroupName": "Nowhere"}})),
        post(json!({"userName": "x", RINGCX: {"initialState": "ASLEEP"}})),
        post(json!({"userName": "x", RINGCX: {"agentRank": 99}})),
        post(json!({"userName": "x", RINGCX: {"agentType": "BOSS"}})),
        post(json!({"userName": "x", RINGCX: {"maxChats": -1}})),
        post(json!({"userName": "x", RINGCX: {"directExtension": "12a"}})),
        post(json!({"userName": "x", RINGCX: {"manualOutboundCallerId": "call me"}})),
        post(json!({"userName": "x", RINGCX: {"phoneLoginPin": "secret"}})),
    ]
}

fn changes() -> Vec<Question> {
    let change = |body: Value| ("PATCH", "/Users/ID".to_owned(), Some(body));
    vec![
        change(json!({})),
        change(json!({"Operations": []})),
        change(json!({"Operations": [{"op": "move"}]})),
        change(json!({"Operations": [{"path": "title"}]})),
        change(json!({"Operations": [{"op": "remove"}]})),
        change(json!({"Operations": [{"op": "add", "path": "title"}]})),
        change(json!({"Operations": [{"op": "add", "value": "x"}]})),
        change(json!({"Operations": [{"op": "add", "path": 7, "value": "x"}]})),
        change(op("replace", "id", json!("x"))),
        change(op("replace", "groups", json!([]))),
        change(op("replace", "emails[type eq", json!("x"))),
        change(op("replace", "emails[shoe eq \"x\"].value", json!("x"))),
        change(op("replace", "emails[type eq \"home\"].value", json!("x"))),
        change(op("replace", "title[type eq \"x\"]", json!("x"))),
        change(op("remove", "userName", json!(null))),
        change(op("replace", "userName", json!("taken@example.com"))),
        change(op("replace", "active", json!(7))),
        change(op("replace", &format!("{RINGCX}:agentRank"), json!("high"))),
        change(op("replace", "title", json!(["a", "b"]))),
    ]
}

fn memberships() -> Vec<Question> {
    let team = |body: Value| ("PATCH", "/Groups/GROUP".to_owned(), Some(body));
    vec![
        team(op("add", "members", json!([{"value": "ghost"}]))),
        team(op("add", "members", json!([{"display": "Jo"}]))),
        team(op("replace", "members[value eq \"x\"].display", json!("y"))),
        team(op("replace", "displayName", json!("other team"))),
        ("POST", "/Groups".to_owned(), Some(json!({"displayName": "OTHER TEAM"}))),
        ("POST", "/Groups".to_owned(), Some(json!({}))),
    ]
}

fn readings() -> Vec<Question> {
    let get = |path: &str| ("GET", path.to_owned(), None);
    vec![
        get("/Users/none"),
        get("/Groups/none"),
        get("/Nothing"),
        ("PUT", "/Users".to_owned(), Some(json!({}))),
        get("/Users?filter=shoeSize eq 9"),
        get("/Users?filter=userName"),
        get("/Users?filter=userName zz \"x\""),
        get("/Users?filter=active gt true"),
        get("/Users?filter=name eq \"x\""),
        get("/Users?filter=title[value eq \"x\"]"),
        get("/Users?filter=meta.created gt \"yesterday\""),
        get(&format!("/Users?filter={RINGCX}:phoneLoginPin eq \"1\"")),
        get("/Users?count=ten"),
        get("/Users?startIndex=x"),
        get("/Users?sortBy=shoeSize"),
        get("/Users?sortBy=userName&sortOrder=up"),
        get("/Users?cursor=x"),
        get("/Users?cursor=&count=0"),
        get("/Schemas?filter=name pr"),
        get("/Schemas/urn:none"),
        get("/Me"),
        ("POST", "/Bulk".to_owned(), Some(json!({}))),
        ("POST", "/Bulk".to_owned(), Some(json!({"Operations": [], "failOnErrors": 0}))),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn details() {
    let policy = json!({"default_agent_group": "Default", "password_on_put": "omit",
        "allowed_roles": ["ACCESS_AUDIT_LOG", "MANAGE_USERS"], "allowed_rights_docs": [4711]});
    let mut told = String::new();
    for compatibility in [Compatibility::Generic, Compatibility::Strict] {
        let setup =
            Setup { policy: policy.clone(), compatibility: Compatibility::Generic, ..Setup::default() };
        let bridge = TestBridge::start(Setup { compatibility, ..setup }).await;
        let user = "urn:ietf:params:scim:schemas:core:2.0:User";
        let (id, _) = bridge
            .create(json!({"schemas": [user], "userName": "jo@example.com", "externalId": "x-1"}))
            .await;
        let (taken, _) = bridge.create(json!({"schemas": [user], "userName": "taken@example.com"})).await;
        let group = async |name: &str| {
            let body =
                json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name});
            bridge.send("POST", "/Groups", Some(&body)).await.body["id"].as_str().unwrap().to_owned()
        };
        let (team, other) = (group("Team").await, group("Other Team").await);
        told.extend(["--- ", compatibility.as_str(), "\n"]);
        for (method, path, body) in questions() {
            let body = body.map(|body| with_schemas(&path, body));
            let asked = path.replace("ID", &id).replace("GROUP", &team);
            let answer = bridge.send(method, &asked, body.as_ref()).await;
            let kind = answer.body["scimType"].as_str().unwrap_or("-");
            let detail = answer.body["detail"].as_str().unwrap_or("(done)");
            let detail = detail.split(" (request ").next().unwrap();
            let detail = detail
                .replace(&taken, "TAKEN")
                .replace(&id, "ID")
                .replace(&other, "OTHER")
                .replace(&team, "GROUP");
            let shown = body.map_or_else(String::new, |mut body| {
                if let Some(object) = body.as_object_mut() {
                    object.remove("schemas");
                }
                body.to_string()
            });
            let shown: String = shown.replace(&id, "ID").chars().take(110).collect();
            let status = answer.status.to_string();
            told.extend([method, " ", &path, " ", &shown, "\n    ", &status, " ", kind, ": ", &detail, "\n"]);
        }
        bridge.run_jobs().await;
    }
    insta::assert_snapshot!("details", told);
}
