//! What RingCX has, read with a bounded share of the budget.
//!
//! Lists first (the integration listing where the service account may use it), then each agent under its own path, because
//! lists leave out what decides: extensions, external ids, who maintains the agent. What was read stays in the inventory, so a
//! run that was interrupted goes on where it stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::super::drift::Drift;
use super::super::listing::{self, Listed};
use super::super::{ContactError, Reconciler, Tenant};
use crate::domain::TenantId;
use crate::domain::found::kept;
use crate::domain::import::{AdminAccount, AgentAccount};
use crate::store::inventory;
use crate::upstream::model::{Agent, AgentGroupId, AgentId, RightsDocId, UserId};
use crate::upstream::{self, Calls, Lane};

/// How an account is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// How old what was read of an agent may be.
    pub max_age: Duration,
    /// Whether lists are enough: quicker, and blind to what they leave out.
    pub lists_only: bool,
}

/// What RingCX has.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The agents.
    pub agents: Vec<AgentAccount>,
    /// The administrators; none where this tenant does not own them.
    pub admins: Vec<AdminAccount>,
    /// Whether the integration listing was used.
    pub integration: bool,
    /// Agents read under their own path.
    pub read: usize,
    /// Agents of whom an earlier read was young enough.
    pub remembered: usize,
    /// What could not be read, one sentence each.
    pub notes: Vec<String>,
}

impl Reconciler {
    /// Reads agent groups, agents, administrators and who has which rights document; `progress` is told how many agents of how
    /// many are read. Changes nothing in RingCX.
    ///
    /// # Errors
    /// What RingCX or the store said; what was read until then is remembered.
    pub async fn read_for_import(
        &self,
        tenant: &TenantId,
        how: &Reading,
        progress: &(dyn Fn(usize, usize) + Send + Sync),
    ) -> Result<Seen, ContactError> {
        let tenant = self.imported_tenant(tenant)?;
        patiently(async || self.first_contact(&tenant).await).await?;
        let known = patiently(async || self.list_names(&tenant, Lane::Reconcile).await).await?;
        let calls = tenant.ringcx.calls(Lane::Reconcile, None);
        let (listed, drift) = patiently(async || {
            let mut drift = Drift::default();
            Ok((self.list(&tenant, &known, &calls, &mut drift).await?, drift))
        })
        .await?;
        let mut seen = Seen { integration: drift.integration, ..Seen::default() };
        self.read_agents(&tenant, &calls, how, listed, &mut seen, progress).await?;
        if tenant.policy.manage_admins {
            self.read_administrators(&tenant, &calls, &mut seen).await?;
        } else {
            seen.notes.push("administrators belong to another tenant (manage_admins = false)".to_owned());
        }
        Ok(seen)
    }

