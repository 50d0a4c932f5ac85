//! Commitments to what may have to be erased: the digest stays, and tells nothing once text and salt are gone.

use aws_lc_rs::digest::{self, Context, Digest, SHA256};
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
        bytes(&self.0.finish())
    }
}

/// SHA-256 over the parts, one after the other, which are not long: hashing them in one go costs less than a context, though they are
/// put together for it.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    match parts {
        [whole] => bytes(&digest::digest(&SHA256, whole)),
        parts => bytes(&digest::digest(&SHA256, &parts.concat())),
    }
}

fn bytes(digest: &Digest) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}
