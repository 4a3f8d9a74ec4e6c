//! The steps of a plan, carried out in their order.

use std::collections::BTreeSet;

use serde_json::json;

use super::case::Case;
use super::trouble::Trouble;
use crate::domain::desired::Desired;
use crate::domain::plan::Step;
use crate::upstream::model::{RightsDocId, RoleType, UserId};

/// What a plan has changed about an administrator's power, to be looked at when it is done.
#[derive(Default)]
struct Power {
    granted: BTreeSet<RoleType>,
    revoked: BTreeSet<RoleType>,
    given: BTreeSet<RightsDocId>,
    taken: BTreeSet<RightsDocId>,
    /// Whose roles have changed.
    holder: Option<UserId>,
    /// Whose rights documents have changed.
    reader: Option<UserId>,
}

impl Case<'_> {
    /// Carries the steps out. What takes access away is tried whole, whatever becomes of its parts; nothing is added before it
    /// is done. What was asked for before, and RingCX refuses, holds up neither the rest nor the write that comes now.
    pub(super) async fn apply(&mut self, steps: &[Step], desired: &Desired) -> Result<(), Trouble> {
        let mut power = Power::default();
        let mut first = None;
        for step in steps {
            if !step.takes() {
                if first.is_some() {
                    break;
                }
                self.may_give().await?;
            }
            match self.carry_out(step, desired, &mut power).await {
                Ok(()) => {}
                Err(trouble @ (Trouble::Limited(_) | Trouble::Outdated | Trouble::Store(_))) => {
                    return Err(first.unwrap_or(trouble));
                }
                Err(trouble) if step.takes() => first = first.or(Some(trouble)),
                Err(Trouble::Refused(why)) if self.before.wished(step) => {
                    self.note_decision("unmet", &json!({"status": why.status, "detail": why.detail})).await?;
                    self.unmet.push(why);
                }
                Err(trouble) => return Err(trouble),
            }
        }
        if let Some(trouble) = first {
            return Err(trouble);
        }
        if let Some(id) = power.holder.filter(|_| self.link.admin.is_some()) {
            self.confirm_roles(id, &power.granted, &power.revoked).await?;
        }
        if let Some(id) = power.reader.filter(|_| self.link.admin.is_some()) {
            self.confirm_rights_docs(id, &power.given, &power.taken).await?;
        }
        Ok(())
    }

    async fn carry_out(&mut self, step: &Step, desired: &Desired, power: &mut Power) -> Result<(), Trouble> {
        match step {
            Step::DisableAdmin(id) => self.disable_admin(*id).await?,
            Step::RevokeRole(id, role) => {
                self.revoke_role(*id, role).await?;
                power.revoked.insert(role.clone());
                power.holder = Some(*id);
            }
            Step::RevokeRightsDoc(id, doc) => {
                self.revoke_rights_doc(*id, *doc).await?;
                power.taken.insert(*doc);
                power.reader = Some(*id);
            }
            Step::DeleteAdmin(id) => self.delete_admin(*id).await?,
            Step::DisableAgent(_) => self.disable_agent().await?,
            Step::ClearDirectLine(_) => self.clear_direct_line().await?,
            Step::DeleteAgent(id) => self.delete_agent(*id).await?,
            Step::CreateAgent(new) => {
                if let Some(wanted) = &desired.agent {
                    self.create_agent(new, wanted).await?;
                }
            }
            Step::UpdateAgent(update) => self.update_agent(update).await?,
            Step::CreateAdmin(new) => self.create_admin(new).await?,
            Step::UpdateAdmin(_, changes) => self.update_admin(changes).await?,
            Step::EnableAdmin(id) => self.enable_admin(*id).await?,
            Step::SendResetMail(id) => self.send_reset_mail(*id).await?,
            Step::GrantRole(id, role) => {
                self.grant_role(*id, role).await?;
                power.granted.insert(role.clone());
                power.holder = Some(*id);
            }
            Step::GrantRightsDoc(id, doc) => {
                if self.grant_rights_doc(*id, *doc).await? {
                    power.given.insert(*doc);
                    power.reader = Some(*id);
                }
            }
        }
        Ok(())
    }
}
