//! RingCentral extensions, and whether a RingCX account has anything to do with RingCentral.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::RcUserId;

/// A RingCentral extension.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Extension {
    /// Its id.
    pub id: RcUserId,
    /// The person's name, as RingCentral shows it.
    pub name: Option<String>,
    /// The person's first name.
    pub first_name: Option<String>,
    /// The person's last name.
    pub last_name: Option<String>,
    /// The person's e-mail address; two extensions may have the same.
    pub email: Option<String>,
    /// Whether that address is a login name: then it is unique.
    pub email_is_login: bool,
    /// Its number; without one it is unassigned.
    pub number: Option<String>,
    /// `Enabled`, `Disabled`, `NotActivated` and so on.
    pub status: Option<String>,
    /// `User`, `Department` and so on.
    pub kind: Option<String>,
}

/// The kinds of extension behind which there is a person who can be an agent: RingCX speaks of virtual extensions too.
const PEOPLE: [&str; 4] = ["User", "DigitalUser", "VirtualUser", "FlexibleUser"];

impl Extension {
    /// Whether it belongs to a person who can be an agent.
    pub fn is_person(&self) -> bool {
        self.kind.as_deref().is_none_or(|kind| PEOPLE.iter().any(|it| it.eq_ignore_ascii_case(kind)))
    }

    /// Whether it stands in this state, in any case; one that shows none is in use.
    pub fn is(&self, status: &str) -> bool {
        self.status.as_deref().unwrap_or("Enabled").eq_ignore_ascii_case(status)
    }
}

impl fmt::Debug for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extension").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a RingCX account says of its agents and RingCentral (`rcAccountAccess`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RcAccess {
    /// The account is not linked to RingCentral at all.
    Disabled,
    /// Agents may be tied to extensions.
    Enabled,
    /// Agents must be tied to extensions.
    Required,
}

impl RcAccess {
    /// The value of RingCX's word.
    pub fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_uppercase().as_str() {
            "DISABLED" => Some(Self::Disabled),
            "ENABLED" => Some(Self::Enabled),
            "REQUIRED" => Some(Self::Required),
            _ => None,
        }
    }
}
