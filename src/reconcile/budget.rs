//! The budget of upstream calls, shared by all replicas and tenants that use the same RingCX identity.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Clock;
use crate::store::{Store, budgets};
use crate::upstream::{Budget, Lane};

/// The longest pause between two looks at the bucket.
const LOOK: Duration = Duration::from_millis(500);

/// A bucket of calls in the store: one row per identity, so that two replicas never send more than one of them may.
pub struct SharedBudget {
    store: Store,
    clock: Clock,
    identity: String,
    per_minute: u32,
}

impl SharedBudget {
    /// The bucket of `identity`, which refills with `per_minute` calls a minute.
    pub fn new(store: Store, clock: Clock, identity: String, per_minute: u32) -> Self {
        Self { store, clock, identity, per_minute }
    }

    async fn take(&self, lane: Lane, give_up_at: Option<Instant>) -> Result<(), Duration> {
        // The last fifth is kept for taking access away.
        let urgent = matches!(lane, Lane::Deactivate | Lane::Revoke);
        loop {
            let (identity, now, rate) = (self.identity.clone(), self.clock.now(), self.per_minute);
            let taken = self.store.write(move |tx| budgets::take(tx, &identity, now, rate, urgent)).await;
            let wait = match taken {
                Ok(budgets::Taken::Yes) => return Ok(()),
                Ok(budgets::Taken::Wait(wait)) => wait,
                // Without the store nothing can be recorded either, so nothing is sent.
                Err(_) => LOOK,
            };
            let ready = Instant::now() + wait;
            if give_up_at.is_some_and(|end| ready > end) {
                return Err(wait);
            }
            // Lower lanes look a little later, so that a free call goes to the higher one.
            let behind = Duration::from_millis(5 * lane as u64);
            tokio::time::sleep(wait.min(LOOK) + behind).await;
        }
    }
}

impl Budget for SharedBudget {
    fn acquire(
        &self,
        lane: Lane,
        give_up_at: Option<Instant>,
    ) -> Pin<Box<dyn Future<Output = Result<(), Duration>> + Send + '_>> {
        Box::pin(self.take(lane, give_up_at))
    }

    fn penalise(&self, after: Duration) {
        let (store, identity, until) = (self.store.clone(), self.identity.clone(), self.clock.now() + after);
        tokio::spawn(async move {
            let stored = store.write(move |tx| budgets::penalise(tx, &identity, until)).await;
            if let Err(error) = stored {
                tracing::warn!(%error, "a penalty of RingCX was not written down");
            }
        });
    }
}
