//! Roles of administrators.

use std::collections::BTreeSet;

use reqwest::Method;

use super::Calls;
use crate::upstream::error::Error;
use crate::upstream::model::{RoleType, UserId, roles_of};

impl Calls {
    /// The roles of an administrator.
    pub async fn roles(&self, id: UserId) -> Result<BTreeSet<RoleType>, Error> {
        let path = ["users", &id.to_string(), "roles"];
        Ok(roles_of(&self.admin_call("getRoles", Method::GET, &path, &[], None).await?))
    }

    /// Gives a role; one that is held already is given.
    pub async fn add_role(&self, id: UserId, role: &RoleType) -> Result<(), Error> {
        let path = ["users", &id.to_string(), "roles", role.as_str()];
        match self.admin_call("addRole", Method::POST, &path, &[], None).await {
            Err(Error::Conflict(_)) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Takes a role; one that is not held is taken.
    pub async fn remove_role(&self, id: UserId, role: &RoleType) -> Result<(), Error> {
        let path = ["users", &id.to_string(), "roles", role.as_str()];
        match self.admin_call("removeRole", Method::DELETE, &path, &[], None).await {
            Err(Error::NotFound) => Ok(()),
            other => other.map(drop),
        }
    }
}
