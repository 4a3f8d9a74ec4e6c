//! The ids and words of RingCX, and its objects as far as we look into them.
//!
//! Objects keep every field that RingCX sent, because an update sends the whole object back. None of them prints what it
//! holds: names, addresses and passwords are in there.

mod extension;
mod lookups;
mod put;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

pub use extension::{Extension, RcAccess};
pub use lookups::{DialGroup, Queue};

macro_rules! numeric_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            /// Reads a number, or a text of digits: both occur on the wire.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = Value::deserialize(deserializer)?;
                id_of(&value).map(Self).ok_or_else(|| serde::de::Error::custom("an id is a number or a text of digits"))
            }
        }
    )+};
}

numeric_id! {
    /// An agent.
    AgentId,
    /// An agent group.
    AgentGroupId,
    /// An administrator; "user" alone is SCIM's word.
    UserId,
    /// A rights document.
    RightsDocId,
    /// A RingCentral extension, as RingCX calls it; exceeds 32 bits.
    RcUserId,
}

/// The priority of a call, highest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Somebody must not work any more.
    Deactivate = 0,
    /// Somebody loses a role or a rights document.
    Revoke = 1,
    /// Somebody new.
    Create = 2,
    /// Somebody changes.
    Update = 3,
    /// Somebody changes groups.
    Move = 4,
    /// Nobody waits.
    Reconcile = 5,
}

impl Lane {
    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deactivate => "deactivate",
            Self::Revoke => "revoke",
            Self::Create => "create",
            Self::Update => "update",
            Self::Move => "move",
            Self::Reconcile => "reconcile",
        }
    }

    /// The lane of a number from the store; an unknown one waits longest.
    pub fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Deactivate,
            1 => Self::Revoke,
            2 => Self::Create,
            3 => Self::Update,
            4 => Self::Move,
            _ => Self::Reconcile,
        }
    }
}

/// The kinds of agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentType {
    /// Takes calls.
    Agent,
    /// Watches over agents.
    Supervisor,
    /// A kind that belongs to another sub-account's life cycle, kept as it is.
    Other(String),
}

/// A role of administrators, in upper case; RingCX has more of them than any list of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoleType(String);

impl RoleType {
    /// The role of this name, in any case.
    pub fn new(name: &str) -> Self {
        Self(name.trim().to_ascii_uppercase())
    }

    /// Its name on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An agent group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentGroup {
    /// Its id.
    pub id: AgentGroupId,
    /// Its name.
    pub name: String,
    /// Whether it is the account's default group.
    pub is_default: bool,
}

/// A state in which an agent can be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuxState {
    /// Its id.
    pub id: i64,
    /// Its label in this account.
    pub name: String,
    /// The state of RingCX on which it is based.
    pub base: Option<String>,
    /// Whether it is in use.
    pub active: bool,
    /// Whether agents may choose it.
    pub selectable: bool,
}

/// A rights document: the fine permissions of administrators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightsDoc {
    /// Its id.
    pub id: RightsDocId,
    /// Its name.
    pub name: Option<String>,
    /// Whether it applies to the main account.
    pub is_master: bool,
    /// What it permits, one text for each: `ACCOUNT READ`, `AGENT UPDATE` (a product), `GATE 12 READ` (a resource).
    pub permissions: BTreeSet<String>,
}

/// Who the bridge is in RingCX.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The administrator behind the credential.
    pub user_id: Option<UserId>,
    /// The main account.
    pub main_account_id: Option<String>,
    /// The sub-accounts that the credential sees.
    pub accounts: Vec<String>,
}

/// An agent as RingCX holds it.
#[derive(Clone, PartialEq)]
pub struct Agent(Map<String, Value>);

impl Agent {
    /// The agent of an object from RingCX.
    pub fn from_raw(raw: Map<String, Value>) -> Self {
        Self(raw)
    }

    #[cfg(test)]
    pub(crate) fn from_json(value: Value) -> Self {
        let Value::Object(raw) = value else { panic!("not an object") };
        Self(raw)
    }

