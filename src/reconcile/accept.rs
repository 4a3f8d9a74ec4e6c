//! What a write to a person becomes within its transaction: confirmed at once, or a revision with a job.

use serde_json::Value;

use super::intent::{Accepted, Change};
use super::tenant::{Known, Tenant};
use super::work::{Loaded, change_of, parse};
use super::{Error, breaker, digest, fence, matching, report};
use crate::domain::access::Access;
use crate::domain::answer::{self, Provisioning, stored_user};
use crate::domain::desired::{self, Desired, check_names};
use crate::domain::grant::{Membership, Pins};
use crate::domain::link::Link;
use crate::domain::person::{self, user_keys};
use crate::domain::policy::Rename;
use crate::domain::{Actor, PersonId, TenantId};
use crate::scim::{self, Resource};
use crate::store::revisions::{self, Kind, NewRevision};
use crate::store::{Tx, jobs, links, members, names, people};
use crate::upstream::Lane;
use crate::upstream::model::AgentGroupId;

/// Somebody new.
#[derive(Clone, Copy)]
pub(super) struct New<'a> {
    pub(super) id: &'a PersonId,
    pub(super) user: &'a Resource,
    /// The agent group that an operator wants for them, where no group decides.
    pub(super) home: Option<AgentGroupId>,
}

/// A new person: confirmed at once where RingCX has nothing to do with them, else pending.
pub(super) fn create(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    known: &Known,
    new: &New<'_>,
    by: &Actor,
    now: jiff::Timestamp,
) -> Result<Accepted, Error> {
    let New { id, user, home } = *new;
    let keys = user_keys(user);
    if let Some(holder) =
        names::claim(tx, &tenant.id, names::Kind::UserName, &keys.user_name_key, id.as_str())?
    {
        return rejoin(tx, tenant, &PersonId::from(holder), user, by, now);
    }
    claim_external_id(tx, &tenant.id, keys.external_id.as_deref(), id)?;
    let link = Link { home, ..matching::adopt(tx, (tenant, known), (id, user, &keys), now)? };
    let wish = wish_of(tenant, known, user, &link, (&[], &Pins::new()));
    let digests = digest::of(&wish, &link, &tenant.policy);
    let waits = digests.agent.is_some() || digests.admin.is_some();
    let state = if waits { Provisioning::Pending } else { report::state_of(&wish, &link, false) };
    let answer = stored_user(id, user, &link, state, None);
    people::insert(
        tx,
        &tenant.id,
        id,
        &people::Shown {
            body: &user.to_json(),
            answer: &answer,
            keys: &keys,
            state,
            last_error: None,
            suspended: false,
        },
        now,
    )?;
    links::save(tx, &tenant.id, id, &link, now).map_err(fence::or_foreign)?;
    if !waits {
        return Ok(Accepted::Now(id.clone()));
    }
    let new = NewRevision { kind: Kind::Create, change: &Value::Null, body: &user.to_json(), by, now };
    let seq = revisions::append(tx, &tenant.id, id, &new)?;
    jobs::enqueue(tx, &tenant.id, id, Lane::Create, now, now)?;
    Ok(Accepted::Waits(id.clone(), seq))
}

