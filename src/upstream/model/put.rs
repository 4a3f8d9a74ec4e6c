//! What goes back to RingCX where an update sends the whole object.

use serde_json::{Map, Value};

use super::{Admin, Agent, id_of};

/// The ids that are numbers in RingCX's interface description, of agents and of administrators. Some answers show texts of
/// digits instead (A39), and a PUT sends the whole object back.
const AGENT_IDS: [&str; 6] =
    ["agentId", "rcUserId", "groupId", "agentGroupId", "initLoginBaseStateId", "parentAgentId"];
const GROUP_IDS: [&str; 2] = ["id", "agentGroupId"];
const ADMIN_IDS: [&str; 2] = ["userId", "rcUserId"];

/// What a PUT leaves out: secrets that a GET may show, and collections that a GET shows as `null` although there is something
/// in them, so that sending the `null` back would clear what a supervisor has set.
const SECRETS: [&str; 3] = ["password", "sipPassword", "sipSafeUsername"];
const COLLECTIONS: [&str; 17] = [
    "gateAssignments",
    "chatQueueAssignments",
    "dialGroupAssignments",
    "agentSkillProfiles",
    "agentAccountAccess",
    "agentGateAccess",
    "agentGateGroupAccess",
    "agentChatGroupAccess",
    "agentDialGroupMembers",
    "agentChatQueueAccesses",
    "accountAccess",
    "agentLoadBalance",
    "agentLoadBalanceMembers",
    "whereSupervisor",
    "whereSupervisee",
    "manualOutboundDefaultGate",
    "phoneLoginDialGroup",
];

impl Agent {
    /// The object for a PUT: without secrets, without collections shown as `null`, and with its ids as numbers.
    pub fn for_put(&self) -> Map<String, Value> {
        let mut body = self.0.clone();
        as_numbers(&mut body, &AGENT_IDS);
        if let Some(group) = body.get_mut("agentGroup").and_then(Value::as_object_mut) {
            as_numbers(group, &GROUP_IDS);
        }
        for name in SECRETS {
            body.remove(name);
        }
        for name in COLLECTIONS {
            if body.get(name).is_some_and(Value::is_null) {
                body.remove(name);
            }
        }
        body
    }
}

impl Admin {
    /// The object for a PUT: with its ids as numbers.
    pub fn for_put(&self) -> Map<String, Value> {
        let mut body = self.0.clone();
        as_numbers(&mut body, &ADMIN_IDS);
        body
    }
}

/// Makes numbers of those of the named ids that are texts of digits; whatever else is there stays as it came.
fn as_numbers(object: &mut Map<String, Value>, ids: &[&str]) {
    for id in ids {
        if let Some(value) = object.get_mut(*id).filter(|value| value.is_string())
            && let Some(number) = id_of(value)
        {
            *value = number.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_put_leaves_out_secrets_and_null_collections() {
        let seen = Agent::from_json(json!({
            "agentId": 1, "password": "p", "sipPassword": "s", "sipSafeUsername": "u",
            "gateAssignments": null, "dialGroupAssignments": [1], "team": null, "unknown": {"kept": true},
        }));
        let body = Value::Object(seen.for_put());
        assert_eq!(
            body,
            json!({"agentId": 1, "dialGroupAssignments": [1], "team": null, "unknown": {"kept": true}})
        );
        assert!(
            !format!("{seen:?}").contains('p'.to_string().as_str())
                || !format!("{seen:?}").contains("password")
        );
    }

    #[test]
    fn a_put_sends_ids_as_numbers_and_all_else_as_it_came() {
        let seen = Agent::from_json(json!({
            "agentId": "7", "rcUserId": "9007199254741993", "agentGroup": {"id": "3", "description": "5"},
            "parentAgentId": null, "initLoginBaseStateId": "none", "callSign": "0042",
        }));
        let body = Value::Object(seen.for_put());
        assert_eq!(
            body,
            json!({
                "agentId": 7, "rcUserId": 9_007_199_254_741_993_i64, "agentGroup": {"id": 3, "description": "5"},
                "parentAgentId": null, "initLoginBaseStateId": "none", "callSign": "0042",
            })
        );
    }
}
