//! Drift: what RingCX has against what was last confirmed, from lists, by person, and what is done about it.
//!
//! Lists are cheap and incomplete: they may leave out who is switched off or hidden, so nothing is called gone because a list
//! does not show it. A look under the person's own path decides.

mod admins;

pub(super) use admins::{compare_admin, list_admins};

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::listing::Listed;
use super::tenant::Known;
use super::work::{Loaded, parse, wish};
use super::{ContactError, Error, Reconciler, Tenant, digest, found_again};
use crate::domain::desired::Desired;
use crate::domain::plan::{self, Circumstances, Observed, ObservedAdmin, ObservedAgent, Scope, Step};
use crate::domain::policy::OnDrift;
use crate::domain::{Actor, PersonId, TenantId};
use crate::store::{self, audit, jobs, links, members, people};
use crate::upstream::model::{Agent, AgentGroupId, AgentId};
use crate::upstream::{self, Calls, Lane};

/// What kind of difference it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The agent is in another agent group than the bridge left it in.
    Moved,
    /// The agent or the administrator was switched off in RingCX by hand.
    SwitchedOff,
    /// Somebody who is switched off by the identity provider can work again.
    SwitchedOn,
    /// RingCX says that the agent does not exist, in any group.
    Gone,
    /// RingCX does not let the bridge see the agent.
    Hidden,
    /// The administrator has a role that the bridge has not given: only reported, never taken.
    ForeignRole,
    /// Steps that the next reconciliation would take.
    Pending,
    /// A rule or a guard stands in the way.
    Refused,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The SCIM id of the person.
    pub person: PersonId,
    /// The RingCX account, as in `agent 5001`.
    pub account: String,
    /// What kind of difference it is.
    pub kind: Kind,
    /// One sentence, without personal data.
    pub detail: String,
    /// Whether it is repaired when this is no dry run.
    pub repair: bool,
    /// The agent group that is taken over as it is.
    #[serde(skip)]
    adopt: Option<AgentGroupId>,
}

/// What a look at a tenant's account has shown.
#[derive(Debug, Default, Serialize)]
pub struct Drift {
    /// The differences.
    pub findings: Vec<Finding>,
    /// How many people were compared.
    pub people: usize,
    /// How many agents RingCX listed.
    pub listed: usize,
    /// Whether the integration listing was used.
    pub integration: bool,
    /// The calls that the look took, by operation.
    pub calls: BTreeMap<String, u64>,
}

impl Reconciler {
    /// Compares every person, or one, with RingCX; changes nothing there.
    ///
    /// # Errors
    /// What RingCX or the store said when the account could not be read.
    pub async fn look(&self, tenant: &TenantId, person: Option<&PersonId>) -> Result<Drift, ContactError> {
        let Some(tenant) = self.tenants.get(tenant).cloned() else { return Ok(Drift::default()) };
        self.first_contact(&tenant).await?;
        let before = tenant.ringcx.calls_made();
        let calls = tenant.ringcx.calls(Lane::Reconcile, None);
        let mut drift = Drift::default();
        // Somebody may have made an agent group by hand, and moved people into it.
        let known = match person {
            None => self.list_names(&tenant, Lane::Reconcile).await?,
            Some(_) => self.known_now(&tenant).await?.unwrap_or_default(),
        };
        let admins = if person.is_none() { list_admins(&tenant, &calls).await? } else { BTreeMap::new() };
        let (listed, ids) = if let Some(person) = person {
            (Listed::new(), vec![person.clone()])
        } else {
            let listed = self.list(&tenant, &known, &calls, &mut drift).await?;
            let of = tenant.id.clone();
            (listed, self.store.read_long(move |tx| links::people(tx, &of)).await?)
        };
        let all = ids.len();
        for (done, id) in ids.into_iter().enumerate() {
            self.tell("comparing people", done, all);
            let Some(loaded) = self.load(&tenant, &id).await? else { continue };
            drift.people += 1;
            let desired = due(&tenant, &known, &loaded)?;
            let found = match listed_agent(&loaded, &listed) {
                // What a guard kept of an administrator stands in no list of agents.
                Some(found) if person.is_none() && !unsettled_admin(&tenant, &loaded, &desired) => {
                    let mut differs = compare(&tenant, &loaded, found);
                    differs.extend(compare_names(&tenant, &loaded, &desired, &found.1));
                    differs
                }
                _ => self.look_at(&tenant, &known, &calls, &loaded).await?,
            };
            drift.findings.extend(found);
            drift.findings.extend(compare_admin(&tenant, &loaded, &desired, &admins));
        }
        self.tell("comparing people", all, all);
        let after = tenant.ringcx.calls_made();
        drift.calls = after
            .into_iter()
            .filter_map(|(name, count)| {
                let made = count - before.get(name).copied().unwrap_or_default();
                (made > 0).then(|| (name.to_owned(), made))
            })
            .collect();
        Ok(drift)
    }

