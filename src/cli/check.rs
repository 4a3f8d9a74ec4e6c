//! `check`: the doctor. It reads, and changes nothing; with `--probe-group` it makes one throw-away agent and removes it.

mod dialect;
mod probe;

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use comfy_table::Table;
use serde::Serialize;

use super::runtime::beside;
use super::{Failure, load, say};
use crate::clock::Clock;
use crate::config::TenantConfig;
use crate::domain::TenantId;
use crate::domain::desired::group_named;
use crate::store::{Store, facts, tokens};
use crate::upstream::model::{Admin, AgentGroup, RoleType};
use crate::upstream::{self, Calls, Lane, RingCx};

#[derive(Args)]
pub(super) struct Options {
    /// The configuration file; left out: the environment says it all
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Find out what can only be tried: with a throw-away agent in this agent group, removed afterwards
    #[arg(long, value_name = "NAME")]
    probe_group: Option<String>,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// How a question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mark {
    /// All is well.
    Ok,
    /// Something to know.
    Warn,
    /// Something to put right.
    Fail,
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Line {
    tenant: String,
    check: String,
    result: Mark,
    detail: String,
}

/// The lines so far.
struct Report {
    tenant: String,
    lines: Vec<Line>,
}

impl Report {
    fn add(&mut self, check: &str, result: Mark, detail: impl Into<String>) {
        let tenant = self.tenant.clone();
        self.lines.push(Line { tenant, check: check.to_owned(), result, detail: detail.into() });
    }
}

/// How long before its end a token is worth a word.
const SOON: std::time::Duration = std::time::Duration::from_hours(24 * 30);

pub(super) async fn run(options: Options) -> Result<(), Failure> {
    let config = load(options.config.as_deref())?;
    let mut report = Report { tenant: String::new(), lines: Vec::new() };
    report.add("configuration", Mark::Ok, format!("valid, {} tenants", config.tenant.len()));
    for warning in config.warnings() {
        report.add("configuration", Mark::Warn, warning);
    }
    match beside(&config).await {
        Ok(parts) => {
            report.add("store", Mark::Ok, "opens, and its tables are those of this program");
            writable(&parts.store, &mut report).await;
            for (id, ringcx) in &parts.ringcx {
                let Some(settings) = config.tenant.get(id) else { continue };
                id.as_str().clone_into(&mut report.tenant);
                tenant(&parts.store, id, settings, ringcx, options.probe_group.as_deref(), &mut report).await;
            }
            parts.store.close().await;
        }
        Err(error) => report.add("store", Mark::Fail, format!("{error:#}")),
    }
    tell(&report.lines, options.json);
    let failed = report.lines.iter().filter(|line| line.result == Mark::Fail).count();
    if failed > 0 {
        return Err(Failure::Ran(anyhow!("{failed} of {} checks failed", report.lines.len())));
    }
    Ok(())
}

fn tell(lines: &[Line], as_json: bool) {
    if as_json {
        say(&serde_json::to_string(lines).unwrap_or_default());
        return;
    }
    let mut table = Table::new();
    table.set_header(["tenant", "check", "result", "detail"]);
    for line in lines {
        let result = match line.result {
            Mark::Ok => "ok",
            Mark::Warn => "warn",
            Mark::Fail => "FAIL",
        };
        table.add_row([line.tenant.as_str(), &line.check, result, &line.detail]);
    }
    say(&table.to_string());
}

async fn writable(store: &Store, report: &mut Report) {
    let Ok(tenant) = "default".parse::<TenantId>() else { return };
    let now = Clock::system().now();
    let written = store.write(move |tx| facts::set(tx, &tenant, "check", "written", now)).await;
    match written {
        Ok(()) => report.add("store", Mark::Ok, "takes writes"),
        Err(error) => {
            let why = format!("takes no writes ({error}); give the bridge's user the right to write there");
            report.add("store", Mark::Fail, why);
        }
    }
}

async fn tenant(
    store: &Store,
    id: &TenantId,
    settings: &TenantConfig,
    ringcx: &RingCx,
    probe_group: Option<&str>,
    report: &mut Report,
) {
    let calls = ringcx.calls(Lane::Reconcile, None);
    client_tokens(store, id, report).await;
    let own = match calls.identity().await {
        Ok(identity) => {
            report.add("sign-in", Mark::Ok, "RingCX accepts the credential");
            identity.user_id
        }
        Err(upstream::Error::Forbidden(_) | upstream::Error::NotFound) => {
            report.add("sign-in", Mark::Warn, "RingCX accepts the credential and does not say whose it is");
            None
        }
        Err(error) => {
            let fix = "correct client_id, client_secret, jwt and base_url, or api_token";
            report.add(
                "sign-in",
                Mark::Fail,
                format!("RingCX was not reached with this credential: {error} {fix}"),
            );
            return;
        }
    };
    let groups = match calls.agent_groups().await {
        Ok(groups) => {
            report.add("agent groups", Mark::Ok, format!("{} are visible", groups.len()));
            groups
        }
        Err(error) => {
            let account = &settings.ringcx.account_id;
            let fix = "correct account_id, or give the service user the permission to read agent groups";
            report.add(
                "agent groups",
                Mark::Fail,
                format!("account {account} cannot be read: {error} {fix}"),
            );
            return;
        }
    };
    targets(settings, &groups, report);
    permissions(&calls, settings, &groups, own, report).await;
    dialect::report(store, id, settings, report).await;
    if let Some(name) = probe_group {
        probe::run(store, id, &calls, &groups, name, report).await;
    }
}

async fn client_tokens(store: &Store, id: &TenantId, report: &mut Report) {
    let (of, now) = (id.clone(), Clock::system().now());
    let found = match store.read(move |tx| tokens::list(tx, &of)).await {
        Ok(found) => found,
        Err(error) => return report.add("client tokens", Mark::Fail, error.to_string()),
    };
    let live: Vec<_> = found.iter().filter(|token| token.is_live(now)).collect();
    if live.is_empty() {
        let fix = "make one with `ringcx-scim token create`";
        report.add("client tokens", Mark::Warn, format!("no identity provider can sign in; {fix}"));
    }
    for token in live {
        match token.expires.filter(|end| *end < now + SOON) {
            Some(end) => {
                let fix = format!("`ringcx-scim token rotate --name {}` makes a new one", token.name);
                report.add("client tokens", Mark::Warn, format!("{} ends at {end}; {fix}", token.name));
            }
            None => report.add("client tokens", Mark::Ok, format!("{} is live", token.name)),
        }
    }
}

/// Whether what the configuration names exists in RingCX.
fn targets(settings: &TenantConfig, groups: &[AgentGroup], report: &mut Report) {
    let named = settings.policy.default_agent_group.iter().map(|name| ("default_agent_group", name));
    let mapped =
        settings.group.iter().filter_map(|it| Some(("a group's agent_group", it.agent_group.as_ref()?)));
    for (key, name) in named.chain(mapped) {
        match group_named(name, groups) {
            Ok(_) => report.add("mapping", Mark::Ok, format!("{key} \"{name}\" exists")),
            Err(why) => report.add("mapping", Mark::Fail, format!("{key}: {why}")),
        }
    }
}

async fn permissions(
    calls: &Calls,
    settings: &TenantConfig,
    groups: &[AgentGroup],
    own: Option<upstream::model::UserId>,
    report: &mut Report,
) {
    let mut answered = |what: &str, answer: Result<String, upstream::Error>, fix: &str| match answer {
        Ok(detail) => report.add(what, Mark::Ok, detail),
        Err(error) => report.add(what, Mark::Fail, format!("{error} {fix}")),
    };
    if let Some(group) = groups.first() {
        let listed = calls.agents(group.id).await.map(|agents| format!("{} in {}", agents.len(), group.name));
        answered("agents", listed, "give the service user the permission to read agents");
    }
    let states = calls.aux_states().await.map(|states| format!("{} states", states.len()));
    match states {
        Err(upstream::Error::NotFound | upstream::Error::Forbidden(_)) => {
            answered("agent states", Ok("not readable here; initialState takes none".to_owned()), "");
        }
        states => answered("agent states", states, "try again"),
    }
    if !settings.policy.manage_admins {
        return;
    }
    let admins = calls.admins().await;
    let floor = admins.as_deref().map(|admins| other_super_users(admins, own)).unwrap_or_default();
    let seen = admins.is_ok();
    let fix = "give the service user the role MANAGE_USERS, or set manage_admins = false";
    answered("administrators", admins.map(|admins| format!("{} are visible", admins.len())), fix);
    if seen && floor == 0 {
        let why = "no enabled SUPER_USER besides the bridge's own account; appoint one outside the identity provider";
        report.add("last-admin floor", Mark::Fail, why);
    } else if seen {
        report.add("last-admin floor", Mark::Ok, format!("{floor} besides the bridge's own account"));
    }
    rights_docs(calls, settings, own, report).await;
}

fn other_super_users(admins: &[Admin], own: Option<upstream::model::UserId>) -> usize {
    let super_user = RoleType::new("SUPER_USER");
    admins.iter().filter(|it| it.enabled() && it.id() != own && it.roles().contains(&super_user)).count()
}

async fn rights_docs(
    calls: &Calls,
    settings: &TenantConfig,
    own: Option<upstream::model::UserId>,
    report: &mut Report,
) {
    let mapped = settings.group.iter().flat_map(|it| &it.rights_docs);
    let wanted: std::collections::BTreeSet<i64> =
        settings.policy.allowed_rights_docs.iter().chain(mapped).copied().collect();
    let Some(own) = own.filter(|_| !wanted.is_empty()) else { return };
    match calls.rights_docs(own).await {
        Ok(docs) => {
            for id in wanted {
                if docs.iter().any(|doc| doc.id.0 == id) {
                    report.add("rights documents", Mark::Ok, format!("{id} exists"));
                } else {
                    let fix = "correct the configuration, or let the service user see it";
                    report.add("rights documents", Mark::Fail, format!("{id} is not there; {fix}"));
                }
            }
        }
        Err(error) => report.add("rights documents", Mark::Fail, error.to_string()),
    }
}
