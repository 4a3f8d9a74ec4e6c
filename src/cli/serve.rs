//! `serve`: the server.

use anyhow::anyhow;

use super::runtime::Bridge;
use super::{Failure, logs, say, until_stopped};
use crate::config::Config;

pub(super) async fn run(config: Config) -> Result<(), Failure> {
    if config.tenant.is_empty() {
        return Err(Failure::Input(anyhow!("there is no tenant; add a section [tenant.default]")));
    }
    logs::start(&config.log);
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let stop = until_stopped();
    let bridge = Bridge::start(config).await.map_err(Failure::Input)?;
    say(&format!("listening on {}", bridge.bound));
    tracing::info!(public_url = bridge.url, "ready for clients");
    Ok(bridge.until(stop).await?)
}
