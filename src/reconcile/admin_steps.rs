//! The calls that change administrators: removals first, one at a time, looked at afterwards.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::case::{Case, Entry, Look};
use super::trouble::{Doing, Trouble, is_taken};
use crate::domain::link::{AdminLink, about_to_set};
use crate::domain::plan::{NewAdmin, ObservedAdmin};
use crate::store::inventory;
use crate::upstream::model::{Admin, RoleType, UserId};
use crate::upstream::{self, Onboarding};

impl Case<'_> {
    /// Creates an administrator without roles; those are given one by one afterwards.
    pub(super) async fn create_admin(&mut self, new: &NewAdmin) -> Result<(), Trouble> {
        self.refuse_known_admin(&new.user_name).await?;
        let mut body: Map<String, Value> = new.fields.clone().into_iter().collect();
        body.insert("userName".to_owned(), json!(new.user_name));
        body.insert("enabled".to_owned(), json!(true));
        let policy = &self.tenant.policy;
        if !policy.admin_regional_settings.is_empty() {
            body.insert("regionalSettings".to_owned(), json!(policy.admin_regional_settings));
        }
        let entry = self.begin_create("createAdmin", &json!({"userName": new.user_name})).await?;
        let entry = entry.changing(&Map::new(), &body);
        let onboarding = Onboarding {
            parent: policy.admin_parent_user_id.map(UserId),
            return_uri: policy.admin_return_uri.as_deref(),
            sso: policy.admin_sso,
        };
        let made = self.calls.create_admin(body, &onboarding).await;
        let taken = is_taken(&made);
        let made = self.made(Doing::Changing, entry, made, "the administrator").await;
        if taken {
            self.taken_by_an_earlier_try("createAdmin").await?;
        }
        let (entry, made) = made?;
        let made = match made {
            Some(admin) if admin.id().is_some() => admin,
            // The interface description allows 201 without a body: the name finds it.
            _ => self
                .admin_named(&new.user_name)
                .await?
                .ok_or_else(|| Trouble::unconfirmed("the administrator"))?,
        };
        self.link_new_admin(&made, &new.user_name, new.fields.keys().cloned().collect(), (entry, "done"))
            .await
    }

    /// Remembers an administrator of our making before anything else happens to it.
    pub(super) async fn link_new_admin(
        &mut self,
        made: &Admin,
        user_name: &str,
        owned: BTreeSet<String>,
        (entry, outcome): (Entry, &'static str),
    ) -> Result<(), Trouble> {
        let Some(id) = made.id() else { return Err(Trouble::unconfirmed("the administrator")) };
        let entry = entry.having_made("adminUserId", id.0);
        let owes_reset_mail = !self.tenant.policy.admin_sso;
        let found = AdminLink::new(id, made.user_name().unwrap_or(user_name).to_owned());
        self.link.admin = Some(AdminLink { ours: true, owned, owes_reset_mail, ..found });
        self.seen.admin = Some(ObservedAdmin {
            id,
            admin: made.clone(),
            roles: made.roles(),
            rights_docs: BTreeSet::new(),
        });
        self.looks.admin.done();
        self.remember(inventory::Item::admin(made, self.clock.now()), entry, outcome).await
    }

    /// The administrator of this login name, from a fresh list.
    pub(super) async fn admin_named(&self, user_name: &str) -> Result<Option<Admin>, Trouble> {
        let wanted = crate::domain::fold(user_name);
        let admins = self
            .calls
            .admins()
            .await
            .map_err(|error| Trouble::reading("the list of administrators", &error))?;
        Ok(admins
            .into_iter()
            .find(|it| it.user_name().is_some_and(|name| crate::domain::fold(name) == wanted)))
    }

    /// Has the mail sent with which a new administrator chooses a password. When its answer is lost it is sent again: two mails
    /// are better than none.
    pub(super) async fn send_reset_mail(&mut self, id: UserId) -> Result<(), Trouble> {
        let path = self.tenant.policy.admin_reset_return_path.clone().unwrap_or_default();
        let entry = self.begin("sendPasswordReset", &json!({"userId": id})).await?;
        let answer = self.calls.send_reset_mail(id, &path).await;
        self.end(entry, answer, "the mail to the new administrator (setting admin_reset_return_path)")
            .await?;
        if let Some(link) = &mut self.link.admin {
            link.owes_reset_mail = false;
        }
        self.save_link().await
    }

    /// Switches an administrator off, and looks afterwards.
    pub(super) async fn disable_admin(&mut self, id: UserId) -> Result<(), Trouble> {
        self.switch_admin(id, false).await.map_err(Trouble::insistent)?;
        self.now_enabled(false).await
    }

    /// Switches an administrator on.
    pub(super) async fn enable_admin(&mut self, id: UserId) -> Result<(), Trouble> {
        self.switch_admin(id, true).await?;
        self.now_enabled(true).await
    }

    /// `setIsActive` is documented for "authenticated user" only: where it is refused, or does nothing, the whole object does it.
    async fn switch_admin(&mut self, id: UserId, on: bool) -> Result<(), Trouble> {
        let entry = self.begin("setIsActive", &json!({"userId": id, "isActive": on})).await?;
        let was = self.seen.admin.as_ref().map(|seen| seen.admin.enabled());
        let entry = entry.turning("enabled", &json!(was), &json!(on));
        match self.calls.set_admin_active(id, on).await {
            Err(upstream::Error::Forbidden(_) | upstream::Error::Rejected { .. }) => {
                self.close(entry, "refused").await?;
            }
            answer => self.end(entry, answer, "the administrator").await?,
        }
        let after = self.look_again_at_admin(id).await?;
        if after.enabled() == on {
            return Ok(());
        }
        self.put_admin(&after, &BTreeMap::from([("enabled".to_owned(), json!(on))])).await?;
        if self.look_at_admin(id).await?.enabled() == on {
            return Ok(());
        }
        let what = if on { "reactivation" } else { "deactivation" };
        Err(Trouble::unconfirmed(&format!("the {what} of the administrator")))
    }

    async fn now_enabled(&mut self, enabled: bool) -> Result<(), Trouble> {
        if let Some(link) = &mut self.link.admin {
            link.enabled = enabled;
        }
        if let Some(seen) = &mut self.seen.admin {
            let mut raw = seen.admin.raw().clone();
            raw.insert("enabled".to_owned(), json!(enabled));
            seen.admin = Admin::from_raw(raw);
        }
        self.save_link().await
    }

    /// Changes fields of an administrator: the whole object as it was read, with these in place.
    pub(super) async fn update_admin(&mut self, changes: &BTreeMap<String, Value>) -> Result<(), Trouble> {
        let Some(seen) = &self.seen.admin else { return Ok(()) };
        // The object carries the roles, and a PUT of old ones would give back what was just taken.
        let base = if seen.admin.roles() == seen.roles {
            seen.admin.clone()
        } else {
            self.look_again_at_admin(seen.id).await?
        };
        if let Some(link) = &mut self.link.admin {
            about_to_set(&mut link.owned, &mut link.former, base.raw(), changes);
        }
        self.save_link().await?;
        self.put_admin(&base, changes).await
    }

    /// Deletes an administrator of our making, never with what it created.
    pub(super) async fn delete_admin(&mut self, id: UserId) -> Result<(), Trouble> {
        let heir = self.tenant.policy.admin_reassign_user_id.map(UserId).filter(|heir| *heir != id);
        self.hand_over(id, heir).await?;
        let entry = self.begin("deleteAdmin", &json!({"userId": id})).await?;
        let answer = self.calls.delete_admin(id, heir).await;
        if answer == Err(upstream::Error::NotFound) {
            self.close(entry, "refused").await?;
            return Err(Trouble::Lost(format!(
                "RingCX does not show administrator {id}; it is looked for again."
            )));
        }
        self.end_as(Doing::Removing, entry, answer, "the deletion of the administrator").await?;
        match self.calls.admin(id).await {
            Err(upstream::Error::NotFound) => {
                self.link.admin = None;
                self.seen.admin = None;
                self.forget_admin(id).await
            }
            Err(error) => Err(Trouble::of(Doing::Removing, "the administrator", &error)),
            Ok(_) => Err(Trouble::unconfirmed("the deletion of the administrator")),
        }
    }

    /// Puts those whom the administrator has created under the heir, and looks what that has done: what becomes of them and of
    /// the administrator's own rights documents is not documented, and access of others hangs on both.
    async fn hand_over(&self, id: UserId, heir: Option<UserId>) -> Result<(), Trouble> {
        let (children, owned) = (self.children(id).await?, self.owned(id).await?);
        if children.is_empty() && owned.is_empty() {
            return Ok(());
        }
        if let Some(child) = children.iter().find(|it| self.is_untouchable(it)).and_then(Admin::id) {
            return Err(Trouble::Parked(format!(
                "Administrator {id} is switched off and not deleted, because administrator {child}, whom it has created, is never \
                 changed by provisioning (the setting protected, the bridge's own account, the root user); put that one under \
                 somebody else in RingCX first."
            )));
        }
        let Some(heir) = heir else {
            return Err(Trouble::Parked(format!(
                "Administrator {id} is switched off and not deleted, because it has created others or owns rights documents \
                 (cascade guard); name who takes them over in admin_reassign_user_id."
            )));
        };
        if children.iter().any(|it| it.id() == Some(heir)) {
            return Err(Trouble::Parked(format!(
                "Administrator {id} is switched off and not deleted, because administrator {heir}, who is to take over \
                 (admin_reassign_user_id), is one of those below it; name somebody else there."
            )));
        }
        let entry = self.begin("reassignUsers", &json!({"oldUserId": id, "reassignUserId": heir})).await?;
        let answer = self.calls.reassign_children(id, heir).await;
        let what = "the handing over of an administrator's people";
        self.end_as(Doing::Removing, entry, answer, what).await?;
        if !self.children(id).await?.is_empty() {
            return Err(Trouble::unconfirmed(what));
        }
        let owned = self.owned(id).await?;
        if owned.is_empty() {
            return Ok(());
        }
        // Who is to own them is not ours to decide: the bridge never edits a document.
        Err(Trouble::Parked(format!(
            "Administrator {id} is switched off and not deleted, because it owns rights documents ({}) that others may hold; \
             give them another owner in RingCX first.",
            owned.join(", ")
        )))
    }

    async fn children(&self, id: UserId) -> Result<Vec<Admin>, Trouble> {
        match self.calls.admin_children(id).await {
            Ok(children) => Ok(children),
            Err(upstream::Error::NotFound) => Ok(Vec::new()),
            Err(error) => Err(Trouble::of(Doing::Removing, "the administrator", &error)),
        }
    }

    async fn owned(&self, id: UserId) -> Result<Vec<String>, Trouble> {
        match self.calls.owned_rights_docs(id).await {
            Ok(docs) => Ok(docs.iter().map(|doc| doc.id.to_string()).collect()),
            Err(upstream::Error::NotFound) => Ok(Vec::new()),
            Err(error) => Err(Trouble::of(Doing::Removing, "the rights documents", &error)),
        }
    }

    /// Gives one role.
    pub(super) async fn grant_role(&mut self, id: UserId, role: &RoleType) -> Result<(), Trouble> {
        // Remembered first: a role that RingCX holds and we forgot would never be taken away again.
        if let Some(link) = &mut self.link.admin {
            link.granted_roles.insert(role.clone());
        }
        self.save_link().await?;
        let entry = self.begin("addRole", &json!({"userId": id, "role": role})).await?;
        let entry = entry.turning("role", &Value::Null, &json!(role));
        let answer = self.calls.add_role(id, role).await;
        let given = self.end_as(Doing::Granting, entry, answer, &format!("the role {role}")).await;
        if matches!(given, Err(Trouble::Refused(_))) {
            if let Some(link) = &mut self.link.admin {
                link.granted_roles.remove(role);
            }
            self.save_link().await?;
        }
        given
    }

    /// Takes one role that the bridge gave.
    pub(super) async fn revoke_role(&mut self, id: UserId, role: &RoleType) -> Result<(), Trouble> {
        let entry = self.begin("removeRole", &json!({"userId": id, "role": role})).await?;
        let entry = entry.turning("role", &json!(role), &Value::Null);
        let answer = self.calls.remove_role(id, role).await;
        self.end_as(Doing::Removing, entry, answer, "the removal of the role").await?;
        if let Some(seen) = &mut self.seen.admin {
            seen.roles.remove(role);
        }
        Ok(())
    }

    /// Reads the roles once more and compares: what was to go is gone, what was to come is there.
    pub(super) async fn confirm_roles(
        &mut self,
        id: UserId,
        granted: &BTreeSet<RoleType>,
        revoked: &BTreeSet<RoleType>,
    ) -> Result<(), Trouble> {
        let now = self.calls.roles(id).await;
        let now = now.map_err(|error| Trouble::of(Doing::Removing, "the roles", &error))?;
        if !granted.is_subset(&now) || !revoked.is_disjoint(&now) {
            return Err(Trouble::unconfirmed("the change of roles"));
        }
        self.name_surplus(id, granted, &now).await?;
        if let Some(link) = &mut self.link.admin {
            link.granted_roles.retain(|role| !revoked.contains(role));
        }
        if let Some(seen) = &mut self.seen.admin {
            seen.roles = now;
        }
        self.save_link().await
    }

    /// Roles that nobody here has given and that were not there before: no reason to try again, and somebody has to look at them.
    async fn name_surplus(
        &mut self,
        id: UserId,
        granted: &BTreeSet<RoleType>,
        now: &BTreeSet<RoleType>,
    ) -> Result<(), Trouble> {
        if self.sight.roles {
            return Ok(());
        }
        let before = self.seen.admin.as_ref().map(|seen| seen.roles.clone()).unwrap_or_default();
        // Base access comes by itself in some readings.
        let surplus: Vec<&RoleType> = now
            .iter()
            .filter(|role| !before.contains(role) && !granted.contains(role) && role.as_str() != "USER")
            .collect();
        if surplus.is_empty() {
            return Ok(());
        }
        let named = surplus.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
        self.notes.push(format!(
            "RingCX shows roles of administrator {id} that the bridge did not give and that were not there before: {named}."
        ));
        self.note_decision("access_differs", &json!({"userId": id, "surplus": surplus})).await
    }

    /// Looks at the administrator for a change that is to follow.
    async fn look_again_at_admin(&mut self, id: UserId) -> Result<Admin, Trouble> {
        self.looks.admin = Look::default();
        let admin = self.looks.admin.looking(&self.calls).admin(id).await;
        self.looks.admin.done();
        admin.map_err(|error| Trouble::of(Doing::Removing, "the administrator", &error))
    }

    /// Sends the whole administrator as it was seen last, with changes.
    async fn put_admin(&self, seen: &Admin, changes: &BTreeMap<String, Value>) -> Result<(), Trouble> {
        let Some(id) = seen.id() else { return Ok(()) };
        let before = seen.for_put();
        let mut body = before.clone();
        body.extend(changes.clone());
        let entry = self.begin("updateAdmin", &json!({"userId": id})).await?.changing(&before, &body);
        let answer = self.looks.admin.changing(&self.calls, self.fresh).put_admin(id, body).await;
        self.end(entry, answer, "the administrator").await.map(drop)
    }
}
