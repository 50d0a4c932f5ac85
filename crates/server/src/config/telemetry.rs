//! `[telemetry]`: logs, and a collector for them and for traces.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::secret::{self, SecretText};
use crate::otlp::Exporter;

/// What is logged, and how.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySection {
    /// A `tracing` filter such as `info` or `info,keystore_proxy=debug`. Default `info`.
    pub log: String,
    /// The form of a line. Default `text`.
    pub format: LogFormat,
    /// A collector of OpenTelemetry that takes OTLP over HTTP, such as `https://otel.example.com:4318`. Without it nothing is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
    /// Headers for it, `name=value,name=value`. Secret because one may hold a key.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret::mask")]
    pub otlp_headers: Option<SecretText>,
    /// A file with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_headers_file: Option<PathBuf>,
}

impl TelemetrySection {
    /// What sends to the collector, if one is set.
    ///
    /// # Errors
    /// Headers that are none, or whose file cannot be read.
    pub(crate) fn exporter(&self) -> anyhow::Result<Option<Exporter>> {
        let Some(endpoint) = &self.otlp_endpoint else {
            return Ok(None);
        };
        let file = self.otlp_headers_file.as_deref();
        let headers = secret::read(self.otlp_headers.as_ref(), file, "telemetry.otlp_headers_file")?;
        let headers = headers.as_ref().map_or("", SecretText::expose);
        Exporter::new(endpoint, headers).map(Some)
    }
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
            otlp_endpoint: None,
            otlp_headers: None,
            otlp_headers_file: None,
        }
    }
}
