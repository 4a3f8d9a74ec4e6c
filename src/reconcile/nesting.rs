//! Groups in groups: where a tenant has them count, whoever joins or leaves a group joins or leaves every group in which it is.

use std::collections::{BTreeMap, BTreeSet};

use super::groups::{Moved, standing};
use super::work::parse;
use super::{Error, Tenant};
use crate::domain::grant::Membership;
use crate::domain::policy::NestedGroups;
use crate::domain::{GroupId, PersonId, TenantId};
use crate::store::{self, Tx, groups, losses, members};

/// Makes every other write to a group of this tenant wait until the transaction ends: of two that tie groups together at once each
/// has to see the other one.
pub(super) fn lock(tx: &mut Tx<'_>, tenant: &Tenant) -> Result<(), store::Error> {
    if expands(tenant) { losses::lock(tx, &tenant.id) } else { Ok(()) }
}

/// What a write to `group` has changed about who is in it, and in each group above it.
pub(super) fn reached(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    group: Membership,
    moved: Moved,
) -> Result<Vec<(Membership, Moved)>, Error> {
    if !expands(tenant) {
        return Ok(vec![(group, moved)]);
    }
    let added = people_of(tx, tenant, &moved.added)?;
    let mut elsewhere = BTreeMap::new();
    for person in people_of(tx, tenant, &moved.removed)? {
        let groups = members::groups_above(tx, &tenant.id, &person)?;
        elsewhere.insert(person, groups.into_iter().collect::<BTreeSet<_>>());
    }
    let mut all = Vec::new();
    for id in members::groups_above(tx, &tenant.id, group.id.as_str())? {
        if let Some(outer) = groups::get(tx, &tenant.id, &id)?.filter(|_| id != group.id) {
            all.push(standing(&outer, &parse(&outer.body)?));
        }
    }
    all.insert(0, group);
    let changed = all.into_iter().map(|group| {
        let gone = elsewhere.iter().filter(|(_, groups)| !groups.contains(&group.id));
        let removed = gone.map(|(person, _)| person.clone()).collect();
        (group, Moved { added: added.clone(), removed, skipped: Vec::new(), emptied: moved.emptied })
    });
    Ok(changed.collect())
}

/// The people among these members, and in the groups among them.
fn people_of(tx: &mut Tx<'_>, tenant: &Tenant, ids: &BTreeSet<String>) -> Result<BTreeSet<String>, Error> {
    let mut people = BTreeSet::new();
    for id in ids {
        let group = GroupId::from(id.as_str());
        if groups::get(tx, &tenant.id, &group)?.is_some() {
            people.extend(members::people_under(tx, &tenant.id, &group)?);
        } else {
            people.insert(id.clone());
        }
    }
    Ok(people)
}

/// The ids of everybody whom membership in a group is about.
pub(super) fn people_in(
    tx: &mut Tx<'_>,
    (tenant, nested): (&TenantId, NestedGroups),
    group: &GroupId,
) -> Result<Vec<String>, store::Error> {
    match nested {
        NestedGroups::Expand => members::people_under(tx, tenant, group),
        NestedGroups::Ignore => members::ids(tx, tenant, group),
    }
}

/// How many people are in a group.
pub(super) fn count_people(tx: &mut Tx<'_>, tenant: &Tenant, group: &GroupId) -> Result<u64, store::Error> {
    if expands(tenant) {
        Ok(members::people_under(tx, &tenant.id, group)?.len() as u64)
    } else {
        members::count_people(tx, &tenant.id, group)
    }
}

/// Whether a person is in a group.
pub(super) fn has(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    group: &GroupId,
    person: &PersonId,
) -> Result<bool, store::Error> {
    if expands(tenant) {
        Ok(members::groups_above(tx, &tenant.id, person.as_str())?.contains(group))
    } else {
        members::has(tx, &tenant.id, group, person)
    }
}

/// Those of some groups into which somebody is to be put so that they are in all of them: none that comes with another one.
pub(super) fn innermost(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    wanted: &BTreeSet<GroupId>,
) -> Result<BTreeSet<GroupId>, store::Error> {
    let (mut chosen, mut reached) = (wanted.clone(), BTreeSet::new());
    if !expands(tenant) {
        return Ok(chosen);
    }
    for group in wanted {
        // Of a circle one stays, the first.
        if reached.contains(group) {
            continue;
        }
        for outer in members::groups_above(tx, &tenant.id, group.as_str())? {
            if outer != *group && chosen.remove(&outer) {
                reached.insert(outer);
            }
        }
    }
    Ok(chosen)
}

fn expands(tenant: &Tenant) -> bool {
    tenant.policy.nested_groups == NestedGroups::Expand
}
