//! Wraps KEKs, seals credential versions, and unwraps keys for as long as they may be kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keystore_core::Clock;
use keystore_core::ids::{DeploymentId, KekId, OrgId};

use crate::aead::{self, KEY, Key};
use crate::credential::SealedCredential;
use crate::error::VaultError;
use crate::fields::Fields;
use crate::format::{self, Blob, SealContext};
use crate::kms::{Kms, KmsError};
use crate::random;
use crate::secret::Secret;

/// A key-encryption key of an organization, wrapped by the KMS: the form in which it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKek {
    /// The KEK.
    pub id: KekId,
    /// Its generation in the organization, from 1.
    pub generation: u32,
    /// The organization.
    pub org: OrgId,
    /// What the KMS gave.
    pub bytes: Vec<u8>,
}

impl WrappedKek {
    fn context(&self, deployment: DeploymentId) -> Vec<u8> {
        let mut context = Vec::with_capacity(96);
        format::field(&mut context, b"keystore/kek/v1");
        format::field(&mut context, deployment.uuid().as_bytes());
        format::field(&mut context, self.org.uuid().as_bytes());
        format::field(&mut context, self.id.uuid().as_bytes());
        context.extend_from_slice(&self.generation.to_be_bytes());
        context
    }
}

struct CachedKek {
    key: Arc<Key>,
    /// Boot time from which on it must be unwrapped again.
    until: Duration,
}

/// Everything that seals and opens.
pub struct Vault {
    kms: Arc<dyn Kms>,
    deployment: DeploymentId,
    kek_ttl: Duration,
    clock: Arc<dyn Clock>,
    keks: Mutex<HashMap<KekId, CachedKek>>,
}

impl Vault {
    /// How long an unwrapped key is kept where nothing else is set.
    pub const DEFAULT_KEK_TTL: Duration = Duration::from_secs(600);

    /// A vault whose root key is in `kms`. Unwrapped keys are kept for `kek_ttl`; zero unwraps them at each use.
    pub fn new(
        kms: Arc<dyn Kms>,
        deployment: DeploymentId,
        kek_ttl: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            kms,
            deployment,
            kek_ttl,
            clock,
            keks: Mutex::default(),
        }
    }

    /// The deployment that everything here is bound to.
    pub const fn deployment(&self) -> DeploymentId {
        self.deployment
    }

    /// A new KEK for an organization.
    ///
    /// # Errors
    ///
    /// `Sealed`, `NoRandomness`.
    pub async fn new_kek(&self, org: OrgId, id: KekId, generation: u32) -> Result<WrappedKek, VaultError> {
        let mut kek = WrappedKek {
            id,
            generation,
            org,
            bytes: Vec::new(),
        };
        let key = random::key()?;
        kek.bytes = self
            .kms
            .wrap(&key, &kek.context(self.deployment))
            .await
            .map_err(|_| VaultError::Sealed)?;
        Ok(kek)
    }

    /// Seals a credential version: a new DEK, used for nothing else, and new IVs.
    ///
    /// # Errors
    ///
    /// `Sealed`, `Corrupt` when the KEK is not ours, `NoRandomness`.
    pub async fn seal(
        &self,
        kek: &WrappedKek,
        context: &SealContext,
        fields: &Fields,
    ) -> Result<Vec<u8>, VaultError> {
        let wrapping = self.kek(kek).await?;
        let dek = random::key()?;
        let (wrap_nonce, nonce) = (random::bytes()?, random::bytes()?);
        let wrapped = wrapping.seal(wrap_nonce, &context.aad("dek"), dek.expose())?;
        let aad = context.aad("credential");
        let blob = Blob {
            kek: kek.id,
            kek_generation: kek.generation,
            wrap_nonce,
            wrapped_dek: wrapped.try_into().map_err(|_| VaultError::Corrupt)?,
            nonce,
            sealed: Key::new(&dek)?.seal(nonce, &aad, fields.to_plaintext().expose())?,
            commitment: commitment(&dek, &aad, &nonce)?,
        };
        Ok(blob.to_bytes())
    }

    /// Makes a sealed credential ready to be opened: unwraps its key, checks the commitment, and opens it once to see that it
    /// was made for `context`.
    ///
    /// # Errors
    ///
    /// `Sealed`, `Corrupt`.
    pub async fn load(
        &self,
        kek: &WrappedKek,
        context: SealContext,
        blob: &[u8],
    ) -> Result<SealedCredential, VaultError> {
        let blob = Blob::parse(blob)?;
        if blob.kek != kek.id || blob.kek_generation != kek.generation || context.org != kek.org {
            return Err(VaultError::Corrupt);
        }
        let credential = SealedCredential::new(kek.clone(), context, blob, Arc::clone(&self.clock));
        credential.open_fresh(self).await?;
        Ok(credential)
    }

    /// Forgets every unwrapped KEK.
    pub fn forget_keys(&self) {
        self.keks.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The DEK of a blob, and the boot time until which it may be kept.
    pub(crate) async fn dek(
        &self,
        kek: &WrappedKek,
        context: &SealContext,
        blob: &Blob,
        aad: &[u8],
    ) -> Result<(Key, Duration), VaultError> {
        let until = self.clock.boottime() + self.kek_ttl;
        let wrapping = self.kek(kek).await?;
        let dek = wrapping.open(blob.wrap_nonce, &context.aad("dek"), &blob.wrapped_dek)?;
        if dek.len() != KEY || !aead::same(&commitment(&dek, aad, &blob.nonce)?, &blob.commitment) {
            return Err(VaultError::Corrupt);
        }
        Ok((Key::new(&dek)?, until))
    }

    async fn kek(&self, kek: &WrappedKek) -> Result<Arc<Key>, VaultError> {
        let now = self.clock.boottime();
        if let Some(cached) = self
            .keks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&kek.id)
            && now < cached.until
        {
            return Ok(Arc::clone(&cached.key));
        }
        let key = self
            .kms
            .unwrap(&kek.bytes, &kek.context(self.deployment))
            .await
            .map_err(|error| match error {
                KmsError::Unavailable => VaultError::Sealed,
                KmsError::Refused => VaultError::Corrupt,
            })?;
        let key = Arc::new(Key::new(&key)?);
        let mut keks = self.keks.lock().unwrap_or_else(PoisonError::into_inner);
        keks.retain(|_, cached| now < cached.until);
        if !self.kek_ttl.is_zero() {
            keks.insert(
                kek.id,
                CachedKek {
                    key: Arc::clone(&key),
                    until: now + self.kek_ttl,
                },
            );
        }
        Ok(key)
    }
}

/// Binds the blob to one key: AES-GCM by itself lets somebody make a ciphertext that opens under two.
fn commitment(dek: &Secret, aad: &[u8], nonce: &[u8]) -> Result<[u8; 32], VaultError> {
    let key = aead::mac_key(&aead::derive(dek, "commit")?);
    Ok(aead::mac(&key, &[aad, nonce]))
}

#[cfg(test)]
mod tests;
