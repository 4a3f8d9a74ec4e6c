//! Logs go to standard error: text on a terminal, JSON elsewhere.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSettings};

/// Starts logging; `RUST_LOG` wins over the settings.
pub(super) fn start(settings: &LogSettings) {
    let wanted = settings.filter.clone().unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(wanted));
    let json = match settings.format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Only the first start counts, which matters to tests alone.
    if json {
        drop(builder.json().try_init());
    } else {
        drop(builder.try_init());
    }
}
