//! The work of this process that is under way, so that it can be asked to make way while it waits for a call.
//!
//! Access that is taken away must not wait behind what the same person was to get before, and a task must not wait for longer than
//! anybody waits for it. Work that makes way has not failed: its job goes back unharmed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::Reconciler;
use super::hold::TenantGate;
use super::tenant::Tenant;
use crate::domain::{PersonId, TenantId};
use crate::store::jobs::Job;
use crate::upstream::{Calls, Lane};

/// Whose work is under way, and how to interrupt it.
#[derive(Default)]
pub(super) struct Running(Mutex<BTreeMap<(TenantId, PersonId), Underway>>);

struct Underway {
    lane: Lane,
    fence: i64,
    way: CancellationToken,
}

/// Work that is under way until this is dropped.
pub(super) struct Turn<'a> {
    running: &'a Running,
    key: (TenantId, PersonId),
    fence: i64,
}

impl Running {
    /// Notes that a job is worked on.
    pub(super) fn begin(&self, job: &Job) -> Turn<'_> {
        let key = (job.tenant.clone(), job.person.clone());
        let underway = Underway { lane: job.lane, fence: job.fence, way: CancellationToken::new() };
        self.all().insert(key.clone(), underway);
        Turn { running: self, key, fence: job.fence }
    }

    /// Asks the work on a person to make way, if it was begun in a lower lane than `lane`.
    pub(super) fn make_way(&self, tenant: &TenantId, person: &PersonId, lane: Lane) {
        if let Some(underway) = self.all().get(&(tenant.clone(), person.clone()))
            && underway.lane > lane
        {
            underway.way.cancel();
        }
    }

    /// What tells the work on a job to make way.
    fn way(&self, job: &Job) -> CancellationToken {
        let all = self.all();
        let underway = all.get(&(job.tenant.clone(), job.person.clone()));
        underway.filter(|it| it.fence == job.fence).map(|it| it.way.clone()).unwrap_or_default()
    }

    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<(TenantId, PersonId), Underway>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut all = self.running.all();
        if all.get(&self.key).is_some_and(|it| it.fence == self.fence) {
            all.remove(&self.key);
        }
    }
}

impl Reconciler {
    /// The way to RingCX for the work on a job, open for changes while the job is held. What takes access away makes way for
    /// nobody.
    pub(super) fn calls_for(&self, tenant: &Tenant, job: &Job, lane: Lane) -> Calls {
        let gate = Arc::new(TenantGate::new(&self.store, tenant).while_held(job.lease(), &self.clock));
        let calls = tenant.ringcx.clone().behind(gate).calls(lane, None);
        if lane <= Lane::Revoke { calls } else { calls.giving_way(self.running.way(job)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn work_makes_way_for_what_is_more_urgent_and_for_nothing_else() {
        let job = |lane, fence| Job {
            tenant: "default".parse().unwrap(),
            person: "jo".into(),
            lane,
            due: Timestamp::UNIX_EPOCH,
            attempts: 0,
            generation: 1,
            fence,
            last_error: None,
            parked: None,
            causes: Vec::new(),
        };
        let running = Running::default();
        let (create, later) = (job(Lane::Create, 1), job(Lane::Deactivate, 2));
        let turn = running.begin(&create);
        running.make_way(&create.tenant, &create.person, Lane::Update);
        assert!(!running.way(&create).is_cancelled(), "an update is no reason");
        running.make_way(&create.tenant, &create.person, Lane::Deactivate);
        assert!(running.way(&create).is_cancelled());
        // Somebody else has taken over the person; the end of the old work is not theirs.
        let taken = running.begin(&later);
        drop(turn);
        running.make_way(&later.tenant, &later.person, Lane::Deactivate);
        assert!(!running.way(&later).is_cancelled());
        drop(taken);
        assert!(running.all().is_empty());
    }
}
