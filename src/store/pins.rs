//! Which group was the first to give what lets its holder gain more. A pin outlives its group: only an operator moves it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Error, Tx};
use crate::domain::{GroupId, TenantId};

/// Every pin of a tenant, by the key of the grant.
pub fn all(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<BTreeMap<String, GroupId>, Error> {
    let rows = tx.all(
        "SELECT grant_key, group_id FROM privilege_pins WHERE tenant = $1 ORDER BY grant_key",
        &[tenant.into()],
        |row| Ok((row.text(0)?, GroupId::from(row.text(1)?))),
    )?;
    Ok(rows.into_iter().collect())
}

/// Pins a grant to a group, unless another one was first; whether it is this group's now and was nobody's before.
pub fn pin(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    key: &str,
    group: &GroupId,
    now: Timestamp,
) -> Result<bool, Error> {
    let made = tx.exec(
        "INSERT INTO privilege_pins (tenant, grant_key, group_id, pinned_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        &[tenant.into(), key.into(), group.into(), now.into()],
    )?;
    Ok(made == 1)
}

/// Hands a grant over to another group.
pub fn hand_over(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    key: &str,
    group: &GroupId,
    now: Timestamp,
) -> Result<(), Error> {
    tx.exec(
        "INSERT INTO privilege_pins (tenant, grant_key, group_id, pinned_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant, grant_key) DO UPDATE SET group_id = excluded.group_id, pinned_at = excluded.pinned_at",
        &[tenant.into(), key.into(), group.into(), now.into()],
    )
    .map(drop)
}
