//! Whether RingCentral and RingCX take the credential, and whether their clock is ours.

use std::time::Duration;

use super::{Patient, Report, clause};
use crate::clock::Clock;
use crate::upstream::model::Identity;
use crate::upstream::{Error, ExchangeParams};

/// Seconds of difference that are worth a word, and those at which tokens and audit records go wrong.
const OFF: u64 = 30;
const FAR_OFF: u64 = 300;

/// How long before its end a JWT is spoken of.
const JWT_NOTICE: Duration = Duration::from_hours(24 * 30);

/// Who the bridge is in RingCX; nothing when it could not sign in. An identity that RingCX does not tell is an empty one.
pub(super) async fn run(patient: &Patient<'_>, report: &mut Report) -> Option<Identity> {
    let tenant = patient.id;
    if let Some(Err(error)) = patient.ringcx.platform_sign_in().await {
        let why = clause(&error);
        let fix = match &error {
            error if error.blames_jwt() => {
                format!(
                    "put a JWT of the service user, made for this app and not expired, into tenant.{tenant}.ringcentral.jwt"
                )
            }
            Error::Unauthorized(_) => {
                format!("correct client_id and client_secret in tenant.{tenant}.ringcentral")
            }
            Error::Limited { .. } => "it has nothing to do with the credential; try again then".to_owned(),
            _ => format!(
                "correct tenant.{tenant}.ringcentral.base_url, or the network between here and RingCentral"
            ),
        };
        report.fail("sign-in", format!("RingCentral does not sign the bridge in: {why}; {fix}"));
        return None;
    }
    match patient.calls.identity().await {
        Ok(identity) => {
            report.ok("sign-in", "RingCX accepts the credential");
            jwt(patient, report);
            Some(identity)
        }
        Err(Error::Forbidden(_) | Error::NotFound) => {
            report.warn("sign-in", "RingCX accepts the credential and does not say whose it is");
            Some(Identity::default())
        }
        Err(error) => {
            report.fail("sign-in", format!("{}; {}", trouble(&error), remedy(patient, &error)));
            None
        }
    }
}

/// A JWT that ends stops everything, so its end is spoken of in time.
fn jwt(patient: &Patient<'_>, report: &mut Report) {
    let Some(end) = patient.ringcx.jwt_ends() else { return };
    if end < Clock::system().now() + JWT_NOTICE {
        let fix =
            format!("make a new one at RingCentral and put it into tenant.{}.ringcentral.jwt", patient.id);
        report.warn("sign-in", format!("the RingCentral JWT ends at {end}; {fix}"));
    }
}

fn trouble(error: &Error) -> String {
    match error {
        Error::Garbled { .. } => format!("RingCX answers something else than its API: {}", clause(error)),
        Error::Limited { .. } | Error::Unavailable { .. } => {
            format!("RingCX did not say whether it takes the credential: {}", clause(error))
        }
        error => format!("RingCX does not take the credential: {}", clause(error)),
    }
}

fn remedy(patient: &Patient<'_>, error: &Error) -> String {
    let tenant = patient.id;
    match error {
        Error::Unauthorized(_) if patient.settings.ringcx.api_token.is_some() => {
            format!("put a live token of a RingCX administrator into tenant.{tenant}.ringcx.api_token")
        }
        Error::Unauthorized(_) => {
            let other = match patient.settings.ringcx.exchange_params {
                ExchangeParams::Body => "query",
                ExchangeParams::Query => "body",
            };
            format!(
                "make the RingCentral user of the JWT a RingCX administrator, and link the two accounts; where both are so, set \
                 tenant.{tenant}.ringcx.exchange_params = \"{other}\""
            )
        }
        Error::Limited { .. } => {
            "too much is asked of this account at the moment, try again later".to_owned()
        }
        _ => format!("correct tenant.{tenant}.ringcx.base_url, or the network between here and RingCX"),
    }
}

/// Tokens and audit records go wrong when the clocks differ.
pub(super) fn clock(patient: &Patient<'_>, report: &mut Report) {
    let Some(ahead) = patient.ringcx.clock_ahead() else { return };
    let by = ahead.unsigned_abs();
    let side = if ahead > 0 { "behind" } else { "ahead of" };
    let detail =
        format!("this machine's clock is {by} s {side} RingCX's; switch on time synchronisation (NTP) here");
    match by {
        FAR_OFF.. => report.fail("clock", detail),
        OFF.. => report.warn("clock", detail),
        _ => report.ok("clock", "agrees with RingCX's"),
    }
}
