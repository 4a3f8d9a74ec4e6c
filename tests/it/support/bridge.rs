//! [`TestBridge`]: simulator, store, reconciler and server in one process, on port 0. Tests speak HTTP at one end and ask the
//! simulator at the other. The worker is stepped, not slept for.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use ringcx_scim::clock::{Clock, Ids};
use ringcx_scim::domain::TenantId;
use ringcx_scim::domain::policy::{AgentDefaults, GroupMapping, Policy};
use ringcx_scim::reconcile::{Reconciler, SharedBudget, Tenant, Times};
use ringcx_scim::scim::{Compatibility, Rules};
use ringcx_scim::server::issuer::{Issuer, Keys};
use ringcx_scim::server::{self, App, Parts, token};
use ringcx_scim::store::{self, Store, tokens};
use ringcx_scim::upstream::{ExtensionSource, PlatformSettings, RingCx, RingCxSettings, Transport};
use ringcx_simulator::{Control, Knobs, Options, Profile, Seed};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Simulator;

/// What a test wants to stand on.
pub(crate) struct Setup {
    pub(crate) profile: Profile,
    pub(crate) seed: Seed,
    pub(crate) knobs: Vec<(&'static str, &'static str)>,
    pub(crate) compatibility: Compatibility,
    pub(crate) policy: Value,
    pub(crate) groups: Value,
    pub(crate) agent_defaults: Value,
    /// Signs in with this permanent token instead of the RingCentral JWT.
    pub(crate) api_token: Option<String>,
    pub(crate) settle: Duration,
    pub(crate) max_writes: usize,
    /// Calls a minute of the bridge.
    pub(crate) rate: u32,
    /// How old may be what a change rests on.
    pub(crate) fresh: Duration,
    /// How late RingCX is taken to show what it has taken.
    pub(crate) visibility_delay: Duration,
    pub(crate) cursor_timeout: Duration,
    pub(crate) store_url: String,
    /// Whether the bridge has read RingCX before the test begins.
    pub(crate) met: bool,
    pub(crate) clock: Clock,
    /// How late RingCX's audit log is taken to be.
    pub(crate) feed_lag: Duration,
    pub(crate) issuers: Vec<Issuer>,
    /// Certificate and key in PEM.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            profile: usual_profile(),
            seed: Seed::demo(),
            knobs: Vec::new(),
            compatibility: Compatibility::Generic,
            policy: json!({"default_agent_group": "Default", "password_on_put": "omit"}),
            groups: json!([]),
            agent_defaults: json!({}),
            api_token: None,
            settle: Duration::from_secs(5),
            rate: 100_000,
            fresh: Times::default().fresh,
            visibility_delay: Duration::from_millis(100),
            max_writes: server::Settings::default().max_writes,
            cursor_timeout: Duration::from_hours(1),
            store_url: "sqlite::memory:".to_owned(),
            met: true,
            clock: Clock::system(),
            feed_lag: Duration::ZERO,
            issuers: Vec::new(),
            tls: None,
        }
    }
}

/// The dialect of RingCX where a test does not choose one: `scripts/check` runs the suite once with each.
fn usual_profile() -> Profile {
    let named = std::env::var("RINGCX_SCIM_TEST_PROFILE");
    named.map_or(Profile::Friendly, |name| name.parse().unwrap())
}

/// An answer of the bridge.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Value,
    pub(crate) text: String,
}

/// A running bridge with its own RingCX.
pub(crate) struct TestBridge {
    pub(crate) ringcx: Control,
    pub(crate) base: String,
    pub(crate) token: String,
    pub(crate) reconciler: Reconciler,
    /// A second replica over the same store. It has met nobody and works only when it is asked to.
    pub(crate) other: Reconciler,
    pub(crate) store: Store,
    client: reqwest::Client,
    /// Writes begun, and writes ended: a read with none under way is held against the calls that RingCX saw.
    begun: AtomicUsize,
    ended: AtomicUsize,
    /// Whether work may go on after its request was answered.
    impatient: bool,
    shutdown: CancellationToken,
    simulator: Simulator,
}

