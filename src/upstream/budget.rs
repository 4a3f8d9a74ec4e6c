//! When a call may go out.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::model::Lane;

/// A future that can be stored.
pub(super) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Decides when a call may go out, for everybody who uses the same RingCX identity.
pub trait Budget: Send + Sync {
    /// Waits for a place in `lane`, or says how long it would take when that is after `give_up_at`.
    fn acquire(&self, lane: Lane, give_up_at: Option<Instant>) -> BoxFuture<'_, Result<(), Duration>>;

    /// RingCX said "too many": nobody sends anything for this long.
    fn penalise(&self, after: Duration);
}

/// A bucket in this process: it holds a fifth of a minute's calls (at least 5), and refills evenly.
///
/// No 60 seconds see more than a full bucket and a minute's refill: 120 at a rate of 100, which is what RingCX documents. The last fifth of the bucket is for [`Lane::Deactivate`] and [`Lane::Revoke`]; waiters are served by
/// lane, then in order of arrival.
pub struct LocalBudget {
    state: Mutex<State>,
    ring: Notify,
    per_minute: f64,
    capacity: f64,
}

struct State {
    calls: f64,
    filled: Instant,
    penalty_until: Option<Instant>,
    waiting: BTreeSet<(Lane, u64)>,
    next_ticket: u64,
}

impl LocalBudget {
    /// A full bucket that refills with `per_minute` calls a minute.
    pub fn new(per_minute: u32) -> Self {
        let per_minute = f64::from(per_minute.max(1));
        let capacity = (per_minute / 5.0).max(5.0);
        let state = State {
            calls: capacity,
            filled: Instant::now(),
            penalty_until: None,
            waiting: BTreeSet::new(),
            next_ticket: 0,
        };
        Self { state: Mutex::new(state), ring: Notify::new(), per_minute, capacity }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a call for the first in line, or says how long to wait.
    fn take(&self, me: (Lane, u64)) -> Result<(), Duration> {
        let now = Instant::now();
        let mut state = self.state();
        if let Some(until) = state.penalty_until {
            if now < until {
                return Err(until - now);
            }
            state.penalty_until = None;
        }
        let gained = now.duration_since(state.filled).as_secs_f64() * self.per_minute / 60.0;
        state.calls = (state.calls + gained).min(self.capacity);
        state.filled = now;
        let reserve = if me.0 <= Lane::Revoke { 0.0 } else { self.capacity / 5.0 };
        // The reserve binds only while somebody urgent could want it: an idle bucket refills past it anyway.
        let missing = 1.0 + reserve - state.calls;
        if missing > f64::EPSILON {
            return Err(Duration::from_secs_f64(missing * 60.0 / self.per_minute));
        }
        if state.waiting.first().is_some_and(|first| *first < me) {
            return Err(Duration::from_millis(1));
        }
        state.calls -= 1.0;
        Ok(())
    }

    async fn wait(&self, lane: Lane, give_up_at: Option<Instant>) -> Result<(), Duration> {
        let place = {
            let mut state = self.state();
            let place = (lane, state.next_ticket);
            state.next_ticket += 1;
            state.waiting.insert(place);
            Place { budget: self, place }
        };
        loop {
            let ring = self.ring.notified();
            match self.take(place.place) {
                Ok(()) => return Ok(()),
                Err(wait) => {
                    let ready = Instant::now() + wait;
                    if give_up_at.is_some_and(|end| ready > end) {
                        return Err(wait);
                    }
                    tokio::select! {
                        () = ring => {}
                        () = tokio::time::sleep_until(ready) => {}
                    }
                }
            }
        }
    }
}

/// A place in the line, left when its owner has got a call or has gone away.
struct Place<'a> {
    budget: &'a LocalBudget,
    place: (Lane, u64),
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.budget.state().waiting.remove(&self.place);
        self.budget.ring.notify_waiters();
    }
}

impl Budget for LocalBudget {
    fn acquire(&self, lane: Lane, give_up_at: Option<Instant>) -> BoxFuture<'_, Result<(), Duration>> {
        Box::pin(self.wait(lane, give_up_at))
    }

    fn penalise(&self, after: Duration) {
        let until = Instant::now() + after;
        let mut state = self.state();
        if state.penalty_until.is_none_or(|now| now < until) {
            state.penalty_until = Some(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_minute_sees_more_than_the_rate_and_one_bucket() {
        let budget = LocalBudget::new(100);
        let end = Instant::now() + Duration::from_mins(1);
        let mut sent = 0;
        while budget.acquire(Lane::Update, Some(end)).await.is_ok() {
            sent += 1;
        }
        assert!((110..=120).contains(&sent), "{sent}");
    }

    #[tokio::test(start_paused = true)]
    async fn urgent_lanes_go_first() {
        let budget = Arc::new(LocalBudget::new(60));
        while budget.acquire(Lane::Deactivate, Some(Instant::now())).await.is_ok() {}
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for lane in [Lane::Reconcile, Lane::Update, Lane::Deactivate] {
            let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                budget.acquire(lane, None).await.unwrap();
                order.lock().unwrap().push(lane);
            }));
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [Lane::Deactivate, Lane::Update, Lane::Reconcile]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_fifth_is_kept_for_taking_access_away() {
        let budget = LocalBudget::new(60);
        let now = Some(Instant::now());
        let mut ordinary = 0;
        while budget.acquire(Lane::Update, now).await.is_ok() {
            ordinary += 1;
        }
        assert_eq!(ordinary, 9);
        assert!(budget.acquire(Lane::Revoke, now).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_penalty_stops_everybody() {
        let budget = LocalBudget::new(60);
        budget.penalise(Duration::from_secs(30));
        let wait = budget.acquire(Lane::Deactivate, Some(Instant::now())).await.unwrap_err();
        assert!(wait > Duration::from_secs(29));
        let start = Instant::now();
        budget.acquire(Lane::Deactivate, None).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(30));
    }
}
