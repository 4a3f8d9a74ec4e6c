//! Guards: looked at before the first changing call, so that a refusal leaves nothing half done.
//!
//! A leaver is the exception: what may be switched off is switched off all the same, and the answer says what was kept.

use super::case::Case;
use super::matching;
use super::tenant::{Known, Tenant};
use super::trouble::Trouble;
use crate::domain::desired::Desired;
use crate::domain::grant;
use crate::domain::plan::Scope;
use crate::scim;
use crate::upstream::model::{Admin, UserId};

impl Case<'_> {
    /// Refuses what would touch an account that is not ours to touch. For a leaver such an account is taken out of `scope`, and
    /// the refusal is given back, to be told when the rest is done.
    pub(super) async fn guard(
        &mut self,
        desired: &Desired,
        scope: &mut Scope,
    ) -> Result<Option<scim::Error>, Trouble> {
        self.prove_adoption().await?;
        let leaves = !desired.active;
        if let Some(wanted) = desired.admin.as_ref().filter(|_| !leaves && scope.admin)
            && self.link.admin.is_none()
            && !self.before.admin
        {
            // Before an agent is made for nothing.
            self.refuse_known_admin(&wanted.user_name).await?;
        }
        let mut kept = None;
        if let Some(why) = self.untouchable_agent() {
            if !leaves {
                return Err(Trouble::Refused(why));
            }
            scope.agent = false;
            kept = Some(why);
        }
        if let Some(why) = self.untouchable_admin() {
            if !leaves {
                return Err(Trouble::Refused(why));
            }
            scope.admin = false;
            kept = Some(why);
        }
        Ok(kept)
    }

    /// An administrator that was taken over by a create alone must not hold what lets its holder gain more: that would hand
    /// its future to the identity provider, and a person decides on it.
    async fn prove_adoption(&mut self) -> Result<(), Trouble> {
        let (Some(link), Some(seen)) = (&mut self.link.admin, &self.seen.admin) else { return Ok(()) };
        if !link.unproven {
            return Ok(());
        }
        if !seen.roles.iter().any(grant::is_privileged) && !seen.admin.root_user() {
            link.unproven = false;
            link.found_roles = Some(seen.roles.clone());
            return self.save_link().await;
        }
        let what = format!("RingCX administrator {} has this user name and holds privileged roles", seen.id);
        let why = if seen.admin.root_user() { own_account(seen.id) } else { matching::question(&what) };
        self.link.admin = None;
        self.save_link().await?;
        Err(Trouble::Refused(why))
    }

    /// Why the agent that was seen is not ours to touch.
    fn untouchable_agent(&self) -> Option<scim::Error> {
        let seen = self.seen.agent.as_ref()?;
        let login = seen.agent.username().unwrap_or_default();
        self.tenant.policy.protects(seen.id.0, login).then(|| protected("agent", seen.id.0))
    }

    /// Why the administrator who was seen is not ours to touch.
    fn untouchable_admin(&self) -> Option<scim::Error> {
        let seen = self.seen.admin.as_ref()?;
        if self.protects(&seen.admin) {
            return Some(protected("administrator", seen.id.0));
        }
        if self.is_untouchable(&seen.admin) {
            return Some(own_account(seen.id));
        }
        // Where RingCX does not say which one is the bridge's own, it could be any that the bridge has not made.
        let ours = self.link.admin.as_ref().is_some_and(|link| link.ours);
        (self.known.own_user.is_none() && !ours).then(|| perhaps_own(seen.id))
    }

    /// Whether an administrator is never a target: protected, the bridge's own account, or the root user.
    pub(super) fn is_untouchable(&self, admin: &Admin) -> bool {
        let own = admin.id().is_some() && admin.id() == self.known.own_user;
        own || admin.root_user() || self.protects(admin)
    }

    fn protects(&self, admin: &Admin) -> bool {
        let login = admin.user_name().unwrap_or_default();
        admin.id().is_some_and(|id| self.tenant.policy.protects(id.0, login))
    }
}

/// Why an administrator of this id and login name is not ours to touch, as far as that is known without a look.
pub(super) fn untouchable(tenant: &Tenant, known: &Known, id: UserId, login: &str) -> Option<scim::Error> {
    if tenant.policy.protects(id.0, login) {
        return Some(protected("administrator", id.0));
    }
    (known.own_user == Some(id)).then(|| own_account(id))
}

/// The answer to a wish for an administrator that RingCX has already, and that nobody here is.
pub(super) fn question_of_admin(id: UserId) -> scim::Error {
    scim::Error::uniqueness(format!(
        "RingCX already has an administrator with this user name (userId {id}), who is never taken over silently: decide with \
         `ringcx-scim import --decide admin:{id}=link:PERSON`, or `=new` where nobody here is that person yet (one with a \
         privileged role needs adopt_admins = true as well), or remove it in RingCX."
    ))
}

fn protected(kind: &str, id: i64) -> scim::Error {
    scim::Error::mutability(format!(
        "RingCX {kind} {id} is protected by the setting protected; it is never changed by provisioning."
    ))
}

fn perhaps_own(id: UserId) -> scim::Error {
    scim::Error::mutability(format!(
        "RingCX does not say which administrator is the bridge's own account, so {id}, which the bridge has not made, is left as it \
         is; see `ringcx-scim check`."
    ))
}

fn own_account(id: UserId) -> scim::Error {
    scim::Error::mutability(format!(
        "Administrator {id} is the bridge's own account or the root user; it is never changed by provisioning."
    ))
}
