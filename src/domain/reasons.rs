//! Why a person has a role or a rights document: by attribute, by which group, as base access.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::desired::{Standing, Terms};
use super::grant;
use crate::upstream::model::{RightsDocId, RoleType};

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Reason {
    /// The person's own `roles` or `entitlements`.
    Attribute,
    /// Membership of this group.
    Group {
        /// Its `displayName`, or the one under which a mapping has matched it.
        group: String,
    },
    /// `USER` comes with any other grant.
    BaseAccess,
    /// The bridge gave it, and nothing gives it any more: it is to go.
    GivenBefore,
    /// The bridge did not give it, and does not take it.
    Foreign,
}

/// The reasons for everything that a person ought to have, by what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    /// For each role.
    pub roles: BTreeMap<RoleType, BTreeSet<Reason>>,
    /// For each rights document.
    pub rights_docs: BTreeMap<RightsDocId, BTreeSet<Reason>>,
}

/// Why the person ought to have what they ought to have; nothing while they are inactive.
pub fn reasons(standing: &Standing<'_>, terms: &Terms<'_>) -> Reasons {
    let mut found = Reasons::default();
    let inactive = standing.deleted || !super::person::is_active(standing.user);
    if inactive || !terms.policy.manage_admins {
        return found;
    }
    for role in grant::asked_roles(standing.user, terms.policy, terms.mappings).given {
        found.roles.entry(role).or_default().insert(Reason::Attribute);
    }
    let docs = &terms.directory.rights_docs;
    for doc in grant::asked_rights_docs(standing.user, terms.policy, terms.mappings, docs).given {
        found.rights_docs.entry(doc).or_default().insert(Reason::Attribute);
    }
    for group in standing.memberships {
        let one = std::slice::from_ref(group);
        let grants = grant::by_groups(one, terms.policy, terms.mappings, docs, standing.pins);
        let reason = Reason::Group { group: group.display_name.clone() };
        for role in grants.roles {
            found.roles.entry(role).or_default().insert(reason.clone());
        }
        for doc in grants.rights_docs {
            found.rights_docs.entry(doc).or_default().insert(reason.clone());
        }
    }
    if !found.roles.is_empty() || !found.rights_docs.is_empty() {
        found.roles.entry(RoleType::new("USER")).or_default().insert(Reason::BaseAccess);
    }
    found
}
