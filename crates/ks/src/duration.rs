//! Durations and times as people type them: `90s`, `15m`, `24h`, `7d`, `2w`; `2026-11-23`, `2026-11-23T09:30:00Z`.

use std::time::Duration;

use keystore_core::{Clock, Micros};
use keystore_server::clock::SystemClock;

/// A whole number and a unit.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a number and a unit, such as 90s, 15m, 24h, 7d or 2w";
    let split = text
        .find(|letter: char| !letter.is_ascii_digit())
        .ok_or(EXPECTED)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| EXPECTED)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(EXPECTED.to_owned()),
    };
    let seconds = number.checked_mul(seconds).ok_or("that is too long")?;
    match seconds {
        0 => Err("that is no time at all".to_owned()),
        1..=3_155_760_000 => Ok(Duration::from_secs(seconds)),
        _ => Err("that is more than a hundred years".to_owned()),
    }
}

/// As [`parse`], and no time at all: `0s`.
pub(crate) fn parse_or_none(text: &str) -> Result<Duration, String> {
    match text {
        "0s" => Ok(Duration::ZERO),
        _ => parse(text),
    }
}

/// The time so long after now.
pub(crate) fn from_now(duration: Duration) -> Micros {
    SystemClock.now().plus(duration)
}

/// A point in the past: so long ago, a date (its midnight in UTC), or an RFC 3339 time.
pub(crate) fn parse_past(text: &str) -> Result<Micros, String> {
    past(text, SystemClock.now())
}

/// A point in the future: so long from now, a date (its midnight in UTC), or an RFC 3339 time.
pub(crate) fn parse_future(text: &str) -> Result<Micros, String> {
    let now = SystemClock.now();
    match parse(text) {
        Ok(ahead) => Ok(now.plus(ahead)),
        Err(_) => past(text, now),
    }
}

fn past(text: &str, now: Micros) -> Result<Micros, String> {
    if let Ok(ago) = parse(text) {
        let micros = i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
        return Ok(Micros(now.0.saturating_sub(micros)));
    }
    text.parse()
        .or_else(|_| format!("{text}T00:00:00Z").parse())
        .map_err(|_| {
            "expected 15m, 24h, 7d, a date such as 2026-11-23, or a time such as 2026-11-23T09:30:00Z"
                .to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("24h", 86_400),
            ("7d", 604_800),
            ("2w", 1_209_600),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "h",
            "5",
            "0s",
            "-1h",
            "1.5h",
            "1y",
            "1 h",
            "99999999999999999999h",
            "200000d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse_or_none("0s"), Ok(Duration::ZERO));
        assert_eq!(parse_or_none("1s"), parse("1s"));
    }

    #[test]
    fn a_point_in_the_past() {
        let now: Micros = "2026-11-23T12:00:00Z".parse().unwrap();
        assert_eq!(past("1h", now).unwrap().to_string(), "2026-11-23T11:00:00.000Z");
        assert_eq!(
            past("2026-11-20", now).unwrap().to_string(),
            "2026-11-20T00:00:00.000Z"
        );
        assert_eq!(
            past("2026-11-20T10:00:00+02:00", now).unwrap().to_string(),
            "2026-11-20T08:00:00.000Z"
        );
        assert!(past("yesterday", now).is_err());
    }
}
