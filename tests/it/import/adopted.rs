//! What becomes of imported people, groups and administrators once a client, a supervisor or an operator does something.

use ringcx_scim::domain::import::{AccountRef, Choice, parse_decision};
use ringcx_scim::domain::{Actor, TenantId};
use ringcx_scim::reconcile::import::{ImportError, Imported, Planned, Reading, Seen, Undone};
use ringcx_simulator::{Fault, FaultKind, Profile, Seed};
use serde_json::{Value, json};

use super::seed::{RINGCX, assert_empty};
use crate::support::{Answer, Setup, TestBridge};

fn tenant() -> TenantId {
    "default".parse().unwrap()
}

async fn read(bridge: &TestBridge) -> Seen {
    let how = Reading { max_age: std::time::Duration::from_hours(1), lists_only: false };
    bridge.reconciler.read_for_import(&tenant(), &how, &|_, _| {}).await.unwrap()
}

async fn plan(bridge: &TestBridge, seen: &Seen, decide: &[&str]) -> Result<Planned, ImportError> {
    let new: Vec<(AccountRef, Choice)> = decide.iter().map(|text| parse_decision(text).unwrap()).collect();
    bridge.reconciler.plan_import(&tenant(), seen, &new).await
}

/// Imports, and sees to it that RingCX was not changed by that.
async fn import(bridge: &TestBridge, decide: &[&str]) -> Imported {
    let before = bridge.ringcx.state();
    let seen = read(bridge).await;
    let planned = plan(bridge, &seen, decide).await.unwrap();
    let by = Actor::operator("test", "run");
    let imported = bridge.reconciler.import(&tenant(), &seen.into(), &planned, &by).await.unwrap();
    assert_eq!(imported.left, []);
    assert_eq!(bridge.ringcx.state(), before, "an import changes nothing in RingCX");
    imported
}

async fn undo(bridge: &TestBridge, force: bool) -> Undone {
    let by = Actor::operator("test", "run");
    bridge.reconciler.undo_import(&tenant(), false, force, &by).await.unwrap()
}

async fn user(bridge: &TestBridge, user_name: &str) -> Value {
    let list = bridge.send("GET", &format!("/Users?filter=userName eq \"{user_name}\""), None).await;
    assert_eq!(list.body["totalResults"], 1, "{user_name}: {}", list.text);
    list.body["Resources"][0].clone()
}

async fn group(bridge: &TestBridge, name: &str) -> Value {
    let list = bridge.send("GET", &format!("/Groups?filter=displayName eq \"{name}\""), None).await;
    assert_eq!(list.body["totalResults"], 1, "{name}: {}", list.text);
    list.body["Resources"][0].clone()
}

fn members(group: &Value) -> Vec<&str> {
    group["members"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|member| member["value"].as_str().unwrap())
        .collect()
}

async fn patch(bridge: &TestBridge, of: &Value, operations: Value) -> Answer {
    let kind = if of["displayName"].is_string() && of["userName"].is_null() { "Groups" } else { "Users" };
    let path = format!("/{kind}/{}", of["id"].as_str().unwrap());
    let schemas = json!(["urn:ietf:params:scim:api:messages:2.0:PatchOp"]);
    bridge.send("PATCH", &path, Some(&json!({"schemas": schemas, "Operations": operations}))).await
}

fn set(path: &str, value: &Value) -> Value {
    json!([{"op": "replace", "path": path, "value": value}])
}

/// Two agents in one group and a third elsewhere; the first has what a supervisor gives.
fn floor() -> Seed {
    let agent = |id: i64, name: &str, extra: Value| {
        let mut agent = json!({
            "agentId": id, "username": format!("{name}@example.com"), "email": format!("{name}@example.com"),
            "firstName": name, "lastName": "Agent", "externalAgentId": format!("WFM-{id}"),
        });
        agent.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        agent
    };
    Seed::empty()
        .group(1001, "UK Agents")
        .group(1002, "US Agents")
        .agent(1001, agent(5001, "leo", json!({"location": "Leeds", "agentRank": 12})))
        .agent(1001, agent(5002, "mia", json!({})))
        .agent(1002, agent(5003, "tom", json!({"transientAgent": true})))
}

