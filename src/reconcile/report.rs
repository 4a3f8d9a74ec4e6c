//! What is written down when the work on a person has ended well, or has been refused.

use serde_json::json;

use super::dry_run::{self, PLANNED};
use super::steps::Settled;
use super::tenant::Tenant;
use super::work::{Loaded, change_of, parse};
use super::{Reconciler, alert, breaker};
use crate::domain::answer::{Provisioning, stored_user};
use crate::domain::desired::Desired;
use crate::domain::link::Link;
use crate::domain::person::{self, user_keys};
use crate::domain::policy::Mode;
use crate::domain::{Actor, PersonId, TenantId};
use crate::scim::{self, Resource, Rules, check, patch, schema};
use crate::store::revisions::{self, Kind, Outcome as Settlement, Revision};
use crate::store::{self, Tx, audit, groups, jobs, links, losses, members, names, people, planned};

/// A person brought in line.
pub(super) struct Done {
    /// The resource that RingCX now agrees with.
    pub(super) user: Resource,
    pub(super) desired: Desired,
    /// What came of it; none where RingCX was not asked.
    pub(super) settled: Option<Settled>,
    pub(super) link: Link,
    /// The last revision that is part of it.
    pub(super) taken: Option<i64>,
    pub(super) deleted: bool,
}

impl Reconciler {
    /// Confirms the revisions that RingCX has agreed to, and shows the person accordingly.
    pub(super) async fn report(
        &self,
        tenant: &Tenant,
        loaded: &Loaded,
        job: &jobs::Job,
        mut done: Done,
    ) -> Result<(), store::Error> {
        let suspended = done.settled.as_ref().map_or(loaded.person.suspended, |it| it.suspended);
        let dry = tenant.policy.mode == Mode::DryRun;
        let Settled { kept, unmet, notes: said, planned, .. } = done.settled.take().unwrap_or_default();
        let (stands, notes) = shown(&done, suspended, !planned.is_empty(), (kept.as_ref(), &unmet), said);
        let (state, note) = or_blocked(loaded.loss.as_ref(), stands, notes.clone());
        let as_before =
            loaded.person.state == state && loaded.person.last_error == note && loaded.link == done.link;
        if as_before && done.taken.is_none() && !done.deleted && !dry {
            return Ok(());
        }
        let (tenant, id, now) = (tenant.id.clone(), loaded.person.id.clone(), self.clock.now());
        // Where a guard keeps a part of a deleted person, they are there, and switched off.
        let mut user = done.user;
        if done.deleted {
            user.set("active", serde_json::Value::Bool(false));
        }
        let refusal = kept.as_ref().map(refusal);
        let action = if kept.is_some() { "kept" } else { "settled" };
        let mut records = self.settled_records(loaded, done.taken, action, state);
        records.extend(self.yielded(loaded, job, suspended));
        let (before, lease) = (loaded.link.clone(), job.lease());
        self.store
            .write(move |tx| {
                let Some(person) = people::lock(tx, &tenant, &id)? else { return Ok(()) };
                lease.check(tx)?;
                links::save(tx, &tenant, &id, &done.link, now)?;
                records.iter().try_for_each(|record| audit::append(tx, &tenant, record))?;
                alert_of_barred(tx, &tenant, &done.desired, now)?;
                if let Some(seq) = done.taken {
                    let outcome = if refusal.is_some() { Settlement::Refused } else { Settlement::Settled };
                    revisions::finish_through(tx, &tenant, &id, seq, outcome, refusal.as_deref(), now)?;
                }
                if dry {
                    planned::replace(tx, &tenant, &id, &planned, now)?;
                }
                if person.deleted.is_some() {
                    return Ok(());
                }
                if done.deleted && refusal.is_none() {
                    return bury(tx, &tenant, &id, now);
                }
                // Somebody may have come under the guard, or out of it, while RingCX was asked.
                let loss = losses::get(tx, &tenant, &id)?;
                let (state, note) = or_blocked(loss.as_ref(), stands, notes.clone());
                // Without a revision the work was about groups or drift: what was stored meanwhile stays.
                let written = done.taken.is_some() || done.deleted;
                let user = if written { user.clone() } else { parse(&person.body)? };
                let answer = stored_user(&id, &user, &done.link, state, note.as_deref());
                let shown = people::Shown {
                    body: &user.to_json(),
                    answer: &answer,
                    keys: &user_keys(&user),
                    state,
                    last_error: note.as_deref(),
                    suspended,
                };
                people::confirm(tx, &tenant, &id, &shown, now)?;
                follow_agent(tx, &tenant, &id, (&before, &done.link), now)?;
                release_names(tx, &tenant, &id, &user)
            })
            .await
    }

