//! Observe, plan, apply: one person brought to what they ought to be, with the fewest calls.

use std::collections::BTreeSet;

use serde_json::json;

use super::case::Case;
use super::trouble::{Doing, Trouble};
use crate::domain::desired::Desired;
use crate::domain::plan::{self, Circumstances, ObservedAdmin, ObservedAgent, Plan, Scope, Step};
use crate::domain::policy::Mode;
use crate::scim;
use crate::store::planned;
use crate::upstream::model::{AgentGroupId, AgentId, RoleType};
use crate::upstream::{self};

/// What came of bringing a person in line.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Switched off in RingCX by hand.
    pub(super) suspended: bool,
    /// Waiting for an agent group.
    pub(super) held: bool,
    /// What would be done, in a dry run.
    pub(super) planned: Vec<planned::Step>,
    /// What a guard kept of a leaver: everything else is done, and this is the answer.
    pub(super) kept: Option<scim::Error>,
    /// What else is to be said about the person.
    pub(super) notes: Vec<String>,
}

impl Case<'_> {
    /// Brings the person in line with `desired`; `switch_on` ends a local disable.
    ///
    /// A new administrator gets roles only in a second round, because they need its id.
    pub(super) async fn bring_in_line(
        &mut self,
        desired: &Desired,
        mut scope: Scope,
        switch_on: bool,
    ) -> Result<Settled, Trouble> {
        self.observe(desired, scope).await?;
        let mut settled = Settled { kept: self.guard(desired, &mut scope).await?, ..Settled::default() };
        // From the first step on nothing is known to be as it was confirmed: a refusal half-way must find its way back.
        if scope.agent {
            self.link.agent_applied = None;
        }
        if scope.admin {
            self.link.admin_applied = None;
        }
        let (agent_defaults, fault) = self.tenant.defaults(&self.known);
        loop {
            let planned = plan::plan(
                desired,
                &self.seen,
                &Circumstances {
                    policy: &self.tenant.policy,
                    agent_defaults: &agent_defaults,
                    link: &self.link,
                    switch_on,
                    scope,
                },
            );
            let Plan { steps, suspended, held, refused } = planned;
            settled.suspended |= suspended;
            settled.held |= held;
            if let Some(why) = refused {
                let why = scim::Error::mutability(why);
                if desired.active || self.link.admin.is_none() || !scope.agent {
                    return Err(Trouble::Refused(why));
                }
                // Whoever leaves loses what is ours to take, under the guards, whatever becomes of the agent.
                settled.kept = Some(why);
                scope.agent = false;
                continue;
            }
            if self.tenant.policy.mode == Mode::DryRun {
                return Ok(self.only_planned(&steps, desired, settled, fault.as_deref()));
            }
            if let Some(why) =
                fault.as_ref().filter(|_| steps.iter().any(|it| matches!(it, Step::CreateAgent(_))))
            {
                return Err(Trouble::Parked(why.clone()));
            }
            let again = steps.iter().any(|step| matches!(step, Step::CreateAdmin(_)));
            match self.takes_super_user(&steps) {
                None => self.apply(&steps, desired).await?,
                Some(id) if self.apply_above_floor(id, &steps, desired).await? => {}
                // Whoever leaves must not work any more, whatever becomes of the administrator.
                Some(id) if !desired.active => {
                    settled.kept = Some(self.floor_holds(id).await?);
                    scope.admin = false;
                    continue;
                }
                Some(id) => return Err(Trouble::Refused(self.floor_holds(id).await?)),
            }
            if !again {
                break;
            }
        }
        self.conclude(desired, scope, &mut settled).await?;
        Ok(settled)
    }

    /// What is to be said when everything is done.
    async fn conclude(
        &mut self,
        desired: &Desired,
        scope: Scope,
        settled: &mut Settled,
    ) -> Result<(), Trouble> {
        if !desired.active && scope.admin {
            self.name_foreign_access().await?;
        }
        if let Some(kept) = &mut settled.kept
            && self.seen.agent.as_ref().is_some_and(|seen| scope.agent && !seen.agent.is_active())
        {
            kept.detail.push_str(" The person's agent is switched off.");
        }
        settled.notes.append(&mut self.notes);
        Ok(())
    }

    /// What a switched-off administrator still holds is not ours to take; it is named, so that somebody can.
    async fn name_foreign_access(&mut self) -> Result<(), Trouble> {
        let (Some(seen), Some(link)) = (&self.seen.admin, &self.link.admin) else { return Ok(()) };
        let id = seen.id;
        let roles: Vec<_> = seen.roles.difference(&link.granted_roles).cloned().collect();
        let docs: Vec<_> = seen.rights_docs.difference(&link.granted_docs).copied().collect();
        if roles.is_empty() && docs.is_empty() {
            return Ok(());
        }
        let named = roles.iter().map(ToString::to_string);
        let named: Vec<_> = named.chain(docs.iter().map(|doc| format!("rights document {doc}"))).collect();
        self.notes.push(format!(
            "RingCX administrator {id} is switched off and keeps what the bridge did not give: {}.",
            named.join(", ")
        ));
        let detail = json!({"userId": id, "roles": roles, "rightsDocs": docs});
        self.note_decision("foreign_access_left", &detail).await
    }

    pub(super) async fn apply(&mut self, steps: &[Step], desired: &Desired) -> Result<(), Trouble> {
        let (mut granted, mut revoked) = (BTreeSet::<RoleType>::new(), BTreeSet::<RoleType>::new());
        let (mut given, mut taken) = (BTreeSet::new(), BTreeSet::new());
        let (mut holder, mut reader) = (None, None);
        for step in steps {
            if !step.takes() {
                self.may_give().await?;
            }
            match step {
                Step::DisableAdmin(id) => self.disable_admin(*id).await?,
                Step::RevokeRole(id, role) => {
                    self.revoke_role(*id, role).await?;
                    revoked.insert(role.clone());
                    holder = Some(*id);
                }
                Step::RevokeRightsDoc(id, doc) => {
                    self.revoke_rights_doc(*id, *doc).await?;
                    taken.insert(*doc);
                    reader = Some(*id);
                }
                Step::DeleteAdmin(id) => self.delete_admin(*id).await?,
                Step::DisableAgent(_) => self.disable_agent().await?,
                Step::DeleteAgent(id) => self.delete_agent(*id).await?,
                Step::CreateAgent(new) => {
                    if let Some(wanted) = &desired.agent {
                        self.create_agent(new, wanted).await?;
                    }
                }
                Step::UpdateAgent(update) => self.update_agent(update).await?,
                Step::CreateAdmin(new) => self.create_admin(new).await?,
                Step::UpdateAdmin(_, changes) => self.update_admin(changes).await?,
                Step::EnableAdmin(id) => self.enable_admin(*id).await?,
                Step::SendResetMail(id) => self.send_reset_mail(*id).await?,
                Step::GrantRole(id, role) => {
                    self.grant_role(*id, role).await?;
                    granted.insert(role.clone());
                    holder = Some(*id);
                }
                Step::GrantRightsDoc(id, doc) => {
                    if self.grant_rights_doc(*id, *doc).await? {
                        given.insert(*doc);
                        reader = Some(*id);
                    }
                }
            }
        }
        if let Some(id) = holder.filter(|_| self.link.admin.is_some()) {
            self.confirm_roles(id, &granted, &revoked).await?;
        }
        if let Some(id) = reader.filter(|_| self.link.admin.is_some()) {
            self.confirm_rights_docs(id, &given, &taken).await?;
        }
        Ok(())
    }

    /// Looks at the personas in scope; what this work has just seen is not asked for again.
    async fn observe(&mut self, desired: &Desired, scope: Scope) -> Result<(), Trouble> {
        if scope.agent
            && self.seen.agent.is_none()
            && let Some(link) = self.link.agent.clone()
        {
            self.seen.agent = self.find_agent(link.id.agent, link.id.group, desired).await?;
            if self.seen.agent.is_none() {
                // Not a candidate for anybody any more, so that a new try makes a new agent.
                self.strike_agent(link.id.agent).await?;
                if desired.active && desired.agent.is_some() {
                    return Err(Trouble::Refused(scim::Error::invalid_value(format!(
                        "RingCX no longer has agent {}; remove the person in the identity provider and assign them again to \
                         get a new one.",
                        link.id.agent
                    ))));
                }
                self.link.agent = None;
                self.save_link().await?;
            }
        }
        if scope.admin
            && self.seen.admin.is_none()
            && let Some(link) = self.link.admin.clone()
        {
            let admin = match self.calls.admin(link.id).await {
                Ok(admin) => admin,
                Err(upstream::Error::NotFound) => {
                    self.link.admin = None;
                    return self.save_link().await;
                }
                Err(error) => return Err(Trouble::of(Doing::Reading, "the administrator", &error)),
            };
            let asks_docs = !desired.active
                || !link.granted_docs.is_empty()
                || desired.admin.as_ref().is_some_and(|it| !it.rights_docs.is_empty());
            let docs =
                if asks_docs { self.calls.assigned_rights_docs(link.id).await } else { Ok(Vec::new()) };
            let docs = docs.map_err(|error| Trouble::of(Doing::Reading, "the rights documents", &error))?;
            let roles = match admin.roles_shown() {
                Some(roles) => roles,
                None => self
                    .calls
                    .roles(link.id)
                    .await
                    .map_err(|error| Trouble::of(Doing::Reading, "the roles", &error))?,
            };
            let rights_docs = docs.into_iter().map(|doc| doc.id).collect();
            self.seen.admin = Some(ObservedAdmin { id: link.id, admin, roles, rights_docs });
        }
        Ok(())
    }

    /// The agent where it was last, else where it ought to be, else in any group: somebody may have moved it.
    async fn find_agent(
        &self,
        id: AgentId,
        last: AgentGroupId,
        desired: &Desired,
    ) -> Result<Option<ObservedAgent>, Trouble> {
        let wished = desired.agent.as_ref().and_then(|agent| agent.group);
        let everywhere = self.known.directory.agent_groups.iter().map(|group| group.id);
        let mut asked = BTreeSet::new();
        for group in [Some(last), wished].into_iter().flatten().chain(everywhere) {
            if !asked.insert(group) {
                continue;
            }
            match self.calls.agent(group, id).await {
                Ok(agent) => {
                    return Ok(Some(ObservedAgent { id, group: agent.group_id().unwrap_or(group), agent }));
                }
                Err(upstream::Error::NotFound) => {}
                Err(error) => return Err(Trouble::of(Doing::Reading, "the agent", &error)),
            }
        }
        Ok(None)
    }
}
