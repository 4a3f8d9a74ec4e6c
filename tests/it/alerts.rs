//! Alerts: an operator is told once, whatever happens to the webhook or to the bridge, and nobody's name leaves the house.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringcx_scim::clock::{Clock, Ids};
use ringcx_scim::domain::TenantId;
use ringcx_scim::reconcile::alert::{self, Kind};
use ringcx_scim::reconcile::{Reconciler, Times};
use ringcx_scim::store::{self, Store, tokens};
use ringcx_scim::upstream::{AlertSettings, Webhook};
use ringcx_simulator::{Fault, FaultKind, Profile, Seed};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::support::{Setup, TestBridge};

fn tenant() -> TenantId {
    "default".parse().unwrap()
}

/// A receiver on this machine that answers with `statuses` in turn, the last one for ever, and shows what came.
struct Receiver {
    url: String,
    came: UnboundedReceiver<Value>,
}

#[derive(Clone)]
struct Answers {
    came: UnboundedSender<Value>,
    statuses: std::sync::Arc<std::sync::Mutex<Vec<u16>>>,
}

impl Receiver {
    async fn start(statuses: &[u16]) -> Self {
        let (sender, came) = unbounded_channel();
        let statuses = std::sync::Arc::new(std::sync::Mutex::new(statuses.to_vec()));
        let app = Router::new()
            .route(
                "/hook",
                post(
                    |State(answers): State<Answers>, body: String| async move { Self::take(&answers, &body) },
                ),
            )
            .with_state(Answers { came: sender, statuses });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, came }
    }

    fn take(answers: &Answers, body: &str) -> StatusCode {
        answers.came.send(serde_json::from_str(body).unwrap()).unwrap();
        let mut statuses = answers.statuses.lock().unwrap();
        let status = if statuses.len() > 1 { statuses.remove(0) } else { statuses[0] };
        StatusCode::from_u16(status).unwrap()
    }

    fn all(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.came.try_recv().ok()).collect()
    }

    fn webhook(&self) -> Option<Webhook> {
        let settings: AlertSettings = serde_json::from_value(json!({"webhook": self.url})).unwrap();
        assert!(settings.check().is_empty());
        Webhook::new(&settings).unwrap()
    }
}

/// A controller without tenants, on a clock that a test moves.
fn sender(store: &Store, clock: &Clock, receiver: &Receiver) -> Reconciler {
    let controller =
        Reconciler::new(store.clone(), Vec::new(), clock.clone(), Ids::system(), Times::default());
    controller.with_webhook(receiver.webhook())
}

async fn raise(store: &Store, clock: &Clock, subject: &'static str) {
    let now = clock.now();
    let raised = store
        .write(move |tx| alert::raise(tx, &tenant(), Kind::ParkedJob, subject, "Somebody must look.", now));
    raised.await.unwrap();
}

fn clock() -> Clock {
    Clock::fixed("2026-11-25T10:00:00Z".parse().unwrap())
}

#[tokio::test]
async fn an_alert_is_sent_once_and_the_same_again_only_after_an_hour() {
    let mut receiver = Receiver::start(&[200]).await;
    let store = Store::open(&store::Settings::at("sqlite::memory:")).await.unwrap();
    let clock = clock();
    let controller = sender(&store, &clock, &receiver);
    raise(&store, &clock, "p-1").await;
    raise(&store, &clock, "p-1").await;
    raise(&store, &clock, "p-2").await;
    assert_eq!(controller.send_alerts().await.unwrap(), 2);
    assert_eq!(controller.send_alerts().await.unwrap(), 0);
    let came = receiver.all();
    assert_eq!(
        came[0],
        json!({
            "time": "2026-11-25T10:00:00Z", "tenant": "default", "kind": "parked_job", "subject": "p-1",
            "text": "Somebody must look.",
        })
    );
    assert_eq!((came.len(), &came[1]["subject"]), (2, &json!("p-2")));
    clock.advance(Duration::from_mins(59));
    raise(&store, &clock, "p-1").await;
    assert_eq!(controller.send_alerts().await.unwrap(), 0);
    clock.advance(Duration::from_mins(1));
    raise(&store, &clock, "p-1").await;
    assert_eq!(controller.send_alerts().await.unwrap(), 1);
    assert_eq!(receiver.all()[0]["time"], "2026-11-25T11:00:00Z");
}