    /// A record of a disable by hand to which the bridge yields now.
    fn yielded(&self, loaded: &Loaded, job: &jobs::Job, suspended: bool) -> Option<audit::Record> {
        let turned = json!({"agent or administrator may work": {"before": true, "after": false}});
        let why =
            "somebody has switched the person off in RingCX; it stays so until the client switches them on";
        let detail = json!({"changed": turned, "decision": why});
        let by = job.causes.last().cloned();
        (suspended && !loaded.person.suspended)
            .then(|| self.record(&loaded.person.id, by, "noticed", &detail))
    }

    /// A record for each write that is settled through revision `taken`.
    fn settled_records(
        &self,
        loaded: &Loaded,
        taken: Option<i64>,
        action: &str,
        state: Provisioning,
    ) -> Vec<audit::Record> {
        let carried_out = loaded.waiting.iter().filter(|it| taken.is_some_and(|last| it.seq <= last));
        let requests = || carried_out.clone().map(|it| it.by.request_id.clone());
        carried_out
            .clone()
            .map(|revision| {
                let detail = json!({"revision": revision.seq, "state": state.as_str()});
                self.record(&loaded.person.id, Some(revision.by.clone()), action, &detail).also(requests())
            })
            .collect()
    }

    /// Writes down a refusal: only the first waiting revision fails, later ones are computed again without it.
    ///
    /// Without a revision the wish came from a group: the membership stays, and the person shows the error.
    pub(super) async fn refuse(
        &self,
        tenant: &Tenant,
        loaded: &Loaded,
        job: &jobs::Job,
        why: &scim::Error,
    ) -> Result<(), store::Error> {
        tracing::warn!(tenant = %tenant.id, person.id = %loaded.person.id, status = why.status, "RingCX or a guard refused");
        let now = self.clock.now();
        let waited = loaded.waiting.first().is_some_and(|revision| self.somebody_waits(tenant, revision));
        let (tenant_id, rules, id) = (tenant.id.clone(), tenant.rules.uncounted(), loaded.person.id.clone());
        let dry = tenant.policy.mode == Mode::DryRun;
        let (culprit, why) = (loaded.waiting.first().cloned(), why.clone());
        let by = culprit.as_ref().map(|it| &it.by).or(job.causes.last()).cloned();
        let record = self.record(&id, by, "refused", &json!({"status": why.status, "detail": why.detail}));
        // Who asked through a group is told by the person's state; a culprit among the writes stands alone.
        let others = if culprit.is_none() { job.causes.as_slice() } else { &[] };
        let record = record.also(others.iter().map(|it| it.request_id.clone()));
        let lease = job.lease();
        self.store
            .write(move |tx| {
                // As it is now: the work has made accounts, and new writes have come, since it was loaded.
                let person = people::lock(tx, &tenant_id, &id)?;
                lease.check(tx)?;
                audit::append(tx, &tenant_id, &record)?;
                if dry {
                    let step = dry_run::refused(&why.detail);
                    planned::replace(tx, &tenant_id, &id, std::slice::from_ref(&step), now)?;
                }
                let Some(person) = person else { return Ok(()) };
                let link = links::get(tx, &tenant_id, &id)?.unwrap_or_default();
                let Some(culprit) = &culprit else {
                    return show_error(tx, &tenant_id, &person, &link, &why, now);
                };
                let (detail, seq) = (refusal(&why), culprit.seq);
                revisions::finish_through(tx, &tenant_id, &id, seq, Settlement::Refused, Some(&detail), now)?;
                let rest = revisions::waiting(tx, &tenant_id, &id)?;
                let tried_again = rest.iter().any(|it| it.kind == Kind::Create);
                if culprit.kind == Kind::Create && waited && !tried_again {
                    return withdraw(tx, &tenant_id, &id, &link, &rest, now);
                }
                if !waited {
                    show_error(tx, &tenant_id, &person, &link, &why, now)?;
                }
                rebase(tx, &tenant_id, &person, &rest, &rules, now)
            })
            .await
    }

    /// Whether the request that brought this revision is still waiting for its answer.
    fn somebody_waits(&self, tenant: &Tenant, revision: &Revision) -> bool {
        let asynchronous = revision.kind == Kind::Create && tenant.policy.async_create;
        !asynchronous && self.clock.now() < revision.created + self.times.settle
    }

