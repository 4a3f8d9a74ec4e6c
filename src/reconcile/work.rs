//! The work on one person, from claim to report.
//!
//! Start with [`Reconciler::work`]. It never replays a request: it takes the resource as the waiting revisions leave it, computes
//! what ought to be, and brings RingCX there. Several waiting revisions go up together; only when RingCX refuses the sum are
//! they tried one by one, and only the culprit fails.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Reconciler;
use super::case::{Case, Looks};
use super::sight::Sight;
use super::steps::{Before, Errand};
use super::tenant::{Known, Tenant};
use super::trouble::{PAUSE, Trouble};
use super::{alert, breaker, digest, report};
use crate::domain::desired::{self, Desired, Standing};
use crate::domain::grant::{Membership, Pins};
use crate::domain::link::Link;
use crate::domain::plan::{Observed, Scope};
use crate::domain::policy::{DriftPolicy, NestedGroups};
use crate::domain::{Actor, PersonId, TenantId, person};
use crate::scim::{self, Resource};
use crate::store::revisions::{Kind, Revision};
use crate::store::{self, Tx, audit, jobs, journal, losses, members, people};
use crate::upstream::Lane;

/// A person with everything that decides about them, read in one transaction.
pub(super) struct Loaded {
    pub(super) person: people::Person,
    pub(super) link: Link,
    pub(super) waiting: Vec<Revision>,
    pub(super) memberships: Vec<Membership>,
    /// Which groups were first to give what lets its holder gain more.
    pub(super) pins: Pins,
    pub(super) unfinished: Vec<journal::Entry>,
    /// Access that the person has lost lately, or is about to.
    pub(super) loss: Option<losses::Loss>,
    /// The writes that the mass-change guard keeps.
    pub(super) blocked: Vec<Revision>,
}

/// After so many tries in vain the person shows `provisioningState` `error` and why; the tries go on.
const SHOWN: i64 = 2;

/// How one round of work is gone about.
struct Round {
    /// Takes the waiting writes one by one.
    singly: bool,
    /// How old what was seen may be when a change that rests on it is sent.
    fresh: std::time::Duration,
}

/// Where the work on a person ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worked {
    /// Nothing is left to do.
    Done,
    /// The job waits for its next time.
    Later,
    /// Something new came in meanwhile.
    Again,
}

impl Reconciler {
    /// Works on the person of `job` until nothing is left to do or trouble says to wait.
    pub(super) async fn work(
        &self,
        tenant: &Arc<Tenant>,
        job: &mut jobs::Job,
    ) -> Result<Worked, store::Error> {
        let mut singly = false;
        let mut fresh = self.times.fresh;
        loop {
            let Some(mut loaded) = self.load(tenant, &job.person).await? else {
                return self.finish_job(job).await;
            };
            crate::fuse::snap("work", &loaded.person.body);
            self.pin_first(tenant, &mut loaded).await?;
            // Each round anew, and after the person: a group that was made meanwhile, here or elsewhere, is known only then.
            let Some(known) = self.known_with_groups_of(tenant, &loaded).await? else {
                let why = "The agent groups of RingCX are not known yet.";
                return self.postpone(tenant, job, self.times.back_off(job.attempts + 1), why).await;
            };
            match self.one_round(tenant, &known, &loaded, &Round { singly, fresh }, job).await {
                Ok(()) if singly && loaded.waiting.len() > 1 => {}
                Ok(()) => match self.finish_job(job).await? {
                    Worked::Again => {}
                    ended => return Ok(ended),
                },
                Err(Trouble::Refused(_)) if loaded.waiting.len() > 1 && !singly => singly = true,
                Err(Trouble::Refused(why)) => {
                    self.refuse(tenant, &loaded, job, &why).await?;
                    if loaded.waiting.is_empty() {
                        match self.finish_job(job).await? {
                            Worked::Again => {}
                            ended => return Ok(ended),
                        }
                    }
                }
                Err(Trouble::Lost(why)) => {
                    return self.try_again(tenant, job, self.times.back_off(job.attempts), &why).await;
                }
                Err(Trouble::Limited(after)) if after.is_zero() => return self.give_back(job).await,
                Err(Trouble::Limited(after)) => {
                    return self.postpone(tenant, job, after, jobs::LIMITED).await;
                }
                Err(Trouble::Unavailable(after, why)) => {
                    // Trouble that knows how long it lasts is not asked before; the rest grows from try to try.
                    let pause = self.times.back_off(job.attempts);
                    let pause = if after > PAUSE { pause.max(after) } else { pause };
                    return self.try_again(tenant, job, pause, &why).await;
                }
                // Where the calls are so rare that none can follow a look in time, a later one has to do.
                Err(Trouble::Outdated) => fresh = fresh.saturating_mul(2),
                Err(Trouble::Held(why)) => return self.hold_back(job, &why).await,
                Err(Trouble::Parked(why)) => return self.park(tenant, job, &why).await,
                Err(Trouble::Store(error)) => return Err(error),
            }
        }
    }

