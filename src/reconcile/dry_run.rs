//! A dry run: everything goes its ordinary way up to the first changing call; there the steps are written down and not made.
//!
//! What is planned is never carried out from these rows. A release hands the people over to ordinary jobs, which look at RingCX
//! again and plan anew, so a plan that is old does no harm.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, json};

use super::case::Case;
use super::steps::Settled;
use super::trouble::Trouble;
use super::{Error, Reconciler, Tenant};
use crate::domain::desired::Desired;
use crate::domain::plan::Step;
use crate::domain::policy::Mode;
use crate::domain::{Actor, PersonId, TenantId};
use crate::store::planned::{self, Planned};
use crate::store::{self, audit, jobs};
use crate::upstream::Lane;
use crate::upstream::model::AgentGroupId;

/// What a person shows while changes are planned for them.
pub(super) const PLANNED: &str =
    "Planned, not made: this tenant is in a dry run (policy.mode = \"dry_run\").";

/// A step that a guard or a rule would refuse.
const REFUSED: &str = "refused";

/// What a tenant would change in RingCX.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Whether it waits for `tenant release`.
    pub awaits_release: bool,
    /// How many people and groups it concerns.
    pub subjects: usize,
    /// How often each step would be made.
    pub totals: BTreeMap<String, usize>,
    /// About how many calls that takes.
    pub calls: i64,
    /// About how many minutes those take.
    pub minutes: i64,
    /// Every change.
    pub changes: Vec<Planned>,
}

impl Preview {
    /// The plan in figures, at `per_minute` calls a minute.
    pub(super) fn of(changes: Vec<Planned>, per_minute: u32, mode: Mode) -> Self {
        let mut totals = BTreeMap::<String, usize>::new();
        for change in &changes {
            *totals.entry(change.step.step.clone()).or_default() += 1;
        }
        let subjects: std::collections::BTreeSet<&PersonId> = changes.iter().map(|it| &it.person).collect();
        let calls = changes.iter().map(|it| it.step.calls).sum::<i64>();
        let per_minute = i64::from(per_minute.max(1));
        Self {
            awaits_release: mode == Mode::Live && !changes.is_empty(),
            subjects: subjects.len(),
            totals,
            calls,
            minutes: (calls + per_minute - 1) / per_minute,
            changes,
        }
    }
}

/// What came of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Released {
    /// The people and groups that ordinary work takes over.
    Subjects(usize),
    /// The tenant is in its dry run still.
    StillDry,
}

impl Reconciler {
    /// What the tenant would change in RingCX.
    ///
    /// # Errors
    /// When there is no such tenant, or the store cannot answer.
    pub async fn preview(&self, tenant: &TenantId) -> Result<Preview, Error> {
        let tenant = self.tenant(tenant)?;
        let id = tenant.id.clone();
        let changes = self.store.read_long(move |tx| planned::all(tx, &id)).await?;
        Ok(Preview::of(changes, tenant.ringcx.per_minute(), tenant.policy.mode))
    }

    /// Hands everything that is planned to ordinary work, in one transaction: once, and nothing is left out.
    ///
    /// # Errors
    /// When there is no such tenant, or the store cannot answer.
    pub async fn release_plan(&self, tenant: &TenantId, by: &Actor) -> Result<Released, Error> {
        let tenant = self.tenant(tenant)?;
        if tenant.policy.mode == Mode::DryRun {
            return Ok(Released::StillDry);
        }
        let (id, by, now) = (tenant.id.clone(), by.clone(), self.clock.now());
        let record = self.tenant_record(&by, "release_plan", &json!({}));
        let released = self
            .store
            .write(move |tx| {
                let mut subjects = BTreeMap::<PersonId, Lane>::new();
                for change in planned::all(tx, &id)? {
                    let lane = lane_of(&change.step.step);
                    let known = subjects.entry(change.person).or_insert(lane);
                    *known = lane.min(*known);
                }
                for (subject, lane) in &subjects {
                    jobs::enqueue_for(tx, &id, subject, *lane, (now, now), &by)?;
                }
                planned::clear(tx, &id)?;
                let detail = json!({"subjects": subjects.len()}).to_string();
                audit::append(tx, &id, &audit::Record { detail, ..record.clone() })?;
                Ok::<_, store::Error>(subjects.len())
            })
            .await?;
        self.bell.notify_waiters();
        Ok(Released::Subjects(released))
    }

    /// Writes down that a SCIM group would make an agent group.
    pub(super) async fn plan_group(&self, tenant: &Tenant, subject: &PersonId) -> Result<(), store::Error> {
        let step = planned("create_agent_group", "agent group".to_owned(), "with the name of the group", 2);
        let (id, subject, now) = (tenant.id.clone(), subject.clone(), self.clock.now());
        self.store
            .write(move |tx| planned::replace(tx, &id, &subject, std::slice::from_ref(&step), now))
            .await
    }
}

