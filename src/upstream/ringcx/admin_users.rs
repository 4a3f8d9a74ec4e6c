//! Administrators: one hierarchy above the sub-accounts.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Calls, garbled, object, objects};
use crate::upstream::error::Error;
use crate::upstream::model::{Admin, Identity, UserId, id_of};

/// How a new administrator comes in.
#[derive(Clone, Copy, Debug)]
pub struct Onboarding<'a> {
    /// Under whom; nobody: under the caller.
    pub parent: Option<UserId>,
    /// What RingCX calls back.
    pub return_uri: Option<&'a str>,
    /// Whether they sign in by single sign-on.
    pub sso: bool,
}

impl Calls {
    /// Who the bridge is.
    pub async fn identity(&self) -> Result<Identity, Error> {
        let answer = self.admin_call("getAuth", Method::GET, &["auth"], &[], None).await?;
        let main =
            answer.pointer("/accounts/0/mainAccountId").or_else(|| answer.pointer("/user/mainAccountId"));
        let text = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let accounts = answer.get("accounts").and_then(Value::as_array).into_iter().flatten();
        Ok(Identity {
            accounts: accounts.filter_map(|it| it.get("accountId")).map(text).collect(),
            user_id: answer.pointer("/user/userId").and_then(id_of).map(UserId),
            main_account_id: main.map(text),
        })
    }

    /// Every administrator that the bridge may see, flat.
    pub async fn admins(&self) -> Result<Vec<Admin>, Error> {
        let query = [("flatten", "true".to_owned())];
        let answer = self.admin_call("listUsers", Method::GET, &["users"], &query, None).await?;
        Ok(flat(objects(answer)?.into_iter().map(Admin::from_raw).collect()))
    }

    /// One administrator.
    pub async fn admin(&self, id: UserId) -> Result<Admin, Error> {
        let answer = self.admin_call("getUser", Method::GET, &["users", &id.to_string()], &[], None).await?;
        object(answer).map(Admin::from_raw).ok_or_else(|| garbled("no object for an administrator", false))
    }

    /// Creates an administrator; nothing when the answer has no body.
    pub async fn create_admin(
        &self,
        body: Map<String, Value>,
        onboarding: &Onboarding<'_>,
    ) -> Result<Option<Admin>, Error> {
        let mut query = vec![("isSSO", onboarding.sso.to_string())];
        query.extend(onboarding.parent.map(|parent| ("parentUserId", parent.to_string())));
        query.extend(onboarding.return_uri.map(|uri| ("returnUri", uri.to_owned())));
        let body = Value::Object(body);
        let answer = self.admin_call("createUser", Method::POST, &["users"], &query, Some(&body)).await?;
        Ok(object(answer).map(Admin::from_raw))
    }

    /// Replaces an administrator; nothing when the answer has no body.
    pub async fn put_admin(&self, id: UserId, body: Map<String, Value>) -> Result<Option<Admin>, Error> {
        let body = Value::Object(body);
        let answer =
            self.admin_call("updateUser", Method::PUT, &["users", &id.to_string()], &[], Some(&body)).await?;
        Ok(object(answer).map(Admin::from_raw))
    }

    /// Has RingCX mail an administrator a link with which they choose a password.
    ///
    /// The public call for the same needs no credential and answers for any name; it is never used.
    pub async fn send_reset_mail(&self, id: UserId, return_path: &str) -> Result<(), Error> {
        let query = [("returnPath", return_path.to_owned()), ("resetViaEngageAuth", "false".to_owned())];
        let path = ["users", &id.to_string(), "passwordReset"];
        self.admin_call("sendPasswordReset", Method::POST, &path, &query, None).await.map(drop)
    }

    /// Puts those whom an administrator has created under another one.
    pub async fn reassign_children(&self, from: UserId, to: UserId) -> Result<(), Error> {
        let query = [("oldUserId", from.to_string()), ("reassignUserId", to.to_string())];
        self.admin_call("reassignUsers", Method::PUT, &["users", "reassign"], &query, None).await.map(drop)
    }

    /// Switches an administrator on or off.
    pub async fn set_admin_active(&self, id: UserId, active: bool) -> Result<(), Error> {
        let body = json!({"isActive": active});
        let path = ["users", &id.to_string(), "setIsActive"];
        self.admin_call("setIsActive", Method::PUT, &path, &[], Some(&body)).await.map(drop)
    }

    /// Deletes an administrator, never with those it created: the interface would do that by default.
    pub async fn delete_admin(&self, id: UserId, reassign: Option<UserId>) -> Result<(), Error> {
        let mut query = vec![("cascadeDelete", "false".to_owned())];
        query.extend(reassign.map(|to| ("reassignUserId", to.to_string())));
        self.admin_call("deleteUser", Method::DELETE, &["users", &id.to_string()], &query, None)
            .await
            .map(drop)
    }

    /// Those whom an administrator has created.
    pub async fn admin_children(&self, id: UserId) -> Result<Vec<Admin>, Error> {
        let path = ["users", &id.to_string(), "children"];
        let answer = self.admin_call("getChildren", Method::GET, &path, &[], None).await?;
        Ok(flat(objects(answer)?.into_iter().map(Admin::from_raw).collect()))
    }
}

/// A tree of administrators as a list: whether `flatten` empties `children` is not documented.
fn flat(admins: Vec<Admin>) -> Vec<Admin> {
    let mut found: Vec<Admin> = Vec::new();
    let mut open = admins;
    while let Some(admin) = open.pop() {
        open.extend(admin.children());
        if !found.iter().any(|known| known.id() == admin.id()) {
            found.push(admin);
        }
    }
    found.sort_by_key(Admin::id);
    found
}
