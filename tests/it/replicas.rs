//! Two replicas over one store: what one learns the other knows, and what stops one stops both.

use std::sync::Arc;
use std::time::Duration;

use ringcx_scim::clock::Clock;
use ringcx_scim::domain::{PersonId, TenantId};
use ringcx_scim::reconcile::SharedBudget;
use ringcx_scim::store::{self, Store, jobs, journal, links};
use ringcx_scim::upstream::{Calls, Error, ExtensionSource, Lane, RingCx, RingCxSettings, Transport};
use ringcx_simulator::{Fault, FaultKind, Knobs, Options, Profile, Seed};
use serde_json::json;
use tokio::time::Instant;

use crate::crash::serve::{Serve, send};
use crate::doctor::{run, world};
use crate::support::{Setup, Simulator, TestBridge, postgres_database};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_group_that_one_replica_makes_is_known_to_the_other() {
    let mut stores = vec!["sqlite::memory:".to_owned()];
    stores.extend(postgres_database().await);
    for store_url in stores {
        let policy = json!({
            "default_agent_group": "Default", "password_on_put": "omit", "auto_create_agent_groups": true,
        });
        let bridge = TestBridge::start(Setup { policy, store_url, ..Setup::default() }).await;
        bridge.other.meet_all().await.unwrap();
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        let mut groups = Vec::new();
        // The replicas take turns, so each must keep what the other has added.
        for (name, by) in
            [("First", &bridge.reconciler), ("Second", &bridge.other), ("Third", &bridge.reconciler)]
        {
            let group = bridge.send("POST", "/Groups", Some(&json!({"displayName": name}))).await;
            assert_eq!(group.status, 201, "{}", group.text);
            by.run_jobs().await.unwrap();
            groups.push(group.body["id"].as_str().unwrap().to_owned());
        }
        let member = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": id}]}]});
        bridge.send("PATCH", &format!("/Groups/{}", groups[0]), Some(&member)).await;
        bridge.other.run_jobs().await.unwrap();
        let there = bridge.ringcx.agent(agent).unwrap()["agentGroupId"].as_i64().unwrap();
        let named = bridge.ringcx.agent_groups().into_iter().find(|(group, _)| *group == there).unwrap();
        assert_eq!(named.1, "First", "not the default group");
        bridge.ringcx.clear_calls();
        for (n, name) in ["First", "Second", "Third"].into_iter().enumerate() {
            let body = json!({"userName": format!("u{n}@example.com"), RINGCX: {"agentGroupName": name}});
            assert_eq!(bridge.send("POST", "/Users", Some(&body)).await.status, 201, "{name}");
        }
        assert_eq!(bridge.ringcx.count("listAgentGroups"), 0, "nothing that the other has made is forgotten");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_group_that_is_gone_puts_nobody_into_the_default_group() {
    let policy = json!({"default_agent_group": "Default", "password_on_put": "omit"});
    let bridge = TestBridge::start(Setup { policy, ..Setup::default() }).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    let group = json!({"displayName": "UK Agents", "members": [{"value": id}]});
    bridge.send("POST", "/Groups", Some(&group)).await;
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1001);
    // What is remembered of the account has lost the group, as a replica with an older view would have.
    let forget = |tx: &mut store::Tx<'_>| {
        let (tenant, now) = ("default".parse().unwrap(), Clock::system().now());
        let known = store::facts::get(tx, &tenant, "known")?.unwrap();
        let mut known: serde_json::Value = serde_json::from_str(&known).unwrap();
        known["agent_groups"].as_array_mut().unwrap().retain(|it| it["name"] != "UK Agents");
        store::facts::set(tx, &tenant, "known", &known.to_string(), now)?;
        store::facts::set(tx, &tenant, "known_at", &(now.as_millisecond() + 1000).to_string(), now)
    };
    bridge.store.write(forget).await.unwrap();
    let title = json!({"Operations": [{"op": "replace", "path": "name.givenName", "value": "Joan"}]});
    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&title)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let held = bridge.ringcx.agent(agent).unwrap();
    assert_eq!((&held["agentGroupId"], &held["firstName"]), (&json!(1001), &json!("Joan")));
}

