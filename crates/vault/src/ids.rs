//! New ids in production.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keystore_core::{Clock, IdSource};
use uuid::Uuid;

use crate::random;

/// UUIDv7 (RFC 9562, 5.7): the clock's milliseconds, then a counter that keeps ids of this process in order, then randomness.
pub struct SystemIds {
    clock: Arc<dyn Clock>,
    /// Milliseconds in the upper 52 bits, a counter within them in the lower 12.
    last: AtomicU64,
}

impl SystemIds {
    /// Ids by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            last: AtomicU64::new(0),
        }
    }

    /// The next (time, counter): later than every one before, also when the clock stands still or goes back.
    fn tick(&self) -> u64 {
        let millis = u64::try_from(self.clock.now().0 / 1_000).unwrap_or(0);
        let now = millis << 12;
        let next = |last: u64| Some(now.max(last + 1));
        match self.last.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) {
            Ok(last) | Err(last) => now.max(last + 1),
        }
    }
}

impl IdSource for SystemIds {
    fn next(&self) -> Uuid {
        let tick = self.tick();
        // Without randomness the process cannot do anything sensible; ids stay unique within it by the counter.
        let random = random::bytes::<8>().map_or(0, u64::from_be_bytes);
        let high = (tick >> 12) << 16 | 0x7000 | (tick & 0xfff);
        let low = (random >> 2) | (1 << 63);
        Uuid::from_u64_pair(high, low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystore_core::Micros;
    use std::time::Duration;

    struct Standing;

    impl Clock for Standing {
        fn now(&self) -> Micros {
            Micros(1_795_000_000_123_456)
        }

        fn boottime(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[test]
    fn ids_are_version_7_in_order_and_carry_their_time() {
        let ids = SystemIds::new(Arc::new(Standing));
        let drawn: Vec<Uuid> = (0..10_000).map(|_| ids.next()).collect();
        assert!(drawn.is_sorted() && drawn.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(drawn[0].get_version_num(), 7);
        assert_eq!(drawn[0].get_variant(), uuid::Variant::RFC4122);
        assert_eq!(drawn[0].as_u128() >> 80, 1_795_000_000_123);
    }
}
