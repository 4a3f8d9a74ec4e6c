//! Reading who is in RingCX by lists, group by group, and what the inventory keeps of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::drift::Drift;
use super::tenant::Known;
use super::{ContactError, Reconciler, Tenant};
use crate::domain::person::is_rewritten_login;
use crate::domain::{TenantId, fold};
use crate::store::{self, Tx, facts, inventory, journal};
use crate::upstream::model::{Agent, AgentGroupId};
use crate::upstream::{self, Calls};

/// The fact that says whether the service account has `WFO_ACCESS`.
const WFO: &str = "wfo_access";

/// The fact that says when that was asked last.
const WFO_ASKED: &str = "wfo_asked_at";

/// When a missing right is asked for again.
const ASK_AGAIN: Duration = Duration::from_hours(24);

/// Where agents were listed.
pub(super) type Listed = BTreeMap<i64, (AgentGroupId, Agent)>;

/// Which listing is read.
pub(super) struct Listing {
    /// Whether it is asked this time if the service account may read the integration listing.
    asks: bool,
    /// Whether it may, as far as is known.
    pub(super) integration: bool,
    /// What the ordinary lists are worth, where that decides.
    pub(super) basic: Basic,
}

/// What an ordinary list of agents shows (A17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basic {
    /// None has been read yet, or nobody was in it.
    Unknown,
    /// All that is needed.
    WillDo,
    /// Neither extensions nor addresses.
    Lacking,
}

impl Listing {
    /// The agents of one group for the first inventory: from the ordinary list where it shows extensions, else from the
    /// integration listing where that may be read. To find out which costs one call, and one more where it may not.
    pub(super) async fn read(
        &mut self,
        calls: &Calls,
        group: AgentGroupId,
    ) -> Result<Vec<Agent>, upstream::Error> {
        let mut listed = None;
        if self.basic != Basic::Lacking || !self.integration {
            let agents = calls.agents(group).await?;
            if let (Basic::Unknown, Some(agent)) = (self.basic, agents.first()) {
                let shows = agent.raw().contains_key("rcUserId");
                self.basic = if shows { Basic::WillDo } else { Basic::Lacking };
            }
            if self.basic != Basic::Lacking || !self.integration {
                return Ok(agents);
            }
            listed = Some(agents);
        }
        match (calls.integration_agents(group).await, listed) {
            (Ok(agents), _) => Ok(agents),
            (Err(upstream::Error::Forbidden(_) | upstream::Error::NotFound), listed) => {
                self.integration = false;
                match listed {
                    Some(agents) => Ok(agents),
                    None => calls.agents(group).await,
                }
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// How what was read goes into the inventory: [`inventory::put`] or [`inventory::refresh`].
type Write = fn(&mut Tx<'_>, &TenantId, &inventory::Item) -> Result<(), store::Error>;

impl Reconciler {
    /// Every agent that a list shows, with its group; the inventory is brought up to date on the way.
    pub(super) async fn list(
        &self,
        tenant: &Tenant,
        known: &Known,
        calls: &Calls,
        drift: &mut Drift,
    ) -> Result<Listed, ContactError> {
        let mut listed = Listed::new();
        let mut listing = self.begin_listing(tenant).await?;
        let groups = &known.directory.agent_groups;
        for (done, group) in groups.iter().enumerate() {
            self.tell("reading agent groups", done, groups.len());
            for (group, agent) in self.list_group(tenant, group.id, calls, &mut listing).await? {
                if let Some(id) = agent.id() {
                    listed.insert(id.0, (group, agent));
                }
            }
        }
        self.tell("reading agent groups", groups.len(), groups.len());
        self.end_listing(tenant, &listing).await?;
        drift.listed = listed.len();
        drift.integration = listing.integration;
        Ok(listed)
    }

    /// Which listing is to be read. A right that was missing may have been given since; that costs one call to find out.
    pub(super) async fn begin_listing(&self, tenant: &Tenant) -> Result<Listing, store::Error> {
        let of = tenant.id.clone();
        let (word, asked) = self
            .store
            .read(move |tx| {
                Ok::<_, store::Error>((facts::get(tx, &of, WFO)?, facts::get(tx, &of, WFO_ASKED)?))
            })
            .await?;
        let asked =
            asked.and_then(|at| at.parse().ok()).and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
        let asks = word.as_deref() != Some("no") || asked.is_none_or(|at| at + ASK_AGAIN < self.clock.now());
        Ok(Listing { asks, integration: asks, basic: Basic::Lacking })
    }

    /// The agents of one group, each with the group that it says it is in.
    pub(super) async fn list_group(
        &self,
        tenant: &Tenant,
        group: AgentGroupId,
        calls: &Calls,
        listing: &mut Listing,
    ) -> Result<Vec<(AgentGroupId, Agent)>, ContactError> {
        let mut agents = None;
        if listing.integration {
            match calls.integration_agents(group).await {
                Ok(found) => agents = Some(found),
                Err(upstream::Error::Forbidden(_) | upstream::Error::NotFound) => listing.integration = false,
                Err(error) => return Err(error.into()),
            }
        }
        let agents = match agents {
            Some(agents) => agents,
            None => calls.agents(group).await?,
        };
        let now = self.clock.now();
        let items: Vec<inventory::Item> =
            agents.iter().filter_map(|it| inventory::Item::agent(it, group, now)).collect();
        let (of, account) = (tenant.id.clone(), tenant.account_id.clone());
        self.store.write(move |tx| note(tx, (&of, &account), &items, inventory::refresh)).await?;
        Ok(agents.into_iter().map(|agent| (agent.group_id().unwrap_or(group), agent)).collect())
    }

    /// Remembers whether the integration listing may be read.
    pub(super) async fn end_listing(&self, tenant: &Tenant, listing: &Listing) -> Result<(), store::Error> {
        let (of, now, asks) = (tenant.id.clone(), self.clock.now(), listing.asks);
        let word = if listing.integration { "yes" } else { "no" };
        self.store
            .write(move |tx| {
                if asks {
                    facts::set(tx, &of, WFO_ASKED, &now.as_millisecond().to_string(), now)?;
                }
                facts::set(tx, &of, WFO, word, now)
            })
            .await
    }
}

/// Brings the inventory up to date with what was read. An account that may be what a create without an answer has made stays out
/// of it: whoever looks for that one takes no account that was known before.
pub(super) fn note(
    tx: &mut Tx<'_>,
    (tenant, account_id): (&TenantId, &str),
    items: &[inventory::Item],
    write: Write,
) -> Result<(), store::Error> {
    let agents = sent(tx, tenant, "createAgent", "username")?;
    let admins = sent(tx, tenant, "createAdmin", "userName")?;
    for item in items {
        let awaited = match item.kind {
            inventory::Kind::Agent => agents.iter().any(|it| is_rewritten_login(it, &item.name, account_id)),
            inventory::Kind::Admin => admins.iter().any(|it| fold(it) == fold(&item.name)),
        };
        if !awaited || inventory::get(tx, tenant, item.kind, item.id)?.is_some() {
            write(tx, tenant, item)?;
        }
    }
    Ok(())
}

/// The login names that creates without an answer have sent.
fn sent(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    operation: &str,
    field: &str,
) -> Result<Vec<String>, store::Error> {
    let intents = journal::open_intents(tx, tenant, operation)?;
    let intents = intents.iter().filter_map(|it| serde_json::from_str::<serde_json::Value>(it).ok());
    Ok(intents.filter_map(|intent| intent.get(field)?.as_str().map(str::to_owned)).collect())
}
