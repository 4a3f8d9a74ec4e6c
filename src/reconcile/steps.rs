//! Observe, plan, apply: one person brought to what they ought to be, with the fewest calls.

use std::collections::BTreeSet;

use serde_json::json;

use super::case::Case;
use super::digest::{self, Digests};
use super::trouble::Trouble;
use crate::domain::desired::Desired;
use crate::domain::link::Left;
use crate::domain::plan::{self, Circumstances, Plan, Scope, Step};
use crate::domain::policy::Mode;
use crate::scim;
use crate::store::planned;
use crate::upstream::model::{AgentGroupId, RightsDocId, RoleType};

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
    /// What RingCX refused of what had been asked for before: no fault of the write that is carried out.
    pub(super) unmet: Vec<scim::Error>,
    /// What else is to be said about the person.
    pub(super) notes: Vec<String>,
}

/// How a person is brought in line.
pub(super) struct Errand {
    /// Which of the two personas is looked at.
    pub(super) scope: Scope,
    /// Whether this ends a local disable.
    pub(super) switch_on: bool,
    /// Whether this is the first work on a new person, who may have been tied to accounts that RingCX had.
    pub(super) adopting: bool,
}

/// What was wished of a person before a write: RingCX's refusal of that is not the write's fault.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// Whether the write leaves the agent as it was wished.
    pub(super) agent: bool,
    /// The agent group that was wished, whether or not the person was active.
    pub(super) agent_group: Option<AgentGroupId>,
    /// Whether it leaves the administrator as it was wished.
    pub(super) admin: bool,
    /// The roles that were wished.
    pub(super) roles: BTreeSet<RoleType>,
    /// The rights documents that were wished.
    pub(super) rights_docs: BTreeSet<RightsDocId>,
    /// Whether a new administrator is owed the mail since before.
    pub(super) reset_mail: bool,
}

impl Before {
    /// What was due to the person while active, with the fingerprints of what was wished and of what is wished now.
    pub(super) fn of(due: &Desired, before: &Digests, now: &Digests) -> Self {
        Self {
            agent: before.agent == now.agent,
            agent_group: due.agent.as_ref().and_then(|it| it.group),
            admin: before.admin == now.admin,
            roles: due.admin.iter().flat_map(|it| it.roles.iter().cloned()).collect(),
            rights_docs: due.admin.iter().flat_map(|it| it.rights_docs.iter().copied()).collect(),
            reset_mail: true,
        }
    }

    /// Whether this step would be taken without the write as well.
    pub(super) fn wished(&self, step: &Step) -> bool {
        match step {
            Step::CreateAgent(_) | Step::UpdateAgent(_) => self.agent,
            Step::CreateAdmin(_) | Step::UpdateAdmin(..) | Step::EnableAdmin(_) => self.admin,
            Step::SendResetMail(_) => self.reset_mail,
            Step::GrantRole(_, role) => self.roles.contains(role),
            Step::GrantRightsDoc(_, doc) => self.rights_docs.contains(doc),
            Step::DisableAdmin(_)
            | Step::RevokeRole(..)
            | Step::RevokeRightsDoc(..)
            | Step::DeleteAdmin(_)
            | Step::DisableAgent(_)
            | Step::ClearDirectLine(_)
            | Step::DeleteAgent(_) => false,
        }
    }
}

