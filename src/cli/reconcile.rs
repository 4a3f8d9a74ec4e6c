//! `reconcile`: compare people with RingCX, and bring them in line.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;

use super::operator::operator;
use super::runtime::beside;
use super::{Failure, Of, columns, say};
use crate::domain::words::{count, people};
use crate::reconcile::Drift;

#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    of: Of,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Only this person, by SCIM id; looks at every field
    #[arg(long, value_name = "ID")]
    person: Option<String>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// How long the command waits for what it has set going.
const PATIENCE: Duration = Duration::from_mins(30);

pub(super) async fn run(options: Options) -> Result<(), Failure> {
    let (config, tenant) = options.of.load()?;
    let parts = beside(&config).await?;
    let person = parts.person(&tenant, options.person).await?;
    let drift = parts.reconciler.look(&tenant, person.as_ref()).await.context("RingCX was not compared")?;
    let mut left = drift.findings.len();
    if !options.dry_run && !drift.findings.is_empty() {
        parts
            .reconciler
            .repair(&tenant, &drift, Some(&operator()))
            .await
            .context("the repair was not written down")?;
        let begun = Instant::now();
        loop {
            parts.reconciler.run_jobs().await.context("the repair did not run")?;
            let of = tenant.clone();
            let waiting = parts.store.read(move |tx| crate::store::jobs::waiting(tx, &of)).await;
            let held = parts.reconciler.hold(&tenant).await.context("the pause was not read")?;
            let waiting = waiting.context("the jobs were not read")?;
            if waiting == 0 || held.is_some() || begun.elapsed() > PATIENCE {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let after =
            parts.reconciler.look(&tenant, person.as_ref()).await.context("RingCX was not compared")?;
        left = after.findings.len();
    }
    parts.store.close().await;
    tell(&drift, options.dry_run, left, options.json);
    if left > 0 {
        return Err(Failure::Ran(anyhow!(
            "{left} {} out of line",
            if left == 1 { "account is" } else { "accounts are" }
        )));
    }
    Ok(())
}

fn tell(drift: &Drift, dry_run: bool, left: usize, as_json: bool) {
    if as_json {
        let report = json!({
            "people": drift.people, "listed": drift.listed, "integration_listing": drift.integration,
            "findings": drift.findings, "calls": drift.calls, "dry_run": dry_run, "left": left,
        });
        say(&report.to_string());
        return;
    }
    if !drift.findings.is_empty() {
        let mut table = columns(["person", "account", "what", "repaired"]);
        for found in &drift.findings {
            let repaired = match (found.repair, dry_run) {
                (true, true) => "would be",
                (true, false) => "yes",
                (false, _) => "no",
            };
            table.add_row([found.person.as_str(), &found.account, &found.detail, repaired]);
        }
        say(&table.to_string());
    }
    let calls: Vec<String> = drift.calls.iter().map(|(name, count)| format!("{name} {count}")).collect();
    say(&format!(
        "{} compared, {} listed, {} differ; calls: {}",
        people(drift.people),
        count(drift.listed, "agent", "agents"),
        drift.findings.len(),
        if calls.is_empty() { "none".to_owned() } else { calls.join(", ") }
    ));
}
