//! What a person's groups and attributes give: an agent group, a kind of agent, roles, rights documents.
//!
//! A pure function of what is stored, never of the order in which it arrived.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::person::elements;
use super::policy::{GroupMapping, LINKED_BY_NAME, MappedAgentType, Policy};
use super::{GroupId, fold};
use crate::scim::schema::AGENT_GROUP;
use crate::scim::{Error, Resource};
use crate::upstream::model::{AgentGroupId, RightsDocId, RoleType};

/// A group of the identity provider in which a person is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Its SCIM id.
    pub id: GroupId,
    /// Its `displayName`.
    pub display_name: String,
    /// Its `externalId`.
    pub external_id: Option<String>,
    /// The agent group to which it is linked by name.
    pub linked: Option<AgentGroupId>,
}

/// An agent group, by whatever names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupWish {
    /// By the name in the attribute `agentGroupName`.
    Attribute(String),
    /// By the name in a mapping of the configuration.
    Mapping(String),
    /// By the id to which a SCIM group is linked.
    Linked(AgentGroupId),
    /// By the id of the group in which the agent was found.
    Home(AgentGroupId),
    /// By the name of the tenant's default.
    Default(String),
}

/// Everything that groups give one person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupGrants {
    /// The agent group of the winning mapping.
    pub agent_group: Option<GroupWish>,
    /// Whether some group makes its members supervisors.
    pub agent_type: Option<MappedAgentType>,
    /// The roles, all groups together.
    pub roles: BTreeSet<RoleType>,
    /// The rights documents, all groups together.
    pub rights_docs: BTreeSet<RightsDocId>,
}

/// The names of rights documents, folded, as RingCX has them.
pub type RightsDocNames = BTreeMap<String, RightsDocId>;

/// What `memberships` give under `policy` and `mappings`.
///
/// The agent group is that of the smallest (priority, folded name, id), so there are no ties and no history.
pub fn by_groups(
    memberships: &[Membership],
    policy: &Policy,
    mappings: &[GroupMapping],
    docs: &RightsDocNames,
) -> GroupGrants {
    let mut grants = GroupGrants::default();
    let mut winner: Option<(i64, String, &GroupId, GroupWish)> = None;
    let mut consider = |candidate: (i64, String, _, GroupWish)| {
        if winner.as_ref().is_none_or(|best| candidate < *best) {
            winner = Some(candidate);
        }
    };
    for group in memberships {
        let speaking = mappings.iter().filter(|mapping| {
            mapping.speaks_of(&group.display_name, group.external_id.as_deref(), group.id.as_str())
        });
        for mapping in speaking {
            if let Some(name) = &mapping.agent_group {
                consider((
                    mapping.priority,
                    fold(&group.display_name),
                    &group.id,
                    GroupWish::Mapping(name.clone()),
                ));
            }
            grants.agent_type = grants.agent_type.max(mapping.agent_type);
            grants.roles.extend(mapping.roles.iter().map(|role| role_named(role, policy)));
            grants.rights_docs.extend(mapping.rights_docs.iter().copied().map(RightsDocId));
        }
        if let Some(id) = group.linked {
            consider((LINKED_BY_NAME, fold(&group.display_name), &group.id, GroupWish::Linked(id)));
        }
        if let Some(role) = after_prefix(&group.display_name, policy.role_group_prefix.as_deref()) {
            grants.roles.insert(role_named(role, policy));
        }
        let doc = after_prefix(&group.display_name, policy.rights_doc_group_prefix.as_deref());
        grants.rights_docs.extend(doc.and_then(|name| docs.get(&fold(name))).copied());
    }
    grants.roles.retain(|role| may_be_given(role, policy));
    grants.agent_group = winner.map(|(.., wish)| wish);
    grants
}

/// Whether membership of this group decides an agent group, so that no agent group is made or linked for its name.
pub fn is_spoken_for(group: &Membership, policy: &Policy, mappings: &[GroupMapping]) -> bool {
    mappings
        .iter()
        .any(|it| it.speaks_of(&group.display_name, group.external_id.as_deref(), group.id.as_str()))
        || after_prefix(&group.display_name, policy.role_group_prefix.as_deref()).is_some()
        || after_prefix(&group.display_name, policy.rights_doc_group_prefix.as_deref()).is_some()
}

/// The roles that the person's own `roles` attribute asks for.
///
/// # Errors
/// `invalidValue` names the first role that this tenant does not give: answering success would record access as granted.
pub fn direct_roles(
    user: &Resource,
    policy: &Policy,
    mappings: &[GroupMapping],
) -> Result<BTreeSet<RoleType>, Error> {
    let allowed = allowed_roles(policy, mappings);
    let mut roles = BTreeSet::new();
    for value in values(user, "roles") {
        let text = value.trim();
        if text.is_empty() || policy.no_role_keywords.iter().any(|word| word.eq_ignore_ascii_case(text)) {
            continue;
        }
        let role = role_named(text, policy);
        if !allowed.contains(&role) {
            let known = allowed.iter().map(RoleType::as_str).collect::<Vec<_>>().join(", ");
            let choice = if known.is_empty() {
                "none is allowed yet".to_owned()
            } else {
                format!("allowed are {known}")
            };
            return Err(Error::invalid_value(format!(
                "roles value \"{text}\" is not a role that this tenant gives; {choice} (setting allowed_roles)."
            )));
        }
        if !may_be_given(&role, policy) {
            return Err(Error::invalid_value(format!(
                "roles value \"{text}\" lets its holder gain more access; list it in the setting privileged_roles to allow it."
            )));
        }
        roles.insert(role);
    }
    Ok(roles)
}

