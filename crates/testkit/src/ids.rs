//! Ids that a test can foretell.

use std::sync::atomic::{AtomicU64, Ordering};

use keystore_core::IdSource;
use uuid::{Builder, Uuid};

/// An [`IdSource`] that gives the same ids in the same order for the same seed: valid UUIDv7s whose time part counts up, so
/// they sort in the order in which they were drawn.
#[derive(Debug)]
pub struct SeededIds {
    seed: u64,
    drawn: AtomicU64,
}

impl SeededIds {
    /// The ids of `seed`. Different seeds give different ids.
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            drawn: AtomicU64::new(0),
        }
    }

    /// Passes over so many ids, and with them as many milliseconds.
    pub fn skip(&self, ids: u64) {
        self.drawn.fetch_add(ids, Ordering::Relaxed);
    }
}

impl Default for SeededIds {
    fn default() -> Self {
        Self::new(1)
    }
}

/// 2026-01-01T00:00:00Z in milliseconds: where the time part begins.
const START_MS: u64 = 1_767_225_600_000;

/// Steele's SplitMix64 (public domain constants): one well mixed word per input.
const fn mix(input: u64) -> u64 {
    let mut word = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

impl IdSource for SeededIds {
    fn next(&self) -> Uuid {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let mut random = [0; 10];
        random[..8].copy_from_slice(&mix(mix(self.seed) ^ number).to_be_bytes());
        random[8..].copy_from_slice(&mix(self.seed).to_be_bytes()[..2]);
        Builder::from_unix_timestamp_millis(START_MS + number, &random).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids_in_order() {
        let (one, again, other) = (SeededIds::new(7), SeededIds::new(7), SeededIds::new(8));
        let drawn: Vec<Uuid> = (0..100).map(|_| one.next()).collect();
        assert!(drawn.is_sorted() && drawn.iter().all(|id| id.get_version_num() == 7));
        for id in drawn {
            assert_eq!(again.next(), id);
            assert_ne!(other.next(), id);
        }
    }
}
