//! Who calls: a bearer token of the tenant in whose path the request is.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::{Method, header, request::Parts};
use subtle::ConstantTimeEq;

use super::answered::Answering;
use super::issuer::{self, Issuer, Use};
use super::network::{Network, Outside, Source};
use super::{App, Error, issued, token};
use crate::domain::{Actor, PersonId, TenantId};
use crate::scim::{Rules, quirks};
use crate::store::tokens::{self, Token};

/// How long a token that was good is believed: a revocation takes effect everywhere within five seconds.
const BELIEVED: Duration = Duration::from_secs(3);

/// How often the time of last use is written.
const TOUCH: Duration = Duration::from_mins(1);

/// Tokens that are remembered, at most.
const REMEMBERED: usize = 1000;

/// The tenant and the credential of a request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) tenant: TenantId,
    /// The tenant's base URL, without a slash at the end.
    pub(super) base: String,
    pub(super) rules: Rules,
    pub(super) actor: Actor,
    /// For whom `/Me` stands.
    pub(super) person: Option<PersonId>,
    /// What the auditor is told of the answer.
    pub(super) answering: Answering,
}

/// The id of a request, made by the outermost layer.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) String);

/// The id that the client gave its request, as far as it is one.
#[derive(Clone, Debug)]
pub(super) struct ClientRequestId(pub(super) String);

impl ClientRequestId {
    /// From `X-Request-Id`, or `client-request-id`, which Microsoft's clients send.
    pub(super) fn of(headers: &axum::http::HeaderMap) -> Option<Self> {
        let given = ["x-request-id", "client-request-id"].iter().find_map(|name| headers.get(*name))?;
        let text = given.to_str().ok()?.trim();
        let is_id = |c: char| c.is_ascii_alphanumeric() || "-_.:+/=".contains(c);
        ((1..=128).contains(&text.len()) && text.chars().all(is_id)).then(|| Self(text.to_owned()))
    }
}

/// The path of this request was put right before it was routed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Straightened;

/// The tenant and the path of its base in a URL path; nothing outside every base.
pub(super) fn tenant_of(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix('/')?;
    if rest == "scim/v2" || rest.starts_with("scim/v2/") {
        return Some(("default", "/scim/v2"));
    }
    let (name, after) = rest.split_once('/')?;
    let is_base = after == "scim/v2" || after.starts_with("scim/v2/");
    let end = 1 + name.len() + "/scim/v2".len();
    (is_base && name != "default").then(|| path.get(..end).map(|base| (name, base))).flatten()
}

impl FromRequestParts<App> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let (name, base) = tenant_of(parts.uri.path()).ok_or_else(|| no_route(parts.uri.path()))?;
        let given = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.ok_or_else(|| Error::unauthorized("no Authorization header"))?;
        let (bare, given) = bearer(given);
        let token = match Jwt::look(given) {
            Some(jwt) => jwt.check(app, name, &format!("{}{base}", app.public_url)).await?,
            None => check(app, given).await?,
        };
        let rules = app.tenants.get(&token.tenant).filter(|_| token.tenant.as_str() == name);
        // A token of another tenant is answered like one that never was.
        let rules = rules.ok_or_else(|| Error::unauthorized("token of another tenant"))?.clone();
        let source = parts.extensions.get::<Source>().and_then(|source| source.0);
        if !may_come_from(&token, source) {
            return Err(Error::unauthorized("token used from outside its networks"));
        }
        if bare && !quirks::bare_token(&rules) {
            return Err(Error::unauthorized("token without the word Bearer, or with two of them"));
        }
        if parts.extensions.get::<Straightened>().is_some() && !quirks::path_slashes(&rules) {
            return Err(no_route(parts.uri.path()));
        }
        parts.extensions.insert(rules.clone());
        let reads = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS)
            || parts.uri.path().ends_with("/.search");
        if !reads && token.scope != "write" {
            return Err(Error::new(403, "This token may only read; use one with scope write."));
        }
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let public_url =
            parts.extensions.get::<Outside>().map_or(app.public_url.as_str(), |it| it.0.as_str());
        let base = format!("{public_url}{base}");
        let name = if token.id.starts_with(issued::OF_ISSUER) {
            token.id.clone()
        } else {
            format!("token:{}", token.name)
        };
        let actor = Actor {
            client_request_id: parts.extensions.get::<ClientRequestId>().map(|id| id.0.clone()),
            ..Actor::new(&token.id, &name, &request_id)
        };
        let answering = parts.extensions.get::<Answering>().cloned().unwrap_or_default();
        if !reads {
            answering.writer(&token.tenant, &actor);
        }
        Ok(Self { tenant: token.tenant, base, rules, actor, person: token.person, answering })
    }
}

