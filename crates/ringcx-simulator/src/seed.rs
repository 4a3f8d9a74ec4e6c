//! What is there from the start.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The service administrator.
pub(crate) const SERVICE: i64 = 100;

/// An account with a service administrator; builders add to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Seed {
    /// The sub-account.
    pub account_id: String,
    /// The account above it.
    pub main_account_id: String,
    /// The client id and secret of the RingCentral app.
    pub client: (String, String),
    /// The JWT of the service user.
    pub jwt: String,
    /// A permanent API token of the service administrator.
    pub api_token: String,
    pub(crate) groups: Vec<(i64, String, bool)>,
    pub(crate) agents: Vec<(i64, Map<String, Value>)>,
    pub(crate) admins: Vec<Map<String, Value>>,
    pub(crate) docs: Vec<(i64, String, bool)>,
    pub(crate) extensions: Vec<Value>,
}

impl Seed {
    /// The service administrator, the default group, the states of agents.
    pub fn empty() -> Self {
        let service = json!({
            "userId": SERVICE, "userName": "bridge@example.com", "firstName": "Bridge", "lastName": "Service",
            "enabled": true, "roles": ["SUPER_USER", "MANAGE_USERS", "MANAGE_RIGHTS", "USER"], "parentPath": "100",
        });
        Self {
            account_id: "15300002".to_owned(),
            main_account_id: "15300000".to_owned(),
            client: ("simulated-client".to_owned(), "simulated-secret".to_owned()),
            jwt: "simulated-jwt".to_owned(),
            api_token: "aws80:simulated".to_owned(),
            groups: vec![(1000, "Default".to_owned(), true)],
            agents: Vec::new(),
            admins: vec![object(service)],
            docs: Vec::new(),
            extensions: Vec::new(),
        }
    }

    /// A contact centre with a few people in it.
    pub fn demo() -> Self {
        Self::empty()
            .group(1001, "UK Agents")
            .group(1002, "US Agents")
            .group(1003, "Platform Team")
            .rights_doc(4711, "Supervisor")
            .rights_doc(4712, "Report Viewer")
            .admin(json!({
                "userId": 101, "userName": "owner@example.com", "firstName": "Olga", "lastName": "Owner",
                "roles": ["SUPER_USER", "USER"],
            }))
            .agent(1003, json!({
                "agentId": 5001, "username": "wanda@example.com", "firstName": "Wanda", "lastName": "Worker",
                "email": "wanda@example.com",
            }))
            .extension(3_361_292_020, "Linked Person", "linked@example.com")
    }

    /// Adds an agent group.
    #[must_use]
    pub fn group(mut self, id: i64, name: &str) -> Self {
        self.groups.push((id, name.to_owned(), false));
        self
    }

    /// Adds an agent to a group; fields that are left out have their usual values.
    #[must_use]
    pub fn agent(mut self, group: i64, fields: Value) -> Self {
        self.agents.push((group, object(fields)));
        self
    }

    /// Adds an administrator.
    #[must_use]
    pub fn admin(mut self, fields: Value) -> Self {
        self.admins.push(object(fields));
        self
    }

    /// Adds a rights document.
    #[must_use]
    pub fn rights_doc(mut self, id: i64, name: &str) -> Self {
        self.docs.push((id, name.to_owned(), false));
        self
    }

    /// Adds a rights document of the main account.
    #[must_use]
    pub fn master_rights_doc(mut self, id: i64, name: &str) -> Self {
        self.docs.push((id, name.to_owned(), true));
        self
    }

    /// Adds a RingCentral extension.
    #[must_use]
    pub fn extension(mut self, id: i64, name: &str, email: &str) -> Self {
        let number = (101 + self.extensions.len()).to_string();
        self.extensions.push(json!({
            "id": id, "extensionNumber": number, "name": name, "type": "User", "status": "Enabled",
            "contact": {"email": email},
        }));
        self
    }

    /// Adds a RingCentral extension as it stands in the list; what is left out is usual.
    #[must_use]
    pub fn rc_extension(mut self, fields: Value) -> Self {
        let number = 101 + self.extensions.len();
        self.extensions.push(usual_extension(fields, number));
        self
    }
}

/// An extension of a user who is enabled, with these fields.
pub(crate) fn usual_extension(fields: Value, number: usize) -> Value {
    let mut whole = object(json!({
        "extensionNumber": number.to_string(), "type": "User", "status": "Enabled", "hidden": false, "contact": {},
    }));
    whole.extend(object(fields));
    Value::Object(whole)
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
