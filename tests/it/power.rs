//! Power that must not be lost or won by accident: the last-admin floor, protected accounts, privileged grants by group.

use futures_util::future::join_all;
use reqwest::Method;
use ringcx_simulator::Options;
use serde_json::{Value, json};

use crate::admins::{PROFILES, member_of, roles, start};
use crate::crash::serve::{Serve, configure, send};
use crate::support::{Simulator, TestBridge, postgres_database};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

fn off() -> Value {
    json!({"Operations": [{"op": "replace", "path": "active", "value": false}]})
}

fn changes(bridge: &TestBridge) -> usize {
    bridge.ringcx.calls().iter().filter(|call| call.method != "GET").count()
}

fn disable(bridge: &TestBridge, admin: i64) {
    bridge.ringcx.edit_admin(admin, |admin| {
        admin.insert("enabled".to_owned(), json!(false));
    });
}

/// The kinds and subjects of the alerts that wait for the operator.
async fn alerts(bridge: &TestBridge) -> Vec<(String, String)> {
    let now = ringcx_scim::clock::Clock::system().now();
    let found = bridge.store.read(move |tx| ringcx_scim::store::alerts::due(tx, now, 100)).await.unwrap();
    found.into_iter().map(|alert| (alert.kind, alert.subject)).collect()
}

