//! Waiting for RingCX on behalf of a request.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::hold::{self, Hold, last_lane};
use super::{Error, Reconciler, Tenant, breaker};
use crate::domain::{PersonId, TenantId};
use crate::scim;
use crate::store::revisions::{self, Kind, Outcome as Settlement};
use crate::store::{self, jobs};
use crate::upstream::Lane;

/// What became of a write to a person.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is durable, and RingCX has confirmed what it had to confirm.
    Settled(PersonId),
    /// The person is deleted, and RingCX has confirmed that.
    Gone,
    /// RingCX or a guard said no; nothing of the write remains.
    Rejected(scim::Error),
    /// The budget of calls is used up: the intent is kept, and the same request will join it.
    Busy {
        /// When to ask again.
        after: Duration,
        /// One sentence for the admin.
        detail: String,
    },
    /// RingCX or our way to it is in trouble: the intent is kept, and the same request will join it.
    Unavailable {
        /// When to ask again.
        after: Duration,
        /// One sentence for the admin.
        detail: String,
    },
}

/// The shortest pause that a client is asked for, in seconds.
const SOON: Duration = Duration::from_secs(5);

/// The longest pause that a queue asks for.
const LATEST: Duration = Duration::from_hours(1);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refusal {
    status: u16,
    scim_type: Option<scim::ScimType>,
    detail: String,
}

/// How far a write has come.
struct Progress {
    revision: Option<revisions::Revision>,
    job: Option<jobs::Job>,
    hold: Option<Hold>,
}

impl Reconciler {
    /// Works on a person, or waits for whoever does, until revision `seq` has an outcome or `deadline` has passed.
    ///
    /// The work goes on after the deadline: it is never cut off between a call and its record.
    pub(super) async fn settle(
        &self,
        tenant: &Arc<Tenant>,
        person: &PersonId,
        seq: i64,
        deadline: Instant,
    ) -> Result<Outcome, Error> {
        loop {
            let ring = self.bell.notified();
            // A process that hands its work over takes none.
            let job = if self.abandon.is_cancelled() { None } else { self.claim(tenant, person).await? };
            if let Some(job) = job {
                let (this, of) = (self.clone(), Arc::clone(tenant));
                let work = self.tasks.spawn(async move { this.run_job(&of, job).await });
                // Late or failed work is seen below, in the rows.
                if tokio::time::timeout_at(deadline, work).await.is_err() {
                    // Nobody waits for it any more: where it is not in the middle of a call, it goes back to the others.
                    self.running.make_way(&tenant.id, person, Lane::Revoke);
                }
            }
            let Progress { revision, job, hold } = self.progress(tenant, person, seq).await?;
            if let Some(revision) = revision {
                match revision.outcome {
                    Some(Settlement::Settled) if revision.kind == Kind::Delete => return Ok(Outcome::Gone),
                    Some(Settlement::Settled) => return Ok(Outcome::Settled(person.clone())),
                    Some(Settlement::Blocked) => {
                        return Ok(Outcome::Unavailable {
                            after: breaker::ASK_AGAIN,
                            detail: "The change waits for an operator.".to_owned(),
                        });
                    }
                    Some(Settlement::Refused) => {
                        return Ok(Outcome::Rejected(refusal(revision.detail.as_deref())));
                    }
                    None => {}
                }
            }
            if let (Some(hold), Some(job)) = (&hold, &job)
                && !hold.admits(job.lane)
            {
                return Ok(Outcome::Unavailable {
                    after: hold::ASK_AGAIN,
                    detail: hold.sentence(&tenant.id),
                });
            }
            // Parked work waits for a person, and so would the client.
            let parked = job.as_ref().is_some_and(|job| job.parked.is_some());
            if parked || Instant::now() >= deadline || self.abandon.is_cancelled() {
                return self.overdue(tenant, job).await;
            }
            if let Some(job) = &job {
                self.running.make_way(&tenant.id, person, job.lane);
            }
            let next = deadline.min(Instant::now() + self.times.poll);
            drop(tokio::time::timeout_at(next, ring).await);
        }
    }

