//! Administrators: what the one list of them shows, against what the bridge has left and given. No administrator costs a call.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Kind, finding, unsettled_admin};
use crate::domain::desired::Desired;
use crate::domain::link::AdminLink;
use crate::domain::policy::OnDrift;
use crate::reconcile::Tenant;
use crate::reconcile::work::Loaded;
use crate::upstream::model::{Admin, RoleType, UserId};
use crate::upstream::{self, Calls};

/// The administrators of the account, where the tenant has any of its own.
pub(in crate::reconcile) async fn list_admins(
    tenant: &Tenant,
    calls: &Calls,
) -> Result<BTreeMap<UserId, Admin>, upstream::Error> {
    if !tenant.policy.manage_admins {
        return Ok(BTreeMap::new());
    }
    match calls.admins().await {
        Ok(admins) => Ok(admins.into_iter().filter_map(|admin| Some((admin.id()?, admin))).collect()),
        Err(upstream::Error::Forbidden(_)) => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// What the list shows of a person's administrator: whether it can log in against the wish, and its roles where they are shown.
/// One that the list leaves out is not gone.
pub(in crate::reconcile) fn compare_admin(
    tenant: &Tenant,
    loaded: &Loaded,
    desired: &Desired,
    admins: &BTreeMap<UserId, Admin>,
) -> Vec<Finding> {
    let Some(link) = &loaded.link.admin else { return Vec::new() };
    let Some(admin) = admins.get(&link.id) else { return Vec::new() };
    let mut found = Vec::new();
    let mut say = |kind, detail: String, repair| {
        let account = format!("administrator {}", link.id);
        found.push(Finding { account, ..finding(loaded, kind, detail, repair) });
    };
    match (link.enabled, admin.enabled()) {
        // Whoever the identity provider has switched off must not work, whatever the policy says.
        (false, true) => {
            let detail = "the administrator was switched off by the identity provider and can log in again";
            say(Kind::SwitchedOn, detail.to_owned(), true);
        }
        (true, false) if desired.active && desired.admin.is_some() && !loaded.person.suspended => {
            let detail = "the administrator was switched off in RingCX by hand and stays so";
            say(Kind::SwitchedOff, detail.to_owned(), true);
        }
        _ => {}
    }
    // What waits, or was never confirmed, is looked at under the administrator's own path.
    let (Some(shown), true) = (admin.roles_shown(), loaded.waiting.is_empty()) else { return found };
    let roles = Roles::of(link, desired, &shown);
    if !unsettled_admin(tenant, loaded, desired) {
        let repair = tenant.policy.on_drift == OnDrift::Repair;
        if admin.enabled() && !roles.gone.is_empty() {
            say(Kind::Pending, format!("would give {} again, taken by hand", named(&roles.gone)), repair);
        }
        if !roles.left.is_empty() {
            say(Kind::Pending, format!("would take {}", named(&roles.left)), repair || !desired.active);
        }
    }
    if !roles.foreign.is_empty() {
        let detail =
            format!("has {}, which the bridge has not given and does not take", named(&roles.foreign));
        say(Kind::ForeignRole, detail, false);
    }
    found
}

/// How the roles of an administrator differ.
struct Roles {
    /// Given by the bridge, wished for, and not there.
    gone: BTreeSet<RoleType>,
    /// Given by the bridge, not wished for, and there.
    left: BTreeSet<RoleType>,
    /// Neither given by the bridge nor there when the administrator was taken over.
    foreign: BTreeSet<RoleType>,
}

impl Roles {
    fn of(link: &AdminLink, desired: &Desired, shown: &BTreeSet<RoleType>) -> Self {
        let wanted = desired.admin.as_ref().filter(|_| desired.active).map(|it| it.roles.clone());
        let wanted = wanted.unwrap_or_default();
        let given = &link.granted_roles;
        // Of one that was taken over before this was remembered nobody knows which roles are its own.
        let own = if link.ours { Some(BTreeSet::new()) } else { link.found_roles.clone() };
        // Base access comes by itself in some readings.
        let foreign = |role: &&RoleType| {
            role.as_str() != "USER"
                && !given.contains(*role)
                && !wanted.contains(*role)
                && own.as_ref().is_some_and(|own| !own.contains(*role))
        };
        Self {
            gone: given
                .iter()
                .filter(|role| wanted.contains(*role) && !shown.contains(*role))
                .cloned()
                .collect(),
            left: given
                .iter()
                .filter(|role| !wanted.contains(*role) && shown.contains(*role))
                .cloned()
                .collect(),
            foreign: shown.iter().filter(foreign).cloned().collect(),
        }
    }
}

fn named(roles: &BTreeSet<RoleType>) -> String {
    let word = if roles.len() == 1 { "role" } else { "roles" };
    let names: Vec<&str> = roles.iter().map(RoleType::as_str).collect();
    format!("{word} {}", names.join(", "))
}
