//! What RingCX refused half-way leaves nothing behind, and takes nothing with it that it did not refuse.

use std::time::Duration;

use ringcx_simulator::{Fault, FaultKind, Seed};
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const ROLE: &str = "REPORT_ADMINISTRATIVE_USER";

async fn start(settle: Duration) -> TestBridge {
    let policy = json!({
        "default_agent_group": "Default", "password_on_put": "omit", "allowed_roles": [ROLE], "adopt_admins": true,
    });
    let seed = Seed::demo().admin(json!({
        "userId": 150, "userName": "wanda@example.com", "firstName": "Wanda", "lastName": "Worker", "roles": ["USER"],
    }));
    TestBridge::start(Setup { seed, policy, settle, ..Setup::default() }).await
}

async fn patient() -> TestBridge {
    start(Duration::from_secs(5)).await
}

fn replace(path: &str, value: &str) -> Value {
    json!({"Operations": [{"op": "replace", "path": path, "value": value}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_create_leaves_nothing_switched_on() {
    let bridge = patient().await;
    bridge.ringcx.forbid("addRole");
    let body = json!({"userName": "jo@example.com", "roles": [{"value": ROLE}]});
    let answer = bridge.send("POST", "/Users", Some(&body)).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    bridge.run_jobs().await;
    let agents = bridge.ringcx.agents();
    let jo = agents.iter().find(|agent| agent["email"] == "jo@example.com" || agent["agentGroupId"] == 1000);
    assert_eq!(jo.unwrap()["isActive"], false, "{jo:?}");
    assert_eq!(bridge.ringcx.admin_named("jo@example.com").unwrap()["enabled"], false);
    assert_eq!(bridge.send("GET", "/Users", None).await.body["totalResults"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_create_gives_back_what_it_had_found() {
    let bridge = patient().await;
    let whole = |bridge: &TestBridge| {
        let mut agent = bridge.ringcx.agent(5001).unwrap();
        // Whether a text is empty or not there is one and the same to RingCX.
        agent.as_object_mut().unwrap().retain(|_, value| !value.is_null() && value != "");
        agent
    };
    let (agent, admin) = (whole(&bridge), bridge.ringcx.admin_named("wanda@example.com").unwrap());
    bridge.ringcx.forbid("addRole");
    let body = json!({
        "userName": "wanda@example.com", "name": {"givenName": "Other", "familyName": "Name"},
        "roles": [{"value": ROLE}],
        "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User": {"team": "Red", "agentGroupName": "UK Agents"},
    });
    let answer = bridge.send("POST", "/Users", Some(&body)).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    bridge.run_jobs().await;
    assert!(bridge.ringcx.count("updateAgent") >= 2, "changed and changed back");
    assert_eq!(whole(&bridge), agent);
    let after = bridge.ringcx.admin_named("wanda@example.com").unwrap();
    for field in ["firstName", "lastName", "enabled", "roles"] {
        assert_eq!(after[field], admin[field], "{field}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_change_returns_what_was_there_before() {
    let bridge = patient().await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    bridge.ringcx.edit_agent(agent, |fields| {
        fields.insert("location".to_owned(), json!("Leeds"));
    });
    bridge.ringcx.forbid("createUser");
    let op = json!({"Operations": [
        {"op": "replace", "path": "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User:location", "value": "York"},
        {"op": "add", "path": "roles", "value": [{"value": ROLE}]},
    ]});
    bridge.ringcx.fault(Fault::always(
        "createUser",
        FaultKind::Status(400, json!({"generalMessage": "no"}).to_string()),
    ));
    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&op)).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    bridge.run_jobs().await;
    assert!(bridge.ringcx.calls().iter().any(|call| call.body["location"] == "York"), "it was on its way");
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["location"], "Leeds");
    // And it belongs to RingCX again: another write leaves it alone.
    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&replace("name.givenName", "Jo"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["location"], "Leeds");
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["firstName"], "Jo");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_comes_while_another_is_refused_survives() {
    let bridge = patient().await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    // The look takes a while, in which the second write comes in; then the first one is refused.
    bridge.ringcx.fault(Fault::once("getAgent", FaultKind::Delay(700)));
    let no = json!({"generalMessage": "not this name"}).to_string();
    bridge.ringcx.fault(Fault::once("updateAgent", FaultKind::Status(400, no)));
    let path = format!("/Users/{id}");
    let (bad, good) = (replace("name.familyName", "Bad"), replace("name.givenName", "Good"));
    let (first, second) = tokio::join!(bridge.send("PATCH", &path, Some(&bad)), async {
        while bridge.ringcx.count("getAgent") == 0 && bridge.ringcx.calls().len() < 5 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        bridge.send("PATCH", &path, Some(&good)).await
    });
    assert_eq!((first.status, second.status), (400, 200), "{} {}", first.text, second.text);
    bridge.run_jobs().await;
    let agent = bridge.ringcx.agent(agent).unwrap();
    assert_eq!((&agent["firstName"], &agent["lastName"]), (&json!("Good"), &Value::Null), "{agent}");
    let shown = bridge.send("GET", &path, None).await.body;
    assert_eq!(shown["name"], json!({"givenName": "Good"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_post_with_another_body_is_what_counts() {
    let bridge = start(Duration::from_millis(300)).await;
    bridge.ringcx.fault(Fault::once("createAgent", FaultKind::DelayAfter(900)));
    let body = |given: &str| json!({"userName": "jo@example.com", "name": {"givenName": given}});
    let answer = bridge.send("POST", "/Users", Some(&body("Old"))).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    let mut again = bridge.send("POST", "/Users", Some(&body("New"))).await;
    for _ in 0..20 {
        if again.status != 503 {
            break;
        }
        again = bridge.send("POST", "/Users", Some(&body("New"))).await;
    }
    // It may have been finished between two tries, and a finished record is 409.
    assert!(again.status == 201 || again.status == 409, "{}", again.text);
    bridge.run_jobs().await;
    let found = bridge.send("GET", "/Users?filter=userName eq \"jo@example.com\"", None).await;
    assert_eq!(found.body["Resources"][0]["name"]["givenName"], "New");
    let made: Vec<Value> =
        bridge.ringcx.agents().into_iter().filter(|agent| agent["agentGroupId"] == 1000).collect();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0]["firstName"], "New");
}

/// A client that repeats itself while the way back is under way is asked to wait, and told the truth in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_create_does_not_overtake_the_way_back() {
    let bridge = start(Duration::from_secs(1)).await;
    bridge.ringcx.forbid("addRole");
    bridge.ringcx.fault(Fault::always("updateAgent", FaultKind::DelayAfter(1_500)));
    let body = json!({
        "userName": "jo@example.com", "externalId": "1", "emails": [{"value": "jo@example.com"}],
        "roles": [{"value": ROLE}],
    });
    assert_eq!(bridge.send("POST", "/Users", Some(&body)).await.status, 400);
    let again = bridge.send("POST", "/Users", Some(&body)).await;
    assert_eq!(again.status, 503, "{}", again.text);
    assert!(again.headers["retry-after"].parse::<u32>().is_ok_and(|after| after > 0), "{:?}", again.headers);
    bridge.ringcx.clear_faults();
    bridge.run_jobs().await;
    let refused = bridge.send("POST", "/Users", Some(&body)).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    bridge.run_jobs().await;
    let jos = || -> Vec<Value> {
        bridge.ringcx.agents().into_iter().filter(|it| it["email"] == "jo@example.com").collect()
    };
    assert!(jos().iter().all(|agent| agent["isActive"] == false), "{:?}", jos());

    bridge.ringcx.permit("addRole");
    let (_, agent) = bridge.create(body).await;
    assert_eq!((jos().len(), &jos()[0]["agentId"]), (1, &json!(agent)), "the same agent works at last");
    assert_eq!(jos()[0]["isActive"], true);
    assert!(bridge.ringcx.admin_named("jo@example.com").unwrap()["roles"].to_string().contains(ROLE));
}
