//! The usage groups of the RingCentral platform: each has a limit of its own, and one that is used up stops only itself.
//!
//! The documented limits are a beginning: the platform says on each answer to which group a call belongs and how many calls
//! a minute the group takes, and an app may have more or fewer than usual. What was sent and what is stopped is counted in
//! the budget, so that all replicas and commands with one credential know it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::upstream::budget::Budget;

/// The longest that a call waits for its place by itself: reading a long list goes on at the pace of the group, and a penalty
/// is told to the caller.
const PATIENCE: Duration = Duration::from_secs(5);

/// The documented group of an operation, which the platform's own word replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Group {
    /// Signing in: 5 a minute.
    Auth,
    /// Lists: 40 a minute.
    Medium,
}

impl Group {
    const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Medium => "medium",
        }
    }
}

/// The limit of a group by its name, in calls a minute, as RingCentral documents it; an unknown group counts as the slowest.
fn usual(name: &str) -> u32 {
    match name {
        "light" => 50,
        "medium" => 40,
        _ => 10,
    }
}

/// What the platform said on an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::upstream) struct Said {
    /// The group of the call.
    pub(in crate::upstream) group: Option<String>,
    /// How many calls a minute it takes.
    pub(in crate::upstream) per_minute: Option<u32>,
}

/// The groups as they are known, and the budget in which their calls are counted.
pub(in crate::upstream) struct Usage {
    budget: Arc<dyn Budget>,
    auth_per_minute: u32,
    learned: Mutex<Learned>,
}

#[derive(Default)]
struct Learned {
    groups: BTreeMap<&'static str, String>,
    limits: BTreeMap<String, u32>,
}

impl Usage {
    /// Nothing is known yet; signing in may happen `auth_per_minute` times a minute.
    pub(in crate::upstream) fn new(budget: Arc<dyn Budget>, auth_per_minute: u32) -> Self {
        Self { budget, auth_per_minute, learned: Mutex::default() }
    }

    /// Takes a call, or says how long there is none.
    pub(in crate::upstream) async fn admit(&self, operation: &str, group: Group) -> Result<(), Duration> {
        let (name, limit) = self.limit(operation, group);
        match self.budget.acquire_of(&name, limit).await {
            Err(wait) if wait <= PATIENCE => {
                tokio::time::sleep(wait).await;
                self.budget.acquire_of(&name, limit).await
            }
            other => other,
        }
    }

    /// Believes the platform: the group of an operation, and the group's limit.
    pub(in crate::upstream) fn learn(&self, operation: &'static str, group: Group, said: &Said) {
        let mut learned = self.learned();
        if let Some(name) = &said.group {
            learned.groups.insert(operation, name.to_ascii_lowercase());
        }
        if let Some(limit) = said.per_minute {
            let name = learned.groups.get(operation).map_or(group.name(), String::as_str).to_owned();
            learned.limits.insert(name, limit);
        }
    }

    /// Nothing of the operation's group is sent for this long: each call in a penalty would begin it again.
    pub(in crate::upstream) async fn stop(&self, operation: &str, group: Group, after: Duration) {
        let (name, _) = self.limit(operation, group);
        self.budget.penalise_of(&name, after).await;
    }

    /// The name under which a call is counted, and how many of its kind a minute takes.
    fn limit(&self, operation: &str, group: Group) -> (String, u32) {
        let learned = self.learned();
        let name = learned.groups.get(operation).map_or(group.name(), String::as_str);
        let usual = if group == Group::Auth { self.auth_per_minute } else { usual(name) };
        (format!("platform-{name}"), learned.limits.get(name).copied().unwrap_or(usual))
    }

    fn learned(&self) -> std::sync::MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::LocalBudget;

    const LIST: &str = "listExtensions";
    const MINUTE: Duration = Duration::from_mins(1);

    fn usage() -> Usage {
        Usage::new(Arc::new(LocalBudget::new(100)), 5)
    }

    fn said(group: &str, per_minute: u32) -> Said {
        Said { group: Some(group.to_owned()), per_minute: Some(per_minute) }
    }

    #[tokio::test(start_paused = true)]
    async fn each_group_has_its_own_limit_and_penalty() {
        let usage = usage();
        for _ in 0..5 {
            usage.admit("getToken", Group::Auth).await.unwrap();
        }
        assert_eq!(usage.admit("getToken", Group::Auth).await, Err(MINUTE));
        usage.admit(LIST, Group::Medium).await.unwrap();
        usage.stop(LIST, Group::Medium, Duration::from_secs(7)).await;
        assert_eq!(usage.admit(LIST, Group::Medium).await, Err(Duration::from_secs(7)));
        tokio::time::advance(MINUTE).await;
        usage.admit(LIST, Group::Medium).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_platforms_word_on_group_and_limit_is_believed() {
        let usage = usage();
        usage.learn(LIST, Group::Medium, &said("Heavy", 2));
        for _ in 0..2 {
            usage.admit(LIST, Group::Medium).await.unwrap();
        }
        assert_eq!(usage.admit(LIST, Group::Medium).await, Err(MINUTE));
        // Another operation of the group shares its limit; one of another group does not.
        usage.learn("other", Group::Medium, &Said { group: Some("heavy".to_owned()), per_minute: None });
        assert_eq!(usage.admit("other", Group::Medium).await, Err(MINUTE));
        usage.admit("third", Group::Medium).await.unwrap();
        usage.learn(LIST, Group::Medium, &said("heavy", 3));
        usage.admit(LIST, Group::Medium).await.unwrap();
    }
}
