//! [`Bridge`]: the parts of the server put together from a configuration.

use std::collections::{BTreeMap, HashMap};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use secrecy::SecretString;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Failure, progress};
use crate::clock::{Clock, Ids};
use crate::config::{Config, TenantConfig};
use crate::domain::{PersonId, TenantId};
use crate::reconcile::{Reconciler, SharedBudget, Tenant, Times};
use crate::scim::Rules;
use crate::server::issuer::Keys;
use crate::server::{self, App, Parts};
use crate::store::{Store, budgets};
use crate::upstream::{Budget, Calls, ExtensionSource, Lane, RingCx, RingCxSettings, Transport, Webhook};

/// A running server with its worker.
pub struct Bridge {
    /// The URL under which clients see it, without a slash at the end.
    pub url: String,
    /// The same with the address that was bound.
    pub bound: String,
    /// Its store.
    pub store: Store,
    reconciler: Reconciler,
    shutdown: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
    working: JoinHandle<()>,
}

impl Bridge {
    /// Opens the store, binds the address, and starts server and worker.
    ///
    /// # Errors
    /// One sentence says which part did not start.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        server::install_metrics();
        let (clock, ids) = (Clock::system(), Ids::system());
        server::check_certificate(&config.server).await.map_err(|why| anyhow!(why))?;
        let store = Store::open(&config.store).await.context("the store did not open")?;
        let listen = config.server.listen;
        let listener = TcpListener::bind(listen)
            .with_context(|| format!("cannot listen on {listen} (server.listen)"))?;
        let bound = listener.local_addr().context("the address that was bound is not known")?;
        let scheme = if config.server.tls_cert.is_some() { "https" } else { "http" };
        let bound = format!("{scheme}://{bound}");
        let url = config.server.public_url.clone().unwrap_or_else(|| bound.clone());
        let url = url.trim_end_matches('/').to_owned();

        let times = times(&config);
        let (tenants, rules) = tenants(&config, &store, &clock)?;
        inherit_budgets(&config, &store).await?;
        let webhook = Webhook::new(&config.alert).map_err(|why| anyhow!("alert.webhook: {why}"))?;
        let reconciler =
            Reconciler::new(store.clone(), tenants, clock.clone(), ids.clone(), times).with_webhook(webhook);
        let app = App::new(Parts {
            store: store.clone(),
            reconciler: reconciler.clone(),
            tenants: rules,
            issuers: config.tenant.iter().map(|(id, tenant)| (id.clone(), tenant.issuer.clone())).collect(),
            keys: Keys::default(),
            public_url: url.clone(),
            clock,
            ids,
            settings: config.server,
        });
        let shutdown = CancellationToken::new();
        let working = tokio::spawn(reconciler.clone().run(shutdown.clone()));
        let serving = tokio::spawn(server::run(app, listener, shutdown.clone()));
        Ok(Self { url, bound, store, reconciler, shutdown, serving, working })
    }

    /// Whether every tenant has met RingCX.
    pub fn is_ready(&self) -> bool {
        self.reconciler.all_ready()
    }

    /// Runs until `stop`, then lets running requests and jobs end.
    ///
    /// # Errors
    /// When serving failed.
    pub async fn until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut serving = self.serving;
        let ended = tokio::select! {
            () = stop.cancelled() => None,
            ended = &mut serving => Some(ended),
        };
        self.shutdown.cancel();
        let ended = match ended {
            Some(ended) => ended,
            None => serving.await,
        };
        // A job in the middle of a call gets the time that a call may take.
        if tokio::time::timeout(Duration::from_secs(30), self.working).await.is_err() {
            tracing::warn!("a job did not end in time; its journal says where it stood");
        }
        self.store.close().await;
        ended.map_err(|error| anyhow!(error))?.context("serving failed")
    }
}

/// The parts of a command that works beside a running server: the same store, leases and budgets, and no listener.
pub(super) struct Beside {
    pub(super) store: Store,
    pub(super) reconciler: Reconciler,
    /// The way to RingCX of each tenant.
    pub(super) ringcx: Vec<(TenantId, RingCx)>,
}

impl Beside {
    /// The person of `--person`, who must be there.
    pub(super) async fn person(
        &self,
        tenant: &TenantId,
        id: Option<String>,
    ) -> Result<Option<PersonId>, Failure> {
        let Some(id) = id.map(PersonId::from) else { return Ok(None) };
        let state = self.reconciler.state_of_person(tenant, &id).await.context("the person was not read")?;
        if state.is_some() {
            return Ok(Some(id));
        }
        self.store.clone().close().await;
        Err(Failure::Input(anyhow!("tenant {tenant} has no person with that id; see GET /Users")))
    }
}

/// Opens the store of a command; one that cannot be used is bad input, as it is for `serve`.
///
/// # Errors
/// One sentence says why it did not open.
pub(super) async fn store(config: &Config) -> Result<Store, Failure> {
    Store::open(&config.store).await.context("the store did not open").map_err(Failure::Input)
}

/// Opens the parts of a command.
///
/// # Errors
/// One sentence says which part cannot be used.
pub(super) async fn beside(config: &Config) -> Result<Beside, Failure> {
    let (clock, ids) = (Clock::system(), Ids::system());
    let store = store(config).await?;
    let (tenants, _) = tenants(config, &store, &clock).map_err(Failure::Input)?;
    inherit_budgets(config, &store).await?;
    let reconciler = Reconciler::new(store.clone(), tenants, clock, ids, times(config));
    let reconciler = reconciler.with_progress(progress::of_parts());
    let ringcx: Vec<(TenantId, RingCx)> =
        reconciler.ways().map(|(id, ringcx)| (id.clone(), ringcx.clone())).collect();
    // Whoever runs one command after another would rather wait than be told to.
    for (_, ringcx) in &ringcx {
        ringcx.wait_for_sign_ins(tell_of_sign_in);
    }
    Ok(Beside { store, reconciler, ringcx })
}

