//! Counters and amounts as vendors write them, who are not always strict about it.

use keystore_core::{Bucket, Usage};
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The most units that an answer is believed to have used: about a million million. Sums of it fit for as many calls as there will be.
const MOST_UNITS: u64 = 1 << 40;
/// The most that an answer is believed to have cost: a million dollars.
const MOST_NANOS: u64 = 1_000_000_000_000_000;

/// A counter. Absent, null or not a number is `None`; a negative number is 0; a fraction is rounded up; what is beyond belief is
/// [`MOST_UNITS`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count(pub(super) Option<u64>);

impl Count {
    /// The counter that `value` is.
    pub(super) fn of(value: &[u8]) -> Self {
        serde_json::from_slice(value).unwrap_or_default()
    }

    fn believed(units: u64) -> Self {
        Self(Some(units.min(MOST_UNITS)))
    }

    pub(super) fn units(self) -> u64 {
        self.0.unwrap_or(0)
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a counter")
    }

    fn visit_u64<E>(self, value: u64) -> Result<Count, E> {
        Ok(Count::believed(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Count, E> {
        Ok(Count::believed(u64::try_from(value).unwrap_or(0)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Count, E> {
        Ok(Count::believed(value.ceil() as u64))
    }

    fn visit_str<E>(self, value: &str) -> Result<Count, E> {
        let fraction = || value.parse::<f64>().ok().filter(|value| value.is_finite());
        let count = value.parse().ok();
        let count = count.or_else(|| fraction().map(|value| value.ceil() as u64));
        Ok(count.map_or(Count(None), Count::believed))
    }

    fn visit_unit<E>(self) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Count, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Count(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Count, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Count(None))
    }
}

/// Takes the parts out of the whole, and puts what is left into `rest`. Parts that overlap, or exceed the whole, are cut in their
/// order: name the dearest first.
pub(super) fn distribute(usage: &mut Usage, whole: u64, parts: &[(Bucket, u64)], rest: Bucket) {
    let mut left = whole;
    for (bucket, units) in parts {
        let taken = (*units).min(left);
        usage.set(*bucket, taken);
        left -= taken;
    }
    usage.set(rest, left);
}

/// An amount of dollars as JSON writes it (`0.0125`, `1.25e-2`, perhaps in quotes), in nano-dollars: exact, and what is finer than
/// that rounded up, and at most [`MOST_NANOS`]. `None` if it is no amount, or negative.
pub(super) fn nano_dollars(value: &[u8]) -> Option<u64> {
    /// More digits than any amount has; what follows them can only round up.
    const MAX_DIGITS: usize = 30;
    let text = std::str::from_utf8(value).ok()?.trim_matches('"');
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let written = format!("{whole}{fraction}");
    let digits = written.trim_start_matches('0');
    let (kept, cut) = digits.split_at(digits.len().min(MAX_DIGITS));
    let power = i64::from(exponent) + 9 - fraction.len() as i64 + cut.len() as i64;
    let more = u128::from(cut.bytes().any(|digit| digit != b'0'));
    let Some(number) = kept.parse::<u128>().ok() else {
        return Some(0);
    };
    let number = number + more;
    let shift = 10_u128.checked_pow(u32::try_from(power.unsigned_abs()).unwrap_or(u32::MAX));
    let nanos = match shift {
        Some(shift) if power >= 0 => number.saturating_mul(shift),
        None if power >= 0 => u128::MAX,
        Some(shift) => number.div_ceil(shift),
        None => 1,
    };
    Some(u64::try_from(nanos).unwrap_or(u64::MAX).min(MOST_NANOS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counters_of_all_kinds() {
        for (text, expected) in [
            ("7", Some(7)),
            ("-7", Some(0)),
            ("7.0", Some(7)),
            ("7.2", Some(8)),
            ("\"7\"", Some(7)),
            ("\"7.2\"", Some(8)),
            ("18446744073709551615", Some(MOST_UNITS)),
            ("1e30", Some(MOST_UNITS)),
            ("\"99999999999999999999\"", Some(MOST_UNITS)),
            ("null", None),
            ("true", None),
            ("{\"a\":1}", None),
            ("[1]", None),
            ("\"seven\"", None),
            ("", None),
            ("7,", None),
        ] {
            assert_eq!(Count::of(text.as_bytes()).0, expected, "{text}");
        }
    }

    #[test]
    fn dollars_are_exact() {
        for (text, expected) in [
            ("0", Some(0)),
            ("0.0", Some(0)),
            ("1", Some(1_000_000_000)),
            ("0.005", Some(5_000_000)),
            ("0.000000001", Some(1)),
            ("0.0000000001", Some(1)),
            ("0.1000000001", Some(100_000_001)),
            ("1.25e-2", Some(12_500_000)),
            ("1.4e-05", Some(14_000)),
            ("2E+1", Some(20_000_000_000)),
            ("\"0.12\"", Some(120_000_000)),
            ("123456.123456789", Some(123_456_123_456_789)),
            ("0.30000000000000004", Some(300_000_001)),
            ("123456789.123456789", Some(MOST_NANOS)),
            ("99999999999999999999", Some(MOST_NANOS)),
            ("1e400", Some(MOST_NANOS)),
            ("1e-400", Some(1)),
            ("0e-400", Some(0)),
            ("-0.1", None),
            ("", None),
            (".5", None),
            ("1e", None),
            ("1e99999999999", None),
            ("0x1", None),
            ("null", None),
            ("{}", None),
        ] {
            assert_eq!(nano_dollars(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nano_dollars_come_back(nanos in 0..=MOST_NANOS, zeros in 0_usize..8) {
            let text = format!("{}.{:09}{}", nanos / 1_000_000_000, nanos % 1_000_000_000, "0".repeat(zeros));
            prop_assert_eq!(nano_dollars(text.as_bytes()), Some(nanos));
            let scientific = format!("{nanos}e-9");
            prop_assert_eq!(nano_dollars(scientific.as_bytes()), Some(nanos));
        }

        #[test]
        fn amounts_never_panic(text in "[0-9.eE+\"-]{0,50}") {
            let _ = nano_dollars(text.as_bytes());
        }
    }
}
