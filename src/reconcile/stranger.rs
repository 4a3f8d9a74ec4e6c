//! An agent that somebody has made in RingCX since the bridge last looked, found because its login name is taken.

use std::time::Duration;

use tokio::time::Instant;

use super::case::Case;
use super::contact;
use super::matching;
use super::trouble::Trouble;
use crate::store::inventory;

/// How old the lists may be in which such an agent is looked for: one look serves all who meet a taken name meanwhile.
const LIVE: Duration = Duration::from_mins(1);

impl Case<'_> {
    /// RingCX says that the login name is taken, and no earlier create of this person has taken it. An active agent that has it is
    /// taken over, as it would have been had the bridge known of it.
    ///
    /// # Errors
    /// [`Trouble::Lost`] when one was taken over, so that it is looked at next; 409 when a person has to decide.
    pub(super) async fn taken_by_a_stranger(&mut self, login: &str) -> Result<(), Trouble> {
        if !self.tenant.policy.link_existing {
            return Ok(());
        }
        self.list_agents_again().await?;
        let (tenant, account) = (self.tenant.id.clone(), self.tenant.account_id.clone());
        let login = login.to_owned();
        let found = self
            .store
            .read(move |tx| {
                let named = matching::of_login_name(tx, &tenant, &account, &login)?;
                let free = matching::unlinked(tx, &tenant, named)?;
                matching::the_one(tx, &tenant, free)
            })
            .await?;
        match found {
            None => Ok(()),
            Some(item) => Err(self.take_over(&item).await?),
        }
    }

    /// Reads the lists of all agent groups, unless somebody has just done so.
    async fn list_agents_again(&self) -> Result<(), Trouble> {
        let mut last = self.tenant.listed.lock().await;
        if last.is_some_and(|at| at.elapsed() < LIVE) {
            return Ok(());
        }
        let mut items = Vec::new();
        for group in &self.known.directory.agent_groups {
            let now = self.clock.now();
            let agents = self.calls.agents(group.id).await;
            let agents = agents.map_err(|error| Trouble::reading("the list of agents", &error))?;
            items.extend(agents.iter().filter_map(|agent| inventory::Item::agent(agent, group.id, now)));
        }
        contact::amend(self.store, self.tenant, items, self.clock.now(), |_| {}).await?;
        *last = Some(Instant::now());
        Ok(())
    }
}
