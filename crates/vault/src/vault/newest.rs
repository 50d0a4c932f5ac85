//! Which version of each credential is the newest that served a call. An older one opens as well as ever, wherever its row came from.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use keystore_core::ids::CredentialId;

use super::Vault;
use crate::error::VaultError;

/// The newest version that served, of each credential.
#[derive(Default)]
pub(super) struct Newest(Mutex<HashMap<CredentialId, u32>>);

impl Vault {
    /// The newest version of a credential that served calls; 0 where none did.
    pub fn served(&self, credential: CredentialId) -> u32 {
        let newest = self.newest.0.lock().unwrap_or_else(PoisonError::into_inner);
        newest.get(&credential).copied().unwrap_or(0)
    }

    /// Notes that a version of a credential serves calls. What was noted before a start is noted again by whoever kept it.
    ///
    /// # Errors
    ///
    /// `PutBack`: a newer one has served.
    pub fn serves(&self, credential: CredentialId, version: u32) -> Result<(), VaultError> {
        let mut newest = self.newest.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = newest.entry(credential).or_insert(version);
        if *known > version {
            return Err(VaultError::PutBack);
        }
        *known = version;
        Ok(())
    }
}
