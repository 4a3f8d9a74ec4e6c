//! Many at once: changes to one person, members of one group from two processes, a leaver behind a long queue, a flood.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use ringcx_simulator::{Fault, FaultKind, Options, Profile};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::crash::serve::{Serve, configure, send};
use crate::support::{Setup, Simulator, TestBridge, postgres_database};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_patches_of_one_person_become_few_calls() {
    for profile in [Profile::Friendly, Profile::Hostile, Profile::Spec] {
        let bridge =
            TestBridge::start(Setup { profile, settle: Duration::from_secs(20), ..Setup::default() }).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        let url = format!("/Users/{id}");
        bridge.ringcx.clear_calls();
        // While the first PUT is under way, the others gather behind it.
        bridge.ringcx.fault(Fault::once("updateAgent", FaultKind::Delay(1000)));
        let patches = (0..50).map(|n| {
            let rank = json!({"Operations": [{"op": "replace", "path": "name.familyName", "value": format!("F{n}")}]});
            let (bridge, url) = (&bridge, &url);
            async move { bridge.send("PATCH", url, Some(&rank)).await.status }
        });
        let statuses: Vec<u16> = join_all(patches).await;
        assert!(statuses.iter().all(|status| *status == 200), "{profile:?} {statuses:?}");
        let puts = bridge.ringcx.count("updateAgent");
        assert!(puts <= 5, "{profile:?}: {puts} PUTs");
        let shown = bridge.send("GET", &url, None).await.body["name"]["familyName"].clone();
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["lastName"], shown, "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_members_added_from_two_processes_are_all_there() {
    let Some(database) = postgres_database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.knobs.set("rate_limit", "1000000").unwrap();
    options.knobs.set("auth_limit", "1000000").unwrap();
    let simulator = Simulator::start(options).await.unwrap();
    let (config, token) = configure(folder.path(), &simulator.url(), &database, "1s");
    let processes = [Serve::ready(&config).await, Serve::ready(&config).await];
    let users = (0..50).map(|n| {
        let (url, token) = (format!("{}/Users", processes[n % 2].base), &token);
        async move {
            let body = json!({"userName": format!("m{n}@example.com"), "emails": [{"value": format!("m{n}@example.com")}]});
            let (status, user) = send(Method::POST, &url, token, Some(&body)).await.unwrap();
            assert_eq!(status, 201, "{user}");
            user["id"].as_str().unwrap().to_owned()
        }
    });
    let ids: Vec<String> = join_all(users).await;
    let group = json!({"displayName": "UK Agents"});
    let (_, group) =
        send(Method::POST, &format!("{}/Groups", processes[0].base), &token, Some(&group)).await.unwrap();
    let group = group["id"].as_str().unwrap();
    let adds = ids.iter().enumerate().map(|(n, id)| {
        let (url, token) = (format!("{}/Groups/{group}", processes[n % 2].base), &token);
        let add = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": id}]}]});
        async move { send(Method::PATCH, &url, token, Some(&add)).await.unwrap().0 }
    });
    let statuses: Vec<u16> = join_all(adds).await;
    assert!(statuses.iter().all(|status| *status == 204), "{statuses:?}");
    for process in &processes {
        let url = format!("{}/Groups/{group}", process.base);
        let (_, shown) = send(Method::GET, &url, &token, None).await.unwrap();
        assert_eq!(shown["members"].as_array().unwrap().len(), 50);
    }
    let ringcx = simulator.admin();
    crate::crash::serve::until("the moves", async || {
        let there = ringcx.agents().iter().filter(|agent| agent["agentGroupId"] == 1001).count();
        (there == 50).then_some(())
    })
    .await;
    for process in processes {
        process.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deactivate_jumps_queue() {
    let policy = json!({"default_agent_group": "Default", "async_create": true, "password_on_put": "omit"});
    let bridge =
        TestBridge::start(Setup { policy, rate: 120, settle: Duration::from_secs(20), ..Setup::default() })
            .await;
    let made = bridge.send("POST", "/Users", Some(&json!({"userName": "leaver@example.com"}))).await;
    let id = made.body["id"].as_str().unwrap().to_owned();
    bridge.run_jobs().await;
    let agent = bridge.ringcx.agents().into_iter().find(|it| it["username"] == "leaver@example.com").unwrap();
    for part in 0..10 {
        let operations: Value = (0..500)
            .map(|n| {
                let name = format!("n{part}-{n}@example.com");
                json!({"method": "POST", "path": "/Users", "bulkId": name, "data": {"userName": name}})
            })
            .collect();
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations});
        let answer = bridge.send("POST", "/Bulk", Some(&body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let stop = CancellationToken::new();
    let worker = tokio::spawn(bridge.reconciler.clone().run(stop.clone()));
    while bridge.ringcx.count("createAgent") < 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let before = bridge.ringcx.calls().len();
    let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&off)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let calls = bridge.ringcx.calls();
    let path = format!("/agents/{}", agent["agentId"]);
    let disabled =
        calls.iter().skip(before).position(|call| call.method == "PUT" && call.path.ends_with(&path));
    assert!(disabled.is_some_and(|at| at < 3), "{disabled:?} {:?}", calls.get(before..).map(<[_]>::len));
    stop.cancel();
    worker.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_answered_503_and_what_was_accepted_is_done() {
    let bridge =
        TestBridge::start(Setup { settle: Duration::from_secs(20), max_writes: 10, ..Setup::default() })
            .await;
    bridge.ringcx.fault(Fault::always("createAgent", FaultKind::Delay(500)));
    let bodies: Vec<Value> = (0..100).map(|n| json!({"userName": format!("f{n}@example.com")})).collect();
    let answers = join_all(bodies.iter().map(|body| bridge.send("POST", "/Users", Some(body)))).await;
    let accepted = answers.iter().filter(|answer| answer.status == 201).count();
    assert!((10..100).contains(&accepted), "{accepted}");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(answer.headers["retry-after"].parse::<u32>().is_ok_and(|after| after > 0));
    }
    assert_eq!(bridge.send("GET", "/Users", None).await.status, 200, "reads are never kept out");
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agents().len(), accepted + 1);
}
