//! Sealing and loading of credentials, and the keys on the way: root key (in the KMS), KEK of an organization, DEK of a version.
//!
//! What is wrapped and sealed is stored by the caller. Unwrapped KEKs are kept in memory for `kek_ttl` and no longer: without
//! its root key a vault closes within that time. Moving sealed credentials to a newer KEK is not here yet.

mod replaced;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keystore_core::Clock;
use keystore_core::ids::{DeploymentId, KekId, OrgId};

use crate::aead::{self, Key, NONCE};
use crate::credential::{Dek, SealedCredential};
use crate::error::VaultError;
use crate::fields::Fields;
use crate::format::{Blob, SealContext};
use crate::kms::{Kms, KmsError, context};
use crate::random;
use crate::secret::Secret;

/// Seals and loads credentials.
pub struct Vault {
    kms: Arc<dyn Kms>,
    deployment: DeploymentId,
    kek_ttl: Duration,
    clock: Arc<dyn Clock>,
    keks: Mutex<HashMap<(OrgId, KekId, u32), Arc<Kek>>>,
}

/// A KEK of an organization, wrapped by the KMS: what is stored of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKek {
    /// Its id, part of everything sealed under it.
    pub id: KekId,
    /// Counts from 1 in the organization.
    pub generation: u32,
    /// The organization.
    pub org: OrgId,
    /// The wrapped key.
    pub bytes: Vec<u8>,
}

/// An unwrapped KEK and until when (boot time) it may be used.
struct Kek {
    key: Key,
    until: Duration,
}

impl From<KmsError> for VaultError {
    fn from(error: KmsError) -> Self {
        match error {
            KmsError::Unavailable => Self::Sealed,
            KmsError::Refused => Self::Corrupt,
        }
    }
}

impl Vault {
    /// A vault of `deployment` whose root key is in `kms`. An unwrapped key is kept for `kek_ttl`; zero unwraps at each use.
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
    pub fn deployment(&self) -> DeploymentId {
        self.deployment
    }

    /// Whether the root key can wrap and unwrap now.
    ///
    /// # Errors
    ///
    /// `Sealed`, `Corrupt`, `NoRandomness`.
    pub async fn probe(&self) -> Result<(), VaultError> {
        let context = context("probe", self.deployment, &[]);
        let key = random::key()?;
        let wrapped = self.kms.wrap(&key, &context).await?;
        let unwrapped = self.kms.unwrap(&wrapped, &context).await?;
        if aead::same(key.expose(), unwrapped.expose()) {
            Ok(())
        } else {
            Err(VaultError::Corrupt)
        }
    }