    /// Sets a job aside until something changes: it is visible, costs nothing, and delays nobody.
    pub(super) async fn park(
        &self,
        tenant: &Tenant,
        job: &jobs::Job,
        why: &str,
    ) -> Result<Worked, store::Error> {
        tracing::error!(tenant = %tenant.id, person.id = %job.person, why, "work on a person waits for an operator");
        let loaded = self.load(tenant, &job.person).await.unwrap_or_default();
        let waiting = loaded.iter().flat_map(|it| it.waiting.iter().map(|revision| &revision.by));
        let causes: Vec<&Actor> = job.causes.iter().chain(waiting).collect();
        let by = causes.last().map(|it| (*it).clone());
        let record = self
            .record(&job.person, by, "parked", &json!({"detail": why}))
            .also(causes.iter().map(|it| it.request_id.clone()));
        let (job, why, now) = (job.clone(), why.to_owned(), self.clock.now());
        self.store
            .write(move |tx| {
                let person = people::lock(tx, &job.tenant, &job.person)?;
                job.lease().check(tx)?;
                audit::append(tx, &job.tenant, &record)?;
                if let (Some(person), Some(loaded)) = (person.filter(|it| it.deleted.is_none()), &loaded) {
                    let error = scim::Error::new(503, why.clone());
                    report::show_error(tx, &job.tenant, &person, &loaded.link, &error, now)?;
                }
                let text = format!(
                    "Work on {} waits for a person to decide; see its lastError, then `ringcx-scim tenant release`.",
                    job.person
                );
                alert::raise(tx, &job.tenant, alert::Kind::ParkedJob, job.person.as_str(), &text, now)?;
                jobs::park(tx, &job, &why, now)
            })
            .await?;
        Ok(Worked::Later)
    }

    /// What is known of the account, read again from RingCX when a group of the person is tied to an agent group that is not known.
    /// Nothing when that cannot be told: then nobody is put anywhere.
    async fn known_with_groups_of(
        &self,
        tenant: &Arc<Tenant>,
        loaded: &Loaded,
    ) -> Result<Option<Arc<Known>>, store::Error> {
        let Some(known) = self.known_now(tenant).await? else { return Ok(None) };
        let groups = &known.directory.agent_groups;
        let mut linked = loaded.memberships.iter().filter_map(|it| it.linked);
        if linked.all(|id| groups.iter().any(|group| group.id == id)) {
            return Ok(Some(known));
        }
        match self.refresh_names(tenant).await {
            // Whoever leaves is put nowhere.
            Ok(None) if leaves(loaded)? => Ok(Some(known)),
            Ok(known) => Ok(known),
            Err(super::Error::Store(error)) => Err(error),
            Err(super::Error::Scim(error)) => Err(store::Error::Corrupt(error.detail)),
        }
    }

    /// Everything about one person, in one short transaction.
    pub(super) async fn load(&self, tenant: &Tenant, id: &PersonId) -> Result<Option<Loaded>, store::Error> {
        let (of, nested, id) = (tenant.id.clone(), tenant.policy.nested_groups, id.clone());
        self.store
            .read(move |tx| {
                let Some(person) = people::get_any(tx, &of, &id)? else { return Ok(None) };
                breaker::loaded(tx, (&of, nested), person).map(Some)
            })
            .await
    }

