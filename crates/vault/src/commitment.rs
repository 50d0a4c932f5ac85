//! Commitments to what may have to be erased: the digest stays, and tells nothing once text and salt are gone.

use aws_lc_rs::digest::{SHA256, digest};

use crate::error::VaultError;
use crate::random;

/// 128 random bits in hexadecimal: a text that carries them cannot be guessed from its digest.
///
/// # Errors
///
/// `NoRandomness`.
pub fn salt() -> Result<String, VaultError> {
    let bytes: [u8; 16] = random::bytes()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// SHA-256 of a text that carries a salt.
pub fn commitment(text: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text).as_ref());
    hash
}
