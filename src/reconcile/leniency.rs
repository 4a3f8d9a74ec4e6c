//! What RingCX does not take of a change to an agent, and what then becomes of the rest of it.

use serde_json::{Map, Value, json};

use super::case::{Case, Look};
use super::trouble::{LOGIN_NAME_TAKEN, Trouble};
use crate::domain::link::AgentLink;
use crate::domain::plan::{AgentUpdate, ObservedAgent, same_value};
use crate::upstream::model::AgentGroupId;

impl Case<'_> {
    /// Changes fields, switches on and moves: one PUT where RingCX allows it.
    ///
    /// A login name that RingCX does not change stays in RingCX alone; that is told once and not tried again.
    pub(super) async fn update_agent(&mut self, update: &AgentUpdate) -> Result<(), Trouble> {
        let Some(login) = update.changes.get("username").and_then(Value::as_str) else {
            return self.try_update(update).await;
        };
        let stood = self.link.agent.as_ref().map(NameMarks::of);
        let refusal = match self.try_update(update).await {
            Err(Trouble::Refused(refusal)) => refusal,
            other => return other,
        };
        let mut rest = update.clone();
        rest.changes.remove("username");
        if let (Some(stood), Some(link)) = (stood, &mut self.link.agent) {
            stood.restore(link);
        }
        // Only when the rest goes through was it the name that RingCX did not want.
        if !rest.changes.is_empty() || rest.enable || rest.move_to.is_some() {
            self.try_update(&rest).await?;
        }
        self.link.refused_login = Some(login.to_owned());
        self.save_link().await?;
        self.note_decision("login_kept", &json!({"agentId": update.id, "detail": refusal.detail})).await?;
        // What to do about a new agent's name is no advice here.
        let why = refusal.detail.trim_end_matches(LOGIN_NAME_TAKEN).trim_end();
        self.notes.push(format!("The login name in RingCX stays as it was: {why}"));
        Ok(())
    }

    /// Moves the agent together with its other changes. A move that was due before the write holds up nothing else: where it comes
    /// to nothing, the rest is done in the group where the agent is.
    pub(super) async fn move_or_stay(
        &mut self,
        seen: &ObservedAgent,
        body: &Map<String, Value>,
        (update, target): (&AgentUpdate, AgentGroupId),
    ) -> Result<ObservedAgent, Trouble> {
        let refusal = match self.move_agent(seen, body, target).await {
            Err(Trouble::Refused(refusal)) if self.before.agent_group == Some(target) => refusal,
            moved => return moved,
        };
        self.looks.agent = Look::default();
        let calls = self.looks.agent.looking(&self.calls);
        let agent = calls.agent(seen.group, seen.id).await;
        let agent = agent.map_err(|error| Trouble::reading("the agent", &error))?;
        self.looks.agent.done();
        let now = ObservedAgent { id: seen.id, group: agent.group_id().unwrap_or(seen.group), agent };
        let raw = now.agent.raw();
        // A way of moving that RingCX did not understand may have carried the other changes.
        let changed = update.changes.iter().all(|(field, value)| same_value(raw.get(field), value));
        let stays = if changed && (!update.enable || now.agent.is_active()) {
            now
        } else {
            let body = self.changed_body(&now, update)?;
            self.put_agent(&now, body, "updateAgent").await?
        };
        self.note_decision("unmet", &json!({"status": refusal.status, "detail": refusal.detail})).await?;
        self.unmet.push(refusal);
        Ok(stays)
    }
}

/// Whether the bridge has set the login name of an agent before, and what it was.
struct NameMarks {
    owned: bool,
    former: Option<Value>,
}

impl NameMarks {
    fn of(link: &AgentLink) -> Self {
        Self { owned: link.owned.contains("username"), former: link.former.get("username").cloned() }
    }

    fn restore(self, link: &mut AgentLink) {
        if !self.owned {
            link.owned.remove("username");
        }
        match self.former {
            Some(former) => link.former.insert("username".to_owned(), former),
            None => link.former.remove("username"),
        };
    }
}