impl Case<'_> {
    /// Brings the person in line with `desired` and remembers what RingCX has agreed to; nothing where it was not asked.
    pub(super) async fn agree(
        &mut self,
        desired: &Desired,
        errand: &Errand,
    ) -> Result<Option<Settled>, Trouble> {
        let had = self.link.agent.is_some() || self.link.admin.is_some();
        let mut settled = None;
        if errand.scope.agent || errand.scope.admin {
            match self.bring_in_line_tied(desired, errand).await {
                Err(Trouble::Refused(why)) if errand.adopting => {
                    self.give_back().await?;
                    return Err(Trouble::Refused(why));
                }
                brought => settled = Some(brought?),
            }
        }
        self.remember_agreed(had, desired, settled.as_ref());
        Ok(settled)
    }

    fn remember_agreed(&mut self, had: bool, desired: &Desired, settled: Option<&Settled>) {
        if let (Some(link), Some(seen)) = (&mut self.link.agent, &self.seen.agent)
            && settled.is_some_and(|it| !it.suspended)
        {
            link.enabled = seen.agent.is_active();
        }
        // What is only planned stays unconfirmed, so that the next look is a real one.
        if settled.is_some_and(|it| !it.planned.is_empty()) {
            return;
        }
        self.link.left = self.left(had, desired, settled.is_some());
        if settled.is_some_and(|it| !it.unmet.is_empty()) {
            return;
        }
        self.link.confirm(desired);
        self.link.refused_login.take_if(|it| desired.agent.as_ref().is_some_and(|agent| agent.login != *it));
        if let (Some(link), Some(seen)) = (&mut self.link.agent, &self.seen.agent)
            && let Some(extension) = seen.agent.rc_user_id()
        {
            link.rc_user_id = Some(extension);
            self.link.unlinked = None;
        }
        // What a guard kept is looked at again each time.
        if settled.is_some_and(|it| it.kept.is_some()) {
            return;
        }
        // Digests once more: a step may have made or lost an account.
        let digests = digest::of(desired, &self.link, &self.tenant.policy);
        self.link.agent_applied = digests.agent;
        self.link.admin_applied = digests.admin;
    }

    /// Since when somebody is switched off, and with what direct line; nothing while they may work.
    fn left(&self, had: bool, desired: &Desired, looked: bool) -> Option<Left> {
        let before = self.link.left.clone().filter(|_| !desired.active);
        if desired.active || !looked || !had {
            return before;
        }
        let direct_line = match &self.seen.agent {
            Some(seen) => seen.agent.direct_line().map(str::to_owned),
            // Deleted with its line, or not looked at.
            None if self.link.agent.is_none() => None,
            None => before.as_ref().and_then(|it| it.direct_line.clone()),
        };
        Some(Left { at: before.map_or_else(|| self.clock.now(), |it| it.at), direct_line })
    }

    /// Brings the person in line with `desired`.
    ///
    /// A new administrator gets roles only in a second round, because they need its id.
    pub(super) async fn bring_in_line(
        &mut self,
        desired: &Desired,
        errand: &Errand,
    ) -> Result<Settled, Trouble> {
        let Errand { mut scope, switch_on, .. } = *errand;
        let kept = self.look(desired, errand, &mut scope).await?;
        let mut settled = Settled { kept, ..Settled::default() };
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
            let Plan { mut steps, suspended, held, refused } = planned;
            settled.suspended |= suspended;
            settled.held |= held;
            if self.sight.trouble.is_some() {
                // Nothing is given while it is not known what there is.
                steps.retain(Step::takes);
            }
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
            let dry = self.tenant.policy.mode == Mode::DryRun;
            let creates = steps.iter().any(|it| matches!(it, Step::CreateAgent(_)));
            if let Some(why) = fault.as_ref().filter(|_| creates && !dry) {
                return Err(Trouble::Parked(why.clone()));
            }
            if let Some(why) = self.carry_out_all(&steps, desired).await? {
                if desired.active {
                    return Err(self.sight.trouble.take().unwrap_or(Trouble::Refused(why)));
                }
                // Whoever leaves must not work any more, whatever becomes of the administrator.
                settled.kept = Some(why);
                scope.admin = false;
                continue;
            }
            if dry {
                return Ok(self.only_planned(&steps, desired, settled, fault.as_deref()));
            }
            let again = steps.iter().any(|step| matches!(step, Step::CreateAdmin(_)));
            if !again || self.link.admin.is_none() {
                break;
            }
            scope.agent = false;
        }
        if let Some(trouble) = self.sight.trouble.take() {
            return Err(trouble);
        }
        self.conclude(desired, scope, &mut settled).await?;
        Ok(settled)
    }

    /// Looks at RingCX and at the guards, which may take a persona out of `scope`.
    async fn look(
        &mut self,
        desired: &Desired,
        errand: &Errand,
        scope: &mut Scope,
    ) -> Result<Option<scim::Error>, Trouble> {
        self.observe_each(desired, *scope).await?;
        let nothing_to_take = self.tenant.policy.mode == Mode::DryRun || (errand.adopting && desired.active);
        if let Some(trouble) = self.sight.trouble.take_if(|_| nothing_to_take) {
            return Err(trouble);
        }
        self.stay_inside(desired).await?;
        if let (Some(wish), Some(tied)) = (
            desired.agent.as_ref().and_then(|it| it.rc_user_id),
            self.seen.agent.as_ref().and_then(|it| it.agent.rc_user_id()),
        ) && wish != tied
        {
            self.notes.push(format!(
                "The RingCX agent stays tied to RingCentral extension {tied}, not {wish}; correct rcExtensionId, or change the \
                 link in RingCX."
            ));
        }
        if errand.adopting && desired.active {
            self.refuse_disabled_finds()?;
        }
        let kept = self.guard(desired, scope).await?;
        // From the first step on nothing is known to be as it was confirmed: a refusal half-way must find its way back.
        if scope.agent {
            self.link.agent_applied = None;
        }
        if scope.admin {
            self.link.admin_applied = None;
        }
        *scope = self.sight.within(*scope);
        Ok(kept)
    }

    /// What is to be said when everything is done.
    async fn conclude(
        &mut self,
        desired: &Desired,
        scope: Scope,
        settled: &mut Settled,
    ) -> Result<(), Trouble> {
        if !desired.active && scope.admin {
            self.read_foreign_docs().await;
            self.name_foreign_access().await?;
        }
        if let Some(kept) = &mut settled.kept
            && self.seen.agent.as_ref().is_some_and(|seen| scope.agent && !seen.agent.is_active())
        {
            kept.detail.push_str(" The person's agent is switched off.");
        }
        settled.unmet.append(&mut self.unmet);
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

    /// An account that was found and turns out to be switched off is a question for a person: lists may hide that it is.
    fn refuse_disabled_finds(&self) -> Result<(), Trouble> {
        let agent = self.link.agent.as_ref().filter(|link| !link.ours && link.enabled);
        let agent = agent.zip(self.seen.agent.as_ref()).filter(|(_, seen)| !seen.agent.is_active());
        let admin = self.link.admin.as_ref().filter(|link| !link.ours && link.enabled);
        let admin = admin.zip(self.seen.admin.as_ref()).filter(|(_, seen)| !seen.admin.enabled());
        let found = match (agent, admin) {
            (Some((link, _)), _) => format!("agent {}", link.id.agent),
            (None, Some((link, _))) => format!("administrator {}", link.id),
            (None, None) => return Ok(()),
        };
        Err(Trouble::Refused(scim::Error::uniqueness(format!(
            "RingCX {found} belongs to this person and is switched off; decide with `ringcx-scim import` whether they are one, \
             or switch it on in RingCX."
        ))))
    }
}