/// One replica's way to RingCX, through the budget in the store.
async fn replica(url: &str, database: &str) -> Calls {
    let seed = Seed::demo();
    let settings: RingCxSettings = serde_json::from_value(json!({
        "base_url": url, "account_id": seed.account_id, "api_token": seed.api_token,
    }))
    .unwrap();
    let store = Store::open(&store::Settings::at(database)).await.unwrap();
    let identity = Transport::identity(&settings, None);
    let budget = Arc::new(SharedBudget::new(store, Clock::system(), identity, 600));
    let transport = Transport::new(&settings, None, budget, Clock::system()).unwrap();
    let way = RingCx::new(Arc::new(transport), &seed.account_id, ExtensionSource::Off);
    way.calls(Lane::Deactivate, Some(Instant::now() + Duration::from_secs(2)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_429_that_one_replica_sees_stops_both_and_a_limit_is_known_to_both() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite://{}", folder.path().join("bridge.db").display());
    let mut stores = vec![file];
    stores.extend(postgres_database().await);
    for database in stores {
        let mut knobs = Knobs::profile(Profile::Spec);
        knobs.set("rate_limit", "30").unwrap();
        knobs.set("penalty_s", "60").unwrap();
        let simulator = Simulator::start(Options { knobs, ..Options::default() }).await.unwrap();
        let (a, b) = (replica(&simulator.url(), &database).await, replica(&simulator.url(), &database).await);
        a.agent_groups().await.unwrap();
        b.agent_groups().await.unwrap();
        simulator.admin().fault(Fault::once(
            "listAgentGroups",
            FaultKind::TooManyRequests { retry_after: Some("60".to_owned()) },
        ));
        assert!(a.agent_groups().await.is_err());
        let sent = simulator.admin().calls().len();
        let answer = b.agent_groups().await;
        assert!(
            matches!(answer, Err(Error::Limited { after }) if after > Duration::from_secs(55)),
            "{answer:?}"
        );
        assert_eq!(simulator.admin().calls().len(), sent, "{database}: the other has not asked");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_job_was_taken_over_writes_nothing_more() {
    let mut stores = vec!["sqlite::memory:".to_owned()];
    stores.extend(postgres_database().await);
    for store_url in stores {
        let bridge = TestBridge::start(Setup { store_url, ..Setup::default() }).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        let url = format!("/Users/{id}");
        bridge.ringcx.fault(Fault::once("updateAgent", FaultKind::DelayAfter(1500)));
        let rename = json!({"Operations": [{"op": "replace", "path": "name.givenName", "value": "Lea"}]});
        let leave = async {
            while bridge.ringcx.count("updateAgent") == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // As if the worker had been stopped for longer than its lease: somebody else takes over while its call is out.
            let (of, person): (TenantId, PersonId) = ("default".parse().unwrap(), id.as_str().into());
            bridge
                .store
                .write(move |tx| {
                    let job = jobs::get(tx, &of, &person)?.unwrap();
                    jobs::renew(tx, &job, Clock::system().now(), Duration::ZERO)
                })
                .await
                .unwrap();
            bridge.send("DELETE", &url, None).await
        };
        let (_, left) = tokio::join!(bridge.send("PATCH", &url, Some(&rename)), leave);
        assert_eq!(left.status, 204, "{}", left.text);
        // The late answer is there by now, and tells of a time when the person still worked here.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        bridge.run_jobs().await;
        let (of, person): (TenantId, PersonId) = ("default".parse().unwrap(), id.as_str().into());
        let (link, open) = bridge
            .store
            .read(move |tx| {
                Ok::<_, store::Error>((links::get(tx, &of, &person)?, journal::unfinished(tx, &of, &person)?))
            })
            .await
            .unwrap();
        assert!(
            link.unwrap().agent.is_some_and(|it| !it.enabled),
            "what the one who took over has written stays"
        );
        assert_eq!(open, Vec::new());
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
        assert_eq!(bridge.send("GET", &url, None).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_servers_on_one_sqlite_file_work_as_replicas_and_commands_go_on_beside_them() {
    let world = world(Profile::Friendly, &[]).await;
    let (one, other) = (Serve::ready(&world.config).await, Serve::ready(&world.config).await);
    let name = |number: i32| format!("u{number}@example.com");
    let (first, second) = (format!("{}/Users", one.base), format!("{}/Users", other.base));
    for number in 0..15 {
        let body = json!({"userName": name(number)});
        let (a, b) = tokio::join!(
            send(reqwest::Method::POST, &first, &world.token, Some(&body)),
            send(reqwest::Method::POST, &second, &world.token, Some(&body))
        );
        let answers = [a.unwrap(), b.unwrap()];
        let made: Vec<_> = answers.iter().filter(|it| it.0 == 201).map(|it| &it.1["id"]).collect();
        // The second request joins the first one, or is told who has the name.
        assert!(!made.is_empty() && made.iter().all(|id| *id == made[0]), "{answers:?}");
        assert!(answers.iter().all(|it| [201, 409].contains(&it.0)), "{answers:?}");
    }
    let agents = world.ringcx.agents();
    for number in 0..15 {
        let found = agents.iter().filter(|it| it["username"] == json!(name(number))).count();
        assert_eq!(found, 1, "{}", name(number));
    }
    assert_eq!(world.ringcx.count("createAgent"), 15);
    let (code, status, errors) = run(&world.config, &["tenant", "status"]).await;
    assert_eq!((code, &status["people"]["active"]), (0, &json!(15)), "{errors}");
    one.kill();
    let (_, found) = send(reqwest::Method::GET, &second, &world.token, None).await.unwrap();
    let leaver = format!("{second}/{}", found["Resources"][0]["id"].as_str().unwrap());
    let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    let (status, answer) = send(reqwest::Method::PATCH, &leaver, &world.token, Some(&off)).await.unwrap();
    assert_eq!((status, &answer["active"]), (200, &json!(false)), "{answer}");
    let (code, verdict, _) = run(&world.config, &["audit", "verify"]).await;
    assert_eq!((code, &verdict["faults"]), (0, &json!([])));
}
