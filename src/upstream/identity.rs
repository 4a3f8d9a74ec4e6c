//! Under which names credentials and budgets are known. A name says nothing about what it was made of.

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::Transport;
use super::settings::{PlatformSettings, RingCxSettings};
use super::token::subject;
use crate::hex::hex;

impl Transport {
    /// The name of these credentials: tenants with the same one share a [`Transport`]. Another one after a rotation.
    pub fn identity(ringcx: &RingCxSettings, platform: Option<&PlatformSettings>) -> String {
        let secret = match (&ringcx.api_token, platform) {
            (Some(token), _) => token.expose_secret().to_owned(),
            (None, Some(platform)) => format!("{}\n{}", platform.client_id, platform.jwt.expose_secret()),
            (None, None) => String::new(),
        };
        name(&ringcx.base_url, &secret)
    }

    /// The name of the budget of whoever has these credentials, the same before and after they are rotated: the client and the user of
    /// a JWT, as far as it says whose it is; the sub-account of an API token.
    pub fn budget_name(ringcx: &RingCxSettings, platform: Option<&PlatformSettings>) -> String {
        let who = match (&ringcx.api_token, platform) {
            (None, Some(platform)) => {
                let user = subject(platform.jwt.expose_secret()).unwrap_or_default();
                format!("client {} user {user}", platform.client_id)
            }
            _ => format!("token of account {}", ringcx.account_id),
        };
        name(&ringcx.base_url, &who)
    }
}

fn name(base_url: &str, who: &str) -> String {
    let digest = Sha256::digest(format!("{base_url}\n{who}").as_bytes());
    digest.first_chunk::<8>().map(|bytes| hex(bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ringcx(fields: &Value) -> RingCxSettings {
        let mut all = json!({"account_id": "1"});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn platform(client: &str, jwt: &str) -> PlatformSettings {
        serde_json::from_value(json!({"client_id": client, "client_secret": "s", "jwt": jwt})).unwrap()
    }

    #[test]
    fn a_rotated_credential_has_another_name_and_the_same_budget() {
        // {"sub":"7","exp":1}, {"sub":"7","exp":2} and {"sub":"8","exp":1}
        let (first, second, other) = (
            "a.eyJzdWIiOiI3IiwiZXhwIjoxfQ.x",
            "a.eyJzdWIiOiI3IiwiZXhwIjoyfQ.y",
            "a.eyJzdWIiOiI4IiwiZXhwIjoxfQ.x",
        );
        let names = |client: &str, jwt: &str| {
            let (ringcx, platform) = (ringcx(&json!({})), platform(client, jwt));
            (Transport::identity(&ringcx, Some(&platform)), Transport::budget_name(&ringcx, Some(&platform)))
        };
        let (before, after) = (names("c", first), names("c", second));
        assert!(before.0 != after.0 && before.1 == after.1);
        assert_ne!(names("c", other).1, before.1, "another user");
        assert_ne!(names("d", first).1, before.1, "another client");
        let tokens = |fields: Value| Transport::budget_name(&ringcx(&fields), None);
        assert_eq!(tokens(json!({"api_token": "x"})), tokens(json!({"api_token": "y"})));
        assert_ne!(tokens(json!({"api_token": "x"})), tokens(json!({"api_token": "x", "account_id": "2"})));
        let elsewhere = json!({"api_token": "x", "base_url": "https://other.example"});
        assert_ne!(tokens(json!({"api_token": "x"})), tokens(elsewhere));
    }
}
