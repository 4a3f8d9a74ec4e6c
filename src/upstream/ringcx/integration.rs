//! Listings for other systems (role `WFO_ACCESS`), and the audit log: what changed, by whom.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Calls, objects};
use crate::upstream::error::Error;
use crate::upstream::model::{Agent, AgentGroupId, AgentId, UserId, id_of};

/// An answer of the audit log with so many records may be a part of what there is; no limit below that is likely.
const MAYBE_CUT: usize = 50;

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
    ///
    /// Neither pages nor a limit are documented. A long answer may have been cut, so the search goes on from its last record until
    /// nothing new comes.
    pub async fn changed_agents(
        &self,
        from: Timestamp,
        to: Timestamp,
        own: Option<UserId>,
    ) -> Result<BTreeMap<String, AgentId>, Error> {
        let (mut from, to) = (from.as_millisecond(), to.as_millisecond());
        let (mut seen, mut agents) = (BTreeSet::new(), BTreeMap::new());
        loop {
            let records = self.audit_records(from, to).await?;
            let count = records.len();
            let last = records.iter().filter_map(|record| record.get("createTime").and_then(id_of)).max();
            let mut news = false;
            for record in records {
                // A record without an id is known by what it says.
                let id = record.get("id").map_or_else(|| Value::Object(record.clone()).to_string(), id_text);
                news |= seen.insert(id.clone());
                agents.extend(agent_of(&record, own).map(|agent| (id, agent)));
            }
            match last.filter(|last| news && count >= MAYBE_CUT && *last >= from) {
                Some(last) => from = last,
                None => return Ok(agents),
            }
        }
    }

    async fn audit_records(&self, from: i64, to: i64) -> Result<Vec<Map<String, Value>>, Error> {
        let body = json!({
            "accountId": self.ringcx.account_id.as_ref(), "startDateTimeAsUnix": from,
            "endDateTimeAsUnix": to, "searchEntities": ["Agent"], "ascOrDesc": "ASCENDING",
        });
        // A search, although it is a PUT: it changes nothing.
        let answer = self
            .admin_call("searchAuditLogs", Method::PUT, &["auditLogs", "search"], &[], Some(&body))
            .await?;
        objects(answer)
    }
}

/// Which agent a record is about, if anybody but `own` has changed it.
fn agent_of(record: &Map<String, Value>, own: Option<UserId>) -> Option<AgentId> {
    let class = record.get("auditedClass").and_then(Value::as_str).unwrap_or_default();
    let by = record.get("authUser").and_then(|user| user.get("userId")).and_then(id_of).map(UserId);
    if class.rsplit('.').next() != Some("Agent") || (by.is_some() && by == own) {
        return None;
    }
    record.get("auditedEntityId").and_then(id_of).map(AgentId)
}

/// An id, which may be a text or a number.
fn id_text(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}
