//! The configuration: one TOML file, the environment above it, secrets from files; read once, validated as a whole.
//!
//! Each module declares its own `Settings`; this one joins them, so nothing here knows what a key does, except where two
//! sections must agree ([`Config::load`] ends with those rules). Every mistake is reported at once, with where it stands.
//! Start with [`Config::load`]; `tree` holds values with their origins, `read` gives them types.

#[cfg(test)]
mod example;
mod near;
mod read;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::policy::AgentDefaults;
use crate::domain::policy::agent_defaults::{self, Fault};
use crate::domain::{GroupMapping, Policy, TenantId};
use crate::scim::Compatibility;
use crate::server::issuer::Issuer;
use crate::upstream::{AlertSettings, PlatformSettings, RingCxSettings, Transport};
use crate::{server, store};
use tree::{Node, Origin};

/// The keys that may also be given as `KEY_file`, the name of a file with the value; `*` is any tenant.
const SECRETS: [&str; 5] = [
    "store.url",
    "alert.webhook",
    "tenant.*.ringcx.api_token",
    "tenant.*.ringcentral.client_secret",
    "tenant.*.ringcentral.jwt",
];

/// Everything an operator decides.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the server listens, and its limits.
    #[serde(default)]
    pub server: server::Settings,
    /// Where the state is kept.
    pub store: store::Settings,
    /// What is logged, and how.
    #[serde(default)]
    pub log: LogSettings,
    /// Who is told when something needs a person.
    #[serde(default)]
    pub alert: AlertSettings,
    /// The tenants, each with a SCIM base URL and a RingCX account of its own.
    #[serde(default)]
    pub tenant: BTreeMap<TenantId, TenantConfig>,
}

/// What is logged to standard error, and how: `[log]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// How a line looks. Default `auto`.
    pub format: LogFormat,
    /// What is logged, as `RUST_LOG` writes it, which wins when it is set. Default `info`.
    pub filter: Option<String>,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

/// One tenant: `[tenant.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantConfig {
    /// Which quirks of clients are expected. Default `generic`.
    #[serde(default)]
    pub compatibility: Compatibility,
    /// The RingCX account.
    pub ringcx: RingCxSettings,
    /// How the bridge signs in to RingCentral; not with `ringcx.api_token`.
    #[serde(default)]
    pub ringcentral: Option<PlatformSettings>,
    /// What people get.
    #[serde(default)]
    pub policy: Policy,
    /// What membership of groups gives.
    #[serde(default)]
    pub group: Vec<GroupMapping>,
    /// Issuers whose tokens are accepted besides those of `token create`.
    #[serde(default)]
    pub issuer: Vec<Issuer>,
    /// Fields of every agent that the bridge creates, in RingCX's own names.
    #[serde(default)]
    pub agent_defaults: AgentDefaults,
}

/// What is wrong with a configuration: everything, not only the first thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Vec<Complaint>);

/// One mistake and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    origin: String,
    path: Vec<String>,
    message: String,
}

impl Complaint {
    fn new(origin: &Origin, path: &[String], message: String) -> Self {
        Self { origin: origin.to_string(), path: path.to_vec(), message }
    }

    fn path(&self) -> &[String] {
        &self.path
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_slice() {
            [] => write!(f, "{}: {}", self.origin, self.message),
            path => write!(f, "{}: {}: {}", self.origin, path.join("."), self.message),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, complaint) in self.0.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{complaint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// The mistakes, in the order in which they were found.
    pub fn complaints(&self) -> &[Complaint] {
        &self.0
    }
}

impl Config {
    /// Reads the file, if there is one, and the environment above it, and validates all of it.
    ///
    /// # Errors
    /// Every mistake that was found, each with its file and line, or its variable.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut root = match file {
            None => Node::empty(),
            Some(path) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path).map_err(|error| {
                    ConfigError(vec![Complaint {
                        origin: name.clone(),
                        path: Vec::new(),
                        message: format!("cannot be read: {error}"),
                    }])
                })?;
                tree::from_toml(&name, &text).map_err(|complaint| ConfigError(vec![complaint]))?
            }
        };
        let mut complaints = tree::overlay(&mut root, environment);
        let token_files = tree::texts(&root, "tenant", &["ringcx", "api_token_file"]);
        complaints.extend(tree::resolve_secret_files(&mut root, &SECRETS));
        let (mut config, mistakes) = read::settings::<Self>(&mut root);
        for (id, tenant) in config.iter_mut().flat_map(|config| &mut config.tenant) {
            tenant.ringcx.api_token_file = token_files.get(id.as_str()).map(PathBuf::from);
        }
        for mistake in mistakes {
            add(&mut complaints, mistake);
        }
        if let Some(config) = &config {
            for (path, message) in config.check() {
                add(&mut complaints, Complaint::new(root.origin_of(&path), &path, message));
            }
        }
        match config {
            Some(config) if complaints.is_empty() => Ok(config),
            _ => Err(ConfigError(complaints)),
        }
    }

    /// The variables of the process, as [`Config::load`] wants them; those that are not text are none of ours.
    pub fn environment() -> impl Iterator<Item = (String, String)> {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
    }

    /// What is allowed but worth saying when the server starts.
    pub fn warnings(&self) -> Vec<String> {
        let url = self.server.public_url.as_deref();
        url.filter(|url| !url.starts_with("https://"))
            .map(|url| format!("server.public_url is {url}: identity providers accept nothing but https"))
            .into_iter()
            .collect()
    }

    /// What each section says about itself, then what sections must agree on.
    fn check(&self) -> Vec<(Vec<String>, String)> {
        let mut found = Vec::new();
        collect(&mut found, &["server"], self.server.check());
        collect(&mut found, &["store"], self.store.check());
        collect(&mut found, &["alert"], self.alert.check());
        if let Some(filter) = &self.log.filter
            && let Err(error) = tracing_subscriber::EnvFilter::try_new(filter)
        {
            found.push((owned(&["log", "filter"]), format!("is not a filter such as info: {error}")));
        }
        if self.tenant.is_empty() {
            let advice = "is missing; a configuration needs a tenant: add [tenant.default.ringcx] with account_id, or set \
                          BRIDGE__TENANT__DEFAULT__RINGCX__ACCOUNT_ID";
            found.push((owned(&["tenant"]), advice.to_owned()));
        }
        for (id, tenant) in &self.tenant {
            tenant.check(id.as_str(), &mut found);
        }
        self.check_owners(&mut found);
        found
    }

    /// One tenant per credential owns the administrators; whose main accounts are one cannot be known from here, so RingCX
    /// identities are compared.
    fn check_owners(&self, found: &mut Vec<(Vec<String>, String)>) {
        let mut owners: BTreeMap<String, &TenantId> = BTreeMap::new();
        for (id, tenant) in self.tenant.iter().filter(|(_, tenant)| tenant.policy.manage_admins) {
            if tenant.ringcx.api_token.is_none() && tenant.ringcentral.is_none() {
                continue;
            }
            let identity = Transport::identity(&tenant.ringcx, tenant.ringcentral.as_ref());
            if let Some(first) = owners.get(&identity) {
                let message = format!(
                    "tenant {first} owns the administrators of the same RingCX credential; set it to false in one of the two"
                );
                found.push((owned(&["tenant", id.as_str(), "policy", "manage_admins"]), message));
            } else {
                owners.insert(identity, id);
            }
        }
    }
}

