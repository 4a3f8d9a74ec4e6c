//! The difference between what ought to be and what is, as a list of calls.
//!
//! Pure: the same two states give the same steps, so repetition and crashes cannot matter. Removals come first, so there is
//! never a moment with more power than before or after.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::desired::{Desired, DesiredAdmin, DesiredAgent};
use super::found::read_only;
use super::link::{AdminLink, AgentLink, Link};
use super::mapping;
use super::policy::{AgentDefaults, DirectLine, OnDelete, Policy, Rename};
use crate::upstream::model::{Admin, Agent, AgentGroupId, AgentId, RightsDocId, RoleType, UserId};

/// What RingCX has of one person.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The agent.
    pub agent: Option<ObservedAgent>,
    /// The administrator.
    pub admin: Option<ObservedAdmin>,
}

/// An agent as RingCX shows it.
#[derive(Clone, Debug)]
pub struct ObservedAgent {
    /// Its id.
    pub id: AgentId,
    /// The group under which it was found.
    pub group: AgentGroupId,
    /// Everything else.
    pub agent: Agent,
}

/// An administrator as RingCX shows it.
#[derive(Clone, Debug)]
pub struct ObservedAdmin {
    /// Its id.
    pub id: UserId,
    /// Everything else.
    pub admin: Admin,
    /// Its roles.
    pub roles: BTreeSet<RoleType>,
    /// The rights documents assigned to it.
    pub rights_docs: BTreeSet<RightsDocId>,
}

/// One call that changes RingCX.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Switch an administrator off.
    DisableAdmin(UserId),
    /// Take a role that the bridge gave.
    RevokeRole(UserId, RoleType),
    /// Take a rights document that the bridge gave.
    RevokeRightsDoc(UserId, RightsDocId),
    /// Delete an administrator that the bridge created.
    DeleteAdmin(UserId),
    /// Switch an agent off, and change nothing else.
    DisableAgent(AgentId),
    /// Empty the direct line of an agent that is switched off.
    ClearDirectLine(AgentId),
    /// Delete an agent that the bridge created.
    DeleteAgent(AgentId),
    /// Create an agent in its final group.
    CreateAgent(NewAgent),
    /// Change fields of an agent, switch it on, move it: one PUT.
    UpdateAgent(AgentUpdate),
    /// Create an administrator, without roles.
    CreateAdmin(NewAdmin),
    /// Send an administrator the mail with which they choose their password.
    SendResetMail(UserId),
    /// Change fields of an administrator.
    UpdateAdmin(UserId, BTreeMap<String, Value>),
    /// Switch an administrator on.
    EnableAdmin(UserId),
    /// Give a role.
    GrantRole(UserId, RoleType),
    /// Give a rights document.
    GrantRightsDoc(UserId, RightsDocId),
}

impl Step {
    /// Whether it takes access away; such steps stand before all others, and do not wait for one another.
    pub fn takes(&self) -> bool {
        match self {
            Self::DisableAdmin(_)
            | Self::RevokeRole(..)
            | Self::RevokeRightsDoc(..)
            | Self::DeleteAdmin(_)
            | Self::DisableAgent(_)
            | Self::DeleteAgent(_)
            | Self::ClearDirectLine(_) => true,
            Self::CreateAgent(_)
            | Self::UpdateAgent(_)
            | Self::CreateAdmin(_)
            | Self::UpdateAdmin(..)
            | Self::EnableAdmin(_)
            | Self::SendResetMail(_)
            | Self::GrantRole(..)
            | Self::GrantRightsDoc(..) => false,
        }
    }
}

/// An agent to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAgent {
    /// Where.
    pub group: AgentGroupId,
    /// Its login name.
    pub login: String,
    /// Its fields, without password and extension.
    pub fields: BTreeMap<String, Value>,
}

/// What changes about an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentUpdate {
    /// Which.
    pub id: AgentId,
    /// The fields that differ.
    pub changes: BTreeMap<String, Value>,
    /// Whether it is switched on.
    pub enable: bool,
    /// Its new group.
    pub move_to: Option<AgentGroupId>,
}

