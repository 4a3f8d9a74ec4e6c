//! Administrators that the bridge has not made: what their person's coming and going means for them.

use ringcx_simulator::Seed;
use serde_json::{Value, json};

use crate::admins::{PROFILES, roles, start};
use crate::support::{Setup, TestBridge};

fn replace(path: &str, value: &Value) -> Value {
    json!({"Operations": [{"op": "replace", "path": path, "value": value}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adopted_administrator_without_grants_goes_and_comes_with_its_person() {
    for profile in PROFILES {
        let policy =
            json!({"adopt_admins": true, "default_agent_group": "Default", "password_on_put": "omit"});
        let bridge = start(profile, policy).await;
        let body = json!({"userName": "known@example.com", "roles": [{"value": "ACCESS_AUDIT_LOG"}]});
        let (id, agent) = bridge.create(body).await;
        let url = format!("/Users/{id}");
        let enabled = || bridge.ringcx.admin_named("known@example.com").unwrap()["enabled"].clone();
        // Nothing that the bridge has given is left, and the account is as its makers want it.
        let answer = bridge.send("PATCH", &url, Some(&replace("roles", &json!([])))).await;
        assert_eq!((answer.status, enabled()), (200, json!(true)), "{}", answer.text);

        let answer = bridge.send("PATCH", &url, Some(&replace("active", &json!(false)))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
        assert_eq!(enabled(), false, "{profile:?}: a leaver cannot log in any more");
        assert_eq!(roles(&bridge, "known@example.com"), ["USER", "WFO_ACCESS"], "what others gave is theirs");

        let answer = bridge.send("PATCH", &url, Some(&replace("active", &json!(true)))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], true);
        assert_eq!(
            enabled(),
            true,
            "{profile:?}: who was switched off with their person comes back with them"
        );
        bridge.run_jobs().await;

        // Switched off by hand it stays off, whatever else is written.
        bridge.ringcx.edit_admin(200, |admin| {
            admin.insert("enabled".to_owned(), json!(false));
        });
        let answer = bridge.send("PATCH", &url, Some(&replace("name.givenName", &json!("Kay")))).await;
        assert_eq!((answer.status, enabled()), (200, json!(false)), "{}", answer.text);
        assert_eq!(bridge.send("DELETE", &url, None).await.status, 204);
        assert_eq!(enabled(), false);
    }
}

/// Puts an administrator who exists below another one by hand, as a person in RingCX may.
fn put_below(bridge: &TestBridge, id: i64, path: &str) {
    bridge.ringcx.edit_admin(id, |admin| {
        admin.insert("parentPath".to_owned(), json!(path));
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_deleted_above_the_bridge_or_the_root_user() {
    for profile in PROFILES {
        for untouchable in [100, 302] {
            let policy = json!({"on_delete": "delete", "admin_reassign_user_id": 101});
            let bridge = start(profile, policy).await;
            let body = json!({"userName": "ann@example.com", "roles": [{"value": "ACCESS_AUDIT_LOG"}]});
            let (id, _) = bridge.create(body).await;
            let ann = bridge.ringcx.admin_named("ann@example.com").unwrap()["userId"].as_i64().unwrap();
            bridge.ringcx.add_admin(json!({
                "userId": 302, "userName": "root@example.com", "rootUser": true, "parentPath": "900.302",
            }));
            // Somebody has moved her to the top, and this one below her.
            put_below(&bridge, ann, &format!("900.{ann}"));
            put_below(&bridge, untouchable, &format!("900.{ann}.{untouchable}"));
            let answer = bridge.send("DELETE", &format!("/Users/{id}"), None).await;
            assert!(
                answer.status == 503 && answer.text.contains(&untouchable.to_string()),
                "{profile:?}: {}",
                answer.text
            );
            assert_eq!(bridge.ringcx.count("reassignUsers") + bridge.ringcx.count("deleteUser"), 0);
            assert_eq!(bridge.ringcx.admin_named("ann@example.com").unwrap()["enabled"], false);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_ringcx_does_not_say_who_the_bridge_is_no_administrator_of_others_is_touched() {
    for profile in PROFILES {
        let policy = json!({
            "adopt_admins": true, "privileged_roles": ["SUPER_USER"], "allowed_roles": ["SUPER_USER", "ACCESS_AUDIT_LOG"],
            "password_on_put": "omit",
        });
        let seed =
            Seed::demo().admin(json!({"userId": 200, "userName": "known@example.com", "roles": ["USER"]}));
        let bridge = TestBridge::start(Setup { profile, policy, seed, met: false, ..Setup::default() }).await;
        bridge.ringcx.forbid("getAuth");
        bridge.reconciler.meet_all().await.unwrap();
        let before = bridge.ringcx.admins();
        for name in ["bridge@example.com", "known@example.com"] {
            let body = json!({"userName": name, "roles": [{"value": "ACCESS_AUDIT_LOG"}]});
            let answer = bridge.send("POST", "/Users", Some(&body)).await;
            assert!(matches!(answer.status, 400 | 409), "{name}: {} {}", answer.status, answer.text);
        }
        bridge.run_jobs().await;
        assert_eq!(bridge.ringcx.admins(), before, "{profile:?}");
        // Of two that are left one may be the bridge's own.
        let body = json!({"userName": "ann@example.com", "roles": [{"value": "SUPER_USER"}]});
        let (id, _) = bridge.create(body).await;
        let owner = |enabled: bool| {
            bridge.ringcx.edit_admin(101, |admin| drop(admin.insert("enabled".to_owned(), json!(enabled))));
        };
        owner(false);
        let url = format!("/Users/{id}");
        let answer = bridge.send("PATCH", &url, Some(&replace("active", &json!(false)))).await;
        assert_eq!(answer.status, 409, "{profile:?}: {}", answer.text);
        owner(true);
        let answer = bridge.send("PATCH", &url, Some(&replace("active", &json!(false)))).await;
        assert_eq!(answer.status, 200, "{profile:?}: {}", answer.text);
    }
}
