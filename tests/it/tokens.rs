//! Signing in and being refused, by the client alone: in every reading of what RingCX's documents leave open about tokens, limits and
//! strange answers (A1, A3 to A6, A55).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use ringcx_scim::clock::Clock;
use ringcx_scim::upstream::{
    BoxFuture, Budget, Calls, Error, ExtensionSource, Lane, LocalBudget, PlatformSettings, RingCx,
    RingCxSettings, Ticket, Transport,
};
use ringcx_simulator::{Control, Fault, FaultKind, Knobs, Options, Profile, Seed};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::support::Simulator;

/// The client, its RingCX, and the time of both.
struct Client {
    ringcx: Control,
    clock: Clock,
    calls: Calls,
    way: RingCx,
    _simulator: Simulator,
}

impl Client {
    async fn start(knobs: &[(&str, &str)], budget: Arc<dyn Budget>) -> Self {
        let mut set = Knobs::profile(Profile::Friendly);
        for (name, value) in [("rate_limit", "100000"), ("auth_limit", "100000")].iter().chain(knobs) {
            set.set(name, value).unwrap();
        }
        let seed = Seed::demo();
        let options = Options { knobs: set, seed: seed.clone(), ..Options::default() };
        let simulator = Simulator::start(options).await.unwrap();
        let ringcx: RingCxSettings = serde_json::from_value(json!({
            "base_url": simulator.url(), "account_id": seed.account_id, "auth_per_minute": 1000,
        }))
        .unwrap();
        let platform: PlatformSettings = serde_json::from_value(json!({
            "base_url": simulator.url(), "client_id": seed.client.0, "client_secret": seed.client.1, "jwt": seed.jwt,
        }))
        .unwrap();
        let clock = Clock::fixed(Clock::system().now());
        let transport = Transport::new(&ringcx, Some(&platform), budget, clock.clone()).unwrap();
        let way = RingCx::new(Arc::new(transport), &seed.account_id, ExtensionSource::Off);
        let calls = way.calls(Lane::Update, None);
        Self { ringcx: simulator.admin(), clock, calls, way, _simulator: simulator }
    }

    async fn usual(knobs: &[(&str, &str)]) -> Self {
        Self::start(knobs, Arc::new(LocalBudget::new(100_000))).await
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.ringcx.advance(Duration::from_secs(seconds));
    }

    /// Exchanges and refreshes so far.
    fn signed_in(&self) -> (usize, usize) {
        (self.ringcx.count("exchangeToken"), self.ringcx.count("refreshToken"))
    }

