//! `kill -9` at random moments under mixed load.
//!
//! `RINGCX_SCIM_KILLS` says how often (default 20): `RINGCX_SCIM_KILLS=1000 cargo nextest run killed_at_random`.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use ringcx_simulator::{Control, Fault, FaultKind, Options};
use serde_json::{Value, json};

use super::serve::{Serve, configure_mortal, send, until};
use crate::support::Simulator;

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

/// One identity provider's worker: it writes about people of its own and repeats each write until it is acknowledged.
struct Client {
    base: Arc<Mutex<String>>,
    token: String,
    stop: Arc<AtomicBool>,
    number: usize,
}

/// What a person was last acknowledged to be.
struct Last {
    id: String,
    email: String,
    active: bool,
    name: String,
}

impl Client {
    async fn insist(&self, method: Method, path: &str, body: Option<&Value>) -> Option<Value> {
        loop {
            let url = format!("{}{path}", self.base.lock().unwrap());
            match send(method.clone(), &url, &self.token, body).await {
                Some((200..=204, body)) => return Some(body),
                Some((409, _)) if method == Method::POST => return None,
                Some((429 | 503, _)) | None => tokio::time::sleep(Duration::from_millis(15)).await,
                Some((status, text)) => panic!("{method} {path}: {status} {text}"),
            }
        }
    }

    async fn create(&self, email: &str) -> String {
        let body = json!({"userName": email, "emails": [{"value": email, "type": "work"}], "name": {"givenName": "n0"}});
        let filter = format!("/Users?filter=userName%20eq%20%22{email}%22");
        if let Some(user) = self.insist(Method::POST, "/Users", Some(&body)).await {
            return user["id"].as_str().unwrap().to_owned();
        }
        let list = self.insist(Method::GET, &filter, None).await.unwrap();
        list["Resources"][0]["id"].as_str().unwrap().to_owned()
    }

    async fn run(self) -> Vec<Last> {
        let mut people = Vec::new();
        let mut round = 0;
        while !self.stop.load(Ordering::SeqCst) {
            round += 1;
            if people.len() < 8 || round % 7 == 0 {
                let email = format!("c{}-{round}@example.com", self.number);
                let id = self.create(&email).await;
                people.push(Last { id, email, active: true, name: "n0".to_owned() });
                continue;
            }
            let at = (round * 31 + self.number) % people.len();
            let last: &mut Last = &mut people[at];
            if round % 3 == 0 {
                last.active = !last.active;
            } else {
                last.name = format!("n{round}");
            }
            let body = json!({"Operations": [{"op": "replace", "value": {"active": last.active, "name.givenName": last.name}}]});
            self.insist(Method::PATCH, &format!("/Users/{}", last.id), Some(&body)).await;
        }
        people
    }
}

fn check(ringcx: &Control, people: &[Last]) {
    let agents = ringcx.agents();
    for last in people {
        let found: Vec<&Value> =
            agents.iter().filter(|agent| agent["email"] == last.email.as_str()).collect();
        assert_eq!(found.len(), 1, "{}: {found:?}", last.email);
        assert_eq!(found[0]["isActive"], last.active, "{}", last.email);
        if last.active {
            assert_eq!(found[0]["firstName"], last.name.as_str(), "{}", last.email);
        }
    }
    let ours =
        agents.iter().filter(|agent| agent["email"].as_str().is_some_and(|it| it.starts_with('c'))).count();
    assert_eq!(ours, people.len(), "agents that nobody was told of");
}

async fn killed_at_random(store: impl Fn(&Path) -> String) {
    let kills: u64 = std::env::var("RINGCX_SCIM_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(20);
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.knobs.set("rate_limit", "1000000").unwrap();
    options.knobs.set("auth_limit", "1000000").unwrap();
    let simulator = Simulator::start(options).await.unwrap();
    let ringcx = simulator.admin();
    let (config, token) = configure_mortal(folder.path(), &simulator.url(), &store(folder.path()), "500ms");
    let mut serve = Serve::ready(&config).await;
    let base = Arc::new(Mutex::new(serve.base.clone()));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..6)
        .map(|number| {
            let client =
                Client { base: Arc::clone(&base), token: token.clone(), stop: Arc::clone(&stop), number };
            tokio::spawn(client.run())
        })
        .collect();
    for kill in 0..kills {
        if kill % 5 == 0 {
            ringcx.fault(Fault::once("createAgent", FaultKind::DropAfter));
            ringcx.fault(Fault::once("updateAgent", FaultKind::DelayAfter(40)));
        }
        // A cheap scatter; what matters is that no two kills meet the same moment.
        tokio::time::sleep(Duration::from_millis(20 + kill * 7919 % 230)).await;
        serve.kill();
        serve = Serve::start(&config);
        base.lock().unwrap().clone_from(&serve.base);
    }
    stop.store(true, Ordering::SeqCst);
    let mut people = Vec::new();
    for client in clients {
        people.extend(client.await.unwrap());
    }
    let url =
        format!("{}/Users?count=200&filter={RINGCX}:provisioningState%20eq%20%22pending%22", serve.base);
    until("the end of all work", async || {
        let (_, body) = send(Method::GET, &url, &token, None).await?;
        (body["totalResults"] == 0).then_some(())
    })
    .await;
    println!("{kills} kills, {} people, {} calls", people.len(), ringcx.calls().len());
    check(&ringcx, &people);
    serve.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_random_loses_and_doubles_nobody_on_sqlite() {
    killed_at_random(super::sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_random_loses_and_doubles_nobody_on_postgresql() {
    let Some(database) = crate::support::postgres_database().await else { return };
    killed_at_random(move |_| database.clone()).await;
}