/// Whether a token may be used from this address; a list that cannot be read lets nobody in.
fn may_come_from(token: &Token, source: Option<IpAddr>) -> bool {
    let Some(list) = &token.networks else { return true };
    let networks = Network::list(list).unwrap_or_default();
    source.is_some_and(|source| networks.iter().any(|network| network.contains(source)))
}

/// Whether there is another number of words before the token than one, and the token: Okta's "HTTP Header" sends it without, and
/// whoever pastes the word into the field for the token has it sent twice.
fn bearer(header: &str) -> (bool, &str) {
    let (mut token, mut words) = (header.trim(), 0);
    while let Some((scheme, rest)) = token.split_once(' ')
        && scheme.eq_ignore_ascii_case("bearer")
    {
        (token, words) = (rest.trim(), words + 1);
    }
    (words != 1, token)
}

/// A token that is a JWT: issued by the bridge or by somebody whom the tenant names.
struct Jwt<'t> {
    text: &'t str,
    kid: String,
}

impl<'t> Jwt<'t> {
    fn look(text: &'t str) -> Option<Self> {
        let parts = text.split('.').count();
        let header = jsonwebtoken::decode_header(text).ok().filter(|_| parts == 3)?;
        Some(Self { text, kid: header.kid.unwrap_or_default() })
    }

    async fn check(&self, app: &App, tenant: &str, base: &str) -> Result<Token, Error> {
        let known = tenant.parse::<TenantId>().ok().filter(|tenant| app.tenants.contains_key(tenant));
        let tenant = known.ok_or_else(|| Error::unauthorized("JWT for no tenant"))?;
        if !issued::is_ours(app, &tenant, &self.kid).await? {
            let issuers = app.issuers.get(&tenant).map(Vec::as_slice).unwrap_or_default();
            let issuer = issuer::verify(&app.keys, issuers, Use::Bearer, self.text).await;
            let issuer = issuer.map_err(Error::unauthorized)?;
            return Ok(of_issuer(app, tenant, issuer));
        }
        let claims = issued::read(app, &tenant, base, self.text).await?.map_err(Error::unauthorized)?;
        if let Some(name) = claims.sub.strip_prefix(issued::OF_ISSUER) {
            let issuers = app.issuers.get(&tenant).into_iter().flatten();
            let mut issuers = issuers.filter(|issuer| issuer.name == name && issuer.usage == Use::Assertion);
            let issuer = issuers.next().ok_or_else(|| Error::unauthorized("issuer is no longer accepted"))?;
            return Ok(of_issuer(app, tenant, issuer));
        }
        // What was exchanged for it must still be good: a revocation reaches issued tokens too.
        let (of, id) = (tenant, claims.sub.clone());
        let token = app.store.read(move |tx| tokens::by_id(tx, &of, &id)).await?;
        let token = token.filter(|token| token.is_live(app.clock.now()));
        token.ok_or_else(|| Error::unauthorized("the token behind an issued one is revoked or has expired"))
    }
}

/// Who calls with a token of an issuer.
fn of_issuer(app: &App, tenant: TenantId, issuer: &Issuer) -> Token {
    let id = format!("{}{}", issued::OF_ISSUER, issuer.name);
    Token {
        id,
        tenant,
        name: issuer.name.clone(),
        hash: String::new(),
        scope: issuer.scope.as_str().to_owned(),
        created: app.clock.now(),
        expires: None,
        last_used: None,
        revoked: None,
        person: None,
        replaced: None,
        networks: None,
    }
}

