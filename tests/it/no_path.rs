//! No path gives power outside the lists, touches a protected account or takes the last administrator: random requests and imports, and
//! what RingCX holds after each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use ringcx_scim::domain::import::parse_decision;
use ringcx_scim::domain::{Actor, TenantId};
use ringcx_scim::reconcile::import::{ImportError, Reading};
use ringcx_simulator::{Profile, Seed};
use serde_json::{Value, json};

use crate::support::{Dice, Setup, TestBridge};

const CASES: u64 = 66;
const REQUESTS: usize = 15;

/// Login names: new ones, administrators that exist, the bridge's own, the root, protected ones, an agent to adopt, and spellings.
const NAMES: [&str; 11] = [
    "first@example.com",
    "ann@example.com",
    "bob@example.com",
    "known@example.com",
    "KNOWN@example.com",
    "bridge@example.com",
    "root@example.com",
    "guarded@example.com",
    "boss@example.com",
    "wanda@example.com",
    "vera@example.com",
];

/// Role values: allowed, privileged without and with opt-in, aliases, spellings, JSON in a text, and nonsense.
const ROLES: [&str; 14] = [
    "ACCESS_AUDIT_LOG",
    "access_audit_log",
    " Auditor ",
    "SUPER_USER",
    "super_user",
    "Chief",
    "MANAGE_RIGHTS",
    "manage_rights",
    "Rights Boss",
    "ASSUME_USERS",
    "NO_ACCESS",
    "WFO_ACCESS",
    "{\"value\":\"MANAGE_RIGHTS\",\"displayName\":\"x\"}",
    "{\"value\":\"ACCESS_AUDIT_LOG\"}",
];

/// Group names: mapped, by prefix, spellings, and look-alikes.
const GROUPS: [&str; 12] = [
    "Reporters",
    "Owners",
    "owners",
    "RingCX Role SUPER_USER",
    "ringcx role manage_rights",
    "RingCX Role ASSUME_USERS",
    "RingCX Role Chief",
    "RingCX Role WFO_ACCESS",
    "RingCX Rights Supervisor",
    "RingCX Rights Foreign",
    "RingCX Rights Master",
    "Sales",
];

/// The RingCentral extension of an agent that may be adopted.
const VERA: i64 = 3_361_292_200;

fn seed() -> Seed {
    Seed::empty()
        .rights_doc(4711, "Supervisor")
        .rights_doc(4712, "Foreign")
        .master_rights_doc(4713, "Master")
        .admin(json!({"userId": 101, "userName": "boss@example.com", "roles": ["SUPER_USER", "USER"]}))
        .admin(json!({"userId": 102, "userName": "root@example.com", "roles": ["SUPER_USER"], "rootUser": true, "enabled": false}))
        .admin(json!({"userId": 103, "userName": "guarded@example.com", "roles": ["MANAGE_USERS", "USER"]}))
        .admin(json!({"userId": 200, "userName": "known@example.com", "roles": ["USER", "WFO_ACCESS"]}))
        .agent(1000, json!({"agentId": 5001, "username": "wanda@example.com", "email": "wanda@example.com"}))
        .agent(1000, json!({"agentId": 5002, "username": "vera@example.com", "email": "vera@example.com", "rcUserId": VERA}))
        .agent(1000, json!({"agentId": 5003, "username": "known@example.com", "email": "known@example.com"}))
        .rc_extension(json!({"id": VERA, "name": "Vera", "contact": {"email": "vera@example.com"}}))
}

fn policy() -> Value {
    json!({
        "password_on_put": "omit", "default_agent_group": "Default", "adopt_admins": true, "on_delete": "delete",
        "allowed_roles": ["ACCESS_AUDIT_LOG", "MANAGE_RIGHTS", "SUPER_USER"], "privileged_roles": ["SUPER_USER"],
        "allowed_rights_docs": [4711, 4713], "role_group_prefix": "RingCX Role ", "rights_doc_group_prefix": "RingCX Rights ",
        "role_aliases": {"Auditor": "ACCESS_AUDIT_LOG", "Chief": "SUPER_USER", "Rights Boss": "MANAGE_RIGHTS"},
        "protected": ["guarded@example.com", "5001"], "mass_change": "off",
    })
}

