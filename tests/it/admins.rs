//! Power: administrators, roles and rights documents; only what the bridge gave is ever taken.

use ringcx_simulator::{Fault, FaultKind, Profile, Seed};
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";
pub(crate) const PROFILES: [Profile; 3] = [Profile::Friendly, Profile::Hostile, Profile::Spec];

pub(crate) async fn start(profile: Profile, policy: Value) -> TestBridge {
    let mut whole = json!({
        "password_on_put": "omit", "allowed_roles": ["ACCESS_AUDIT_LOG", "ACCESS_SIBLINGS"], "allowed_rights_docs": [4711, 4712],
    });
    whole.as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
    let groups = json!([
        {"match": "Reporters", "roles": ["REPORT_ADMINISTRATIVE_USER"], "rights_docs": [4711]},
        {"match": "Owners", "roles": ["SUPER_USER"]},
    ]);
    let seed = Seed::demo().admin(json!({
        "userId": 200, "userName": "known@example.com", "firstName": "K", "lastName": "N", "roles": ["USER", "WFO_ACCESS"],
    }));
    TestBridge::start(Setup { profile, seed, policy: whole, groups, ..Setup::default() }).await
}

pub(crate) fn roles(bridge: &TestBridge, name: &str) -> Vec<String> {
    let mut roles: Vec<String> =
        serde_json::from_value(bridge.ringcx.admin_named(name).unwrap()["roles"].clone()).unwrap();
    roles.sort();
    roles
}

fn add(path: &str, value: &str) -> Value {
    json!({"Operations": [{"op": "add", "path": path, "value": [{"value": value}]}]})
}

