//! Finding out by trying: one throw-away agent, made, changed and removed; nothing else is touched.

use serde_json::{Map, Value, json};

use super::{Mark, Report};
use crate::cli::operator::operator;
use crate::clock::{Clock, Ids};
use crate::domain::TenantId;
use crate::domain::desired::group_named;
use crate::store::{Store, audit, facts};
use crate::upstream::model::{Agent, AgentGroup, AgentGroupId, AgentId};
use crate::upstream::{self, Calls};

/// The throw-away agent.
struct Probe<'a> {
    calls: &'a Calls,
    group: AgentGroupId,
    id: AgentId,
    name: String,
    learned: Vec<(&'static str, &'static str)>,
}

/// Makes the agent, asks it everything, and removes it whatever happened.
pub(super) async fn run(
    store: &Store,
    tenant: &TenantId,
    calls: &Calls,
    groups: &[AgentGroup],
    group: &str,
    report: &mut Report,
) {
    let group = match group_named(group, groups) {
        Ok(group) => group,
        Err(why) => return report.add("probe", Mark::Fail, format!("--probe-group: {why}")),
    };
    let name = format!("scim-probe-{}@example.invalid", Ids::system().next().simple());
    let made = match calls.create_agent(group, body(&name)).await {
        Ok(made) => made,
        Err(error) => {
            let left = left(calls, group, &name).await;
            return report.add("probe", Mark::Fail, format!("no throw-away agent was made: {error} {left}"));
        }
    };
    let Some(id) = made.id() else {
        let left = left(calls, group, &name).await;
        return report.add("probe", Mark::Fail, format!("RingCX answered no id; {left}"));
    };
    let mut probe = Probe { calls, group, id, name, learned: Vec::new() };
    probe.learned.push(("username_rewrite", if made.username() == Some(&probe.name) { "no" } else { "yes" }));
    let asked = tokio::select! {
        asked = probe.ask(groups) => asked.err().map(|error| error.to_string()),
        // Who is impatient still leaves nothing behind.
        _ = tokio::signal::ctrl_c() => Some("it was interrupted".to_owned()),
    };
    if let Some(why) = asked {
        report.add("probe", Mark::Warn, format!("not everything could be tried: {why}"));
    }
    let gone = probe.remove(groups).await && sweep(calls, group, &probe.name).await.is_ok();
    for (fact, word) in &probe.learned {
        report.add("probe", Mark::Ok, format!("{fact}: {word}"));
    }
    if gone {
        report.add("probe", Mark::Ok, "the throw-away agent is removed");
    } else {
        let why = "could not be removed, or RingCX did not say so; look for it, and remove it by hand";
        report.add("probe", Mark::Fail, format!("agent {id} {why}"));
    }
    let detail = json!({"agent_id": id.0, "group_id": group.0, "removed": gone});
    remember(store, tenant, probe.learned, detail, report).await;
}

/// Writes down what was learned, and for the auditor what was made.
async fn remember(
    store: &Store,
    tenant: &TenantId,
    learned: Vec<(&'static str, &'static str)>,
    detail: Value,
    report: &mut Report,
) {
    let (of, now) = (tenant.clone(), Clock::system().now());
    let record = audit::Record::new(&Ids::system().next(), now, &operator(), "probe", &detail);
    let written = store
        .write(move |tx| {
            learned.iter().try_for_each(|(fact, word)| facts::set(tx, &of, fact, word, now))?;
            audit::append(tx, &of, &record)
        })
        .await;
    if let Err(error) = written {
        report.add("probe", Mark::Warn, format!("what was learned is not written down: {error}"));
    }
}

