//! A clock that stands still until a test moves it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keystore_core::{Clock, Micros};

/// A [`Clock`] in the hand of a test. Share it in an `Arc`.
#[derive(Debug)]
pub struct MockClock(Mutex<(Micros, Duration)>);

impl MockClock {
    /// A clock that shows `now`; its boot time begins at zero.
    pub const fn at(now: Micros) -> Self {
        Self(Mutex::new((now, Duration::ZERO)))
    }

    /// Lets time pass: both the wall clock and the boot time move.
    pub fn advance(&self, by: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = (state.0.plus(by), state.1 + by);
    }

    /// Steps the wall clock, forwards or back, as an administrator does; the boot time does not move.
    pub fn step_to(&self, now: Micros) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = now;
    }
}

impl Default for MockClock {
    /// 2026-11-23T09:30:00Z, a Monday.
    fn default() -> Self {
        Self::at(Micros::from_seconds(1_795_426_200))
    }
}

impl Clock for MockClock {
    fn now(&self) -> Micros {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn boottime(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_monday_morning() {
        assert_eq!(MockClock::default().now().to_string(), "2026-11-23T09:30:00.000Z");
    }

    #[test]
    fn a_step_leaves_the_boot_time_alone() {
        let clock = MockClock::at(Micros(10));
        clock.advance(Duration::from_micros(5));
        clock.step_to(Micros(1));
        assert_eq!(
            (clock.now(), clock.boottime()),
            (Micros(1), Duration::from_micros(5))
        );
    }
}
