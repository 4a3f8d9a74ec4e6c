//! Reports: accounts without an owner, people who wait, leavers, direct lines; as commands and as metrics.

use jiff::Timestamp;
use ringcx_scim::clock::Clock;
use ringcx_scim::domain::TenantId;
use ringcx_scim::reconcile::Why;
use ringcx_simulator::{Fault, FaultKind, Profile, Seed};
use serde_json::{Value, json};

use crate::beside::Beside;
use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";
const PROFILES: [Profile; 3] = [Profile::Friendly, Profile::Hostile, Profile::Spec];

fn tenant() -> TenantId {
    "default".parse().unwrap()
}

async fn bridge(profile: Profile, policy: Value, seed: Seed) -> TestBridge {
    let mut whole = json!({"default_agent_group": "Default", "password_on_put": "omit"});
    whole.as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
    TestBridge::start(Setup { profile, policy: whole, seed, ..Setup::default() }).await
}

async fn switch(bridge: &TestBridge, id: &str, active: bool) -> u16 {
    let body = json!({"Operations": [{"op": "replace", "path": "active", "value": active}]});
    bridge.send("PATCH", &format!("/Users/{id}"), Some(&body)).await.status
}

/// The one line of a metric.
async fn metric(bridge: &TestBridge, name: &str) -> String {
    let text = bridge.raw("GET", "/metrics", &[], None).await.text;
    let mut lines = text.lines().filter(|line| line.starts_with(name)).map(str::to_owned);
    lines.next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_accounts_without_an_active_owner_are_seeded_and_three_are_found() {
    for profile in PROFILES {
        let seed = Seed::empty()
            .group(1003, "Platform Team")
            .agent(1003, json!({"agentId": 5001, "username": "nobody@example.com"}))
            .agent(1003, json!({"agentId": 5002, "username": "robot@example.com"}))
            .agent(1003, json!({"agentId": 5003, "username": "asleep@example.com", "isActive": false, "active": false}))
            .admin(json!({"userId": 101, "userName": "forgotten@example.com", "roles": ["SUPER_USER", "USER"]}))
            .admin(json!({"userId": 102, "userName": "root@example.com", "rootUser": true}))
            .admin(json!({"userId": 103, "userName": "off@example.com", "enabled": false}));
        let bridge = bridge(profile, json!({"protected": ["robot@example.com"]}), seed).await;
        bridge.create(json!({"userName": "works@example.com"})).await;
        let (leaver, agent) = bridge.create(json!({"userName": "left@example.com"})).await;
        assert_eq!(switch(&bridge, &leaver, false).await, 200);
        // Somebody switched the leaver on again in RingCX.
        bridge.ringcx.edit_agent(agent, |fields| {
            fields.insert("isActive".to_owned(), json!(true));
            fields.insert("active".to_owned(), json!(true));
        });
        let mut found: Vec<_> = bridge
            .reconciler
            .unowned(&tenant())
            .await
            .unwrap()
            .into_iter()
            .map(|it| (it.kind, it.id, it.why))
            .collect();
        found.sort_by_key(|it| it.1);
        let wanted = [
            ("administrator", 101, Why::NoPerson),
            ("agent", 5001, Why::NoPerson),
            ("agent", agent, Why::Inactive),
        ];
        assert_eq!(found, wanted, "{profile:?}");
        assert_eq!(metric(&bridge, "ringcx_scim_unowned_accounts{").await, "", "nothing is counted yet");
        bridge.reconciler.count_reports(&tenant(), Timestamp::UNIX_EPOCH).await.unwrap();
        let line = metric(&bridge, "ringcx_scim_unowned_accounts{").await;
        assert_eq!(line, "ringcx_scim_unowned_accounts{tenant=\"default\"} 3", "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_round_counts_accounts_without_an_owner_anew_and_none_comes_early() {
    let clock = Clock::fixed(Clock::system().now());
    let policy =
        json!({"default_agent_group": "Default", "password_on_put": "omit", "reconcile_every": "24h"});
    let bridge = TestBridge::start(Setup { policy, clock: clock.clone(), ..Setup::default() }).await;
    let counted = async || {
        bridge.reconciler.round_of(&tenant()).await.unwrap();
        metric(&bridge, "ringcx_scim_unowned_accounts{").await
    };
    let line = |count: usize| format!("ringcx_scim_unowned_accounts{{tenant=\"default\"}} {count}");
    // Wanda and the owner are nobody's from the start.
    assert_eq!(counted().await, line(2));
    let (id, _) = bridge.create(json!({"userName": "wanda@example.com"})).await;
    clock.advance(std::time::Duration::from_hours(23));
    assert_eq!(counted().await, line(2), "not due yet");
    clock.advance(std::time::Duration::from_hours(2));
    assert_eq!(counted().await, line(1), "Wanda is somebody's now: {id}");
    clock.advance(std::time::Duration::from_hours(23));
    assert_eq!(counted().await, line(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_of_somebody_deleted_counts_until_it_is_off() {
    let bridge = bridge(Profile::Friendly, json!({"protected": ["5001", "101"]}), Seed::demo()).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    assert_eq!(bridge.send("DELETE", &format!("/Users/{id}"), None).await.status, 204);
    assert_eq!(bridge.reconciler.unowned(&tenant()).await.unwrap(), []);
    bridge.ringcx.edit_agent(agent, |fields| drop(fields.insert("isActive".to_owned(), json!(true))));
    let found = bridge.reconciler.unowned(&tenant()).await.unwrap();
    assert_eq!(found.iter().map(|it| (it.id, it.why)).collect::<Vec<_>>(), [(agent, Why::Deleted)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_who_wait_are_reported_with_their_age() {
    let setup =
        Setup { policy: json!({"default_persona": "agent", "password_on_put": "omit"}), ..Setup::default() };
    let bridge = TestBridge::start(setup).await;
    let (first, _) = bridge.create(json!({"userName": "first@example.com"})).await;
    let (second, _) = bridge.create(json!({"userName": "second@example.com"})).await;
    let (off, _) = bridge.create(json!({"userName": "off@example.com", "active": false})).await;
    let found = bridge.reconciler.held(&tenant()).await.unwrap();
    assert_eq!(
        found.iter().map(|it| it.person.to_string()).collect::<Vec<_>>(),
        [first, second],
        "{off} waits for nothing"
    );
    assert!(found[0].since <= found[1].since && found[0].user_name == "first@example.com");
    bridge.reconciler.count_reports(&tenant(), Timestamp::UNIX_EPOCH).await.unwrap();
    assert!(metric(&bridge, "ringcx_scim_held_people{").await.ends_with(" 2"));
    let since = metric(&bridge, "ringcx_scim_held_since_seconds{").await;
    assert!(since.ends_with(&format!(" {}", found[0].since.as_second())), "{since}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_direct_line_of_somebody_switched_off_is_reported_kept_or_cleared() {
    for profile in PROFILES {
        for (policy, line, reported) in [("report", "4711", 1), ("keep", "4711", 0), ("clear", "", 0)] {
            let place = format!("{profile:?} {policy}");
            let settings = json!({"on_deactivate_direct_line": policy});
            let bridge = bridge(profile, settings, Seed::demo()).await;
            let body = json!({"userName": "jo@example.com", RINGCX: {"directExtension": "4711"}});
            let (id, agent) = bridge.create(body).await;
            bridge.ringcx.associate(agent, "gateAssignments", json!([8101]));
            bridge.ringcx.clear_calls();
            assert_eq!(switch(&bridge, &id, false).await, 200, "{place}");
            let now = bridge.ringcx.agent(agent).unwrap();
            assert_eq!(
                (&now["isActive"], now["directAgentExtension"].as_str().unwrap_or_default()),
                (&json!(false), line),
                "{place}"
            );
            let puts: Vec<Value> = bridge
                .ringcx
                .calls()
                .into_iter()
                .filter(|it| it.operation == "updateAgent")
                .map(|it| it.body)
                .collect();
            assert_eq!(
                (&puts[0]["isActive"], &puts[0]["directAgentExtension"]),
                (&json!(false), &json!("4711")),
                "{place}: the disable comes first, alone"
            );
            assert_eq!(puts.len(), if policy == "clear" { 2 } else { 1 }, "{place}");
            assert_eq!(bridge.ringcx.associations(agent)["gateAssignments"], json!([8101]), "{place}");
            let found = bridge.reconciler.direct_lines(&tenant()).await.unwrap();
            assert_eq!(found.len(), reported, "{place}");
            bridge.reconciler.count_reports(&tenant(), Timestamp::UNIX_EPOCH).await.unwrap();
            let gauge = metric(&bridge, "ringcx_scim_direct_lines{").await;
            assert!(gauge.ends_with(&format!(" {reported}")), "{place}: {gauge}");
            if policy == "report" {
                assert_eq!(
                    (found[0].line.as_str(), found[0].agent.0, found[0].person.as_str()),
                    ("4711", agent, id.as_str())
                );
                bridge.ringcx.edit_agent(agent, |fields| {
                    drop(fields.insert("directAgentExtension".to_owned(), Value::Null));
                });
                assert_eq!(bridge.reconciler.direct_lines(&tenant()).await.unwrap(), [], "gone by hand");
            }
            // Back at work the line is what the client says.
            assert_eq!(switch(&bridge, &id, true).await, 200, "{place}");
            let now = bridge.ringcx.agent(agent).unwrap();
            assert_eq!(
                (&now["isActive"], &now["directAgentExtension"]),
                (&json!(true), &json!("4711")),
                "{place}"
            );
            assert_eq!(bridge.reconciler.direct_lines(&tenant()).await.unwrap(), [], "{place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_ringcx_does_not_empty_never_undoes_the_disable() {
    let bridge = bridge(Profile::Friendly, json!({"on_deactivate_direct_line": "clear"}), Seed::demo()).await;
    let body = json!({"userName": "jo@example.com", RINGCX: {"directExtension": "4711"}});
    let (id, agent) = bridge.create(body).await;
    let refusal = FaultKind::Status(400, r#"{"generalMessage":"in use by a campaign"}"#.to_owned());
    bridge.ringcx.fault(Fault { skip: 1, ..Fault::once("updateAgent", refusal) });
    assert_eq!(switch(&bridge, &id, false).await, 200);
    let now = bridge.ringcx.agent(agent).unwrap();
    assert_eq!((&now["isActive"], &now["directAgentExtension"]), (&json!(false), &json!("4711")));
    assert_eq!(bridge.reconciler.direct_lines(&tenant()).await.unwrap().len(), 1, "it is reported instead");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leavers_report_says_what_has_ended_and_what_cannot_be_seen() {
    for profile in PROFILES {
        let policy = json!({"allowed_roles": ["REPORT_ADMINISTRATIVE_USER"]});
        let bridge = bridge(profile, policy, Seed::demo()).await;
        let roles = json!([{"value": "REPORT_ADMINISTRATIVE_USER"}]);
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com", "roles": roles})).await;
        bridge.create(json!({"userName": "stays@example.com"})).await;
        let before = Clock::system().now() - std::time::Duration::from_mins(1);
        assert_eq!(bridge.reconciler.leavers(&tenant(), before).await.unwrap(), []);
        assert_eq!(switch(&bridge, &id, false).await, 200);
        let found = bridge.reconciler.leavers(&tenant(), before).await.unwrap();
        assert_eq!(found.len(), 1, "{profile:?} {found:?}");
        let leaver = &found[0];
        let admin = bridge.ringcx.admin_named("jo@example.com").unwrap()["userId"].as_i64().unwrap();
        let ended = [format!("login of agent {agent}"), format!("login of administrator {admin}")];
        assert_eq!(
            (leaver.person.as_str(), leaver.ended.as_slice(), leaver.open.as_slice()),
            (id.as_str(), ended.as_slice(), &[][..])
        );
        assert!(leaver.unseen.iter().any(|it| it.contains("API tokens")), "{leaver:?}");
        assert!(leaver.unseen.iter().any(|it| it.contains("session")), "{leaver:?}");
        let later = Clock::system().now() + std::time::Duration::from_mins(1);
        assert_eq!(bridge.reconciler.leavers(&tenant(), later).await.unwrap(), []);
        assert_eq!(switch(&bridge, &id, true).await, 200);
        assert_eq!(bridge.reconciler.leavers(&tenant(), before).await.unwrap(), [], "back at work");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_deleted_in_ringcx_as_well_is_a_leaver_too() {
    let bridge = bridge(Profile::Friendly, json!({"on_delete": "delete"}), Seed::demo()).await;
    let body = json!({"userName": "jo@example.com", RINGCX: {"directExtension": "4711"}});
    let (id, agent) = bridge.create(body).await;
    assert_eq!(bridge.send("DELETE", &format!("/Users/{id}"), None).await.status, 204);
    assert_eq!(bridge.ringcx.agent(agent), None);
    let found = bridge.reconciler.leavers(&tenant(), Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].deleted, found[0].ended.as_slice()),
        (true, &["the account, deleted in RingCX".to_owned()][..])
    );
    assert_eq!(found[0].open, Vec::<String>::new(), "the line has gone with the agent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_are_commands_whose_exit_code_says_that_there_is_something() {
    let world = Beside::start(Profile::Friendly, &[]).await;
    let said = world.run(&["report", "unowned", "--json"]).await;
    let ids: Vec<&Value> = said.json.as_array().unwrap().iter().map(|row| &row["id"]).collect();
    assert_eq!((said.code, ids), (1, vec![&json!(5001), &json!(101)]), "{}", said.errors);
    assert_eq!(said.json[0]["why"], "no_person");
    world.edit("[tenant.default.policy]", "[tenant.default.policy]\nprotected = [\"5001\", \"101\"]");
    let said = world.run(&["report", "unowned", "--json"]).await;
    assert_eq!((said.code, said.json), (0, json!([])), "{}", said.errors);
    for report in ["held", "leavers", "direct-lines"] {
        let said = world.run(&["report", report, "--json"]).await;
        assert_eq!((said.code, said.json), (0, json!([])), "{report}: {}", said.errors);
    }
    let said = world.run(&["report", "leavers"]).await;
    assert!(
        said.code == 0 && said.out.contains("permanent API tokens") && said.out.contains("live sessions"),
        "{}",
        said.out
    );
    let said = world.run(&["report", "leavers", "--since", "soon"]).await;
    assert!(said.code == 2 && said.errors.contains("--since"), "{}", said.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_user_is_deleted_in_ringcx_only_where_the_tenant_allows_it_and_it_never_signed_in() {
    for profile in PROFILES {
        for (purge, signed_in, gone) in [(true, false, true), (true, true, false), (false, false, false)] {
            let bridge = bridge(profile, json!({"purge_short_lived": purge}), Seed::demo()).await;
            let (id, agent) = bridge.create(json!({"userName": "test@example.com"})).await;
            if signed_in {
                bridge.ringcx.edit_agent(agent, |fields| {
                    fields.insert("lastLoginDate".to_owned(), json!("2026-02-03T04:05:06.000+0000"));
                });
            }
            assert_eq!(bridge.send("DELETE", &format!("/Users/{id}"), None).await.status, 204);
            let left = bridge.ringcx.agent(agent);
            assert_eq!(left.is_none(), gone, "{profile:?} purge {purge}, signed in {signed_in}");
            assert!(left.is_none_or(|left| left["isActive"] == false));
        }
        // Eleven minutes are no test.
        let bridge_of = bridge(profile, json!({"purge_short_lived": true}), Seed::demo()).await;
        let (id, agent) = bridge_of.create(json!({"userName": "old@example.com"})).await;
        let older = "UPDATE people SET created_at = created_at - 660000";
        bridge_of.store.write(move |tx| tx.exec(older, &[])).await.unwrap();
        assert_eq!(bridge_of.send("DELETE", &format!("/Users/{id}"), None).await.status, 204);
        assert_eq!(bridge_of.ringcx.agent(agent).unwrap()["isActive"], false, "{profile:?}");
        // What was found and not made is never deleted.
        let bridge = bridge(profile, json!({"purge_short_lived": true}), Seed::demo()).await;
        let (id, agent) = bridge.create(json!({"userName": "wanda@example.com"})).await;
        assert_eq!((agent, bridge.send("DELETE", &format!("/Users/{id}"), None).await.status), (5001, 204));
        assert_eq!(bridge.ringcx.agent(5001).unwrap()["isActive"], false);
    }
}
