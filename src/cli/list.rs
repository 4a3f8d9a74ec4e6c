//! `list`: what RingCX has, with the ids and names that a mapping needs; read now, within the budget, and never a secret.

use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::progress::Progress;
use super::runtime::{Beside, beside};
use super::{Failure, Of, cell, columns, say};
use crate::domain::{PersonId, TenantId};
use crate::store::links;
use crate::upstream::model::{Agent, AgentGroup, AgentType, RoleType};
use crate::upstream::{self, Calls, Lane};

/// How long a call may take before a word is said of it.
const A_WHILE: Duration = Duration::from_secs(5);

/// How long a list waits altogether when RingCX asks for a pause.
const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Args)]
pub(super) struct Options {
    /// What
    #[arg(value_enum)]
    kind: Kind,
    #[command(flatten)]
    of: Of,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// What RingCX has lists of.
#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Agent groups: `agent_group` of a mapping, `agentGroupName`
    AgentGroups,
    /// Agents, and whose they are
    Agents,
    /// Administrators, and whose they are
    Admins,
    /// Rights documents: `rights_docs` of a mapping
    RightsDocs,
    /// States of agents: `initialState`
    AuxStates,
    /// Dial groups: `defaultDialGroup`
    DialGroups,
    /// Queues: `manualOutboundQueue`
    Queues,
    /// RingCentral extensions: `rcExtensionId`
    Extensions,
}

impl Kind {
    const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::AgentGroups => &["id", "name", "default"],
            Self::Agents => &["id", "username", "name", "email", "type", "active", "agent_group", "person"],
            Self::Admins => &["id", "user_name", "name", "enabled", "root", "own", "roles", "person"],
            Self::RightsDocs => &["id", "name", "master"],
            Self::AuxStates => &["id", "name", "base", "active"],
            Self::DialGroups => &["id", "name", "mode", "active"],
            Self::Queues => &["id", "name", "queue_group"],
            Self::Extensions => &["id", "number", "name", "email", "type", "status"],
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map(|it| it.get_name().replace('-', " ")).unwrap_or_default()
    }
}

pub(super) async fn run(options: Options) -> Result<(), Failure> {
    let (config, tenant) = options.of.load()?;
    let parts = beside(&config).await?;
    let found = rows(&parts, &tenant, options.kind).await;
    parts.store.close().await;
    let rows = found.with_context(|| format!("the {} were not read", options.kind.name()))?;
    if options.json {
        say(&Value::Array(rows).to_string());
        return Ok(());
    }
    let mut table = columns(options.kind.columns());
    for row in &rows {
        table.add_row(options.kind.columns().iter().map(|column| cell(&row[*column])));
    }
    say(&table.to_string());
    Ok(())
}

async fn rows(parts: &Beside, tenant: &TenantId, kind: Kind) -> anyhow::Result<Vec<Value>> {
    let way = parts.ringcx.iter().find(|(id, _)| id == tenant).map(|(_, ringcx)| ringcx);
    let way = way.ok_or_else(|| anyhow!("tenant {tenant} has no way to RingCX"))?;
    let calls = way.calls(Lane::Reconcile, None);
    Ok(match kind {
        Kind::AgentGroups => of(
            &patiently(|| calls.agent_groups()).await?,
            |it| json!({"id": it.id, "name": it.name, "default": it.is_default}),
        ),
        Kind::Agents => agents(parts, tenant, &calls).await?,
        Kind::Admins => admins(parts, tenant, &calls).await?,
        Kind::RightsDocs => {
            let own = patiently(|| calls.identity()).await?.user_id;
            let own = own.ok_or_else(|| anyhow!("RingCX does not say whose the bridge's credential is"))?;
            of(
                &patiently(|| calls.rights_docs(own)).await?,
                |it| json!({"id": it.id, "name": it.name, "master": it.is_master}),
            )
        }
        Kind::AuxStates => of(
            &patiently(|| calls.aux_states()).await?,
            |it| json!({"id": it.id, "name": it.name, "base": it.base, "active": it.active}),
        ),
        Kind::DialGroups => of(
            &patiently(|| calls.dial_groups()).await?,
            |it| json!({"id": it.id, "name": it.name, "mode": it.mode, "active": it.active}),
        ),
        Kind::Queues => of(
            &patiently(|| calls.queues()).await?,
            |it| json!({"id": it.id, "name": it.name, "queue_group": it.group}),
        ),
        // Text: the ids exceed what JSON readers keep exact.
        Kind::Extensions => of(&patiently(|| calls.extensions()).await?, |it| {
            json!({
                "id": it.id.to_string(), "number": it.number, "name": it.name, "email": it.email, "type": it.kind,
                "status": it.status,
            })
        }),
    })
}

