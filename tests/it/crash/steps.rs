//! A process that ends at every step: before and after each commit and each upstream call of every plan.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::Method;
use ringcx_scim::clock::Clock;
use ringcx_scim::store::{self, Store};
use ringcx_simulator::{Control, Options};
use serde_json::{Value, json};

use super::serve::{Serve, configure_mortal, fuse, send};
use crate::support::Simulator;

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

/// A bridge that is started again whenever it has died, and a client that repeats itself until it is answered.
pub(super) struct Survivor {
    config: PathBuf,
    token: String,
    pub(super) serve: Serve,
    pub(super) deaths: usize,
    /// The store of the bridge, beside it.
    store: Store,
}

impl Survivor {
    pub(super) async fn start(folder: &Path, upstream: &str, store: &str) -> Self {
        let (config, token) = configure_mortal(folder, upstream, store, "300ms");
        let serve = Serve::ready(&config).await;
        let store = Store::open(&store::Settings::at(store)).await.unwrap();
        Self { config, token, serve, deaths: 0, store }
    }

    /// Lets the process end after so many points; gives whether it has done so before the request was answered well.
    pub(super) async fn with_fuse(
        &mut self,
        points: usize,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (bool, Value) {
        std::fs::write(fuse(&self.config), points.to_string()).unwrap();
        let deaths = self.deaths;
        let answer = self.insist(method, path, body).await;
        std::fs::write(fuse(&self.config), "").unwrap();
        if self.deaths > deaths {
            self.nothing_is_stuck().await;
        }
        (self.deaths > deaths, answer)
    }

    /// The same for a POST that RingCX refuses: it is repeated until the client is told so.
    pub(super) async fn refused_with_fuse(&mut self, points: usize, path: &str, body: &Value) -> bool {
        std::fs::write(fuse(&self.config), points.to_string()).unwrap();
        let deaths = self.deaths;
        let mut told = false;
        for _ in 0..200 {
            let url = format!("{}{path}", self.serve.base);
            match send(Method::POST, &url, &self.token, Some(body)).await {
                Some((400, _)) => {
                    told = true;
                    break;
                }
                Some((429 | 503, _)) => tokio::time::sleep(Duration::from_millis(20)).await,
                Some((status, text)) => panic!("{path}: {status} {text}"),
                None => self.revive().await,
            }
        }
        assert!(told, "{path} was never refused");
        std::fs::write(fuse(&self.config), "").unwrap();
        self.nothing_is_stuck().await;
        self.deaths > deaths
    }

    /// Starts the bridge again if it has died.
    async fn revive(&mut self) {
        if self.serve.is_dead() {
            self.deaths += 1;
            self.serve = Serve::ready(&self.config).await;
        } else {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Before long no job is due, under a lease or set aside; one that waits for its time may.
    pub(super) async fn nothing_is_stuck(&mut self) {
        self.no_job_is_left(
            "SELECT person_id FROM jobs WHERE due_at <= $1 OR lease_until > $1 OR parked_at > 0",
        )
        .await;
    }

    /// Before long no job is left at all.
    pub(super) async fn all_is_done(&mut self) {
        self.no_job_is_left("SELECT person_id FROM jobs WHERE created_at <= $1").await;
    }

    async fn no_job_is_left(&mut self, sql: &'static str) {
        let begun = Instant::now();
        loop {
            let now = Clock::system().now();
            let left =
                self.store.read(move |tx| tx.all(sql, &[now.into()], |row| row.text(0))).await.unwrap();
            if left.is_empty() {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "jobs are stuck: {left:?}");
            if self.serve.is_dead() {
                self.revive().await;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends a request until it is answered well, starting the bridge again where it has died.
    pub(super) async fn insist(&mut self, method: Method, path: &str, body: Option<&Value>) -> Value {
        for _ in 0..200 {
            let url = format!("{}{path}", self.serve.base);
            let answer = send(method.clone(), &url, &self.token, body).await;
            match answer {
                Some((200..=204, body)) => return body,
                Some((404, _)) if method == Method::DELETE => return Value::Null,
                Some((409, why)) if method == Method::POST => {
                    let found = self.found(path, body).await;
                    assert!(found["id"].is_string(), "{why}");
                    return found;
                }
                Some((429 | 503, _)) => tokio::time::sleep(Duration::from_millis(20)).await,
                Some((status, text)) => panic!("{method} {path}: {status} {text}"),
                None => self.revive().await,
            }
        }
        panic!("{method} {path} was never answered");
    }

    /// What an earlier try of a POST has made: an identity provider looks it up when it is told 409.
    async fn found(&mut self, path: &str, body: Option<&Value>) -> Value {
        let (attribute, name) = match path {
            "/Groups" => ("displayName", &body.unwrap()["displayName"]),
            _ => ("userName", &body.unwrap()["userName"]),
        };
        let filter = format!("{path}?filter={attribute}%20eq%20%22{}%22", name.as_str().unwrap());
        Box::pin(self.insist(Method::GET, &filter, None)).await["Resources"][0].clone()
    }

    /// Waits until nobody has a job left, as `/metrics` and the people themselves say.
    pub(super) async fn settled(&mut self, id: &str) -> Value {
        let path = format!("/Users/{id}");
        for _ in 0..300 {
            let user = self.insist(Method::GET, &path, None).await;
            if user[RINGCX]["provisioningState"] != "pending" {
                return user;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{id} was never settled");
    }
}

pub(super) async fn eventually(what: &str, ringcx: &Control, holds: impl Fn(&Control) -> bool) {
    for _ in 0..500 {
        if holds(ringcx) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let calls = ringcx.calls();
    panic!("{what}: {:?}", calls.iter().rev().take(20).collect::<Vec<_>>());
}

pub(super) fn agents_of(ringcx: &Control, email: &str) -> Vec<Value> {
    ringcx.agents().into_iter().filter(|agent| agent["email"] == email).collect()
}

pub(super) fn replace(path: &str, value: impl Into<Value>) -> Value {
    json!({"Operations": [{"op": "replace", "path": path, "value": value.into()}]})
}

/// One life, in which every write meets a process that ends after `points` more points; whether any of them was reached.
async fn a_life(bridge: &mut Survivor, ringcx: &Control, points: usize) -> bool {
    let email = format!("p{points}@example.com");
    let mut died = false;
    let new = json!({
        "userName": email, "externalId": format!("x{points}"), "emails": [{"value": email, "type": "work"}],
        "name": {"givenName": "Jo", "familyName": "Doe"},
        "roles": [{"value": "REPORT_ADMINISTRATIVE_USER"}], "entitlements": [{"value": "4711"}],
    });
    let (dead, user) = bridge.with_fuse(points, Method::POST, "/Users", Some(&new)).await;
    died |= dead;
    let id = user["id"].as_str().unwrap().to_owned();
    bridge.settled(&id).await;
    let url = format!("/Users/{id}");
    let admin = || ringcx.admin_named(&email);
    let holds = |it: &Control, role: bool| {
        let Some(admin) = it.admin_named(&email) else {
            panic!(
                "{user} {:?}",
                it.calls()
                    .iter()
                    .rev()
                    .take(25)
                    .map(|c| (c.operation.clone(), c.path.clone(), c.status))
                    .collect::<Vec<_>>()
            )
        };
        let roles = admin["roles"].to_string().contains("REPORT_ADMINISTRATIVE_USER");
        let docs = it.assignments(4711).contains(&admin["userId"].as_i64().unwrap());
        agents_of(it, &email).len() == 1 && roles == role && docs == role && admin["enabled"] == role
    };
    assert!(holds(ringcx, true), "{points}: {:?} {:?}", admin(), agents_of(ringcx, &email));

    let (dead, _) =
        bridge.with_fuse(points, Method::PATCH, &url, Some(&replace("name.givenName", "Joan"))).await;
    died |= dead;
    assert_eq!(agents_of(ringcx, &email)[0]["firstName"], "Joan", "{points}");

    let moved = replace(&format!("{RINGCX}:agentGroupName"), "UK Agents");
    let (dead, _) = bridge.with_fuse(points, Method::PATCH, &url, Some(&moved)).await;
    died |= dead;
    assert_eq!(agents_of(ringcx, &email)[0]["agentGroupId"], 1001, "{points}");

    let (dead, _) = bridge.with_fuse(points, Method::PATCH, &url, Some(&replace("active", false))).await;
    died |= dead;
    assert_eq!(agents_of(ringcx, &email)[0]["isActive"], false, "{points}");
    assert!(holds(ringcx, false), "{points}: {:?}", admin());

    let (dead, _) = bridge.with_fuse(points, Method::PATCH, &url, Some(&replace("active", true))).await;
    died |= dead;
    assert_eq!(agents_of(ringcx, &email)[0]["isActive"], true, "{points}");
    assert!(holds(ringcx, true), "{points}: {:?}", admin());

    died |= a_group(bridge, ringcx, points, &id).await;
    let (dead, _) = bridge.with_fuse(points, Method::DELETE, &url, None).await;
    died |= dead;
    eventually("the deletion", ringcx, |it| {
        agents_of(it, &email).is_empty() && it.admin_named(&email).is_none()
    })
    .await;
    bridge.all_is_done().await;
    died
}

/// A group that makes an agent group: the person moves there, because the attribute that named another one goes.
async fn a_group(bridge: &mut Survivor, ringcx: &Control, points: usize, id: &str) -> bool {
    let (email, url) = (format!("p{points}@example.com"), format!("/Users/{id}"));
    let mut died = false;
    let team = format!("Team {points}");
    let group = json!({"displayName": team, "members": [{"value": id}]});
    let (dead, group) = bridge.with_fuse(points, Method::POST, "/Groups", Some(&group)).await;
    died |= dead;
    let left = json!({"Operations": [{"op": "remove", "path": format!("{RINGCX}:agentGroupName")}]});
    let (dead, _) = bridge.with_fuse(points, Method::PATCH, &url, Some(&left)).await;
    died |= dead;
    eventually("the move into the new agent group", ringcx, |it| {
        let made: Vec<i64> =
            it.agent_groups().into_iter().filter(|(_, name)| *name == team).map(|(id, _)| id).collect();
        made.len() == 1 && agents_of(it, &email)[0]["agentGroupId"] == made[0]
    })
    .await;
    let path = format!("/Groups/{}", group["id"].as_str().unwrap());
    let (dead, _) = bridge.with_fuse(points, Method::DELETE, &path, None).await;
    died |= dead;
    died
}

/// Begins at point `first` and takes every `stride`th, so that the points of one database are shared among tests that run side by
/// side: they mostly wait for leases to end.
async fn every_step_of_every_plan(store: impl Fn(&Path) -> String, first: usize, stride: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.knobs.set("rate_limit", "100000").unwrap();
    options.knobs.set("auth_limit", "100000").unwrap();
    let simulator = Simulator::start(options).await.unwrap();
    let ringcx = simulator.admin();
    let mut bridge = Survivor::start(folder.path(), &simulator.url(), &store(folder.path())).await;
    let mut points = first;
    while a_life(&mut bridge, &ringcx, points).await {
        points += stride;
        assert!(points < 400, "the last point is never reached");
    }
    println!("{} deaths at up to {points} points", bridge.deaths);
    assert!(bridge.deaths > 300 / stride, "only {} deaths", bridge.deaths);
    bridge.serve.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_at_any_step_loses_and_doubles_nobody_on_sqlite_first_quarter() {
    every_step_of_every_plan(super::sqlite, 1, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_at_any_step_loses_and_doubles_nobody_on_sqlite_second_quarter() {
    every_step_of_every_plan(super::sqlite, 2, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_at_any_step_loses_and_doubles_nobody_on_sqlite_third_quarter() {
    every_step_of_every_plan(super::sqlite, 3, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_at_any_step_loses_and_doubles_nobody_on_sqlite_fourth_quarter() {
    every_step_of_every_plan(super::sqlite, 4, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_at_any_step_loses_and_doubles_nobody_on_postgresql() {
    let Some(database) = crate::support::postgres_database().await else { return };
    // The steps are the same; every third of them shows that the database makes no difference.
    every_step_of_every_plan(move |_| database.clone(), 1, 3).await;
}