impl TenantConfig {
    fn check(&self, id: &str, found: &mut Vec<(Vec<String>, String)>) {
        collect(found, &["tenant", id, "ringcx"], self.ringcx.check());
        collect(found, &["tenant", id, "policy"], self.policy.check());
        for (index, issuer) in self.issuer.iter().enumerate() {
            collect(found, &["tenant", id, "issuer", &index.to_string()], issuer.check());
        }
        match (&self.ringcx.api_token, &self.ringcentral) {
            (Some(_), Some(_)) => found.push((
                owned(&["tenant", id, "ringcentral"]),
                "given as well as ringcx.api_token; keep one of the two credentials".to_owned(),
            )),
            (None, None) => found.push((
                owned(&["tenant", id]),
                format!(
                    "has no credential; give [tenant.{id}.ringcentral] client_id, client_secret and jwt, or ringcx.api_token"
                ),
            )),
            (None, Some(platform)) => {
                collect(found, &["tenant", id, "ringcentral"], platform.check());
                let blank = [
                    ("client_id", platform.client_id.trim().is_empty()),
                    ("client_secret", is_blank(&platform.client_secret)),
                    ("jwt", is_blank(&platform.jwt)),
                ];
                for (key, _) in blank.iter().filter(|(_, blank)| *blank) {
                    found.push((owned(&["tenant", id, "ringcentral", key]), "is empty".to_owned()));
                }
            }
            (Some(token), None) => {
                if is_blank(token) {
                    found.push((owned(&["tenant", id, "ringcx", "api_token"]), "is empty".to_owned()));
                }
            }
        }
        for (key, fault) in agent_defaults::check(&self.agent_defaults, &self.policy) {
            let message = match fault {
                Fault::Because(why) => why,
                Fault::Unknown => read::unknown(&key, &agent_defaults::names()),
            };
            found.push((owned(&["tenant", id, "agent_defaults", &key]), message));
        }
        for (index, mapping) in self.group.iter().enumerate() {
            if mapping.matches.trim().is_empty() {
                let path = owned(&["tenant", id, "group", &index.to_string(), "match"]);
                found.push((path, "is empty; name a group".to_owned()));
            }
        }
    }
}

fn is_blank(secret: &secrecy::SecretString) -> bool {
    secrecy::ExposeSecret::expose_secret(secret).trim().is_empty()
}

/// Adds a complaint unless something was already said about the same key or what is around it.
fn add(complaints: &mut Vec<Complaint>, new: Complaint) {
    let said = |old: &Complaint| {
        !old.path.is_empty() && (new.path.starts_with(&old.path) || is_file_of(&old.path, &new.path))
    };
    if !complaints.iter().any(said) {
        complaints.push(new);
    }
}

/// Whether a path names the `_file` of another.
fn is_file_of(file: &[String], key: &[String]) -> bool {
    match (file.split_last(), key.split_last()) {
        (Some((file, around)), Some((key, also_around))) => {
            around == also_around && file.strip_suffix("_file") == Some(key.as_str())
        }
        _ => false,
    }
}

fn collect(
    found: &mut Vec<(Vec<String>, String)>,
    section: &[&str],
    complaints: Vec<(&'static str, String)>,
) {
    for (key, message) in complaints {
        found.push((owned(&[section, &[key]].concat()), message));
    }
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|step| (*step).to_owned()).collect()
}
