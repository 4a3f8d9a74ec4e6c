//! The link between agents and RingCentral extensions: at creation, later, and never twice; and the import of RingCentral's
//! users.

mod commands;

use std::time::Duration;

use ringcx_scim::domain::TenantId;
use ringcx_simulator::{Fault, FaultKind, Profile, Seed};
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";
const PROFILES: [Profile; 3] = [Profile::Friendly, Profile::Hostile, Profile::Spec];
const JO: i64 = 3_361_292_111;

fn jo() -> Value {
    json!({
        "userName": "jo@example.com", "name": {"givenName": "Jo", "familyName": "Doe"},
        "emails": [{"value": "Jo@Example.com", "type": "work"}],
    })
}

fn extension(id: i64, email: &str) -> Value {
    json!({"id": id, "name": "Jo Doe", "contact": {"email": email, "firstName": "Jo", "lastName": "Doe"}})
}

fn policy(with: &Value) -> Value {
    let mut policy = json!({"default_agent_group": "Default", "password_on_put": "omit"});
    policy.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    policy
}

fn tenant() -> TenantId {
    "default".parse().unwrap()
}

/// The extension that RingCX shows for an agent, number or text.
fn tied(bridge: &TestBridge, agent: i64) -> Option<i64> {
    let agent = bridge.ringcx.agent(agent).unwrap();
    agent["rcUserId"].as_i64().or_else(|| agent["rcUserId"].as_str()?.parse().ok())
}

