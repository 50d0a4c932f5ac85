//! How often a test does what it does: in full in the soak, a tenth of it or less in the usual run.

/// `full` where `KEYSTORE_SOAK` is set, otherwise `usual`.
///
/// # Panics
///
/// `usual` is more than a tenth of `full`.
#[expect(clippy::disallowed_methods, reason = "the one place where tests ask for it")]
pub fn soak(full: usize, usual: usize) -> usize {
    assert!(usual * 10 <= full, "the usual run is a tenth or less");
    match std::env::var_os("KEYSTORE_SOAK") {
        Some(_) => full,
        None => usual,
    }
}