/// A random request; the ids of people and groups that are there come from earlier ones.
fn request(dice: &mut Dice, people: &[String], groups: &[String]) -> (&'static str, String, Value) {
    let role = |dice: &mut Dice| json!({"value": *dice.pick(&ROLES)});
    let person =
        |dice: &mut Dice| if people.is_empty() { "nobody".to_owned() } else { dice.pick(people).clone() };
    let group =
        |dice: &mut Dice| if groups.is_empty() { "nothing".to_owned() } else { dice.pick(groups).clone() };
    let user = |dice: &mut Dice| {
        let mut body = json!({"userName": *dice.pick(&NAMES), "active": dice.roll(4) > 0});
        if dice.roll(2) == 0 {
            body["roles"] = json!([role(dice)]);
        }
        if dice.roll(4) == 0 {
            body["entitlements"] = json!([{"value": *dice.pick(&["4711", "4712", "4713"])}]);
        }
        body
    };
    let operation = |dice: &mut Dice| match dice.roll(5) {
        0 => json!({"op": "replace", "path": "active", "value": dice.roll(2) == 0}),
        1 => json!({"op": "add", "path": "roles", "value": [role(dice)]}),
        2 => {
            json!({"op": "replace", "path": "roles[primary eq \"True\"].value", "value": *dice.pick(&ROLES)})
        }
        3 => json!({"op": "remove", "path": "roles"}),
        _ => json!({"op": "replace", "path": "name.givenName", "value": "Changed"}),
    };
    match dice.roll(10) {
        0..=2 => ("POST", "/Users".to_owned(), user(dice)),
        3 => ("PUT", format!("/Users/{}", person(dice)), user(dice)),
        4 | 5 => ("PATCH", format!("/Users/{}", person(dice)), json!({"Operations": [operation(dice)]})),
        6 => ("DELETE", format!("/Users/{}", person(dice)), Value::Null),
        7 => {
            let mut body = json!({"displayName": *dice.pick(&GROUPS), "members": [{"value": person(dice)}]});
            if dice.roll(3) == 0 {
                body["externalId"] = json!(*dice.pick(&GROUPS));
            }
            ("POST", "/Groups".to_owned(), body)
        }
        8 => {
            let change = match dice.roll(3) {
                0 => json!({"op": "replace", "path": "displayName", "value": *dice.pick(&GROUPS)}),
                1 => json!({"op": "add", "path": "members", "value": [{"value": person(dice)}]}),
                _ => json!({"op": "remove", "path": "members"}),
            };
            if dice.roll(5) == 0 {
                ("DELETE", format!("/Groups/{}", group(dice)), Value::Null)
            } else {
                ("PATCH", format!("/Groups/{}", group(dice)), json!({"Operations": [change]}))
            }
        }
        _ => {
            let one = json!({"method": "POST", "path": "/Users", "bulkId": "b1", "data": user(dice)});
            let two = json!({"method": "PATCH", "path": format!("/Users/{}", person(dice)), "data": {"Operations": [operation(dice)]}});
            let schemas = ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"];
            ("POST", "/Bulk".to_owned(), json!({"schemas": schemas, "Operations": [one, two]}))
        }
    }
}

/// An operator's import with random decisions about accounts that it may and may not take over, or the way back.
async fn import(dice: &mut Dice, bridge: &TestBridge, people: &[String]) -> String {
    let (id, by): (TenantId, _) = ("default".parse().unwrap(), Actor::operator("kim", "run"));
    if dice.roll(4) == 0 {
        let undone =
            bridge.reconciler.undo_import(&id, dice.roll(2) == 0, dice.roll(3) == 0, &by).await.unwrap();
        return format!("undo -> {undone:?}");
    }
    let how = Reading { max_age: Duration::ZERO, lists_only: dice.roll(2) == 0 };
    let seen = Arc::new(bridge.reconciler.read_for_import(&id, &how, &|_, _| ()).await.unwrap());
    let mut decisions = Vec::new();
    for _ in 0..dice.roll(3) {
        let account = *dice.pick(&[
            "admin:100",
            "admin:101",
            "admin:102",
            "admin:103",
            "admin:200",
            "agent:5001",
            "agent:5003",
        ]);
        let choice = match dice.roll(5) {
            0 => "new".to_owned(),
            1 => "link:agent:5003".to_owned(),
            2 => "skip".to_owned(),
            _ => format!("link:{}", dice.pick(people)),
        };
        decisions.push(parse_decision(&format!("{account}={choice}")).unwrap());
    }
    let planned = match bridge.reconciler.plan_import(&id, &seen, &decisions).await {
        Ok(planned) => planned,
        Err(ImportError::Decision(why)) => return format!("import {decisions:?} -> {why}"),
        Err(other) => panic!("{other}"),
    };
    let imported = bridge.reconciler.import(&id, &seen, &planned, &by).await.unwrap();
    format!("import {decisions:?} -> {imported:?}")
}

