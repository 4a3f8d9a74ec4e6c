//! What a person can do in RingCX as an administrator, asked now, and why.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::work::{parse, wish};
use super::{ContactError, Reconciler};
use crate::domain::desired::Standing;
use crate::domain::grant::is_privileged;
use crate::domain::link::AdminLink;
use crate::domain::reasons::{self, Reason, Reasons};
use crate::domain::{PersonId, TenantId, fold};
use crate::store::names;
use crate::upstream::model::{Admin, RightsDoc, RightsDocId, RoleType, UserId};
use crate::upstream::{self, Calls, Lane};

/// A person's administrative access.
#[derive(Clone, Debug, Serialize)]
pub struct Access {
    /// The SCIM id.
    pub person: PersonId,
    /// Whether the identity provider wants them to work.
    pub active: bool,
    /// The administrator, if they have one.
    pub administrator: Option<Administrator>,
    /// What is to be said: a grant that another group holds, a stored role that is no longer given.
    pub notes: Vec<String>,
    /// Where RingCX differs from what ought to be, one sentence each.
    pub differences: Vec<String>,
}

/// An administrator of RingCX.
#[derive(Clone, Debug, Serialize)]
pub struct Administrator {
    /// Its `userId`.
    pub id: UserId,
    /// Its login name.
    pub user_name: String,
    /// Whether it can log in.
    pub enabled: bool,
    /// Its roles.
    pub roles: Vec<Role>,
    /// The rights documents assigned to it.
    pub rights_documents: Vec<Document>,
    /// What all that comes to, for each account; none where RingCX does not show it.
    pub effective: Option<BTreeMap<String, BTreeSet<String>>>,
}

/// A role that an administrator holds.
#[derive(Clone, Debug, Serialize)]
pub struct Role {
    /// Its name.
    pub name: RoleType,
    /// Whether its holder can gain more.
    pub privileged: bool,
    /// Why.
    pub why: BTreeSet<Reason>,
}

/// A rights document that an administrator holds.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// Its id.
    pub id: RightsDocId,
    /// Its name.
    pub name: Option<String>,
    /// What it permits.
    pub permissions: BTreeSet<String>,
    /// Why.
    pub why: BTreeSet<Reason>,
}

impl Reconciler {
    /// What the person with this SCIM id or user name can do; nothing when there is no such person.
    ///
    /// # Errors
    /// What RingCX or the store said.
    pub async fn access(&self, tenant: &TenantId, person: &str) -> Result<Option<Access>, ContactError> {
        let Some(tenant) = self.tenants.get(tenant).cloned() else { return Ok(None) };
        self.first_contact(&tenant).await?;
        let (of, key) = (tenant.id.clone(), fold(person));
        let named = self.store.read(move |tx| names::holder(tx, &of, names::Kind::UserName, &key)).await?;
        let id = PersonId::from(named.unwrap_or_else(|| person.to_owned()));
        let (Some(loaded), Some(known)) = (self.load(&tenant, &id).await?, tenant.known()) else {
            return Ok(None);
        };
        let user = parse(&loaded.person.body)?;
        let deleted = loaded.person.deleted.is_some();
        let desired = wish(&tenant, &known, &user, &loaded, deleted);
        let mut access = Access {
            person: id,
            active: desired.active,
            administrator: None,
            notes: desired.faults.iter().chain(&desired.notes).cloned().collect(),
            differences: Vec::new(),
        };
        let wanted = desired.active && desired.admin.is_some();
        let Some(link) = &loaded.link.admin else {
            access.differences.extend(wanted.then(|| "The administrator is not made yet.".to_owned()));
            return Ok(Some(access));
        };
        let Some(seen) = seen(&tenant.ringcx.calls(Lane::Reconcile, None), link.id).await? else {
            access.differences.push(format!("RingCX has no administrator {}.", link.id));
            return Ok(Some(access));
        };
        let standing = Standing {
            user: &user,
            memberships: &loaded.memberships,
            pins: &loaded.pins,
            has_agent: loaded.link.agent.is_some(),
            home: None,
            deleted,
        };
        let reasons = reasons::reasons(&standing, &tenant.terms(&known));
        let enabled = seen.admin.enabled();
        if enabled != wanted && ((link.ours && tenant.policy.manage_admins) || !desired.active) {
            let is = if enabled { "can log in and should not" } else { "cannot log in and should" };
            access.differences.push(format!("Administrator {} {is}.", link.id));
        }
        access.differences.extend(differences(&reasons, &seen));
        access.administrator = Some(explained(link, seen, &reasons));
        Ok(Some(access))
    }
}