    /// A new KEK of an organization; its first generation is 1.
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
        kek.bytes = self.kms.wrap(&random::key()?, &self.kek_context(&kek)).await?;
        Ok(kek)
    }

    /// Seals a credential version under a new DEK, with new IVs.
    ///
    /// # Errors
    ///
    /// `Sealed`, `Corrupt` (the KEK is not this organization's), `NoRandomness`.
    pub async fn seal(
        &self,
        kek: &WrappedKek,
        context: &SealContext,
        fields: &Fields,
    ) -> Result<Vec<u8>, VaultError> {
        self.seal_plaintext(kek, context, &fields.to_plaintext()).await
    }

    /// Seals what `sealed` holds anew: for another version, another destination, under another KEK. The plaintext does not leave
    /// this function.
    ///
    /// # Errors
    ///
    /// `Sealed`, `NoRandomness`; `BadFormat`, `Corrupt` when `sealed` is not of its context.
    pub async fn reseal(
        &self,
        (from_kek, from, sealed): (&WrappedKek, &SealContext, &[u8]),
        (kek, context): (&WrappedKek, &SealContext),
    ) -> Result<Vec<u8>, VaultError> {
        let blob = Blob::parse(sealed)?;
        let dek = self.unwrap_dek(from_kek, from, &blob).await?;
        let plaintext = dek.key.open(blob.nonce, &from.aad("credential"), &blob.sealed)?;
        self.seal_plaintext(kek, context, &plaintext).await
    }

    async fn seal_plaintext(
        &self,
        kek: &WrappedKek,
        context: &SealContext,
        plaintext: &Secret,
    ) -> Result<Vec<u8>, VaultError> {
        self.check_place(kek, context)?;
        let ready = self.kek(kek).await?;
        let dek = random::key()?;
        let (wrap_nonce, nonce) = (random::bytes()?, random::bytes()?);
        let wrapped = ready.key.seal(wrap_nonce, &context.aad("dek"), dek.expose())?;
        let aad = context.aad("credential");
        let blob = Blob {
            kek: kek.id,
            kek_generation: kek.generation,
            wrap_nonce,
            wrapped_dek: wrapped.try_into().map_err(|_| VaultError::Corrupt)?,
            nonce,
            sealed: Key::new(&dek)?.seal(nonce, &aad, plaintext.expose())?,
            commitment: commitment(&dek, &aad, &nonce)?,
        };
        Ok(blob.to_bytes())
    }

    /// Takes a sealed credential version into memory: reads its form, unwraps its keys, and checks its commitment. It stays
    /// sealed.
    ///
    /// # Errors
    ///
    /// `Sealed`; `BadFormat`; `Corrupt` when it was not sealed for this context under this KEK.
    pub async fn load(
        &self,
        kek: &WrappedKek,
        context: SealContext,
        sealed: &[u8],
    ) -> Result<SealedCredential, VaultError> {
        let blob = Blob::parse(sealed)?;
        let dek = self.unwrap_dek(kek, &context, &blob).await?;
        Ok(SealedCredential::new(
            kek.clone(),
            context,
            blob,
            dek,
            Arc::clone(&self.clock),
        ))
    }

    /// The DEK of a blob, if the blob is for this context, this KEK, and committed to this DEK. It lives as long as its KEK, so
    /// that no key outlives the root key's loss by more than `kek_ttl`.
    pub(crate) async fn unwrap_dek(
        &self,
        kek: &WrappedKek,
        context: &SealContext,
        blob: &Blob,
    ) -> Result<Dek, VaultError> {
        self.check_place(kek, context)?;
        if (blob.kek, blob.kek_generation) != (kek.id, kek.generation) {
            return Err(VaultError::Corrupt);
        }
        let ready = self.kek(kek).await?;
        let dek = ready
            .key
            .open(blob.wrap_nonce, &context.aad("dek"), &blob.wrapped_dek)?;
        // GCM alone lets one ciphertext open under two keys.
        let expected = commitment(&dek, &context.aad("credential"), &blob.nonce)?;
        if !aead::same(&expected, &blob.commitment) {
            return Err(VaultError::Corrupt);
        }
        Ok(Dek {
            key: Key::new(&dek)?,
            until: ready.until,
        })
    }

    fn check_place(&self, kek: &WrappedKek, context: &SealContext) -> Result<(), VaultError> {
        let fits = context.deployment == self.deployment && context.org == kek.org;
        if fits { Ok(()) } else { Err(VaultError::Corrupt) }
    }

    /// The unwrapped KEK, kept or from the KMS. Calls that miss at the same time each ask the KMS.
    async fn kek(&self, wrapped: &WrappedKek) -> Result<Arc<Kek>, VaultError> {
        let name = (wrapped.org, wrapped.id, wrapped.generation);
        // The lifetime counts from before the KMS was asked: a slow answer is no longer good than a fast one.
        let now = self.clock.boottime();
        let kept = self
            .kept()
            .get(&name)
            .filter(|kek| now < kek.until)
            .map(Arc::clone);
        if let Some(kek) = kept {
            return Ok(kek);
        }
        let key = Key::new(
            &self
                .kms
                .unwrap(&wrapped.bytes, &self.kek_context(wrapped))
                .await?,
        )?;
        let kek = Arc::new(Kek {
            key,
            until: now.saturating_add(self.kek_ttl),
        });
        let mut kept = self.kept();
        kept.retain(|_, kek| now < kek.until);
        if now < kek.until {
            kept.insert(name, Arc::clone(&kek));
        }
        Ok(kek)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<(OrgId, KekId, u32), Arc<Kek>>> {
        self.keks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kek_context(&self, kek: &WrappedKek) -> Vec<u8> {
        let (org, id) = (kek.org.uuid(), kek.id.uuid());
        let generation = kek.generation.to_be_bytes();
        context(
            "kek",
            self.deployment,
            &[&org.as_bytes()[..], id.as_bytes(), &generation],
        )
    }
}

/// Binds the ciphertext to one DEK (security of key commitment).
fn commitment(dek: &Secret, aad: &[u8], nonce: &[u8; NONCE]) -> Result<[u8; 32], VaultError> {
    Ok(aead::mac(
        &aead::mac_key(&aead::derive(dek, "commit")?),
        &[aad, nonce],
    ))
}

#[cfg(test)]
pub(crate) mod tests;
