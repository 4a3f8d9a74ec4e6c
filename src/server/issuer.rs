//! Tokens that somebody else issues: Entra's for a blank secret, and assertions by which a client shows who it is (RFC 7523).
//!
//! Every customer of Entra shares one audience, so the audience proves nothing by itself: issuer, tenant and application are pinned.
//! Keys come from the issuer's JWKS, are remembered, and are read again once when a token names an unknown one, at most once a minute.

use std::collections::HashMap;
use std::sync::Mutex as Lock;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;

/// Entra's provisioning service, as it stands in `appid`.
const ENTRA_SYNC: &str = "00000014-0000-0000-c000-000000000000";
/// Where Entra's keys are.
const ENTRA_LOGIN: &str = "https://login.microsoftonline.com";
/// How often keys are read again because of an unknown one, at most.
const REFRESH: Duration = Duration::from_mins(1);
/// How long keys are believed without reading them again.
const BELIEVED: Duration = Duration::from_hours(12);
/// Signatures that are accepted; never a symmetric one, never none.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::RS256, Algorithm::ES256];

/// What a token of the issuer is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// It stands in the Authorization header.
    #[default]
    Bearer,
    /// It is exchanged at `/oauth/token`.
    Assertion,
}

/// What a client with such a token may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Reading only.
    Read,
    /// Everything.
    #[default]
    Write,
}

impl Scope {
    /// The word of a token's scope.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// An issuer whose tokens a tenant accepts: `[[tenant.NAME.issuer]]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// What it is called in logs and audit records.
    pub name: String,
    /// `iss`, as in `https://sts.windows.net/TENANT/`.
    pub issuer: String,
    /// Where its keys are. Left out: derived from an issuer of Entra.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// `aud`: one of these, with or without `api://` before and `/.default` behind.
    pub audience: Vec<String>,
    /// `tid`. Left out: taken from an issuer of Entra.
    #[serde(default)]
    pub tenant_id: Option<String>,
    /// `appid` or `azp`. Left out: Entra's provisioning service for bearer tokens of Entra, anything for others.
    #[serde(default)]
    pub app_id: Option<String>,
    /// `sub` or `oid`, the service principal. Left out: any.
    #[serde(default)]
    pub subject: Option<String>,
    /// Whether its tokens are bearer tokens or assertions. Default `bearer`.
    #[serde(default, rename = "use")]
    pub usage: Use,
    /// What its clients may do. Default `write`.
    #[serde(default)]
    pub scope: Scope,
}

impl Issuer {
    /// Complaints about values that cannot work: the key and one sentence each.
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if self.name.trim().is_empty() {
            found.push(("name", "is empty; say what the issuer is called".to_owned()));
        }
        if self.audience.is_empty() {
            found.push(("audience", "is empty; name the audience of the tokens".to_owned()));
        }
        match self.keys_at() {
            None => found.push(("jwks_url", "is needed, because the issuer is none of Entra's".to_owned())),
            Some(url) if !is_safe(&url) => {
                found.push(("jwks_url", "must begin with https://, save for this machine".to_owned()));
            }
            Some(_) => {}
        }
        found
    }

    /// The customer's id in an issuer of Entra, and the path of its keys.
    fn entra(&self) -> Option<(&str, &'static str)> {
        if let Some(rest) = self.issuer.strip_prefix("https://sts.windows.net/") {
            return Some((rest.trim_end_matches('/'), "discovery/keys"));
        }
        let rest = self.issuer.strip_prefix(ENTRA_LOGIN)?.strip_prefix('/')?;
        Some((rest.trim_end_matches('/').strip_suffix("/v2.0")?, "discovery/v2.0/keys"))
    }

    fn keys_at(&self) -> Option<String> {
        let derived = || self.entra().map(|(tenant, path)| format!("{ENTRA_LOGIN}/{tenant}/{path}"));
        self.jwks_url.clone().or_else(derived)
    }

    fn wanted_tenant(&self) -> Option<&str> {
        self.tenant_id.as_deref().or_else(|| self.entra().map(|(tenant, _)| tenant))
    }

    fn wanted_app(&self) -> Option<&str> {
        let sync = self.entra().filter(|_| self.usage == Use::Bearer).map(|_| ENTRA_SYNC);
        self.app_id.as_deref().or(sync)
    }
}

/// Whether keys may be read from there: over TLS, or from this machine.
fn is_safe(url: &str) -> bool {
    let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    url.starts_with("https://") || local.iter().any(|start| url.starts_with(start))
}

/// The keys of issuers, by where they are.
#[derive(Debug)]
pub struct Keys {
    client: reqwest::Client,
    /// Held while keys are read, so that many requests read them once.
    reading: Mutex<()>,
    known: Lock<HashMap<String, Known>>,
}

