//! The worker: first contact, jobs by priority, the sealing of audit records, and the tidying of finished rows.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::hold::{self, last_lane};
use super::work::Worked;
use super::{Reconciler, Tenant};
use crate::domain::TenantId;
use crate::store::{self, audit, jobs, journal, leases, losses, revisions};
use crate::upstream::Lane;

/// Jobs at a time of the tenants that share a budget. RingCX answers about two calls a second, so they mostly wait, and those that
/// want the same rights document meet.
const AT_ONCE: usize = 32;

/// As many more that only take access away: they never wait for those to end.
const URGENT: usize = 8;

/// After so many failures of our own in a row a job is set aside.
const POISON: i64 = 8;

/// How long finished revisions and journal rows are kept: long enough for every client that may still ask.
const KEEP: Duration = Duration::from_hours(7 * 24);

/// The lease under which one replica seals audit records.
const SEALER: &str = "audit-sealer";

impl Reconciler {
    /// Works until `shutdown`, then lets running work end.
    pub async fn run(self, shutdown: CancellationToken) {
        for tenant in self.tenants.values() {
            let (this, tenant, until) = (self.clone(), Arc::clone(tenant), shutdown.clone());
            self.tasks.spawn(async move { this.meet(&tenant, &until).await });
        }
        for tenant in self.tenants.values() {
            let (this, tenant, until) = (self.clone(), Arc::clone(tenant), shutdown.clone());
            self.tasks.spawn(async move { this.rounds(&tenant, &until).await });
        }
        let (this, until) = (self.clone(), shutdown.clone());
        self.tasks.spawn(async move { this.keep_house(&until).await });
        let (this, until) = (self.clone(), shutdown.clone());
        self.tasks.spawn(async move { this.alarms(&until).await });
        let (this, until) = (self.clone(), shutdown.clone());
        self.tasks.spawn(async move { this.pulses(&until).await });
        let loops = self.together().into_iter().flat_map(|tenants| {
            [(tenants.clone(), Lane::Reconcile, AT_ONCE), (tenants, Lane::Revoke, URGENT)]
        });
        let loops = loops.map(|(tenants, last, at_once)| {
            let (this, until) = (self.clone(), shutdown.clone());
            async move { this.work_off(&tenants, last, at_once, &until).await }
        });
        futures_util::future::join_all(loops).await;
        self.tasks.close();
        if tokio::time::timeout(self.times.drain, self.tasks.wait()).await.is_err() {
            // The journal says where each stood, and whoever takes over looks first.
            self.abandon.cancel();
            self.tasks.wait().await;
        }
    }

    /// The tenants, by the budget that they share: one whose RingCX lets nobody send holds up nobody else's.
    fn together(&self) -> Vec<Vec<TenantId>> {
        let mut together: Vec<(&Arc<Tenant>, Vec<TenantId>)> = Vec::new();
        for tenant in self.tenants.values() {
            match together.iter_mut().find(|(first, _)| first.ringcx.shares_budget_with(&tenant.ringcx)) {
                Some((_, ids)) => ids.push(tenant.id.clone()),
                None => together.push((tenant, vec![tenant.id.clone()])),
            }
        }
        together.into_iter().map(|(_, ids)| ids).collect()
    }

    /// Works off the jobs of some tenants up to a lane.
    async fn work_off(&self, tenants: &[TenantId], last: Lane, at_once: usize, shutdown: &CancellationToken) {
        let places = Arc::new(Semaphore::new(at_once));
        while !shutdown.is_cancelled() {
            let ring = self.bell.notified();
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.claim_next(tenants, last).await {
                Ok(Some((tenant, job))) => {
                    let this = self.clone();
                    self.tasks.spawn(async move {
                        this.run_job(&tenant, job).await;
                        drop(place);
                    });
                    continue;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the store gave no job"),
            }
            drop(place);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = ring => {}
                () = tokio::time::sleep(self.times.poll) => {}
            }
        }
    }

