//! The real binary in a process of its own, and a client that survives its deaths.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A `serve` in a process of its own.
pub(crate) struct Serve {
    child: Child,
    pub(crate) base: String,
}

impl Serve {
    /// Starts it; the fuse is a file beside the configuration.
    pub(crate) fn start(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"))
            .args(["serve", "--config"])
            .arg(config)
            .env("RINGCX_SCIM_FUSE", fuse(config))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_default();
        Self { base: format!("{url}/scim/v2"), child }
    }

    /// Starts it and waits until it has met RingCX; again, when its fuse ends it meanwhile.
    pub(crate) async fn ready(config: &Path) -> Self {
        let mut serve = Self::start(config);
        until("first contact", async || {
            if serve.is_dead() {
                serve = Self::start(config);
            }
            let ready = format!("{}/readyz", serve.base.trim_end_matches("/scim/v2"));
            send(reqwest::Method::GET, &ready, "", None).await.filter(|it| it.0 == 200)
        })
        .await;
        serve
    }

    /// SIGKILL: no drain, no last words.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, as a service manager or Kubernetes sends it; whether it ended well.
    pub(crate) async fn terminate(mut self) -> bool {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        until("the end of the process", async || self.child.try_wait().unwrap()).await.success()
    }

    /// Whether it has died by itself.
    pub(crate) fn is_dead(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Serve {
    /// No test leaves a process behind, however it ends.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The file that holds how many fail points are passed before the process ends.
pub(crate) fn fuse(config: &Path) -> PathBuf {
    config.with_extension("fuse")
}

/// One client for the whole test: making one reads the certificates of the machine.
static CLIENT: LazyLock<reqwest::Client> =
    LazyLock::new(|| reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap());

pub(crate) async fn send(
    method: reqwest::Method,
    url: &str,
    token: &str,
    body: Option<&Value>,
) -> Option<(u16, Value)> {
    let mut request = CLIENT.request(method, url).bearer_auth(token);
    if let Some(body) = body {
        request = request.header("content-type", "application/scim+json").body(body.to_string());
    }
    #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    Some((status, serde_json::from_str(&response.text().await.ok()?).unwrap_or_default()))
}

/// What a GET answers, as text.
pub(crate) async fn text(url: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
    let response = CLIENT.get(url).send().await.unwrap();
    response.text().await.unwrap()
}

pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_mins(1) {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    panic!("{what} did not happen within a minute");
}

/// The same for processes that die often. RingCentral's platform takes 40 lists of extensions a minute, and each process that is
/// started anew wants one, so RingCX gives them.
pub(crate) fn configure_mortal(folder: &Path, upstream: &str, url: &str, timeout: &str) -> (PathBuf, String) {
    let (path, token) = configure(folder, upstream, url, timeout);
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text
        .replace("auth_per_minute = 60000\n", "auth_per_minute = 60000\nextension_source = \"ringcx\"\n")
        .replace("[tenant.default.policy]\n", "[tenant.default.policy]\npassword_on_put = \"omit\"\n");
    std::fs::write(&path, text).unwrap();
    (path, token)
}

/// A configuration file for `url`, and a token made by the command.
pub(crate) fn configure(folder: &Path, upstream: &str, url: &str, timeout: &str) -> (PathBuf, String) {
    let path = folder.join("bridge.toml");
    let mut file = std::fs::File::create(&path).unwrap();
    write!(
        file,
        r#"
[server]
listen = "127.0.0.1:0"
settle_timeout = "10s"
lease = "{timeout}"

[store]
url = "{url}"

[tenant.default.ringcx]
base_url = "{upstream}"
account_id = "15300002"
request_timeout = "{timeout}"
visibility_delay = "100ms"
rate_per_minute = 60000
auth_per_minute = 60000

[tenant.default.ringcentral]
base_url = "{upstream}"
client_id = "simulated-client"
client_secret = "simulated-secret"
jwt = "simulated-jwt"

[tenant.default.policy]
default_agent_group = "Default"
on_delete = "delete"
auto_create_agent_groups = true
allowed_roles = ["REPORT_ADMINISTRATIVE_USER"]
allowed_rights_docs = [4711]
mass_change = "off"
"#
    )
    .unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"))
        .args(["token", "create", "--name", "test", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (path, String::from_utf8(made.stdout).unwrap().trim().to_owned())
}

/// Runs a command as the operator `kim`, who sits at no terminal; the exit code, and what it said.
pub(crate) async fn command(config: &Path, arguments: &[&str]) -> (i32, String) {
    let (config, arguments) =
        (config.to_owned(), arguments.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
    tokio::task::spawn_blocking(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringcx-scim"));
        let command = command.args(arguments).arg("--config").arg(config).stdin(Stdio::null());
        let output = command.env("USER", "kim").env_remove("SUDO_USER").output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), said)
    })
    .await
    .unwrap()
}
