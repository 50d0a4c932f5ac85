//! Time as a number, and the clock that hands it out.

use std::time::Duration;

/// Microseconds since 1970-01-01T00:00:00Z, without leap seconds. The one form in which times are stored.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    minicbor::Encode,
    minicbor::Decode,
)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct Micros(#[n(0)] pub i64);

impl Micros {
    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The time `seconds` after the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// This time and `duration` later; stops at the end of the range.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// This time and `duration` earlier; stops at the end of the range.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// The UTC day of a time, counted from 1970-01-01.
pub const fn utc_day(at: Micros) -> i64 {
    at.seconds().div_euclid(86_400)
}

/// The UTC day with this number, counted from 1970-01-01, such as `2026-11-23`; `None` outside of the calendar.
pub fn date(day: i64) -> Option<String> {
    let time = jiff::Timestamp::from_second(day.checked_mul(86_400)?).ok()?;
    Some(jiff::tz::TimeZone::UTC.to_datetime(time).date().to_string())
}

impl std::fmt::Display for Micros {
    /// RFC 3339 in UTC with milliseconds and `Z`, the form of every time in the API.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl std::str::FromStr for Micros {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        text.parse::<jiff::Timestamp>()
            .map(|time| Self(time.as_microsecond()))
            .map_err(|_| InvalidTime)
    }
}

/// A text is not an RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a time such as 2026-11-23T09:30:00Z")]
pub struct InvalidTime;

/// The clock, handed to everything that needs the time.
pub trait Clock: Send + Sync {
    /// Wall-clock time. May step in either direction.
    fn now(&self) -> Micros;

    /// Time since some fixed point of this process. Never goes back, and counts while the machine sleeps.
    fn boottime(&self) -> Duration;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_milliseconds_and_z() {
        assert_eq!(
            Micros(1_795_000_000_123_456).to_string(),
            "2026-11-18T11:06:40.123Z"
        );
        assert_eq!(Micros(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!((date(-1).as_deref(), date(i64::MAX)), (Some("1969-12-31"), None));
        assert_eq!((utc_day(Micros(-1)), utc_day(Micros(86_400_000_000))), (-1, 1));
        assert_eq!("1970-01-01T01:00:01+01:00".parse(), Ok(Micros(1_000_000)));
    }
}
