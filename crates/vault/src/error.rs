//! What can go wrong, as far as a caller does something about it.

/// A vault operation failed. Never holds anything that was sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The root of the keys cannot be reached: everything stays closed until it can.
    #[error("the vault is sealed: its root key cannot be reached")]
    Sealed,
    /// The key that the organization itself holds, and that wraps its KEK, cannot be used: its credentials stay closed until it can.
    #[error("the organization's own key cannot be used")]
    CustomerKey,
    /// The KEK was destroyed: nothing opens what was sealed under it.
    #[error("the key was destroyed, and with it what was sealed under it")]
    Destroyed,
    /// What was to be opened was not made for this place, was changed, or was made under another key.
    #[error("the data was changed, moved, or sealed under another key")]
    Corrupt,
    /// The bytes do not have the form that this version of Keystore reads.
    #[error("the sealed data does not have a known form")]
    BadFormat,
    /// A newer version of the credential has served calls: the row was put back to an older state.
    #[error("it stands at an older version than calls were made with: it was put back")]
    PutBack,
    /// The unwrapped key was kept for as long as it may be: unwrap it again.
    #[error("the unwrapped key has expired")]
    Stale,
    /// The operating system gave no randomness.
    #[error("no randomness")]
    NoRandomness,
}
