//! The metrics that the store knows: read when they are asked for, and the same at every replica.

use super::App;
use crate::domain::TenantId;
use crate::store::{self, Tx, alerts, holds, jobs, losses, reports, tokens};

/// One line of a metric: its labels beside `tenant`, and its value.
type Sample = (Vec<(&'static str, String)>, i64);

/// A metric: its name, its type, what it counts, and where its lines come from.
type Family = (
    &'static str,
    &'static str,
    &'static str,
    fn(&mut Tx<'_>, &TenantId) -> Result<Vec<Sample>, store::Error>,
);

const FAMILIES: [Family; 9] = [
    ("ringcx_scim_jobs", "gauge", "Work that waits, by lane, and work that waits for a person.", waiting),
    ("ringcx_scim_paused", "gauge", "1 where the tenant is paused.", paused),
    ("ringcx_scim_blocked", "gauge", "People whose change the mass-change guard keeps.", blocked),
    ("ringcx_scim_alerts_total", "counter", "Alerts that were raised.", alerted),
    ("ringcx_scim_token_expires_seconds", "gauge", "When a token ends, in seconds since 1970.", tokens_end),
    (
        "ringcx_scim_unowned_accounts",
        "gauge",
        "Accounts without an active owner, as of the last round of reconciliation.",
        |tx, tenant| counted(tx, tenant, |it| it.unowned),
    ),
    (
        "ringcx_scim_held_people",
        "gauge",
        "People who wait for an agent group, as of the last round of reconciliation.",
        |tx, tenant| counted(tx, tenant, |it| it.held),
    ),
    (
        "ringcx_scim_held_since_seconds",
        "gauge",
        "Since when the first of them waits, in seconds since 1970, 0 for nobody, as of the last round of reconciliation.",
        |tx, tenant| counted(tx, tenant, |it| it.held_since),
    ),
    (
        "ringcx_scim_direct_lines",
        "gauge",
        "Direct lines of people who are switched off, as of the last round of reconciliation.",
        |tx, tenant| counted(tx, tenant, |it| it.direct_lines),
    ),
];

/// The text of Prometheus.
pub(super) async fn render(app: &App) -> String {
    let mut text = String::new();
    let mut tenants: Vec<&TenantId> = app.tenants.keys().collect();
    tenants.sort_by_key(|tenant| tenant.as_str());
    for (name, kind, help, samples) in FAMILIES {
        text.extend(["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n"]);
        for tenant in &tenants {
            let of = (*tenant).clone();
            let samples = app.store.read(move |tx| samples(tx, &of)).await.unwrap_or_default();
            for (labels, value) in samples {
                text.extend([name, "{tenant=\"", tenant.as_str(), "\""]);
                for (label, value) in labels {
                    text.extend([",", label, "=\"", &escaped(&value), "\""]);
                }
                text.extend(["} ", &value.to_string(), "\n"]);
            }
        }
    }
    text
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn waiting(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Sample>, store::Error> {
    let mut samples = Vec::new();
    for (lane, all, parked) in jobs::by_lane(tx, tenant)? {
        for (state, count) in [("waiting", all - parked), ("parked", parked)] {
            samples.push((vec![("lane", lane.as_str().to_owned()), ("state", state.to_owned())], count));
        }
    }
    Ok(samples)
}

fn paused(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Sample>, store::Error> {
    Ok(vec![(Vec::new(), i64::from(holds::paused(tx, tenant)?.is_some()))])
}

/// People whose change the mass-change guard keeps.
fn blocked(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Sample>, store::Error> {
    Ok(vec![(Vec::new(), losses::count_blocked(tx, tenant)?)])
}

fn alerted(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Sample>, store::Error> {
    let counts = alerts::counts(tx, tenant)?.into_iter();
    Ok(counts.map(|(kind, count)| (vec![("kind", kind)], count)).collect())
}

/// What the last round of reconciliation counted; nothing before the first.
fn counted(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    value: fn(reports::Counts) -> i64,
) -> Result<Vec<Sample>, store::Error> {
    Ok(reports::counts(tx, tenant)?.map(|counts| (Vec::new(), value(counts))).into_iter().collect())
}

/// When each token ends, in seconds since 1970, so that a rule can warn whatever the clock here says.
fn tokens_end(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Sample>, store::Error> {
    let live =
        tokens::list(tx, tenant)?.into_iter().filter(|it| it.revoked.is_none() && it.replaced.is_none());
    Ok(live.filter_map(|it| Some((vec![("token", it.name)], it.expires?.as_second()))).collect())
}
