//! The names of the HTTP metrics, in one place, and `/metrics`.

use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::State;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::{App, stored};

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Installs the recorder of this process; later calls do nothing.
pub fn install() {
    RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().ok());
}

/// `GET /metrics`: the text of Prometheus.
pub(super) async fn scrape(State(app): State<App>) -> String {
    let mut text = RECORDER.get().and_then(Option::as_ref).map(PrometheusHandle::render).unwrap_or_default();
    // The protocol counts by itself, because it knows nothing of metrics.
    text.push_str("# TYPE ringcx_scim_quirks_total counter\n");
    let mut tenants: Vec<_> = app.tenants.iter().collect();
    tenants.sort_by_key(|(tenant, _)| tenant.as_str());
    for (tenant, rules) in tenants {
        for (quirk, count) in rules.used() {
            let name = quirk.as_str();
            let labels = ["{quirk=\"", name, "\",tenant=\"", tenant.as_str(), "\"} "].concat();
            text.extend(["ringcx_scim_quirks_total", &labels, &count.to_string(), "\n"]);
        }
    }
    text.push_str(&stored::render(&app).await);
    text
}

/// Counts members that a group write named and nobody has.
pub(super) fn skipped_members(tenant: String, count: usize) {
    #[expect(clippy::disallowed_macros, reason = "this is the place where HTTP metrics are named")]
    metrics::counter!("ringcx_scim_skipped_members_total", "tenant" => tenant).increment(count as u64);
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