/// A POST of a name in use: the same credential joins its own unfinished record, everybody else is told who holds it.
fn rejoin(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    holder: &PersonId,
    user: &Resource,
    by: &Actor,
    now: jiff::Timestamp,
) -> Result<Accepted, Error> {
    let Some(person) = people::lock(tx, &tenant.id, holder)? else { return Err(in_use(user, holder, "")) };
    let last = revisions::last_create(tx, &tenant.id, holder)?;
    let unfinished = matches!(person.state, Provisioning::Pending | Provisioning::Error)
        && last.as_ref().is_some_and(|it| it.outcome != Some(revisions::Outcome::Settled));
    // Within one bulk request the same name twice is a mistake, not a second try.
    let second_try = |it: &revisions::Revision| it.by.name == by.name && it.by.request_id != by.request_id;
    let Some(last) = last.filter(|it| unfinished && second_try(it)) else {
        let inactive = if parse(&person.body).is_ok_and(|user| report::shows_active(&user)) {
            ""
        } else {
            ", who is inactive"
        };
        return Err(in_use(user, holder, inactive));
    };
    let keys = user_keys(user);
    claim_external_id(tx, &tenant.id, keys.external_id.as_deref(), holder)?;
    let link = links::get(tx, &tenant.id, holder)?.unwrap_or_default();
    let answer = stored_user(holder, user, &link, Provisioning::Pending, None);
    people::confirm(
        tx,
        &tenant.id,
        holder,
        &people::Shown {
            body: &user.to_json(),
            answer: &answer,
            keys: &keys,
            state: Provisioning::Pending,
            last_error: None,
            suspended: false,
        },
        now,
    )?;
    // Somebody may be at work with the former body, so another one is a write of its own, which takes over from the former.
    let seq = if last.outcome.is_none() && last.body == user.to_json() {
        revisions::touch(tx, &tenant.id, holder, last.seq, now)?;
        last.seq
    } else {
        let new = NewRevision { kind: Kind::Create, change: &Value::Null, body: &user.to_json(), by, now };
        revisions::append(tx, &tenant.id, holder, &new)?
    };
    // The revision speaks for the first try; the job for this one.
    jobs::enqueue_for(tx, &tenant.id, holder, Lane::Create, (now, now), by)?;
    report::release_names(tx, &tenant.id, holder, user)?;
    Ok(Accepted::Waits(holder.clone(), seq))
}

#[expect(
    clippy::too_many_arguments,
    reason = "a change is decided from all of these, and nothing else holds them together"
)]
pub(super) fn change(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    known: &Known,
    loaded: &Loaded,
    base: &Resource,
    user: &Resource,
    change: &Change,
    by: &Actor,
    now: jiff::Timestamp,
) -> Result<Accepted, Error> {
    let id = &loaded.person.id;
    if loaded.person.imported && loaded.waiting.is_empty() {
        // Whatever it says: a client has spoken of the person, and takes them over.
        people::set_imported(tx, &tenant.id, id, false)?;
    }
    let settled = !matches!(loaded.person.state, Provisioning::Error | Provisioning::Blocked);
    if !is_news(base, user) && loaded.waiting.is_empty() && settled {
        if user != base {
            people::keep_body(tx, &tenant.id, id, &user.to_json())?;
        }
        return Ok(Accepted::Now(id.clone()));
    }
    let (before, after) = (user_keys(base), user_keys(user));
    if before.user_name_key != after.user_name_key {
        refuse_rename(tenant, &before.user_name, &after.user_name)?;
        if let Some(holder) =
            names::claim(tx, &tenant.id, names::Kind::UserName, &after.user_name_key, id.as_str())?
        {
            return Err(in_use(user, &PersonId::from(holder), ""));
        }
    }
    if before.external_id != after.external_id {
        claim_external_id(tx, &tenant.id, after.external_id.as_deref(), id)?;
    }
    let terms = tenant.terms(known);
    if touches_grants(base, user) {
        check_names(user, &terms)?;
    }
    let wish = wish_of(tenant, known, user, &loaded.link, (&loaded.memberships, &loaded.pins));
    let digests = digest::of(&wish, &loaded.link, &tenant.policy);
    refuse_read_only(tenant, known, loaded, base, user, &digests)?;
    if let Some(trip) = breaker::stop(tx, tenant, loaded, base, Access::of(&wish, &loaded.link), now)? {
        let (kind, change) = written(change);
        return block(
            tx,
            tenant,
            loaded,
            &NewRevision { kind, change: &change, body: &user.to_json(), by, now },
            trip,
        );
    }
    let switched_on = person::is_active(user) && !person::is_active(base);
    if switched_on {
        breaker::regained(tx, &tenant.id, loaded)?;
    }
    let was = wish_of(tenant, known, base, &loaded.link, (&loaded.memberships, &loaded.pins));
    let agreed = digests.agent == loaded.link.agent_applied && digests.admin == loaded.link.admin_applied;
    // What is wrong with the person is not the fault of a write that leaves it so. Of a leaver the client is told each time.
    let faultless = wish.active
        && loaded.person.state == Provisioning::Error
        && digest::of(&was, &loaded.link, &tenant.policy) == digests;
    if (agreed || faultless) && !waits(loaded, switched_on) {
        if !agreed {
            // It is tried again, and nobody waits for it.
            jobs::enqueue_for(tx, &tenant.id, id, Lane::Update, (now, now), by)?;
        }
        return confirm_now(tx, tenant, loaded, user, (&was, &wish), now);
    }
    let (kind, change) = written(change);
    let new = NewRevision { kind, change: &change, body: &user.to_json(), by, now };
    let seq = revisions::append(tx, &tenant.id, id, &new)?;
    jobs::enqueue(tx, &tenant.id, id, lane(base, user), now, now)?;
    Ok(Accepted::Waits(id.clone(), seq))
}