/// What may never change, whatever is asked.
fn hold(before: &BTreeMap<i64, Value>, bridge: &TestBridge, said: &str) {
    let allowed = BTreeSet::from(["ACCESS_AUDIT_LOG", "REPORT_ADMINISTRATIVE_USER", "SUPER_USER", "USER"]);
    let roles =
        |admin: &Value| -> BTreeSet<String> { serde_json::from_value(admin["roles"].clone()).unwrap() };
    let mut in_power = 0;
    for admin in bridge.ringcx.admins() {
        let id = admin["userId"].as_i64().unwrap();
        let at_first = before.get(&id).map(roles).unwrap_or_default();
        for role in roles(&admin) {
            assert!(allowed.contains(role.as_str()) || at_first.contains(&role), "{said}: {admin}");
        }
        assert!(at_first.is_subset(&roles(&admin)), "a foreign role is gone; {said}: {admin}");
        if [100, 102, 103].contains(&id) {
            assert_eq!(before.get(&id), Some(&admin), "{said}");
        }
        in_power +=
            usize::from(id != 100 && admin["enabled"] == true && roles(&admin).contains("SUPER_USER"));
    }
    assert!(before.keys().all(|id| bridge.ringcx.admins().iter().any(|it| it["userId"] == *id)), "{said}");
    assert!(in_power >= 1, "nobody is left in power; {said}");
    assert_eq!(bridge.ringcx.assignments(4712), [200], "{said}");
    assert!(bridge.ringcx.assignments(4711).contains(&103), "{said}");
    assert_eq!(bridge.ringcx.assignments(4713), Vec::<i64>::new(), "{said}");
    let wanda = bridge.ringcx.agent(5001).unwrap();
    assert_eq!((&wanda["isActive"], &wanda["firstName"]), (&json!(true), &Value::Null), "{said}");
}

async fn one_case(profile: Profile, number: u64) {
    let groups = json!([
        {"match": "Reporters", "roles": ["REPORT_ADMINISTRATIVE_USER"], "rights_docs": [4711]},
        {"match": "Owners", "roles": ["SUPER_USER", "MANAGE_RIGHTS"]},
    ]);
    let setup = Setup { profile, seed: seed(), policy: policy(), groups, ..Setup::default() };
    let bridge = TestBridge::start(setup).await;
    bridge.ringcx.assign(4712, 200);
    bridge.ringcx.assign(4711, 103);
    let before: BTreeMap<i64, Value> =
        bridge.ringcx.admins().into_iter().map(|it| (it["userId"].as_i64().unwrap(), it)).collect();
    // The only one in power besides the bridge is somebody whom the identity provider owns.
    let (first, _) =
        bridge.create(json!({"userName": "first@example.com", "roles": [{"value": "SUPER_USER"}]})).await;
    bridge.ringcx.edit_admin(101, |admin| {
        admin.insert("enabled".to_owned(), json!(false));
    });
    let mut dice = Dice(number);
    let (mut people, mut groups) = (vec![first.clone(), first], Vec::new());
    let mut story = Vec::new();
    for _ in 0..REQUESTS {
        if dice.roll(5) == 0 {
            story.push(import(&mut dice, &bridge, &people).await);
            bridge.run_jobs_briefly().await;
            hold(&before, &bridge, &format!("{profile:?} case {number}\n{}", story.join("\n")));
        }
        // Now and then two at once.
        let count = if dice.roll(4) == 0 { 2 } else { 1 };
        let asked: Vec<_> = (0..count).map(|_| request(&mut dice, &people, &groups)).collect();
        let sent = asked.iter().map(|(method, path, body)| {
            let body = (!body.is_null()).then_some(body);
            bridge.send(method, path, body)
        });
        let answers = join_all(sent).await;
        bridge.run_jobs_briefly().await;
        for ((method, path, body), answer) in asked.iter().zip(answers) {
            story.push(format!("{method} {path} {body} -> {}", answer.status));
            assert!(answer.status < 500 || answer.status == 503, "{}", answer.text);
            if let (201, Some(id)) = (answer.status, answer.body["id"].as_str()) {
                if path == "/Users" { people.push(id.to_owned()) } else { groups.push(id.to_owned()) }
            }
        }
        hold(&before, &bridge, &format!("{profile:?} case {number}\n{}", story.join("\n")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_gives_takes_or_touches_power() {
    for number in 0..CASES {
        for profile in [Profile::Friendly, Profile::Hostile, Profile::Spec] {
            one_case(profile, number).await;
        }
    }
}
