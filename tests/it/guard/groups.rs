//! The guard and groups: what leaving one takes away, a list without members, and what an operator makes of it.

use ringcx_scim::reconcile::Verdict;
use serde_json::{Value, json};

use super::{decide, guarded, replace, reports, staff, state, switch, works};
use crate::support::TestBridge;

/// A group of so many new people, and them.
async fn team(bridge: &TestBridge, name: &str, count: usize) -> (String, Vec<(String, i64)>) {
    let staff = staff(bridge, 0..count).await;
    let answer =
        bridge.send("POST", "/Groups", Some(&json!({"displayName": name, "members": members(&staff)}))).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    bridge.run_jobs().await;
    (format!("/Groups/{}", answer.body["id"].as_str().unwrap()), staff)
}

fn members(staff: &[(String, i64)]) -> Value {
    staff.iter().map(|(id, _)| json!({"value": id})).collect()
}

fn group_of(bridge: &TestBridge, agent: i64) -> Value {
    bridge.ringcx.agent(agent).unwrap()["agentGroupId"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_now_an_empty_list_before_the_full_one_costs_nobody_anything() {
    let groups = json!([
        {"match": "UK", "agent_group": "UK Agents"},
        {"match": "Reports", "roles": ["REPORT_ADMINISTRATIVE_USER"]},
    ]);
    for name in ["UK", "Reports"] {
        for empty in
            [replace("members", &json!([])), json!({"Operations": [{"op": "remove", "path": "members"}]})]
        {
            let bridge = guarded(&json!({}), groups.clone()).await;
            let (group, staff) = team(&bridge, name, 4).await;
            bridge.ringcx.clear_calls();
            assert_eq!(
                bridge.send("PATCH", &group, Some(&empty)).await.status,
                204,
                "the group write succeeds"
            );
            assert_eq!(bridge.send("GET", &group, None).await.body.get("members"), None);
            bridge.run_jobs().await;
            assert_eq!(state(&bridge, &staff[0].0).await, "blocked", "{name}");
            let full = replace("members", &members(&staff));
            assert_eq!(bridge.send("PATCH", &group, Some(&full)).await.status, 204);
            bridge.run_jobs().await;
            assert!(bridge.ringcx.calls().is_empty(), "{name}: {:?}", bridge.ringcx.calls());
            assert_eq!(state(&bridge, &staff[0].0).await, "active", "{name}");
            assert!(decide(&bridge, Verdict::Release, None).await.is_nothing());
            let alerts = "SELECT COUNT(*) FROM alerts";
            let told = bridge.store.read(move |tx| tx.one(alerts, &[], |row| row.int(0))).await.unwrap();
            assert_eq!(told, Some(0), "nobody is told of what came to nothing");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_the_full_list_does_not_name_leaves_like_anybody() {
    let bridge = guarded(&json!({}), json!([{"match": "UK", "agent_group": "UK Agents"}])).await;
    let (group, staff) = team(&bridge, "UK", 4).await;
    bridge.send("PUT", &group, Some(&json!({"displayName": "UK", "members": []}))).await;
    bridge.send("PUT", &group, Some(&json!({"displayName": "UK", "members": members(&staff[..3])}))).await;
    bridge.run_jobs().await;
    let found: Vec<Value> = staff.iter().map(|(_, agent)| group_of(&bridge, *agent)).collect();
    assert_eq!(found[..3], [json!(1001), json!(1001), json!(1001)]);
    assert_ne!(found[3], json!(1001), "the default group, which is no loss of access");
    assert_eq!(state(&bridge, &staff[3].0).await, "active");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_group_alone_is_held_and_released_or_rejected() {
    let groups = json!([{"match": "UK", "agent_group": "UK Agents"}]);
    for verdict in [Verdict::Release, Verdict::Reject] {
        let bridge = guarded(&json!({}), groups.clone()).await;
        let (group, staff) = team(&bridge, "UK", 3).await;
        bridge.send("PATCH", &group, Some(&replace("members", &json!([])))).await;
        bridge.run_jobs().await;
        assert!(staff.iter().all(|(_, agent)| group_of(&bridge, *agent) == 1001));
        let url = format!("/Users/{}", staff[0].0);
        assert_eq!(
            bridge.send("PATCH", &url, Some(&replace("name.givenName", &json!("Cy")))).await.status,
            200
        );
        assert_eq!(
            (group_of(&bridge, staff[0].1), state(&bridge, &staff[0].0).await),
            (json!(1001), "blocked".into())
        );
        // A leaver among them is not delayed.
        assert_eq!(switch(&bridge, &staff[2].0, false).await.status, 200);
        assert!(!works(&bridge, staff[2].1));
        assert_eq!(decide(&bridge, verdict, None).await.decided.len(), 2);
        let shown = bridge.send("GET", &group, None).await.body;
        let inside = shown["members"].as_array().map_or(0, Vec::len);
        let stays = staff[..2].iter().all(|(_, agent)| group_of(&bridge, *agent) == 1001);
        assert_eq!((inside, stays), if verdict == Verdict::Reject { (2, true) } else { (0, false) });
        assert!(!works(&bridge, staff[2].1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_a_mapped_group_for_the_default_one_does_not_count() {
    let bridge = guarded(&json!({}), json!([{"match": "UK", "agent_group": "UK Agents"}])).await;
    let (group, staff) = team(&bridge, "UK", 8).await;
    let gone: Value = staff[..7].iter().map(|(id, _)| json!({"value": id})).collect();
    let remove = json!({"Operations": [{"op": "remove", "path": "members", "value": gone}]});
    assert_eq!(bridge.send("PATCH", &group, Some(&remove)).await.status, 204);
    bridge.run_jobs().await;
    for (id, agent) in &staff[..7] {
        assert_eq!((works(&bridge, *agent), state(&bridge, id).await.as_str()), (true, "active"));
        assert_ne!(group_of(&bridge, *agent), 1001);
    }
    for (id, _) in &staff[..5] {
        assert_eq!(switch(&bridge, id, false).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_half_of_a_group_that_gives_power_is_blocked_as_one() {
    let groups = json!([{"match": "Reports", "roles": ["REPORT_ADMINISTRATIVE_USER"]}]);
    let bridge = guarded(&json!({}), groups).await;
    let (group, staff) = team(&bridge, "Reports", 6).await;
    let remove = |staff: &[(String, i64)]| {
        let gone = members(staff);
        json!({"Operations": [{"op": "remove", "path": "members", "value": gone}]})
    };
    assert_eq!(bridge.send("PATCH", &group, Some(&remove(&staff[..1]))).await.status, 204);
    bridge.run_jobs().await;
    assert!(!reports(&bridge, 0), "one goes at once");
    // With the first one these are four of six.
    assert_eq!(bridge.send("PATCH", &group, Some(&remove(&staff[1..4]))).await.status, 204);
    bridge.run_jobs().await;
    assert!((1..6).all(|n| reports(&bridge, n)));
    assert_eq!(state(&bridge, &staff[1].0).await, "blocked");
    let decided = decide(&bridge, Verdict::Reject, None).await;
    assert_eq!((decided.decided.len(), decided.restored.len()), (3, 1));
    assert!((0..6).all(|n| reports(&bridge, n)));
    assert_eq!(bridge.send("GET", &group, None).await.body["members"].as_array().unwrap().len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_half_of_a_small_team_switched_off_is_blocked_before_the_hourly_limit() {
    let bridge = guarded(&json!({}), json!([{"match": "UK", "agent_group": "UK Agents"}])).await;
    let (_, team) = team(&bridge, "UK", 6).await;
    let others = staff(&bridge, 50..52).await;
    for (id, _) in &team[..3] {
        assert_eq!(switch(&bridge, id, false).await.status, 200);
    }
    let answer = switch(&bridge, &team[3].0, false).await;
    assert_eq!(answer.status, 503);
    assert!(answer.text.contains("more than half"), "{}", answer.text);
    assert_eq!(switch(&bridge, &others[0].0, false).await.status, 200, "another team is not concerned");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_gives_power_is_deleted_and_given_back() {
    let groups = json!([{"match": "Reports", "roles": ["REPORT_ADMINISTRATIVE_USER"]}]);
    let bridge = guarded(&json!({}), groups).await;
    let (group, staff) = team(&bridge, "Reports", 6).await;
    assert_eq!(bridge.send("DELETE", &group, None).await.status, 204);
    bridge.run_jobs().await;
    assert!((0..6).all(|n| reports(&bridge, n)), "six at once are too many");
    let decided = decide(&bridge, Verdict::Release, Some(&staff[0].0)).await;
    assert_eq!(decided.decided.len(), 1);
    assert!(!reports(&bridge, 0) && (1..6).all(|n| reports(&bridge, n)), "one person is released alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_gives_less_under_another_id_is_blocked_until_it_is_put_right() {
    let groups = json!([{"match": "ext-1", "roles": ["REPORT_ADMINISTRATIVE_USER"]}]);
    let bridge = guarded(&json!({}), groups).await;
    let staff = staff(&bridge, 0..6).await;
    let new = json!({"displayName": "Any", "externalId": "ext-1", "members": members(&staff)});
    let group = bridge.send("POST", "/Groups", Some(&new)).await;
    let group = format!("/Groups/{}", group.body["id"].as_str().unwrap());
    bridge.run_jobs().await;
    assert!((0..6).all(|n| reports(&bridge, n)));
    assert_eq!(bridge.send("PATCH", &group, Some(&replace("externalId", &json!("ext-2")))).await.status, 204);
    bridge.run_jobs().await;
    assert!((0..6).all(|n| reports(&bridge, n)));
    assert_eq!(state(&bridge, &staff[0].0).await, "blocked");
    let decided = decide(&bridge, Verdict::Reject, None).await;
    assert_eq!((decided.decided.len(), decided.left.len()), (0, 6));
    assert!(decided.left[0].1.contains("externalId"), "{decided:?}");
    assert_eq!(bridge.send("PATCH", &group, Some(&replace("externalId", &json!("ext-1")))).await.status, 204);
    bridge.run_jobs().await;
    assert!((0..6).all(|n| reports(&bridge, n)));
    assert_eq!(state(&bridge, &staff[0].0).await, "active");
    assert!(decide(&bridge, Verdict::Release, None).await.is_nothing());
}
