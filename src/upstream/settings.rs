//! The settings `[tenant.NAME.ringcx]` and `[tenant.NAME.ringcentral]`.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

use crate::clock::Span;

/// How a tenant reaches RingCX.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RingCxSettings {
    /// The host, without a path. Default `https://ringcx.ringcentral.com`.
    #[serde(default = "RingCxSettings::default_base_url")]
    pub base_url: String,
    /// The RingCX sub-account: digits.
    pub account_id: String,
    /// Calls a minute for this RingCX identity, all replicas and tenants together: 1 to 100,000, default 100. RingCX documents
    /// 120 a minute, of which people in the portal want some.
    #[serde(default = "RingCxSettings::default_rate")]
    pub rate_per_minute: u32,
    /// A permanent API token of a RingCX administrator; replaces the RingCentral JWT.
    #[serde(default)]
    pub api_token: Option<SecretString>,
    /// The file that the token came from: read again when RingCX refuses the token.
    #[serde(skip)]
    pub api_token_file: Option<PathBuf>,
    /// Agents a page of a list; left out: lists are read whole, which is what RingCX documents.
    #[serde(default)]
    pub list_page_size: Option<u32>,
    /// How long one call may take. Default 15 s.
    #[serde(default = "RingCxSettings::default_timeout")]
    pub request_timeout: Span,
    /// How late RingCX may show what it has taken, 0 s to 60 s, default 5 s: an account that it does not show counts as gone, and a
    /// create without an answer as not carried out, only when it has not been shown for so long.
    #[serde(default = "RingCxSettings::default_visibility_delay")]
    pub visibility_delay: Span,
    /// Token exchanges a minute: RingCX allows 5.
    #[serde(default = "RingCxSettings::default_auth_rate")]
    pub auth_per_minute: u32,
    /// Where the exchange of tokens has its parameters. Default `body`: what stands in a query ends up in logs.
    #[serde(default)]
    pub exchange_params: ExchangeParams,
    /// Where the list of RingCentral extensions comes from. Default `platform`, without RingCentral settings `ringcx`.
    #[serde(default)]
    pub extension_source: Option<ExtensionSource>,
}

/// Where the exchange of tokens has its parameters; RingCX's guide says one thing, its interface description the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExchangeParams {
    /// In the form.
    #[default]
    Body,
    /// In the query.
    Query,
}

/// Where the list of extensions comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExtensionSource {
    /// The RingCentral platform.
    Platform,
    /// RingCX's own list, which is in no published interface description.
    Ringcx,
    /// Nowhere: there are no extensions.
    Off,
}

/// How the bridge signs in to RingCentral.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformSettings {
    /// The host, without a path. Default `https://platform.ringcentral.com`.
    #[serde(default = "PlatformSettings::default_base_url")]
    pub base_url: String,
    /// The client id of the RingCentral app.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// The JWT credential of the service user.
    pub jwt: SecretString,
}

impl RingCxSettings {
    fn default_base_url() -> String {
        "https://ringcx.ringcentral.com".to_owned()
    }

    const fn default_rate() -> u32 {
        100
    }

    const fn default_timeout() -> Span {
        Span::secs(15)
    }

    const fn default_visibility_delay() -> Span {
        Span::secs(5)
    }

    const fn default_auth_rate() -> u32 {
        5
    }

    /// Complaints about values that cannot work: the key and one sentence each.
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let mut found = check_url(&self.base_url);
        if self.account_id.is_empty() || !self.account_id.bytes().all(|b| b.is_ascii_digit()) {
            found.push(("account_id", "must be the digits of the RingCX sub-account".to_owned()));
        }
        if !(1..=100_000).contains(&self.rate_per_minute) {
            found.push(("rate_per_minute", "must be between 1 and 100000".to_owned()));
        }
        if self.list_page_size == Some(0) {
            found.push(("list_page_size", "must be at least 1; leave it out to read lists whole".to_owned()));
        }
        if self.request_timeout == Span::secs(0) {
            found.push(("request_timeout", "must be more than 0s".to_owned()));
        }
        if self.visibility_delay > Span::secs(60) {
            found.push(("visibility_delay", "must be at most 60s".to_owned()));
        }
        if self.auth_per_minute == 0 {
            found.push(("auth_per_minute", "must be at least 1".to_owned()));
        }
        found
    }
}

impl PlatformSettings {
    fn default_base_url() -> String {
        "https://platform.ringcentral.com".to_owned()
    }

    /// Complaints about values that cannot work: the key and one sentence each.
    pub fn check(&self) -> Vec<(&'static str, String)> {
        check_url(&self.base_url)
    }
}

fn check_url(url: &str) -> Vec<(&'static str, String)> {
    match reqwest::Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => Vec::new(),
        _ => vec![("base_url", "must be a URL such as https://ringcx.ringcentral.com".to_owned())],
    }
}
