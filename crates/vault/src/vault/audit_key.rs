//! Payloads of the audit log, sealed for their organization: ECDH on P-256 with a new key each (SP 800-56A), HKDF-SHA256,
//! AES-256-GCM.
//!
//! Sealing needs the public half alone, so that it works inside a transaction and while the KMS cannot be reached. The private half
//! is sealed under the KEK: who destroys that erases the payloads.
//!
//! ```text
//! KSP1 | generation(4) | ephemeral public key(65) | nonce(12) | ct | tag(16)
//! ```

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::encoding::{AsBigEndian as _, EcPrivateKeyBin};
use keystore_core::hex;
use keystore_core::ids::{DeploymentId, OrgId};

use super::{Vault, WrappedKek};
use crate::aead::{self, Key, NONCE};
use crate::commitment::sha256;
use crate::error::VaultError;
use crate::format::field;
use crate::random;
use crate::secret::Secret;

const MAGIC: &[u8; 4] = b"KSP1";
/// An uncompressed point of P-256.
const POINT: usize = 65;

/// A new key pair: what is stored of it.
#[derive(Debug, Clone)]
pub struct SealedAuditKey {
    /// The public half.
    pub public: Vec<u8>,
    /// The private half, sealed under the KEK.
    pub sealed: Vec<u8>,
}

/// The private half, opened. Opens payloads, and shows nothing of itself.
pub struct AuditOpener {
    private: PrivateKey,
    public: Vec<u8>,
    place: Place,
}

#[derive(Clone, Copy)]
struct Place {
    deployment: DeploymentId,
    org: OrgId,
    generation: u32,
}

impl Place {
    fn aad(self, purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
        let mut aad = Vec::with_capacity(192);
        field(&mut aad, format!("keystore/{purpose}/v1").as_bytes());
        field(&mut aad, self.deployment.uuid().as_bytes());
        field(&mut aad, self.org.uuid().as_bytes());
        field(&mut aad, &self.generation.to_be_bytes());
        parts.iter().for_each(|part| field(&mut aad, part));
        aad
    }

    /// What binds a private half to its KEK.
    fn key_aad(self, kek: &WrappedKek) -> Vec<u8> {
        let generation = kek.generation.to_be_bytes();
        self.aad("audit-key", &[kek.id.uuid().as_bytes(), &generation])
    }
}

impl Vault {
    /// A new key pair for payloads of the organization of `kek`; its first generation is 1.
    ///
    /// # Errors
    ///
    /// `Sealed`, `NoRandomness`.
    pub async fn new_audit_key(
        &self,
        kek: &WrappedKek,
        generation: u32,
    ) -> Result<SealedAuditKey, VaultError> {
        let private = PrivateKey::generate(&ECDH_P256).map_err(|_| VaultError::NoRandomness)?;
        let public = public_of(&private)?;
        let bytes: EcPrivateKeyBin<'_> = private.as_be_bytes().map_err(|_| VaultError::Corrupt)?;
        let sealed = self.seal_audit_key(kek, generation, bytes.as_ref()).await?;
        Ok(SealedAuditKey { public, sealed })
    }

    /// The private half, sealed under another KEK of the same organization. It does not leave this function.
    ///
    /// # Errors
    ///
    /// `Sealed`, `NoRandomness`; `Corrupt` when it was not sealed under `from`.
    pub async fn reseal_audit_key(
        &self,
        (from, sealed): (&WrappedKek, &[u8]),
        to: &WrappedKek,
        generation: u32,
    ) -> Result<Vec<u8>, VaultError> {
        if from.org != to.org {
            return Err(VaultError::Corrupt);
        }
        let bytes = self.unseal_audit_key(from, generation, sealed).await?;
        self.seal_audit_key(to, generation, bytes.expose()).await
    }

