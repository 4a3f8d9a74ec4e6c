//! The settings `[server]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::network::Network;
use crate::clock::Span;

/// Where the server listens, and its limits.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The address to listen on. Default `127.0.0.1:8080`; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The URL under which clients see the server; default: what a trusted proxy says in `X-Forwarded-Proto` and
    /// `X-Forwarded-Host`, else `http://` and the bound address (`https://` with TLS).
    pub public_url: Option<String>,
    /// How long a write to a person waits for RingCX: 1 s to 50 s, default 20 s. Okta hangs up after 60 s.
    pub settle_timeout: Span,
    /// A certificate chain in PEM, read again when the file changes.
    pub tls_cert: Option<PathBuf>,
    /// Its private key in PEM.
    pub tls_key: Option<PathBuf>,
    /// The largest body in bytes. Default 1 MiB.
    pub max_body_bytes: usize,
    /// The longest filter in bytes. Default 8192.
    pub max_filter_length: usize,
    /// The most operations of a PATCH. Default 5000.
    pub max_operations: usize,
    /// The most resources on a page. Default 200.
    pub max_results: u64,
    /// How long a cursor can be used (RFC 9865). Default 1 h.
    pub cursor_timeout: Span,
    /// How long a token of `/oauth/token` can be used: 1 h, the default, to 6 h, which Entra accepts.
    pub issued_token_lifetime: Span,
    /// The most operations of a bulk request. Default 1000.
    pub max_bulk_operations: usize,
    /// How long a job stays with a replica that says nothing more. Default: the longest `request_timeout` and 5 s.
    pub lease: Option<Span>,
    /// How many refused credentials a minute from one address are answered 401; more are answered 429. Default 300.
    pub max_refusals_per_minute: u32,
    /// The networks of proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed, as in `["10.0.0.0/8"]`. Default: nobody's.
    pub trusted_proxies: Vec<Network>,
    /// The most writes under way at once; more are answered 503. Default 4000.
    pub max_writes: usize,
    /// How long running requests may take to end when the server stops. Default 25 s.
    pub drain_timeout: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            settle_timeout: Span::secs(20),
            tls_cert: None,
            tls_key: None,
            max_body_bytes: 1024 * 1024,
            max_filter_length: 8192,
            max_operations: 5000,
            max_results: 200,
            cursor_timeout: Span::secs(3600),
            issued_token_lifetime: Span::secs(3600),
            max_bulk_operations: 1000,
            lease: None,
            max_refusals_per_minute: 300,
            trusted_proxies: Vec::new(),
            max_writes: 4000,
            drain_timeout: Span::secs(25),
        }
    }
}

impl Settings {
    /// Complaints about values that cannot work: the key and one sentence each.
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if !(Span::secs(1)..=Span::secs(50)).contains(&self.settle_timeout) {
            found.push((
                "settle_timeout",
                "must be between 1s and 50s, because Okta hangs up after 60s".to_owned(),
            ));
        }
        if !(Span::secs(3600)..=Span::secs(21_600)).contains(&self.issued_token_lifetime) {
            found.push(("issued_token_lifetime", "must be between 1h and 6h, as Entra wants it".to_owned()));
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            found.push(("tls_cert", "and tls_key go together; set both or neither".to_owned()));
        }
        if let Some(url) = &self.public_url {
            let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if host.is_none_or(|host| host.is_empty() || host.contains(['?', '#'])) {
                found.push(("public_url", "must be a URL such as https://scim.example.com".to_owned()));
            }
        }
        if self.max_results == 0
            || self.max_body_bytes < 1024
            || self.max_operations == 0
            || self.max_filter_length == 0
            || self.max_bulk_operations == 0
        {
            found.push(("max_results", "and the other limits must leave room for a request".to_owned()));
        }
        found
    }
}
