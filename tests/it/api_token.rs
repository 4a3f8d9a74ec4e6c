//! Signing in with a permanent API token: a whole life with it, and the commands that make, rotate and end it.

use reqwest::Method;
use ringcx_simulator::{Fault, FaultKind, Profile, Seed};
use serde_json::{Value, json};

use crate::beside::Beside;
use crate::crash::serve::{Serve, send, until};
use crate::support::{Setup, TestBridge};

const PROFILES: [Profile; 3] = [Profile::Friendly, Profile::Hostile, Profile::Spec];

/// A configuration that signs in with this line instead of a JWT.
async fn with(profile: Profile, line: &str) -> Beside {
    let world = Beside::start(profile, &[]).await;
    let text = std::fs::read_to_string(&world.config).unwrap();
    let (from, to) =
        (text.find("[tenant.default.ringcentral]").unwrap(), text.find("[tenant.default.policy]").unwrap());
    let text = format!("{}{}", &text[..from], &text[to..]);
    let text = text.replace("account_id = \"15300002\"\n", &format!("account_id = \"15300002\"\n{line}\n"));
    std::fs::write(&world.config, text).unwrap();
    world
}

async fn from_file(profile: Profile) -> (Beside, std::path::PathBuf) {
    let folder = std::env::temp_dir().join(format!("token-{}", ringcx_scim::clock::Ids::system().next()));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("token");
    std::fs::write(&file, format!("{}\n", Seed::demo().api_token)).unwrap();
    (with(profile, &format!("api_token_file = \"{}\"", file.display())).await, file)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_life_needs_no_other_credential() {
    for profile in PROFILES {
        let setup = Setup {
            profile,
            api_token: Some(Seed::demo().api_token),
            policy: json!({"default_agent_group": "Default", "password_on_put": "omit", "allowed_roles": ["REPORT_ADMINISTRATIVE_USER"]}),
            ..Setup::default()
        };
        let bridge = TestBridge::start(setup).await;
        let roles = json!([{"value": "REPORT_ADMINISTRATIVE_USER"}]);
        let (id, agent) = bridge.create(json!({"userName": "jo@example.com", "roles": roles})).await;
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], true, "{profile:?}");
        let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
        assert_eq!(bridge.send("PATCH", &format!("/Users/{id}"), Some(&off)).await.status, 200);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["isActive"], false);
        assert_eq!(bridge.ringcx.admin_named("jo@example.com").unwrap()["enabled"], false);
        let signing_in = ["getToken", "exchangeToken", "refreshToken"].map(|it| bridge.ringcx.count(it));
        assert_eq!(signing_in, [0, 0, 0]);
    }
}

/// Lends the doctor the token of an administrator of this login name.
fn lend(world: &Beside, name: &str, fields: &Value) -> (i64, std::path::PathBuf) {
    let mut admin =
        json!({"userName": name, "firstName": "Probe", "lastName": "Admin", "enabled": true, "roles": []});
    admin.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let id = world.ringcx.add_admin(admin);
    world.ringcx.give_api_token(id, LENT);
    let file = world.folder.path().join("lent");
    std::fs::write(&file, format!("{LENT}\n")).unwrap();
    (id, file)
}

