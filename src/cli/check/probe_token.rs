//! Whether the token of somebody who is switched off dies: a question that cannot be answered from here, and is answered so.
//!
//! A session token and a permanent API token are given to whoever asks, for themselves. The bridge can make a throw-away
//! administrator, but cannot sign in as one: single sign-on and the reset mail lead to somebody else. It could only switch off
//! itself, which nobody wants tried.

use super::{Mark, Report};

/// Says what is not known, and how somebody finds it out by hand.
pub(super) fn report(report: &mut Report) {
    let why = "whether a disabled account's token dies cannot be found out from here, since RingCX gives tokens to their owner alone; \
               by hand: sign in as a throw-away administrator, make an API token, switch the account off in the portal, and call \
               GET /voice/api/v1/admin/auth with X-Auth-Token. Until then `ringcx-scim report leavers` counts such tokens as unseen.";
    report.add("probe", Mark::Warn, why);
}
