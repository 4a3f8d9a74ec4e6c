//! What a person ought to have in RingCX: a pure function of the stored resource, the memberships and the settings.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::grant::{self, Barred, GroupGrants, GroupWish, Membership, Pins};
use super::lookup::{self, ASSIGNED};
use super::policy::{
    AgentDefaults, ExternalIdSource, GroupMapping, LinkExtension, MappedAgentType, Persona, Policy,
};
use super::rights_docs::RightsDocs;
use super::{fold, mapping, person};
use crate::scim::{Error, Resource, urn};
use crate::upstream::model::{
    AgentGroup, AgentGroupId, AuxState, DialGroup, Queue, RcUserId, RightsDocId, RoleType,
};

/// What the bridge knows of the account as a whole.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// The agent groups.
    pub agent_groups: Vec<AgentGroup>,
    /// The states in which an agent can begin.
    pub aux_states: Vec<AuxState>,
    /// The rights documents.
    pub rights_docs: RightsDocs,
    /// Dial groups and queues; none where no tenant's setting has asked for them.
    pub assignables: Option<Assignables>,
}

/// What agents can be assigned to besides their group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Assignables {
    /// The dial groups.
    pub dial_groups: Vec<DialGroup>,
    /// The queues.
    pub queues: Vec<Queue>,
}

/// The terms under which a tenant's people are provisioned.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// The settings.
    pub policy: &'a Policy,
    /// What groups give.
    pub mappings: &'a [GroupMapping],
    /// Fields of every new agent.
    pub agent_defaults: &'a AgentDefaults,
    /// The RingCX sub-account.
    pub account_id: &'a str,
    /// Where `externalAgentId` comes from.
    pub external_id_source: ExternalIdSource,
    /// What RingCX has.
    pub directory: &'a Directory,
}

/// One person as stored.
#[derive(Clone, Copy)]
pub struct Standing<'a> {
    /// The resource as the client wrote it.
    pub user: &'a Resource,
    /// The groups in which the person is.
    pub memberships: &'a [Membership],
    /// Which groups were first to give what lets its holder gain more.
    pub pins: &'a Pins,
    /// Whether the person has an agent.
    pub has_agent: bool,
    /// The agent group in which that agent was found, or in which an operator wants it.
    pub home: Option<AgentGroupId>,
    /// Whether the client has deleted the person.
    pub deleted: bool,
}

/// What a person ought to have.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and none follows from the others"
)]
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Whether they may work.
    pub active: bool,
    /// Whether the person is to be gone.
    pub deleted: bool,
    /// Whether they were never more than a test, so that their agent is deleted unless it has signed in.
    pub purge: bool,
    /// The agent, if they are one.
    pub agent: Option<DesiredAgent>,
    /// Whether the agent's group is the one where it was found, and no wish of anybody's.
    pub at_home: bool,
    /// The administrator, if they are one.
    pub admin: Option<DesiredAdmin>,
    /// What could not be had, in words for the person's `lastError`.
    pub notes: Vec<String>,
    /// What is asked for and cannot be, in the same words: somebody has to correct it.
    pub faults: Vec<String>,
    /// What a group does not give because another one was first.
    pub barred: BTreeSet<Barred>,
}

/// The agent that a person ought to have.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredAgent {
    /// The agent group; none: the person is held until one is known.
    pub group: Option<AgentGroupId>,
    /// The login name of a new agent, and of an old one where a rename follows.
    pub login: String,
    /// The fields that the client decides.
    pub fields: BTreeMap<String, Value>,
    /// Fields that stay as they are although the client does not decide them now.
    pub kept: BTreeSet<String>,
    /// The value for `externalAgentId`.
    pub external_agent_id: Option<String>,
    /// The RingCentral extension that the client named.
    pub rc_user_id: Option<RcUserId>,
    /// The address by which an extension is looked up.
    pub lookup_email: Option<String>,
    /// Whether RingCentral maintains the agent from its link on, where the client says so.
    pub sync_with_office: Option<bool>,
}

impl DesiredAgent {
    /// The fields that count as set by the client once this is what RingCX has.
    pub fn owned(&self, before: &BTreeSet<String>) -> BTreeSet<String> {
        self.fields.keys().chain(before.intersection(&self.kept)).cloned().collect()
    }
}

/// The administrator that a person ought to have.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredAdmin {
    /// The login name, which is an address.
    pub user_name: String,
    /// `firstName` and `lastName`, where the client sent them.
    pub fields: BTreeMap<String, Value>,
    /// The roles; none while inactive.
    pub roles: BTreeSet<RoleType>,
    /// The rights documents; none while inactive.
    pub rights_docs: BTreeSet<RightsDocId>,
}

