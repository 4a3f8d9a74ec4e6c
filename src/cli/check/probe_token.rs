//! Whether the token of somebody who is switched off dies: a question that cannot be answered from here, and is answered so.
//!
//! It takes a token of somebody who can be switched off. A session token and a permanent API token are given to whoever asks, for
//! themselves (`POST /voice/api/v1/admin/token` has no body that names anybody). The bridge can make a throw-away administrator, but
//! cannot sign in as one: RingCX's form of an administrator has no password, the mail with which one is chosen leads to somebody else,
//! and so does single sign-on. An agent has a password and no documented way to sign in with it. It could only switch off itself, which
//! nobody wants tried.

use super::{Mark, Report};

/// Says what is not known and why, and how somebody finds it out by hand.
pub(super) fn report(report: &mut Report) {
    let why = "whether a disabled account's token dies cannot be found out from here: RingCX gives a token to its owner alone, and nobody \
               can sign in as a throw-away administrator, whose form has no password; by hand: sign in as one in the portal, make an API \
               token, switch the account off, and call GET /voice/api/v1/admin/auth with X-Auth-Token. Until then `ringcx-scim report \
               leavers` counts such tokens as unseen.";
    report.add("probe", Mark::Warn, why);
}
