//! After a lost answer: look whether the call was carried out before anything is tried again.

use std::time::Duration;

use serde_json::Value;

use super::case::{Case, Entry};
use super::contact;
use super::group_work::mend_ties;
use super::tenant::Known;
use super::trouble::Trouble;
use crate::domain::link::NoExtension;
use crate::domain::policy::LinkExtension;
use crate::domain::{fold, grant, person};
use crate::store::{inventory, journal};
use crate::upstream;
use crate::upstream::model::{Agent, AgentGroupId, RcUserId};

/// How long after a create without an answer its login name is taken to be in use because of it.
const STUBBORN: Duration = Duration::from_mins(2);

impl Case<'_> {
    /// Closes what earlier work left open; true when there was something, so that RingCX must be looked at afresh.
    ///
    /// A create is looked up: an agent that was unknown before, with the user name sent (or what RingCX makes of it) and the
    /// same e-mail address or extension, is ours. Several such agents are a question for a person, never a second create.
    pub(super) async fn recover(&mut self, open: &[journal::Entry]) -> Result<bool, Trouble> {
        for entry in open {
            let intent: Value = serde_json::from_str(&entry.intent).unwrap_or(Value::Null);
            let found = match entry.operation.as_str() {
                "createAgent" if self.link.agent.is_none() => self.recover_agent(&intent, entry).await?,
                "createAdmin" if self.link.admin.is_none() => self.recover_admin(&intent, entry).await?,
                // A switch-off that was cut short is ours, not a local disable by somebody in RingCX.
                "disableAgent" => {
                    if let Some(link) = &mut self.link.agent {
                        link.enabled = false;
                    }
                    Some(true)
                }
                "setIsActive" if intent.get("isActive") == Some(&Value::Bool(false)) => {
                    if let Some(link) = &mut self.link.admin {
                        link.enabled = false;
                    }
                    Some(true)
                }
                "assignRightsDoc" => {
                    self.mend_assignment(&intent).await?;
                    Some(true)
                }
                _ => Some(true),
            };
            if found == Some(false) && self.may_show_late(entry) {
                return Err(Trouble::Lost(
                    "RingCX has not answered a create and does not show what it may have made; it is looked for again."
                        .to_owned(),
                ));
            }
            if let Some(found) = found {
                self.close(Entry::left(entry), if found { "looked_up" } else { "not_applied" }).await?;
            }
        }
        Ok(!open.is_empty())
    }

    /// Whether what a create has made may not show yet.
    fn may_show_late(&self, entry: &journal::Entry) -> bool {
        entry.started + self.tenant.ringcx.visibility_delay() > self.clock.now()
    }

    /// RingCX says that the login name is taken: whether by an earlier create of this very person, which it made or showed only
    /// after it had been looked up.
    ///
    /// # Errors
    /// [`Trouble::Lost`] where it is, also while RingCX does not show it yet: the name is then looked for again and never refused.
    pub(super) async fn taken_by_an_earlier_try(&mut self, operation: &'static str) -> Result<(), Trouble> {
        let (tenant, person) = (self.tenant.id.clone(), self.person.clone());
        let tries =
            self.store.read(move |tx| journal::looked_up_in_vain(tx, &tenant, &person, operation)).await?;
        for row in tries {
            let intent: Value = serde_json::from_str(&row.intent).unwrap_or(Value::Null);
            let found = if operation == "createAgent" {
                self.recover_agent(&intent, &row).await?
            } else {
                self.recover_admin(&intent, &row).await?
            };
            if found.is_none() {
                return Err(Trouble::Lost(
                    "RingCX shows the account of an earlier try; it is compared.".to_owned(),
                ));
            }
            if row.started + STUBBORN > self.clock.now() {
                return Err(Trouble::Lost(
                    "RingCX has the login name, as it seems by an earlier try that it did not answer, and does not show the account \
                     yet; it is looked for again."
                        .to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// RingCX answers a create in this agent group that there is nothing: whether a fresh list lacks the group too. Then it is
    /// forgotten, and the SCIM groups that are tied to it are looked at.
    pub(super) async fn group_is_gone(&self, group: AgentGroupId) -> Result<bool, Trouble> {
        let listed = self.calls.agent_groups().await;
        let listed = listed.map_err(|error| Trouble::reading("the list of agent groups", &error))?;
        if listed.iter().any(|it| it.id == group) {
            return Ok(false);
        }
        let now = self.clock.now();
        let forget = move |known: &mut Known| known.directory.agent_groups.retain(|it| it.id != group);
        let known = contact::amend(self.store, self.tenant, Vec::new(), now, forget).await?;
        let tenant = self.tenant.id.clone();
        self.store.write(move |tx| mend_ties(tx, &tenant, &known.directory.agent_groups, now)).await?;
        Ok(true)
    }

    /// Whether it was found; nothing when it was found and written down.
    async fn recover_agent(
        &mut self,
        intent: &Value,
        left: &journal::Entry,
    ) -> Result<Option<bool>, Trouble> {
        let Some(group) = intent.get("group").and_then(Value::as_i64).map(AgentGroupId) else {
            return Ok(Some(false));
        };
        let sent = intent.get("username").and_then(Value::as_str).unwrap_or_default().to_owned();
        let listed = self.calls.agents(group).await;
        let listed = listed.map_err(|error| Trouble::reading("the list of agents", &error))?;
        let mut ours = Vec::new();
        for agent in listed {
            let named = agent
                .username()
                .is_some_and(|seen| person::is_rewritten_login(&sent, seen, &self.tenant.account_id));
            let Some(id) = agent.id().filter(|_| named) else { continue };
            let tenant = self.tenant.id.clone();
            let known = self
                .store
                .read(move |tx| inventory::get(tx, &tenant, inventory::Kind::Agent, id.0))
                .await?
                .is_some();
            if known || self.is_foreign(inventory::Kind::Agent, id.0).await? {
                continue;
            }
            match self.calls.agent(group, id).await {
                Ok(agent) if is_of(&agent, intent) => ours.push(agent),
                Ok(_) | Err(upstream::Error::NotFound) => {}
                Err(error) => return Err(Trouble::reading("the agent", &error)),
            }
        }
        match ours.as_slice() {
            [] => Ok(Some(false)),
            [agent] => {
                let rc_user_id = intent.get("rcUserId").and_then(Value::as_i64).map(RcUserId);
                let agent = agent.clone();
                if rc_user_id.is_none() && self.tenant.policy.link_rc_extension == LinkExtension::IfFound {
                    self.note_unlinked(Some(NoExtension::NotFound));
                }
                // Whatever the create has sent is compared again, so nothing counts as set by us yet.
                let entry = (Entry::left(left), "looked_up");
                self.link_new_agent(&agent, group, std::iter::empty(), rc_user_id, entry).await?;
                Ok(None)
            }
            several => Err(Trouble::Parked(format!(
                "RingCX has {} agents that could be the one whose creation was not answered; link one with `ringcx-scim \
                     import`, or delete the others.",
                several.len()
            ))),
        }
    }

    async fn recover_admin(
        &mut self,
        intent: &Value,
        left: &journal::Entry,
    ) -> Result<Option<bool>, Trouble> {
        let user_name = intent.get("userName").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(admin) = self.admin_named(&user_name).await? else { return Ok(Some(false)) };
        let Some(id) = admin.id() else { return Ok(Some(false)) };
        let tenant = self.tenant.id.clone();
        let known =
            self.store.read(move |tx| inventory::get(tx, &tenant, inventory::Kind::Admin, id.0)).await?;
        // What the bridge creates has no power yet: somebody else has made this one.
        let powerful = admin.roles().iter().any(grant::is_privileged);
        if known.is_some() || powerful || self.is_foreign(inventory::Kind::Admin, id.0).await? {
            return Ok(Some(false));
        }
        let entry = (Entry::left(left), "looked_up");
        self.link_new_admin(&admin, &user_name, std::collections::BTreeSet::new(), entry).await?;
        Ok(None)
    }
}

/// Whether a found agent carries what the lost create has sent.
fn is_of(agent: &Agent, intent: &Value) -> bool {
    let email = intent.get("email").and_then(Value::as_str);
    let extension = intent.get("rcUserId").and_then(Value::as_i64).map(RcUserId);
    match (email, extension) {
        (None, None) => true,
        (email, extension) => {
            (extension.is_some() && agent.rc_user_id() == extension)
                || email.is_some_and(|sent| agent.email().is_some_and(|seen| fold(seen) == fold(sent)))
        }
    }
}