    /// The lease of one person's job, if it is due and nobody holds it.
    pub(super) async fn claim(
        &self,
        tenant: &Tenant,
        person: &PersonId,
    ) -> Result<Option<jobs::Job>, store::Error> {
        let (tenant, person, mode) = (tenant.id.clone(), person.clone(), tenant.policy.mode);
        let (owner, now, lease) = (Arc::clone(&self.owner), self.clock.now(), self.times.lease);
        self.store
            .write(move |tx| {
                let Some(last) = last_lane(hold::of(tx, &tenant, mode)?.as_ref()) else { return Ok(None) };
                jobs::claim_person(tx, &(tenant.clone(), last), &person, &owner, now, lease)
            })
            .await
    }

    async fn progress(&self, tenant: &Tenant, person: &PersonId, seq: i64) -> Result<Progress, store::Error> {
        let (tenant, person, mode) = (tenant.id.clone(), person.clone(), tenant.policy.mode);
        self.store
            .read(move |tx| {
                Ok(Progress {
                    revision: revisions::get(tx, &tenant, &person, seq)?,
                    job: jobs::get(tx, &tenant, &person)?,
                    hold: hold::of(tx, &tenant, mode)?,
                })
            })
            .await
    }

    /// When to ask again: not before the job's next time, and not before those who go first can have had their calls.
    async fn overdue(&self, tenant: &Tenant, job: Option<jobs::Job>) -> Result<Outcome, Error> {
        let ahead = match &job {
            Some(job) => {
                // Everybody with the same credentials stands in the same line.
                let others = self.tenants.values().filter(|it| it.ringcx.shares_budget_with(&tenant.ringcx));
                let of: Vec<TenantId> = others.map(|it| it.id.clone()).collect();
                let (lane, due) = (job.lane, job.due);
                self.store.read(move |tx| jobs::ahead(tx, &of, lane, due)).await?
            }
            None => 0,
        };
        let queue = Duration::from_mins(ahead) / tenant.ringcx.per_minute().max(1);
        Ok(self.told(job, queue.min(LATEST), tenant.ringcx.penalty_left()))
    }

    /// `stopped` is what is left of a penalty, in which nobody gets a call.
    fn told(&self, job: Option<jobs::Job>, queue: Duration, stopped: Duration) -> Outcome {
        let until_due = job.as_ref().map_or(SOON, |job| {
            Duration::try_from(job.due.duration_since(self.clock.now())).unwrap_or_default()
        });
        // A limit is waited for as long as RingCX says; anything else is asked for again before long.
        let limited = job.as_ref().is_some_and(|job| job.last_error.as_deref() == Some(jobs::LIMITED));
        let after = if limited { until_due } else { until_due.min(self.times.longest_pause) };
        let after = after.max(stopped + queue).max(SOON);
        // Clients count in whole seconds, and one too early would wait for nothing.
        let after = Duration::from_secs(after.as_secs() + u64::from(after.subsec_nanos() > 0));
        match job.and_then(|job| job.last_error) {
            why if limited || (why.is_none() && !stopped.is_zero()) => Outcome::Busy {
                detail: format!(
                    "RingCX is rate limiting; the change is kept, retry after {} seconds.",
                    after.as_secs()
                ),
                after,
            },
            Some(why) => Outcome::Unavailable {
                detail: format!("{why} The change is kept and will be tried again."),
                after,
            },
            None => Outcome::Unavailable {
                detail: "RingCX has not confirmed the change in time; it is kept and goes on.".to_owned(),
                after,
            },
        }
    }
}

fn refusal(detail: Option<&str>) -> scim::Error {
    let parsed = detail.and_then(|detail| serde_json::from_str::<Refusal>(detail).ok());
    parsed.map_or_else(
        || scim::Error::new(409, "The change was withdrawn because the one before it was refused."),
        |Refusal { status, scim_type, detail }| scim::Error { status, scim_type, detail },
    )
}
