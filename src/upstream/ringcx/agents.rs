//! Agents: they live in exactly one agent group, which is part of their path.

use reqwest::Method;
use serde_json::{Map, Value};

use super::{Calls, garbled, object, objects};
use crate::upstream::error::Error;
use crate::upstream::model::{Agent, AgentGroupId, AgentId};

impl Calls {
    /// The agents of a group, with basic fields only; inactive ones may be missing.
    pub async fn agents(&self, group: AgentGroupId) -> Result<Vec<Agent>, Error> {
        let path = ["agentGroups", &group.to_string(), "agents"];
        let answer = self.account_call("listAgents", Method::GET, &path, &[], None).await?;
        Ok(objects(answer)?.into_iter().map(Agent::from_raw).collect())
    }

    /// One agent with every field.
    pub async fn agent(&self, group: AgentGroupId, id: AgentId) -> Result<Agent, Error> {
        let path = ["agentGroups", &group.to_string(), "agents", &id.to_string()];
        let answer = self.account_call("getAgent", Method::GET, &path, &[], None).await?;
        object(answer).map(Agent::from_raw).ok_or_else(|| garbled("no object for an agent", false))
    }

    /// Creates an agent in its group; the answer has its id.
    pub async fn create_agent(&self, group: AgentGroupId, body: Map<String, Value>) -> Result<Agent, Error> {
        let path = ["agentGroups", &group.to_string(), "agents"];
        let mut body = body;
        // Older material wants the group in the body as well as in the path.
        body.insert("agentGroup".to_owned(), serde_json::json!({"id": group, "agentGroupId": group}));
        let body = Value::Object(body);
        let answer = self.account_call("createAgent", Method::POST, &path, &[], Some(&body)).await?;
        let agent = object(answer).map(Agent::from_raw).filter(|agent| agent.id().is_some());
        agent.ok_or_else(|| garbled("a new agent without its id", true))
    }

    /// Replaces an agent under the path of `group`; nothing when the answer shows no agent.
    pub async fn put_agent(
        &self,
        group: AgentGroupId,
        id: AgentId,
        body: Map<String, Value>,
    ) -> Result<Option<Agent>, Error> {
        let path = ["agentGroups", &group.to_string(), "agents", &id.to_string()];
        let body = Value::Object(body);
        let answer = self.account_call("updateAgent", Method::PUT, &path, &[], Some(&body)).await?;
        Ok(object(answer).map(Agent::from_raw).filter(|agent| agent.id() == Some(id)))
    }

    /// Updates a list of agents under the path of `group`.
    pub async fn put_agents(
        &self,
        group: AgentGroupId,
        agents: Vec<Map<String, Value>>,
    ) -> Result<Vec<Agent>, Error> {
        let path = ["agentGroups", &group.to_string(), "agents"];
        let body = Value::Array(agents.into_iter().map(Value::Object).collect());
        let answer = self.account_call("updateAgents", Method::PUT, &path, &[], Some(&body)).await?;
        Ok(objects(answer).unwrap_or_default().into_iter().map(Agent::from_raw).collect())
    }

    /// Deletes an agent.
    pub async fn delete_agent(&self, group: AgentGroupId, id: AgentId) -> Result<(), Error> {
        let path = ["agentGroups", &group.to_string(), "agents", &id.to_string()];
        self.account_call("deleteAgent", Method::DELETE, &path, &[], None).await.map(drop)
    }
}
