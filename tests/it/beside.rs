//! [`Beside`]: a simulator, a configuration and the program itself, as an operator runs its commands.

use std::path::PathBuf;
use std::process::Command;

use ringcx_simulator::{Control, Knobs, Options, Profile, Seed};
use serde_json::Value;

use crate::crash::serve::configure;
use crate::support::Simulator;

/// What a command is run against.
pub(crate) struct Beside {
    pub(crate) folder: tempfile::TempDir,
    _simulator: Simulator,
    pub(crate) ringcx: Control,
    pub(crate) config: PathBuf,
    /// A token for clients of a server with this configuration.
    pub(crate) token: String,
}

/// What a command has said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    /// Standard output as JSON.
    pub(crate) json: Value,
    pub(crate) errors: String,
}

impl Beside {
    pub(crate) async fn start(profile: Profile, knobs: &[(&str, &str)]) -> Self {
        Self::on(Seed::demo(), profile, knobs).await
    }

    pub(crate) async fn on(seed: Seed, profile: Profile, knobs: &[(&str, &str)]) -> Self {
        let mut options = Options { knobs: Knobs::profile(profile), seed, ..Options::default() };
        for (name, value) in [("rate_limit", "100000"), ("auth_limit", "100000")].iter().chain(knobs) {
            options.knobs.set(name, value).unwrap();
        }
        let simulator = Simulator::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("bridge.db").display());
        let (config, token) = configure(folder.path(), &simulator.url(), &url, "2s");
        Self { ringcx: simulator.admin(), folder, _simulator: simulator, config, token }
    }

    /// Changes the configuration; what is to be replaced must be there.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.config).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(&self.config, text.replace(from, to)).unwrap();
    }

    /// Runs a command with this configuration.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Said {
        let config = self.config.clone();
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        let output = tokio::task::spawn_blocking(move || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"));
            command.args(arguments).arg("--config").arg(config).output().unwrap()
        });
        let output = output.await.unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        let json = serde_json::from_str(out.trim()).unwrap_or_default();
        Said { code: output.status.code().unwrap(), out, json, errors }
    }
}
