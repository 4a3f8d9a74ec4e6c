//! The mass-change guard: an identity provider's mistake stops before it hurts, a person decides, and nobody else notices.

mod groups;
mod scope;

use std::time::Duration;

use futures_util::future::join_all;
use ringcx_scim::clock::Clock;
use ringcx_scim::domain::{Actor, PersonId, TenantId};
use ringcx_scim::reconcile::{Decided, Verdict};
use ringcx_scim::store::{self, Tx};
use serde_json::{Value, json};

use crate::support::{Answer, Setup, TestBridge, postgres_database};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

fn tenant() -> TenantId {
    "default".parse().unwrap()
}

fn kim() -> Actor {
    Actor::operator("kim", "run-1")
}

fn replace(path: &str, value: &Value) -> Value {
    json!({"Operations": [{"op": "replace", "path": path, "value": value}]})
}

fn policy(more: &Value) -> Value {
    let mut policy = json!({
        "default_agent_group": "Default", "password_on_put": "omit", "mass_change": "on",
        "allowed_roles": ["REPORT_ADMINISTRATIVE_USER"],
    });
    policy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    policy
}

async fn guarded(more: &Value, groups: Value) -> TestBridge {
    TestBridge::start(Setup { policy: policy(more), groups, ..Setup::default() }).await
}

/// Creates people by name and gives their ids and agents.
async fn staff(bridge: &TestBridge, names: impl Iterator<Item = usize>) -> Vec<(String, i64)> {
    let mut staff = Vec::new();
    for n in names {
        staff.push(bridge.create(json!({"userName": format!("p{n:03}@example.com")})).await);
    }
    staff
}

async fn switch(bridge: &TestBridge, id: &str, on: bool) -> Answer {
    bridge.send("PATCH", &format!("/Users/{id}"), Some(&replace("active", &json!(on)))).await
}

async fn state(bridge: &TestBridge, id: &str) -> String {
    let user = bridge.send("GET", &format!("/Users/{id}"), None).await;
    user.body[RINGCX]["provisioningState"].as_str().unwrap_or(&user.text).to_owned()
}

fn works(bridge: &TestBridge, agent: i64) -> bool {
    bridge.ringcx.agent(agent).is_some_and(|it| it["isActive"] == true)
}

fn reports(bridge: &TestBridge, n: usize) -> bool {
    let admin = bridge.ringcx.admin_named(&format!("p{n:03}@example.com"));
    admin.is_some_and(|it| {
        it["enabled"] == true && it["roles"].to_string().contains("REPORT_ADMINISTRATIVE_USER")
    })
}

async fn decide(bridge: &TestBridge, verdict: Verdict, person: Option<&str>) -> Decided {
    decide_but(bridge, verdict, person, &[]).await
}

async fn decide_but(bridge: &TestBridge, verdict: Verdict, person: Option<&str>, except: &[&str]) -> Decided {
    let (person, except) =
        (person.map(PersonId::from), except.iter().map(|it| PersonId::from(*it)).collect());
    let decided =
        bridge.reconciler.decide(&tenant(), &kim(), verdict, person.as_ref(), &except).await.unwrap();
    bridge.run_jobs().await;
    decided
}

