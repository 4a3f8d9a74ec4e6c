//! `report`: what somebody should look at. Exit code 1 says that there is something.

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::check::DISABLED_TOKEN;
use super::runtime::{Beside, beside};
use super::{Failure, Plain, cell, columns, say};
use crate::clock::{Clock, Span};
use crate::domain::TenantId;
use crate::store::facts;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Accounts that may work in RingCX although nobody active in the identity provider owns them
    Unowned(Plain),
    /// People who wait for an agent group, or are only on record, and since when
    Held(Plain),
    /// People who were switched off: what has ended, and what cannot be seen from here
    Leavers(Leavers),
    /// Direct lines of people who are switched off
    DirectLines(Plain),
}

#[derive(Args)]
pub(super) struct Leavers {
    #[command(flatten)]
    plain: Plain,
    /// How far back
    #[arg(long, value_name = "SPAN", default_value = "30d")]
    since: String,
}

/// The rows of a report, its columns, and how many of them ask for something to be done.
struct Report {
    rows: Vec<Value>,
    columns: &'static [&'static str],
    open: usize,
    /// What the rows do not say.
    note: Option<String>,
}

pub(super) async fn run(command: Command) -> Result<(), Failure> {
    let plain = match &command {
        Command::Unowned(plain) | Command::Held(plain) | Command::DirectLines(plain) => plain,
        Command::Leavers(leavers) => &leavers.plain,
    };
    let now = Clock::system().now();
    let since = match &command {
        Command::Leavers(leavers) => {
            let span: Span =
                leavers.since.parse().map_err(|error| Failure::Input(anyhow!("--since: {error}")))?;
            now - span.as_duration()
        }
        _ => now,
    };
    let (config, tenant) = plain.of.load()?;
    let parts = beside(&config).await?;
    let report = made(&parts, &tenant, &command, since, now).await;
    parts.store.close().await;
    let report = report?;
    tell(&report, plain.json);
    match report.open {
        0 => Ok(()),
        1 => Err(Failure::Ran(anyhow!("1 of them wants to be looked at"))),
        open => Err(Failure::Ran(anyhow!("{open} of them want to be looked at"))),
    }
}

async fn made(
    parts: &Beside,
    tenant: &TenantId,
    command: &Command,
    since: Timestamp,
    now: Timestamp,
) -> anyhow::Result<Report> {
    let of = &parts.reconciler;
    Ok(match command {
        Command::Unowned(_) => {
            let found = of.unowned(tenant).await.context("the accounts were not read")?;
            let columns = &["kind", "id", "name", "why", "person"];
            Report { open: found.len(), rows: rows(&found), columns, note: None }
        }
        Command::Held(_) => {
            let found = of.held(tenant).await.context("the people were not read")?;
            let rows: Vec<Value> = found
                .iter()
                .map(|it| {
                    let age = now.as_second().saturating_sub(it.since.as_second());
                    json!({
                        "person": it.person, "user_name": it.user_name, "since": it.since.to_string(), "age_seconds": age,
                        "age": days(age),
                    })
                })
                .collect();
            Report { open: rows.len(), rows, columns: &["person", "user_name", "since", "age"], note: None }
        }
        Command::Leavers(_) => {
            let found = of.leavers(tenant, since).await.context("the people were not read")?;
            let open = found.iter().filter(|it| !it.open.is_empty()).count();
            let columns = &["person", "user_name", "since", "deleted", "ended", "open"];
            let note = unseen(parts, tenant).await?;
            Report { rows: rows(&found), columns, open, note: Some(note) }
        }
        Command::DirectLines(_) => {
            let found = of.direct_lines(tenant).await.context("the lines were not read")?;
            let columns = &["person", "user_name", "agent", "line", "since"];
            Report { open: found.len(), rows: rows(&found), columns, note: None }
        }
    })
}

/// What the report of leavers cannot show.
async fn unseen(parts: &Beside, tenant: &TenantId) -> anyhow::Result<String> {
    let of = tenant.clone();
    let known = parts.store.read(move |tx| facts::get(tx, &of, DISABLED_TOKEN)).await;
    let known = match known.context("what is known of tokens was not read")?.as_deref() {
        Some("dies") => "As a probe has shown, such a token is refused once its owner is switched off.",
        Some(_) => {
            "As a probe has shown, such a token goes on working when its owner is switched off: delete those administrators in RingCX, or \
             ask its support to end their tokens."
        }
        None => {
            "Whether such a token dies with the account is not known yet: `ringcx-scim check --probe-group` says how to find out."
        }
    };
    Ok(format!(
        "Not seen from here: live sessions, for which RingCX has no call and whose tokens live for about five minutes, and the \
         permanent API tokens of those who were administrators, which RingCX shows to their owner alone. {known}"
    ))
}

fn rows<T: serde::Serialize>(found: &[T]) -> Vec<Value> {
    found.iter().map(|it| serde_json::to_value(it).unwrap_or_default()).collect()
}

fn days(seconds: i64) -> String {
    match (seconds / 86_400, seconds / 3600) {
        (0, 0) => format!("{} min", seconds / 60),
        (0, hours) => format!("{hours} h"),
        (days, _) => format!("{days} d"),
    }
}

fn tell(report: &Report, as_json: bool) {
    if as_json {
        say(&Value::Array(report.rows.clone()).to_string());
        return;
    }
    let mut table = columns(report.columns);
    for row in &report.rows {
        table.add_row(report.columns.iter().map(|column| cell(row.get(*column).unwrap_or(&Value::Null))));
    }
    say(&table.to_string());
    if let Some(note) = &report.note {
        say(note);
    }
}
