//! A time as the API writes it.

use std::fmt;

use keystore_core::Micros;

/// A point in time: RFC 3339 in UTC with milliseconds, `2026-11-23T09:30:00.000Z`. Any offset and precision is read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub Micros);

impl From<Micros> for Time {
    fn from(at: Micros) -> Self {
        Self(at)
    }
}

impl From<Time> for Micros {
    fn from(time: Time) -> Self {
        time.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Time {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(
                utoipa::openapi::KnownFormat::DateTime,
            )))
            .description(Some("A time in UTC (RFC 3339)."))
            .examples(["2026-11-23T09:30:00.000Z"])
            .into()
    }
}

impl utoipa::ToSchema for Time {}

#[cfg(test)]
mod tests {
    use super::Time;
    use keystore_core::Micros;

    #[test]
    fn a_time_is_text_in_json() {
        let time = Time(Micros(1_795_000_000_123_456));
        let text = serde_json::to_string(&time).unwrap();
        assert_eq!(text, r#""2026-11-18T11:06:40.123Z""#);
        assert_eq!(
            serde_json::from_str::<Time>(r#""2026-11-18T12:06:40.123+01:00""#).unwrap(),
            Time(Micros(1_795_000_000_123_000))
        );
        assert!(serde_json::from_str::<Time>("1795000000").is_err());
        assert!(serde_json::from_str::<Time>(r#""tomorrow""#).is_err());
    }
}
