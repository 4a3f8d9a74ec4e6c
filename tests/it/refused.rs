//! A credential that is refused: the log says why, the answer never does.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use ringcx_simulator::Profile;
use serde_json::Value;

use crate::beside::Beside;
use crate::crash::serve::until;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
async fn ask(url: &str, header: Option<&str>) -> (u16, Value) {
    let mut request = reqwest::Client::new().get(url);
    if let Some(header) = header {
        request = request.header("authorization", header);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_credential_says_why_in_the_log_and_never_in_the_answer() {
    let world = Beside::start(Profile::Friendly, &[]).await;
    let upstream = std::fs::read_to_string(&world.config).unwrap();
    let upstream = upstream.split("base_url = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let second = format!(
        "[tenant.emea.ringcx]\nbase_url = \"{upstream}\"\naccount_id = \"15300002\"\napi_token = \"aws80:simulated\"\n\
         [tenant.emea.policy]\nmanage_admins = false\n[tenant.default.policy]"
    );
    world.edit("[tenant.default.policy]", &second);
    let token = async |arguments: &[&str]| {
        let said = world.run(&[&["token", "create"], arguments].concat()).await;
        assert_eq!(said.code, 0, "{}", said.errors);
        said.out.trim().to_owned()
    };
    let revoked = token(&["--name", "revoked"]).await;
    assert_eq!(world.run(&["token", "revoke", "--name", "revoked"]).await.code, 0);
    let ended = token(&["--name", "ended"]).await;
    let unknown = token(&["--name", "unknown"]).await;
    let elsewhere = token(&["--name", "elsewhere", "--cidr", "10.0.0.0/8"]).await;
    let other = token(&["--name", "other", "--tenant", "emea"]).await;
    let database = rusqlite::Connection::open(world.folder.path().join("bridge.db")).unwrap();
    database.execute_batch("UPDATE tokens SET expires_at = 1 WHERE name = 'ended'; DELETE FROM tokens WHERE name = 'unknown'").unwrap();
    drop(database);

    let log = world.folder.path().join("log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"));
    let command = command.args(["serve", "--config"]).arg(&world.config).stdout(Stdio::piped());
    let mut serve = Server(command.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(serve.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = format!("{}/scim/v2/Users", line.trim().strip_prefix("listening on ").unwrap());

    let mut answers = Vec::new();
    for (header, reason) in [
        (None, "no Authorization header"),
        (Some("Bearer nonsense".to_owned()), "not one of our tokens"),
        (Some(format!("Bearer {unknown}")), "unknown token"),
        (Some(format!("Bearer {revoked}")), "token is revoked"),
        (Some(format!("Bearer {ended}")), "token has expired"),
        (Some(format!("Bearer {elsewhere}")), "token used from outside its networks"),
        (Some(format!("Bearer {other}")), "token of another tenant"),
    ] {
        let (status, mut answer) = ask(&url, header.as_deref()).await;
        assert_eq!(status, 401, "{reason}: {answer}");
        let detail = answer["detail"].as_str().unwrap();
        answer["detail"] = detail.split(" (request ").next().unwrap().into();
        answers.push(answer);
        let written = until(reason, async || {
            let text = std::fs::read_to_string(&log).unwrap();
            text.lines().find(|line| line.contains(reason)).map(str::to_owned)
        });
        let written = written.await;
        assert!(written.contains("caller refused") && written.contains("\"request.id\""), "{written}");
    }
    assert!(answers.iter().all(|it| *it == answers[0]), "one answer for all: {answers:?}");
    let text = std::fs::read_to_string(&log).unwrap();
    for secret in [&unknown, &revoked, &ended, &elsewhere, &other] {
        assert!(!text.contains(secret.as_str()));
    }
    // A word too many, or none, is no reason: people paste what they see.
    for header in [format!("Bearer Bearer {}", world.token), world.token.clone()] {
        assert_eq!(ask(&url, Some(&header)).await.0, 200, "{}", header.len());
    }
}
