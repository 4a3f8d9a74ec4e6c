//! `tenant disown`: accounts are handed back to whoever manages RingCX by hand.

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;

use super::super::operator::operator;
use super::super::runtime::beside;
use super::super::{Failure, Of, say};
use crate::domain::words::people;

#[derive(Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    of: Of,
    /// This person, by SCIM id
    #[arg(long, value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    person: Option<String>,
    /// Everybody of the tenant
    #[arg(long)]
    all: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(options: Options) -> Result<(), Failure> {
    let (config, tenant) = options.of.load()?;
    let parts = beside(&config).await?;
    let person = parts.person(&tenant, options.person).await?;
    let disowned = parts.reconciler.disown(&tenant, &operator(), person.as_ref()).await;
    let disowned = disowned.context("not everybody was handed back; run the command again")?;
    parts.store.close().await;
    if options.json {
        say(&json!({"tenant": tenant, "disowned": disowned.people, "busy": disowned.busy}).to_string());
    } else {
        say(&format!(
            "handed back: {}; RingCX is as it was, and the identity provider does not find them here any more",
            people(disowned.people.len())
        ));
    }
    if disowned.busy.is_empty() {
        return Ok(());
    }
    Err(Failure::Ran(anyhow!(
        "still at work on {}; run `ringcx-scim tenant pause --all`, then this command again",
        people(disowned.busy.len())
    )))
}
