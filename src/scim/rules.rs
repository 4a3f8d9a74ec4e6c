//! What differs per tenant: a named set of quirks and three switches.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::quirks::{Quirk, Where};

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
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The named set of quirks.
    pub compatibility: Compatibility,
    /// Refuse attributes outside the published schema instead of skipping them.
    pub strict_paths: bool,
    /// Apply the `active: false` of a PATCH whose other operations fail (RFC 7644 §3.5.2 would apply nothing).
    pub disable_survives_bad_patch: bool,
    /// How often each quirk was used, where that is counted.
    pub(super) uses: Option<Arc<Uses>>,
}

/// How often each quirk was used, in the order of [`Quirk::ALL`].
#[derive(Debug)]
pub(super) struct Uses(Vec<AtomicU64>);

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        let of = |rules: &Self| (rules.compatibility, rules.strict_paths, rules.disable_survives_bad_patch);
        of(self) == of(other)
    }
}

impl Eq for Rules {}

impl Rules {
    /// The rules that a compatibility setting stands for when nothing else is set; uses are not counted.
    pub fn of(compatibility: Compatibility) -> Self {
        Self {
            compatibility,
            strict_paths: compatibility == Compatibility::Strict,
            // Entra records a failed PATCH as one object's error and goes on; access must not stay open meanwhile.
            disable_survives_bad_patch: compatibility == Compatibility::Entra,
            uses: None,
        }
    }

    /// The same rules, with a count of uses that all clones share.
    #[must_use]
    pub fn counted(self) -> Self {
        let uses = Uses(Quirk::ALL.iter().map(|_| AtomicU64::new(0)).collect());
        Self { uses: Some(Arc::new(uses)), ..self }
    }

    /// The same rules without counting: for reading again what was read before.
    #[must_use]
    pub fn uncounted(&self) -> Self {
        Self { uses: None, ..self.clone() }
    }

    /// Whether a deviation, which has just occurred, is tolerated; if so it is counted.
    pub fn tolerates(&self, quirk: Quirk) -> bool {
        let tolerated = self.tolerates_silently(quirk);
        if tolerated {
            self.count(quirk);
        }
        tolerated
    }

    /// Whether a deviation would be tolerated.
    pub fn tolerates_silently(&self, quirk: Quirk) -> bool {
        match (quirk, quirk.place()) {
            (Quirk::DisableSurvives, _) => self.disable_survives_bad_patch,
            (Quirk::UnknownAttribute, _) => !self.strict_paths && !self.strict(),
            (_, Where::Tolerant) => !self.strict(),
            (_, Where::Only(only)) => self.compatibility == only,
        }
    }

    /// Counts a use.
    pub(super) fn count(&self, quirk: Quirk) {
        if let Some(count) = self.uses.as_ref().and_then(|uses| uses.0.get(quirk as usize)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The quirks that were used, and how often.
    pub fn used(&self) -> Vec<(Quirk, u64)> {
        let counts = self.uses.iter().flat_map(|uses| &uses.0);
        let counts = counts.map(|count| count.load(Ordering::Relaxed));
        Quirk::ALL.iter().copied().zip(counts).filter(|(_, count)| *count > 0).collect()
    }

    /// Whether the RFCs are taken to the letter.
    pub fn strict(&self) -> bool {
        self.compatibility == Compatibility::Strict
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

    #[test]
    fn strict_tolerates_nothing_and_the_others_what_does_not_contradict_the_rfcs() {
        for quirk in Quirk::ALL.iter().copied() {
            for each in Compatibility::ALL {
                let expected = match quirk.place() {
                    Where::Tolerant => each != Compatibility::Strict,
                    Where::Only(only) => each == only,
                };
                assert_eq!(Rules::of(each).tolerates(quirk), expected, "{} under {each}", quirk.as_str());
            }
        }
    }

    #[test]
    fn uses_are_counted_by_name_over_all_clones() {
        let rules = Rules::default().counted();
        assert!(rules.clone().tolerates(Quirk::BareToken) && rules.tolerates(Quirk::BareToken));
        assert!(!rules.tolerates(Quirk::ReplaceCreatesElement), "a refusal is no use");
        rules.uncounted().tolerates(Quirk::UrlFlag);
        assert_eq!(rules.used(), [(Quirk::BareToken, 2)]);
    }
}
