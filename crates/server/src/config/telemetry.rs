//! `[telemetry]`: logs.

use serde::{Deserialize, Serialize};

/// What is logged, and how.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySection {
    /// A `tracing` filter such as `info` or `info,keystore_proxy=debug`. Default `info`.
    pub log: String,
    /// The form of a line. Default `text`.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for TelemetrySection {
    fn default() -> Self {
        Self {
            log: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}
