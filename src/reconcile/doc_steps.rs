//! The calls that give and take rights documents, and the look at what came of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::case::Case;
use super::contact::amend;
use super::doc_batch::{Batch, Given};
use super::trouble::{Doing, Trouble};
use crate::domain::policy::AssignmentMode;
use crate::scim;
use crate::upstream;
use crate::upstream::model::{RightsDoc, RightsDocId, UserId};

/// The fact under which what the assignment call does to other holders is remembered.
const ASSIGNMENT_MODE: &str = "assignment_mode";

impl Case<'_> {
    /// Gives one rights document without taking it from anybody else, together with whoever else is to get it now.
    /// Whether it was given: one that was held before and that RingCX no longer has is let go of.
    pub(super) async fn grant_rights_doc(&mut self, id: UserId, doc: RightsDocId) -> Result<bool, Trouble> {
        let fresh = self.link.admin.as_mut().is_some_and(|link| link.granted_docs.insert(doc));
        self.save_link().await?;
        let entry = self.begin("assignRightsDoc", &json!({"userId": id, "rightsDocId": doc})).await?;
        let entry = entry.turning("rightsDoc", &Value::Null, &json!(doc));
        let batch = Batch { mode: self.assignment_mode().await?, case: self };
        let given = self.tenant.doc_batches.grant(doc, id, &batch).await;
        let Given { holders, learned } = match given {
            Err(upstream::Error::NotFound) => {
                self.close(entry, "refused").await?;
                return self.vanished(doc, fresh).await.map(|()| false);
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
        Ok(true)
    }

    /// A document that RingCX does not have cannot be given; one that was given, and is gone since, is nobody's fault.
    async fn vanished(&mut self, doc: RightsDocId, fresh: bool) -> Result<(), Trouble> {
        if let Some(link) = &mut self.link.admin {
            link.granted_docs.remove(&doc);
        }
        self.save_link().await?;
        self.offer_no_more(doc).await?;
        if fresh {
            return Err(Trouble::Refused(scim::Error::invalid_value(format!(
                "Rights document {doc} does not exist in RingCX; correct the configuration or the entitlements value."
            ))));
        }
        tracing::warn!(tenant = %self.tenant.id, rights_doc = doc.0, "a rights document is gone from RingCX");
        Ok(())
    }

    /// Takes a document that is gone out of what is known of the account, so that it is not listed any more.
    async fn offer_no_more(&self, doc: RightsDocId) -> Result<(), Trouble> {
        let Some(known) = self.tenant.known() else { return Ok(()) };
        if known.directory.rights_docs.get(doc).is_none() {
            return Ok(());
        }
        amend(self.store, self.tenant, Vec::new(), self.clock.now(), move |it| {
            it.directory.rights_docs.remove(doc);
        })
        .await?;
        Ok(())
    }

    /// Takes one rights document that the bridge gave.
    pub(super) async fn revoke_rights_doc(&mut self, id: UserId, doc: RightsDocId) -> Result<(), Trouble> {
        let entry = self.begin("unassignRightsDoc", &json!({"userId": id, "rightsDocId": doc})).await?;
        let entry = entry.turning("rightsDoc", &json!(doc), &Value::Null);
        let answer = self.tenant.doc_batches.revoke(doc, id, self).await;
        self.end_as(Doing::Removing, entry, answer, "the removal of the rights document").await
    }

    /// An assignment that was cut short may have taken the document from others.
    pub(super) async fn mend_assignment(&self, intent: &Value) -> Result<(), Trouble> {
        let Some(doc) = intent.get("rightsDocId").and_then(Value::as_i64).map(RightsDocId) else {
            return Ok(());
        };
        let mended = self.tenant.doc_batches.mend(doc, self).await;
        mended.map_err(|error| Trouble::of(Doing::Granting, "the rights document", &error))
    }

    /// Reads what is assigned and what it comes to, once after the changes: what was to go is gone, what was to come is there.
    ///
    /// A document that is assigned and does not show in the effective access was given all the same; the person's `lastError`
    /// says so.
    pub(super) async fn confirm_rights_docs(
        &mut self,
        id: UserId,
        given: &BTreeSet<RightsDocId>,
        taken: &BTreeSet<RightsDocId>,
    ) -> Result<(), Trouble> {
        let assigned = self.calls.assigned_rights_docs(id).await;
        let assigned =
            assigned.map_err(|error| Trouble::of(Doing::Reading, "the rights documents", &error))?;
        let now: BTreeSet<RightsDocId> = assigned.iter().map(|doc| doc.id).collect();
        if !given.is_subset(&now) || !taken.is_disjoint(&now) {
            return Err(Trouble::unconfirmed("the change of rights documents"));
        }
        if let Some(link) = &mut self.link.admin {
            link.granted_docs.retain(|doc| !taken.contains(doc));
        }
        if let Some(seen) = &mut self.seen.admin {
            seen.rights_docs = now;
        }
        self.save_link().await?;
        if given.is_empty() { Ok(()) } else { self.confirm_effect(id, &assigned, given).await }
    }

    async fn confirm_effect(
        &mut self,
        id: UserId,
        assigned: &[RightsDoc],
        given: &BTreeSet<RightsDocId>,
    ) -> Result<(), Trouble> {
        let effective = match self.calls.aggregated_rights(id).await {
            Ok(merged) => merged.into_values().flatten().collect::<BTreeSet<String>>(),
            Err(upstream::Error::Forbidden(_) | upstream::Error::NotFound) => return Ok(()),
            Err(error) => return Err(Trouble::of(Doing::Reading, "the effective access", &error)),
        };
        for doc in assigned.iter().filter(|doc| given.contains(&doc.id)) {
            let missing: Vec<&String> = doc.permissions.difference(&effective).collect();
            if missing.is_empty() {
                continue;
            }
            self.notes.push(format!(
                "RingCX shows rights document {} as assigned to administrator {id} and not in their effective access; \
                 `ringcx-scim access` says what differs.",
                doc.id
            ));
            let detail = json!({"userId": id, "rightsDocId": doc.id, "missing": missing});
            self.note_decision("access_differs", &detail).await?;
        }
        Ok(())
    }

    async fn assignment_mode(&self) -> Result<AssignmentMode, Trouble> {
        if self.tenant.policy.assignment_mode != AssignmentMode::Auto {
            return Ok(self.tenant.policy.assignment_mode);
        }
        let learned = self.fact(ASSIGNMENT_MODE).await?;
        Ok(learned.as_deref().and_then(AssignmentMode::parse).unwrap_or(AssignmentMode::Auto))
    }
}
