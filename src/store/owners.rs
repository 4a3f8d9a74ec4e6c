//! Which tenant an account in RingCX belongs to. Two tenants may work in one account of RingCX; the key of this table keeps them apart,
//! whatever races.
//!
//! Rows follow [`super::links`], in the same transaction.

use super::inventory::Kind;
use super::{Error, Tx};
use crate::domain::{PersonId, TenantId};

/// The kind under which the administration of a main account as a whole is owned.
const ADMINISTRATION: &str = "administration";

/// Says where in RingCX a tenant's accounts of one kind are, and enters those that were linked before that was known.
pub fn settle(tx: &mut Tx<'_>, tenant: &TenantId, kind: Kind, realm: &str) -> Result<(), Error> {
    if realm_of(tx, tenant, kind)?.as_deref() == Some(realm) {
        return Ok(());
    }
    tx.exec(
        "INSERT INTO realms (tenant, kind, realm) VALUES ($1, $2, $3)
         ON CONFLICT (tenant, kind) DO UPDATE SET realm = excluded.realm",
        &[tenant.into(), kind.as_str().into(), realm.into()],
    )?;
    tx.exec("DELETE FROM owners WHERE tenant = $1 AND kind = $2", &[tenant.into(), kind.as_str().into()])?;
    let entered = match kind {
        Kind::Agent => {
            "INSERT INTO owners (realm, kind, upstream_id, tenant, person_id)
             SELECT $2, $3, agent_id, tenant, person_id FROM links WHERE tenant = $1 AND agent_id IS NOT NULL
             ON CONFLICT DO NOTHING"
        }
        Kind::Admin => {
            "INSERT INTO owners (realm, kind, upstream_id, tenant, person_id)
             SELECT $2, $3, admin_id, tenant, person_id FROM links WHERE tenant = $1 AND admin_id IS NOT NULL
             ON CONFLICT DO NOTHING"
        }
    };
    tx.exec(entered, &[tenant.into(), realm.into(), kind.as_str().into()]).map(drop)
}

fn realm_of(tx: &mut Tx<'_>, tenant: &TenantId, kind: Kind) -> Result<Option<String>, Error> {
    let sql = "SELECT realm FROM realms WHERE tenant = $1 AND kind = $2";
    tx.one(sql, &[tenant.into(), kind.as_str().into()], |row| row.text(0))
}

/// Has a person own this account and no other of its kind.
///
/// # Errors
/// [`Error::Conflict`] when it belongs to another tenant.
pub(super) fn hold(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    kind: Kind,
    id: Option<i64>,
) -> Result<(), Error> {
    tx.exec(
        "DELETE FROM owners WHERE tenant = $1 AND kind = $2 AND person_id = $3",
        &[tenant.into(), kind.as_str().into(), person.into()],
    )?;
    let (Some(id), Some(realm)) = (id, realm_of(tx, tenant, kind)?) else { return Ok(()) };
    tx.exec(
        "INSERT INTO owners (realm, kind, upstream_id, tenant, person_id) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (realm, kind, upstream_id) DO UPDATE SET person_id = excluded.person_id
         WHERE owners.tenant = excluded.tenant",
        &[(&realm).into(), kind.as_str().into(), id.into(), tenant.into(), person.into()],
    )?;
    if owner(tx, &realm, kind.as_str(), id)?.is_some_and(|owner| owner != tenant.as_str()) {
        return Err(Error::Conflict { what: format!("the RingCX {}", kind.as_str()), holder: None });
    }
    Ok(())
}

/// Whether an account belongs to another tenant.
pub fn is_foreign(tx: &mut Tx<'_>, tenant: &TenantId, kind: Kind, id: i64) -> Result<bool, Error> {
    let Some(realm) = realm_of(tx, tenant, kind)? else { return Ok(false) };
    Ok(owner(tx, &realm, kind.as_str(), id)?.is_some_and(|owner| owner != tenant.as_str()))
}

/// The accounts of the tenant's realm that belong to other tenants.
pub fn elsewhere(tx: &mut Tx<'_>, tenant: &TenantId, kind: Kind) -> Result<Vec<i64>, Error> {
    tx.all(
        "SELECT o.upstream_id FROM realms r JOIN owners o ON o.realm = r.realm AND o.kind = r.kind
         WHERE r.tenant = $1 AND r.kind = $2 AND o.tenant <> $1",
        &[tenant.into(), kind.as_str().into()],
        |row| row.int(0),
    )
}

/// Whether an account of this login name, folded, that was seen by another tenant in the same realm belongs to another tenant.
pub fn is_foreign_name(tx: &mut Tx<'_>, tenant: &TenantId, kind: Kind, key: &str) -> Result<bool, Error> {
    let Some(realm) = realm_of(tx, tenant, kind)? else { return Ok(false) };
    let found = tx.one(
        "SELECT 1 FROM realms r
         JOIN inventory i ON i.tenant = r.tenant AND i.kind = r.kind AND i.name_key = $3
         JOIN owners o ON o.realm = r.realm AND o.kind = r.kind AND o.upstream_id = i.upstream_id
         WHERE r.realm = $1 AND r.kind = $2 AND o.tenant <> $4 LIMIT 1",
        &[(&realm).into(), kind.as_str().into(), key.into(), tenant.into()],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// Takes over the administration of the tenant's main account unless another tenant has it; whether this one has it now.
pub fn administer(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<bool, Error> {
    let Some(realm) = realm_of(tx, tenant, Kind::Admin)? else { return Ok(true) };
    tx.exec(
        "INSERT INTO owners (realm, kind, upstream_id, tenant, person_id) VALUES ($1, $2, 0, $3, '')
         ON CONFLICT DO NOTHING",
        &[(&realm).into(), ADMINISTRATION.into(), tenant.into()],
    )?;
    Ok(owner(tx, &realm, ADMINISTRATION, 0)?.is_none_or(|owner| owner == tenant.as_str()))
}

/// Whether another tenant has the administration of the tenant's main account.
pub fn is_administered_elsewhere(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<bool, Error> {
    let Some(realm) = realm_of(tx, tenant, Kind::Admin)? else { return Ok(false) };
    Ok(owner(tx, &realm, ADMINISTRATION, 0)?.is_some_and(|owner| owner != tenant.as_str()))
}

/// Gives the administration up.
pub fn abdicate(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<(), Error> {
    let sql = "DELETE FROM owners WHERE tenant = $1 AND kind = $2";
    tx.exec(sql, &[tenant.into(), ADMINISTRATION.into()]).map(drop)
}

fn owner(tx: &mut Tx<'_>, realm: &str, kind: &str, id: i64) -> Result<Option<String>, Error> {
    let sql = "SELECT tenant FROM owners WHERE realm = $1 AND kind = $2 AND upstream_id = $3";
    tx.one(sql, &[realm.into(), kind.into(), id.into()], |row| row.text(0))
}
