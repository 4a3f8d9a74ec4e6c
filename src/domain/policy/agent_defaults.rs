//! The fields of every new agent: `[tenant.NAME.agent_defaults]`, in RingCX's own names.
//!
//! RingCX's form of an agent has some thirty permission flags that no identity provider carries; a tenant gives them here. What is
//! known of a field comes from RingCX's interface description; a field that is not in the table is a mistake.

use serde_json::{Map, Value};

use super::Policy;

/// Fields of every agent that the bridge creates.
pub type AgentDefaults = Map<String, Value>;

/// What a field takes.
#[derive(Clone, Copy)]
enum Takes {
    Flag,
    Number(i64, i64),
    Text,
    Word(&'static [&'static str]),
    /// The label of a state of the account.
    State,
    /// The name or the id of a dial group or queue of the account.
    Assigned,
    /// A table of its own.
    Table,
}

const TRANSFER: Takes = Takes::Word(&[
    "DIRECT_TRANSFER_DISABLED",
    "ALLOW_DIRECT_TRANSFER_TO_SAME_GROUP",
    "ALLOW_DIRECT_TRANSFER_TO_ANY_GROUP",
]);

/// Every field that a tenant can give, by name.
const FIELDS: [(&str, Takes); 50] = [
    ("agentRank", Takes::Number(0, 24)),
    ("agentType", Takes::Word(&["AGENT", "SUPERVISOR"])),
    ("allowAgentReports", Takes::Flag),
    ("allowAgentStats", Takes::Flag),
    ("allowAutoAnswer", Takes::Flag),
    ("allowBlended", Takes::Flag),
    ("allowCallControl", Takes::Flag),
    ("allowCampStats", Takes::Flag),
    ("allowChat", Takes::Flag),
    ("allowChatStats", Takes::Flag),
    ("allowChatVoiceConcurrent", Takes::Flag),
    ("allowCrossGateRequeue", Takes::Flag),
    ("allowDirectAgentTransfer", TRANSFER),
    ("allowEndcallforeveryone", Takes::Flag),
    ("allowExternalChat", Takes::Flag),
    ("allowGateStats", Takes::Flag),
    ("allowHangup", Takes::Flag),
    ("allowHistoricalDialing", Takes::Flag),
    ("allowHold", Takes::Flag),
    ("allowInbound", Takes::Flag),
    ("allowInboundIntlTransfer", Takes::Flag),
    ("allowLeadInserts", Takes::Flag),
    ("allowLoginControl", Takes::Flag),
    ("allowLoginUpdates", Takes::Flag),
    ("allowManualCalls", Takes::Flag),
    ("allowManualIntlCalls", Takes::Flag),
    ("allowManualIntlTransfer", Takes::Flag),
    ("allowManualOutboundGates", Takes::Flag),
    ("allowManualPass", Takes::Flag),
    ("allowOffHook", Takes::Flag),
    ("allowOutbound", Takes::Flag),
    ("allowRequeue", Takes::Flag),
    ("allowSelfAgentStats", Takes::Flag),
    ("allowTransfer", Takes::Flag),
    ("altDefaultLoginDest", Takes::Text),
    ("defaultAutoAnswerOn", Takes::Flag),
    ("defaultLoginDest", Takes::Text),
    ("disableSupervisorMonitoring", Takes::Flag),
    ("enableSoftphone", Takes::Flag),
    ("gatesControlAgentVisibility", Takes::Flag),
    ("ghostRnaAction", Takes::State),
    ("initLoginBaseState", Takes::State),
    ("location", Takes::Text),
    ("manualOutboundDefaultCallerId", Takes::Text),
    ("manualOutboundDefaultGate", Takes::Assigned),
    ("maxChats", Takes::Number(0, i32::MAX as i64)),
    ("phoneLoginDialGroup", Takes::Assigned),
    ("regionalSettings", Takes::Table),
    ("showLeadHistory", Takes::Flag),
    ("team", Takes::Text),
];

/// The names of those fields.
pub fn names() -> Vec<&'static str> {
    FIELDS.iter().map(|(name, _)| *name).collect()
}

/// Fields of RingCX that a tenant cannot give, and why not.
const NOT_HERE: [(&str, &str); 38] = [
    ("accountAccess", SUPERVISED),
    ("active", "is decided by the person's active"),
    ("agentAccountAccess", SUPERVISED),
    ("agentChatGroupAccess", SUPERVISED),
    ("agentChatQueueAccesses", SUPERVISED),
    ("agentDialGroupMembers", SUPERVISED),
    ("agentGateAccess", SUPERVISED),
    ("agentGateGroupAccess", SUPERVISED),
    ("agentGroup", "is decided by groups and default_agent_group"),
    ("agentId", BY_RINGCX),
    ("agentLoadBalance", SUPERVISED),
    ("agentLoadBalanceMembers", SUPERVISED),
    ("agentSkillProfiles", SUPERVISED),
    ("allowFromIpAddresses", "is never written by the bridge; set it in RingCX"),
    ("chatQueueAssignments", SUPERVISED),
    ("createdOn", BY_RINGCX),
    ("dialGroupAssignments", SUPERVISED),
    ("directAgentExtension", PERSONAL),
    ("email", PERSONAL),
    ("externalAgentId", "is decided by external_agent_id_source"),
    ("firstName", PERSONAL),
    ("gateAssignments", SUPERVISED),
    ("groupId", "is decided by groups and default_agent_group"),
    ("initLoginBaseStateId", "follows from initLoginBaseState; give the label there"),
    ("isActive", "is decided by the person's active"),
    ("lastLoginDate", BY_RINGCX),
    ("lastName", PERSONAL),
    ("loadBalanceEnabled", SUPERVISED),
    ("multiAccountAgent", BY_RINGCX),
    ("parentAgentId", BY_RINGCX),
    ("password", "is a secret, made anew for each agent; no two agents share one"),
    ("phoneLoginPin", "is a secret; no two agents share one"),
    ("rcUserId", "is decided by link_rc_extension"),
    ("sipPassword", "is a secret that RingCX makes"),
    ("softphoneId", BY_RINGCX),
    ("transientAgent", BY_RINGCX),
    ("userManagedByRC", "is decided by sync_with_office"),
    ("username", "is decided by username_template"),
];

