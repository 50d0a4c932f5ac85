//! Taking in a key that a customer made: it travels wrapped under a public key of one use (RSAES-OAEP with SHA-256 and MGF1), as AWS
//! KMS and Google Cloud KMS take keys in.
//!
//! The private half is in memory alone: a restart forgets it, and the customer begins anew.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::aead::KEY;
use crate::error::VaultError;
use crate::secret::Secret;

/// A key pair for one import: RSA of 3,072 bits.
pub struct ImportKey(OaepPrivateDecryptingKey, String);

/// What was given is no key for us. Never says what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitKey {
    /// It does not open under this import key.
    #[error("it was not wrapped under this import key with RSAES-OAEP, SHA-256 and MGF1 with SHA-256")]
    Wrapping,
    /// It has another length.
    #[error("expected a key of exactly 32 bytes inside")]
    Length,
    /// It is a key that nobody draws.
    #[error("the key is all one byte: that is not a random key")]
    Constant,
}

impl ImportKey {
    /// A new pair. Takes some hundred milliseconds: not for an async task.
    ///
    /// # Errors
    ///
    /// `NoRandomness`.
    pub fn generate() -> Result<Self, VaultError> {
        let private =
            PrivateDecryptingKey::generate(KeySize::Rsa3072).map_err(|_| VaultError::NoRandomness)?;
        let public: PublicKeyX509Der<'_> = private
            .public_key()
            .as_der()
            .map_err(|_| VaultError::NoRandomness)?;
        let pem = pem("PUBLIC KEY", public.as_ref());
        let private = OaepPrivateDecryptingKey::new(private).map_err(|_| VaultError::NoRandomness)?;
        Ok(Self(private, pem))
    }

    /// The public half in PEM (`PUBLIC KEY`, RFC 7468).
    pub fn public_pem(&self) -> &str {
        &self.1
    }

    /// The key that was wrapped.
    ///
    /// # Errors
    ///
    /// See [`UnfitKey`].
    pub fn unwrap(&self, wrapped: &[u8]) -> Result<Secret, UnfitKey> {
        let mut room = Secret::new(vec![0; self.0.min_output_size()]);
        let length = self
            .0
            .decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, room.expose_mut(), None)
            .map_err(|_| UnfitKey::Wrapping)?
            .len();
        room.truncate(length);
        if length != KEY {
            return Err(UnfitKey::Length);
        }
        let bytes = room.expose();
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(UnfitKey::Constant);
        }
        Ok(room)
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey};

    fn wrapped_under(pem: &str, key: &[u8]) -> Vec<u8> {
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let public = PublicEncryptingKey::from_der(&STANDARD.decode(body).unwrap()).unwrap();
        let public = OaepPublicEncryptingKey::new(public).unwrap();
        let mut out = vec![0; public.ciphertext_size()];
        let length = public
            .encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut out, None)
            .unwrap()
            .len();
        out.truncate(length);
        out
    }

    #[test]
    fn only_a_random_key_of_32_bytes_that_was_wrapped_for_it_is_taken() {
        let (key, other) = (ImportKey::generate().unwrap(), ImportKey::generate().unwrap());
        let material: Vec<u8> = (0..32).collect();
        let unwrap = |bytes: &[u8]| key.unwrap(bytes).map(|key| key.expose().to_vec());
        let wrapped = wrapped_under(key.public_pem(), &material);
        assert_eq!(unwrap(&wrapped), Ok(material.clone()));
        assert_eq!(
            unwrap(&wrapped_under(other.public_pem(), &material)),
            Err(UnfitKey::Wrapping)
        );
        assert_eq!(unwrap(&wrapped[1..]), Err(UnfitKey::Wrapping));
        assert_eq!(unwrap(&[]), Err(UnfitKey::Wrapping));
        for (bytes, error) in [
            (vec![1, 2], UnfitKey::Length),
            ((0..33).collect(), UnfitKey::Length),
            (vec![7; 32], UnfitKey::Constant),
        ] {
            assert_eq!(unwrap(&wrapped_under(key.public_pem(), &bytes)), Err(error));
        }
    }
}
