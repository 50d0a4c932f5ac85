//! Credit that is topped up by itself: when a payment begins, when it is asked for again, and when nobody asks any more.
//!
//! Nothing here stores or talks to anybody. Where the money comes from is the server's business.

use std::time::Duration;

use crate::money::NanoUsd;

/// After so many refusals in a row nothing is topped up until a person says so again.
pub const MOST_FAILURES: u32 = 3;

/// For so long the same payment can be asked for again without being made twice: Stripe forgets an idempotency key after 24 hours at the
/// earliest.
pub const SAFE_TO_ASK: Duration = Duration::from_secs(20 * 3_600);

/// The first pause after an answer that says nothing, and the longest.
const FIRST_ASK: Duration = Duration::from_secs(10);
const LONGEST_ASK: Duration = Duration::from_secs(3_600);

/// When credit is topped up, and by how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Rule {
    /// When less than this is left.
    #[n(0)]
    pub below: NanoUsd,
    /// By so much.
    #[n(1)]
    pub amount: NanoUsd,
    /// At most so much in a UTC month.
    #[n(2)]
    pub monthly: NanoUsd,
}

/// What a rule says at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// There is enough.
    Nothing,
    /// A top-up.
    TopUp,
    /// A top-up that would be beyond the month's limit.
    Capped,
}

impl Rule {
    /// Whether a top-up is needed where `left` is left and `this_month` was topped up in the month.
    pub fn need(&self, left: NanoUsd, this_month: NanoUsd) -> Need {
        if left >= self.below {
            return Need::Nothing;
        }
        let then = this_month.checked_add(self.amount);
        match then.is_some_and(|then| then <= self.monthly) {
            true => Need::TopUp,
            false => Need::Capped,
        }
    }
}

/// How long nothing is tried after the refusal number `failures`, from 1 on: an hour, then a day. `None`: nothing more is tried.
pub const fn pause_after(failures: u32) -> Option<Duration> {
    match failures {
        0 | 1 => Some(Duration::from_secs(3_600)),
        more if more < MOST_FAILURES => Some(Duration::from_secs(86_400)),
        _ => None,
    }
}

/// How long to wait before a payment is asked for again that was asked for `asks` times.
pub fn pause_between(asks: u32) -> Duration {
    let factor = 1_u32
        .checked_shl(asks.saturating_sub(1).min(16))
        .unwrap_or(u32::MAX);
    FIRST_ASK.saturating_mul(factor).min(LONGEST_ASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn usd(dollars: i64) -> NanoUsd {
        NanoUsd(dollars * 1_000_000_000)
    }

    #[test]
    fn a_top_up_comes_below_the_threshold_and_within_the_month() {
        let rule = Rule {
            below: usd(10),
            amount: usd(50),
            monthly: usd(100),
        };
        for (left, month, need) in [
            (usd(10), usd(0), Need::Nothing),
            (NanoUsd(usd(10).0 - 1), usd(0), Need::TopUp),
            (usd(-5), usd(50), Need::TopUp),
            (usd(0), NanoUsd(usd(50).0 + 1), Need::Capped),
            (usd(0), usd(100), Need::Capped),
            (usd(0), NanoUsd::MAX, Need::Capped),
        ] {
            assert_eq!(rule.need(left, month), need, "{left} {month}");
        }
    }

    #[test]
    fn refusals_are_not_tried_again_at_once_and_not_for_ever() {
        assert_eq!(pause_after(1), Some(Duration::from_secs(3_600)));
        assert_eq!(pause_after(2), Some(Duration::from_secs(86_400)));
        assert_eq!(pause_after(3), None);
        assert_eq!(pause_after(u32::MAX), None);
    }

    #[test]
    fn an_unclear_answer_is_asked_after_ever_more_seldom() {
        assert_eq!(pause_between(1), Duration::from_secs(10));
        assert_eq!(pause_between(2), Duration::from_secs(20));
        assert_eq!(pause_between(9), Duration::from_secs(2_560));
        assert_eq!(pause_between(10), LONGEST_ASK);
        assert_eq!(pause_between(u32::MAX), LONGEST_ASK);
    }
}