#[derive(Clone, Debug)]
struct Known {
    keys: JwkSet,
    read: Instant,
    /// When they were last read because of an unknown one.
    refreshed: Option<Instant>,
}

impl Default for Keys {
    fn default() -> Self {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build();
        Self { client: client.unwrap_or_default(), reading: Mutex::default(), known: Lock::default() }
    }
}

impl Keys {
    async fn find(&self, url: &str, kid: &str) -> Result<Jwk, &'static str> {
        if let Some(key) = self.remembered(url, kid) {
            return Ok(key);
        }
        let _alone = self.reading.lock().await;
        // Somebody else may have read them meanwhile.
        if let Some(key) = self.remembered(url, kid) {
            return Ok(key);
        }
        let before = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned();
        let refreshed = match before {
            Some(known) if known.read.elapsed() < BELIEVED => {
                if known.refreshed.is_some_and(|at| at.elapsed() < REFRESH) {
                    return Err("key is unknown, and the keys were read a moment ago");
                }
                Some(Instant::now())
            }
            _ => None,
        };
        let keys = self.read(url).await?;
        let known = Known { keys, read: Instant::now(), refreshed };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(url.to_owned(), known);
        self.remembered(url, kid).ok_or("key is unknown to its issuer")
    }

    fn remembered(&self, url: &str, kid: &str) -> Option<Jwk> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(url).filter(|known| known.read.elapsed() < BELIEVED)?;
        known.keys.find(kid).cloned()
    }

    async fn read(&self, url: &str) -> Result<JwkSet, &'static str> {
        #[expect(clippy::disallowed_methods, reason = "no call to RingCX: the keys of an issuer are public")]
        let answer =
            self.client.get(url).send().await.map_err(|_| "the keys of the issuer cannot be read")?;
        let text = answer.text().await.map_err(|_| "the keys of the issuer cannot be read")?;
        serde_json::from_str(&text).map_err(|_| "the keys of the issuer are no JWKS")
    }
}

/// The issuer of a token, when one of `issuers` has signed it for this use.
///
/// # Errors
/// What is wrong, for the log.
pub(super) async fn verify<'i>(
    keys: &Keys,
    issuers: &'i [Issuer],
    usage: Use,
    token: &str,
) -> Result<&'i Issuer, &'static str> {
    let header = decode_header(token).map_err(|_| "no JWT")?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err("signature of a kind that is not accepted");
    }
    let kid = header.kid.ok_or("JWT without a key id")?;
    let claimed = jsonwebtoken::dangerous::insecure_decode::<Value>(token).map_err(|_| "no JWT")?;
    let iss = claimed.claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    let issuer = issuers.iter().find(|it| it.usage == usage && it.issuer == iss);
    let issuer = issuer.ok_or("issuer is none of the tenant's")?;
    let url = issuer.keys_at().ok_or("issuer without keys")?;
    let key = keys.find(&url, &kid).await?;
    let key = DecodingKey::from_jwk(&key).map_err(|_| "key of the issuer is unusable")?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[&issuer.issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.validate_nbf = true;
    // Compared below, because Entra writes it in several ways.
    validation.validate_aud = false;
    let claims = decode::<Value>(token, &key, &validation).map_err(|error| why(&error))?.claims;
    pinned(issuer, &claims)?;
    Ok(issuer)
}

fn why(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => "JWT has expired",
        ErrorKind::ImmatureSignature => "JWT is not valid yet",
        ErrorKind::MissingRequiredClaim(_) => "JWT lacks exp, iss or aud",
        _ => "signature of the JWT does not fit",
    }
}

/// Whether audience, tenant, application and subject are those that the operator wrote.
fn pinned(issuer: &Issuer, claims: &Value) -> Result<(), &'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let audiences: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let fits = |wanted: &String| audiences.iter().any(|given| plain(given) == plain(wanted));
    if !issuer.audience.iter().any(fits) {
        return Err("audience is another one");
    }
    if issuer.wanted_tenant().is_some_and(|wanted| text("tid") != Some(wanted)) {
        return Err("tenant of the issuer is another one");
    }
    if issuer.wanted_app().is_some_and(|wanted| text("appid").or(text("azp")) != Some(wanted)) {
        return Err("application is another one");
    }
    let subject = |wanted: &str| text("sub") == Some(wanted) || text("oid") == Some(wanted);
    if issuer.subject.as_deref().is_some_and(|wanted| !subject(wanted)) {
        return Err("subject is another one");
    }
    Ok(())
}

/// An audience without what Entra may write around it.
fn plain(audience: &str) -> &str {
    let audience = audience.strip_prefix("api://").unwrap_or(audience);
    audience.strip_suffix("/.default").unwrap_or(audience)
}
