//! The mass-change guard: counts who loses access, and blocks what is too much until a person decides.
//!
//! Everything here belongs into the transaction of the write, so that two replicas never let one more through between them. A
//! blocked write is kept beside the waiting ones, where the work on the person does not see it; a blocked departure from a group
//! leaves the membership gone, and the person is worked on as if they were still in ([`memberships`]). So whatever else is written
//! to a blocked person goes on. What is too much is in `count`, what becomes of it in `release`.

mod count;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::alert::Kind;
use super::tenant::{Known, Tenant};
use super::work::{self, Loaded, parse, wish};
use super::{Error, digest, groups, report};
use crate::domain::access::Access;
use crate::domain::desired::{self, Desired, Standing};
use crate::domain::grant::{GroupGrants, Membership};
use crate::domain::policy::{MassChange, NestedGroups};
use crate::domain::{GroupId, PersonId, TenantId};
use crate::scim::Resource;
use crate::store::losses::{self, Block, Loss};
use crate::store::revisions::{self, Kind as WriteKind};
use crate::store::{self, Tx, audit, journal, links, people, pins};
use crate::upstream::Lane;

pub(super) use count::{BY_EMPTY, Former, Trip, sentence};
use count::{Loser, judge, note};

/// When a client whose write is blocked asks again.
pub(super) const ASK_AGAIN: Duration = Duration::from_mins(5);

/// How long the full list of a group may take to follow an empty one (Okta's "push now").
pub(super) const REGROUP: Duration = Duration::from_mins(1);

/// What the person can use as `user` has them.
pub(super) fn access(tenant: &Tenant, loaded: &Loaded, user: &Resource) -> Access {
    let desired = tenant.known().map(|known| wish(tenant, &known, user, loaded, false));
    let link = &loaded.link;
    let access = desired.map_or_else(
        || Access {
            agent: link.agent.as_ref().is_some_and(|it| it.enabled),
            admin: link.admin.as_ref().is_some_and(|it| it.enabled),
        },
        |desired| Access::of(&desired, link),
    );
    // Whoever was switched off in RingCX has nothing left to lose there.
    Access { agent: access.agent && !loaded.person.suspended, ..access }
}

/// Counts what a write to a person takes away, and says what blocks it.
pub(super) fn stop(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    loaded: &Loaded,
    base: &Resource,
    after: Access,
    now: Timestamp,
) -> Result<Option<Trip>, Error> {
    if tenant.policy.mass_change == MassChange::Off || !access(tenant, loaded, base).loses(after) {
        return Ok(None);
    }
    losses::lock(tx, &tenant.id)?;
    let id = &loaded.person.id;
    let earlier = losses::get(tx, &tenant.id, id)?;
    if let Some(Loss { block: Some(block), base, .. }) = &earlier
        && !loaded.blocked.is_empty()
    {
        return Ok(Some(Trip { block: block.clone(), most: 0, active: *base }));
    }
    let groups = work::memberships(tx, (&tenant.id, tenant.policy.nested_groups), id)?;
    let former = Former {
        body: Some(base.to_json()),
        groups: groups.iter().map(|group| group.id.clone()).collect(),
        ..Former::default()
    };
    let loser = Loser { person: id.clone(), groups: loaded.memberships.clone(), former, earlier };
    judge(tx, tenant, &[loser], now)
}

/// Counts what it takes away from `gone` that `group` is theirs no more, or gives less than it did, and blocks it where it is too much; `record` becomes what is written down then.
///
/// `emptied` says that the group was replaced by nobody.
pub(super) fn left(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    group: &Membership,
    gone: &BTreeSet<String>,
    emptied: bool,
    record: &audit::Record,
) -> Result<(), Error> {
    let Some(known) = tenant.known() else { return Ok(()) };
    let now = record.at;
    if tenant.policy.mass_change == MassChange::Off
        || gone.is_empty()
        || groups::gives(tenant, group) == GroupGrants::default()
    {
        return Ok(());
    }
    losses::lock(tx, &tenant.id)?;
    let emptied = emptied && gone.len() as u64 >= tenant.policy.mass_change_empty;
    let (mut losers, mut shown) = (Vec::new(), Vec::new());
    for id in gone {
        let Some(loaded) = load(tx, tenant, &PersonId::from(id.as_str()))? else { continue };
        if let Some(loser) = without(tenant, &known, &loaded, group, emptied)? {
            losers.push(loser);
            shown.push(loaded);
        }
    }
    let trip = if emptied && !losers.is_empty() {
        let active = losses::active_people(tx, &tenant.id)?;
        let block = Block { rule: BY_EMPTY.to_owned(), group: Some(group.id.clone()), since: now };
        let trip = Trip { block, most: tenant.policy.mass_change_empty.saturating_sub(1), active };
        note(tx, tenant, &losers, Some(&trip), active, now)?;
        Some(trip)
    } else {
        judge(tx, tenant, &losers, now)?
    };
    let Some(trip) = trip else { return Ok(()) };
    for loaded in &shown {
        report::show_blocked(tx, &tenant.id, &loaded.person, &loaded.link, &sentence(&trip.block), now)?;
    }
    let people: Vec<PersonId> = shown.into_iter().map(|it| it.person.id).collect();
    let detail = trip.detail(&people).to_string();
    Ok(audit::append(tx, &tenant.id, &audit::Record { detail, ..record.clone() })?)
}

