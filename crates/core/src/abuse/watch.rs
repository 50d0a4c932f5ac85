//! What one agent does, counted.

use std::time::Duration;

use super::{Action, Found, Kind, Rule, Rules, SILENCE};
use crate::money::NanoUsd;

/// So many different requests of an agent are told apart; beyond that, those that were seen longest ago are forgotten.
pub const MOST_DIFFERENT: usize = 128;

const SLOTS: usize = 16;

/// Counts what one agent does, as far as a rule asks.
#[derive(Debug, Default)]
pub struct Watch {
    refusals: Tally,
    spent: Tally,
    requests: Vec<Seen>,
    /// Until when a kind tells nothing, by boot time.
    silent_until: [Duration; Kind::ALL.len()],
}

impl Watch {
    /// A request was refused, for what the agent does.
    pub fn refused(&mut self, rules: &Rules, boottime: Duration) -> Option<Found> {
        let rule = rules.refusals?;
        let amount = self.refusals.add(&rule, boottime, 1);
        let found = self.found(Kind::Refusals, rule, amount, boottime)?;
        self.refusals = Tally::default();
        Some(found)
    }

    /// A call was settled at `cost`.
    pub fn spent(&mut self, rules: &Rules, cost: NanoUsd, boottime: Duration) -> Option<Found> {
        let rule = rules.spend_rate?;
        let amount = self.spent.add(&rule, boottime, cost.0.max(0));
        let found = self.found(Kind::SpendRate, rule, amount, boottime)?;
        self.spent = Tally::default();
        Some(found)
    }

    /// Something was asked for; `digest` stands for method, path and body. The window of a request begins when it is first seen, and
    /// the next one when it is seen after that: what goes on is found in the second one at the latest.
    pub fn asked(&mut self, rules: &Rules, digest: u64, boottime: Duration) -> Option<Found> {
        let rule = rules.identical_requests?;
        let place = self.place(digest, boottime);
        let seen = &mut self.requests[place];
        if boottime.saturating_sub(seen.began) >= rule.window() {
            (seen.began, seen.count) = (boottime, 0);
        }
        seen.count = seen.count.saturating_add(1);
        seen.last = boottime;
        let found = self.found(
            Kind::IdenticalRequests,
            rule,
            self.requests[place].count,
            boottime,
        )?;
        self.requests[place].count = 0;
        Some(found)
    }

    fn place(&mut self, digest: u64, boottime: Duration) -> usize {
        if let Some(known) = self.requests.iter().position(|seen| seen.digest == digest) {
            return known;
        }
        let seen = Seen {
            digest,
            began: boottime,
            last: boottime,
            count: 0,
        };
        if self.requests.len() < MOST_DIFFERENT {
            self.requests.push(seen);
            return self.requests.len() - 1;
        }
        let ages = self.requests.iter().enumerate();
        let oldest = ages
            .min_by_key(|(_, seen)| seen.last)
            .map_or(0, |(place, _)| place);
        self.requests[oldest] = seen;
        oldest
    }

    /// Whether so much is too much, and not told already. A pause is never silent: only a person lets the agent go on after it.
    fn found(&mut self, kind: Kind, rule: Rule, amount: i64, boottime: Duration) -> Option<Found> {
        let silent_until = &mut self.silent_until[kind as usize];
        is_told(rule, amount, silent_until, boottime).then_some(Found { kind, rule, amount })
    }
}

fn is_told(rule: Rule, amount: i64, silent_until: &mut Duration, boottime: Duration) -> bool {
    match rule.action {
        Action::Pause => amount >= rule.threshold,
        Action::Alert if amount >= rule.threshold && boottime >= *silent_until => {
            *silent_until = boottime.saturating_add(SILENCE);
            true
        }
        Action::Off | Action::Alert => false,
    }
}

/// Counts what a vendor held to be abuse in the calls of one customer of a pool.
#[derive(Debug, Default)]
pub struct Signs {
    tally: Tally,
    silent_until: Duration,
}

