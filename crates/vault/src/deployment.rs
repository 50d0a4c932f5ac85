//! The deployment key: one random key per database, wrapped by the root key, from which keys for single purposes are derived.

use std::sync::Arc;

use aws_lc_rs::hmac;
use keystore_core::ids::DeploymentId;

use crate::aead;
use crate::error::VaultError;
use crate::kms::{Context, Kms, KmsError, KmsFault};
use crate::random;
use crate::secret::Secret;

/// What tells a wrapped deployment key from a wrapped KEK.
const PURPOSE: &str = "deployment-key";

/// The key of a deployment.
pub struct DeploymentKey(Secret);

impl DeploymentKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// `NoRandomness`.
    pub fn generate() -> Result<Self, VaultError> {
        Ok(Self(random::key()?))
    }

    /// Its form as wrapped by a root key, to be stored.
    ///
    /// # Errors
    ///
    /// The KMS's.
    pub async fn wrap(&self, kms: &dyn Kms, deployment: DeploymentId) -> Result<Vec<u8>, KmsError> {
        kms.wrap(&self.0, &Context::deployment(PURPOSE, deployment)).await
    }

    /// The key, unwrapped.
    ///
    /// # Errors
    ///
    /// The KMS's; `Refused` when it was wrapped by another root key or for another deployment.
    pub async fn unwrap(kms: &dyn Kms, deployment: DeploymentId, wrapped: &[u8]) -> Result<Self, KmsError> {
        let key = kms
            .unwrap(wrapped, &Context::deployment(PURPOSE, deployment))
            .await?;
        if key.len() == aead::KEY {
            Ok(Self(key))
        } else {
            Err(KmsError::new(KmsFault::Refused, "this is no deployment key"))
        }
    }

    /// The key for one purpose (HKDF-SHA256, RFC 5869): the same purpose gives the same key, another one gives another.
    ///
    /// # Errors
    ///
    /// The cryptographic library refuses.
    pub fn derive(&self, purpose: &str) -> Result<Secret, VaultError> {
        aead::derive(&self.0, &format!("keystore/deployment/{purpose}/v1"))
    }

    /// What authenticates policy rows.
    ///
    /// # Errors
    ///
    /// The cryptographic library refuses.
    pub fn policy_mac(&self) -> Result<PolicyMac, VaultError> {
        Ok(PolicyMac(Arc::new(aead::mac_key(&self.derive("policy-mac")?))))
    }
}

/// Authenticates policy rows, so that who can write rows of the database cannot give rights: HMAC-SHA256. Clones share one key.
#[derive(Clone)]
pub struct PolicyMac(Arc<hmac::Key>);

impl PolicyMac {
    /// The tag of a row for a purpose (`agent`, `token`, `budget`).
    pub fn tag(&self, purpose: &str, bytes: &[u8]) -> [u8; 32] {
        // The length in front keeps purpose and row apart.
        let length = u32::try_from(purpose.len()).unwrap_or(u32::MAX).to_be_bytes();
        aead::mac(&self.0, &[&length, purpose.as_bytes(), bytes])
    }

    /// Whether `tag` is the row's, in a time that does not tell where it differs.
    pub fn verify(&self, purpose: &str, bytes: &[u8], tag: &[u8]) -> bool {
        aead::same(&self.tag(purpose, bytes), tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_for_one_key_one_purpose_and_one_row() {
        let key = DeploymentKey(Secret::new(vec![1; 32]));
        let mac = key.policy_mac().unwrap();
        let tag = mac.tag("agent", b"row");
        assert!(mac.verify("agent", b"row", &tag));
        assert!(mac.clone().verify("agent", b"row", &tag));
        assert!(!mac.verify("token", b"row", &tag));
        assert!(!mac.verify("agent", b"rox", &tag));
        assert!(
            !mac.verify("agentr", b"ow", &tag),
            "purpose and row do not run together"
        );
        assert!(!mac.verify("agent", b"row", &tag[..31]));
        assert!(!mac.verify("agent", b"row", &[]));
        let other = DeploymentKey(Secret::new(vec![2; 32])).policy_mac().unwrap();
        assert!(!other.verify("agent", b"row", &tag));
        for at in 0..tag.len() {
            let mut flipped = tag;
            flipped[at] ^= 1;
            assert!(!mac.verify("agent", b"row", &flipped));
        }
    }

    #[test]
    fn each_purpose_has_its_key() {
        let key = DeploymentKey(Secret::new(vec![1; 32]));
        let derived = |purpose| key.derive(purpose).unwrap().expose().to_vec();
        assert_eq!(derived("audit"), derived("audit"));
        assert_ne!(derived("audit"), derived("policy-mac"));
        assert_ne!(derived("audit"), vec![1; 32]);
    }
}