/// What the person ought to have.
///
/// A stored role or rights document that this tenant does not give any more gives nothing, and stands in the notes: a leaver
/// must be switched off whatever else is wrong with them.
pub fn desired(standing: &Standing<'_>, terms: &Terms<'_>) -> Desired {
    let user = standing.user;
    let policy = terms.policy;
    let active = person::is_active(user) && !standing.deleted;
    let docs = &terms.directory.rights_docs;
    let grants = grant::by_groups(standing.memberships, policy, terms.mappings, docs, standing.pins);
    let (mut notes, mut faults) = (Vec::new(), Vec::new());

    let persona = mapping::ringcx_text(user, "persona").and_then(Persona::parse);
    let wants_agent = match persona {
        Some(persona) => matches!(persona, Persona::Agent | Persona::Both),
        None => {
            standing.has_agent
                || standing.home.is_some()
                || grants.agent_group.is_some()
                || named_group(user).is_some()
                || matches!(policy.persona_by_default(), Persona::Agent | Persona::Both)
        }
    };
    let at_home = standing.home.is_some() && named_group(user).is_none() && grants.agent_group.is_none();
    let agent = wants_agent.then(|| desired_agent(standing, terms, &grants, (&mut notes, &mut faults)));
    let nowhere = agent.as_ref().is_some_and(|it| it.group.is_none()) && faults.is_empty();
    if nowhere && active && standing.has_agent {
        notes.push(STAYS.to_owned());
    }
    let barred = if active && policy.manage_admins { grants.barred.clone() } else { BTreeSet::new() };
    notes.extend(barred.iter().map(Barred::sentence));
    let admin = desired_admin(user, active, persona, terms, grants, &mut faults);
    Desired { active, deleted: standing.deleted, purge: false, agent, at_home, admin, notes, faults, barred }
}

/// Whether the names that the client wrote mean something in RingCX; asked before a write is accepted.
///
/// # Errors
/// `invalidValue` naming the attribute, its value and what would do.
pub fn check_names(user: &Resource, terms: &Terms<'_>) -> Result<(), Error> {
    if let Some(name) = named_group(user) {
        group_named(name, &terms.directory.agent_groups).map_err(Error::invalid_value)?;
    }
    let states = &terms.directory.aux_states;
    if let Some(label) = mapping::ringcx_text(user, "initialState") {
        lookup::state("initialState", label, states).map_err(Error::invalid_value)?;
    }
    // Where the states cannot be read RingCX decides what it takes.
    if let Some(label) = mapping::ringcx_text(user, "ghostRnaAction").filter(|_| !states.is_empty()) {
        lookup::state("ghostRnaAction", label, states).map_err(Error::invalid_value)?;
    }
    for assigned in ASSIGNED {
        if let Some(text) = mapping::ringcx_text(user, assigned.attribute) {
            let found = assigned.id(assigned.attribute, text, terms.policy, terms.directory);
            found.map_err(Error::invalid_value)?;
        }
    }
    let roles = grant::asked_roles(user, terms.policy, terms.mappings).fault;
    let known = &terms.directory.rights_docs;
    let docs = grant::asked_rights_docs(user, terms.policy, terms.mappings, known).fault;
    roles.or(docs).map_or(Ok(()), Err)
}

/// The agent group that the client names: as attribute, or as an entitlement of its kind.
fn named_group(user: &Resource) -> Option<&str> {
    mapping::ringcx_text(user, "agentGroupName").or_else(|| grant::entitled_agent_group(user))
}

/// The agent group of a name, in any case, or else of an id.
///
/// # Errors
/// A sentence that names the group when there is none or more than one.
pub fn group_named(name: &str, groups: &[AgentGroup]) -> Result<AgentGroupId, String> {
    let wanted = fold(name);
    let mut found = groups.iter().filter(|group| fold(&group.name) == wanted);
    let by_id = || {
        let id = name.trim().parse().map(AgentGroupId).ok()?;
        groups.iter().any(|group| group.id == id).then_some(id)
    };
    match (found.next(), found.next()) {
        (Some(group), None) => Ok(group.id),
        (None, _) => by_id().ok_or_else(|| {
            format!("agent group \"{name}\" does not exist in RingCX; create it there or correct the name.")
        }),
        (Some(_), Some(_)) => {
            Err(format!("agent group \"{name}\" exists more than once in RingCX; rename one of them."))
        }
    }
}