/// What a person loses who is no longer in `group`; where it was emptied, any change counts as one.
fn without(
    tenant: &Tenant,
    known: &Known,
    loaded: &Loaded,
    group: &Membership,
    emptied: bool,
) -> Result<Option<Loser>, Error> {
    let body = loaded.waiting.last().map_or(loaded.person.body.as_str(), |it| it.body.as_str());
    let user = parse(body)?;
    let memberships = with(loaded.memberships.clone(), group.clone());
    let desired = |memberships: &[Membership]| {
        let standing = Standing {
            user: &user,
            memberships,
            pins: &loaded.pins,
            has_agent: loaded.link.agent.is_some(),
            home: loaded.link.agent.as_ref().and_then(|agent| agent.home),
            deleted: false,
        };
        desired::desired(&standing, &tenant.terms(known))
    };
    let (before, after) = (desired(&memberships), desired(&loaded.memberships));
    let digests = |desired: &Desired| digest::of(desired, &loaded.link, &tenant.policy);
    let has = Access::of(&before, &loaded.link);
    let has = Access { agent: has.agent && !loaded.person.suspended, ..has };
    let changes = emptied && digests(&before) != digests(&after);
    if !changes && !has.loses(Access::of(&after, &loaded.link)) {
        return Ok(None);
    }
    let former = Former {
        groups: memberships.iter().map(|it| it.id.clone()).collect(),
        left: vec![group.clone()],
        ..Former::default()
    };
    let person = loaded.person.id.clone();
    Ok(Some(Loser { person, groups: memberships, former, earlier: loaded.loss.clone() }))
}

/// Takes note of who is in a group again: what leaving it took away, or was to, is no loss any more.
///
/// A `whole` list says of those whom it does not name that they have left, even if the group was emptied before it came.
pub(super) fn joined(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    group: &Membership,
    added: &BTreeSet<String>,
    whole: bool,
    record: &audit::Record,
) -> Result<(), Error> {
    if added.is_empty() || !losses::any(tx, &tenant.id)? {
        return Ok(());
    }
    losses::lock(tx, &tenant.id)?;
    for id in added {
        rejoin(tx, &tenant.id, &group.id, &PersonId::from(id.as_str()), record.at)?;
    }
    let others = losses::blocked_by(tx, &tenant.id, BY_EMPTY, &group.id)?;
    if others.is_empty() || whole {
        // The full list has followed the empty one: there is nothing to tell any more.
        let subject = format!("{BY_EMPTY}:{}", group.id);
        store::alerts::call_off(tx, &tenant.id, Kind::MassChange.as_str(), &subject)?;
    }
    if !whole {
        return Ok(());
    }
    for id in &others {
        rejoin(tx, &tenant.id, &group.id, id, record.at)?;
    }
    let others = others.iter().map(ToString::to_string).collect();
    left(tx, tenant, group, &others, false, record)
}

fn rejoin(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    group: &GroupId,
    person: &PersonId,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(loss) = losses::get(tx, tenant, person)? else { return Ok(()) };
    let mut former = Former::of(&loss)?;
    let before = former.clone();
    former.left.retain(|it| it.id != *group);
    former.kept.retain(|it| it.id != *group);
    if former == before {
        return Ok(());
    }
    keep(tx, tenant, loss, &former)?;
    Ok(store::jobs::enqueue(tx, tenant, person, Lane::Reconcile, now, now)?)
}

