//! Chance that a test can repeat.

/// Numbers that follow from a seed: Steele's SplitMix64.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The numbers of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, below `end`.
    ///
    /// # Panics
    ///
    /// `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % end
    }

    /// Whether something happens that happens `percent` times in a hundred.
    pub fn hits(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_a_percentage_is_about_right() {
        let drawn = |seed| {
            let mut dice = Dice::new(seed);
            (0..10_000).map(|_| dice.hits(30)).collect::<Vec<_>>()
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        let hits = drawn(1).into_iter().filter(|hit| *hit).count();
        assert!((2_700..3_300).contains(&hits), "{hits}");
    }
}