/// The rights documents that the person's own `entitlements` attribute asks for.
///
/// # Errors
/// `invalidValue` names the first that this tenant does not give.
pub fn direct_rights_docs(
    user: &Resource,
    policy: &Policy,
    mappings: &[GroupMapping],
) -> Result<BTreeSet<RightsDocId>, Error> {
    let allowed = allowed_rights_docs(policy, mappings);
    let mut docs = BTreeSet::new();
    for element in elements(user, "entitlements").filter(|element| !names_agent_group(element)) {
        let Some(value) = element.get("value").and_then(Value::as_str) else { continue };
        let text = value.trim();
        if text.is_empty() || policy.no_role_keywords.iter().any(|word| word.eq_ignore_ascii_case(text)) {
            continue;
        }
        match text.parse().map(RightsDocId) {
            Ok(doc) if allowed.contains(&doc) => docs.insert(doc),
            _ => {
                return Err(Error::invalid_value(format!(
                    "entitlements value \"{text}\" is not a rights document that this tenant gives; \
                     use the id of one in the setting allowed_rights_docs."
                )));
            }
        };
    }
    Ok(docs)
}

/// Every role that the settings and the mappings name, privileged ones included.
fn allowed_roles(policy: &Policy, mappings: &[GroupMapping]) -> BTreeSet<RoleType> {
    let mapped = mappings.iter().flat_map(|it| &it.roles);
    policy.allowed_roles.iter().chain(mapped).map(|role| role_named(role, policy)).collect()
}

/// The roles that the tenant may give.
pub(super) fn givable_roles(policy: &Policy, mappings: &[GroupMapping]) -> BTreeSet<RoleType> {
    let mut roles = allowed_roles(policy, mappings);
    roles.retain(|role| may_be_given(role, policy));
    roles
}

/// The rights documents that the tenant may give.
pub(super) fn allowed_rights_docs(policy: &Policy, mappings: &[GroupMapping]) -> BTreeSet<RightsDocId> {
    let mapped = mappings.iter().flat_map(|it| &it.rights_docs);
    policy.allowed_rights_docs.iter().chain(mapped).copied().map(RightsDocId).collect()
}

/// The agent group that an entitlement names, by id or by name: how Okta's entitlement management gives one.
pub fn entitled_agent_group(user: &Resource) -> Option<&str> {
    let mut named = elements(user, "entitlements").filter(|element| names_agent_group(element));
    named.find_map(|element| element.get("value").and_then(Value::as_str)).map(str::trim)
}

/// Whether an entitlement is one of the resource type `AgentGroup`.
fn names_agent_group(element: &Value) -> bool {
    let kind = element.get("type").and_then(Value::as_str);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(AGENT_GROUP.name))
}

/// Base access: `USER` comes with any other role and goes with the last one.
pub fn with_base_access(mut roles: BTreeSet<RoleType>, has_docs: bool) -> BTreeSet<RoleType> {
    if !roles.is_empty() || has_docs {
        roles.insert(RoleType::new("USER"));
    }
    roles
}

/// Roles whose holder can gain more; each needs an entry of its own in `privileged_roles`.
const PRIVILEGED: [&str; 4] = ["SUPER_USER", "MANAGE_RIGHTS", "ASSUME_USERS", "MANAGE_USERS"];

/// Whether a role lets its holder gain more.
pub fn is_privileged(role: &RoleType) -> bool {
    PRIVILEGED.contains(&role.as_str())
}

fn may_be_given(role: &RoleType, policy: &Policy) -> bool {
    // NO_ACCESS is a state that RingCX sets, not something to give.
    role.as_str() != "NO_ACCESS"
        && (!is_privileged(role) || policy.privileged_roles.iter().any(|it| role_named(it, policy) == *role))
}

fn role_named(text: &str, policy: &Policy) -> RoleType {
    let wanted = fold(text);
    let alias =
        policy.role_aliases.iter().find(|(name, _)| fold(name) == wanted).map(|(_, role)| role.as_str());
    RoleType::new(alias.unwrap_or(text).trim())
}

fn after_prefix<'a>(name: &'a str, prefix: Option<&str>) -> Option<&'a str> {
    let prefix = prefix?;
    let (head, rest) = name.split_at_checked(prefix.len())?;
    (fold(head) == fold(prefix) && !rest.trim().is_empty()).then(|| rest.trim())
}

fn values<'a>(user: &'a Resource, attribute: &str) -> impl Iterator<Item = &'a str> {
    elements(user, attribute).filter_map(|element| element.get("value")).filter_map(Value::as_str)
}
