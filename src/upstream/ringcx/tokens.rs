//! The permanent API tokens of the bridge's own account: RingCX gives them to whoever asks, for themselves alone.

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{Calls, garbled};
use crate::upstream::error::Error;

impl Calls {
    /// The tokens that there are.
    pub async fn api_tokens(&self) -> Result<Vec<SecretString>, Error> {
        match self.admin_call("listApiTokens", Method::GET, &["token"], &[], None).await? {
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => {
                Ok(items.iter().filter_map(Value::as_str).map(SecretString::from).collect())
            }
            _ => Err(garbled("no list of tokens", false)),
        }
    }

    /// One more token; each call makes another.
    pub async fn create_api_token(&self) -> Result<SecretString, Error> {
        let answer = self.text_call("createApiToken", Method::POST, &["token"]).await?;
        answer.as_str().map(SecretString::from).ok_or_else(|| garbled("no token", true))
    }

    /// Ends a token.
    pub async fn delete_api_token(&self, token: &SecretString) -> Result<(), Error> {
        let path = ["token", token.expose_secret()];
        match self.admin_call("deleteApiToken", Method::DELETE, &path, &[], None).await {
            Err(Error::NotFound) => Ok(()),
            other => other.map(drop),
        }
    }
}
