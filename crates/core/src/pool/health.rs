//! How a member does: what its vendor refused, and what it said of its limits.
//!
//! A failure of the host says nothing of the key. Its circuit ([`crate::circuit`]) is kept elsewhere, and only tells here for how
//! long it lets nothing through.

use std::collections::BTreeSet;
use std::time::Duration;

/// The first pause after a 429 that does not say for how long.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause of our own making; each is twice the one before, until a call is answered.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// The longest time that a vendor keeps a member out at once: then it is tried again.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// A whole limit, as a share.
pub(super) const WHOLE: u64 = 1 << 10;

/// How a call ended, as far as it says something of the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The vendor answered, if only to refuse what was asked for.
    Answered,
    /// It said 429.
    Limited {
        /// For how long, where it said so.
        retry_after: Option<Duration>,
    },
    /// It refused the key.
    KeyRefused,
    /// It failed, or could not be reached.
    Failed {
        /// For how long its circuit lets nothing through, where that is open.
        pause: Option<Duration>,
    },
    /// Nothing is known: the call was not made, or its client left.
    Unknown,
}

/// A limit of the vendor, as it last said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// It counts requests, so that every call that begins takes one of what remains.
    pub counts_requests: bool,
    /// How much there is in a window; nothing is made of a limit of 0.
    pub limit: Option<u64>,
    /// How much is left.
    pub remaining: u64,
    /// When there is all of it again, where it said so.
    pub resets_at: Option<Duration>,
}

/// What is known of a member when a call begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) version: u32,
    pauses: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Health {
    /// The versions of the key that were refused.
    refused: BTreeSet<u32>,
    out_until: Duration,
    /// How often a 429 began a pause, and how often since a call was answered.
    pauses: u64,
    in_a_row: u32,
    /// What is left of the vendor's limits, each until it resets.
    quotas: Vec<(Quota, Duration)>,
}

impl Health {
    pub(super) fn enter(&mut self, now: Duration, version: u32) -> Entry {
        for (quota, resets_at) in &mut self.quotas {
            if quota.counts_requests && *resets_at > now {
                quota.remaining = quota.remaining.saturating_sub(1);
            }
        }
        Entry {
            version,
            pauses: self.pauses,
        }
    }

    pub(super) fn leave(&mut self, now: Duration, entry: Entry, outcome: Outcome) {
        // Calls that began before a pause are neither another reason for one nor a sign that it is over.
        let is_fresh = entry.pauses == self.pauses;
        match outcome {
            Outcome::Answered if is_fresh => self.in_a_row = 0,
            Outcome::Limited { retry_after } => {
                let told = retry_after.filter(|pause| !pause.is_zero());
                let own = is_fresh.then(|| backoff(self.in_a_row));
                if is_fresh {
                    self.pauses += 1;
                    self.in_a_row = self.in_a_row.saturating_add(1);
                }
                self.pause(now, told.or(own));
            }
            Outcome::KeyRefused => {
                self.refused.insert(entry.version);
            }
            Outcome::Failed { pause } => self.pause(now, pause),
            Outcome::Answered | Outcome::Unknown => {}
        }
    }

    fn pause(&mut self, now: Duration, pause: Option<Duration>) {
        let pause = pause.unwrap_or_default().min(LONGEST_PAUSE);
        self.out_until = self.out_until.max(now.saturating_add(pause));
    }

    pub(super) fn learn(&mut self, now: Duration, quotas: &[Quota]) {
        let known = quotas.iter().filter(|quota| quota.limit != Some(0));
        self.quotas.clear();
        self.quotas.extend(known.map(|quota| {
            let resets_at = quota.resets_at.unwrap_or(now.saturating_add(FIRST_PAUSE));
            (*quota, resets_at.min(now.saturating_add(LONGEST_PAUSE)))
        }));
    }

    /// Whether this version of the key was refused.
    pub(super) fn is_refused(&self, version: u32) -> bool {
        self.refused.contains(&version)
    }

    /// When the vendor lets the member work again; `None` when it does now.
    pub(super) fn back_at(&self, now: Duration) -> Option<Duration> {
        let spent = self.quotas.iter().filter(|(quota, _)| quota.remaining == 0);
        let back = spent.fold(self.out_until, |back, (_, resets_at)| back.max(*resets_at));
        (back > now).then_some(back)
    }

    /// The smallest share of a limit that is left, from 1 to [`WHOLE`].
    pub(super) fn share_left(&self, now: Duration) -> u64 {
        let known = self.quotas.iter().filter(|(_, resets_at)| *resets_at > now);
        let shares = known.filter_map(|(quota, _)| {
            let left = u128::from(quota.remaining) * u128::from(WHOLE) / u128::from(quota.limit?);
            Some(u64::try_from(left).map_or(WHOLE, |left| left.clamp(1, WHOLE)))
        });
        shares.min().unwrap_or(WHOLE)
    }
}

