//! Logs: one line a thing that happened, to stderr, and to a collector where one is set. Secrets never get this far: their types cannot be
//! written.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::config::{LogFormat, TelemetrySection};
use crate::otlp::Lines;

/// Starts logging for the whole process. A second call changes nothing. Where telemetry goes to a collector, `lines` are those of the log.
///
/// # Errors
/// The filter cannot be parsed.
pub(crate) fn init(telemetry: &TelemetrySection, lines: Option<Lines>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&telemetry.log)
        .map_err(|error| anyhow::anyhow!("`telemetry.log` = `{}`: {error}", telemetry.log))?;
    let shown = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let shown = match telemetry.format {
        LogFormat::Text => shown.boxed(),
        LogFormat::Json => shown.json().boxed(),
    };
    let all = tracing_subscriber::registry()
        .with(filter)
        .with(shown)
        .with(lines);
    // An error means that a subscriber is set already, which is the case in tests that start several servers.
    let _ = tracing::subscriber::set_global_default(all);
    Ok(())
}
