//! First contact: the bridge reads what an account holds before it changes anything in it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::listing::Basic;
use super::tenant::{Known, StoredKnown};
use super::{Error, Reconciler, Tenant, listing};
use crate::domain::TenantId;
use crate::domain::desired::{Assignables, Directory};
use crate::domain::policy::{ExternalIdSource, LinkExtension};
use crate::domain::rights_docs::RightsDocs;
use crate::store::{self, Store, Tx, facts, inventory};
use crate::upstream::model::{Agent, AgentGroup, AgentGroupId, AgentId, RcAccess, UserId};
use crate::upstream::{self, Calls, Lane};

/// The fact under which [`Known`] is kept.
const KNOWN: &str = "known";

/// How old the directory must be before an unknown name is worth another look at RingCX.
const REFRESH: Duration = Duration::from_secs(15);

/// How long a request waits for the names to be read again.
const NAMES_WITHIN: Duration = Duration::from_secs(5);

/// The fact that says when the directory was read.
pub(super) const KNOWN_AT: &str = "known_at";

/// The row that is locked while what is known is changed.
const KNOWN_LOCK: &str = "known_lock";

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
        if let (Some(known), at) = self.store.read(move |tx| stored(tx, &id)).await? {
            // Nothing is changed in RingCX before the bridge knows as whom it signs in.
            let same = known.credential.as_deref() == Some(tenant.ringcx.credential());
            let known = if same || !tenant.policy.manage_admins {
                tenant.learn(known, at)
            } else {
                self.learn_who_we_are(tenant, known).await?
            };
            let known = self.catch_up(tenant, known).await?;
            return self.settle_in(tenant, &known).await;
        }
        let calls = tenant.ringcx.calls(Lane::Update, None);
        let mut known = Known { directory: directory(tenant, &calls).await?, ..Known::default() };
        let mut items = Vec::new();
        let mut agents = Vec::new();
        let mut listing = self.begin_listing(tenant).await?;
        // Who is tied to which extension, and whose address is whose, says only a full list or the one for other systems.
        let asks = tenant.policy.link_rc_extension != LinkExtension::Off || tenant.policy.trust_email;
        listing.basic = if asks { Basic::Unknown } else { Basic::WillDo };
        for group in &known.directory.agent_groups {
            for agent in listing.read(&calls, group.id).await? {
                items.extend(inventory::Item::agent(&agent, group.id, self.clock.now()));
                agents.push((group.id, agent));
            }
        }
        if listing.basic == Basic::Lacking {
            self.end_listing(tenant, &listing).await?;
        }
        known.external_id_source = Some(external_id_source(&calls, &agents).await?);
        if tenant.policy.link_rc_extension != LinkExtension::Off {
            known.rc_access = rc_access(&calls).await?;
        }
        if tenant.policy.manage_admins {
            self.read_admins(tenant, &calls, &mut known, &mut items).await?;
        }
        self.settle_in(tenant, &known).await?;
        self.amend(tenant, items, move |it| {
            // Decided once: another replica may have been first.
            let source = it.external_id_source.or(known.external_id_source);
            *it = Known { external_id_source: source, ..known.clone() };
        })
        .await?;
        Ok(())
    }

    /// Reads what a setting asks for that is younger than what the store remembers.
    async fn catch_up(&self, tenant: &Tenant, mut known: Arc<Known>) -> Result<Arc<Known>, ContactError> {
        let calls = tenant.ringcx.calls(Lane::Update, None);
        if tenant.policy.assignment_shape.is_some() && known.directory.assignables.is_none() {
            let found = assignables(&calls).await?;
            let add = move |it: &mut Known| it.directory.assignables = Some(found.clone());
            known = self.amend(tenant, Vec::new(), add).await?;
        }
        if tenant.policy.manage_admins && known.own_user.is_none() {
            known = self.learn_who_we_are(tenant, Known::clone(&known)).await?;
        } else if tenant.policy.manage_admins {
            if known.main_account.is_none() {
                let main = main_account(&calls).await?;
                known =
                    self.amend(tenant, Vec::new(), move |it| it.main_account = Some(main.clone())).await?;
            }
            if known.directory.rights_docs.is_empty() {
                known = self.refresh_rights_docs(tenant, Lane::Update).await?.unwrap_or(known);
            }
        }
        Ok(known)
    }

    /// Asks RingCX who the bridge is and which administrators it sees: with another credential it may be somebody else, who is
    /// protected from now on.
    async fn learn_who_we_are(&self, tenant: &Tenant, mut read: Known) -> Result<Arc<Known>, ContactError> {
        let mut items = Vec::new();
        self.read_admins(tenant, &tenant.ringcx.calls(Lane::Update, None), &mut read, &mut items).await?;
        let add = move |it: &mut Known| {
            it.own_user = read.own_user;
            it.credential.clone_from(&read.credential);
            it.main_account.clone_from(&read.main_account);
            it.directory.rights_docs.clone_from(&read.directory.rights_docs);
        };
        Ok(self.amend(tenant, items, add).await?)
    }

    async fn read_admins(
        &self,
        tenant: &Tenant,
        calls: &Calls,
        known: &mut Known,
        items: &mut Vec<inventory::Item>,
    ) -> Result<(), upstream::Error> {
        known.own_user = None;
        known.credential = Some(tenant.ringcx.credential().to_owned());
        match calls.identity().await {
            Ok(identity) => {
                known.own_user = identity.user_id;
                known.main_account = Some(identity.main_account_id.unwrap_or_default());
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
        if let Some(own) = known.own_user
            && let Some(docs) = rights_docs(calls, own).await?
        {
            known.directory.rights_docs = docs;
        }
        Ok(())
    }

    /// Looks again which rights documents there are: somebody may have made one, given it another name, or deleted it.
    pub(super) async fn refresh_rights_docs(
        &self,
        tenant: &Tenant,
        lane: Lane,
    ) -> Result<Option<Arc<Known>>, ContactError> {
        let known = self.known_now(tenant).await?.unwrap_or_default();
        let Some(own) = known.own_user.filter(|_| tenant.policy.manage_admins) else { return Ok(None) };
        let Some(docs) = rights_docs(&tenant.ringcx.calls(lane, None), own).await? else { return Ok(None) };
        if docs == known.directory.rights_docs {
            return Ok(None);
        }
        let relisted = move |it: &mut Known| it.directory.rights_docs.clone_from(&docs);
        Ok(Some(self.amend(tenant, Vec::new(), relisted).await?))
    }

    async fn amend(
        &self,
        tenant: &Tenant,
        items: Vec<inventory::Item>,
        change: impl Fn(&mut Known) + Send + Sync + 'static,
    ) -> Result<Arc<Known>, store::Error> {
        amend(&self.store, tenant, items, self.clock.now(), change).await
    }

    /// What is known of the account, read from the store when another replica has learned something; nothing before first contact.
    pub(super) async fn known_now(&self, tenant: &Tenant) -> Result<Option<Arc<Known>>, store::Error> {
        let (Some(known), Some(ours)) = (tenant.known(), tenant.known_at()) else { return Ok(None) };
        let id = tenant.id.clone();
        let newer = self
            .store
            .read(move |tx| {
                let at = known_at(tx, &id)?;
                if at > ours { stored(tx, &id) } else { Ok((None, at)) }
            })
            .await?;
        Ok(Some(match newer {
            (Some(newer), at) => tenant.learn(newer, at),
            (None, _) => known,
        }))
    }

    /// Reads the names of the account again, because a request asks for one that is not known. Nothing when RingCX does not say in
    /// time what there is: then nobody knows whether the name is wrong.
    pub(super) async fn names_in_time(&self, tenant: &Arc<Tenant>) -> Result<Option<Arc<Known>>, Error> {
        let within = NAMES_WITHIN.min(self.times.settle);
        tokio::time::timeout(within, self.refresh_names(tenant)).await.unwrap_or(Ok(None))
    }

    /// Reads the names of the account again, at most every few seconds; nothing when RingCX cannot be read.
    pub(super) async fn refresh_names(&self, tenant: &Arc<Tenant>) -> Result<Option<Arc<Known>>, Error> {
        let _alone = tenant.reading.lock().await;
        let known = self.known_now(tenant).await?.unwrap_or_default();
        let id = tenant.id.clone();
        let read = self.store.read(move |tx| known_at(tx, &id)).await?;
        let age = self.clock.now().as_millisecond().saturating_sub(read);
        if u128::try_from(age).is_ok_and(|age| age < REFRESH.as_millis()) {
            return Ok(Some(known));
        }
        match self.list_names(tenant, Lane::Update).await {
            Ok(known) => Ok(Some(known)),
            Err(ContactError::Store(error)) => Err(error.into()),
            Err(error) => {
                tracing::warn!(error = error.kind(), tenant = %tenant.id, "the agent groups could not be read again");
                Ok(None)
            }
        }
    }

    /// Reads the names of the account again.
    pub(super) async fn list_names(&self, tenant: &Tenant, lane: Lane) -> Result<Arc<Known>, ContactError> {
        let before = self.known_now(tenant).await?.unwrap_or_default();
        let listed = directory(tenant, &tenant.ringcx.calls(lane, None)).await?;
        let relisted = move |it: &mut Known| {
            // A group that was made while the list was on its way is not in it.
            let is_in = |groups: &[AgentGroup], id| groups.iter().any(|group| group.id == id);
            let mut groups = listed.agent_groups.clone();
            let made = it.directory.agent_groups.iter().filter(|group| {
                !is_in(&before.directory.agent_groups, group.id) && !is_in(&listed.agent_groups, group.id)
            });
            groups.extend(made.cloned());
            it.directory.agent_groups = groups;
            it.directory.aux_states.clone_from(&listed.aux_states);
            it.directory.assignables.clone_from(&listed.assignables);
        };
        Ok(self.amend(tenant, Vec::new(), relisted).await?)
    }

    /// Looks again whether the account is linked to RingCentral: that can change without anybody telling the bridge.
    pub(super) async fn refresh_access(&self, tenant: &Tenant) -> Result<Option<RcAccess>, ContactError> {
        let access = rc_access(&tenant.ringcx.calls(Lane::Reconcile, None)).await?;
        if self.known_now(tenant).await?.is_some_and(|known| known.rc_access != access) {
            self.amend(tenant, Vec::new(), move |it| it.rc_access = access).await?;
        }
        Ok(access)
    }

    /// Remembers a group that the bridge has made.
    pub(super) async fn know_group(&self, tenant: &Tenant, group: AgentGroup) -> Result<(), store::Error> {
        let known = move |it: &mut Known| {
            it.directory.agent_groups.retain(|known| known.id != group.id);
            it.directory.agent_groups.push(group.clone());
        };
        self.amend(tenant, Vec::new(), known).await.map(drop)
    }
}

/// Changes what all replicas know of the account, one after the other.
pub(super) async fn amend(
    store: &Store,
    tenant: &Tenant,
    items: Vec<inventory::Item>,
    now: jiff::Timestamp,
    change: impl Fn(&mut Known) + Send + Sync + 'static,
) -> Result<Arc<Known>, store::Error> {
    let (id, account) = (tenant.id.clone(), tenant.account_id.clone());
    let (known, at) = store
        .write(move |tx| {
            // Whoever comes second waits here, and sees what the first has written.
            facts::set(tx, &id, KNOWN_LOCK, "", now)?;
            let (known, at) = stored(tx, &id)?;
            let mut known = known.unwrap_or_default();
            change(&mut known);
            listing::note(tx, (&id, &account), &items, inventory::put)?;
            let at = now.as_millisecond().max(at + 1);
            let text = serde_json::to_string(&StoredKnown::from(&known))
                .map_err(|error| store::Error::Corrupt(error.to_string()))?;
            facts::set(tx, &id, KNOWN_AT, &at.to_string(), now)?;
            facts::set(tx, &id, KNOWN, &text, now)?;
            Ok::<_, store::Error>((known, at))
        })
        .await?;
    Ok(tenant.learn(known, at))
}

/// What the store remembers of the account, and since when.
fn stored(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<(Option<Known>, i64), store::Error> {
    let at = known_at(tx, tenant)?;
    let text = facts::get(tx, tenant, KNOWN)?;
    // What an older program has written and this one does not understand is read from RingCX again.
    let known = text.and_then(|text| serde_json::from_str::<StoredKnown>(&text).ok());
    Ok((known.map(Known::from), at))
}

fn known_at(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<i64, store::Error> {
    Ok(facts::get(tx, tenant, KNOWN_AT)?.and_then(|text| text.parse().ok()).unwrap_or_default())
}

/// The documents that the bridge's own account sees; nothing where it may not look.
async fn rights_docs(calls: &Calls, own: UserId) -> Result<Option<RightsDocs>, upstream::Error> {
    match calls.rights_docs(own).await {
        Ok(docs) => Ok(Some(RightsDocs::of(docs))),
        Err(error @ (upstream::Error::Forbidden { .. } | upstream::Error::NotFound)) => {
            tracing::warn!(error = error.kind(), "rights documents cannot be read");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The main account; empty when RingCX does not say.
async fn main_account(calls: &Calls) -> Result<String, upstream::Error> {
    match calls.identity().await {
        Ok(identity) => Ok(identity.main_account_id.unwrap_or_default()),
        Err(upstream::Error::Forbidden { .. } | upstream::Error::NotFound) => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// Why an account could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    /// RingCX or our way to it is in trouble.
    #[error("RingCX: {}", .0.without_addresses())]
    Upstream(upstream::Error),
    /// Our store is in trouble.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl From<upstream::Error> for ContactError {
    fn from(error: upstream::Error) -> Self {
        Self::Upstream(error)
    }
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
///
/// # Errors
/// What RingCX said, when it was anything else.
pub async fn assignables(calls: &Calls) -> Result<Assignables, upstream::Error> {
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

/// Whether agents may or must be tied to extensions; unknown where the bridge may not look.
async fn rc_access(calls: &Calls) -> Result<Option<RcAccess>, upstream::Error> {
    match calls.rc_access().await {
        Err(upstream::Error::NotFound | upstream::Error::Forbidden(_) | upstream::Error::Garbled { .. }) => {
            Ok(None)
        }
        other => other,
    }
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
