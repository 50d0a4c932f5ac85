//! A field of a PATCH request in its three states.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a PATCH says about a field. Give the field `#[serde(default, skip_serializing_if = "Patch::is_keep")]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// Absent: the value stays.
    #[default]
    Keep,
    /// `null`: back to the default.
    Reset,
    /// The new value.
    Set(T),
}

impl<T> Patch<T> {
    /// Whether the field was absent.
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The value after the change, `None` being the default.
    pub fn apply(self, current: Option<T>) -> Option<T> {
        match self {
            Self::Keep => current,
            Self::Reset => None,
            Self::Set(value) => Some(value),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| value.map_or(Self::Reset, Self::Set))
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Keep | Self::Reset => serializer.serialize_none(),
            Self::Set(value) => serializer.serialize_some(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Patch;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Default, Serialize, Deserialize)]
    struct Change {
        #[serde(default, skip_serializing_if = "Patch::is_keep")]
        limit: Patch<u32>,
    }

    #[test]
    fn absent_null_and_a_value_are_three_things() {
        for (json, limit, after) in [
            ("{}", Patch::Keep, Some(7)),
            (r#"{"limit":null}"#, Patch::Reset, None),
            (r#"{"limit":0}"#, Patch::Set(0), Some(0)),
        ] {
            let change: Change = serde_json::from_str(json).unwrap();
            assert_eq!(change, Change { limit });
            assert_eq!(serde_json::to_string(&change).unwrap(), json);
            assert_eq!(change.limit.apply(Some(7)), after);
        }
    }
}
