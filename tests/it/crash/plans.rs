//! The plans that a life does not meet, with a process that ends at every step: a create that RingCX refuses half-way, and the
//! taking over of somebody who was there before.

use std::path::Path;

use reqwest::Method;
use ringcx_simulator::{Control, Options, Seed};
use serde_json::json;

use super::steps::{Survivor, agents_of, eventually, replace};
use crate::support::Simulator;

/// More steps than any of these plans has.
const MOST: usize = 150;

async fn simulator(seed: Seed) -> Simulator {
    let mut options = Options { seed, ..Options::default() };
    options.knobs.set("rate_limit", "100000").unwrap();
    options.knobs.set("auth_limit", "100000").unwrap();
    Simulator::start(options).await.unwrap()
}

/// One create that RingCX refuses when agent and administrator are there already; whether the process has died.
async fn a_refusal(bridge: &mut Survivor, ringcx: &Control, points: usize) -> bool {
    let email = format!("r{points}@example.com");
    let new = json!({
        "userName": email, "externalId": format!("r{points}"), "emails": [{"value": email, "type": "work"}],
        "roles": [{"value": "REPORT_ADMINISTRATIVE_USER"}],
    });
    let died = bridge.refused_with_fuse(points, "/Users", &new).await;
    bridge.all_is_done().await;
    // What was made is switched off, or away where the tenant deletes.
    let at_work = agents_of(ringcx, &email).into_iter().filter(|agent| agent["isActive"] == true);
    assert_eq!(at_work.count(), 0, "{points}");
    let admin = ringcx.admin_named(&email);
    assert!(admin.as_ref().is_none_or(|admin| admin["enabled"] == false), "{points}: {admin:?}");
    let filter = format!("/Users?filter=userName%20eq%20%22{email}%22");
    let found = bridge.insist(Method::GET, &filter, None).await;
    assert_eq!(found["totalResults"], 0, "{points}: {found}");
    died
}

async fn every_step_of_a_way_back(store: impl Fn(&Path) -> String, stride: usize) {
    let folder = tempfile::tempdir().unwrap();
    let simulator = simulator(Seed::demo()).await;
    let ringcx = simulator.admin();
    ringcx.forbid("addRole");
    let mut bridge = Survivor::start(folder.path(), &simulator.url(), &store(folder.path())).await;
    let mut points = 1;
    while a_refusal(&mut bridge, &ringcx, points).await {
        assert!(ringcx.count("createAgent") > (points - 1) / stride, "the refusal comes after the agent");
        points += stride;
        assert!(points < MOST, "the last point is never reached");
    }
    println!("{} deaths at up to {points} points", bridge.deaths);
    assert!(bridge.deaths > 30 / stride, "only {} deaths", bridge.deaths);
    bridge.serve.kill();
}

/// One person who has an agent already is taken over, changed and switched off; whether the process has died.
async fn an_adoption(bridge: &mut Survivor, ringcx: &Control, points: usize) -> bool {
    let email = format!("a{points}@example.com");
    let new = json!({
        "userName": email, "externalId": format!("a{points}"), "emails": [{"value": email, "type": "work"}],
        "name": {"givenName": "Jo", "familyName": "Doe"},
    });
    let (mut died, user) = bridge.with_fuse(points, Method::POST, "/Users", Some(&new)).await;
    let id = user["id"].as_str().unwrap().to_owned();
    bridge.settled(&id).await;
    let holds = |it: &Control, active: bool| {
        let agents = agents_of(it, &email);
        agents.len() == 1
            && agents[0]["agentId"] == agent_of(points)
            && agents[0]["firstName"] == "Jo"
            && agents[0]["isActive"] == active
    };
    eventually("the change of what was found", ringcx, |it| holds(it, true)).await;
    let off = replace("active", false);
    let (dead, _) = bridge.with_fuse(points, Method::PATCH, &format!("/Users/{id}"), Some(&off)).await;
    died |= dead;
    assert!(holds(ringcx, false), "{points}: {:?}", agents_of(ringcx, &email));
    bridge.all_is_done().await;
    died
}

fn agent_of(points: usize) -> i64 {
    20_000 + i64::try_from(points).unwrap()
}

async fn every_step_of_an_adoption(store: impl Fn(&Path) -> String, stride: usize) {
    let folder = tempfile::tempdir().unwrap();
    let seed = (1..MOST).fold(Seed::demo(), |seed, points| {
        let email = format!("a{points}@example.com");
        let fields = json!({
            "agentId": agent_of(points), "username": email, "email": email, "firstName": "Before", "lastName": "Doe",
        });
        seed.agent(1001, fields)
    });
    let simulator = simulator(seed).await;
    let ringcx = simulator.admin();
    let mut bridge = Survivor::start(folder.path(), &simulator.url(), &store(folder.path())).await;
    let mut points = 1;
    while an_adoption(&mut bridge, &ringcx, points).await {
        points += stride;
        assert!(points < MOST, "the last point is never reached");
    }
    println!("{} deaths at up to {points} points", bridge.deaths);
    assert_eq!(ringcx.count("createAgent"), 0, "whoever is there is not made");
    assert!(bridge.deaths > 30 / stride, "only {} deaths", bridge.deaths);
    bridge.serve.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_that_ends_at_any_step_leaves_nobody_at_work_on_sqlite() {
    every_step_of_a_way_back(super::sqlite, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_that_ends_at_any_step_leaves_nobody_at_work_on_postgresql() {
    let Some(database) = crate::support::postgres_database().await else { return };
    every_step_of_a_way_back(move |_| database.clone(), 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adoption_that_ends_at_any_step_takes_over_the_one_who_is_there_on_sqlite() {
    every_step_of_an_adoption(super::sqlite, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adoption_that_ends_at_any_step_takes_over_the_one_who_is_there_on_postgresql() {
    let Some(database) = crate::support::postgres_database().await else { return };
    every_step_of_an_adoption(move |_| database.clone(), 4).await;
}