    async fn read_agents(
        &self,
        tenant: &Arc<Tenant>,
        calls: &Calls,
        how: &Reading,
        listed: Listed,
        seen: &mut Seen,
        progress: &(dyn Fn(usize, usize) + Send + Sync),
    ) -> Result<(), ContactError> {
        let (of, since) = (tenant.id.clone(), self.clock.now() - how.max_age);
        let remembered = self.store.read_long(move |tx| inventory::details(tx, &of, since)).await?;
        let all = listed.len();
        for (done, (id, (group, shown))) in listed.into_iter().enumerate() {
            progress(done, all);
            let id = AgentId(id);
            let known =
                remembered.get(&id.0).and_then(|text| detail(text)).filter(|it| fits(it, group, &shown));
            let agent = match known {
                Some(agent) => {
                    seen.remembered += 1;
                    agent
                }
                None if how.lists_only => kept(&shown),
                None => {
                    let Some(agent) = self.read_agent(tenant, calls, group, id).await? else {
                        seen.notes
                            .push(format!("agent {id} is listed, but RingCX does not show it by itself"));
                        continue;
                    };
                    seen.read += 1;
                    agent
                }
            };
            seen.agents.push(AgentAccount { id, group: agent.group_id().unwrap_or(group), agent });
        }
        progress(all, all);
        if !seen.agents.is_empty() && seen.agents.iter().all(|account| account.agent.is_active()) {
            seen.notes.push(
                "RingCX lists nobody who is switched off; if there are such agents, they are not imported"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// One agent under its own path, remembered at once.
    async fn read_agent(
        &self,
        tenant: &Tenant,
        calls: &Calls,
        group: AgentGroupId,
        id: AgentId,
    ) -> Result<Option<Agent>, ContactError> {
        let agent = match patiently(async || Ok(calls.agent(group, id).await?)).await {
            Ok(agent) => kept(&agent),
            Err(ContactError::Upstream(upstream::Error::NotFound | upstream::Error::Forbidden { .. })) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let now = self.clock.now();
        let item = inventory::Item::agent(&agent, group, now);
        let text = Value::Object(agent.raw().clone()).to_string();
        let (of, account) = (tenant.id.clone(), tenant.account_id.clone());
        self.store
            .write(move |tx| {
                let Some(item) = &item else { return Ok(()) };
                listing::note(tx, (&of, &account), std::slice::from_ref(item), inventory::put)?;
                inventory::keep_detail(tx, &of, item.id, &text, now)
            })
            .await?;
        Ok(Some(agent))
    }

    async fn read_administrators(
        &self,
        tenant: &Tenant,
        calls: &Calls,
        seen: &mut Seen,
    ) -> Result<(), ContactError> {
        let admins = match patiently(async || Ok(calls.admins().await?)).await {
            Ok(admins) => admins,
            Err(ContactError::Upstream(upstream::Error::Forbidden { .. })) => {
                seen.notes.push("the service account may not read administrators".to_owned());
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let (of, account, now) = (tenant.id.clone(), tenant.account_id.clone(), self.clock.now());
        let items: Vec<inventory::Item> =
            admins.iter().filter_map(|admin| inventory::Item::admin(admin, now)).collect();
        self.store.write(move |tx| listing::note(tx, (&of, &account), &items, inventory::put)).await?;
        let mut held = holders(tenant, calls, seen).await?;
        for admin in admins {
            if let Some(id) = admin.id() {
                let rights_docs = held.remove(&id).unwrap_or_default();
                seen.admins.push(AdminAccount { id, admin, rights_docs });
            }
        }
        Ok(())
    }
}

/// Who has which rights document: one call for each document, not for each administrator.
async fn holders(
    tenant: &Tenant,
    calls: &Calls,
    seen: &mut Seen,
) -> Result<BTreeMap<UserId, BTreeSet<RightsDocId>>, ContactError> {
    let known = tenant.known().unwrap_or_default();
    let mut held: BTreeMap<UserId, BTreeSet<RightsDocId>> = BTreeMap::new();
    for doc in known.directory.rights_docs.ids() {
        match patiently(async || Ok(calls.assignees(doc).await?)).await {
            Ok(users) => {
                for user in users {
                    held.entry(user).or_default().insert(doc);
                }
            }
            Err(ContactError::Upstream(upstream::Error::Forbidden { .. } | upstream::Error::NotFound)) => {
                seen.notes.push(format!("who has rights document {doc} cannot be read"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(held)
}

/// The longest that a read waits by itself; what lasts longer is told to the operator.
const PATIENCE: Duration = Duration::from_mins(5);

/// Reads again where RingCX says "too many": the budget is shared with people who wait, and a read does not mind.
async fn patiently<T>(read: impl AsyncFn() -> Result<T, ContactError>) -> Result<T, ContactError> {
    loop {
        match read().await {
            Err(ContactError::Upstream(upstream::Error::Limited { after })) if after <= PATIENCE => {
                tokio::time::sleep(after).await;
            }
            other => return other,
        }
    }
}

fn detail(text: &str) -> Option<Agent> {
    serde_json::from_str::<Map<String, Value>>(text).ok().map(Agent::from_raw)
}

/// Whether an earlier read still agrees with what a fresh list shows.
fn fits(read: &Agent, group: AgentGroupId, shown: &Agent) -> bool {
    // A list may leave a field out, or show what is not set as the empty text.
    let same =
        |of: fn(&Agent) -> Option<&str>| of(shown).is_none_or(|text| of(read).unwrap_or_default() == text);
    read.group_id().is_none_or(|it| it == group)
        && read.is_active() == shown.is_active()
        && same(Agent::username)
        && same(Agent::first_name)
        && same(Agent::last_name)
}
