//! Calendar windows of budgets: when the current day, week or month began and when it ends, in a time zone.
//!
//! Days are civil days: 23 or 25 hours long where the clocks change. It does not know what is spent; `budget` does.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::time::Micros;

/// How long a budget's limit lasts before it starts anew.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, minicbor::Encode, minicbor::Decode,
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

    /// The window around `now`, whose days begin and end in `zone`.
    pub fn bounds(self, now: Micros, zone: &TimeZone) -> Bounds {
        todo!()
    }
}
