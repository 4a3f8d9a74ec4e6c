//! Rights documents and who has them.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Map, Value};

use super::{Calls, object, objects};
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

    /// The rights documents that an administrator owns, those of the main account included.
    pub async fn owned_rights_docs(&self, id: UserId) -> Result<Vec<RightsDoc>, Error> {
        let mut owned = self.documents("getOwnedRightsDocs", id, "ownedRightsDocs").await?;
        owned.extend(self.documents("getOwnedMasterRightsDocs", id, "ownedMasterRightsDocs").await?);
        Ok(owned)
    }

    /// What an administrator may do in effect: the permissions of all their documents merged, by account.
    pub async fn aggregated_rights(&self, id: UserId) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
        let path = ["users", &id.to_string(), "aggregatedRightsDocs"];
        let answer = self.admin_call("getAggregatedRightsDocs", Method::GET, &path, &[], None).await?;
        let mut merged: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (key, doc) in object(answer).unwrap_or_default() {
            let Some(doc) = doc.as_object() else { continue };
            // What the keys of the map mean is not documented; the document itself names its account.
            let account = doc.get("accountId").and_then(id_of).map_or(key, |id| id.to_string());
            merged.entry(account).or_default().extend(permissions_of(doc));
        }
        Ok(merged)
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
                permissions: permissions_of(object),
            }),
            None => object.values().for_each(|item| collect(item, found)),
        },
        _ => {}
    }
}

/// What a rights document permits, one text for each: `ACCOUNT READ`, `AGENT UPDATE` (a product), `GATE 12 READ` (a resource).
fn permissions_of(document: &Map<String, Value>) -> BTreeSet<String> {
    let list = |name: &str| document.get(name).and_then(Value::as_array).into_iter().flatten();
    let words = |value: Option<&Value>| -> Vec<String> {
        let items = value.and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut found: BTreeSet<String> = words(document.get("accountPermissions"))
        .into_iter()
        .map(|permission| format!("ACCOUNT {permission}"))
        .collect();
    for part in list("productPermissions") {
        let product = part.get("product").and_then(Value::as_str).unwrap_or_default();
        found.extend(words(part.get("permissions")).iter().map(|it| format!("{product} {it}")));
    }
    for part in list("resourcePermissions") {
        let kind = part.get("resourceType").and_then(Value::as_str).unwrap_or_default();
        let id = part.get("resourceId").and_then(id_of).unwrap_or_default();
        found.extend(words(part.get("permissions")).iter().map(|it| format!("{kind} {id} {it}")));
    }
    found
}
