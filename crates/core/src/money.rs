//! Money: an integer of nano-dollars, with checked arithmetic, everywhere.

use std::fmt;
use std::str::FromStr;

/// An amount of US dollars in units of 10⁻⁹ dollar. The range is about ±9.2 billion dollars.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct NanoUsd(#[n(0)] pub i64);

const PER_DOLLAR: i64 = 1_000_000_000;
const PER_CENT: i64 = 10_000_000;

impl NanoUsd {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// The largest amount.
    pub const MAX: Self = Self(i64::MAX);

    /// `cents` as an amount; `None` outside the range.
    pub const fn from_cents(cents: i64) -> Option<Self> {
        match cents.checked_mul(PER_CENT) {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }

    /// Whole cents, rounded down towards negative infinity.
    pub const fn cents_floor(self) -> i64 {
        self.0.div_euclid(PER_CENT)
    }

    /// The nearest whole cents; a half goes away from zero. The ends of the range are nearer to zero than to a cent beyond.
    #[must_use]
    pub const fn rounded(self) -> Self {
        let rest = self.0 % PER_CENT;
        Self(match rest {
            ..=-5_000_000 => self.0 - rest - PER_CENT,
            5_000_000.. => self.0 - rest + PER_CENT,
            _ => self.0 - rest,
        })
    }

    /// The sum; `None` outside the range.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }

    /// The difference; `None` outside the range.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }
}

impl fmt::Display for NanoUsd {
    /// Decimal dollars without an exponent, at least two and at most nine decimals: `12.50`, `0.000125`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let per_dollar = PER_DOLLAR.unsigned_abs();
        let (mut fraction, mut decimals) = (nanos % per_dollar, 9);
        while decimals > 2 && fraction % 10 == 0 {
            (fraction, decimals) = (fraction / 10, decimals - 1);
        }
        write!(f, "{sign}{}.{fraction:0decimals$}", nanos / per_dollar)
    }
}

impl fmt::Debug for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${self}")
    }
}

/// A decimal without a sign, such as `1.75`, times ten to the power of `decimals`, exactly; `None` for what is none, has more decimals than
/// that, or leaves the range.
pub fn scaled(text: &str, decimals: usize) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) || fraction.len() > decimals {
        return None;
    }
    format!("{whole}{fraction:0<decimals$}").parse().ok()
}

/// A text is not an amount of dollars.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected dollars as a decimal with at most nine decimals, such as 12.50")]
pub struct InvalidAmount;

impl FromStr for NanoUsd {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let nanos = scaled(digits, 9).ok_or(InvalidAmount)?;
        Ok(Self(if negative { -nanos } else { nanos }))
    }
}

impl serde::Serialize for NanoUsd {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for NanoUsd {
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
    fn amounts_are_written_as_people_write_dollars() {
        for (nanos, text) in [
            (0, "0.00"),
            (12_500_000_000, "12.50"),
            (125_000, "0.000125"),
            (1, "0.000000001"),
            (-1_500_000_000, "-1.50"),
            (i64::MIN, "-9223372036.854775808"),
        ] {
            assert_eq!(NanoUsd(nanos).to_string(), text);
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "1e3",
            "+1",
            "1.0000000001",
            "9223372037",
            "1 ",
            "--1",
            "1_0",
        ] {
            assert_eq!(text.parse::<NanoUsd>(), Err(InvalidAmount), "{text}");
        }
    }

    #[test]
    fn the_edges_do_not_wrap() {
        assert_eq!(NanoUsd::MAX.checked_add(NanoUsd(1)), None);
        assert_eq!(NanoUsd(i64::MIN).checked_sub(NanoUsd(1)), None);
        assert_eq!(NanoUsd::from_cents(i64::MAX), None);
        assert_eq!(NanoUsd::from_cents(5_000), Some(NanoUsd(50_000_000_000)));
    }

    #[test]
    fn a_half_cent_goes_away_from_zero() {
        for (nanos, rounded) in [
            (0, 0),
            (4_999_999, 0),
            (5_000_000, PER_CENT),
            (-4_999_999, 0),
            (-5_000_000, -PER_CENT),
            (PER_CENT, PER_CENT),
            (-14_999_999, -PER_CENT),
        ] {
            assert_eq!(NanoUsd(nanos).rounded(), NanoUsd(rounded), "{nanos}");
        }
        assert_eq!(NanoUsd::MAX.rounded().to_string(), "9223372036.85");
        assert_eq!(NanoUsd(i64::MIN).rounded().to_string(), "-9223372036.85");
    }

    proptest! {
        #[test]
        fn text_goes_round(nanos in -i64::MAX..) {
            prop_assert_eq!(NanoUsd(nanos).to_string().parse(), Ok(NanoUsd(nanos)));
        }
    }
}