    /// Opens a private half.
    ///
    /// # Errors
    ///
    /// `Sealed`; `Corrupt` when it was not sealed under this KEK for this generation.
    pub async fn open_audit_key(
        &self,
        kek: &WrappedKek,
        generation: u32,
        sealed: &[u8],
    ) -> Result<AuditOpener, VaultError> {
        let bytes = self.unseal_audit_key(kek, generation, sealed).await?;
        let private =
            PrivateKey::from_private_key(&ECDH_P256, bytes.expose()).map_err(|_| VaultError::Corrupt)?;
        Ok(AuditOpener {
            public: public_of(&private)?,
            private,
            place: self.audit_place(kek.org, generation),
        })
    }

    /// `payload`, sealed for the key pair with this public half.
    ///
    /// # Errors
    ///
    /// `Corrupt` when it is no public key; `NoRandomness`.
    pub fn seal_payload(
        &self,
        org: OrgId,
        (generation, public): (u32, &[u8]),
        payload: &str,
        payload_sha256: &[u8; 32],
    ) -> Result<Vec<u8>, VaultError> {
        let place = self.audit_place(org, generation);
        let ephemeral = PrivateKey::generate(&ECDH_P256).map_err(|_| VaultError::NoRandomness)?;
        let point = public_of(&ephemeral)?;
        let key = shared(&ephemeral, public, &point, public)?;
        let nonce: [u8; NONCE] = random::bytes()?;
        let aad = place.aad("audit-payload", &[payload_sha256]);
        let sealed = key.seal(nonce, &aad, payload.as_bytes())?;
        Ok([MAGIC, &generation.to_be_bytes()[..], &point, &nonce, &sealed].concat())
    }

    fn audit_place(&self, org: OrgId, generation: u32) -> Place {
        Place {
            deployment: self.deployment(),
            org,
            generation,
        }
    }

    async fn seal_audit_key(
        &self,
        kek: &WrappedKek,
        generation: u32,
        bytes: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let aad = self.audit_place(kek.org, generation).key_aad(kek);
        self.seal_small(kek, &aad, bytes).await
    }

    async fn unseal_audit_key(
        &self,
        kek: &WrappedKek,
        generation: u32,
        sealed: &[u8],
    ) -> Result<Secret, VaultError> {
        let aad = self.audit_place(kek.org, generation).key_aad(kek);
        self.open_small(kek, &aad, sealed).await
    }
}