    /// A record for the auditor about one person.
    pub(super) fn record(
        &self,
        person: &PersonId,
        by: Option<Actor>,
        action: &str,
        detail: &serde_json::Value,
    ) -> audit::Record {
        let by = by.unwrap_or_else(Actor::bridge);
        audit::Record::new(&self.ids.next(), self.clock.now(), &by, action, detail).about(person)
    }
}

/// How the person is shown: their state, and what is worth saying about it.
fn shown(
    done: &Done,
    suspended: bool,
    planned: bool,
    (kept, unmet): (Option<&scim::Error>, &[scim::Error]),
    said: Vec<String>,
) -> (Provisioning, Option<String>) {
    let state = match (kept, planned) {
        (Some(_), _) => Provisioning::Error,
        (None, true) => Provisioning::Pending,
        (None, false) if !unmet.is_empty() => Provisioning::Error,
        (None, false) => state_of(&done.desired, &done.link, suspended),
    };
    let first = planned.then(|| PLANNED.to_owned()).into_iter();
    let first = first.chain(kept.map(|why| why.detail.clone()));
    let first = first.chain(unmet.iter().map(|why| why.detail.clone())).chain(words(&done.desired));
    let all: Vec<String> = first.chain(said).collect();
    (state, (!all.is_empty()).then(|| all.join(" ")))
}

