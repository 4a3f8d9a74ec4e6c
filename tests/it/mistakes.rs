//! `check` names each mistake that an operator can make, and each trouble that RingCX can be in, in one sentence with the fix.

use std::time::Duration;

use ringcx_simulator::{Fault, FaultKind, Profile};
use serde_json::json;

use crate::crash::serve::{Serve, send};
use crate::doctor::{World, failed, lines, run, world};

/// A mistake in the configuration: what is right, what is wrong, and the line that names it.
const MISTAKES: [(&str, &str, &str, &str); 18] = [
    (
        r#"client_secret = "simulated-secret""#,
        r#"client_secret = "wrong""#,
        "fail",
        "sign-in: RingCentral does not sign the bridge in: the bridge's own credential was not accepted (RingCentral refused the \
         client: Invalid client credentials); correct client_id and client_secret in tenant.default.ringcentral",
    ),
    (
        r#"jwt = "simulated-jwt""#,
        r#"jwt = "wrong""#,
        "fail",
        "sign-in: RingCentral does not sign the bridge in: the bridge's own credential was not accepted (RingCentral refused the JWT: \
         Token expired); put a JWT of the service user, made for this app and not expired, into tenant.default.ringcentral.jwt",
    ),
    (
        r#"account_id = "15300002""#,
        r#"account_id = "999""#,
        "fail",
        "agent groups: account 999 cannot be read: it does not exist there; correct tenant.default.ringcx.account_id, the credential \
         sees 15300002",
    ),
    (
        r#"default_agent_group = "Default""#,
        r#"default_agent_group = "Nowhere""#,
        "fail",
        "mapping: policy.default_agent_group: agent group \"Nowhere\" does not exist in RingCX; create it there or correct the name",
    ),
    (
        "allowed_rights_docs = [4711]",
        "allowed_rights_docs = [1]",
        "fail",
        "rights documents: 1 is not there; correct the configuration, or let the service user see it",
    ),
    (
        r#"allowed_roles = ["REPORT_ADMINISTRATIVE_USER"]"#,
        r#"allowed_roles = ["MANAGE_USERS"]"#,
        "fail",
        "roles: role MANAGE_USERS lets its holder gain more access and is not given; list it in privileged_roles too, or take it out",
    ),
    (
        r#"allowed_roles = ["REPORT_ADMINISTRATIVE_USER"]"#,
        r#"allowed_roles = ["REPORTS"]"#,
        "fail",
        "roles: role REPORTS is none that RingCX publishes; correct the word, there are SUPER_USER, USER, MANAGE_USERS, MANAGE_RIGHTS, \
         ACCESS_SIBLINGS, ACCESS_AUDIT_LOG, ASSUME_USERS, REPORT_ADMINISTRATIVE_USER, WFO_ACCESS, ACCESS_GOODDATA_EDITOR, \
         ACCESS_GOODDATA_ANALYST, ACCESS_GOODDATA_VIEWER, ACCESS_GOODDATA_ADMIN, ACCESS_GOODDATA_EXPLORER, \
         ACCESS_GOODDATA_EMBEDDED_EXPLORER, ACCESS_GOODDATA_EMBEDDED_DASHBOARD",
    ),
    (
        r#"allowed_roles = ["REPORT_ADMINISTRATIVE_USER"]"#,
        r#"role_group_prefix = "RingCX Role ""#,
        "warn",
        "roles: policy.role_group_prefix gives none, because none is allowed; name the roles in policy.allowed_roles, or take the prefix out",
    ),
    (
        "allowed_rights_docs = [4711]",
        "allowed_rights_docs = [4711]\nadmin_parent_user_id = 7",
        "fail",
        "administrators: administrator 7 of policy.admin_parent_user_id is not there; set policy.admin_parent_user_id to the userId of one \
         that is",
    ),
    (
        "[tenant.default.policy]",
        "[[tenant.default.group]]\nmatch = \"UK\"\nagent_group = \"Gone\"\n[tenant.default.policy]",
        "fail",
        "mapping: the group mapping \"UK\": agent group \"Gone\" does not exist in RingCX; create it there or correct the name",
    ),
    (
        "settle_timeout",
        "public_url = \"http://127.0.0.1:9\"\nsettle_timeout",
        "fail",
        "public URL: http://127.0.0.1:9 cannot be reached from here: nothing answers there; start `serve`, or correct server.public_url or \
         the proxy in front of it",
    ),
    (
        "settle_timeout",
        "public_url = \"https://ringcx-scim.invalid\"\nsettle_timeout",
        "fail",
        "public URL: https://ringcx-scim.invalid cannot be reached from here: its host name is not known; start `serve`, or correct \
         server.public_url or the proxy in front of it",
    ),
    (
        "settle_timeout",
        "public_url = \"{upstream}/scim\"\nsettle_timeout",
        "fail",
        "public URL: {upstream}/scim/healthz answers 200 and is not this bridge; start `serve`, or correct server.public_url or the proxy \
         in front of it",
    ),
    (
        "settle_timeout",
        "public_url = \"{upstream}/scim/v2\"\nsettle_timeout",
        "fail",
        "public URL: {upstream}/scim/v2/healthz answers 200 and is not this bridge; take /scim/v2 out of server.public_url, to which the \
         server adds it",
    ),
    (
        "settle_timeout",
        "public_url = \"{tls}\"\nsettle_timeout",
        "fail",
        "public URL: {tls} cannot be reached from here: there is no TLS; start `serve`, or correct server.public_url or the proxy in front \
         of it",
    ),
    (
        "[tenant.default.policy]",
        "[tenant.default.agent_defaults]\nphoneLoginDialGroup = \"Nowhere\"\n[tenant.default.policy]\nassignment_shape = \"ids\"",
        "fail",
        "agent defaults: agent_defaults.phoneLoginDialGroup \"Nowhere\" is not a dial group of this RingCX account; use one of Campaigns (7001), \
         Surveys (7002); correct tenant.default.agent_defaults, until then no agent is made",
    ),
    (
        "[tenant.default.policy]",
        "[tenant.default.agent_defaults]\ninitLoginBaseState = \"ASLEEP\"\n[tenant.default.policy]",
        "fail",
        "agent defaults: agent_defaults.initLoginBaseState \"ASLEEP\" is not a state of this RingCX account; use one of AVAILABLE, LUNCH, \
         TRAINING; correct tenant.default.agent_defaults, until then no agent is made",
    ),
    (
        "allowed_rights_docs = [4711]",
        "allowed_rights_docs = [4711]\nlink_rc_extension = \"off\"",
        "warn",
        "administrators: new administrators would hang under the bridge's own account (100) and go with it; set policy.admin_parent_user_id",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_each_mistake_in_the_configuration_with_its_fix() {
    for (right, wrong, mark, line) in MISTAKES {
        let world = world(Profile::Friendly, &[]).await;
        let upstream = world.simulator.url();
        let fill = |text: &str| {
            text.replace("{upstream}", &upstream).replace("{tls}", &upstream.replace("http:", "https:"))
        };
        world.edit(right, &fill(wrong));
        let (code, report, errors) = run(&world.config, &["check"]).await;
        assert_eq!(code, i32::from(mark == "fail"), "{wrong}: {errors}");
        let found = lines(&report, mark);
        assert!(found.contains(&fill(line)), "{wrong}: {found:#?}");
        assert!(mark == "warn" || found.len() == 1, "one mistake, one line: {found:#?}");
    }
}

/// A mistake in RingCX: what goes wrong there, and the line that names it.
type Spoil = fn(&World);
const TROUBLES: [(&str, Spoil, &str, &str); 16] = [
    (
        "an administrator who is not seen",
        |world| world.ringcx.forbid("listUsers"),
        "fail",
        "administrators: cannot be read: the bridge's RingCX account lacks a permission (You do not have permission to access this resource); give the service user the role \
         MANAGE_USERS, or set policy.manage_admins = false",
    ),
    (
        "agents that are not seen",
        |world| world.ringcx.forbid("listAgents"),
        "fail",
        "agents: cannot be read: the bridge's RingCX account lacks a permission (You do not have permission to access this resource); give the service user the permission to \
         read, create and update agents",
    ),
    (
        "agent groups that are not seen",
        |world| world.ringcx.forbid("listAgentGroups"),
        "fail",
        "agent groups: account 15300002 cannot be read: the bridge's RingCX account lacks a permission (You do not have permission to access this resource); give the service \
         user the permission to read agent groups",
    ),
    (
        "rights documents that are not seen",
        |world| world.ringcx.forbid("getRightsDocs"),
        "fail",
        "rights documents: cannot be read: the bridge's RingCX account lacks a permission (You do not have permission to access this resource); give the service user the role \
         MANAGE_RIGHTS",
    ),
    (
        "no WFO_ACCESS",
        |world| world.ringcx.forbid("integrationAgents"),
        "warn",
        "integration listing: not readable: the bridge's RingCX account lacks a permission (You do not have permission to access this resource); give the service user the role \
         WFO_ACCESS to save calls, or leave it",
    ),
    (
        "extensions that are not seen",
        |world| world.ringcx.forbid("listExtensions"),
        "warn",
        "extensions: the RingCentral extensions cannot be read: the bridge's RingCX account lacks a permission (You do not have permission to access this resource); give the \
         app ReadAccounts and link RingCX to RingCentral, or set policy.link_rc_extension = \"off\"",
    ),
    (
        "dial groups that are not seen",
        |world| {
            world.edit("[tenant.default.policy]", "[tenant.default.policy]\nassignment_shape = \"ids\"");
            world.ringcx.forbid("listDialGroups");
        },
        "fail",
        "dial groups: cannot be read: the bridge's RingCX account lacks a permission (You do not have permission to access this resource); give the service user the permission \
         to read dial groups, or take policy.assignment_shape out",
    ),
    (
        "queues that are not seen",
        |world| {
            world.edit("[tenant.default.policy]", "[tenant.default.policy]\nassignment_shape = \"ids\"");
            world.ringcx.forbid("listGateGroups");
        },
        "fail",
        "queues: cannot be read: the bridge's RingCX account lacks a permission (You do not have permission to access this resource); give the service user the permission \
         to read queues, or take policy.assignment_shape out",
    ),
    (
        "an audit log that is not seen",
        |world| {
            world.edit("[tenant.default.policy]", "[tenant.default.policy]\naudit_feed = true");
            world.ringcx.forbid("searchAuditLogs");
        },
        "fail",
        "audit log: cannot be read: the bridge's RingCX account lacks a permission (You do not have permission to access this resource); give the service user the role \
         ACCESS_AUDIT_LOG, or set policy.audit_feed = false",
    ),
    (
        "the last administrator",
        |world| world.ringcx.edit_admin(101, |owner| drop(owner.insert("enabled".to_owned(), json!(false)))),
        "fail",
        "last-admin floor: no enabled SUPER_USER besides the bridge's own account is out of the identity provider's reach; appoint one in \
         RingCX",
    ),
    (
        "a service user without power",
        |world| {
            world
                .ringcx
                .edit_admin(100, |own| drop(own.insert("roles".to_owned(), json!(["USER", "MANAGE_USERS"]))));
        },
        "fail",
        "roles: the service user lacks MANAGE_RIGHTS, so it can give no rights document; give it that role, or take the rights documents out \
         of the configuration",
    ),
    (
        "a document of the main account",
        |world| world.ringcx.add_doc(4711, "Supervisor", true),
        "fail",
        "rights documents: 4711 is a master document, which applies to the whole main account, and is not given; set \
         policy.master_rights_docs = true, or take it out",
    ),
    (
        "HTML where the API was",
        |world| world.ringcx.fault(Fault::always("listAgentGroups", FaultKind::Html200)),
        "fail",
        "agent groups: account 15300002 cannot be read: the answer was not understood (HTML with status 200); correct \
         tenant.default.ringcx.base_url: that is not RingCX's API",
    ),
    (
        "a clock that is a little off",
        |world| world.ringcx.advance(Duration::from_secs(90)),
        "warn",
        "clock: this machine's clock is 90 s behind RingCX's; switch on time synchronisation (NTP) here",
    ),
    (
        "a clock that is far off",
        |world| world.ringcx.advance(Duration::from_mins(15)),
        "fail",
        "clock: this machine's clock is 900 s behind RingCX's; switch on time synchronisation (NTP) here",
    ),
    (
        "a token that RingCX does not take",
        |world| world.ringcx.fault(Fault::always("exchangeToken", FaultKind::Unauthorized)),
        "fail",
        "sign-in: RingCX does not take the credential: the bridge's own credential was not accepted (Jwt is expired); make the RingCentral \
         user of the JWT a RingCX administrator, and link the two accounts; where both are so, set \
         tenant.default.ringcx.exchange_params = \"query\"",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_each_trouble_in_ringcx_with_its_fix() {
    for (what, spoil, mark, line) in TROUBLES {
        let world = world(Profile::Friendly, &[]).await;
        spoil(&world);
        let (code, report, errors) = run(&world.config, &["check"]).await;
        assert_eq!(code, i32::from(mark == "fail"), "{what}: {errors}");
        let mut found = lines(&report, mark);
        // Two readings of one clock may fall on two sides of a second.
        for line in &mut found {
            *line = line.replace("89 s", "90 s").replace("899 s", "900 s");
        }
        assert!(found.iter().any(|it| it == line), "{what}: {found:#?}");
        assert!(mark == "warn" || found.len() == 1, "one trouble, one line: {found:#?}");
    }
    let world = world(Profile::Friendly, &[]).await;
    world.edit(&world.simulator.url(), "http://127.0.0.1:9");
    let (code, report, _) = run(&world.config, &["check"]).await;
    let down = "sign-in: RingCentral does not sign the bridge in: RingCX could not be reached; correct \
                tenant.default.ringcentral.base_url, or the network between here and RingCentral";
    assert_eq!((code, failed(&report)), (1, vec![down.to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_what_is_wrong_with_the_store_and_its_tokens() {
    let world = world(Profile::Friendly, &[]).await;
    let config = std::fs::read_to_string(&world.config).unwrap();
    let database = world.folder.path().join("bridge.db").display().to_string();
    let with = |url: &str| config.replace(&format!("sqlite://{database}"), url);
    let empty = format!(
        "sqlite://{}\"\nmigrate = false\nconnections = 2 #",
        world.folder.path().join("new.db").display()
    );
    std::fs::write(world.folder.path().join("new.db"), "").unwrap();
    for (text, begins, ends) in [
        (
            with("sqlite:///proc/bridge.db"),
            "store: there is none at /proc/bridge.db",
            "correct the path in store.url, or give the bridge's user the right to write there",
        ),
        (
            with("postgres://nobody@127.0.0.1:9/none"),
            "store: the store did not open",
            "start PostgreSQL, or correct host, user, password and database in store.url",
        ),
        (with(&empty), "store: does not open: the tables are missing", "run `ringcx-scim migrate`"),
    ] {
        std::fs::write(&world.config, text).unwrap();
        let (code, report, errors) = run(&world.config, &["check"]).await;
        let found = failed(&report);
        assert_eq!((code, found.len()), (1, 1), "{errors} {found:?}");
        assert!(found[0].starts_with(begins) && found[0].ends_with(ends), "{found:?}");
    }
    std::fs::write(&world.config, &config).unwrap();
    let token = async |arguments: &[&str]| run(&world.config, arguments).await.0;
    assert_eq!(token(&["token", "create", "--name", "late", "--expires", "10h"]).await, 0);
    assert_eq!(token(&["token", "create", "--name", "soon", "--expires", "6d"]).await, 0);
    let (code, report, _) = run(&world.config, &["check"]).await;
    let (late, soon) = (failed(&report), lines(&report, "warn"));
    assert!(code == 1 && late.len() == 1 && late[0].starts_with("client tokens: late ends at"), "{late:?}");
    assert!(late[0].ends_with("; `ringcx-scim token rotate --name late` makes a new one"), "{late:?}");
    assert!(soon.iter().any(|line| line.starts_with("client tokens: soon ends at")), "{soon:?}");
    let open = rusqlite::Connection::open(&database).unwrap();
    open.execute("DELETE FROM tokens", []).unwrap();
    drop(open);
    let (_, report, _) = run(&world.config, &["check"]).await;
    let none = "client tokens: no identity provider can sign in, there is no live token; make one with `ringcx-scim token create`";
    assert_eq!(failed(&report), [none]);
    let open = rusqlite::Connection::open(&database).unwrap();
    open.execute("DELETE FROM migrations WHERE number > 2", []).unwrap();
    drop(open);
    world.edit("[store]", "[store]\nmigrate = false");
    let (_, report, _) = run(&world.config, &["check"]).await;
    let old = "store: does not open: the tables are at migration 2 and this program needs";
    assert!(
        failed(&report)[0].starts_with(old) && failed(&report)[0].ends_with("run `ringcx-scim migrate`"),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_two_owners_of_one_account_and_colliding_names() {
    let world = world(Profile::Friendly, &[]).await;
    let config = std::fs::read_to_string(&world.config).unwrap();
    let second = format!(
        "[tenant.emea.ringcx]\nbase_url = \"{}\"\naccount_id = \"15300002\"\napi_token = \"aws80:simulated\"\n",
        world.simulator.url()
    );
    std::fs::write(&world.config, format!("{config}\n{second}")).unwrap();
    assert_eq!(run(&world.config, &["token", "create", "--name", "x", "--tenant", "emea"]).await.0, 0);
    let (_, report, errors) = run(&world.config, &["check"]).await;
    let both = "administrators: tenants default and emea both own the administrators of main account 15300000; set policy.manage_admins = \
                false in all but one";
    assert_eq!(failed(&report), [both], "{errors}");
    std::fs::write(&world.config, config).unwrap();
    // A server has read the account; then somebody makes two agents of one address, one of them under the name of another person.
    let serve = Serve::ready(&world.config).await;
    let users = format!("{}/Users", serve.base);
    let body = json!({"userName": "jo@example.com", "emails": [{"value": "jo@example.com"}]});
    let (status, user) = send(reqwest::Method::POST, &users, &world.token, Some(&body)).await.unwrap();
    assert_eq!(status, 201, "{user}");
    serve.kill();
    let database = rusqlite::Connection::open(world.folder.path().join("bridge.db")).unwrap();
    database
        .execute(
            "INSERT INTO inventory (tenant, kind, upstream_id, name, name_key, email_key, active, seen_at)
             VALUES ('default', 'agent', 900001, 'jo@example.com', 'jo@example.com', 'jo@example.com', TRUE, 0)",
            [],
        )
        .unwrap();
    drop(database);
    let (code, report, _) = run(&world.config, &["check"]).await;
    let found = lines(&report, "warn");
    let agent = world.ringcx.agents().into_iter().find(|it| it["email"] == "jo@example.com").unwrap();
    let id = user["id"].as_str().unwrap();
    for line in [
        format!(
            "names: agents {} and 900001 have one e-mail address, so it links nobody; correct one of them in RingCX",
            agent["agentId"]
        ),
        format!(
            "names: the userName of person {id} is the login name of agent 900001, who is not theirs; link the two with `ringcx-scim \
             import`, or rename one"
        ),
    ] {
        assert!(code == 0 && found.contains(&line), "{found:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_what_waits_for_its_operator() {
    let world = world(Profile::Friendly, &[]).await;
    let command =
        async |arguments: &[&str]| assert_eq!(run(&world.config, arguments).await.0, 0, "{arguments:?}");
    let warned = async || lines(&run(&world.config, &["check"]).await.1, "warn");
    let begins_and_ends = |lines: &[String], begins: &str, ends: &str| {
        assert!(lines.iter().any(|it| it.starts_with(begins) && it.ends_with(ends)), "{begins}: {lines:#?}");
    };
    let resume = "; `ringcx-scim tenant resume --tenant default` ends that";
    command(&["tenant", "pause"]).await;
    begins_and_ends(
        &warned().await,
        "work: paused since ",
        &format!("and only access is taken away{resume}"),
    );
    command(&["tenant", "pause", "--all"]).await;
    begins_and_ends(
        &warned().await,
        "work: paused since ",
        &format!("and nothing is done, not even for leavers{resume}"),
    );
    command(&["tenant", "resume"]).await;
    let quiet = warned().await;
    assert!(!quiet.iter().any(|it| it.starts_with("work: ")), "{quiet:#?}");

    world.edit("[tenant.default.policy]", "[tenant.default.policy]\nmode = \"dry_run\"");
    let serve = Serve::ready(&world.config).await;
    let users = format!("{}/Users", serve.base);
    let body = json!({"userName": "jo@example.com", "emails": [{"value": "jo@example.com"}]});
    let (_, user) = send(reqwest::Method::POST, &users, &world.token, Some(&body)).await.unwrap();
    serve.kill();
    world.edit("mode = \"dry_run\"\n", "");
    begins_and_ends(
        &warned().await,
        "work: Tenant default has left a dry run",
        "; `ringcx-scim tenant status --tenant default` shows it",
    );

    let database = rusqlite::Connection::open(world.folder.path().join("bridge.db")).unwrap();
    database
        .execute(
            "INSERT INTO losses (tenant, person_id, at, base, counts, rule, since_at, former)
             VALUES ('default', ?1, 0, 9, TRUE, 'hour', 0, '{}')",
            [user["id"].as_str().unwrap()],
        )
        .unwrap();
    drop(database);
    let (code, report, _) = run(&world.config, &["check"]).await;
    let blocked = "mass change: what would take access from 1 person is blocked; `ringcx-scim tenant release --tenant default` carries it \
                   out, `ringcx-scim tenant reject --tenant default` drops it";
    assert_eq!((code, failed(&report)), (1, vec![blocked.to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_the_tenant_whose_administrators_are_anothers() {
    let world = world(Profile::Friendly, &[]).await;
    let second = format!(
        "[tenant.emea.ringcx]\nbase_url = \"{}\"\naccount_id = \"15300002\"\napi_token = \"aws80:simulated\"\n",
        world.simulator.url()
    );
    // The first to have met RingCX has the administrators.
    Serve::ready(&world.config).await.kill();
    let config = std::fs::read_to_string(&world.config).unwrap();
    std::fs::write(&world.config, format!("{config}\n{second}")).unwrap();
    assert_eq!(run(&world.config, &["token", "create", "--name", "x", "--tenant", "emea"]).await.0, 0);
    Serve::ready(&world.config).await.kill();
    let (code, report, _) = run(&world.config, &["check"]).await;
    let found = failed(&report);
    let elsewhere = found.iter().filter(|line| {
        line.starts_with("administrators: Another tenant of this bridge owns the administrators of this RingCX main account; give roles")
    });
    assert_eq!((code, elsewhere.count(), found.len()), (1, 1, 2), "{found:#?}");
    std::fs::write(&world.config, format!("{config}\n{second}[tenant.emea.policy]\nmanage_admins = false\n"))
        .unwrap();
    let (_, report, _) = run(&world.config, &["check"]).await;
    assert!(!failed(&report).iter().any(|line| line.starts_with("administrators: Another")), "{report}");
}
