//! Reading counters out of JSON that vendors are not always strict about.

use memchr::memmem;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A counter. Absent, null or not a number is `None`; a negative number is 0; a fraction is rounded up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count(pub(super) Option<u64>);

impl Count {
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
        Ok(Count(Some(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Count, E> {
        Ok(Count(Some(u64::try_from(value).unwrap_or(0))))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Count, E> {
        Ok(Count(Some(value.ceil() as u64)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Count, E> {
        Ok(Count(value.parse().ok()))
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

/// Parses `json`. Where a name stands twice, which a derived parser refuses, the last one counts.
pub(super) fn parse<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    serde_json::from_slice(json).ok().or_else(|| {
        let value: serde_json::Value = serde_json::from_slice(json).ok()?;
        serde_json::from_value(value).ok()
    })
}

/// The last object named `usage` in a text that is not complete JSON: an answer that was cut, or the end of a large one.
pub(super) fn last_usage<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    memmem::rfind_iter(text, NAME)
        .filter_map(|at| object_after(&text[at + NAME.len()..]))
        .find_map(|object| {
            let mut values = serde_json::Deserializer::from_slice(object).into_iter();
            values.next()?.ok()
        })
}

/// Whether there is an object named `usage`, as opposed to `"usage":null`.
pub(super) fn states_usage(text: &[u8]) -> bool {
    memmem::find_iter(text, NAME).any(|at| object_after(&text[at + NAME.len()..]).is_some())
}

const NAME: &[u8] = b"\"usage\"";

/// What follows a name, if it is an object. A quoted `"usage"` inside a string has a backslash before its second quote, and
/// is not found.
fn object_after(text: &[u8]) -> Option<&[u8]> {
    let value = text.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    value.starts_with(b"{").then_some(value)
}
