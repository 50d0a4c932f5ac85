//! Randomness from the operating system, through the cryptographic library.

use crate::error::VaultError;
use crate::secret::Secret;

/// `N` random bytes that are not secret: IVs, ids.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| VaultError::NoRandomness)?;
    Ok(bytes)
}

/// A new 256-bit key.
pub(crate) fn key() -> Result<Secret, VaultError> {
    let mut bytes = vec![0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| VaultError::NoRandomness)?;
    Ok(Secret::new(bytes))
}
