//! `check` where it cannot go on, and where somebody has to decide; and what commands say of a store that cannot be used.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringcx_scim::clock::Clock;
use ringcx_simulator::{Fault, FaultKind, Profile, Seed};
use serde_json::json;

use crate::beside::Beside;
use crate::crash::serve::{Serve, configure, send, until};
use crate::doctor::{failed, lines, run, world};
use crate::support::{Simulator, postgres_database};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_a_store_that_takes_no_writes_and_asks_ringcx_nothing() {
    let Some(database) = postgres_database().await else { return };
    let simulator = Simulator::start(ringcx_simulator::Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (config, _) = configure(folder.path(), &simulator.url(), &database, "2s");
    let whole = std::fs::read_to_string(&config).unwrap();
    let read_only = format!("{database}%20-cdefault_transaction_read_only%3Don");
    std::fs::write(&config, whole.replace(&database, &read_only)).unwrap();
    let (code, report, errors) = run(&config, &["check"]).await;
    let found = failed(&report);
    assert_eq!((code, found.len()), (1, 1), "{errors} {found:?}");
    assert!(found[0].starts_with("store: takes no writes: "), "{found:?}");
    assert!(found[0].ends_with("; give the bridge's user the right to write there"), "{found:?}");
    assert_eq!(simulator.admin().calls().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_a_token_of_the_bridge_that_is_wrong_or_ends_soon() {
    let end = Clock::system().now() + Duration::from_hours(24 * 10);
    let mut seed = Seed::demo();
    let claims = URL_SAFE_NO_PAD.encode(json!({"exp": end.as_second()}).to_string());
    seed.jwt = format!("{}.{claims}.c2ln", URL_SAFE_NO_PAD.encode("{\"alg\":\"RS256\"}"));
    let world = Beside::on(seed.clone(), Profile::Friendly, &[]).await;
    world.edit("simulated-jwt", &seed.jwt);
    let said = world.run(&["check", "--json"]).await;
    let soon = lines(&said.json, "warn").into_iter().find(|it| it.starts_with("sign-in: "));
    let soon = soon.unwrap_or_else(|| panic!("{}", said.out));
    let date = end.to_string()[..10].to_owned();
    assert!(soon.starts_with(&format!("sign-in: the RingCentral JWT ends at {date}")), "{soon}");
    assert!(
        soon.ends_with("; make a new one at RingCentral and put it into tenant.default.ringcentral.jwt")
            && said.code == 0,
        "{soon}"
    );

    let text = std::fs::read_to_string(&world.config).unwrap();
    let (before, rest) = text.split_once("[tenant.default.ringcentral]").unwrap();
    let (_, policy) = rest.split_once("[tenant.default.policy]").unwrap();
    for (token, code) in [("aws80:gone", 1), (seed.api_token.as_str(), 0)] {
        let before = before.replace("account_id =", &format!("api_token = \"{token}\"\naccount_id ="));
        std::fs::write(&world.config, format!("{before}[tenant.default.policy]{policy}")).unwrap();
        let said = world.run(&["check", "--json"]).await;
        let found = failed(&said.json);
        assert_eq!(
            (said.code, found.len()),
            (code, usize::try_from(code).unwrap()),
            "{found:?} {}",
            said.errors
        );
        let named = |line: &String| {
            line.starts_with("sign-in: RingCX does not take the credential")
                && line.ends_with(
                    "; put a live token of a RingCX administrator into tenant.default.ringcx.api_token",
                )
        };
        assert!(found.iter().all(named), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_agent_groups_that_could_not_be_made_and_people_who_wait_for_a_decision() {
    let world = world(Profile::Friendly, &[]).await;
    let serve = Serve::ready(&world.config).await;
    world.ringcx.fault(Fault::always("createAgentGroup", FaultKind::Status(400, "no such shift".to_owned())));
    let groups = format!("{}/Groups", serve.base);
    let body = json!({"displayName": "Night Shift"});
    let (status, group) = send(reqwest::Method::POST, &groups, &world.token, Some(&body)).await.unwrap();
    assert_eq!(status, 201, "{group}");
    until("the refusal", async || {
        let (_, status, _) = run(&world.config, &["tenant", "status"]).await;
        (status["unmade_groups"].as_array().unwrap().len() == 1).then_some(())
    })
    .await;
    assert_eq!(run(&world.config, &["tenant", "pause"]).await.0, 0);
    let users = format!("{}/Users", serve.base);
    let body = json!({"userName": "jo@example.com"});
    let (status, _) = send(reqwest::Method::POST, &users, &world.token, Some(&body)).await.unwrap();
    assert_eq!(status, 503);
    serve.kill();
    let database = rusqlite::Connection::open(world.folder.path().join("bridge.db")).unwrap();
    database.execute("UPDATE jobs SET parked_at = 1 WHERE parked_at IS NULL", []).unwrap();
    drop(database);
    let (code, report, _) = run(&world.config, &["check"]).await;
    let found = failed(&report);
    assert_eq!((code, found.len()), (1, 2), "{found:?}");
    let begins = format!("agent groups: none was made for group {}: ", group["id"].as_str().unwrap());
    assert!(found[0].starts_with(&begins) && found[0].contains("no such shift"), "{found:?}");
    assert!(found[0].ends_with("run `ringcx-scim tenant release --tenant default`"), "{found:?}");
    let waits = "work: what is to be done about 1 person waits for somebody to decide; their lastError says what, and `ringcx-scim \
                 tenant release --tenant default` has it tried again";
    assert_eq!(found[1], waits);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_be_used_is_bad_input_to_every_command() {
    let world = Beside::start(Profile::Friendly, &[]).await;
    let store = format!("sqlite://{}", world.folder.path().join("bridge.db").display());
    world.edit(&store, "sqlite:///proc/bridge.db");
    for command in [
        "serve",
        "migrate",
        "token list",
        "list agent-groups",
        "report held",
        "tenant status",
        "reconcile --dry-run",
        "import --dry-run",
        "audit verify",
        "audit export",
        "audit trace x",
        "access jo@example.com",
        "office list",
        "ringcx-token list",
    ] {
        let said = world.run(&command.split(' ').collect::<Vec<_>>()).await;
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{command}: {}", said.errors);
        assert!(
            said.errors.contains("/proc/bridge.db") && said.errors.lines().count() == 1,
            "{command}: {}",
            said.errors
        );
    }
    assert_eq!(world.ringcx.calls().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_waits_for_a_short_pause_and_ends_at_a_long_one() {
    let world = Beside::start(Profile::Friendly, &[]).await;
    let stop = |after: &str| FaultKind::TooManyRequests { retry_after: Some(after.to_owned()) };
    // Longer than what a single call waits by itself.
    world.ringcx.fault(Fault { skip: 1, ..Fault::once("listAgents", stop("3")) });
    let said = world.run(&["list", "agents", "--json"]).await;
    assert_eq!((said.code, said.json.as_array().map(Vec::len)), (0, Some(1)), "{}", said.errors);
    assert!(
        said.errors.contains("RingCX takes no more calls at the moment; going on in 3 s"),
        "{}",
        said.errors
    );
    world.ringcx.fault(Fault::once("listAgentGroups", stop("600")));
    let said = world.run(&["list", "agent-groups"]).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.errors.contains("the agent groups were not read: too many calls"), "{}", said.errors);
    // While RingCX has stopped everybody the doctor says so, and waits for nothing.
    let asked = || world.ringcx.calls().iter().filter(|it| it.path.contains("/voice/")).count();
    let before = asked();
    let report = tokio::time::timeout(Duration::from_mins(1), world.run(&["check", "--json"]));
    let found = failed(&report.await.unwrap().json);
    assert!(found.len() == 1 && found[0].starts_with("sign-in: "), "{found:?}");
    assert!(found[0].contains("too many calls, free again in 5"), "{found:?}");
    assert_eq!(asked(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_waits_for_a_sign_in_and_says_so() {
    let world = Beside::start(Profile::Friendly, &[]).await;
    let stop = |after: &str| FaultKind::TooManyRequests { retry_after: Some(after.to_owned()) };
    for command in [&["reconcile", "--dry-run"][..], &["check", "--json"]] {
        world.ringcx.fault(Fault::once("exchangeToken", stop("1")));
        let said = world.run(command).await;
        assert_eq!(said.code, 0, "{command:?}: {} {}", said.out, said.errors);
        assert!(said.errors.contains("RingCX takes few sign-ins a minute"), "{command:?}: {}", said.errors);
        assert!(said.errors.contains("ringcx.auth_per_minute"), "{command:?}: {}", said.errors);
    }
    // A long pause is told, and not waited for.
    world.ringcx.fault(Fault::once("exchangeToken", stop("600")));
    let said = world.run(&["reconcile", "--dry-run"]).await;
    assert_eq!(said.code, 1, "{}", said.errors);
    assert!(said.errors.contains("RingCX takes no sign-in for 60"), "{}", said.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_people_for_whom_active_never_came() {
    let world = world(Profile::Friendly, &[]).await;
    let serve = Serve::ready(&world.config).await;
    let users = format!("{}/Users", serve.base);
    let mut ids = Vec::new();
    for (name, active) in [("said", Some("True")), ("silent", None), ("later", None), ("new", None)] {
        let mut body = json!({"userName": format!("{name}@example.com")});
        if let Some(active) = active {
            body["active"] = json!(active);
        }
        let (status, user) = send(reqwest::Method::POST, &users, &world.token, Some(&body)).await.unwrap();
        assert_eq!((status, &user["active"]), (201, &json!(true)), "{user}");
        ids.push(user["id"].as_str().unwrap().to_owned());
    }
    // Other changes say nothing of it.
    for (id, path, value) in [(&ids[1], "title", json!("x")), (&ids[2], "active", json!(true))] {
        let change = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": path, "value": value}]});
        let url = format!("{users}/{id}");
        let (status, user) = send(reqwest::Method::PATCH, &url, &world.token, Some(&change)).await.unwrap();
        assert_eq!((status, &user["active"]), (200, &json!(true)), "{user}");
    }
    serve.kill();
    let database = rusqlite::Connection::open(world.folder.path().join("bridge.db")).unwrap();
    database
        .execute(
            "UPDATE people SET created_at = created_at - 31 * 24 * 60 * 60 * 1000 WHERE user_name_key <> 'new@example.com'",
            [],
        )
        .unwrap();
    drop(database);
    let (code, report, _) = run(&world.config, &["check"]).await;
    let found = lines(&report, "warn");
    let line = format!(
        "active: never sent for 1 person within 30 days ({}), so they would not be switched off when they leave; map `active` in the \
         identity provider",
        ids[1]
    );
    assert!(code == 0 && found.contains(&line), "{found:#?}");
}
