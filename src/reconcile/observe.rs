//! What RingCX has of one person, looked at afresh.

use std::collections::BTreeSet;

use serde_json::json;

use super::case::Case;
use super::trouble::{Doing, Trouble};
use crate::domain::desired::Desired;
use crate::domain::plan::{ObservedAdmin, ObservedAgent};
use crate::scim;
use crate::store::inventory::Kind;
use crate::upstream;
use crate::upstream::model::{AgentGroupId, AgentId};

impl Case<'_> {
    /// Looks at the person's agent, unless this work has just seen it.
    pub(super) async fn observe_agent(&mut self, desired: &Desired) -> Result<(), Trouble> {
        let (None, Some(link)) = (&self.seen.agent, self.link.agent.clone()) else { return Ok(()) };
        self.seen.agent = self.find_agent(link.id.agent, link.id.group, desired).await?;
        self.looks.agent.done();
        if self.seen.agent.is_some() {
            return self.shows(Kind::Agent).await;
        }
        self.is_gone(Kind::Agent, link.id.agent.0).await?;
        // Not a candidate for anybody any more, so that a new try makes a new agent.
        self.strike_agent(link.id.agent).await?;
        if desired.active && desired.agent.is_some() {
            let why = scim::Error::invalid_value(format!(
                "RingCX no longer has agent {}; remove the person in the identity provider and assign them again to get a new one.",
                link.id.agent
            ));
            self.show_gone(&why).await?;
            return Err(Trouble::Refused(why));
        }
        self.let_go(Kind::Agent, link.id.agent.0).await
    }

    /// Looks at the person's administrator, unless this work has just seen it.
    pub(super) async fn observe_admin(&mut self, desired: &Desired) -> Result<(), Trouble> {
        let (None, Some(link)) = (&self.seen.admin, self.link.admin.clone()) else { return Ok(()) };
        let admin = match self.looks.admin.looking(&self.calls).admin(link.id).await {
            Ok(admin) => admin,
            Err(upstream::Error::NotFound) => {
                self.is_gone(Kind::Admin, link.id.0).await?;
                // Nor does its name stand in the way of a new one.
                self.let_go(Kind::Admin, link.id.0).await?;
                return self.forget_admin(link.id).await;
            }
            Err(error) => return Err(Trouble::of(Doing::Reading, "the administrator", &error)),
        };
        self.looks.admin.done();
        self.shows(Kind::Admin).await?;
        let roles = self.roles_of(&admin, &link).await?;
        let rights_docs = self.rights_docs_of(desired, &link).await?;
        self.seen.admin = Some(ObservedAdmin { id: link.id, admin, roles, rights_docs });
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
