//! The JWT grant (RFC 7523 §2.1, as RingCentral documents it).

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::upstream::error::Error;
use crate::upstream::settings::PlatformSettings;
use crate::upstream::transport::{Basic, Wire};

/// A token of the platform.
pub(in crate::upstream) struct PlatformToken {
    pub(in crate::upstream) token: SecretString,
    pub(in crate::upstream) renew_at: jiff::Timestamp,
}

/// Presents the JWT; with a JWT there is no need for the platform's refresh tokens.
pub(in crate::upstream) async fn grant(
    wire: &Wire,
    settings: &PlatformSettings,
    now: jiff::Timestamp,
) -> Result<PlatformToken, Error> {
    let url = format!("{}/restapi/oauth/token", settings.base_url.trim_end_matches('/'));
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", settings.jwt.expose_secret()),
    ];
    let basic = Basic { user: &settings.client_id, password: &settings.client_secret };
    let answer = match wire.platform_form("getToken", &url, &form, basic).await {
        // The platform says 400 where the credential is at fault (`invalid_grant`, `unauthorized_client`).
        Err(Error::Rejected { message, .. }) => {
            return Err(Error::Unauthorized(format!("RingCentral refused the JWT: {message}")));
        }
        Err(Error::Unauthorized(message)) => {
            return Err(Error::Unauthorized(format!("RingCentral refused the client: {message}")));
        }
        other => other?,
    };
    let Some(token) = answer.get("access_token").and_then(Value::as_str) else {
        return Err(Error::Garbled {
            maybe_applied: false,
            message: "a token answer without access_token".to_owned(),
        });
    };
    let life = answer.get("expires_in").and_then(Value::as_u64).unwrap_or(600);
    let life = Duration::from_secs(life);
    Ok(PlatformToken { token: SecretString::from(token), renew_at: now + life.saturating_sub(life / 5) })
}
