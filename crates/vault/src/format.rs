//! The sealed form of a credential, byte by byte, and what it is bound to.
//!
//! ```text
//! KSE1 | alg(1) | kek_id(16) | kek_gen(4) | wrap_nonce(12) | wrapped_dek(32+16)
//!      | nonce(12) | ct_len(4) | ct | tag(16) | commit(32)
//! ```
//!
//! Integers are big-endian. There is one algorithm, 1: AES-256-GCM.

use aws_lc_rs::digest::{SHA256, digest};
use keystore_core::ids::{CredentialId, DeploymentId, KekId, OrgId};
use keystore_core::policy::Source;
use uuid::Uuid;

use crate::aead::{KEY, NONCE, TAG};
use crate::error::VaultError;

const MAGIC: &[u8; 4] = b"KSE1";
const AES_256_GCM: u8 = 1;
const WRAPPED: usize = KEY + TAG;
const COMMITMENT: usize = 32;

/// What a sealed credential is bound to. Opening it under any other context fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealContext {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The organization that it belongs to.
    pub org: OrgId,
    /// The credential.
    pub credential: CredentialId,
    /// Its version, from 1.
    pub version: u32,
    /// The provider's slug.
    pub provider: String,
    /// Whose it is.
    pub source: Source,
    /// SHA-256 of the canonical destination policy that is stored beside it.
    pub policy_sha256: [u8; 32],
}

/// SHA-256 of a destination policy's canonical bytes.
pub fn policy_sha256(canonical: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, canonical).as_ref());
    hash
}

/// Appends `field` behind its length in four bytes, so that no two lists of fields have the same form.
pub(crate) fn field(aad: &mut Vec<u8>, field: &[u8]) {
    let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
    aad.extend_from_slice(&length.to_be_bytes());
    aad.extend_from_slice(field);
}

impl SealContext {
    /// The associated data for one purpose (`credential` or `dek`).
    pub(crate) fn aad(&self, purpose: &str) -> Vec<u8> {
        let mut aad = Vec::with_capacity(192);
        field(&mut aad, format!("keystore/{purpose}/v1").as_bytes());
        field(&mut aad, self.deployment.uuid().as_bytes());
        field(&mut aad, self.org.uuid().as_bytes());
        field(&mut aad, self.credential.uuid().as_bytes());
        aad.extend_from_slice(&u64::from(self.version).to_be_bytes());
        field(&mut aad, self.provider.as_bytes());
        field(&mut aad, self.source.as_str().as_bytes());
        field(&mut aad, &self.policy_sha256);
        aad
    }
}

/// The parts of a sealed credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) kek: KekId,
    pub(crate) kek_generation: u32,
    pub(crate) wrap_nonce: [u8; NONCE],
    pub(crate) wrapped_dek: [u8; WRAPPED],
    pub(crate) nonce: [u8; NONCE],
    /// Ciphertext and tag.
    pub(crate) sealed: Vec<u8>,
    pub(crate) commitment: [u8; COMMITMENT],
}

impl Blob {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let text = self.sealed.len() - TAG;
        let mut bytes = Vec::with_capacity(self.sealed.len() + 133);
        bytes.extend_from_slice(MAGIC);
        bytes.push(AES_256_GCM);
        bytes.extend_from_slice(self.kek.uuid().as_bytes());
        bytes.extend_from_slice(&self.kek_generation.to_be_bytes());
        bytes.extend_from_slice(&self.wrap_nonce);
        bytes.extend_from_slice(&self.wrapped_dek);
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(&u32::try_from(text).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(&self.sealed);
        bytes.extend_from_slice(&self.commitment);
        bytes
    }

    /// Reads exactly this form: nothing missing, nothing left over.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, VaultError> {
        let mut reader = Reader(bytes);
        if reader.array::<4>()? != *MAGIC || reader.array::<1>()? != [AES_256_GCM] {
            return Err(VaultError::BadFormat);
        }
        let blob = Self {
            kek: KekId::new(Uuid::from_bytes(reader.array()?)),
            kek_generation: u32::from_be_bytes(reader.array()?),
            wrap_nonce: reader.array()?,
            wrapped_dek: reader.array()?,
            nonce: reader.array()?,
            sealed: {
                let text = usize::try_from(u32::from_be_bytes(reader.array()?))
                    .map_err(|_| VaultError::BadFormat)?;
                reader
                    .slice(text.checked_add(TAG).ok_or(VaultError::BadFormat)?)?
                    .to_vec()
            },
            commitment: reader.array()?,
        };
        if reader.0.is_empty() {
            Ok(blob)
        } else {
            Err(VaultError::BadFormat)
        }
    }
}

/// What is left to read.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn slice(&mut self, length: usize) -> Result<&'a [u8], VaultError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(VaultError::BadFormat)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], VaultError> {
        let mut array = [0; N];
        array.copy_from_slice(self.slice(N)?);
        Ok(array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_form_goes_round_and_nothing_may_be_missing_or_over(
            kek: u128, kek_generation: u32, text in proptest::collection::vec(any::<u8>(), 0..80), cut: usize,
        ) {
            let blob = Blob {
                kek: KekId::new(Uuid::from_u128(kek)),
                kek_generation,
                wrap_nonce: [1; NONCE],
                wrapped_dek: [2; WRAPPED],
                nonce: [3; NONCE],
                sealed: [&text[..], &[4; TAG]].concat(),
                commitment: [5; COMMITMENT],
            };
            let bytes = blob.to_bytes();
            prop_assert_eq!(Blob::parse(&bytes), Ok(blob));
            prop_assert_eq!(Blob::parse(&bytes[..cut % bytes.len()]), Err(VaultError::BadFormat));
            prop_assert_eq!(Blob::parse(&[&bytes[..], &[0]].concat()), Err(VaultError::BadFormat));
            for (at, other) in [(3, b'2'), (4, 2)] {
                let mut unknown = bytes.clone();
                unknown[at] = other;
                prop_assert_eq!(Blob::parse(&unknown), Err(VaultError::BadFormat));
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(rest: Vec<u8>) {
            let _ = Blob::parse(&[&b"KSE1\x01"[..], &rest].concat());
        }
    }

    #[test]
    fn moving_a_byte_from_one_field_to_the_next_changes_the_associated_data() {
        let id = Uuid::nil();
        let context = |provider: &str, version| SealContext {
            deployment: DeploymentId::new(id),
            org: OrgId::new(id),
            credential: CredentialId::new(id),
            version,
            provider: provider.into(),
            source: Source::Byok,
            policy_sha256: [0; 32],
        };
        assert_ne!(
            context("openai", 1).aad("dek"),
            context("openai", 1).aad("credential")
        );
        assert_ne!(context("openaib", 1).aad("dek"), context("openai", 1).aad("dek"));
        assert_ne!(context("openai", 2).aad("dek"), context("openai", 1).aad("dek"));
    }
}
