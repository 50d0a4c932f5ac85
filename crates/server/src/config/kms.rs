//! `[kms]`: the root key, from which every other key follows.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::secret::{self, SecretText};

/// The local root key: exactly one of `key_file`, `key`, `passphrase` and `passphrase_file`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KmsSection {
    /// A file of mode 0600 with the root key, outside the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The root key itself: 32 bytes in base64 or hexadecimal. Meant for `KS_KMS__KEY`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret::mask")]
    pub key: Option<SecretText>,
    /// A passphrase that the root key is derived from by Argon2id.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret::mask")]
    pub passphrase: Option<SecretText>,
    /// A file with the passphrase in its first line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
    /// How long an unwrapped key may be kept; `0s` unwraps on each use. Default 10 minutes.
    #[serde(with = "super::duration")]
    pub kek_ttl: Duration,
}

/// Where the root key comes from.
#[derive(Debug)]
pub enum RootKey {
    /// A key file.
    File(PathBuf),
    /// The key as text.
    Text(SecretText),
    /// A passphrase.
    Passphrase(SecretText),
}

impl Default for KmsSection {
    fn default() -> Self {
        Self {
            key_file: None,
            key: None,
            passphrase: None,
            passphrase_file: None,
            kek_ttl: Duration::from_secs(600),
        }
    }
}

impl KmsSection {
    /// How many of the four ways to give a root key are used.
    pub(super) fn ways(&self) -> usize {
        [
            self.key_file.is_some(),
            self.key.is_some(),
            self.passphrase.is_some(),
            self.passphrase_file.is_some(),
        ]
        .into_iter()
        .filter(|given| *given)
        .count()
    }

    /// The root key's origin.
    ///
    /// # Errors
    /// `Unsafe` unless exactly one way is used; `File` when the passphrase's file cannot be read.
    pub fn root_key(&self) -> Result<RootKey, ConfigError> {
        let none = || ConfigError::Unsafe(format!("- {}", super::safety::ONE_ROOT_KEY));
        if self.ways() != 1 {
            return Err(none());
        }
        if let Some(path) = &self.key_file {
            return Ok(RootKey::File(path.clone()));
        }
        if let Some(text) = secret::read(self.key.as_ref(), None, "kms.key")? {
            return Ok(RootKey::Text(text));
        }
        secret::read(
            self.passphrase.as_ref(),
            self.passphrase_file.as_deref(),
            "kms.passphrase_file",
        )?
        .map(RootKey::Passphrase)
        .ok_or_else(none)
    }
}
