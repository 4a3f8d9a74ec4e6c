//! `/oauth/token`: client credentials become a short token (RFC 6749 §4.4, RFC 7523), and `/.well-known/jwks.json`.
//!
//! A client is a bearer token of the tenant: `client_id` is its name, `client_secret` the token. A rotated token is a second secret
//! of the same client until it ends. Instead of a secret a client may show an assertion of an issuer that the tenant names.

use axum::extract::rejection::RawFormRejection;
use axum::extract::{FromRequestParts, Path, RawForm, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::issuer::{self, Use};
use super::{App, Error, answers, issued, token};
use crate::domain::TenantId;
use crate::store::tokens;

/// RFC 7523 §2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Why no token is issued (RFC 6749 §5.2).
pub(super) struct Refusal {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
}

impl Refusal {
    fn request(description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error: "invalid_request", description }
    }

    /// The same answer whatever was wrong; only the log knows.
    fn client(log: &'static str) -> Self {
        tracing::warn!(reason = log, "a client was refused at the token endpoint");
        let description = "The client was not accepted; check its id, its secret and their expiry.";
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", description }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        tracing::error!(reason = error.log, "a token was not issued");
        let description = "The bridge cannot issue a token now; try again.";
        Self { status: StatusCode::SERVICE_UNAVAILABLE, error: "temporarily_unavailable", description }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"error": self.error, "error_description": self.description});
        let mut response = plain(self.status, &body);
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        }
        response
    }
}

/// The tenant in the path of the endpoint; `default` where there is none.
pub(super) struct Of(TenantId);

impl FromRequestParts<App> for Of {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let named = Path::<String>::from_request_parts(parts, app).await;
        let name = named.map_or_else(|_| "default".to_owned(), |Path(name)| name);
        let tenant = name.parse().ok().filter(|tenant| app.tenants.contains_key(tenant));
        tenant.map(Self).ok_or_else(|| Refusal::client("no such tenant"))
    }
}

/// What a client shows, besides who it is.
enum Shown {
    Secret { id: String, secret: String },
    Assertion(String),
}

fn no_form() -> Refusal {
    Refusal::request("The body is no form; send application/x-www-form-urlencoded.")
}

/// `POST /oauth/token`.
pub(super) async fn exchange(
    Of(tenant): Of,
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<RawForm, RawFormRejection>,
) -> Result<Response, Refusal> {
    let RawForm(form) = form.map_err(|_| no_form())?;
    let form: Vec<(String, String)> = serde_urlencoded::from_bytes(&form).map_err(|_| no_form())?;
    let value = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    match value("grant_type") {
        Some("client_credentials") => {}
        None => return Err(Refusal::request("grant_type is missing; send client_credentials.")),
        Some(_) => {
            let description = "grant_type is another one; send client_credentials.";
            return Err(Refusal { error: "unsupported_grant_type", ..Refusal::request(description) });
        }
    }
    let base = base_of(&app, &tenant);
    let (sub, scope) = match shown(&headers, value)? {
        Shown::Secret { id, secret } => by_secret(&app, &tenant, &id, &secret).await?,
        Shown::Assertion(assertion) => by_assertion(&app, &tenant, &assertion).await?,
    };
    let seconds = app.settings.issued_token_lifetime.as_duration().as_secs();
    let token = issued::issue(&app, &tenant, &base, sub, scope, seconds).await?;
    let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": "scim"});
    Ok(plain(StatusCode::OK, &body))
}

/// `GET /.well-known/jwks.json`: the public keys of all tenants.
pub(super) async fn keys(State(app): State<App>) -> Result<Response, Error> {
    let mut tenants: Vec<&TenantId> = app.tenants.keys().collect();
    tenants.sort_by_key(|tenant| tenant.as_str());
    let mut keys = Vec::new();
    for tenant in tenants {
        keys.push(issued::jwk(&app, tenant).await?);
    }
    Ok(plain(StatusCode::OK, &json!({"keys": keys})))
}

/// The tenant's SCIM base URL.
fn base_of(app: &App, tenant: &TenantId) -> String {
    match tenant.as_str() {
        "default" => format!("{}/scim/v2", app.public_url),
        name => format!("{}/{name}/scim/v2", app.public_url),
    }
}

/// The one credential of a request, in the header or in the form (RFC 6749 §2.3).
fn shown<'f>(headers: &HeaderMap, value: impl Fn(&str) -> Option<&'f str>) -> Result<Shown, Refusal> {
    let basic = headers.get(header::AUTHORIZATION).and_then(|text| text.to_str().ok()).and_then(basic);
    let secret = value("client_secret").filter(|secret| !secret.is_empty());
    let assertion = value("client_assertion").filter(|assertion| !assertion.is_empty());
    match (basic, secret, assertion) {
        (Some((id, secret)), None, None) => Ok(Shown::Secret { id, secret }),
        (None, Some(secret), None) => {
            let id = value("client_id").ok_or_else(|| Refusal::request("client_id is missing."))?;
            Ok(Shown::Secret { id: id.to_owned(), secret: secret.to_owned() })
        }
        (None, None, Some(assertion)) if value("client_assertion_type") == Some(JWT_BEARER) => {
            Ok(Shown::Assertion(assertion.to_owned()))
        }
        (None, None, Some(_)) => {
            Err(Refusal::request("client_assertion_type is another one; send a JWT bearer assertion."))
        }
        (None, None, None) => Err(Refusal::request("There is no credential; send a secret or an assertion.")),
        _ => Err(Refusal::request("There is more than one credential; send a secret or an assertion, once.")),
    }
}

/// Id and secret of a Basic header, each form-encoded (RFC 6749 §2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':').filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let decoded = |text: &str| {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&format!("x={text}")).ok()?;
        pairs.into_iter().next().map(|(_, value)| value)
    };
    Some((decoded(id)?, decoded(secret)?))
}

async fn by_secret(
    app: &App,
    tenant: &TenantId,
    id: &str,
    secret: &str,
) -> Result<(String, &'static str), Refusal> {
    let hash = token::hash(secret);
    let found = app.store.read(move |tx| tokens::by_hash(tx, &hash)).await.map_err(Error::from)?;
    let now = app.clock.now();
    let token = found.filter(|token| token.tenant == *tenant && (token.name == id || token.id == id));
    let token = token.ok_or_else(|| Refusal::client("unknown client or secret"))?;
    if !token.is_live(now) {
        return Err(Refusal::client("client is revoked or has expired"));
    }
    let scope = if token.scope == "write" { "write" } else { "read" };
    Ok((token.id, scope))
}

async fn by_assertion(
    app: &App,
    tenant: &TenantId,
    assertion: &str,
) -> Result<(String, &'static str), Refusal> {
    let issuers = app.issuers.get(tenant).map(Vec::as_slice).unwrap_or_default();
    let verified = issuer::verify(&app.keys, issuers, Use::Assertion, assertion).await;
    let issuer = verified.map_err(Refusal::client)?;
    Ok((format!("{}{}", issued::OF_ISSUER, issuer.name), issuer.scope.as_str()))
}

/// An answer that is no SCIM, and that nobody keeps (RFC 6749 §5.1).
fn plain(status: StatusCode, body: &Value) -> Response {
    let mut response = answers::json(status, body.to_string());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
