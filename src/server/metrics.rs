//! The names of the HTTP metrics, in one place, and `/metrics`.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Installs the recorder of this process; later calls do nothing.
pub fn install() {
    RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().ok());
}

/// `GET /metrics`: the text of Prometheus.
pub(super) async fn scrape() -> String {
    RECORDER.get().and_then(Option::as_ref).map(PrometheusHandle::render).unwrap_or_default()
}

/// Counts a request and records how long it took.
pub(super) fn request(route: String, method: String, status: u16, tenant: String, took: Duration) {
    #[expect(clippy::disallowed_macros, reason = "this is the place where HTTP metrics are named")]
    {
        let labels =
            [("route", route), ("method", method), ("status", status.to_string()), ("tenant", tenant)];
        metrics::counter!("ringcx_scim_http_requests_total", &labels).increment(1);
        metrics::histogram!("ringcx_scim_http_request_seconds", &labels).record(took.as_secs_f64());
    }
}
