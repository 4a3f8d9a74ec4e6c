//! `sandbox`: the bridge and a simulated RingCX in one process, without configuration.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use ringcx_simulator::{Seed, Simulator};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::runtime::Bridge;
use super::{Failure, logs, say, simulator, token, until_stopped};
use crate::clock::Span;
use crate::config::{Config, LogSettings};
use crate::domain::TenantId;

/// The limits of the simulated RingCX count by the second here, not by the minute: a newcomer should not have to wait.
const SHORT_WINDOW: &str = "rate_window_s=1";

/// Calls a minute to it, accordingly.
const RATE: &str = "1000";

#[derive(Args)]
pub(super) struct Options {
    /// The address of the bridge; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// A folder that keeps the state of both between two starts
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How the open questions about RingCX are answered: friendly, hostile or spec
    #[arg(long, value_name = "PROFILE", default_value = "friendly")]
    profile: String,
    /// Print one JSON object instead of a text
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(options: Options) -> Result<(), Failure> {
    let knobs = simulator::knobs(&options.profile, &[SHORT_WINDOW.to_owned()])?;
    let filter = Some("warn".to_owned());
    logs::start(&LogSettings { filter, ..LogSettings::default() });
    let stop = until_stopped();
    let scratch =
        tempfile::Builder::new().prefix("ringcx-scim-sandbox-").tempdir().context("no scratch folder")?;
    let folder = options.data.clone().unwrap_or_else(|| scratch.path().to_owned());
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot use {}", folder.display()))
        .map_err(Failure::Input)?;

    let seed = Seed::demo();
    let simulated = Simulator::start(ringcx_simulator::Options {
        knobs,
        seed: seed.clone(),
        state_file: Some(folder.join("simulator.json")),
        ..ringcx_simulator::Options::default()
    });
    let simulated = simulated.await.context("the simulated RingCX did not start")?;
    let upstream_url = simulated.url();
    let config = config(&options, &folder, &seed, &upstream_url)?;
    let bridge = Bridge::start(config).await.context("choose another --listen if the address is taken");
    let bridge = bridge.map_err(Failure::Input)?;
    let token = fresh_token(&bridge).await?;
    until_ready(&bridge).await?;

    let scim_url = format!("{}/scim/v2", bridge.url);
    if options.json {
        let groups: Vec<Value> = simulated
            .admin()
            .agent_groups()
            .into_iter()
            .map(|(id, name)| json!({"id": id, "name": name}))
            .collect();
        say(&json!({
            "scim_url": scim_url, "token": token, "upstream_url": upstream_url, "account_id": seed.account_id,
            "agent_groups": groups,
        })
        .to_string());
    } else {
        say(&welcome(&scim_url, &token, &upstream_url));
    }
    let ended = bridge.until(stop).await;
    simulated.stop().await;
    Ok(ended?)
}

/// The configuration of the sandbox, in the words that an operator would write.
fn config(options: &Options, folder: &Path, seed: &Seed, upstream_url: &str) -> Result<Config, Failure> {
    let store = format!("sqlite://{}", folder.join("bridge.db").display());
    let (client_id, client_secret) = &seed.client;
    let settings = [
        ("BRIDGE__SERVER__LISTEN", options.listen.to_string()),
        ("BRIDGE__STORE__URL", store),
        ("BRIDGE__TENANT__DEFAULT__RINGCX__BASE_URL", upstream_url.to_owned()),
        ("BRIDGE__TENANT__DEFAULT__RINGCX__ACCOUNT_ID", seed.account_id.clone()),
        ("BRIDGE__TENANT__DEFAULT__RINGCX__RATE_PER_MINUTE", RATE.to_owned()),
        ("BRIDGE__TENANT__DEFAULT__RINGCENTRAL__BASE_URL", upstream_url.to_owned()),
        ("BRIDGE__TENANT__DEFAULT__RINGCENTRAL__CLIENT_ID", client_id.clone()),
        ("BRIDGE__TENANT__DEFAULT__RINGCENTRAL__CLIENT_SECRET", client_secret.clone()),
        ("BRIDGE__TENANT__DEFAULT__RINGCENTRAL__JWT", seed.jwt.clone()),
        ("BRIDGE__TENANT__DEFAULT__POLICY__DEFAULT_AGENT_GROUP", "Default".to_owned()),
        ("BRIDGE__TENANT__DEFAULT__POLICY__AUTO_CREATE_AGENT_GROUPS", "true".to_owned()),
        ("BRIDGE__TENANT__DEFAULT__POLICY__PASSWORD_ON_PUT", "omit".to_owned()),
        ("BRIDGE__TENANT__DEFAULT__POLICY__MASS_CHANGE", "off".to_owned()),
        ("BRIDGE__TENANT__DEFAULT__POLICY__ROLE_GROUP_PREFIX", "RingCX Role ".to_owned()),
        ("BRIDGE__TENANT__DEFAULT__POLICY__RIGHTS_DOC_GROUP_PREFIX", "RingCX Rights ".to_owned()),
        // A newcomer may try every role by a group; by attribute those that do not let their holder gain more.
        (
            "BRIDGE__TENANT__DEFAULT__POLICY__PRIVILEGED_ROLES",
            r#"["SUPER_USER", "MANAGE_USERS", "MANAGE_RIGHTS", "ASSUME_USERS"]"#.to_owned(),
        ),
        (
            "BRIDGE__TENANT__DEFAULT__POLICY__ALLOWED_ROLES",
            r#"["USER", "ACCESS_SIBLINGS", "ACCESS_AUDIT_LOG", "REPORT_ADMINISTRATIVE_USER", "WFO_ACCESS",
                "ACCESS_GOODDATA_EDITOR", "ACCESS_GOODDATA_ANALYST", "ACCESS_GOODDATA_VIEWER",
                "ACCESS_GOODDATA_ADMIN", "ACCESS_GOODDATA_EXPLORER", "ACCESS_GOODDATA_EMBEDDED_EXPLORER",
                "ACCESS_GOODDATA_EMBEDDED_DASHBOARD"]"#
                .to_owned(),
        ),
        // Every attribute can be tried.
        ("BRIDGE__TENANT__DEFAULT__POLICY__ASSIGNMENT_SHAPE", "objects".to_owned()),
        ("BRIDGE__TENANT__DEFAULT__POLICY__PHONE_LOGIN_PIN", "true".to_owned()),
        ("BRIDGE__TENANT__DEFAULT__POLICY__ALL_RIGHTS_DOCS", "true".to_owned()),
    ];
    let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value));
    Config::load(None, settings)
        .map_err(|error| Failure::Ran(anyhow!(error).context("the sandbox misconfigures itself")))
}

