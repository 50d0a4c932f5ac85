//! A root key on this machine.

use crate::aead::{Key, NONCE};
use crate::error::VaultError;
use crate::format::Reader;
use crate::kms::{Context, Kms, KmsError, KmsFault, KmsFuture};
use crate::root::RootKey;
use crate::secret::Secret;
use crate::{aead, random};

/// Wraps with AES-256-GCM under a key that is derived from the root key for this use.
pub struct LocalKms {
    key: Key,
}

impl LocalKms {
    /// Under `root`.
    ///
    /// # Errors
    ///
    /// The key cannot be set up.
    pub fn new(root: &RootKey) -> Result<Self, VaultError> {
        Ok(Self {
            key: Key::new(&aead::derive(root.secret(), "keystore/kms/local/v1")?)?,
        })
    }

    fn wrap_now(&self, key: &Secret, context: &Context) -> Result<Vec<u8>, KmsError> {
        let nonce: [u8; NONCE] =
            random::bytes().map_err(|_| KmsError::new(KmsFault::Unavailable, "no randomness"))?;
        let sealed = self
            .key
            .seal(nonce, &context.bytes(), key.expose())
            .map_err(|_| refused())?;
        Ok([&nonce[..], &sealed].concat())
    }

    fn unwrap_now(&self, wrapped: &[u8], context: &Context) -> Result<Secret, KmsError> {
        let mut reader = Reader(wrapped);
        let nonce = reader.array().map_err(|_| refused())?;
        self.key
            .open(nonce, &context.bytes(), reader.0)
            .map_err(|_| refused())
    }
}

fn refused() -> KmsError {
    KmsError::new(KmsFault::Refused, "not wrapped by this root key")
}

impl Kms for LocalKms {
    fn wrap<'a>(&'a self, key: &'a Secret, context: &'a Context) -> KmsFuture<'a, Vec<u8>> {
        Box::pin(async move { self.wrap_now(key, context) })
    }

    fn unwrap<'a>(&'a self, wrapped: &'a [u8], context: &'a Context) -> KmsFuture<'a, Secret> {
        Box::pin(async move { self.unwrap_now(wrapped, context) })
    }
}
