//! What ties a person to accounts in RingCX, and what the bridge remembers of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::desired::{Desired, DesiredAgent};
use super::found::Found;
use super::plan::same_value;
use crate::upstream::model::{AgentGroupId, AgentId, RcUserId, RightsDocId, RoleType, UserId};

/// The accounts of one person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The agent.
    pub agent: Option<AgentLink>,
    /// The administrator.
    pub admin: Option<AdminLink>,
    /// A fingerprint of the agent that RingCX last confirmed; the same wish need not be asked for again.
    #[serde(default)]
    pub agent_applied: Option<String>,
    /// The same for the administrator.
    #[serde(default)]
    pub admin_applied: Option<String>,
    /// Since when RingCX has the person switched off by the client's wish; nothing while they may work.
    #[serde(default)]
    pub left: Option<Left>,
    /// That the agent is not tied to a RingCentral extension although the tenant ties them; none: it is tied, or is not to be.
    #[serde(default)]
    pub unlinked: Option<Unlinked>,
    /// The agent group that an operator chose for an agent to come, where no group decides.
    #[serde(default)]
    pub home: Option<AgentGroupId>,
    /// The login name that the client wants for the agent and that RingCX does not give it.
    #[serde(default)]
    pub refused_login: Option<String>,
    /// Since when RingCX has not shown the agent; nothing while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_missing: Option<Timestamp>,
    /// The same for the administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_missing: Option<Timestamp>,
}

/// How somebody was switched off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// When RingCX confirmed it.
    pub at: Timestamp,
    /// The direct line that their agent had then, and that callers may still use.
    pub direct_line: Option<String>,
}

impl Link {
    /// The agent group in which the agent is at home: where it was found, or where an operator wanted it.
    pub fn home_group(&self) -> Option<AgentGroupId> {
        self.agent.as_ref().and_then(|agent| agent.home).or(self.home)
    }
}

/// An agent that waits for its RingCentral extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlinked {
    /// Since when.
    pub since: Timestamp,
    /// Why it has none.
    pub why: NoExtension,
}

/// Why an agent has no RingCentral extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoExtension {
    /// No extension has the person's e-mail address.
    NotFound,
    /// Several have it.
    Ambiguous,
    /// The one that has it is in no state in which it is tied.
    Unusable,
    /// The list of extensions cannot be read.
    Unreadable,
}

impl NoExtension {
    /// The word in the resource.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Ambiguous => "ambiguous",
            Self::Unusable => "unusable",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Link {
    /// RingCX agrees with `desired`: nothing is left to be given back.
    pub fn confirm(&mut self, desired: &Desired) {
        if let Some(link) = &mut self.agent {
            link.former.clear();
            if let Some(wanted) = desired.agent.as_ref().filter(|_| desired.active) {
                link.agreed(wanted);
            }
        }
        if let Some(link) = &mut self.admin {
            let former = std::mem::take(&mut link.former);
            let wanted =
                |field: &String| desired.admin.as_ref().is_some_and(|it| it.fields.contains_key(field));
            link.owned.retain(|field| !former.contains_key(field) || wanted(field));
            if let Some(wanted) = desired.admin.as_ref().filter(|_| desired.active) {
                link.found.retain(|field, found| match field.as_str() {
                    USER_NAME => same_value(Some(found), &json!(wanted.user_name)),
                    other => wanted.fields.get(other).is_none_or(|it| same_value(Some(found), it)),
                });
            }
        }
    }
}

/// The agent of a person.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and none follows from the others"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentLink {
    /// Its id: the key of all reporting history, so it never changes.
    pub id: AgentGroupAgent,
    /// Its login name as RingCX gave it.
    pub username: String,
    /// Whether the bridge created it.
    pub ours: bool,
    /// Where it was found, if it was found and not created.
    pub home: Option<AgentGroupId>,
    /// Whether RingCX last confirmed to us that it may work.
    pub enabled: bool,
    /// The fields that the client has set through us.
    pub owned: BTreeSet<String>,
    /// What RingCX held in fields that a write now under way sets for the first time: a refusal gives it back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub former: BTreeMap<String, Value>,
    /// Whether its `externalAgentId` is of our writing.
    pub wrote_external_id: bool,
    /// The RingCentral extension to which it is tied.
    pub rc_user_id: Option<RcUserId>,
    /// Whether it was found where it is said to be, and no work has looked since: who moves it meanwhile is followed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
    /// What RingCX showed when the agent was imported, as far as the client has not changed it since.
    #[serde(default, skip_serializing_if = "Found::is_empty")]
    pub found: Found,
}

