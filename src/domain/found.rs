//! What RingCX showed of an agent that was there before us: shown to clients, never pushed back as if they had sent it.
//!
//! An imported person's body holds what a client could have written (names, addresses, whether they may work); the attributes
//! of the RingCX extension lie under the answer until a client writes its own. Either way a value that a client has not
//! changed is no wish: a supervisor who changes it in RingCX later keeps it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::mapping;
use super::person::is_address;
use super::plan::same_value;
use super::policy::ExternalIdSource;
use crate::scim::Resource;
use crate::scim::urn::{ENTERPRISE_USER, RINGCX_USER};
use crate::upstream::model::{Agent, AgentType};

/// What was found of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The fields that no client has changed since, by RingCX's names.
    pub fields: BTreeMap<String, Value>,
    /// Why it is not ours to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<String>,
}

/// The fields of an agent that are kept of a read: those that are shown, and those that decide what an import does. Never
/// a password or a PIN.
const KEPT: [&str; 12] = [
    "agentId",
    "username",
    "firstName",
    "lastName",
    "email",
    "agentType",
    "isActive",
    "externalAgentId",
    "rcUserId",
    "userManagedByRC",
    "multiAccountAgent",
    "transientAgent",
];

impl Found {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What an agent shows beyond the core of SCIM.
    pub fn of(agent: &Agent) -> Self {
        let raw = agent.raw();
        let shown = extension_fields().filter_map(|(_, field)| {
            let value = raw.get(field).filter(|value| !is_blank(value))?;
            Some((field.to_owned(), value.clone()))
        });
        Self { fields: shown.collect(), read_only: read_only(agent) }
    }

    /// The attributes of the RingCX extension that show what was found.
    pub fn shown(&self) -> Map<String, Value> {
        let attributes = extension_fields().filter_map(|(name, field)| {
            Some((name.to_owned(), as_attribute(name, self.fields.get(field)?)?))
        });
        attributes.collect()
    }

    /// Whether a client's value for a field is the one that was found, so that it says nothing new.
    pub fn holds(&self, field: &str, value: &Value) -> bool {
        self.fields.get(field).is_some_and(|found| same_value(Some(found), value))
    }

    /// Forgets the fields for which the client wants something else: they are the client's from now on.
    pub fn yield_to(&mut self, wanted: &BTreeMap<String, Value>) {
        self.fields.retain(|field, found| wanted.get(field).is_none_or(|it| same_value(Some(found), it)));
    }

    /// Takes out of `user` what a client only sends back as it was shown: many build a PUT from the last GET.
    pub fn drop_echo(&self, base: &Resource, user: &mut Resource) {
        for (name, value) in self.shown() {
            let path = format!("{RINGCX_USER}:{name}");
            if base.get(&path).is_none() && user.get(&path).is_some_and(|sent| same_value(Some(&value), sent))
            {
                user.remove(&path);
            }
        }
    }
}

/// The attributes of the extension that show a field, with that field. A PIN is never shown, and the kind of agent and the
/// extension have rules of their own elsewhere.
fn extension_fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    let own =
        [("agentType", "agentType"), ("rcExtensionId", "rcUserId"), ("initialState", "initLoginBaseState")];
    mapping::extension_fields().filter(|(name, _)| *name != "phoneLoginPin").chain(own)
}

