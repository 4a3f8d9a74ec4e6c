//! The rules by which attributes and RingCX's fields correspond, one by one: what is written, what is left alone, what wins.

use std::time::Duration;

use ringcx_scim::store::audit::story;
use ringcx_simulator::{Fault, FaultKind, Profile, Seed};
use serde_json::{Value, json};

use crate::support::{Answer, Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const ROLE: &str = "REPORT_ADMINISTRATIVE_USER";
const PROFILES: [Profile; 3] = [Profile::Friendly, Profile::Hostile, Profile::Spec];

async fn start(profile: Profile, policy: Value) -> TestBridge {
    let mut whole =
        json!({"default_agent_group": "Default", "password_on_put": "omit", "allowed_roles": [ROLE]});
    whole.as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
    let groups = json!([
        {"match": "UK", "agent_group": "UK Agents"},
        {"match": "Floor", "agent_type": "AGENT", "priority": 1},
        {"match": "Leads", "agent_type": "SUPERVISOR"},
        {"match": "Reports", "roles": [ROLE]},
    ]);
    TestBridge::start(Setup { profile, policy: whole, groups, ..Setup::default() }).await
}

async fn patch(bridge: &TestBridge, id: &str, path: &str, value: Value) -> Answer {
    let body = json!({"Operations": [{"op": "replace", "path": path, "value": value}]});
    bridge.send("PATCH", &format!("/Users/{id}"), Some(&body)).await
}

/// Makes a group with these members and does what follows.
async fn group(bridge: &TestBridge, name: &str, members: &[&str]) -> String {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    let made = bridge.send("POST", "/Groups", Some(&json!({"displayName": name, "members": members}))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    bridge.run_jobs().await;
    made.body["id"].as_str().unwrap().to_owned()
}

async fn leave(bridge: &TestBridge, group: &str, id: &str) {
    let body = json!({"Operations": [{"op": "remove", "path": format!("members[value eq \"{id}\"]")}]});
    assert!(bridge.send("PATCH", &format!("/Groups/{group}"), Some(&body)).await.status < 300);
    bridge.run_jobs().await;
}

fn changing(bridge: &TestBridge) -> usize {
    bridge.ringcx.calls().iter().filter(|call| call.method != "GET" && call.path.contains("/admin/")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deactivate_sets_both_flags_and_rereads() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        bridge.ringcx.clear_calls();
        let before = bridge.ringcx.agent(agent).unwrap();
        assert_eq!(patch(&bridge, &id, "active", json!(false)).await.status, 200);
        let mut after = bridge.ringcx.agent(agent).unwrap();
        assert_eq!(after["isActive"], false, "{profile:?}");
        // Nothing else, whatever RingCX takes the twin for.
        for field in ["isActive", "active"] {
            after[field] = before[field].clone();
        }
        assert_eq!(after, before, "{profile:?}");
        let calls: Vec<(String, bool)> = bridge
            .ringcx
            .calls()
            .iter()
            .map(|it| (it.method.clone(), it.path.contains("/agents/")))
            .collect();
        let put = calls.iter().rposition(|it| *it == ("PUT".to_owned(), true)).unwrap();
        assert!(
            calls[put..].contains(&("GET".to_owned(), true)),
            "{profile:?}: it is looked at afterwards: {calls:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deactivate_unconfirmed_is_503() {
    let policy = json!({"default_agent_group": "Default", "password_on_put": "omit"});
    let bridge =
        TestBridge::start(Setup { policy, settle: Duration::from_millis(500), ..Setup::default() }).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    // The change goes through; that it has cannot be seen.
    let blind = FaultKind::Status(500, String::new());
    bridge.ringcx.fault(Fault { skip: 1, ..Fault::always("getAgent", blind) });
    let answer = patch(&bridge, &id, "active", json!(false)).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
    bridge.ringcx.clear_faults();
    bridge.run_jobs().await;
    let shown = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
    assert_eq!((&shown["active"], &shown[RINGCX]["provisioningState"]), (&json!(false), &json!("disabled")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reactivate_restores_and_applies_pending() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        assert_eq!(patch(&bridge, &id, "active", json!(false)).await.status, 200);
        // Recorded while they are away: another group and another name.
        group(&bridge, "UK", &[&id]).await;
        assert_eq!(patch(&bridge, &id, "name.givenName", json!("Joan")).await.status, 200);
        let away = bridge.ringcx.agent(agent).unwrap();
        assert_eq!((&away["isActive"], &away["agentGroupId"]), (&json!(false), &json!(1000)), "{profile:?}");
        assert_eq!(patch(&bridge, &id, "active", json!(true)).await.status, 200);
        let back = bridge.ringcx.agent(agent).unwrap();
        assert_eq!(
            (&back["isActive"], &back["agentGroupId"], &back["firstName"]),
            (&json!(true), &json!(1001), &json!("Joan")),
            "{profile:?}"
        );
        assert_eq!(bridge.ringcx.count("createAgent"), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn effective_group_extension_wins() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        let body = json!({"userName": "jo@example.com", RINGCX: {"agentGroupName": "platform TEAM"}});
        let (id, agent) = bridge.create(body).await;
        group(&bridge, "UK", &[&id]).await;
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1003, "{profile:?}");
        let unknown = patch(&bridge, &id, &format!("{RINGCX}:agentGroupName"), json!("Nowhere")).await;
        assert_eq!((unknown.status, &unknown.body["scimType"]), (400, &json!("invalidValue")));
        let gone = json!({"Operations": [{"op": "remove", "path": format!("{RINGCX}:agentGroupName")}]});
        assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&gone)).await.status, 200);
        assert_eq!(
            bridge.ringcx.agent(agent).unwrap()["agentGroupId"],
            1001,
            "{profile:?}: then the mapping"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removed_from_all_groups_falls_back_to_default() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        let uk = group(&bridge, "UK", &[&id]).await;
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1001, "{profile:?}");
        leave(&bridge, &uk, &id).await;
        let left = bridge.ringcx.agent(agent).unwrap();
        assert_eq!((&left["agentGroupId"], &left["isActive"]), (&json!(1000), &json!(true)), "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_rename_does_not_move_agents() {
    let bridge = start(Profile::Friendly, json!({})).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    let linked = group(&bridge, "UK Agents", &[&id]).await;
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1001);
    bridge.ringcx.clear_calls();
    let rename = json!({"Operations": [{"op": "replace", "path": "displayName", "value": "Britain"}]});
    assert!(bridge.send("PATCH", &format!("/Groups/{linked}"), Some(&rename)).await.status < 300);
    bridge.run_jobs().await;
    assert_eq!(
        (bridge.ringcx.agent(agent).unwrap()["agentGroupId"].clone(), changing(&bridge)),
        (json!(1001), 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_write_500_members_answers_before_moves() {
    let policy = json!({"password_on_put": "omit"});
    let groups = json!([{"match": "UK", "agent_group": "UK Agents"}]);
    let bridge = TestBridge::start(Setup { policy, groups, ..Setup::default() }).await;
    let mut members = Vec::new();
    for number in 0..500 {
        let (id, _) = bridge.create(json!({"userName": format!("u{number}@example.com")})).await;
        members.push(json!({"value": id}));
    }
    assert_eq!(changing(&bridge), 0, "who has no group yet is held");
    let answer =
        bridge.send("POST", "/Groups", Some(&json!({"displayName": "UK", "members": members}))).await;
    assert_eq!((answer.status, bridge.ringcx.count("createAgent")), (201, 0));
    assert_eq!(answer.body["members"].as_array().unwrap().len(), 500);
    bridge.run_jobs().await;
    let there = bridge.ringcx.agents().iter().filter(|it| it["agentGroupId"] == 1001).count();
    assert_eq!((there, bridge.ringcx.count("createAgent")), (500, 500));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn supervisor_wins_over_agent() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        let kind = || bridge.ringcx.agent(agent).unwrap()["agentType"].clone();
        group(&bridge, "Floor", &[&id]).await;
        assert_eq!(kind(), "AGENT", "{profile:?}");
        let leads = group(&bridge, "Leads", &[&id]).await;
        assert_eq!(kind(), "SUPERVISOR", "{profile:?}: whatever the priority");
        leave(&bridge, &leads, &id).await;
        assert_eq!(kind(), "AGENT", "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn email_absent_is_accepted() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com", "displayName": "Jo"})).await;
        let shown = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
        assert_eq!(shown["emails"], Value::Null, "nothing is invented");
        let there = bridge.ringcx.agent(agent).unwrap();
        assert!(there["email"].as_str().unwrap_or_default().is_empty(), "{profile:?}: {there}");
        assert!(there["firstName"].as_str().unwrap_or_default().is_empty(), "a display name is not split");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn external_agent_id_foreign_value_not_overwritten() {
    for profile in PROFILES {
        let bridge = start(profile, json!({"external_agent_id_source": "externalId"})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com", "externalId": "a-1"})).await;
        let key = || bridge.ringcx.agent(agent).unwrap()["externalAgentId"].clone();
        assert_eq!(key(), "a-1");
        assert_eq!(patch(&bridge, &id, "externalId", json!("a-2")).await.status, 200);
        assert_eq!(key(), "a-2", "{profile:?}: what the bridge wrote follows");
        let seed = Seed::demo()
            .agent(1003, json!({"agentId": 5020, "username": "wf@example.com", "externalAgentId": "wfm-7"}));
        let policy = json!({"default_agent_group": "Default", "password_on_put": "omit", "external_agent_id_source": "externalId"});
        let bridge = TestBridge::start(Setup { profile, seed, policy, ..Setup::default() }).await;
        let (id, agent) = bridge.create(json!({"userName": "wf@example.com", "externalId": "okta-1"})).await;
        assert_eq!(agent, 5020);
        assert_eq!(patch(&bridge, &id, "name.familyName", json!("Doe")).await.status, 200);
        let there = bridge.ringcx.agent(5020).unwrap();
        assert_eq!(
            (&there["externalAgentId"], &there["lastName"]),
            (&json!("wfm-7"), &json!("Doe")),
            "{profile:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn external_id_duplicate_409() {
    let bridge = start(Profile::Friendly, json!({})).await;
    bridge.create(json!({"userName": "jo@example.com", "externalId": "x-1"})).await;
    let (id, _) = bridge.create(json!({"userName": "al@example.com", "externalId": "X-1"})).await;
    let before = changing(&bridge);
    let again = bridge
        .send("POST", "/Users", Some(&json!({"userName": "ann@example.com", "externalId": "x-1"})))
        .await;
    let taken = patch(&bridge, &id, "externalId", json!("x-1")).await;
    for answer in [again, taken] {
        assert_eq!((answer.status, &answer.body["scimType"]), (409, &json!("uniqueness")), "{}", answer.text);
    }
    assert_eq!(changing(&bridge), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_password_unlogged_unstored() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.db");
    let store_url = format!("sqlite://{}", file.display());
    let bridge = TestBridge::start(Setup { store_url, ..Setup::default() }).await;
    let (id, agent) =
        bridge.create(json!({"userName": "jo@example.com", "password": "chosen-by-okta"})).await;
    let password = bridge.ringcx.password(agent).unwrap();
    assert_eq!(password.chars().count(), 24, "of its own making");
    let kinds: [fn(char) -> bool; 4] = [
        |it| it.is_ascii_lowercase(),
        |it| it.is_ascii_uppercase(),
        |it| it.is_ascii_digit(),
        |it| "-_.!".contains(it),
    ];
    assert!(kinds.iter().all(|kind| password.chars().any(kind)));
    assert_eq!(patch(&bridge, &id, "title", json!("x")).await.status, 200);
    for name in ["bridge.db", "bridge.db-wal"] {
        let bytes = std::fs::read(folder.path().join(name)).unwrap_or_default();
        for secret in [password.as_str(), "chosen-by-okta"] {
            assert!(!bytes.windows(secret.len()).any(|it| it == secret.as_bytes()), "{name}");
        }
    }
    let shown = bridge.send("GET", &format!("/Users/{id}"), None).await.text;
    assert!(!shown.contains("password") && !shown.contains(&password));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_get_password_never_leaks() {
    let bridge =
        TestBridge::start(Setup { knobs: vec![("password_echo", "real")], ..Setup::default() }).await;
    let answer = bridge.send("POST", "/Users", Some(&json!({"userName": "wanda@example.com"}))).await;
    assert_eq!(answer.body[RINGCX]["agentId"], "5001", "{}", answer.text);
    let id = answer.body["id"].as_str().unwrap().to_owned();
    let password = bridge.ringcx.password(5001).unwrap();
    let changed = patch(&bridge, &id, "name.familyName", json!("Doe")).await;
    let refused = FaultKind::Status(400, "no".to_owned());
    bridge.ringcx.fault(Fault::always("updateAgent", refused));
    let refused = patch(&bridge, &id, "name.familyName", json!("Roe")).await;
    assert_eq!((changed.status, refused.status), (200, 400), "{} {}", changed.text, refused.text);
    let listed = bridge.send("GET", "/Users", None).await;
    for answer in [answer, changed, refused, listed] {
        assert!(!answer.text.contains(&password), "{}", answer.text);
    }
    let mut records = Vec::new();
    story::each(&bridge.store, |it| records.push(it.record.detail)).await.unwrap();
    assert!(!records.is_empty() && !records.iter().any(|it| it.contains(&password)), "{records:?}");
    assert_eq!(bridge.ringcx.password(5001).as_ref(), Some(&password), "nor is it another one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recreate_after_delete_relinks_agent_new_id() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        let body = json!({"userName": "jo@example.com", "externalId": "x-1"});
        let (first, agent) = bridge.create(body.clone()).await;
        assert_eq!(bridge.send("DELETE", &format!("/Users/{first}"), None).await.status, 204);
        bridge.run_jobs().await;
        assert_eq!(
            bridge.ringcx.agent(agent).unwrap()["isActive"],
            false,
            "{profile:?}: disabled, not deleted"
        );
        let (second, again) = bridge.create(body).await;
        assert_eq!((again, bridge.ringcx.count("createAgent")), (agent, 1), "{profile:?}");
        assert_ne!(first, second);
        assert_eq!(bridge.send("GET", &format!("/Users/{first}"), None).await.status, 404);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], true, "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn put_absent_extension_keeps_agent_fields() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        let extension = json!({"team": "Blue", "agentRank": 7, "maxChats": 2, "directExtension": "4711"});
        let name = json!({"givenName": "Jo", "familyName": "Doe"});
        let (id, agent) =
            bridge.create(json!({"userName": "jo@example.com", "name": name, RINGCX: extension})).await;
        let before = bridge.ringcx.agent(agent).unwrap();
        let body = json!({"userName": "jo@example.com", "name": {"familyName": "Roe"}});
        let answer = bridge.send("PUT", &format!("/Users/{id}"), Some(&body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let after = bridge.ringcx.agent(agent).unwrap();
        for field in ["team", "agentRank", "maxChats", "directAgentExtension", "agentGroupId"] {
            assert_eq!(after[field], before[field], "{profile:?} {field}");
        }
        assert_eq!(
            (&after["lastName"], &after["firstName"]),
            (&json!("Roe"), &json!("")),
            "{profile:?}: core is cleared"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_upstream_call_for_stored_only_change() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        let (id, _) = bridge.create(json!({"userName": "jo@example.com"})).await;
        bridge.ringcx.clear_calls();
        for (path, value) in [
            ("title", json!("Lead")),
            ("displayName", json!("Jo D.")),
            ("phoneNumbers", json!([{"type": "work", "value": "+44 20 7123 4567"}])),
            ("addresses", json!([{"type": "work", "locality": "Leeds"}])),
            ("preferredLanguage", json!("en-GB")),
            ("timezone", json!("not a zone")),
            (&*format!("{ENTERPRISE}:department"), json!("Returns")),
            (&*format!("{ENTERPRISE}:manager"), json!({"value": "somebody"})),
        ] {
            let answer = patch(&bridge, &id, path, value).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        }
        bridge.run_jobs().await;
        assert_eq!(bridge.ringcx.calls().len(), 0, "{profile:?}");
    }
}
