//! Why a person could not be brought in line: what upstream said, turned into what to do next.

use std::time::Duration;

use crate::scim;
use crate::store;
use crate::upstream::{self, Next};

/// What stopped the work on one person.
#[derive(Debug)]
pub(super) enum Trouble {
    /// RingCX, a guard or a rule says no, and will say no again.
    Refused(scim::Error),
    /// The budget of calls is used up; worth another try after this long.
    Limited(Duration),
    /// RingCX or our way to it is in trouble; worth another try after this long.
    Unavailable(Duration, String),
    /// A changing call may have been carried out although no answer came: look before trying again.
    Lost(String),
    /// Our own store is in trouble.
    Store(store::Error),
}

/// How long to wait after trouble that names no time of its own.
pub(super) const PAUSE: Duration = Duration::from_secs(5);

impl From<store::Error> for Trouble {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl Trouble {
    /// What an upstream error means for the work on a person; `what` is the refused thing, as in "the agent".
    pub(super) fn upstream(what: &str, error: &upstream::Error) -> Self {
        if let upstream::Error::Limited { after } = error {
            return Self::Limited(*after);
        }
        if error.may_have_been_applied() {
            return Self::Lost(format!("RingCX gave no answer for {what}: {error}"));
        }
        if error.names_username() {
            return Self::Refused(scim::Error::uniqueness(format!(
                "RingCX refused {what}: {error} If the login name is taken, set username_template or choose another userName."
            )));
        }
        match (error.next(), error) {
            (Next::Retry | Next::Reauth, _)
            | (_, upstream::Error::Forbidden { .. } | upstream::Error::NotFound) => {
                Self::Unavailable(PAUSE, format!("RingCX did not serve {what}: {error}"))
            }
            (Next::GiveUp, upstream::Error::Conflict { .. }) => {
                Self::Refused(scim::Error::uniqueness(format!("RingCX refused {what}: {error}")))
            }
            (Next::GiveUp, _) => {
                Self::Refused(scim::Error::invalid_value(format!("RingCX refused {what}: {error}")))
            }
        }
    }

    /// The same trouble where "no" is not an answer: access is being taken away, so the bridge keeps trying.
    pub(super) fn insistent(self) -> Self {
        match self {
            Self::Refused(error) => Self::Unavailable(PAUSE, error.detail),
            Self::Limited(_) | Self::Unavailable(..) | Self::Lost(_) | Self::Store(_) => self,
        }
    }

    /// RingCX took the call, but a look afterwards does not show its effect.
    pub(super) fn unconfirmed(what: &str) -> Self {
        Self::Unavailable(PAUSE, format!("RingCX accepted {what} but does not show it yet."))
    }
}