/// What is said of somebody who has left the last group that says where their agent belongs.
const STAYS: &str = "No group of this person says in which agent group the RingCX agent belongs, and there is no default_agent_group, \
    so it stays where it is.";

fn desired_agent(
    standing: &Standing<'_>,
    terms: &Terms<'_>,
    grants: &GroupGrants,
    (notes, faults): (&mut Vec<String>, &mut Vec<String>),
) -> DesiredAgent {
    let user = standing.user;
    let user_name = user.text("userName").unwrap_or_default();
    let mapping::AgentFields { values: mut fields, kept, notes: unresolved } =
        mapping::agent_fields(user, terms.policy, terms.directory);
    notes.extend(unresolved);
    let kind = mapping::ringcx_text(user, "agentType").or(grants.agent_type.map(MappedAgentType::as_str));
    if let Some(kind) = kind {
        fields.insert("agentType".to_owned(), json!(kind));
    }
    DesiredAgent {
        group: effective_group(standing, terms, grants, faults),
        login: person::login_name(&terms.policy.username_template, user_name, terms.account_id),
        fields,
        kept,
        external_agent_id: mapping::external_agent_id(user, terms.external_id_source).map(str::to_owned),
        rc_user_id: mapping::ringcx_text(user, "rcExtensionId")
            .filter(|_| terms.policy.link_rc_extension != LinkExtension::Off)
            .and_then(|id| id.parse().ok())
            .map(RcUserId),
        sync_with_office: user.flag(&format!("{}:syncWithOffice", urn::RINGCX_USER)),
        lookup_email: person::lookup_email(user).map(str::to_owned),
    }
}

/// The one agent group: attribute, then mappings, then where the agent was found, then the default.
fn effective_group(
    standing: &Standing<'_>,
    terms: &Terms<'_>,
    grants: &GroupGrants,
    faults: &mut Vec<String>,
) -> Option<AgentGroupId> {
    let by_attribute = named_group(standing.user).map(|it| GroupWish::Attribute(it.to_owned()));
    let default = terms.policy.default_agent_group.clone().map(GroupWish::Default);
    let wishes = [by_attribute, grants.agent_group.clone(), standing.home.map(GroupWish::Home), default]
        .into_iter()
        .flatten();
    let known = &terms.directory.agent_groups;
    for wish in wishes {
        match wish {
            GroupWish::Attribute(name) | GroupWish::Mapping(name) | GroupWish::Default(name) => {
                match group_named(&name, known) {
                    Ok(id) => return Some(id),
                    Err(why) => faults.push(why),
                }
            }
            GroupWish::Home(id) if known.iter().any(|group| group.id == id) => return Some(id),
            GroupWish::Home(_) => {}
            GroupWish::Linked(id) => {
                if known.iter().any(|group| group.id == id) {
                    return Some(id);
                }
                // The next wish would put the person somewhere that nobody chose.
                faults.push(format!(
                    "agent group {id}, to which a group of this person is tied, is not in RingCX any more; nobody is moved until it is."
                ));
                return None;
            }
        }
    }
    None
}

fn desired_admin(
    user: &Resource,
    active: bool,
    persona: Option<Persona>,
    terms: &Terms<'_>,
    grants: GroupGrants,
    faults: &mut Vec<String>,
) -> Option<DesiredAdmin> {
    let asked = grant::asked_roles(user, terms.policy, terms.mappings);
    let docs = &terms.directory.rights_docs;
    let asked_docs = grant::asked_rights_docs(user, terms.policy, terms.mappings, docs);
    if active && terms.policy.manage_admins {
        faults.extend(asked.fault.into_iter().chain(asked_docs.fault).map(|why| why.detail));
        faults.extend(grants.faults);
    }
    let (mut roles, mut rights_docs) = (asked.given, asked_docs.given);
    roles.extend(grants.roles);
    rights_docs.extend(grants.rights_docs);
    let by_persona = matches!(persona, Some(Persona::Admin | Persona::Both));
    if !terms.policy.manage_admins || (roles.is_empty() && rights_docs.is_empty() && !by_persona) {
        return None;
    }
    if active {
        roles = grant::with_base_access(roles, !rights_docs.is_empty());
    } else {
        roles.clear();
        rights_docs.clear();
    }
    let user_name = user.text("userName").unwrap_or_default().to_owned();
    Some(DesiredAdmin { user_name, fields: mapping::admin_fields(user), roles, rights_docs })
}
