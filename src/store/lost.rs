//! Accounts that RingCX showed no more. What is not shown may only be hidden, so whose they were is remembered for a while.

use std::time::Duration;

use jiff::Timestamp;

use super::inventory::Kind;
use super::{Error, Tx};
use crate::domain::{PersonId, TenantId};

/// How long an account may come back.
const KEPT: Duration = Duration::from_hours(24 * 90);

/// An account that was let go of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Agent or administrator.
    pub kind: Kind,
    /// Its id in RingCX.
    pub id: i64,
    /// Whose it was.
    pub person: PersonId,
    /// What was remembered of it, as JSON.
    pub link: String,
}

/// Remembers an account that was let go of.
pub fn put(tx: &mut Tx<'_>, tenant: &TenantId, lost: &Lost, now: Timestamp) -> Result<(), Error> {
    tx.exec(
        "DELETE FROM lost_accounts WHERE tenant = $1 AND lost_at < $2",
        &[tenant.into(), (now - KEPT).into()],
    )?;
    tx.exec(
        "INSERT INTO lost_accounts (tenant, kind, upstream_id, person_id, link, lost_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant, kind, upstream_id) DO UPDATE
         SET person_id = excluded.person_id, link = excluded.link, lost_at = excluded.lost_at",
        &[
            tenant.into(),
            lost.kind.as_str().into(),
            lost.id.into(),
            (&lost.person).into(),
            (&lost.link).into(),
            now.into(),
        ],
    )
    .map(drop)
}

/// All that are remembered, in order.
pub fn all(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Lost>, Error> {
    let sql = "SELECT kind, upstream_id, person_id, link FROM lost_accounts WHERE tenant = $1 ORDER BY kind, upstream_id";
    tx.all(sql, &[tenant.into()], |row| {
        let kind = if row.text(0)? == Kind::Agent.as_str() { Kind::Agent } else { Kind::Admin };
        Ok(Lost { kind, id: row.int(1)?, person: row.text(2)?.into(), link: row.text(3)? })
    })
}

/// Forgets one.
pub fn remove(tx: &mut Tx<'_>, tenant: &TenantId, kind: Kind, id: i64) -> Result<(), Error> {
    tx.exec(
        "DELETE FROM lost_accounts WHERE tenant = $1 AND kind = $2 AND upstream_id = $3",
        &[tenant.into(), kind.as_str().into(), id.into()],
    )
    .map(drop)
}