/// A token for this run; those of earlier runs stay what they are.
async fn fresh_token(bridge: &Bridge) -> Result<String, Failure> {
    let tenant: TenantId = "default".parse().map_err(|error| Failure::Ran(anyhow!("{error}")))?;
    let name = format!("sandbox {}", crate::clock::Clock::system().now());
    let expires = Span::secs(365 * 86_400);
    let wanted = token::Wanted { name: &name, scope: "write", expires, person: None, networks: None };
    let minted = token::mint(&bridge.store, &tenant, wanted).await?;
    Ok(minted.secret.expose_secret().to_owned())
}

/// Waits until the bridge has read the simulated account: then everything that is printed works.
async fn until_ready(bridge: &Bridge) -> Result<(), Failure> {
    for _ in 0..200 {
        if bridge.is_ready() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    Err(Failure::Ran(anyhow!("the bridge did not meet the simulated RingCX")))
}

fn welcome(scim_url: &str, token: &str, upstream_url: &str) -> String {
    format!(
        r#"The bridge:            {scim_url}
Bearer token:          {token}
The simulated RingCX:  {upstream_url}

Try, in a second terminal:

  export SCIM={scim_url} TOKEN={token} RINGCX={upstream_url}

  # a user: an agent appears in the group "Default"
  curl -s $SCIM/Users -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/scim+json' -d '{{
    "userName": "jo@example.com", "externalId": "jo-1", "name": {{"givenName": "Jo", "familyName": "Bloggs"}},
    "emails": [{{"value": "jo@example.com", "type": "work", "primary": true}}]}}'
  export JO=...   # the "id" in the answer

  # a group of the name of an agent group: Jo moves there
  curl -s $SCIM/Groups -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/scim+json' \
    -d "{{\"displayName\": \"UK Agents\", \"members\": [{{\"value\": \"$JO\"}}]}}"

  # a group that gives a role: Jo becomes an administrator with it
  curl -s $SCIM/Groups -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/scim+json' \
    -d "{{\"displayName\": \"RingCX Role REPORT_ADMINISTRATIVE_USER\", \"members\": [{{\"value\": \"$JO\"}}]}}"

  # what RingCX holds now, and which calls the bridge made
  curl -s $RINGCX/simulator/state
  curl -s $RINGCX/simulator/calls

Ctrl-C ends both."#
    )
}