    /// Does everything that is due, one job after another; for tests, which step instead of waiting.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn run_jobs(&self) -> Result<usize, store::Error> {
        let mut done = 0;
        let all: Vec<TenantId> = self.tenants.keys().cloned().collect();
        while let Some((tenant, job)) = self.claim_next(&all, Lane::Reconcile).await? {
            self.run_job(&tenant, job).await;
            done += 1;
        }
        Ok(done)
    }

    /// The next due job of these tenants, up to a lane.
    async fn claim_next(
        &self,
        tenants: &[TenantId],
        last: Lane,
    ) -> Result<Option<(Arc<Tenant>, jobs::Job)>, store::Error> {
        let tenants = tenants.iter().filter_map(|id| self.tenants.get(id));
        let ours: Vec<Arc<Tenant>> = tenants.filter(|it| it.known().is_some()).cloned().collect();
        let (owner, now, lease) = (Arc::clone(&self.owner), self.clock.now(), self.times.lease);
        let due = self
            .store
            .read(move |tx| {
                let mut reach: Vec<jobs::Reach> = Vec::with_capacity(ours.len());
                for tenant in &ours {
                    let held = last_lane(hold::of(tx, &tenant.id, tenant.policy.mode)?.as_ref());
                    reach.extend(held.map(|held| (tenant.id.clone(), held.min(last))));
                }
                Ok::<_, store::Error>(jobs::any_due(tx, &reach, now)?.then_some(reach))
            })
            .await?;
        let Some(reach) = due else { return Ok(None) };
        let job = self.store.write(move |tx| jobs::claim_next(tx, &reach, &owner, now, lease)).await?;
        Ok(job.and_then(|job| Some((Arc::clone(self.tenants.get(&job.tenant)?), job))))
    }

    /// Does one job under its lease and rings for whoever waits.
    ///
    /// When the lease is lost to somebody else, the work stops where it stands: the journal says where that was.
    pub(super) async fn run_job(&self, tenant: &Arc<Tenant>, mut job: jobs::Job) {
        let (held, group) = (job.clone(), job.group());
        let turn = self.running.begin(&held);
        let work = AssertUnwindSafe(async {
            match group {
                Some(group) => self.work_on_group(tenant, &mut job, &group).await,
                None => self.work(tenant, &mut job).await,
            }
        });
        tokio::select! {
            worked = work.catch_unwind() => match worked {
                Ok(Ok(Worked::Done | Worked::Later | Worked::Again)) => {}
                Ok(Err(store::Error::LeaseLost)) => {
                    tracing::warn!(tenant = %tenant.id, person.id = %held.person, "a job was taken over");
                }
                Ok(Err(error)) => self.stumble(tenant, &held, &format!("The store failed: {error}.")).await,
                Err(_) => self.stumble(tenant, &held, "The bridge failed inside; its log says where.").await,
            },
            () = self.abandon.cancelled() => {
                let given = held.clone();
                if let Err(error) = self.store.write(move |tx| jobs::release(tx, &given)).await {
                    tracing::warn!(%error, "a lease was not handed over; it runs out by itself");
                }
            }
            () = self.lose(&held) => {
                tracing::warn!(tenant = %tenant.id, person.id = %held.person, "the lease of a job was lost");
            }
        }
        drop(turn);
        self.bell.notify_waiters();
    }

    /// A job that failed by our own fault is tried again with growing pauses, and set aside when that does not help.
    async fn stumble(&self, tenant: &Tenant, job: &jobs::Job, why: &str) {
        tracing::error!(tenant = %tenant.id, person.id = %job.person, why, "a job failed");
        let noted = if job.attempts >= POISON {
            self.park(tenant, job, why).await
        } else {
            self.postpone(tenant, job, self.times.back_off(job.attempts), why).await
        };
        if let Err(error) = noted {
            // The lease runs out by itself, and whoever takes over looks at the journal first.
            tracing::error!(%error, "a failed job was not written down");
        }
    }

    /// Keeps a lease alive; ends when it is lost. What has become more urgent at another replica is seen here.
    async fn lose(&self, job: &jobs::Job) {
        loop {
            tokio::time::sleep(self.times.lease / 3).await;
            let (held, now, lease) = (job.clone(), self.clock.now(), self.times.lease);
            match self.store.write(move |tx| jobs::renew(tx, &held, now, lease)).await {
                Ok(Some(lane)) => self.running.make_way(&job.tenant, &job.person, lane),
                Ok(None) => return,
                Err(error) => tracing::warn!(%error, "a lease was not prolonged"),
            }
        }
    }

    /// Seals audit records within a second, on one replica at a time, and drops what nobody asks for any more.
    async fn keep_house(&self, shutdown: &CancellationToken) {
        let mut round = 0_u64;
        while !shutdown.is_cancelled() {
            if let Err(error) = self.seal().await {
                tracing::warn!(%error, "audit records were not sealed");
            }
            if round.is_multiple_of(600) {
                let before = self.clock.now() - KEEP;
                let pruned = self
                    .store
                    .write(move |tx| {
                        revisions::prune(tx, before)?;
                        losses::prune(tx, before)?;
                        journal::prune(tx, before)
                    })
                    .await;
                if let Err(error) = pruned {
                    tracing::warn!(%error, "finished rows were not dropped");
                }
            }
            round += 1;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }

    async fn seal(&self) -> Result<(), store::Error> {
        let (owner, now) = (Arc::clone(&self.owner), self.clock.now());
        if !self.store.read(audit::has_unsealed).await? {
            return Ok(());
        }
        self.store
            .write(move |tx| {
                if leases::acquire(tx, SEALER, &owner, now, Duration::from_secs(10))?.is_some() {
                    audit::seal_batch(tx)?;
                }
                Ok(())
            })
            .await
    }
}