#[tokio::test]
async fn a_webhook_that_fails_is_asked_again_later_and_delays_nobody_meanwhile() {
    let mut receiver = Receiver::start(&[500, 302, 200]).await;
    let store = Store::open(&store::Settings::at("sqlite::memory:")).await.unwrap();
    let clock = clock();
    let controller = sender(&store, &clock, &receiver);
    raise(&store, &clock, "p-1").await;
    assert_eq!(controller.send_alerts().await.unwrap(), 0);
    assert_eq!(controller.send_alerts().await.unwrap(), 0, "not before the pause is over");
    assert_eq!(receiver.all().len(), 1);
    clock.advance(Duration::from_secs(1));
    assert_eq!(controller.send_alerts().await.unwrap(), 0, "a redirect is no arrival");
    clock.advance(Duration::from_secs(2));
    assert_eq!(controller.send_alerts().await.unwrap(), 1);
    clock.advance(Duration::from_hours(1));
    assert_eq!(controller.send_alerts().await.unwrap(), 0);
    assert_eq!(receiver.all().len(), 2);
}

#[tokio::test]
async fn an_alert_survives_a_restart_and_one_of_two_replicas_sends_it() {
    let mut receiver = Receiver::start(&[503, 200]).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = store::Settings::at(&format!("sqlite://{}", folder.path().join("a.db").display()));
    let store = Store::open(&settings).await.unwrap();
    let clock = clock();
    raise(&store, &clock, "p-1").await;
    assert_eq!(sender(&store, &clock, &receiver).send_alerts().await.unwrap(), 0);
    store.close().await;
    let store = Store::open(&settings).await.unwrap();
    clock.advance(Duration::from_mins(5));
    let (one, other) = (sender(&store, &clock, &receiver), sender(&store, &clock, &receiver));
    let (one, other) = tokio::join!(one.send_alerts(), other.send_alerts());
    assert_eq!(one.unwrap() + other.unwrap(), 1);
    assert_eq!(receiver.all().len(), 2, "once in vain, once with success");
}