/// Release keeps the order of all work: what takes access away goes first.
fn lane_of(step: &str) -> Lane {
    match step {
        "disable_agent" | "delete_agent" | "disable_admin" | "delete_admin" => Lane::Deactivate,
        "take_role" | "take_rights_doc" => Lane::Revoke,
        "create_agent" | "create_admin" | "create_agent_group" => Lane::Create,
        _ => Lane::Update,
    }
}

impl Case<'_> {
    /// Writes down the steps instead of making them.
    pub(super) fn only_planned(
        &self,
        steps: &[Step],
        desired: &Desired,
        mut settled: Settled,
        fault: Option<&str>,
    ) -> Settled {
        // What a guard keeps of a leaver is part of what would happen.
        settled.planned.extend(settled.kept.iter().map(|why| refused(&why.detail)));
        for step in steps {
            let mut described = self.describe(step);
            if let (Step::CreateAgent(_), Some(why)) = (step, fault) {
                described.detail = format!("(would wait: {why})");
            }
            settled.planned.push(described);
            if let (Step::CreateAdmin(_), Some(wanted)) = (step, &desired.admin) {
                // Roles and documents come in a second round, because they need the id of the new administrator.
                let new = || "the new administrator".to_owned();
                let roles = wanted.roles.iter().map(|role| planned("give_role", new(), &role.to_string(), 2));
                settled.planned.extend(roles);
                let docs = wanted
                    .rights_docs
                    .iter()
                    .map(|doc| planned("give_rights_doc", new(), &doc.to_string(), 3));
                settled.planned.extend(docs);
            }
        }
        settled
    }

    fn describe(&self, step: &Step) -> planned::Step {
        let fields = |changes: &BTreeMap<String, serde_json::Value>| {
            changes.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
        };
        match step {
            Step::DisableAdmin(id) => planned("disable_admin", format!("administrator {id}"), "", 3),
            Step::RevokeRole(id, role) => {
                planned("take_role", format!("administrator {id}"), &role.to_string(), 2)
            }
            Step::RevokeRightsDoc(id, doc) => {
                planned("take_rights_doc", format!("administrator {id}"), &doc.to_string(), 2)
            }
            Step::DeleteAdmin(id) => planned("delete_admin", format!("administrator {id}"), "", 3),
            Step::DisableAgent(id) => planned("disable_agent", format!("agent {id}"), "", 3),
            Step::ClearDirectLine(id) => planned("clear_direct_line", format!("agent {id}"), "", 2),
            Step::DeleteAgent(id) => planned("delete_agent", format!("agent {id}"), "", 2),
            Step::CreateAgent(new) => planned("create_agent", self.group_name(new.group), "", 1),
            Step::UpdateAgent(update) => {
                let word = match (update.move_to, update.enable) {
                    (Some(_), _) => "move_agent",
                    (None, true) => "enable_agent",
                    (None, false) => "update_agent",
                };
                let mut detail = fields(&update.changes);
                if let Some(group) = update.move_to {
                    detail = format!("to {} {detail}", self.group_name(group));
                }
                let seen = self.seen.agent.as_ref();
                let password = seen.map(|seen| self.add_password(&seen.agent, &mut Map::new()));
                if let Some(Err(Trouble::Parked(why))) = password {
                    detail = format!("{detail} (would wait: {why})");
                }
                planned(word, format!("agent {}", update.id), detail.trim(), 2)
            }
            Step::CreateAdmin(_) => planned("create_admin", "administrator".to_owned(), "", 1),
            Step::UpdateAdmin(id, changes) => {
                planned("update_admin", format!("administrator {id}"), &fields(changes), 2)
            }
            Step::SendResetMail(id) => planned("send_reset_mail", format!("administrator {id}"), "", 1),
            Step::EnableAdmin(id) => planned("enable_admin", format!("administrator {id}"), "", 2),
            Step::GrantRole(id, role) => {
                planned("give_role", format!("administrator {id}"), &role.to_string(), 2)
            }
            Step::GrantRightsDoc(id, doc) => {
                planned("give_rights_doc", format!("administrator {id}"), &doc.to_string(), 3)
            }
        }
    }

    fn group_name(&self, id: AgentGroupId) -> String {
        let group = self.known.directory.agent_groups.iter().find(|group| group.id == id);
        group
            .map_or_else(|| format!("agent group {id}"), |group| format!("agent group {id} ({})", group.name))
    }
}

/// What is written down of a change that would be refused.
pub(super) fn refused(why: &str) -> planned::Step {
    planned(REFUSED, "-".to_owned(), why, 0)
}

fn planned(step: &str, target: String, detail: &str, calls: i64) -> planned::Step {
    planned::Step { step: step.to_owned(), target, detail: detail.to_owned(), calls }
}
