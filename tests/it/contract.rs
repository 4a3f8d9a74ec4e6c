//! `openapi/ringcx.yaml` is what we believe of RingCX: the simulator serves all of it and nothing else, and the client calls
//! nothing that does not stand there.

use std::collections::{BTreeMap, BTreeSet};

use ringcx_simulator::{Call, Profile, operations};
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

fn description() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/ringcx.yaml");
    serde_yaml_ng::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The operations of the description by name: method, path template, the operation itself.
fn described() -> BTreeMap<String, (String, String, Value)> {
    let mut found = BTreeMap::new();
    for (path, item) in description()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters")
        {
            let name = operation["operationId"].as_str().unwrap().to_owned();
            found.insert(name, (method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    found
}

#[test]
fn the_simulator_serves_what_is_described_and_nothing_else() {
    let described: BTreeSet<(String, String, String)> =
        described().into_iter().map(|(name, (method, path, _))| (method, path, name)).collect();
    let served: BTreeSet<(String, String, String)> = operations()
        .into_iter()
        .map(|(method, path, name)| (method.to_owned(), path.to_owned(), name.to_owned()))
        .collect();
    assert_eq!(
        described.symmetric_difference(&served).collect::<Vec<_>>(),
        Vec::<&(String, String, String)>::new()
    );
}

/// Whether a path is one of the template.
fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(path).all(|(wanted, given)| wanted.starts_with('{') || *wanted == given)
}

fn check(call: &Call, described: &BTreeMap<String, (String, String, Value)>) {
    let (method, template, operation) = &described[&call.operation];
    assert!(
        call.method == *method && fits(template, &call.path),
        "{} {} is not {template}",
        call.method,
        call.path
    );
    let known: BTreeSet<&str> = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|it| it["name"].as_str())
        .collect();
    for part in call.query.split('&').filter(|part| !part.is_empty()) {
        let name = part.split('=').next().unwrap();
        assert!(known.contains(name), "{}: the query parameter {name} is not described", call.operation);
    }
    let wants_json = operation["requestBody"]["content"].get("application/json").is_some();
    assert_eq!(
        !call.body.is_null(),
        wants_json,
        "{}: a JSON body is {}",
        call.operation,
        if wants_json { "due" } else { "not due" }
    );
    let statuses = operation["responses"].as_object().unwrap();
    if (200..300).contains(&call.status) {
        assert!(
            statuses.contains_key(&call.status.to_string()),
            "{}: status {} is not described",
            call.operation,
            call.status
        );
    }
}

/// A life with everything in it: the client makes every call that it can make.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_calls_what_is_described() {
    let described = described();
    let mut seen = BTreeSet::new();
    for profile in [Profile::Friendly, Profile::Hostile, Profile::Spec] {
        let bridge = TestBridge::start(Setup {
            profile,
            policy: json!({
                "default_agent_group": "Default", "password_on_put": "omit", "on_delete": "delete",
                "auto_create_agent_groups": true, "allowed_rights_docs": [4711], "allowed_roles": ["ACCESS_AUDIT_LOG"],
            }),
            ..Setup::default()
        })
        .await;
        let (id, _) = bridge
            .create(json!({
                "userName": "jo@example.com", "roles": [{"value": "ACCESS_AUDIT_LOG"}], "entitlements": [{"value": "4711"}],
            }))
            .await;
        let group = json!({"displayName": "Brand New", "members": [{"value": id}]});
        assert_eq!(bridge.send("POST", "/Groups", Some(&group)).await.status, 201);
        bridge.run_jobs().await;
        let rename =
            json!({"Operations": [{"op": "replace", "value": {"name.givenName": "Jo", "active": false}}]});
        assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&rename)).await.status, 200);
        let back = json!({"Operations": [{"op": "replace", "value": {"active": true}}]});
        assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&back)).await.status, 200);
        let answer = bridge.send("DELETE", &format!("/Users/{id}"), None).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
        for call in bridge.ringcx.calls() {
            check(&call, &described);
            seen.insert(call.operation);
        }
    }
    for needed in [
        "getToken",
        "exchangeToken",
        "listAgentGroups",
        "createAgentGroup",
        "listAgents",
        "createAgent",
        "getAgent",
        "updateAgent",
        "deleteAgent",
        "listUsers",
        "createUser",
        "updateUser",
        "deleteUser",
        "setIsActive",
        "getRoles",
        "addRole",
        "removeRole",
        "getAssignments",
        "assignRightsDoc",
        "unassignRightsDoc",
        "listExtensions",
    ] {
        assert!(seen.contains(needed), "the client never called {needed}");
    }
}