/// What is to be said of a wish itself.
pub(super) fn words(desired: &Desired) -> Option<String> {
    let all: Vec<&str> = desired.faults.iter().chain(&desired.notes).map(String::as_str).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// Tells the operator which group would give something privileged that another one was first to give.
fn alert_of_barred(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    desired: &Desired,
    now: jiff::Timestamp,
) -> Result<(), store::Error> {
    for barred in &desired.barred {
        let text = format!(
            "Group {} would give {}, and another group was the first to give that; `ringcx-scim tenant release --group {}` \
             hands it over.",
            barred.group, barred.role, barred.group
        );
        alert::raise(tx, tenant, alert::Kind::PrivilegedPin, barred.group.as_str(), &text, now)?;
    }
    Ok(())
}

/// A refusal as the row of a revision keeps it, for whoever waits.
fn refusal(why: &scim::Error) -> String {
    json!({"status": why.status, "scimType": why.scim_type, "detail": why.detail}).to_string()
}

/// How the person stands now that RingCX agrees.
pub(super) fn state_of(desired: &Desired, link: &Link, suspended: bool) -> Provisioning {
    let has_what_it_wants = (desired.agent.is_some() && link.agent.is_some())
        || (desired.admin.is_some() && link.admin.is_some());
    match (desired.active, suspended, has_what_it_wants) {
        (false, ..) => Provisioning::Disabled,
        (true, true, _) => Provisioning::Suspended,
        // There is an agent or an administrator, and not as somebody has asked.
        (true, false, true) if !desired.faults.is_empty() => Provisioning::Error,
        (true, false, true) => Provisioning::Active,
        (true, false, false) => Provisioning::Held,
    }
}

/// The same with what is to be said of the wish where somebody has to correct it.
pub(super) fn standing(desired: &Desired, link: &Link, suspended: bool) -> (Provisioning, Option<String>) {
    let state = state_of(desired, link, suspended);
    (state, words(desired).filter(|_| state == Provisioning::Error))
}

/// The same under the mass-change guard, with what is said about it.
pub(super) fn or_blocked(
    loss: Option<&losses::Loss>,
    state: Provisioning,
    notes: Option<String>,
) -> (Provisioning, Option<String>) {
    match loss.and_then(|it| it.block.as_ref()) {
        Some(block) => (Provisioning::Blocked, Some(breaker::sentence(block))),
        None => (state, notes),
    }
}

/// An imported group shows whose agents are in its agent group: somebody who has come to another one is shown there.
fn follow_agent(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &PersonId,
    (before, after): (&Link, &Link),
    now: jiff::Timestamp,
) -> Result<(), store::Error> {
    let group_of = |link: &Link| link.agent.as_ref().map(|agent| agent.id.group);
    match group_of(after) {
        Some(group) if group_of(before) != Some(group) => members::show_home(tx, tenant, id, group.0, now),
        _ => Ok(()),
    }
}

/// Ends a person: a tombstone stays, the names are free again, the groups lose a member.
pub(super) fn bury(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &PersonId,
    now: jiff::Timestamp,
) -> Result<(), store::Error> {
    people::tombstone(tx, tenant, id, now)?;
    planned::replace(tx, tenant, id, &[], now)?;
    names::release_all(tx, tenant, id.as_str())?;
    for group in members::leave_all(tx, tenant, id.as_str())? {
        groups::touch(tx, tenant, &group, now)?;
    }
    Ok(())
}

/// A refused create leaves a tombstone; an account it adopted is unlinked unchanged, one it made is cleaned up by the work that
/// goes on.
fn withdraw(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &PersonId,
    link: &Link,
    rest: &[Revision],
    now: jiff::Timestamp,
) -> Result<(), store::Error> {
    for revision in rest {
        revisions::finish_through(tx, tenant, id, revision.seq, Settlement::Refused, None, now)?;
    }
    let mut link = link.clone();
    link.agent = link.agent.filter(|agent| agent.ours);
    link.admin = link.admin.filter(|admin| admin.ours);
    links::save(tx, tenant, id, &link, now)?;
    bury(tx, tenant, id, now)
}

pub(super) fn show_error(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &people::Person,
    link: &Link,
    why: &scim::Error,
    now: jiff::Timestamp,
) -> Result<(), store::Error> {
    show_as(tx, tenant, person, link, (Provisioning::Error, &why.detail), now)
}

/// Shows that a guard keeps a change; the person is as before.
pub(super) fn show_blocked(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &people::Person,
    link: &Link,
    why: &str,
    now: jiff::Timestamp,
) -> Result<(), store::Error> {
    show_as(tx, tenant, person, link, (Provisioning::Blocked, why), now)
}

fn show_as(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &people::Person,
    link: &Link,
    (state, why): (Provisioning, &str),
    now: jiff::Timestamp,
) -> Result<(), store::Error> {
    let Ok(user) = parse(&person.body) else { return Ok(()) };
    let answer = stored_user(&person.id, &user, link, state, Some(why));
    people::show(tx, tenant, &person.id, &answer, state, Some(why), now)
}

/// Computes the waiting revisions again, now that the one before them has failed.
fn rebase(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &people::Person,
    rest: &[Revision],
    rules: &Rules,
    now: jiff::Timestamp,
) -> Result<(), store::Error> {
    let mut base = parse(&person.body)?;
    for revision in rest {
        match again(&base, revision, rules) {
            Ok(body) => {
                revisions::set_body(tx, tenant, &person.id, revision.seq, &body.to_json())?;
                base = body;
            }
            Err(why) => {
                let detail = refusal(&why);
                revisions::finish_one(
                    tx,
                    tenant,
                    &person.id,
                    revision.seq,
                    Settlement::Refused,
                    Some(&detail),
                    now,
                )?;
            }
        }
    }
    release_names(tx, tenant, &person.id, &base)
}

/// What the change of `revision` makes of `base`.
pub(super) fn again(base: &Resource, revision: &Revision, rules: &Rules) -> Result<Resource, scim::Error> {
    let change = change_of(revision);
    match revision.kind {
        Kind::Put => check::replace(&schema::USER, base, change, rules),
        Kind::Patch => {
            let op = patch::PatchOp::parse(change, rules)?;
            Ok(patch::apply(&schema::USER, base, &op, rules)?.resource)
        }
        // A repeated POST says all of it anew.
        Kind::Create => Resource::from_json(&revision.body),
        Kind::Delete => Ok(base.clone()),
    }
}

/// Frees the names that neither the person nor a waiting revision of theirs uses any more.
pub(super) fn release_names(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &PersonId,
    user: &Resource,
) -> Result<(), store::Error> {
    let mut used = vec![user_keys(user)];
    for revision in revisions::waiting(tx, tenant, id)? {
        used.push(user_keys(&parse(&revision.body)?));
    }
    let user_names: Vec<&str> = used.iter().map(|keys| keys.user_name_key.as_str()).collect();
    let external_ids: Vec<&str> = used.iter().filter_map(|keys| keys.external_id.as_deref()).collect();
    names::keep_only(tx, tenant, names::Kind::UserName, id.as_str(), &user_names)?;
    names::keep_only(tx, tenant, names::Kind::ExternalId, id.as_str(), &external_ids)
}

/// Whether the resource that a GET shows is active.
pub(super) fn shows_active(user: &Resource) -> bool {
    person::is_active(user)
}