/// Whether a write says anything new. That somebody is active who was taken to be is remembered, and is no news.
pub(super) fn is_news(base: &Resource, user: &Resource) -> bool {
    let mut said = user.clone();
    if base.get("active").is_none() && person::is_active(user) {
        said.remove("active");
    }
    said != *base
}

/// Whether a write has to wait for work on the person, whatever it changes itself.
fn waits(loaded: &Loaded, switched_on: bool) -> bool {
    !loaded.waiting.is_empty()
        || !loaded.unfinished.is_empty()
        // Planned in a dry run: what is planned changes with the wish, also back to nothing.
        || loaded.person.state == Provisioning::Pending
        || (switched_on && loaded.person.suspended)
}

/// Confirms a write with which RingCX has nothing to do.
fn confirm_now(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    loaded: &Loaded,
    user: &Resource,
    (was, wish): (&Desired, &Desired),
    now: jiff::Timestamp,
) -> Result<Accepted, Error> {
    let id = &loaded.person.id;
    let state_of = |wish| report::state_of(wish, &loaded.link, loaded.person.suspended);
    let stays = loaded.person.state != Provisioning::Blocked && state_of(was) == state_of(wish);
    let (state, note) = if stays {
        (loaded.person.state, loaded.person.last_error.clone())
    } else {
        (state_of(wish), report::words(wish))
    };
    let (state, note) = report::or_blocked(loaded.loss.as_ref(), state, note);
    let answer = stored_user(id, user, &loaded.link, state, note.as_deref());
    people::confirm(
        tx,
        &tenant.id,
        id,
        &people::Shown {
            body: &user.to_json(),
            answer: &answer,
            keys: &user_keys(user),
            state,
            last_error: note.as_deref(),
            suspended: loaded.person.suspended,
        },
        now,
    )?;
    report::release_names(tx, &tenant.id, id, user)?;
    Ok(Accepted::Now(id.clone()))
}

/// A change as it is stored.
fn written(change: &Change) -> (Kind, Value) {
    match change {
        Change::Put(body) => (Kind::Put, body.clone()),
        Change::Patch(op) => (Kind::Patch, serde_json::from_str(&op.to_json()).unwrap_or_default()),
    }
}

/// Keeps a write that takes access away until a person decides; the same one again is not kept twice.
pub(super) fn block(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    loaded: &Loaded,
    new: &NewRevision<'_>,
    trip: breaker::Trip,
) -> Result<Accepted, Error> {
    let id = &loaded.person.id;
    let again = loaded.blocked.last().is_some_and(|it| it.kind == new.kind && change_of(it) == *new.change);
    if !again {
        revisions::append_blocked(tx, &tenant.id, id, new)?;
    }
    let why = breaker::sentence(&trip.block);
    report::show_blocked(tx, &tenant.id, &loaded.person, &loaded.link, &why, new.now)?;
    Ok(Accepted::Blocked(id.clone(), Box::new(trip)))
}

/// The person under lock, with everything that decides about them.
pub(super) fn lock(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    id: &PersonId,
    if_match: Option<&str>,
) -> Result<Loaded, Error> {
    let person =
        people::lock(tx, &tenant.id, id)?.filter(|it| it.deleted.is_none()).ok_or_else(|| missing(id))?;
    if let Some(wanted) = if_match {
        let groups = members::groups_of_person(tx, &tenant.id, id)?;
        let current = answer::user_etag(person.version, &groups);
        if !etag_fits(wanted, &current) {
            return Err(Error::Scim(scim::Error::new(
                412,
                format!(
                    "The user has changed since you read it; its version is now {current}. Read it again."
                ),
            )));
        }
    }
    Ok(breaker::loaded(tx, (&tenant.id, tenant.policy.nested_groups), person)?)
}

