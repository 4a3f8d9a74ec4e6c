//! An account that RingCX showed no more and shows again: its person gets it back, and what they ought to be is done with it. A
//! leaver's is switched off.

use crate::domain::TenantId;
use crate::store::inventory::{Item, Kind};
use crate::store::lost::{self, Lost};
use crate::store::{self, Tx, inventory, jobs, links, owners, people};
use crate::upstream::Lane;

/// Looks in the inventory, as it was last read, for agents that were let go of.
pub(super) fn look_in_inventory(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<(), store::Error> {
    for lost in lost::all(tx, tenant)?.into_iter().filter(|lost| lost.kind == Kind::Agent) {
        if let Some(item) = inventory::get(tx, tenant, lost.kind, lost.id)? {
            give_back(tx, tenant, &lost, item.seen)?;
        }
    }
    Ok(())
}

/// Looks among accounts that were just read for those that were let go of.
pub(super) fn look(tx: &mut Tx<'_>, tenant: &TenantId, read: &[Item]) -> Result<(), store::Error> {
    for lost in lost::all(tx, tenant)? {
        if let Some(item) = read.iter().find(|item| item.kind == lost.kind && item.id == lost.id) {
            give_back(tx, tenant, &lost, item.seen)?;
        }
    }
    Ok(())
}

fn give_back(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    lost: &Lost,
    now: jiff::Timestamp,
) -> Result<(), store::Error> {
    people::lock(tx, tenant, &lost.person)?;
    let linked = match lost.kind {
        Kind::Agent => links::by_agent(tx, tenant, lost.id)?,
        Kind::Admin => links::by_admin(tx, tenant, lost.id)?,
    };
    if linked.is_some() || owners::is_foreign(tx, tenant, lost.kind, lost.id)? {
        return lost::remove(tx, tenant, lost.kind, lost.id);
    }
    let mut link = links::get(tx, tenant, &lost.person)?.unwrap_or_default();
    let damaged = |error: serde_json::Error| store::Error::Corrupt(format!("a lost account: {error}"));
    match lost.kind {
        Kind::Agent if link.agent.is_none() => {
            link.agent = Some(serde_json::from_str(&lost.link).map_err(damaged)?);
            link.agent_applied = None;
        }
        Kind::Admin if link.admin.is_none() => {
            link.admin = Some(serde_json::from_str(&lost.link).map_err(damaged)?);
            link.admin_applied = None;
        }
        // They have another one by now, so this one is nobody's: `report unowned` names it.
        Kind::Agent | Kind::Admin => return Ok(()),
    }
    tracing::warn!(tenant = %tenant, person.id = %lost.person, account = lost.id, "RingCX shows an account again");
    links::save(tx, tenant, &lost.person, &link, now)?;
    lost::remove(tx, tenant, lost.kind, lost.id)?;
    jobs::enqueue(tx, tenant, &lost.person, Lane::Deactivate, now, now)
}