async fn link_state(bridge: &TestBridge, id: &str) -> Value {
    let user = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
    json!([user[RINGCX]["rcLinkState"], user[RINGCX]["provisioningState"], user[RINGCX]["lastError"]])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_is_made_with_the_extension_of_its_address() {
    for profile in PROFILES {
        for kind in ["User", "DigitalUser", "VirtualUser", "FlexibleUser"] {
            let seed = Seed::demo().rc_extension(json!({
                "id": JO, "type": kind, "contact": {"email": "JO@example.com"},
            }));
            let bridge = TestBridge::start(Setup { profile, seed, ..Setup::default() }).await;
            let (id, agent) = bridge.create(jo()).await;
            assert_eq!(tied(&bridge, agent), Some(JO), "{profile:?} {kind}");
            assert_eq!(link_state(&bridge, &id).await, json!(["linked", "active", null]));
            assert_eq!(bridge.ringcx.agent(agent).unwrap()["userManagedByRC"], false);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rc_link_ambiguous_email_no_link() {
    let seed = Seed::demo()
        .rc_extension(extension(JO, "jo@example.com"))
        .rc_extension(extension(JO + 1, "jo@example.com"));
    let bridge = TestBridge::start(Setup { seed: seed.clone(), ..Setup::default() }).await;
    let (id, agent) = bridge.create(jo()).await;
    assert_eq!(tied(&bridge, agent), None);
    assert_eq!(link_state(&bridge, &id).await, json!(["ambiguous", "active", null]));
    // As soon as one of the two is the login name, it is that one.
    bridge.ringcx.edit_extension(JO + 1, |it| it["contact"]["emailAsLoginName"] = json!(true));
    assert_eq!(bridge.reconciler.link_late(&tenant()).await.unwrap(), 1);
    bridge.run_jobs().await;
    assert_eq!(tied(&bridge, agent), Some(JO + 1));
    assert_eq!(link_state(&bridge, &id).await, json!(["linked", "active", null]));

    let setup = Setup { seed, policy: policy(&json!({"link_rc_extension": "required"})), ..Setup::default() };
    let bridge = TestBridge::start(setup).await;
    let answer = bridge.send("POST", "/Users", Some(&jo())).await;
    assert_eq!((answer.status, bridge.ringcx.count("createAgent")), (400, 0), "{}", answer.text);
    assert!(answer.text.contains("Several") && answer.text.contains("rcExtensionId"), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn required_without_extension_is_400_before_any_create() {
    for profile in PROFILES {
        let bridge = TestBridge::start(Setup {
            profile,
            knobs: vec![("rc_link", "required")],
            policy: policy(&json!({"link_rc_extension": "required"})),
            ..Setup::default()
        })
        .await;
        let answer = bridge.send("POST", "/Users", Some(&jo())).await;
        assert_eq!((answer.status, &answer.body["scimType"]), (400, &json!("invalidValue")));
        assert_eq!(bridge.ringcx.count("createAgent"), 0);
        let named = json!({"userName": "x@example.com", RINGCX: {"rcExtensionId": JO.to_string()}});
        let (_, agent) = bridge.create(named).await;
        assert_eq!(tied(&bridge, agent), Some(JO));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_that_is_not_enabled_is_not_tied_unless_the_tenant_says_so() {
    for requires in ["yes", "no"] {
        for status in ["Disabled", "Frozen", "NotActivated", "Unassigned"] {
            let mut new = extension(JO, "jo@example.com");
            new["status"] = json!(status);
            let seed = Seed::demo().rc_extension(new);
            let knobs = vec![("link_requires_enabled", requires)];
            let bridge = TestBridge::start(Setup { seed, knobs, ..Setup::default() }).await;
            let (id, agent) = bridge.create(jo()).await;
            assert_eq!(tied(&bridge, agent), None, "{status}");
            assert_eq!(link_state(&bridge, &id).await, json!(["unusable", "active", null]));
        }
    }
    let mut new = extension(JO, "jo@example.com");
    new["status"] = json!("NotActivated");
    let bridge = TestBridge::start(Setup {
        seed: Seed::demo().rc_extension(new),
        knobs: vec![("link_requires_enabled", "no")],
        policy: policy(&json!({"link_rc_statuses": ["Enabled", "NotActivated"]})),
        ..Setup::default()
    })
    .await;
    let (_, agent) = bridge.create(jo()).await;
    assert_eq!(tied(&bridge, agent), Some(JO));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_that_appears_later_is_tied_within_a_day() {
    for profile in PROFILES {
        let bridge = TestBridge::start(Setup { profile, ..Setup::default() }).await;
        let (id, agent) = bridge.create(jo()).await;
        assert_eq!(link_state(&bridge, &id).await, json!(["not_found", "active", null]), "{profile:?}");
        bridge.ringcx.set("extension_delay_s", "60").unwrap();
        bridge.ringcx.add_extension(extension(JO, "jo@example.com")).unwrap();
        assert_eq!(bridge.reconciler.link_late(&tenant()).await.unwrap(), 0, "it does not show yet");
        bridge.ringcx.advance(Duration::from_mins(1));
        assert_eq!(bridge.reconciler.link_late(&tenant()).await.unwrap(), 1);
        bridge.run_jobs().await;
        assert_eq!(tied(&bridge, agent), Some(JO), "{profile:?}");
        assert_eq!(link_state(&bridge, &id).await, json!(["linked", "active", null]));
        let managed = &bridge.ringcx.agent(agent).unwrap()["userManagedByRC"];
        assert_ne!(*managed, true, "only at creation");
        // Nobody waits any more: no look at all.
        bridge.ringcx.clear_calls();
        assert_eq!(bridge.reconciler.link_late(&tenant()).await.unwrap(), 0);
        assert!(bridge.ringcx.calls().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_link_that_ringcx_refuses_is_nobodys_error() {
    let bridge = TestBridge::start(Setup::default()).await;
    let (id, agent) = bridge.create(jo()).await;
    bridge.ringcx.set("rc_link", "disabled").unwrap();
    bridge.ringcx.add_extension(extension(JO, "jo@example.com")).unwrap();
    assert_eq!(bridge.reconciler.link_late(&tenant()).await.unwrap(), 1);
    bridge.run_jobs().await;
    assert_eq!(tied(&bridge, agent), None);
    assert_eq!(link_state(&bridge, &id).await, json!(["unusable", "active", null]));
    assert_eq!(bridge.reconciler.link_late(&tenant()).await.unwrap(), 0, "it is not tried again and again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_extension_ties_an_agent_that_exists_and_never_unties_one() {
    for profile in PROFILES {
        let bridge = TestBridge::start(Setup { profile, ..Setup::default() }).await;
        let (id, agent) = bridge.create(jo()).await;
        let url = format!("/Users/{id}");
        let set = |value: Value| json!({"Operations": [{"op": "replace", "path": format!("{RINGCX}:rcExtensionId"), "value": value}]});
        let answer = bridge.send("PATCH", &url, Some(&set(json!(JO.to_string())))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(tied(&bridge, agent), Some(JO));
        assert_eq!(answer.body[RINGCX]["rcLinkState"], "linked");
        // Another one is kept as written and named, none changes nothing: a link is never taken away.
        let answer = bridge.send("PATCH", &url, Some(&set(json!("77")))).await;
        assert_eq!((answer.status, &answer.body[RINGCX]["rcExtensionId"]), (200, &json!("77")));
        assert!(answer.body[RINGCX]["lastError"].as_str().unwrap().contains("stays tied"), "{}", answer.text);
        assert_eq!(tied(&bridge, agent), Some(JO));
        let none = json!({"Operations": [{"op": "remove", "path": format!("{RINGCX}:rcExtensionId")}]});
        assert_eq!(bridge.send("PATCH", &url, Some(&none)).await.status, 200);
        assert_eq!(tied(&bridge, agent), Some(JO));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_extension_never_belongs_to_two_agents_of_the_bridge() {
    for unique in ["account", "none"] {
        let setup = Setup { knobs: vec![("rc_user_unique", unique)], ..Setup::default() };
        let bridge = TestBridge::start(setup).await;
        let named = |name: &str| json!({"userName": name, RINGCX: {"rcExtensionId": JO.to_string()}});
        bridge.create(named("one@example.com")).await;
        let answer = bridge.send("POST", "/Users", Some(&named("two@example.com"))).await;
        assert_eq!(answer.status, 409, "{}", answer.text);
        assert!(answer.text.contains(&JO.to_string()), "{}", answer.text);
        let (id, _) = bridge.create(json!({"userName": "three@example.com"})).await;
        let set = json!({"Operations": [{"op": "add", "path": format!("{RINGCX}:rcExtensionId"), "value": JO.to_string()}]});
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&set)).await;
        assert_eq!(answer.status, 409, "{}", answer.text);
        let with = bridge.ringcx.agents().iter().filter(|it| it["rcUserId"] == JO).count();
        assert_eq!(with, 1, "{unique}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_has_the_persons_extension_is_taken_over() {
    let seed = Seed::demo().rc_extension(extension(JO, "jo@example.com")).agent(
        1001,
        json!({"agentId": 5050, "username": "j.doe", "firstName": "J", "rcUserId": JO, "location": "Leeds"}),
    );
    // Full lists show extensions, and so does the list for other systems, which is read where the others do not.
    for (fields, lists) in [("full", "listAgents"), ("basic", "integrationAgents")] {
        let setup = Setup { seed: seed.clone(), knobs: vec![("list_fields", fields)], ..Setup::default() };
        let bridge = TestBridge::start(setup).await;
        let (count, groups) = (|name: &str| bridge.ringcx.count(name), bridge.ringcx.agent_groups().len());
        assert!(
            count("listAgents") + count("integrationAgents") <= groups + 2,
            "{fields}: 1 + groups calls and two more"
        );
        assert!(count(lists) > 0, "{fields}");
        let (id, agent) = bridge.create(jo()).await;
        assert_eq!((agent, bridge.ringcx.count("createAgent")), (5050, 0), "{fields}");
        let seen = bridge.ringcx.agent(5050).unwrap();
        assert_eq!(
            (&seen["firstName"], &seen["location"], &seen["agentGroupId"]),
            (&json!("Jo"), &json!("Leeds"), &json!(1001)),
            "{fields}"
        );
        assert_eq!(link_state(&bridge, &id).await, json!(["linked", "active", null]), "{fields}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_of_an_agent_that_the_bridge_cannot_know_is_refused_with_the_way_to_find_it() {
    let seed = Seed::demo()
        .rc_extension(extension(JO, "jo@example.com"))
        .agent(1001, json!({"agentId": 5050, "username": "j.doe", "firstName": "J"}));
    let bridge = TestBridge::start(Setup { seed, ..Setup::default() }).await;
    // Tied by hand after the lists were read.
    bridge.ringcx.edit_agent(5050, |it| drop(it.insert("rcUserId".to_owned(), json!(JO))));
    let answer = bridge.send("POST", "/Users", Some(&jo())).await;
    assert_eq!((answer.status, &answer.body["scimType"]), (409, &json!("uniqueness")), "{}", answer.text);
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(
        detail.contains(". Another RingCX agent has") && detail.contains("ringcx-scim import"),
        "{detail}"
    );
    assert!(!detail.contains("link_rc_extension"), "{detail}");
    assert_eq!(bridge.ringcx.agents().iter().filter(|it| it["rcUserId"] == JO).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn managed_by_rc_fields_not_pushed() {
    for managed in ["ignore", "reject400", "accept"] {
        for profile in PROFILES {
            let bridge = TestBridge::start(Setup {
                profile,
                seed: Seed::demo().rc_extension(extension(JO, "jo@example.com")),
                knobs: vec![("managed_fields", managed)],
                policy: policy(&json!({"sync_with_office": true, "rename_policy": "follow"})),
                ..Setup::default()
            })
            .await;
            let (id, agent) = bridge.create(jo()).await;
            let before = bridge.ringcx.agent(agent).unwrap();
            assert_eq!(before["userManagedByRC"], true);
            let change = json!({"Operations": [{"op": "replace", "value": {
                "name.givenName": "Joan", "name.familyName": "Bloggs", "userName": "joan@example.com",
                "emails": [{"value": "joan@example.com", "type": "work"}], format!("{RINGCX}:team"): "Night",
            }}]});
            let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&change)).await;
            assert_eq!(answer.status, 200, "{managed} {profile:?}: {}", answer.text);
            // The identity provider gets back what it wrote; RingCX keeps what RingCentral maintains.
            assert_eq!(answer.body["name"]["givenName"], "Joan");
            assert_eq!(answer.body["userName"], "joan@example.com");
            let after = bridge.ringcx.agent(agent).unwrap();
            for field in ["firstName", "lastName", "email", "username"] {
                assert_eq!(after[field], before[field], "{managed} {profile:?} {field}");
            }
            assert_eq!(after["team"], "Night");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_ringcentral_is_told_apart() {
    let seed = Seed::demo().rc_extension(extension(JO, "jo@example.com"));
    let knobs = vec![("rc_link", "disabled")];
    let bridge =
        TestBridge::start(Setup { seed: seed.clone(), knobs: knobs.clone(), ..Setup::default() }).await;
    let (id, agent) = bridge.create(jo()).await;
    assert_eq!(tied(&bridge, agent), None);
    assert_eq!(link_state(&bridge, &id).await, json!([null, "active", null]));
    assert_eq!(bridge.ringcx.count("listExtensions"), 0);

    let policy = policy(&json!({"link_rc_extension": "required"}));
    let bridge = TestBridge::start(Setup { seed, knobs, policy, ..Setup::default() }).await;
    let answer = bridge.send("POST", "/Users", Some(&jo())).await;
    assert_eq!((answer.status, bridge.ringcx.count("createAgent")), (400, 0));
    assert!(answer.text.contains("rcAccountAccess is DISABLED"), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ringcx_that_takes_only_linked_agents_says_which_setting() {
    let bridge = TestBridge::start(Setup { knobs: vec![("rc_link", "required")], ..Setup::default() }).await;
    let answer = bridge.send("POST", "/Users", Some(&jo())).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains("link_rc_extension"), "{}", answer.text);
}

/// 250 people and as many departments, in pages of 100 or fewer, in every reading of paging.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_of_extensions_is_read_to_its_end_and_once_for_everybody() {
    for (totals, navigation, ids) in
        [("yes", "yes", "number"), ("no", "yes", "string"), ("yes", "no", "string"), ("no", "no", "number")]
    {
        let mut seed = Seed::demo();
        for n in 0..250 {
            seed = seed.rc_extension(
                json!({"id": 9_000 + n, "type": "Department", "contact": {"email": "p0@example.com"}}),
            );
        }
        for n in 0..250 {
            seed = seed.rc_extension(extension(10_000 + n, &format!("p{n}@example.com")));
        }
        let knobs = vec![
            ("extension_page_max", "100"),
            ("extension_totals", totals),
            ("extension_navigation", navigation),
            ("ids", ids),
        ];
        let bridge = TestBridge::start(Setup { seed, knobs, ..Setup::default() }).await;
        for n in [0, 120, 249] {
            let (_, agent) = bridge.create(json!({"userName": format!("p{n}@example.com")})).await;
            assert_eq!(tied(&bridge, agent), Some(10_000 + n), "{totals} {navigation} {ids}");
        }
        let pages = bridge.ringcx.count("listExtensions");
        assert!((6..=7).contains(&pages), "{pages} {totals} {navigation}");
    }
}

/// Nothing of a group is sent while it is closed, whether RingCentral says for how long or not; the rest goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_usage_group_is_left_alone() {
    for (group, retry_after) in [("heavy", "on"), ("heavy", "off"), ("medium", "on")] {
        let bridge = TestBridge::start(Setup {
            profile: Profile::Friendly,
            seed: Seed::demo().rc_extension(extension(JO, "jo@example.com")),
            knobs: vec![
                ("extension_list_group", group),
                ("heavy_limit", "0"),
                ("medium_limit", "0"),
                ("retry_after", retry_after),
            ],
            settle: Duration::from_millis(300),
            ..Setup::default()
        })
        .await;
        let answer = bridge.send("POST", "/Users", Some(&jo())).await;
        assert_eq!((answer.status, bridge.ringcx.count("createAgent")), (429, 0), "{}", answer.text);
        let seconds: u64 = answer.headers["retry-after"].parse().unwrap();
        assert!(seconds >= 30, "{seconds}");
        for n in 0..5 {
            bridge.send("POST", "/Users", Some(&json!({"userName": format!("p{n}@example.com")}))).await;
        }
        bridge.reconciler.run_jobs().await.unwrap();
        assert_eq!(bridge.ringcx.count("listExtensions"), 1, "{group} {retry_after}");
        // RingCX itself is another matter: its lists and agents are served all the while.
        assert!(bridge.reconciler.look(&tenant(), None).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_of_a_department_is_tied_to_nobody_even_where_it_is_named() {
    for profile in PROFILES {
        let desk = json!({"id": 77, "name": "Desk", "type": "Department", "extensionNumber": "9"});
        let seed = Seed::demo().rc_extension(desk);
        let bridge = TestBridge::start(Setup { profile, seed, ..Setup::default() }).await;
        let mut named = jo();
        named[RINGCX] = json!({"rcExtensionId": "77"});
        let answer = bridge.send("POST", "/Users", Some(&named)).await;
        assert_eq!(
            (answer.status, &answer.body["scimType"]),
            (400, &json!("invalidValue")),
            "{}",
            answer.text
        );
        assert!(answer.text.contains("77") && answer.text.contains("Department"), "{}", answer.text);
        assert_eq!(bridge.ringcx.count("createAgent"), 0);
        let (id, agent) = bridge.create(jo()).await;
        let op = json!({"op": "add", "path": format!("{RINGCX}:rcExtensionId"), "value": "77"});
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&json!({"Operations": [op]}))).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert_eq!(tied(&bridge, agent), None);
    }
}

/// Half a list is none: who stands on the page that did not come is not taken for somebody without an extension.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_extensions_that_breaks_half_way_says_nothing_about_anybody() {
    for broken in [
        FaultKind::Status(200, "{}".to_owned()),
        FaultKind::Status(200, r#"{"records": null, "paging": {"page": 2}}"#.to_owned()),
        FaultKind::Status(500, String::new()),
        FaultKind::Html200,
    ] {
        for link in ["if_found", "required"] {
            let mut seed = Seed::demo();
            for n in 0..150 {
                seed = seed.rc_extension(extension(10_000 + n, &format!("p{n}@example.com")));
            }
            let setup = Setup {
                seed,
                knobs: vec![("extension_page_max", "100")],
                policy: policy(&json!({"link_rc_extension": link})),
                settle: Duration::from_millis(500),
                ..Setup::default()
            };
            let bridge = TestBridge::start(setup).await;
            bridge.ringcx.fault(Fault {
                operation: "listExtensions".to_owned(),
                skip: 1,
                times: 100,
                kind: broken.clone(),
            });
            let late = json!({"userName": "p120@example.com"});
            let answer = bridge.send("POST", "/Users", Some(&late)).await;
            let state = &answer.body[RINGCX]["rcLinkState"];
            assert!(
                answer.status == 503 || (answer.status, state) == (201, &json!("unreadable")),
                "{link} {broken:?}: {}",
                answer.text
            );
            assert!(link == "if_found" || answer.status == 503, "{link} {broken:?}: {}", answer.text);
            bridge.ringcx.clear_faults();
            bridge.run_jobs().await;
            let answer = bridge.send("POST", "/Users", Some(&late)).await;
            assert!(matches!(answer.status, 201 | 409), "{}", answer.text);
        }
    }
}
