//! Waiting for calls: who makes way for whom, what a client is told, and that nobody waits for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use ringcx_scim::clock::{Clock, Ids};
use ringcx_scim::domain::policy::AgentDefaults;
use ringcx_scim::domain::{Actor, PersonId, TenantId};
use ringcx_scim::reconcile::{Reconciler, SharedBudget, Tenant, Times};
use ringcx_scim::scim::{Compatibility, Resource, Rules};
use ringcx_scim::store::{self, Store, jobs};
use ringcx_scim::upstream::{ExtensionSource, Lane, RingCx, RingCxSettings, Transport};
use ringcx_simulator::{Fault, FaultKind, Knobs, Options, Profile, Seed};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Setup, Simulator, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

fn tenant() -> TenantId {
    "default".parse().unwrap()
}

fn replace(path: &str, value: impl Into<Value>) -> Value {
    json!({"Operations": [{"op": "replace", "path": path, "value": value.into()}]})
}

async fn job_of(bridge: &TestBridge, person: &str) -> Option<jobs::Job> {
    let person = PersonId::from(person);
    bridge.store.read(move |tx| jobs::get(tx, &tenant(), &person)).await.unwrap()
}

fn limited(seconds: u64) -> FaultKind {
    FaultKind::TooManyRequests { retry_after: Some(seconds.to_string()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaver_goes_first_also_when_other_work_on_them_waits_for_its_turn() {
    let policy = json!({"default_agent_group": "Default", "async_create": true, "password_on_put": "omit"});
    let settle = Duration::from_secs(20);
    let bridge = TestBridge::start(Setup { policy, rate: 120, settle, ..Setup::default() }).await;
    let made = bridge.send("POST", "/Users", Some(&json!({"userName": "leaver@example.com"}))).await;
    let id = made.body["id"].as_str().unwrap().to_owned();
    let url = format!("/Users/{id}");
    bridge.run_jobs().await;
    let agent = bridge.ringcx.agents().into_iter().find(|it| it["username"] == "leaver@example.com").unwrap();
    for n in 0..200 {
        bridge.send("POST", "/Users", Some(&json!({"userName": format!("n{n}@example.com")}))).await;
    }
    let stop = CancellationToken::new();
    let worker = tokio::spawn(bridge.reconciler.clone().run(stop.clone()));
    while bridge.ringcx.count("createAgent") < 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rename = replace("name.givenName", "Lea");
    let leave = async {
        // The change of the name has the job by now, and stands in the line behind the creates.
        let begun = Instant::now();
        while job_of(&bridge, &id).await.is_none() || begun.elapsed() < Duration::from_millis(300) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let before = bridge.ringcx.calls().len();
        let answer = bridge.send("PATCH", &url, Some(&replace("active", false))).await;
        (before, answer)
    };
    let (renamed, (before, answer)) = tokio::join!(bridge.send("PATCH", &url, Some(&rename)), leave);
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(renamed.status, 200, "{}", renamed.text);
    let path = format!("/agents/{}", agent["agentId"]);
    let calls = bridge.ringcx.calls();
    let disabled = calls.iter().skip(before).position(|it| it.method == "PUT" && it.path.ends_with(&path));
    assert!(disabled.is_some_and(|at| at < 3), "{disabled:?}");
    let held = bridge.ringcx.agent(agent["agentId"].as_i64().unwrap()).unwrap();
    assert_eq!(held["isActive"], false);
    stop.cancel();
    worker.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_supervisor_changes_while_a_change_waits_for_its_turn_stays() {
    let (fresh, settle) = (Duration::from_millis(100), Duration::from_secs(30));
    let bridge = TestBridge::start(Setup { rate: 120, fresh, settle, ..Setup::default() }).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    let (_, way) = bridge.reconciler.ways().next().unwrap();
    let calls = way.calls(Lane::Update, None);
    // Until nothing is left of the budget, so that there is a second between the look and the change.
    let mut begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(300) {
        begun = Instant::now();
        calls.agent_groups().await.unwrap();
    }
    let looks = bridge.ringcx.count("getAgent");
    let supervisor = async {
        while bridge.ringcx.count("getAgent") == looks {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bridge.ringcx.edit_agent(agent, |it| drop(it.insert("isActive".to_owned(), json!(false))));
    };
    let rename = replace("name.givenName", "Lea");
    let url = format!("/Users/{id}");
    let (renamed, ()) = tokio::join!(bridge.send("PATCH", &url, Some(&rename)), supervisor);
    assert_eq!(renamed.status, 200, "{}", renamed.text);
    let held = bridge.ringcx.agent(agent).unwrap();
    assert_eq!((&held["isActive"], &held["firstName"]), (&json!(false), &json!("Lea")), "both are there");
    assert_eq!(renamed.body[RINGCX]["provisioningState"], "suspended");
    assert_eq!(bridge.ringcx.count("updateAgent"), 1, "sent once, on a fresh look");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_penalty_is_told_to_everybody_for_as_long_as_it_lasts() {
    let bridge = TestBridge::start(Setup { settle: Duration::from_secs(1), ..Setup::default() }).await;
    bridge.ringcx.fault(Fault::once("createAgent", limited(120)));
    let first = bridge.send("POST", "/Users", Some(&json!({"userName": "a@example.com"}))).await;
    assert_eq!(first.status, 429, "{}", first.text);
    let calls = bridge.ringcx.calls().len();
    for name in ["b@example.com", "c@example.com"] {
        let answer = bridge.send("POST", "/Users", Some(&json!({"userName": name}))).await;
        assert_eq!(answer.status, 429, "{}", answer.text);
        let after: u64 = answer.headers["retry-after"].parse().unwrap();
        assert!((110..=125).contains(&after), "{name}: {after}");
    }
    // A name that only RingCX could know is not refused while it cannot be asked, and nobody waits for that.
    let begun = Instant::now();
    let body = json!({"userName": "d@example.com", RINGCX: {"agentGroupName": "Brand New"}});
    bridge
        .store
        .write(|tx| store::facts::set(tx, &tenant(), "known_at", "0", Clock::system().now()))
        .await
        .unwrap();
    let answer = bridge.send("POST", "/Users", Some(&body)).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.headers["retry-after"].parse::<u64>().is_ok_and(|after| after >= 110));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(bridge.ringcx.calls().len(), calls, "nothing is sent in a penalty");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_waits_for_any_more_gives_its_place_back_unharmed() {
    let bridge =
        TestBridge::start(Setup { rate: 60, settle: Duration::from_secs(1), ..Setup::default() }).await;
    let bodies: Vec<Value> = (0..60).map(|n| json!({"userName": format!("q{n}@example.com")})).collect();
    let answers = join_all(bodies.iter().map(|body| bridge.send("POST", "/Users", Some(body)))).await;
    let late = answers.iter().filter(|answer| answer.status == 503).count();
    assert!(late > 30, "{late}");
    let mut free = 0;
    for _ in 0..100 {
        let claimed = bridge.store.write(|tx| {
            let now = Clock::system().now();
            jobs::claim_next(
                tx,
                &[(tenant(), ringcx_scim::upstream::Lane::Reconcile)],
                "other",
                now,
                Duration::from_mins(1),
            )
        });
        match claimed.await.unwrap() {
            Some(job) => {
                assert_eq!((job.attempts, job.last_error.as_deref()), (0, None), "it has not failed");
                free += 1;
            }
            None if free >= late => break,
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    assert_eq!(free, late, "each may be taken by whoever has the time");
    let refused = bridge
        .store
        .read(|tx| tx.one("SELECT COUNT(*) FROM journal WHERE outcome = 'refused'", &[], |row| row.int(0)));
    assert_eq!(refused.await.unwrap(), Some(0), "what was never sent was not refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_is_tried_again_ever_more_rarely_and_shown() {
    for fault in [FaultKind::Status(500, String::new()), FaultKind::Unauthorized] {
        let policy = json!({"default_agent_group": "Default", "async_create": true});
        let bridge = TestBridge::start(Setup { policy, ..Setup::default() }).await;
        bridge.ringcx.fault(Fault::always("createAgent", fault.clone()));
        let made = bridge.send("POST", "/Users", Some(&json!({"userName": "jo@example.com"}))).await;
        let id = made.body["id"].as_str().unwrap().to_owned();
        let mut pauses = Vec::new();
        while pauses.len() < 5 {
            if bridge.reconciler.run_jobs().await.unwrap() > 0 {
                let job = job_of(&bridge, &id).await.unwrap();
                pauses.push(job.due.duration_since(Clock::system().now()).as_millis());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(pauses[4] > 120 && pauses[0] <= 20, "{fault:?}: {pauses:?}");
        let shown = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
        assert_eq!(shown[RINGCX]["provisioningState"], "error", "{fault:?}: {shown}");
        assert!(shown[RINGCX]["lastError"].as_str().is_some_and(|why| why.contains("RingCX")), "{shown}");
        bridge.ringcx.clear_faults();
        bridge.run_jobs().await;
        let shown = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
        assert_eq!(shown[RINGCX]["provisioningState"], "active", "{fault:?}: {shown}");
        assert_eq!(shown[RINGCX].get("lastError"), None, "{fault:?}");
        let made = bridge.ringcx.agents().iter().filter(|it| it["username"] == "jo@example.com").count();
        assert_eq!(made, 1, "{fault:?}");
    }
}

/// A tenant with its own RingCX behind the budget of the store.
async fn alone(name: &str, store: &Store) -> (Simulator, Tenant) {
    let mut knobs = Knobs::profile(Profile::Friendly);
    knobs.set("rate_limit", "100000").unwrap();
    let seed = Seed::demo();
    let simulator =
        Simulator::start(Options { knobs, seed: seed.clone(), ..Options::default() }).await.unwrap();
    let settings: RingCxSettings = serde_json::from_value(json!({
        "base_url": simulator.url(), "account_id": seed.account_id, "api_token": seed.api_token,
    }))
    .unwrap();
    let identity = Transport::identity(&settings, None);
    let budget = SharedBudget::new(store.clone(), Clock::system(), identity, 100_000);
    let transport = Transport::new(&settings, None, Arc::new(budget), Clock::system()).unwrap();
    let ringcx = RingCx::new(Arc::new(transport), &seed.account_id, ExtensionSource::Off);
    let policy = serde_json::from_value(json!({"default_agent_group": "Default"})).unwrap();
    let (id, rules) = (name.parse().unwrap(), Rules::of(Compatibility::Generic));
    let tenant = Tenant::new(id, rules, policy, Vec::new(), AgentDefaults::new(), seed.account_id, ringcx);
    (simulator, tenant)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_whose_ringcx_stops_everybody_holds_up_no_other() {
    let store = Store::open(&store::Settings::at("sqlite::memory:")).await.unwrap();
    let (stopped, a) = alone("a", &store).await;
    let (free, b) = alone("b", &store).await;
    let reconciler = Reconciler::new(store, vec![a, b], Clock::system(), Ids::system(), Times::default());
    reconciler.meet_all().await.unwrap();
    stopped.admin().fault(Fault::once("createAgent", limited(600)));
    for name in ["a", "b"] {
        let tenant: TenantId = name.parse().unwrap();
        for n in 0..50 {
            let user = json!({"userName": format!("{name}{n}@example.com")}).to_string();
            let user = Resource::from_json(&user).unwrap();
            reconciler.create(&tenant, &Actor::bridge(), user).await.unwrap();
        }
        if name == "a" {
            let stop = CancellationToken::new();
            tokio::spawn(reconciler.clone().run(stop));
            while stopped.admin().count("createAgent") == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    for _ in 0..500 {
        if free.admin().count("createAgent") == 50 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(free.admin().count("createAgent"), 50);
    // Those that were on their way together with the first are answered; nobody follows.
    assert!(stopped.admin().count("createAgent") <= 32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sends_in_a_penalty_however_many_wait() {
    let bridge = TestBridge::start(Setup { settle: Duration::from_secs(30), ..Setup::default() }).await;
    bridge.ringcx.fault(Fault { skip: 4, ..Fault::once("createAgent", limited(5)) });
    let bodies: Vec<Value> = (0..20).map(|n| json!({"userName": format!("n{n}@example.com")})).collect();
    let answers = join_all(bodies.iter().map(|body| bridge.send("POST", "/Users", Some(body)))).await;
    assert!(
        answers.iter().all(|it| it.status == 201),
        "{:?}",
        answers.iter().map(|it| it.status).collect::<Vec<_>>()
    );
    let calls = bridge.ringcx.calls();
    let told = calls.iter().find(|call| call.status == 429).unwrap().at;
    // What was on its way when RingCX said so cannot be called back, and a busy machine may be slow to bring it there.
    let during = |at: i64| (told + 2_000..told + 4_900).contains(&at);
    assert_eq!(calls.iter().filter(|call| during(call.at)).count(), 0, "{calls:?}");
    let after =
        calls.iter().filter(|call| call.at >= told + 4_900 && call.operation == "createAgent").count();
    assert!(after > 0, "those who waited were made afterwards");
}
