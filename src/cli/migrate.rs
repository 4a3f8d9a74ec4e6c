//! `migrate`: the tables of the store.

use anyhow::Context;

use super::{Failure, say};
use crate::config::Config;
use crate::store::Store;

pub(super) async fn run(config: &Config) -> Result<(), Failure> {
    // All in one transaction: where it fails, nothing has changed.
    let done = Store::migrate(&config.store).await.context("the tables were not brought up to date");
    let done = done.map_err(Failure::Input)?;
    if done.is_empty() {
        say("the tables are up to date");
    }
    for name in done {
        say(&format!("applied {name}"));
    }
    Ok(())
}
