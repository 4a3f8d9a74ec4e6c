//! Writes to groups: durable first, effective second.
//!
//! The membership is stored and answered at once; what follows from it in RingCX is one job per affected person.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::accept::etag_fits;
use super::record::fields_changed;
use super::{Error, Reconciler, Tenant, breaker, group_names, nesting, pinning};
use crate::domain::answer;
use crate::domain::grant::{self, GroupGrants, Membership, Pins};
use crate::domain::person::group_keys;
use crate::domain::policy::MassChange;
use crate::domain::{Actor, GroupId, PersonId, TenantId};
use crate::scim::filter::{AttrPath, Filter, Matcher};
use crate::scim::patch::{self, MemberChange, PatchOp};
use crate::scim::{self, Member, Resource, check, quirks, schema};
use crate::store::{Tx, audit, groups, jobs, members, names, people, planned, search};
use crate::upstream::Lane;
use crate::upstream::model::AgentGroupId;

/// A group that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupWritten {
    /// Its id.
    pub id: GroupId,
    /// Ids that the client named as members and that name nobody here.
    pub skipped: Vec<String>,
}

/// The members of one write, sorted out.
#[derive(Default)]
struct Sorted {
    known: Vec<members::NewMember>,
    /// Never issued by this tenant.
    unknown: Vec<String>,
    /// Deleted since.
    deleted: Vec<String>,
}

/// What a write changed about who is in a group.
#[derive(Default)]
pub(super) struct Moved {
    pub(super) added: BTreeSet<String>,
    pub(super) removed: BTreeSet<String>,
    pub(super) skipped: Vec<String>,
    /// Whether a list without members has left nobody, while the mass-change guard is on.
    pub(super) emptied: bool,
}

impl Reconciler {
    /// `POST /Groups`.
    ///
    /// # Errors
    /// 409 when the name is in use; 400 when all members are unknown.
    pub async fn create_group(
        &self,
        tenant: &TenantId,
        by: &Actor,
        new: Resource,
        wanted: Vec<Member>,
    ) -> Result<GroupWritten, Error> {
        let tenant = self.tenant(tenant)?;
        let id = GroupId::from(self.ids.next());
        let record = self.group_record(&id, by, "create_group", &Value::Null);
        let (of, by, now) = (Arc::clone(tenant), by.clone(), self.clock.now());
        let written = self
            .store
            .write(move |tx| {
                let keys = group_keys(&new);
                group_names::claim(tx, &of.id, &new, &id)?;
                let spoken_for = membership(&id, &new, None);
                let linked = group_names::linked(&of, &spoken_for);
                groups::insert(
                    tx,
                    &of.id,
                    &id,
                    &groups::NewGroup {
                        body: &new.to_json(),
                        keys: &keys,
                        agent_group: linked.map(|group| group.0),
                    },
                    now,
                )?;
                let makes_group = (of.policy.auto_create_agent_groups || of.known().is_none())
                    && linked.is_none()
                    && !grant::is_spoken_for(&spoken_for, &of.policy, &of.mappings);
                if makes_group {
                    jobs::enqueue_for(tx, &of.id, &jobs::group_subject(&id), Lane::Create, (now, now), &by)?;
                }
                nesting::lock(tx, &of)?;
                let moved = change_members(tx, &of, &id, &[MemberChange::Add(wanted.clone())], now)?;
                let changed = fields_changed(None, &new);
                let mut detail = json!({"changed": changed, "added": moved.added, "skipped": moved.skipped});
                if let (Value::Object(fields), Some(group)) = (&mut detail, linked) {
                    fields.insert("linked".to_owned(), json!({"agentGroupId": group}));
                }
                audit::append(tx, &of.id, &audit::Record { detail: detail.to_string(), ..record.clone() })?;
                let made = membership(&id, &new, linked);
                pinning::pin(tx, &of, &made, now)?;
                let skipped = moved.skipped.clone();
                for (group, moved) in nesting::reached(tx, &of, made, moved)? {
                    enqueue(tx, &of, &group, &moved, &by, (now, now))?;
                }
                Ok::<_, Error>(GroupWritten { id: id.clone(), skipped })
            })
            .await?;
        self.bell.notify_waiters();
        Ok(written)
    }

