//! The caps on creation hold however many workers and processes create at once.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use ringcx_simulator::{Fault, FaultKind, Options};
use serde_json::{Value, json};

use crate::crash::serve::{Serve, configure, send, until};
use crate::support::{Setup, Simulator, TestBridge, postgres_database};

fn capped(caps: &Value) -> Setup {
    let mut policy = json!({
        "default_agent_group": "Default", "password_on_put": "omit",
        "allowed_roles": ["REPORT_ADMINISTRATIVE_USER"],
    });
    policy.as_object_mut().unwrap().extend(caps.as_object().unwrap().clone());
    Setup { policy, ..Setup::default() }
}

async fn create_at_once(bridge: &TestBridge, count: usize) -> Vec<u16> {
    let bodies: Vec<Value> = (0..count).map(|n| json!({"userName": format!("n{n}@example.com")})).collect();
    let answers = join_all(bodies.iter().map(|body| bridge.send("POST", "/Users", Some(body)))).await;
    answers.iter().map(|answer| answer.status).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn max_agents_holds_for_many_requests_at_once() {
    let bridge = TestBridge::start(capped(&json!({"max_agents": 5}))).await;
    // Slow creates: all of them are on their way together.
    bridge.ringcx.fault(Fault::always("createAgent", FaultKind::Delay(200)));
    let statuses = create_at_once(&bridge, 32).await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 27, "{statuses:?}");
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agents().len(), 6, "five and the one that was there");
    let wanda = bridge.send("POST", "/Users", Some(&json!({"userName": "wanda@example.com"}))).await;
    assert_eq!(wanda.status, 201, "taking over what is there creates nothing: {}", wanda.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn max_agents_holds_for_people_who_waited_for_a_group() {
    let policy = json!({"max_agents": 3, "default_agent_group": null});
    let groups = json!([{"match": "UK", "agent_group": "UK Agents"}]);
    let bridge = TestBridge::start(Setup { groups, ..capped(&policy) }).await;
    let mut members = Vec::new();
    for n in 0..10 {
        let (id, _) = bridge.create(json!({"userName": format!("n{n}@example.com")})).await;
        members.push(json!({"value": id}));
    }
    let group = json!({"displayName": "UK", "members": members});
    assert_eq!(bridge.send("POST", "/Groups", Some(&group)).await.status, 201);
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agents().len(), 4);
    let list = bridge.send("GET", "/Users", None).await.body;
    let people = list["Resources"].as_array().unwrap();
    let ringcx = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";
    let told = people
        .iter()
        .filter(|it| it[ringcx]["lastError"].as_str().is_some_and(|why| why.contains("max_agents")));
    assert_eq!(told.count(), 7, "{list}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn max_new_per_hour_counts_administrators_too_and_makes_the_rest_wait() {
    let caps = json!({"max_new_per_hour": 4, "async_create": true});
    let bridge = TestBridge::start(capped(&caps)).await;
    let boss = json!({"userName": "boss@example.com", "roles": [{"value": "REPORT_ADMINISTRATIVE_USER"}]});
    assert_eq!(bridge.send("POST", "/Users", Some(&boss)).await.status, 201);
    bridge.reconciler.run_jobs().await.unwrap();
    let before = bridge.ringcx.count("createAgent") + bridge.ringcx.count("createUser");
    assert_eq!(before, 2, "an agent and an administrator");
    create_at_once(&bridge, 8).await;
    bridge.reconciler.run_jobs().await.unwrap();
    assert_eq!(bridge.ringcx.count("createAgent") + bridge.ringcx.count("createUser"), 4);
    let shown = bridge.send("GET", "/Users", None).await.body;
    assert_eq!(shown["totalResults"], 9, "nobody is lost");
}

/// Two may be made within the hour: whatever becomes of the first answer, the first and the second are made and the third waits.
async fn two_and_no_third(bridge: &TestBridge, how: &str) {
    for (name, status) in [("a", 201), ("b", 201), ("c", 503)] {
        let body = json!({"userName": format!("{name}@example.com"), "emails": [{"value": format!("{name}@example.com")}]});
        let mut answer = bridge.send("POST", "/Users", Some(&body)).await;
        for _ in 0..20 {
            if answer.status == 201 || answer.text.contains("max_new_per_hour") {
                break;
            }
            // An identity provider repeats what was not answered well.
            tokio::time::sleep(Duration::from_millis(100)).await;
            answer = bridge.send("POST", "/Users", Some(&body)).await;
        }
        assert_eq!(answer.status, status, "{how} {name}: {}", answer.text);
    }
    assert_eq!(bridge.ringcx.agents().len(), 3, "{how}: two and the one that was there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_create_whose_answer_was_lost_counts_once() {
    for (how, kind) in [("made", FaultKind::DropAfter), ("not made", FaultKind::DropBefore)] {
        let bridge = TestBridge::start(capped(&json!({"max_new_per_hour": 2}))).await;
        bridge.ringcx.fault(Fault::once("createAgent", kind));
        two_and_no_third(&bridge, how).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_create_that_is_asked_for_again_counts_once() {
    let setup = Setup { settle: Duration::from_secs(1), ..capped(&json!({"max_new_per_hour": 2})) };
    let bridge = TestBridge::start(setup).await;
    bridge.ringcx.fault(Fault::once("createAgent", FaultKind::DropAfter));
    let unread = Fault::once("listAgents", FaultKind::Status(500, String::new()));
    bridge.ringcx.fault(Fault { times: 6, ..unread });
    two_and_no_third(&bridge, "looked for in vain at first").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_create_in_which_the_process_died_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let ringcx = simulator.admin();
    for knob in ["rate_limit", "auth_limit"] {
        ringcx.set(knob, "1000000").unwrap();
    }
    let (config, token) =
        configure(folder.path(), &simulator.url(), &crate::crash::sqlite(folder.path()), "1s");
    let text = std::fs::read_to_string(&config).unwrap();
    let policy = "[tenant.default.policy]\n";
    std::fs::write(&config, text.replace(policy, &format!("{policy}max_new_per_hour = 2\n"))).unwrap();
    let serve = Serve::ready(&config).await;
    ringcx.fault(Fault::once("createAgent", FaultKind::DelayAfter(900)));
    let body = |name: &str| json!({"userName": format!("{name}@example.com")});
    let (url, secret, first) = (format!("{}/Users", serve.base), token.clone(), body("a"));
    let posted = tokio::spawn(async move { send(Method::POST, &url, &secret, Some(&first)).await });
    until("the agent", async || (ringcx.agents().len() == 2).then_some(())).await;
    serve.kill();
    assert_eq!(posted.await.unwrap(), None, "nobody was told");

    let again = Serve::ready(&config).await;
    let url = format!("{}/Users", again.base);
    for (name, status) in [("a", 201), ("b", 201), ("c", 503)] {
        let answer = send(Method::POST, &url, &token, Some(&body(name))).await.unwrap();
        assert_eq!(answer.0, status, "{name}: {}", answer.1);
    }
    assert_eq!(ringcx.agents().len(), 3, "two and the one that was there");
    again.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_together_do_not_get_past_the_cap() {
    let Some(database) = postgres_database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    for knob in ["rate_limit", "auth_limit"] {
        options.knobs.set(knob, "1000000").unwrap();
    }
    let simulator = Simulator::start(options).await.unwrap();
    let (config, token) = configure(folder.path(), &simulator.url(), &database, "1s");
    let text = std::fs::read_to_string(&config).unwrap();
    let policy = "[tenant.default.policy]\n";
    std::fs::write(&config, text.replace(policy, &format!("{policy}max_agents = 10\n"))).unwrap();
    let processes = [Serve::ready(&config).await, Serve::ready(&config).await];
    let ringcx = simulator.admin();
    ringcx.fault(Fault::always("createAgent", FaultKind::Delay(100)));
    let users = (0..40).map(|n| {
        let (url, token) = (format!("{}/Users", processes[n % 2].base), &token);
        async move {
            let body = json!({"userName": format!("m{n}@example.com")});
            send(Method::POST, &url, token, Some(&body)).await.unwrap().0
        }
    });
    let statuses: Vec<u16> = join_all(users).await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 10, "{statuses:?}");
    assert_eq!(ringcx.agents().len(), 11);
    for process in processes {
        process.kill();
    }
}
