//! Rates: at most N requests and at most T tokens in any 60 seconds, at most M requests in a UTC day, and at most C calls at the same
//! time.
//!
//! The minute is counted by boot time, which neither stands still nor steps, so that a clock that is set, forwards or
//! backwards, admits nothing in addition and locks nobody out. Its resolution is a second: requests of a second that a
//! 60-second window touches count for that window, so at most N are admitted in any 60 seconds, and now and then a request
//! waits up to a second longer than it would have to. The day is the UTC day of the wall clock; a day that was begun is
//! never begun anew. Tokens count when a call is admitted, as many as it is expected to use, and are corrected in that second when it
//! ends; what it used beyond that delays those that come later.
//!
//! Nothing here locks or stores: the proxy keeps one `Rates` per agent and provider, and one for each project and organization that
//! has a ceiling, and restores the day's count at start.

use std::time::Duration;

use crate::deny::{RateKind, RateLimited, RateScope};
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

/// The limits that apply to a request, of which `None` does not limit; they may differ from one request to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct RateLimits {
    /// Requests in any 60 seconds; 0 blocks.
    #[n(0)]
    pub rpm: Option<u32>,
    /// Requests in a UTC day; 0 blocks.
    #[n(1)]
    pub rpd: Option<u32>,
    /// Tokens of input and output in any 60 seconds; 0 blocks.
    #[n(2)]
    pub tpm: Option<u32>,
    /// Calls at the same time; 0 blocks.
    #[n(3)]
    pub concurrency: Option<u32>,
}

impl RateLimits {
    /// Whether nothing is limited.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// When a request came, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// `Clock::now`.
    pub now: Micros,
    /// `Clock::boottime`.
    pub boottime: Duration,
}

/// A request that was counted, and whose call runs.
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

/// What counts at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Requests of the minute.
    pub minute: u32,
    /// Requests of the UTC day.
    pub day: u32,
    /// Tokens of the minute, where they are limited.
    pub tokens: u32,
    /// Calls that run.
    pub running: u32,
}

/// Tokens that were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "tokens are corrected when their call ends"]
pub struct CountedTokens {
    second: u64,
    tokens: u32,
}

