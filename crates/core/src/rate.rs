//! Request rates: at most N in any 60 seconds, and at most M in a UTC day.

use std::time::Duration;

use crate::deny::RateLimited;
use crate::time::Micros;

/// Requests a minute, where nothing else is set.
pub const DEFAULT_RPM: u32 = 60;
/// Requests a UTC day, where nothing else is set.
pub const DEFAULT_RPD: u32 = 10_000;
/// The largest limit that can be set.
pub const MAX_LIMIT: u32 = 1_000_000;

/// The limits that apply to a request; they may differ from one request to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests in any 60 seconds; 0 blocks.
    pub rpm: u32,
    /// Requests in a UTC day; 0 blocks.
    pub rpd: u32,
}

/// When a request came, by both clocks. Rates a minute are counted by boot time, which never steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// `Clock::now`.
    pub now: Micros,
    /// `Clock::boottime`.
    pub boottime: Duration,
}

/// A request that was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an admission that is not used is given back"]
pub struct Admitted {
    /// Requests left in this minute, by the tighter reading of "any 60 seconds".
    pub remaining: u32,
    /// When `remaining` next grows.
    pub resets_at: Micros,
    second: u32,
    day: i32,
}

/// The requests of one agent at one provider.
#[derive(Debug, Clone)]
pub struct Rates {}

impl Rates {
    /// No request so far.
    pub const fn new() -> Self {
        todo!()
    }
    /// Counts a request, if both limits allow it; a refused one leaves no trace.
    pub fn try_admit(&mut self, arrival: Arrival, limits: RateLimits) -> Result<Admitted, RateLimited> {
        todo!()
    }
    /// Takes back what a later step refused.
    pub fn give_back(&mut self, admitted: Admitted) {
        todo!()
    }
    /// Sets the count of the UTC day around `now`, at start.
    pub fn restore_day(&mut self, now: Micros, count: u32) {
        todo!()
    }
}
