//! Why the work of a whole tenant waits: an operator has paused it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Error, Tx, facts};
use crate::domain::TenantId;

/// The fact that says since when a tenant is paused.
const PAUSED: &str = "paused";

/// A pause as an operator began it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Who paused it.
    pub by: String,
    /// Whether access is not taken away either.
    pub all: bool,
}

/// Pauses a tenant, or changes what a pause stops; gives the pause that was there.
pub fn pause(tx: &mut Tx<'_>, tenant: &TenantId, new: &Pause) -> Result<Option<Pause>, Error> {
    let before = paused(tx, tenant)?;
    // A pause that is only widened or narrowed began when it began.
    let since = before.as_ref().map_or(new.since, |before| before.since);
    let text = serde_json::to_string(&Pause { since, ..new.clone() });
    let text = text.map_err(|error| Error::Corrupt(format!("a pause: {error}")))?;
    facts::set(tx, tenant, PAUSED, &text, new.since)?;
    Ok(before)
}

/// Ends the pause of a tenant; gives the one that was there.
pub fn resume(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Option<Pause>, Error> {
    let before = paused(tx, tenant)?;
    facts::remove(tx, tenant, PAUSED)?;
    Ok(before)
}

/// The pause of a tenant.
pub fn paused(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Option<Pause>, Error> {
    let text = facts::get(tx, tenant, PAUSED)?;
    let read = |text: String| {
        serde_json::from_str(&text).map_err(|error| Error::Corrupt(format!("a pause: {error}")))
    };
    text.map(read).transpose()
}
