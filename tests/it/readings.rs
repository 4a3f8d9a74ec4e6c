//! Open questions about agents and the races around them, each answered every way (A8, A10, A12 to A14, A16, A20, A26, A37, A42, A54).

use ringcx_simulator::{Fault, FaultKind, Profile};
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

async fn start(knobs: Vec<(&'static str, &'static str)>, extra: Value) -> TestBridge {
    let mut policy = json!({"default_agent_group": "Default", "password_on_put": "omit"});
    policy.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
    TestBridge::start(Setup { profile: Profile::Friendly, knobs, policy, ..Setup::default() }).await
}

fn replace(path: &str, value: impl Into<Value>) -> Value {
    json!({"Operations": [{"op": "replace", "path": path, "value": value.into()}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rename_is_answered_by_what_ringcx_has_made_of_it() {
    // The identity provider has its name, and is shown with what the person logs in.
    for (reading, login) in
        [("allow", "new@example.com"), ("ignore", "old@example.com"), ("reject400", "old@example.com")]
    {
        let bridge = start(vec![("username_update", reading)], json!({"rename_policy": "follow"})).await;
        let (id, agent) = bridge.create(json!({"userName": "old@example.com"})).await;
        let url = format!("/Users/{id}");
        let answer = bridge.send("PATCH", &url, Some(&replace("userName", "new@example.com"))).await;
        assert_eq!(answer.status, 200, "{reading}: {}", answer.text);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["username"], login, "{reading}");
        let shown = bridge.send("GET", &url, None).await.body;
        assert_eq!(
            (&shown["userName"], &shown[RINGCX]["ringcxUsername"]),
            (&json!("new@example.com"), &json!(login)),
            "{reading}"
        );
        let puts = bridge.ringcx.count("updateAgent");
        assert!(puts <= 2, "{reading}: {puts} PUTs, so it is not sent again and again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_flags_of_an_agent_say_the_same_whichever_counts() {
    for reading in ["isActive", "active", "both_must_match"] {
        let bridge = start(vec![("active_field", reading)], json!({})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        for works in [false, true, false] {
            let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&replace("active", works))).await;
            assert_eq!(answer.status, 200, "{reading}: {}", answer.text);
            let held = bridge.ringcx.agent(agent).unwrap();
            assert_eq!((&held["isActive"], &held["active"]), (&json!(works), &json!(works)), "{reading}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_of_a_deleted_agent_is_free_or_the_refusal_says_why() {
    for (reading, status) in [("hard", 201), ("soft_keeps_username", 409)] {
        let bridge = start(vec![("delete_mode", reading)], json!({"on_delete": "delete"})).await;
        let body = json!({"userName": "jo@example.com"});
        let (id, agent) = bridge.create(body.clone()).await;
        assert_eq!(bridge.send("DELETE", &format!("/Users/{id}"), None).await.status, 204, "{reading}");
        assert_eq!(bridge.ringcx.agent(agent), None, "{reading}");
        let again = bridge.send("POST", "/Users", Some(&body)).await;
        assert_eq!(again.status, status, "{reading}: {}", again.text);
        bridge.run_jobs().await;
        let there = bridge.ringcx.agents().iter().filter(|it| it["username"] == "jo@example.com").count();
        assert_eq!(there, usize::from(status == 201), "{reading}");
        if status == 409 {
            assert_eq!(again.body["scimType"], "uniqueness", "{}", again.text);
            assert!(again.body["detail"].as_str().unwrap().contains("username_template"), "{}", again.text);
            let list = bridge.send("GET", "/Users", None).await.body;
            assert_eq!(list["totalResults"], 0, "nothing of the refused create remains");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_leaves_the_password_as_it_was() {
    for (policy, echoes, takes) in [
        ("omit", ["mask", "absent", "real"].as_slice(), ["ignored", "literal"].as_slice()),
        ("echo", ["real"].as_slice(), ["ignored", "literal", "required"].as_slice()),
    ] {
        for echo in echoes {
            for take in takes {
                let label = format!("{policy}, {echo}, {take}");
                let knobs = vec![("password_echo", *echo), ("put_masked_password", *take)];
                let bridge = start(knobs, json!({"password_on_put": policy})).await;
                let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
                let before = bridge.ringcx.password(agent);
                assert!(before.is_some(), "{label}");
                for body in [replace("name.givenName", "Joan"), replace("active", false)] {
                    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&body)).await;
                    assert_eq!(answer.status, 200, "{label}: {}", answer.text);
                }
                assert_eq!(bridge.ringcx.agent(agent).unwrap()["firstName"], "Joan", "{label}");
                assert_eq!(bridge.ringcx.password(agent), before, "{label}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_may_not_be_seen_is_not_gone() {
    let bridge = start(Vec::new(), json!({})).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    bridge.ringcx.fault(Fault::always("getAgent", FaultKind::Status(403, String::new())));
    bridge.ringcx.fault(Fault::always("updateAgent", FaultKind::Status(403, String::new())));
    let url = format!("/Users/{id}");
    let answer = bridge.send("PATCH", &url, Some(&replace("active", false))).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    // The work goes on meanwhile, so the calls of this read are not counted.
    let bearer = format!("Bearer {}", bridge.token);
    let shown = bridge.raw("GET", &format!("/scim/v2{url}"), &[("authorization", &bearer)], None).await.body;
    assert_eq!(shown[RINGCX]["agentId"], agent.to_string(), "still tied to it");
    bridge.ringcx.clear_faults();
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false, "done as soon as it may be");
    assert_eq!(bridge.ringcx.count("createAgent"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_supervisor_set_goes_back_as_it_came_or_not_at_all() {
    for shows_null in ["yes", "no"] {
        for clears in ["yes", "no"] {
            for queue in [json!([8101]), json!([{"id": 8101}])] {
                let label = format!("{shows_null}, {clears}, {queue}");
                let knobs = vec![("null_on_get", shows_null), ("null_put_clears", clears)];
                let bridge = start(knobs, json!({})).await;
                let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
                bridge.ringcx.associate(agent, "gateAssignments", queue.clone());
                let before = bridge.ringcx.associations(agent);
                for body in [replace("name.givenName", "Joan"), replace("active", false)] {
                    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&body)).await;
                    assert_eq!(answer.status, 200, "{label}: {}", answer.text);
                }
                assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false, "{label}");
                assert_eq!(bridge.ringcx.associations(agent), before, "{label}");
                assert_eq!(before["gateAssignments"], queue, "{label}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_name_is_a_conflict_however_the_refusal_looks() {
    for conflict in ["409", "400_validation", "500"] {
        let knobs = vec![("delete_mode", "soft_keeps_username"), ("agent_conflict", conflict)];
        let bridge = start(knobs, json!({"on_delete": "delete"})).await;
        let body = json!({"userName": "jo@example.com"});
        let (id, _) = bridge.create(body.clone()).await;
        assert_eq!(bridge.send("DELETE", &format!("/Users/{id}"), None).await.status, 204, "{conflict}");
        let again = bridge.send("POST", "/Users", Some(&body)).await;
        assert_eq!(
            (again.status, &again.body["scimType"]),
            (409, &json!("uniqueness")),
            "{conflict}: {}",
            again.text
        );
        assert_eq!(bridge.send("GET", "/Users", None).await.body["totalResults"], 0, "{conflict}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_the_bridge_makes_is_good_enough_for_every_policy() {
    for policy in ["usual", "strict"] {
        for required in ["yes", "unless_linked", "no"] {
            let knobs = vec![("password_policy", policy), ("password_required", required)];
            let bridge = start(knobs, json!({})).await;
            let mut passwords = Vec::new();
            for name in ["jo@example.com", "al@example.com"] {
                let (_, agent) = bridge.create(json!({"userName": name})).await;
                passwords.push(bridge.ringcx.password(agent).unwrap());
            }
            assert!(passwords[0] != passwords[1], "{policy} {required}");
        }
    }
}

/// Calls that find, when they arrive, that somebody else has done their work: read before, and answered all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_somebody_else_has_done_meanwhile_is_done() {
    const ROLE: &str = "REPORT_ADMINISTRATIVE_USER";
    for (operation, knob, reading) in [
        ("addRole", "role_add_existing", "true"),
        ("addRole", "role_add_existing", "409"),
        ("removeRole", "role_remove_missing", "true"),
        ("removeRole", "role_remove_missing", "false"),
        ("removeRole", "role_remove_missing", "404"),
        ("deleteAgent", "delete_missing", "404"),
        ("deleteAgent", "delete_missing", "false"),
        ("deleteAgent", "delete_missing", "403"),
    ] {
        let label = format!("{operation}: {knob}={reading}");
        let extra = json!({"allowed_roles": [ROLE], "on_delete": "delete", "default_persona": "both"});
        let bridge = start(vec![(knob, reading)], extra).await;
        let roles = if operation == "removeRole" { json!([{"value": ROLE}]) } else { json!([]) };
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com", "roles": roles})).await;
        let url = format!("/Users/{id}");
        bridge.ringcx.fault(Fault::once(operation, FaultKind::Delay(300)));
        let by_hand = async {
            // The call is on its way in once its fault has met it.
            while bridge.ringcx.faults_left() > 0 {
                tokio::task::yield_now().await;
            }
            let jo = bridge.ringcx.admin_named("jo@example.com").map(|it| it["userId"].as_i64().unwrap());
            let hold = |roles: Value| {
                bridge.ringcx.edit_admin(jo.unwrap(), |jo| drop(jo.insert("roles".to_owned(), roles)));
            };
            match operation {
                "addRole" => hold(json!([ROLE])),
                "removeRole" => hold(json!([])),
                _ => bridge.ringcx.remove_agent(agent),
            }
        };
        let body = match operation {
            "addRole" => {
                Some(json!({"Operations": [{"op": "add", "path": "roles", "value": [{"value": ROLE}]}]}))
            }
            "removeRole" => Some(json!({"Operations": [{"op": "remove", "path": "roles"}]})),
            _ => None,
        };
        let method = if body.is_some() { "PATCH" } else { "DELETE" };
        let (answer, ()) = tokio::join!(bridge.send(method, &url, body.as_ref()), by_hand);
        assert!(matches!(answer.status, 200 | 204), "{label}: {}", answer.text);
        assert!(bridge.ringcx.count(operation) >= 1, "{label}: the call was made");
        bridge.run_jobs().await;
        let jo = bridge.ringcx.admin_named("jo@example.com");
        match operation {
            "addRole" => assert!(jo.unwrap()["roles"].to_string().contains(ROLE), "{label}"),
            "removeRole" => assert!(!jo.unwrap()["roles"].to_string().contains(ROLE), "{label}"),
            _ => assert_eq!((jo, bridge.ringcx.agent(agent)), (None, None), "{label}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_moved_by_hand_is_reached_whether_or_not_its_old_path_shows_it() {
    for checks in ["strict", "ignored"] {
        let bridge = start(vec![("group_path_check", checks)], json!({})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        bridge.ringcx.move_agent(agent, 1002);
        let off = bridge.send("PATCH", &format!("/Users/{id}"), Some(&replace("active", false))).await;
        assert_eq!(off.status, 200, "{checks}: {}", off.text);
        let now = bridge.ringcx.agent(agent).unwrap();
        assert_eq!(now["isActive"], false, "{checks}");
        assert_eq!(bridge.ringcx.count("createAgent"), 1, "{checks}");
    }
}
