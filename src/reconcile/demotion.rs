//! Who is a supervisor no more: what RingCX has assigned to them as one is a supervisor's business and stays, and is named, so that
//! somebody can take it away.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::case::Case;
use super::trouble::Trouble;
use crate::domain::plan::ObservedAgent;
use crate::upstream::model::id_of;

impl Case<'_> {
    /// Tells auditor and person of the assignments that a demotion has left; `before` is the agent as it was.
    pub(super) async fn note_demotion(
        &mut self,
        before: &ObservedAgent,
        changes: &BTreeMap<String, Value>,
    ) -> Result<(), Trouble> {
        let is = |value: Option<&Value>| value.and_then(Value::as_str) == Some("SUPERVISOR");
        let raw = before.agent.raw();
        if !changes.contains_key("agentType") || !is(raw.get("agentType")) || is(changes.get("agentType")) {
            return Ok(());
        }
        // RingCX often shows nothing here although there is something.
        let shown = raw.get("whereSupervisor").and_then(Value::as_array).into_iter().flatten();
        let agents: Vec<i64> = shown.filter_map(|it| it.get("agentId").and_then(id_of)).collect();
        if !agents.is_empty() {
            let named = agents.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            self.notes.push(format!(
                "Agent {} is no supervisor any more and is still assigned as one to agents {named}; end that in RingCX.",
                before.id
            ));
        }
        self.note_decision("demoted", &json!({"agentId": before.id, "supervises": agents})).await
    }
}