/// Forgets the blocked writes of a person, whom the identity provider wants to work after all.
pub(super) fn countermand(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    loaded: &mut Loaded,
    now: Timestamp,
) -> Result<(), Error> {
    losses::lock(tx, tenant)?;
    let id = loaded.person.id.clone();
    revisions::end_blocked(tx, tenant, &id, &json!({"detail": "countermanded"}).to_string(), now)?;
    loaded.blocked.clear();
    let Some(loss) = losses::get(tx, tenant, &id)? else { return Ok(()) };
    let former = Former { body: None, ..Former::of(&loss)? };
    loaded.loss = keep(tx, tenant, loss, &former)?;
    Ok(())
}

/// Writes down what is left of a loss, or forgets it when nothing is.
fn keep(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    loss: Loss,
    former: &Former,
) -> Result<Option<Loss>, store::Error> {
    if former.body.is_none() && former.left.is_empty() && former.kept.is_empty() {
        losses::forget(tx, tenant, &loss.person)?;
        return Ok(None);
    }
    // Without a write and without a departure that is blocked, nothing is.
    let block = loss.block.filter(|_| former.body.is_some() || !former.kept.is_empty());
    let loss = Loss { former: former.to_text(), block, ..loss };
    losses::save(tx, tenant, &loss)?;
    Ok(Some(loss))
}

/// Takes note of somebody who is given back by the identity provider what a write had taken.
pub(super) fn regained(tx: &mut Tx<'_>, tenant: &TenantId, loaded: &Loaded) -> Result<(), Error> {
    let Some(loss) = loaded.loss.clone().filter(|it| it.block.is_none()) else { return Ok(()) };
    let former = Former { body: None, ..Former::of(&loss)? };
    keep(tx, tenant, loss, &former)?;
    Ok(())
}

/// The resource as it would be, had the blocked writes gone through.
pub(super) fn as_wanted(tenant: &Tenant, base: &Resource, loaded: &Loaded) -> Resource {
    let rules = tenant.rules.uncounted();
    let mut wanted = base.clone();
    for revision in &loaded.blocked {
        if revision.kind == WriteKind::Delete {
            wanted.set("active", json!(false));
        } else if let Ok(next) = report::again(&wanted, revision, &rules) {
            wanted = next;
        }
    }
    wanted
}

/// The groups of a person as the work sees them: also those that they have left, while that is blocked.
pub(super) fn memberships(
    tx: &mut Tx<'_>,
    tenant: (&TenantId, NestedGroups),
    id: &PersonId,
    loss: Option<&Loss>,
) -> Result<Vec<Membership>, store::Error> {
    let mut memberships = work::memberships(tx, tenant, id)?;
    if let Some(loss) = loss.filter(|it| it.block.is_some()) {
        for group in Former::of(loss)?.kept {
            memberships = with(memberships, group);
        }
    }
    Ok(memberships)
}

/// These groups and another one, which may be one of them as it was before.
fn with(mut memberships: Vec<Membership>, group: Membership) -> Vec<Membership> {
    memberships.retain(|it| it.id != group.id);
    memberships.push(group);
    memberships.sort_by(|one, other| one.id.cmp(&other.id));
    memberships
}

/// Everything about a person who is there.
fn load(tx: &mut Tx<'_>, tenant: &Tenant, id: &PersonId) -> Result<Option<Loaded>, store::Error> {
    let Some(person) = people::get(tx, &tenant.id, id)? else { return Ok(None) };
    loaded(tx, (&tenant.id, tenant.policy.nested_groups), person).map(Some)
}

/// A person with everything that decides about them.
pub(super) fn loaded(
    tx: &mut Tx<'_>,
    of: (&TenantId, NestedGroups),
    person: people::Person,
) -> Result<Loaded, store::Error> {
    let (tenant, id) = (of.0, &person.id);
    let loss = losses::get(tx, tenant, id)?;
    let is_blocked = loss.as_ref().is_some_and(|it| it.block.is_some());
    Ok(Loaded {
        link: links::get(tx, tenant, id)?.unwrap_or_default(),
        waiting: revisions::waiting(tx, tenant, id)?,
        blocked: if is_blocked { revisions::blocked(tx, tenant, id)? } else { Vec::new() },
        memberships: memberships(tx, of, id, loss.as_ref())?,
        pins: pins::all(tx, tenant)?,
        unfinished: journal::unfinished(tx, tenant, id)?,
        loss,
        person,
    })
}
