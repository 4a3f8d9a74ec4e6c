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

/// `GET /readyz`: the store answers, every tenant has met RingCX, and RingCX takes its credential. Says why not, and who is paused, which
/// is no reason not to serve; holds no secrets.
pub(super) async fn ready(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let store = app.store.ping().await.is_ok();
    let mut tenants: Vec<&TenantId> = app.tenants.keys().collect();
    tenants.sort_unstable();
    let waiting: Vec<&&TenantId> = tenants.iter().filter(|tenant| !app.reconciler.ready(tenant)).collect();
    let refused: Vec<&&TenantId> =
        tenants.iter().filter(|tenant| app.reconciler.credential_refused(tenant)).collect();
    let mut held = Vec::new();
    for tenant in &tenants {
        if matches!(app.reconciler.hold(tenant).await, Ok(Some(_))) {
            held.push(tenant);
        }
    }
    let mut why = Vec::new();
    if !store {
        why.push("The store does not answer.".to_owned());
    }
    why.extend(waiting.iter().map(|tenant| format!("Tenant {tenant} has not met RingCX yet.")));
    why.extend(refused.iter().map(|tenant| {
        format!(
            "RingCX or RingCentral refuses the bridge's own credential of tenant {tenant}; run `ringcx-scim check`."
        )
    }));
    let ready = why.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if ready { "ready" } else { "not ready" };
    let body = json!({
        "status": word, "why": why, "store": store, "tenants_waiting_for_ringcx": waiting,
        "tenants_refused_by_ringcx": refused, "tenants_paused": held,
    });
    (status, Json(body))
}
