//! `check` and `reconcile` as an operator runs them, beside a server or without one.

use std::path::{Path, PathBuf};
use std::process::Command;

use ringcx_simulator::{Control, Fault, FaultKind, Knobs, Options, Profile};
use serde_json::{Value, json};

use crate::crash::serve::{Serve, configure, send};
use crate::support::Simulator;

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) simulator: Simulator,
    pub(crate) ringcx: Control,
    pub(crate) config: PathBuf,
    pub(crate) token: String,
}

impl World {
    /// Writes the configuration with one thing changed.
    pub(crate) fn edit(&self, right: &str, wrong: &str) {
        let text = std::fs::read_to_string(&self.config).unwrap();
        assert!(text.contains(right), "{right}");
        std::fs::write(&self.config, text.replace(right, wrong)).unwrap();
    }
}

pub(crate) async fn world(profile: Profile, knobs: &[(&str, &str)]) -> World {
    let mut options = Options { knobs: Knobs::profile(profile), ..Options::default() };
    for (name, value) in [("rate_limit", "100000"), ("auth_limit", "100000")].iter().chain(knobs) {
        options.knobs.set(name, value).unwrap();
    }
    let simulator = Simulator::start(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("bridge.db").display());
    let (config, token) = configure(folder.path(), &simulator.url(), &url, "2s");
    World { ringcx: simulator.admin(), folder, simulator, config, token }
}

/// Runs the program; the exit code, and standard output as JSON.
pub(crate) async fn run(config: &Path, arguments: &[&str]) -> (i32, Value, String) {
    let (config, arguments) =
        (config.to_owned(), arguments.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
    tokio::task::spawn_blocking(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"));
        let output = command.args(arguments).arg("--json").arg("--config").arg(config).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), serde_json::from_str(text.trim()).unwrap_or_default(), errors)
    })
    .await
    .unwrap()
}

pub(crate) fn failed(report: &Value) -> Vec<String> {
    lines(report, "fail")
}

pub(crate) fn lines(report: &Value, mark: &str) -> Vec<String> {
    let lines = report.as_array().unwrap().iter().filter(|line| line["result"] == mark);
    lines
        .map(|line| format!("{}: {}", line["check"].as_str().unwrap(), line["detail"].as_str().unwrap()))
        .collect()
}

