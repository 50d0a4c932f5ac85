//! Sealing and loading of credentials, and the keys on the way: root key (in the KMS), KEK of an organization, DEK of a version.
//!
//! What is wrapped and sealed is stored by the caller, who also counts how often a KEK wraps. Unwrapped KEKs are kept in memory for
//! `kek_ttl` and no longer: without its root key a vault closes within that time. How KEKs are wrapped, and by whom, is in `keks`.

pub(crate) mod audit_key;
mod keks;
mod newest;
mod replaced;
pub(crate) mod webhook_secret;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keystore_core::Clock;
use keystore_core::ids::{DeploymentId, KekId, OrgId};

use crate::aead::{self, Key, NONCE};
use crate::credential::{Dek, SealedCredential};
use crate::error::VaultError;
use crate::fields::Fields;
use crate::format::{Blob, SealContext};
use crate::kms::{Holders, Kms};
use crate::random;
use crate::secret::Secret;
use keks::Slot;
use newest::Newest;

/// Seals and loads credentials.
pub struct Vault {
    kms: Arc<dyn Kms>,
    deployment: DeploymentId,
    kek_ttl: Duration,
    clock: Arc<dyn Clock>,
    holders: Option<Arc<Holders>>,
    keks: Mutex<HashMap<(OrgId, KekId, u32), Arc<Slot>>>,
    newest: Newest,
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
    /// The wrapped key; nothing once it was destroyed.
    pub bytes: Vec<u8>,
    /// The name of the organization's own key ([`crate::kms::KeyName`]), where that wraps inside of the root key.
    pub customer: Option<String>,
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
            holders: None,
            keks: Mutex::default(),
            newest: Newest::default(),
        }
    }

    /// With what opens the keys that organizations hold themselves. Without it, none of them can be used.
    pub fn with_holders(self, holders: Arc<Holders>) -> Self {
        Self {
            holders: Some(holders),
            ..self
        }
    }

    /// The deployment that everything here is bound to.
    pub fn deployment(&self) -> DeploymentId {
        self.deployment
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
        let plaintext = self.plaintext(from_kek, from, sealed).await?;
        self.seal_plaintext(kek, context, &plaintext).await
    }

    /// The same credential version, its DEK wrapped by another KEK of the same organization. What the DEK seals stays as it is.
    ///
    /// # Errors
    ///
    /// As [`Vault::reseal`].
    pub async fn rewrap(
        &self,
        from_kek: &WrappedKek,
        kek: &WrappedKek,
        context: &SealContext,
        sealed: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        self.check_place(kek, context)?;
        let mut blob = Blob::parse(sealed)?;
        let dek = self.dek_bytes(from_kek, context, &blob).await?.0;
        let ready = self.kek(kek).await?;
        (blob.kek, blob.kek_generation) = (kek.id, kek.generation);
        blob.wrap_nonce = random::bytes()?;
        let wrapped = ready
            .key
            .seal(blob.wrap_nonce, &context.aad("dek"), dek.expose())?;
        blob.wrapped_dek = wrapped.try_into().map_err(|_| VaultError::Corrupt)?;
        Ok(blob.to_bytes())
    }

    /// Opens a credential version to see that it opens. The plaintext does not leave this function.
    ///
    /// # Errors
    ///
    /// As [`Vault::load`] and [`SealedCredential::open`].
    pub async fn check(
        &self,
        kek: &WrappedKek,
        context: &SealContext,
        sealed: &[u8],
    ) -> Result<(), VaultError> {
        let plaintext = self.plaintext(kek, context, sealed).await?;
        if crate::fields::is_valid(plaintext.expose()) {
            Ok(())
        } else {
            Err(VaultError::BadFormat)
        }
    }

    /// What a credential version holds.
    async fn plaintext(
        &self,
        kek: &WrappedKek,
        context: &SealContext,
        sealed: &[u8],
    ) -> Result<Secret, VaultError> {
        let blob = Blob::parse(sealed)?;
        let dek = self.unwrap_dek(kek, context, &blob).await?;
        dek.key.open(blob.nonce, &context.aad("credential"), &blob.sealed)
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
        let (dek, until) = self.dek_bytes(kek, context, blob).await?;
        Ok(Dek {
            key: Key::new(&dek)?,
            until,
        })
    }

    /// As [`Vault::unwrap_dek`], as it is, and until when it may be used.
    async fn dek_bytes(
        &self,
        kek: &WrappedKek,
        context: &SealContext,
        blob: &Blob,
    ) -> Result<(Secret, Duration), VaultError> {
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
        Ok((dek, ready.until))
    }

    /// Seals something small under a KEK itself: `nonce | ct | tag`.
    async fn seal_small(&self, kek: &WrappedKek, aad: &[u8], bytes: &[u8]) -> Result<Vec<u8>, VaultError> {
        let ready = self.kek(kek).await?;
        let nonce: [u8; NONCE] = random::bytes()?;
        Ok([&nonce[..], &ready.key.seal(nonce, aad, bytes)?].concat())
    }

    /// Opens what [`Vault::seal_small`] sealed.
    async fn open_small(&self, kek: &WrappedKek, aad: &[u8], sealed: &[u8]) -> Result<Secret, VaultError> {
        let ready = self.kek(kek).await?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(VaultError::BadFormat)?;
        ready.key.open(*nonce, aad, sealed)
    }

    fn check_place(&self, kek: &WrappedKek, context: &SealContext) -> Result<(), VaultError> {
        let fits = context.deployment == self.deployment && context.org == kek.org;
        if fits { Ok(()) } else { Err(VaultError::Corrupt) }
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
