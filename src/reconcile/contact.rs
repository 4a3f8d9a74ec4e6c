//! First contact: the bridge reads what an account holds before it changes anything in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::tenant::{Known, StoredKnown};
use super::{Error, Reconciler, Tenant};
use crate::domain::desired::{Assignables, Directory};
use crate::domain::fold;
use crate::domain::policy::ExternalIdSource;
use crate::store::{self, facts, inventory};
use crate::upstream::model::{Agent, AgentGroup, AgentGroupId, AgentId, RightsDocId};
use crate::upstream::{self, Calls, Lane};

/// The fact under which [`Known`] is kept.
const KNOWN: &str = "known";

/// How old the directory must be before an unknown name is worth another look at RingCX.
const REFRESH: Duration = Duration::from_secs(15);

/// The fact that says when the directory was read.
pub(super) const KNOWN_AT: &str = "known_at";

/// How many agents are read one by one to learn whether `externalAgentId` is in use.
const SAMPLE: usize = 5;

impl Reconciler {
    /// Learns the account, trying until it works or `shutdown`; what the store remembers costs no call.
    pub(super) async fn meet(&self, tenant: &Arc<Tenant>, shutdown: &CancellationToken) {
        let mut pause = self.times.look_again;
        while !shutdown.is_cancelled() {
            match self.first_contact(tenant).await {
                Ok(()) => {
                    tracing::info!(tenant = %tenant.id, "the tenant has met RingCX");
                    self.bell.notify_waiters();
                    return;
                }
                Err(error) => {
                    tracing::warn!(error = error.kind(), tenant = %tenant.id, "RingCX could not be read; creates wait");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(Duration::from_mins(1));
        }
    }

    /// Learns the accounts of all tenants, one after the other.
    ///
    /// # Errors
    /// What RingCX or the store said about the first that could not be read.
    pub async fn meet_all(&self) -> Result<(), ContactError> {
        for tenant in self.tenants.values() {
            self.first_contact(tenant).await?;
        }
        Ok(())
    }

    /// Learns the account once: from the store, else from RingCX.
    pub(super) async fn first_contact(&self, tenant: &Arc<Tenant>) -> Result<(), ContactError> {
        let _alone = tenant.reading.lock().await;
        let id = tenant.id.clone();
        if let Some(text) = self.store.read(move |tx| facts::get(tx, &id, KNOWN)).await?
            && let Ok(stored) = serde_json::from_str::<StoredKnown>(&text)
        {
            let mut known: Known = stored.into();
            if tenant.policy.assignment_shape.is_some() && known.directory.assignables.is_none() {
                // The setting is younger than what the store remembers.
                known.directory.assignables =
                    Some(assignables(&tenant.ringcx.calls(Lane::Update, None)).await?);
                self.store_known(tenant, &known, None).await?;
            }
            tenant.learn(known);
            return Ok(());
        }
        let calls = tenant.ringcx.calls(Lane::Update, None);
        let mut known = Known { directory: directory(tenant, &calls).await?, ..Known::default() };
        let mut items = Vec::new();
        let mut agents = Vec::new();
        for group in &known.directory.agent_groups {
            for agent in calls.agents(group.id).await? {
                items.extend(inventory::Item::agent(&agent, group.id, self.clock.now()));
                agents.push((group.id, agent));
            }
        }
        known.external_id_source = Some(external_id_source(&calls, &agents).await?);
        if tenant.policy.manage_admins {
            self.read_admins(&calls, &mut known, &mut items).await?;
        }
        self.store_known(tenant, &known, Some(items)).await?;
        tenant.learn(known);
        Ok(())
    }

    async fn read_admins(
        &self,
        calls: &Calls,
        known: &mut Known,
        items: &mut Vec<inventory::Item>,
    ) -> Result<(), upstream::Error> {
        match calls.identity().await {
            Ok(identity) => {
                known.own_user = identity.user_id;
                known.main_account = identity.main_account_id;
            }
            Err(error @ (upstream::Error::Forbidden { .. } | upstream::Error::NotFound)) => {
                tracing::warn!(error = error.kind(), "the bridge's own administrator is not known");
            }
            Err(error) => return Err(error),
        }
        match calls.admins().await {
            Ok(admins) => {
                items.extend(admins.iter().filter_map(|it| inventory::Item::admin(it, self.clock.now())));
            }
            Err(error @ upstream::Error::Forbidden { .. }) => {
                tracing::warn!(error = error.kind(), "administrators cannot be read; giving roles will fail");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        if let Some(own) = known.own_user {
            match calls.rights_docs(own).await {
                Ok(docs) => {
                    let named = docs.into_iter().filter_map(|doc| Some((doc.id, doc.name?)));
                    let titles: BTreeMap<RightsDocId, String> = named.collect();
                    known.directory.rights_docs = titles.iter().map(|(id, name)| (fold(name), *id)).collect();
                    known.directory.rights_doc_titles = titles;
                }
                Err(error @ (upstream::Error::Forbidden { .. } | upstream::Error::NotFound)) => {
                    tracing::warn!(error = error.kind(), "rights documents cannot be read");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn store_known(
        &self,
        tenant: &Tenant,
        known: &Known,
        items: Option<Vec<inventory::Item>>,
    ) -> Result<(), store::Error> {
        let (id, known, now) = (tenant.id.clone(), known.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                for item in items.iter().flatten() {
                    inventory::put(tx, &id, item)?;
                }
                facts::set(tx, &id, KNOWN_AT, &now.as_millisecond().to_string(), now)?;
                write_known(tx, &id, &known, now)
            })
            .await
    }

    /// Reads the names of the account again, because one was asked for that is not known; at most every few seconds.
    pub(super) async fn refresh_names(&self, tenant: &Arc<Tenant>) -> Result<Arc<Known>, Error> {
        let _alone = tenant.reading.lock().await;
        let known = tenant.known().unwrap_or_default();
        let id = tenant.id.clone();
        let read = self.store.read(move |tx| facts::get(tx, &id, KNOWN_AT)).await?;
        let read = read.and_then(|text| text.parse().ok()).unwrap_or(0_i64);
        let age = self.clock.now().as_millisecond().saturating_sub(read);
        if u128::try_from(age).is_ok_and(|age| age < REFRESH.as_millis()) {
            return Ok(known);
        }
        let calls = tenant.ringcx.calls(Lane::Update, None);
        let mut fresh = Known::clone(&known);
        match directory(tenant, &calls).await {
            Ok(directory) => {
                fresh.directory = Directory {
                    agent_groups: directory.agent_groups,
                    aux_states: directory.aux_states,
                    assignables: directory.assignables,
                    ..fresh.directory
                };
                self.store_known(tenant, &fresh, None).await?;
                tenant.learn(fresh);
            }
            // The names as they were known decide; a client that needs a newer one asks again.
            Err(error) => {
                tracing::warn!(error = error.kind(), tenant = %tenant.id, "the agent groups could not be read again");
            }
        }
        Ok(tenant.known().unwrap_or(known))
    }

    /// Remembers a group that the bridge has made.
    pub(super) async fn know_group(&self, tenant: &Tenant, group: AgentGroup) -> Result<(), store::Error> {
        let mut known = tenant.known().map(|known| Known::clone(&known)).unwrap_or_default();
        known.directory.agent_groups.retain(|it| it.id != group.id);
        known.directory.agent_groups.push(group);
        self.store_known(tenant, &known, None).await?;
        tenant.learn(known);
        Ok(())
    }
}

/// Writes down what is known of an account.
pub(super) fn write_known(
    tx: &mut store::Tx<'_>,
    tenant: &crate::domain::TenantId,
    known: &Known,
    now: jiff::Timestamp,
) -> Result<(), store::Error> {
    let text = serde_json::to_string(&StoredKnown::from(known))
        .map_err(|error| store::Error::Corrupt(error.to_string()))?;
    facts::set(tx, tenant, KNOWN, &text, now)
}

/// Why an account could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    /// RingCX or our way to it is in trouble.
    #[error("RingCX: {0}")]
    Upstream(#[from] upstream::Error),
    /// Our store is in trouble.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl ContactError {
    /// One word, for logs.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Upstream(error) => error.kind(),
            Self::Store(_) => "store",
        }
    }
}

async fn directory(tenant: &Tenant, calls: &Calls) -> Result<Directory, upstream::Error> {
    let agent_groups = calls.agent_groups().await?;
    let aux_states = match calls.aux_states().await {
        // The path is in no published interface description: without it the labels are unknown, and nothing else fails.
        Err(upstream::Error::NotFound | upstream::Error::Forbidden { .. }) => Vec::new(),
        other => other?,
    };
    let assignables = match tenant.policy.assignment_shape {
        Some(_) => Some(assignables(calls).await?),
        None => None,
    };
    Ok(Directory { agent_groups, aux_states, assignables, ..Directory::default() })
}

/// Dial groups and queues; where the account may not read them there are none.
async fn assignables(calls: &Calls) -> Result<Assignables, upstream::Error> {
    let readable = |error: upstream::Error| match error {
        upstream::Error::NotFound | upstream::Error::Forbidden(_) => Ok(()),
        error => Err(error),
    };
    let dial_groups = match calls.dial_groups().await {
        Ok(found) => found,
        Err(error) => readable(error).map(|()| Vec::new())?,
    };
    let queues = match calls.queues().await {
        Ok(found) => found,
        Err(error) => readable(error).map(|()| Vec::new())?,
    };
    Ok(Assignables { dial_groups, queues })
}

/// `none` where agents have an external id already: it belongs to a workforce-management feed that nobody connects with us.
async fn external_id_source(
    calls: &Calls,
    agents: &[(AgentGroupId, Agent)],
) -> Result<ExternalIdSource, upstream::Error> {
    let has_one = |agent: &Agent| agent.external_agent_id().is_some_and(|id| !id.is_empty());
    if agents.iter().any(|(_, agent)| has_one(agent)) {
        return Ok(ExternalIdSource::None);
    }
    // Lists may leave the field out, so a few agents are asked one by one.
    let unsaid = agents.iter().filter(|(_, agent)| !agent.raw().contains_key("externalAgentId"));
    let asked: Vec<(AgentGroupId, AgentId)> =
        unsaid.filter_map(|(group, agent)| Some((*group, agent.id()?))).take(SAMPLE).collect();
    for (group, id) in asked {
        match calls.agent(group, id).await {
            Ok(agent) if has_one(&agent) => return Ok(ExternalIdSource::None),
            Ok(_) | Err(upstream::Error::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(ExternalIdSource::ExternalId)
}