    /// Has what was found brought in line, and what comes of it recorded under the name of `by`, an operator, or else of the
    /// bridge; how many people that concerns.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn repair(&self, tenant: &TenantId, drift: &Drift, by: Option<&Actor>) -> Result<usize, Error> {
        let tenant = self.tenant(tenant)?;
        let concerned = drift.findings.iter().filter(|it| it.repair || it.adopt.is_some());
        let ids: Vec<(PersonId, Option<AgentGroupId>, Lane)> = concerned
            .map(|it| {
                // Whoever can work and must not is as urgent as a leaver.
                let lane = if it.kind == Kind::SwitchedOn { Lane::Deactivate } else { Lane::Reconcile };
                (it.person.clone(), it.adopt.filter(|_| !it.repair), lane)
            })
            .collect();
        let count = ids.len();
        let (of, now, by) = (tenant.id.clone(), self.clock.now(), by.cloned());
        let noticed = ids.iter().map(|(id, ..)| self.record(id, by.clone(), "noticed", &Value::Null));
        let noticed: Vec<audit::Record> = noticed.collect();
        self.store
            .write(move |tx| {
                found_again::look_in_inventory(tx, &of)?;
                for ((id, adopt, lane), noticed) in ids.iter().zip(&noticed) {
                    let Some(mut link) = links::get(tx, &of, id)? else { continue };
                    if let (Some(group), Some(agent)) = (adopt, &mut link.agent) {
                        let moved = json!({"groupId": {"before": agent.id.group, "after": group}});
                        let detail = json!({
                            "agentId": agent.id.agent, "changed": moved, "decision": "the move in RingCX is taken over",
                        });
                        let record = audit::Record { detail: detail.to_string(), ..noticed.clone() };
                        audit::append(tx, &of, &record)?;
                        if agent.home == Some(agent.id.group) {
                            agent.home = Some(*group);
                        }
                        members::show_home(tx, &of, id, group.0, now)?;
                        agent.id.group = *group;
                        links::save(tx, &of, id, &link, now)?;
                        continue;
                    }
                    // What was confirmed is not so any more; the work looks afresh.
                    link.agent_applied = None;
                    link.admin_applied = None;
                    links::save(tx, &of, id, &link, now)?;
                    match &by {
                        Some(by) => jobs::enqueue_for(tx, &of, id, *lane, (now, now), by)?,
                        None => jobs::enqueue(tx, &of, id, *lane, now, now)?,
                    }
                }
                Ok::<_, store::Error>(())
            })
            .await?;
        self.bell.notify_waiters();
        Ok(count)
    }

    /// Has a person looked at by a job of their own, which is tried until it works.
    pub(super) async fn look_again(&self, tenant: &TenantId, person: PersonId) -> Result<(), store::Error> {
        let (of, now) = (tenant.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                let Some(mut link) = links::get(tx, &of, &person)? else { return Ok(()) };
                link.agent_applied = None;
                links::save(tx, &of, &person, &link, now)?;
                jobs::enqueue(tx, &of, &person, Lane::Reconcile, now, now)
            })
            .await
    }

    /// Looks at one person under their own paths and plans, without a change.
    pub(super) async fn look_at(
        &self,
        tenant: &Arc<Tenant>,
        known: &Known,
        calls: &Calls,
        loaded: &Loaded,
    ) -> Result<Vec<Finding>, ContactError> {
        let body = loaded.waiting.last().map_or(loaded.person.body.as_str(), |it| it.body.as_str());
        let user = parse(body)?;
        let deleted = loaded.person.deleted.is_some();
        let desired = wish(tenant, known, &user, loaded, deleted);
        let mut seen = Observed::default();
        let mut found = Vec::new();
        if let Some(link) = &loaded.link.agent {
            match find(calls, known, link.id.group, link.id.agent).await? {
                Found::Here(agent) => {
                    found.extend(compare(tenant, loaded, &(agent.group, agent.agent.clone())));
                    seen.agent = Some(*agent);
                }
                Found::Gone => {
                    let why = "RingCX has no such agent in any group that the bridge sees.".to_owned();
                    return Ok(vec![finding(loaded, Kind::Gone, why, false)]);
                }
                Found::Hidden => {
                    let why = "RingCX does not show this agent to the bridge's account.".to_owned();
                    return Ok(vec![finding(loaded, Kind::Hidden, why, false)]);
                }
            }
        }
        if let Some(link) = &loaded.link.admin {
            match calls.admin(link.id).await {
                Ok(admin) => {
                    let docs = calls.assigned_rights_docs(link.id).await?;
                    let (roles, rights_docs) = (admin.roles(), docs.into_iter().map(|doc| doc.id).collect());
                    seen.admin = Some(ObservedAdmin { id: link.id, admin, roles, rights_docs });
                }
                Err(upstream::Error::NotFound) => {
                    let why = format!("RingCX has no administrator {}.", link.id);
                    found.push(finding(loaded, Kind::Gone, why, false));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let (agent_defaults, _) = tenant.defaults(known);
        let around = Circumstances {
            policy: &tenant.policy,
            agent_defaults: &agent_defaults,
            link: &loaded.link,
            switch_on: false,
            scope: Scope { agent: true, admin: true },
        };
        let planned = plan::plan(&desired, &seen, &around);
        if let Some(why) = planned.refused {
            found.push(finding(loaded, Kind::Refused, why, false));
        }
        if !planned.steps.is_empty() {
            let steps: Vec<String> = planned.steps.iter().map(step_name).collect();
            let repair = tenant.policy.on_drift == OnDrift::Repair;
            found.push(finding(loaded, Kind::Pending, format!("would {}", steps.join(", ")), repair));
        }
        Ok(found)
    }
}

enum Found {
    Here(Box<ObservedAgent>),
    Gone,
    Hidden,
}

/// The agent where it was last, else in any group; "may not see" is not "is not there".
async fn find(
    calls: &Calls,
    known: &Known,
    last: AgentGroupId,
    id: AgentId,
) -> Result<Found, upstream::Error> {
    let others = known.directory.agent_groups.iter().map(|group| group.id).filter(|group| *group != last);
    let mut hidden = false;
    for group in std::iter::once(last).chain(others) {
        match calls.agent(group, id).await {
            Ok(agent) => {
                let group = agent.group_id().unwrap_or(group);
                return Ok(Found::Here(Box::new(ObservedAgent { id, group, agent })));
            }
            Err(upstream::Error::NotFound) => {}
            Err(upstream::Error::Forbidden(_)) => hidden = true,
            Err(error) => return Err(error),
        }
    }
    Ok(if hidden { Found::Hidden } else { Found::Gone })
}

/// Whether RingCX has not confirmed what the person ought to have as an administrator: a guard has kept it, or the settings have
/// changed since.
pub(super) fn unsettled_admin(tenant: &Tenant, loaded: &Loaded, desired: &Desired) -> bool {
    if loaded.link.admin.is_some() && loaded.link.admin_applied.is_none() {
        return true;
    }
    digest::of(desired, &loaded.link, &tenant.policy).admin != loaded.link.admin_applied
}

/// What a person ought to have by what the store has confirmed of them.
pub(super) fn due(tenant: &Tenant, known: &Known, loaded: &Loaded) -> Result<Desired, store::Error> {
    Ok(wish(tenant, known, &parse(&loaded.person.body)?, loaded, loaded.person.deleted.is_some()))
}

fn listed_agent<'a>(loaded: &Loaded, listed: &'a Listed) -> Option<&'a (AgentGroupId, Agent)> {
    listed.get(&loaded.link.agent.as_ref()?.id.agent.0)
}

