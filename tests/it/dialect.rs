//! Questions that RingCX's documents leave open, in each reading: what is not held by a test of its own elsewhere.

use std::sync::Arc;
use std::time::Duration;

use ringcx_scim::clock::Clock;
use ringcx_scim::upstream::model::AgentGroupId;
use ringcx_scim::upstream::{
    ExtensionSource, Lane, LocalBudget, PlatformSettings, RingCx, RingCxSettings, Transport,
};
use ringcx_simulator::{Fault, FaultKind, Knobs, Options, Profile, Seed};
use serde_json::{Value, json};

use crate::support::{Setup, Simulator, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

async fn start(knobs: Vec<(&'static str, &'static str)>, extra: Value) -> TestBridge {
    let mut policy = json!({"default_agent_group": "Default", "password_on_put": "omit"});
    policy.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
    TestBridge::start(Setup { knobs, policy, ..Setup::default() }).await
}

fn replace(path: &str, value: &Value) -> Value {
    json!({"Operations": [{"op": "replace", "path": path, "value": value}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_by_list_happens_only_where_it_is_chosen() {
    for bulk_put in ["per_item", "atomic"] {
        let knobs = vec![("move_mode", "bulk"), ("bulk_put", bulk_put)];
        let bridge = start(knobs, json!({"move_strategy": "bulk"})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        let moved = replace(&format!("{RINGCX}:agentGroupName"), &json!("Platform Team"));
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&moved)).await;
        assert_eq!(answer.status, 200, "{bulk_put}: {}", answer.text);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1003, "{bulk_put}");
    }
    // Where there is no such call, whoever chose it learns that, and the agent stays.
    let none = vec![("move_mode", "bulk"), ("bulk_put", "501")];
    let bridge = start(none, json!({"move_strategy": "bulk"})).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    let moved = replace(&format!("{RINGCX}:agentGroupName"), &json!("Platform Team"));
    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&moved)).await;
    assert!(answer.status >= 400, "{}", answer.text);
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1000);
    assert_eq!(bridge.ringcx.count("createAgent"), 1, "never made anew");
    let bridge = start(vec![("move_mode", "bulk"), ("bulk_put", "replace_membership")], json!({})).await;
    let (id, _) = bridge.create(json!({"userName": "jo@example.com"})).await;
    let moved = replace(&format!("{RINGCX}:agentGroupName"), &json!("Platform Team"));
    let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&moved)).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert!(bridge.ringcx.agent(5001).is_some(), "who was in the group before is still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_show_late_are_waited_for() {
    for delay in ["0", "400"] {
        let bridge = start(vec![("visibility_delay_ms", delay)], json!({})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        let off = replace("active", &json!(false));
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&off)).await;
        assert_eq!(answer.status, 200, "{delay}: {}", answer.text);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
        assert_eq!(bridge.ringcx.count("updateAgent"), 1, "{delay}: looked again, not sent again");
    }
    // The way of moving that has worked is the one that is remembered, also where it shows late.
    for mode in ["body_agentgroup_id", "body_groupid", "path"] {
        let knobs =
            vec![("visibility_delay_ms", "400"), ("move_mode", mode), ("group_path_check", "ignored")];
        let bridge = start(knobs, json!({})).await;
        for (place, name) in ["jo", "al"].into_iter().enumerate() {
            let (id, agent) = bridge.create(json!({"userName": format!("{name}@example.com")})).await;
            bridge.ringcx.clear_calls();
            let moved = replace(&format!("{RINGCX}:agentGroupName"), &json!("Platform Team"));
            let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&moved)).await;
            assert_eq!(answer.status, 200, "{mode} {name}: {}", answer.text);
            assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1003, "{mode} {name}");
            let tries = bridge.ringcx.count("updateAgent");
            assert!(tries == 1 || (place == 0 && mode == "path"), "{mode} {name}: {tries} tries");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_bridge_may_not_grant_is_a_mistake_in_the_configuration() {
    let extra = json!({"allowed_roles": ["REPORT_ADMINISTRATIVE_USER"], "allowed_rights_docs": [4711]});
    for (operation, attribute, value) in
        [("addRole", "roles", "REPORT_ADMINISTRATIVE_USER"), ("assignRightsDoc", "entitlements", "4711")]
    {
        let bridge = start(Vec::new(), extra.clone()).await;
        bridge.ringcx.forbid(operation);
        let mut body = json!({"userName": "jo@example.com"});
        body[attribute] = json!([{"value": value}]);
        let answer = bridge.send("POST", "/Users", Some(&body)).await;
        assert_eq!(answer.status, 400, "{operation}: {}", answer.text);
        assert!(answer.body["detail"].as_str().unwrap().contains("permission"), "{}", answer.text);
        assert_eq!(bridge.ringcx.count(operation), 1, "not tried again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_penalty_that_begins_again_with_each_call_meets_none() {
    for resets in ["yes", "no"] {
        let knobs = vec![("penalty_resets", resets), ("penalty_s", "1")];
        let bridge = start(knobs, json!({})).await;
        bridge.ringcx.fault(Fault::once(
            "createAgent",
            FaultKind::TooManyRequests { retry_after: Some("1".to_owned()) },
        ));
        let bodies: Vec<Value> = (0..10).map(|n| json!({"userName": format!("u{n}@example.com")})).collect();
        let posts = bodies.iter().map(|body| bridge.send("POST", "/Users", Some(body)));
        futures_util::future::join_all(posts).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        bridge.run_jobs().await;
        let limited = bridge.ringcx.calls().iter().filter(|call| call.status == 429).count();
        assert_eq!(limited, 1, "{resets}");
        assert_eq!(bridge.ringcx.agents().len(), 11, "{resets}");
    }
}

/// The client alone, without a bridge around it.
fn way_to(simulator: &Simulator, seed: &Seed) -> RingCx {
    let ringcx: RingCxSettings = serde_json::from_value(json!({
        "base_url": simulator.url(), "account_id": seed.account_id, "api_token": seed.api_token,
    }))
    .unwrap();
    let transport =
        Transport::new(&ringcx, None, Arc::new(LocalBudget::new(100_000)), Clock::system()).unwrap();
    RingCx::new(Arc::new(transport), &seed.account_id, ExtensionSource::Off)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_exchanged_by_form_or_by_query() {
    for (knob, setting) in [("both", "body"), ("body", "body"), ("both", "query"), ("query", "query")] {
        let mut knobs = Knobs::profile(Profile::Friendly);
        knobs.set("exchange_params", knob).unwrap();
        let seed = Seed::demo();
        let options = Options { knobs, seed: seed.clone(), ..Options::default() };
        let simulator = Simulator::start(options).await.unwrap();
        let ringcx: RingCxSettings = serde_json::from_value(json!({
            "base_url": simulator.url(), "account_id": seed.account_id, "exchange_params": setting,
        }))
        .unwrap();
        let platform: PlatformSettings = serde_json::from_value(json!({
            "base_url": simulator.url(), "client_id": seed.client.0, "client_secret": seed.client.1, "jwt": seed.jwt,
        }))
        .unwrap();
        let budget = Arc::new(LocalBudget::new(1000));
        let transport = Transport::new(&ringcx, Some(&platform), budget, Clock::system()).unwrap();
        let way = RingCx::new(Arc::new(transport), &seed.account_id, ExtensionSource::Off);
        assert!(way.calls(Lane::Update, None).agent_groups().await.is_ok(), "{knob} {setting}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_are_cut_off_are_read_by_pages() {
    let seed = (0..23).fold(Seed::demo(), |seed, n| {
        seed.agent(1003, json!({"agentId": 6000 + n, "username": format!("old{n}@example.com")}))
    });
    for (base, cap) in [("0", "0"), ("0", "10"), ("1", "10"), ("1", "24")] {
        let mut knobs = Knobs::profile(Profile::Friendly);
        for (name, value) in [("max_rows_cap", cap), ("page_base", base), ("auth_limit", "1000")] {
            knobs.set(name, value).unwrap();
        }
        let simulator =
            Simulator::start(Options { knobs, seed: seed.clone(), ..Options::default() }).await.unwrap();
        let calls = way_to(&simulator, &seed).with_pages(Some(10));
        let listed = calls.calls(Lane::Reconcile, None).agents(AgentGroupId(1003)).await.unwrap();
        assert_eq!(listed.len(), 24, "pages from {base}, at most {cap} rows");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_group_outlives_the_group_that_fed_it_whatever_a_deletion_would_do() {
    for (knob, value) in [
        ("delete_nonempty_group", "409"),
        ("delete_nonempty_group", "400"),
        ("delete_nonempty_group", "false"),
        ("delete_nonempty_group", "cascade"),
        ("group_delete", "on"),
        ("group_delete", "off"),
        ("group_name_unique", "yes"),
        ("group_name_unique", "no"),
    ] {
        let bridge = start(vec![(knob, value)], json!({"auto_create_agent_groups": true})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        for name in ["uk agents", "New Team"] {
            let group = json!({"displayName": name, "members": [{"value": id}]});
            let group = bridge.send("POST", "/Groups", Some(&group)).await;
            assert_eq!(group.status, 201, "{knob}={value}: {}", group.text);
            bridge.run_jobs().await;
            let url = format!("/Groups/{}", group.body["id"].as_str().unwrap());
            assert_eq!(bridge.send("DELETE", &url, None).await.status, 204, "{knob}={value}");
            bridge.run_jobs().await;
        }
        let names: Vec<String> = bridge.ringcx.agent_groups().into_iter().map(|(_, name)| name).collect();
        assert_eq!(
            names,
            ["Default", "UK Agents", "US Agents", "Platform Team", "New Team"],
            "{knob}={value}"
        );
        assert_eq!(bridge.ringcx.count("deleteAgentGroup"), 0, "{knob}={value}");
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], true, "{knob}={value}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dates_go_back_as_they_came() {
    for (dates, millis) in [("string", Value::Null), ("joda", json!(1_767_225_600_000_i64))] {
        let bridge = start(vec![("dates", dates)], json!({"on_delete": "delete"})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        bridge.ringcx.edit_agent(agent, |fields| {
            fields.insert("transientDeleteDate".to_owned(), json!("2026-01-01T00:00:00.000+0000"));
        });
        let answer = bridge
            .send("PATCH", &format!("/Users/{id}"), Some(&replace("name.givenName", &json!("Joan"))))
            .await;
        assert_eq!(answer.status, 200, "{dates}: {}", answer.text);
        let sent = bridge.ringcx.calls().into_iter().rfind(|call| call.operation == "updateAgent").unwrap();
        for field in ["createdOn", "transientDeleteDate"] {
            assert_eq!(sent.body[field]["millis"], millis, "{dates} {field}: {}", sent.body[field]);
            assert!(!sent.body[field].is_null(), "{dates} {field}");
        }
        assert_eq!(bridge.send("DELETE", &format!("/Users/{id}"), None).await.status, 204, "{dates}");
        assert_eq!(bridge.ringcx.agent(agent), None, "{dates}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_are_sent_as_numbers_and_accounts_as_texts_however_they_are_shown() {
    for ids in ["number", "string"] {
        let extra = json!({"audit_feed": true, "allowed_roles": ["REPORT_ADMINISTRATIVE_USER"]});
        let knobs = vec![("ids", ids), ("ids_in", "strict"), ("set_is_active", "self_only")];
        let bridge = start(knobs, extra).await;
        let linked = json!({"userName": "linked@example.com", RINGCX: {"rcExtensionId": "3361292020"},
            "roles": [{"value": "REPORT_ADMINISTRATIVE_USER"}]});
        let (id, agent) = bridge.create(linked).await;
        let moved = replace(&format!("{RINGCX}:agentGroupName"), &json!("Platform Team"));
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&moved)).await;
        assert_eq!(answer.status, 200, "{ids}: {}", answer.text);
        bridge.reconciler.read_feed(&"default".parse().unwrap()).await.unwrap();
        let body = |operation: &str| {
            bridge.ringcx.calls().into_iter().rfind(|call| call.operation == operation).unwrap().body
        };
        assert_eq!(body("createAgent")["rcUserId"], json!(3_361_292_020_i64), "{ids}");
        assert_eq!(body("updateAgent")["agentGroup"]["id"], json!(1003), "{ids}");
        assert_eq!(body("searchAuditLogs")["accountId"], json!("15300002"), "{ids}");
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1003, "{ids}");
        let admin = bridge.ringcx.admin_named("linked@example.com").unwrap();
        assert!(admin["roles"].to_string().contains("REPORT_ADMINISTRATIVE_USER"), "{ids}: {admin}");
        // What goes back whole has its numbers too, beyond 53 bits as well.
        bridge.ringcx.edit_agent(agent, |it| {
            it.insert("rcUserId".to_owned(), json!(9_007_199_254_741_993_i64));
            it.insert("callSign".to_owned(), json!("0042"));
        });
        bridge.ringcx.edit_admin(admin["userId"].as_i64().unwrap(), |it| {
            it.insert("rcUserId".to_owned(), json!(9_007_199_254_741_993_i64));
        });
        let answer =
            bridge.send("PATCH", &format!("/Users/{id}"), Some(&replace("active", &json!(false)))).await;
        assert_eq!(answer.status, 200, "{ids}: {}", answer.text);
        let (agent, admin) = (body("updateAgent"), body("updateUser"));
        for id in [&agent["rcUserId"], &admin["rcUserId"]] {
            assert_eq!(id, &json!(9_007_199_254_741_993_i64), "{ids}");
        }
        for id in [&agent["agentId"], &agent["groupId"], &agent["initLoginBaseStateId"], &admin["userId"]] {
            assert!(id.is_i64(), "{ids}: {agent} {admin}");
        }
        assert_eq!(agent["callSign"], "0042", "{ids}: what nobody knows goes back as it came");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_are_filtered_here_whatever_the_list_obeys() {
    for obeyed in ["either", "active", "active_only", "none"] {
        let bridge = start(vec![("aux_states_filter", obeyed)], json!({})).await;
        let with = |state: &str| json!({"userName": "jo@example.com", RINGCX: {"initialState": state}});
        let refused = bridge.send("POST", "/Users", Some(&with("RETIRED"))).await;
        assert_eq!(refused.status, 400, "{obeyed}: {}", refused.text);
        let (_, agent) = bridge.create(with("LUNCH")).await;
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["initLoginBaseStateId"], 11787, "{obeyed}");
        let query =
            bridge.ringcx.calls().into_iter().find(|it| it.operation == "listAuxStates").unwrap().query;
        assert_eq!(query, "active=1&activeOnly=true", "{obeyed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rank_out_of_bounds_never_reaches_ringcx() {
    for checks in ["on", "off"] {
        let bridge = start(vec![("rank_check", checks)], json!({})).await;
        let with = |rank: i64| json!({"userName": "jo@example.com", RINGCX: {"agentRank": rank}});
        for rank in [-1, 25] {
            assert_eq!(bridge.send("POST", "/Users", Some(&with(rank))).await.status, 400, "{checks} {rank}");
        }
        assert_eq!(bridge.ringcx.count("createAgent"), 0, "{checks}");
        let (id, agent) = bridge.create(with(24)).await;
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentRank"], 24, "{checks}");
        let lowest = replace(&format!("{RINGCX}:agentRank"), &json!(0));
        assert_eq!(
            bridge.send("PATCH", &format!("/Users/{id}"), Some(&lowest)).await.status,
            200,
            "{checks}"
        );
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentRank"], 0, "{checks}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_audit_log_is_read_to_its_end_where_answers_are_cut() {
    for cap in ["0", "50", "100"] {
        let clock = Clock::fixed(Clock::system().now() + Duration::from_secs(20));
        let policy = json!({"default_agent_group": "Default", "password_on_put": "omit", "audit_feed": true});
        let knobs = vec![("audit_cap", cap), ("audit_delay_s", "0")];
        let bridge = TestBridge::start(Setup { knobs, policy, clock, ..Setup::default() }).await;
        let (_, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        for _ in 0..130 {
            bridge.ringcx.advance(Duration::from_millis(1));
            bridge.ringcx.audit(101, 5001);
        }
        bridge.ringcx.move_agent(agent, 1002);
        bridge.ringcx.audit(101, agent);
        bridge.ringcx.clear_calls();
        assert_eq!(bridge.reconciler.read_feed(&"default".parse().unwrap()).await.unwrap(), 1, "{cap}");
        let asked = bridge.ringcx.count("searchAuditLogs");
        assert!(asked <= 5, "{cap}: {asked} searches");
        bridge.run_jobs().await;
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1000, "{cap}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_is_found_in_a_list_and_in_a_tree() {
    for left in ["flat", "tree"] {
        let knobs = vec![("flatten", left), ("create_user_status", "201_empty")];
        let extra = json!({"admin_parent_user_id": 101, "allowed_roles": ["REPORT_ADMINISTRATIVE_USER"]});
        let bridge = start(knobs, extra).await;
        let roles = json!([{"value": "REPORT_ADMINISTRATIVE_USER"}]);
        // Answered without a body, so the new one is looked for among those below its parent.
        let (id, _) = bridge.create(json!({"userName": "jo@example.com", "roles": roles})).await;
        let admin = bridge.ringcx.admin_named("jo@example.com").unwrap();
        assert!(admin["roles"].to_string().contains("REPORT_ADMINISTRATIVE_USER"), "{left}: {admin}");
        let off =
            bridge.send("PATCH", &format!("/Users/{id}"), Some(&replace("active", &json!(false)))).await;
        assert_eq!(off.status, 200, "{left}: {}", off.text);
        assert_eq!(bridge.ringcx.admin_named("jo@example.com").unwrap()["enabled"], false, "{left}");
        assert_eq!(bridge.ringcx.count("createUser"), 1, "{left}");
        assert_eq!(bridge.ringcx.count("availableUserNames"), 0, "what that answers is not known");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_documents_are_read_whatever_their_map_is_keyed_by() {
    for keys in ["account", "opaque"] {
        let bridge = start(vec![("rights_keys", keys)], json!({"allowed_rights_docs": [4711]})).await;
        let with = json!({"userName": "jo@example.com", "entitlements": [{"value": "4711"}]});
        let (id, _) = bridge.create(with).await;
        let admin = bridge.ringcx.admin_named("jo@example.com").unwrap()["userId"].as_i64().unwrap();
        assert_eq!(bridge.ringcx.assignments(4711), [admin], "{keys}");
        let shown = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
        assert_eq!(shown[RINGCX]["lastError"], Value::Null, "{keys}");
        let none = json!({"Operations": [{"op": "remove", "path": "entitlements"}]});
        assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&none)).await.status, 200, "{keys}");
        assert!(bridge.ringcx.assignments(4711).is_empty(), "{keys}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn regional_settings_go_back_in_the_shape_in_which_they_came() {
    for put_mode in ["merge", "replace"] {
        for settings in [json!({"timezone": 5, "language": "en"}), json!({"timezoneName": "US/Eastern"})] {
            let extra = json!({"allowed_roles": ["REPORT_ADMINISTRATIVE_USER"]});
            let bridge = start(vec![("put_mode", put_mode)], extra).await;
            let roles = json!([{"value": "REPORT_ADMINISTRATIVE_USER"}]);
            let body = json!({"userName": "jo@example.com", "name": {"givenName": "Jo"}, "roles": roles});
            let (id, _) = bridge.create(body).await;
            let user = bridge.ringcx.admin_named("jo@example.com").unwrap()["userId"].as_i64().unwrap();
            bridge
                .ringcx
                .edit_admin(user, |jo| drop(jo.insert("regionalSettings".to_owned(), settings.clone())));
            let renamed = replace("name.givenName", &json!("Joan"));
            let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&renamed)).await;
            assert_eq!(answer.status, 200, "{put_mode}: {}", answer.text);
            let jo = bridge.ringcx.admin_named("jo@example.com").unwrap();
            assert_eq!(
                (&jo["firstName"], &jo["regionalSettings"]),
                (&json!("Joan"), &settings),
                "{put_mode}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_lost_whosever_calls_are_counted_together() {
    for scope in ["account", "token"] {
        let knobs = vec![
            ("rate_scope", scope),
            ("rate_headers", "retry_after"),
            ("rate_limit", "12"),
            ("rate_window_s", "1"),
            ("penalty_s", "1"),
        ];
        let bridge = start(knobs, json!({"async_create": true})).await;
        for n in 0..8 {
            let body = json!({"userName": format!("u{n}@example.com")});
            let answer = bridge.send("POST", "/Users", Some(&body)).await;
            assert_eq!(answer.status, 201, "{scope}: {}", answer.text);
        }
        // Two replicas with a token each, over one budget.
        while bridge.ringcx.agents().len() < 9 {
            let (one, other) = tokio::join!(bridge.reconciler.run_jobs(), bridge.other.run_jobs());
            if one.unwrap() + other.unwrap() == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        let calls = bridge.ringcx.calls().into_iter();
        let refused = calls.filter(|call| call.operation == "createAgent" && call.status == 429).count();
        assert_eq!(bridge.ringcx.count("createAgent"), 8 + refused, "{scope}: none is made twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extensions_of_ringcx_are_read_as_a_list_in_an_object_or_not_at_all() {
    for (shape, tied) in [("array", true), ("records", true), ("404", false)] {
        // With a permanent token there is no way to the RingCentral platform, so RingCX's own list is asked.
        let setup = Setup {
            api_token: Some(Seed::demo().api_token),
            knobs: vec![("rc_extensions", shape)],
            ..Setup::default()
        };
        let bridge = TestBridge::start(setup).await;
        let linked = json!({"userName": "linked@example.com", "emails": [{"value": "linked@example.com"}]});
        let (_, agent) = bridge.create(linked).await;
        let extension = if tied { json!(3_361_292_020_i64) } else { Value::Null };
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["rcUserId"], extension, "{shape}");
        assert!(bridge.ringcx.count("listRcExtensions") > 0, "{shape}");
        assert_eq!(bridge.ringcx.count("listExtensions"), 0, "{shape}");
    }
}
