//! Alerts: what needs a person is stored with the change that caused it, and told to the operator's webhook by one replica.
//!
//! [`raise`] belongs into the transaction of whatever happened, so that an alert is never lost and never premature. Its texts hold
//! ids, never names or addresses of people: they leave the house.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::Reconciler;
use crate::domain::TenantId;
use crate::store::{self, Tx, alerts, leases, tokens};
use crate::upstream::Webhook;

/// What kinds of things an operator is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Too many people were about to lose access at once; the rest is blocked.
    MassChange,
    /// The last administrator with `SUPER_USER` was about to go.
    LastAdminFloor,
    /// The work on somebody waits for a person.
    ParkedJob,
    /// RingCX or RingCentral refuses the bridge's own credential.
    UpstreamCredential,
    /// A client's token ends soon.
    TokenExpiring,
    /// A group that gives a privileged role has changed its identity.
    PrivilegedPin,
}

impl Kind {
    /// The word in the alert and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MassChange => "mass_change",
            Self::LastAdminFloor => "last_admin_floor",
            Self::ParkedJob => "parked_job",
            Self::UpstreamCredential => "upstream_credential",
            Self::TokenExpiring => "token_expiring",
            Self::PrivilegedPin => "privileged_pin",
        }
    }

    /// How long the same is not told again. What is told of a token is told once.
    const fn quiet(self) -> Duration {
        match self {
            Self::TokenExpiring => KEEP,
            Self::MassChange
            | Self::LastAdminFloor
            | Self::ParkedJob
            | Self::UpstreamCredential
            | Self::PrivilegedPin => Duration::from_hours(1),
        }
    }
}

/// How long alerts are remembered: longer than the first word about a token comes before its end.
const KEEP: Duration = Duration::from_hours(24 * 60);

/// The lease under which one replica sends.
const SENDER: &str = "alert-sender";

/// Alerts under one lease; each may take as long as the webhook is waited for.
const AT_ONCE: i64 = 10;

/// How often tokens are looked at, in rounds of a second.
const TOKENS_EVERY: u64 = 3600;

/// How many days before its end a token is spoken of.
const NOTICE: [i64; 3] = [1, 7, 30];

/// Stores an alert with the change that caused it; the same about the same subject is told once an hour at most.
///
/// `subject` is an id, and neither it nor `text` names a person.
///
/// # Errors
/// What the store said.
pub fn raise(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    kind: Kind,
    subject: &str,
    text: &str,
    now: Timestamp,
) -> Result<(), store::Error> {
    raise_at(tx, tenant, kind, subject, text, (now, now))
}

/// The same for what is told only at `due`, because it may have come to nothing by then.
pub(super) fn raise_at(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    kind: Kind,
    subject: &str,
    text: &str,
    (now, due): (Timestamp, Timestamp),
) -> Result<(), store::Error> {
    let alert = alerts::Alert {
        tenant: tenant.clone(),
        kind: kind.as_str().to_owned(),
        subject: subject.to_owned(),
        text: text.to_owned(),
        raised: now,
        attempts: 0,
    };
    alerts::raise(tx, &alert, due, kind.quiet()).map(drop)
}

impl Reconciler {
    /// Tells alerts to this webhook; without one they are only logged.
    #[must_use]
    pub fn with_webhook(self, webhook: Option<Webhook>) -> Self {
        Self { webhook, ..self }
    }

