//! The names of groups: whose each is, and what follows from a new one.

use super::groups::standing;
use super::{Error, Tenant};
use crate::domain::desired::group_named;
use crate::domain::grant::{self, Membership};
use crate::domain::person::group_keys;
use crate::domain::{Actor, GroupId, TenantId};
use crate::scim::{self, Resource};
use crate::store::{self, Tx, groups, jobs, names};
use crate::upstream::Lane;
use crate::upstream::model::AgentGroupId;

/// Stores the attributes of a group anew, under its new name where it has one.
pub(super) fn rewrite(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    group: &groups::Group,
    (base, body): (&Resource, &Resource),
) -> Result<(), Error> {
    claim(tx, &tenant.id, body, &group.id)?;
    let old_name = group_keys(base).display_name;
    let pinned = group.pinned_name.clone().or_else(|| pin(tenant, &standing(group, base), &old_name));
    let keys = group_keys(body);
    groups::update(tx, &tenant.id, &group.id, &body.to_json(), &keys, pinned.as_deref())?;
    let kind = names::Kind::GroupName;
    Ok(names::keep_only(tx, &tenant.id, kind, group.id.as_str(), &[&keys.display_name_key])?)
}

/// A name that RingCX has refused may have been put right: waiting work on the group is tried again.
pub(super) fn try_again(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &GroupId,
    by: &Actor,
    now: jiff::Timestamp,
) -> Result<(), store::Error> {
    let subject = jobs::group_subject(id);
    match jobs::get(tx, tenant, &subject)? {
        Some(_) => jobs::enqueue_for(tx, tenant, &subject, Lane::Create, (now, now), by),
        None => Ok(()),
    }
}

/// Takes the name of a group for it.
pub(super) fn claim(tx: &mut Tx<'_>, tenant: &TenantId, body: &Resource, id: &GroupId) -> Result<(), Error> {
    let keys = group_keys(body);
    match names::claim(tx, tenant, names::Kind::GroupName, &keys.display_name_key, id.as_str())? {
        None => Ok(()),
        Some(holder) => Err(Error::Scim(scim::Error::uniqueness(format!(
            "displayName \"{}\" is already used by group {holder}. Use that group or choose another name.",
            keys.display_name
        )))),
    }
}

/// The name under which a mapping speaks of the group: a rename in the identity provider must not move people.
fn pin(tenant: &Tenant, group: &Membership, old_name: &str) -> Option<String> {
    grant::is_spoken_for(group, &tenant.policy, &tenant.mappings).then(|| old_name.to_owned())
}

/// The agent group of the same name, unless a mapping says something else about this group.
pub(super) fn linked(tenant: &Tenant, group: &Membership) -> Option<AgentGroupId> {
    if grant::is_spoken_for(group, &tenant.policy, &tenant.mappings) {
        return None;
    }
    group_named(&group.display_name, &tenant.known()?.directory.agent_groups).ok()
}
