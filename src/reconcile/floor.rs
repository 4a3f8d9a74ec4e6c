//! The last-admin floor: somebody besides the bridge must always be able to administer the account.
//!
//! Counted over enabled `SUPER_USER` accounts other than the bridge's own, from a fresh list, under one lease per main account:
//! of two that would go at the same moment, on whatever replicas, the second sees that the first has gone.

use std::time::Duration;

use serde_json::json;

use super::alert;
use super::case::Case;
use super::lease::Lease;
use super::trouble::Trouble;
use crate::domain::desired::Desired;
use crate::domain::plan::Step;
use crate::domain::policy::Mode;
use crate::scim;
use crate::store::audit;
use crate::upstream::model::{RoleType, UserId};

/// How soon it is asked for again while somebody else has it.
const TAKEN: Duration = Duration::from_millis(500);

/// The role that can administer everything.
pub(super) fn super_user() -> RoleType {
    RoleType::new("SUPER_USER")
}

impl Case<'_> {
    /// The administrator who would no longer be an enabled `SUPER_USER` after these steps.
    fn takes_super_user(&self, steps: &[Step]) -> Option<UserId> {
        let seen = self.seen.admin.as_ref()?;
        if !seen.admin.enabled() || !seen.roles.contains(&super_user()) {
            return None;
        }
        let takes = |step: &Step| match step {
            Step::DisableAdmin(_) | Step::DeleteAdmin(_) => true,
            Step::RevokeRole(_, role) => *role == super_user(),
            _ => false,
        };
        steps.iter().any(takes).then_some(seen.id)
    }

    /// Carries the steps out, under the lease where they take the power of a `SUPER_USER`; the refusal where the floor holds. In a
    /// dry run they are only held against it.
    pub(super) async fn carry_out_all(
        &mut self,
        steps: &[Step],
        desired: &Desired,
    ) -> Result<Option<scim::Error>, Trouble> {
        let dry = self.tenant.policy.mode == Mode::DryRun;
        let holds = match self.takes_super_user(steps) {
            Some(id) if dry => (!self.another_super_user(id).await?).then_some(id),
            Some(id) => (!self.apply_above_floor(id, steps, desired).await?).then_some(id),
            None if dry => None,
            None => {
                self.apply(steps, desired).await?;
                None
            }
        };
        match holds {
            // Whether it is one at all could not be read; nobody is alarmed before that is known.
            Some(id) if self.sight.roles => Ok(Some(self::holds(id))),
            Some(id) => self.floor_holds(id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Carries the steps out under the lease, unless the floor holds; whether they were carried out.
    async fn apply_above_floor(
        &mut self,
        leaving: UserId,
        steps: &[Step],
        desired: &Desired,
    ) -> Result<bool, Trouble> {
        let lease = self.floor_lease().await?;
        let keeper = lease.clone();
        let done = tokio::select! {
            done = self.apply_if_others(leaving, steps, desired) => done,
            () = keeper.keep() => {
                Err(Trouble::Unavailable(TAKEN, "The lease on the administrators was lost.".to_owned()))
            }
        };
        // With an answer outstanding nobody knows who is still there, so the lease runs out by itself.
        if !matches!(done, Err(Trouble::Lost(_))) {
            lease.release().await?;
        }
        done
    }

    async fn apply_if_others(
        &mut self,
        leaving: UserId,
        steps: &[Step],
        desired: &Desired,
    ) -> Result<bool, Trouble> {
        if !self.another_super_user(leaving).await? {
            return Ok(false);
        }
        self.apply(steps, desired).await.map(|()| true)
    }

    /// Tells auditor and operator that the floor holds.
    async fn floor_holds(&self, id: UserId) -> Result<scim::Error, Trouble> {
        let why = holds(id);
        let record = self.decision("last_admin_floor", &json!({"userId": id}));
        let (tenant, now, text) = (self.tenant.id.clone(), self.clock.now(), why.detail.clone());
        self.store
            .write(move |tx| {
                audit::append(tx, &tenant, &record)?;
                alert::raise(tx, &tenant, alert::Kind::LastAdminFloor, &id.to_string(), &text, now)
            })
            .await?;
        Ok(why)
    }

    async fn floor_lease(&self) -> Result<Lease, Trouble> {
        let lease = self.lease_on("last-admin");
        if lease.acquire().await? {
            return Ok(lease);
        }
        let why = "Another administrator is being switched off at this moment; this one waits for that.";
        Err(Trouble::Unavailable(TAKEN, why.to_owned()))
    }

    /// Whether somebody else could still administer the account; asked from a fresh list.
    async fn another_super_user(&self, leaving: UserId) -> Result<bool, Trouble> {
        let admins = self.calls.admins().await;
        let admins = admins.map_err(|error| Trouble::reading("the list of administrators", &error))?;
        let others = admins.iter().filter(|admin| {
            admin.enabled()
                && admin.roles().contains(&super_user())
                && admin.id() != Some(leaving)
                && admin.id() != self.known.own_user
        });
        // One of them may be the bridge's own account, where RingCX does not say which that is.
        let needed = if self.known.own_user.is_some() { 1 } else { 2 };
        Ok(others.count() >= needed)
    }
}

/// What is said where the floor holds.
fn holds(id: UserId) -> scim::Error {
    scim::Error::new(
        409,
        format!(
            "RingCX administrator {id} is the last enabled one with SUPER_USER besides the bridge's own account (last-admin \
             floor) and stays as it is; appoint another one first."
        ),
    )
}
