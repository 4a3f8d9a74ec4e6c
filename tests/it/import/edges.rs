//! What is neither the ordinary import nor its way back: decisions that cannot be, people who are gone, words to the operator, and
//! clients that write under a name that the import does not know.

use std::sync::Arc;
use std::time::Duration;

use ringcx_scim::domain::{Actor, TenantId};
use ringcx_scim::reconcile::import::Reading;
use ringcx_simulator::{Fault, FaultKind, Profile, Seed};
use serde_json::{Value, json};

use super::seed::RINGCX;
use super::{Beside, POLICY, changing};
use crate::support::{Setup, TestBridge};

fn agent(id: i64, login: &str, email: &str) -> Value {
    json!({"agentId": id, "username": login, "email": email, "firstName": "F", "lastName": "L"})
}

/// Two agents and two administrators, one of them of a person who is an agent.
fn small() -> Seed {
    Seed::empty()
        .group(1001, "UK Agents")
        .agent(1001, agent(5001, "leo", "leo@example.com"))
        .agent(1001, agent(5002, "mia@example.com", "mia@example.com"))
        .admin(json!({"userId": 101, "userName": "mia@example.com", "roles": ["USER"]}))
        .admin(json!({"userId": 102, "userName": "nob@example.com", "roles": ["USER"]}))
}

async fn start(seed: Seed, policy: &str) -> Beside {
    Beside::start(seed, &format!("{POLICY}{policy}"), Setup::default()).await
}

fn classes(report: &Value) -> &Value {
    &report["summary"]
}