    fn refused(&self) -> usize {
        self.ringcx.calls().iter().filter(|call| call.status == 401).count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_renewed_before_it_ends_whatever_is_said_of_its_life() {
    // A token whose end cannot be read lives for five minutes; the margin is a minute, or a fifth of a shorter life.
    for (life, shape, kept, renewed) in [
        ("300", "jwt", 235, 241),
        ("20", "jwt", 13, 17),
        ("3600", "jwt", 3500, 3541),
        ("300", "opaque", 235, 241),
    ] {
        let label = format!("{life} s, {shape}");
        let client = Client::usual(&[("token_ttl_s", life), ("token_shape", shape)]).await;
        client.calls.agent_groups().await.unwrap();
        client.advance(kept);
        client.calls.agent_groups().await.unwrap();
        assert_eq!(client.signed_in(), (1, 0), "{label}: still good");
        client.advance(renewed - kept);
        client.calls.agent_groups().await.unwrap();
        assert_eq!(client.signed_in(), (1, 1), "{label}: renewed");
        assert_eq!(client.refused(), 0, "{label}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_of_work_signs_in_within_the_limit_however_refresh_tokens_behave() {
    for reuse in ["reject", "accept"] {
        for life in ["0", "600", "86400"] {
            for counts in ["yes", "no"] {
                let label = format!("{reuse}, {life} s, {counts}");
                let knobs = [
                    ("refresh_reuse", reuse),
                    ("refresh_ttl_s", life),
                    ("refresh_counts_as_auth", counts),
                    ("auth_limit", "5"),
                ];
                let client = Client::usual(&knobs).await;
                for _ in 0..60 {
                    client.calls.agent_groups().await.unwrap_or_else(|error| panic!("{label}: {error}"));
                    client.advance(60);
                }
                let (exchanges, refreshes) = client.signed_in();
                // Every four or five minutes; where refreshing never works, each is followed by an exchange.
                assert!((11..=15).contains(&refreshes), "{label}: {refreshes}");
                assert_eq!(exchanges, if life == "0" { refreshes + 1 } else { 1 }, "{label}");
                let limited = client.ringcx.calls().iter().filter(|call| call.status == 429).count();
                assert_eq!(limited, 0, "{label}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_is_refused_or_lost_becomes_one_exchange() {
    for status in [400, 401, 403, 404, 409, 410, 422] {
        let client = Client::usual(&[]).await;
        client.calls.agent_groups().await.unwrap();
        client.advance(290);
        client.ringcx.fault(Fault::once("refreshToken", FaultKind::Status(status, String::new())));
        client.calls.agent_groups().await.unwrap();
        assert_eq!(client.signed_in(), (2, 1), "{status}");
    }
    for kind in [FaultKind::Status(500, String::new()), FaultKind::DropAfter, FaultKind::Html200] {
        let client = Client::usual(&[]).await;
        client.calls.agent_groups().await.unwrap();
        client.advance(290);
        client.ringcx.fault(Fault::once("refreshToken", kind.clone()));
        assert!(client.calls.agent_groups().await.is_err(), "{kind:?}");
        client.calls.agent_groups().await.unwrap();
        assert_eq!(
            client.signed_in(),
            (2, 1),
            "{kind:?}: nobody knows whether the refresh token still works"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_exchanges_stop_everybody_who_needs_a_token() {
    for operation in ["exchangeToken", "refreshToken"] {
        let client = Client::usual(&[]).await;
        if operation == "refreshToken" {
            client.calls.agent_groups().await.unwrap();
            client.advance(290);
        }
        let limited = FaultKind::TooManyRequests { retry_after: Some("120".to_owned()) };
        client.ringcx.fault(Fault::once(operation, limited));
        for _ in 0..5 {
            let answer = client.calls.agent_groups().await;
            assert!(
                matches!(answer, Err(Error::Limited { after }) if (118..=120).contains(&after.as_secs())),
                "{operation}: {answer:?}"
            );
        }
        assert_eq!(client.ringcx.count(operation), 1, "nothing is sent within the penalty");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_refused_at_once_share_one_renewal_whatever_a_401_looks_like() {
    for body in ["text", "json", "empty"] {
        let client = Client::usual(&[("unauthorized_body", body)]).await;
        client.calls.agent_groups().await.unwrap();
        client.ringcx.expire_tokens();
        let answers = join_all((0..32).map(|_| client.calls.agent_groups())).await;
        assert!(answers.iter().all(Result::is_ok), "{body}: {answers:?}");
        let (exchanges, refreshes) = client.signed_in();
        assert_eq!(exchanges + refreshes, 2, "{body}: one to begin with, one for all");
        assert!(client.refused() >= 1, "{body}");
        // One that stays refused is not asked for again and again.
        client.ringcx.fault(Fault::always("listAgentGroups", FaultKind::Unauthorized));
        assert!(matches!(client.calls.agent_groups().await, Err(Error::Unauthorized(_))), "{body}");
        let (exchanges, refreshes) = client.signed_in();
        assert_eq!(exchanges + refreshes, 3, "{body}: one forced renewal, one retry");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_is_renewed_within_a_penalty() {
    let client = Client::usual(&[]).await;
    client.calls.agent_groups().await.unwrap();
    client.ringcx.fault(Fault::once(
        "listAgentGroups",
        FaultKind::TooManyRequests { retry_after: Some("600".to_owned()) },
    ));
    assert!(client.calls.agent_groups().await.is_err());
    client.advance(500);
    let before = client.ringcx.calls().len();
    let soon = client.way.calls(Lane::Deactivate, Some(Instant::now()));
    let answer = soon.agent_groups().await;
    assert!(
        matches!(answer, Err(Error::Limited { after }) if after > Duration::from_secs(590)),
        "{answer:?}"
    );
    assert_eq!(client.ringcx.calls().len(), before);
}

/// A budget that lets everything through and writes down the penalties.
#[derive(Default)]
struct Noted(Mutex<Vec<u64>>);

impl Budget for Noted {
    fn acquire<'a>(
        &'a self,
        _: Lane,
        _: Option<&'a Ticket>,
        _: Option<Instant>,
    ) -> BoxFuture<'a, Result<(), Duration>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn acquire_of(&self, _: &str, _: u32) -> BoxFuture<'_, Result<(), Duration>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn penalise(&self, after: Duration) -> BoxFuture<'_, ()> {
        self.0.lock().unwrap().push(after.as_secs());
        Box::pin(std::future::ready(()))
    }

    fn penalise_of(&self, _: &str, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn penalty_left(&self) -> Duration {
        Duration::ZERO
    }

    fn learn(&self, _: u32) {}

    fn per_minute(&self) -> u32 {
        100
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_429_without_a_time_stops_for_half_a_minute_and_twice_as_long_each_time() {
    for body in ["text", "json"] {
        let noted = Arc::new(Noted::default());
        let budget: Arc<dyn Budget> = Arc::<Noted>::clone(&noted);
        let client = Client::start(&[("rate_headers", "none"), ("rate_body", body)], budget).await;
        for _ in 0..5 {
            client
                .ringcx
                .fault(Fault::once("listAgentGroups", FaultKind::TooManyRequests { retry_after: None }));
            let answer = client.calls.agent_groups().await;
            assert!(matches!(answer, Err(Error::Limited { .. })), "{body}: {answer:?}");
        }
        assert_eq!(*noted.0.lock().unwrap(), [30, 60, 120, 240, 240], "{body}");
        client.calls.agent_groups().await.unwrap();
        client.ringcx.fault(Fault::once("listAgentGroups", FaultKind::TooManyRequests { retry_after: None }));
        assert!(client.calls.agent_groups().await.is_err());
        assert_eq!(noted.0.lock().unwrap().last(), Some(&30), "{body}: a success ends the row");
    }
}

/// The client with a permanent token at any address.
fn at(base_url: &str) -> Calls {
    let settings: RingCxSettings = serde_json::from_value(json!({
        "base_url": base_url, "account_id": "15300002", "api_token": Seed::demo().api_token,
    }))
    .unwrap();
    let budget = Arc::new(LocalBudget::new(100_000));
    let transport = Transport::new(&settings, None, budget, Clock::system()).unwrap();
    RingCx::new(Arc::new(transport), "15300002", ExtensionSource::Off).calls(Lane::Update, None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_host_is_trouble_and_never_an_empty_account() {
    for shell in ["on", "off"] {
        let mut knobs = Knobs::profile(Profile::Friendly);
        knobs.set("html_shell", shell).unwrap();
        let simulator = Simulator::start(Options { knobs, ..Options::default() }).await.unwrap();
        assert!(at(&simulator.url()).agent_groups().await.is_ok());
        let answer = at(&format!("{}/portal", simulator.url())).agent_groups().await;
        match shell {
            "on" => {
                assert!(matches!(&answer, Err(Error::Garbled { message, .. }) if message.contains("HTML")));
            }
            _ => assert_eq!(answer.map(|_| ()), Err(Error::NotFound)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_carries_no_credential_to_another_host() {
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (there, here) = (other.local_addr().unwrap(), front.local_addr().unwrap());
    let answering = tokio::spawn(async move {
        for status in
            ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]
        {
            let (mut connection, _) = front.accept().await.unwrap();
            let mut asked = vec![0; 4096];
            let read = connection.read(&mut asked).await.unwrap();
            assert!(read > 0);
            let answer = format!(
                "HTTP/1.1 {status}\r\nLocation: http://{there}/voice/api\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let calls = at(&format!("http://{here}"));
    for _ in 0..4 {
        // A change, which is sent once; a read is tried three times.
        let answer = calls.set_admin_active(ringcx_scim::upstream::model::UserId(7), false).await;
        assert!(
            matches!(&answer, Err(Error::Garbled { message, .. }) if message.contains("redirect")),
            "{answer:?}"
        );
    }
    answering.await.unwrap();
    let nobody = tokio::time::timeout(Duration::ZERO, other.accept()).await;
    assert!(nobody.is_err(), "the other host was never asked");
}
