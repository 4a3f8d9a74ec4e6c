//! Administrators that the bridge has not made: what their person's coming and going means for them.

use serde_json::{Value, json};

use crate::admins::{PROFILES, roles, start};

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