/// What a list shows of an agent, against what the bridge left.
pub(super) fn compare(
    tenant: &Tenant,
    loaded: &Loaded,
    (group, agent): &(AgentGroupId, Agent),
) -> Vec<Finding> {
    let Some(link) = &loaded.link.agent else { return Vec::new() };
    let mut found = Vec::new();
    // Where an imported agent is was never the client's wish.
    let ours = !loaded.person.imported;
    let repairs = tenant.policy.on_drift == OnDrift::Repair && ours;
    if *group != link.id.group {
        let detail = format!("is in agent group {group} and was left in {}", link.id.group);
        let adopt = (tenant.policy.on_drift == OnDrift::Adopt || !ours).then_some(*group);
        found.push(Finding { adopt, ..finding(loaded, Kind::Moved, detail, repairs) });
    }
    match (link.enabled, agent.is_active()) {
        (true, false) if !loaded.person.suspended => {
            let detail = "was switched off in RingCX by hand and stays so".to_owned();
            found.push(finding(loaded, Kind::SwitchedOff, detail, true));
        }
        // Whoever the identity provider has switched off must not work, whatever the policy says.
        (false, true) => {
            let detail = "was switched off by the identity provider and can work again".to_owned();
            found.push(finding(loaded, Kind::SwitchedOn, detail, true));
        }
        _ => {}
    }
    found
}