fn row<'a>(report: &'a Value, account: &str) -> &'a Value {
    report["accounts"].as_array().unwrap().iter().find(|row| row["account"] == account).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_groups_of_one_name_are_told_apart_from_accounts_that_wait() {
    let centre = start(Seed::empty().group(1001, "Twice").group(1002, "twice"), "").await;
    let (code, table, error) = centre.import(&[]);
    assert_eq!(code, 1);
    assert!(table.contains("2 share a name") && table.contains("; 0 open;"), "{table}");
    assert!(error.contains("2 agent groups share a name") && !error.contains("--decide"), "{error}");
    let (_, report) = centre.import_json(&[]);
    assert_eq!((&report["open"], &report["groups_open"]), (&json!(0), &json!(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_that_cannot_both_be_are_bad_input_and_change_nothing() {
    let centre = start(small(), "").await;
    assert_eq!(centre.import(&["--decide", "admin:101=skip"]).0, 0);
    let people = centre.count("SELECT COUNT(*) FROM import_items").await;
    let twice = ["--decide", "admin:101=link:agent:5002", "--decide", "admin:102=link:agent:5002"];
    let (code, out, error) = centre.import(&twice);
    assert_eq!((code, out.as_str()), (2, ""), "{error}");
    assert!(error.contains("admin:101") && error.lines().count() == 1, "{error}");
    assert_eq!(centre.count("SELECT COUNT(*) FROM import_items").await, people);
    let (_, report) = centre.import_json(&["--dry-run"]);
    assert_eq!(classes(&report), &json!({"linked": 2, "left_out": 1, "foreign": 1, "protected": 1}));
    assert_eq!(row(&report, "admin:101")["why"], "left out by decision");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_of_a_deleted_person_is_shown_as_that_until_it_is_handed_back() {
    let centre =
        Beside::start(small(), POLICY, Setup { profile: Profile::Friendly, ..Setup::default() }).await;
    centre.import(&["--decide", "admin:101=skip"]);
    let mia = centre.user("mia@example.com").await;
    let id = mia["id"].as_str().unwrap();
    assert_eq!(centre.bridge.send("DELETE", &format!("/Users/{id}"), None).await.status, 204);
    let (code, report) = centre.import_json(&[]);
    assert_eq!(code, 0, "nothing is left to anybody: {report}");
    let gone = row(&report, "agent:5002");
    assert_eq!((&gone["class"], &gone["action"]), (&json!("former"), &json!("none")));
    assert!(gone["why"].as_str().unwrap().contains(&format!("tenant disown --person {id}")), "{gone}");
    assert_eq!(report["imported"]["left"], json!([]));

    // Without a second key nobody is taken for who was deleted; the answer says who has the name, and the way out.
    let again = centre.bridge.send("POST", "/Users", Some(&json!({"userName": "mia@example.com"}))).await;
    assert_eq!(again.status, 409, "{}", again.text);
    assert!(
        again.text.contains("5002") && again.text.contains(id) && again.text.contains("externalId"),
        "{}",
        again.text
    );
    let disown = std::process::Command::new(env!("CARGO_BIN_EXE_ringcx-scim"))
        .args(["tenant", "disown", "--person", id, "--config", &centre.file])
        .env_clear()
        .output()
        .unwrap();
    assert!(disown.status.success(), "{disown:?}");
    let (code, report) = centre.import_json(&[]);
    assert_eq!((code, &report["imported"]["created"]), (0, &json!(1)), "{report}");
    assert_eq!(
        centre.user("mia@example.com").await["active"],
        false,
        "somebody switches them on, not the import"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_did_nothing_is_no_import_and_undo_says_what_stands() {
    let centre = start(small(), "").await;
    assert_eq!(centre.import(&["--decide", "admin:101=skip"]).0, 0);
    assert_eq!(centre.import(&["--decide", "admin:102=skip"]).0, 0);
    centre.import(&[]);
    assert_eq!(centre.count("SELECT COUNT(*) FROM imports").await, 2);
    let (code, said, _) = centre.import(&["--undo"]);
    assert_eq!(code, 0);
    assert!(said.contains("1 import taken back") && said.contains("1 earlier import stands"), "{said}");
    let (_, report) = centre.import_json(&["--dry-run"]);
    assert_eq!(row(&report, "admin:102")["class"], "foreign", "its decision went with its run");
    let (code, undone) = centre.import_json(&["--undo", "--all"]);
    assert_eq!((code, &undone["people"], &undone["earlier"]), (0, &json!(2), &json!(0)));
    let (code, said, _) = centre.import(&["--undo"]);
    assert_eq!((code, said.trim()), (0, "there is no import to take back"));
}

/// A directory whose user names are not its addresses: the import has named people by address, the client by something else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shares_only_an_address_with_an_imported_user_gets_no_second_agent() {
    let centre = start(small(), "").await;
    centre.import(&["--decide", "admin:101=skip"]);
    let leo = centre.user("leo@example.com").await;
    let post = json!({"userName": "leo.smith@example.com", "emails": [{"value": "Leo@example.com", "type": "work"}]});
    let answer = centre.bridge.send("POST", "/Users", Some(&post)).await;
    assert_eq!((answer.status, &answer.body["scimType"]), (409, &json!("uniqueness")), "{}", answer.text);
    assert!(
        answer.text.contains("5001") && answer.text.contains(leo["id"].as_str().unwrap()),
        "{}",
        answer.text
    );
    assert_eq!(centre.bridge.ringcx.count("createAgent"), 0);
    // A client that knows both of them knows that they are two people.
    let path = format!("/Users/{}", leo["id"].as_str().unwrap());
    let known = super::patch(&json!([{"op": "replace", "path": "active", "value": true}]));
    assert_eq!(centre.bridge.send("PATCH", &path, Some(&known)).await.status, 200);
    let answer = centre.bridge.send("POST", "/Users", Some(&post)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_an_agent_that_somebody_has_makes_no_second_agent_with_it() {
    let mut leo = agent(5001, "leo", "leo@example.com");
    leo["externalAgentId"] = json!("WFM-1");
    let centre = start(Seed::empty().agent(1000, leo), "").await;
    centre.import(&[]);
    let owner = centre.user("leo@example.com").await;
    let answer = centre
        .bridge
        .send("POST", "/Users", Some(&json!({"userName": "x@example.com", "externalId": "WFM-1"})))
        .await;
    assert_eq!((answer.status, &answer.body["scimType"]), (409, &json!("uniqueness")), "{}", answer.text);
    assert!(answer.text.contains(owner["id"].as_str().unwrap()), "{}", answer.text);
    assert_eq!(centre.bridge.ringcx.count("createAgent"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_out_by_decision_is_taken_over_by_no_create() {
    let centre =
        start(small(), "adopt_admins = true\nallowed_roles = [\"REPORT_ADMINISTRATIVE_USER\"]\n").await;
    let skip = ["agent:5001=skip", "agent:5002=skip", "admin:101=skip", "admin:102=skip"];
    let arguments: Vec<&str> = skip.iter().flat_map(|it| ["--decide", it]).collect();
    assert_eq!(centre.import(&arguments).0, 0);
    let before = centre.bridge.ringcx.state();
    let roles = json!([{"value": "REPORT_ADMINISTRATIVE_USER"}]);
    for (body, account) in [
        (json!({"userName": "leo"}), "agent:5001"),
        (json!({"userName": "mia@example.com"}), "agent:5002"),
        (json!({"userName": "nob@example.com", "roles": roles, RINGCX: {"persona": "admin"}}), "admin:102"),
    ] {
        let answer = centre.bridge.send("POST", "/Users", Some(&body)).await;
        assert_eq!(answer.status, 409, "{}", answer.text);
        assert!(answer.text.contains(&format!("--decide {account}=ask")), "{}", answer.text);
    }
    assert_eq!(centre.bridge.ringcx.state(), before);
    // An address proves nothing: who was left out is somebody else.
    let other = json!({"userName": "leo.smith@example.com", "emails": [{"value": "leo@example.com"}]});
    let answer = centre.bridge.send("POST", "/Users", Some(&other)).await;
    assert_eq!((answer.status, centre.bridge.ringcx.count("createAgent")), (201, 1), "{}", answer.text);
    assert_eq!(centre.import(&["--decide", "5002=ask", "--dry-run"]).0, 0);
    centre.import(&["--undo", "--all"]);
    let answer = centre.bridge.send("POST", "/Users", Some(&json!({"userName": "mia@example.com"}))).await;
    assert_eq!((answer.status, &answer.body[RINGCX]["agentId"]), (201, &json!("5002")), "{}", answer.text);
}

/// The decision also holds where the name turns out to be taken much later, when the person is to have an agent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_out_by_decision_is_taken_over_by_no_later_create() {
    let centre = start(Seed::empty().group(1001, "UK Agents"), "").await;
    let person = json!({"userName": "zed@example.com", RINGCX: {"persona": "none"}});
    let made = centre.bridge.send("POST", "/Users", Some(&person)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let by_hand = centre.bridge.ringcx.add_agent(1001, json!({"username": "zed@example.com"}));
    assert_eq!(centre.import(&["--decide", &format!("agent:{by_hand}=skip")]).0, 0);
    let before = centre.bridge.ringcx.state();
    let path = format!("/Users/{}", made.body["id"].as_str().unwrap());
    let works = json!({"userName": "zed@example.com", RINGCX: {"persona": "agent"}});
    let refused = centre.bridge.send("PUT", &path, Some(&works)).await;
    assert_eq!((refused.status, &refused.body["scimType"]), (409, &json!("uniqueness")), "{}", refused.text);
    assert!(refused.text.contains(&format!("--decide agent:{by_hand}=ask")), "{}", refused.text);
    assert_eq!(centre.bridge.ringcx.state(), before);
    let shown = centre.bridge.send("GET", &path, None).await;
    assert_eq!(shown.body[RINGCX]["agentId"], json!(null), "{}", shown.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_administrator_is_refused_before_an_agent_is_made_for_nothing() {
    let policy = "allowed_roles = [\"REPORT_ADMINISTRATIVE_USER\"]\n";
    let centre = start(
        small()
            .admin(json!({"userId": 104, "userName": "boss@example.com", "roles": ["SUPER_USER"]}))
            .admin(json!({"userId": 5399, "userName": "kept@example.com", "roles": ["USER"]})),
        policy,
    )
    .await;
    let before = centre.bridge.ringcx.state();
    let roles = json!([{"value": "REPORT_ADMINISTRATIVE_USER"}]);
    for (name, says) in [
        ("boss@example.com", "--decide admin:104=link:PERSON"),
        ("mia@example.com", "--decide admin:101=link:PERSON"),
        ("kept@example.com", "setting protected"),
        ("bridge@example.com", "bridge's own account"),
    ] {
        for _ in 0..2 {
            let body = json!({"userName": name, "roles": roles});
            let answer = centre.bridge.send("POST", "/Users", Some(&body)).await;
            assert!((400..500).contains(&answer.status), "{}", answer.text);
            assert!(answer.text.contains(says), "the same each time: {}", answer.text);
            let leads_nowhere = answer.text.contains("ringcx-scim import");
            assert_eq!(leads_nowhere, says.contains("--decide"), "{}", answer.text);
        }
    }
    assert_eq!(centre.bridge.ringcx.state(), before, "no agent is left behind by a refused create");
}

/// Whatever is written under the login name of the bridge's own account, that account stays as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_the_bridges_own_name_there_may_be_an_agent_and_never_a_change_of_the_account() {
    let policy =
        "adopt_admins = true\nmass_change = \"off\"\nallowed_roles = [\"REPORT_ADMINISTRATIVE_USER\"]\n";
    let centre = start(small(), policy).await;
    let own = || centre.bridge.ringcx.admin_named("bridge@example.com");
    let before = own();
    let (code, _, error) = centre.import(&["--decide", "admin:100=new"]);
    assert!(code == 2 && error.contains("bridge's own account"), "{error}");
    let made = centre.bridge.send("POST", "/Users", Some(&json!({"userName": "bridge@example.com"}))).await;
    assert_eq!((made.status, &made.body[RINGCX]["adminUserId"]), (201, &Value::Null), "{}", made.text);
    let path = format!("/Users/{}", made.body["id"].as_str().unwrap());
    for operation in [
        json!({"op": "add", "path": "roles", "value": [{"value": "REPORT_ADMINISTRATIVE_USER"}]}),
        json!({"op": "replace", "path": format!("{RINGCX}:persona"), "value": "admin"}),
        json!({"op": "replace", "path": "name.familyName", "value": "Changed"}),
        json!({"op": "replace", "path": "active", "value": false}),
        json!({"op": "replace", "path": "active", "value": true}),
    ] {
        centre.bridge.send("PATCH", &path, Some(&super::patch(&json!([operation])))).await;
        centre.bridge.run_jobs().await;
        assert_eq!(own(), before, "{operation}");
    }
    centre.bridge.send("DELETE", &path, None).await;
    centre.bridge.run_jobs().await;
    assert_eq!(own(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_waits_where_ringcx_asks_it_to() {
    let centre = start(small().rights_doc(4711, "Supervisor"), "").await;
    for operation in ["listUsers", "getAgent"] {
        let kind = FaultKind::TooManyRequests { retry_after: Some("6".to_owned()) };
        centre.bridge.ringcx.fault(Fault::once(operation, kind));
        let (code, report) =
            centre.import_json(&["--dry-run", "--max-age", "0s", "--decide", "admin:101=skip"]);
        assert_eq!((code, &report["read"]["admins"]), (0, &json!(3)), "{operation}: {report}");
        centre.bridge.ringcx.clear_faults();
    }
    assert_eq!(changing(&centre.bridge), Vec::<String>::new());
}

/// What the bridge has given an administrator since it was linked must not be forgotten with the link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undo_keeps_an_administrator_to_whom_the_bridge_has_given_something() {
    let policy = "role_group_prefix = \"Role \"\nallowed_roles = [\"REPORT_ADMINISTRATIVE_USER\"]\n";
    let centre = start(small(), policy).await;
    let before = centre.bridge.ringcx.state();
    centre.import(&["--decide", "admin:101=skip"]);
    assert_eq!(centre.import(&["--decide", "admin:101=link:agent:5002"]).0, 0);
    assert_eq!(centre.bridge.ringcx.state(), before);
    let mia = centre.user("mia@example.com").await;
    let group = json!({"displayName": "Role REPORT_ADMINISTRATIVE_USER", "members": [{"value": mia["id"]}]});
    assert_eq!(centre.bridge.send("POST", "/Groups", Some(&group)).await.status, 201);
    centre.bridge.run_jobs().await;
    let roles =
        |centre: &Beside| centre.bridge.ringcx.admin_named("mia@example.com").unwrap()["roles"].to_string();
    assert!(roles(&centre).contains("REPORT_ADMINISTRATIVE_USER"), "{}", roles(&centre));
    let (code, said, _) = centre.import(&["--undo"]);
    assert_eq!(code, 1);
    assert!(said.contains("administrator 101 REPORT_ADMINISTRATIVE_USER since"), "{said}");
    // Taken away first, it can be undone, and RingCX is as it was.
    let list = centre.bridge.send("GET", "/Groups?filter=displayName sw \"Role\"", None).await;
    let path = format!("/Groups/{}", list.body["Resources"][0]["id"].as_str().unwrap());
    assert_eq!(centre.bridge.send("DELETE", &path, None).await.status, 204);
    centre.bridge.run_jobs().await;
    assert!(!roles(&centre).contains("REPORT_ADMINISTRATIVE_USER"), "{}", roles(&centre));
    let (code, undone) = centre.import_json(&["--undo", "--force"]);
    assert_eq!((code, &undone["unlinked"]), (0, &json!(1)), "{undone}");
    assert_eq!(centre.bridge.ringcx.state(), before);
}

/// An imported user's names are RingCX's own: linking an administrator makes them nobody's wish, for the one account or the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn linking_an_administrator_writes_nothing_that_no_client_has_said() {
    let policy = "role_group_prefix = \"Role \"\nallowed_roles = [\"REPORT_ADMINISTRATIVE_USER\"]\n";
    let boss = json!({"userId": 103, "userName": "boss@example.com", "firstName": "B", "roles": ["USER"]});
    let centre = start(small().admin(boss), policy).await;
    let arguments = ["--decide", "admin:101=link:agent:5002", "--decide", "admin:103=new"];
    assert_eq!(centre.import(&arguments).0, 0);
    let ringcx = &centre.bridge.ringcx;
    ringcx.edit_agent(5002, |agent| drop(agent.insert("lastName".to_owned(), json!("Married"))));
    ringcx.edit_admin(103, |admin| drop(admin.insert("firstName".to_owned(), json!("Beth"))));
    let mut members = Vec::new();
    for name in ["mia@example.com", "boss@example.com"] {
        let user = centre.user(name).await;
        let title = super::patch(&json!([{"op": "add", "path": "title", "value": "Lead"}]));
        let path = format!("/Users/{}", user["id"].as_str().unwrap());
        assert_eq!(centre.bridge.send("PATCH", &path, Some(&title)).await.status, 200);
        members.push(json!({"value": user["id"]}));
    }
    let group = json!({"displayName": "Role REPORT_ADMINISTRATIVE_USER", "members": members});
    assert_eq!(centre.bridge.send("POST", "/Groups", Some(&group)).await.status, 201);
    centre.bridge.run_jobs().await;
    let (mia, boss) =
        (ringcx.admin_named("mia@example.com").unwrap(), ringcx.admin_named("boss@example.com").unwrap());
    for admin in [&mia, &boss] {
        assert!(admin["roles"].to_string().contains("REPORT_ADMINISTRATIVE_USER"), "{admin}");
    }
    assert_eq!((&mia["firstName"], &boss["firstName"]), (&Value::Null, &json!("Beth")));
    assert_eq!(ringcx.agent(5002).unwrap()["lastName"], "Married");
    // What the client says itself goes to both accounts.
    let path = format!("/Users/{}", centre.user("mia@example.com").await["id"].as_str().unwrap());
    let said = super::patch(&json!([{"op": "replace", "path": "name.givenName", "value": "Maria"}]));
    assert_eq!(centre.bridge.send("PATCH", &path, Some(&said)).await.status, 200);
    assert_eq!(ringcx.admin_named("mia@example.com").unwrap()["firstName"], "Maria");
    let agent = ringcx.agent(5002).unwrap();
    assert_eq!((&agent["firstName"], &agent["lastName"]), (&json!("Maria"), &json!("Married")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_name_that_differs_from_the_imported_user_name_stays_until_the_client_renames() {
    // Another RingCX lets nobody change a login name.
    let setup = Setup { profile: Profile::Friendly, ..Setup::default() };
    let centre = Beside::start(small(), &format!("{POLICY}rename_policy = \"follow\"\n"), setup).await;
    centre.import(&["--decide", "admin:101=skip"]);
    let path = format!("/Users/{}", centre.user("leo@example.com").await["id"].as_str().unwrap());
    for (attribute, value, login) in [
        ("name.familyName", "Later", "leo"),
        ("userName", "leo.new@example.com", "leo.new@example.com"),
        ("userName", "leo@example.com", "leo@example.com"),
    ] {
        let change = super::patch(&json!([{"op": "replace", "path": attribute, "value": value}]));
        let answer = centre.bridge.send("PATCH", &path, Some(&change)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(centre.bridge.ringcx.agent(5001).unwrap()["username"], login, "{attribute}");
    }
}

/// Between the plan and the import, and after it, RingCX goes on: who was moved is followed, who was removed is nobody's duplicate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_moved_or_removed_between_plan_and_import_is_followed() {
    for profile in [Profile::Friendly, Profile::Hostile, Profile::Spec] {
        let setup = Setup { profile, seed: small().group(1002, "US Agents"), ..Setup::default() };
        let bridge = TestBridge::start(setup).await;
        let id: TenantId = "default".parse().unwrap();
        let how = Reading { max_age: Duration::ZERO, lists_only: false };
        let seen = Arc::new(bridge.reconciler.read_for_import(&id, &how, &|_, _| ()).await.unwrap());
        let planned = bridge.reconciler.plan_import(&id, &seen, &[]).await.unwrap();
        bridge.ringcx.move_agent(5001, 1002);
        bridge.ringcx.remove_agent(5002);
        let imported = bridge.reconciler.import(&id, &seen, &planned, &Actor::operator("kim", "run")).await;
        assert_eq!(imported.unwrap().created, 2);
        let user = async |name: &str| {
            let list = bridge.send("GET", &format!("/Users?filter=userName eq \"{name}\""), None).await;
            list.body["Resources"][0].clone()
        };
        for name in ["leo@example.com", "mia@example.com"] {
            let path = format!("/Users/{}", user(name).await["id"].as_str().unwrap());
            let said = super::patch(&json!([{"op": "replace", "path": "name.familyName", "value": "New"}]));
            let answer = bridge.send("PATCH", &path, Some(&said)).await;
            bridge.run_jobs().await;
            let expected = if name.starts_with("leo") { 200 } else { 400 };
            assert_eq!(answer.status, expected, "{profile:?}: {}", answer.text);
            assert!(expected == 200 || answer.text.contains("no longer has agent 5002"), "{}", answer.text);
        }
        let leo = bridge.ringcx.agent(5001).unwrap();
        assert_eq!((&leo["agentGroupId"], &leo["lastName"]), (&json!(1002), &json!("New")), "{profile:?}");
        assert_eq!(user("leo@example.com").await["groups"][0]["display"], "US Agents", "{profile:?}");
        assert_eq!(bridge.ringcx.count("createAgent"), 0, "{profile:?}");
    }
}
