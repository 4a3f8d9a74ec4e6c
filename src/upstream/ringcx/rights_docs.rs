//! Rights documents and who has them.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use super::{Calls, objects};
use crate::upstream::error::Error;
use crate::upstream::model::{Admin, RightsDoc, RightsDocId, UserId, id_of};

impl Calls {
    /// The rights documents that an administrator can see.
    pub async fn rights_docs(&self, owner: UserId) -> Result<Vec<RightsDoc>, Error> {
        self.documents("getRightsDocs", owner, "rightsDocs").await
    }

    /// The rights documents that are assigned to an administrator.
    pub async fn assigned_rights_docs(&self, id: UserId) -> Result<Vec<RightsDoc>, Error> {
        self.documents("getAssignedRightsDocs", id, "assignedRightsDocs").await
    }

    async fn documents(
        &self,
        operation: &'static str,
        id: UserId,
        kind: &str,
    ) -> Result<Vec<RightsDoc>, Error> {
        let answer =
            self.admin_call(operation, Method::GET, &["users", &id.to_string(), kind], &[], None).await?;
        let mut found = Vec::new();
        collect(&answer, &mut found);
        found.sort_by_key(|doc: &RightsDoc| doc.id);
        found.dedup_by_key(|doc| doc.id);
        Ok(found)
    }

    /// Who has a rights document.
    pub async fn assignees(&self, doc: RightsDocId) -> Result<BTreeSet<UserId>, Error> {
        let path = ["rightsDocs", &doc.to_string(), "assignments"];
        let answer = self.admin_call("getAssignments", Method::GET, &path, &[], None).await?;
        Ok(objects(answer)?.into_iter().filter_map(|user| Admin::from_raw(user).id()).collect())
    }

    /// Gives a rights document to administrators: they stand in the query, there is no body.
    pub async fn assign_rights_doc(&self, doc: RightsDocId, users: &[UserId]) -> Result<(), Error> {
        let path = ["rightsDocs", &doc.to_string(), "assignments"];
        let query: Vec<(&str, String)> = users.iter().map(|user| ("userIds", user.to_string())).collect();
        self.admin_call("assignRightsDoc", Method::POST, &path, &query, None).await.map(drop)
    }

    /// Takes a rights document from an administrator.
    pub async fn unassign_rights_doc(&self, doc: RightsDocId, user: UserId) -> Result<(), Error> {
        let path = ["rightsDocs", &doc.to_string(), "assignments", &user.to_string()];
        self.admin_call("unassignRightsDoc", Method::DELETE, &path, &[], None).await.map(drop)
    }
}

/// The documents in a map of lists, or of single documents; what the keys mean is not documented, so only values count.
fn collect(value: &Value, found: &mut Vec<RightsDoc>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(object) => match object.get("rightsDocId").and_then(id_of) {
            Some(id) => found.push(RightsDoc {
                id: RightsDocId(id),
                name: object.get("rightsDocName").and_then(Value::as_str).map(str::to_owned),
                is_master: object.get("isMaster") == Some(&Value::Bool(true)),
            }),
            None => object.values().for_each(|item| collect(item, found)),
        },
        _ => {}
    }
}