impl AgentLink {
    /// RingCX has agreed to `wanted`: its fields are the client's now, except those that say what was found.
    fn agreed(&mut self, wanted: &DesiredAgent) {
        self.found.yield_to(&wanted.fields);
        self.found
            .fields
            .retain(|field, found| field != LOGIN || same_value(Some(found), &json!(wanted.login)));
        self.owned = wanted.owned(&self.owned);
        self.owned.retain(|field| !self.found.fields.contains_key(field));
    }
}

/// An agent and the group under which RingCX addresses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentGroupAgent {
    /// The agent.
    pub agent: AgentId,
    /// Its agent group, as last seen.
    pub group: AgentGroupId,
}

/// The administrator of a person.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and none follows from the others"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminLink {
    /// Its id.
    pub id: UserId,
    /// Its login name.
    pub user_name: String,
    /// Whether the bridge created it.
    pub ours: bool,
    /// Whether RingCX last confirmed to us that it is enabled.
    pub enabled: bool,
    /// The fields that the client has set through us.
    pub owned: BTreeSet<String>,
    /// What RingCX held in fields that a write now under way sets for the first time: a refusal gives it back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub former: BTreeMap<String, Value>,
    /// What the person's resource said when the administrator was imported or linked, where no client had written it: no wish
    /// of the client's, as long as it says the same.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub found: BTreeMap<String, Value>,
    /// The roles that it had when it was taken over; nothing: that was not remembered, or it is of the bridge's making.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_roles: Option<BTreeSet<RoleType>>,
    /// The roles that the bridge gave: only these are ever taken away.
    pub granted_roles: BTreeSet<RoleType>,
    /// The rights documents that the bridge gave: only these are ever taken away.
    pub granted_docs: BTreeSet<RightsDocId>,
    /// Whether it was taken over on create and not looked at since: one who holds privileged roles is not taken over like that.
    #[serde(default)]
    pub unproven: bool,
    /// Whether it is still to get the mail with which it chooses its password.
    #[serde(default)]
    pub owes_reset_mail: bool,
}

impl AdminLink {
    /// An enabled administrator that was found and to which the bridge has given nothing yet.
    pub fn new(id: UserId, user_name: String) -> Self {
        Self {
            id,
            user_name,
            ours: false,
            enabled: true,
            owned: BTreeSet::new(),
            former: BTreeMap::new(),
            found: BTreeMap::new(),
            found_roles: None,
            granted_roles: BTreeSet::new(),
            granted_docs: BTreeSet::new(),
            unproven: false,
            owes_reset_mail: false,
        }
    }

    /// Whether a value for a field is the one that was found, so that it says nothing new.
    pub fn holds(&self, field: &str, value: &Value) -> bool {
        self.found.get(field).is_some_and(|found| same_value(Some(found), value))
    }
}

/// The login name of an administrator, and of an agent.
pub const USER_NAME: &str = "userName";
/// The login name of an agent.
pub const LOGIN: &str = "username";

/// What ties an agent to RingCentral: the bridge gives it and takes it away from nobody, so it is not given back either.
const TIES: [&str; 2] = ["rcUserId", "userManagedByRC"];

/// Remembers, before a call is made, that the fields in `changes` are set by it, and what `seen` has in those that were not ours.
pub fn about_to_set(
    owned: &mut BTreeSet<String>,
    former: &mut BTreeMap<String, Value>,
    seen: &Map<String, Value>,
    changes: &BTreeMap<String, Value>,
) {
    for field in changes.keys().filter(|field| !TIES.contains(&field.as_str())) {
        if owned.insert(field.clone()) {
            former.insert(field.clone(), seen.get(field).cloned().unwrap_or(Value::Null));
        }
    }
}
