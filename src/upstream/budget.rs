//! When a call may go out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::model::Lane;

/// A future that can be stored.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Decides when a call may go out, for everybody who uses the same RingCX identity.
pub trait Budget: Send + Sync {
    /// Waits for a call in `lane`, or says how long it would take when that is after `give_up_at`. Work with a ticket goes
    /// before everybody in its lane who came after the first call of that ticket.
    fn acquire<'a>(
        &'a self,
        lane: Lane,
        ticket: Option<&'a Ticket>,
        give_up_at: Option<Instant>,
    ) -> BoxFuture<'a, Result<(), Duration>>;

    /// Takes one of the `per_minute` calls of a limit beside the budget, such as that of token exchanges or of a usage group of
    /// RingCentral, or says how long there is none.
    fn acquire_of(&self, limit: &str, per_minute: u32) -> BoxFuture<'_, Result<(), Duration>>;

    /// Stops the calls of such a limit: when this returns, nobody sends one for this long.
    fn penalise_of(&self, limit: &str, after: Duration) -> BoxFuture<'_, ()>;

    /// RingCX said "too many": when this returns, nobody sends anything for this long.
    fn penalise(&self, after: Duration) -> BoxFuture<'_, ()>;

    /// How long nothing may be sent, as far as this process knows; zero outside a penalty.
    fn penalty_left(&self) -> Duration;

    /// RingCX said how many calls a minute it takes. Fewer than configured are believed, for [`BELIEVED`] or until RingCX says
    /// something else.
    fn learn(&self, per_minute: u32);

    /// Calls a minute, as configured or as learned.
    fn per_minute(&self) -> u32;
}

/// How long a limit that RingCX named is believed. Some installations name it only when it was passed, so one that was lowered for
/// an hour would hold for ever.
pub const BELIEVED: Duration = Duration::from_hours(1);

/// Those who wait for a call: by lane, then in order of arrival. Only the first asks for it.
#[derive(Default)]
pub struct Line {
    waiting: Mutex<(BTreeSet<Position>, u64)>,
    ring: Notify,
}

/// By lane, then by the number of the ticket, or of the call itself where there is none; then by call.
type Position = (Lane, u64, u64);

/// The place in line of calls that belong together: the first of them draws the number, and the others keep it.
///
/// Whoever has looked can so change what it saw at once, instead of standing in line between the look and the change while
/// somebody else changes it.
#[derive(Clone, Debug, Default)]
pub struct Ticket(Arc<OnceLock<u64>>);

/// A place in the line, left when its owner has got a call or has gone away.
pub struct Place<'a> {
    line: &'a Line,
    place: Position,
}

impl Line {
    /// Joins the line, where the ticket says.
    pub fn enter(&self, lane: Lane, ticket: Option<&Ticket>) -> Place<'_> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let number = waiting.1;
        let turn = ticket.map_or(number, |ticket| *ticket.0.get_or_init(|| number));
        let place = (lane, turn, number);
        waiting.1 += 1;
        waiting.0.insert(place);
        drop(waiting);
        self.ring.notify_waiters();
        Place { line: self, place }
    }
}

impl Place<'_> {
    /// Whether nobody stands before this place.
    pub fn is_first(&self) -> bool {
        let waiting = self.line.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.0.first() == Some(&self.place)
    }

    /// Ends when the line moves. Made before the look at the line, it misses no move after it.
    pub fn moves(&self) -> tokio::sync::futures::Notified<'_> {
        self.line.ring.notified()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.line.waiting.lock().unwrap_or_else(PoisonError::into_inner).0.remove(&self.place);
        self.line.ring.notify_waiters();
    }
}

/// A bucket in this process: it holds a fifth of a minute's calls (at least 5), and refills evenly.
///
/// No 60 seconds see more than a full bucket and a minute's refill: 120 at a rate of 100, which is what RingCX documents.
/// The last fifth of the bucket is for [`Lane::Deactivate`] and [`Lane::Revoke`].
pub struct LocalBudget {
    state: Mutex<State>,
    line: Line,
}

