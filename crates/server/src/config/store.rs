//! `[store]`: the database and the data directory.

use std::path::PathBuf;

use keystore_store::Durability;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::secret::{self, SecretText};

/// Where things are kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSection {
    /// `sqlite:///absolute/path.db` or `postgres://…`. Secret because it may hold a password. Default: SQLite in `data_dir`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret::mask")]
    pub url: Option<SecretText>,
    /// A file with the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
    /// For files beside the database: the spool, and SQLite itself by default. Default `/var/lib/keystore`.
    pub data_dir: PathBuf,
    /// What the record of a call must survive before the call is sent: the end of the process, or of the machine. Default `process`.
    pub durability: Durability,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self {
            url: None,
            url_file: None,
            data_dir: PathBuf::from("/var/lib/keystore"),
            durability: Durability::Process,
        }
    }
}

impl StoreSection {
    /// The database's URL.
    ///
    /// # Errors
    /// `File` when `url_file` cannot be read.
    pub fn url(&self) -> Result<SecretText, ConfigError> {
        let given = secret::read(self.url.as_ref(), self.url_file.as_deref(), "store.url_file")?;
        Ok(given.unwrap_or_else(|| {
            SecretText::new(format!(
                "sqlite://{}",
                self.data_dir.join("keystore.db").display()
            ))
        }))
    }
}
