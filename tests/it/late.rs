//! RingCX shows late what it has taken, or hides for a moment what it has: nothing is believed to be gone, and nothing made twice.

use std::time::Duration;

use ringcx_simulator::{Fault, FaultKind, Profile};
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";
const PROFILES: [Profile; 3] = [Profile::Friendly, Profile::Hostile, Profile::Spec];
const OFF: fn() -> Value = || json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});

/// A RingCX that shows new accounts after `late` milliseconds, and a bridge that reckons with more.
async fn start(profile: Profile, late: &'static str, policy: Value) -> TestBridge {
    let mut whole = json!({
        "default_agent_group": "Default", "password_on_put": "omit", "allowed_roles": ["REPORT_ADMINISTRATIVE_USER"],
    });
    whole.as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
    TestBridge::start(Setup {
        profile,
        knobs: vec![("creation_delay_ms", late)],
        policy: whole,
        visibility_delay: Duration::from_millis(1500),
        ..Setup::default()
    })
    .await
}

fn jo() -> Value {
    json!({
        "userName": "jo@example.com", "emails": [{"value": "jo@example.com", "type": "work"}],
        "roles": [{"value": "REPORT_ADMINISTRATIVE_USER"}],
    })
}

fn is_off(bridge: &TestBridge) -> bool {
    let agents = bridge.ringcx.agents();
    let mut mine = agents.iter().filter(|agent| agent["email"] == "jo@example.com");
    let admin = bridge.ringcx.admin_named("jo@example.com");
    mine.all(|agent| agent["isActive"] == false) && admin.is_none_or(|admin| admin["enabled"] == false)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaver_whose_accounts_show_late_is_switched_off() {
    for profile in PROFILES {
        for method in ["PATCH", "DELETE"] {
            let bridge = start(profile, "600", json!({})).await;
            let made = bridge.send("POST", "/Users", Some(&jo())).await;
            assert_eq!(made.status, 201, "{}", made.text);
            let url = format!("/Users/{}", made.body["id"].as_str().unwrap());
            let body = OFF();
            let answer = bridge.send(method, &url, Some(&body).filter(|_| method == "PATCH")).await;
            assert_eq!(answer.status, if method == "PATCH" { 200 } else { 204 }, "{}", answer.text);
            assert!(is_off(&bridge), "{profile:?} {method}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stray_404_is_not_the_end_of_an_account() {
    for profile in PROFILES {
        for (operation, times) in [("getAgent", 1), ("getAgent", 3), ("getUser", 1), ("getUser", 2)] {
            let bridge = start(profile, "0", json!({})).await;
            let made = bridge.send("POST", "/Users", Some(&jo())).await;
            let url = format!("/Users/{}", made.body["id"].as_str().unwrap());
            bridge.ringcx.fault(Fault {
                operation: operation.to_owned(),
                skip: 0,
                times,
                kind: FaultKind::Status(404, String::new()),
            });
            let answer = bridge.send("PATCH", &url, Some(&OFF())).await;
            assert_eq!(answer.status, 200, "{profile:?} {operation}: {}", answer.text);
            assert!(is_off(&bridge), "{profile:?} {operation}");
            let on = json!({"Operations": [{"op": "replace", "path": "active", "value": true}]});
            assert_eq!(bridge.send("PATCH", &url, Some(&on)).await.status, 200);
            assert_eq!((bridge.ringcx.count("createAgent"), bridge.ringcx.count("createUser")), (1, 1));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_administrator_that_shows_late_is_the_only_one() {
    for profile in PROFILES {
        for status in ["200", "201_body", "201_empty"] {
            let bridge = start(profile, "600", json!({})).await;
            bridge.ringcx.set("create_user_status", status).unwrap();
            let made = bridge.send("POST", "/Users", Some(&jo())).await;
            assert_eq!(made.status, 201, "{profile:?} {status}: {}", made.text);
            assert_eq!(bridge.ringcx.count("createUser"), 1);
            let admin = bridge.ringcx.admin_named("jo@example.com").unwrap();
            assert!(admin["roles"].to_string().contains("REPORT_ADMINISTRATIVE_USER"), "{admin}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_without_an_answer_that_shows_late_is_not_made_twice() {
    for profile in PROFILES {
        for (operation, kind) in [
            ("createAgent", FaultKind::DropAfter),
            ("createAgent", FaultKind::HtmlAfter),
            ("createUser", FaultKind::DropAfter),
            ("createUser", FaultKind::HtmlAfter),
        ] {
            let bridge = start(profile, "600", json!({})).await;
            bridge.ringcx.set("username_rewrite", "always").unwrap();
            bridge.ringcx.fault(Fault::once(operation, kind.clone()));
            let made = bridge.send("POST", "/Users", Some(&jo())).await;
            assert_eq!(made.status, 201, "{profile:?} {operation} {kind:?}: {}", made.text);
            assert_eq!((bridge.ringcx.count("createAgent"), bridge.ringcx.count("createUser")), (1, 1));
        }
    }
}

/// RingCX shows it later still than the bridge reckons with: then the name is taken by our own try, and that is no refusal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_an_earlier_try_has_taken_is_looked_for_and_not_refused() {
    for operation in ["createAgent", "createUser"] {
        let bridge = TestBridge::start(Setup {
            profile: Profile::Friendly,
            knobs: vec![("creation_delay_ms", "1200")],
            policy: json!({"default_agent_group": "Default", "allowed_roles": ["REPORT_ADMINISTRATIVE_USER"]}),
            visibility_delay: Duration::from_millis(100),
            ..Setup::default()
        })
        .await;
        bridge.ringcx.fault(Fault::once(operation, FaultKind::DropAfter));
        let mut body = jo();
        if operation == "createUser" {
            body[RINGCX] = json!({"persona": "admin"});
        } else {
            body["roles"] = json!([]);
        }
        let made = bridge.send("POST", "/Users", Some(&body)).await;
        assert_eq!(made.status, 201, "{operation}: {}", made.text);
        let mine = bridge.ringcx.agents().iter().filter(|it| it["email"] == "jo@example.com").count();
        let admin = bridge.ringcx.admin_named("jo@example.com");
        assert_eq!((mine, admin.is_some()), if operation == "createUser" { (0, true) } else { (1, false) });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_made_by_hand_since_is_found_by_its_taken_name() {
    for profile in PROFILES {
        let bridge = start(profile, "0", json!({})).await;
        let fields = json!({"username": "jo@example.com", "email": "jo@example.com"});
        let by_hand = bridge.ringcx.add_agent(1001, fields);
        let made = bridge.send("POST", "/Users", Some(&json!({"userName": "jo@example.com"}))).await;
        assert_eq!(made.status, 201, "{profile:?}: {}", made.text);
        assert_eq!(made.body[RINGCX]["ringcxUsername"], "jo@example.com");
        let agent = bridge.ringcx.agent(by_hand).unwrap();
        assert_eq!((&agent["agentGroupId"], &agent["isActive"]), (&json!(1001), &json!(true)));
        assert_eq!(bridge.ringcx.agents().iter().filter(|it| it["email"] == "jo@example.com").count(), 1);
        // Somebody who was switched off by hand is a question for a person.
        let fields = json!({"username": "al@example.com", "isActive": false, "active": false});
        let off = bridge.ringcx.add_agent(1001, fields);
        for _ in 0..2 {
            let refused = bridge.send("POST", "/Users", Some(&json!({"userName": "al@example.com"}))).await;
            assert_eq!(
                (refused.status, &refused.body["scimType"]),
                (409, &json!("uniqueness")),
                "{}",
                refused.text
            );
        }
        assert_eq!(bridge.ringcx.agent(off).unwrap()["isActive"], false);
        // The lists are read once for both, and for nobody whose name is free.
        let lists = bridge.ringcx.count("listAgents");
        bridge.create(json!({"userName": "new@example.com"})).await;
        assert_eq!(bridge.ringcx.count("listAgents"), lists);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_comes_before_its_new_agent_shows_moves_it() {
    for profile in PROFILES {
        let bridge = start(profile, "600", json!({})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        let group = json!({"displayName": "UK Agents", "members": [{"value": id}]});
        assert_eq!(bridge.send("POST", "/Groups", Some(&group)).await.status, 201);
        bridge.run_jobs().await;
        let shown = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
        assert_eq!(shown[RINGCX]["provisioningState"], "active", "{profile:?}: {shown}");
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1001, "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_shows_late_is_made_once() {
    let setup = Setup {
        profile: Profile::Friendly,
        knobs: vec![("visibility_delay_ms", "900")],
        policy: json!({"default_agent_group": "Default", "password_on_put": "omit"}),
        visibility_delay: Duration::from_secs(3),
        ..Setup::default()
    };
    let bridge = TestBridge::start(setup).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    let moved = json!({"Operations": [{"op": "replace", "path": format!("{RINGCX}:agentGroupName"), "value": "UK Agents"}]});
    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&moved)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1001);
    assert_eq!(bridge.ringcx.count("updateAgent"), 1);
}

/// What is gone for good is believed in the end, by a look that is apart from the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_is_believed_when_it_has_been_for_long_enough() {
    let bridge = start(Profile::Friendly, "0", json!({})).await;
    let made = bridge.send("POST", "/Users", Some(&jo())).await;
    let url = format!("/Users/{}", made.body["id"].as_str().unwrap());
    let agent =
        bridge.ringcx.agents().iter().find(|it| it["email"] == "jo@example.com").unwrap()["agentId"].clone();
    bridge.ringcx.remove_agent(agent.as_i64().unwrap());
    let begun = std::time::Instant::now();
    let answer = bridge.send("PATCH", &url, Some(&OFF())).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(begun.elapsed() >= Duration::from_millis(1500), "looked twice, apart");
    assert!(is_off(&bridge));
}

/// Later than anybody reckons with: what was let go of is found by a round, and its person's wish is carried out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_shows_again_is_dealt_with_as_its_person_is() {
    for method in ["PATCH", "DELETE"] {
        let bridge = TestBridge::start(Setup {
            policy: json!({
                "default_agent_group": "Default", "password_on_put": "omit", "allowed_roles": ["REPORT_ADMINISTRATIVE_USER"],
            }),
            visibility_delay: Duration::from_millis(100),
            ..Setup::default()
        })
        .await;
        let made = bridge.send("POST", "/Users", Some(&jo())).await;
        let url = format!("/Users/{}", made.body["id"].as_str().unwrap());
        let (agent, admin) = (bridge.ringcx.agents(), bridge.ringcx.admin_named("jo@example.com").unwrap());
        let agent =
            agent.iter().find(|it| it["email"] == "jo@example.com").unwrap()["agentId"].as_i64().unwrap();
        let admin = admin["userId"].as_i64().unwrap();
        bridge.ringcx.hide(&[agent, admin], Duration::from_mins(10));
        let answer = bridge.send(method, &url, Some(&OFF()).filter(|_| method == "PATCH")).await;
        assert_eq!(answer.status, if method == "PATCH" { 200 } else { 204 }, "{}", answer.text);
        assert!(!is_off(&bridge), "nothing could be done");
        bridge.ringcx.hide(&[agent, admin], Duration::ZERO);
        let tenant = "default".parse().unwrap();
        crate::rounds::make_due(&bridge).await;
        bridge.reconciler.round_of(&tenant).await.unwrap();
        bridge.run_jobs().await;
        assert!(is_off(&bridge), "{method}");
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
    }
}