fn policy(extra: &Value) -> Value {
    let mut policy = json!({"default_agent_group": "Default", "password_on_put": "omit"});
    policy.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    policy
}

async fn start(seed: Seed, extra: Value) -> TestBridge {
    TestBridge::start(Setup { seed, policy: policy(&extra), ..Setup::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_found_switched_off_stays_so_until_the_client_says_off_and_on() {
    // Lists of the hostile dialect do not show such an agent at all.
    for profile in [Profile::Friendly, Profile::Spec] {
        let off = json!({"agentId": 5009, "username": "ida@example.com", "firstName": "Ida", "lastName": "Off", "isActive": false});
        let setup =
            Setup { profile, seed: floor().agent(1001, off), policy: policy(&json!({})), ..Setup::default() };
        let bridge = TestBridge::start(setup).await;
        import(&bridge, &[]).await;
        let ida = user(&bridge, "ida@example.com").await;
        assert_eq!((&ida["active"], &ida[RINGCX]["provisioningState"]), (&json!(false), &json!("disabled")));

        let renamed = patch(&bridge, &ida, set("name.familyName", &json!("Later"))).await;
        assert_eq!(renamed.status, 200);
        assert!(bridge.ringcx.calls().iter().all(|call| !call.operation.starts_with("update")));
        let on = patch(&bridge, &ida, set("active", &json!(true))).await;
        assert_eq!((on.status, &on.body["active"]), (200, &json!(true)), "{}", on.text);
        assert_eq!(on.body[RINGCX]["provisioningState"], "suspended");
        assert_eq!(bridge.ringcx.agent(5009).unwrap()["isActive"], false, "a supervisor's decision stands");
        bridge.run_jobs().await;
        assert_eq!(bridge.ringcx.agent(5009).unwrap()["isActive"], false);

        assert_eq!(patch(&bridge, &ida, set("active", &json!(false))).await.status, 200);
        assert_eq!(patch(&bridge, &ida, set("active", &json!(true))).await.status, 200);
        assert_eq!(bridge.ringcx.agent(5009).unwrap()["isActive"], true);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transient_agent_read_only() {
    let multi = json!({"agentId": 5008, "username": "una@example.com", "agentType": "MULTI_USER"});
    let bridge =
        start(floor().agent(1002, multi), json!({"external_agent_id_source": "employeeNumber"})).await;
    import(&bridge, &[]).await;
    let before = bridge.ringcx.state();
    assert_eq!(user(&bridge, "una@example.com").await[RINGCX]["agentType"], "MULTI_USER");
    for (name, reason) in [("tom@example.com", "transient"), ("una@example.com", "MULTI_USER")] {
        let person = user(&bridge, name).await;
        bridge.ringcx.clear_calls();
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber";
        for stored in [
            set("title", &json!("Guest")),
            set("externalId", &json!(format!("object-{name}"))),
            set(enterprise, &json!("E1")),
            set("active", &json!(true)),
        ] {
            assert_eq!(patch(&bridge, &person, stored).await.status, 200);
        }
        for refused in [
            set("name.givenName", &json!("Other")),
            set(&format!("{RINGCX}:location"), &json!("Hull")),
            set("active", &json!(false)),
        ] {
            let answer = patch(&bridge, &person, refused).await;
            assert_eq!(
                (answer.status, &answer.body["scimType"]),
                (400, &json!("mutability")),
                "{}",
                answer.text
            );
            assert!(answer.body["detail"].as_str().unwrap().contains(reason), "{}", answer.text);
        }
        assert!(bridge.ringcx.calls().is_empty(), "nothing was begun: {:?}", bridge.ringcx.calls());
        let now = user(&bridge, name).await;
        assert_eq!((&now["title"], &now["active"]), (&json!("Guest"), &json!(true)));
    }
    assert_eq!(bridge.ringcx.state(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_leaver_who_administers_loses_that_all_the_same() {
    let admin = json!({"userId": 120, "userName": "tom@example.com", "roles": ["USER"]});
    let bridge = start(floor().admin(admin), json!({})).await;
    import(&bridge, &["admin:120=link:agent:5003"]).await;
    let tom = user(&bridge, "tom@example.com").await;
    assert_eq!(tom[RINGCX]["adminUserId"], "120");
    let answer = patch(&bridge, &tom, set("active", &json!(false))).await;
    assert_eq!((answer.status, &answer.body["scimType"]), (400, &json!("mutability")), "{}", answer.text);
    assert_eq!(bridge.ringcx.admin_named("tom@example.com").unwrap()["enabled"], false);
    assert_eq!(bridge.ringcx.agent(5003).unwrap()["isActive"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_client_does_not_change_is_never_touched_in_ringcx() {
    let bridge = start(floor(), json!({})).await;
    bridge.ringcx.associate(5001, "gateAssignments", json!([{"gateId": 7}]));
    let set_by_hand = bridge.ringcx.associations(5001);
    import(&bridge, &[]).await;
    let mut leo = user(&bridge, "leo@example.com").await;
    assert_eq!((&leo[RINGCX]["location"], &leo[RINGCX]["agentRank"]), (&json!("Leeds"), &json!(12)));

    // A supervisor changes things in RingCX; the client sends back what it was shown, and a new family name.
    bridge.ringcx.edit_agent(5001, |agent| {
        agent.insert("location".to_owned(), json!("York"));
        agent.insert("firstName".to_owned(), json!("Leonard"));
    });
    leo["name"]["familyName"] = json!("Married");
    let path = format!("/Users/{}", leo["id"].as_str().unwrap());
    let answer = bridge.send("PUT", &path, Some(&leo)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let agent = bridge.ringcx.agent(5001).unwrap();
    assert_eq!((&agent["lastName"], &agent["location"]), (&json!("Married"), &json!("York")));
    assert_eq!((&agent["firstName"], &agent["externalAgentId"]), (&json!("Leonard"), &json!("WFM-5001")));

    // A client that knows nothing of names takes none away.
    let bare = json!({"schemas": leo["schemas"], "userName": "leo@example.com", "title": "Agent"});
    assert_eq!(bridge.send("PUT", &path, Some(&bare)).await.status, 200);
    assert_eq!(bridge.ringcx.agent(5001).unwrap()["firstName"], "Leonard");

    // What it does write is its own from then on, also back to what was found.
    for town in ["Hull", "Leeds"] {
        let answer = patch(&bridge, &leo, set(&format!("{RINGCX}:location"), &json!(town))).await;
        assert_eq!(answer.body[RINGCX]["location"], town);
        assert_eq!(bridge.ringcx.agent(5001).unwrap()["location"], town);
    }
    assert_eq!(set_by_hand["gateAssignments"], json!([{"gateId": 7}]));
    assert_eq!(bridge.ringcx.associations(5001), set_by_hand);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn managed_by_rc_fields_not_pushed() {
    let managed = json!({
        "agentId": 5004, "username": "rae+15300002_5004@example.com", "email": "rae@example.com", "firstName": "Rae",
        "lastName": "Office", "rcUserId": 3_361_292_020_i64, "userManagedByRC": true,
    });
    let bridge = start(floor().agent(1001, managed), json!({})).await;
    import(&bridge, &[]).await;
    let rae = user(&bridge, "rae@example.com").await;
    assert_eq!(rae[RINGCX]["rcExtensionId"], "3361292020");
    let before = bridge.ringcx.agent(5004).unwrap();
    let answer = patch(&bridge, &rae, set("name.familyName", &json!("Changed"))).await;
    assert_eq!(
        (answer.status, &answer.body["name"]["familyName"]),
        (200, &json!("Changed")),
        "{}",
        answer.text
    );
    assert_eq!(bridge.ringcx.agent(5004).unwrap(), before);
    let moved = patch(&bridge, &rae, set(&format!("{RINGCX}:team"), &json!("Blue"))).await;
    assert_eq!(moved.status, 200, "{}", moved.text);
    assert_eq!(bridge.ringcx.agent(5004).unwrap()["team"], "Blue");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_write_to_an_imported_group_adds_to_its_members() {
    let bridge = start(floor(), json!({})).await;
    import(&bridge, &[]).await;
    let (uk, leo, mia) = (
        group(&bridge, "UK Agents").await,
        user(&bridge, "leo@example.com").await,
        user(&bridge, "mia@example.com").await,
    );
    let before = bridge.ringcx.state();
    assert_eq!(members(&uk).len(), 2);
    let put = json!({"displayName": "UK Agents", "members": [{"value": leo["id"]}]});
    let path = format!("/Groups/{}", uk["id"].as_str().unwrap());
    assert_eq!(bridge.send("PUT", &path, Some(&put)).await.status, 200);
    assert_eq!(
        members(&group(&bridge, "UK Agents").await).len(),
        2,
        "nobody is thrown out by the first list"
    );
    assert_eq!(bridge.send("PUT", &path, Some(&put)).await.status, 200);
    assert_eq!(members(&group(&bridge, "UK Agents").await), [leo["id"].as_str().unwrap()]);
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.state(), before, "mia stays where she is");
    assert!(mia["groups"][0]["display"] == "UK Agents");
}

/// Okta's "link group" goes through the list; a push of a group of that name is told which one to link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn okta_link_group_adopts_the_group_of_an_agent_group() {
    let bridge = start(floor(), json!({})).await;
    import(&bridge, &[]).await;
    let us = group(&bridge, "US Agents").await;
    let pushed = bridge.send("POST", "/Groups", Some(&json!({"displayName": "us agents"}))).await;
    assert_eq!((pushed.status, &pushed.body["scimType"]), (409, &json!("uniqueness")));
    assert!(pushed.body["detail"].as_str().unwrap().contains(us["id"].as_str().unwrap()));
    let leo = user(&bridge, "leo@example.com").await;
    let add = json!([{"op": "add", "path": "members", "value": [{"value": leo["id"]}]}]);
    assert_eq!(patch(&bridge, &us, add).await.status, 204);
    bridge.run_jobs().await;
    assert_eq!(
        bridge.ringcx.agent(5001).unwrap()["agentGroupId"],
        1002,
        "the linked group moves its members"
    );
    let uk = group(&bridge, "UK Agents").await;
    let mia = user(&bridge, "mia@example.com").await;
    assert_eq!(members(&uk), [mia["id"].as_str().unwrap()], "an imported group shows who is there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_imported_membership_gives_nothing_until_the_client_names_the_member() {
    let groups =
        json!([{"match": "UK Agents", "roles": ["REPORT_ADMINISTRATIVE_USER"], "agent_group": "US Agents"}]);
    let setup = Setup { seed: floor(), policy: policy(&json!({})), groups, ..Setup::default() };
    let bridge = TestBridge::start(setup).await;
    import(&bridge, &[]).await;
    let (uk, leo) = (group(&bridge, "UK Agents").await, user(&bridge, "leo@example.com").await);
    for person in ["leo@example.com", "mia@example.com"] {
        let person = user(&bridge, person).await;
        assert_eq!(patch(&bridge, &person, set("name.familyName", &json!("New"))).await.status, 200);
    }
    assert_eq!(patch(&bridge, &uk, set("externalId", &json!("object"))).await.status, 204);
    bridge.run_jobs().await;
    assert_eq!((bridge.ringcx.count("createUser"), bridge.ringcx.admins().len()), (0, 1));
    assert_eq!(bridge.ringcx.agent(5001).unwrap()["agentGroupId"], 1001);

    let add = json!([{"op": "add", "path": "members", "value": [{"value": leo["id"]}]}]);
    assert_eq!(patch(&bridge, &uk, add).await.status, 204);
    bridge.run_jobs().await;
    let admin = bridge.ringcx.admin_named("leo@example.com").unwrap();
    assert!(admin["roles"].to_string().contains("REPORT_ADMINISTRATIVE_USER"), "{admin}");
    assert_eq!(bridge.ringcx.agent(5001).unwrap()["agentGroupId"], 1002);
    assert!(bridge.ringcx.admin_named("mia@example.com").is_none(), "nobody has named her");
    assert_eq!(bridge.ringcx.agent(5002).unwrap()["agentGroupId"], 1001);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_are_linked_by_decision_alone_and_power_needs_the_setting_too() {
    let seed = floor()
        .admin(json!({"userId": 101, "userName": "LEO@example.com", "roles": ["SUPER_USER", "USER"]}))
        .admin(json!({"userId": 102, "userName": "mia@example.com", "roles": ["USER"]}))
        .admin(json!({"userId": 103, "userName": "eve@example.com", "firstName": "Eve", "roles": ["USER"]}));
    let bridge = start(seed, json!({})).await;
    import(&bridge, &[]).await;
    for name in ["leo@example.com", "mia@example.com"] {
        assert_eq!(user(&bridge, name).await[RINGCX]["adminUserId"], Value::Null);
    }
    let seen = read(&bridge).await;
    let leo = user(&bridge, "leo@example.com").await;
    let refused = plan(&bridge, &seen, &[&format!("admin:101=link:{}", leo["id"].as_str().unwrap())]).await;
    assert!(matches!(&refused, Err(ImportError::Decision(why)) if why.contains("adopt_admins")));
    let imported = import(&bridge, &["admin:102=link:agent:5002", "admin:103=new"]).await;
    assert_eq!((imported.created, imported.linked), (1, 1));
    let (mia, eve) = (user(&bridge, "mia@example.com").await, user(&bridge, "eve@example.com").await);
    assert_eq!((&mia[RINGCX]["adminUserId"], &mia[RINGCX]["agentId"]), (&json!("102"), &json!("5002")));
    assert_eq!(
        (&eve[RINGCX]["persona"], &eve[RINGCX]["provisioningState"]),
        (&json!("admin"), &json!("active"))
    );
    assert_eq!(patch(&bridge, &eve, set("title", &json!("Manager"))).await.status, 200);
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.count("createAgent"), 0, "an administrator is no contact-centre worker");

    let undone = undo(&bridge, false).await;
    assert_eq!(
        (undone.people, undone.unlinked, undone.kept.len()),
        (0, 1, 1),
        "eve has been written to: {undone:?}"
    );
    assert_eq!(user(&bridge, "mia@example.com").await[RINGCX]["adminUserId"], Value::Null);
    assert_eq!(patch(&bridge, &mia, set("active", &json!(false))).await.status, 200);
    assert_eq!(bridge.ringcx.admin_named("mia@example.com").unwrap()["enabled"], true, "not hers any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_who_were_here_get_their_agents_back_and_an_address_alone_is_a_question() {
    // Without a default group nobody becomes an agent by being written.
    let bridge = TestBridge::start(Setup {
        seed: floor(),
        policy: json!({"password_on_put": "omit", "link_existing": false}),
        ..Setup::default()
    })
    .await;
    let leo = bridge.create(json!({"userName": "leo@example.com", "externalId": "x1"})).await.0;
    let mia = bridge
        .create(json!({"userName": "mia.smith@example.com", "emails": [{"value": "Mia@example.com"}]}))
        .await
        .0;
    let seen = read(&bridge).await;
    let open = plan(&bridge, &seen, &[]).await.unwrap().plan.open();
    assert_eq!(open, 1, "the address alone");
    let imported = import(&bridge, &[]).await;
    assert_eq!((imported.created, imported.linked), (1, 1), "tom is new, leo is found by name");
    assert_eq!(bridge.send("GET", &format!("/Users/{leo}"), None).await.body[RINGCX]["agentId"], "5001");
    let linked = import(&bridge, &[&format!("5002=link:{mia}")]).await;
    assert_eq!(linked.linked, 1);
    let shown = bridge.send("GET", &format!("/Users/{mia}"), None).await.body;
    assert_eq!(
        (&shown[RINGCX]["agentId"], &shown[RINGCX]["provisioningState"]),
        (&json!("5002"), &json!("active"))
    );

    assert_eq!(undo(&bridge, false).await.unlinked, 1, "the last run only");
    let shown = bridge.send("GET", &format!("/Users/{mia}"), None).await.body;
    assert_eq!(
        (&shown[RINGCX]["agentId"], &shown[RINGCX]["provisioningState"]),
        (&Value::Null, &json!("held"))
    );
    let undone = undo(&bridge, false).await;
    assert_eq!((undone.people, undone.unlinked, undone.groups), (1, 1, 3));
    for id in [leo, mia] {
        assert_eq!(bridge.send("DELETE", &format!("/Users/{id}"), None).await.status, 204);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_to_skip_is_remembered_and_can_be_taken_back() {
    let twins = Seed::empty()
        .agent(1000, json!({"agentId": 5001, "username": "Sam@example.com"}))
        .agent(1000, json!({"agentId": 5002, "username": "sam@EXAMPLE.com"}));
    let bridge = start(twins, json!({})).await;
    assert_eq!(import(&bridge, &[]).await.created, 0);
    assert_eq!(import(&bridge, &["5002=skip"]).await.created, 1);
    let seen = read(&bridge).await;
    assert_eq!(plan(&bridge, &seen, &[]).await.unwrap().plan.open(), 0, "it is not asked again");
    import(&bridge, &["5002=ask"]).await;
    let open = plan(&bridge, &seen, &[]).await.unwrap().plan.open();
    assert_eq!(open, 1, "the other twin has the name");
    let by = Actor::operator("test", "run");
    let undone = bridge.reconciler.undo_import(&tenant(), true, false, &by).await.unwrap();
    assert_eq!(
        (undone.runs, undone.people, undone.kept.len()),
        (2, 1, 0),
        "taking back a decision is no run"
    );
    assert_empty(&bridge.store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_was_interrupted_goes_on_where_it_stopped() {
    let mut seed = Seed::empty();
    for number in 0..20 {
        seed =
            seed.agent(1000, json!({"agentId": 5001 + number, "username": format!("p{number}@example.com")}));
    }
    let bridge = start(seed, json!({})).await;
    bridge.ringcx.clear_calls();
    let broken = FaultKind::Status(400, "{}".to_owned());
    bridge.ringcx.fault(Fault { operation: "getAgent".to_owned(), skip: 12, times: 1, kind: broken });
    let how = Reading { max_age: std::time::Duration::from_hours(1), lists_only: false };
    bridge.reconciler.read_for_import(&tenant(), &how, &|_, _| {}).await.unwrap_err();
    assert_eq!(bridge.ringcx.count("getAgent"), 13);
    let seen = read(&bridge).await;
    assert_eq!((seen.read, seen.remembered, seen.agents.len()), (8, 12, 20));
    bridge.ringcx.edit_agent(5003, |agent| drop(agent.insert("lastName".to_owned(), json!("Changed"))));
    let seen = read(&bridge).await;
    assert_eq!((seen.read, seen.remembered), (1, 19), "a list that shows something else is believed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undo_keeps_what_a_client_has_taken_over_and_names_it() {
    let bridge = start(floor(), json!({})).await;
    import(&bridge, &[]).await;
    let (leo, mia) = (user(&bridge, "leo@example.com").await, user(&bridge, "mia@example.com").await);
    // The same value as before is a write as well.
    assert_eq!(patch(&bridge, &leo, set("active", &json!(true))).await.status, 200);
    let group = bridge
        .send("POST", "/Groups", Some(&json!({"displayName": "Everyone", "members": [{"value": mia["id"]}]})))
        .await;
    assert_eq!(group.status, 201);
    let undone = undo(&bridge, false).await;
    let kept: Vec<&str> = undone.kept.iter().map(|kept| kept.id.as_str()).collect();
    assert_eq!(undone.people, 1, "tom");
    assert!(
        kept.len() == 2 && [&leo, &mia].iter().all(|it| kept.contains(&it["id"].as_str().unwrap())),
        "{undone:?}"
    );
    let undone = undo(&bridge, true).await;
    assert_eq!((undone.people, undone.kept.len()), (2, 0));
    let found = bridge.send("POST", "/Users", Some(&json!({"userName": "leo@example.com"}))).await;
    assert_eq!(
        (found.status, &found.body[RINGCX]["agentId"]),
        (201, &json!("5001")),
        "a later create finds the agent"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_imported_agent_that_a_supervisor_moves_is_followed_not_brought_back() {
    let bridge = start(floor(), json!({})).await;
    import(&bridge, &[]).await;
    bridge.ringcx.move_agent(5001, 1002);
    let drift = bridge.reconciler.look(&tenant(), None).await.unwrap();
    assert_eq!(drift.findings.len(), 1);
    bridge.reconciler.repair(&tenant(), &drift, None).await.unwrap();
    let leo = user(&bridge, "leo@example.com").await;
    assert_eq!(leo["groups"][0]["display"], "US Agents");
    assert_eq!(patch(&bridge, &leo, set("name.familyName", &json!("New"))).await.status, 200);
    bridge.run_jobs().await;
    assert_eq!(bridge.ringcx.agent(5001).unwrap()["agentGroupId"], 1002);
}
