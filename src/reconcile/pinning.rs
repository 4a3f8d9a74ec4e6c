//! Privileged grants belong to the first group that gave them: a group that comes later under the same name, external id or
//! mapping gives nothing privileged until an operator hands the grant over.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::groups::standing;
use super::work::{Loaded, parse};
use super::{Error, Reconciler, Tenant, nesting};
use crate::domain::grant::{self, Membership};
use crate::domain::{Actor, GroupId, PersonId, TenantId};
use crate::store::{self, Tx, audit, groups, jobs, pins};
use crate::upstream::Lane;

/// What handing a grant over has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedOver {
    /// The name of the group that has the grants now.
    pub group: String,
    /// How many grants it got from other groups.
    pub grants: usize,
    /// How many people are computed again.
    pub people: usize,
}

/// Gives a group the privileged grants that no group had before it.
pub(super) fn pin(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    group: &Membership,
    now: jiff::Timestamp,
) -> Result<(), store::Error> {
    let keys = grant::pin_keys(group, &tenant.policy, &tenant.mappings);
    if keys.is_empty() {
        return Ok(());
    }
    let known = pins::all(tx, &tenant.id)?;
    pin_to_oldest(tx, tenant, &keys.into_iter().filter(|key| !known.contains_key(key)).collect(), now)
}

/// Pins grants that no group has to the oldest of those that they fit: where the settings have come after the groups it must not
/// matter whose member is looked at first.
fn pin_to_oldest(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    keys: &BTreeSet<String>,
    now: jiff::Timestamp,
) -> Result<(), store::Error> {
    if keys.is_empty() {
        return Ok(());
    }
    for (id, display_name, external_id) in groups::named(tx, &tenant.id)? {
        let group = Membership { id, display_name, external_id, linked: None };
        for key in grant::pin_keys(&group, &tenant.policy, &tenant.mappings).intersection(keys) {
            pins::pin(tx, &tenant.id, key, &group.id, now)?;
        }
    }
    Ok(())
}

impl Reconciler {
    /// The same for the groups of a person, where the settings have come after the groups.
    pub(super) async fn pin_first(
        &self,
        tenant: &Arc<Tenant>,
        loaded: &mut Loaded,
    ) -> Result<(), store::Error> {
        let keys = loaded
            .memberships
            .iter()
            .flat_map(|group| grant::pin_keys(group, &tenant.policy, &tenant.mappings));
        let unpinned: BTreeSet<String> = keys.filter(|key| !loaded.pins.contains_key(key)).collect();
        if unpinned.is_empty() {
            return Ok(());
        }
        let (of, now) = (Arc::clone(tenant), self.clock.now());
        loaded.pins = self
            .store
            .write(move |tx| {
                pin_to_oldest(tx, &of, &unpinned, now)?;
                pins::all(tx, &of.id)
            })
            .await?;
        Ok(())
    }

    /// Hands the privileged grants of a group's name and mappings over to it; its members are computed again, and so are those
    /// of the group that had them.
    ///
    /// # Errors
    /// 404 when there is no such group.
    pub async fn hand_over_grants(
        &self,
        tenant: &TenantId,
        by: &Actor,
        group: &GroupId,
    ) -> Result<HandedOver, Error> {
        let tenant = self.tenant(tenant)?;
        let record = audit::Record::new(
            &self.ids.next(),
            self.clock.now(),
            by,
            "hand_over_privileged_grants",
            &json!({}),
        );
        let record = record.about_group(group);
        let (of, by, id, now) = (Arc::clone(tenant), by.clone(), group.clone(), self.clock.now());
        let done = self
            .store
            .write(move |tx| {
                let group = groups::lock(tx, &of.id, &id)?
                    .ok_or_else(|| Error::Scim(crate::scim::Error::not_found("Group", id.as_str())))?;
                let standing = standing(&group, &parse(&group.body)?);
                let known = pins::all(tx, &of.id)?;
                let mut concerned = BTreeSet::from([id.clone()]);
                let mut grants = 0;
                for key in grant::pin_keys(&standing, &of.policy, &of.mappings) {
                    let before = known.get(&key).filter(|first| **first != id);
                    grants += usize::from(before.is_some());
                    concerned.extend(before.cloned());
                    pins::hand_over(tx, &of.id, &key, &id, now)?;
                }
                let detail = json!({"grants": grants});
                audit::append(tx, &of.id, &audit::Record { detail: detail.to_string(), ..record.clone() })?;
                let mut people = 0;
                for group in &concerned {
                    for member in nesting::people_in(tx, (&of.id, of.policy.nested_groups), group)? {
                        let person = PersonId::from(member);
                        jobs::enqueue_for(tx, &of.id, &person, Lane::Revoke, (now, now), &by)?;
                        people += 1;
                    }
                }
                Ok::<_, Error>(HandedOver { group: standing.display_name, grants, people })
            })
            .await?;
        self.bell.notify_waiters();
        Ok(done)
    }
}
