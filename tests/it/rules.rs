//! One rule per conflict between the two worlds: what RingCX holds afterwards, under every profile.

use ringcx_simulator::{Fault, FaultKind, Profile, Seed};
use serde_json::{Value, json};

use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";
const PROFILES: [Profile; 3] = [Profile::Friendly, Profile::Hostile, Profile::Spec];

fn patch(operations: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

fn set(path: &str, value: &Value) -> Value {
    patch(&json!([{"op": "replace", "path": path, "value": value}]))
}

fn seed() -> Seed {
    Seed::demo()
        .agent(1003, json!({"agentId": 5002, "username": "foreign@example.com", "email": "other@example.com", "externalAgentId": "wfm-7"}))
        .agent(1003, json!({"agentId": 5003, "username": "asleep@example.com", "isActive": false, "active": false}))
        .agent(1003, json!({"agentId": 5004, "username": "multi@example.com", "agentType": "MULTI_USER"}))
}

async fn bridge(profile: Profile, policy: Value) -> TestBridge {
    let mut whole = json!({"default_agent_group": "Default", "password_on_put": "omit"});
    whole.as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
    if whole["default_agent_group"].is_null() {
        whole.as_object_mut().unwrap().remove("default_agent_group");
    }
    let groups = json!([
        {"match": "UK", "agent_group": "UK Agents", "priority": 10},
        {"match": "US", "agent_group": "US Agents", "priority": 5},
        {"match": "Reporters", "roles": ["REPORT_ADMINISTRATIVE_USER"], "rights_docs": [4711]},
    ]);
    TestBridge::start(Setup { profile, seed: seed(), policy: whole, groups, ..Setup::default() }).await
}

async fn group(bridge: &TestBridge, name: &str, members: &[&str]) -> String {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    let answer =
        bridge.send("POST", "/Groups", Some(&json!({"displayName": name, "members": members}))).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    bridge.run_jobs().await;
    answer.body["id"].as_str().unwrap().to_owned()
}

async fn user(bridge: &TestBridge, id: &str) -> Value {
    let answer = bridge.send("GET", &format!("/Users/{id}"), None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rename_keep_leaves_ringcx_login_and_follow_changes_it() {
    for profile in PROFILES {
        for (policy, login) in [("keep", "jo@example.com"), ("follow", "joan@example.com")] {
            let bridge = bridge(profile, json!({"rename_policy": policy})).await;
            if policy == "follow" {
                bridge.ringcx.set("username_update", "allow").unwrap();
            }
            let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
            let answer = bridge
                .send("PATCH", &format!("/Users/{id}"), Some(&set("userName", &json!("joan@example.com"))))
                .await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(answer.body["userName"], "joan@example.com");
            assert_eq!(answer.body[RINGCX]["ringcxUsername"], login);
            assert_eq!(bridge.ringcx.agent(agent).unwrap()["username"], login);
        }
        let bridge = bridge(profile, json!({"rename_policy": "reject"})).await;
        let (id, _) = bridge.create(json!({"userName": "jo@example.com"})).await;
        let answer = bridge
            .send("PATCH", &format!("/Users/{id}"), Some(&set("userName", &json!("x@example.com"))))
            .await;
        assert_eq!((answer.status, &answer.body["scimType"]), (400, &json!("mutability")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn username_template_conflict_409() {
    for profile in PROFILES {
        let bridge = bridge(profile, json!({"link_existing": false})).await;
        let answer = bridge.send("POST", "/Users", Some(&json!({"userName": "foreign@example.com"}))).await;
        assert_eq!((answer.status, &answer.body["scimType"]), (409, &json!("uniqueness")), "{}", answer.text);
        assert!(answer.body["detail"].as_str().unwrap().contains("username_template"));
        let found = bridge.send("GET", "/Users?filter=userName eq \"foreign@example.com\"", None).await;
        assert_eq!(found.body["totalResults"], 0);
        bridge.run_jobs().await;
        assert_eq!(bridge.ringcx.agents().len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_user_created_on_first_group() {
    for profile in PROFILES {
        let bridge = bridge(profile, json!({"default_agent_group": null})).await;
        let before = bridge.ringcx.calls().len();
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        assert_eq!((agent, bridge.ringcx.calls().len() - before), (-1, 0));
        assert_eq!(user(&bridge, &id).await[RINGCX]["provisioningState"], "held");
        group(&bridge, "UK", &[&id]).await;
        let shown = user(&bridge, &id).await;
        assert_eq!(shown[RINGCX]["provisioningState"], "active");
        let agent: i64 = shown[RINGCX]["agentId"].as_str().unwrap().parse().unwrap();
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1001);
        assert_eq!(bridge.ringcx.count("createAgent"), 1);
        assert_eq!(bridge.ringcx.count("updateAgent"), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn effective_group_is_order_independent_and_falls_back() {
    for profile in PROFILES {
        for order in [["UK", "US"], ["US", "UK"]] {
            let bridge = bridge(profile, json!({})).await;
            let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
            let mut groups = Vec::new();
            for name in order {
                groups.push(group(&bridge, name, &[&id]).await);
            }
            assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1002, "the lower priority wins");
            for group in groups {
                assert_eq!(bridge.send("DELETE", &format!("/Groups/{group}"), None).await.status, 204);
            }
            bridge.run_jobs().await;
            assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1000);
            let by_name = set(&format!("{RINGCX}:agentGroupName"), &json!("platform team"));
            assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&by_name)).await.status, 200);
            assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentGroupId"], 1003);
            let unknown = set(&format!("{RINGCX}:agentGroupName"), &json!("Nowhere"));
            let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&unknown)).await;
            assert_eq!(answer.status, 400, "{}", answer.text);
            assert!(answer.text.contains("Nowhere"));
            assert_eq!(bridge.ringcx.count("createAgent"), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn move_never_recreates_agent_whatever_ringcx_wants() {
    for mode in ["body_agentgroup_id", "body_groupid", "path", "bulk", "unsupported"] {
        let bridge = bridge(Profile::Friendly, json!({})).await;
        bridge.ringcx.set("move_mode", mode).unwrap();
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        group(&bridge, "UK", &[&id]).await;
        let shown = user(&bridge, &id).await;
        // A list is never sent unasked: some installation may take it for the whole of the group.
        let stays = matches!(mode, "bulk" | "unsupported");
        assert_eq!(
            bridge.ringcx.agent(agent).unwrap()["agentGroupId"],
            if stays { 1000 } else { 1001 },
            "{mode}"
        );
        assert_eq!(shown[RINGCX]["provisioningState"], if stays { "error" } else { "active" }, "{mode}");
        assert_eq!(shown[RINGCX]["lastError"].to_string().contains("move_strategy"), stays);
        assert_eq!(bridge.ringcx.count("updateAgents"), 0, "{mode}");
        assert_eq!(shown["groups"][0]["display"], "UK", "the membership stays");
        assert_eq!((bridge.ringcx.count("createAgent"), bridge.ringcx.count("deleteAgent")), (1, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_disable_is_suspended_until_active_goes_from_false_to_true() {
    for profile in PROFILES {
        let bridge = bridge(profile, json!({})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        bridge.ringcx.edit_agent(agent, |fields| {
            fields.insert("isActive".to_owned(), json!(false));
            fields.insert("active".to_owned(), json!(false));
        });
        let url = format!("/Users/{id}");
        let renamed = bridge.send("PATCH", &url, Some(&set("name.familyName", &json!("New")))).await;
        assert_eq!(renamed.status, 200, "{}", renamed.text);
        assert_eq!(renamed.body[RINGCX]["provisioningState"], "suspended");
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["lastName"], "New");
        bridge.send("PATCH", &url, Some(&set("active", &json!(true)))).await;
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false, "active was true already");
        bridge.send("PATCH", &url, Some(&set("active", &json!(false)))).await;
        let back = bridge.send("PATCH", &url, Some(&set("active", &json!(true)))).await;
        assert_eq!(back.body[RINGCX]["provisioningState"], "active", "{}", back.text);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], true);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_supervisor_set_is_lost() {
    for profile in PROFILES {
        let bridge = bridge(profile, json!({})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com", "title": "x"})).await;
        let set_by_hand = [
            ("gateAssignments", json!([8101])),
            ("dialGroupAssignments", json!([7001])),
            ("agentSkillProfiles", json!([3])),
        ];
        for (field, value) in &set_by_hand {
            bridge.ringcx.associate(agent, field, value.clone());
        }
        bridge.ringcx.edit_agent(agent, |fields| {
            fields.insert("allowChat".to_owned(), json!(true));
            fields.insert("somethingNew".to_owned(), json!({"kept": 1}));
        });
        let url = format!("/Users/{id}");
        group(&bridge, "UK", &[&id]).await;
        for operations in [
            json!([{"op": "replace", "path": "name.givenName", "value": "Jo"}]),
            json!([{"op": "replace", "path": "active", "value": false}]),
            json!([{"op": "replace", "path": "active", "value": true}]),
        ] {
            let answer = bridge.send("PATCH", &url, Some(&patch(&operations))).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        let held = bridge.ringcx.associations(agent);
        for (field, value) in &set_by_hand {
            assert_eq!(&held[*field], value, "{profile:?} {field}");
        }
        let now = bridge.ringcx.agent(agent).unwrap();
        assert_eq!(
            (&now["allowChat"], &now["somethingNew"]["kept"]),
            (&json!(true), &json!(1)),
            "{profile:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_adopted_by_name_and_never_by_doubt() {
    for profile in PROFILES {
        let bridge = bridge(profile, json!({})).await;
        let answer = bridge
            .send(
                "POST",
                "/Users",
                Some(&json!({"userName": "Wanda@Example.com", "name": {"familyName": "Worker-Smith"}})),
            )
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_eq!(answer.body[RINGCX]["agentId"], "5001");
        let agent = bridge.ringcx.agent(5001).unwrap();
        assert_eq!((&agent["lastName"], &agent["firstName"]), (&json!("Worker-Smith"), &json!("Wanda")));
        assert_eq!(agent["agentGroupId"], 1003, "the home group stays");
        let asleep = bridge.send("POST", "/Users", Some(&json!({"userName": "asleep@example.com"}))).await;
        // A list that leaves out inactive agents hides them; then RingCX itself says that the name is taken.
        assert_eq!(asleep.status, 409, "{}", asleep.text);
        let multi = bridge
            .send("POST", "/Users", Some(&json!({"userName": "multi@example.com", "title": "x"})))
            .await;
        assert_eq!(multi.status, 201, "nothing changes, so nothing is refused: {}", multi.text);
        let id = multi.body["id"].as_str().unwrap();
        let answer =
            bridge.send("PATCH", &format!("/Users/{id}"), Some(&set("name.givenName", &json!("M")))).await;
        assert_eq!((answer.status, &answer.body["scimType"]), (400, &json!("mutability")), "{}", answer.text);
        let foreign = json!({"userName": "foreign@example.com", "externalId": "okta-1"});
        assert_eq!(bridge.send("POST", "/Users", Some(&foreign)).await.status, 201);
        assert_eq!(
            bridge.ringcx.agent(5002).unwrap()["externalAgentId"],
            "wfm-7",
            "foreign value is not overwritten"
        );
        assert_eq!(bridge.ringcx.count("createAgent"), usize::from(profile == Profile::Hostile));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn link_order_and_ambiguity_409() {
    let seed = Seed::demo()
        .agent(1003, json!({"agentId": 5011, "username": "a@example.com", "rcUserId": 3_361_292_020_i64}))
        .agent(1003, json!({"agentId": 5012, "username": "b@example.com", "externalAgentId": "e-1"}))
        .agent(1003, json!({"agentId": 5013, "username": "jo@example.com"}))
        .agent(1003, json!({"agentId": 5014, "username": "d@example.com", "email": "post@example.com"}))
        .agent(1003, json!({"agentId": 5015, "username": "e@example.com", "externalAgentId": "e-9"}))
        .agent(1003, json!({"agentId": 5016, "username": "f@example.com", "externalAgentId": "e-9"}));
    for (extension, key, name, status, agent) in [
        (json!("3361292020"), json!("e-1"), "jo@example.com", 201, "5011"),
        (Value::Null, json!("e-1"), "jo@example.com", 201, "5012"),
        (Value::Null, json!("e-2"), "jo@example.com", 201, "5013"),
        // An address alone is a question, and so are two of one key.
        (Value::Null, Value::Null, "new@example.com", 409, "5014"),
        (Value::Null, json!("e-9"), "new@example.com", 409, "5015, 5016"),
    ] {
        let (seed, knobs) = (seed.clone(), vec![("list_fields", "full")]);
        let policy = json!({"default_agent_group": "Default", "password_on_put": "omit"});
        let bridge = TestBridge::start(Setup { seed, knobs, policy, ..Setup::default() }).await;
        let mut body = json!({"userName": name, "emails": [{"value": "post@example.com"}]});
        body["externalId"] = key;
        body[RINGCX] = json!({"rcExtensionId": extension});
        let answer = bridge.send("POST", "/Users", Some(&body)).await;
        assert_eq!(answer.status, status, "{agent}: {}", answer.text);
        assert_eq!(bridge.ringcx.count("createAgent"), 0, "{agent}");
        if status == 201 {
            assert_eq!(answer.body[RINGCX]["agentId"], agent);
        } else {
            assert!(answer.body["detail"].as_str().unwrap().contains(agent), "{}", answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_of_somebody_elses_is_not_risked() {
    let setup = Setup {
        policy: json!({"default_agent_group": "Default"}),
        seed: seed(),
        settle: std::time::Duration::from_millis(300),
        ..Setup::default()
    };
    let bridge = TestBridge::start(setup).await;
    let answer = bridge.send("POST", "/Users", Some(&json!({"userName": "wanda@example.com"}))).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let id = answer.body["id"].as_str().unwrap();
    let url = format!("/Users/{id}");
    let answer = bridge.send("PATCH", &url, Some(&set("name.givenName", &json!("W")))).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.text.contains("password_on_put"), "{}", answer.text);
    let answer = bridge.send("PATCH", &url, Some(&set("active", &json!(false)))).await;
    assert_eq!(answer.status, 200, "a leaver is always switched off: {}", answer.text);
    assert_eq!(bridge.ringcx.agent(5001).unwrap()["isActive"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delete_can_mean_delete_for_what_the_bridge_made() {
    for profile in PROFILES {
        let bridge = bridge(profile, json!({"on_delete": "delete"})).await;
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com"})).await;
        assert_eq!(bridge.send("DELETE", &format!("/Users/{id}"), None).await.status, 204);
        assert_eq!(bridge.ringcx.agent(agent), None);
        let (id, agent) = bridge.create(json!({"userName": "wanda@example.com"})).await;
        assert_eq!(bridge.send("DELETE", &format!("/Users/{id}"), None).await.status, 204);
        assert_eq!(
            bridge.ringcx.agent(agent).unwrap()["isActive"],
            false,
            "an adopted one is only switched off"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_create_leaves_nothing_and_a_corrected_one_works() {
    for profile in PROFILES {
        let bridge = bridge(profile, json!({})).await;
        let refusal =
            r#"{"generalMessage":"The supplied data is not valid","details":"no seat available"}"#.to_owned();
        bridge.ringcx.fault(Fault::once("createAgent", FaultKind::Status(400, refusal)));
        let body = json!({"userName": "jo@example.com"});
        let answer = bridge.send("POST", "/Users", Some(&body)).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert!(answer.text.contains("no seat available"));
        bridge.run_jobs().await;
        assert_eq!(bridge.send("GET", "/Users", None).await.body["totalResults"], 0);
        bridge.create(body).await;
        assert_eq!(bridge.ringcx.agents().iter().filter(|it| it["username"] == "jo@example.com").count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_change_leaves_the_resource_and_ringcx_as_they_were() {
    for profile in PROFILES {
        let bridge = bridge(profile, json!({})).await;
        let (id, agent) =
            bridge.create(json!({"userName": "jo@example.com", "name": {"givenName": "Jo"}})).await;
        let refusal = FaultKind::Status(400, r#"{"generalMessage":"no"}"#.to_owned());
        bridge.ringcx.fault(Fault::once("updateAgent", refusal));
        let url = format!("/Users/{id}");
        let answer = bridge.send("PATCH", &url, Some(&set("name.givenName", &json!("Joan")))).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        bridge.run_jobs().await;
        assert_eq!(user(&bridge, &id).await["name"]["givenName"], "Jo");
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["firstName"], "Jo");
        let answer = bridge.send("PATCH", &url, Some(&set("name.givenName", &json!("Joan")))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["firstName"], "Joan");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_client_withdraws_is_cleared() {
    for profile in PROFILES {
        let bridge = bridge(profile, json!({})).await;
        let (id, agent) = bridge
            .create(json!({
                "userName": "jo@example.com", "name": {"givenName": "Jo"},
                RINGCX: {"team": "A", "agentRank": "12", "location": "Leeds"},
            }))
            .await;
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["agentRank"], 12);
        let operations = json!([
            {"op": "remove", "path": format!("{RINGCX}:agentRank")},
            {"op": "replace", "path": format!("{RINGCX}:team"), "value": ""},
        ]);
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&patch(&operations))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let now = bridge.ringcx.agent(agent).unwrap();
        assert_eq!(
            (&now["agentRank"], &now["team"], &now["location"]),
            (&json!(0), &json!(""), &json!("Leeds"))
        );
        // A PUT without the extension leaves it alone, and clears what the core schema no longer has.
        let answer =
            bridge.send("PUT", &format!("/Users/{id}"), Some(&json!({"userName": "jo@example.com"}))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let now = bridge.ringcx.agent(agent).unwrap();
        assert_eq!((&now["firstName"], &now["location"]), (&json!(""), &json!("Leeds")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_refused_half_way_is_taken_back() {
    for profile in PROFILES {
        let bridge = bridge(profile, json!({"allowed_roles": ["ACCESS_AUDIT_LOG"]})).await;
        let (id, agent) =
            bridge.create(json!({"userName": "jo@example.com", "name": {"givenName": "Jo"}})).await;
        let refusal = FaultKind::Status(400, r#"{"generalMessage":"not this role"}"#.to_owned());
        bridge.ringcx.fault(Fault::once("addRole", refusal));
        let operations = json!([
            {"op": "replace", "path": "name.givenName", "value": "Joan"},
            {"op": "add", "path": "roles", "value": [{"value": "ACCESS_AUDIT_LOG"}]},
        ]);
        let answer = bridge.send("PATCH", &format!("/Users/{id}"), Some(&patch(&operations))).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        bridge.run_jobs().await;
        assert_eq!(user(&bridge, &id).await["name"]["givenName"], "Jo");
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["firstName"], "Jo", "changed fields return");
        assert_eq!(
            bridge.ringcx.admin_named("jo@example.com").unwrap()["enabled"],
            false,
            "what was made is switched off"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_gone_is_no_candidate_twice() {
    for profile in PROFILES {
        let bridge = bridge(profile, json!({})).await;
        bridge.ringcx.remove_agent(5001);
        let body = json!({"userName": "wanda@example.com"});
        assert_eq!(bridge.send("POST", "/Users", Some(&body)).await.status, 400);
        let (_, agent) = bridge.create(body).await;
        assert_ne!(agent, 5001);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_created_before_the_account_was_read() {
    let bridge = TestBridge::start(Setup { met: false, seed: seed(), ..Setup::default() }).await;
    let body = json!({"userName": "wanda@example.com"});
    let answer = bridge.send("POST", "/Users", Some(&body)).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(bridge.send("GET", "/Users", None).await.body["totalResults"], 0);
    let group = bridge.send("POST", "/Groups", Some(&json!({"displayName": "UK Agents"}))).await;
    assert_eq!((group.status, bridge.ringcx.calls().len()), (201, 0));
    bridge.reconciler.meet_all().await.unwrap();
    let (id, agent) = bridge.create(body).await;
    assert_eq!(agent, 5001, "linked, not doubled");
    let add = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": id}]}]});
    let group = group.body["id"].as_str().unwrap();
    assert_eq!(bridge.send("PATCH", &format!("/Groups/{group}"), Some(&add)).await.status, 204);
    bridge.run_jobs().await;
    assert_eq!(
        bridge.ringcx.agent(agent).unwrap()["agentGroupId"],
        1001,
        "the group is linked by its name after all"
    );
}
