//! Calendar months in UTC: what is billed together.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::time::Micros;

/// A calendar month in UTC, as the number of months since January of year 0. In storage and order this number, in texts `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i32);

/// A text is not a month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a month such as 2026-11")]
pub struct InvalidMonth;

/// The years that have months.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=9998;

impl Month {
    /// The month of a year from 1970 to 9998, counted from 1; `None` for what is none.
    pub fn new(year: i32, month: i32) -> Option<Self> {
        let valid = YEARS.contains(&year) && (1..=12).contains(&month);
        valid.then(|| Self(year * 12 + month - 1))
    }

    /// The month in which `at` lies; the nearest one for times before 1970 or after 9998.
    pub fn of(at: Micros) -> Self {
        let (first, last) = (YEARS.start() * 12, YEARS.end() * 12 + 11);
        let Ok(time) = jiff::Timestamp::from_microsecond(at.0) else {
            return Self(if at.0 < 0 { first } else { last });
        };
        let date = TimeZone::UTC.to_datetime(time).date();
        Self((i32::from(date.year()) * 12 + i32::from(date.month()) - 1).clamp(first, last))
    }

    /// The number of months since January of year 0.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The month with this number; `None` outside the years that have months.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::new(number.div_euclid(12), number.rem_euclid(12) + 1)
    }

    /// The year.
    pub const fn year(self) -> i32 {
        self.0.div_euclid(12)
    }

    /// The month in its year, counted from 1.
    pub const fn month(self) -> i32 {
        self.0.rem_euclid(12) + 1
    }

    /// The next one; the last one of all stays.
    #[must_use]
    pub fn next(self) -> Self {
        Self::from_number(self.0 + 1).unwrap_or(self)
    }

    /// The one before; the first one of all stays.
    #[must_use]
    pub fn previous(self) -> Self {
        Self::from_number(self.0 - 1).unwrap_or(self)
    }

    /// Its first moment.
    pub fn start(self) -> Micros {
        first_moment(self.0)
    }

    /// The first moment after it.
    pub fn end(self) -> Micros {
        first_moment(self.0 + 1)
    }
}

/// The first moment of the month with this number, which may be the one after the last one.
fn first_moment(number: i32) -> Micros {
    let year = i16::try_from(number.div_euclid(12)).unwrap_or(i16::MAX);
    let month = i8::try_from(number.rem_euclid(12) + 1).unwrap_or(1);
    let first = Date::new(year, month, 1).map(|date| date.at(0, 0, 0, 0));
    let midnight = first.and_then(|first| TimeZone::UTC.to_timestamp(first));
    midnight.map_or(Micros(i64::MAX), |time| Micros(time.as_microsecond()))
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year(), self.month())
    }
}

impl FromStr for Month {
    type Err = InvalidMonth;

    fn from_str(text: &str) -> Result<Self, InvalidMonth> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        match text.split_once('-') {
            Some((year, month)) if year.len() == 4 && month.len() == 2 && digits(year) && digits(month) => {
                let number = |text: &str| text.parse().map_err(|_| InvalidMonth);
                Self::new(number(year)?, number(month)?).ok_or(InvalidMonth)
            }
            _ => Err(InvalidMonth),
        }
    }
}

impl serde::Serialize for Month {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Month {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_edges_of_a_year() {
        let december: Month = "2026-12".parse().unwrap();
        assert_eq!(december.end().to_string(), "2027-01-01T00:00:00.000Z");
        assert_eq!(december.next().to_string(), "2027-01");
        assert_eq!(Month::of(Micros(december.end().0 - 1)), december);
        assert_eq!(Month::of(december.end()), december.next());
        assert_eq!(december.next().previous(), december);
        let last = Month::of(Micros(i64::MAX));
        assert_eq!((last.to_string(), last.next()), ("9998-12".to_owned(), last));
        assert_eq!(Month::of(Micros(i64::MIN)).to_string(), "1970-01");
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for text in [
            "",
            "2026",
            "2026-13",
            "2026-00",
            "2026-1",
            "26-01",
            "+026-01",
            "1969-12",
            "2026-01-01",
        ] {
            assert_eq!(text.parse::<Month>(), Err(InvalidMonth), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_time_lies_in_its_month(at in 0..253_000_000_000_000_000_i64) {
            let month = Month::of(Micros(at));
            prop_assert!(month.start().0 <= at && at < month.end().0);
            prop_assert_eq!(month.to_string().parse(), Ok(month));
            prop_assert_eq!(Month::from_number(month.number()), Some(month));
        }
    }
}
