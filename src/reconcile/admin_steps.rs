//! The calls that change administrators: removals first, one at a time, looked at afterwards.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::case::{Case, Entry};
use super::doc_batch::{Batch, Given};
use super::trouble::{Doing, Trouble};
use crate::domain::link::AdminLink;
use crate::domain::plan::{NewAdmin, ObservedAdmin};
use crate::domain::policy::AssignmentMode;
use crate::scim;
use crate::store::inventory;
use crate::upstream::model::{Admin, RightsDocId, RoleType, UserId};
use crate::upstream::{self};

/// The fact under which what the assignment call does to other holders is remembered.
const ASSIGNMENT_MODE: &str = "assignment_mode";

impl Case<'_> {
    /// Creates an administrator without roles; those are given one by one afterwards.
    pub(super) async fn create_admin(&mut self, new: &NewAdmin) -> Result<(), Trouble> {
        self.refuse_known_admin(&new.user_name).await?;
        let mut body: Map<String, Value> = new.fields.clone().into_iter().collect();
        body.insert("userName".to_owned(), json!(new.user_name));
        body.insert("enabled".to_owned(), json!(true));
        let entry = self.begin("createAdmin", &json!({"userName": new.user_name})).await?;
        let entry = entry.changing(&Map::new(), &body);
        let parent = self.tenant.policy.admin_parent_user_id.map(UserId);
        let made = self.calls.create_admin(body, parent, self.tenant.policy.admin_sso).await;
        let (entry, made) = self.made(Doing::Changing, entry, made, "the administrator").await?;
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
        self.link.admin = Some(AdminLink {
            id,
            user_name: made.user_name().unwrap_or(user_name).to_owned(),
            ours: true,
            enabled: true,
            owned,
            granted_roles: BTreeSet::new(),
            granted_docs: BTreeSet::new(),
        });
        self.seen.admin = Some(ObservedAdmin {
            id,
            admin: made.clone(),
            roles: made.roles(),
            rights_docs: BTreeSet::new(),
        });
        self.remember(inventory::Item::admin(made, self.clock.now()), entry, outcome).await
    }

    /// The administrator of this login name, from a fresh list.
    pub(super) async fn admin_named(&self, user_name: &str) -> Result<Option<Admin>, Trouble> {
        let wanted = crate::domain::fold(user_name);
        let admins = self
            .calls
            .admins()
            .await
            .map_err(|error| Trouble::upstream("the list of administrators", &error))?;
        Ok(admins
            .into_iter()
            .find(|it| it.user_name().is_some_and(|name| crate::domain::fold(name) == wanted)))
    }

    /// Switches an administrator off, and looks afterwards.
    pub(super) async fn disable_admin(&mut self, id: UserId) -> Result<(), Trouble> {
        self.set_admin_active(id, false).await.map_err(Trouble::insistent)?;
        let after = self.look_at_admin(id).await?;
        if after.enabled() {
            // `setIsActive` is documented for "authenticated user" only; the other way is the whole object.
            self.put_admin(&after, &BTreeMap::from([("enabled".to_owned(), json!(false))])).await?;
            if self.look_at_admin(id).await?.enabled() {
                return Err(Trouble::unconfirmed("the deactivation of the administrator"));
            }
        }
        self.now_enabled(false).await
    }

    /// Switches an administrator on.
    pub(super) async fn enable_admin(&mut self, id: UserId) -> Result<(), Trouble> {
        self.set_admin_active(id, true).await?;
        if !self.look_at_admin(id).await?.enabled() {
            return Err(Trouble::unconfirmed("the reactivation of the administrator"));
        }
        self.now_enabled(true).await
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
        let Some(seen) = self.seen.admin.as_ref().map(|seen| seen.admin.clone()) else { return Ok(()) };
        self.put_admin(&seen, changes).await?;
        if let Some(link) = &mut self.link.admin {
            link.owned.extend(changes.keys().cloned());
        }
        self.save_link().await
    }

    /// Deletes an administrator of our making, never with what it created.
    pub(super) async fn delete_admin(&mut self, id: UserId) -> Result<(), Trouble> {
        let reassign = self.tenant.policy.admin_reassign_user_id.map(UserId);
        let children = self.calls.admin_children(id).await;
        let children = children.map_err(|error| Trouble::of(Doing::Removing, "the administrator", &error))?;
        if !children.is_empty() && reassign.is_none() {
            return Err(Trouble::Parked(
                "The administrator has created others; name who takes them over in admin_reassign_user_id."
                    .to_owned(),
            ));
        }
        let entry = self.begin("deleteAdmin", &json!({"userId": id})).await?;
        let answer = match self.calls.delete_admin(id, reassign).await {
            Err(upstream::Error::NotFound) => Ok(()),
            other => other,
        };
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

    /// Gives one role.
    pub(super) async fn grant_role(&mut self, id: UserId, role: &RoleType) -> Result<(), Trouble> {
        // Remembered first: a role that RingCX holds and we forgot would never be taken away again.
        if let Some(link) = &mut self.link.admin {
            link.granted_roles.insert(role.clone());
        }
        self.save_link().await?;
        let entry = self.begin("addRole", &json!({"userId": id, "role": role})).await?;
        let answer = self.calls.add_role(id, role).await;
        self.end_as(Doing::Granting, entry, answer, &format!("the role {role}")).await
    }

    /// Takes one role that the bridge gave.
    pub(super) async fn revoke_role(&mut self, id: UserId, role: &RoleType) -> Result<(), Trouble> {
        let entry = self.begin("removeRole", &json!({"userId": id, "role": role})).await?;
        let answer = self.calls.remove_role(id, role).await;
        self.end_as(Doing::Removing, entry, answer, "the removal of the role").await
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
        if let Some(link) = &mut self.link.admin {
            link.granted_roles.retain(|role| !revoked.contains(role));
        }
        if let Some(seen) = &mut self.seen.admin {
            seen.roles = now;
        }
        self.save_link().await
    }

    /// Gives one rights document without taking it from anybody else, together with whoever else is to get it now.
    pub(super) async fn grant_rights_doc(&mut self, id: UserId, doc: RightsDocId) -> Result<(), Trouble> {
        if let Some(link) = &mut self.link.admin {
            link.granted_docs.insert(doc);
        }
        self.save_link().await?;
        let entry = self.begin("assignRightsDoc", &json!({"userId": id, "rightsDocId": doc})).await?;
        let batch = Batch { calls: &self.calls, mode: self.assignment_mode().await? };
        let given = self.tenant.doc_batches.grant(doc, id, &batch).await;
        let Given { holders, learned } = match given {
            Err(upstream::Error::NotFound) => {
                self.close(entry, "refused").await?;
                return Err(Trouble::Refused(scim::Error::invalid_value(format!(
                    "Rights document {doc} does not exist in RingCX; correct the configuration or the entitlements value."
                ))));
            }
            other => self.end_as(Doing::Granting, entry, other, "the rights document").await?,
        };
        if let Some(mode) = learned {
            self.learn(ASSIGNMENT_MODE, mode.as_str()).await?;
        }
        if !holders.contains(&id) {
            return Err(Trouble::unconfirmed("the rights document"));
        }
        if let Some(seen) = &mut self.seen.admin {
            seen.rights_docs.insert(doc);
        }
        Ok(())
    }

    /// Takes one rights document that the bridge gave, and looks afterwards.
    pub(super) async fn revoke_rights_doc(&mut self, id: UserId, doc: RightsDocId) -> Result<(), Trouble> {
        let entry = self.begin("unassignRightsDoc", &json!({"userId": id, "rightsDocId": doc})).await?;
        let answer = match self.calls.unassign_rights_doc(doc, id).await {
            Err(upstream::Error::NotFound) => Ok(()),
            other => other,
        };
        self.end_as(Doing::Removing, entry, answer, "the removal of the rights document").await?;
        if self.holders(doc).await.map_err(Trouble::insistent)?.contains(&id) {
            return Err(Trouble::unconfirmed("the removal of the rights document"));
        }
        if let Some(link) = &mut self.link.admin {
            link.granted_docs.remove(&doc);
        }
        if let Some(seen) = &mut self.seen.admin {
            seen.rights_docs.remove(&doc);
        }
        self.save_link().await
    }

    async fn holders(&self, doc: RightsDocId) -> Result<BTreeSet<UserId>, Trouble> {
        match self.calls.assignees(doc).await {
            Ok(holders) => Ok(holders),
            Err(upstream::Error::NotFound) => Err(Trouble::Refused(scim::Error::invalid_value(format!(
                "Rights document {doc} does not exist in RingCX; correct the configuration or the entitlements value."
            )))),
            Err(error) => Err(Trouble::upstream("the rights document", &error)),
        }
    }

    async fn assignment_mode(&self) -> Result<AssignmentMode, Trouble> {
        if self.tenant.policy.assignment_mode != AssignmentMode::Auto {
            return Ok(self.tenant.policy.assignment_mode);
        }
        let learned = self.fact(ASSIGNMENT_MODE).await?;
        Ok(learned.as_deref().and_then(AssignmentMode::parse).unwrap_or(AssignmentMode::Auto))
    }

    async fn set_admin_active(&self, id: UserId, active: bool) -> Result<(), Trouble> {
        let entry = self.begin("setIsActive", &json!({"userId": id, "isActive": active})).await?;
        let answer = self.calls.set_admin_active(id, active).await;
        self.end(entry, answer, "the administrator").await
    }

    async fn put_admin(&self, seen: &Admin, changes: &BTreeMap<String, Value>) -> Result<(), Trouble> {
        let Some(id) = seen.id() else { return Ok(()) };
        let mut body = seen.raw().clone();
        body.extend(changes.clone());
        let entry = self.begin("updateAdmin", &json!({"userId": id})).await?.changing(seen.raw(), &body);
        let answer = self.calls.put_admin(id, body).await;
        self.end(entry, answer, "the administrator").await.map(drop)
    }
}
