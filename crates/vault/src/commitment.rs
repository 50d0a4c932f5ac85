//! Commitments to what may have to be erased: the digest stays, and tells nothing once text and salt are gone.

use aws_lc_rs::digest::{Context, SHA256};
use keystore_core::hex;

use crate::error::VaultError;
use crate::random;

/// 128 random bits in hexadecimal: a text that carries them cannot be guessed from its digest.
///
/// # Errors
///
/// `NoRandomness`.
pub fn salt() -> Result<String, VaultError> {
    let bytes: [u8; 16] = random::bytes()?;
    Ok(hex(&bytes))
}

/// SHA-256 of a text that carries a salt.
pub fn commitment(text: &[u8]) -> [u8; 32] {
    sha256(&[text])
}

/// SHA-256 of what comes piece by piece.
pub struct Sha256(Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Sha256 {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest.
    pub fn finish(self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.0.finish().as_ref());
        hash
    }
}

/// SHA-256 over the parts, one after the other.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::default();
    parts.iter().for_each(|part| hash.update(part));
    hash.finish()
}
