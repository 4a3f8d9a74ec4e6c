//! Access: whether a person can do anything in RingCX, and how many may lose that at once.

use super::desired::Desired;
use super::link::Link;
use super::policy::Policy;

/// What a person can use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// An agent, or the prospect of one.
    pub agent: bool,
    /// Anything administrative.
    pub admin: bool,
}

impl Access {
    /// What somebody can use who gets what is desired.
    pub fn of(desired: &Desired, link: &Link) -> Self {
        let agent = desired.agent.as_ref().is_some_and(|it| it.group.is_some() || link.agent.is_some());
        Self { agent: desired.active && agent, admin: desired.active && desired.admin.is_some() }
    }

    /// Whether one of the two is gone in `after`. Another agent group or fewer roles are no loss.
    pub fn loses(self, after: Self) -> bool {
        (self.agent && !after.agent) || (self.admin && !after.admin)
    }
}

/// The most people who may lose access within an hour: 5 % of those active, at least 5 and at most 25, unless a setting says it.
pub fn most_in_an_hour(policy: &Policy, active: u64) -> u64 {
    policy.mass_change_per_hour.unwrap_or((active / 20).clamp(5, 25))
}

/// The most people who may lose access within a day: 10 % of those active, at least 5, unless a setting says it.
pub fn most_in_a_day(policy: &Policy, active: u64) -> u64 {
    policy.mass_change_per_day.unwrap_or((active / 10).max(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_grow_with_the_tenant_between_their_bounds() {
        let policy = Policy::default();
        for (active, hour, day) in
            [(0, 5, 5), (50, 5, 5), (119, 5, 11), (120, 6, 12), (380, 19, 38), (500, 25, 50), (9000, 25, 900)]
        {
            assert_eq!(
                (most_in_an_hour(&policy, active), most_in_a_day(&policy, active)),
                (hour, day),
                "{active}"
            );
        }
        let policy = Policy { mass_change_per_hour: Some(1), mass_change_per_day: Some(2), ..policy };
        assert_eq!((most_in_an_hour(&policy, 380), most_in_a_day(&policy, 380)), (1, 2));
    }

    #[test]
    fn only_what_is_gone_altogether_is_a_loss() {
        let both = Access { agent: true, admin: true };
        let agent = Access { agent: true, admin: false };
        assert!(both.loses(agent) && agent.loses(Access::default()));
        assert!(!agent.loses(both) && !agent.loses(agent) && !Access::default().loses(Access::default()));
    }
}
