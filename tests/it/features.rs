//! Every claim of the table of features, probed over HTTP.

use ringcx_scim::scim::features::{FEATURES, Feature};
use serde_json::{Value, json};

use crate::support::{Answer, Setup, TestBridge};

async fn get(bridge: &TestBridge, path: &str) -> Answer {
    bridge.send("GET", path, None).await
}

/// Whether the server does what a row claims; `id` is that of a user.
async fn probe(bridge: &TestBridge, name: &str, id: &str) -> bool {
    let url = format!("/Users/{id}");
    let title = |value: &str| json!({"Operations": [{"op": "replace", "path": "title", "value": value}]});
    match name {
        "patch" => bridge.send("PATCH", &url, Some(&title("Lead"))).await.body["title"] == "Lead",
        "bulk" => {
            let operation = json!({"method": "PATCH", "path": url, "data": title("Boss")});
            bridge.send("POST", "/Bulk", Some(&json!({"Operations": [operation]}))).await.body["Operations"]
                [0]["status"]
                == "200"
        }
        "filter" => {
            get(bridge, "/Users?filter=name.givenName eq \"jo\" and not (title pr and active eq false)")
                .await
                .body["totalResults"]
                == 1
        }
        "changePassword" => {
            let change =
                json!({"Operations": [{"op": "replace", "path": "password", "value": "t1meMa$heen"}]});
            bridge.send("PATCH", &url, Some(&change)).await;
            let agents = bridge.ringcx.agents().into_iter();
            let mut held = agents.filter_map(|it| bridge.ringcx.password(it["agentId"].as_i64().unwrap()));
            held.any(|password| password == "t1meMa$heen")
        }
        "sort" => {
            get(bridge, "/Users?sortBy=userName&sortOrder=descending").await.body["Resources"][0]["userName"]
                == "jo@example.com"
        }
        "etag" => {
            let etag = get(bridge, &url).await.headers["etag"].clone();
            let with = |name: &str, value: &str| [(name.to_owned(), value.to_owned())];
            bridge.send_with("GET", &url, None, &with("if-none-match", &etag)).await.status == 304
                && bridge
                    .send_with("PATCH", &url, Some(&title("x")), &with("if-match", "W/\"0\""))
                    .await
                    .status
                    == 412
        }
        other => pages(bridge, other, id).await,
    }
}

/// The rest of the rows: pages, searches, and what is apart from users and groups.
async fn pages(bridge: &TestBridge, name: &str, id: &str) -> bool {
    let url = format!("/Users/{id}");
    match name {
        "index" => {
            let page = get(bridge, "/Users?startIndex=2&count=1").await.body;
            (page["startIndex"].clone(), page["itemsPerPage"].clone(), page["totalResults"].clone())
                == (json!(2), json!(1), json!(2))
        }
        "cursor" => {
            let first = get(bridge, "/Users?cursor=&count=1").await.body;
            let next = first["nextCursor"].as_str().unwrap_or_default();
            get(bridge, &format!("/Users?cursor={next}&count=1")).await.body["Resources"]
                .as_array()
                .is_some_and(|it| it.len() == 1)
        }
        "search" => {
            let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "userName pr"});
            bridge.send("POST", "/Users/.search", Some(&search)).await.body["totalResults"] == 2
                && bridge.send("POST", "/.search", Some(&search)).await.body["totalResults"] == 2
        }
        "root" => get(bridge, "/?filter=meta.resourceType eq \"User\"").await.body["totalResults"] == 2,
        "attributes" => {
            let shown = get(bridge, &format!("{url}?attributes=userName")).await.body;
            shown.get("userName").is_some() && shown.get("name").is_none()
        }
        "me" => {
            let token = format!("Bearer {}", bridge.token_of(id).await);
            let me = bridge.raw("GET", "/scim/v2/Me", &[("authorization", token.as_str())], None).await;
            me.body["id"] == id && get(bridge, "/Me").await.status == 501
        }
        "discovery" => {
            let types = get(bridge, "/ResourceTypes").await.body;
            let mut all = types["Resources"].as_array().is_some_and(|types| types.len() >= 4);
            for path in ["/Schemas", "/ServiceProviderConfig", "/ResourceTypes/User"] {
                all &= get(bridge, path).await.status == 200;
            }
            all
        }
        "entitlements" => {
            get(bridge, "/Roles?count=1").await.body["itemsPerPage"] == 1
                && get(bridge, "/Entitlements?count=1").await.body["itemsPerPage"] == 1
        }
        other => panic!("nothing probes {other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_claim_holds_over_http() {
    let policy = json!({"default_agent_group": "Default", "password_on_put": "omit", "allowed_roles": ["ACCESS_AUDIT_LOG"],
        "allowed_rights_docs": [4711]});
    let bridge = TestBridge::start(Setup { policy, ..Setup::default() }).await;
    bridge.create(json!({"userName": "al@example.com"})).await;
    let (id, _) = bridge.create(json!({"userName": "jo@example.com", "name": {"givenName": "Jo"}})).await;
    let config = get(&bridge, "/ServiceProviderConfig").await.body;
    for Feature { name, supported, .. } in FEATURES.iter().copied() {
        assert_eq!(probe(&bridge, name, &id).await, supported, "{name}");
        let announced = [&config[name]["supported"], &config["pagination"][name]];
        let announced: Vec<&Value> = announced.into_iter().filter(|it| it.is_boolean()).collect();
        assert!(announced.iter().all(|it| **it == json!(supported)), "{name}: {announced:?}");
    }
    let announced = config.as_object().unwrap().iter().filter(|(_, value)| value.get("supported").is_some());
    for (name, _) in announced {
        assert!(FEATURES.iter().any(|feature| feature.name == name), "{name} is announced and in no table");
    }
}