fn body(name: &str) -> Map<String, Value> {
    // Nobody signs in with it: the agent is switched off at once, and gone a moment later.
    let password = format!("Aa1-{}", Ids::system().next().simple());
    let fields = json!({
        "username": name, "email": name, "firstName": "Probe", "lastName": "Throw-away", "team": "probe",
        "agentType": "AGENT", "isActive": true, "password": password,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Removes the agents whose login name begins like that of the throw-away agent, which nobody else's does; how many there were.
async fn sweep(calls: &Calls, group: AgentGroupId, name: &str) -> Result<usize, upstream::Error> {
    let ours = name.split('@').next().unwrap_or(name);
    let mut removed = 0;
    for agent in calls.agents(group).await? {
        let Some(id) = agent.id().filter(|_| agent.username().is_some_and(|it| it.starts_with(ours))) else {
            continue;
        };
        calls.delete_agent(group, id).await?;
        removed += 1;
    }
    Ok(removed)
}

/// What a create without a good answer has left, removed.
async fn left(calls: &Calls, group: AgentGroupId, name: &str) -> String {
    match sweep(calls, group, name).await {
        Ok(0) => "nothing of it is there".to_owned(),
        Ok(_) => "what it had left is removed".to_owned(),
        Err(_) => format!("if an agent {name} exists, remove it by hand"),
    }
}

impl Probe<'_> {
    async fn ask(&mut self, groups: &[AgentGroup]) -> Result<(), upstream::Error> {
        let seen = self.calls.agent(self.group, self.id).await?;
        let echo = match seen.raw().get("password").and_then(Value::as_str) {
            None => "absent",
            Some(text) if text.chars().all(|letter| letter == '*') => "mask",
            Some(_) => "shown",
        };
        self.learned.push(("password_echo", echo));
        self.ask_conflict().await;
        self.ask_lists().await?;
        self.ask_path(groups).await?;
        self.ask_put(&seen).await
    }

    /// A second agent of the same name is refused, and how.
    async fn ask_conflict(&mut self) {
        let word = match self.calls.create_agent(self.group, body(&self.name)).await {
            Err(error) if error.names_username() => "named",
            Err(upstream::Error::Conflict(_)) => "conflict",
            Err(_) => "unnamed",
            Ok(second) => {
                if let Some(id) = second.id() {
                    drop(self.calls.delete_agent(self.group, id).await);
                }
                "taken twice"
            }
        };
        self.learned.push(("agent_conflict", word));
    }

    async fn ask_lists(&mut self) -> Result<(), upstream::Error> {
        let listed = self.calls.agents(self.group).await?;
        let mine = listed.iter().find(|agent| agent.id() == Some(self.id));
        if let Some(agent) = mine {
            self.learned.push(("list_fields", if agent.email().is_some() { "full" } else { "basic" }));
        }
        Ok(())
    }

    /// Whether another group's path shows the agent.
    async fn ask_path(&mut self, groups: &[AgentGroup]) -> Result<(), upstream::Error> {
        let Some(other) = groups.iter().find(|group| group.id != self.group) else { return Ok(()) };
        let word = match self.calls.agent(other.id, self.id).await {
            Ok(_) => "ignored",
            Err(upstream::Error::NotFound | upstream::Error::Forbidden(_)) => "strict",
            Err(error) => return Err(error),
        };
        self.learned.push(("group_path_check", word));
        Ok(())
    }

    /// A PUT without a field, and switched off: what a list shows then.
    async fn ask_put(&mut self, seen: &Agent) -> Result<(), upstream::Error> {
        let mut body = seen.for_put();
        body.remove("team");
        body.insert("isActive".to_owned(), json!(false));
        body.insert("active".to_owned(), json!(false));
        self.calls.put_agent(self.group, self.id, body).await?;
        let after = self.calls.agent(self.group, self.id).await?;
        let kept = after.raw().get("team").and_then(Value::as_str) == Some("probe");
        self.learned.push(("put_mode", if kept { "merge" } else { "replace" }));
        if !after.is_active() {
            let listed = self.calls.agents(self.group).await?;
            let shown = listed.iter().any(|agent| agent.id() == Some(self.id));
            self.learned.push(("list_includes_inactive", if shown { "yes" } else { "no" }));
        }
        Ok(())
    }

    /// Removes the agent and looks; then what removing it once more is answered.
    async fn remove(&mut self, groups: &[AgentGroup]) -> bool {
        for _ in 0..3 {
            let removed = self.calls.delete_agent(self.group, self.id).await;
            if matches!(removed, Err(upstream::Error::Limited { .. } | upstream::Error::Unavailable { .. })) {
                tokio::time::sleep(std::time::Duration::from_secs(2)).await;
                continue;
            }
            break;
        }
        for group in groups.iter().map(|group| group.id) {
            match self.calls.agent(group, self.id).await {
                Err(upstream::Error::NotFound | upstream::Error::Forbidden(_)) => {}
                _ => return false,
            }
        }
        let word = match self.calls.delete_agent(self.group, self.id).await {
            Err(upstream::Error::NotFound) => "404",
            Err(upstream::Error::Forbidden(_)) => "403",
            Err(upstream::Error::Rejected { .. }) => "false",
            _ => "other",
        };
        self.learned.push(("delete_missing", word));
        true
    }
}
