//! The configuration as operators meet it: mistakes, variables, files.

use std::collections::BTreeSet;

use secrecy::ExposeSecret;

use super::*;

const GOOD: &str = r#"
[store]
url = "sqlite::memory:"
[tenant.default.ringcx]
account_id = "15300002"
api_token = "t0p-secret"
"#;

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    std::fs::write(&file, text).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let prefix = format!("{}/", folder.path().display());
    Config::load(Some(&file), variables).map_err(|error| {
        error.complaints().iter().map(|each| each.to_string().replace(&prefix, "")).collect()
    })
}

#[expect(clippy::too_many_lines, reason = "a table, or one story, reads best in one piece")]
#[test]
fn each_mistake_is_named_with_file_line_and_key() {
    let mistakes: [(&str, &[&str]); 17] = [
        ("[server]\nlistne = \"x\"", &["bridge.toml:8: server.listne: unknown key; did you mean listen?"]),
        (
            "[tenant.default.policy]\non_deelte = \"x\"\nallow_roles = []",
            &[
                "bridge.toml:9: tenant.default.policy.allow_roles: unknown key; did you mean allowed_roles?",
                "bridge.toml:8: tenant.default.policy.on_deelte: unknown key; did you mean on_delete?",
            ],
        ),
        (
            "[[tenant.default.group]]\nmatch = \"x\"\nprio = 1",
            &[
                "bridge.toml:9: tenant.default.group.0.prio: unknown key; known here are match, agent_group, priority, \
               agent_type, roles, rights_docs",
            ],
        ),
        ("[tenent.x]", &["bridge.toml:7: tenent: unknown key; did you mean tenant?"]),
        (
            "[server]\nlisten = 8080",
            &["bridge.toml:8: server.listen: is a number, but text is due; put it in quotes"],
        ),
        ("[server]\nlisten = \"here\"", &["bridge.toml:8: server.listen: invalid socket address syntax"]),
        (
            "[server]\nsettle_timeout = \"20\"",
            &[
                "bridge.toml:8: server.settle_timeout: \"20\" is not a length of time; write a whole number and a unit: \
               ms, s, m, h or d, as in \"20s\"",
            ],
        ),
        (
            "[server]\nsettle_timeout = \"2m\"",
            &[
                "bridge.toml:8: server.settle_timeout: must be between 1s and 50s, because Okta hangs up after 60s",
            ],
        ),
        (
            "[tenant.default.policy]\nmanage_admins = \"yes\"",
            &["bridge.toml:8: tenant.default.policy.manage_admins: is text, but true or false is due"],
        ),
        (
            "[tenant.default.policy]\non_delete = \"purge\"",
            &["bridge.toml:8: tenant.default.policy.on_delete: \"purge\" is not one of disable, delete"],
        ),
        (
            "[tenant.EMEA.ringcx]\naccount_id = \"1\"",
            &[
                "bridge.toml:7: tenant.EMEA: \"EMEA\" cannot name a tenant; use lower-case letters, digits and hyphens, \
               beginning with a letter",
            ],
        ),
        (
            "[tenant.emea.ringcentral]\njwt = \"x\"",
            &[
                "bridge.toml:7: tenant.emea.ringcentral.client_id: is missing; set it in the file under \
                 [tenant.emea.ringcentral] or as BRIDGE__TENANT__EMEA__RINGCENTRAL__CLIENT_ID",
                "bridge.toml:7: tenant.emea.ringcentral.client_secret: is missing; set it in the file under \
                 [tenant.emea.ringcentral] or as BRIDGE__TENANT__EMEA__RINGCENTRAL__CLIENT_SECRET",
                "bridge.toml:7: tenant.emea.ringcx.account_id: is missing; set it in the file under \
                 [tenant.emea.ringcx] or as BRIDGE__TENANT__EMEA__RINGCX__ACCOUNT_ID",
            ],
        ),
        (
            "[tenant.emea.ringcx]\naccount_id = \"2\"\napi_token = \"t0p-secret\"",
            &[
                "bridge.toml:7: tenant.emea.policy.manage_admins: tenant default owns the administrators of the same RingCX \
               credential; set it to false in one of the two",
            ],
        ),
        (
            "[[tenant.default.group]]\nagent_group = \"x\"",
            &[
                "bridge.toml:7: tenant.default.group.0.match: is missing; set it in each [[tenant.default.group]]",
            ],
        ),
        (
            "[tenant.default.policy]\nmax_agents = -1",
            &["bridge.toml:8: tenant.default.policy.max_agents: is -1, but a whole number from 0 up is due"],
        ),
        ("x = = 1", &["bridge.toml:7: not TOML: extra `=`, expected nothing"]),
        (
            "[server]\nmax_results = 99999999999999999999",
            &["bridge.toml:8: server.max_results: is text, but a whole number is due"],
        ),
    ];
    for (text, expected) in mistakes {
        let found = load(&format!("{GOOD}{text}\n"), &[]).unwrap_err();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn a_bad_item_in_a_variable_that_spells_a_list_is_named() {
    for (variable, key) in [
        ("BRIDGE__SERVER__TRUSTED_PROXIES", "server.trusted_proxies.0"),
        (
            "BRIDGE__TENANT__DEFAULT__POLICY__ALLOWED_RIGHTS_DOCS",
            "tenant.default.policy.allowed_rights_docs.0",
        ),
    ] {
        let found = load(GOOD, &[(variable, r#"["x"]"#)]).unwrap_err();
        assert!(found.len() == 1 && found[0].starts_with(&format!("{variable}: {key}: ")), "{found:?}");
    }
}

#[test]
fn all_mistakes_are_listed_at_once() {
    let text = "[store]\nurl = \"mysql://x\"\n[server]\nlisten = 1\nmax_results = \"a\"\n[tenant.default]\ncompatibility = \"b\"";
    let found = load(text, &[("BRIDGE__TENANT__DEFAULT__RINGCX__RATE_PER_MINUTE", "0")]).unwrap_err();
    let keys: Vec<&str> = found.iter().filter_map(|each| each.split(": ").nth(1)).collect();
    assert_eq!(
        keys,
        [
            "server.listen",
            "server.max_results",
            "tenant.default.compatibility",
            "tenant.default.ringcx.account_id",
            "store.url",
            "tenant.default.ringcx.rate_per_minute",
            "tenant.default",
        ]
    );
}

#[test]
fn a_configuration_without_tenants_says_what_to_add() {
    let found = load("[store]\nurl = \"sqlite::memory:\"", &[]).unwrap_err();
    assert!(found[0].contains("tenant: is missing") && found.len() == 1, "{found:?}");
}

#[test]
fn variables_are_read_by_the_type_of_their_key() {
    let variables = [
        ("BRIDGE__SERVER__LISTEN", "0.0.0.0:9090"),
        ("BRIDGE__SERVER__MAX_RESULTS", "50"),
        ("BRIDGE__SERVER__SETTLE_TIMEOUT", "5s"),
        ("BRIDGE__STORE__URL", "sqlite::memory:"),
        ("BRIDGE__STORE__MIGRATE", "false"),
        ("BRIDGE__TENANT__DEFAULT__COMPATIBILITY", "entra"),
        ("BRIDGE__TENANT__DEFAULT__RINGCX__ACCOUNT_ID", "15300002"),
        ("BRIDGE__TENANT__DEFAULT__RINGCENTRAL__CLIENT_ID", "007"),
        ("BRIDGE__TENANT__DEFAULT__RINGCENTRAL__CLIENT_SECRET", "true"),
        ("BRIDGE__TENANT__DEFAULT__RINGCENTRAL__JWT", "123456"),
        ("BRIDGE__TENANT__DEFAULT__GROUP", r#"[{match="x", agent_group="y"}]"#),
        ("BRIDGE__TENANT__DEFAULT__POLICY__ALLOWED_ROLES", r#"["USER"]"#),
        ("BRIDGE__TENANT__DEFAULT__POLICY__ALLOWED_RIGHTS_DOCS", "[1, 2]"),
        ("BRIDGE__TENANT__DEFAULT__POLICY__MAX_AGENTS", "7"),
        ("BRIDGE__TENANT__DEFAULT__POLICY__DEFAULT_AGENT_GROUP", "12"),
        ("BRIDGE__TENANT__DEFAULT__AGENT_DEFAULTS__agentRank", "3"),
        ("BRIDGE__TENANT__DEFAULT__AGENT_DEFAULTS__initLoginBaseState", "AVAILABLE"),
        ("BRIDGE__TENANT__DEFAULT__POLICY__MODE", ""),
        ("BRIDGE_SERVICE_HOST", "none of ours"),
        ("PATH", "/bin"),
    ];
    let config =
        Config::load(None, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
            .unwrap();
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:9090");
    assert_eq!(config.server.max_results, 50);
    assert_eq!(config.server.settle_timeout.to_string(), "5s");
    assert!(!config.store.migrate);
    let tenant = &config.tenant[&"default".parse().unwrap()];
    assert_eq!(tenant.compatibility, Compatibility::Entra);
    assert_eq!(tenant.ringcx.account_id, "15300002");
    let platform = tenant.ringcentral.as_ref().unwrap();
    assert_eq!(platform.client_id, "007");
    assert_eq!(platform.client_secret.expose_secret(), "true");
    assert_eq!(platform.jwt.expose_secret(), "123456");
    assert_eq!(tenant.group[0].agent_group.as_deref(), Some("y"));
    assert_eq!(tenant.policy.allowed_roles, BTreeSet::from(["USER".to_owned()]));
    assert_eq!(tenant.policy.allowed_rights_docs, BTreeSet::from([1, 2]));
    assert_eq!(tenant.policy.max_agents, Some(7));
    assert_eq!(tenant.policy.default_agent_group.as_deref(), Some("12"));
    assert_eq!(tenant.agent_defaults["agentRank"], 3);
    assert_eq!(tenant.agent_defaults["initLoginBaseState"], "AVAILABLE");
}

#[test]
fn mistakes_in_variables_name_the_variable() {
    for (name, value, expected) in [
        (
            "BRIDGE__SERVER__LISTNE",
            "x",
            "BRIDGE__SERVER__LISTNE: server.listne: unknown key; did you mean listen?",
        ),
        (
            "BRIDGE__SERVER__MAX_RESULTS",
            "many",
            "BRIDGE__SERVER__MAX_RESULTS: server.max_results: \"many\" is not a whole number",
        ),
        (
            "BRIDGE__STORE__MIGRATE",
            "maybe",
            "BRIDGE__STORE__MIGRATE: store.migrate: is text, but true or false is due",
        ),
        (
            "BRIDGE__TENANT__DEFAULT__GROUP",
            "[{match=\"x\", prio=1}]",
            "BRIDGE__TENANT__DEFAULT__GROUP: tenant.default.group.0.prio: unknown key; known here are match, agent_group, \
             priority, agent_type, roles, rights_docs",
        ),
        (
            "BRIDGE__TENANT__DEFAULT__GROUP",
            "x",
            "BRIDGE__TENANT__DEFAULT__GROUP: tenant.default.group: must be a list as TOML writes it, as in [\"A\", \"B\"]",
        ),
        (
            "BRIDGE__STORE__URL__HOST",
            "x",
            "BRIDGE__STORE__URL__HOST: store.url.host: store.url is not a table; write all of it as one TOML value in \
             BRIDGE__STORE__URL",
        ),
        (
            "BRIDGE__SERVER____LISTEN",
            "x",
            "BRIDGE__SERVER____LISTEN: names no key; write BRIDGE__SECTION__KEY",
        ),
    ] {
        let found = load(GOOD, &[(name, value)]).unwrap_err();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(expected), "{} is not {expected}", found[0]);
    }
}

#[test]
fn agent_defaults_are_fields_of_an_agent_of_the_right_type_and_nobody_elses() {
    for (line, expected) in [
        ("allowManualCals = true", "unknown key; did you mean allowManualCalls?"),
        ("allowHold = \"yes\"", "must be true or false"),
        ("username = \"x\"", "is decided by username_template"),
        ("password = \"x\"", "is a secret, made anew for each agent; no two agents share one"),
        ("phoneLoginDialGroup = \"x\"", "needs policy.assignment_shape"),
        ("initLoginBaseStateId = 3", "follows from initLoginBaseState; give the label there"),
    ] {
        let found = load(&format!("{GOOD}[tenant.default.agent_defaults]\n{line}\n"), &[]).unwrap_err();
        let key = line.split(' ').next().unwrap();
        let expected = format!("tenant.default.agent_defaults.{key}: {expected}");
        assert!(found.len() == 1 && found[0].contains(&expected), "{found:?} is not {expected}");
    }
}

#[test]
fn variables_win_over_the_file_and_underscores_are_hyphens_in_tenant_names() {
    let text = format!("{GOOD}[tenant.north-1.ringcx]\naccount_id = \"1\"\napi_token = \"b\"\n");
    let config = load(
        &text,
        &[
            ("BRIDGE__TENANT__NORTH_1__RINGCX__ACCOUNT_ID", "2"),
            ("BRIDGE__TENANT__NORTH_1__POLICY", "{max_agents = 1, on_delete = \"delete\"}"),
            ("BRIDGE__TENANT__NORTH_1__POLICY__MAX_AGENTS", "9"),
        ],
    )
    .unwrap();
    assert_eq!(config.tenant.len(), 2);
    let north = &config.tenant[&"north-1".parse().unwrap()];
    assert_eq!(north.ringcx.account_id, "2");
    assert_eq!(north.policy.max_agents, Some(9));
    assert_eq!(north.policy.on_delete, crate::domain::policy::OnDelete::Delete);
}

#[test]
fn secrets_come_from_files_in_file_and_environment() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (token, empty) = (path("token", "s3cret\r\n"), path("empty", "\n"));
    let text = |key: &str| {
        format!("[store]\nurl = \"sqlite::memory:\"\n[tenant.default.ringcx]\naccount_id = \"1\"\n{key}\n")
    };

    let config = load(&text(&format!("api_token_file = {token:?}")), &[]).unwrap();
    let secret = |config: &Config| {
        let tenant = &config.tenant[&"default".parse().unwrap()];
        tenant.ringcx.api_token.as_ref().unwrap().expose_secret().to_owned()
    };
    assert_eq!(secret(&config), "s3cret");
    let variable = "BRIDGE__TENANT__DEFAULT__RINGCX__API_TOKEN_FILE";
    assert_eq!(secret(&load(&text(""), &[(variable, &token)]).unwrap()), "s3cret");

    let both = load(&text(&format!("api_token = \"x\"\napi_token_file = {token:?}")), &[]).unwrap_err();
    assert_eq!(
        both,
        [
            "bridge.toml:6: tenant.default.ringcx.api_token_file: given as well as api_token; keep one of the two"
        ]
    );
    let found = load(&text(""), &[(variable, &empty)]).unwrap_err();
    assert_eq!(
        found[0],
        format!("{variable}: tenant.default.ringcx.api_token_file: the file {empty} is empty")
    );
    let found = load(&text(""), &[(variable, "/nowhere/x")]).unwrap_err();
    assert!(found[0].contains("cannot read the file /nowhere/x"), "{found:?}");
}

#[test]
fn no_complaint_and_no_debug_shows_a_secret() {
    let config = load(GOOD, &[("BRIDGE__STORE__URL", "postgres://u:pa55word@h/d")]).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("t0p-secret") && !shown.contains("pa55word"), "{shown}");
    let found = load(GOOD, &[("BRIDGE__TENANT__DEFAULT__RINGCX__API_TOKEN__X", "pa55word")]).unwrap_err();
    assert!(!found.join("").contains("pa55word") && !found.join("").contains("t0p-secret"), "{found:?}");
}

#[test]
fn two_credentials_or_none_are_refused() {
    let both =
        format!("{GOOD}[tenant.default.ringcentral]\nclient_id=\"a\"\nclient_secret=\"b\"\njwt=\"c\"\n");
    assert!(load(&both, &[]).unwrap_err()[0].contains("keep one of the two credentials"));
    let none = GOOD.replace("api_token", "#");
    assert!(load(&none, &[]).unwrap_err()[0].contains("tenant.default: has no credential"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Some(Path::new("/nowhere/bridge.toml")), std::iter::empty()).unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/bridge.toml: cannot be read: "), "{error}");
}

#[test]
fn plain_http_in_public_is_a_warning() {
    let warnings = |url: &str| load(GOOD, &[("BRIDGE__SERVER__PUBLIC_URL", url)]).unwrap().warnings().len();
    assert_eq!((warnings("http://scim.example.com"), warnings("https://scim.example.com")), (1, 0));
}