struct State {
    per_minute: u32,
    calls: f64,
    filled: Instant,
    /// What RingCX named as its limit, and until when that is believed.
    limit: Option<(u32, Instant)>,
    penalty_until: Option<Instant>,
    /// The limits beside the budget, by name.
    others: BTreeMap<String, Other>,
}

#[derive(Default)]
struct Other {
    /// When its calls of the last minute went out.
    sent: VecDeque<Instant>,
    stopped_until: Option<Instant>,
}

impl State {
    fn rate(&self) -> u32 {
        let limit = self.limit.filter(|(_, until)| Instant::now() < *until);
        limit.map_or(self.per_minute, |(limit, _)| limit.min(self.per_minute))
    }

    fn capacity(&self) -> f64 {
        (f64::from(self.rate()) / 5.0).max(5.0)
    }
}

impl LocalBudget {
    /// A full bucket that refills with `per_minute` calls a minute.
    pub fn new(per_minute: u32) -> Self {
        let mut state = State {
            per_minute: per_minute.max(1),
            calls: 0.0,
            filled: Instant::now(),
            limit: None,
            penalty_until: None,
            others: BTreeMap::new(),
        };
        state.calls = state.capacity();
        Self { state: Mutex::new(state), line: Line::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a call, or says how long to wait.
    fn take(&self, lane: Lane) -> Result<(), Duration> {
        let now = Instant::now();
        let mut state = self.state();
        if let Some(until) = state.penalty_until {
            if now < until {
                return Err(until - now);
            }
            state.penalty_until = None;
        }
        let per_second = f64::from(state.rate()) / 60.0;
        let gained = now.duration_since(state.filled).as_secs_f64() * per_second;
        state.calls = (state.calls + gained).min(state.capacity());
        state.filled = now;
        let reserve = if lane <= Lane::Revoke { 0.0 } else { state.capacity() / 5.0 };
        // The reserve binds only while somebody urgent could want it: an idle bucket refills past it anyway.
        let missing = 1.0 + reserve - state.calls;
        if missing > f64::EPSILON {
            return Err(Duration::from_secs_f64(missing / per_second));
        }
        state.calls -= 1.0;
        Ok(())
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
            let Err(wait) = self.take(lane) else { return Ok(()) };
            if give_up_at.is_some_and(|end| Instant::now() + wait > end) {
                return Err(wait);
            }
            tokio::select! {
                () = moves => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn take_of(&self, limit: &str, per_minute: u32) -> Result<(), Duration> {
        let (now, minute) = (Instant::now(), Duration::from_mins(1));
        let mut state = self.state();
        let other = state.others.entry(limit.to_owned()).or_default();
        if let Some(until) = other.stopped_until.filter(|until| now < *until) {
            return Err(until - now);
        }
        while other.sent.front().is_some_and(|at| now.duration_since(*at) >= minute) {
            other.sent.pop_front();
        }
        if other.sent.len() >= usize::try_from(per_minute).unwrap_or(usize::MAX) {
            let oldest = other.sent.front().copied().unwrap_or(now);
            return Err(minute.saturating_sub(now.duration_since(oldest)));
        }
        other.sent.push_back(now);
        Ok(())
    }
}

impl Budget for LocalBudget {
    fn acquire<'a>(
        &'a self,
        lane: Lane,
        ticket: Option<&'a Ticket>,
        give_up_at: Option<Instant>,
    ) -> BoxFuture<'a, Result<(), Duration>> {
        Box::pin(self.wait(lane, ticket, give_up_at))
    }

    fn acquire_of(&self, limit: &str, per_minute: u32) -> BoxFuture<'_, Result<(), Duration>> {
        Box::pin(std::future::ready(self.take_of(limit, per_minute)))
    }

    fn penalise_of(&self, limit: &str, after: Duration) -> BoxFuture<'_, ()> {
        let until = Instant::now() + after;
        let mut state = self.state();
        let other = state.others.entry(limit.to_owned()).or_default();
        other.stopped_until = other.stopped_until.max(Some(until));
        Box::pin(std::future::ready(()))
    }

