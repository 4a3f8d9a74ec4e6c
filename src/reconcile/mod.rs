//! The controller: durable intent, observe, plan, apply, report.
//!
//! A write becomes intent in one transaction with the job that carries it out (`intent`, `groups`). Whoever holds the lease
//! of a person's job works on it (`work`): reads everything about the person, computes what ought to be, looks at RingCX
//! (`observe`), and makes the calls (`apply`), each with a row in the journal before it; what is refused half-way finds its way
//! back (`give_back`). `settle` waits for that on behalf of a request; the worker does it for everybody else. Nothing here knows
//! HTTP.

mod accept;
mod access;
mod admin_steps;
mod agent_steps;
pub mod alert;
mod apply;
mod breaker;
mod budget;
mod caps;
mod case;
mod contact;
mod demotion;
mod digest;
mod disown;
mod doc_batch;
mod doc_steps;
mod drift;
mod dry_run;
mod extension;
mod feed;
mod fence;
mod floor;
mod found_again;
mod give_back;
mod group_names;
mod group_work;
mod groups;
mod guard;
mod hold;
pub mod import;
mod intent;
mod lease;
mod leniency;
mod listing;
mod matching;
mod missing;
mod nesting;
mod observe;
mod office;
mod office_import;
mod password;
mod pinning;
mod pulse;
mod record;
mod recover;
mod release;
mod report;
mod reports;
mod round;
mod rounds;
mod running;
mod settle;
mod sight;
mod status;
mod steps;
mod stranger;
mod tenant;
mod trouble;
mod work;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use access::Access;
pub use budget::SharedBudget;
pub use contact::{ContactError, assignables};
pub use disown::Disowned;
pub use drift::{Drift, Finding};
pub use dry_run::{Preview, Released};
pub use groups::GroupWritten;
pub use hold::Hold;
pub use intent::{Begun, Change};
pub use office::{Decision, Office, OfficeAgent, OfficeError, OfficeUser};
pub use office_import::{ImportTerms, Tied};
pub use pinning::HandedOver;
pub use release::{Decided, Passed, Rejection, Verdict};
pub use reports::{Leaver, OpenLine, Unowned, Why};
pub use settle::Outcome;
pub use status::{Status, UnmadeGroup};
pub use tenant::{Known, Tenant};

use crate::clock::{Clock, Ids};
use crate::domain::TenantId;
use crate::domain::offer::{self, Offer};
use crate::scim::{self, schema::ResourceType};
use crate::store::{self, Store};
use crate::upstream::{RingCx, Webhook};

/// Brings people in line: now, for a request that waits ([`Reconciler::create`] and its kin), and for ever
/// ([`Reconciler::run`]). Cheap to clone.
#[derive(Clone)]
pub struct Reconciler {
    store: Store,
    tenants: Arc<BTreeMap<TenantId, Arc<Tenant>>>,
    clock: Clock,
    ids: Ids,
    times: Times,
    /// Names this process in leases.
    owner: Arc<str>,
    /// Rings when there is new work, or when work has ended.
    bell: Arc<Notify>,
    tasks: TaskTracker,
    /// The work of this process that is under way.
    running: Arc<running::Running>,
    /// Says that running work is to stop where it stands.
    abandon: CancellationToken,
    /// Where alerts go.
    webhook: Option<Webhook>,
    /// Who is told how far long reading is.
    told: Option<Progress>,
}