/// An administrator to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAdmin {
    /// Its login name, which is an address.
    pub user_name: String,
    /// `firstName` and `lastName`.
    pub fields: BTreeMap<String, Value>,
}

/// What is to be done for a person, and what cannot be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The calls, in order.
    pub steps: Vec<Step>,
    /// Whether the person was switched off in RingCX by hand and stays so.
    pub suspended: bool,
    /// Whether the person waits for an agent group.
    pub held: bool,
    /// Why RingCX's agent may not be changed by us at all.
    pub refused: Option<String>,
}

/// What the plan depends on besides the two states.
#[derive(Clone, Copy)]
pub struct Circumstances<'a> {
    /// The settings.
    pub policy: &'a Policy,
    /// Fields of every new agent.
    pub agent_defaults: &'a AgentDefaults,
    /// What the bridge remembers of the accounts.
    pub link: &'a Link,
    /// Whether this write takes `active` from false to true, which ends a local disable.
    pub switch_on: bool,
    /// What was looked at; a persona that was not is left as it is.
    pub scope: Scope,
}

/// Which of the two personas is looked at; the other one is as it was left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The agent.
    pub agent: bool,
    /// The administrator.
    pub admin: bool,
}

/// The steps that take `observed` to `desired`: off first, then powers taken, then deletions, and only then additions.
pub fn plan(desired: &Desired, observed: &Observed, around: &Circumstances<'_>) -> Plan {
    let mut plan = Plan::default();
    let admin = observed.admin.as_ref().zip(around.link.admin.as_ref()).filter(|_| around.scope.admin);
    let agent = observed.agent.as_ref().filter(|_| around.scope.agent);
    // Of administrators who are another tenant's to manage only those of leavers are touched.
    let admin = admin.filter(|_| around.policy.manage_admins || !desired.active);
    plan_switching_off(desired, admin, agent, &mut plan);
    if let Some((seen, link)) = admin {
        plan_revocations(desired, seen, link, &mut plan);
    }
    if let Some((seen, link)) = admin
        && desired.deleted
        && around.policy.on_delete == OnDelete::Delete
        && link.ours
    {
        plan.steps.push(Step::DeleteAdmin(seen.id));
    }
    if let Some(seen) = agent.filter(|_| desired.agent.is_none() || !desired.active) {
        plan_agent_afterwards(desired, seen, around, &mut plan);
    }
    if around.scope.agent {
        plan_agent(desired, observed, around, &mut plan);
    }
    if around.scope.admin {
        plan_admin_additions(desired, observed, around, &mut plan);
    }
    plan
}

/// The administrator first, who has more power; whoever is off cannot use what is taken afterwards.
fn plan_switching_off(
    desired: &Desired,
    admin: Option<(&ObservedAdmin, &AdminLink)>,
    agent: Option<&ObservedAgent>,
    plan: &mut Plan,
) {
    if let Some((seen, link)) = admin
        && (desired.admin.is_none() || !desired.active)
        && seen.admin.enabled()
        && (link.ours || !desired.active)
    {
        plan.steps.push(Step::DisableAdmin(seen.id));
    }
    if let Some(seen) = agent
        && (desired.agent.is_none() || !desired.active)
        && seen.agent.is_active()
    {
        match read_only(&seen.agent) {
            Some(why) => plan.refused = Some(why),
            None => plan.steps.push(Step::DisableAgent(seen.id)),
        }
    }
}

/// What becomes of an agent that is off: deleted where that is the rule, else its direct line is emptied where that is.
fn plan_agent_afterwards(
    desired: &Desired,
    seen: &ObservedAgent,
    around: &Circumstances<'_>,
    plan: &mut Plan,
) {
    let goes = around.policy.on_delete == OnDelete::Delete || (desired.purge && !seen.agent.has_signed_in());
    let ours = around.link.agent.as_ref().is_some_and(|link| link.ours);
    if desired.deleted && goes && ours {
        plan.steps.push(Step::DeleteAgent(seen.id));
    } else if around.policy.on_deactivate_direct_line == DirectLine::Clear
        && seen.agent.direct_line().is_some()
        && read_only(&seen.agent).is_none()
    {
        // A call of its own: the disable changes nothing else, and waits for nothing.
        plan.steps.push(Step::ClearDirectLine(seen.id));
    }
}

