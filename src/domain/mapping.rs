//! Which SCIM attribute becomes which field of a RingCX agent: one table, one line per attribute.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::desired::Directory;
use super::lookup::{self, ASSIGNED};
use super::person::{elements, text_of};
use super::policy::{
    AgentDefaults, AssignmentShape, DestinationSource, ExternalIdSource, Policy, ProfileSource,
};
use super::{fold, person, phone};
use crate::scim::Resource;
use crate::scim::urn::{ENTERPRISE_USER, RINGCX_USER};
use crate::upstream::model::{AuxState, id_of};

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

/// The attributes of the extension that stand for one field each, with that field.
pub(super) fn extension_fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    FIELDS.iter().filter_map(|(from, field, _)| match from {
        From::RingCx(name) => Some((*name, *field)),
        From::Core(_) => None,
    })
}

/// What a person's resource says about the fields of the agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AgentFields {
    /// The fields that it decides; one that is not named stays as RingCX has it.
    pub values: BTreeMap<String, Value>,
    /// Fields that stay as they are although it does not decide them now: a name that nobody knows at present, a setting that
    /// was switched off. They are no withdrawal.
    pub kept: BTreeSet<String>,
    /// What could not be had, in words.
    pub notes: Vec<String>,
}

impl AgentFields {
    fn set(&mut self, field: &str, value: Value) {
        self.values.insert(field.to_owned(), value);
    }

    fn keep(&mut self, field: &str) {
        self.values.remove(field);
        self.kept.insert(field.to_owned());
    }
}

/// The fields of an administrator that a resource speaks of.
pub fn admin_fields(user: &Resource) -> BTreeMap<String, Value> {
    let names = [("name.givenName", "firstName"), ("name.familyName", "lastName")];
    let said =
        names.into_iter().filter_map(|(path, field)| Some((field.to_owned(), user.get(path)?.clone())));
    said.collect()
}

/// The fields of the agent that the person's resource decides.
pub fn agent_fields(user: &Resource, policy: &Policy, directory: &Directory) -> AgentFields {
    let mut fields = AgentFields::default();
    for (from, field, _) in FIELDS {
        let value = match from {
            From::Core(path) => user.get(path),
            From::RingCx(name) => user.get(&format!("{RINGCX_USER}:{name}")),
        };
        if let Some(value) = value {
            fields.set(field, value.clone());
        }
    }
    if let Some(email) = person::email(user) {
        fields.set("email", json!(email));
    }
    profile(user, policy, &mut fields);
    telephone(user, policy, &mut fields);
    states(user, directory, &mut fields);
    for assigned in ASSIGNED {
        let Some(shape) = policy.assignment_shape else {
            fields.keep(assigned.field);
            continue;
        };
        let Some(text) = ringcx_text(user, assigned.attribute) else { continue };
        match assigned.id(assigned.attribute, text, policy, directory) {
            Ok(id) => fields.set(assigned.field, shaped(id, shape)),
            Err(why) => {
                fields.keep(assigned.field);
                fields.notes.push(why);
            }
        }
    }
    fields
}

/// Location and team, from elsewhere when the tenant says so and the extension is silent.
fn profile(user: &Resource, policy: &Policy, fields: &mut AgentFields) {
    for (field, source) in [("location", policy.location_source), ("team", policy.team_source)] {
        let enterprise = |name: &str| user.text(&format!("{ENTERPRISE_USER}:{name}"));
        let value = match source {
            ProfileSource::Extension => None,
            ProfileSource::Locality => work(user, "addresses").find_map(|it| text_of(it, "locality")),
            ProfileSource::Department => enterprise("department"),
            ProfileSource::Division => enterprise("division"),
            ProfileSource::Organization => enterprise("organization"),
            ProfileSource::CostCenter => enterprise("costCenter"),
        };
        if let Some(value) = value.filter(|_| !fields.values.contains_key(field)) {
            fields.set(field, json!(value));
        }
    }
}

/// Login destinations, caller id and PIN. A number of the directory is somebody's own telephone: it becomes a destination only
/// where the tenant says so, or customers' calls would go there.
fn telephone(user: &Resource, policy: &Policy, fields: &mut AgentFields) {
    if policy.default_login_destination_source == DestinationSource::WorkPhone
        && !fields.values.contains_key("defaultLoginDest")
        && let Some(text) = work(user, "phoneNumbers").find_map(|it| text_of(it, "value"))
    {
        if let Some(number) = phone::number(text) {
            fields.set("defaultLoginDest", json!(number));
        } else {
            let why =
                "The work number in phoneNumbers is no telephone number, so it is no login destination.";
            fields.keep("defaultLoginDest");
            fields.notes.push(why.to_owned());
        }
    }
    for field in ["defaultLoginDest", "altDefaultLoginDest"] {
        if policy.default_login_destination_source == DestinationSource::None {
            fields.keep(field);
        }
    }
    for field in ["defaultLoginDest", "altDefaultLoginDest", "manualOutboundDefaultCallerId"] {
        if let Some(Value::String(text)) = fields.values.get_mut(field) {
            *text = phone::destination(text);
        }
    }
    if !policy.phone_login_pin {
        fields.keep("phoneLoginPin");
    }
}

