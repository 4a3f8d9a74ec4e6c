//! Agents: they live in exactly one agent group, which is part of their path.

use reqwest::Method;
use serde_json::{Map, Value};

use super::{Calls, garbled, object, objects};
use crate::upstream::error::Error;
use crate::upstream::model::{Agent, AgentGroupId, AgentId};

/// The most pages of a list that are read.
const PAGES: u32 = 1000;

impl Calls {
    /// The agents of a group, with basic fields only; inactive ones may be missing.
    pub async fn agents(&self, group: AgentGroupId) -> Result<Vec<Agent>, Error> {
        let Some(size) = self.ringcx.list_page_size else { return self.agents_page(group, &[]).await };
        let mut found: Vec<Agent> = Vec::new();
        for page in 0..PAGES {
            let query = [("page", page.to_string()), ("maxRows", size.to_string())];
            let shown = self.agents_page(group, &query).await?;
            let short = shown.len() < usize::try_from(size).unwrap_or(usize::MAX);
            let new: Vec<Agent> =
                shown.into_iter().filter(|it| !found.iter().any(|seen| seen.id() == it.id())).collect();
            // Where pages are counted from 1, the first two are the same.
            let repeated = new.is_empty() && page > 1;
            found.extend(new);
            if short || repeated {
                break;
            }
        }
        Ok(found)
    }

    async fn agents_page(&self, group: AgentGroupId, query: &[(&str, String)]) -> Result<Vec<Agent>, Error> {
        let path = ["agentGroups", &group.to_string(), "agents"];
        let answer = self.account_call("listAgents", Method::GET, &path, query, None).await?;
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