struct Remembered {
    token: Token,
    believed_until: Instant,
    touched: Instant,
}

static REMEMBER: LazyLock<Mutex<HashMap<String, Remembered>>> = LazyLock::new(Mutex::default);

async fn check(app: &App, given: &str) -> Result<Token, Error> {
    if !token::is_well_formed(given) {
        return Err(Error::unauthorized("not one of our tokens"));
    }
    let hash = token::hash(given);
    let now = app.clock.now();
    let known = {
        let remembered = REMEMBER.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(&hash).filter(|it| Instant::now() < it.believed_until).map(|it| it.token.clone())
    };
    let token = match known {
        Some(token) => token,
        None => look_up(app, &hash).await?,
    };
    if token.expires.is_some_and(|end| end <= now) {
        return Err(Error::unauthorized("token has expired"));
    }
    Ok(token)
}

async fn look_up(app: &App, hash: &str) -> Result<Token, Error> {
    let wanted = hash.to_owned();
    let found = app.store.read(move |tx| tokens::by_hash(tx, &wanted)).await?;
    let token = found.filter(|token| bool::from(token.hash.as_bytes().ct_eq(hash.as_bytes())));
    let token = token.ok_or_else(|| Error::unauthorized("unknown token"))?;
    if token.revoked.is_some() {
        forget(hash);
        return Err(Error::unauthorized("token is revoked"));
    }
    if remember(hash, &token) {
        let (store, tenant, id, now) =
            (app.store.clone(), token.tenant.clone(), token.id.clone(), app.clock.now());
        tokio::spawn(async move {
            if let Err(error) = store.write(move |tx| tokens::touch(tx, &tenant, &id, now)).await {
                tracing::warn!(%error, "the last use of a token was not written down");
            }
        });
    }
    Ok(token)
}

/// Remembers a good token; true when its last use is to be written down.
fn remember(hash: &str, token: &Token) -> bool {
    let mut remembered = REMEMBER.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    if remembered.len() >= REMEMBERED {
        remembered.retain(|_, it| now < it.believed_until);
    }
    let touched = remembered.get(hash).map(|it| it.touched).filter(|at| now.duration_since(*at) < TOUCH);
    let entry =
        Remembered { token: token.clone(), believed_until: now + BELIEVED, touched: touched.unwrap_or(now) };
    remembered.insert(hash.to_owned(), entry);
    touched.is_none()
}

fn forget(hash: &str) {
    REMEMBER.lock().unwrap_or_else(PoisonError::into_inner).remove(hash);
}

/// 404 for a path that nobody serves.
pub(super) fn no_route(path: &str) -> Error {
    let known = "Users, Groups, Roles, Entitlements, AgentGroups, Me, Bulk, .search and discovery below a base such as /scim/v2";
    let shown: String = path.chars().take(100).collect();
    Error::new(404, format!("Nothing is served at {shown}; there are {known}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_names_the_tenant() {
        for (path, tenant) in [
            ("/scim/v2/Users", Some(("default", "/scim/v2"))),
            ("/scim/v2", Some(("default", "/scim/v2"))),
            ("/emea/scim/v2/Users/1", Some(("emea", "/emea/scim/v2"))),
            ("/default/scim/v2/Users", None),
            ("/scim/v20/Users", None),
            ("/x/y/scim/v2/Users", None),
            ("/", None),
        ] {
            assert_eq!(tenant_of(path), tenant, "{path}");
        }
    }

    #[test]
    fn okta_header_auth_without_bearer() {
        for header in ["Bearer t", "bearer  t ", "BEARER t"] {
            assert_eq!(bearer(header), (false, "t"), "{header}");
        }
        for header in ["t", "Bearer Bearer t", "Bearer bearer  t"] {
            assert_eq!(bearer(header), (true, "t"), "{header}");
        }
        assert_eq!(bearer("Basic t"), (true, "Basic t"));
    }
}