    /// `PUT /Groups/{id}`: attributes are replaced; members too where the body has them.
    ///
    /// # Errors
    /// 404, 409, 412; 400 when all members are unknown.
    pub async fn replace_group(
        &self,
        tenant: &TenantId,
        by: &Actor,
        id: &GroupId,
        body: Value,
        if_match: Option<&str>,
    ) -> Result<GroupWritten, Error> {
        let rules = self.tenant(tenant)?.rules.clone();
        let wanted = check::members(&body, &rules)?;
        let changes: Vec<MemberChange> = wanted.map(MemberChange::Replace).into_iter().collect();
        self.change_group(tenant, by, id, "replace_group", if_match, changes, move |base| {
            check::replace(&schema::GROUP, base, body.clone(), &rules)
        })
        .await
    }

    /// `PATCH /Groups/{id}`.
    ///
    /// # Errors
    /// 404, 409, 412; 400 when all members are unknown.
    pub async fn patch_group(
        &self,
        tenant: &TenantId,
        by: &Actor,
        id: &GroupId,
        op: PatchOp,
        if_match: Option<&str>,
    ) -> Result<GroupWritten, Error> {
        let rules = self.tenant(tenant)?.rules.clone();
        let (op, changes) = patch::split_members(&op, &rules)?;
        self.change_group(tenant, by, id, "patch_group", if_match, changes, move |base| {
            Ok(patch::apply(&schema::GROUP, base, &op, &rules)?.resource)
        })
        .await
    }

