//! What reports are made of: whose the accounts are, who waits, and what the last round counted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Error, Tx, facts};
use crate::domain::link::Link;
use crate::domain::{PersonId, TenantId};

/// A person with accounts in RingCX, tombstones included.
#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    /// The SCIM id.
    pub person: PersonId,
    /// Their `userName`, folded.
    pub user_name: String,
    /// Whether the client wants them to be able to work.
    pub active: bool,
    /// When the client deleted them.
    pub deleted: Option<Timestamp>,
    /// Their accounts.
    pub link: Link,
}

/// Everybody who has, or had, an account.
pub fn owners(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Owner>, Error> {
    tx.all(
        "SELECT p.id, p.user_name_key, p.active, p.deleted_at, l.link FROM links l
         JOIN people p ON p.tenant = l.tenant AND p.id = l.person_id WHERE l.tenant = $1 ORDER BY p.id",
        &[tenant.into()],
        |row| {
            let link = serde_json::from_str(&row.text(4)?);
            Ok(Owner {
                person: row.text(0)?.into(),
                user_name: row.text(1)?,
                active: row.flag(2)?,
                deleted: row.opt_time(3)?,
                link: link.map_err(|error| Error::Corrupt(format!("a link: {error}")))?,
            })
        },
    )
}

/// A person who waits for an agent group, or is only on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The SCIM id.
    pub person: PersonId,
    /// Their `userName`, folded.
    pub user_name: String,
    /// Since when: they have had no account since they were created.
    pub since: Timestamp,
}

/// Those who are held, the oldest first.
pub fn held(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Held>, Error> {
    tx.all(
        "SELECT id, user_name_key, created_at FROM people
         WHERE tenant = $1 AND state = 'held' AND active AND deleted_at IS NULL ORDER BY created_at, id",
        &[tenant.into()],
        |row| Ok(Held { person: row.text(0)?.into(), user_name: row.text(1)?, since: row.time(2)? }),
    )
}

/// What the last round counted, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Accounts that may work and have no active owner.
    pub unowned: i64,
    /// People who are held.
    pub held: i64,
    /// Since when the first of them is, in seconds since 1970; 0 without one.
    pub held_since: i64,
    /// Direct lines of people who are switched off.
    pub direct_lines: i64,
}

/// The fact under which they are kept.
const COUNTS: &str = "report_counts";

/// Writes what was counted.
pub fn keep(tx: &mut Tx<'_>, tenant: &TenantId, counts: Counts, now: Timestamp) -> Result<(), Error> {
    let text = serde_json::to_string(&counts).map_err(|error| Error::Corrupt(error.to_string()))?;
    facts::set(tx, tenant, COUNTS, &text, now)
}

/// What was counted last.
pub fn counts(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Option<Counts>, Error> {
    Ok(facts::get(tx, tenant, COUNTS)?.and_then(|text| serde_json::from_str(&text).ok()))
}
