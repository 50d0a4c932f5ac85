//! Ids of a running deployment. Tests use the test kit's seeded ids instead.

use std::sync::{Arc, Mutex, PoisonError};

use keystore_core::{Clock, IdSource};
use uuid::{Builder, Uuid};

use crate::random;

/// UUIDv7 (RFC 9562, 5.7) from the clock and the operating system's randomness, ascending within the process: the twelve bits
/// after the milliseconds count up (6.2, method 1) and run over into them, and a clock that steps back is waited out.
pub struct SystemIds {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    /// Milliseconds since the epoch, times 4096, and the counter of the last id.
    last: u64,
    /// Random bytes for the next ids. They are drawn for many at once, because a draw costs as much for ten as for hundreds; an
    /// id is no secret, so that they may wait here.
    random: [u8; RANDOM * BATCH],
    /// How many of them are used up.
    used: usize,
}

/// How many random bytes an id takes.
const RANDOM: usize = 10;
/// How many ids one draw serves.
const BATCH: usize = 64;

impl SystemIds {
    /// Ids by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::new(State {
                last: 0,
                random: [0; RANDOM * BATCH],
                used: RANDOM * BATCH,
            }),
        }
    }
}

impl State {
    fn random(&mut self) -> [u8; RANDOM] {
        if self.used == self.random.len() {
            let Ok(random) = random::bytes() else {
                // No key, token or IV could be made either: nothing this process could still do would be safe.
                std::process::abort();
            };
            (self.random, self.used) = (random, 0);
        }
        let mut drawn = [0; RANDOM];
        drawn.copy_from_slice(&self.random[self.used..self.used + RANDOM]);
        self.used += RANDOM;
        drawn
    }

    /// The time and counter of the next id.
    fn tick(&mut self, millis: u64, start: u64) -> u64 {
        self.last = (self.last + 1).max((millis << 12) | start);
        self.last
    }
}

impl IdSource for SystemIds {
    fn next(&self) -> Uuid {
        let millis = u64::try_from(self.clock.now().0 / 1000).unwrap_or(0);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let random = state.random();
        // Half of the counter's range is left to count in.
        let tick = state.tick(
            millis,
            u64::from(u16::from_be_bytes([random[8], random[9]]) & 0x07ff),
        );
        drop(state);
        let mut tail = [0; 10];
        tail[..2].copy_from_slice(&u16::try_from(tick & 0x0fff).unwrap_or(0).to_be_bytes());
        tail[2..].copy_from_slice(&random[..8]);
        Builder::from_unix_timestamp_millis(tick >> 12, &tail).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::tests::TestClock;
    use keystore_core::Micros;
    use std::collections::HashSet;

    #[test]
    fn ids_ascend_even_when_the_clock_stands_still_or_steps_back() {
        let clock = Arc::new(TestClock::default());
        let ids = SystemIds::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let mut drawn = Vec::new();
        for step_ms in [0, 1, -5_000, 60_000] {
            clock.step(step_ms);
            drawn.extend((0..5000).map(|_| ids.next()));
        }
        assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(
            drawn
                .iter()
                .all(|id| id.get_version_num() == 7 && id.get_variant() == uuid::Variant::RFC4122)
        );
        let tails: HashSet<_> = drawn.iter().map(|id| id.as_u128() as u64).collect();
        assert_eq!(tails.len(), drawn.len(), "62 random bits do not repeat in 20,000");
    }

    #[test]
    fn an_id_tells_its_millisecond() {
        let clock = Arc::new(TestClock::default());
        let id = SystemIds::new(Arc::clone(&clock) as Arc<dyn Clock>).next();
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        assert_eq!(
            Micros(seconds as i64 * 1_000_000 + i64::from(nanos) / 1000).0 / 1000,
            clock.now().0 / 1000
        );
    }
}
