//! Short tokens that the bridge issues at `/oauth/token`: JWTs, signed by a key of the tenant that the store keeps, so that every
//! replica can issue and check them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{App, Error};
use crate::domain::TenantId;
use crate::hex::hex;
use crate::store::facts;

/// Where the key is kept, as PKCS #8.
const KEY: &str = "token_key";

/// What stands before the name of an issuer in `sub`.
pub(super) const OF_ISSUER: &str = "issuer:";

/// What an issued token says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: String,
    /// The id of the bearer token with which it was asked for, or `issuer:` and the name of the issuer whose assertion was shown.
    pub(super) sub: String,
    pub(super) scope: String,
    iat: i64,
    exp: i64,
    jti: String,
}

/// A key of a tenant.
struct Key {
    pkcs8: Vec<u8>,
    x: String,
    y: String,
    kid: String,
}

/// A token of the tenant at `base`, for `seconds`.
pub(super) async fn issue(
    app: &App,
    tenant: &TenantId,
    base: &str,
    sub: String,
    scope: &str,
    seconds: u64,
) -> Result<String, Error> {
    let key = key(app, tenant).await?;
    let now = app.clock.now().as_second();
    let claims = Claims {
        iss: app.public_url.clone(),
        aud: base.to_owned(),
        sub,
        scope: scope.to_owned(),
        iat: now,
        exp: now.saturating_add_unsigned(seconds),
        jti: app.ids.next().to_string(),
    };
    let header = Header { kid: Some(key.kid), ..Header::new(Algorithm::ES256) };
    encode(&header, &claims, &EncodingKey::from_ec_der(&key.pkcs8)).map_err(|_| broken())
}

/// What a token says, if this tenant has issued it.
///
/// # Errors
/// What is wrong, for the log.
pub(super) async fn read(
    app: &App,
    tenant: &TenantId,
    base: &str,
    token: &str,
) -> Result<Result<Claims, &'static str>, Error> {
    let key = key(app, tenant).await?;
    let Ok(decoding) = DecodingKey::from_ec_components(&key.x, &key.y) else { return Err(broken()) };
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&[&app.public_url]);
    validation.set_audience(&[base]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.leeway = 0;
    let read = decode::<Claims>(token, &decoding, &validation);
    Ok(read.map(|token| token.claims).map_err(|_| "issued token is not ours, or has expired"))
}

/// Whether a token names our own key.
pub(super) async fn is_ours(app: &App, tenant: &TenantId, kid: &str) -> Result<bool, Error> {
    Ok(key(app, tenant).await?.kid == kid)
}

/// The public key of a tenant (RFC 7517).
pub(super) async fn jwk(app: &App, tenant: &TenantId) -> Result<Value, Error> {
    let Key { x, y, kid, .. } = key(app, tenant).await?;
    Ok(json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid, "x": x, "y": y}))
}

async fn key(app: &App, tenant: &TenantId) -> Result<Key, Error> {
    let of = tenant.clone();
    let known = app.store.read(move |tx| facts::get(tx, &of, KEY)).await?;
    let text = if let Some(text) = known {
        text
    } else {
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let fresh = URL_SAFE_NO_PAD.encode(pair.map_err(|_| broken())?.as_ref());
        let (of, now) = (tenant.clone(), app.clock.now());
        app.store.write(move |tx| facts::set_once(tx, &of, KEY, &fresh, now)).await?
    };
    let pkcs8 = URL_SAFE_NO_PAD.decode(text).map_err(|_| broken())?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).map_err(|_| broken())?;
    let public = pair.public_key().as_ref();
    // An uncompressed point: a mark, then both coordinates.
    let (x, y) = public.get(1..).unwrap_or_default().split_at_checked(32).ok_or_else(broken)?;
    let kid = hex(&Sha256::digest(public)).chars().take(16).collect();
    Ok(Key { x: URL_SAFE_NO_PAD.encode(x), y: URL_SAFE_NO_PAD.encode(y), kid, pkcs8 })
}

fn broken() -> Error {
    Error {
        log: Some("the key of issued tokens is unusable".to_owned()),
        ..Error::new(500, "The bridge failed; its log has the reason under this request id.")
    }
}