fn plan_revocations(desired: &Desired, seen: &ObservedAdmin, link: &AdminLink, plan: &mut Plan) {
    let wanted = desired.admin.as_ref();
    let keep_roles = wanted.map(|it| &it.roles);
    for role in link.granted_roles.intersection(&seen.roles) {
        if keep_roles.is_none_or(|keep| !keep.contains(role)) {
            plan.steps.push(Step::RevokeRole(seen.id, role.clone()));
        }
    }
    let keep_docs = wanted.map(|it| &it.rights_docs);
    for doc in link.granted_docs.intersection(&seen.rights_docs) {
        if keep_docs.is_none_or(|keep| !keep.contains(doc)) {
            plan.steps.push(Step::RevokeRightsDoc(seen.id, *doc));
        }
    }
}

fn plan_agent(desired: &Desired, observed: &Observed, around: &Circumstances<'_>, plan: &mut Plan) {
    let link = around.link.agent.as_ref();
    let Some(wanted) = desired.agent.as_ref().filter(|_| desired.active) else { return };
    match (&observed.agent, wanted.group) {
        // An account that is linked but was not seen is never made a second time.
        (None, _) if link.is_some() => {}
        (None, Some(group)) => plan.steps.push(Step::CreateAgent(new_agent(group, wanted, around))),
        (None, None) => plan.held = true,
        (Some(seen), _) => update_agent(seen, wanted, link, around, plan),
    }
}

fn new_agent(group: AgentGroupId, wanted: &DesiredAgent, around: &Circumstances<'_>) -> NewAgent {
    let mut fields: BTreeMap<String, Value> =
        around.agent_defaults.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    fields.entry("agentType".to_owned()).or_insert_with(|| json!("AGENT"));
    fields.extend(wanted.fields.clone());
    if let Some(id) = &wanted.external_agent_id {
        fields.insert("externalAgentId".to_owned(), json!(id));
    }
    NewAgent { group, login: wanted.login.clone(), fields }
}

fn update_agent(
    seen: &ObservedAgent,
    wanted: &DesiredAgent,
    link: Option<&AgentLink>,
    around: &Circumstances<'_>,
    plan: &mut Plan,
) {
    let enable = !seen.agent.is_active();
    if enable && !around.switch_on && link.is_some_and(|link| link.enabled) {
        plan.suspended = true;
    }
    let changes = changed_fields(seen, wanted, link, around);
    let move_to = wanted.group.filter(|group| *group != seen.group);
    let enable = enable && !plan.suspended;
    if changes.is_empty() && move_to.is_none() && !enable {
        return;
    }
    if let Some(why) = read_only(&seen.agent) {
        plan.refused = Some(why);
        return;
    }
    plan.steps.push(Step::UpdateAgent(AgentUpdate { id: seen.id, changes, enable, move_to }));
}

