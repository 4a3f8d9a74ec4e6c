//! Agent groups.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Calls, garbled, object, objects};
use crate::upstream::error::Error;
use crate::upstream::model::{AgentGroup, AgentGroupId, id_of};

impl Calls {
    /// The agent groups that the bridge may see.
    pub async fn agent_groups(&self) -> Result<Vec<AgentGroup>, Error> {
        let answer = self.account_call("listAgentGroups", Method::GET, &["agentGroups"], &[], None).await?;
        Ok(objects(answer)?.iter().filter_map(read).collect())
    }

    /// Creates an agent group.
    pub async fn create_agent_group(&self, name: &str) -> Result<AgentGroup, Error> {
        let body = json!({"groupName": name});
        let answer =
            self.account_call("createAgentGroup", Method::POST, &["agentGroups"], &[], Some(&body)).await?;
        object(answer)
            .as_ref()
            .and_then(read)
            .ok_or_else(|| garbled("a new agent group without its id", true))
    }
}

fn read(group: &Map<String, Value>) -> Option<AgentGroup> {
    Some(AgentGroup {
        id: AgentGroupId(id_of(group.get("agentGroupId")?)?),
        name: group.get("groupName").and_then(Value::as_str)?.to_owned(),
        is_default: group.get("isDefault") == Some(&Value::Bool(true)),
    })
}