/// The value as the schema has it; nothing when RingCX shows something that the attribute cannot hold.
fn as_attribute(name: &str, value: &Value) -> Option<Value> {
    let text = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match name {
        "agentRank" | "maxChats" => {
            value.as_i64().or_else(|| text().parse().ok()).map(|number| json!(number))
        }
        "enableSoftphone" | "allowInbound" | "allowOutbound" | "allowChat" | "allowLoginUpdates" => {
            value.as_bool().or_else(|| text().parse().ok()).map(|flag| json!(flag))
        }
        _ => Some(json!(text())),
    }
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

/// What is kept of an agent that was read: enough to plan an import and to make the person.
pub fn kept(agent: &Agent) -> Agent {
    let shown = extension_fields().map(|(_, field)| field);
    let mut kept = Map::new();
    for field in KEPT.into_iter().chain(shown) {
        if let Some(value) = agent.raw().get(field).filter(|value| !value.is_null()) {
            kept.insert(field.to_owned(), value.clone());
        }
    }
    if let Some(group) = agent.group_id() {
        kept.insert("agentGroupId".to_owned(), json!(group));
    }
    kept.insert("isActive".to_owned(), json!(agent.is_active()));
    Agent::from_raw(kept)
}

/// Why an agent is not ours to change, if it is not.
pub fn read_only(agent: &Agent) -> Option<String> {
    let flag = |field: &str| agent.raw().get(field) == Some(&Value::Bool(true));
    let why = if let AgentType::Other(kind) = agent.agent_type() {
        format!("its agentType is {kind}")
    } else if flag("multiAccountAgent") {
        "it is an agent of several sub-accounts".to_owned()
    } else if flag("transientAgent") {
        "it is a transient agent".to_owned()
    } else {
        return None;
    };
    Some(format!("The RingCX agent is managed in another sub-account ({why}); change it there."))
}

/// The person that an agent becomes: what a client could have written, as far as RingCX knows it.
///
/// `external_id` is the source that the tenant has chosen for `externalAgentId`: then the two are one key.
pub fn user_of(agent: &Agent, user_name: &str, external_id: Option<ExternalIdSource>) -> Resource {
    let mut user = Resource::default();
    user.set("userName", json!(user_name));
    user.set("name.givenName", json!(agent.first_name().unwrap_or_default()));
    user.set("name.familyName", json!(agent.last_name().unwrap_or_default()));
    user.set("active", json!(agent.is_active()));
    if let Some(address) = address_of(agent) {
        user.set("emails", json!([{"value": address, "type": "work", "primary": true}]));
    }
    let external = json!(agent.external_agent_id().unwrap_or_default());
    match external_id {
        Some(ExternalIdSource::ExternalId) => user.set("externalId", external),
        Some(ExternalIdSource::EmployeeNumber) => {
            user.set(&format!("{ENTERPRISE_USER}:employeeNumber"), external);
        }
        Some(ExternalIdSource::None) | None => {}
    }
    user
}

/// The address of an agent: its e-mail, else a login name that is a plain address.
pub fn address_of(agent: &Agent) -> Option<&str> {
    let email = agent.email().map(str::trim).filter(|email| !email.is_empty());
    email.or_else(|| agent.username().filter(|name| is_address(name) && !name.contains('+')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_shown_in_the_types_of_the_schema() {
        let seen = Agent::from_json(json!({
            "agentId": 1, "agentType": "MULTI_USER", "agentRank": "12", "location": "Leeds", "team": "", "allowChat": false,
            "rcUserId": 3_361_292_020_i64, "phoneLoginPin": "1234", "password": "secret", "maxChats": null,
        }));
        let found = Found::of(&seen);
        let shown = Value::Object(found.shown());
        assert_eq!(
            shown,
            json!({"agentType": "MULTI_USER", "agentRank": 12, "location": "Leeds", "allowChat": false, "rcExtensionId": "3361292020"})
        );
        assert!(found.read_only.unwrap().contains("MULTI_USER"));
    }

    #[test]
    fn passwords_and_pins_are_not_kept_of_a_read() {
        let seen = Agent::from_json(
            json!({"agentId": "1", "username": "a@b.c", "password": "secret", "phoneLoginPin": "1234", "sipPassword": "x"}),
        );
        assert_eq!(
            Value::Object(kept(&seen).raw().clone()),
            json!({"agentId": "1", "username": "a@b.c", "isActive": true})
        );
    }

    #[test]
    fn an_echo_is_no_wish_and_another_value_is() {
        let found = Found::of(&Agent::from_json(json!({"agentId": 1, "location": "Leeds", "team": "Blue"})));
        let mut user = Resource::default();
        user.set(&format!("{RINGCX_USER}:location"), json!("Leeds"));
        user.set(&format!("{RINGCX_USER}:team"), json!("Red"));
        found.drop_echo(&Resource::default(), &mut user);
        assert_eq!(user.get(&format!("{RINGCX_USER}:location")), None);
        assert_eq!(user.text(&format!("{RINGCX_USER}:team")), Some("Red"));
    }

    #[test]
    fn a_person_without_an_address_shows_a_login_name_that_is_one() {
        let address = |value| address_of(&Agent::from_json(value)).map(str::to_owned);
        assert_eq!(address(json!({"username": "jo@b.com"})).as_deref(), Some("jo@b.com"));
        assert_eq!(address(json!({"username": "jo"})), None);
        assert_eq!(address(json!({"username": "jo+15300002_7@b.com"})), None);
        assert_eq!(address(json!({"username": "jo", "email": "j@b.com"})).as_deref(), Some("j@b.com"));
    }
}
