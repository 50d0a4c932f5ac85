//! How often a test does what it does, and how long that may take: in full and as promised in the soak; in the usual run a tenth as often
//! or less, and ten times as long, because other tests run beside it.

use std::time::Duration;

/// Whether `KEYSTORE_SOAK` is set.
#[expect(clippy::disallowed_methods, reason = "the one place where tests ask for it")]
pub fn is_soak() -> bool {
    std::env::var_os("KEYSTORE_SOAK").is_some()
}

/// `full` in the soak, otherwise `usual`.
///
/// # Panics
///
/// `usual` is more than a tenth of `full`.
pub fn soak(full: usize, usual: usize) -> usize {
    assert!(usual * 10 <= full, "the usual run is a tenth or less");
    if is_soak() { full } else { usual }
}

/// `promised` in the soak, otherwise ten times as long.
pub fn within(promised: Duration) -> Duration {
    if is_soak() { promised } else { promised * 10 }
}
