//! `ringcx-scim access` beside a running server: what a person can do, and why.

use std::path::Path;
use std::process::Command;

use reqwest::Method;
use ringcx_simulator::{Knobs, Options, Profile};
use serde_json::{Value, json};

use crate::crash::serve::{Serve, configure, send};
use crate::support::Simulator;

/// Runs the command; the exit code, and standard output as JSON.
async fn access(config: &Path, person: &str) -> (i32, Value, String) {
    let (config, person) = (config.to_owned(), person.to_owned());
    tokio::task::spawn_blocking(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"));
        let output = command.args(["access", &person, "--json", "--config"]).arg(config).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), serde_json::from_str(text.trim()).unwrap_or_default(), errors)
    })
    .await
    .unwrap()
}

#[expect(clippy::too_many_lines, reason = "one story, told in order")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_says_what_a_person_can_do_and_why() {
    for profile in [Profile::Friendly, Profile::Hostile, Profile::Spec] {
        let mut options = Options { knobs: Knobs::profile(profile), ..Options::default() };
        for name in ["rate_limit", "auth_limit"] {
            options.knobs.set(name, "100000").unwrap();
        }
        let simulator = Simulator::start(options).await.unwrap();
        let ringcx = simulator.admin();
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("bridge.db").display());
        let (config, token) = configure(folder.path(), &simulator.url(), &url, "2s");
        let mut text = std::fs::read_to_string(&config).unwrap();
        text.push_str("[[tenant.default.group]]\nmatch = \"Auditors\"\nroles = [\"ACCESS_AUDIT_LOG\"]\nrights_docs = [4711]\n");
        std::fs::write(&config, text).unwrap();
        let serve = Serve::ready(&config).await;
        let ann = json!({"userName": "ann@example.com", "roles": [{"value": "REPORT_ADMINISTRATIVE_USER"}]});
        let (status, ann) =
            send(Method::POST, &format!("{}/Users", serve.base), &token, Some(&ann)).await.unwrap();
        assert_eq!(status, 201, "{ann}");
        let group = json!({"displayName": "Auditors", "members": [{"value": ann["id"]}]});
        send(Method::POST, &format!("{}/Groups", serve.base), &token, Some(&group)).await.unwrap();
        crate::crash::serve::until("the grants", async || {
            (!ringcx.assignments(4711).is_empty()).then_some(())
        })
        .await;
        let user = ringcx.admin_named("ann@example.com").unwrap()["userId"].as_i64().unwrap();
        ringcx.edit_admin(user, |admin| admin["roles"].as_array_mut().unwrap().push(json!("MANAGE_RIGHTS")));
        ringcx.assign(4712, user);

        let (_, by_id, errors) = access(&config, ann["id"].as_str().unwrap()).await;
        let (code, shown, _) = access(&config, "ANN@example.com").await;
        assert_eq!(code, 0, "{errors} {shown}");
        assert_eq!(shown, by_id, "by user name as by id");
        let admin = &shown["administrator"];
        let why = |list: &str, key: &str, value: Value| {
            let items = admin[list].as_array().unwrap().iter();
            items.filter(|it| it[key] == value).map(|it| it["why"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(why("roles", "name", json!("REPORT_ADMINISTRATIVE_USER")), [json!([{"by": "attribute"}])]);
        assert_eq!(
            why("roles", "name", json!("ACCESS_AUDIT_LOG")),
            [json!([{"by": "group", "group": "Auditors"}])]
        );
        assert_eq!(why("roles", "name", json!("USER")), [json!([{"by": "base_access"}])]);
        assert_eq!(why("roles", "name", json!("MANAGE_RIGHTS")), [json!([{"by": "foreign"}])]);
        assert_eq!(
            why("rights_documents", "id", json!(4711)),
            [json!([{"by": "group", "group": "Auditors"}])]
        );
        assert_eq!(why("rights_documents", "id", json!(4712)), [json!([{"by": "foreign"}])]);
        let permissions = &admin["rights_documents"][0]["permissions"];
        assert_eq!(*permissions, json!(["ACCOUNT READ", "AGENT READ"]));
        assert_eq!(admin["effective"]["15300002"], json!(["ACCOUNT READ", "AGENT READ"]));

        // Somebody takes a role by hand: the command says so.
        ringcx.edit_admin(user, |admin| {
            admin["roles"].as_array_mut().unwrap().retain(|role| role != "ACCESS_AUDIT_LOG");
        });
        let (code, shown, _) = access(&config, "ann@example.com").await;
        assert_eq!(
            (code, &shown["differences"]),
            (1, &json!(["The role ACCESS_AUDIT_LOG is due and not held."]))
        );
        let (code, _, errors) = access(&config, "nobody@example.com").await;
        assert_eq!(code, 2);
        assert!(errors.contains("no person"), "{errors}");
        serve.kill();
    }
}
