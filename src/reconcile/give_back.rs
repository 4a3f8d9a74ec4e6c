//! The way back of a refused create: what it changed about accounts that it found returns, so that they can be let go as they
//! were. What it made is switched off by the work that follows.

use super::case::Case;
use super::trouble::Trouble;
use crate::domain::plan::AgentUpdate;

impl Case<'_> {
    /// Undoes what this create has done to accounts that are not of our making.
    pub(super) async fn give_back(&mut self) -> Result<(), Trouble> {
        self.give_back_admin().await?;
        self.give_back_agent().await
    }

    async fn give_back_admin(&mut self) -> Result<(), Trouble> {
        let Some(link) = self.link.admin.clone().filter(|link| !link.ours) else { return Ok(()) };
        // Protected since: it is nobody's to change any more.
        if self.tenant.policy.protects(link.id.0, &link.user_name) {
            return Ok(());
        }
        for role in &link.granted_roles {
            self.revoke_role(link.id, role).await.map_err(Trouble::insistent)?;
        }
        for doc in &link.granted_docs {
            self.revoke_rights_doc(link.id, *doc).await.map_err(Trouble::insistent)?;
        }
        if !link.former.is_empty() {
            self.update_admin(&link.former).await.map_err(Trouble::insistent)?;
        }
        if let Some(link) = &mut self.link.admin {
            link.granted_roles.clear();
            link.granted_docs.clear();
            link.former.clear();
            link.owned.clear();
        }
        self.save_link().await
    }

    async fn give_back_agent(&mut self) -> Result<(), Trouble> {
        let Some(link) = self.link.agent.clone().filter(|link| !link.ours) else { return Ok(()) };
        if self.tenant.policy.protects(link.id.agent.0, &link.username) {
            return Ok(());
        }
        let moved = self.seen.agent.as_ref().map(|seen| seen.group) != link.home;
        let update = AgentUpdate {
            id: link.id.agent,
            changes: link.former.clone(),
            enable: false,
            move_to: link.home.filter(|_| moved && self.seen.agent.is_some()),
        };
        if !update.changes.is_empty() || update.move_to.is_some() {
            self.update_agent(&update).await.map_err(Trouble::insistent)?;
        }
        if let Some(link) = &mut self.link.agent {
            link.former.clear();
            link.owned.clear();
        }
        self.save_link().await
    }
}