impl TestBridge {
    pub(crate) async fn start(setup: Setup) -> Self {
        let seed = setup.seed.clone();
        let options = Options { knobs: knobs(&setup), seed: seed.clone(), ..Options::default() };
        let simulator = Simulator::start(options).await.unwrap();
        let (clock, ids) = (setup.clock.clone(), Ids::system());
        let store = Store::open(&store::Settings::at(&setup.store_url)).await.unwrap();
        let another = tenant(&setup, &seed, &simulator.url(), &clock, &store);
        let other = Reconciler::new(store.clone(), vec![another], clock.clone(), ids.clone(), times(&setup));
        let tenant = tenant(&setup, &seed, &simulator.url(), &clock, &store);
        let id: TenantId = "default".parse().unwrap();
        let rules = tenant.rules.clone();
        let reconciler =
            Reconciler::new(store.clone(), vec![tenant], clock.clone(), ids.clone(), times(&setup));
        if setup.met {
            reconciler.meet_all().await.unwrap();
        }
        let token = mint(&store, &id, &clock, "test").await;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if setup.tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let (tls_cert, tls_key) = setup.tls.clone().unzip();
        let settings = server::Settings {
            settle_timeout: format!("{}ms", setup.settle.as_millis()).parse().unwrap(),
            cursor_timeout: format!("{}ms", setup.cursor_timeout.as_millis()).parse().unwrap(),
            tls_cert,
            max_writes: setup.max_writes,
            tls_key,
            ..Default::default()
        };
        let app = App::new(Parts {
            store: store.clone(),
            reconciler: reconciler.clone(),
            issuers: HashMap::from([(id.clone(), setup.issuers.clone())]),
            keys: Keys::default(),
            tenants: HashMap::from([(id, rules)]),
            public_url: url.clone(),
            clock,
            ids,
            settings,
        });
        let shutdown = CancellationToken::new();
        tokio::spawn(server::run(app, listener, shutdown.clone()));
        Self {
            ringcx: simulator.admin(),
            base: format!("{url}/scim/v2"),
            token,
            reconciler,
            other,
            store,
            client: client(),
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            impatient: setup.settle < Duration::from_secs(5),
            shutdown,
            simulator,
        }
    }

