//! Listings for other systems (role `WFO_ACCESS`), and the audit log: what changed, by whom.

use std::collections::BTreeSet;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Calls, objects};
use crate::upstream::error::Error;
use crate::upstream::model::{Agent, AgentGroupId, AgentId, UserId, id_of};

impl Calls {
    /// The agents of a group with e-mail address and extension, which the ordinary list leaves out.
    pub async fn integration_agents(&self, group: AgentGroupId) -> Result<Vec<Agent>, Error> {
        let account = self.ringcx.account_id.clone();
        let group = group.to_string();
        let path = [
            "voice",
            "api",
            "integration",
            "v1",
            "admin",
            "accounts",
            &account,
            "agentGroups",
            &group,
            "agents",
        ];
        let answer = self.call("integrationAgents", Method::GET, &path, &[], None).await?;
        Ok(objects(answer)?.into_iter().map(Agent::from_raw).collect())
    }

    /// The agents that the audit log says were changed in this window by anybody but `own`.
    pub async fn changed_agents(
        &self,
        from: Timestamp,
        to: Timestamp,
        own: Option<UserId>,
    ) -> Result<BTreeSet<AgentId>, Error> {
        let body = json!({
            "accountId": self.ringcx.account_id.as_ref(), "startDateTimeAsUnix": from.as_millisecond(),
            "endDateTimeAsUnix": to.as_millisecond(), "searchEntities": ["Agent"], "ascOrDesc": "ASCENDING",
        });
        // A search, although it is a PUT: it changes nothing.
        let answer = self
            .admin_call("searchAuditLogs", Method::PUT, &["auditLogs", "search"], &[], Some(&body))
            .await?;
        let records = objects(answer)?;
        let agents = records.into_iter().filter_map(|record| {
            let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
            let by = record.get("authUser").and_then(|user| user.get("userId")).and_then(id_of).map(UserId);
            let is_agent = text("auditedClass").rsplit('.').next() == Some("Agent");
            (is_agent && (by.is_none() || by != own))
                .then(|| record.get("auditedEntityId").and_then(id_of))?
        });
        Ok(agents.map(AgentId).collect())
    }
}
