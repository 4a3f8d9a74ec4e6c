//! The rounds of reconciliation: by the clock, on one replica at a time, with a bounded share of the budget.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{ContactError, Reconciler, Tenant};
use crate::domain::TenantId;
use crate::store::{self, facts, leases};

/// The fact that says when the last round ended, in milliseconds.
pub(super) const ROUND_AT: &str = "drift_round_at";

/// How often it is looked whether a round is due.
const LOOK: Duration = Duration::from_mins(1);

impl Reconciler {
    /// Rounds of one tenant until `shutdown`.
    pub(super) async fn rounds(&self, tenant: &Arc<Tenant>, shutdown: &CancellationToken) {
        let every = tenant.policy.reconcile_every.as_duration();
        // A tenth of the interval, by the tenant's name and this process: replicas and tenants do not begin together.
        let spread = self.owner.bytes().chain(tenant.id.as_str().bytes()).map(u32::from).sum::<u32>() % 100;
        let jitter = every / 1000 * spread;
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let look = async {
                if let Err(error) = self.link_late(&tenant.id).await {
                    tracing::warn!(error = error.kind(), tenant = %tenant.id, "RingCentral extensions were not looked for");
                }
                if every.is_zero() {
                    return;
                }
                if let Err(error) = self.feed(tenant).await {
                    tracing::warn!(error = error.kind(), tenant = %tenant.id, "the audit log of RingCX was not read");
                }
                if let Err(error) = self.round(tenant, every + jitter).await {
                    tracing::warn!(error = error.kind(), tenant = %tenant.id, "a round of reconciliation was not finished; it is tried again");
                }
            };
            // A look changes nothing in RingCX, so it may end anywhere; another replica may go on at once.
            tokio::select! {
                () = shutdown.cancelled() => return self.hand_over(&tenant.id).await,
                () = look => {}
            }
        }
    }

    /// Does what one replica does at a time under a lease, which is kept for as long as it takes; nothing while another one has it.
    pub(super) async fn alone<T>(
        &self,
        name: String,
        work: impl Future<Output = Result<T, ContactError>>,
    ) -> Result<Option<T>, ContactError> {
        if !self.lease(&name).await? {
            return Ok(None);
        }
        let done = tokio::select! {
            done = work => done.map(Some),
            () = self.lose_round(&name) => Ok(None),
        };
        let owner = Arc::clone(&self.owner);
        self.store.write(move |tx| leases::release(tx, &name, &owner)).await?;
        done
    }

    /// Gives back the leases under which this process looks.
    async fn hand_over(&self, tenant: &TenantId) {
        let (names, owner) = ([drift_lease(tenant), feed_lease(tenant)], Arc::clone(&self.owner));
        let given =
            self.store.write(move |tx| names.iter().try_for_each(|it| leases::release(tx, it, &owner)));
        let given: Result<(), store::Error> = given.await;
        if let Err(error) = given {
            tracing::warn!(%error, "a lease was not handed over; it runs out by itself");
        }
    }

    async fn lease(&self, name: &str) -> Result<bool, store::Error> {
        let (name, owner, now) = (name.to_owned(), Arc::clone(&self.owner), self.clock.now());
        let length = self.times.round_lease;
        self.store.write(move |tx| Ok(leases::acquire(tx, &name, &owner, now, length)?.is_some())).await
    }

    /// Keeps a lease alive; ends when it is lost.
    async fn lose_round(&self, name: &str) {
        loop {
            tokio::time::sleep(self.times.round_lease / 3).await;
            match self.lease(name).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, "a lease was not prolonged"),
            }
        }
    }

    /// One round of a tenant, when it is due and no other replica is at it; one that was cut short goes on where it was.
    ///
    /// # Errors
    /// What RingCX or the store said; the next round goes on from there.
    pub async fn round_of(&self, tenant: &TenantId) -> Result<(), ContactError> {
        let Some(tenant) = self.tenants.get(tenant).cloned() else { return Ok(()) };
        self.round(&tenant, tenant.policy.reconcile_every.as_duration()).await
    }

    async fn round(&self, tenant: &Arc<Tenant>, every: Duration) -> Result<(), ContactError> {
        if tenant.known().is_none() {
            return Ok(());
        }
        let (of, now) = (tenant.id.clone(), self.clock.now());
        let (first, due) = self
            .store
            .write(move |tx| {
                let last = facts::get(tx, &of, ROUND_AT)?.and_then(|text| text.parse::<i64>().ok());
                let due = last.is_none_or(|last| {
                    now.as_millisecond().saturating_sub(last)
                        >= i64::try_from(every.as_millis()).unwrap_or(i64::MAX)
                });
                if last.is_none() {
                    // First contact has just read everything.
                    facts::set(tx, &of, ROUND_AT, &now.as_millisecond().to_string(), now)?;
                    return Ok::<_, store::Error>((true, false));
                }
                Ok((false, due))
            })
            .await?;
        if first {
            return self.count_reports(&tenant.id, jiff::Timestamp::UNIX_EPOCH).await;
        }
        if !due {
            return Ok(());
        }
        self.alone(drift_lease(&tenant.id), self.go_round(tenant, every)).await.map(drop)
    }
}

fn drift_lease(tenant: &TenantId) -> String {
    format!("drift:{tenant}")
}

pub(super) fn feed_lease(tenant: &TenantId) -> String {
    format!("feed:{tenant}")
}

pub(super) fn contact(error: super::Error) -> ContactError {
    match error {
        super::Error::Store(error) => ContactError::Store(error),
        super::Error::Scim(error) => ContactError::Store(crate::store::Error::Corrupt(error.detail)),
    }
}