    /// Sends a request; `path` begins after the base and may hold an unescaped query.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.send_with(method, path, body, &[]).await
    }

    pub(crate) async fn send_with(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(String, String)],
    ) -> Answer {
        let url =
            format!("{}{}", self.base, path.replace(' ', "%20").replace('"', "%22").replace('+', "%2B"));
        let reads = matches!(method, "GET" | "HEAD") || path.contains(".search");
        let method: Method = method.parse().unwrap();
        let mut request = self.client.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.header("content-type", "application/scim+json").body(body.to_string());
        }
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("content-type") && body.is_none() {
                continue;
            }
            request = request.header(name.as_str(), value.as_str());
        }
        if !reads {
            self.begun.fetch_add(1, Ordering::SeqCst);
            let answer = answer_of(request).await;
            self.ended.fetch_add(1, Ordering::SeqCst);
            return answer;
        }
        let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        let (ended, begun, calls) = (count(&self.ended), count(&self.begun), self.ringcx.calls().len());
        let answer = answer_of(request).await;
        if ended == begun && count(&self.begun) == begun && !self.impatient {
            let made = self.ringcx.calls().len() - calls;
            assert_eq!(made, 0, "reading {path} asked RingCX");
        }
        answer
    }

    /// Sends a request with exactly these headers; `path` begins at the root of the server.
    pub(crate) async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Answer {
        let url = format!("{}{path}", self.base.trim_end_matches("/scim/v2"));
        let mut request = self.client.request(method.parse().unwrap(), url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        answer_of(request).await
    }

    /// A token of a person, as `token create --person` makes one.
    pub(crate) async fn token_of(&self, person: &str) -> String {
        let (secret, hash) = token::mint().unwrap();
        let stored = tokens::Token {
            id: format!("of-{person}"),
            tenant: "default".parse().unwrap(),
            name: format!("of-{person}"),
            hash,
            scope: "write".to_owned(),
            created: Clock::system().now(),
            expires: None,
            last_used: None,
            revoked: None,
            person: Some(person.into()),
            replaced: None,
            networks: None,
        };
        self.store.write(move |tx| tokens::create(tx, &stored)).await.unwrap();
        secret.expose_secret().to_owned()
    }

    /// A token of another client of the same tenant.
    pub(crate) async fn another_token(&self, name: &str) -> String {
        mint(&self.store, &"default".parse().unwrap(), &Clock::system(), name).await
    }

    /// Where the simulator listens.
    pub(crate) fn upstream_url(&self) -> String {
        self.simulator.url()
    }

    /// Takes no more connections; running requests end.
    pub(crate) fn stop(&self) {
        self.shutdown.cancel();
    }

    /// Does everything that the worker would do.
    pub(crate) async fn run_jobs(&self) {
        for _ in 0..100 {
            self.reconciler.run_jobs().await.unwrap();
            let id: TenantId = "default".parse().unwrap();
            let left = self.store.read(move |tx| store::jobs::count(tx, &id)).await.unwrap();
            if left == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("jobs are left over: {:?}", self.ringcx.calls().iter().rev().take(20).collect::<Vec<_>>());
    }

    /// Does what the worker would do at once, and leaves what waits for somebody.
    pub(crate) async fn run_jobs_briefly(&self) {
        for _ in 0..50 {
            self.reconciler.run_jobs().await.unwrap();
            let id: TenantId = "default".parse().unwrap();
            if self.store.read(move |tx| store::jobs::waiting(tx, &id)).await.unwrap() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Creates a user and gives its id and its agent's.
    pub(crate) async fn create(&self, body: Value) -> (String, i64) {
        let answer = self.send("POST", "/Users", Some(&body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let id = answer.body["id"].as_str().unwrap().to_owned();
        let agent = answer.body["urn:ietf:params:scim:schemas:extension:ringcx:2.0:User"]["agentId"].as_str();
        (id, agent.map_or(-1, |text| text.parse().unwrap()))
    }
}

async fn answer_of(request: reqwest::RequestBuilder) -> Answer {
    #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let headers = response.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status, headers, body, text }
}

impl Drop for TestBridge {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// The dialect of RingCX that a test wants.
fn knobs(setup: &Setup) -> Knobs {
    let mut knobs = Knobs::profile(setup.profile);
    // The profiles differ in dialect, not in minutes.
    knobs.set("rate_limit", "100000").unwrap();
    knobs.set("auth_limit", "100000").unwrap();
    // A `null` that is sent back costs a membership here, so that no test forgives it.
    knobs.set("null_put_clears", "yes").unwrap();
    for (name, value) in &setup.knobs {
        knobs.set(name, value).unwrap();
    }
    knobs
}

/// Pauses as short as a test wants them.
fn times(setup: &Setup) -> Times {
    Times {
        settle: setup.settle,
        poll: Duration::from_millis(20),
        fresh: setup.fresh,
        look_again: Duration::from_millis(20),
        longest_pause: Duration::from_millis(200),
        debounce: Duration::ZERO,
        regroup: Duration::ZERO,
        feed_lag: setup.feed_lag,
        round_lease: Duration::from_millis(300),
        drain: Duration::from_millis(200),
        extensions_live: Duration::ZERO,
        ..Times::default()
    }
}

fn tenant(setup: &Setup, seed: &Seed, url: &str, clock: &Clock, store: &Store) -> Tenant {
    let ringcx: RingCxSettings = serde_json::from_value(json!({
        "base_url": url, "account_id": seed.account_id, "auth_per_minute": 1000, "request_timeout": "2s",
    }))
    .unwrap();
    let platform: PlatformSettings = serde_json::from_value(json!({
        "base_url": url, "client_id": seed.client.0, "client_secret": seed.client.1, "jwt": seed.jwt,
    }))
    .unwrap();
    let ringcx = RingCxSettings { api_token: setup.api_token.clone().map(Into::into), ..ringcx };
    let platform = Some(&platform).filter(|_| setup.api_token.is_none());
    let identity = Transport::identity(&ringcx, platform);
    let budget = Arc::new(SharedBudget::new(store.clone(), clock.clone(), identity, setup.rate));
    let transport = Transport::new(&ringcx, platform, budget, clock.clone()).unwrap();
    let mut policy = setup.policy.clone();
    // Suites switch many people off; those about the guard say that they want it.
    if policy.get("mass_change").is_none() {
        policy["mass_change"] = json!("off");
    }
    let policy: Policy = serde_json::from_value(policy).unwrap();
    let mappings: Vec<GroupMapping> = serde_json::from_value(setup.groups.clone()).unwrap();
    let mut rules = Rules::of(setup.compatibility).counted();
    rules.strict_paths |= policy.strict_paths;
    let extensions = platform.map_or(ExtensionSource::Ringcx, |_| ExtensionSource::Platform);
    let ringcx =
        RingCx::new(Arc::new(transport), &seed.account_id, extensions).showing_within(setup.visibility_delay);
    let defaults: AgentDefaults = serde_json::from_value(setup.agent_defaults.clone()).unwrap();
    let id = "default".parse().unwrap();
    Tenant::new(id, rules, policy, mappings, defaults, seed.account_id.clone(), ringcx)
}

async fn mint(store: &Store, tenant: &TenantId, clock: &Clock, id: &str) -> String {
    let (secret, hash) = token::mint().unwrap();
    let stored = tokens::Token {
        id: id.to_owned(),
        tenant: tenant.clone(),
        name: id.to_owned(),
        hash,
        scope: "write".to_owned(),
        created: clock.now(),
        expires: None,
        last_used: None,
        revoked: None,
        person: None,
        replaced: None,
        networks: None,
    };
    store.write(move |tx| tokens::create(tx, &stored)).await.unwrap();
    secret.expose_secret().to_owned()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().danger_accept_invalid_certs(true).tls_info(true).build().unwrap()
}