    async fn one_round(
        &self,
        tenant: &Arc<Tenant>,
        known: &Arc<Known>,
        loaded: &Loaded,
        round: &Round,
        job: &jobs::Job,
    ) -> Result<(), Trouble> {
        let taken: Vec<&Revision> =
            loaded.waiting.iter().take(if round.singly { 1 } else { usize::MAX }).collect();
        let before = parse(&loaded.person.body)?;
        let user = taken.last().map_or(Ok(before.clone()), |revision| parse(&revision.body))?;
        let deleted =
            loaded.person.deleted.is_some() || taken.last().is_some_and(|it| it.kind == Kind::Delete);
        let mut desired = wish(tenant, known, &user, loaded, deleted);
        desired.notes.extend(self.unmade_groups(tenant, loaded).await?);

        let lane = lane_of(&desired, &loaded.link, job.lane);
        // The last write is the one whose state goes up; the others are in it.
        let causes: Vec<&Actor> = job.causes.iter().chain(taken.iter().map(|it| &it.by)).collect();
        let mut case = Case {
            tenant,
            store: &self.store,
            clock: &self.clock,
            ids: &self.ids,
            known: Arc::clone(known),
            person: loaded.person.id.clone(),
            lease: job.lease(),
            by: causes.last().map_or_else(Actor::bridge, |it| (*it).clone()),
            also: causes.iter().map(|it| it.request_id.clone()).collect(),
            link: loaded.link.clone(),
            seen: Observed::default(),
            looks: Looks::default(),
            sight: Sight::default(),
            fresh: round.fresh,
            before: Before::default(),
            unmet: Vec::new(),
            notes: Vec::new(),
            calls: self.calls_for(tenant, job, lane),
        };
        let looked = match case.recover(&loaded.unfinished).await {
            // What was left open says nothing against taking access away.
            Err(trouble) if case.link.agent.is_some() || case.link.admin.is_some() => {
                case.sight.put_aside(trouble)?;
                true
            }
            looked => looked?,
        };
        let digests = digest::of(&desired, &case.link, &tenant.policy);
        let first = taken.first().is_some_and(|it| it.kind == Kind::Create);
        if !first {
            case.before = stood(tenant, known, loaded, &before, (&case.link, &digests));
        }
        let switched_on = switched_on(&before, loaded.person.suspended, &taken)?;
        let scope = scope_of(looked || switched_on, &digests, &case.link);
        let switch_on = switched_on || tenant.policy.drift_policy == DriftPolicy::IdpWins;
        let settled = case.agree(&desired, &Errand { scope, switch_on, adopting: first }).await?;
        let done = report::Done {
            user,
            desired,
            settled,
            link: case.link,
            taken: taken.last().map(|it| it.seq),
            deleted,
        };
        Ok(self.report(tenant, loaded, job, done).await?)
    }

    /// Ends the job unless something new arrived meanwhile.
    pub(super) async fn finish_job(&self, job: &mut jobs::Job) -> Result<Worked, store::Error> {
        let ended = job.clone();
        if self.store.write(move |tx| jobs::complete(tx, &ended)).await? {
            return Ok(Worked::Done);
        }
        let held = job.clone();
        let now = self.store.read(move |tx| jobs::get(tx, &held.tenant, &held.person)).await?;
        match now {
            Some(mut now) if now.fence == job.fence => {
                // Those whose wishes were just carried out have nothing to do with what comes.
                now.causes.drain(..job.causes.len().min(now.causes.len()));
                *job = now;
                Ok(Worked::Again)
            }
            // Somebody else has taken over.
            _ => Ok(Worked::Later),
        }
    }

    /// Gives a job back to wait for the tenant's operator.
    pub(super) async fn hold_back(&self, job: &jobs::Job, why: &str) -> Result<Worked, store::Error> {
        let (job, why) = (job.clone(), why.to_owned());
        self.store.write(move |tx| jobs::hold(tx, &job, &why)).await?;
        Ok(Worked::Later)
    }

    /// Gives a job back as it was, because it made way.
    async fn give_back(&self, job: &jobs::Job) -> Result<Worked, store::Error> {
        let job = job.clone();
        self.store.write(move |tx| jobs::release(tx, &job)).await?;
        Ok(Worked::Later)
    }

    /// Has a job tried again after trouble; when that has happened a few times, the person shows it.
    async fn try_again(
        &self,
        tenant: &Tenant,
        job: &jobs::Job,
        after: std::time::Duration,
        why: &str,
    ) -> Result<Worked, store::Error> {
        if job.attempts >= SHOWN
            && let Some(loaded) = self.load(tenant, &job.person).await?
            && loaded.person.deleted.is_none()
            && !loaded.waiting.iter().any(|it| it.kind == Kind::Delete)
        {
            let (lease, error, now) = (job.lease(), scim::Error::new(503, why), self.clock.now());
            let of = tenant.id.clone();
            self.store
                .write(move |tx| {
                    let Some(person) = people::lock(tx, &of, &loaded.person.id)? else { return Ok(()) };
                    lease.check(tx)?;
                    report::show_error(tx, &of, &person, &loaded.link, &error, now)
                })
                .await?;
        }
        self.postpone(tenant, job, after, why).await
    }

