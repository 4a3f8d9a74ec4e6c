//! Errors, limits and load as the client meets them.

use std::time::Duration;

use futures_util::future::join_all;
use ringcx_simulator::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

fn jo() -> Value {
    json!({"userName": "jo@example.com", "externalId": "1", "emails": [{"value": "jo@example.com", "type": "work"}]})
}

async fn impatient() -> TestBridge {
    TestBridge::start(Setup { settle: Duration::from_millis(300), ..Setup::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn okta_retry_after_integer_seconds() {
    for kind in [
        FaultKind::TooManyRequests { retry_after: Some("Wed, 21 Oct 2099 07:28:00 GMT".to_owned()) },
        FaultKind::Status(503, "Service Unavailable".to_owned()),
        FaultKind::Status(500, "<html>".to_owned()),
        FaultKind::DropBefore,
    ] {
        let bridge = impatient().await;
        bridge.ringcx.fault(Fault::always("createAgent", kind.clone()));
        let answer = bridge.send("POST", "/Users", Some(&jo())).await;
        assert!(answer.status == 429 || answer.status == 503, "{kind:?}: {}", answer.text);
        let after = &answer.headers["retry-after"];
        assert!(after.parse::<u64>().is_ok_and(|seconds| seconds > 0), "{kind:?}: {after}");
        bridge.ringcx.clear_faults();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstream_down_reads_served() {
    let bridge = impatient().await;
    let (id, _) = bridge.create(jo()).await;
    for operation in ["getAgent", "updateAgent", "listAgents", "exchangeToken"] {
        bridge.ringcx.fault(Fault::always(operation, FaultKind::DropBefore));
    }
    let calls = bridge.ringcx.calls().len();
    for path in [
        format!("/Users/{id}"),
        "/Users".to_owned(),
        "/Users?filter=userName eq \"jo@example.com\"".to_owned(),
        "/Groups".to_owned(),
        "/Schemas".to_owned(),
        "/Roles".to_owned(),
        "/AgentGroups".to_owned(),
        "/".to_owned(),
    ] {
        assert_eq!(bridge.send("GET", &path, None).await.status, 200, "{path}");
    }
    assert_eq!(bridge.ringcx.calls().len(), calls);
    let rename = json!({"Operations": [{"op": "replace", "path": "name.givenName", "value": "X"}]});
    let refused = bridge.send("PATCH", &format!("/Users/{id}"), Some(&rename)).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.headers.contains_key("retry-after"));
    bridge.ringcx.clear_faults();
    bridge.run_jobs().await;
    assert_eq!(bridge.send("GET", &format!("/Users/{id}"), None).await.body["name"]["givenName"], "X");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstream_validation_to_400_detail() {
    let bridge = impatient().await;
    let refusal =
        json!({"errorCode": "bad.request.error", "generalMessage": "No seat available", "details": "seats"});
    bridge.ringcx.fault(Fault::once("createAgent", FaultKind::Status(400, refusal.to_string())));
    let answer = bridge.send("POST", "/Users", Some(&jo())).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("RingCX") && detail.contains("No seat available"), "{detail}");
    assert_eq!(bridge.send("GET", "/Users", None).await.body["totalResults"], 0, "nothing half done");
    let again = bridge.send("POST", "/Users", Some(&jo())).await;
    assert_eq!(again.status, 201, "{}", again.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_detail_is_actionable() {
    let bridge = impatient().await;
    let (id, _) = bridge.create(jo()).await;
    let ringcx = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";
    let op =
        |path: &str, value: Value| json!({"Operations": [{"op": "replace", "path": path, "value": value}]});
    let cases = [
        (
            "POST",
            "/Users".to_owned(),
            json!({"userName": "jo@example.com"}),
            vec!["userName", "jo@example.com", &id],
        ),
        ("POST", "/Users".to_owned(), json!({"displayName": "x"}), vec!["userName", "required"]),
        (
            "PATCH",
            format!("/Users/{id}"),
            op(&format!("{ringcx}:agentRank"), json!(99)),
            vec!["agentRank", "99", "0-24"],
        ),
        (
            "PATCH",
            format!("/Users/{id}"),
            op("active", json!("maybe")),
            vec!["active", "maybe", "true or false"],
        ),
        (
            "PATCH",
            format!("/Users/{id}"),
            op(&format!("{ringcx}:agentGroupName"), json!("Nowhere")),
            vec!["Nowhere", "does not exist"],
        ),
        (
            "PATCH",
            format!("/Users/{id}"),
            op("roles", json!(["SUPER_USER"])),
            vec!["SUPER_USER", "allowed_roles"],
        ),
    ];
    for (method, path, body, parts) in cases {
        let answer = bridge.send(method, &path, Some(&body)).await;
        let detail = answer.body["detail"].as_str().unwrap_or_else(|| panic!("{body}: {}", answer.text));
        for part in parts {
            assert!(detail.contains(part), "{part} is missing in: {detail}");
        }
        assert!(detail.chars().count() < 400, "{detail}");
        assert!(detail.contains(&answer.headers["x-request-id"]), "{detail}");
    }
    let pin = op(&format!("{ringcx}:phoneLoginPin"), json!("secret-not-digits"));
    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&pin)).await;
    assert!(answer.status == 400 && !answer.text.contains("secret-not-digits"), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn entra_25rps_reads_no_upstream() {
    let bridge = TestBridge::start(Setup::default()).await;
    bridge.create(jo()).await;
    let calls = bridge.ringcx.calls().len();
    // Ten seconds of a cycle's probes, as fast as they come.
    let probes = (0..250).map(|n| {
        let bridge = &bridge;
        async move {
            let path = match n % 4 {
                0 => format!("/Users?filter=userName eq \"{n}-0b1c\""),
                1 => format!("/Groups?excludedAttributes=members&filter=displayName eq \"{n}-0b1c\""),
                2 => format!("/Users?filter=externalId eq \"{n}\""),
                _ => format!("/Users?filter=emails[type eq \"work\"].value eq \"{n}@example.com\""),
            };
            let answer = bridge.send("GET", &path, None).await;
            assert_eq!((answer.status, &answer.body["totalResults"]), (200, &json!(0)), "{path}");
        }
    });
    join_all(probes).await;
    assert_eq!(bridge.ringcx.calls().len(), calls, "no read asks RingCX");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writes_serialised_per_resource() {
    let bridge = TestBridge::start(Setup::default()).await;
    let (id, agent) = bridge.create(jo()).await;
    let change = async |path: &str, value: &str| {
        let body = json!({"Operations": [{"op": "replace", "path": path, "value": value}]});
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    };
    tokio::join!(change("name.givenName", "Joan"), change("name.familyName", "Doe"), change("title", "Lead"));
    let shown = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
    assert_eq!(
        (&shown["name"], &shown["title"]),
        (&json!({"givenName": "Joan", "familyName": "Doe"}), &json!("Lead"))
    );
    let held = bridge.ringcx.agent(agent).unwrap();
    assert_eq!(
        (&held["firstName"], &held["lastName"]),
        (&json!("Joan"), &json!("Doe")),
        "both, whoever was first"
    );
    bridge.run_jobs().await;
}
