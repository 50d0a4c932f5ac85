//! Calendar windows of budgets: when the current day, week or month began and when it ends, in a time zone.
//!
//! Days are civil days: 23 or 25 hours long where the clocks change. It does not know what is spent; `budget` does.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::time::Micros;

/// How long a budget's limit lasts before it starts anew.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    minicbor::Encode,
    minicbor::Decode,
)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Window {
    /// From midnight.
    #[n(0)]
    Day,
    /// From Monday's midnight (ISO 8601).
    #[n(1)]
    Week,
    /// From midnight of the first of the month.
    #[n(2)]
    Month,
    /// For ever.
    #[n(3)]
    Total,
}

/// The time zone of an organization's windows, and the one before it. A window that was open when the zone changed ends as it began.
/// Of several changes the last one is known; a window that is older than two of them may end up to a day earlier or later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// The present one.
    pub now: TimeZone,
    /// The one before, and until when it was in force.
    pub before: Option<(TimeZone, Micros)>,
}

impl Zone {
    /// The zones with these IANA names; `None` when the present one is not known.
    pub fn named(now: &str, before: Option<&str>, changed_at: Option<Micros>) -> Option<Self> {
        let before = before.and_then(|name| TimeZone::get(name).ok());
        Some(Self {
            now: TimeZone::get(now).ok()?,
            before: before.zip(changed_at),
        })
    }

    /// The zone of a window that begins at `start`.
    pub fn at(&self, start: Micros) -> &TimeZone {
        match &self.before {
            Some((before, until)) if start < *until => before,
            _ => &self.now,
        }
    }
}

impl From<TimeZone> for Zone {
    fn from(now: TimeZone) -> Self {
        Self { now, before: None }
    }
}

/// One window: `start <= t < end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first moment; 1970 for a total.
    pub start: Micros,
    /// The first moment after it; `None` for a total.
    pub end: Option<Micros>,
}

impl Bounds {
    /// Whether `at` lies in the window.
    pub fn contains(&self, at: Micros) -> bool {
        self.start <= at && self.end.is_none_or(|end| at < end)
    }
}

impl Window {
    /// The name in the API and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// The window around `now`, whose days begin and end in `zone`. Outside the years that the calendar knows (-9999 to
    /// 9999) there is one window without an end.
    pub fn bounds(self, now: Micros, zone: &TimeZone) -> Bounds {
        self.calendar_bounds(now, zone).unwrap_or(Bounds {
            start: Micros(0),
            end: None,
        })
    }

    fn calendar_bounds(self, now: Micros, zone: &TimeZone) -> Option<Bounds> {
        let today = zone.to_datetime(Timestamp::from_microsecond(now.0).ok()?).date();
        let first = self.first_day(today)?;
        let next = self.following(first)?;
        let bounds = Bounds {
            start: midnight(first, zone)?,
            end: Some(midnight(next, zone)?),
        };
        if bounds.contains(now) {
            return Some(bounds);
        }
        // Clocks that go back across midnight make a day begin twice; its first beginning counts.
        Some(Bounds {
            start: midnight(next, zone)?,
            end: Some(midnight(self.following(next)?, zone)?),
        })
    }

    /// The first day of the window that `day` is in; `None` for a total.
    fn first_day(self, day: Date) -> Option<Date> {
        match self {
            Self::Day => Some(day),
            Self::Week => day
                .checked_sub(i64::from(day.weekday().to_monday_zero_offset()).days())
                .ok(),
            Self::Month => Some(day.first_of_month()),
            Self::Total => None,
        }
    }

    /// The first day of the window after the one that begins on `first`; `None` for a total.
    fn following(self, first: Date) -> Option<Date> {
        match self {
            Self::Day => first.tomorrow().ok(),
            Self::Week => first.checked_add(1.week()).ok(),
            Self::Month => first.checked_add(1.month()).ok(),
            Self::Total => None,
        }
    }
}

