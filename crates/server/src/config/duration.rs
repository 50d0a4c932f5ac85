//! Durations as people write them: `500ms`, `30s`, `10m`, `1h 30m`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    match jiff::SignedDuration::try_from(*duration) {
        Ok(duration) => serializer.collect_str(&format_args!("{duration:#}")),
        Err(_) => Err(serde::ser::Error::custom("duration out of range")),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a duration such as `30s` or `10m`")))
}
