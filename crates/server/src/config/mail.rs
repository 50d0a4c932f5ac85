//! `[mail]`: the mail server for invitations, forgotten passwords and confirmations of addresses.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::secret::{self, SecretText};

/// How mails are sent. Without `host` they are written to the log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailSection {
    /// The mail server's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its port. Default 587.
    pub port: u16,
    /// How the connection is protected. Default `starttls`.
    pub tls: MailTls,
    /// The sender: `Keystore <keystore@example.com>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Who the server is told we are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The password for it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret::mask")]
    pub password: Option<SecretText>,
    /// A file with the password, in place of `password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// Begins in plain text and goes on only in TLS (RFC 3207).
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Implicit,
    /// Not at all: for a server on this machine alone.
    None,
}

impl Default for MailSection {
    fn default() -> Self {
        Self {
            host: None,
            port: 587,
            tls: MailTls::default(),
            from: None,
            user: None,
            password: None,
            password_file: None,
        }
    }
}

impl MailSection {
    /// The password, from wherever it is given.
    ///
    /// # Errors
    /// `File`.
    pub fn password(&self) -> Result<Option<SecretText>, ConfigError> {
        secret::read(
            self.password.as_ref(),
            self.password_file.as_deref(),
            "mail.password_file",
        )
    }
}
