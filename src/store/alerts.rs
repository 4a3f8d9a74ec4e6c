//! Alerts: what an operator is to be told, one row per tenant, kind and subject.
//!
//! A row stays after it was sent, so that the same thing is not told again before its quiet time is over.

use std::time::Duration;

use jiff::Timestamp;

use super::{Error, Row, Tx};
use crate::domain::TenantId;

/// The most alerts that wait for the webhook; what comes beyond that is told nobody, and counted all the same.
const MOST: i64 = 1000;

/// The name before the kind in the counter of alerts.
const COUNTER: &str = "alerts:";

/// An alert as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Whose.
    pub tenant: TenantId,
    /// What kind of thing happened.
    pub kind: String,
    /// The id of what it is about.
    pub subject: String,
    /// One sentence for the operator.
    pub text: String,
    /// When it happened.
    pub raised: Timestamp,
    /// How often it was sent in vain.
    pub attempts: i64,
}

fn read(row: &Row<'_>) -> Result<Alert, Error> {
    let tenant = row.text(0)?;
    Ok(Alert {
        tenant: tenant.parse().map_err(|_| Error::Corrupt("the tenant of an alert".to_owned()))?,
        kind: row.text(1)?,
        subject: row.text(2)?,
        text: row.text(3)?,
        raised: row.time(4)?,
        attempts: row.int(5)?,
    })
}

/// Stores an alert to be sent at `due`, unless the same was raised less than `quiet` ago; says whether it was.
pub fn raise(tx: &mut Tx<'_>, alert: &Alert, due: Timestamp, quiet: Duration) -> Result<bool, Error> {
    let waiting = tx.one("SELECT COUNT(*) FROM alerts WHERE due_at IS NOT NULL", &[], |row| row.int(0))?;
    let due = (waiting.unwrap_or_default() < MOST).then_some(due);
    let raised = tx.exec(
        "INSERT INTO alerts (tenant, kind, subject, text, raised_at, due_at, attempts) VALUES ($1, $2, $3, $4, $5, $6, 0)
         ON CONFLICT (tenant, kind, subject) DO UPDATE
         SET text = excluded.text, raised_at = excluded.raised_at, due_at = excluded.due_at, attempts = 0
         WHERE alerts.raised_at <= $7",
        &[
            (&alert.tenant).into(),
            (&alert.kind).into(),
            (&alert.subject).into(),
            (&alert.text).into(),
            alert.raised.into(),
            due.into(),
            (alert.raised - quiet).into(),
        ],
    )?;
    if raised == 1 {
        super::search::count(tx, &alert.tenant, &format!("{COUNTER}{}", alert.kind), 1)?;
    }
    Ok(raised == 1)
}

/// The alerts that are to be sent now, oldest first.
pub fn due(tx: &mut Tx<'_>, now: Timestamp, most: i64) -> Result<Vec<Alert>, Error> {
    tx.all(
        "SELECT tenant, kind, subject, text, raised_at, attempts FROM alerts
         WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY raised_at, tenant, kind, subject LIMIT $2",
        &[now.into(), most.into()],
        read,
    )
}

/// Writes down that an alert was sent, unless it was raised anew meanwhile.
pub fn sent(tx: &mut Tx<'_>, alert: &Alert) -> Result<(), Error> {
    later(tx, alert, None)
}

/// Has an alert sent again at `due`.
pub fn retry_at(tx: &mut Tx<'_>, alert: &Alert, due: Timestamp) -> Result<(), Error> {
    later(tx, alert, Some(due))
}

fn later(tx: &mut Tx<'_>, alert: &Alert, due: Option<Timestamp>) -> Result<(), Error> {
    tx.exec(
        "UPDATE alerts SET due_at = $5, attempts = attempts + 1
         WHERE tenant = $1 AND kind = $2 AND subject = $3 AND raised_at = $4",
        &[
            (&alert.tenant).into(),
            (&alert.kind).into(),
            (&alert.subject).into(),
            alert.raised.into(),
            due.into(),
        ],
    )
    .map(drop)
}

/// Forgets an alert that was not sent yet.
pub fn call_off(tx: &mut Tx<'_>, tenant: &TenantId, kind: &str, subject: &str) -> Result<(), Error> {
    tx.exec(
        "DELETE FROM alerts WHERE tenant = $1 AND kind = $2 AND subject = $3 AND due_at IS NOT NULL AND attempts = 0",
        &[tenant.into(), kind.into(), subject.into()],
    )
    .map(drop)
}

/// Drops alerts that were raised before `before`.
pub fn prune(tx: &mut Tx<'_>, before: Timestamp) -> Result<(), Error> {
    tx.exec("DELETE FROM alerts WHERE raised_at < $1", &[before.into()]).map(drop)
}

/// How many alerts a tenant has had since ever, by kind.
pub fn counts(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<(String, i64)>, Error> {
    let all = tx.all(
        "SELECT name, value FROM counters WHERE tenant = $1 ORDER BY name",
        &[tenant.into()],
        |row| Ok((row.text(0)?, row.int(1)?)),
    )?;
    let kind = |name: String| name.strip_prefix(COUNTER).map(str::to_owned);
    Ok(all.into_iter().filter_map(|(name, count)| Some((kind(name)?, count))).collect())
}
