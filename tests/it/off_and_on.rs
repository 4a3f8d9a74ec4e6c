//! Provisioning switched off and on again, and accounts handed back: the same accounts, none twice.

use ringcx_scim::domain::{Actor, TenantId};
use serde_json::json;

use crate::support::{Setup, TestBridge};

fn default() -> TenantId {
    "default".parse().unwrap()
}

#[tokio::test]
async fn off_and_on_with_the_same_identity_provider_gives_the_same_accounts() {
    let bridge = TestBridge::start(Setup::default()).await;
    let jo =
        json!({"userName": "jo@example.com", "externalId": "x1", "emails": [{"value": "jo@example.com"}]});
    let (id, agent) = bridge.create(jo.clone()).await;
    let url = format!("/Users/{id}");
    // Out of scope and back: first switched off, then deleted.
    for value in [false, true] {
        let body = json!({"Operations": [{"op": "replace", "path": "active", "value": value}]});
        assert_eq!(bridge.send("PATCH", &url, Some(&body)).await.status, 200);
    }
    assert_eq!(bridge.send("DELETE", &url, None).await.status, 204);
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
    let (_, again) = bridge.create(jo).await;
    assert_eq!(again, agent);
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], true);
    assert_eq!(bridge.ringcx.count("createAgent"), 1);
}

#[tokio::test]
async fn accounts_that_are_handed_back_stay_as_they_are_and_can_be_taken_over_again() {
    let bridge = TestBridge::start(Setup::default()).await;
    let jo = json!({"userName": "jo@example.com", "emails": [{"value": "jo@example.com"}]});
    let (id, agent) = bridge.create(jo.clone()).await;
    let (other, _) = bridge.create(json!({"userName": "al@example.com"})).await;
    let before = bridge.ringcx.agents();
    bridge.ringcx.clear_calls();
    let by = Actor::operator("kim", "run");
    let disowned = bridge.reconciler.disown(&default(), &by, Some(&id.as_str().into())).await.unwrap();
    assert_eq!(disowned.people, [id.as_str().into()]);
    bridge.run_jobs().await;
    assert_eq!((bridge.ringcx.agents(), bridge.ringcx.calls().len()), (before, 0));
    assert_eq!(bridge.send("GET", &format!("/Users/{id}"), None).await.status, 404);
    assert_eq!(bridge.send("GET", &format!("/Users/{other}"), None).await.status, 200);
    let (_, again) = bridge.create(jo).await;
    assert_eq!((again, bridge.ringcx.count("createAgent")), (agent, 0));
    let all = bridge.reconciler.disown(&default(), &by, None).await.unwrap();
    assert_eq!((all.people.len(), all.busy.len()), (2, 0));
    assert_eq!(bridge.send("GET", "/Users", None).await.body["totalResults"], 0);
}