    /// The whole object.
    pub fn raw(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Its id.
    pub fn id(&self) -> Option<AgentId> {
        self.0.get("agentId").and_then(id_of).map(AgentId)
    }

    /// Its group: `agentGroup` has the key `id` in samples and `agentGroupId` in the interface description.
    pub fn group_id(&self) -> Option<AgentGroupId> {
        let nested =
            self.0.get("agentGroup").and_then(|group| group.get("id").or_else(|| group.get("agentGroupId")));
        [nested, self.0.get("agentGroupId"), self.0.get("groupId")]
            .into_iter()
            .flatten()
            .find_map(id_of)
            .map(AgentGroupId)
    }

    /// Its login name.
    pub fn username(&self) -> Option<&str> {
        text(&self.0, "username")
            .or_else(|| text(&self.0, "engageUserName"))
            .or_else(|| text(&self.0, "userName"))
    }

    /// Its e-mail address.
    pub fn email(&self) -> Option<&str> {
        text(&self.0, "email")
    }

    /// Its first name.
    pub fn first_name(&self) -> Option<&str> {
        text(&self.0, "firstName")
    }

    /// Its last name.
    pub fn last_name(&self) -> Option<&str> {
        text(&self.0, "lastName")
    }

    /// The customer's own key.
    pub fn external_agent_id(&self) -> Option<&str> {
        text(&self.0, "externalAgentId")
    }

    /// The extension to which it is tied.
    pub fn rc_user_id(&self) -> Option<RcUserId> {
        self.0.get("rcUserId").and_then(id_of).map(RcUserId)
    }

    /// Whether it may work: `isActive`, else its twin `active`.
    pub fn is_active(&self) -> bool {
        [self.0.get("isActive"), self.0.get("active")].into_iter().flatten().find_map(flag).unwrap_or(true)
    }

    /// Its kind.
    pub fn agent_type(&self) -> AgentType {
        match text(&self.0, "agentType") {
            None | Some("AGENT" | "") => AgentType::Agent,
            Some("SUPERVISOR") => AgentType::Supervisor,
            Some(other) => AgentType::Other(other.to_owned()),
        }
    }

    /// The extension under which callers reach it directly.
    pub fn direct_line(&self) -> Option<&str> {
        text(&self.0, "directAgentExtension").map(str::trim).filter(|line| !line.is_empty())
    }

    /// Whether it has ever signed in, as far as RingCX says.
    pub fn has_signed_in(&self) -> bool {
        self.0.get("lastLoginDate").is_some_and(|at| !at.is_null() && at.as_str() != Some(""))
    }

    /// Whether RingCentral maintains its name, e-mail address and login.
    pub fn user_managed_by_rc(&self) -> bool {
        self.0.get("userManagedByRC").and_then(flag).unwrap_or(false)
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("id", &self.id())
            .field("group", &self.group_id())
            .finish_non_exhaustive()
    }
}

/// An administrator as RingCX holds it.
#[derive(Clone, PartialEq)]
pub struct Admin(Map<String, Value>);

impl Admin {
    /// The administrator of an object from RingCX.
    pub fn from_raw(raw: Map<String, Value>) -> Self {
        Self(raw)
    }

    /// The whole object.
    pub fn raw(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Its id.
    pub fn id(&self) -> Option<UserId> {
        self.0.get("userId").and_then(id_of).map(UserId)
    }

    /// Its login name.
    pub fn user_name(&self) -> Option<&str> {
        text(&self.0, "userName")
    }

    /// Whether it may log in.
    pub fn enabled(&self) -> bool {
        self.0.get("enabled").and_then(flag).unwrap_or(true)
    }

    /// Its roles, which are texts in the guide and objects in the interface description.
    pub fn roles(&self) -> BTreeSet<RoleType> {
        roles_of(self.0.get("roles").unwrap_or(&Value::Null))
    }

    /// The roles, where the object shows them at all.
    pub fn roles_shown(&self) -> Option<BTreeSet<RoleType>> {
        self.0.get("roles").filter(|roles| roles.is_array()).map(roles_of)
    }

    /// Whether it is the root of its hierarchy.
    pub fn root_user(&self) -> bool {
        self.0.get("rootUser").and_then(flag).unwrap_or(false)
    }

    /// Those it has created, where the answer is a tree.
    pub fn children(&self) -> Vec<Admin> {
        let children = self.0.get("children").and_then(Value::as_array).into_iter().flatten();
        children.filter_map(Value::as_object).cloned().map(Self).collect()
    }

    /// The extension to which it is tied.
    pub fn rc_user_id(&self) -> Option<RcUserId> {
        self.0.get("rcUserId").and_then(id_of).map(RcUserId)
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// The roles in a list of texts or of objects with `roleType`.
pub fn roles_of(list: &Value) -> BTreeSet<RoleType> {
    let items = list.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.as_str().or_else(|| item.get("roleType")?.as_str()))
        .map(RoleType::new)
        .collect()
}

/// An id that is a number or a text of digits.
pub fn id_of(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => number.as_i64().map(|number| number != 0),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_numbers_or_texts() {
        assert_eq!(Agent::from_json(json!({"agentId": "7", "agentGroup": {"id": 3}})).id(), Some(AgentId(7)));
        assert_eq!(
            Agent::from_json(json!({"agentGroup": {"agentGroupId": "3"}})).group_id(),
            Some(AgentGroupId(3))
        );
        assert_eq!(Agent::from_json(json!({"groupId": 4})).group_id(), Some(AgentGroupId(4)));
        assert!(serde_json::from_str::<UserId>("\"x\"").is_err());
    }

    #[test]
    fn roles_are_texts_or_objects() {
        let both = [json!(["user", "SUPER_USER"]), json!([{"roleType": "USER"}, {"roleType": "SUPER_USER"}])];
        for list in both {
            assert_eq!(roles_of(&list), BTreeSet::from([RoleType::new("USER"), RoleType::new("super_user")]));
        }
    }

    #[test]
    fn is_active_wins_over_its_twin() {
        assert!(!Agent::from_json(json!({"isActive": false, "active": true})).is_active());
        assert!(!Agent::from_json(json!({"active": "false"})).is_active());
        assert!(Agent::from_json(json!({})).is_active());
    }
}