/// Each command signs in anew, and RingCX allows few sign-ins a minute.
#[expect(clippy::print_stderr, reason = "a command tells its operator on standard error")]
fn tell_of_sign_in(after: Duration, waits: bool) {
    let after = after.as_secs() + 1;
    if waits {
        eprintln!("RingCX takes few sign-ins a minute (ringcx.auth_per_minute); going on in {after} s");
    } else {
        eprintln!("RingCX takes no sign-in for {after} s (ringcx.auth_per_minute); try again then");
    }
}

/// A lease outlives the longest call of any tenant.
fn times(config: &Config) -> Times {
    let longest = config.tenant.values().map(|tenant| tenant.ringcx.request_timeout.as_duration()).max();
    let longest = longest.unwrap_or_default();
    let lease = config
        .server
        .lease
        .map_or(longest + Duration::from_secs(5), |lease| lease.as_duration().max(longest));
    Times { settle: config.server.settle_timeout.as_duration(), lease, ..Times::default() }
}

/// Calls with another API token of the account, on the budget of this name.
pub(super) fn with_token(
    store: &Store,
    settings: &RingCxSettings,
    budget: &str,
    token: &SecretString,
) -> anyhow::Result<Calls> {
    let settings =
        RingCxSettings { api_token: Some(token.clone()), api_token_file: None, ..settings.clone() };
    let (clock, rate) = (Clock::system(), settings.rate_per_minute);
    let budget = SharedBudget::new(store.clone(), clock.clone(), budget.to_owned(), rate);
    let transport = Transport::new(&settings, None, Arc::new(budget), clock).map_err(|why| anyhow!(why))?;
    let way = RingCx::new(Arc::new(transport), &settings.account_id, ExtensionSource::Off);
    Ok(way.calls(Lane::Update, None))
}

type Tenants = (Vec<Tenant>, HashMap<TenantId, Rules>);

/// The name of the budget of a tenant: all that sign in with one credential share that of the first of them.
pub(super) fn budget_name(config: &Config, settings: &TenantConfig) -> String {
    let credential = |it: &TenantConfig| Transport::identity(&it.ringcx, it.ringcentral.as_ref());
    let own = credential(settings);
    let first = config.tenant.values().find(|it| credential(it) == own).unwrap_or(settings);
    Transport::budget_name(&first.ringcx, first.ringcentral.as_ref())
}

/// Earlier versions named a budget after the credential. What is known of it, a penalty above all, goes on under the new name.
async fn inherit_budgets(config: &Config, store: &Store) -> anyhow::Result<()> {
    let mut names = BTreeMap::new();
    for settings in config.tenant.values() {
        let credential = Transport::identity(&settings.ringcx, settings.ringcentral.as_ref());
        names.insert(credential, budget_name(config, settings));
    }
    let inherited =
        store.write(move |tx| names.iter().try_for_each(|(old, new)| budgets::inherit(tx, old, new)));
    inherited.await.context("the budgets of calls were not read")
}

/// The tenants; those with the same RingCX credential share one connection, those of one user one budget.
fn tenants(config: &Config, store: &Store, clock: &Clock) -> anyhow::Result<Tenants> {
    let mut transports: BTreeMap<String, Arc<Transport>> = BTreeMap::new();
    let mut shared: BTreeMap<String, Arc<dyn Budget>> = BTreeMap::new();
    let (mut tenants, mut rules) = (Vec::new(), HashMap::new());
    for (id, settings) in &config.tenant {
        let platform = settings.ringcentral.as_ref();
        let credential = Transport::identity(&settings.ringcx, platform);
        let transport = if let Some(transport) = transports.get(&credential) {
            Arc::clone(transport)
        } else {
            let name = budget_name(config, settings);
            let budget = shared.entry(name.clone()).or_insert_with(|| {
                let rate = settings.ringcx.rate_per_minute;
                Arc::new(SharedBudget::new(store.clone(), clock.clone(), name, rate))
            });
            let transport = Transport::new(&settings.ringcx, platform, Arc::clone(budget), clock.clone())
                .map_err(|why| anyhow!("tenant {id}: {why}"))?;
            let transport = Arc::new(transport);
            transports.insert(credential, Arc::clone(&transport));
            transport
        };
        let tenant = tenant(id, settings, transport);
        rules.insert(id.clone(), tenant.rules.clone());
        tenants.push(tenant);
    }
    Ok((tenants, rules))
}

fn tenant(id: &TenantId, settings: &TenantConfig, transport: Arc<Transport>) -> Tenant {
    let policy = settings.policy.clone();
    let mut rules = Rules::of(settings.compatibility).counted();
    rules.strict_paths |= policy.strict_paths;
    rules.disable_survives_bad_patch =
        policy.disable_survives_bad_patch.unwrap_or(rules.disable_survives_bad_patch);
    let usual =
        if settings.ringcentral.is_some() { ExtensionSource::Platform } else { ExtensionSource::Ringcx };
    let extensions = settings.ringcx.extension_source.unwrap_or(usual);
    let account = settings.ringcx.account_id.clone();
    let ringcx = RingCx::new(transport, &account, extensions)
        .with_pages(settings.ringcx.list_page_size)
        .showing_within(settings.ringcx.visibility_delay.as_duration());
    Tenant::new(
        id.clone(),
        rules,
        policy,
        settings.group.clone(),
        settings.agent_defaults.clone(),
        account,
        ringcx,
    )
}
