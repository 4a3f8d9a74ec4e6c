//! Roles and rights documents call by call: shapes, order, refusals, documents that come and go.

use ringcx_simulator::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::admins::{PROFILES, member_of, roles, start};
use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

fn patch(op: &str, path: &str, value: &Value) -> Value {
    json!({"Operations": [{"op": op, "path": path, "value": value}]})
}

fn named(bridge: &TestBridge, name: &str) -> i64 {
    bridge.ringcx.admin_named(name).unwrap()["userId"].as_i64().unwrap()
}

fn order(bridge: &TestBridge) -> Vec<String> {
    let calls = bridge.ringcx.calls().into_iter().filter(|call| call.method != "GET");
    calls
        .map(|call| match call.operation.as_str() {
            "addRole" | "removeRole" => {
                format!("{} {}", call.operation, call.path.rsplit('/').next().unwrap())
            }
            _ => call.operation,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn role_unknown_400() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        let body = json!({"userName": "ann@example.com", "roles": [{"value": "ACCESS_AUDIT_LOG"}, {"value": "Wizard"}]});
        let answer = bridge.send("POST", "/Users", Some(&body)).await;
        assert_eq!(
            (answer.status, &answer.body["scimType"]),
            (400, &json!("invalidValue")),
            "{}",
            answer.text
        );
        assert!(
            answer.text.contains("Wizard") && answer.text.contains("ACCESS_AUDIT_LOG"),
            "{}",
            answer.text
        );
        assert_eq!(bridge.ringcx.admin_named("ann@example.com"), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ringcx_refuses_of_a_group_holds_up_no_other_grant_and_no_write() {
    for profile in PROFILES {
        let groups = json!([{"match": "Readers", "roles": ["NOPE", "REPORT_ADMINISTRATIVE_USER"], "rights_docs": [4711]}]);
        let policy = json!({"default_agent_group": "Default", "password_on_put": "omit"});
        let bridge = TestBridge::start(Setup { profile, policy, groups, ..Setup::default() }).await;
        let (id, agent) = bridge.create(json!({"userName": "ann@example.com"})).await;
        member_of(&bridge, "Readers", &id).await;
        assert_eq!(roles(&bridge, "ann@example.com"), ["REPORT_ADMINISTRATIVE_USER", "USER"], "{profile:?}");
        assert_eq!(bridge.ringcx.assignments(4711), [named(&bridge, "ann@example.com")]);
        let in_error = |user: &Value| {
            let why = user[RINGCX]["lastError"].as_str().unwrap_or_default().to_owned();
            assert_eq!(user[RINGCX]["provisioningState"], "error", "{profile:?}: {user}");
            assert!(why.contains("NOPE"), "{why}");
        };
        let url = format!("/Users/{id}");
        in_error(&bridge.send("GET", &url, None).await.body);
        bridge.ringcx.clear_calls();
        let answer = bridge.send("PATCH", &url, Some(&patch("replace", "nickName", &json!("Annie")))).await;
        assert_eq!((answer.status, &answer.body["nickName"]), (200, &json!("Annie")), "{}", answer.text);
        assert_eq!(bridge.ringcx.calls().len(), 0, "RingCX has nothing to do with it");
        in_error(&answer.body);
        bridge.run_jobs().await;
        let given = patch("replace", "name.givenName", &json!("Ann"));
        let answer = bridge.send("PATCH", &url, Some(&given)).await;
        assert_eq!(
            (answer.status, &answer.body["name"]["givenName"]),
            (200, &json!("Ann")),
            "{}",
            answer.text
        );
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["firstName"], "Ann");
        in_error(&answer.body);
        for active in [false, true] {
            let answer = bridge.send("PATCH", &url, Some(&patch("replace", "active", &json!(active)))).await;
            assert_eq!(answer.status, 200, "{profile:?}: {}", answer.text);
            assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], active, "{profile:?}");
        }
        assert_eq!(roles(&bridge, "ann@example.com"), ["REPORT_ADMINISTRATIVE_USER", "USER"], "{profile:?}");
        // The write itself is to blame for what it asks for itself.
        let asks = json!({"userName": "bob@example.com", "roles": [{"value": "NOPE"}]});
        assert_eq!(bridge.send("POST", "/Users", Some(&asks)).await.status, 400);
        let gone =
            bridge.send("GET", "/Groups", None).await.body["Resources"][0]["id"].as_str().unwrap().to_owned();
        bridge.send("DELETE", &format!("/Groups/{gone}"), None).await;
        bridge.run_jobs().await;
        let user = bridge.send("GET", &url, None).await.body;
        assert_eq!(
            (&user[RINGCX]["provisioningState"], &user[RINGCX]["lastError"]),
            (&json!("active"), &Value::Null)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_leads_nowhere_shows_on_its_members() {
    let groups = json!([{"match": "Lost", "agent_group": "No Such Group"}]);
    let bridge = TestBridge::start(Setup { groups, ..Setup::default() }).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
    let group = member_of(&bridge, "Lost", &id).await;
    let url = format!("/Users/{id}");
    let user = bridge.send("GET", &url, None).await.body;
    assert_eq!(user[RINGCX]["provisioningState"], "error", "{user}");
    assert!(user[RINGCX]["lastError"].as_str().unwrap().contains("No Such Group"));
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], true, "and they work on where they are");
    bridge.send("DELETE", &format!("/Groups/{group}"), None).await;
    bridge.run_jobs().await;
    assert_eq!(bridge.send("GET", &url, None).await.body[RINGCX]["provisioningState"], "active");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn privileged_role_needs_opt_in() {
    for profile in PROFILES {
        // Listed, aliased and mapped is not opted in.
        let policy = json!({
            "allowed_roles": ["MANAGE_USERS"], "role_aliases": {"Boss": "MANAGE_USERS"}, "role_group_prefix": "RingCX Role ",
        });
        let bridge = start(profile, policy.clone()).await;
        for role in ["MANAGE_USERS", "manage_users", " Boss "] {
            let body = json!({"userName": "ann@example.com", "roles": [{"value": role}]});
            let answer = bridge.send("POST", "/Users", Some(&body)).await;
            assert_eq!(answer.status, 400, "{}", answer.text);
            assert!(answer.text.contains("privileged_roles"), "{}", answer.text);
        }
        let (id, _) = bridge.create(json!({"userName": "ann@example.com"})).await;
        for name in ["Owners", "RingCX Role SUPER_USER", "ringcx role boss"] {
            member_of(&bridge, name, &id).await;
        }
        assert_eq!(bridge.ringcx.admin_named("ann@example.com"), None);
        assert_eq!(
            bridge.send("GET", "/Roles", None).await.body["totalResults"],
            1,
            "only what a mapping gives"
        );

        let mut opted = policy;
        opted["privileged_roles"] = json!(["manage_users"]);
        let bridge = start(profile, opted).await;
        bridge.create(json!({"userName": "ann@example.com", "roles": [{"value": "Boss"}]})).await;
        assert_eq!(roles(&bridge, "ann@example.com"), ["MANAGE_USERS", "USER"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_removed_before_added() {
    for profile in PROFILES {
        let policy = json!({"allowed_roles": ["ACCESS_AUDIT_LOG", "ACCESS_SIBLINGS", "WFO_ACCESS", "ACCESS_GOODDATA_VIEWER"]});
        let bridge = start(profile, policy).await;
        let set = |values: [&str; 2]| json!(values.map(|value| json!({"value": value})));
        let (id, _) = bridge
            .create(
                json!({"userName": "ann@example.com", "roles": set(["ACCESS_SIBLINGS", "ACCESS_AUDIT_LOG"])}),
            )
            .await;
        bridge.ringcx.clear_calls();
        let change = patch("replace", "roles", &set(["WFO_ACCESS", "ACCESS_GOODDATA_VIEWER"]));
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&change)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(
            order(&bridge),
            [
                "removeRole ACCESS_AUDIT_LOG",
                "removeRole ACCESS_SIBLINGS",
                "addRole ACCESS_GOODDATA_VIEWER",
                "addRole WFO_ACCESS"
            ]
        );
        assert_eq!(roles(&bridge, "ann@example.com"), ["ACCESS_GOODDATA_VIEWER", "USER", "WFO_ACCESS"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_are_read_in_every_shape_and_echoed_on_a_put() {
    for (user, list, without) in
        [("objects", "strings", "clear"), ("strings", "objects", "clear"), ("objects", "objects", "keep")]
    {
        for profile in PROFILES {
            let bridge = start(profile, json!({})).await;
            for (knob, value) in
                [("roles_shape", user), ("getroles_shape", list), ("put_without_roles", without)]
            {
                bridge.ringcx.set(knob, value).unwrap();
            }
            let body = json!({"userName": "ann@example.com", "name": {"givenName": "Ann"}, "roles": [{"value": "ACCESS_AUDIT_LOG"}]});
            let (id, _) = bridge.create(body).await;
            bridge.ringcx.edit_admin(named(&bridge, "ann@example.com"), |admin| {
                admin["roles"].as_array_mut().unwrap().push(json!("WFO_ACCESS"));
            });
            bridge.ringcx.clear_calls();
            // One write that takes a role, gives one and changes a name: the PUT must not bring back what was taken.
            let body = json!({"userName": "ann@example.com", "name": {"givenName": "Anna"}, "roles": [{"value": "ACCESS_SIBLINGS"}]});
            let answer = bridge.send("PUT", &format!("/Users/{id}"), Some(&body)).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(
                roles(&bridge, "ann@example.com"),
                ["ACCESS_SIBLINGS", "USER", "WFO_ACCESS"],
                "foreign_roles_left_alone"
            );
            assert_eq!(bridge.ringcx.admin_named("ann@example.com").unwrap()["firstName"], "Anna");
            for call in bridge.ringcx.calls().iter().filter(|call| call.operation == "updateUser") {
                assert!(!call.body["roles"].to_string().contains("ACCESS_AUDIT_LOG"), "{}", call.body);
                assert_eq!(call.body["roles"][0].is_object(), user == "objects", "echoed exactly");
            }
            assert_eq!(bridge.ringcx.count("updateUser"), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_roles_left_alone() {
    for profile in PROFILES {
        let bridge = start(profile, json!({"adopt_admins": true})).await;
        bridge.ringcx.assign(4712, 200);
        let body = json!({
            "userName": "known@example.com", "roles": [{"value": "ACCESS_AUDIT_LOG"}], "entitlements": [{"value": "4711"}],
        });
        let (id, _) = bridge.create(body).await;
        assert_eq!(roles(&bridge, "known@example.com"), ["ACCESS_AUDIT_LOG", "USER", "WFO_ACCESS"]);
        let off = patch("replace", "active", &json!(false));
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&off)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        // Switched off, stripped of what the bridge gave; what it did not give stays and is named.
        assert_eq!(roles(&bridge, "known@example.com"), ["USER", "WFO_ACCESS"]);
        assert_eq!((bridge.ringcx.assignments(4711), bridge.ringcx.assignments(4712)), (vec![], vec![200]));
        assert_eq!(bridge.ringcx.admin_named("known@example.com").unwrap()["enabled"], false);
        let said = answer.body[RINGCX]["lastError"].as_str().unwrap_or_default();
        assert!(said.contains("USER, WFO_ACCESS, rights document 4712"), "{said}");
        let on = patch("replace", "active", &json!(true));
        assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&on)).await.status, 200);
        assert_eq!(roles(&bridge, "known@example.com"), ["ACCESS_AUDIT_LOG", "USER", "WFO_ACCESS"]);
        assert_eq!(
            (bridge.ringcx.assignments(4711), bridge.ringcx.assignments(4712)),
            (vec![200], vec![200])
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_admin_role_disables_admin() {
    for profile in PROFILES {
        let bridge = start(profile, json!({"adopt_admins": true})).await;
        for (name, enabled) in [("ann@example.com", false), ("known@example.com", true)] {
            let (id, _) =
                bridge.create(json!({"userName": name, "roles": [{"value": "ACCESS_AUDIT_LOG"}]})).await;
            let none = patch("replace", "roles", &json!([]));
            assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&none)).await.status, 200);
            assert_eq!(
                bridge.ringcx.admin_named(name).unwrap()["enabled"],
                enabled,
                "{name}: only ours is switched off"
            );
            assert!(!roles(&bridge, name).contains(&"ACCESS_AUDIT_LOG".to_owned()));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_set_is_active_is_refused_the_whole_object_switches() {
    for profile in PROFILES {
        for reading in ["on", "self_only"] {
            let bridge = start(profile, json!({})).await;
            bridge.ringcx.set("set_is_active", reading).unwrap();
            let (id, _) = bridge
                .create(json!({"userName": "ann@example.com", "roles": [{"value": "ACCESS_AUDIT_LOG"}]}))
                .await;
            for on in [false, true] {
                let change = patch("replace", "active", &json!(on));
                let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&change)).await;
                assert_eq!(answer.status, 200, "{reading} {}", answer.text);
                assert_eq!(bridge.ringcx.admin_named("ann@example.com").unwrap()["enabled"], on);
            }
            assert_eq!(roles(&bridge, "ann@example.com"), ["ACCESS_AUDIT_LOG", "USER"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_derived_role_removed_before_other_work() {
    for profile in PROFILES {
        let bridge = start(profile, json!({"default_agent_group": "Default"})).await;
        let mut ids = Vec::new();
        for n in 0..5 {
            ids.push(bridge.create(json!({"userName": format!("p{n}@example.com")})).await.0);
        }
        let (ann, _) = bridge.create(json!({"userName": "ann@example.com"})).await;
        let group = member_of(&bridge, "Reporters", &ann).await;
        bridge.ringcx.clear_calls();
        // Five moves are waiting when the role is taken.
        let members: Value = ids.iter().map(|id| json!({"value": id})).collect();
        let moves = json!({"displayName": "UK Agents", "members": members});
        assert_eq!(bridge.send("POST", "/Groups", Some(&moves)).await.status, 201);
        let out = json!({"Operations": [{"op": "remove", "path": format!("members[value eq \"{ann}\"]")}]});
        assert_eq!(bridge.send("PATCH", &format!("/Groups/{group}"), Some(&out)).await.status, 204);
        bridge.run_jobs().await;
        let order = order(&bridge);
        let taken = order.iter().position(|call| call.starts_with("removeRole")).unwrap();
        let moved = order.iter().position(|call| call.starts_with("updateAgent")).unwrap();
        assert!(taken < moved, "{order:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_docs_assignment_query_form() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        bridge.create(json!({"userName": "ann@example.com", "entitlements": [{"value": "4711"}]})).await;
        let user = named(&bridge, "ann@example.com");
        let calls = bridge.ringcx.calls();
        let call = calls.iter().find(|call| call.operation == "assignRightsDoc").unwrap();
        assert_eq!((call.query.clone(), &call.body), (format!("userIds={user}"), &Value::Null));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_docs_vanished_document() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        let (id, _) =
            bridge.create(json!({"userName": "ann@example.com", "entitlements": [{"value": "4711"}]})).await;
        bridge.ringcx.remove_doc(4711);
        // Who held it is not in anybody's way: other changes go through, and so does switching off.
        let more = patch("add", "roles", &json!([{"value": "ACCESS_SIBLINGS"}]));
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&more)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(roles(&bridge, "ann@example.com"), ["ACCESS_SIBLINGS", "USER"]);
        let body = json!({"userName": "bob@example.com", "entitlements": [{"value": "4711"}]});
        let answer = bridge.send("POST", "/Users", Some(&body)).await;
        assert_eq!(
            (answer.status, &answer.body["scimType"]),
            (400, &json!("invalidValue")),
            "{}",
            answer.text
        );
        assert!(answer.text.contains("4711"), "{}", answer.text);
        let shown = bridge.send("GET", "/Entitlements", None).await;
        let ids: Vec<&str> =
            shown.body["Resources"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["4712"], "what is gone is not offered");
        let off = patch("replace", "active", &json!(false));
        assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&off)).await.status, 200);
    }
}

/// In both readings, and in both answers to a second assignment, others keep the document, also when the answer is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holders_keep_a_document_when_the_assignment_replaces_and_its_answer_is_lost() {
    for profile in PROFILES {
        for (mode, twice) in [("add", "true"), ("add", "409"), ("replace", "true")] {
            for lost in [None, Some(FaultKind::DropBefore), Some(FaultKind::DropAfter)] {
                let bridge = start(profile, json!({})).await;
                bridge.ringcx.set("assign_mode", mode).unwrap();
                bridge.ringcx.set("assign_existing", twice).unwrap();
                bridge.ringcx.assign(4712, 101);
                bridge.ringcx.assign(4712, 200);
                if let Some(fault) = lost.clone() {
                    bridge.ringcx.fault(Fault::once("assignRightsDoc", fault));
                }
                for name in ["ann@example.com", "bob@example.com"] {
                    bridge.create(json!({"userName": name, "entitlements": [{"value": "4712"}]})).await;
                    // At no moment somebody else is without it: nothing is repaired later, because nothing breaks.
                    let holders = bridge.ringcx.assignments(4712);
                    assert!(
                        holders.starts_with(&[101, 200]),
                        "{profile:?} {mode} {twice} {lost:?} {holders:?}"
                    );
                }
                assert_eq!(bridge.ringcx.assignments(4712).len(), 4, "{profile:?} {mode} {twice} {lost:?}");
            }
        }
    }
}

/// What is assigned and does not show in what the administrator can do in effect is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn effective_access_is_verified_after_a_change() {
    for profile in PROFILES {
        for (reading, differs) in [("all", false), ("account_only", true)] {
            let bridge = start(profile, json!({})).await;
            bridge.ringcx.set("aggregate", reading).unwrap();
            let (id, _) = bridge
                .create(json!({"userName": "ann@example.com", "entitlements": [{"value": "4711"}]}))
                .await;
            assert_eq!(bridge.ringcx.count("getAssignedRightsDocs"), 1);
            assert_eq!(bridge.ringcx.count("getAggregatedRightsDocs"), 1);
            let shown = bridge.send("GET", &format!("/Users/{id}"), None).await;
            let said = shown.body[RINGCX]["lastError"].as_str().unwrap_or_default().to_owned();
            assert_eq!(said.contains("4711") && said.contains("effective access"), differs, "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaver_goes_although_their_roles_are_no_longer_given() {
    for profile in PROFILES {
        let bridge = start(profile, json!({"default_agent_group": "Default"})).await;
        let (id, agent) = bridge
            .create(json!({"userName": "ann@example.com", "roles": [{"value": "ACCESS_AUDIT_LOG"}]}))
            .await;
        // As if the settings had allowed more when this was written.
        let of = id.clone();
        let stored = bridge.store.write(move |tx| {
            let body =
                tx.one("SELECT body FROM people WHERE id = $1", &[(&of).into()], |row| row.text(0))?.unwrap();
            let body = body.replace("ACCESS_AUDIT_LOG", "SUPER_USER");
            tx.exec("UPDATE people SET body = $2 WHERE id = $1", &[(&of).into(), (&body).into()])
        });
        assert_eq!(stored.await.unwrap(), 1);
        let url = format!("/Users/{id}");
        let named = patch("replace", "name.givenName", &json!("Ann"));
        let answer = bridge.send("PATCH", &url, Some(&named)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(
            roles(&bridge, "ann@example.com"),
            Vec::<String>::new(),
            "a stored role outside the list gives nothing"
        );
        assert!(answer.body[RINGCX]["lastError"].to_string().contains("SUPER_USER"), "{}", answer.text);
        let answer = bridge.send("PATCH", &url, Some(&patch("replace", "active", &json!(false)))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(bridge.ringcx.admin_named("ann@example.com").unwrap()["enabled"], false);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
    }
}
