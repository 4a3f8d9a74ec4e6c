//! What only one worker may do at a time in a main account, on whatever replica and for whatever tenant.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use super::case::Case;
use crate::clock::Clock;
use crate::store::{self, Store, leases};
use crate::upstream;

/// How long a lease lasts without being prolonged.
const LEASE: Duration = Duration::from_secs(30);

/// How long work waits for its turn before it goes back to the queue.
const PATIENCE: Duration = Duration::from_secs(10);

/// How soon it looks again.
const LOOK: Duration = Duration::from_millis(100);

impl Case<'_> {
    /// The lease on `what` of the tenant's main account, not taken yet.
    pub(super) fn lease_on(&self, what: &str) -> Lease {
        let account =
            self.known.main_account.as_deref().filter(|it| !it.is_empty()).unwrap_or(&self.tenant.account_id);
        Lease {
            store: self.store.clone(),
            clock: self.clock.clone(),
            name: format!("{what}:{account}"),
            // Work on a person is exclusive already, so the same person may take up again what was cut off.
            owner: format!("{}/{}", self.tenant.id, self.person),
        }
    }
}

/// A lease that somebody holds, or is about to.
#[derive(Clone)]
pub(super) struct Lease {
    store: Store,
    clock: Clock,
    name: String,
    owner: String,
}

impl Lease {
    /// Takes or prolongs it; false while somebody else has it.
    pub(super) async fn acquire(&self) -> Result<bool, store::Error> {
        let (name, owner, now) = (self.name.clone(), self.owner.clone(), self.clock.now());
        let fence = self.store.write(move |tx| leases::acquire(tx, &name, &owner, now, LEASE)).await?;
        Ok(fence.is_some())
    }

    /// Prolongs it; ends when it is lost.
    pub(super) async fn keep(&self) {
        loop {
            tokio::time::sleep(LEASE / 3).await;
            match self.acquire().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, lease = self.name, "a lease was not prolonged"),
            }
        }
    }

    /// Does `work` while nobody else holds the lease. Where its answer was lost nobody knows what RingCX is still at, so then the
    /// lease runs out by itself, or with the next try of the same person.
    pub(super) async fn during<T>(
        &self,
        work: Pin<Box<dyn Future<Output = Result<T, upstream::Error>> + Send + '_>>,
    ) -> Result<T, upstream::Error> {
        let patience = Instant::now() + PATIENCE;
        while !self.acquire().await.map_err(|error| unavailable(false, &error))? {
            if Instant::now() > patience {
                return Err(unavailable(false, &"other work on it takes long"));
            }
            tokio::time::sleep(LOOK).await;
        }
        let done = tokio::select! {
            done = work => done,
            () = self.keep() => Err(unavailable(true, &"the lease on it was lost")),
        };
        if !matches!(&done, Err(error) if error.may_have_been_applied()) {
            self.release().await.map_err(|error| unavailable(true, &error))?;
        }
        done
    }

    /// Gives it back.
    pub(super) async fn release(&self) -> Result<(), store::Error> {
        let (name, owner) = (self.name.clone(), self.owner.clone());
        self.store.write(move |tx| leases::release(tx, &name, &owner)).await
    }
}

/// What keeps a change from being made, or from being known to be made.
pub(super) fn unavailable(maybe_applied: bool, why: &impl std::fmt::Display) -> upstream::Error {
    upstream::Error::Unavailable { maybe_applied, message: format!("The change waits: {why}.") }
}
