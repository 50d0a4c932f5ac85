//! The clock of a running server. Tests use the test kit's clock instead.

use std::time::Duration;

use keystore_core::{Clock, Micros};
use rustix::time::{ClockId, clock_gettime};

/// The system's clocks: `CLOCK_REALTIME`, and `CLOCK_BOOTTIME`, which goes on counting while the machine sleeps.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Micros {
        let time = clock_gettime(ClockId::Realtime);
        Micros(
            time.tv_sec
                .saturating_mul(1_000_000)
                .saturating_add(time.tv_nsec / 1_000),
        )
    }

    fn boottime(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        Duration::new(
            u64::try_from(time.tv_sec).unwrap_or(0),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_run() {
        let clock = SystemClock;
        let (wall, boot) = (clock.now(), clock.boottime());
        std::thread::sleep(Duration::from_millis(2));
        assert!(wall > Micros::from_seconds(1_700_000_000), "{wall}");
        assert!(clock.now() > wall && clock.boottime() > boot);
    }
}
