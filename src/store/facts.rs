//! Small things learned about a tenant's RingCX.

use jiff::Timestamp;

use super::{Error, Tx};
use crate::domain::TenantId;

/// What is known under `name`.
pub fn get(tx: &mut Tx<'_>, tenant: &TenantId, name: &str) -> Result<Option<String>, Error> {
    tx.one("SELECT value FROM facts WHERE tenant = $1 AND name = $2", &[tenant.into(), name.into()], |row| {
        row.text(0)
    })
}

/// Writes what is known under `name` unless something is known already, and says what is known then.
pub fn set_once(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    name: &str,
    value: &str,
    now: Timestamp,
) -> Result<String, Error> {
    tx.exec(
        "INSERT INTO facts (tenant, name, value, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        &[tenant.into(), name.into(), value.into(), now.into()],
    )?;
    Ok(get(tx, tenant, name)?.unwrap_or_default())
}

/// Writes what is known under `name`.
pub fn set(tx: &mut Tx<'_>, tenant: &TenantId, name: &str, value: &str, now: Timestamp) -> Result<(), Error> {
    tx.exec(
        "INSERT INTO facts (tenant, name, value, at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant, name) DO UPDATE SET value = excluded.value, at = excluded.at",
        &[tenant.into(), name.into(), value.into(), now.into()],
    )
    .map(drop)
}

/// Forgets what is known under `name`.
pub fn remove(tx: &mut Tx<'_>, tenant: &TenantId, name: &str) -> Result<(), Error> {
    tx.exec("DELETE FROM facts WHERE tenant = $1 AND name = $2", &[tenant.into(), name.into()]).map(drop)
}
