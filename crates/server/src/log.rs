//! Logs: one line a thing that happened, to stderr. Secrets never get this far: their types cannot be written.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{LogFormat, TelemetrySection};

/// Starts logging for the whole process. A second call changes nothing.
///
/// # Errors
/// The filter cannot be parsed.
pub fn init(telemetry: &TelemetrySection) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&telemetry.log)
        .map_err(|error| anyhow::anyhow!("`telemetry.log` = `{}`: {error}", telemetry.log))?;
    let base = fmt::Subscriber::builder()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let base = if std::io::stderr().is_terminal() {
        base
    } else {
        base.with_ansi(false)
    };
    // An error means that a subscriber is set already, which is the case in tests that start several servers.
    let _ = match telemetry.format {
        LogFormat::Text => tracing::subscriber::set_global_default(base.finish()),
        LogFormat::Json => tracing::subscriber::set_global_default(base.json().finish()),
    };
    Ok(())
}
