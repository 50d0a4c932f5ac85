//! A sealed credential that is ready to be opened, and what comes out.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use keystore_core::Clock;

use crate::aead::Key;
use crate::error::VaultError;
use crate::fields;
use crate::format::{Blob, SealContext};
use crate::secret::Secret;
use crate::vault::{Vault, WrappedKek};

/// A credential version with its key unwrapped for a while. The plaintext is not here.
pub struct SealedCredential {
    kek: WrappedKek,
    context: SealContext,
    blob: Blob,
    aad: Vec<u8>,
    clock: Arc<dyn Clock>,
    dek: RwLock<Option<(Key, Duration)>>,
}

impl SealedCredential {
    pub(crate) fn new(kek: WrappedKek, context: SealContext, blob: Blob, clock: Arc<dyn Clock>) -> Self {
        let aad = context.aad("credential");
        Self {
            kek,
            context,
            blob,
            aad,
            clock,
            dek: RwLock::new(None),
        }
    }

    /// Decrypts with the unwrapped key. Well under a microsecond.
    ///
    /// # Errors
    ///
    /// `Stale` when the key may not be kept any longer: see [`Self::open_fresh`].
    pub fn open(&self) -> Result<Opened, VaultError> {
        let dek = self.dek.read().unwrap_or_else(PoisonError::into_inner);
        match &*dek {
            Some((key, until)) if self.clock.boottime() < *until => self.decrypt(key),
            _ => Err(VaultError::Stale),
        }
    }

    /// Unwraps the key again, keeps it for the vault's time, and decrypts.
    ///
    /// # Errors
    ///
    /// `Sealed` when the KMS cannot be reached (a key that was kept is dropped then), `Corrupt`.
    pub async fn open_fresh(&self, vault: &Vault) -> Result<Opened, VaultError> {
        let fresh = vault.dek(&self.kek, &self.context, &self.blob, &self.aad).await;
        let mut dek = self.dek.write().unwrap_or_else(PoisonError::into_inner);
        *dek = None;
        let (key, until) = fresh?;
        let opened = self.decrypt(&key)?;
        *dek = Some((key, until));
        Ok(opened)
    }

    fn decrypt(&self, key: &Key) -> Result<Opened, VaultError> {
        key.open(self.blob.nonce, &self.aad, &self.blob.sealed)
            .map(Opened)
    }
}

/// An opened credential. Wiped on drop.
pub struct Opened(Secret);

impl Opened {
    /// The value of a field. Only `proxy/src/inject*` may call this.
    pub fn expose_field(&self, name: &str) -> Option<&[u8]> {
        fields::find(self.0.expose(), name)
    }
}
