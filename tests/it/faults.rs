//! Trouble between the bridge and RingCX: lost answers, limits, odd answers, two writers at once.

use std::time::Duration;

use ringcx_simulator::{Fault, FaultKind, Profile};
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";
const PROFILES: [Profile; 3] = [Profile::Friendly, Profile::Hostile, Profile::Spec];

fn named(bridge: &TestBridge, email: &str) -> usize {
    bridge.ringcx.agents().iter().filter(|agent| agent["email"] == email).count()
}

fn jo() -> Value {
    json!({"userName": "jo@example.com", "externalId": "1", "emails": [{"value": "jo@example.com", "type": "work"}]})
}

async fn start(profile: Profile, settle: u64) -> TestBridge {
    TestBridge::start(Setup { profile, settle: Duration::from_millis(settle), ..Setup::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_a_create_makes_no_second_agent() {
    for profile in PROFILES {
        for kind in [
            FaultKind::DropAfter,
            FaultKind::DropBefore,
            FaultKind::Html200,
            FaultKind::Status(503, String::new()),
        ] {
            let bridge = start(profile, 5000).await;
            bridge.ringcx.fault(Fault::once("createAgent", kind.clone()));
            let answer = bridge.send("POST", "/Users", Some(&jo())).await;
            assert_eq!(answer.status, 201, "{profile:?} {kind:?}: {}", answer.text);
            bridge.run_jobs().await;
            assert_eq!(named(&bridge, "jo@example.com"), 1, "{profile:?} {kind:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_create_of_a_linked_agent_is_known_by_its_rewritten_name() {
    for profile in PROFILES {
        let bridge = start(profile, 5000).await;
        bridge.ringcx.fault(Fault::once("createAgent", FaultKind::DropAfter));
        let body = json!({"userName": "linked@example.com", "emails": [{"value": "linked@example.com"}]});
        let answer = bridge.send("POST", "/Users", Some(&body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let login = answer.body[RINGCX]["ringcxUsername"].as_str().unwrap();
        assert_eq!(login != "linked@example.com", profile != Profile::Friendly, "{login}");
        assert_eq!(named(&bridge, "linked@example.com"), 1);
        assert_eq!(
            bridge.ringcx.agents().iter().find(|it| it["username"] == login).unwrap()["rcUserId"],
            3_361_292_020_i64
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_to_changes_are_looked_at_and_finished() {
    for profile in PROFILES {
        for kind in [FaultKind::DropAfter, FaultKind::DropBefore] {
            let bridge = start(profile, 5000).await;
            let (id, agent) = bridge.create(jo()).await;
            bridge.ringcx.fault(Fault::once("updateAgent", kind.clone()));
            let off = json!({"Operations": [{"op": "replace", "value": {"active": false}}]});
            let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&off)).await;
            assert_eq!(answer.status, 200, "{profile:?} {kind:?}: {}", answer.text);
            assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
            let on = json!({"Operations": [{"op": "replace", "value": {"active": true}}]});
            bridge.ringcx.fault(Fault::once("updateAgent", kind.clone()));
            let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&on)).await;
            assert_eq!(
                answer.body[RINGCX]["provisioningState"], "active",
                "{profile:?} {kind:?}: {}",
                answer.text
            );
            assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], true);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deactivation_that_ringcx_does_not_show_is_503_and_goes_on() {
    for profile in PROFILES {
        let bridge = start(profile, 400).await;
        let (id, agent) = bridge.create(jo()).await;
        bridge.ringcx.fault(Fault::always("updateAgent", FaultKind::False200));
        let off = json!({"Operations": [{"op": "replace", "path": "active", "value": "False"}]});
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&off)).await;
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(answer.headers["retry-after"].parse::<u32>().unwrap() > 0);
        assert_eq!(
            bridge.send("GET", &format!("/Users/{id}"), None).await.body["active"],
            true,
            "the last confirmed state"
        );
        bridge.ringcx.clear_faults();
        bridge.run_jobs().await;
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
        assert_eq!(bridge.send("GET", &format!("/Users/{id}"), None).await.body["active"], false);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstream_429_maps_to_429() {
    for profile in PROFILES {
        let bridge = start(profile, 1000).await;
        bridge.ringcx.fault(Fault::once(
            "createAgent",
            FaultKind::TooManyRequests { retry_after: Some("2".to_owned()) },
        ));
        let answer = bridge.send("POST", "/Users", Some(&jo())).await;
        assert_eq!(answer.status, 429, "{}", answer.text);
        let after = answer.headers["retry-after"].parse::<u32>();
        assert!(
            after.is_ok_and(|after| after >= 2),
            "an integer, never a date, and no shorter than RingCX says"
        );
        let pending = bridge.send("GET", "/Users?filter=externalId eq \"1\"", None).await;
        assert_eq!(pending.body["Resources"][0][RINGCX]["provisioningState"], "pending", "{}", pending.text);
        tokio::time::sleep(Duration::from_millis(2100)).await;
        let answer = bridge.send("POST", "/Users", Some(&jo())).await;
        assert_eq!(answer.status, 201, "the same POST joins its own record: {}", answer.text);
        assert_eq!(answer.body["id"], pending.body["Resources"][0]["id"]);
        assert_eq!(named(&bridge, "jo@example.com"), 1);
        assert_eq!(bridge.send("POST", "/Users", Some(&jo())).await.status, 409, "a finished one is taken");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_ends_is_renewed_once_for_everybody() {
    for profile in PROFILES {
        let bridge = start(profile, 5000).await;
        bridge.ringcx.expire_tokens();
        let before = bridge.ringcx.count("refreshToken") + bridge.ringcx.count("exchangeToken");
        let mut posts = Vec::new();
        for n in 0..10 {
            let (bridge, body) = (&bridge, json!({"userName": format!("u{n}@example.com")}));
            posts.push(async move { bridge.send("POST", "/Users", Some(&body)).await.status });
        }
        let bodies: Vec<u16> = futures_util::future::join_all(posts).await;
        assert!(bodies.iter().all(|status| *status == 201), "{bodies:?}");
        let after = bridge.ringcx.count("refreshToken") + bridge.ringcx.count("exchangeToken");
        assert!(after - before <= 2, "{} renewals", after - before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstream_auth_failure_is_503_not_401() {
    for fault in [
        Fault::always("createAgent", FaultKind::Unauthorized),
        Fault::always(
            "createAgent",
            FaultKind::Status(403, r#"{"generalMessage":"no permission"}"#.to_owned()),
        ),
        Fault::always("createAgent", FaultKind::Status(500, "<html>down</html>".to_owned())),
    ] {
        let bridge = start(Profile::Friendly, 300).await;
        bridge.ringcx.fault(fault);
        let answer = bridge.send("POST", "/Users", Some(&jo())).await;
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(answer.headers.contains_key("retry-after"));
        assert_eq!(bridge.send("GET", "/Users", None).await.status, 200);
        bridge.ringcx.clear_faults();
        bridge.run_jobs().await;
        assert_eq!(named(&bridge, "jo@example.com"), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_posts_of_one_person_at_once_make_one_agent() {
    for profile in PROFILES {
        let bridge = start(profile, 5000).await;
        bridge.ringcx.fault(Fault::once("createAgent", FaultKind::Delay(200)));
        let body = jo();
        let (one, two) = tokio::join!(
            bridge.send("POST", "/Users", Some(&body)),
            bridge.send("POST", "/Users", Some(&body))
        );
        let statuses = [one.status, two.status];
        assert!(statuses.contains(&201) && statuses.iter().all(|it| matches!(it, 201 | 409)), "{statuses:?}");
        assert_eq!(named(&bridge, "jo@example.com"), 1);
        assert_eq!(bridge.send("GET", "/Users", None).await.body["totalResults"], 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writes_lose_nothing() {
    let bridge = start(Profile::Friendly, 10_000).await;
    let mut ids = Vec::new();
    for n in 0..40 {
        ids.push(bridge.create(json!({"userName": format!("u{n}@example.com")})).await.0);
    }
    let group = bridge.send("POST", "/Groups", Some(&json!({"displayName": "UK Agents"}))).await;
    let url = format!("/Groups/{}", group.body["id"].as_str().unwrap());
    let adds = ids.iter().map(|id| {
        let body = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": id}]}]});
        let (bridge, url) = (&bridge, &url);
        async move { bridge.send("PATCH", url, Some(&body)).await.status }
    });
    assert!(futures_util::future::join_all(adds).await.iter().all(|status| *status == 204));
    let members = bridge.send("GET", &url, None).await;
    assert_eq!(members.body["members"].as_array().unwrap().len(), 40);
    let jo = format!("/Users/{}", ids[0]);
    let changes = ["title", "nickName", "displayName", "locale", "timezone"].map(|path| {
        let body = json!({"Operations": [{"op": "replace", "path": path, "value": path}]});
        let (bridge, jo) = (&bridge, &jo);
        async move { bridge.send("PATCH", jo, Some(&body)).await.status }
    });
    assert!(futures_util::future::join_all(changes).await.iter().all(|status| *status == 200));
    let user = bridge.send("GET", &jo, None).await.body;
    for path in ["title", "nickName", "displayName", "locale", "timezone"] {
        assert_eq!(user[path], path);
    }
    bridge.run_jobs().await;
    let moved = bridge.ringcx.agents().iter().filter(|agent| agent["agentGroupId"] == 1001).count();
    assert_eq!(moved, 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_waiting_changes_only_the_culprit_fails() {
    let bridge = start(Profile::Friendly, 20_000).await;
    let (id, agent) = bridge.create(jo()).await;
    let url = format!("/Users/{id}");
    // The first PUT is slow, so the next two wait behind it and go up together; RingCX refuses the sum, then one of them.
    bridge.ringcx.fault(Fault::once("updateAgent", FaultKind::Delay(1500)));
    let change =
        |path: &str, value: Value| json!({"Operations": [{"op": "replace", "path": path, "value": value}]});
    let slow = change("name.givenName", json!("Jo"));
    let bad = change(&format!("{RINGCX}:team"), json!("NOT A TEAM"));
    let good = change("name.familyName", json!("Bloggs"));
    let refusal = FaultKind::Status(400, r#"{"generalMessage":"team is unknown"}"#.to_owned());
    let later = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        bridge.ringcx.fault(Fault { skip: 0, times: 2, ..Fault::once("updateAgent", refusal) });
        tokio::join!(bridge.send("PATCH", &url, Some(&bad)), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            bridge.send("PATCH", &url, Some(&good)).await
        })
    };
    let (first, (second, third)) = tokio::join!(bridge.send("PATCH", &url, Some(&slow)), later);
    assert_eq!(
        (first.status, second.status, third.status),
        (200, 400, 200),
        "{} {}",
        second.text,
        third.text
    );
    bridge.run_jobs().await;
    let now = bridge.ringcx.agent(agent).unwrap();
    assert_eq!((&now["firstName"], &now["lastName"]), (&json!("Jo"), &json!("Bloggs")));
    assert_eq!(now["team"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_that_shows_only_after_it_was_looked_up_is_found_when_its_name_is_taken() {
    for profile in [Profile::Friendly, Profile::Hostile, Profile::Spec] {
        let setup = Setup { profile, visibility_delay: Duration::ZERO, ..Setup::default() };
        let bridge = TestBridge::start(setup).await;
        bridge.ringcx.fault(Fault::once("createAgent", FaultKind::DropAfter));
        bridge.ringcx.fault(Fault::once("listAgents", FaultKind::Status(200, "[]".to_owned())));
        let body = json!({
            "userName": "late@example.com", "name": {"givenName": "Late"},
            "emails": [{"value": "late@example.com", "type": "work"}],
        });
        let answer = bridge.send("POST", "/Users", Some(&body)).await;
        assert_eq!(answer.status, 201, "{profile:?}: {}", answer.text);
        bridge.run_jobs().await;
        let made: Vec<Value> =
            bridge.ringcx.agents().into_iter().filter(|agent| agent["agentGroupId"] == 1000).collect();
        assert_eq!(made.len(), 1, "{profile:?}");
        assert_eq!((&made[0]["firstName"], &made[0]["isActive"]), (&json!("Late"), &json!(true)));
        assert_eq!(bridge.ringcx.count("createAgent"), 2, "{profile:?}: the second one was refused");
    }
}
