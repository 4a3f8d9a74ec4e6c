//! Roles and entitlements as identity providers send them, from the request to what RingCX holds: set, changed, taken away.

use ringcx_scim::scim::Compatibility;
use ringcx_simulator::{Profile, Seed};
use serde_json::{Value, json};

use crate::admins::{PROFILES, roles};
use crate::support::{Setup, TestBridge};

async fn start(profile: Profile, compatibility: Compatibility) -> TestBridge {
    let policy = json!({
        "password_on_put": "omit", "allowed_roles": ["ACCESS_AUDIT_LOG", "ACCESS_SIBLINGS"],
        "allowed_rights_docs": [4711, 4712], "role_aliases": {"Auditor": "ACCESS_AUDIT_LOG"},
    });
    TestBridge::start(Setup { profile, compatibility, seed: Seed::demo(), policy, ..Setup::default() }).await
}

async fn patch(bridge: &TestBridge, id: &str, operations: Value) -> Value {
    let body =
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

fn packed(role: &str) -> String {
    json!({"id": "18d14569-c3bd-439b-9a66-3a2aee01d14f", "value": role, "displayName": role}).to_string()
}

/// `SingleAppRoleAssignment`: the written role replaces the one before, also as JSON inside a text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entra_single_app_role_is_set_changed_and_taken() {
    for profile in PROFILES {
        let bridge = start(profile, Compatibility::Entra).await;
        let (id, _) = bridge
            .create(json!({
                "userName": "ann@example.com",
                "roles": [{"primary": true, "type": "WindowsAzureActiveDirectoryRole", "value": "Auditor"}],
            }))
            .await;
        assert_eq!(roles(&bridge, "ann@example.com"), ["ACCESS_AUDIT_LOG", "USER"]);
        for value in ["ACCESS_SIBLINGS".to_owned(), packed("Auditor"), packed("ACCESS_SIBLINGS")] {
            let path = "roles[primary eq \"True\"].value";
            let shown = patch(&bridge, &id, json!([{"op": "Replace", "path": path, "value": value}])).await;
            let expected = if value.contains("Auditor") { "ACCESS_AUDIT_LOG" } else { "ACCESS_SIBLINGS" };
            assert_eq!(roles(&bridge, "ann@example.com"), [expected, "USER"], "{value}");
            assert_eq!(
                (shown["roles"].as_array().unwrap().len(), &shown["roles"][0]["primary"]),
                (1, &json!(true))
            );
        }
        patch(&bridge, &id, json!([{"op": "Remove", "path": "roles[primary eq \"True\"]"}])).await;
        assert_eq!(roles(&bridge, "ann@example.com"), Vec::<String>::new());
        assert_eq!(bridge.ringcx.admin_named("ann@example.com").unwrap()["enabled"], false);
    }
}

/// `AppRoleAssignmentsComplex`: only ever adds; `AssertiveAppRoleAssignmentsComplex`: the set is what was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entra_complex_roles_are_added_and_asserted() {
    for profile in PROFILES {
        let bridge = start(profile, Compatibility::Entra).await;
        let (id, _) = bridge.create(json!({"userName": "ann@example.com"})).await;
        for role in ["Auditor", "ACCESS_SIBLINGS"] {
            patch(&bridge, &id, json!([{"op": "Add", "path": "roles", "value": [{"value": packed(role)}]}]))
                .await;
        }
        assert_eq!(roles(&bridge, "ann@example.com"), ["ACCESS_AUDIT_LOG", "ACCESS_SIBLINGS", "USER"]);
        let element = |role: &str| json!({"primary": false, "type": "WindowsAzureActiveDirectoryRole", "display": role, "value": role});
        let assert = json!([{"op": "replace", "path": "roles", "value": [element("ACCESS_SIBLINGS")]}]);
        patch(&bridge, &id, assert).await;
        assert_eq!(
            roles(&bridge, "ann@example.com"),
            ["ACCESS_SIBLINGS", "USER"],
            "what is no longer sent is gone"
        );
        let garbage =
            json!({"Operations": [{"op": "Add", "path": "roles", "value": [{"value": "{\"id\":"}]}]});
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&garbage)).await;
        assert_eq!(
            (answer.status, &answer.body["scimType"]),
            (400, &json!("invalidValue")),
            "{}",
            answer.text
        );
        assert!(answer.text.contains("roles"), "{}", answer.text);
        patch(&bridge, &id, json!([{"op": "replace", "path": "roles", "value": []}])).await;
        assert_eq!(roles(&bridge, "ann@example.com"), Vec::<String>::new());
    }
}

/// Okta: what `/Roles` and `/Entitlements` list is assigned, exchanged and taken by PUT.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn okta_entitlements_are_assigned_exchanged_and_taken() {
    for profile in PROFILES {
        let bridge = start(profile, Compatibility::Okta).await;
        let listed = async |path: &str| -> Vec<(String, String)> {
            let page = bridge.send("GET", path, None).await.body;
            let items = page["Resources"].as_array().unwrap().clone();
            items
                .iter()
                .map(|it| {
                    (it["id"].as_str().unwrap().to_owned(), it["displayName"].as_str().unwrap().to_owned())
                })
                .collect()
        };
        let (offered, documents) = (listed("/Roles").await, listed("/Entitlements").await);
        assert_eq!(offered.len(), 2);
        assert_eq!(documents.iter().map(|it| it.0.as_str()).collect::<Vec<_>>(), ["4711", "4712"]);
        let body = |role: Option<usize>, document: Option<usize>| {
            let roles: Vec<Value> = role
                .map(|at| json!({"value": offered[at].0, "display": offered[at].1}))
                .into_iter()
                .collect();
            let documents: Vec<Value> = document
                .map(
                    |at| json!({"value": documents[at].0, "display": documents[at].1, "type": "Entitlement"}),
                )
                .into_iter()
                .collect();
            json!({"userName": "ann@example.com", "active": true, "roles": roles, "entitlements": documents})
        };
        let (id, _) = bridge.create(body(Some(0), Some(0))).await;
        let ann = bridge.ringcx.admin_named("ann@example.com").unwrap()["userId"].as_i64().unwrap();
        let holds = || {
            (
                roles(&bridge, "ann@example.com"),
                bridge.ringcx.assignments(4711),
                bridge.ringcx.assignments(4712),
            )
        };
        let expected = |role: &str| vec![role.to_owned(), "USER".to_owned()];
        assert_eq!(holds(), (expected(&offered[0].0), vec![ann], vec![]));
        let url = format!("/Users/{id}");
        let answer = bridge.send("PUT", &url, Some(&body(Some(1), Some(1)))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(holds(), (expected(&offered[1].0), vec![], vec![ann]));
        // A PUT that knows nothing of them leaves them; an empty list takes them.
        let bare = json!({"userName": "ann@example.com", "active": true});
        assert_eq!(bridge.send("PUT", &url, Some(&bare)).await.status, 200);
        assert_eq!(holds(), (expected(&offered[1].0), vec![], vec![ann]));
        assert_eq!(bridge.send("PUT", &url, Some(&body(None, None))).await.status, 200);
        assert_eq!(holds(), (vec![], vec![], vec![]));
    }
}
