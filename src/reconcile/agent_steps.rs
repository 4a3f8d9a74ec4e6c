//! The calls that change agents, each verified as far as its danger asks for.

use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::case::{Case, Entry};
use super::extension::{Sought, about_extension};
use super::matching;
use super::password;
use super::trouble::{Doing, Trouble, is_taken};
use crate::domain::desired::DesiredAgent;
use crate::domain::found::Found;
use crate::domain::link::{AgentGroupAgent, AgentLink, about_to_set};
use crate::domain::plan::{AgentUpdate, NewAgent, ObservedAgent};
use crate::domain::policy::{MoveStrategy, PasswordOnPut};
use crate::scim;
use crate::store::inventory;
use crate::upstream::model::{Agent, AgentGroupId, AgentId, RcUserId, id_of};
use crate::upstream::{self};

/// How often a change is looked for again before it counts as not made, and after what pause.
pub(super) const LOOKS: u32 = 2;
pub(super) const LATE: std::time::Duration = std::time::Duration::from_millis(300);

/// The fact under which the way of moving agents that has worked is remembered.
pub(super) const MOVE_STRATEGY: &str = "move_strategy";

impl Case<'_> {
    /// Creates the agent in its final group: one call, with a password that nobody keeps.
    ///
    /// An agent that has the person's RingCentral extension already is taken over instead: it is theirs. It keeps its group, so
    /// the work begins anew.
    pub(super) async fn create_agent(
        &mut self,
        new: &NewAgent,
        wanted: &DesiredAgent,
    ) -> Result<(), Trouble> {
        let (rc_user_id, missing) = match self.seek_extension(wanted).await? {
            Sought::Found(id) => (Some(id), None),
            Sought::Missing(why) => (None, Some(why)),
            Sought::Unwanted => (None, None),
        };
        if let Some(id) = rc_user_id
            && let Some(item) = self.holder_of(id).await?
        {
            return Err(self.adopt_holder(&item, id).await?);
        }
        let mut body = self.new_agent_body(new, wanted, rc_user_id);
        let intent = json!({
            "group": new.group, "username": new.login, "email": new.fields.get("email"), "rcUserId": rc_user_id,
        });
        let entry = self.begin_create("createAgent", &intent).await?.changing(&Map::new(), &body);
        let password = password::generate().map_err(|error| {
            Trouble::Unavailable(super::trouble::PAUSE, format!("No randomness: {error}"))
        })?;
        body.insert("password".to_owned(), json!(password.expose_secret()));
        let made = self.calls.create_agent(new.group, body).await;
        let taken = is_taken(&made);
        let nowhere = matches!(made, Err(upstream::Error::NotFound));
        let mut made = self.made(Doing::Changing, entry, made, "the agent").await;
        if nowhere && self.group_is_gone(new.group).await? {
            return Err(Trouble::Lost(format!("Agent group {} is not in RingCX any more.", new.group)));
        }
        if taken {
            self.taken_by_an_earlier_try("createAgent").await?;
            self.taken_by_a_stranger(&new.login).await?;
            made = self.name_the_holder(made, &new.login).await?;
        }
        let (entry, made) = made.map_err(about_extension)?;
        self.note_unlinked(missing);
        // The answer leaves fields out, the e-mail address among them; what it does not contradict was taken as sent.
        let mut whole: Map<String, Value> = new.fields.clone().into_iter().collect();
        whole.extend(rc_user_id.map(|id| ("rcUserId".to_owned(), json!(id.0))));
        whole.extend(made.raw().clone());
        let made = Agent::from_raw(whole);
        // What the tenant's defaults gave is nobody's: whoever changes it in RingCX may.
        let external = new.fields.contains_key("externalAgentId").then(|| "externalAgentId".to_owned());
        let owned = wanted.fields.keys().cloned().chain(external);
        self.link_new_agent(&made, new.group, owned, rc_user_id, (entry, "done")).await
    }

    /// Adds to a refusal of a login name who of this tenant has it.
    async fn name_the_holder<T>(
        &self,
        made: Result<T, Trouble>,
        login: &str,
    ) -> Result<Result<T, Trouble>, Trouble> {
        let Err(Trouble::Refused(error)) = made else { return Ok(made) };
        let (tenant, login) = (self.tenant.id.clone(), login.to_owned());
        let holder = self.store.read(move |tx| matching::whose_login(tx, &tenant, &login)).await?;
        let detail =
            holder.map_or_else(|| error.detail.clone(), |holder| format!("{} {holder}", error.detail));
        Ok(Err(Trouble::Refused(scim::Error { detail, ..error })))
    }

    fn new_agent_body(
        &self,
        new: &NewAgent,
        wanted: &DesiredAgent,
        rc_user_id: Option<RcUserId>,
    ) -> Map<String, Value> {
        let mut body: Map<String, Value> = new.fields.clone().into_iter().collect();
        body.insert("username".to_owned(), json!(new.login));
        body.insert("isActive".to_owned(), json!(true));
        if let Some(id) = rc_user_id {
            body.insert("rcUserId".to_owned(), json!(id.0));
            if wanted.sync_with_office.unwrap_or(self.tenant.policy.sync_with_office) {
                body.insert("userManagedByRC".to_owned(), json!(true));
            }
        }
        body
    }

    /// Remembers an agent of our making before anything else happens to it.
    pub(super) async fn link_new_agent(
        &mut self,
        made: &Agent,
        group: AgentGroupId,
        owned: impl Iterator<Item = String>,
        rc_user_id: Option<RcUserId>,
        (entry, outcome): (Entry, &'static str),
    ) -> Result<(), Trouble> {
        let Some(id) = made.id() else {
            return Err(Trouble::Lost("RingCX answered a new agent without its id.".to_owned()));
        };
        let entry = entry.having_made("agentId", id.0);
        let group = made.group_id().unwrap_or(group);
        let owned: std::collections::BTreeSet<String> = owned.collect();
        self.link.agent = Some(AgentLink {
            id: AgentGroupAgent { agent: id, group },
            username: made.username().unwrap_or_default().to_owned(),
            former: std::collections::BTreeMap::new(),
            ours: true,
            home: None,
            unseen: false,
            enabled: true,
            wrote_external_id: owned.contains("externalAgentId"),
            owned,
            rc_user_id,
            found: Found::default(),
        });
        self.saw_agent(ObservedAgent { id, group, agent: made.clone() });
        self.remember(inventory::Item::agent(made, group, self.clock.now()), entry, outcome).await
    }

    /// The whole agent as it was seen, with what changes.
    pub(super) fn changed_body(
        &self,
        seen: &ObservedAgent,
        update: &AgentUpdate,
    ) -> Result<Map<String, Value>, Trouble> {
        let mut body = seen.agent.for_put();
        for (field, value) in &update.changes {
            body.insert(field.clone(), value.clone());
        }
        if update.enable {
            set_active(&mut body, true);
        }
        self.add_password(&seen.agent, &mut body)?;
        Ok(body)
    }

    /// Makes the changes to an agent, and looks where that is needed.
    pub(super) async fn try_update(&mut self, update: &AgentUpdate) -> Result<(), Trouble> {
        let Some(seen) = self.seen.agent.clone() else { return Ok(()) };
        let body = self.changed_body(&seen, update)?;
        let tied = update.changes.get("rcUserId").and_then(id_of).map(RcUserId);
        if let Some(id) = tied {
            self.refuse_taken_extension(id).await?;
        }
        // Remembered first: whether the answer comes or not, a refusal of the whole gives these fields back.
        if let Some(link) = &mut self.link.agent {
            about_to_set(&mut link.owned, &mut link.former, seen.agent.raw(), &update.changes);
        }
        self.save_link().await?;
        let after = match update.move_to {
            None => self.put_agent(&seen, body, "updateAgent").await,
            Some(target) => self.move_or_stay(&seen, &body, (update, target)).await,
        };
        let after = after.map_err(|why| if tied.is_some() { about_extension(why) } else { why })?;
        let after = match tied {
            Some(id) => self.confirm_extension(after, id).await?,
            None => after,
        };
        if update.enable && !after.agent.is_active() {
            let fresh = self.look_at_agent(after.group, after.id).await?;
            if !fresh.agent.is_active() {
                return Err(Trouble::unconfirmed("the reactivation of the agent"));
            }
        }
        if let Some(link) = &mut self.link.agent {
            link.id.group = after.group;
            link.enabled |= update.enable;
            link.wrote_external_id |= update.changes.contains_key("externalAgentId");
            if let Some(username) = after.agent.username() {
                username.clone_into(&mut link.username);
            }
        }
        self.saw_agent(after);
        self.save_link().await?;
        self.note_demotion(&seen, &update.changes).await
    }

    /// Switches the agent off, changes nothing else, and looks afterwards.
    pub(super) async fn disable_agent(&mut self) -> Result<(), Trouble> {
        let Some(seen) = self.seen.agent.clone() else { return Ok(()) };
        let mut body = seen.agent.for_put();
        set_active(&mut body, false);
        if self.tenant.policy.password_on_put == Some(PasswordOnPut::Echo) {
            echo_password(&seen.agent, &mut body);
        }
        self.put_agent(&seen, body, "disableAgent").await.map_err(Trouble::insistent)?;
        let mut after = self.look_at_agent(seen.group, seen.id).await?;
        for _ in 0..LOOKS {
            if !after.agent.is_active() {
                break;
            }
            // RingCX may show its own changes late.
            tokio::time::sleep(LATE).await;
            after = self.look_at_agent(seen.group, seen.id).await?;
        }
        if after.agent.is_active() {
            return Err(Trouble::unconfirmed("the deactivation of the agent"));
        }
        if let Some(link) = &mut self.link.agent {
            link.enabled = false;
        }
        self.saw_agent(after);
        self.save_link().await
    }

    /// Empties the direct line of an agent that is switched off. Whatever RingCX says to that, the agent stays switched off, and
    /// a line that stays is in the report.
    pub(super) async fn clear_direct_line(&mut self) -> Result<(), Trouble> {
        let Some(seen) = self.seen.agent.clone() else { return Ok(()) };
        let mut body = seen.agent.for_put();
        body.insert("directAgentExtension".to_owned(), json!(""));
        if let Err(why) = self.add_password(&seen.agent, &mut body) {
            tracing::warn!(agent.id = %seen.id, ?why, "a direct line stays");
            return Ok(());
        }
        match self.put_agent(&seen, body, "clearDirectLine").await {
            Ok(_) => {}
            Err(Trouble::Refused(why)) => {
                tracing::warn!(agent.id = %seen.id, status = why.status, "RingCX does not empty a direct line");
                return Ok(());
            }
            Err(trouble) => return Err(trouble),
        }
        let after = self.look_at_agent(seen.group, seen.id).await?;
        self.saw_agent(after);
        Ok(())
    }

    /// Deletes an agent of our making and looks whether it is gone.
    pub(super) async fn delete_agent(&mut self, id: AgentId) -> Result<(), Trouble> {
        let Some(seen) = self.seen.agent.clone() else { return Ok(()) };
        let entry = self.begin("deleteAgent", &json!({"agentId": id})).await?;
        let answer = self.calls.delete_agent(seen.group, id).await;
        if answer == Err(upstream::Error::NotFound) {
            // Just seen, and now said not to be there: whether it is gone says the next look.
            self.close(entry, "refused").await?;
            return Err(Trouble::Lost(format!("RingCX does not show agent {id}; it is looked for again.")));
        }
        self.end_as(Doing::Removing, entry, answer, "the deletion of the agent").await?;
        match self.calls.agent(seen.group, id).await {
            Err(upstream::Error::NotFound) => {
                self.link.agent = None;
                self.seen.agent = None;
                self.forget_agent(id).await
            }
            Err(error) => Err(Trouble::of(Doing::Removing, "the agent", &error)),
            Ok(_) => Err(Trouble::unconfirmed("the deletion of the agent")),
        }
    }

    /// What the agent is like now.
    fn saw_agent(&mut self, agent: ObservedAgent) {
        self.seen.agent = Some(agent);
        self.looks.agent.done();
    }

    pub(super) async fn put_agent(
        &mut self,
        seen: &ObservedAgent,
        body: Map<String, Value>,
        operation: &str,
    ) -> Result<ObservedAgent, Trouble> {
        let entry = self.begin(operation, &json!({"agentId": seen.id})).await?;
        let entry = entry.changing(&seen.agent.for_put(), &body);
        let answer = self
            .looks
            .agent
            .changing(&self.calls, self.fresh)
            .put_agent(seen.group, seen.id, body.clone())
            .await;
        let answer = self.end(entry, answer, "the agent").await?;
        let agent = answer.unwrap_or_else(|| Agent::from_raw(body));
        Ok(ObservedAgent { id: seen.id, group: seen.group, agent })
    }

    /// Moves by the strategy that has worked before, else by each in turn; every first success is verified by a GET.
    pub(super) async fn move_agent(
        &mut self,
        seen: &ObservedAgent,
        body: &Map<String, Value>,
        target: AgentGroupId,
    ) -> Result<ObservedAgent, Trouble> {
        // Until one way is known to work, one move at a time finds it out; the others then need no look afterwards.
        let mut learning = None;
        let (mut strategies, mut learned) = self.move_strategies().await?;
        if !learned {
            learning = Some(self.tenant.learning_move.lock().await);
            (strategies, learned) = self.move_strategies().await?;
            if learned {
                learning = None;
            }
        }
        let found = self.try_moves(&strategies, learned, seen, body, target).await;
        drop(learning);
        found
    }

    async fn try_moves(
        &mut self,
        strategies: &[MoveStrategy],
        learned: bool,
        seen: &ObservedAgent,
        body: &Map<String, Value>,
        target: AgentGroupId,
    ) -> Result<ObservedAgent, Trouble> {
        let within = |body: &Map<String, Value>, group: AgentGroupId| {
            let mut whole = body.clone();
            whole.insert("groupId".to_owned(), json!(group));
            whole
        };
        for &strategy in strategies {
            let entry = self
                .begin("moveAgent", &json!({"agentId": seen.id, "to": target, "strategy": strategy.as_str()}))
                .await?
                .changing(&within(&seen.agent.for_put(), seen.group), &within(body, target));
            let answer = self.send_move(strategy, seen, body.clone(), target).await;
            let shown = match answer {
                // "Not like this" is an answer to the way, not to the wish: try the next way.
                Err(upstream::Error::NotFound | upstream::Error::Rejected { .. }) if !learned => {
                    self.close(entry, "refused").await?;
                    continue;
                }
                answer => self.end(entry, answer, "the move of the agent").await?,
            };
            if let Some(agent) = shown.filter(|agent| learned && agent.group_id() == Some(target)) {
                return Ok(ObservedAgent { id: seen.id, group: target, agent });
            }
            if let Some(agent) = self.moved_agent(seen.id, target).await? {
                self.learn(MOVE_STRATEGY, strategy.as_str()).await?;
                return Ok(ObservedAgent { id: seen.id, group: target, agent });
            }
        }
        Err(Trouble::Refused(scim::Error::invalid_value(
            "RingCX accepted the move of the agent but left it in its group; set move_strategy to the way that this account \
             supports, or move the agent in RingCX.",
        )))
    }

    /// The agent in the group to which it was moved; RingCX may show its own changes late.
    async fn moved_agent(&self, id: AgentId, target: AgentGroupId) -> Result<Option<Agent>, Trouble> {
        let mut pause = LATE;
        let until = tokio::time::Instant::now() + self.tenant.ringcx.visibility_delay();
        for look in 0.. {
            if look > LOOKS && tokio::time::Instant::now() > until {
                break;
            }
            if look > 0 {
                tokio::time::sleep(pause).await;
                pause = if look < LOOKS { pause } else { pause * 2 };
            }
            match self.calls.agent(target, id).await {
                Ok(agent) if agent.group_id().is_none_or(|group| group == target) => return Ok(Some(agent)),
                Ok(_) | Err(upstream::Error::NotFound) => {}
                Err(error) => return Err(Trouble::reading("the agent", &error)),
            }
        }
        Ok(None)
    }

    async fn send_move(
        &self,
        strategy: MoveStrategy,
        seen: &ObservedAgent,
        mut body: Map<String, Value>,
        target: AgentGroupId,
    ) -> Result<Option<Agent>, upstream::Error> {
        body.insert("agentGroup".to_owned(), json!({"id": target, "agentGroupId": target}));
        body.insert("groupId".to_owned(), json!(target));
        let calls = self.looks.agent.changing(&self.calls, self.fresh);
        match strategy {
            MoveStrategy::Path => calls.put_agent(target, seen.id, body).await,
            MoveStrategy::Bulk => {
                let agents = calls.put_agents(target, vec![body]).await?;
                Ok(agents.into_iter().find(|agent| agent.id() == Some(seen.id)))
            }
            MoveStrategy::Body | MoveStrategy::Auto => calls.put_agent(seen.group, seen.id, body).await,
        }
    }

    async fn move_strategies(&self) -> Result<(Vec<MoveStrategy>, bool), Trouble> {
        let known = self.fact(MOVE_STRATEGY).await?.as_deref().and_then(MoveStrategy::parse);
        Ok(match (self.tenant.policy.move_strategy, known) {
            (MoveStrategy::Auto, Some(known)) => (vec![known], true),
            (MoveStrategy::Auto, None) => {
                // Never the list: some installation may take it for the whole of the group, and only who knows may choose it.
                (vec![MoveStrategy::Body, MoveStrategy::Path], false)
            }
            (chosen, known) => (vec![chosen], known == Some(chosen)),
        })
    }

    /// Whether a PUT may go out without knowing what RingCX does with a password that is left out.
    pub(super) fn add_password(&self, seen: &Agent, body: &mut Map<String, Value>) -> Result<(), Trouble> {
        match self.tenant.policy.password_on_put {
            Some(PasswordOnPut::Omit) => Ok(()),
            Some(PasswordOnPut::Echo) => {
                echo_password(seen, body);
                Ok(())
            }
            None => {
                let ours = self.link.agent.as_ref().is_some_and(|link| link.ours);
                if ours || seen.rc_user_id().is_some() {
                    return Ok(());
                }
                Err(Trouble::Parked(
                    "This agent signs in with a password of its own, and whether RingCX keeps it when other fields change is \
                     not known yet; set password_on_put to \"omit\" or \"echo\"."
                        .to_owned(),
                ))
            }
        }
    }
}

/// Switches both flags: which of the two RingCX obeys is not documented.
fn set_active(body: &mut Map<String, Value>, active: bool) {
    body.insert("isActive".to_owned(), json!(active));
    body.insert("active".to_owned(), json!(active));
}

fn echo_password(seen: &Agent, body: &mut Map<String, Value>) {
    if let Some(password) = seen.raw().get("password").filter(|it| !it.is_null()) {
        body.insert("password".to_owned(), password.clone());
    }
}