/// The first moment of a day: where clocks skip midnight, the moment at which they skip it.
fn midnight(day: Date, zone: &TimeZone) -> Option<Micros> {
    let time = zone.to_timestamp(day.at(0, 0, 0, 0)).ok()?;
    Some(Micros(time.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bounds(window: Window, now: &str, zone: &str) -> (String, Option<String>) {
        let zone = TimeZone::get(zone).unwrap();
        let bounds = window.bounds(now.parse().unwrap(), &zone);
        (bounds.start.to_string(), bounds.end.map(|end| end.to_string()))
    }

    #[test]
    fn the_calendar() {
        use Window::{Day, Month, Week};
        for (window, now, zone, start, end) in [
            (
                Day,
                "2026-11-23T21:00:00Z",
                "UTC",
                "2026-11-23T00:00:00.000Z",
                "2026-11-24T00:00:00.000Z",
            ),
            // The edges belong to the window that begins.
            (
                Day,
                "2026-11-24T00:00:00Z",
                "UTC",
                "2026-11-24T00:00:00.000Z",
                "2026-11-25T00:00:00.000Z",
            ),
            (
                Day,
                "2026-11-23T23:59:59.999999Z",
                "UTC",
                "2026-11-23T00:00:00.000Z",
                "2026-11-24T00:00:00.000Z",
            ),
            // 2026-11-23 is a Monday, 2026-11-29 a Sunday.
            (
                Week,
                "2026-11-29T23:59:59Z",
                "UTC",
                "2026-11-23T00:00:00.000Z",
                "2026-11-30T00:00:00.000Z",
            ),
            (
                Week,
                "2026-11-23T00:00:00Z",
                "UTC",
                "2026-11-23T00:00:00.000Z",
                "2026-11-30T00:00:00.000Z",
            ),
            // A week across a year's end.
            (
                Week,
                "2027-01-01T12:00:00Z",
                "UTC",
                "2026-12-28T00:00:00.000Z",
                "2027-01-04T00:00:00.000Z",
            ),
            (
                Month,
                "2026-12-31T23:59:59Z",
                "UTC",
                "2026-12-01T00:00:00.000Z",
                "2027-01-01T00:00:00.000Z",
            ),
            (
                Month,
                "2028-02-29T12:00:00Z",
                "UTC",
                "2028-02-01T00:00:00.000Z",
                "2028-03-01T00:00:00.000Z",
            ),
            // Still October in Honolulu when it is November in UTC.
            (
                Month,
                "2026-11-01T09:59:59Z",
                "Pacific/Honolulu",
                "2026-10-01T10:00:00.000Z",
                "2026-11-01T10:00:00.000Z",
            ),
            // A day of 23 hours and one of 25.
            (
                Day,
                "2026-03-08T12:00:00Z",
                "America/New_York",
                "2026-03-08T05:00:00.000Z",
                "2026-03-09T04:00:00.000Z",
            ),
            (
                Day,
                "2026-11-01T12:00:00Z",
                "America/New_York",
                "2026-11-01T04:00:00.000Z",
                "2026-11-02T05:00:00.000Z",
            ),
            // A month that begins in summer time and ends in winter time.
            (
                Month,
                "2026-10-20T00:00:00Z",
                "Europe/Berlin",
                "2026-09-30T22:00:00.000Z",
                "2026-10-31T23:00:00.000Z",
            ),
            // Midnight does not exist: the day begins at one o'clock.
            (
                Day,
                "2018-11-04T12:00:00Z",
                "America/Sao_Paulo",
                "2018-11-04T03:00:00.000Z",
                "2018-11-05T02:00:00.000Z",
            ),
            // Midnight comes twice: the day begins with the first.
            (
                Day,
                "2018-11-04T04:30:00Z",
                "America/Havana",
                "2018-11-04T04:00:00.000Z",
                "2018-11-05T05:00:00.000Z",
            ),
            (
                Day,
                "2018-11-04T05:30:00Z",
                "America/Havana",
                "2018-11-04T04:00:00.000Z",
                "2018-11-05T05:00:00.000Z",
            ),
        ] {
            let expected = (start.to_owned(), Some(end.to_owned()));
            assert_eq!(bounds(window, now, zone), expected, "{window:?} {now} {zone}");
        }
    }

    #[test]
    fn a_total_has_no_end() {
        assert_eq!(
            Window::Total.bounds("2026-11-23T21:00:00Z".parse().unwrap(), &TimeZone::UTC),
            Bounds {
                start: Micros(0),
                end: None
            }
        );
        assert_eq!(Window::Day.bounds(Micros(i64::MAX), &TimeZone::UTC).end, None);
    }

    proptest! {
        /// Windows contain their moment, follow each other without a gap, and are as long as they ought to be.
        #[test]
        fn windows_tile_time(
            seconds in 0_i64..4_102_444_800,
            zone in prop::sample::select(vec![
                "UTC", "America/New_York", "Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Asia/Kolkata",
                "Pacific/Apia", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Beirut", "America/Goose_Bay",
            ]),
            window in prop::sample::select(vec![Window::Day, Window::Week, Window::Month]),
        ) {
            let zone = TimeZone::get(zone).unwrap();
            let now = Micros::from_seconds(seconds);
            let current = window.bounds(now, &zone);
            prop_assert!(current.contains(now), "{current:?}");
            let end = current.end.unwrap();
            let next = window.bounds(end, &zone);
            prop_assert_eq!(next.start, end);
            prop_assert_eq!(window.bounds(Micros(end.0 - 1), &zone), current);
            let hours = end.since(current.start).as_secs().div_ceil(3600);
            let expected = match window {
                Window::Day => 21..=27,
                Window::Week => 140..=172,
                _ => 640..=748,
            };
            prop_assert!(expected.contains(&hours), "{hours} hours");
        }
    }
}
