//! The operator's webhook: the one address outside RingCX and RingCentral to which anything is sent, and only alerts are.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

/// Who is told when something needs a person: `[alert]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertSettings {
    /// Where alerts are posted as JSON; left out: they are only logged. `https`, or `http` on this machine.
    pub webhook: Option<SecretString>,
}

impl AlertSettings {
    /// Complaints about values that cannot work: the key and one sentence each.
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let safe = self.webhook.as_ref().is_none_or(|url| is_safe(url.expose_secret()));
        if safe {
            return Vec::new();
        }
        vec![("webhook", "must be a URL that begins with https:// (http:// only on this machine)".to_owned())]
    }
}

/// Whether alerts may be posted there: over TLS, or on this machine.
fn is_safe(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url.trim()) else { return false };
    let local = || matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    url.has_host() && (url.scheme() == "https" || (url.scheme() == "http" && local()))
}

/// Posts alerts. Cheap to clone.
#[derive(Clone)]
pub struct Webhook {
    client: reqwest::Client,
    url: SecretString,
}

impl Webhook {
    /// How long one alert may take.
    pub const PATIENCE: Duration = Duration::from_secs(5);

    /// The webhook of these settings, if they name one.
    ///
    /// # Errors
    /// One sentence when TLS cannot be set up.
    pub fn new(settings: &AlertSettings) -> Result<Option<Self>, String> {
        let Some(url) = settings.webhook.clone() else { return Ok(None) };
        let client = reqwest::Client::builder()
            .user_agent(concat!("ringcx-scim/", env!("CARGO_PKG_VERSION")))
            .timeout(Self::PATIENCE)
            // The address may hold a secret, which a redirect would carry elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("TLS: {error}"))?;
        Ok(Some(Self { client, url }))
    }

    /// Posts one alert; it has arrived when the answer is a success.
    ///
    /// # Errors
    /// One sentence, without the address.
    pub async fn post(&self, alert: &Value) -> Result<(), String> {
        let request = self.client.post(self.url.expose_secret().trim()).json(alert);
        #[expect(
            clippy::disallowed_methods,
            reason = "no call to RingCX: this is the operator's own address"
        )]
        let answer = request.send().await;
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("the webhook answered with status {}", answer.status().as_u16())),
            Err(error) if error.is_timeout() => Err("the webhook did not answer in time".to_owned()),
            Err(_) => Err("the webhook could not be reached".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_go_over_tls_or_stay_on_this_machine() {
        let check = |url: &str| AlertSettings { webhook: Some(SecretString::from(url)) }.check().len();
        for good in [
            "https://hooks.example.com/x?y=z",
            "http://127.0.0.1:9/x",
            "http://localhost/x",
            "http://[::1]:9",
        ] {
            assert_eq!(check(good), 0, "{good}");
        }
        for bad in
            ["http://hooks.example.com", "http://localhost.example.com", "ftp://127.0.0.1", "hooks", ""]
        {
            assert_eq!(check(bad), 1, "{bad}");
        }
    }
}