impl Signs {
    /// There was one more. How many there were, where that is too many and was not told already; then it is counted from the beginning.
    pub fn seen(&mut self, rule: Rule, boottime: Duration) -> Option<i64> {
        let amount = self.tally.add(&rule, boottime, 1);
        if !is_told(rule, amount, &mut self.silent_until, boottime) {
            return None;
        }
        self.tally = Tally::default();
        Some(amount)
    }
}

/// A request that was seen.
#[derive(Debug)]
struct Seen {
    digest: u64,
    /// When its window began.
    began: Duration,
    last: Duration,
    /// How often it was seen in its window.
    count: i64,
}

/// Amounts within the window that ends now, by sixteenths of it.
#[derive(Debug, Default)]
struct Tally {
    window_seconds: u32,
    /// The newest slot, in sixteenths of the window of boot time.
    head: u64,
    /// The slot `s` is at `s % SLOTS`.
    slots: [i64; SLOTS],
}

impl Tally {
    /// Counts; gives what the window holds. Another window begins anew.
    fn add(&mut self, rule: &Rule, boottime: Duration, amount: i64) -> i64 {
        if self.window_seconds != rule.window_seconds {
            *self = Self {
                window_seconds: rule.window_seconds,
                ..Self::default()
            };
        }
        let slot = boottime.as_millis() * SLOTS as u128 / rule.window().as_millis().max(1);
        // Boot time does not go back; if it did, the newest slot would go on counting.
        let slot = u64::try_from(slot).unwrap_or(u64::MAX).max(self.head);
        for passed in (self.head..slot).rev().take(SLOTS) {
            self.slots[place(passed + 1)] = 0;
        }
        self.head = slot;
        let counted = &mut self.slots[place(slot)];
        *counted = counted.saturating_add(amount);
        self.slots.iter().fold(0, |sum, slot| sum.saturating_add(*slot))
    }
}

const fn place(slot: u64) -> usize {
    (slot % SLOTS as u64) as usize
}

#[cfg(test)]
mod signs_tests {
    use super::super::pool_rule;
    use super::*;