/// The generation of the key pair that a payload is sealed for.
pub fn payload_generation(sealed: &[u8]) -> Option<u32> {
    let rest = sealed.strip_prefix(MAGIC)?;
    rest.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

impl AuditOpener {
    /// The payload that has this SHA-256.
    ///
    /// # Errors
    ///
    /// `BadFormat`; `Corrupt` when it was sealed for another key, place or payload, or was changed.
    pub fn open(&self, sealed: &[u8], payload_sha256: &[u8; 32]) -> Result<String, VaultError> {
        if payload_generation(sealed) != Some(self.place.generation) {
            return Err(VaultError::BadFormat);
        }
        let rest = sealed.get(MAGIC.len() + 4..).ok_or(VaultError::BadFormat)?;
        let (point, rest) = rest.split_first_chunk::<POINT>().ok_or(VaultError::BadFormat)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(VaultError::BadFormat)?;
        let key = shared(&self.private, point, point, &self.public)?;
        let aad = self.place.aad("audit-payload", &[payload_sha256]);
        let payload = key.open(*nonce, &aad, sealed)?;
        if sha256(&[payload.expose()]) != *payload_sha256 {
            return Err(VaultError::Corrupt);
        }
        String::from_utf8(payload.expose().to_vec()).map_err(|_| VaultError::Corrupt)
    }
}

fn public_of(private: &PrivateKey) -> Result<Vec<u8>, VaultError> {
    let public = private.compute_public_key().map_err(|_| VaultError::Corrupt)?;
    Ok(public.as_ref().to_vec())
}

/// The key of one payload, bound to both public halves.
fn shared(private: &PrivateKey, other: &[u8], ephemeral: &[u8], receiver: &[u8]) -> Result<Key, VaultError> {
    let other = UnparsedPublicKey::new(&ECDH_P256, other);
    let secret = agree(private, other, VaultError::Corrupt, |secret| {
        Ok(Secret::new(secret.to_vec()))
    })?;
    let both = hex(&[ephemeral, receiver].concat());
    Key::new(&aead::derive(
        &secret,
        &format!("keystore/audit-payload/v1 {both}"),
    )?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use keystore_core::ids::KekId;
    use uuid::Uuid;

    use super::*;
    use crate::vault::tests::TestClock;
    use crate::{LocalKms, RootKey};

    fn vault() -> Vault {
        let kms = LocalKms::new(&RootKey::generate().unwrap()).unwrap();
        Vault::new(
            Arc::new(kms),
            DeploymentId::new(Uuid::from_u128(1)),
            Duration::from_secs(60),
            Arc::new(TestClock::default()),
        )
    }

    fn org(number: u128) -> OrgId {
        OrgId::new(Uuid::from_u128(number))
    }

    #[tokio::test]
    async fn a_payload_opens_for_its_key_and_place_alone() {
        let vault = vault();
        let kek = vault
            .new_kek(org(2), KekId::new(Uuid::from_u128(3)), 1, None)
            .await
            .unwrap();
        let key = vault.new_audit_key(&kek, 1).await.unwrap();
        let opener = vault.open_audit_key(&kek, 1, &key.sealed).await.unwrap();
        let hash = sha256(&[b"what was"]);
        let seal = |of, generation| {
            vault
                .seal_payload(of, (generation, &key.public), "what was", &hash)
                .unwrap()
        };
        let sealed = seal(org(2), 1);
        assert_eq!(payload_generation(&sealed), Some(1));
        assert_eq!(opener.open(&sealed, &hash).unwrap(), "what was");
        assert_ne!(sealed, seal(org(2), 1), "each has a key of its own");
        assert_eq!(opener.open(&seal(org(4), 1), &hash), Err(VaultError::Corrupt));
        assert_eq!(opener.open(&seal(org(2), 2), &hash), Err(VaultError::BadFormat));
        assert_eq!(opener.open(&sealed, &[0; 32]), Err(VaultError::Corrupt));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(opener.open(&changed, &hash).is_err(), "byte {at}");
            assert!(opener.open(&sealed[..at], &hash).is_err(), "cut at {at}");
        }
        let other = vault.new_audit_key(&kek, 1).await.unwrap();
        let other = vault.open_audit_key(&kek, 1, &other.sealed).await.unwrap();
        assert_eq!(other.open(&sealed, &hash), Err(VaultError::Corrupt));
    }

    #[tokio::test]
    async fn a_private_half_moves_to_another_kek_of_its_organization() {
        let vault = vault();
        let kek = |of, number, generation| {
            vault.new_kek(org(of), KekId::new(Uuid::from_u128(number)), generation, None)
        };
        let (old, new, foreign) = (
            kek(2, 3, 1).await.unwrap(),
            kek(2, 5, 2).await.unwrap(),
            kek(4, 6, 1).await.unwrap(),
        );
        let key = vault.new_audit_key(&old, 1).await.unwrap();
        let hash = sha256(&[b"text"]);
        let payload = vault
            .seal_payload(org(2), (1, &key.public), "text", &hash)
            .unwrap();
        let moved = vault
            .reseal_audit_key((&old, &key.sealed), &new, 1)
            .await
            .unwrap();
        let opener = vault.open_audit_key(&new, 1, &moved).await.unwrap();
        assert_eq!(opener.open(&payload, &hash).unwrap(), "text");
        assert!(vault.open_audit_key(&old, 1, &moved).await.is_err());
        assert!(vault.open_audit_key(&new, 2, &moved).await.is_err());
        assert!(
            vault
                .reseal_audit_key((&old, &key.sealed), &foreign, 1)
                .await
                .is_err()
        );
    }
}
