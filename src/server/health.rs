//! Whether the process is alive, and whether it can serve.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::App;
use crate::domain::TenantId;

/// `GET /healthz`: the process answers.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// `GET /readyz`: the store answers, and every tenant has met RingCX. Names what is missing, and who is paused, which is no reason not to
/// serve; holds no secrets.
pub(super) async fn ready(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let store = app.store.ping().await.is_ok();
    let mut waiting: Vec<&str> =
        app.tenants.keys().filter(|tenant| !app.reconciler.ready(tenant)).map(TenantId::as_str).collect();
    waiting.sort_unstable();
    let mut held = Vec::new();
    for tenant in app.tenants.keys() {
        if matches!(app.reconciler.hold(tenant).await, Ok(Some(_))) {
            held.push(tenant.as_str());
        }
    }
    held.sort_unstable();
    let ready = store && waiting.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if ready { "ready" } else { "not ready" };
    let body = json!({
        "status": word, "store": store, "tenants_waiting_for_ringcx": waiting, "tenants_paused": held,
    });
    (status, Json(body))
}
