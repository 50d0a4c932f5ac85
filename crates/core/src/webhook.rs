//! When a message to a webhook is tried again, when it is given up, and when its endpoint is.
//!
//! Two pauses, for two troubles. A message that is not taken waits by itself, longer each time, so that one that its receiver cannot
//! digest holds none of the others up. An endpoint that takes nothing waits as a whole, so that a dead one is asked now and then and
//! not for everything that waits for it. What is sent, and how, is not known here.

use std::time::Duration;

use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use crate::time::Micros;

/// How long a message is tried before it is dead, and how long an endpoint may take nothing before it is disabled.
pub const PATIENCE: Duration = Duration::from_secs(72 * 3600);
/// The pause after the first attempt of a message; each is three times the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause between two attempts of a message.
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);
/// The pause of an endpoint after the first failure; each is twice the one before.
const FIRST_REST: Duration = Duration::from_secs(2);
/// The longest pause of an endpoint: by then one that is back has heard of it.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// The longest pause that a receiver may ask for; one that asks for more is asked again after it.
pub const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// The forms of a date in a header: the one to write, and two that are to be read (RFC 9110 section 5.6.7).
const HTTP_DATES: [&str; 3] = [
    "%a, %d %b %Y %H:%M:%S GMT",
    "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %e %H:%M:%S %Y",
];

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took the message: any 2xx.
    Taken,
    /// It did not, or there was no answer.
    Refused,
    /// It says that it wants no more: 410 (Standard Webhooks).
    Gone,
}

impl Outcome {
    /// What an answer of this status means.
    pub const fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Taken,
            410 => Self::Gone,
            _ => Self::Refused,
        }
    }
}

/// How an endpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Failures one after the other.
    pub failures: u32,
    /// Since when it has taken nothing.
    pub failing_since: Option<Micros>,
    /// Until when it is left alone.
    pub next_at: Micros,
}

impl Health {
    /// That of an endpoint that takes what it is sent.
    pub const WELL: Self = Self {
        failures: 0,
        failing_since: None,
        next_at: Micros(0),
    };

    /// How it does after an attempt. `luck` is a random number.
    #[must_use]
    pub fn after(self, outcome: Outcome, now: Micros, luck: u32) -> Self {
        if outcome == Outcome::Taken {
            return Self::WELL;
        }
        let failures = self.failures.saturating_add(1);
        let rest = growing(FIRST_REST, 2, LONGEST_REST, failures);
        Self {
            failures,
            failing_since: self.failing_since.or(Some(now)),
            next_at: now.plus(spread(rest, luck)),
        }
    }

    /// The same, left alone until `at` at least.
    #[must_use]
    pub fn not_before(self, at: Micros) -> Self {
        Self {
            next_at: self.next_at.max(at),
            ..self
        }
    }

    /// Whether it has taken nothing for so long that it is disabled.
    pub fn is_hopeless(&self, now: Micros) -> bool {
        self.failing_since
            .is_some_and(|since| now.since(since) >= PATIENCE)
    }
}

/// When a message is tried again after its `attempts`-th attempt, from 1; `None` when that would be after `give_up_at`. What the receiver
/// asked for makes the pause longer, and no message dead.
pub fn next_attempt(
    attempts: u32,
    now: Micros,
    give_up_at: Micros,
    asked: Option<Micros>,
    luck: u32,
) -> Option<Micros> {
    let pause = growing(FIRST_PAUSE, 3, LONGEST_PAUSE, attempts);
    let own = now.plus(spread(pause, luck));
    let later = asked.filter(|at| *at > own);
    later.into_iter().chain([own]).find(|at| *at < give_up_at)
}

/// Until when a receiver wants to be left alone, by its `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date. At most
/// [`LONGEST_ASKED`] from now; `None` for what is neither, or past.
pub fn asked_until(retry_after: &str, now: Micros) -> Option<Micros> {
    let text = retry_after.trim();
    let at = match text.bytes().all(|letter| letter.is_ascii_digit()) {
        // More digits than a number has are a long time, too.
        true if !text.is_empty() => {
            let seconds = text.parse().unwrap_or(u64::MAX).min(LONGEST_ASKED.as_secs());
            now.plus(Duration::from_secs(seconds))
        }
        _ => http_date(text)?,
    };
    Some(at.min(now.plus(LONGEST_ASKED))).filter(|at| *at > now)
}

fn http_date(text: &str) -> Option<Micros> {
    let read = |form: &&str| {
        let civil = strtime::parse(form, text).ok()?.to_datetime().ok()?;
        let at = TimeZone::UTC.to_timestamp(civil).ok()?;
        Some(Micros(at.as_microsecond()))
    };
    HTTP_DATES.iter().find_map(read)
}

fn growing(first: Duration, factor: u32, longest: Duration, number: u32) -> Duration {
    let grown = factor
        .checked_pow(number.saturating_sub(1))
        .and_then(|grown| first.checked_mul(grown));
    grown.unwrap_or(longest).min(longest)
}