fn changed_fields(
    seen: &ObservedAgent,
    wanted: &DesiredAgent,
    link: Option<&AgentLink>,
    around: &Circumstances<'_>,
) -> BTreeMap<String, Value> {
    let raw = seen.agent.raw();
    let mut target = wanted.fields.clone();
    let withdrawn = |field: &&String| !wanted.fields.contains_key(*field) && !wanted.kept.contains(*field);
    for field in link.into_iter().flat_map(|link| &link.owned).filter(withdrawn) {
        let former = link.and_then(|link| link.former.get(field)).cloned();
        if let Some(value) = former.or_else(|| mapping::cleared_value(field, around.agent_defaults)) {
            target.insert(field.clone(), value);
        }
    }
    if around.policy.rename_policy == Rename::Follow {
        // A name that RingCX has refused is not sent with each change again.
        if around.link.refused_login.as_deref() == Some(&wanted.login) {
            target.remove("username");
        } else {
            target.insert("username".to_owned(), json!(wanted.login));
        }
    }
    if let Some(id) = wanted.rc_user_id.filter(|_| seen.agent.rc_user_id().is_none()) {
        target.insert("rcUserId".to_owned(), json!(id));
        if wanted.sync_with_office == Some(true) {
            target.insert("userManagedByRC".to_owned(), json!(true));
        }
    }
    if let Some(id) = &wanted.external_agent_id {
        let theirs = seen.agent.external_agent_id().is_some_and(|it| !it.is_empty());
        // A value that the bridge did not write belongs to a workforce-management feed.
        let closed = link.is_some_and(|link| link.found.read_only.is_some());
        if !closed && (!theirs || link.is_some_and(|link| link.wrote_external_id)) {
            target.insert("externalAgentId".to_owned(), json!(id));
        }
    }
    if seen.agent.user_managed_by_rc() || target.contains_key("userManagedByRC") {
        target.retain(|field, _| !mapping::MANAGED_BY_RINGCENTRAL.contains(&field.as_str()));
    }
    // What the import has found and the client has not changed is no wish of the client's.
    target.retain(|field, value| link.is_none_or(|link| !link.found.holds(field, value)));
    target.retain(|field, value| {
        let seen = raw.get(field);
        let assigned = mapping::assigned_id(field, value);
        let same = assigned.is_some() && seen.and_then(|seen| mapping::assigned_id(field, seen)) == assigned;
        !same && !same_value(seen, value)
    });
    target
}

/// Whether RingCX's value says the same: nothing and the empty text are one, numbers may come as text.
pub(crate) fn same_value(seen: Option<&Value>, wanted: &Value) -> bool {
    let plain = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    plain(seen.unwrap_or(&Value::Null)) == plain(wanted)
}

fn plan_admin_additions(desired: &Desired, observed: &Observed, around: &Circumstances<'_>, plan: &mut Plan) {
    if desired.active
        && desired.admin.is_none()
        && around.policy.manage_admins
        && let (Some(seen), Some(link)) = (&observed.admin, &around.link.admin)
        && !link.ours
        && !link.enabled
        && !seen.admin.enabled()
    {
        // Taken over, given nothing, and switched off with its person by us: it comes back with them.
        plan.steps.push(Step::EnableAdmin(seen.id));
    }
    let Some(wanted) = desired.admin.as_ref().filter(|_| desired.active) else { return };
    let (Some(seen), Some(link)) = (&observed.admin, &around.link.admin) else {
        if around.link.admin.is_some() {
            return;
        }
        let fields = wanted.fields.clone();
        plan.steps.push(Step::CreateAdmin(NewAdmin { user_name: wanted.user_name.clone(), fields }));
        return;
    };
    if !seen.admin.enabled() {
        if link.enabled && !around.switch_on {
            plan.suspended = true;
            return;
        }
        plan.steps.push(Step::EnableAdmin(seen.id));
    }
    if link.owes_reset_mail {
        plan.steps.push(Step::SendResetMail(seen.id));
    }
    let changes = admin_changes(seen, wanted, link, around.policy);
    if !changes.is_empty() {
        plan.steps.push(Step::UpdateAdmin(seen.id, changes));
    }
    plan.steps
        .extend(wanted.roles.difference(&seen.roles).map(|role| Step::GrantRole(seen.id, role.clone())));
    plan.steps.extend(
        wanted.rights_docs.difference(&seen.rights_docs).map(|doc| Step::GrantRightsDoc(seen.id, *doc)),
    );
}

fn admin_changes(
    seen: &ObservedAdmin,
    wanted: &DesiredAdmin,
    link: &AdminLink,
    policy: &Policy,
) -> BTreeMap<String, Value> {
    let raw = seen.admin.raw();
    let mut target = wanted.fields.clone();
    for field in link.owned.iter().filter(|field| !wanted.fields.contains_key(*field)) {
        target.insert(field.clone(), link.former.get(field).cloned().unwrap_or_else(|| json!("")));
    }
    if policy.admin_rename_policy == Rename::Follow {
        target.insert("userName".to_owned(), json!(wanted.user_name));
    }
    if raw.get("userManagedByRC") == Some(&Value::Bool(true)) {
        target.clear();
    }
    target.retain(|field, value| !link.holds(field, value) && !same_value(raw.get(field), value));
    target
}
