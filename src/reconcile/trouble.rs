//! Why a person could not be brought in line: what upstream said, turned into what to do next.

use std::time::Duration;

use crate::domain::words::sentence;
use crate::scim;
use crate::store;
use crate::upstream;

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
    /// What the work rests on is out of date; nothing was sent, and it begins anew.
    Outdated,
    /// The bridge itself holds the tenant's changes back; nothing was sent.
    Held(String),
    /// Only a person can decide: set aside, visible, until something changes.
    Parked(String),
    /// Our own store is in trouble.
    Store(store::Error),
}

/// Whether RingCX has refused a create because somebody has the name.
pub(super) fn is_taken<T>(made: &Result<T, upstream::Error>) -> bool {
    made.as_ref().is_err_and(|error| matches!(Class::of(error), Class::NameTaken | Class::Conflict))
}

/// What calls that change an administrator are about.
pub(super) const ADMINISTRATOR: &str = "the administrator";

/// What can be done where the login name of an agent is taken.
pub(super) const LOGIN_NAME_TAKEN: &str =
    "If the login name is taken, set username_template or choose another userName.";

/// The same for an administrator, whose login name is the userName.
const ADMIN_NAME_TAKEN: &str = "If the login name is taken, choose another userName, or decide with `ringcx-scim import` whose the administrator is.";

/// How long to wait after trouble that names no time of its own.
pub(super) const PAUSE: Duration = Duration::from_secs(5);

impl From<super::Error> for Trouble {
    fn from(error: super::Error) -> Self {
        match error {
            super::Error::Scim(why) => Self::Refused(why),
            super::Error::Store(error) => Self::Store(error),
        }
    }
}

impl From<store::Error> for Trouble {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

/// What a call was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// Look.
    Reading,
    /// Create or change.
    Changing,
    /// Take access away: "no" is not an answer.
    Removing,
    /// Give a role or a rights document.
    Granting,
}

/// What is done about an upstream result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The client is told 400 `invalidValue`; nothing is tried again.
    Invalid,
    /// The client is told 409 `uniqueness`; nothing is tried again.
    Taken,
    /// 503, and tried again with growing pauses.
    Wait,
    /// 429, and tried again when RingCX says so.
    Limited,
    /// 503, and looked up before anything is tried again.
    Look,
}

/// The meanings of an upstream result that are told apart here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Our credential is not accepted, even after a renewal.
    Unauthorized,
    /// Our credential lacks a permission.
    Forbidden,
    /// There is nothing under this id.
    NotFound,
    /// It is there already.
    Conflict,
    /// A refusal, by whatever status, that names the login name.
    NameTaken,
    /// The content is refused.
    Rejected,
    /// Too many calls.
    Limited,
    /// No usable answer, and the call cannot have been carried out.
    Unavailable,
    /// No usable answer, and the call may have been carried out.
    Lost,
}

/// The failure truth table: what each upstream result means for each kind of call, in the order of [`Doing`].
const TABLE: [(Class, [Verdict; 4]); 9] = {
    use Verdict::{Invalid, Limited, Look, Taken, Wait};
    [
        // A 401 or 403 is our matter, never the client's: it waits for the operator. A role that the bridge's account may not
        // give is a mistake in the configuration, and says so.
        (Class::Unauthorized, [Wait, Wait, Wait, Wait]),
        (Class::Forbidden, [Wait, Wait, Wait, Invalid]),
        (Class::NotFound, [Wait, Wait, Wait, Invalid]),
        (Class::Conflict, [Wait, Taken, Wait, Taken]),
        (Class::NameTaken, [Wait, Taken, Wait, Taken]),
        (Class::Rejected, [Wait, Invalid, Wait, Invalid]),
        (Class::Limited, [Limited, Limited, Limited, Limited]),
        (Class::Unavailable, [Wait, Wait, Wait, Wait]),
        (Class::Lost, [Look, Look, Look, Look]),
    ]
};

impl Class {
    /// What kind of result an error is.
    pub(super) fn of(error: &upstream::Error) -> Self {
        if error.may_have_been_applied() {
            return Self::Lost;
        }
        if error.names_username() {
            return Self::NameTaken;
        }
        match error {
            upstream::Error::Unauthorized(_) => Self::Unauthorized,
            upstream::Error::Forbidden(_) => Self::Forbidden,
            upstream::Error::NotFound => Self::NotFound,
            upstream::Error::Conflict(_) => Self::Conflict,
            upstream::Error::Limited { .. } => Self::Limited,
            upstream::Error::Rejected { .. } => Self::Rejected,
            upstream::Error::Held(_)
            | upstream::Error::Outdated
            | upstream::Error::Unavailable { .. }
            | upstream::Error::Garbled { .. } => Self::Unavailable,
        }
    }
}

/// The table's word.
pub(super) fn verdict(doing: Doing, class: Class) -> Verdict {
    let row = TABLE.iter().find(|(of, _)| *of == class);
    row.and_then(|(_, verdicts)| verdicts.get(doing as usize)).copied().unwrap_or(Verdict::Wait)
}

impl Trouble {
    /// What the failure of a look means for the work on a person; `what` is the thing, as in "the agent".
    pub(super) fn reading(what: &str, error: &upstream::Error) -> Self {
        Self::of(Doing::Reading, what, error)
    }

    /// What the failure of a call means for the work on a person.
    pub(super) fn of(doing: Doing, what: &str, error: &upstream::Error) -> Self {
        match error {
            upstream::Error::Held(why) => return Self::Held(why.clone()),
            upstream::Error::Outdated => return Self::Outdated,
            _ => {}
        }
        // Our words follow.
        let said = sentence(&error.to_string());
        match verdict(doing, Class::of(error)) {
            Verdict::Limited => {
                let after = if let upstream::Error::Limited { after } = error { *after } else { PAUSE };
                Self::Limited(after)
            }
            Verdict::Look => Self::Lost(format!("RingCX gave no answer for {what}: {said}")),
            Verdict::Wait => Self::Unavailable(PAUSE, format!("RingCX did not serve {what}: {said}")),
            Verdict::Taken if error.names_username() => Self::Refused(scim::Error::uniqueness(format!(
                "RingCX refused {what}: {said} {}",
                if what == ADMINISTRATOR { ADMIN_NAME_TAKEN } else { LOGIN_NAME_TAKEN }
            ))),
            Verdict::Taken => {
                Self::Refused(scim::Error::uniqueness(format!("RingCX refused {what}: {said}")))
            }
            Verdict::Invalid => {
                Self::Refused(scim::Error::invalid_value(format!("RingCX refused {what}: {said}")))
            }
        }
    }

    /// The same trouble where "no" is not an answer: access is being taken away, so the bridge keeps trying.
    pub(super) fn insistent(self) -> Self {
        match self {
            Self::Refused(error) => Self::Unavailable(PAUSE, error.detail),
            Self::Limited(_)
            | Self::Unavailable(..)
            | Self::Lost(_)
            | Self::Outdated
            | Self::Held(_)
            | Self::Parked(_)
            | Self::Store(_) => self,
        }
    }

    /// RingCX took the call, but a look afterwards does not show its effect.
    pub(super) fn unconfirmed(what: &str) -> Self {
        Self::Unavailable(PAUSE, format!("RingCX accepted {what} but does not show it yet."))
    }
}

#[cfg(test)]
mod tests;
