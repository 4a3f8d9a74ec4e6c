//! What differs per tenant: a named set of quirks and three switches.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A named set of tolerated deviations, the `compatibility` setting of a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compatibility {
    /// Everything that any known client needs and that contradicts no other.
    #[default]
    Generic,
    /// Microsoft Entra ID.
    Entra,
    /// Okta.
    Okta,
    /// OneLogin.
    Onelogin,
    /// JumpCloud.
    Jumpcloud,
    /// PingOne and `PingFederate`.
    Ping,
    /// The RFCs to the letter.
    Strict,
}

impl Compatibility {
    /// Every set, in the order of the documentation.
    pub const ALL: [Self; 7] =
        [Self::Generic, Self::Entra, Self::Okta, Self::Onelogin, Self::Jumpcloud, Self::Ping, Self::Strict];

    /// The name as written in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Entra => "entra",
            Self::Okta => "okta",
            Self::Onelogin => "onelogin",
            Self::Jumpcloud => "jumpcloud",
            Self::Ping => "ping",
            Self::Strict => "strict",
        }
    }
}

impl fmt::Display for Compatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Compatibility {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|each| each.as_str().eq_ignore_ascii_case(text.trim())).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            format!("compatibility {text:?} is unknown; use one of {names}")
        })
    }
}

/// How a tenant wants requests to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The named set of quirks.
    pub compatibility: Compatibility,
    /// Refuse attributes outside the published schema instead of skipping them.
    pub strict_paths: bool,
    /// Apply the `active: false` of a PATCH whose other operations fail (RFC 7644 §3.5.2 would apply nothing).
    pub disable_survives_bad_patch: bool,
}

impl Rules {
    /// The rules that a compatibility setting stands for when nothing else is set.
    pub fn of(compatibility: Compatibility) -> Self {
        Self {
            compatibility,
            strict_paths: compatibility == Compatibility::Strict,
            // Entra records a failed PATCH as one object's error and goes on; access must not stay open meanwhile.
            disable_survives_bad_patch: compatibility == Compatibility::Entra,
        }
    }

    /// Whether the RFCs are taken to the letter.
    pub fn strict(&self) -> bool {
        self.compatibility == Compatibility::Strict
    }

    /// Whether an attribute outside the schema is an error rather than skipped.
    pub fn refuses_unknown(&self) -> bool {
        self.strict_paths || self.strict()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compatibility_names_read_back() {
        for each in Compatibility::ALL {
            assert_eq!(each.to_string().to_uppercase().parse(), Ok(each));
            assert_eq!(serde_json::to_value(each).unwrap(), each.as_str());
        }
        assert!("azure".parse::<Compatibility>().unwrap_err().contains("entra"));
        assert_eq!(Rules::default(), Rules::of(Compatibility::Generic));
    }
}
