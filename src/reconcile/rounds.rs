//! The rounds of reconciliation: by the clock, on one replica at a time, with a bounded share of the budget.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{ContactError, Reconciler, Tenant};
use crate::domain::TenantId;
use crate::domain::policy::LinkExtension;
use crate::store::{self, facts, leases, links};
use crate::upstream::model::AgentId;
use crate::upstream::{self, Lane};

/// The fact that says when the last round ended, in milliseconds.
const ROUND_AT: &str = "drift_round_at";

/// The fact that says up to when the audit log of RingCX was read, in milliseconds.
const FEED_AT: &str = "audit_feed_at";

/// The fact that names the records of the last window.
const FEED_SEEN: &str = "audit_feed_seen";

/// How long a round or a window lasts without a sign of life from the replica that is at it.
const ROUND_LEASE: Duration = Duration::from_mins(2);

/// A window begins this long before the end of the last one.
const FEED_OVERLAP: Duration = Duration::from_mins(1);

/// The longest window that is asked for at once.
const FEED_WINDOW: Duration = Duration::from_mins(15);

/// How often it is looked whether a round is due.
const LOOK: Duration = Duration::from_mins(1);

impl Reconciler {
    /// Rounds of one tenant until `shutdown`.
    pub(super) async fn rounds(&self, tenant: &Arc<Tenant>, shutdown: &CancellationToken) {
        let every = tenant.policy.reconcile_every.as_duration();
        // A tenth of the interval, by the tenant's name and this process: replicas and tenants do not begin together.
        let spread = self.owner.bytes().chain(tenant.id.as_str().bytes()).map(u32::from).sum::<u32>() % 100;
        let jitter = every / 1000 * spread;
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let look = async {
                if let Err(error) = self.link_late(&tenant.id).await {
                    tracing::warn!(error = error.kind(), tenant = %tenant.id, "RingCentral extensions were not looked for");
                }
                if every.is_zero() {
                    return;
                }
                if let Err(error) = self.feed(tenant).await {
                    tracing::warn!(error = error.kind(), tenant = %tenant.id, "the audit log of RingCX was not read");
                }
                if let Err(error) = self.round(tenant, every + jitter).await {
                    tracing::warn!(error = error.kind(), tenant = %tenant.id, "a round of reconciliation was not finished; it is tried again");
                }
            };
            // A look changes nothing in RingCX, so it may end anywhere.
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = look => {}
            }
        }
    }

    /// Does what one replica does at a time under a lease, which is kept for as long as it takes; nothing while another one has it.
    async fn alone<T>(
        &self,
        name: String,
        work: impl Future<Output = Result<T, ContactError>>,
    ) -> Result<Option<T>, ContactError> {
        if !self.lease(&name).await? {
            return Ok(None);
        }
        let done = tokio::select! {
            done = work => done.map(Some),
            () = self.lose_round(&name) => Ok(None),
        };
        let owner = Arc::clone(&self.owner);
        self.store.write(move |tx| leases::release(tx, &name, &owner)).await?;
        done
    }

    async fn lease(&self, name: &str) -> Result<bool, store::Error> {
        let (name, owner, now) = (name.to_owned(), Arc::clone(&self.owner), self.clock.now());
        self.store.write(move |tx| Ok(leases::acquire(tx, &name, &owner, now, ROUND_LEASE)?.is_some())).await
    }

    /// Keeps a lease alive; ends when it is lost.
    async fn lose_round(&self, name: &str) {
        loop {
            tokio::time::sleep(ROUND_LEASE / 3).await;
            match self.lease(name).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, "a lease was not prolonged"),
            }
        }
    }

    /// One round, when it is due and no other replica is at it.
    async fn round(&self, tenant: &Arc<Tenant>, every: Duration) -> Result<(), ContactError> {
        if tenant.known().is_none() {
            return Ok(());
        }
        let (of, now) = (tenant.id.clone(), self.clock.now());
        let (first, due) = self
            .store
            .write(move |tx| {
                let last = facts::get(tx, &of, ROUND_AT)?.and_then(|text| text.parse::<i64>().ok());
                let due = last.is_none_or(|last| {
                    now.as_millisecond().saturating_sub(last)
                        >= i64::try_from(every.as_millis()).unwrap_or(i64::MAX)
                });
                if last.is_none() {
                    // First contact has just read everything.
                    facts::set(tx, &of, ROUND_AT, &now.as_millisecond().to_string(), now)?;
                    return Ok::<_, store::Error>((true, false));
                }
                Ok((false, due))
            })
            .await?;
        if first {
            return self.count_reports(&tenant.id, jiff::Timestamp::UNIX_EPOCH).await;
        }
        if !due {
            return Ok(());
        }
        self.alone(format!("drift:{}", tenant.id), self.whole_round(tenant)).await.map(drop)
    }

    async fn whole_round(&self, tenant: &Arc<Tenant>) -> Result<(), ContactError> {
        if tenant.policy.link_rc_extension != LinkExtension::Off {
            self.refresh_access(tenant).await?;
        }
        let begun = self.clock.now();
        let drift = self.look(&tenant.id, None).await?;
        for found in &drift.findings {
            tracing::warn!(
                tenant = %tenant.id, person.id = %found.person, account = %found.account, kind = ?found.kind,
                "RingCX differs from what was confirmed"
            );
        }
        self.repair(&tenant.id, &drift).await.map_err(contact)?;
        self.count_reports(&tenant.id, begun).await?;
        let (of, now) = (tenant.id.clone(), self.clock.now());
        let ended = now.as_millisecond().to_string();
        Ok(self.store.write(move |tx| facts::set(tx, &of, ROUND_AT, &ended, now)).await?)
    }

    /// Reads what the audit log of RingCX shows since the last time, and looks at the people whose agents changed.
    ///
    /// # Errors
    /// What RingCX or the store said.
    pub async fn read_feed(&self, tenant: &TenantId) -> Result<usize, ContactError> {
        let Some(tenant) = self.tenants.get(tenant).cloned() else { return Ok(0) };
        self.feed(&tenant).await
    }

    async fn feed(&self, tenant: &Arc<Tenant>) -> Result<usize, ContactError> {
        if !tenant.policy.audit_feed {
            return Ok(0);
        }
        let looked = self.alone(format!("feed:{}", tenant.id), self.next_window(tenant)).await?;
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
        let from = last - FEED_OVERLAP;
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
                Ok(drift) => self.repair(&tenant.id, &drift).await.map(drop).map_err(contact)?,
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

fn contact(error: super::Error) -> ContactError {
    match error {
        super::Error::Store(error) => ContactError::Store(error),
        super::Error::Scim(error) => ContactError::Store(crate::store::Error::Corrupt(error.detail)),
    }
}
