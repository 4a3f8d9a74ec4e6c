//! The audit log of RingCX as a feed of changes: read in windows that end where late records have come, and that overlap.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::rounds::{contact, feed_lease};
use super::{ContactError, Reconciler, Tenant};
use crate::domain::TenantId;
use crate::store::{self, facts, links};
use crate::upstream::model::AgentId;
use crate::upstream::{self, Lane};

/// The fact that says up to when the audit log of RingCX was read, in milliseconds.
const FEED_AT: &str = "audit_feed_at";

/// The fact that names the records of the last window.
const FEED_SEEN: &str = "audit_feed_seen";

/// The longest window that is asked for at once.
const FEED_WINDOW: Duration = Duration::from_mins(15);

impl Reconciler {
    /// Reads what the audit log of RingCX shows since the last time, and looks at the people whose agents changed.
    ///
    /// # Errors
    /// What RingCX or the store said.
    pub async fn read_feed(&self, tenant: &TenantId) -> Result<usize, ContactError> {
        let Some(tenant) = self.tenants.get(tenant).cloned() else { return Ok(0) };
        self.feed(&tenant).await
    }

    pub(super) async fn feed(&self, tenant: &Arc<Tenant>) -> Result<usize, ContactError> {
        if !tenant.policy.audit_feed {
            return Ok(0);
        }
        let looked = self.alone(feed_lease(&tenant.id), self.next_window(tenant)).await?;
        Ok(looked.unwrap_or_default())
    }

    async fn next_window(&self, tenant: &Arc<Tenant>) -> Result<usize, ContactError> {
        let Some(known) = tenant.known().filter(|_| tenant.policy.audit_feed) else { return Ok(0) };
        let closed = self.clock.now() - self.times.feed_lag;
        let of = tenant.id.clone();
        let (last, seen) = self
            .store
            .read(move |tx| {
                Ok::<_, store::Error>((facts::get(tx, &of, FEED_AT)?, facts::get(tx, &of, FEED_SEEN)?))
            })
            .await?;
        let seen: BTreeSet<String> =
            seen.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let last = last.and_then(|text| text.parse::<i64>().ok());
        let last = last.and_then(|last| jiff::Timestamp::from_millisecond(last).ok()).unwrap_or(closed);
        let from = last - self.times.feed_overlap;
        let to = closed.min(from + FEED_WINDOW);
        let calls = tenant.ringcx.calls(Lane::Reconcile, None);
        let changed = match calls.changed_agents(from, to, known.own_user).await {
            Ok(changed) => changed,
            Err(upstream::Error::Forbidden(_) | upstream::Error::NotFound) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        // Windows overlap, because records come late; what was in the last one is not looked at again (A48).
        let news: BTreeSet<AgentId> =
            changed.iter().filter(|(id, _)| !seen.contains(id.as_str())).map(|(_, agent)| *agent).collect();
        let mut looked = 0;
        for AgentId(agent) in news {
            let of = tenant.id.clone();
            let Some(person) = self.store.read(move |tx| links::by_agent(tx, &of, agent)).await? else {
                continue;
            };
            match self.look(&tenant.id, Some(&person)).await {
                Ok(drift) => self.repair(&tenant.id, &drift, None).await.map(drop).map_err(contact)?,
                // One that cannot be looked at holds up no other: its own job tries again.
                Err(ContactError::Upstream(error)) => {
                    tracing::warn!(%error, tenant = %tenant.id, person.id = %person, "a change in RingCX was not looked at yet");
                    self.look_again(&tenant.id, person).await?;
                }
                Err(error) => return Err(error),
            }
            looked += 1;
        }
        let (of, now, until) = (tenant.id.clone(), self.clock.now(), to.as_millisecond().to_string());
        let seen: BTreeSet<&String> = changed.keys().collect();
        let seen = serde_json::to_string(&seen).unwrap_or_default();
        self.store
            .write(move |tx| {
                facts::set(tx, &of, FEED_SEEN, &seen, now)?;
                facts::set(tx, &of, FEED_AT, &until, now)
            })
            .await?;
        Ok(looked)
    }
}
