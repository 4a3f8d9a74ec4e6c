//! Power: whether the bridge may manage administrators, where new ones would hang, and who is left when the identity provider is wrong.

use std::collections::BTreeSet;

use super::{Patient, Report, clause};
use crate::store::survey;
use crate::upstream::model::{Admin, Identity, RoleType, UserId};

pub(super) async fn run(patient: &Patient<'_>, identity: &Identity, report: &mut Report) {
    let settings = &patient.settings.policy;
    if !settings.manage_admins {
        return report.ok("administrators", "are another tenant's (policy.manage_admins = false)");
    }
    let admins = match patient.calls.admins().await {
        Ok(admins) => admins,
        Err(error) => {
            let fix = "give the service user the role MANAGE_USERS, or set policy.manage_admins = false";
            return report.fail("administrators", format!("cannot be read: {}; {fix}", clause(&error)));
        }
    };
    report.ok("administrators", format!("{} are visible", admins.len()));
    own_roles(patient, identity, &admins, report);
    prefixes(patient, report);
    floor(patient, identity, &admins, report).await;
    relatives(patient, identity, &admins, report);
    rights_docs(patient, identity, report).await;
}

/// Whether the bridge's own account may do what the settings promise.
fn own_roles(patient: &Patient<'_>, identity: &Identity, admins: &[Admin], report: &mut Report) {
    let own = admins.iter().find(|it| identity.user_id.is_some() && it.id() == identity.user_id);
    let Some(roles) = own.map(Admin::roles).filter(|roles| !roles.is_empty()) else { return };
    let has =
        |role: &str| roles.contains(&RoleType::new(role)) || roles.contains(&RoleType::new("SUPER_USER"));
    if !has("MANAGE_USERS") {
        let fix = "give it that role, or set policy.manage_admins = false";
        report.fail("roles", format!("the service user lacks MANAGE_USERS, so it can give no role; {fix}"));
    }
    let policy = &patient.settings.policy;
    let gives_docs = !wanted_docs(patient).is_empty() || policy.all_rights_docs;
    if gives_docs && !has("MANAGE_RIGHTS") {
        let fix = "give it that role, or take the rights documents out of the configuration";
        report.fail(
            "roles",
            format!("the service user lacks MANAGE_RIGHTS, so it can give no rights document; {fix}"),
        );
    }
}

/// A prefix gives nothing that no other setting allows.
fn prefixes(patient: &Patient<'_>, report: &mut Report) {
    let policy = &patient.settings.policy;
    let mapped = patient.settings.group.iter().any(|it| !it.roles.is_empty());
    let no_role = policy.allowed_roles.is_empty() && policy.privileged_roles.is_empty() && !mapped;
    if policy.role_group_prefix.is_some() && no_role {
        let fix = "name the roles in policy.allowed_roles, or take the prefix out";
        report.warn("roles", format!("policy.role_group_prefix gives none, because none is allowed; {fix}"));
    }
    let no_doc = wanted_docs(patient).is_empty() && !policy.all_rights_docs;
    if policy.rights_doc_group_prefix.is_some() && no_doc {
        let fix = "name them in policy.allowed_rights_docs, or set policy.all_rights_docs = true";
        report.warn(
            "rights documents",
            format!("policy.rights_doc_group_prefix gives none, because none is allowed; {fix}"),
        );
    }
}

/// Somebody must be able to put things right whom the identity provider cannot switch off.
async fn floor(patient: &Patient<'_>, identity: &Identity, admins: &[Admin], report: &mut Report) {
    let of = patient.id.clone();
    let linked = patient.store.read(move |tx| survey::linked_admins(tx, &of)).await.unwrap_or_default();
    let super_user = RoleType::new("SUPER_USER");
    let outside = admins.iter().filter(|it| {
        let id = it.id();
        it.enabled()
            && id != identity.user_id
            && it.roles().contains(&super_user)
            && id.is_none_or(|id| !linked.contains(&id.0))
    });
    match outside.count() {
        0 => report.fail(
            "last-admin floor",
            "no enabled SUPER_USER besides the bridge's own account is out of the identity provider's reach; appoint one in RingCX",
        ),
        count => report.ok("last-admin floor", format!("{count} besides the bridge's own account")),
    }
}

/// Under whom new administrators are created, and who takes over from deleted ones.
fn relatives(patient: &Patient<'_>, identity: &Identity, admins: &[Admin], report: &mut Report) {
    let policy = &patient.settings.policy;
    let exists = |id: i64| admins.iter().any(|it| it.id() == Some(UserId(id)));
    for (key, id) in [
        ("admin_parent_user_id", policy.admin_parent_user_id),
        ("admin_reassign_user_id", policy.admin_reassign_user_id),
    ] {
        if let Some(id) = id.filter(|id| !exists(*id)) {
            let fix = format!("set policy.{key} to the userId of one that is");
            report.fail("administrators", format!("administrator {id} of policy.{key} is not there; {fix}"));
        }
    }
    if policy.admin_parent_user_id.is_none() {
        let own = identity.user_id.map(|id| format!(" ({id})")).unwrap_or_default();
        report.warn(
            "administrators",
            format!(
                "new administrators would hang under the bridge's own account{own} and go with it; set policy.admin_parent_user_id"
            ),
        );
    }
}

fn wanted_docs(patient: &Patient<'_>) -> BTreeSet<i64> {
    let mapped = patient.settings.group.iter().flat_map(|it| &it.rights_docs);
    patient.settings.policy.allowed_rights_docs.iter().chain(mapped).copied().collect()
}

async fn rights_docs(patient: &Patient<'_>, identity: &Identity, report: &mut Report) {
    let wanted = wanted_docs(patient);
    let Some(own) = identity.user_id.filter(|_| !wanted.is_empty()) else { return };
    let docs = match patient.calls.rights_docs(own).await {
        Ok(docs) => docs,
        Err(error) => {
            let fix = "give the service user the role MANAGE_RIGHTS";
            return report.fail("rights documents", format!("cannot be read: {}; {fix}", clause(&error)));
        }
    };
    for id in wanted {
        match docs.iter().find(|doc| doc.id.0 == id) {
            Some(doc) if doc.is_master && !patient.settings.policy.master_rights_docs => report.fail(
                "rights documents",
                format!(
                    "{id} is a master document, which applies to the whole main account, and is not given; set \
                     policy.master_rights_docs = true, or take it out"
                ),
            ),
            Some(_) => report.ok("rights documents", format!("{id} exists")),
            None => {
                let fix = "correct the configuration, or let the service user see it";
                report.fail("rights documents", format!("{id} is not there; {fix}"));
            }
        }
    }
}