const SUPERVISED: &str = "belongs to those who run the floor; give it in RingCX";
const BY_RINGCX: &str = "is decided by RingCX";
const PERSONAL: &str = "belongs to one person; it comes from the identity provider";

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// RingCX's agents have no such field.
    Unknown,
    /// One sentence without its subject.
    Because(String),
}

/// The fields that cannot be what they are, each with what is wrong.
pub fn check(defaults: &AgentDefaults, policy: &Policy) -> Vec<(String, Fault)> {
    let faults =
        defaults.iter().filter_map(|(name, value)| Some((name.clone(), fault(name, value, policy)?)));
    faults.collect()
}

fn fault(name: &str, value: &Value, policy: &Policy) -> Option<Fault> {
    let because = |why: &str| Some(Fault::Because(why.to_owned()));
    if let Some((_, why)) = NOT_HERE.iter().find(|(field, _)| *field == name) {
        return because(why);
    }
    let Some((_, takes)) = FIELDS.iter().find(|(field, _)| *field == name) else {
        return Some(Fault::Unknown);
    };
    let text = value.as_str().map(str::trim).filter(|text| !text.is_empty());
    match takes {
        Takes::Flag if !value.is_boolean() => because("must be true or false"),
        Takes::Number(min, max) if !value.as_i64().is_some_and(|it| (*min..=*max).contains(&it)) => {
            Some(Fault::Because(format!("must be a whole number from {min} to {max}")))
        }
        Takes::Text if !value.is_string() => because("must be text; put it in quotes"),
        Takes::State if text.is_none() => {
            because("must be the label of a state; see `ringcx-scim list aux-states`")
        }
        Takes::Word(words) if !text.is_some_and(|text| words.contains(&text)) => {
            Some(Fault::Because(format!("must be one of {}", words.join(", "))))
        }
        Takes::Assigned if text.is_none() && !value.is_i64() => {
            let list = if name == "phoneLoginDialGroup" { "dial-groups" } else { "queues" };
            Some(Fault::Because(format!("must be a name or an id; see `ringcx-scim list {list}`")))
        }
        Takes::Assigned if policy.assignment_shape.is_none() => {
            because("needs policy.assignment_shape, since RingCX does not document how it is written")
        }
        Takes::Table if !value.is_object() => because("must be a table, as in { language = \"en_US\" }"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::policy::AssignmentShape;

    fn found(name: &str, value: &Value, policy: &Policy) -> String {
        let defaults: AgentDefaults = [(name.to_owned(), value.clone())].into_iter().collect();
        match check(&defaults, policy).pop() {
            None => "fine".to_owned(),
            Some((_, Fault::Unknown)) => "unknown".to_owned(),
            Some((_, Fault::Because(why))) => why,
        }
    }

    #[test]
    fn a_field_is_known_of_its_type_and_not_the_bridges_own() {
        let policy = Policy::default();
        let shaped = Policy { assignment_shape: Some(AssignmentShape::Ids), ..Policy::default() };
        for (name, value, policy, says) in [
            ("allowManualCalls", json!(true), &policy, "fine"),
            ("allowManualCalls", json!("yes"), &policy, "must be true or false"),
            ("allowManualCals", json!(true), &policy, "unknown"),
            ("agentRank", json!(24), &policy, "fine"),
            ("agentRank", json!(25), &policy, "must be a whole number from 0 to 24"),
            ("agentType", json!("MULTI_USER"), &policy, "must be one of AGENT, SUPERVISOR"),
            ("team", json!(7), &policy, "must be text; put it in quotes"),
            ("initLoginBaseState", json!("LUNCH"), &policy, "fine"),
            (
                "initLoginBaseStateId",
                json!(1),
                &policy,
                "follows from initLoginBaseState; give the label there",
            ),
            ("username", json!("x"), &policy, "is decided by username_template"),
            ("sipPassword", json!("x"), &policy, "is a secret that RingCX makes"),
            ("phoneLoginDialGroup", json!("Campaigns"), &shaped, "fine"),
            ("manualOutboundDefaultGate", json!(8101), &shaped, "fine"),
            (
                "manualOutboundDefaultGate",
                json!(true),
                &shaped,
                "must be a name or an id; see `ringcx-scim list queues`",
            ),
            ("regionalSettings", json!({"language": "en_US"}), &policy, "fine"),
        ] {
            assert_eq!(found(name, &value, policy), says, "{name} {value}");
        }
        assert!(found("phoneLoginDialGroup", &json!("x"), &policy).contains("assignment_shape"));
    }

    #[test]
    fn no_field_is_in_both_tables() {
        let known = names();
        assert!(known.is_sorted());
        assert!(NOT_HERE.iter().all(|(name, _)| !known.contains(name)));
    }
}
