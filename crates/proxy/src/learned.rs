//! What a vendor's answers say of its limits: how many requests and tokens a credential has, how many are left, and when there
//! will be more. Kept in memory, by credential, for people to look at; nothing is decided by it. Beside them stand the credential's
//! [circuits](crate::health).
//!
//! An answer is looked at once a second at most, so that it costs the others one comparison. Headers are read by their parts,
//! because every vendor has its own order of the same words: `x-ratelimit-remaining-tokens`,
//! `anthropic-ratelimit-input-tokens-remaining`, `ratelimit-reset`, `x-ratelimit-limit-req-minute`.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use keystore_core::Micros;
use keystore_core::ids::CredentialId;
use keystore_core::pool::Quota;

use crate::health::Circuits;
use crate::lock::lock;

/// The least time between two looks at a credential's answers, except at one that says 429.
const EVERY: Duration = Duration::from_secs(1);

/// The most subjects that are kept for a credential, and the longest name of one.
const MAX_SUBJECTS: usize = 16;
const MAX_SUBJECT_BYTES: usize = 40;

/// The end of a pause that the vendor asked for.
const RETRY: &str = "retry";

/// A limit as the vendor's last answers told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedLimit {
    /// What is limited: `requests`, `tokens`, `input-tokens`, `requests-day`, …; `retry` for a pause.
    pub subject: String,
    /// How much there is in a window.
    pub limit: Option<u64>,
    /// How much was left.
    pub remaining: Option<u64>,
    /// When there is all of it again.
    pub resets_at: Option<Micros>,
    /// When the vendor said so.
    pub observed_at: Micros,
}

/// What is learned of one credential.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    /// Milliseconds of boot time before which the next answer is not looked at.
    not_before_ms: AtomicU64,
    limits: Mutex<BTreeMap<String, LearnedLimit>>,
    /// How its hosts behave.
    pub(crate) circuits: Circuits,
}

/// What is learned of every credential, for as long as the process lives.
#[derive(Debug, Default)]
pub(crate) struct Limits(Mutex<HashMap<CredentialId, Arc<Learned>>>);

impl Limits {
    /// Where what is learned of a credential is kept.
    pub(crate) fn of(&self, credential: CredentialId) -> Arc<Learned> {
        Arc::clone(lock(&self.0).entry(credential).or_default())
    }

    /// What is known of a credential's limits, by subject.
    pub(crate) fn known(&self, credential: CredentialId) -> Vec<LearnedLimit> {
        let learned = lock(&self.0).get(&credential).cloned();
        learned.map_or_else(Vec::new, |learned| {
            lock(&learned.limits).values().cloned().collect()
        })
    }
}

impl Learned {
    /// Looks at the head of an answer, unless one was looked at a moment ago; says whether something was learned. `uptime` is boot time.
    pub(crate) fn observe(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        uptime: Duration,
        now: impl Fn() -> Micros,
    ) -> bool {
        let uptime_ms = u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX);
        let is_limited = status == StatusCode::TOO_MANY_REQUESTS;
        if uptime_ms < self.not_before_ms.load(Ordering::Relaxed) && !is_limited {
            return false;
        }
        let next = uptime_ms.saturating_add(u64::try_from(EVERY.as_millis()).unwrap_or(1_000));
        self.not_before_ms.store(next, Ordering::Relaxed);
        let said: Vec<_> = headers
            .iter()
            .filter_map(|(name, value)| Some((part_of(name.as_str())?, value.to_str().ok()?)))
            .collect();
        let pause = is_limited.then(|| pause(headers)).flatten();
        if said.is_empty() && pause.is_none() {
            return false;
        }
        let now = now();
        let mut limits = lock(&self.limits);
        for ((part, subject), value) in said {
            if let Some(limit) = entry(&mut limits, subject, now) {
                match part {
                    Part::Limit => limit.limit = count(value),
                    Part::Remaining => limit.remaining = count(value),
                    Part::Reset => limit.resets_at = reset(value, now),
                }
            }
        }
        if let Some(pause) = pause
            && let Some(limit) = entry(&mut limits, RETRY.to_owned(), now)
        {
            limit.resets_at = Some(now.plus(pause));
        }
        true
    }

    /// What is left of the limits that are known, for a pool to choose by. `uptime` is boot time.
    pub(crate) fn quotas(&self, now: Micros, uptime: Duration) -> Vec<Quota> {
        let limits = lock(&self.limits);
        let quotas = limits.values().filter_map(|limit| {
            Some(Quota {
                counts_requests: limit.subject.starts_with("requests"),
                limit: limit.limit,
                remaining: limit.remaining?,
                resets_at: limit.resets_at.map(|at| uptime + at.since(now)),
            })
        });
        quotas.collect()
    }
}

