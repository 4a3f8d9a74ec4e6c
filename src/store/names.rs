//! Who holds a unique name, confirmed or pending: `userName`, `externalId`, the `displayName` of a group.

use super::{Error, Tx, Val};
use crate::domain::TenantId;

/// The kinds of name that are unique within a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `userName`, folded.
    UserName,
    /// `externalId` of a person, exact.
    ExternalId,
    /// `displayName` of a group, folded.
    GroupName,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::UserName => "userName",
            Self::ExternalId => "externalId",
            Self::GroupName => "groupName",
        }
    }
}

/// Claims a name for `owner`; says who holds it when that is somebody else.
pub fn claim(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    kind: Kind,
    key: &str,
    owner: &str,
) -> Result<Option<String>, Error> {
    let values = [Val::from(tenant), kind.as_str().into(), key.into(), owner.into()];
    let claimed = tx.exec(
        "INSERT INTO names (tenant, kind, key, owner) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        &values,
    )?;
    if claimed == 1 {
        return Ok(None);
    }
    let holder = tx.one(
        "SELECT owner FROM names WHERE tenant = $1 AND kind = $2 AND key = $3",
        &values[..3],
        |row| row.text(0),
    )?;
    Ok(holder.filter(|holder| holder != owner))
}

/// Who holds a name.
pub fn holder(tx: &mut Tx<'_>, tenant: &TenantId, kind: Kind, key: &str) -> Result<Option<String>, Error> {
    tx.one(
        "SELECT owner FROM names WHERE tenant = $1 AND kind = $2 AND key = $3",
        &[tenant.into(), kind.as_str().into(), key.into()],
        |row| row.text(0),
    )
}

/// Frees every name of this kind that `owner` holds, except those in `keep`.
pub fn keep_only(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    kind: Kind,
    owner: &str,
    keep: &[&str],
) -> Result<(), Error> {
    let held = tx.all(
        "SELECT key FROM names WHERE tenant = $1 AND owner = $2 AND kind = $3",
        &[tenant.into(), owner.into(), kind.as_str().into()],
        |row| row.text(0),
    )?;
    for key in held.iter().filter(|key| !keep.contains(&key.as_str())) {
        tx.exec(
            "DELETE FROM names WHERE tenant = $1 AND kind = $2 AND key = $3",
            &[tenant.into(), kind.as_str().into(), key.into()],
        )?;
    }
    Ok(())
}

/// Frees every name that `owner` holds.
pub fn release_all(tx: &mut Tx<'_>, tenant: &TenantId, owner: &str) -> Result<(), Error> {
    tx.exec("DELETE FROM names WHERE tenant = $1 AND owner = $2", &[tenant.into(), owner.into()]).map(drop)
}
