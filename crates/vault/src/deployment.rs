//! The deployment key: one key per database, wrapped by the KMS, from which keys for other purposes are derived.

use aws_lc_rs::hmac;
use keystore_core::ids::DeploymentId;

use crate::error::VaultError;
use crate::kms::{Kms, KmsError};
use crate::secret::Secret;
use crate::{aead, random};

/// The unwrapped deployment key.
pub struct DeploymentKey(Secret);

impl DeploymentKey {
    /// A new key, and its wrapped form to be stored.
    ///
    /// # Errors
    ///
    /// `Sealed`, `NoRandomness`.
    pub async fn generate(kms: &dyn Kms, deployment: DeploymentId) -> Result<(Self, Vec<u8>), VaultError> {
        let key = random::key()?;
        let wrapped = kms
            .wrap(&key, &context(deployment))
            .await
            .map_err(|_| VaultError::Sealed)?;
        Ok((Self(key), wrapped))
    }

    /// The key in `wrapped`.
    ///
    /// # Errors
    ///
    /// `Sealed` when the KMS cannot be reached, `Corrupt` when it refuses: the wrong root key for this database.
    pub async fn unwrap(kms: &dyn Kms, deployment: DeploymentId, wrapped: &[u8]) -> Result<Self, VaultError> {
        kms.unwrap(wrapped, &context(deployment))
            .await
            .map(Self)
            .map_err(|error| match error {
                KmsError::Unavailable => VaultError::Sealed,
                KmsError::Refused => VaultError::Corrupt,
            })
    }

    /// The key for MACs over policy rows.
    ///
    /// # Errors
    ///
    /// The key cannot be derived.
    pub fn policy_mac(&self) -> Result<PolicyMac, VaultError> {
        Ok(PolicyMac(aead::mac_key(&aead::derive(
            &self.0,
            "keystore/policy-mac/v1",
        )?)))
    }
}

fn context(deployment: DeploymentId) -> Vec<u8> {
    let mut context = Vec::with_capacity(64);
    crate::format::field(&mut context, b"keystore/deployment-key/v1");
    crate::format::field(&mut context, deployment.uuid().as_bytes());
    context
}

/// Authenticates policy rows, so that somebody who can only write to the database cannot widen one.
#[derive(Clone)]
pub struct PolicyMac(hmac::Key);

impl PolicyMac {
    /// The MAC of `bytes` as a row of kind `purpose`.
    pub fn tag(&self, purpose: &str, bytes: &[u8]) -> [u8; 32] {
        let length = u32::try_from(purpose.len()).unwrap_or(u32::MAX).to_be_bytes();
        aead::mac(&self.0, &[&length, purpose.as_bytes(), bytes])
    }

    /// Whether `tag` is the MAC of `bytes` as a row of kind `purpose`.
    pub fn verify(&self, purpose: &str, bytes: &[u8], tag: &[u8]) -> bool {
        aead::same(&self.tag(purpose, bytes), tag)
    }
}