/// Takes what a vendor says of an account's limits out of an answer: of a pooled credential they are not the customer's.
pub(crate) fn conceal(headers: &mut HeaderMap) {
    let said: Vec<_> = headers
        .keys()
        .filter(|name| part_of(name.as_str()).is_some() || name.as_str().starts_with("retry-after"))
        .cloned()
        .collect();
    for name in said {
        headers.remove(name);
    }
}

fn entry(
    limits: &mut BTreeMap<String, LearnedLimit>,
    subject: String,
    now: Micros,
) -> Option<&mut LearnedLimit> {
    if limits.len() >= MAX_SUBJECTS && !limits.contains_key(&subject) {
        return None;
    }
    let limit = limits.entry(subject.clone()).or_insert(LearnedLimit {
        subject,
        limit: None,
        remaining: None,
        resets_at: None,
        observed_at: now,
    });
    limit.observed_at = now;
    Some(limit)
}

/// Which of the three things a header says of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Limit,
    Remaining,
    Reset,
}

/// What a header says, and of what: `requests` where its name has no word for it.
fn part_of(name: &str) -> Option<(Part, String)> {
    let rest = name.strip_prefix("x-").unwrap_or(name);
    let rest = rest.strip_prefix("anthropic-").unwrap_or(rest);
    let rest = rest.strip_prefix("ratelimit-")?;
    let mut part = None;
    let mut subject = Vec::new();
    for word in rest.split('-') {
        match word {
            "limit" if part.is_none() => part = Some(Part::Limit),
            "remaining" if part.is_none() => part = Some(Part::Remaining),
            "reset" if part.is_none() => part = Some(Part::Reset),
            "req" => subject.push("requests"),
            // Discord's second way to say the same.
            "after" => return None,
            word => subject.push(word),
        }
    }
    let subject = match subject.is_empty() {
        true => "requests".to_owned(),
        false => subject.join("-"),
    };
    let is_plain = subject
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    (is_plain && subject.len() <= MAX_SUBJECT_BYTES).then_some((part?, subject))
}

/// A whole number; of a list with one for each window, the first: the shortest window's.
fn count(value: &str) -> Option<u64> {
    let first = value.split([',', ';']).next()?.trim();
    first
        .parse::<f64>()
        .ok()
        .filter(|number| (0.0..1e15).contains(number))
        .map(whole)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller has bounded it"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

/// A time: RFC 3339, seconds or milliseconds since the epoch, or how long it is until then.
fn reset(value: &str, now: Micros) -> Option<Micros> {
    let value = value.split([',', ';']).next()?.trim();
    if let Ok(number) = value.parse::<f64>() {
        return match number {
            _ if !(0.0..1e15).contains(&number) => None,
            _ if number >= 1e11 => Some(Micros::from_seconds(0).plus(Duration::from_millis(whole(number)))),
            _ if number >= 1e9 => Some(Micros::from_seconds(0).plus(Duration::from_secs(whole(number)))),
            seconds => Some(now.plus(Duration::from_millis(whole(seconds * 1e3)))),
        };
    }
    if let Some(wait) = go_duration(value) {
        return Some(now.plus(wait));
    }
    value.parse().ok()
}

/// A duration as Go writes it: `6m0s`, `1.5s`, `20ms`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let unit = rest.find(|letter: char| letter.is_ascii_alphabetic())?;
        let (number, after) = rest.split_at(unit);
        let end = after
            .find(|letter: char| !letter.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let milliseconds = match unit {
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 6e4,
            "h" => 3.6e6,
            "d" => 8.64e7,
            _ => return None,
        };
        total += number.parse::<f64>().ok().filter(|number| *number >= 0.0)? * milliseconds;
        rest = after;
    }
    (!text.is_empty() && total < 1e12).then(|| Duration::from_millis(whole(total)))
}