/// The names that a list shows of an agent, against what the client has said. Lists may be behind, so the work that follows looks
/// itself.
pub(super) fn compare_names(
    tenant: &Tenant,
    loaded: &Loaded,
    desired: &Desired,
    agent: &Agent,
) -> Option<Finding> {
    let link = loaded.link.agent.as_ref()?;
    if !loaded.waiting.is_empty() || loaded.person.deleted.is_some() {
        return None;
    }
    let wanted = desired.agent.as_ref().filter(|_| desired.active)?;
    let differs = |field: &&str| {
        let (shown, due) = (agent.raw().get(*field), wanted.fields.get(*field));
        link.owned.contains(*field) && shown.is_some_and(Value::is_string) && due.is_some() && shown != due
    };
    let names: Vec<&str> = ["firstName", "lastName"].into_iter().filter(differs).collect();
    if names.is_empty() {
        return None;
    }
    let detail = format!("would update agent {} ({}), as the list shows it", link.id.agent, names.join(", "));
    let repair = tenant.policy.on_drift == OnDrift::Repair;
    Some(finding(loaded, Kind::Pending, detail, repair))
}

fn finding(loaded: &Loaded, kind: Kind, detail: String, repair: bool) -> Finding {
    let agent = loaded.link.agent.as_ref().map(|agent| format!("agent {}", agent.id.agent));
    let admin = loaded.link.admin.as_ref().map(|admin| format!("administrator {}", admin.id));
    let account = agent.or(admin).unwrap_or_else(|| "none yet".to_owned());
    Finding { person: loaded.person.id.clone(), account, kind, detail, repair, adopt: None }
}

/// A step as an operator reads it: which call, on what; no personal data.
fn step_name(step: &Step) -> String {
    let fields = |changes: &BTreeMap<String, serde_json::Value>| {
        changes.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    match step {
        Step::DisableAdmin(id) => format!("disable administrator {id}"),
        Step::RevokeRole(id, role) => format!("take role {role} from {id}"),
        Step::RevokeRightsDoc(id, doc) => format!("take rights document {doc} from {id}"),
        Step::DeleteAdmin(id) => format!("delete administrator {id}"),
        Step::DisableAgent(id) => format!("disable agent {id}"),
        Step::ClearDirectLine(id) => format!("empty the direct line of agent {id}"),
        Step::DeleteAgent(id) => format!("delete agent {id}"),
        Step::CreateAgent(new) => format!("create an agent in group {}", new.group),
        Step::UpdateAgent(update) => {
            let moves =
                update.move_to.map(|group| format!(" and move it to group {group}")).unwrap_or_default();
            format!("update agent {} ({}){moves}", update.id, fields(&update.changes))
        }
        Step::CreateAdmin(_) => "create an administrator".to_owned(),
        Step::UpdateAdmin(id, changes) => format!("update administrator {id} ({})", fields(changes)),
        Step::SendResetMail(id) => format!("mail administrator {id} a link to choose a password"),
        Step::EnableAdmin(id) => format!("enable administrator {id}"),
        Step::GrantRole(id, role) => format!("give role {role} to {id}"),
        Step::GrantRightsDoc(id, doc) => format!("give rights document {doc} to {id}"),
    }
}

impl Reconciler {
    /// How a person stands, for a report after the work.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn state_of_person(
        &self,
        tenant: &TenantId,
        person: &PersonId,
    ) -> Result<Option<String>, store::Error> {
        let (of, id) = (tenant.clone(), person.clone());
        let person = self.store.read(move |tx| people::get_any(tx, &of, &id)).await?;
        Ok(person.map(|person| person.state.as_str().to_owned()))
    }
}
