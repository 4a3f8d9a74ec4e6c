//! The budget of upstream calls, shared by all replicas and tenants that use the same RingCX identity.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Clock;
use crate::store::budgets::{self, Bucket, Taken};
use crate::store::{self, Store, Tx};
use crate::upstream::{BELIEVED, BoxFuture, Budget, Lane, Line, Ticket};

/// The longest pause between two looks at the bucket.
const LOOK: Duration = Duration::from_millis(500);

/// A bucket of calls in the store: one row per identity, so that two replicas never send more than one of them may.
///
/// Within a process only the first in line looks at the row, so waiting costs the same however many wait.
pub struct SharedBudget {
    store: Store,
    clock: Clock,
    identity: String,
    /// As configured.
    per_minute: u32,
    /// As RingCX said at any replica, and no more than configured.
    rate: AtomicU32,
    limit: Mutex<Told>,
    line: Line,
    /// The end of a penalty, known here before it is in the store.
    penalty_until: Mutex<Option<Instant>>,
}

/// What RingCX said to this process about its limit.
#[derive(Default)]
struct Told {
    last: Option<(u32, Instant)>,
    /// Not in the store yet.
    news: bool,
}

impl SharedBudget {
    /// The bucket of `identity`, which refills with `per_minute` calls a minute.
    pub fn new(store: Store, clock: Clock, identity: String, per_minute: u32) -> Self {
        Self {
            store,
            clock,
            identity,
            per_minute: per_minute.max(1),
            rate: AtomicU32::new(per_minute.max(1)),
            limit: Mutex::default(),
            line: Line::default(),
            penalty_until: Mutex::default(),
        }
    }

    async fn wait(
        &self,
        lane: Lane,
        ticket: Option<&Ticket>,
        give_up_at: Option<Instant>,
    ) -> Result<(), Duration> {
        let place = self.line.enter(lane, ticket);
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
        let (identity, now, configured) = (self.identity.clone(), self.clock.now(), self.per_minute);
        let news = self.news();
        let taken = move |tx: &mut Tx<'_>| {
            if let Some(limit) = news {
                budgets::learn(tx, &identity, limit, now + BELIEVED)?;
            }
            let limit = budgets::limit(tx, &identity, now)?;
            let rate = limit.map_or(configured, |limit| limit.min(configured));
            // The last fifth is kept for taking access away.
            let bucket = Bucket::of_calls(rate, lane <= Lane::Revoke);
            Ok::<_, store::Error>((budgets::take(tx, &identity, now, bucket)?, rate))
        };
        // Without the store nothing can be recorded either, so nothing is sent.
        let Ok((taken, rate)) = self.store.write(taken).await else { return Some(LOOK) };
        self.rate.store(rate, Ordering::Relaxed);
        match taken {
            Taken::Yes => None,
            Taken::Wait(wait) => Some(wait),
            Taken::Stopped(left) => {
                self.know_penalty(left);
                Some(left)
            }
        }
    }

    /// What RingCX said about its limit and the store does not know yet.
    fn news(&self) -> Option<u32> {
        let mut told = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut told.news).then_some(told.last?.0)
    }

    fn penalty(&self) -> Option<Duration> {
        let until = *self.penalty_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.map(|until| until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    fn know_penalty(&self, left: Duration) {
        let until = Some(Instant::now() + left);
        let mut known = self.penalty_until.lock().unwrap_or_else(PoisonError::into_inner);
        *known = (*known).max(until);
    }

    async fn take_of(&self, identity: String, per_minute: u32) -> Result<(), Duration> {
        let (now, bucket) = (self.clock.now(), Bucket::of_exchanges(per_minute));
        let taken = move |tx: &mut Tx<'_>| budgets::take(tx, &identity, now, bucket);
        match self.store.write(taken).await {
            Ok(Taken::Yes) => Ok(()),
            Ok(Taken::Wait(wait) | Taken::Stopped(wait)) => Err(wait),
            Err(_) => Err(LOOK),
        }
    }

    async fn stop(&self, identity: String, after: Duration) {
        let until = self.clock.now() + after;
        let written: Result<(), store::Error> =
            self.store.write(move |tx| budgets::penalise(tx, &identity, until)).await;
        if let Err(error) = written {
            tracing::warn!(%error, "a penalty was not written down; other replicas do not know of it");
        }
    }
}

impl Budget for SharedBudget {
    fn acquire<'a>(
        &'a self,
        lane: Lane,
        ticket: Option<&'a Ticket>,
        give_up_at: Option<Instant>,
    ) -> BoxFuture<'a, Result<(), Duration>> {
        Box::pin(self.wait(lane, ticket, give_up_at))
    }

    fn acquire_of(&self, limit: &str, per_minute: u32) -> BoxFuture<'_, Result<(), Duration>> {
        Box::pin(self.take_of(format!("{}/{limit}", self.identity), per_minute))
    }

    fn penalise_of(&self, limit: &str, after: Duration) -> BoxFuture<'_, ()> {
        Box::pin(self.stop(format!("{}/{limit}", self.identity), after))
    }

    fn penalise(&self, after: Duration) -> BoxFuture<'_, ()> {
        self.know_penalty(after);
        Box::pin(self.stop(self.identity.clone(), after))
    }

    fn penalty_left(&self) -> Duration {
        self.penalty().unwrap_or_default()
    }

    fn learn(&self, per_minute: u32) {
        let (per_minute, now) = (per_minute.max(1), Instant::now());
        let mut told = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        let known = told.last.is_some_and(|(last, at)| last == per_minute && now - at < BELIEVED / 2);
        if !known {
            *told = Told { last: Some((per_minute, now)), news: true };
            self.rate.store(per_minute.min(self.per_minute), Ordering::Relaxed);
        }
    }

    fn per_minute(&self) -> u32 {
        self.rate.load(Ordering::Relaxed)
    }
}