#[tokio::test]
async fn parked_work_is_told_by_id_and_counted() {
    let mut receiver = Receiver::start(&[200]).await;
    // Wanda was there before, and what RingCX does with her password on a change is not known.
    let policy = json!({"default_agent_group": "Default"});
    let setup =
        Setup { policy, settle: Duration::from_secs(1), profile: Profile::Friendly, ..Setup::default() };
    let bridge = TestBridge::start(setup).await;
    let wanda = json!({"userName": "wanda@example.com", "name": {"givenName": "Vanessa"}});
    assert_eq!(bridge.send("POST", "/Users", Some(&wanda)).await.status, 503);
    let list = bridge.send("GET", "/Users?filter=userName eq \"wanda@example.com\"", None).await.body;
    let controller = bridge.reconciler.clone().with_webhook(receiver.webhook());
    assert_eq!(controller.send_alerts().await.unwrap(), 1);
    let came = receiver.all();
    assert_eq!((&came[0]["kind"], &came[0]["subject"]), (&json!("parked_job"), &list["Resources"][0]["id"]));
    let told = came[0].to_string().to_lowercase();
    assert!(!told.contains("wanda") && !told.contains("vanessa"), "{told}");
    let metrics = bridge.raw("GET", "/metrics", &[], None).await.text;
    assert!(
        metrics.contains(r#"ringcx_scim_alerts_total{tenant="default",kind="parked_job"} 1"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_refused_credential_is_told_while_it_is_refused() {
    let mut receiver = Receiver::start(&[200]).await;
    let setup = Setup { settle: Duration::from_secs(1), ..Setup::default() };
    let bridge = TestBridge::start(setup).await;
    let controller = bridge.reconciler.clone().with_webhook(receiver.webhook());
    controller.look_at_credentials().await.unwrap();
    assert_eq!(controller.send_alerts().await.unwrap(), 0);
    bridge.ringcx.fault(Fault { times: 1000, ..Fault::once("createAgent", FaultKind::Unauthorized) });
    let answer = bridge.send("POST", "/Users", Some(&json!({"userName": "jo@example.com"}))).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    controller.look_at_credentials().await.unwrap();
    assert_eq!(controller.send_alerts().await.unwrap(), 1);
    assert_eq!(receiver.all()[0]["kind"], "upstream_credential");
    bridge.ringcx.clear_faults();
    bridge.run_jobs().await;
}

#[tokio::test]
async fn a_token_is_spoken_of_thirty_seven_and_one_day_before_its_end_once_each() {
    let mut receiver = Receiver::start(&[200]).await;
    let bridge = TestBridge::start(Setup::default()).await;
    let controller = bridge.reconciler.clone().with_webhook(receiver.webhook());
    let now = Clock::system().now();
    let token = |id: &str, hours: u64| tokens::Token {
        id: id.to_owned(),
        tenant: tenant(),
        name: format!("{id} of \"Okta\""),
        hash: id.to_owned(),
        scope: "write".to_owned(),
        created: now,
        expires: Some(now + Duration::from_hours(hours)),
        last_used: None,
        revoked: None,
        person: None,
        replaced: None,
        networks: None,
    };
    let made = [
        token("t-31d", 31 * 24),
        token("t-29d", 29 * 24),
        token("t-6d", 6 * 24),
        token("t-23h", 23),
        token("t-replaced", 23),
    ];
    let all = made.clone();
    bridge
        .store
        .write(move |tx| all.iter().try_for_each(|it| tokens::create(tx, it).map(drop)))
        .await
        .unwrap();
    let successor = token("t-successor", 9000);
    let end = now + Duration::from_hours(24);
    let of = tokens::Token { name: made[4].name.clone(), ..successor };
    assert!(bridge.store.write(move |tx| tokens::replace(tx, &of, end)).await.unwrap());
    controller.look_at_tokens().await.unwrap();
    controller.look_at_tokens().await.unwrap();
    controller.send_alerts().await.unwrap();
    let came = receiver.all();
    let told: Vec<_> = came.iter().map(|it| it["subject"].as_str().unwrap()).collect();
    assert_eq!(told, ["t-23h:1", "t-29d:30", "t-6d:7"]);
    assert!(came[0]["text"].as_str().unwrap().contains("token rotate"));
    let metrics = bridge.raw("GET", "/metrics", &[], None).await.text;
    let line = format!(
        r#"ringcx_scim_token_expires_seconds{{tenant="default",token="t-6d of \"Okta\""}} {}"#,
        made[2].expires.unwrap().as_second()
    );
    assert!(metrics.contains(&line), "{metrics}");
}

#[tokio::test]
async fn the_ringcentral_jwt_is_spoken_of_thirty_seven_and_one_day_before_its_end_once_each() {
    let mut receiver = Receiver::start(&[200]).await;
    let clock = clock();
    let end = clock.now() + Duration::from_hours(40 * 24);
    let claims = URL_SAFE_NO_PAD.encode(json!({"sub": "owner", "exp": end.as_second()}).to_string());
    let mut seed = Seed::demo();
    seed.jwt = format!("{}.{claims}.c2ln", URL_SAFE_NO_PAD.encode("{\"alg\":\"RS256\"}"));
    let bridge =
        TestBridge::start(Setup { seed: seed.clone(), clock: clock.clone(), ..Setup::default() }).await;
    let controller = bridge.reconciler.clone().with_webhook(receiver.webhook());
    let mut told = Vec::new();
    // 40, 29, 28, 6, 0.5 days before its end, and half a day after.
    for hours in [0, 11 * 24, 24, 22 * 24, 132, 24] {
        clock.advance(Duration::from_hours(hours));
        controller.look_at_tokens().await.unwrap();
        controller.send_alerts().await.unwrap();
        for came in receiver.all() {
            let text = came["text"].as_str().unwrap();
            assert!(text.contains(&end.to_string()[..10]) && text.contains("ringcentral.jwt"), "{text}");
            assert!(!text.contains(&claims) && came["kind"] == "token_expiring", "{came}");
            told.push(came["subject"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(told, ["ringcentral-jwt:30", "ringcentral-jwt:7", "ringcentral-jwt:1"]);
}