/// Makes a call, and again when RingCX asks for a short pause: whoever waits for a list would do no other.
///
/// # Errors
/// What RingCX said; a pause that is longer than [`PATIENCE`] too.
async fn patiently<T>(call: impl AsyncFn() -> Result<T, upstream::Error>) -> Result<T, upstream::Error> {
    let mut left = PATIENCE;
    loop {
        let mut asked = std::pin::pin!(call());
        let answer = if let Ok(answer) = tokio::time::timeout(A_WHILE, &mut asked).await {
            answer
        } else {
            tell("waiting for RingCX: it is slow, or its calls are used up for the moment");
            asked.await
        };
        match answer {
            Err(upstream::Error::Limited { after }) if after <= left => {
                let pause = after.max(Duration::from_millis(100));
                tell(&format!(
                    "RingCX takes no more calls at the moment; going on in {} s",
                    pause.as_secs().max(1)
                ));
                tokio::time::sleep(pause).await;
                left = left.saturating_sub(pause);
            }
            other => return other,
        }
    }
}

#[expect(clippy::print_stderr, reason = "a command tells its operator on standard error")]
fn tell(line: &str) {
    eprintln!("{line}");
}

fn of<T>(items: &[T], row: impl Fn(&T) -> Value) -> Vec<Value> {
    items.iter().map(row).collect()
}

async fn agents(parts: &Beside, tenant: &TenantId, calls: &Calls) -> anyhow::Result<Vec<Value>> {
    let mut rows = Vec::new();
    let groups = patiently(|| calls.agent_groups()).await?;
    let progress = Progress::new("reading agent groups");
    for (done, group) in groups.iter().enumerate() {
        progress.at(done, groups.len());
        for agent in patiently(|| calls.agents(group.id)).await? {
            let Some(id) = agent.id() else { continue };
            let of = tenant.clone();
            let person = parts.store.read(move |tx| links::by_agent(tx, &of, id.0)).await?;
            rows.push(agent_row(&agent, group, person.as_ref()));
        }
    }
    progress.at(groups.len(), groups.len());
    Ok(rows)
}

fn agent_row(agent: &Agent, group: &AgentGroup, person: Option<&PersonId>) -> Value {
    let kind = match agent.agent_type() {
        AgentType::Agent => "AGENT".to_owned(),
        AgentType::Supervisor => "SUPERVISOR".to_owned(),
        AgentType::Other(kind) => kind,
    };
    json!({
        "id": agent.id(), "username": agent.username(), "name": full(agent.first_name(), agent.last_name()),
        "email": agent.email(), "type": kind, "active": agent.is_active(), "agent_group": group.name, "person": person,
    })
}

async fn admins(parts: &Beside, tenant: &TenantId, calls: &Calls) -> anyhow::Result<Vec<Value>> {
    let own = match patiently(|| calls.identity()).await {
        Ok(identity) => identity.user_id,
        Err(upstream::Error::Forbidden(_) | upstream::Error::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let mut rows = Vec::new();
    for admin in patiently(|| calls.admins()).await? {
        let Some(id) = admin.id() else { continue };
        let of = tenant.clone();
        let person = parts.store.read(move |tx| links::by_admin(tx, &of, id.0)).await?;
        let text = |name: &str| admin.raw().get(name).and_then(Value::as_str);
        let roles: Vec<String> = admin.roles().iter().map(RoleType::to_string).collect();
        rows.push(json!({
            "id": id, "user_name": admin.user_name(), "name": full(text("firstName"), text("lastName")),
            "enabled": admin.enabled(), "root": admin.root_user(), "own": own == Some(id), "roles": roles,
            "person": person.map(|it| it.to_string()),
        }));
    }
    Ok(rows)
}

fn full(first: Option<&str>, last: Option<&str>) -> String {
    [first, last].into_iter().flatten().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" ")
}