    /// `DELETE /Groups/{id}`: the membership is gone, and everybody who was in it is computed again.
    ///
    /// # Errors
    /// 404, 412.
    pub async fn delete_group(
        &self,
        tenant: &TenantId,
        by: &Actor,
        id: &GroupId,
        if_match: Option<&str>,
    ) -> Result<(), Error> {
        let tenant = self.tenant(tenant)?;
        let record = self.group_record(id, by, "delete_group", &Value::Null);
        let guard = self.group_record(id, by, "mass_change_blocked", &Value::Null);
        let (of, by, id, now) = (Arc::clone(tenant), by.clone(), id.clone(), self.clock.now());
        let if_match = if_match.map(str::to_owned);
        self.store
            .write(move |tx| {
                let group = lock(tx, &of, &id, if_match.as_deref())?;
                let body = parse(&group)?;
                let removed = members::clear(tx, &of.id, &id)?.into_iter().collect();
                let moved = Moved { removed, ..Moved::default() };
                let detail = json!({"displayName": group_keys(&body).display_name, "removed": moved.removed});
                audit::append(tx, &of.id, &audit::Record { detail: detail.to_string(), ..record.clone() })?;
                for (group, moved) in nesting::reached(tx, &of, standing(&group, &body), moved)? {
                    breaker::left(tx, &of, &group, &moved.removed, false, &guard)?;
                    enqueue(tx, &of, &group, &moved, &by, (now, now))?;
                }
                for outer in members::leave_all(tx, &of.id, id.as_str())? {
                    groups::touch(tx, &of.id, &outer, now)?;
                }
                names::release_all(tx, &of.id, id.as_str())?;
                groups::tombstone(tx, &of.id, &id, now)?;
                planned::replace(tx, &of.id, &jobs::group_subject(&id), &[], now)?;
                Ok::<_, Error>(())
            })
            .await?;
        self.bell.notify_waiters();
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "PUT and PATCH differ in all of these, and share the transaction"
    )]
    async fn change_group(
        &self,
        tenant: &TenantId,
        by: &Actor,
        id: &GroupId,
        action: &str,
        if_match: Option<&str>,
        changes: Vec<MemberChange>,
        rewrite: impl Fn(&Resource) -> Result<Resource, scim::Error> + Send + Sync + 'static,
    ) -> Result<GroupWritten, Error> {
        let tenant = self.tenant(tenant)?;
        let record = self.group_record(id, by, action, &Value::Null);
        let guard = self.group_record(id, by, "mass_change_blocked", &Value::Null);
        let (of, by, id) = (Arc::clone(tenant), by.clone(), id.clone());
        let (now, times) = (self.clock.now(), self.times);
        let if_match = if_match.map(str::to_owned);
        let written = self
            .store
            .write(move |tx| {
                let group = lock(tx, &of, &id, if_match.as_deref())?;
                let changes = if group.imported {
                    groups::set_imported(tx, &of.id, &id, false)?;
                    first_write(&changes)
                } else {
                    changes.clone()
                };
                let base = parse(&group)?;
                let body = rewrite(&base)?;
                if body != base {
                    group_names::rewrite(tx, &of, &group, (&base, &body))?;
                    group_names::try_again(tx, &of.id, &id, &by, now)?;
                }
                let moved = change_members(tx, &of, &id, &changes, now)?;
                let changed = body != base || !moved.added.is_empty() || !moved.removed.is_empty();
                let skipped = moved.skipped.clone();
                if changed || !skipped.is_empty() {
                    let detail = json!({
                        "changed": fields_changed(Some(&base), &body),
                        "added": moved.added, "removed": moved.removed, "skipped": moved.skipped,
                    });
                    let record = audit::Record { detail: detail.to_string(), ..record.clone() };
                    audit::append(tx, &of.id, &record)?;
                }
                if changed {
                    groups::touch(tx, &of.id, &id, now)?;
                    let whole = matches!(changes.last(), Some(MemberChange::Replace(it)) if !it.is_empty());
                    let later = now + if moved.emptied { times.regroup } else { times.debounce };
                    for (group, moved) in nesting::reached(tx, &of, standing(&group, &base), moved)? {
                        breaker::joined(tx, &of, &group, &moved.added, whole, &guard)?;
                        breaker::left(tx, &of, &group, &moved.removed, moved.emptied, &guard)?;
                        enqueue(tx, &of, &group, &moved, &by, (now, later))?;
                    }
                    enqueue_all_if_regranted(tx, &of, &group, &base, &by, &guard)?;
                }
                Ok::<_, Error>(GroupWritten { id: id.clone(), skipped })
            })
            .await?;
        self.bell.notify_waiters();
        Ok(written)
    }

    pub(super) fn group_record(
        &self,
        id: &GroupId,
        by: &Actor,
        action: &str,
        detail: &Value,
    ) -> audit::Record {
        audit::Record::new(&self.ids.next(), self.clock.now(), by, action, detail).about_group(id)
    }
}

/// The first write of a client to an imported group adds to the members that the import found: whoever is not in the identity
/// provider's list yet is not thrown out by it.
fn first_write(changes: &[MemberChange]) -> Vec<MemberChange> {
    let adds = |change: &MemberChange| match change {
        MemberChange::Replace(wanted) => Some(MemberChange::Add(wanted.clone())),
        MemberChange::RemoveAll => None,
        other => Some(other.clone()),
    };
    changes.iter().filter_map(adds).collect()
}

