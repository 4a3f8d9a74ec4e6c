//! Guards: looked at before the first changing call, so that a refusal leaves nothing half done.

use super::case::Case;
use super::trouble::Trouble;
use crate::domain::desired::Desired;
use crate::domain::fold;
use crate::scim;
use crate::upstream::model::{Admin, RoleType};

impl Case<'_> {
    /// Refuses what would touch an account that is not ours to touch, or take away the last administrator.
    pub(super) async fn guard(&self, desired: &Desired) -> Result<(), Trouble> {
        if let Some(seen) = &self.seen.agent {
            let names = [seen.id.to_string(), seen.agent.username().unwrap_or_default().to_owned()];
            self.refuse_protected("agent", &names)?;
        }
        let Some(seen) = &self.seen.admin else { return Ok(()) };
        let names = [seen.id.to_string(), seen.admin.user_name().unwrap_or_default().to_owned()];
        self.refuse_protected("administrator", &names)?;
        if self.known.own_user == Some(seen.id) || seen.admin.root_user() {
            return Err(refused(format!(
                "Administrator {} is the bridge's own account or the root user; it is never changed by provisioning.",
                seen.id
            )));
        }
        let super_user = RoleType::new("SUPER_USER");
        let wanted = desired.admin.as_ref().filter(|_| desired.active);
        let keeps = wanted.is_some_and(|it| it.roles.contains(&super_user));
        let granted = self.link.admin.as_ref().is_some_and(|it| it.granted_roles.contains(&super_user));
        let loses = seen.admin.enabled()
            && seen.roles.contains(&super_user)
            && !keeps
            && (granted || !desired.active);
        if loses && !self.another_super_user(&seen.admin).await? {
            return Err(Trouble::Refused(scim::Error::new(
                409,
                "This is the last enabled administrator with SUPER_USER besides the bridge's own account (last-admin floor); \
                 appoint another one first.",
            )));
        }
        Ok(())
    }

    /// Whether somebody else could still administer the account; asked from a fresh list.
    async fn another_super_user(&self, leaving: &Admin) -> Result<bool, Trouble> {
        let admins = self
            .calls
            .admins()
            .await
            .map_err(|error| Trouble::upstream("the list of administrators", &error))?;
        let super_user = RoleType::new("SUPER_USER");
        Ok(admins.iter().any(|admin| {
            admin.enabled()
                && admin.roles().contains(&super_user)
                && admin.id() != leaving.id()
                && admin.id() != self.known.own_user
        }))
    }

    fn refuse_protected(&self, kind: &str, names: &[String]) -> Result<(), Trouble> {
        let protected = &self.tenant.policy.protected;
        match names.iter().find(|name| protected.iter().any(|it| fold(it) == fold(name))) {
            None => Ok(()),
            Some(name) => Err(refused(format!(
                "RingCX {kind} {name} is protected by the setting protected; it is never changed by provisioning."
            ))),
        }
    }
}

fn refused(why: String) -> Trouble {
    Trouble::Refused(scim::Error::mutability(why))
}