/// What the auditor has been told of an action.
async fn audited(bridge: &TestBridge, action: &'static str) -> Vec<Value> {
    let sql = "SELECT detail FROM audit WHERE action = $1 ORDER BY id";
    let found = bridge.store.read(move |tx| tx.all(sql, &[action.into()], |row| row.text(0))).await.unwrap();
    found.iter().map(|detail| serde_json::from_str(detail).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_admin_guard_before_write_409() {
    for profile in PROFILES {
        let policy = json!({"privileged_roles": ["SUPER_USER"], "default_agent_group": "Default"});
        let bridge = start(profile, policy).await;
        disable(&bridge, 101);
        let (id, agent) = bridge.create(json!({"userName": "ann@example.com"})).await;
        let group = member_of(&bridge, "Owners", &id).await;
        let ann = bridge.ringcx.admin_named("ann@example.com").unwrap()["userId"].to_string();
        let url = format!("/Users/{id}");
        // Leaving the group: nothing is changed, and the person says why.
        let before = changes(&bridge);
        let out = json!({"Operations": [{"op": "remove", "path": format!("members[value eq \"{id}\"]")}]});
        assert_eq!(bridge.send("PATCH", &format!("/Groups/{group}"), Some(&out)).await.status, 204);
        bridge.run_jobs().await;
        assert_eq!(changes(&bridge), before);
        let shown = bridge.send("GET", &url, None).await.body[RINGCX].clone();
        assert_eq!(shown["provisioningState"], "error");
        assert!(shown["lastError"].as_str().unwrap().contains("last-admin floor"), "{shown}");
        assert_eq!(alerts(&bridge).await, [("last_admin_floor".to_owned(), ann.clone())]);
        assert_eq!(
            audited(&bridge, "last_admin_floor").await,
            [json!({"userId": ann.parse::<i64>().unwrap()})]
        );
        // A leaver: the agent goes, the administrator stays, and the answer says both. The client may ask as often as it likes.
        for _ in 0..2 {
            let answer = bridge.send("PATCH", &url, Some(&off())).await;
            assert_eq!(answer.status, 409, "{}", answer.text);
            assert!(
                answer.text.contains("last-admin floor") && answer.text.contains("agent is switched off"),
                "{}",
                answer.text
            );
            assert_eq!(roles(&bridge, "ann@example.com"), ["SUPER_USER", "USER"]);
            assert_eq!(bridge.ringcx.admin_named("ann@example.com").unwrap()["enabled"], true);
            assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
        }
        let shown = bridge.send("GET", &url, None).await;
        assert_eq!(
            (&shown.body["active"], &shown.body[RINGCX]["provisioningState"]),
            (&json!(false), &json!("error"))
        );
        assert_eq!(bridge.send("DELETE", &url, None).await.status, 409);
        assert_eq!(
            bridge.send("GET", &url, None).await.body["active"],
            false,
            "not deleted, and not back at work"
        );
        bridge.run_jobs().await;
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
        // Another one is appointed: the same request now goes through.
        bridge.ringcx.edit_admin(101, |admin| {
            admin.insert("enabled".to_owned(), json!(true));
        });
        let answer = bridge.send("PATCH", &url, Some(&off())).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(bridge.ringcx.admin_named("ann@example.com").unwrap()["enabled"], false);
        assert_eq!(roles(&bridge, "ann@example.com"), Vec::<String>::new());
        assert_eq!(bridge.send("DELETE", &url, None).await.status, 204);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_floor_counts_neither_the_bridge_nor_who_is_switched_off_nor_other_roles() {
    for profile in PROFILES {
        // A SUPER_USER whom somebody made by hand, and whom the bridge would switch off with the last role that it gave.
        let bridge = start(profile, json!({"adopt_admins": true})).await;
        disable(&bridge, 101);
        let (id, _) = bridge
            .create(json!({"userName": "ann@example.com", "roles": [{"value": "ACCESS_AUDIT_LOG"}]}))
            .await;
        let ann = bridge.ringcx.admin_named("ann@example.com").unwrap()["userId"].as_i64().unwrap();
        bridge
            .ringcx
            .edit_admin(ann, |admin| admin["roles"].as_array_mut().unwrap().push(json!("SUPER_USER")));
        bridge.ringcx.edit_admin(200, |admin| {
            admin.insert("roles".to_owned(), json!(["USER", "MANAGE_USERS"]));
        });
        let before = changes(&bridge);
        let none = json!({"Operations": [{"op": "remove", "path": "roles"}]});
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&none)).await;
        assert_eq!(answer.status, 409, "{}", answer.text);
        assert_eq!(changes(&bridge), before, "before any write");
        let shown = bridge.send("GET", &format!("/Users/{id}"), None).await;
        assert_eq!(shown.body["roles"][0]["value"], "ACCESS_AUDIT_LOG", "the stored resource is unchanged");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_the_last_two_who_leave_at_once_one_stays() {
    for profile in PROFILES {
        let policy = json!({"privileged_roles": ["SUPER_USER"], "allowed_roles": ["SUPER_USER"]});
        let bridge = start(profile, policy).await;
        let mut urls = Vec::new();
        for name in ["ann@example.com", "bob@example.com"] {
            let (id, _) = bridge.create(json!({"userName": name, "roles": [{"value": "SUPER_USER"}]})).await;
            urls.push(format!("/Users/{id}"));
        }
        disable(&bridge, 101);
        let off = off();
        let answers = join_all(urls.iter().map(|url| bridge.send("PATCH", url, Some(&off)))).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{profile:?}");
        assert_eq!(others_in_power(&bridge.ringcx.admins()), 1);
    }
}

fn others_in_power(admins: &[Value]) -> usize {
    let counts = |admin: &&Value| {
        admin["enabled"] == true
            && admin["userId"] != 100
            && admin["roles"].as_array().unwrap().contains(&json!("SUPER_USER"))
    };
    admins.iter().filter(counts).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_the_last_two_who_leave_at_two_replicas_one_stays() {
    let Some(database) = postgres_database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.knobs.set("rate_limit", "1000000").unwrap();
    options.knobs.set("auth_limit", "1000000").unwrap();
    let simulator = Simulator::start(options).await.unwrap();
    let ringcx = simulator.admin();
    let (config, token) = configure(folder.path(), &simulator.url(), &database, "5s");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text
        .replace("[tenant.default.policy]", "[tenant.default.policy]\nprivileged_roles = [\"SUPER_USER\"]");
    let text = text.replace("allowed_roles = [", "allowed_roles = [\"SUPER_USER\", ");
    assert!(text.contains("\"SUPER_USER\", "), "{text}");
    std::fs::write(&config, text).unwrap();
    let replicas = [Serve::ready(&config).await, Serve::ready(&config).await];
    for round in 0..3 {
        let mut ids = Vec::new();
        for (n, replica) in replicas.iter().enumerate() {
            let body =
                json!({"userName": format!("a{round}{n}@example.com"), "roles": [{"value": "SUPER_USER"}]});
            let (status, user) =
                send(Method::POST, &format!("{}/Users", replica.base), &token, Some(&body)).await.unwrap();
            assert_eq!(status, 201, "{user}");
            ids.push(user["id"].as_str().unwrap().to_owned());
        }
        // Whoever is in power besides these two is switched off by hand.
        for admin in ringcx.admins() {
            let name = admin["userName"].as_str().unwrap();
            if admin["userId"] != 100 && !name.starts_with(&format!("a{round}")) {
                ringcx.edit_admin(admin["userId"].as_i64().unwrap(), |it| {
                    it.insert("enabled".to_owned(), json!(false));
                });
            }
        }
        assert_eq!(others_in_power(&ringcx.admins()), 2);
        let off = off();
        let leave = ids.iter().zip(&replicas).map(|(id, replica)| {
            let (url, token, off) = (format!("{}/Users/{id}", replica.base), &token, &off);
            async move { send(Method::PATCH, &url, token, Some(off)).await.unwrap().0 }
        });
        let mut statuses = join_all(leave).await;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
        assert_eq!(others_in_power(&ringcx.admins()), 1);
    }
    for replica in replicas {
        replica.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protected_account_is_never_touched_and_keeps_nobody_at_work() {
    for profile in PROFILES {
        let policy = json!({
            "protected": ["wanda@example.com", "200"], "adopt_admins": true, "default_agent_group": "Default",
        });
        let bridge = start(profile, policy).await;
        let body = json!({"userName": "wanda@example.com", "name": {"givenName": "Other"}});
        let answer = bridge.send("POST", "/Users", Some(&body)).await;
        assert_eq!((answer.status, &answer.body["scimType"]), (400, &json!("mutability")), "{}", answer.text);
        assert_eq!(bridge.ringcx.agent(5001).unwrap()["firstName"], "Wanda");
        let told = audited(&bridge, "answered").await;
        assert_eq!((told.len(), &told[0]["status"]), (1, &json!(400)));
        assert!(told[0]["detail"].as_str().unwrap().contains("protected"), "{told:?}");
        // A protected administrator, the bridge's own, and the root user, whatever the settings allow.
        bridge.ringcx.edit_admin(101, |admin| {
            admin.insert("rootUser".to_owned(), json!(true));
        });
        let before = bridge.ringcx.admins();
        for name in ["known@example.com", "bridge@example.com", "owner@example.com"] {
            let body = json!({"userName": name, "roles": [{"value": "ACCESS_AUDIT_LOG"}]});
            let answer = bridge.send("POST", "/Users", Some(&body)).await;
            assert!(matches!(answer.status, 400 | 409), "{name} {}", answer.text);
            bridge.run_jobs().await;
        }
        let of_old = |id: &Value| bridge.ringcx.admins().into_iter().find(|it| it["userId"] == *id);
        for admin in before {
            assert_eq!(of_old(&admin["userId"]).as_ref(), Some(&admin));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_with_a_protected_administrator_stops_working_as_an_agent() {
    for profile in PROFILES {
        let policy = json!({"protected": ["ann@example.com"], "default_agent_group": "Default"});
        let bridge = start(profile, policy).await;
        bridge.ringcx.set("username_rewrite", "always").unwrap();
        let (id, agent) = bridge
            .create(json!({"userName": "ann@example.com", "roles": [{"value": "ACCESS_AUDIT_LOG"}]}))
            .await;
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&off())).await;
        assert_eq!((answer.status, &answer.body["scimType"]), (400, &json!("mutability")), "{}", answer.text);
        assert!(
            answer.text.contains("protected") && answer.text.contains("agent is switched off"),
            "{}",
            answer.text
        );
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
        assert_eq!(bridge.ringcx.admin_named("ann@example.com").unwrap()["enabled"], true);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn privileged_admin_not_adopted() {
    for profile in PROFILES {
        let policy = json!({"adopt_admins": true, "privileged_roles": ["SUPER_USER"], "allowed_roles": ["SUPER_USER"]});
        for asynchronous in [false, true] {
            let mut policy = policy.clone();
            policy["async_create"] = json!(asynchronous);
            let bridge = start(profile, policy).await;
            // What the list showed at first contact is old: this one has become powerful since.
            bridge.ringcx.edit_admin(200, |admin| {
                admin.insert("roles".to_owned(), json!(["USER", "MANAGE_RIGHTS"]));
            });
            let before = bridge.ringcx.admins();
            for name in ["owner@example.com", "known@example.com"] {
                let body = json!({"userName": name, "roles": [{"value": "SUPER_USER"}]});
                let answer = bridge.send("POST", "/Users", Some(&body)).await;
                bridge.run_jobs().await;
                if asynchronous {
                    let url = format!("/Users/{}", answer.body["id"].as_str().unwrap());
                    assert_eq!(
                        bridge.send("GET", &url, None).await.body[RINGCX]["provisioningState"],
                        "error"
                    );
                    bridge.send("PATCH", &url, Some(&off())).await;
                    bridge.run_jobs().await;
                } else {
                    assert_eq!(answer.status, 409, "{}", answer.text);
                    assert!(answer.text.contains("ringcx-scim import"), "{}", answer.text);
                }
            }
            assert_eq!(bridge.ringcx.admins(), before, "{profile:?} {asynchronous}");
        }
    }
}

/// The administrators with a privileged role, by login name.
fn powerful(bridge: &TestBridge) -> Vec<String> {
    let admins = bridge.ringcx.admins().into_iter();
    let holds = |admin: &Value| admin["roles"].as_array().unwrap().contains(&json!("SUPER_USER"));
    admins.filter(holds).map(|admin| admin["userName"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_comes_later_under_the_same_name_gives_nothing_privileged() {
    for profile in PROFILES {
        let policy = json!({"privileged_roles": ["SUPER_USER"], "role_group_prefix": "RingCX Role "});
        for name in ["Owners", "RingCX Role SUPER_USER"] {
            let bridge = start(profile, policy.clone()).await;
            let (ann, _) = bridge.create(json!({"userName": "ann@example.com"})).await;
            let (eve, _) = bridge.create(json!({"userName": "eve@example.com"})).await;
            let first = member_of(&bridge, name, &ann).await;
            assert_eq!(roles(&bridge, "ann@example.com"), ["SUPER_USER", "USER"]);
            // Deleted and made anew by whoever may make groups.
            assert_eq!(bridge.send("DELETE", &format!("/Groups/{first}"), None).await.status, 204);
            let second = member_of(&bridge, name, &eve).await;
            assert_eq!(powerful(&bridge), ["bridge@example.com", "owner@example.com"]);
            let shown = bridge.send("GET", &format!("/Users/{eve}"), None).await;
            let said = shown.body[RINGCX]["lastError"].as_str().unwrap().to_owned();
            assert!(said.contains(&format!("tenant release --group {second}")), "{said}");
            assert!(alerts(&bridge).await.contains(&("privileged_pin".to_owned(), second.clone())));
            // The operator hands the grant over.
            let tenant = "default".parse().unwrap();
            let by = ringcx_scim::domain::Actor::bridge();
            let done =
                bridge.reconciler.hand_over_grants(&tenant, &by, &second.as_str().into()).await.unwrap();
            assert_eq!((done.grants, done.people), (1, 1));
            bridge.run_jobs().await;
            assert_eq!(roles(&bridge, "eve@example.com"), ["SUPER_USER", "USER"]);
            assert_eq!(
                bridge.send("GET", &format!("/Users/{eve}"), None).await.body[RINGCX].get("lastError"),
                None
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_renamed_to_a_privileged_name_gives_nothing_privileged() {
    for profile in PROFILES {
        let bridge = start(profile, json!({"privileged_roles": ["SUPER_USER"]})).await;
        let (ann, _) = bridge.create(json!({"userName": "ann@example.com"})).await;
        let (eve, _) = bridge.create(json!({"userName": "eve@example.com"})).await;
        let owners = member_of(&bridge, "Owners", &ann).await;
        let other = member_of(&bridge, "Sales", &eve).await;
        let rename =
            |name: &str| json!({"Operations": [{"op": "replace", "path": "displayName", "value": name}]});
        // The pinned group keeps its grant over a rename, so the free name is nobody's gain.
        assert_eq!(
            bridge.send("PATCH", &format!("/Groups/{owners}"), Some(&rename("Old Owners"))).await.status,
            204
        );
        assert_eq!(
            bridge.send("PATCH", &format!("/Groups/{other}"), Some(&rename("Owners"))).await.status,
            204
        );
        bridge.run_jobs().await;
        assert_eq!(roles(&bridge, "ann@example.com"), ["SUPER_USER", "USER"]);
        assert_eq!(powerful(&bridge), ["bridge@example.com", "owner@example.com", "ann@example.com"]);
        // An external id that a mapping could name is no way round it either.
        let taken = json!({"Operations": [{"op": "add", "path": "externalId", "value": "owners"}]});
        bridge.send("PATCH", &format!("/Groups/{other}"), Some(&taken)).await;
        bridge.run_jobs().await;
        assert_eq!(bridge.ringcx.admin_named("eve@example.com"), None);
    }
}