/// Applies changes of membership in their order; only the difference is written.
fn change_members(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    id: &GroupId,
    changes: &[MemberChange],
    now: jiff::Timestamp,
) -> Result<Moved, Error> {
    let mut moved = Moved::default();
    for change in changes {
        let (added, removed) = match change {
            MemberChange::Add(wanted) => {
                let sorted = sort_out(tx, tenant, wanted, &mut moved)?;
                (members::add(tx, &tenant.id, id, &sorted.known, now)?, Vec::new())
            }
            MemberChange::Replace(wanted) => {
                let sorted = sort_out(tx, tenant, wanted, &mut moved)?;
                let keep: BTreeSet<&str> = sorted.known.iter().map(|member| member.id.as_str()).collect();
                let gone: Vec<String> = members::ids(tx, &tenant.id, id)?
                    .into_iter()
                    .filter(|member| !keep.contains(member.as_str()))
                    .collect();
                let removed = members::remove(tx, &tenant.id, id, &gone)?;
                (members::add(tx, &tenant.id, id, &sorted.known, now)?, removed)
            }
            MemberChange::Remove(ids) => (Vec::new(), members::remove(tx, &tenant.id, id, ids)?),
            MemberChange::RemoveAll => (Vec::new(), members::clear(tx, &tenant.id, id)?),
            MemberChange::RemoveWhere(filter) => {
                let matcher = member_matcher(filter)?;
                let gone = search::members_matching(tx, &tenant.id, id, &|member| {
                    matcher.matches(&answer::members_only(std::slice::from_ref(member)))
                })?;
                (Vec::new(), members::remove(tx, &tenant.id, id, &gone)?)
            }
        };
        for one in added {
            if !moved.removed.remove(&one) {
                moved.added.insert(one);
            }
        }
        for one in removed {
            if !moved.added.remove(&one) {
                moved.removed.insert(one);
            }
        }
    }
    let empty_list = match changes.last() {
        Some(MemberChange::Replace(wanted)) => wanted.is_empty(),
        Some(MemberChange::RemoveAll) => true,
        _ => false,
    };
    moved.emptied = empty_list && !moved.removed.is_empty() && tenant.policy.mass_change == MassChange::On;
    Ok(moved)
}

/// The filter of `members[...]` as a question about one member.
fn member_matcher(filter: &Filter) -> Result<Matcher, Error> {
    let members = AttrPath { urn: None, name: "members".to_owned(), sub: None };
    Ok(Matcher::compile(&schema::GROUP, &Filter::ValuePath(members, Box::new(filter.clone())))?)
}

/// Who of `wanted` is somebody here. Deleted ones are skipped; ids that were never issued too, unless there is nobody else.
fn sort_out(tx: &mut Tx<'_>, tenant: &Tenant, wanted: &[Member], moved: &mut Moved) -> Result<Sorted, Error> {
    let mut sorted = Sorted::default();
    for member in wanted {
        let new = |is_group| members::NewMember {
            id: member.id.clone(),
            display: member.display.clone(),
            is_group,
        };
        match people::standing(tx, &tenant.id, &PersonId::from(member.id.as_str()))? {
            Some(people::Standing::Live) => sorted.known.push(new(false)),
            Some(people::Standing::Deleted) => sorted.deleted.push(member.id.clone()),
            None => match groups::get(tx, &tenant.id, &GroupId::from(member.id.as_str()))? {
                Some(_) => sorted.known.push(new(true)),
                None => sorted.unknown.push(member.id.clone()),
            },
        }
    }
    let nobody = sorted.unknown.len() == wanted.len() && !sorted.unknown.is_empty();
    let missing = !sorted.unknown.is_empty() || !sorted.deleted.is_empty();
    if nobody || (missing && !quirks::missing_members(&tenant.rules)) {
        let unknown = sorted.unknown.iter().chain(&sorted.deleted);
        let named = unknown.take(5).map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ");
        return Err(Error::Scim(scim::Error::invalid_value(format!(
            "members names {named}, which no user or group of this tenant has; send the ids that this server gave."
        ))));
    }
    moved.skipped.extend(sorted.unknown.iter().chain(&sorted.deleted).cloned());
    Ok(sorted)
}

