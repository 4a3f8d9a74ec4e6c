//! What the bridge decides by itself, and what each call has changed, as the auditor finds it.

use ringcx_scim::domain::{Actor, TenantId};
use ringcx_scim::store::audit::story::{self, Stored};
use ringcx_simulator::Profile;
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";
const ROLE: &str = "REPORT_ADMINISTRATIVE_USER";

fn tenant() -> TenantId {
    "default".parse().unwrap()
}

async fn all(bridge: &TestBridge) -> Vec<Stored> {
    let mut found = Vec::new();
    story::each(&bridge.store, |record| found.push(record)).await.unwrap();
    found
}

/// The details of the records of one kind.
async fn told(bridge: &TestBridge, action: &str) -> Vec<Value> {
    all(bridge).await.iter().filter(|it| it.record.action == action).map(Stored::detail).collect()
}

async fn one(bridge: &TestBridge, action: &str) -> Value {
    let found = told(bridge, action).await;
    assert_eq!(found.len(), 1, "{action}: {found:?}");
    found.into_iter().next().unwrap()
}

async fn start(profile: Profile, extra: Value) -> TestBridge {
    let mut policy = json!({
        "default_agent_group": "Default", "password_on_put": "omit", "allowed_roles": [ROLE], "allowed_rights_docs": [4711],
    });
    policy.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let groups = json!([{"match": "UK", "agent_group": "UK Agents"}]);
    TestBridge::start(Setup { profile, policy, groups, ..Setup::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_says_what_it_has_made_or_what_was_before_and_after() {
    for profile in [Profile::Friendly, Profile::Hostile, Profile::Spec] {
        let bridge = start(profile, json!({})).await;
        let (id, agent) = bridge
            .create(json!({"userName": "jo@example.com", "roles": [{"value": ROLE}], "entitlements": [{"value": "4711"}]}))
            .await;
        let path = format!("/Users/{id}");
        let shown = bridge.send("GET", &path, None).await.body[RINGCX].clone();
        assert_eq!(one(&bridge, "createAgent").await["made"], json!({"agentId": agent}));
        let admin = one(&bridge, "createAdmin").await["made"]["adminUserId"].to_string();
        assert_eq!(json!(admin), shown["adminUserId"]);
        let turned = |before: Value, after: Value| json!({"before": before, "after": after});
        let roles: Vec<Value> =
            told(&bridge, "addRole").await.iter().map(|it| it["changed"]["role"].clone()).collect();
        assert!(roles.contains(&turned(Value::Null, json!(ROLE))), "{roles:?}");
        let given = one(&bridge, "assignRightsDoc").await["changed"]["rightsDoc"].clone();
        assert_eq!(given, turned(Value::Null, json!(4711)));

        let group = json!({"displayName": "UK", "members": [{"value": id}]});
        assert_eq!(bridge.send("POST", "/Groups", Some(&group)).await.status, 201);
        bridge.run_jobs().await;
        let moves = told(&bridge, "moveAgent").await;
        assert_eq!(
            moves.last().unwrap()["changed"]["groupId"],
            turned(json!(1000), json!(1001)),
            "{profile:?}"
        );

        let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
        assert_eq!(bridge.send("PATCH", &path, Some(&off)).await.status, 200);
        let switched = told(&bridge, "setIsActive").await;
        assert_eq!(switched[0]["changed"]["enabled"], turned(json!(true), json!(false)), "{profile:?}");
        let roles: Vec<Value> =
            told(&bridge, "removeRole").await.iter().map(|it| it["changed"]["role"].clone()).collect();
        assert!(roles.contains(&turned(json!(ROLE), Value::Null)), "{roles:?}");
        let taken = one(&bridge, "unassignRightsDoc").await["changed"]["rightsDoc"].clone();
        assert_eq!(taken, turned(json!(4711), Value::Null));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_a_create_takes_over_is_named() {
    let bridge = start(Profile::Friendly, json!({})).await;
    let answer = bridge.send("POST", "/Users", Some(&json!({"userName": "wanda@example.com"}))).await;
    assert_eq!((answer.status, &answer.body[RINGCX]["agentId"]), (201, &json!("5001")), "{}", answer.text);
    assert_eq!(bridge.ringcx.count("createAgent"), 0);
    assert_eq!(one(&bridge, "create").await["linked"], json!({"agentId": 5001}));
    // Who is new has nothing taken over.
    bridge.create(json!({"userName": "jo@example.com"})).await;
    assert_eq!(told(&bridge, "create").await[1]["linked"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_in_ringcx_that_is_taken_over_is_recorded_under_who_took_it_over() {
    let bridge = start(Profile::Friendly, json!({"on_drift": "adopt"})).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    for (group, by) in [(1002, None), (1001, Some(Actor::operator("kim", "run-1")))] {
        bridge.ringcx.move_agent(agent, group);
        let drift = bridge.reconciler.look(&tenant(), None).await.unwrap();
        bridge.reconciler.repair(&tenant(), &drift, by.as_ref()).await.unwrap();
    }
    let found: Vec<Stored> =
        all(&bridge).await.into_iter().filter(|it| it.record.action == "noticed").collect();
    let moved = |it: &Stored| (it.record.actor.clone().unwrap(), it.detail()["changed"]["groupId"].clone());
    assert_eq!(
        found.iter().map(moved).collect::<Vec<_>>(),
        [
            ("bridge".to_owned(), json!({"before": 1000, "after": 1002})),
            ("cli:kim".to_owned(), json!({"before": 1002, "after": 1001})),
        ]
    );
    assert!(found.iter().all(|it| it.record.person.as_ref().is_some_and(|it| it.as_str() == id)));
    assert!(found.iter().all(|it| it.detail()["agentId"] == json!(agent)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_did_in_ringcx_by_hand_is_recorded_once_when_the_bridge_yields_to_it() {
    for profile in [Profile::Friendly, Profile::Hostile, Profile::Spec] {
        let bridge = start(profile, json!({})).await;
        let (_, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        bridge.ringcx.edit_agent(agent, |fields| {
            fields.insert("isActive".to_owned(), json!(false));
            fields.insert("active".to_owned(), json!(false));
        });
        for _ in 0..2 {
            let drift = bridge.reconciler.look(&tenant(), None).await.unwrap();
            bridge.reconciler.repair(&tenant(), &drift, None).await.unwrap();
            bridge.run_jobs().await;
        }
        assert!(
            one(&bridge, "noticed").await["decision"].as_str().unwrap().contains("switched the person off")
        );
        // Whoever leaves while RingCX has no account of theirs any more is let go of.
        let (id, agent) = bridge.create(json!({"userName": "ann@example.com"})).await;
        bridge.ringcx.remove_agent(agent);
        let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
        assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&off)).await.status, 200);
        assert_eq!(told(&bridge, "noticed").await[1]["account"], json!({"agentId": agent}), "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_group_of_a_group_is_recorded_with_what_was_made_for_it() {
    let bridge = start(Profile::Friendly, json!({"auto_create_agent_groups": true})).await;
    for name in ["UK Agents", "Night Shift"] {
        assert_eq!(bridge.send("POST", "/Groups", Some(&json!({"displayName": name}))).await.status, 201);
    }
    bridge.run_jobs().await;
    let groups = bridge.ringcx.agent_groups();
    let made = groups.iter().find(|(_, name)| name == "Night Shift").unwrap().0;
    assert_eq!(told(&bridge, "create_group").await[0]["linked"], json!({"agentGroupId": 1001}));
    assert_eq!(one(&bridge, "createAgentGroup").await["made"], json!({"agentGroupId": made}));
    assert_eq!(one(&bridge, "link_group").await, json!({"agentGroupId": made, "made": true}));
    let about = all(&bridge).await.into_iter().filter(|it| it.record.action == "createAgentGroup");
    assert!(about.into_iter().all(|it| it.record.person.is_none() && it.record.group.is_some()));
}