/// Whether a list of versions, or `*`, names the current one (RFC 9110 §13.1.1, compared weakly as RFC 7644 §3.14 has them).
pub(super) fn etag_fits(wanted: &str, current: &str) -> bool {
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    wanted.split(',').any(|tag| tag.trim() == "*" || plain(tag) == plain(current))
}

/// The resource on which the next write builds: as the last waiting revision leaves it.
pub(super) fn base_of(loaded: &Loaded) -> Result<Resource, Error> {
    let body = loaded.waiting.last().map_or(loaded.person.body.as_str(), |it| it.body.as_str());
    Ok(parse(body)?)
}

pub(super) fn wish_of(
    tenant: &Tenant,
    known: &Known,
    user: &Resource,
    link: &Link,
    (memberships, pins): (&[Membership], &Pins),
) -> Desired {
    let standing = desired::Standing {
        user,
        memberships,
        pins,
        has_agent: link.agent.is_some(),
        home: link.home_group(),
        deleted: false,
    };
    desired::desired(&standing, &tenant.terms(known))
}

/// An agent that belongs to another sub-account's life cycle is not ours to change; what is only stored is. Somebody who must
/// not work any more loses their administrator all the same: that is for the work on them to do.
fn refuse_read_only(
    tenant: &Tenant,
    known: &Known,
    loaded: &Loaded,
    base: &Resource,
    user: &Resource,
    digests: &digest::Digests,
) -> Result<(), Error> {
    let why = loaded.link.agent.as_ref().and_then(|agent| agent.found.read_only.as_ref());
    let Some(why) = why.filter(|_| person::is_active(user) || loaded.link.admin.is_none()) else {
        return Ok(());
    };
    let before = wish_of(tenant, known, base, &loaded.link, (&loaded.memberships, &loaded.pins));
    if digest::of(&before, &loaded.link, &tenant.policy).agent == digests.agent {
        return Ok(());
    }
    Err(Error::Scim(scim::Error::mutability(why.clone())))
}

fn claim_external_id(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    external_id: Option<&str>,
    id: &PersonId,
) -> Result<(), Error> {
    let Some(key) = external_id else { return Ok(()) };
    match names::claim(tx, tenant, names::Kind::ExternalId, key, id.as_str())? {
        None => Ok(()),
        Some(holder) => Err(Error::Scim(scim::Error::uniqueness(format!(
            "externalId \"{key}\" is already used by user {holder}. Correct it there or send another one."
        )))),
    }
}

fn refuse_rename(tenant: &Tenant, before: &str, after: &str) -> Result<(), Error> {
    if tenant.policy.rename_policy != Rename::Reject {
        return Ok(());
    }
    Err(Error::Scim(scim::Error::mutability(format!(
        "userName cannot be changed from \"{before}\" to \"{after}\": this tenant keeps login names (setting rename_policy)."
    ))))
}

fn in_use(user: &Resource, holder: &PersonId, inactive: &str) -> Error {
    let name = user.text("userName").unwrap_or_default();
    Error::Scim(scim::Error::uniqueness(format!(
        "userName \"{name}\" is already used by user {holder}{inactive}. Link it or choose another userName."
    )))
}

pub(super) fn missing(id: &PersonId) -> Error {
    Error::Scim(scim::Error::not_found("User", id.as_str()))
}

/// Whether a change touches what is checked against lists of the tenant or of RingCX.
pub(super) fn touches_grants(base: &Resource, user: &Resource) -> bool {
    let ringcx = |name: &str| format!("{}:{name}", scim::urn::RINGCX_USER);
    let named =
        ["agentGroupName", "initialState", "ghostRnaAction", "defaultDialGroup", "manualOutboundQueue"];
    let paths = named.iter().map(|name| ringcx(name)).chain(["roles".to_owned(), "entitlements".to_owned()]);
    paths.into_iter().any(|path| base.get(&path) != user.get(&path))
}

/// Access removal goes before everything else.
fn lane(base: &Resource, user: &Resource) -> Lane {
    let values = |user: &Resource, name: &str| user.get(name).and_then(Value::as_array).map_or(0, Vec::len);
    match (person::is_active(base), person::is_active(user)) {
        (true, false) => Lane::Deactivate,
        _ if ["roles", "entitlements"].iter().any(|it| values(user, it) < values(base, it)) => Lane::Revoke,
        _ => Lane::Update,
    }
}
