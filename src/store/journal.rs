//! The journal: a row before every call that changes RingCX.

use jiff::Timestamp;

use super::{Error, Row, Tx};
use crate::domain::{PersonId, TenantId};

/// A call that is, or was, on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Ascends with time.
    pub id: String,
    /// About whom.
    pub person: PersonId,
    /// Which call.
    pub operation: String,
    /// What is needed to look whether it was carried out, as JSON; no secrets.
    pub intent: String,
    /// When.
    pub started: Timestamp,
}

/// Writes a call down before it is made.
pub fn open(tx: &mut Tx<'_>, tenant: &TenantId, entry: &Entry) -> Result<(), Error> {
    tx.exec(
        "INSERT INTO journal (tenant, id, person_id, operation, intent, started_at) VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            tenant.into(),
            (&entry.id).into(),
            (&entry.person).into(),
            (&entry.operation).into(),
            (&entry.intent).into(),
            entry.started.into(),
        ],
    )
    .map(drop)
}

/// Writes down what became of a call.
pub fn close(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &str,
    outcome: &str,
    now: Timestamp,
) -> Result<(), Error> {
    tx.exec(
        "UPDATE journal SET outcome = $3, finished_at = $4 WHERE tenant = $1 AND id = $2",
        &[tenant.into(), id.into(), outcome.into(), now.into()],
    )
    .map(drop)
}

/// Has somebody else look what became of the calls of a person of which nobody knows that.
pub fn hand_over(tx: &mut Tx<'_>, tenant: &TenantId, from: &PersonId, to: &PersonId) -> Result<(), Error> {
    tx.exec(
        "UPDATE journal SET person_id = $3 WHERE tenant = $1 AND person_id = $2 AND outcome IS NULL",
        &[tenant.into(), from.into(), to.into()],
    )
    .map(drop)
}

/// Takes back a row whose call was never sent.
pub fn discard(tx: &mut Tx<'_>, tenant: &TenantId, id: &str) -> Result<(), Error> {
    tx.exec("DELETE FROM journal WHERE tenant = $1 AND id = $2", &[tenant.into(), id.into()]).map(drop)
}

/// The calls of a person of which nobody knows what became of them, in order.
pub fn unfinished(tx: &mut Tx<'_>, tenant: &TenantId, person: &PersonId) -> Result<Vec<Entry>, Error> {
    tx.all(
        "SELECT id, person_id, operation, intent, started_at FROM journal
         WHERE tenant = $1 AND person_id = $2 AND outcome IS NULL ORDER BY id",
        &[tenant.into(), person.into()],
        read,
    )
}

/// The calls of one kind for a person that were looked up in vain, in order.
pub fn looked_up_in_vain(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    operation: &str,
) -> Result<Vec<Entry>, Error> {
    tx.all(
        "SELECT id, person_id, operation, intent, started_at FROM journal
         WHERE tenant = $1 AND person_id = $2 AND operation = $3 AND outcome = 'not_applied' ORDER BY id",
        &[tenant.into(), person.into(), operation.into()],
        read,
    )
}

fn read(row: &Row<'_>) -> Result<Entry, Error> {
    Ok(Entry {
        id: row.text(0)?,
        person: row.text(1)?.into(),
        operation: row.text(2)?,
        intent: row.text(3)?,
        started: row.time(4)?,
    })
}

/// What the calls of an operation that have no end yet have sent.
pub fn open_intents(tx: &mut Tx<'_>, tenant: &TenantId, operation: &str) -> Result<Vec<String>, Error> {
    tx.all(
        "SELECT intent FROM journal WHERE tenant = $1 AND operation = $2 AND outcome IS NULL",
        &[tenant.into(), operation.into()],
        |row| row.text(0),
    )
}

/// How many calls of one kind a tenant has made since `since`, or is making; those that came to nothing do not count.
pub fn count_made_since(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    operation: &str,
    since: Timestamp,
) -> Result<u64, Error> {
    let count = tx.one(
        "SELECT COUNT(*) FROM journal WHERE tenant = $1 AND operation = $2 AND started_at >= $3
             AND (outcome IS NULL OR outcome NOT IN ('refused', 'held', 'not_applied'))",
        &[tenant.into(), operation.into(), since.into()],
        |row| row.int(0),
    )?;
    Ok(u64::try_from(count.unwrap_or_default()).unwrap_or_default())
}

/// Drops calls that ended before `before`.
pub fn prune(tx: &mut Tx<'_>, before: Timestamp) -> Result<(), Error> {
    tx.exec("DELETE FROM journal WHERE outcome IS NOT NULL AND finished_at < $1", &[before.into()]).map(drop)
}
