//! Listings for other systems (role `WFO_ACCESS`), and the audit log: what changed, by whom.

use std::collections::BTreeMap;

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

    /// The records of the audit log, by id, that say which agents were changed in this window by anybody but `own`.
    pub async fn changed_agents(
        &self,
        from: Timestamp,
        to: Timestamp,
        own: Option<UserId>,
    ) -> Result<BTreeMap<String, AgentId>, Error> {
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
            if !is_agent || (by.is_some() && by == own) {
                return None;
            }
            let agent = record.get("auditedEntityId").and_then(id_of)?;
            // A record without an id is known by what it says.
            let id = record.get("id").map_or_else(|| Value::Object(record.clone()).to_string(), id_text);
            Some((id, AgentId(agent)))
        });
        Ok(agents.collect())
    }
}

/// An id, which may be a text or a number.
fn id_text(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}
