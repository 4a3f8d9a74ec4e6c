//! The usage groups of the RingCentral platform: each has a limit of its own, and one that is used up stops only itself.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The groups of the operations that are used here, as RingCentral documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::upstream) enum Group {
    /// Signing in: 5 a minute.
    Auth,
    /// Lists: 40 a minute.
    Medium,
}

impl Group {
    const fn usual(self) -> u32 {
        match self {
            Self::Auth => 5,
            Self::Medium => 40,
        }
    }
}

/// What was sent lately, by group.
#[derive(Default)]
pub(in crate::upstream) struct Usage(Mutex<BTreeMap<Group, Used>>);

#[derive(Default)]
struct Used {
    limit: Option<u32>,
    stopped_until: Option<Instant>,
    sent: VecDeque<Instant>,
}

const MINUTE: Duration = Duration::from_mins(1);

impl Usage {
    /// Takes a call of the group, or says how long there is none.
    pub(in crate::upstream) async fn admit(&self, group: Group) -> Result<(), Duration> {
        // Reading a long list waits out a full window by itself; a penalty is told to the caller.
        match self.take(group) {
            Err((wait, false)) if group == Group::Medium => {
                tokio::time::sleep(wait).await;
                self.take(group).map_err(|(wait, _)| wait)
            }
            other => other.map_err(|(wait, _)| wait),
        }
    }

    fn take(&self, group: Group) -> Result<(), (Duration, bool)> {
        let now = Instant::now();
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = groups.entry(group).or_default();
        if let Some(until) = used.stopped_until.filter(|until| now < *until) {
            return Err((until - now, true));
        }
        while used.sent.front().is_some_and(|at| now.duration_since(*at) >= MINUTE) {
            used.sent.pop_front();
        }
        let limit = usize::try_from(used.limit.unwrap_or(group.usual())).unwrap_or(usize::MAX);
        if let (true, Some(oldest)) = (used.sent.len() >= limit, used.sent.front()) {
            return Err((MINUTE.saturating_sub(now.duration_since(*oldest)), false));
        }
        used.sent.push_back(now);
        Ok(())
    }

    /// The platform's own word on the limit, in calls a minute: an app may have more or fewer than usual.
    pub(in crate::upstream) fn learn(&self, group: Group, limit: u32) {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        groups.entry(group).or_default().limit = Some(limit);
    }

    /// Nothing of the group is sent for this long: each call in a penalty would begin it again.
    pub(in crate::upstream) fn stop(&self, group: Group, after: Duration) {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        groups.entry(group).or_default().stopped_until = Some(Instant::now() + after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_group_has_its_own_limit_and_penalty() {
        let usage = Usage::default();
        for _ in 0..5 {
            usage.admit(Group::Auth).await.unwrap();
        }
        assert_eq!(usage.admit(Group::Auth).await, Err(MINUTE));
        usage.admit(Group::Medium).await.unwrap();
        usage.stop(Group::Medium, Duration::from_secs(7));
        assert_eq!(usage.admit(Group::Medium).await, Err(Duration::from_secs(7)));
        tokio::time::advance(MINUTE).await;
        usage.admit(Group::Medium).await.unwrap();
        usage.learn(Group::Auth, 6);
        for _ in 0..6 {
            usage.admit(Group::Auth).await.unwrap();
        }
    }
}
