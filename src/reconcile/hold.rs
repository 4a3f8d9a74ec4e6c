//! Whether a tenant's work waits for its operator.
//!
//! Looked at in four places, each of which alone would be too late or too early: when a job is taken, when a request begins to wait,
//! before each step that gives something, and by the [`Gate`] before each changing call leaves the process.

use std::time::Duration;

use serde_json::json;

use super::tenant::Tenant;
use super::trouble::Trouble;
use super::{Error, Reconciler};
use crate::clock::Clock;
use crate::domain::policy::Mode;
use crate::domain::{Actor, TenantId};
use crate::store::holds::{self, Pause};
use crate::store::{self, Store, Tx, audit, jobs, planned};
use crate::upstream::{self, BoxFuture, Gate, Lane};

/// When a client whose write waits for an operator asks again.
pub(super) const ASK_AGAIN: Duration = Duration::from_mins(1);

/// Why a tenant's work waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// An operator has paused it.
    Paused(Pause),
    /// A dry run is over, and its plan waits for a release.
    Unreleased,
}

impl Hold {
    /// Whether work in this lane goes on.
    pub fn admits(&self, lane: Lane) -> bool {
        match self {
            Self::Paused(pause) => !pause.all && lane <= Lane::Revoke,
            // Nothing has been done for this tenant yet, and nothing begins before its operator has seen the plan.
            Self::Unreleased => false,
        }
    }

    /// One sentence for whoever waits.
    pub fn sentence(&self, tenant: &TenantId) -> String {
        match self {
            Self::Paused(_) => {
                format!(
                    "Tenant {tenant} is paused by its operator; what is written is kept and carried out on resume."
                )
            }
            Self::Unreleased => format!(
                "Tenant {tenant} has left a dry run, and its operator has not released the plan yet (`ringcx-scim tenant release`); \
                 what is written is kept and carried out then."
            ),
        }
    }
}

/// What holds a tenant in this mode, if anything does; of several the one that holds most.
pub(super) fn of(tx: &mut Tx<'_>, tenant: &TenantId, mode: Mode) -> Result<Option<Hold>, store::Error> {
    if mode == Mode::Live && planned::any(tx, tenant)? {
        return Ok(Some(Hold::Unreleased));
    }
    Ok(holds::paused(tx, tenant)?.map(Hold::Paused))
}

/// The last lane in which work goes on; none when everything waits.
pub(super) fn last_lane(hold: Option<&Hold>) -> Option<Lane> {
    let Some(hold) = hold else { return Some(Lane::Reconcile) };
    hold.admits(Lane::Revoke).then_some(Lane::Revoke)
}

impl Reconciler {
    /// What holds a tenant, if anything does.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn hold(&self, tenant: &TenantId) -> Result<Option<Hold>, store::Error> {
        let Some(tenant) = self.tenants.get(tenant) else { return Ok(None) };
        let (id, mode) = (tenant.id.clone(), tenant.policy.mode);
        self.store.read(move |tx| of(tx, &id, mode)).await
    }

    /// Pauses a tenant everywhere; gives the pause that was there before.
    ///
    /// # Errors
    /// When there is no such tenant, or the store cannot answer.
    pub async fn pause(&self, tenant: &TenantId, by: &Actor, all: bool) -> Result<Option<Pause>, Error> {
        let id = self.tenant(tenant)?.id.clone();
        let new = Pause { since: self.clock.now(), by: by.name.clone(), all };
        let record = self.tenant_record(by, "pause", &json!({"all": all}));
        Ok(self
            .store
            .write(move |tx| {
                audit::append(tx, &id, &record)?;
                holds::pause(tx, &id, &new)
            })
            .await?)
    }

    /// Ends a pause: everything that waited goes on; gives the pause that was there.
    ///
    /// # Errors
    /// When there is no such tenant, or the store cannot answer.
    pub async fn resume(&self, tenant: &TenantId, by: &Actor) -> Result<Option<Pause>, Error> {
        let id = self.tenant(tenant)?.id.clone();
        let record = self.tenant_record(by, "resume", &json!({}));
        let ended = self
            .store
            .write(move |tx| {
                let ended = holds::resume(tx, &id)?;
                if ended.is_some() {
                    audit::append(tx, &id, &record)?;
                }
                Ok::<_, store::Error>(ended)
            })
            .await?;
        self.bell.notify_waiters();
        Ok(ended)
    }

    /// A record for the auditor about a tenant as a whole.
    pub(super) fn tenant_record(
        &self,
        by: &Actor,
        action: &str,
        detail: &serde_json::Value,
    ) -> audit::Record {
        audit::Record::new(&self.ids.next(), self.clock.now(), by, action, detail)
    }
}

impl super::case::Case<'_> {
    /// Stops before a step that gives something while the tenant is held: what takes access away has been done by then.
    pub(super) async fn may_give(&self) -> Result<(), Trouble> {
        let (tenant, mode) = (self.tenant.id.clone(), self.tenant.policy.mode);
        match self.store.read(move |tx| of(tx, &tenant, mode)).await? {
            None => Ok(()),
            Some(hold) => Err(Trouble::Held(hold.sentence(&self.tenant.id))),
        }
    }
}

/// The last look before a changing call of a tenant leaves the process.
pub(super) struct TenantGate {
    store: Store,
    tenant: TenantId,
    mode: Mode,
    /// The job whose work this is.
    work: Option<(jobs::Lease, Clock)>,
}

impl TenantGate {
    /// The gate of `tenant`.
    pub(super) fn new(store: &Store, tenant: &Tenant) -> Self {
        Self { store: store.clone(), tenant: tenant.id.clone(), mode: tenant.policy.mode, work: None }
    }

    /// The gate for the work on one job: nothing is sent when somebody else has taken it over, or is about to.
    pub(super) fn while_held(self, lease: jobs::Lease, clock: &Clock) -> Self {
        Self { work: Some((lease, clock.clone())), ..self }
    }

    async fn ask(&self, lane: Lane) -> Result<(), upstream::Error> {
        if self.mode == Mode::DryRun {
            let why = format!(
                "Tenant {} is in a dry run (policy.mode = \"dry_run\"); nothing is changed in RingCX.",
                self.tenant
            );
            return Err(upstream::Error::Held(why));
        }
        let (tenant, mode) = (self.tenant.clone(), self.mode);
        let work = self.work.as_ref().map(|(lease, clock)| (lease.clone(), clock.now()));
        let looked = self.store.read(move |tx| {
            let taken_over = match &work {
                Some((lease, now)) => !lease.holds(tx, *now)?,
                None => false,
            };
            Ok::<_, store::Error>((of(tx, &tenant, mode)?, taken_over))
        });
        let looked = looked.await;
        if matches!(looked, Ok((_, true))) {
            return Err(upstream::Error::Outdated);
        }
        match looked.map(|(hold, _)| hold).map_err(|error| upstream::Error::store(error.to_string()))? {
            Some(hold) if !hold.admits(lane) => Err(upstream::Error::Held(hold.sentence(&self.tenant))),
            _ => Ok(()),
        }
    }
}

impl Gate for TenantGate {
    fn admit(&self, lane: Lane) -> BoxFuture<'_, Result<(), upstream::Error>> {
        Box::pin(self.ask(lane))
    }
}
