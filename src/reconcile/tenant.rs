//! One tenant at work: its settings, its way to RingCX, and what is known of its account.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::doc_batch::DocBatches;
use crate::domain::desired::{Assignables, Directory, Terms};
use crate::domain::office::Extensions;
use crate::domain::policy::{AgentDefaults, ExternalIdSource, GroupMapping, Policy};
use crate::domain::rights_docs::RightsDocs;
use crate::domain::{TenantId, mapping};
use crate::scim::Rules;
use crate::upstream::model::{AgentGroup, AuxState, RcAccess, UserId};
use crate::upstream::{self, Calls, RingCx};

/// What a tenant is made of; the parts come from the configuration.
pub struct Tenant {
    /// Its name.
    pub id: TenantId,
    /// What its clients may write.
    pub rules: Rules,
    /// Its settings.
    pub policy: Policy,
    /// What its groups give.
    pub mappings: Vec<GroupMapping>,
    /// Fields of every new agent.
    pub agent_defaults: AgentDefaults,
    /// The RingCX sub-account.
    pub account_id: String,
    /// The way to RingCX.
    pub ringcx: RingCx,
    /// With the time at which it was written to the store.
    known: RwLock<Option<(i64, Arc<Known>)>>,
    extensions: Mutex<Option<(Instant, Arc<Extensions>)>>,
    /// Held by the first move, which finds out how RingCX moves agents.
    pub(super) learning_move: Mutex<()>,
    /// When the lists of agents were last read because a login name was taken.
    pub(super) listed: Mutex<Option<Instant>>,
    /// Rights documents on their way.
    pub(super) doc_batches: DocBatches,
    /// Held while the account is read as a whole.
    pub(super) reading: Mutex<()>,
}

/// What is known of the account as a whole; kept in the store, so that a restart asks nothing.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Agent groups, states, rights documents.
    pub directory: Directory,
    /// The bridge's own administrator, which is never a target.
    pub own_user: Option<UserId>,
    /// The name of the credential with which RingCX was asked for that: another one may be somebody else's.
    pub credential: Option<String>,
    /// The account above the sub-account, to which administrators belong; empty when RingCX was asked and did not say.
    pub main_account: Option<String>,
    /// Where `externalAgentId` comes from.
    pub external_id_source: Option<ExternalIdSource>,
    /// Whether agents may or must be tied to RingCentral extensions, where RingCX says so.
    pub rc_access: Option<RcAccess>,
}

impl Tenant {
    /// A tenant that has not met RingCX in this process.
    pub fn new(
        id: TenantId,
        rules: Rules,
        policy: Policy,
        mappings: Vec<GroupMapping>,
        agent_defaults: AgentDefaults,
        account_id: String,
        ringcx: RingCx,
    ) -> Self {
        Self {
            id,
            rules,
            policy,
            mappings,
            agent_defaults,
            account_id,
            ringcx,
            known: RwLock::new(None),
            extensions: Mutex::new(None),
            learning_move: Mutex::new(()),
            listed: Mutex::new(None),
            doc_batches: DocBatches::default(),
            reading: Mutex::new(()),
        }
    }

    /// What is known of the account; nothing before first contact.
    pub fn known(&self) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, known)| Arc::clone(known))
    }

    /// When what this process knows of the account was written to the store.
    pub(super) fn known_at(&self) -> Option<i64> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(at, _)| *at)
    }

    /// Replaces what is known of the account, unless something newer is known already.
    pub(super) fn learn(&self, known: Known, at: i64) -> Arc<Known> {
        let mut held = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_none_or(|(newest, _)| *newest <= at) {
            *held = Some((at, Arc::new(known)));
        }
        held.as_ref().map(|(_, known)| Arc::clone(known)).unwrap_or_default()
    }

    /// The fields of every new agent, as this account spells them, and what is wrong with those that it does not know.
    pub(super) fn defaults(&self, known: &Known) -> (AgentDefaults, Option<String>) {
        mapping::new_agent_defaults(&self.agent_defaults, &self.policy, &known.directory)
    }

    /// The terms for the tenant's people.
    pub(super) fn terms<'a>(&'a self, known: &'a Known) -> Terms<'a> {
        Terms {
            policy: &self.policy,
            mappings: &self.mappings,
            agent_defaults: &self.agent_defaults,
            account_id: &self.account_id,
            external_id_source: self
                .policy
                .external_agent_id_source
                .or(known.external_id_source)
                .unwrap_or(ExternalIdSource::None),
            directory: &known.directory,
        }
    }

    /// The RingCentral extensions, as they were read within `live`; read by one caller while the others wait.
    pub(super) async fn extensions(
        &self,
        calls: &Calls,
        live: Duration,
    ) -> Result<Arc<Extensions>, upstream::Error> {
        let mut cached = self.extensions.lock().await;
        if let Some((read, directory)) = cached.as_ref()
            && read.elapsed() < live
        {
            return Ok(Arc::clone(directory));
        }
        let directory = Arc::new(Extensions::new(calls.extensions().await?));
        *cached = Some((Instant::now(), Arc::clone(&directory)));
        Ok(directory)
    }
}

/// [`Known`] as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredKnown {
    agent_groups: Vec<AgentGroup>,
    aux_states: Vec<AuxState>,
    #[serde(default)]
    documents: RightsDocs,
    #[serde(default)]
    assignables: Option<Assignables>,
    own_user: Option<UserId>,
    #[serde(default)]
    credential: Option<String>,
    #[serde(default)]
    main_account: Option<String>,
    external_id_source: Option<ExternalIdSource>,
    #[serde(default)]
    rc_access: Option<RcAccess>,
}

impl From<StoredKnown> for Known {
    fn from(stored: StoredKnown) -> Self {
        let StoredKnown {
            agent_groups,
            aux_states,
            documents,
            assignables,
            own_user,
            credential,
            main_account,
            external_id_source,
            rc_access,
        } = stored;
        let directory = Directory { agent_groups, aux_states, rights_docs: documents, assignables };
        Self { directory, own_user, credential, main_account, external_id_source, rc_access }
    }
}

impl From<&Known> for StoredKnown {
    fn from(known: &Known) -> Self {
        Self {
            agent_groups: known.directory.agent_groups.clone(),
            aux_states: known.directory.aux_states.clone(),
            documents: known.directory.rights_docs.clone(),
            assignables: known.directory.assignables.clone(),
            own_user: known.own_user,
            credential: known.credential.clone(),
            main_account: known.main_account.clone(),
            external_id_source: known.external_id_source,
            rc_access: known.rc_access,
        }
    }
}