    fn penalise(&self, after: Duration) -> BoxFuture<'_, ()> {
        let until = Instant::now() + after;
        let mut state = self.state();
        state.penalty_until = state.penalty_until.max(Some(until));
        Box::pin(std::future::ready(()))
    }

    fn penalty_left(&self) -> Duration {
        let until = self.state().penalty_until;
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    fn learn(&self, per_minute: u32) {
        self.state().limit = Some((per_minute.max(1), Instant::now() + BELIEVED));
    }

    fn per_minute(&self) -> u32 {
        self.state().rate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_of_one_ticket_follow_each_other() {
        let budget = Arc::new(LocalBudget::new(60));
        while budget.acquire(Lane::Update, None, Some(Instant::now())).await.is_ok() {}
        let order = Arc::new(Mutex::new(String::new()));
        let work = |name: char| {
            let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
            tokio::spawn(async move {
                let ticket = Ticket::default();
                for _ in 0..3 {
                    budget.acquire(Lane::Update, Some(&ticket), None).await.unwrap();
                    order.lock().unwrap().push(name);
                    tokio::task::yield_now().await;
                }
            })
        };
        let (first, second) = (work('a'), work('b'));
        first.await.unwrap();
        second.await.unwrap();
        assert_eq!(*order.lock().unwrap(), "aaabbb");
    }

    #[tokio::test(start_paused = true)]
    async fn no_minute_sees_more_than_the_rate_and_one_bucket() {
        let budget = LocalBudget::new(100);
        let end = Instant::now() + Duration::from_mins(1);
        let mut sent = 0;
        while budget.acquire(Lane::Update, None, Some(end)).await.is_ok() {
            sent += 1;
        }
        assert!((110..=120).contains(&sent), "{sent}");
    }

    #[tokio::test(start_paused = true)]
    async fn urgent_lanes_go_first() {
        let budget = Arc::new(LocalBudget::new(60));
        while budget.acquire(Lane::Deactivate, None, Some(Instant::now())).await.is_ok() {}
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for lane in [Lane::Reconcile, Lane::Update, Lane::Deactivate] {
            let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                budget.acquire(lane, None, None).await.unwrap();
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
        while budget.acquire(Lane::Update, None, now).await.is_ok() {
            ordinary += 1;
        }
        assert_eq!(ordinary, 9);
        assert!(budget.acquire(Lane::Revoke, None, now).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_penalty_stops_everybody() {
        let budget = LocalBudget::new(60);
        budget.penalise(Duration::from_secs(30)).await;
        let wait = budget.acquire(Lane::Deactivate, None, Some(Instant::now())).await.unwrap_err();
        assert!(wait > Duration::from_secs(29));
        let start = Instant::now();
        budget.acquire(Lane::Deactivate, None, None).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_sees_no_more_exchanges_than_allowed() {
        let budget = LocalBudget::new(60);
        for _ in 0..5 {
            budget.acquire_of("auth", 5).await.unwrap();
        }
        assert_eq!(budget.acquire_of("auth", 5).await, Err(Duration::from_mins(1)));
        tokio::time::advance(Duration::from_mins(1)).await;
        budget.acquire_of("auth", 5).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_lower_limit_of_ringcx_is_believed_for_a_time_a_higher_one_is_not() {
        let budget = LocalBudget::new(100);
        for (named, held) in [(1000, 100), (30, 30), (60, 60), (20, 20)] {
            budget.learn(named);
            assert_eq!(budget.per_minute(), held);
        }
        tokio::time::advance(BELIEVED).await;
        assert_eq!(budget.per_minute(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_penalty_of_exchanges_stops_exchanges_alone() {
        let budget = LocalBudget::new(60);
        budget.penalise_of("auth", Duration::from_secs(90)).await;
        assert_eq!(budget.acquire_of("auth", 5).await, Err(Duration::from_secs(90)));
        assert_eq!(budget.penalty_left(), Duration::ZERO);
        budget.acquire(Lane::Update, None, Some(Instant::now())).await.unwrap();
        tokio::time::advance(Duration::from_secs(90)).await;
        budget.acquire_of("auth", 5).await.unwrap();
    }
}