/// The requests of one agent at one provider, of a project, or of an organization.
#[derive(Debug, Clone)]
pub struct Rates {
    minute: Minute,
    /// Made when tokens are first limited.
    tokens: Option<Box<Minute>>,
    days: Days,
    running: u32,
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
            minute: Minute::NEW,
            tokens: None,
            running: 0,
            days: Days(
                [DayCount {
                    day: i32::MIN,
                    count: 0,
                }; 2],
            ),
        }
    }

    /// Counts a request if the limits allow it. A refused one leaves no trace and delays nobody.
    ///
    /// # Errors
    /// The limit that does not allow it; whose it is, `scope` says.
    pub fn try_admit(
        &mut self,
        arrival: Arrival,
        limits: &RateLimits,
        scope: RateScope,
    ) -> Result<Admitted, RateLimited> {
        let Arrival { now, boottime } = arrival;
        let refuse = |kind, limit, resets_at| RateLimited {
            kind,
            scope,
            limit,
            resets_at,
        };
        if let Some(limit) = limits.concurrency.filter(|limit| self.running >= *limit) {
            return Err(refuse(RateKind::Concurrency, limit, None));
        }
        let second = self.minute.advance(boottime.as_secs());
        if let Some(limit) = limits.rpm.filter(|limit| self.minute.sum >= *limit) {
            let wait = self.minute.wait(limit, 1, boottime);
            return Err(refuse(RateKind::Rpm, limit, wait.map(|wait| now.plus(wait))));
        }
        let today = self.days.today(now);
        if let Some(limit) = limits.rpd.filter(|limit| today.count >= *limit) {
            let tomorrow = i64::from(today.day)
                .saturating_add(1)
                .saturating_mul(SECONDS_PER_DAY);
            let resets_at = (limit > 0).then_some(Micros::from_seconds(tomorrow));
            return Err(refuse(RateKind::Rpd, limit, resets_at));
        }
        today.count = today.count.saturating_add(1);
        let day = today.day;
        self.minute.count(second, 1);
        self.running = self.running.saturating_add(1);
        let wait = self.minute.wait(self.minute.sum, 1, boottime).unwrap_or_default();
        Ok(Admitted {
            remaining: limits.rpm.map_or(u32::MAX, |limit| limit - self.minute.sum),
            resets_at: now.plus(wait),
            second,
            day,
        })
    }

    /// Counts the tokens that a call is expected to use. One that expects more than the limit is admitted when nothing else counts.
    ///
    /// # Errors
    /// The limit, with the time from which they would fit.
    pub fn try_tokens(
        &mut self,
        arrival: Arrival,
        limit: u32,
        expected: u64,
        scope: RateScope,
    ) -> Result<CountedTokens, RateLimited> {
        let Arrival { now, boottime } = arrival;
        let tokens = u32::try_from(expected).unwrap_or(u32::MAX).clamp(1, limit.max(1));
        let minute = self.tokens.get_or_insert_with(|| Box::new(Minute::NEW));
        let second = minute.advance(boottime.as_secs());
        if u64::from(minute.sum) + u64::from(tokens) > u64::from(limit) {
            let wait = minute.wait(limit, tokens, boottime);
            return Err(RateLimited {
                kind: RateKind::Tpm,
                scope,
                limit,
                resets_at: wait.map(|wait| now.plus(wait)),
            });
        }
        minute.count(second, tokens);
        Ok(CountedTokens { second, tokens })
    }

    /// Puts what a call used in the place of what was expected of it; 0 when it was not made.
    pub fn correct(&mut self, counted: CountedTokens, used: u64) {
        if let Some(minute) = &mut self.tokens {
            let used = u32::try_from(used).unwrap_or(u32::MAX);
            minute.uncount(counted.second, counted.tokens);
            minute.recount(counted.second, used);
        }
    }

    /// The call of a request has ended.
    pub fn ended(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Calls that run.
    pub const fn running(&self) -> u32 {
        self.running
    }

    /// What counts at this moment.
    pub fn used(&mut self, arrival: Arrival) -> Used {
        let second = arrival.boottime.as_secs();
        let now_of = |minute: &mut Minute| {
            minute.advance(second);
            minute.sum
        };
        Used {
            minute: now_of(&mut self.minute),
            day: self.day_count(arrival.now),
            tokens: self.tokens.as_deref_mut().map_or(0, now_of),
            running: self.running,
        }
    }

    /// Takes back a request that a later step refused.
    pub fn give_back(&mut self, admitted: Admitted) {
        self.ended();
        self.minute.uncount(admitted.second, 1);
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

/// Requests or tokens per second of boot time, over the last 61 seconds.
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
    const NEW: Self = Self {
        head: 0,
        sum: 0,
        counts: [0; SLOTS],
    };

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

    fn count(&mut self, second: u64, amount: u32) {
        let slot = &mut self.counts[slot(second)];
        // Both by the same, so that a window that holds more than can be counted stays full.
        let added = amount.min(u32::MAX - self.sum).min(u32::MAX - *slot);
        *slot += added;
        self.sum += added;
    }

    fn is_counted(&self, second: u64) -> bool {
        second <= self.head && self.head - second < SLOTS as u64
    }

    /// Counts in a second that has passed, if it still counts.
    fn recount(&mut self, second: u64, amount: u32) {
        if self.is_counted(second) {
            self.count(second, amount);
        }
    }

    fn uncount(&mut self, second: u64, amount: u32) {
        if self.is_counted(second) {
            let taken = amount.min(self.counts[slot(second)]);
            self.counts[slot(second)] -= taken;
            self.sum -= taken;
        }
    }

    /// How long after `boottime` there is room for `amount` under `limit`; `None` if that is never.
    fn wait(&self, limit: u32, amount: u32, boottime: Duration) -> Option<Duration> {
        let most = limit.checked_sub(amount)?;
        let mut counted = self.sum;
        let oldest = (self.head + 1).saturating_sub(SLOTS as u64);
        for second in oldest..=self.head {
            counted -= self.counts[slot(second)];
            if counted <= most {
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
