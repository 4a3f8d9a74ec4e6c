//! The real binary, ended without warning: between intent and answer, at every step of every plan, and at random; on both
//! databases.

mod plans;
mod random;
pub(crate) mod serve;
mod steps;

use ringcx_simulator::{Fault, FaultKind, Options};
use serde_json::{Value, json};

use serve::{Serve, configure, send, until};

use crate::support::Simulator;

/// RingCX has made the agent and has not answered yet when the bridge dies; or it has not even begun.
async fn killed_between_intent_and_answer(
    url: impl Fn(&std::path::Path) -> String,
    fault: FaultKind,
    applied: bool,
) {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.knobs.set("rate_limit", "100000").unwrap();
    options.knobs.set("auth_limit", "1000").unwrap();
    let simulator = Simulator::start(options).await.unwrap();
    let ringcx = simulator.admin();
    let (config, token) = configure(folder.path(), &simulator.url(), &url(folder.path()), "1s");

    let serve = Serve::ready(&config).await;
    ringcx.fault(Fault::once("createAgent", fault));
    let body = json!({
        "userName": "jo@example.com", "externalId": "1", "emails": [{"value": "jo@example.com", "type": "work"}],
    });
    let (users, secret) = (format!("{}/Users", serve.base), token.clone());
    let posted = tokio::spawn(async move { send(reqwest::Method::POST, &users, &secret, Some(&body)).await });
    let is_jo = |agent: &Value| agent["email"] == "jo@example.com";
    if applied {
        until("the agent", async || ringcx.agents().iter().any(is_jo).then_some(())).await;
    } else {
        let filter = format!("{}/Users?filter=userName%20eq%20%22jo@example.com%22", serve.base);
        until("the intent", async || {
            send(reqwest::Method::GET, &filter, &token, None)
                .await
                .filter(|(_, body)| body["totalResults"] == 1)
        })
        .await;
    }
    serve.kill();
    drop(posted.await);

    let again = Serve::start(&config);
    let filter = format!("{}/Users?filter=userName%20eq%20%22jo@example.com%22", again.base);
    let settled = until("the person", async || {
        let (_, body) = send(reqwest::Method::GET, &filter, &token, None).await?;
        let user = body["Resources"].get(0)?.clone();
        let ringcx = &user["urn:ietf:params:scim:schemas:extension:ringcx:2.0:User"];
        (ringcx["provisioningState"] == "active").then_some(user)
    })
    .await;
    let found: Vec<Value> = ringcx.agents().into_iter().filter(is_jo).collect();
    assert_eq!(found.len(), 1, "{:?}", ringcx.calls());
    let agent = settled["urn:ietf:params:scim:schemas:extension:ringcx:2.0:User"]["agentId"].clone();
    assert_eq!(agent, json!(found[0]["agentId"].to_string()));
    let created =
        ringcx.calls().iter().filter(|call| call.operation == "createAgent" && call.applied).count();
    assert_eq!(created, 1);
    again.kill();
}

pub(crate) fn sqlite(folder: &std::path::Path) -> String {
    format!("sqlite://{}", folder.join("bridge.db").display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_after_the_agent_was_made_leaves_one_agent_on_sqlite() {
    killed_between_intent_and_answer(sqlite, FaultKind::DelayAfter(800), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_before_the_agent_was_made_leaves_one_agent_on_sqlite() {
    killed_between_intent_and_answer(sqlite, FaultKind::Delay(800), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_after_the_agent_was_made_leaves_one_agent_on_postgresql() {
    let Some(database) = crate::support::postgres_database().await else { return };
    killed_between_intent_and_answer(move |_| database.clone(), FaultKind::DelayAfter(800), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_before_the_agent_was_made_leaves_one_agent_on_postgresql() {
    let Some(database) = crate::support::postgres_database().await else { return };
    killed_between_intent_and_answer(move |_| database.clone(), FaultKind::Delay(800), false).await;
}
