//! SIGTERM to the real binary: what is under way is ended within a limit, and what is left goes to whoever comes next at once.

use std::time::{Duration, Instant};

use reqwest::Method;
use ringcx_simulator::{Control, Fault, FaultKind, Options};
use serde_json::{Value, json};

use crate::crash::serve::{Serve, configure, send, until};
use crate::support::Simulator;

struct Stage {
    _folder: tempfile::TempDir,
    simulator: Simulator,
    config: std::path::PathBuf,
    token: String,
}

impl Stage {
    /// A lease lasts for half a minute here, so one that is not handed over would be seen.
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::default();
        options.knobs.set("rate_limit", "100000").unwrap();
        options.knobs.set("auth_limit", "1000").unwrap();
        let simulator = Simulator::start(options).await.unwrap();
        let url = format!("sqlite://{}", folder.path().join("bridge.db").display());
        let (config, token) = configure(folder.path(), &simulator.url(), &url, "30s");
        Self { _folder: folder, simulator, config, token }
    }

    fn ringcx(&self) -> Control {
        self.simulator.admin()
    }

    /// Sends a POST that RingCX answers with `fault`, and waits until it is under way there.
    async fn post(&self, serve: &Serve, fault: FaultKind) -> tokio::task::JoinHandle<Option<(u16, Value)>> {
        self.ringcx().fault(Fault::once("createAgent", fault));
        let (url, token) = (format!("{}/Users", serve.base), self.token.clone());
        let body = json!({"userName": "jo@example.com", "emails": [{"value": "jo@example.com"}]});
        let answer = tokio::spawn(async move { send(Method::POST, &url, &token, Some(&body)).await });
        until("the call", async || (self.ringcx().count("createAgent") > 0).then_some(())).await;
        answer
    }

    fn agents(&self) -> usize {
        self.ringcx().agents().iter().filter(|agent| agent["username"] == "jo@example.com").count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_told_to_stop_answers_what_it_has_begun() {
    let stage = Stage::set().await;
    let serve = Serve::ready(&stage.config).await;
    let answer = stage.post(&serve, FaultKind::DelayAfter(1500)).await;
    assert!(serve.terminate().await);
    let answer = answer.await.unwrap();
    assert_eq!(answer.map(|(status, _)| status), Some(201));
    assert_eq!(stage.agents(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_told_to_stop_does_so_within_a_limit_and_hands_its_leases_over() {
    let stage = Stage::set().await;
    let serve = Serve::ready(&stage.config).await;
    let answer = stage.post(&serve, FaultKind::DelayAfter(60_000)).await;
    let begun = Instant::now();
    assert!(serve.terminate().await);
    assert!(begun.elapsed() < Duration::from_secs(28), "{:?}", begun.elapsed());
    assert_eq!(answer.await.unwrap().map(|(status, _)| status), Some(503), "told to come back");
    let begun = Instant::now();
    let serve = Serve::ready(&stage.config).await;
    let url = format!("{}/Users?filter=userName%20eq%20%22jo@example.com%22", serve.base);
    until("the end of the work", async || {
        let (_, found) = send(Method::GET, &url, &stage.token, None).await?;
        (found["Resources"][0]["urn:ietf:params:scim:schemas:extension:ringcx:2.0:User"]["provisioningState"]
            == "active")
            .then_some(())
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(20), "no lease was waited for: {:?}", begun.elapsed());
    assert_eq!((stage.agents(), stage.ringcx().count("createAgent")), (1, 1), "looked up, not made again");
    serve.kill();
}
