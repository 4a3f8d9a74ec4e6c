//! The fence between tenants that work in one RingCX account: what belongs to one is nothing to the others.

use super::case::Case;
use super::contact::ContactError;
use super::tenant::{Known, Tenant};
use super::trouble::Trouble;
use super::{Error, Reconciler};
use crate::domain::TenantId;
use crate::domain::desired::Desired;
use crate::scim;
use crate::store::inventory::{Item, Kind};
use crate::store::{self, Tx, owners};

const NOT_ITS_ADMINISTRATORS: &str = "Another tenant of this bridge owns the administrators of this RingCX main account; give roles and rights documents \
     there, or set manage_admins = false in that tenant, restart, and try again.";

impl Reconciler {
    /// Writes down where in RingCX the tenant works.
    pub(super) async fn settle_in(&self, tenant: &Tenant, known: &Known) -> Result<(), ContactError> {
        let (id, manages) = (tenant.id.clone(), tenant.policy.manage_admins);
        let base = tenant.ringcx.base().to_owned();
        let agents = format!("{base} account {}", tenant.account_id);
        // A main account that RingCX does not name is told from others by its only known sub-account.
        let main = known.main_account.as_deref().filter(|main| !main.is_empty());
        let admins = main.map_or_else(|| agents.clone(), |main| format!("{base} main {main}"));
        let administers = self
            .store
            .write(move |tx| {
                owners::settle(tx, &id, Kind::Agent, &agents)?;
                owners::settle(tx, &id, Kind::Admin, &admins)?;
                if manages {
                    return owners::administer(tx, &id);
                }
                owners::abdicate(tx, &id)?;
                Ok::<_, store::Error>(true)
            })
            .await?;
        if !administers {
            tracing::warn!(tenant = %tenant.id, "{NOT_ITS_ADMINISTRATORS}");
        }
        Ok(())
    }

    /// Why the tenant, which is to manage administrators, may not: another one owns them. For `check`.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn administered_elsewhere(
        &self,
        tenant: &TenantId,
    ) -> Result<Option<&'static str>, store::Error> {
        let manages = self.tenants.get(tenant).is_some_and(|it| it.policy.manage_admins);
        let id = tenant.clone();
        let elsewhere = self.store.read(move |tx| owners::is_administered_elsewhere(tx, &id)).await?;
        Ok((manages && elsewhere).then_some(NOT_ITS_ADMINISTRATORS))
    }
}

impl Case<'_> {
    /// Refuses to touch what is another tenant's, and to make an administrator where another tenant owns them; what the tenant has
    /// given it may still take away.
    pub(super) async fn stay_inside(&self, desired: &Desired) -> Result<(), Trouble> {
        let agent = self.link.agent.as_ref().map(|it| (Kind::Agent, it.id.agent.0));
        let admin = self.link.admin.as_ref().map(|it| (Kind::Admin, it.id.0));
        // Linked by two tenants before there was a fence: the first one has it.
        for (kind, id) in agent.into_iter().chain(admin) {
            if self.is_foreign(kind, id).await? {
                return Err(Trouble::Refused(foreign()));
            }
        }
        if !desired.active || desired.admin.is_none() {
            return Ok(());
        }
        let tenant = self.tenant.id.clone();
        if self.store.read(move |tx| owners::is_administered_elsewhere(tx, &tenant)).await? {
            return Err(Trouble::Refused(scim::Error::new(409, NOT_ITS_ADMINISTRATORS)));
        }
        Ok(())
    }

    /// Whether an account that RingCX shows belongs to another tenant.
    pub(super) async fn is_foreign(&self, kind: Kind, id: i64) -> Result<bool, Trouble> {
        let tenant = self.tenant.id.clone();
        Ok(self.store.read(move |tx| owners::is_foreign(tx, &tenant, kind, id)).await?)
    }
}

/// Refuses an account that fits and belongs to another tenant; says nothing else about it.
pub(super) fn refuse_foreign(tx: &mut Tx<'_>, tenant: &TenantId, items: &[Item]) -> Result<(), Error> {
    for item in items {
        if owners::is_foreign(tx, tenant, item.kind, item.id)? {
            return Err(Error::Scim(foreign()));
        }
    }
    Ok(())
}

/// Refuses a login name under which another tenant has an agent.
pub(super) fn refuse_foreign_name(tx: &mut Tx<'_>, tenant: &TenantId, names: &[&str]) -> Result<(), Error> {
    for name in names {
        if owners::is_foreign_name(tx, tenant, Kind::Agent, name)? {
            return Err(Error::Scim(foreign()));
        }
    }
    Ok(())
}

/// The answer to a wish for another tenant's account.
pub(super) fn foreign() -> scim::Error {
    scim::Error::uniqueness(
        "The RingCX account that fits this person belongs to another tenant of this bridge; remove the person there first, or \
         choose another userName.",
    )
}

/// What a link that could not be stored means for the client.
pub(super) fn or_foreign(error: store::Error) -> Error {
    match error {
        store::Error::Conflict { .. } => Error::Scim(foreign()),
        other => Error::Store(other),
    }
}