const LENT: &str = "aws80:lent-for-a-probe";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_finds_out_whether_a_disabled_account_s_token_dies_and_the_report_of_leavers_says_so() {
    for (knob, word, says) in [
        ("401", "dies", "is refused once"),
        ("403", "dies", "is refused once"),
        ("lives", "lives", "goes on working"),
    ] {
        let world = Beside::start(Profile::Friendly, &[("disabled_token", knob)]).await;
        let (id, file) = lend(&world, "SCIM-probe-1@example.com", &json!({}));
        let before = world.ringcx.state();
        let file = file.to_str().unwrap();
        let probe = ["check", "--probe-group", "UK Agents", "--probe-token-file", file, "--json"];
        let said = world.run(&probe).await;
        assert_eq!(said.code, 0, "{} {}", said.errors, said.out);
        let learned = format!("disabled_token: {word}");
        assert!(said.json.as_array().unwrap().iter().any(|line| line["detail"] == learned), "{}", said.out);
        assert!(!format!("{}{}", said.out, said.errors).contains(LENT));
        let switched: Vec<Value> = world
            .ringcx
            .calls()
            .into_iter()
            .filter(|it| it.operation == "setIsActive")
            .map(|it| it.body)
            .collect();
        assert_eq!(switched, [json!({"isActive": false}), json!({"isActive": true})]);
        assert_eq!(world.ringcx.state(), before);
        let said = world.run(&["check", "--probe-group", "UK Agents", "--json"]).await;
        assert!(said.out.contains(&format!("{learned}, as learned")), "{}", said.out);
        let said = world.run(&["report", "leavers"]).await;
        assert!(said.out.contains(says), "{}", said.out);
        let said = world.run(&["audit", "export"]).await;
        assert_eq!(said.out.matches(&format!("\"user_id\":{id}")).count(), 2, "{}", said.out);
        assert_eq!(said.out.matches("\"removed\":true").count(), 2, "{}", said.out);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_of_somebody_who_would_be_missed_is_tried() {
    for (name, fields, why) in [
        ("jo@example.com", json!({}), "does not begin with scim-probe-"),
        ("scim-probe-1@example.com", json!({"roles": ["REPORT_ADMINISTRATIVE_USER"]}), "has roles"),
        ("scim-probe-1@example.com", json!({"rootUser": true}), "has roles"),
        ("scim-probe-1@example.com", json!({"enabled": false}), "switched off already"),
    ] {
        let world = Beside::start(Profile::Friendly, &[]).await;
        let (_, file) = lend(&world, name, &fields);
        let file = file.to_str().unwrap();
        let said =
            world.run(&["check", "--probe-group", "UK Agents", "--probe-token-file", file, "--json"]).await;
        assert_eq!(said.code, 1, "{}", said.out);
        assert!(said.out.contains(why) && said.out.contains("nothing was tried"), "{why}: {}", said.out);
        assert_eq!(world.ringcx.count("setIsActive"), 0);
    }
    let world = Beside::start(Profile::Friendly, &[]).await;
    let own = world.folder.path().join("own");
    std::fs::write(&own, Seed::demo().api_token).unwrap();
    let own = own.to_str().unwrap();
    let said = world.run(&["check", "--probe-group", "UK Agents", "--probe-token-file", own, "--json"]).await;
    assert!(said.code == 1 && said.out.contains("is the bridge's own"), "{}", said.out);
    assert_eq!(world.ringcx.count("setIsActive"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_a_probe_says_how_the_end_of_one_is_found_out() {
    let world = Beside::start(Profile::Friendly, &[]).await;
    let said = world.run(&["check", "--probe-group", "UK Agents", "--json"]).await;
    assert_eq!(said.code, 0, "{}", said.errors);
    let mut lines = said.json.as_array().unwrap().iter().filter(|line| line["result"] == "warn");
    assert!(
        lines.any(|line| line["detail"].as_str().unwrap().contains("--probe-token-file")),
        "{}",
        said.out
    );
    for operation in ["createApiToken", "setIsActive", "createUser", "sendPasswordReset"] {
        assert_eq!(world.ringcx.count(operation), 0, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_ringcx_takes_no_api_tokens_the_doctor_says_so() {
    let world = with(Profile::Friendly, "api_token = \"aws80:simulated\"").await;
    world.ringcx.set("api_token", "off").unwrap();
    let said = world.run(&["check", "--json"]).await;
    assert_eq!(said.code, 1);
    let lines = said.json.as_array().unwrap();
    let sign_in = lines.iter().find(|line| line["check"] == "sign-in").unwrap();
    assert!(sign_in["detail"].as_str().unwrap().contains("api_token"), "{sign_in}");
    assert!(!said.out.contains("aws80:simulated"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_made_with_the_jwt_printed_once_listed_by_its_end_and_removed() {
    for (profile, ended) in PROFILES.into_iter().zip(["true", "204", "204"]) {
        let world = Beside::start(profile, &[("token_delete", ended)]).await;
        let said = world.run(&["ringcx-token", "create"]).await;
        assert_eq!((said.code, said.out.lines().count()), (0, 1), "{}", said.errors);
        let token = said.out.trim().to_owned();
        assert!(world.ringcx.api_tokens().contains(&token));
        let listed = world.run(&["ringcx-token", "list", "--json"]).await;
        assert!(!listed.out.contains(&token), "{}", listed.out);
        let ending = &token[token.len() - 6..];
        assert!(
            listed.json.as_array().unwrap().contains(&json!({"ending": ending, "in_use": false})),
            "{}",
            listed.out
        );
        assert_eq!(world.run(&["ringcx-token", "remove", "--ending", "zzzz"]).await.code, 2);
        assert_eq!(world.run(&["ringcx-token", "remove", "--ending", "1"]).await.code, 2);
        let said = world.run(&["ringcx-token", "remove", "--ending", ending]).await;
        assert_eq!(said.code, 0, "{profile:?} {}", said.errors);
        assert_eq!(world.ringcx.api_tokens(), [Seed::demo().api_token]);
        let said = world.run(&["ringcx-token", "rotate"]).await;
        assert!(said.code == 2 && said.errors.contains("JWT"), "{}", said.errors);
        // Neither the journal nor the auditor has seen it.
        let store = std::fs::read(world.folder.path().join("bridge.db")).unwrap();
        assert!(!store.windows(token.len()).any(|window| window == token.as_bytes()));
        let story = world.run(&["audit", "export"]).await;
        assert!(
            story.out.contains("createApiToken") && story.out.contains("deleteApiToken"),
            "{}",
            story.out
        );
        assert!(!story.out.contains(&token));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_makes_no_second_token_and_loses_none() {
    let world = Beside::start(Profile::Friendly, &[]).await;
    world.ringcx.fault(Fault::once("createApiToken", FaultKind::DropAfter));
    let said = world.run(&["ringcx-token", "create"]).await;
    assert_eq!(said.code, 0, "{}", said.errors);
    assert_eq!(world.ringcx.count("createApiToken"), 1);
    assert!(world.ringcx.api_tokens().contains(&said.out.trim().to_owned()), "{}", said.out);
    // The answer is lost, and then nobody can look either: the next command names what may have been made.
    world.ringcx.fault(Fault::once("createApiToken", FaultKind::DropAfter));
    let blind = FaultKind::Status(403, "no".to_owned());
    world.ringcx.fault(Fault { skip: 1, ..Fault::once("listApiTokens", blind) });
    let lost = world.run(&["ringcx-token", "create"]).await;
    assert!(lost.code == 1 && lost.out.is_empty() && lost.errors.contains("is not known"), "{}", lost.errors);
    let made = world.ringcx.api_tokens();
    assert_eq!(made.len(), 3);
    let unseen = made.iter().find(|it| **it != said.out.trim() && **it != Seed::demo().api_token).unwrap();
    let next = world.run(&["ringcx-token", "create"]).await;
    assert_eq!(next.code, 0, "{}", next.errors);
    assert!(
        next.errors.contains("cut short") && next.errors.contains(&unseen[unseen.len() - 6..]),
        "{}",
        next.errors
    );
    assert_eq!(world.run(&["ringcx-token", "create"]).await.errors, "", "once is enough");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_replaces_the_file_and_a_running_server_goes_on_with_the_new_token() {
    for profile in PROFILES {
        let (world, file) = from_file(profile).await;
        let serve = Serve::ready(&world.config).await;
        let said = world.run(&["ringcx-token", "rotate", "--remove-old", "--json"]).await;
        assert_eq!(said.code, 0, "{profile:?} {}", said.errors);
        assert_eq!((&said.json["token"], &said.json["old_removed"]), (&Value::Null, &json!(true)));
        let now = std::fs::read_to_string(&file).unwrap();
        assert_eq!(world.ringcx.api_tokens(), std::slice::from_ref(&now), "the old one has ended");
        assert_ne!(now, Seed::demo().api_token);
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions()) & 0o777,
            0o600
        );
        // The server still holds the token that has ended.
        let body = json!({"userName": "jo@example.com"});
        let users = format!("{}/Users", serve.base);
        let made = until("the create", async || {
            send(Method::POST, &users, &world.token, Some(&body)).await.filter(|it| it.0 != 503)
        });
        let (status, answer) = made.await;
        assert_eq!(status, 201, "{answer}");
        assert!(world.ringcx.agents().iter().any(|agent| agent["username"] == "jo@example.com"));
        serve.kill();
        // Server and commands, before and after: one bucket of calls, besides those of sign-ins and of RingCentral.
        let store = rusqlite::Connection::open(world.folder.path().join("bridge.db")).unwrap();
        let buckets = "SELECT COUNT(*) FROM budgets WHERE INSTR(identity, '/') = 0";
        assert_eq!(store.query_row(buckets, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_that_cannot_be_finished_leaves_everything_as_it_was() {
    let (world, file) = from_file(Profile::Friendly).await;
    let old = std::fs::read_to_string(&file).unwrap();
    // The new token does not work.
    world.ringcx.fault(Fault::once("getAuth", FaultKind::Status(401, "no".to_owned())));
    let said = world.run(&["ringcx-token", "rotate", "--remove-old"]).await;
    assert!(said.code == 1 && said.errors.contains("nothing was rotated"), "{}", said.errors);
    assert_eq!(world.ringcx.api_tokens(), [Seed::demo().api_token]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), old);
    // A token that stands in the configuration itself is never ended by a rotation.
    let world = with(Profile::Friendly, "api_token = \"aws80:simulated\"").await;
    let said = world.run(&["ringcx-token", "rotate", "--remove-old"]).await;
    assert!(said.code == 2 && said.errors.contains("api_token_file"), "{}", said.errors);
    assert_eq!(world.ringcx.count("createApiToken"), 0);
    let said = world.run(&["ringcx-token", "rotate"]).await;
    assert_eq!((said.code, world.ringcx.api_tokens().len()), (0, 2), "{}", said.errors);
    assert!(world.ringcx.api_tokens().contains(&said.out.trim().to_owned()));
    let said = world.run(&["ringcx-token", "remove", "--ending", "mulated"]).await;
    assert!(said.code == 2 && said.errors.contains("signs in with"), "{}", said.errors);
}