    /// Looks for what nobody else raises, and sends what waits, until `shutdown`.
    pub(super) async fn alarms(&self, shutdown: &CancellationToken) {
        let mut round = 0_u64;
        while !shutdown.is_cancelled() {
            let tokens = round.is_multiple_of(TOKENS_EVERY);
            let told = async {
                if tokens {
                    self.look_at_tokens().await?;
                }
                self.look_at_credentials().await?;
                self.send_alerts().await
            };
            if let Err(error) = told.await {
                tracing::warn!(%error, "alerts were not sent; they are tried again");
            }
            round += 1;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }

    /// Sends the alerts that are due, unless another replica is at it; how many have arrived.
    ///
    /// # Errors
    /// What the store said.
    pub async fn send_alerts(&self) -> Result<usize, store::Error> {
        let now = self.clock.now();
        let waiting = self.store.read(move |tx| alerts::due(tx, now, 1)).await?;
        if waiting.is_empty() {
            return Ok(0);
        }
        let owner = std::sync::Arc::clone(&self.owner);
        let lease = Webhook::PATIENCE * 12;
        let due = self
            .store
            .write(move |tx| match leases::acquire(tx, SENDER, &owner, now, lease)? {
                Some(_) => alerts::due(tx, now, AT_ONCE),
                None => Ok(Vec::new()),
            })
            .await?;
        let mut arrived = 0;
        for alert in due {
            arrived += usize::from(self.send_alert(alert).await?);
        }
        let owner = std::sync::Arc::clone(&self.owner);
        self.store.write(move |tx| leases::release(tx, SENDER, &owner)).await?;
        Ok(arrived)
    }

    async fn send_alert(&self, alert: alerts::Alert) -> Result<bool, store::Error> {
        if alert.attempts == 0 {
            tracing::error!(tenant = %alert.tenant, kind = alert.kind, subject = alert.subject, "{}", alert.text);
        }
        let body = json!({
            "time": alert.raised.to_string(), "tenant": alert.tenant, "kind": alert.kind,
            "subject": alert.subject, "text": alert.text,
        });
        let posted = match &self.webhook {
            Some(webhook) => webhook.post(&body).await,
            None => Ok(()),
        };
        if let Err(why) = &posted {
            tracing::warn!(tenant = %alert.tenant, kind = alert.kind, why, "an alert has not arrived; it is tried again");
        }
        let due = self.clock.now() + self.times.back_off(alert.attempts);
        let arrived = posted.is_ok();
        self.store
            .write(
                move |tx| if arrived { alerts::sent(tx, &alert) } else { alerts::retry_at(tx, &alert, due) },
            )
            .await?;
        Ok(arrived)
    }

    /// Raises an alert for each tenant whose credential was refused the last time it was shown.
    ///
    /// # Errors
    /// What the store said.
    pub async fn look_at_credentials(&self) -> Result<(), store::Error> {
        for tenant in self.tenants.values().filter(|tenant| tenant.ringcx.credential_refused()) {
            let (of, now) = (tenant.id.clone(), self.clock.now());
            let text = "RingCX or RingCentral refuses the bridge's own credential, so nothing is provisioned; \
                        run `ringcx-scim check`.";
            self.store.write(move |tx| raise(tx, &of, Kind::UpstreamCredential, "ringcx", text, now)).await?;
        }
        Ok(())
    }

    /// Raises an alert for each token of a client, and each RingCentral JWT, that ends within 30, 7 and 1 days, and forgets old alerts.
    ///
    /// # Errors
    /// What the store said.
    pub async fn look_at_tokens(&self) -> Result<(), store::Error> {
        let now = self.clock.now();
        for tenant in self.tenants.values() {
            let (of, jwt) = (tenant.id.clone(), tenant.ringcx.jwt_ends());
            self.store
                .write(move |tx| {
                    for token in tokens::list(tx, &of)? {
                        notice(tx, &token, now)?;
                    }
                    if let Some((end, days)) = jwt.and_then(|end| Some((end, days_left(end, now)?))) {
                        let subject = format!("ringcentral-jwt:{days}");
                        let text = format!(
                            "The RingCentral JWT ends at {end}; put a new one into ringcentral.jwt before."
                        );
                        raise(tx, &of, Kind::TokenExpiring, &subject, &text, now)?;
                    }
                    Ok::<_, store::Error>(())
                })
                .await?;
        }
        self.store.write(move |tx| alerts::prune(tx, now - KEEP)).await
    }
}

/// Within how many days something ends, when that is worth a word.
fn days_left(end: Timestamp, now: Timestamp) -> Option<i64> {
    let left = end.duration_since(now).as_secs();
    NOTICE.into_iter().find(|days| left <= days * 24 * 3600)
}

/// Speaks of a token that ends soon. One that was replaced has a successor, and is to end.
fn notice(tx: &mut Tx<'_>, token: &tokens::Token, now: Timestamp) -> Result<(), store::Error> {
    let Some(end) = token.expires.filter(|_| token.is_live(now) && token.replaced.is_none()) else {
        return Ok(());
    };
    let Some(days) = days_left(end, now) else { return Ok(()) };
    let subject = format!("{}:{days}", token.id);
    let text = format!(
        "Token {} ends at {end}, in less than {days} {}; provisioning stops then. Run `ringcx-scim token rotate`.",
        token.id,
        if days == 1 { "day" } else { "days" },
    );
    raise(tx, &token.tenant, Kind::TokenExpiring, &subject, &text, now)
}