pub(crate) async fn member_of(bridge: &TestBridge, name: &str, id: &str) -> String {
    let body = json!({"displayName": name, "members": [{"value": id}]});
    let answer = bridge.send("POST", "/Groups", Some(&body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    bridge.run_jobs().await;
    answer.body["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_come_from_attributes_and_groups_and_go_with_them() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        let (id, agent) = bridge
            .create(json!({"userName": "ann@example.com", "roles": [{"value": "access_audit_log"}]}))
            .await;
        assert_eq!(agent, -1, "grants alone make no agent");
        assert_eq!(roles(&bridge, "ann@example.com"), ["ACCESS_AUDIT_LOG", "USER"]);
        let group = member_of(&bridge, "Reporters", &id).await;
        assert_eq!(
            roles(&bridge, "ann@example.com"),
            ["ACCESS_AUDIT_LOG", "REPORT_ADMINISTRATIVE_USER", "USER"]
        );
        let user = bridge.ringcx.admin_named("ann@example.com").unwrap()["userId"].as_i64().unwrap();
        assert_eq!(bridge.ringcx.assignments(4711), [user]);
        // A role that somebody gave by hand in RingCX stays.
        bridge.ringcx.edit_admin(user, |admin| {
            admin["roles"].as_array_mut().unwrap().push(json!("WFO_ACCESS"));
        });
        assert_eq!(bridge.send("DELETE", &format!("/Groups/{group}"), None).await.status, 204);
        bridge.run_jobs().await;
        assert_eq!(roles(&bridge, "ann@example.com"), ["ACCESS_AUDIT_LOG", "USER", "WFO_ACCESS"]);
        assert_eq!(bridge.ringcx.assignments(4711), Vec::<i64>::new());
        let none = json!({"Operations": [{"op": "replace", "path": "roles", "value": []}]});
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&none)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(roles(&bridge, "ann@example.com"), ["WFO_ACCESS"]);
        assert_eq!(
            bridge.ringcx.admin_named("ann@example.com").unwrap()["enabled"],
            false,
            "the last role switches ours off"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_role_rejected_by_name() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        let (id, _) =
            bridge.create(json!({"userName": "ann@example.com", "roles": [{"value": "none"}]})).await;
        let url = format!("/Users/{id}");
        for (path, value) in
            [("roles", "SUPER_USER"), ("roles", "Wizard"), ("entitlements", "99"), ("roles", "NO_ACCESS")]
        {
            let answer = bridge.send("PATCH", &url, Some(&add(path, value))).await;
            assert_eq!(
                (answer.status, &answer.body["scimType"]),
                (400, &json!("invalidValue")),
                "{}",
                answer.text
            );
            assert!(answer.text.contains(value), "{}", answer.text);
        }
        // A group mapping allows a role; it does not replace the opt-in for those who can gain more.
        member_of(&bridge, "Owners", &id).await;
        assert_eq!(bridge.ringcx.admin_named("ann@example.com"), None);
        assert_eq!(bridge.ringcx.count("createUser"), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_is_never_taken_from_others() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        bridge.ringcx.assign(4712, 101);
        for name in ["ann@example.com", "bob@example.com"] {
            bridge.create(json!({"userName": name, "entitlements": [{"value": "4712"}]})).await;
            let user = bridge.ringcx.admin_named(name).unwrap()["userId"].as_i64().unwrap();
            let holders = bridge.ringcx.assignments(4712);
            assert!(holders.contains(&101) && holders.contains(&user), "{profile:?} {holders:?}");
        }
        assert_eq!(bridge.ringcx.assignments(4712).len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_that_exist_are_not_taken_over_silently() {
    for profile in PROFILES {
        let bridge = start(profile, json!({})).await;
        let body = json!({"userName": "known@example.com", "roles": [{"value": "ACCESS_AUDIT_LOG"}]});
        let answer = bridge.send("POST", "/Users", Some(&body)).await;
        assert_eq!(answer.status, 409, "{}", answer.text);
        assert!(answer.text.contains("200"), "{}", answer.text);
        assert_eq!(roles(&bridge, "known@example.com"), ["USER", "WFO_ACCESS"]);

        let bridge = start(profile, json!({"adopt_admins": true})).await;
        let (id, _) = bridge.create(body).await;
        assert_eq!(bridge.ringcx.count("createUser"), 0);
        assert_eq!(roles(&bridge, "known@example.com"), ["ACCESS_AUDIT_LOG", "USER", "WFO_ACCESS"]);
        assert_eq!(
            bridge
                .send(
                    "PATCH",
                    &format!("/Users/{id}"),
                    Some(&json!({"Operations": [{"op": "remove", "path": "roles"}]}))
                )
                .await
                .status,
            200
        );
        assert_eq!(
            roles(&bridge, "known@example.com"),
            ["USER", "WFO_ACCESS"],
            "only what the bridge gave goes"
        );
        assert_eq!(bridge.ringcx.admin_named("known@example.com").unwrap()["enabled"], true);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deactivate_admin_before_agent() {
    for profile in PROFILES {
        let bridge = start(profile, json!({"default_agent_group": "Default"})).await;
        let (id, agent) = bridge
            .create(json!({"userName": "ann@example.com", "roles": [{"value": "ACCESS_AUDIT_LOG"}], "entitlements": [{"value": "4711"}]}))
            .await;
        let user = bridge.ringcx.admin_named("ann@example.com").unwrap()["userId"].as_i64().unwrap();
        let url = format!("/Users/{id}");
        let active =
            |active: bool| json!({"Operations": [{"op": "replace", "path": "active", "value": active}]});
        bridge.ringcx.clear_calls();
        let answer = bridge.send("PATCH", &url, Some(&active(false))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let order: Vec<String> = bridge.ringcx.calls().into_iter().map(|call| call.operation).collect();
        let at = |name: &str| order.iter().position(|it| it == name).unwrap();
        assert!(at("setIsActive") < at("updateAgent") && at("updateAgent") < at("removeRole"), "{order:?}");
        assert_eq!(roles(&bridge, "ann@example.com"), Vec::<String>::new());
        assert_eq!(bridge.ringcx.assignments(4711), Vec::<i64>::new());
        assert_eq!(bridge.ringcx.admin_named("ann@example.com").unwrap()["enabled"], false);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
        let answer = bridge.send("PATCH", &url, Some(&active(true))).await;
        assert_eq!(answer.body[RINGCX]["provisioningState"], "active", "{}", answer.text);
        assert_eq!(roles(&bridge, "ann@example.com"), ["ACCESS_AUDIT_LOG", "USER"]);
        assert_eq!(bridge.ringcx.assignments(4711), [user]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delete_defaults_to_disable() {
    for profile in PROFILES {
        let bridge = start(profile, json!({"default_agent_group": "Default"})).await;
        let body = json!({
            "userName": "ann@example.com", "externalId": "e-1", "roles": [{"value": "ACCESS_AUDIT_LOG"}],
            "entitlements": [{"value": "4711"}],
        });
        let (id, agent) = bridge.create(body.clone()).await;
        let ann = || bridge.ringcx.admin_named("ann@example.com").unwrap();
        let user = ann()["userId"].clone();
        let url = format!("/Users/{id}");
        assert_eq!(bridge.send("DELETE", &url, None).await.status, 204);
        assert_eq!(bridge.send("GET", &url, None).await.status, 404);
        assert_eq!(bridge.send("GET", "/Users", None).await.body["totalResults"], 0);
        assert_eq!(
            (&ann()["enabled"], &bridge.ringcx.agent(agent).unwrap()["isActive"]),
            (&json!(false), &json!(false))
        );
        assert_eq!(roles(&bridge, "ann@example.com"), Vec::<String>::new());
        assert_eq!(bridge.ringcx.assignments(4711), Vec::<i64>::new());
        assert_eq!(bridge.ringcx.count("deleteUser") + bridge.ringcx.count("deleteAgent"), 0);
        // Somebody who comes back has their administrator again, with what is given now.
        let mut again = body;
        again.as_object_mut().unwrap().remove("entitlements");
        let (back, same) = bridge.create(again).await;
        assert!(back != id && same == agent);
        assert_eq!((&ann()["enabled"], &ann()["userId"]), (&json!(true), &user));
        assert_eq!(roles(&bridge, "ann@example.com"), ["ACCESS_AUDIT_LOG", "USER"]);
        assert_eq!(bridge.ringcx.assignments(4711), Vec::<i64>::new());
        assert_eq!(bridge.ringcx.count("createUser"), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_without_administrators_touches_none() {
    let bridge = start(Profile::Friendly, json!({"manage_admins": false})).await;
    let (id, _) =
        bridge.create(json!({"userName": "ann@example.com", "roles": [{"value": "ACCESS_AUDIT_LOG"}]})).await;
    member_of(&bridge, "Reporters", &id).await;
    assert!(
        bridge.ringcx.calls().iter().all(|call| !call.path.contains("/users")),
        "{:?}",
        bridge.ringcx.calls()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_administrators_come_in_as_the_settings_say() {
    for profile in PROFILES {
        let policy = json!({
            "admin_sso": false, "admin_reset_return_path": "/login", "admin_parent_user_id": 101,
            "admin_return_uri": "https://scim.example.com/welcome", "admin_regional_settings": {"timezoneName": "US/Eastern"},
        });
        let bridge = start(profile, policy).await;
        // The mail is owed until RingCX has taken it.
        bridge.ringcx.fault(Fault::once("sendPasswordReset", FaultKind::Status(503, String::new())));
        bridge.create(json!({"userName": "ann@example.com", "roles": [{"value": "ACCESS_AUDIT_LOG"}]})).await;
        let ann = bridge.ringcx.admin_named("ann@example.com").unwrap();
        let user = ann["userId"].as_i64().unwrap();
        assert_eq!(ann["parentPath"], format!("100.101.{user}"), "{profile:?}");
        assert_eq!(ann["regionalSettings"], json!({"timezoneName": "US/Eastern"}));
        assert_eq!(ann["isSSO"], false);
        let calls = bridge.ringcx.calls();
        let create = calls.iter().find(|call| call.operation == "createUser").unwrap();
        assert!(create.query.contains("returnUri=https"), "{}", create.query);
        assert_eq!(bridge.ringcx.reset_mails(), [user]);
        let mail = calls.iter().rfind(|call| call.operation == "sendPasswordReset").unwrap();
        assert!(mail.query.contains("returnPath=%2Flogin&resetViaEngageAuth=false"), "{}", mail.query);

        let bridge = start(profile, json!({})).await;
        bridge.create(json!({"userName": "ann@example.com", "roles": [{"value": "ACCESS_AUDIT_LOG"}]})).await;
        let ann = bridge.ringcx.admin_named("ann@example.com").unwrap();
        assert_eq!((&ann["isSSO"], ann.get("regionalSettings")), (&json!(true), None));
        assert_eq!(bridge.ringcx.reset_mails(), Vec::<i64>::new());
    }
}

/// Deletes an administrator who has created two others, and gives what the client was answered.
async fn delete_a_parent(
    profile: Profile,
    policy: Value,
    owns: bool,
    knob: &str,
) -> (TestBridge, i64, u16, String) {
    let mut whole = json!({"on_delete": "delete"});
    whole.as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
    let bridge = start(profile, whole).await;
    bridge.ringcx.set("reassign_moves_docs", knob).unwrap();
    let (id, _) =
        bridge.create(json!({"userName": "ann@example.com", "roles": [{"value": "ACCESS_AUDIT_LOG"}]})).await;
    let ann = bridge.ringcx.admin_named("ann@example.com").unwrap()["userId"].as_i64().unwrap();
    for (child, path) in [(300, format!("100.{ann}.300")), (301, format!("100.{ann}.300.301"))] {
        bridge.ringcx.add_admin(
            json!({"userId": child, "userName": format!("{child}@example.com"), "parentPath": path}),
        );
    }
    if owns {
        bridge.ringcx.edit_doc(4712, ann, json!({}));
        bridge.ringcx.assign(4712, 301);
    }
    let answer = bridge.send("DELETE", &format!("/Users/{id}"), None).await;
    (bridge, ann, answer.status, answer.text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_never_cascades() {
    for profile in PROFILES {
        let (bridge, _, status, text) = delete_a_parent(profile, json!({}), false, "yes").await;
        assert_eq!(status, 503, "{text}");
        assert!(text.contains("admin_reassign_user_id"), "{text}");
        assert_eq!(
            bridge.ringcx.admin_named("ann@example.com").unwrap()["enabled"],
            false,
            "the access is gone"
        );
        assert!(bridge.ringcx.admin_named("301@example.com").is_some());
        assert_eq!(bridge.ringcx.count("deleteUser"), 0);

        let guarded = json!({"admin_reassign_user_id": 101, "protected": ["301"]});
        let (bridge, _, status, text) = delete_a_parent(profile, guarded, false, "yes").await;
        assert!(status == 503 && text.contains("301") && text.contains("protected"), "{status} {text}");
        assert_eq!(bridge.ringcx.count("reassignUsers") + bridge.ringcx.count("deleteUser"), 0);

        let below = json!({"admin_reassign_user_id": 301});
        let (bridge, _, status, text) = delete_a_parent(profile, below, false, "yes").await;
        assert!(
            status == 503 && text.contains("301") && text.contains("somebody else there"),
            "{status} {text}"
        );
        assert_eq!(bridge.ringcx.count("reassignUsers") + bridge.ringcx.count("deleteUser"), 0);

        let heir = json!({"admin_reassign_user_id": 101});
        let (bridge, _, status, text) = delete_a_parent(profile, heir.clone(), false, "yes").await;
        assert_eq!(status, 204, "{text}");
        assert_eq!(bridge.ringcx.admin_named("ann@example.com"), None);
        let path = |name: &str| bridge.ringcx.admin_named(name).unwrap()["parentPath"].clone();
        assert_eq!(path("300@example.com"), "100.101.300");
        assert_eq!(path("301@example.com"), "100.101.300.301");
        let calls = bridge.ringcx.calls();
        let delete = calls.iter().find(|call| call.operation == "deleteUser").unwrap();
        assert!(delete.query.contains("cascadeDelete=false"), "{}", delete.query);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rights_document_outlives_its_owner() {
    for profile in PROFILES {
        let heir = json!({"admin_reassign_user_id": 101});
        let (bridge, _, status, text) = delete_a_parent(profile, heir.clone(), true, "yes").await;
        assert_eq!(status, 204, "{text}");
        assert_eq!(bridge.ringcx.assignments(4712), [301], "handed over with the people");

        let (bridge, ann, status, text) = delete_a_parent(profile, heir, true, "no").await;
        assert_eq!(status, 503, "{text}");
        assert!(text.contains("4712") && text.contains("another owner"), "{text}");
        assert_eq!(bridge.ringcx.assignments(4712), [301]);
        assert_eq!(bridge.ringcx.admin_named("ann@example.com").unwrap()["enabled"], false);
        // Somebody gives it another owner, and the identity provider asks again.
        bridge.ringcx.edit_doc(4712, 101, json!({}));
        let shown = bridge.send("GET", "/Users?filter=userName eq \"ann@example.com\"", None).await;
        let id = shown.body["Resources"][0]["id"].as_str().unwrap().to_owned();
        let answer = bridge.send("DELETE", &format!("/Users/{id}"), None).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
        assert!(bridge.ringcx.admins().iter().all(|admin| admin["userId"] != ann), "{}", answer.text);
        assert_eq!(bridge.ringcx.assignments(4712), [301]);
    }
}