fn learned(report: &Value, fact: &str) -> String {
    let lines = report.as_array().unwrap().iter();
    let found = lines.filter(|line| line["check"] == "probe").find_map(|line| {
        line["detail"].as_str().unwrap().strip_prefix(&format!("{fact}: ")).map(str::to_owned)
    });
    found.unwrap_or_else(|| panic!("{fact} was not learned: {report}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_finds_nothing_wrong_where_nothing_is_and_changes_nothing() {
    for profile in [Profile::Friendly, Profile::Hostile, Profile::Spec] {
        let world = world(profile, &[]).await;
        let (code, report, errors) = run(&world.config, &["check"]).await;
        assert_eq!((code, failed(&report)), (0, Vec::new()), "{profile:?} {errors}");
        let warned = lines(&report, "warn");
        let expected = [
            "administrators: new administrators would hang",
            "dialect: how this",
            "dialect: policy.password_on_put",
        ];
        assert_eq!(warned.len(), expected.len(), "{warned:?}");
        assert!(warned.iter().zip(expected).all(|(line, begins)| line.starts_with(begins)), "{warned:?}");
        let changing = |call: &&ringcx_simulator::Call| call.method != "GET" && call.path.contains("/admin/");
        assert_eq!(world.ringcx.calls().iter().filter(changing).count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_is_silent_when_everything_is_said() {
    let world = world(Profile::Friendly, &[]).await;
    world.edit("default_agent_group = \"Default\"", "default_agent_group = \"Default\"\npassword_on_put = \"omit\"\nadmin_parent_user_id = 101\nmove_strategy = \"body\"\nassignment_mode = \"add\"");
    run(&world.config, &["check", "--probe-group", "UK Agents"]).await;
    run(&world.config, &["reconcile"]).await;
    let (code, report, _) = run(&world.config, &["check"]).await;
    assert_eq!((code, lines(&report, "warn"), failed(&report)), (0, Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_finds_out_each_reading_and_leaves_nothing() {
    let readings = [
        ("put_mode", "merge", "merge"),
        ("put_mode", "replace", "replace"),
        ("password_echo", "mask", "mask"),
        ("password_echo", "real", "shown"),
        ("password_echo", "absent", "absent"),
        ("agent_conflict", "409", "named"),
        ("agent_conflict", "500", "named"),
        ("username_rewrite", "always", "yes"),
        ("username_rewrite", "never", "no"),
        ("list_includes_inactive", "no", "no"),
        ("list_includes_inactive", "yes", "yes"),
        ("list_fields", "basic", "basic"),
        ("list_fields", "full", "full"),
        ("group_path_check", "strict", "strict"),
        ("group_path_check", "ignored", "ignored"),
        ("delete_missing", "404", "404"),
        ("delete_missing", "false", "false"),
        ("delete_missing", "403", "403"),
    ];
    for (knob, value, word) in readings {
        let world = world(Profile::Friendly, &[(knob, value)]).await;
        let before = world.ringcx.state();
        let (code, report, errors) = run(&world.config, &["check", "--probe-group", "UK Agents"]).await;
        assert_eq!(code, 0, "{knob}={value}: {errors} {:?}", failed(&report));
        assert_eq!(learned(&report, knob), word, "{knob}={value}");
        let at_once = format!("{word}, as learned");
        assert!(report.to_string().contains(&at_once), "{knob}={value}: {report}");
        assert_eq!(world.ringcx.state(), before, "{knob}={value}");
        let (_, report, _) = run(&world.config, &["check"]).await;
        let remembered = format!("{word}, as learned");
        assert!(report.to_string().contains(&remembered), "{knob}={value}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_fails_in_the_middle_leaves_nothing_either() {
    let failed_call = || FaultKind::Status(500, String::new());
    for (operation, skip, times, kind) in [
        ("createAgent", 0, 1, FaultKind::DropAfter),
        ("createAgent", 1, 1, FaultKind::DropAfter),
        ("getAgent", 0, 3, failed_call()),
        ("listAgents", 1, 3, failed_call()),
        ("updateAgent", 0, 1, FaultKind::DropAfter),
        ("updateAgent", 0, 1, failed_call()),
        ("deleteAgent", 0, 1, FaultKind::DropAfter),
        ("deleteAgent", 0, 1, FaultKind::TooManyRequests { retry_after: Some("1".to_owned()) }),
    ] {
        let label = format!("{operation} after {skip}: {kind:?}");
        let world = world(Profile::Friendly, &[("username_rewrite", "always")]).await;
        let before = world.ringcx.state();
        world.ringcx.fault(Fault { skip, times, ..Fault::once(operation, kind) });
        let (_, report, errors) = run(&world.config, &["check", "--probe-group", "UK Agents"]).await;
        assert_eq!(world.ringcx.faults_left(), 0, "{label}");
        assert_eq!(world.ringcx.state(), before, "{label}: {report} {errors}");
        assert!(!report.to_string().contains("remove it by hand"), "{label}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_in_a_group_that_is_not_there_tries_nothing() {
    let world = world(Profile::Friendly, &[]).await;
    let (code, report, _) = run(&world.config, &["check", "--probe-group", "Nowhere"]).await;
    assert!(code == 1 && failed(&report)[0].starts_with("probe"), "{report}");
    assert_eq!(world.ringcx.count("createAgent"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconcile_says_what_it_would_do_then_does_it_beside_a_server() {
    let world = world(Profile::Hostile, &[]).await;
    let serve = Serve::ready(&world.config).await;
    let users = format!("{}/Users", serve.base);
    let body = json!({"userName": "jo@example.com", "emails": [{"value": "jo@example.com"}]});
    let (status, user) = send(reqwest::Method::POST, &users, &world.token, Some(&body)).await.unwrap();
    assert_eq!(status, 201, "{user}");
    let agent = world.ringcx.agents().into_iter().find(|it| it["email"] == "jo@example.com").unwrap();
    let agent = agent["agentId"].as_i64().unwrap();
    let (code, report, errors) = run(&world.config, &["reconcile", "--dry-run"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])), "{errors}");
    world.ringcx.move_agent(agent, 1002);
    world.ringcx.clear_calls();
    let (code, report, _) = run(&world.config, &["reconcile", "--dry-run"]).await;
    assert_eq!((code, &report["findings"][0]["kind"]), (1, &json!("moved")), "{report}");
    assert!(report["calls"].as_object().unwrap().len() > 1, "{report}");
    assert_eq!(world.ringcx.count("updateAgent"), 0, "a dry run changes nothing");
    let id = user["id"].as_str().unwrap();
    let (code, report, _) = run(&world.config, &["reconcile", "--dry-run", "--person", id]).await;
    assert!(code == 1 && report.to_string().contains("move it to group 1000"), "{report}");
    let (code, report, errors) = run(&world.config, &["reconcile"]).await;
    assert_eq!((code, &report["left"]), (0, &json!(0)), "{errors} {report}");
    assert_eq!(world.ringcx.agent(agent).unwrap()["agentGroupId"], 1000);
    let (code, _, errors) = run(&world.config, &["reconcile", "--person", "nobody"]).await;
    assert!(code == 2 && errors.contains("no person with that id"), "{errors}");
    serve.kill();
    drop((world.folder, world.simulator));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_the_setting_for_where_the_token_exchange_takes_its_parameters() {
    let world = world(Profile::Friendly, &[("exchange_params", "query")]).await;
    let (code, report, _) = run(&world.config, &["check"]).await;
    let failed = failed(&report);
    assert_eq!(code, 1, "{failed:?}");
    let sign_in = failed.iter().find(|line| line.starts_with("sign-in")).unwrap();
    assert!(sign_in.contains("exchange_params = \"query\""), "{sign_in}");
}
