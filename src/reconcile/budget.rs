//! The budget of upstream calls, shared by all replicas and tenants that use the same RingCX identity.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Clock;
use crate::store::budgets::{self, Bucket, Taken};
use crate::store::{self, Store, Tx};
use crate::upstream::{BoxFuture, Budget, Lane, Line};

/// The longest pause between two looks at the bucket.
const LOOK: Duration = Duration::from_millis(500);

/// A bucket of calls in the store: one row per identity, so that two replicas never send more than one of them may.
///
/// Within a process only the first in line looks at the row, so waiting costs the same however many wait.
pub struct SharedBudget {
    store: Store,
    clock: Clock,
    identity: String,
    per_minute: AtomicU32,
    line: Line,
    /// The end of a penalty, known here before it is in the store.
    penalty_until: Mutex<Option<Instant>>,
}

impl SharedBudget {
    /// The bucket of `identity`, which refills with `per_minute` calls a minute.
    pub fn new(store: Store, clock: Clock, identity: String, per_minute: u32) -> Self {
        Self {
            store,
            clock,
            identity,
            per_minute: AtomicU32::new(per_minute.max(1)),
            line: Line::default(),
            penalty_until: Mutex::default(),
        }
    }

    async fn wait(&self, lane: Lane, give_up_at: Option<Instant>) -> Result<(), Duration> {
        let place = self.line.enter(lane);
        loop {
            let moves = place.moves();
            if !place.is_first() {
                moves.await;
                continue;
            }
            let Some(wait) = self.ask(lane).await else { return Ok(()) };
            if give_up_at.is_some_and(|end| Instant::now() + wait > end) {
                return Err(wait);
            }
            tokio::select! {
                () = moves => {}
                () = tokio::time::sleep(wait.min(LOOK)) => {}
            }
        }
    }

    /// Takes a call, or says how long to wait.
    async fn ask(&self, lane: Lane) -> Option<Duration> {
        if let Some(left) = self.penalty() {
            return Some(left);
        }
        // The last fifth is kept for taking access away.
        let bucket = Bucket::of_calls(self.per_minute(), lane <= Lane::Revoke);
        let (identity, now) = (self.identity.clone(), self.clock.now());
        match self.store.write(move |tx| budgets::take(tx, &identity, now, bucket)).await {
            Ok(Taken::Yes) => None,
            Ok(Taken::Wait(wait)) => Some(wait),
            // Without the store nothing can be recorded either, so nothing is sent.
            Err(_) => Some(LOOK),
        }
    }

    fn penalty(&self) -> Option<Duration> {
        let until = *self.penalty_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.map(|until| until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    async fn take_auth(&self, per_minute: u32) -> Result<(), Duration> {
        let (identity, now) = (format!("{}/auth", self.identity), self.clock.now());
        let bucket = Bucket::of_exchanges(per_minute);
        let taken = move |tx: &mut Tx<'_>| budgets::take(tx, &identity, now, bucket);
        match self.store.write(taken).await {
            Ok(Taken::Yes) => Ok(()),
            Ok(Taken::Wait(wait)) => Err(wait),
            Err(_) => Err(LOOK),
        }
    }

    async fn stop(&self, after: Duration) {
        let until = Instant::now() + after;
        {
            let mut known = self.penalty_until.lock().unwrap_or_else(PoisonError::into_inner);
            *known = Some(known.map_or(until, |known| known.max(until)));
        }
        let (identity, until) = (self.identity.clone(), self.clock.now() + after);
        let written: Result<(), store::Error> =
            self.store.write(move |tx| budgets::penalise(tx, &identity, until)).await;
        if let Err(error) = written {
            tracing::warn!(%error, "a penalty of RingCX was not written down; other replicas do not know of it");
        }
    }
}

impl Budget for SharedBudget {
    fn acquire(&self, lane: Lane, give_up_at: Option<Instant>) -> BoxFuture<'_, Result<(), Duration>> {
        Box::pin(self.wait(lane, give_up_at))
    }

    fn acquire_auth(&self, per_minute: u32) -> BoxFuture<'_, Result<(), Duration>> {
        Box::pin(self.take_auth(per_minute))
    }

    fn penalise(&self, after: Duration) -> BoxFuture<'_, ()> {
        Box::pin(self.stop(after))
    }

    fn learn(&self, per_minute: u32) {
        self.per_minute.fetch_min(per_minute.max(1), Ordering::Relaxed);
    }

    fn per_minute(&self) -> u32 {
        self.per_minute.load(Ordering::Relaxed)
    }
}