    #[test]
    fn signs_count_within_their_window_and_a_pause_is_found_each_time() {
        let rule = Rule {
            threshold: 3,
            window_seconds: 3_600,
            action: Action::Pause,
        };
        let at = Duration::from_secs;
        let mut signs = Signs::default();
        assert_eq!(signs.seen(rule, at(0)), None);
        assert_eq!(signs.seen(rule, at(10)), None);
        // Both are forgotten an hour later.
        assert_eq!(signs.seen(rule, at(4_000)), None);
        assert_eq!(signs.seen(rule, at(4_001)), None);
        assert_eq!(signs.seen(rule, at(4_002)), Some(3));
        assert_eq!(signs.seen(rule, at(4_003)), None, "from the beginning");
        signs.seen(rule, at(4_004));
        assert_eq!(signs.seen(rule, at(4_005)), Some(3));
        let alert = Rule {
            threshold: 1,
            ..pool_rule(Action::Alert)
        };
        let mut signs = Signs::default();
        assert_eq!(signs.seen(alert, at(5_000)), Some(1));
        assert_eq!(
            signs.seen(alert, at(5_001)),
            None,
            "an alert is not told again for an hour"
        );
        assert!(signs.seen(pool_rule(Action::Off), at(9_000)).is_none());
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn rule(threshold: i64, window_seconds: u32, action: Action) -> Rule {
        Rule {
            threshold,
            window_seconds,
            action,
        }
    }

    fn only(kind: Kind, rule: Rule) -> Rules {
        let mut rules = Rules::default();
        *rules.slot(kind) = Some(rule);
        rules
    }

    proptest! {
        /// What is found was there within the window; what was there within fifteen sixteenths of it is found.
        #[test]
        fn a_window_holds_no_more_than_was_in_it(
            steps in vec((0_u64..4_000, 0_i64..50), 1..200),
            window_seconds in 10_u32..60,
            threshold in 1_i64..400,
        ) {
            let rules = only(Kind::SpendRate, rule(threshold, window_seconds, Action::Pause));
            let (mut watch, mut now) = (Watch::default(), 0);
            let mut since_found: Vec<(u64, i64)> = Vec::new();
            for (step, amount) in steps {
                now += step;
                since_found.push((now, amount));
                let within = |share: u64| {
                    let window = u64::from(window_seconds) * 1_000 * share / 16;
                    let counts = since_found.iter().filter(|(at, _)| now - at < window);
                    counts.map(|(_, amount)| *amount).sum::<i64>()
                };
                match watch.spent(&rules, NanoUsd(amount), ms(now)) {
                    Some(found) => {
                        prop_assert!(found.amount >= threshold && within(16) >= found.amount);
                        since_found.clear();
                    }
                    None => prop_assert!(within(15) < threshold, "{} of {threshold}", within(15)),
                }
            }
        }

        /// One request over and over among as many others as are told apart is found when it came often enough, and not before.
        #[test]
        fn a_loop_is_found_among_others(others in 0_u64..(MOST_DIFFERENT as u64 - 1), times in 2_i64..40) {
            let rules = only(Kind::IdenticalRequests, rule(times, 3_600, Action::Pause));
            let mut watch = Watch::default();
            let mut other = 1_000;
            for time in 1..=times {
                let found = watch.asked(&rules, 7, ms(other));
                prop_assert_eq!(found.map(|found| found.amount), (time == times).then_some(times));
                for _ in 0..others {
                    other += 1;
                    prop_assert_eq!(watch.asked(&rules, other, ms(other)), None);
                }
            }
        }
    }

    #[test]
    fn a_request_again_and_again_but_slowly_is_no_loop() {
        let rules = only(Kind::IdenticalRequests, rule(3, 10, Action::Pause));
        let mut watch = Watch::default();
        for time in 0..100 {
            assert_eq!(watch.asked(&rules, 7, ms(time * 5_000)), None, "{time}");
        }
        // From now on it is one, which is found in the second window at the latest.
        let found = (0..6).filter_map(|time| watch.asked(&rules, 7, ms(500_000 + time * 3_000)));
        assert!(found.count() >= 1);
    }

    #[test]
    fn an_alert_is_silent_for_an_hour_and_a_pause_never() {
        for (action, expected) in [(Action::Alert, 2), (Action::Pause, 72), (Action::Off, 0)] {
            let rules = only(Kind::Refusals, rule(10, 60, action));
            let mut watch = Watch::default();
            // Ten a minute for 72 minutes.
            let found = (0..720).filter_map(|second| watch.refused(&rules, ms(second * 6_000)));
            let found: Vec<_> = found.collect();
            let about = found.len().abs_diff(expected);
            assert!(about <= expected / 10, "{action:?}: {}", found.len());
            assert!(
                found
                    .iter()
                    .all(|found| found.kind == Kind::Refusals && found.amount >= 10)
            );
        }
    }

    #[test]
    fn without_a_rule_nothing_is_counted() {
        let mut watch = Watch::default();
        let none = Rules::default();
        assert_eq!(watch.refused(&none, Duration::ZERO), None);
        assert_eq!(watch.spent(&none, NanoUsd(i64::MAX), Duration::ZERO), None);
        assert_eq!(watch.asked(&none, 1, Duration::ZERO), None);
        assert!(watch.requests.is_empty());
    }

    #[test]
    fn amounts_beyond_all_bounds_stay_too_much() {
        let rules = only(Kind::SpendRate, rule(i64::MAX, 60, Action::Pause));
        let mut watch = Watch::default();
        assert_eq!(watch.spent(&rules, NanoUsd(i64::MAX - 1), Duration::ZERO), None);
        assert!(watch.spent(&rules, NanoUsd(2), Duration::ZERO).is_some());
        assert!(watch.spent(&rules, NanoUsd(-5), Duration::MAX).is_none());
        assert!(watch.spent(&rules, NanoUsd::MAX, Duration::MAX).is_some());
    }
}
