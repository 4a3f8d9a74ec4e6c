//! `check`: the doctor. It reads, and changes nothing; with `--probe-group` it makes one throw-away agent and removes it, and with
//! `--probe-token-file` it switches a throw-away administrator off and on.
//!
//! Each line is one sentence, and where something is wrong it ends with what to do. `bridge` looks at what is ours, `standing` at what
//! waits for somebody, `sign_in` and `account` at RingCX, `admins` at power, `dialect`, `probe` and `probe_token` at how RingCX speaks.

mod account;
mod admins;
mod bridge;
mod dialect;
mod probe;
mod probe_token;
mod sign_in;
mod standing;

pub(super) use probe_token::FACT as DISABLED_TOKEN;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use serde::Serialize;
use tokio::time::Instant;

use super::runtime::{beside, budget_name};
use super::{Failure, columns, load, say};
use crate::config::{Config, TenantConfig};
use crate::domain::TenantId;
use crate::domain::words::count;
use crate::reconcile::Reconciler;
use crate::store::{self, Store};
use crate::upstream::model::Identity;
use crate::upstream::{Calls, Lane, RingCx};

/// How long the questions about a tenant wait altogether for calls that are used up.
const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Args)]
pub(super) struct Options {
    /// The configuration file; left out: the environment says it all
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Find out what can only be tried: with a throw-away agent in this agent group, removed afterwards
    #[arg(long, value_name = "NAME")]
    probe_group: Option<String>,
    /// Find out as well whether the token of a disabled account dies: with the API token in this file, which is that of an
    /// administrator made for it, without roles, whose login name begins with scim-probe-
    #[arg(long, value_name = "FILE", requires = "probe_group")]
    probe_token_file: Option<PathBuf>,
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

impl Report {
    fn ok(&mut self, check: &str, detail: impl Into<String>) {
        self.add(check, Mark::Ok, detail);
    }

    fn warn(&mut self, check: &str, detail: impl Into<String>) {
        self.add(check, Mark::Warn, detail);
    }

    fn fail(&mut self, check: &str, detail: impl Into<String>) {
        self.add(check, Mark::Fail, detail);
    }
}

/// One tenant under examination.
struct Patient<'a> {
    id: &'a TenantId,
    settings: &'a TenantConfig,
    store: &'a Store,
    reconciler: &'a Reconciler,
    ringcx: &'a RingCx,
    calls: Calls,
    /// The name of its budget.
    budget: String,
}

pub(super) async fn run(options: Options) -> Result<(), Failure> {
    let config = load(options.config.as_deref())?;
    let mut report = Report { tenant: String::new(), lines: Vec::new() };
    let tenants = config.tenant.len();
    report.ok("configuration", format!("valid, {}", count(tenants, "tenant", "tenants")));
    for warning in config.warnings() {
        report.warn("configuration", warning);
    }
    bridge::public_url(&config, &mut report).await;
    // The doctor neither makes a store nor changes its tables.
    let mut as_it_is = config.clone();
    as_it_is.store.migrate = false;
    if let Some(path) = as_it_is.store.missing_file() {
        report.fail(
            "store",
            format!(
                "there is none at {path}; run `ringcx-scim migrate`, or correct the path in store.url, or give the bridge's user the \
                 right to write there"
            ),
        );
        return conclude(&report, options.json);
    }
    match beside(&as_it_is).await {
        Ok(parts) => {
            report.ok("store", "opens, and its tables are those of this program");
            // Without the store no call is counted, and so none is made.
            if !bridge::writable(&parts.store, &mut report).await {
                return conclude(&report, options.json);
            }
            let mut owners = BTreeMap::<String, Vec<TenantId>>::new();
            for (id, ringcx) in &parts.ringcx {
                let Some(settings) = config.tenant.get(id) else { continue };
                id.as_str().clone_into(&mut report.tenant);
                // A doctor who waits says nothing; only the probe must come to its end, or its agent would stay.
                let patience = options.probe_group.is_none().then(|| Instant::now() + PATIENCE);
                let calls = ringcx.calls(Lane::Reconcile, patience);
                let (store, reconciler) = (&parts.store, &parts.reconciler);
                let budget = budget_name(&config, settings);
                let patient = Patient { id, settings, store, reconciler, ringcx, calls, budget };
                let identity = tenant(&patient, &options, &mut report).await;
                if let Some(main) =
                    identity.and_then(|it| it.main_account_id).filter(|_| settings.policy.manage_admins)
                {
                    owners.entry(main).or_default().push(id.clone());
                }
            }
            report.tenant.clear();
            one_owner(&owners, &mut report);
            parts.store.close().await;
        }
        Err(failure) => report.fail("store", bridge::not_opened(&config, failure.reason())),
    }
    conclude(&report, options.json)
}

fn conclude(report: &Report, as_json: bool) -> Result<(), Failure> {
    tell(&report.lines, as_json);
    let failed = report.lines.iter().filter(|line| line.result == Mark::Fail).count();
    if failed > 0 {
        return Err(Failure::Ran(anyhow!("{failed} of {} checks failed", report.lines.len())));
    }
    Ok(())
}

/// Everything about one tenant; who the bridge is in RingCX, when RingCX says.
async fn tenant(patient: &Patient<'_>, options: &Options, report: &mut Report) -> Option<Identity> {
    bridge::client_tokens(patient, report).await;
    standing::run(patient, report).await;
    let identity = sign_in::run(patient, report).await?;
    sign_in::clock(patient, report);
    let groups = account::groups(patient, &identity, report).await?;
    account::targets(patient.settings, &groups, report);
    account::permissions(patient, &groups, report).await;
    account::names(patient, report).await;
    admins::run(patient, &identity, report).await;
    if let Some(name) = &options.probe_group {
        probe::run(patient.store, patient.id, &patient.calls, &groups, name, report).await;
        match &options.probe_token_file {
            Some(file) => probe_token::run(patient, &identity, file, report).await,
            None => probe_token::explain(patient, report).await,
        }
    }
    // Afterwards, so that what was found out just now counts.
    dialect::report(patient, report).await;
    Some(identity)
}

/// Exactly one tenant may own the administrators of a main account, by RingCX's own word on what that is.
fn one_owner(owners: &BTreeMap<String, Vec<TenantId>>, report: &mut Report) {
    for (main, tenants) in owners.iter().filter(|(_, tenants)| tenants.len() > 1) {
        let named = tenants.iter().map(TenantId::as_str).collect::<Vec<_>>().join(" and ");
        report.fail(
            "administrators",
            format!(
                "tenants {named} both own the administrators of main account {main}; set policy.manage_admins = false in all but one"
            ),
        );
    }
}

/// An error as a clause: without the full stop at its end.
fn clause(error: &impl ToString) -> String {
    error.to_string().trim_end_matches('.').to_owned()
}

fn tell(lines: &[Line], as_json: bool) {
    if as_json {
        say(&serde_json::to_string(lines).unwrap_or_default());
        return;
    }
    let mut table = columns(["tenant", "check", "result", "detail"]);
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