/// An administrator as RingCX shows it, with everything that it can do.
struct Seen {
    admin: Admin,
    roles: BTreeSet<RoleType>,
    docs: Vec<RightsDoc>,
    effective: Option<BTreeMap<String, BTreeSet<String>>>,
}

async fn seen(calls: &Calls, id: UserId) -> Result<Option<Seen>, upstream::Error> {
    let admin = match calls.admin(id).await {
        Err(upstream::Error::NotFound) => return Ok(None),
        admin => admin?,
    };
    let (roles, docs) = (calls.roles(id).await?, calls.assigned_rights_docs(id).await?);
    let effective = match calls.aggregated_rights(id).await {
        Err(upstream::Error::Forbidden(_) | upstream::Error::NotFound) => None,
        effective => Some(effective?),
    };
    Ok(Some(Seen { admin, roles, docs, effective }))
}

fn differences(reasons: &Reasons, seen: &Seen) -> Vec<String> {
    let held: BTreeSet<RightsDocId> = seen.docs.iter().map(|doc| doc.id).collect();
    let mut found = missing("role", reasons.roles.keys(), |role| seen.roles.contains(role));
    found.extend(missing("rights document", reasons.rights_docs.keys(), |doc| held.contains(doc)));
    if let Some(effective) = &seen.effective {
        found.extend(seen.docs.iter().filter_map(|doc| without_effect(doc, effective)));
    }
    found
}

fn explained(link: &AdminLink, seen: Seen, reasons: &Reasons) -> Administrator {
    let why = |known: Option<&BTreeSet<Reason>>, given: bool| {
        let usual = if given { Reason::GivenBefore } else { Reason::Foreign };
        known.cloned().unwrap_or_else(|| BTreeSet::from([usual]))
    };
    let roles = seen.roles.into_iter().map(|name| Role {
        privileged: is_privileged(&name),
        why: why(reasons.roles.get(&name), link.granted_roles.contains(&name)),
        name,
    });
    let rights_documents = seen.docs.into_iter().map(|doc| Document {
        why: why(reasons.rights_docs.get(&doc.id), link.granted_docs.contains(&doc.id)),
        id: doc.id,
        name: doc.name,
        permissions: doc.permissions,
    });
    Administrator {
        id: link.id,
        user_name: seen.admin.user_name().unwrap_or_default().to_owned(),
        enabled: seen.admin.enabled(),
        roles: roles.collect(),
        rights_documents: rights_documents.collect(),
        effective: seen.effective,
    }
}

fn missing<'a, T: std::fmt::Display + 'a>(
    kind: &str,
    wanted: impl Iterator<Item = &'a T>,
    held: impl Fn(&T) -> bool,
) -> Vec<String> {
    wanted.filter(|it| !held(it)).map(|it| format!("The {kind} {it} is due and not held.")).collect()
}

fn without_effect(doc: &RightsDoc, effective: &BTreeMap<String, BTreeSet<String>>) -> Option<String> {
    let has = |permission: &&String| effective.values().any(|all| all.contains(*permission));
    let missing: Vec<&str> = doc.permissions.iter().filter(|it| !has(it)).map(String::as_str).collect();
    (!missing.is_empty()).then(|| {
        format!(
            "Rights document {} is assigned, and {} is not in the effective access.",
            doc.id,
            missing.join(", ")
        )
    })
}