/// How long a 429 asks to wait: `retry-after-ms`, else `retry-after` in seconds.
pub(crate) fn pause(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| {
        let text = headers.get(name)?.to_str().ok()?;
        text.trim()
            .parse::<f64>()
            .ok()
            .filter(|number| (0.0..1e8).contains(number))
    };
    match number("retry-after-ms") {
        Some(milliseconds) => Some(Duration::from_millis(whole(milliseconds))),
        None => number("retry-after").map(|seconds| Duration::from_millis(whole(seconds * 1e3))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = Micros::from_seconds(1_800_000_000);

    /// Subject, limit, what remains, and the seconds until it begins anew.
    type Known = (String, Option<u64>, Option<u64>, Option<i64>);

    fn learned(pairs: &[(&'static str, &str)], status: u16) -> Vec<Known> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let limits = Limits::default();
        let id = CredentialId::new(uuid::Uuid::nil());
        let status = StatusCode::from_u16(status).unwrap();
        limits
            .of(id)
            .observe(status, &headers, Duration::from_secs(5), || NOW);
        let seconds = |at: Micros| at.seconds() - NOW.seconds();
        let known = limits.known(id).into_iter();
        known
            .map(|limit| {
                (
                    limit.subject,
                    limit.limit,
                    limit.remaining,
                    limit.resets_at.map(seconds),
                )
            })
            .collect()
    }

    #[test]
    fn every_vendors_words_are_understood() {
        let openai = learned(
            &[
                ("x-ratelimit-limit-requests", "5000"),
                ("x-ratelimit-remaining-requests", "4999"),
                ("x-ratelimit-reset-requests", "12ms"),
                ("x-ratelimit-limit-tokens", "160000"),
                ("x-ratelimit-remaining-tokens", "159976"),
                ("x-ratelimit-reset-tokens", "6m0s"),
            ],
            200,
        );
        assert_eq!(
            openai,
            [
                ("requests".to_owned(), Some(5000), Some(4999), Some(0)),
                ("tokens".to_owned(), Some(160_000), Some(159_976), Some(360)),
            ]
        );
        let anthropic = learned(
            &[
                ("anthropic-ratelimit-input-tokens-limit", "80000"),
                ("anthropic-ratelimit-input-tokens-remaining", "0"),
                ("anthropic-ratelimit-input-tokens-reset", "2027-01-15T08:00:30Z"),
            ],
            200,
        );
        assert_eq!(
            anthropic,
            [("input-tokens".to_owned(), Some(80_000), Some(0), Some(30))]
        );
        let mistral = learned(
            &[
                ("x-ratelimit-limit-req-minute", "60"),
                ("x-ratelimit-remaining-req-minute", "59"),
            ],
            200,
        );
        assert_eq!(
            mistral,
            [("requests-minute".to_owned(), Some(60), Some(59), None)]
        );
        let github = learned(
            &[("x-ratelimit-limit", "5000"), ("x-ratelimit-reset", "1800000060")],
            200,
        );
        assert_eq!(github, [("requests".to_owned(), Some(5000), None, Some(60))]);
        let openrouter = learned(
            &[("X-RateLimit-Reset", "1800000060000")].map(|(_, value)| ("x-ratelimit-reset", value)),
            200,
        );
        assert_eq!(openrouter, [("requests".to_owned(), None, None, Some(60))]);
        let brave = learned(
            &[
                ("x-ratelimit-remaining", "1, 15000"),
                ("x-ratelimit-reset", "1, 2419200"),
            ],
            200,
        );
        assert_eq!(brave, [("requests".to_owned(), None, Some(1), Some(1))]);
        let cerebras = learned(&[("x-ratelimit-reset-tokens-minute", "33.4")], 200);
        assert_eq!(cerebras, [("tokens-minute".to_owned(), None, None, Some(33))]);
    }

    #[test]
    fn a_pause_is_kept_and_nonsense_is_not() {
        assert_eq!(
            learned(&[("retry-after-ms", "1500"), ("retry-after", "9")], 429),
            [("retry".to_owned(), None, None, Some(1))]
        );
        assert_eq!(
            learned(&[("retry-after", "20")], 429),
            [("retry".to_owned(), None, None, Some(20))]
        );
        assert!(learned(&[("retry-after", "20")], 200).is_empty());
        assert!(learned(&[("content-type", "x"), ("x-ratelimit-policy", "1;w=1")], 200).is_empty());
        let odd = learned(
            &[
                ("x-ratelimit-limit", "-1"),
                ("x-ratelimit-reset", "soon"),
                ("x-ratelimit-remaining", "1e300"),
            ],
            200,
        );
        assert_eq!(odd, [("requests".to_owned(), None, None, None)]);
        for text in ["", "s", "1x", "1", "-1s", "1s2", "99999999999d"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }

    #[test]
    fn answers_are_looked_at_once_a_second_and_subjects_are_few() {
        let learned = Learned::default();
        let mut headers = HeaderMap::new();
        headers.insert("x-ratelimit-remaining", "5".parse().unwrap());
        learned.observe(StatusCode::OK, &headers, Duration::from_millis(1_000), || NOW);
        headers.insert("x-ratelimit-remaining", "4".parse().unwrap());
        learned.observe(StatusCode::OK, &headers, Duration::from_millis(1_999), || NOW);
        let left = || lock(&learned.limits)["requests"].remaining;
        assert_eq!(left(), Some(5));
        learned.observe(StatusCode::OK, &headers, Duration::from_millis(2_000), || NOW);
        assert_eq!(left(), Some(4));
        headers.insert("x-ratelimit-remaining", "0".parse().unwrap());
        learned.observe(
            StatusCode::TOO_MANY_REQUESTS,
            &headers,
            Duration::from_millis(2_001),
            || NOW,
        );
        assert_eq!(left(), Some(0));
        for letter in b'a'..=b'z' {
            let name = format!("x-ratelimit-limit-{}", char::from(letter));
            headers.insert(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                "1".parse().unwrap(),
            );
        }
        learned.observe(StatusCode::OK, &headers, Duration::from_secs(9), || NOW);
        assert_eq!(lock(&learned.limits).len(), MAX_SUBJECTS);
    }
}