/// The two states: RingCX wants its own spelling, and for the initial one its id as well.
fn states(user: &Resource, directory: &Directory, fields: &mut AgentFields) {
    if let Some(label) = ringcx_text(user, "initialState") {
        match lookup::state("initialState", label, &directory.aux_states) {
            Ok(state) => fields.values.extend(initial_state(state)),
            Err(why) => {
                fields.keep(INITIAL[0]);
                fields.keep(INITIAL[1]);
                fields.notes.push(why);
            }
        }
    }
    if let Some(label) = ringcx_text(user, "ghostRnaAction")
        && let Some(state) = aux_state(label, &directory.aux_states)
    {
        fields.set("ghostRnaAction", json!(state.name));
    }
}

/// The elements of a list whose `type` is "work".
fn work<'a>(user: &'a Resource, attribute: &str) -> impl Iterator<Item = &'a Value> {
    elements(user, attribute)
        .filter(|element| text_of(element, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("work")))
}

fn shaped(id: i64, shape: AssignmentShape) -> Value {
    match shape {
        AssignmentShape::Ids => json!(id),
        AssignmentShape::Objects => json!({"id": id}),
    }
}

/// The id in a field that is written as one or as an object with one.
pub fn assigned_id(field: &str, value: &Value) -> Option<i64> {
    let keys = match field {
        "phoneLoginDialGroup" => ["id", "dialGroupId"],
        "manualOutboundDefaultGate" => ["id", "gateId"],
        _ => return None,
    };
    id_of(value).or_else(|| keys.iter().find_map(|key| id_of(value.get(key)?)))
}

/// The fields of every new agent, with names resolved; what means nothing in this account is left out and named.
pub fn new_agent_defaults(
    given: &AgentDefaults,
    policy: &Policy,
    directory: &Directory,
) -> (AgentDefaults, Option<String>) {
    let mut defaults = given.clone();
    let mut faults = Vec::new();
    // People sign in by a softphone unless the tenant says otherwise.
    defaults.entry("enableSoftphone").or_insert(json!(true));
    let label = defaults.remove("initLoginBaseState");
    let label = label.as_ref().and_then(Value::as_str);
    if let Some(label) = label {
        match lookup::state("agent_defaults.initLoginBaseState", label, &directory.aux_states) {
            Ok(state) => defaults.extend(initial_state(state)),
            Err(why) => faults.push(why),
        }
    } else if let Some(state) = aux_state("AVAILABLE", &directory.aux_states) {
        defaults.extend(initial_state(state));
    }
    for assigned in ASSIGNED {
        let Some(value) = defaults.remove(assigned.field) else { continue };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let subject = format!("agent_defaults.{}", assigned.field);
        match (assigned.id(&subject, &text, policy, directory), policy.assignment_shape) {
            (Ok(id), Some(shape)) => drop(defaults.insert(assigned.field.to_owned(), shaped(id, shape))),
            (Ok(_), None) => {}
            (Err(why), _) => faults.push(why),
        }
    }
    (defaults, (!faults.is_empty()).then(|| faults.join(" ")))
}

/// What `field` becomes now that the client has withdrawn it; nothing: RingCX keeps its value.
pub fn cleared_value(field: &str, defaults: &AgentDefaults) -> Option<Value> {
    if field == "email" {
        return Some(json!(""));
    }
    if field == "agentType" {
        return Some(defaults.get(field).cloned().unwrap_or_else(|| json!("AGENT")));
    }
    if INITIAL.contains(&field) {
        return defaults.get(field).cloned();
    }
    if ASSIGNED.iter().any(|assigned| assigned.field == field) {
        return Some(defaults.get(field).cloned().unwrap_or(Value::Null));
    }
    let (.., cleared) = FIELDS.iter().find(|(_, name, _)| *name == field)?;
    match cleared {
        Cleared::Empty => Some(json!("")),
        Cleared::Default(fallback) => defaults.get(field).cloned().or_else(|| fallback.map(|it| json!(it))),
    }
}

/// The two fields that say in which state an agent starts: RingCX wants the label and the id of one state of the account.
const INITIAL: [&str; 2] = ["initLoginBaseState", "initLoginBaseStateId"];

fn initial_state(state: &AuxState) -> [(String, Value); 2] {
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
