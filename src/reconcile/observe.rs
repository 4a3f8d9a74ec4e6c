//! What RingCX has of one person, looked at afresh.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::case::Case;
use super::report;
use super::trouble::{Doing, Trouble};
use crate::domain::desired::Desired;
use crate::domain::plan::{ObservedAdmin, ObservedAgent, Scope};
use crate::scim;
use crate::store::inventory::Kind;
use crate::store::lost::{self, Lost};
use crate::store::{self, links, people};
use crate::upstream::model::{AgentGroupId, AgentId, UserId};
use crate::upstream::{self};

/// One of the two accounts of a person.
#[derive(Clone, Copy)]
enum Persona {
    Agent,
    Admin,
}

impl Persona {
    fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Admin => "administrator",
        }
    }
}

impl Case<'_> {
    /// Looks at the personas in scope; what this work has just seen is not asked for again.
    pub(super) async fn observe(&mut self, desired: &Desired, scope: Scope) -> Result<(), Trouble> {
        if scope.agent
            && self.seen.agent.is_none()
            && let Some(link) = self.link.agent.clone()
        {
            self.seen.agent = self.find_agent(link.id.agent, link.id.group, desired).await?;
            self.looks.agent.done();
            if self.seen.agent.is_some() {
                self.shows(Persona::Agent).await?;
            } else {
                self.is_gone(Persona::Agent, link.id.group, link.id.agent.0).await?;
                // Not a candidate for anybody any more, so that a new try makes a new agent.
                self.strike_agent(link.id.agent).await?;
                if desired.active && desired.agent.is_some() {
                    let why = scim::Error::invalid_value(format!(
                        "RingCX no longer has agent {}; remove the person in the identity provider and assign them again to \
                         get a new one.",
                        link.id.agent
                    ));
                    self.show_gone(&why).await?;
                    return Err(Trouble::Refused(why));
                }
                self.link.agent = None;
                self.note_gone(&json!({"agentId": link.id.agent})).await?;
                self.let_go(Kind::Agent, link.id.agent.0, serde_json::to_string(&link)).await?;
            }
        }
        if scope.admin
            && self.seen.admin.is_none()
            && let Some(link) = self.link.admin.clone()
        {
            let admin = match self.looks.admin.looking(&self.calls).admin(link.id).await {
                Ok(admin) => admin,
                Err(upstream::Error::NotFound) => {
                    self.is_gone(Persona::Admin, AgentGroupId(0), link.id.0).await?;
                    // Nor does its name stand in the way of a new one.
                    self.link.admin = None;
                    self.note_gone(&json!({"adminUserId": link.id})).await?;
                    self.let_go(Kind::Admin, link.id.0, serde_json::to_string(&link)).await?;
                    return self.forget_admin(link.id).await;
                }
                Err(error) => return Err(Trouble::of(Doing::Reading, "the administrator", &error)),
            };
            self.looks.admin.done();
            self.shows(Persona::Admin).await?;
            let roles = self.roles_of(&admin, &link).await?;
            let rights_docs = self.rights_docs_of(desired, &link).await?;
            self.seen.admin = Some(ObservedAdmin { id: link.id, admin, roles, rights_docs });
        }
        Ok(())
    }

    /// Where an agent was found is nobody's wish: when it has been moved before any work looked at it, the place where it is now is
    /// its home, and what is wished is changed to that.
    pub(super) async fn follow_home(&mut self, desired: &Desired) -> Result<Option<Desired>, Trouble> {
        let (Some(link), Some(seen)) = (&mut self.link.agent, &self.seen.agent) else { return Ok(None) };
        let (from, group) = (link.id.group, seen.group);
        if !std::mem::take(&mut link.unseen) || from == group {
            return Ok(None);
        }
        link.id.group = group;
        if link.home == Some(from) {
            link.home = Some(group);
        }
        let moved = json!({"groupId": {"before": from, "after": group}});
        let detail = json!({
            "agentId": link.id.agent, "changed": moved, "decision": "the move in RingCX is taken over",
        });
        self.note_decision("noticed", &detail).await?;
        let mut followed = desired.clone();
        if let Some(agent) = followed.agent.as_mut().filter(|_| desired.at_home) {
            agent.group = Some(group);
        }
        Ok(Some(followed))
    }

    /// Shows that the agent is gone, also to those who come after whoever waits now, until the client acts: each work looks again.
    async fn show_gone(&mut self, why: &scim::Error) -> Result<(), Trouble> {
        self.link.agent_applied = None;
        let (tenant, person, lease) = (self.tenant.id.clone(), self.person.clone(), self.lease.clone());
        let (link, why, now) = (self.link.clone(), why.clone(), self.clock.now());
        let shown = self.store.write(move |tx| {
            let stored = people::lock(tx, &tenant, &person)?;
            lease.check(tx)?;
            links::save(tx, &tenant, &person, &link, now)?;
            match stored.filter(|it| it.deleted.is_none()) {
                Some(stored) => report::show_error(tx, &tenant, &stored, &link, &why, now),
                None => Ok(()),
            }
        });
        Ok(shown.await?)
    }

    /// RingCX shows the account: whatever hid it before is over.
    async fn shows(&mut self, persona: Persona) -> Result<(), Trouble> {
        let missing = match persona {
            Persona::Agent => &mut self.link.agent_missing,
            Persona::Admin => &mut self.link.admin_missing,
        };
        if missing.take().is_some() { self.save_link().await } else { Ok(()) }
    }

    /// RingCX does not show the account, neither under its id for as long as its own changes take to show, nor in a list: it is gone.
    ///
    /// # Errors
    /// [`Trouble::Lost`] while it may only show late: whoever leaves must not stay on because of one stray answer.
    async fn is_gone(&mut self, persona: Persona, group: AgentGroupId, id: i64) -> Result<(), Trouble> {
        let now = self.clock.now();
        let missing = match persona {
            Persona::Agent => &mut self.link.agent_missing,
            Persona::Admin => &mut self.link.admin_missing,
        };
        let first = missing.is_none();
        let since = *missing.get_or_insert(now);
        if first {
            self.save_link().await?;
        }
        let late = since + self.tenant.ringcx.visibility_delay() > now;
        if late || self.is_listed(persona, group, id).await? {
            return Err(Trouble::Lost(format!(
                "RingCX does not show {} {id} at the moment; it is looked for again.",
                persona.word()
            )));
        }
        Ok(())
    }

    /// Unties an account that is gone. Should it show again, its person gets it back ([`super::found_again`]).
    async fn let_go(&mut self, kind: Kind, id: i64, link: serde_json::Result<String>) -> Result<(), Trouble> {
        match kind {
            Kind::Agent => self.link.agent_missing = None,
            Kind::Admin => self.link.admin_missing = None,
        }
        let link = link.map_err(|error| store::Error::Corrupt(error.to_string()))?;
        let lost = Lost { kind, id, person: self.person.clone(), link };
        let (tenant, now, left) = (self.tenant.id.clone(), self.clock.now(), self.link.clone());
        self.write(move |tx| {
            lost::put(tx, &tenant, &lost, now)?;
            links::save(tx, &tenant, &lost.person, &left, now)
        })
        .await
    }

    /// Whether the list in which the account was last still has it.
    async fn is_listed(&self, persona: Persona, group: AgentGroupId, id: i64) -> Result<bool, Trouble> {
        let listed = match persona {
            Persona::Agent => match self.calls.agents(group).await {
                Ok(agents) => Ok(agents.iter().any(|agent| agent.id() == Some(AgentId(id)))),
                // With its group, or hidden with it: the looks into all groups have said what there is to say.
                Err(upstream::Error::NotFound | upstream::Error::Forbidden(_)) => Ok(false),
                Err(error) => Err(error),
            },
            Persona::Admin => {
                self.calls.admins().await.map(|all| all.iter().any(|admin| admin.id() == Some(UserId(id))))
            }
        };
        listed.map_err(|error| Trouble::reading(&format!("the list with {} {id}", persona.word()), &error))
    }

    /// An account that RingCX no longer has is let go of.
    async fn note_gone(&self, account: &Value) -> Result<(), Trouble> {
        let why = "RingCX no longer has the account; the person is tied to it no more";
        self.note_decision("noticed", &json!({"account": account, "decision": why})).await
    }

    /// The agent where it was last, else where it ought to be, else in any group: somebody may have moved it, also into a group
    /// that is new. A group that may not be looked into is no proof that it is gone.
    async fn find_agent(
        &self,
        id: AgentId,
        last: AgentGroupId,
        desired: &Desired,
    ) -> Result<Option<ObservedAgent>, Trouble> {
        let wished = desired.agent.as_ref().and_then(|agent| agent.group);
        let known = self.known.directory.agent_groups.iter().map(|group| group.id);
        let mut groups: Vec<AgentGroupId> = [Some(last), wished].into_iter().flatten().chain(known).collect();
        let calls = self.looks.agent.looking(&self.calls);
        let mut asked = BTreeSet::new();
        let mut hidden = None;
        for listed_anew in [false, true] {
            if listed_anew {
                let fresh = self.calls.agent_groups().await;
                let fresh = fresh.map_err(|error| Trouble::of(Doing::Reading, "the agent groups", &error))?;
                groups = fresh.into_iter().map(|group| group.id).collect();
            }
            for group in groups.drain(..) {
                if !asked.insert(group) {
                    continue;
                }
                match calls.agent(group, id).await {
                    Ok(agent) => {
                        let group = agent.group_id().unwrap_or(group);
                        return Ok(Some(ObservedAgent { id, group, agent }));
                    }
                    Err(upstream::Error::NotFound) => {}
                    Err(error @ upstream::Error::Forbidden(_)) => hidden = Some(error),
                    Err(error) => return Err(Trouble::of(Doing::Reading, "the agent", &error)),
                }
            }
        }
        match hidden {
            Some(error) => Err(Trouble::of(Doing::Reading, "the agent", &error)),
            None => Ok(None),
        }
    }
}