/// One job for each member when a new name or external id makes the group give something else.
fn enqueue_all_if_regranted(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    before: &groups::Group,
    base: &Resource,
    by: &Actor,
    guard: &audit::Record,
) -> Result<(), Error> {
    let Some(after) = groups::get(tx, &tenant.id, &before.id)? else { return Ok(()) };
    let body = parse(&after)?;
    let (was, is) = (standing(before, base), standing(&after, &body));
    pinning::pin(tx, tenant, &is, guard.at)?;
    if gives(tenant, &was) == gives(tenant, &is) {
        return Ok(());
    }
    let all = nesting::people_in(tx, (&tenant.id, tenant.policy.nested_groups), &before.id)?;
    let all = all.into_iter().collect();
    if gives(tenant, &is) != GroupGrants::default() {
        breaker::joined(tx, tenant, &is, &all, false, guard)?;
    }
    breaker::left(tx, tenant, &was, &all, false, guard)?;
    for member in all {
        jobs::enqueue_for(tx, &tenant.id, &PersonId::from(member), Lane::Revoke, (guard.at, guard.at), by)?;
    }
    Ok(())
}

/// What membership of a group gives.
pub(super) fn gives(tenant: &Tenant, group: &Membership) -> GroupGrants {
    let docs = tenant.known().map(|known| known.directory.rights_docs.clone()).unwrap_or_default();
    // Whatever it might give: who has a grant first is looked at with the person.
    grant::by_groups(std::slice::from_ref(group), &tenant.policy, &tenant.mappings, &docs, &Pins::new())
}

/// One job for each person whom the change can affect in RingCX; none when the group gives nothing.
fn enqueue(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    group: &Membership,
    moved: &Moved,
    by: &Actor,
    (now, later): (jiff::Timestamp, jiff::Timestamp),
) -> Result<(), Error> {
    let grants = gives(tenant, group);
    // Before first contact nobody can say what a name means, so everybody is looked at then.
    if grants == GroupGrants::default() && tenant.known().is_some() {
        return Ok(());
    }
    let gives_power = !grants.roles.is_empty() || !grants.rights_docs.is_empty();
    for id in &moved.removed {
        let (lane, due) = match (gives_power, moved.emptied) {
            (true, false) => (Lane::Revoke, now),
            (true, true) => (Lane::Revoke, later),
            (false, _) => (Lane::Move, later),
        };
        jobs::enqueue_for(tx, &tenant.id, &PersonId::from(id.as_str()), lane, (due, now), by)?;
    }
    for id in &moved.added {
        let person = PersonId::from(id.as_str());
        // Whoever waits for a group is created at once; a move waits a little for more of them.
        let held = crate::store::links::get(tx, &tenant.id, &person)?.is_none_or(|link| link.agent.is_none());
        let (lane, due) = if held { (Lane::Create, now) } else { (Lane::Move, later) };
        jobs::enqueue_for(tx, &tenant.id, &person, lane, (due, now), by)?;
    }
    Ok(())
}

fn membership(id: &GroupId, body: &Resource, linked: Option<AgentGroupId>) -> Membership {
    let keys = group_keys(body);
    Membership { id: id.clone(), display_name: keys.display_name, external_id: keys.external_id, linked }
}

/// A group as grants see it.
pub(super) fn standing(group: &groups::Group, body: &Resource) -> Membership {
    let mut standing = membership(&group.id, body, group.agent_group.map(AgentGroupId));
    if let Some(pinned) = &group.pinned_name {
        standing.display_name.clone_from(pinned);
    }
    standing
}

fn parse(group: &groups::Group) -> Result<Resource, Error> {
    Ok(super::work::parse(&group.body)?)
}

fn lock(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    id: &GroupId,
    if_match: Option<&str>,
) -> Result<groups::Group, Error> {
    let group = groups::lock(tx, &tenant.id, id)?
        .ok_or_else(|| Error::Scim(scim::Error::not_found("Group", id.as_str())))?;
    let current = answer::group_etag(group.version);
    if if_match.is_some_and(|wanted| !etag_fits(wanted, &current)) {
        return Err(Error::Scim(scim::Error::new(
            412,
            format!("The group has changed since you read it; its version is now {current}. Read it again."),
        )));
    }
    nesting::lock(tx, tenant)?;
    Ok(group)
}