/// From four fifths of a pause to all of it, so that what failed together does not come back together.
fn spread(pause: Duration, luck: u32) -> Duration {
    pause.mul_f64(0.8 + 0.2 * f64::from(luck) / f64::from(u32::MAX))
}

/// Whether an endpoint that wants `wanted` is told of events of this kind. Each is a kind, `*`, or a group such as `agent.*`.
pub fn wants(wanted: &[String], kind: &str) -> bool {
    wanted.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some("") => true,
        Some(group) => group.ends_with('.') && kind.starts_with(group),
        None => pattern == kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Micros = Micros(1_700_000_000_000_000);

    #[test]
    fn statuses() {
        for (status, outcome) in [
            (200, Outcome::Taken),
            (204, Outcome::Taken),
            (299, Outcome::Taken),
            (199, Outcome::Refused),
            (301, Outcome::Refused),
            (404, Outcome::Refused),
            (410, Outcome::Gone),
            (503, Outcome::Refused),
        ] {
            assert_eq!(Outcome::of_status(status), outcome, "{status}");
        }
    }

    #[test]
    fn a_kind_is_wanted_by_name_by_group_or_with_all() {
        let wants = |patterns: &[&str], kind| {
            let patterns: Vec<_> = patterns.iter().map(|text| (*text).to_owned()).collect();
            wants(&patterns, kind)
        };
        assert!(wants(&["*"], "agent.created"));
        assert!(wants(&["agent.*"], "agent.created"));
        assert!(wants(&["usage.threshold", "agent.created"], "agent.created"));
        assert!(!wants(&["agent.*"], "agents.created"));
        assert!(!wants(&["agent*"], "agent.created"), "a group ends with a point");
        assert!(!wants(&["agent.created"], "agent.deleted"));
        assert!(!wants(&[], "agent.created"));
    }

    #[test]
    fn a_receiver_says_when_it_wants_to_be_asked_again() {
        // 2023-11-14T22:13:20Z.
        let after = |text| asked_until(text, START).map(|at| at.since(START).as_secs());
        for (text, seconds) in [
            ("120", Some(120)),
            (" 120 ", Some(120)),
            ("86400", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("Tue, 14 Nov 2023 22:15:20 GMT", Some(120)),
            ("Tuesday, 14-Nov-23 22:15:20 GMT", Some(120)),
            ("Tue Nov 14 22:15:20 2023", Some(120)),
            ("Fri, 24 Nov 2023 22:15:20 GMT", Some(3600)),
            ("Tue, 14 Nov 2023 22:13:20 GMT", None),
            ("0", None),
            ("", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(after(text), seconds, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_a_receiver_asks_makes_a_pause_longer_and_no_message_dead(
            attempts in 1_u32..20, luck: u32, asked in 0_u64..7200, left in 0_u64..200_000,
        ) {
            let (give_up_at, asked) = (START.plus(Duration::from_secs(left)), START.plus(Duration::from_secs(asked)));
            let own = next_attempt(attempts, START, give_up_at, None, luck);
            let both = next_attempt(attempts, START, give_up_at, Some(asked), luck);
            prop_assert_eq!(own.is_some(), both.is_some());
            if let (Some(own), Some(both)) = (own, both) {
                prop_assert_eq!(both, if own.max(asked) < give_up_at { own.max(asked) } else { own });
            }
            let health = Health::WELL.after(Outcome::Refused, START, luck).not_before(asked);
            prop_assert!(health.next_at >= asked);
        }

        #[test]
        fn a_message_is_tried_more_and_more_seldom_for_three_days(luck: u32) {
            let give_up_at = START.plus(PATIENCE);
            let (mut now, mut attempts, mut last) = (START, 1, Duration::ZERO);
            while let Some(at) = next_attempt(attempts, now, give_up_at, None, luck) {
                let pause = at.since(now);
                prop_assert!(pause >= Duration::from_secs(4) && pause <= LONGEST_PAUSE);
                prop_assert!(pause >= last, "each at least as long as the one before");
                prop_assert!(at < give_up_at);
                (now, last, attempts) = (at, pause, attempts + 1);
            }
            prop_assert!(now.since(START) >= PATIENCE - LONGEST_PAUSE, "it is not given up early");
            prop_assert!((15..30).contains(&attempts), "{attempts}");
        }

        #[test]
        fn a_dead_endpoint_is_asked_now_and_then_and_given_up(lucks in proptest::collection::vec(any::<u32>(), 1000)) {
            let (mut health, mut now, mut asked) = (Health::WELL, START, 0);
            for luck in lucks {
                health = health.after(Outcome::Refused, now, luck);
                asked += 1;
                if health.is_hopeless(now) {
                    break;
                }
                prop_assert!(health.next_at > now && health.next_at.since(now) <= LONGEST_REST);
                now = health.next_at;
            }
            prop_assert!(now.since(START) >= PATIENCE);
            prop_assert!(now.since(START) < PATIENCE + LONGEST_REST);
            prop_assert!(asked < 600, "{asked}");
            prop_assert_eq!(health.after(Outcome::Taken, now, 0), Health::WELL);
        }
    }
}
