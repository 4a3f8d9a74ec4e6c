//! The commands as an operator and a script see them: outputs, exit codes, one sentence for a mistake.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"));
    command.args(arguments).env_clear().envs(environment.iter().copied());
    command.output().unwrap()
}

fn texts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// A configuration that is whole, on a store in `folder`.
fn config(folder: &Path, extra: &str) -> String {
    let path = folder.join("bridge.toml");
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"

[store]
url = "sqlite://{}"

[tenant.default.ringcx]
account_id = "15300002"

[tenant.default.ringcentral]
client_id = "id"
client_secret = "secret"
jwt = "jwt"

{extra}
"#,
        folder.join("bridge.db").display()
    );
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn first_line(arguments: &[&str]) -> (Started, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"));
    let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Started(child), line.trim().to_owned())
}

#[test]
fn a_token_is_made_once_listed_without_itself_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let file = config(folder.path(), "");
    let of = ["--config", &file, "--tenant", "default"];
    let token = |rest: &[&str]| texts(&run(&[&["token"], rest, of.as_slice()].concat(), &[]));
    let (code, secret, _) = token(&["create", "--name", "okta"]);
    let secret = secret.trim().to_owned();
    assert_eq!((code, secret.lines().count()), (0, 1));
    let (code, out, error) = token(&["create", "--name", "okta"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(error.contains("okta") && error.lines().count() == 1, "{error}");
    let (code, made, _) =
        token(&["create", "--name", "entra", "--scope", "read", "--expires", "30d", "--json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let keys: Vec<&str> = made.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((code, keys), (0, vec!["expires", "id", "name", "token"]));
    let (code, listed, _) = token(&["list", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((code, listed.as_array().unwrap().len()), (0, 2));
    assert!(!listed.to_string().contains(&secret));
    let (code, second, _) = token(&["rotate", "--name", "okta", "--overlap", "1h"]);
    assert_eq!((code, second.lines().count(), second.trim() == secret), (0, 1, false));
    assert_eq!(token(&["rotate", "--name", "nobody"]).0, 2);
    let (code, _, error) = token(&["create", "--name", "me", "--person", "nobody"]);
    assert!(code == 2 && error.contains("no person"), "{error}");
    assert_eq!(token(&["revoke", "--name", "okta"]).0, 0);
    assert_eq!(token(&["revoke", "--name", "okta"]).0, 2);
    assert_eq!(token(&["create", "--name", "okta"]).0, 0, "the name is free again");
}

#[test]
fn bad_input_is_one_sentence_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = config(folder.path(), "[tenant.default.policy]\ndefault_agent_gruop = \"x\"");
    let right = tempfile::tempdir().unwrap();
    let good = config(right.path(), "");
    let bare = tempfile::tempdir().unwrap();
    let no_key = config(bare.path(), "");
    let text = std::fs::read_to_string(&no_key).unwrap();
    let tls = "[server]\ntls_cert = \"/nowhere.pem\"\ntls_key = \"/nowhere.key\"";
    std::fs::write(&no_key, text.replace("[server]", tls)).unwrap();
    for (arguments, says) in [
        (vec!["serve", "--config", &no_key], vec!["server.tls_cert", "/nowhere.pem", "server.tls_key"]),
        (vec!["audit", "verify", "--config", &good, "--expect", "abc"], vec!["abc", "64"]),
        (
            vec!["token", "create", "--name", "x", "--expires", "0d", "--config", &good],
            vec!["--expires", "365d"],
        ),
        (
            vec!["serve", "--config", &wrong],
            vec!["bridge.toml", "default_agent_gruop", "default_agent_group"],
        ),
        (vec!["migrate", "--config", "/nowhere.toml"], vec!["/nowhere.toml"]),
        (vec!["serve"], vec!["store"]),
        (vec!["sandbox", "--profile", "kind"], vec!["friendly", "hostile", "spec"]),
        (vec!["simulator", "--set", "put_mode=both"], vec!["put_mode", "merge"]),
        (vec!["check"], vec!["store.url"]),
        (vec!["import"], vec!["store.url"]),
        (vec!["import", "--decide", "agent:x=skip"], vec!["agent:x", "agent:ID"]),
        (vec!["import", "--decide", "7=perhaps"], vec!["perhaps", "skip"]),
        (vec!["import", "--all"], vec!["--undo"]),
        (vec!["audit", "verify"], vec!["store.url"]),
        (
            vec!["audit", "export", "--config", &good, "--since", "yesterday"],
            vec!["--since", "yesterday", "2026-11-25"],
        ),
        (vec!["audit", "trace", "", "--config", &good], vec!["X-Request-Id"]),
        (vec!["token", "rotate", "--name", "x"], vec!["store.url"]),
        (vec!["token", "list", "--tenant", "emea", "--config", &good], vec!["emea", "it has default"]),
        (vec!["nonsense"], vec!["nonsense"]),
    ] {
        let (code, out, error) = texts(&run(&arguments, &[]));
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {error}");
        // One line for each mistake, and nothing around it.
        assert!(
            error.lines().all(|line| line.starts_with("error: ") || line.contains("configuration")),
            "{error}"
        );
        for part in says {
            assert!(error.contains(part), "{arguments:?}: {error}");
        }
    }
    for folder in [folder, right, bare] {
        assert!(!folder.path().join("bridge.db").exists(), "nothing changed");
    }
}

#[test]
fn the_doctor_makes_no_store_and_changes_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let (path, database) = (config(folder.path(), ""), folder.path().join("bridge.db"));
    let (code, out, _) = texts(&run(&["check", "--config", &path, "--json"], &[]));
    assert!(code == 1 && out.contains("there is none at"), "{out}");
    assert!(!database.exists());
    // A file without tables, as an interrupted start leaves it.
    std::fs::write(&database, "").unwrap();
    let (code, out, _) = texts(&run(&["check", "--config", &path, "--json"], &[]));
    assert!(code == 1 && out.contains("migrate"), "{out}");
    let tables = rusqlite::Connection::open(&database).unwrap();
    let count = tables.query_row("SELECT COUNT(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0));
    assert_eq!(count, Ok(0));
}

#[test]
fn the_environment_can_say_it_all() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("jwt");
    std::fs::write(&secret, "0815\n").unwrap();
    let url = format!("sqlite://{}", folder.path().join("b.db").display());
    let environment = [
        ("BRIDGE__STORE__URL", url.as_str()),
        ("BRIDGE__TENANT__DEFAULT__RINGCX__ACCOUNT_ID", "15300002"),
        ("BRIDGE__TENANT__DEFAULT__RINGCENTRAL__CLIENT_ID", "id"),
        ("BRIDGE__TENANT__DEFAULT__RINGCENTRAL__CLIENT_SECRET", "12345"),
        ("BRIDGE__TENANT__DEFAULT__RINGCENTRAL__JWT_FILE", secret.to_str().unwrap()),
    ];
    let (code, out, error) = texts(&run(&["migrate"], &environment));
    let numbers =
        out.lines().filter_map(|line| line.strip_prefix("applied ")?.get(..4)?.parse::<usize>().ok());
    let numbers: Vec<usize> = numbers.collect();
    assert_eq!((code, numbers.len()), (0, out.lines().count()), "{out} {error}");
    assert_eq!(numbers, (1..=out.lines().count()).collect::<Vec<_>>());
    assert_eq!(texts(&run(&["migrate"], &environment)).1.trim(), "the tables are up to date");
}

#[test]
fn openapi_is_printed_as_it_is_kept() {
    let (code, out, _) = texts(&run(&["openapi"], &[]));
    let kept =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/ringcx-scim.json")).unwrap();
    assert_eq!((code, out), (0, kept));
}

#[test]
fn sandbox_prints_one_json_line_and_keeps_its_state() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let arguments = ["sandbox", "--listen", "127.0.0.1:0", "--data", &data, "--json"];
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let (_running, line) = first_line(&arguments);
        let printed: Value = serde_json::from_str(&line).unwrap();
        let keys: Vec<&str> = printed.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["account_id", "agent_groups", "scim_url", "token", "upstream_url"]);
        assert!(printed["scim_url"].as_str().unwrap().ends_with("/scim/v2"));
        assert_eq!(printed["account_id"], "15300002");
        tokens.push(printed["token"].clone());
    }
    assert_ne!(tokens[0], tokens[1], "a fresh token is minted");
    assert!(folder.path().join("bridge.db").exists());
}

#[test]
fn the_simulator_says_where_it_listens() {
    let (_running, line) = first_line(&["simulator", "--listen", "127.0.0.1:0", "--profile", "spec"]);
    assert!(line.starts_with("listening on http://127.0.0.1:"), "{line}");
}
