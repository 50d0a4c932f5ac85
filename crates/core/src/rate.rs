//! Request rates: at most N in any 60 seconds, and at most M in a UTC day.
//!
//! The minute is counted by boot time, which neither stands still nor steps, so that a clock that is set, forwards or
//! backwards, admits nothing in addition and locks nobody out. Its resolution is a second: requests of a second that a
//! 60-second window touches count for that window, so at most N are admitted in any 60 seconds, and now and then a request
//! waits up to a second longer than it would have to. The day is the UTC day of the wall clock; a day that was begun is
//! never begun anew.
//!
//! Nothing here locks or stores: the proxy keeps one `Rates` per agent and provider, and restores the day's count at start.

use std::time::Duration;

use crate::deny::{RateKind, RateLimited};
use crate::time::Micros;

/// Requests a minute, where nothing else is set.
pub const DEFAULT_RPM: u32 = 60;
/// Requests a UTC day, where nothing else is set.
pub const DEFAULT_RPD: u32 = 10_000;
/// The largest limit that can be set.
pub const MAX_LIMIT: u32 = 1_000_000;

/// A window of 60 seconds touches at most this many whole seconds.
const SLOTS: usize = 61;
const SECONDS_PER_DAY: i64 = 86_400;

/// The limits that apply to a request; they may differ from one request to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests in any 60 seconds; 0 blocks.
    pub rpm: u32,
    /// Requests in a UTC day; 0 blocks.
    pub rpd: u32,
}

/// When a request came, by both clocks.
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
    /// How many more would be admitted at this moment, under the limit a minute.
    pub remaining: u32,
    /// When the oldest requests of the minute stop counting.
    pub resets_at: Micros,
    second: u64,
    day: i32,
}

/// The requests of one agent at one provider.
#[derive(Debug, Clone)]
pub struct Rates {
    minute: Minute,
    days: Days,
}

impl Default for Rates {
    fn default() -> Self {
        Self::new()
    }
}

impl Rates {
    /// No request so far.
    pub const fn new() -> Self {
        Self {
            minute: Minute {
                head: 0,
                sum: 0,
                counts: [0; SLOTS],
            },
            days: Days(
                [DayCount {
                    day: i32::MIN,
                    count: 0,
                }; 2],
            ),
        }
    }

    /// Counts a request if both limits allow it. A refused one leaves no trace and delays nobody.
    pub fn try_admit(&mut self, arrival: Arrival, limits: RateLimits) -> Result<Admitted, RateLimited> {
        let Arrival { now, boottime } = arrival;
        let second = self.minute.advance(boottime.as_secs());
        if self.minute.sum >= limits.rpm {
            let wait = self.minute.wait(limits.rpm, boottime);
            return Err(RateLimited {
                kind: RateKind::Rpm,
                limit: limits.rpm,
                resets_at: wait.map(|wait| now.plus(wait)),
            });
        }
        let today = self.days.today(now);
        if today.count >= limits.rpd {
            let tomorrow = i64::from(today.day)
                .saturating_add(1)
                .saturating_mul(SECONDS_PER_DAY);
            return Err(RateLimited {
                kind: RateKind::Rpd,
                limit: limits.rpd,
                resets_at: (limits.rpd > 0).then_some(Micros::from_seconds(tomorrow)),
            });
        }
        today.count += 1;
        let day = today.day;
        self.minute.count(second);
        let wait = self.minute.wait(self.minute.sum, boottime).unwrap_or_default();
        Ok(Admitted {
            remaining: limits.rpm - self.minute.sum,
            resets_at: now.plus(wait),
            second,
            day,
        })
    }

    /// Takes back a request that a later step refused.
    pub fn give_back(&mut self, admitted: Admitted) {
        self.minute.uncount(admitted.second);
        if let Some(day) = self.days.0.iter_mut().find(|day| day.day == admitted.day) {
            day.count = day.count.saturating_sub(1);
        }
    }

    /// At start: how many requests the journal knows of the UTC day around `now`.
    pub fn restore_day(&mut self, now: Micros, count: u32) {
        self.days.today(now).count = count;
    }

    /// How many requests the UTC day around `now` has seen.
    pub fn day_count(&mut self, now: Micros) -> u32 {
        self.days.today(now).count
    }
}

/// Requests per second of boot time, over the last 61 seconds.
#[derive(Debug, Clone)]
struct Minute {
    /// The newest second.
    head: u64,
    /// All counts together.
    sum: u32,
    /// The second `s` is at `s % SLOTS`.
    counts: [u32; SLOTS],
}

impl Minute {
    /// Forgets what is too old at `second`, and gives the second to count in. Boot time does not go back; if it did, the
    /// newest second would go on counting.
    fn advance(&mut self, second: u64) -> u64 {
        let steps = second.saturating_sub(self.head);
        if steps >= SLOTS as u64 {
            self.counts = [0; SLOTS];
            self.sum = 0;
        } else {
            for passed in 1..=steps {
                let slot = slot(self.head + passed);
                self.sum -= self.counts[slot];
                self.counts[slot] = 0;
            }
        }
        self.head += steps;
        self.head
    }

    fn count(&mut self, second: u64) {
        self.counts[slot(second)] += 1;
        self.sum += 1;
    }

    fn uncount(&mut self, second: u64) {
        let still_counted = second <= self.head && self.head - second < SLOTS as u64;
        if still_counted && self.counts[slot(second)] > 0 {
            self.counts[slot(second)] -= 1;
            self.sum -= 1;
        }
    }

    /// How long after `boottime` fewer than `limit` requests count; `None` if that is never.
    fn wait(&self, limit: u32, boottime: Duration) -> Option<Duration> {
        if limit == 0 {
            return None;
        }
        let mut counted = self.sum;
        let oldest = (self.head + 1).saturating_sub(SLOTS as u64);
        for second in oldest..=self.head {
            counted -= self.counts[slot(second)];
            if counted < limit {
                let forgotten_at = Duration::from_secs(second + SLOTS as u64);
                return Some(forgotten_at.saturating_sub(boottime));
            }
        }
        None
    }
}

const fn slot(second: u64) -> usize {
    (second % SLOTS as u64) as usize
}

#[derive(Debug, Clone, Copy)]
struct DayCount {
    /// Days since 1970-01-01.
    day: i32,
    count: u32,
}

/// The two newest days, the older first: a clock that is set back by a day finds what it had counted. A day before both
/// counts in the older, so that going back never begins a day anew.
#[derive(Debug, Clone)]
struct Days([DayCount; 2]);

impl Days {
    fn today(&mut self, now: Micros) -> &mut DayCount {
        let day = i32::try_from(now.seconds().div_euclid(SECONDS_PER_DAY)).unwrap_or(i32::MAX);
        let [older, newer] = &mut self.0;
        if day > newer.day {
            *older = *newer;
            *newer = DayCount { day, count: 0 };
        } else if day > older.day && day < newer.day {
            *older = DayCount { day, count: 0 };
        }
        if day >= newer.day { newer } else { older }
    }
}

#[cfg(test)]
mod tests;
