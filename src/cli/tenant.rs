//! `tenant`: stop and go of a whole tenant, and how it stands. Everything is a fact in the store, so a running server obeys at once.

mod decide;
mod disown;
mod fates;
mod plan;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use super::operator::operator;
use super::runtime::{beside, budget_name};
use super::{Failure, Plain, columns, say};
use crate::domain::words::count;
use crate::reconcile::Status;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Stop changing RingCX; what is written meanwhile is kept
    Pause(Pause),
    /// Carry out what has waited, and go on
    Resume(Plain),
    /// How the tenant stands, and what a dry run has planned
    Status(Plain),
    /// Have carried out what a dry run has planned and what the mass-change guard has blocked; with --person also end a local disable
    Release(decide::Options),
    /// Drop what the mass-change guard has blocked, and give back what went through before it did
    Reject(decide::RejectOptions),
    /// Hand accounts back to local management: the bridge forgets them, and RingCX stays as it is
    Disown(disown::Options),
}

#[derive(Args)]
pub(super) struct Pause {
    #[command(flatten)]
    plain: Plain,
    /// Take no access away either: leavers can go on working until `resume`
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Pause(options) => pause(options).await,
        Command::Resume(plain) => resume(plain).await,
        Command::Status(plain) => status(plain).await,
        Command::Release(options) => decide::release(options).await,
        Command::Disown(options) => disown::run(options).await,
        Command::Reject(options) => decide::reject(options).await,
    }
}

async fn pause(options: Pause) -> Result<(), Failure> {
    let (config, tenant) = options.plain.of.load()?;
    let parts = beside(&config).await?;
    let before = parts.reconciler.pause(&tenant, &operator(), options.all).await;
    let before = before.context("the pause was not stored")?;
    parts.store.close().await;
    if options.plain.json {
        say(&json!({"tenant": tenant, "paused": true, "all": options.all, "was_paused": before.is_some()})
            .to_string());
        return Ok(());
    }
    let goes_on = if options.all {
        "nothing is changed in RingCX, not even for leavers"
    } else {
        "only access is still taken away"
    };
    say(&format!("tenant {tenant} is paused: {goes_on}; writes are kept until `ringcx-scim tenant resume`"));
    Ok(())
}

async fn resume(plain: Plain) -> Result<(), Failure> {
    let (config, tenant) = plain.of.load()?;
    let parts = beside(&config).await?;
    let ended = parts.reconciler.resume(&tenant, &operator()).await.context("the pause was not ended")?;
    let of = tenant.clone();
    let waiting = parts.store.read(move |tx| crate::store::jobs::waiting(tx, &of)).await;
    let waiting = waiting.context("the jobs were not read")?;
    parts.store.close().await;
    if plain.json {
        say(&json!({"tenant": tenant, "paused": false, "was_paused": ended.is_some(), "waiting": waiting})
            .to_string());
        return Ok(());
    }
    let word = if ended.is_some() { "goes on" } else { "was not paused" };
    say(&format!("tenant {tenant} {word}; {} to be carried out", count(waiting, "job waits", "jobs wait")));
    Ok(())
}

async fn status(plain: Plain) -> Result<(), Failure> {
    let (config, tenant) = plain.of.load()?;
    let budget = config.tenant.get(&tenant).map(|it| budget_name(&config, it));
    let parts = beside(&config).await?;
    let status = parts.reconciler.status(&tenant, &budget.unwrap_or_default()).await;
    let status = status.context("the tenant was not read")?;
    parts.store.close().await;
    if plain.json {
        say(&json!(status).to_string());
    } else {
        tell(&status);
    }
    Ok(())
}

fn tell(status: &Status) {
    let mut table = columns(["tenant", status.tenant.as_str()]);
    table.add_row(["mode", status.mode.as_str()]);
    let paused = status.paused.as_ref().map_or_else(
        || "no".to_owned(),
        |it| {
            let all = if it.all { ", also for leavers" } else { "" };
            format!("since {} by {}{all}", it.since, it.by)
        },
    );
    table.add_row(["paused", &paused]);
    for hold in &status.holds {
        table.add_row(["held", hold]);
    }
    let people: Vec<String> = status.people.iter().map(|(state, count)| format!("{count} {state}")).collect();
    table.add_row(["people", &listed(&people)]);
    let jobs: Vec<String> = status
        .jobs
        .iter()
        .map(|it| format!("{}: {} waiting, {} parked", it.lane, it.waiting, it.parked))
        .collect();
    table.add_row(["jobs", &listed(&jobs)]);
    for unmade in &status.unmade_groups {
        table.add_row(["no agent group", &format!("for group {}: {}", unmade.group, unmade.why)]);
    }
    let budget = &status.budget;
    let penalty = budget.penalty_until.as_ref().map(|until| format!(", stopped by RingCX until {until}"));
    table.add_row(["calls", &format!("{} a minute{}", budget.per_minute, penalty.unwrap_or_default())]);
    table.add_row(["last call", budget.last_call.as_deref().unwrap_or("never")]);
    table.add_row(["account read", status.last_contact.as_deref().unwrap_or("never")]);
    say(&table.to_string());
    if !status.plan.changes.is_empty() {
        plan::tell(&status.plan);
    }
}

fn listed(parts: &[String]) -> String {
    if parts.is_empty() { "none".to_owned() } else { parts.join("\n") }
}