/// Is told what is done, how much of it, and how much there is.
pub type Progress = Arc<dyn Fn(&'static str, usize, usize) + Send + Sync>;

/// The lengths of time that the controller works with; tests shrink them.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// How long a request waits for RingCX.
    pub settle: Duration,
    /// How often a request looks whether another replica has done its work, and a worker whether one has left some.
    pub poll: Duration,
    /// How long a lease lasts without being prolonged; longer than the longest call.
    pub lease: Duration,
    /// How old what was seen of an account may be when a change that rests on it is sent: whatever somebody has changed in RingCX
    /// in between would be undone.
    pub fresh: Duration,
    /// The pause after a call whose answer was lost.
    pub look_again: Duration,
    /// The longest pause between two tries.
    pub longest_pause: Duration,
    /// How long moves caused by groups wait for more of them.
    pub debounce: Duration,
    /// How long the full list of a group may take to follow an empty one before that counts.
    pub regroup: Duration,
    /// How late changes show in RingCX's audit log.
    pub feed_lag: Duration,
    /// How long before the end of the last window of that log the next one begins, for records that come later still.
    pub feed_overlap: Duration,
    /// How long a round of reconciliation, or a window, lasts without a sign of life from the replica that is at it.
    pub round_lease: Duration,
    /// How old the list of RingCentral extensions may be when those who wait for one are looked for in it.
    pub extensions_live: Duration,
    /// How long running work may take to end when the process stops; then its leases are handed over.
    pub drain: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(20),
            poll: Duration::from_millis(200),
            lease: Duration::from_secs(20),
            fresh: Duration::from_secs(5),
            look_again: Duration::from_secs(1),
            longest_pause: Duration::from_mins(5),
            debounce: Duration::from_secs(1),
            regroup: breaker::REGROUP,
            feed_lag: Duration::from_mins(5),
            feed_overlap: Duration::from_mins(1),
            round_lease: Duration::from_mins(2),
            extensions_live: extension::LIVE,
            drain: Duration::from_secs(15),
        }
    }
}

impl Times {
    /// The pause before another try, doubled with each one.
    fn back_off(&self, attempts: i64) -> Duration {
        let doublings = u32::try_from(attempts.clamp(0, 10)).unwrap_or(10);
        self.look_again.saturating_mul(1 << doublings).min(self.longest_pause)
    }
}

/// Why a write was not even accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request itself is at fault.
    #[error("{0}")]
    Scim(scim::Error),
    /// Our store is in trouble.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl From<scim::Error> for Error {
    fn from(error: scim::Error) -> Self {
        Self::Scim(error)
    }
}

impl Reconciler {
    /// A controller for these tenants; nothing happens before [`Reconciler::run`] or a write.
    pub fn new(store: Store, tenants: Vec<Tenant>, clock: Clock, ids: Ids, times: Times) -> Self {
        let owner = ids.next().to_string();
        let behind_its_gate = |mut tenant: Tenant| {
            let gate = Arc::new(hold::TenantGate::new(&store, &tenant));
            tenant.ringcx = tenant.ringcx.clone().behind(gate);
            (tenant.id.clone(), Arc::new(tenant))
        };
        let tenants = tenants.into_iter().map(behind_its_gate).collect();
        Self {
            store,
            tenants: Arc::new(tenants),
            clock,
            ids,
            times,
            owner: owner.into(),
            bell: Arc::new(Notify::new()),
            tasks: TaskTracker::new(),
            running: Arc::default(),
            abandon: CancellationToken::new(),
            webhook: None,
            told: None,
        }
    }

    /// Tells `progress` how far reading lists and comparing people is.
    #[must_use]
    pub fn with_progress(self, progress: Progress) -> Self {
        Self { told: Some(progress), ..self }
    }

    fn tell(&self, what: &'static str, done: usize, all: usize) {
        if let Some(told) = &self.told {
            told(what, done, all);
        }
    }

    /// Whether the tenant has met RingCX, so that people can be created.
    pub fn ready(&self, tenant: &TenantId) -> bool {
        self.tenants.get(tenant).is_some_and(|tenant| tenant.known().is_some())
    }

    /// Whether every tenant has met RingCX.
    pub fn all_ready(&self) -> bool {
        self.tenants.values().all(|tenant| tenant.known().is_some())
    }

    /// What the tenant has to give of one resource type; nothing before it has met RingCX.
    pub fn offers(&self, tenant: &TenantId, ty: &ResourceType) -> Vec<Offer> {
        let Some(tenant) = self.tenants.get(tenant) else { return Vec::new() };
        let known = tenant.known().unwrap_or_default();
        offer::offers(ty, &tenant.policy, &tenant.mappings, &known.directory)
    }

    /// The way to RingCX of each tenant.
    pub fn ways(&self) -> impl Iterator<Item = (&TenantId, &RingCx)> {
        self.tenants.iter().map(|(id, tenant)| (id, &tenant.ringcx))
    }

    fn tenant(&self, id: &TenantId) -> Result<&Arc<Tenant>, Error> {
        self.tenants.get(id).ok_or_else(|| Error::Scim(scim::Error::not_found("Tenant", id.as_str())))
    }
}