fn actions(tx: &mut Tx<'_>) -> Result<Vec<(String, String)>, store::Error> {
    tx.all("SELECT action, actor FROM audit ORDER BY id", &[], |row| {
        Ok((row.text(0)?, row.opt_text(1)?.unwrap_or_default()))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_leavers_go_at_once_and_the_next_one_is_blocked_with_a_clear_word() {
    let bridge = guarded(&json!({}), json!([])).await;
    let staff = staff(&bridge, 0..12).await;
    for (id, agent) in &staff[..5] {
        assert_eq!(switch(&bridge, id, false).await.status, 200);
        assert!(!works(&bridge, *agent));
    }
    bridge.ringcx.clear_calls();
    let (id, agent) = &staff[5];
    let answer = switch(&bridge, id, false).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(
        answer.text.contains("mass-change guard") && answer.text.contains("tenant release"),
        "{}",
        answer.text
    );
    assert!(answer.headers["retry-after"].parse::<u32>().is_ok_and(|after| after > 0));
    let answer = bridge.send("DELETE", &format!("/Users/{}", staff[6].0), None).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    bridge.run_jobs().await;
    assert!(works(&bridge, *agent) && works(&bridge, staff[6].1));
    assert!(bridge.ringcx.calls().is_empty(), "{:?}", bridge.ringcx.calls());
    let user = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
    assert_eq!((&user["active"], &user[RINGCX]["provisioningState"]), (&json!(true), &json!("blocked")));
    assert!(user[RINGCX]["lastError"].as_str().unwrap().contains("tenant reject"), "{user}");
    let status = bridge.reconciler.status(&"default".parse().unwrap(), "").await.unwrap();
    assert!(matches!(status.holds.as_slice(), [why] if why.contains("2 people")), "{:?}", status.holds);
    let metrics = bridge.raw("GET", "/metrics", &[], None).await.text;
    assert!(metrics.contains(r#"ringcx_scim_blocked{tenant="default"} 2"#), "{metrics}");
    assert!(
        metrics.contains(r#"ringcx_scim_alerts_total{tenant="default",kind="mass_change"} 1"#),
        "{metrics}"
    );
    let records = bridge.store.read(actions).await.unwrap();
    assert_eq!(records.iter().filter(|it| it.0 == "mass_change_blocked").count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_elses_change_is_delayed_and_a_blocked_person_still_gets_theirs() {
    let bridge = guarded(&json!({"mass_change_per_hour": 1}), json!([])).await;
    let staff = staff(&bridge, 0..6).await;
    assert_eq!(switch(&bridge, &staff[0].0, false).await.status, 200);
    assert_eq!(switch(&bridge, &staff[1].0, false).await.status, 503);
    // Somebody else is renamed, hired, and switched on again.
    let url = format!("/Users/{}", staff[2].0);
    assert_eq!(bridge.send("PATCH", &url, Some(&replace("name.givenName", &json!("Ann")))).await.status, 200);
    bridge.create(json!({"userName": "new@example.com"})).await;
    assert_eq!(switch(&bridge, &staff[0].0, true).await.status, 200);
    assert!(works(&bridge, staff[0].1));
    // The blocked one is renamed, and stays blocked.
    let (blocked, agent) = &staff[1];
    let url = format!("/Users/{blocked}");
    let renamed = bridge.send("PATCH", &url, Some(&replace("name.givenName", &json!("Bo")))).await;
    assert_eq!(renamed.status, 200, "{}", renamed.text);
    assert_eq!(bridge.ringcx.agent(*agent).unwrap()["firstName"], "Bo");
    assert_eq!((works(&bridge, *agent), state(&bridge, blocked).await.as_str()), (true, "blocked"));
    assert_eq!(switch(&bridge, blocked, false).await.status, 503, "asked again, it is still blocked");
    // The identity provider takes it back.
    assert_eq!(switch(&bridge, blocked, true).await.status, 200);
    assert_eq!((works(&bridge, *agent), state(&bridge, blocked).await.as_str()), (true, "active"));
    assert!(decide(&bridge, Verdict::Release, None).await.is_nothing());
    assert!(works(&bridge, *agent));
    // Whoever has it back counts no more, so a leaver may go.
    assert_eq!(switch(&bridge, &staff[3].0, false).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn release_lets_everything_go_on_and_counts_anew() {
    let bridge = guarded(&json!({"mass_change_per_hour": 2}), json!([])).await;
    let staff = staff(&bridge, 0..8).await;
    for (id, _) in &staff[..2] {
        assert_eq!(switch(&bridge, id, false).await.status, 200);
    }
    assert_eq!(switch(&bridge, &staff[2].0, false).await.status, 503);
    let title = json!({"Operations": [
        {"op": "replace", "path": "active", "value": false}, {"op": "replace", "path": "title", "value": "Left"},
    ]});
    assert_eq!(bridge.send("PATCH", &format!("/Users/{}", staff[3].0), Some(&title)).await.status, 503);
    assert_eq!(bridge.send("DELETE", &format!("/Users/{}", staff[4].0), None).await.status, 503);
    let decided = decide(&bridge, Verdict::Release, None).await;
    assert_eq!((decided.decided.len(), decided.restored.len(), decided.left.len()), (3, 0, 0));
    for (_, agent) in &staff[..5] {
        assert!(!works(&bridge, *agent));
    }
    let shown = bridge.send("GET", &format!("/Users/{}", staff[3].0), None).await.body;
    assert_eq!((&shown["title"], &shown["active"]), (&json!("Left"), &json!(false)));
    assert_eq!(bridge.send("GET", &format!("/Users/{}", staff[4].0), None).await.status, 404);
    assert_eq!(switch(&bridge, &staff[5].0, false).await.status, 200);
    assert!(decide(&bridge, Verdict::Reject, None).await.is_nothing(), "what was released is not given back");
    assert!(!works(&bridge, staff[0].1));
    let records = bridge.store.read(actions).await.unwrap();
    let mine = records.iter().filter(|it| **it == ("mass_change_released".to_owned(), "cli:kim".to_owned()));
    assert_eq!(mine.count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reject_restores_what_was_blocked_and_what_had_gone_through() {
    let groups = json!([{"match": "UK", "agent_group": "UK Agents"}]);
    let bridge = guarded(&json!({"mass_change_per_hour": 3}), groups).await;
    let staff = staff(&bridge, 0..8).await;
    let members: Vec<_> = staff.iter().map(|(id, _)| json!({"value": id})).collect();
    let group = bridge.send("POST", "/Groups", Some(&json!({"displayName": "UK", "members": members}))).await;
    bridge.run_jobs().await;
    // Switched off, replaced as inactive, and deleted: all before the guard trips.
    assert_eq!(switch(&bridge, &staff[0].0, false).await.status, 200);
    let put = json!({"userName": "p001@example.com", "active": false, "title": "Gone"});
    assert_eq!(bridge.send("PUT", &format!("/Users/{}", staff[1].0), Some(&put)).await.status, 200);
    assert_eq!(bridge.send("DELETE", &format!("/Users/{}", staff[2].0), None).await.status, 204);
    assert_eq!(switch(&bridge, &staff[3].0, false).await.status, 503);
    assert_eq!(bridge.send("DELETE", &format!("/Users/{}", staff[4].0), None).await.status, 503);
    assert!(!works(&bridge, staff[2].1));

    let decided = decide(&bridge, Verdict::Reject, None).await;
    assert_eq!((decided.decided.len(), decided.restored.len(), decided.left.len()), (2, 2, 0), "{decided:?}");
    // The client was told 204 and does not know the third any more: only who is named comes back from there, now or later.
    assert_eq!(decided.stays_deleted, [PersonId::from(staff[2].0.as_str())]);
    assert!(!works(&bridge, staff[2].1));
    assert_eq!(bridge.send("GET", &format!("/Users/{}", staff[2].0), None).await.status, 404);
    let named = decide(&bridge, Verdict::Reject, Some(&staff[2].0)).await;
    assert_eq!((named.restored.len(), named.left.len()), (1, 0), "{named:?}");
    for (id, agent) in &staff {
        assert!(works(&bridge, *agent), "{id}");
        assert_eq!(state(&bridge, id).await, "active", "{id}");
        assert_eq!(bridge.ringcx.agent(*agent).unwrap()["agentGroupId"], 1001, "{id}");
    }
    let shown = bridge.send("GET", &format!("/Users/{}", staff[1].0), None).await.body;
    assert_eq!(shown["title"], "Gone", "what has nothing to do with access stays");
    let group = format!("/Groups/{}", group.body["id"].as_str().unwrap());
    assert_eq!(bridge.send("GET", &group, None).await.body["members"].as_array().unwrap().len(), 8);
    let list = bridge.send("GET", "/Users?filter=userName eq \"p002@example.com\"", None).await.body;
    assert_eq!((&list["totalResults"], &list["Resources"][0]["id"]), (&json!(1), &json!(staff[2].0)));
    assert!(decide(&bridge, Verdict::Reject, None).await.is_nothing());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_leaves_out_whom_the_operator_names() {
    let bridge = guarded(&json!({"mass_change_per_hour": 2}), json!([])).await;
    let staff = staff(&bridge, 0..5).await;
    assert_eq!(switch(&bridge, &staff[0].0, false).await.status, 200, "a leaver of their own");
    assert_eq!(switch(&bridge, &staff[1].0, false).await.status, 200);
    for (id, _) in &staff[2..4] {
        assert_eq!(switch(&bridge, id, false).await.status, 503);
    }
    let seen = bridge.reconciler.rejection(&tenant(), None).await.unwrap();
    assert_eq!((seen.blocked.len(), seen.passed.len()), (2, 2), "{seen:?}");
    assert!(works(&bridge, staff[2].1) && !works(&bridge, staff[1].1), "a look changes nothing");
    let decided = decide_but(&bridge, Verdict::Reject, None, &[&staff[0].0, &staff[2].0]).await;
    assert_eq!((decided.decided.len(), decided.restored.len()), (1, 1), "{decided:?}");
    assert_eq!(
        staff.iter().map(|(_, agent)| works(&bridge, *agent)).collect::<Vec<_>>(),
        [false, true, true, true, true]
    );
    assert_eq!(state(&bridge, &staff[2].0).await, "blocked", "who is left out waits on");
    assert_eq!(state(&bridge, &staff[0].0).await, "disabled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_person_whose_name_was_taken_meanwhile_is_left_and_named() {
    let bridge = guarded(&json!({"mass_change_per_hour": 1}), json!([])).await;
    let staff = staff(&bridge, 0..3).await;
    assert_eq!(bridge.send("DELETE", &format!("/Users/{}", staff[0].0), None).await.status, 204);
    bridge.send("POST", "/Users", Some(&json!({"userName": "p000@example.com", "active": false}))).await;
    assert_eq!(switch(&bridge, &staff[1].0, false).await.status, 503);
    let decided = decide(&bridge, Verdict::Reject, None).await;
    assert_eq!((decided.decided.len(), decided.restored.len(), decided.left.len()), (1, 0, 0));
    let decided = decide(&bridge, Verdict::Reject, Some(&staff[0].0)).await;
    assert_eq!(decided.left.len(), 1);
    assert_eq!(decided.left[0].0.as_str(), staff[0].0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_of_a_bulk_request_are_counted_like_any() {
    let bridge = guarded(&json!({}), json!([])).await;
    let staff = staff(&bridge, 0..9).await;
    let operations: Vec<Value> =
        staff.iter().map(|(id, _)| json!({"method": "DELETE", "path": format!("/Users/{id}")})).collect();
    let bulk =
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations});
    let answer = bridge.send("POST", "/Bulk", Some(&bulk)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let statuses: Vec<&str> = answer.body["Operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["204", "204", "204", "204", "204", "503", "503", "503", "503"]);
    assert_eq!(staff.iter().filter(|(_, agent)| works(&bridge, *agent)).count(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guard_can_be_switched_off() {
    let bridge = guarded(&json!({"mass_change": "off"}), json!([])).await;
    for (id, _) in staff(&bridge, 0..8).await {
        assert_eq!(switch(&bridge, &id, false).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_disable_survives_everything_but_a_switch_or_a_release() {
    let bridge = guarded(&json!({}), json!([])).await;
    let staff = staff(&bridge, 0..2).await;
    for (id, agent) in &staff {
        bridge.ringcx.edit_agent(*agent, |it| {
            it.insert("isActive".to_owned(), json!(false));
        });
        let url = format!("/Users/{id}");
        let body = json!({"userName": bridge.send("GET", &url, None).await.body["userName"], "title": "x",
            "name": {"givenName": "Di"}, "active": true});
        assert_eq!(bridge.send("PUT", &url, Some(&body)).await.status, 200, "a full resync");
        bridge.run_jobs().await;
        assert_eq!((works(&bridge, *agent), state(&bridge, id).await.as_str()), (false, "suspended"));
    }
    assert!(decide(&bridge, Verdict::Release, None).await.is_nothing(), "only by name");
    assert!(!works(&bridge, staff[0].1));
    let decided = decide(&bridge, Verdict::Release, Some(&staff[0].0)).await;
    assert_eq!(decided.switched_on.len(), 1);
    assert_eq!((works(&bridge, staff[0].1), state(&bridge, &staff[0].0).await.as_str()), (true, "active"));
    assert!(!works(&bridge, staff[1].1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_slide_and_a_later_leaver_is_not_delayed_by_those_still_blocked() {
    let clock = Clock::fixed("2026-11-25T10:00:00Z".parse().unwrap());
    let policy = policy(&json!({"mass_change_per_hour": 1, "mass_change_per_day": 5}));
    let bridge = TestBridge::start(Setup { policy, clock: clock.clone(), ..Setup::default() }).await;
    let staff = staff(&bridge, 0..8).await;
    let minutes = |count| Duration::from_mins(count);
    let mut answers = Vec::new();
    for (n, pause) in [0, 30, 31, 61, 61, 61, 24 * 60 + 1].into_iter().enumerate() {
        clock.advance(minutes(pause));
        answers.push(switch(&bridge, &staff[n].0, false).await.status);
    }
    // One an hour, those blocked included; the sixth within a day is one too many; a day later nobody counts.
    assert_eq!(answers, [200, 503, 503, 200, 200, 503, 200]);
    assert_eq!(state(&bridge, &staff[1].0).await, "blocked", "nothing is released by time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_an_agent_or_of_all_power_counts_and_less_of_either_does_not() {
    let bridge = guarded(
        &json!({"mass_change_per_hour": 2, "allowed_roles": ["REPORT_ADMINISTRATIVE_USER", "WFO_ACCESS"]}),
        json!([]),
    )
    .await;
    let roles = |names: &[&str]| -> Value { names.iter().map(|name| json!({"value": name})).collect() };
    let mut staff = Vec::new();
    for n in 0..3 {
        let body = json!({"userName": format!("p{n:03}@example.com"), "roles": roles(&["REPORT_ADMINISTRATIVE_USER", "WFO_ACCESS"])});
        staff.push(bridge.create(body).await);
    }
    for (id, _) in &staff {
        let fewer = replace("roles", &roles(&["REPORT_ADMINISTRATIVE_USER"]));
        assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&fewer)).await.status, 200);
        let moved = replace(&format!("{RINGCX}:agentGroupName"), &json!("UK Agents"));
        assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&moved)).await.status, 200);
    }
    let none = replace("roles", &json!([]));
    assert_eq!(bridge.send("PATCH", &format!("/Users/{}", staff[0].0), Some(&none)).await.status, 200);
    let admin = replace(&format!("{RINGCX}:persona"), &json!("admin"));
    assert_eq!(bridge.send("PATCH", &format!("/Users/{}", staff[1].0), Some(&admin)).await.status, 200);
    assert_eq!((reports(&bridge, 0), works(&bridge, staff[1].1)), (false, false));
    assert_eq!(bridge.send("PATCH", &format!("/Users/{}", staff[2].0), Some(&none)).await.status, 503);
    assert!(reports(&bridge, 2));
    assert_eq!(decide(&bridge, Verdict::Reject, None).await.restored.len(), 2);
    assert!((0..3).all(|n| reports(&bridge, n)));
    assert!(staff.iter().all(|(_, agent)| works(&bridge, *agent)));
}

/// A store of either database for the tests in which two write at once.
async fn stores() -> Vec<(String, tempfile::TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = vec![(format!("sqlite://{}", folder.path().join("a.db").display()), folder)];
    if let Some(url) = postgres_database().await {
        stores.push((url, tempfile::tempdir().unwrap()));
    }
    stores
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_thirty_at_once_exactly_the_limit_goes_through_on_both_databases() {
    for (store_url, _folder) in stores().await {
        let policy = policy(&json!({"mass_change_per_hour": 7, "mass_change_per_day": 100}));
        let bridge = TestBridge::start(Setup { policy, store_url, ..Setup::default() }).await;
        let staff = staff(&bridge, 0..30).await;
        let mut statuses: Vec<u16> =
            join_all(staff.iter().map(|(id, _)| async { switch(&bridge, id, false).await.status })).await;
        statuses.sort_unstable();
        assert_eq!((statuses[..7].to_vec(), statuses[7..].to_vec()), (vec![200; 7], vec![503; 23]));
        assert_eq!(staff.iter().filter(|(_, agent)| works(&bridge, *agent)).count(), 23);
        let decided = decide(&bridge, Verdict::Reject, None).await;
        assert_eq!((decided.decided.len(), decided.restored.len()), (23, 7));
        assert!(staff.iter().all(|(_, agent)| works(&bridge, *agent)));
    }
}
