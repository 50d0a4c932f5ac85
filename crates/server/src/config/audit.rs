//! `[audit]`: where signed checkpoints of the audit log go besides the database. Nothing of it can be set by the API.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::secret::{self, SecretText};
use crate::audit::sinks::{FileSink, S3Settings, S3Sink, Sink, Sinks, SyslogSink};

/// The second place. Without `file`, `syslog` and `s3_url` there is none.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditSection {
    /// A file that checkpoints are appended to, best on another disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// A syslog server: `udp://host:514`, `tcp://host:601` or `unix:///dev/log`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syslog: Option<String>,
    /// An S3-compatible bucket and prefix, such as `https://logs.s3.eu-central-1.amazonaws.com/keystore`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_url: Option<String>,
    /// The bucket's region. Default `us-east-1`.
    pub s3_region: String,
    /// The id of the access key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_access_key: Option<String>,
    /// The secret access key.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret::mask")]
    pub s3_secret_key: Option<SecretText>,
    /// A file with it, in place of `s3_secret_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_secret_key_file: Option<PathBuf>,
    /// For how long an object is locked, in days; `0` puts it without a lock. Default 365.
    pub s3_lock_days: u32,
    /// After how many days the audit log forgets what changes said; `0` keeps it for ever. Default 0.
    pub retention_days: u32,
    /// What follows when a checkpoint does not get there for as long as `sink_grace`. Default `refuse`.
    pub on_sink_failure: OnSinkFailure,
    /// How long calls go on when checkpoints do not get there. Default 5 minutes.
    #[serde(with = "super::duration")]
    pub sink_grace: Duration,
}

/// What follows when a sink fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnSinkFailure {
    /// Calls are refused until a checkpoint gets there.
    Refuse,
    /// It is told of, and calls go on.
    Warn,
}

impl Default for AuditSection {
    fn default() -> Self {
        Self {
            file: None,
            syslog: None,
            s3_url: None,
            s3_region: "us-east-1".to_owned(),
            s3_access_key: None,
            s3_secret_key: None,
            s3_secret_key_file: None,
            s3_lock_days: 365,
            retention_days: 0,
            on_sink_failure: OnSinkFailure::Refuse,
            sink_grace: Duration::from_secs(300),
        }
    }
}

impl AuditSection {
    /// For how long the audit log keeps what changes said; for ever without.
    pub fn retention(&self) -> Option<Duration> {
        let kept = Duration::from_secs(u64::from(self.retention_days) * 86_400);
        (!kept.is_zero()).then_some(kept)
    }

    /// The sinks.
    ///
    /// # Errors
    /// In words for the operator.
    pub fn sinks(&self) -> anyhow::Result<Sinks> {
        let mut sinks = Vec::new();
        if let Some(path) = &self.file {
            sinks.push(Sink::File(FileSink::new(path.clone())));
        }
        if let Some(url) = &self.syslog {
            sinks.push(Sink::Syslog(SyslogSink::new(url)?));
        }
        if let Some(url) = &self.s3_url {
            let secret_key = secret::read(
                self.s3_secret_key.as_ref(),
                self.s3_secret_key_file.as_deref(),
                "audit.s3_secret_key_file",
            )?;
            let lock = Duration::from_secs(u64::from(self.s3_lock_days) * 86_400);
            sinks.push(Sink::S3(S3Sink::new(S3Settings {
                url: url.clone(),
                region: self.s3_region.clone(),
                access_key: self
                    .s3_access_key
                    .clone()
                    .context("`audit.s3_access_key` is missing")?,
                secret_key: secret_key.context("`audit.s3_secret_key` is missing")?,
                lock: (!lock.is_zero()).then_some(lock),
            })?));
        }
        let refuse = self.on_sink_failure == OnSinkFailure::Refuse;
        Ok(Sinks::new(sinks, refuse.then_some(self.sink_grace)))
    }
}
