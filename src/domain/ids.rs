//! Whose and which: the ids that every row and every decision carries.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of one tenant: one SCIM base URL, one RingCX sub-account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

/// Why a text does not name a tenant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" cannot name a tenant; use lower-case letters, digits and hyphens, beginning with a letter")]
pub struct TenantIdError(String);

impl TenantId {
    /// The name as written in the configuration.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = TenantIdError;

    fn from_str(text: &str) -> Result<Self, TenantIdError> {
        let mut letters = text.bytes();
        let first = letters.next().is_some_and(|b| b.is_ascii_lowercase());
        if first && letters.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(TenantIdError(text.to_owned()))
        }
    }
}

impl TryFrom<String> for TenantId {
    type Error = TenantIdError;

    fn try_from(text: String) -> Result<Self, TenantIdError> {
        text.parse()
    }
}

impl From<TenantId> for String {
    fn from(id: TenantId) -> Self {
        id.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! resource_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Opaque to clients and to us: a client may ask for any text, which then simply names nothing.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as it stands in URLs and bodies.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<uuid::Uuid> for $name {
            fn from(id: uuid::Uuid) -> Self {
                Self(id.to_string())
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

resource_id!(
    /// The SCIM id of a person: given by the bridge, never changed, never used again.
    PersonId
);
resource_id!(
    /// The SCIM id of a group: given by the bridge, never changed, never used again.
    GroupId
);

/// Who asked for a change: kept with the intent and in the audit record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The id of the bearer token; never the token. Another one after a rotation.
    pub credential: String,
    /// Who that is, the same across rotations: `token:` and its name, `issuer:` and its name, `cli:` and the operator, `bridge`.
    pub name: String,
    /// The request id that the caller was told.
    pub request_id: String,
    /// The request id that the caller brought along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_request_id: Option<String>,
}

impl Actor {
    /// The bridge itself, where nobody's request is behind a change.
    pub fn bridge() -> Self {
        Self::new("bridge", "bridge", "")
    }

    /// The operator of a command, by the name that the system knows them by; `run` names this run of the command.
    pub fn operator(user: &str, run: &str) -> Self {
        Self::new("cli", &format!("cli:{user}"), run)
    }

    /// Whoever shows the credential and is known by `name`, in one request.
    pub fn new(credential: &str, name: &str, request_id: &str) -> Self {
        Self {
            credential: credential.to_owned(),
            name: name.to_owned(),
            request_id: request_id.to_owned(),
            client_request_id: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_names_are_lower_case_words() {
        for good in ["default", "emea", "a-1"] {
            assert_eq!(good.parse::<TenantId>().unwrap().as_str(), good);
        }
        for bad in ["", "EMEA", "1a", "a_b", "-a", "a b", "ü"] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad}");
        }
    }
}