/// The pause after so many 429 before it.
fn backoff(in_a_row: u32) -> Duration {
    let times = 1_u32.checked_shl(in_a_row).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(times).min(LONGEST_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn limited(health: &mut Health, at: Duration, retry_after: Option<Duration>) {
        let entry = health.enter(at, 1);
        health.leave(at, entry, Outcome::Limited { retry_after });
    }

    #[test]
    fn pauses_double_to_a_minute_and_begin_anew_after_an_answer() {
        let mut health = Health::default();
        let mut now = s(10);
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            limited(&mut health, now, None);
            assert_eq!(health.back_at(now), Some(now + s(pause)));
            now += s(pause);
            assert_eq!(health.back_at(now), None);
        }
        let entry = health.enter(now, 1);
        health.leave(now, entry, Outcome::Answered);
        limited(&mut health, now, None);
        assert_eq!(health.back_at(now), Some(now + FIRST_PAUSE));
        health.in_a_row = u32::MAX;
        assert_eq!(backoff(health.in_a_row), LONGEST_BACKOFF);
    }

    #[test]
    fn what_the_vendor_says_goes_before_our_own_up_to_an_hour() {
        for (told, pause) in [(7, 7), (1, 1), (0, 1), (999_999, 3600)] {
            let mut health = Health::default();
            limited(&mut health, s(10), Some(s(told)));
            assert_eq!(health.back_at(s(10)), Some(s(10 + pause)), "{told}");
        }
    }

    #[test]
    fn calls_that_began_before_a_pause_count_for_nothing_in_it() {
        let mut health = Health::default();
        let early: Vec<_> = (0..9).map(|_| health.enter(s(1), 1)).collect();
        for entry in &early[..5] {
            health.leave(s(1), *entry, Outcome::Limited { retry_after: None });
        }
        assert_eq!(health.back_at(s(1)), Some(s(2)), "five at once are one");
        health.leave(
            s(1),
            early[5],
            Outcome::Limited {
                retry_after: Some(s(3)),
            },
        );
        assert_eq!(health.back_at(s(1)), Some(s(4)), "but what the vendor says holds");
        limited(&mut health, s(4), None);
        assert_eq!(health.back_at(s(4)), Some(s(6)));
        health.leave(s(6), early[6], Outcome::Answered);
        limited(&mut health, s(6), None);
        assert_eq!(health.back_at(s(6)), Some(s(10)), "the late answer ended no row");
    }

    #[test]
    fn a_refused_key_is_one_version() {
        let mut health = Health::default();
        let (old, older) = (health.enter(s(1), 2), health.enter(s(1), 1));
        health.leave(s(1), old, Outcome::KeyRefused);
        assert!(health.is_refused(2) && !health.is_refused(3));
        health.leave(s(2), older, Outcome::KeyRefused);
        assert!(health.is_refused(2) && !health.is_refused(3));
    }

    #[test]
    fn limits_lower_the_share_and_keep_out_at_nothing() {
        let quota = |remaining, resets_at| Quota {
            counts_requests: true,
            limit: Some(100),
            remaining,
            resets_at,
        };
        let mut health = Health::default();
        assert_eq!(health.share_left(s(1)), WHOLE);
        let tokens = Quota {
            counts_requests: false,
            ..quota(25, Some(s(9)))
        };
        health.learn(s(1), &[quota(2, Some(s(5))), tokens]);
        assert_eq!(health.share_left(s(1)), WHOLE * 2 / 100);
        assert_eq!(health.share_left(s(5)), WHOLE / 4, "the first has reset");
        assert_eq!(health.share_left(s(9)), WHOLE);
        for _ in 0..2 {
            assert_eq!(health.back_at(s(1)), None);
            let _ = health.enter(s(1), 1);
        }
        assert_eq!(health.back_at(s(1)), Some(s(5)), "what was left is in flight");
        assert_eq!(health.back_at(s(5)), None);

        health.learn(s(1), &[quota(0, None)]);
        assert_eq!(health.back_at(s(1)), Some(s(2)));
        health.learn(s(1), &[quota(0, Some(s(9_999_999)))]);
        assert_eq!(health.back_at(s(1)), Some(s(3601)));
        health.learn(
            s(1),
            &[Quota {
                limit: Some(0),
                ..quota(0, Some(s(9)))
            }],
        );
        assert_eq!(health.back_at(s(1)), None, "0 of 0 is no limit");
        health.learn(
            s(1),
            &[Quota {
                limit: None,
                ..quota(3, Some(s(9)))
            }],
        );
        assert_eq!(
            health.share_left(s(1)),
            WHOLE,
            "of an unknown limit there is no share"
        );
    }
}