    pub(super) async fn postpone(
        &self,
        tenant: &Tenant,
        job: &jobs::Job,
        after: std::time::Duration,
        why: &str,
    ) -> Result<Worked, store::Error> {
        tracing::info!(tenant = %tenant.id, person.id = %job.person, after_ms = after.as_millis(), "work on a person waits");
        let (job, why, due) = (job.clone(), why.to_owned(), self.clock.now() + after);
        self.store.write(move |tx| jobs::retry_at(tx, &job, due, &why)).await?;
        Ok(Worked::Later)
    }
}

/// Whether one of the waiting writes takes `active` from false to true, which ends a local disable. Who is off because they
/// were found so was switched off by somebody in RingCX, and the client that learns of them does not end that.
fn switched_on(before: &Resource, suspended: bool, taken: &[&Revision]) -> Result<bool, store::Error> {
    let mut was = person::is_active(before) || suspended;
    for revision in taken {
        let is = person::is_active(&parse(&revision.body)?);
        if is && !was {
            return Ok(true);
        }
        was = is;
    }
    Ok(false)
}

/// Whether the last write takes the person's access away.
fn leaves(loaded: &Loaded) -> Result<bool, store::Error> {
    let last = loaded.waiting.last();
    let deleted = loaded.person.deleted.is_some() || last.is_some_and(|it| it.kind == Kind::Delete);
    let body = last.map_or(&loaded.person.body, |it| &it.body);
    Ok(deleted || !person::is_active(&parse(body)?))
}

/// What was wished before a write, of a person whose body was `base`, for the fingerprints that come of it.
fn stood(
    tenant: &Tenant,
    known: &Known,
    loaded: &Loaded,
    base: &Resource,
    (link, digests): (&Link, &digest::Digests),
) -> Before {
    let gone = loaded.person.deleted.is_some();
    let were = digest::of(&wish(tenant, known, base, loaded, gone), link, &tenant.policy);
    // Whoever comes back gets what their groups give; its refusal is not the fault of the write that lets them.
    let mut at_work = base.clone();
    at_work.set("active", Value::Bool(true));
    Before::of(&wish(tenant, known, &at_work, loaded, gone), &were, digests)
}

/// The personas that RingCX is asked about: all, or those whose wish is not what was confirmed last.
fn scope_of(all: bool, digests: &digest::Digests, link: &Link) -> Scope {
    Scope {
        agent: all || digests.agent != link.agent_applied,
        admin: all || digests.admin != link.admin_applied,
    }
}

/// How long somebody may have been there to count as a test of the identity provider's.
const SHORT: std::time::Duration = std::time::Duration::from_mins(10);

/// What the person ought to have.
pub(super) fn wish(
    tenant: &Tenant,
    known: &Known,
    user: &Resource,
    loaded: &Loaded,
    deleted: bool,
) -> Desired {
    let standing = Standing {
        user,
        memberships: &loaded.memberships,
        pins: &loaded.pins,
        has_agent: loaded.link.agent.is_some(),
        home: loaded.link.home_group(),
        deleted,
    };
    let mut desired = desired::desired(&standing, &tenant.terms(known));
    let ended = loaded.waiting.iter().find(|it| it.kind == Kind::Delete).map(|it| it.created);
    let ended = ended.or(loaded.person.deleted);
    desired.purge = tenant.policy.purge_short_lived
        && deleted
        && ended.is_some_and(|ended| ended <= loaded.person.created + SHORT);
    desired
}

/// The groups of a person, with what decides about grants; where groups in groups count, those as well.
pub(super) fn memberships(
    tx: &mut Tx<'_>,
    (tenant, nested): (&TenantId, NestedGroups),
    id: &PersonId,
) -> Result<Vec<Membership>, store::Error> {
    Ok(members::groups_of(tx, tenant, id, nested == NestedGroups::Expand)?
        .into_iter()
        .map(|group| Membership {
            id: group.id,
            display_name: group.display_name,
            external_id: group.external_id,
            linked: group.agent_group_id.map(crate::upstream::model::AgentGroupId),
        })
        .collect())
}

/// A stored body; one that does not parse is damage, not the client's fault.
pub(super) fn parse(body: &str) -> Result<Resource, store::Error> {
    Resource::from_json(body).map_err(|error| store::Error::Corrupt(error.detail))
}

/// The lane of the work: access removal goes before everything else.
fn lane_of(desired: &Desired, link: &Link, enqueued: Lane) -> Lane {
    let works =
        link.agent.as_ref().is_some_and(|it| it.enabled) || link.admin.as_ref().is_some_and(|it| it.enabled);
    if !desired.active && works { Lane::Deactivate } else { enqueued }
}

/// A revision's change, for the journal of what a client asked.
pub(super) fn change_of(revision: &Revision) -> Value {
    serde_json::from_str(&revision.change).unwrap_or(Value::Null)
}
