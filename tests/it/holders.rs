//! Who holds a rights document while others give it and take it: two replicas on one PostgreSQL, and work that is cut short. RingCX
//! takes the list of an assignment for the whole list here.

use std::time::Duration;

use ringcx_scim::clock::Clock;
use ringcx_scim::store::audit::story;
use ringcx_simulator::{Fault, FaultKind, Seed};
use serde_json::{Value, json};

use crate::crash::serve::until;
use crate::support::{Setup, TestBridge, postgres_database};

/// Administrators of RingCX who hold document 4712 and are nobody's here.
fn strangers(count: i64) -> Seed {
    let add = |seed: Seed, number: i64| {
        seed.admin(
            json!({"userId": 1000 + number, "userName": format!("s{number}@example.com"), "roles": ["USER"]}),
        )
    };
    (0..count).fold(Seed::demo().rights_doc(4712, "Readers"), add)
}

async fn start(seed: Seed, store_url: String, clock: Clock) -> TestBridge {
    let bridge = TestBridge::start(Setup {
        seed,
        store_url,
        clock,
        policy: json!({"default_agent_group": "Default", "password_on_put": "omit", "allowed_rights_docs": [4712]}),
        groups: json!([{"match": "Readers", "rights_docs": [4712]}]),
        ..Setup::default()
    })
    .await;
    bridge.ringcx.set("assign_mode", "replace").unwrap();
    bridge.other.meet_all().await.unwrap();
    bridge
}

fn member(op: &str, id: &str) -> Value {
    let path = if op == "add" { "members".to_owned() } else { format!("members[value eq \"{id}\"]") };
    json!({"Operations": [{"op": op, "path": path, "value": [{"value": id}]}]})
}

fn user_id(bridge: &TestBridge, name: &str) -> i64 {
    bridge.ringcx.admin_named(name).unwrap()["userId"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_document_taken_at_one_replica_does_not_come_back_by_an_assignment_at_another() {
    let Some(database) = postgres_database().await else { return };
    let bridge = start(strangers(0), database, Clock::system()).await;
    let mut ids = Vec::new();
    for name in ["ann", "bob", "cat"] {
        ids.push(bridge.create(json!({"userName": format!("{name}@example.com")})).await.0);
    }
    let [ann, bob, cat] = &ids[..] else { unreachable!() };
    let readers = json!({"displayName": "Readers", "members": [{"value": ann}, {"value": bob}]});
    let group = bridge.send("POST", "/Groups", Some(&readers)).await.body["id"].as_str().unwrap().to_owned();
    bridge.run_jobs().await;
    let path = format!("/Groups/{group}");
    let before = bridge.ringcx.assignments(4712);
    assert_eq!(before.len(), 2, "{before:?}");
    // One replica is about to name ann, bob and cat; the other one takes it from ann before that has an effect.
    bridge.ringcx.fault(Fault::once("assignRightsDoc", FaultKind::Delay(1_500)));
    assert_eq!(bridge.send("PATCH", &path, Some(&member("add", cat))).await.status, 204);
    let (one, looked) = (bridge.reconciler.clone(), bridge.ringcx.count("getAssignments"));
    let giving = tokio::spawn(async move { one.run_jobs().await.unwrap() });
    until("the look at the holders", async || (bridge.ringcx.count("getAssignments") > looked).then_some(()))
        .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(bridge.send("PATCH", &path, Some(&member("remove", ann))).await.status, 204);
    bridge.other.run_jobs().await.unwrap();
    giving.await.unwrap();
    bridge.run_jobs().await;
    let mut expected = ["bob@example.com", "cat@example.com"].map(|name| user_id(&bridge, name));
    expected.sort_unstable();
    assert_eq!(bridge.ringcx.assignments(4712), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_assignment_cut_short_before_its_repair_is_mended_and_gives_nothing_to_whom_it_was_taken_from() {
    let mut stores = vec![{
        let folder = tempfile::tempdir().unwrap().keep();
        format!("sqlite://{}", folder.join("bridge.db").display())
    }];
    stores.extend(postgres_database().await);
    for store in stores {
        let clock = Clock::fixed(Clock::system().now());
        let bridge = start(strangers(301), store, clock.clone()).await;
        let (ann, _) = bridge.create(json!({"userName": "ann@example.com"})).await;
        let readers = json!({"displayName": "Readers", "members": [{"value": ann}]});
        (0..301).for_each(|number| bridge.ringcx.assign(4712, 1000 + number));
        // The list of holders is too long to be named whole; the process ends before it has looked what the call did.
        bridge.ringcx.fault(Fault { skip: 1, ..Fault::once("getAssignments", FaultKind::Delay(60_000)) });
        assert_eq!(bridge.send("POST", "/Groups", Some(&readers)).await.status, 201);
        let one = bridge.reconciler.clone();
        let giving = tokio::spawn(async move { one.run_jobs().await });
        until("the assignment", async || (bridge.ringcx.count("assignRightsDoc") == 1).then_some(())).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        giving.abort();
        assert_eq!(bridge.ringcx.assignments(4712), [user_id(&bridge, "ann@example.com")], "it replaces");
        bridge.ringcx.clear_faults();
        clock.advance(Duration::from_mins(1));
        bridge.other.run_jobs().await.unwrap();
        let mut expected: Vec<i64> = (0..301).map(|number| 1000 + number).collect();
        expected.push(user_id(&bridge, "ann@example.com"));
        expected.sort_unstable();
        assert_eq!(bridge.ringcx.assignments(4712), expected);
        // The auditor finds who has it again.
        let mut restored = Vec::new();
        story::each(&bridge.store, |it| {
            if it.record.action == "restoreRightsDoc" {
                restored.push(it.detail()["userIds"].as_array().unwrap().len());
            }
        })
        .await
        .unwrap();
        assert_eq!(restored, [301]);
    }
}
