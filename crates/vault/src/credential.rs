//! A credential version in memory: sealed, its key at hand for as long as keys may be kept, opened for one request at a time.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use keystore_core::Clock;

use crate::aead::Key;
use crate::error::VaultError;
use crate::fields;
use crate::format::{Blob, SealContext};
use crate::secret::Secret;
use crate::vault::{Vault, WrappedKek};

/// A sealed credential version whose place and key were checked. Opening it makes no call anywhere.
pub struct SealedCredential {
    pub(crate) kek: WrappedKek,
    pub(crate) context: SealContext,
    pub(crate) blob: Blob,
    aad: Vec<u8>,
    clock: Arc<dyn Clock>,
    dek: RwLock<Option<Dek>>,
}

/// An unwrapped DEK and until when (boot time) it may be used.
pub(crate) struct Dek {
    pub(crate) key: Key,
    pub(crate) until: Duration,
}

impl SealedCredential {
    pub(crate) fn new(
        kek: WrappedKek,
        context: SealContext,
        blob: Blob,
        dek: Dek,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let aad = context.aad("credential");
        Self {
            kek,
            context,
            blob,
            aad,
            clock,
            dek: RwLock::new(Some(dek)),
        }
    }

    /// Decrypts with the key at hand.
    ///
    /// # Errors
    ///
    /// `Stale` when the key may not be used any longer (always, when keys may not be kept): see
    /// [`SealedCredential::open_fresh`]. `Corrupt` when the ciphertext is not authentic; `BadFormat`.
    pub fn open(&self) -> Result<Opened, VaultError> {
        let dek = self.dek.read().unwrap_or_else(PoisonError::into_inner);
        match dek.as_ref() {
            Some(dek) if self.clock.boottime() < dek.until => self.decrypt(&dek.key),
            Some(_) => {
                drop(dek);
                self.forget_expired();
                Err(VaultError::Stale)
            }
            None => Err(VaultError::Stale),
        }
    }

    /// Unwraps the keys again and decrypts; the key is at hand from then on, for as long as keys may be kept.
    ///
    /// # Errors
    ///
    /// `Sealed` when the root key cannot be reached; `Corrupt`, `BadFormat`.
    pub async fn open_fresh(&self, vault: &Vault) -> Result<Opened, VaultError> {
        let dek = vault.unwrap_dek(&self.kek, &self.context, &self.blob).await?;
        let opened = self.decrypt(&dek.key)?;
        *self.dek.write().unwrap_or_else(PoisonError::into_inner) = Some(dek);
        self.forget_expired();
        Ok(opened)
    }

    /// An expired key is wiped when it is noticed, not kept until the next one comes.
    fn forget_expired(&self) {
        let mut dek = self.dek.write().unwrap_or_else(PoisonError::into_inner);
        dek.take_if(|dek| self.clock.boottime() >= dek.until);
    }

    fn decrypt(&self, key: &Key) -> Result<Opened, VaultError> {
        let plaintext = key.open(self.blob.nonce, &self.aad, &self.blob.sealed)?;
        if fields::is_valid(plaintext.expose()) {
            Ok(Opened(plaintext))
        } else {
            Err(VaultError::BadFormat)
        }
    }
}

/// A credential's plaintext, for one request. Wiped on drop.
pub struct Opened(Secret);

impl Opened {
    /// The field's value. Only `proxy/src/inject*` may call this: the workspace's lints refuse it elsewhere.
    pub fn expose_field(&self, name: &str) -> Option<&str> {
        fields::find(self.0.expose(), name)
    }
}
