//! Which SCIM attribute becomes which field of a RingCX agent: one table, one line per attribute.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::policy::{AgentDefaults, AssignmentShape, ExternalIdSource, Policy};
use super::{fold, person};
use crate::scim::Resource;
use crate::scim::urn::{ENTERPRISE_USER, RINGCX_USER};
use crate::upstream::model::AuxState;

/// What a field becomes when the client withdraws the value that it once sent.
#[derive(Clone, Copy)]
enum Cleared {
    /// The empty text.
    Empty,
    /// The tenant's default, else this one; without either RingCX keeps what it has.
    Default(Option<i64>),
}

/// Where the attribute stands.
#[derive(Clone, Copy)]
enum From {
    /// In the core schema.
    Core(&'static str),
    /// In the RingCX extension.
    RingCx(&'static str),
}

/// One line of the table: attribute, field of the agent, and what withdrawing it means.
const FIELDS: &[(From, &str, Cleared)] = &[
    (From::Core("name.givenName"), "firstName", Cleared::Empty),
    (From::Core("name.familyName"), "lastName", Cleared::Empty),
    (From::RingCx("agentRank"), "agentRank", Cleared::Default(Some(0))),
    (From::RingCx("location"), "location", Cleared::Empty),
    (From::RingCx("team"), "team", Cleared::Empty),
    (From::RingCx("ghostRnaAction"), "ghostRnaAction", Cleared::Default(None)),
    (From::RingCx("maxChats"), "maxChats", Cleared::Default(None)),
    (From::RingCx("enableSoftphone"), "enableSoftphone", Cleared::Default(None)),
    (From::RingCx("defaultLoginDestination"), "defaultLoginDest", Cleared::Empty),
    (From::RingCx("altDefaultLoginDestination"), "altDefaultLoginDest", Cleared::Empty),
    (From::RingCx("directExtension"), "directAgentExtension", Cleared::Empty),
    (From::RingCx("manualOutboundCallerId"), "manualOutboundDefaultCallerId", Cleared::Empty),
    (From::RingCx("phoneLoginPin"), "phoneLoginPin", Cleared::Empty),
    (From::RingCx("allowInbound"), "allowInbound", Cleared::Default(None)),
    (From::RingCx("allowOutbound"), "allowOutbound", Cleared::Default(None)),
    (From::RingCx("allowChat"), "allowChat", Cleared::Default(None)),
    (From::RingCx("allowLoginUpdates"), "allowLoginUpdates", Cleared::Default(None)),
];

/// Fields that RingCentral maintains for agents whose `userManagedByRC` is true: RingCX refuses to change them.
pub const MANAGED_BY_RINGCENTRAL: [&str; 4] = ["firstName", "lastName", "email", "username"];

/// The fields of the agent that the person's resource decides; a field that is not named stays as RingCX has it.
pub fn agent_fields(user: &Resource, policy: &Policy, states: &[AuxState]) -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::new();
    for (from, field, _) in FIELDS {
        let value = match from {
            From::Core(path) => user.get(path),
            From::RingCx(name) => user.get(&format!("{RINGCX_USER}:{name}")),
        };
        if let Some(value) = value {
            fields.insert((*field).to_owned(), value.clone());
        }
    }
    if let Some(email) = person::email(user) {
        fields.insert("email".to_owned(), json!(email));
    }
    if let Some(state) = ringcx_text(user, "initialState").and_then(|label| aux_state(label, states)) {
        fields.extend(initial_state(state));
    }
    if let Some(shape) = policy.assignment_shape {
        for (name, field) in [
            ("defaultDialGroup", "phoneLoginDialGroup"),
            ("manualOutboundQueue", "manualOutboundDefaultGate"),
        ] {
            if let Some(id) = ringcx_text(user, name).and_then(|text| text.parse::<i64>().ok()) {
                let value = match shape {
                    AssignmentShape::Ids => json!(id),
                    AssignmentShape::Objects => json!({"id": id}),
                };
                fields.insert(field.to_owned(), value);
            }
        }
    }
    fields
}

/// What `field` becomes now that the client has withdrawn it; nothing: RingCX keeps its value.
pub fn cleared_value(field: &str, defaults: &AgentDefaults) -> Option<Value> {
    if field == "email" {
        return Some(json!(""));
    }
    if field == "agentType" {
        return Some(defaults.get(field).cloned().unwrap_or_else(|| json!("AGENT")));
    }
    let (.., cleared) = FIELDS.iter().find(|(_, name, _)| *name == field)?;
    match cleared {
        Cleared::Empty => Some(json!("")),
        Cleared::Default(fallback) => defaults.get(field).cloned().or_else(|| fallback.map(|it| json!(it))),
    }
}

/// The two fields that say in which state an agent starts: RingCX wants the label and the id of one state of the account.
pub fn initial_state(state: &AuxState) -> [(String, Value); 2] {
    [
        ("initLoginBaseState".to_owned(), json!(state.name)),
        ("initLoginBaseStateId".to_owned(), json!(state.id)),
    ]
}

/// The state of the account that a label means, in any case.
pub fn aux_state<'a>(label: &str, states: &'a [AuxState]) -> Option<&'a AuxState> {
    let wanted = fold(label);
    states.iter().find(|state| fold(&state.name) == wanted && state.active)
}

/// The value for `externalAgentId`, from wherever the tenant takes it.
pub fn external_agent_id(user: &Resource, source: ExternalIdSource) -> Option<&str> {
    match source {
        ExternalIdSource::None => None,
        ExternalIdSource::ExternalId => user.text("externalId"),
        ExternalIdSource::EmployeeNumber => user.text(&format!("{ENTERPRISE_USER}:employeeNumber")),
    }
}

/// A text attribute of the RingCX extension.
pub fn ringcx_text<'a>(user: &'a Resource, name: &str) -> Option<&'a str> {
    user.text(&format!("{RINGCX_USER}:{name}"))
}
