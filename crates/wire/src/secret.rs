//! Secrets on their way in. These types can be read from a request and nothing else: they have no Debug, Display, Clone or
//! Serialize, and are overwritten when they are dropped.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema, Type};
use zeroize::Zeroizing;

/// The field that a secret given as a plain string is stored under: the main field of every provider.
pub const MAIN_FIELD: &str = "key";

/// One secret text: a password, a sign-in code.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// The secret around `text`.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. For checking it, never for storing or showing it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl utoipa::PartialSchema for SecretText {
    fn schema() -> RefOr<Schema> {
        secret_string().into()
    }
}

impl utoipa::ToSchema for SecretText {}

/// A provider's secret: one string, or an object of named fields where the provider needs several.
pub struct SecretFields(BTreeMap<String, Zeroizing<String>>);

impl SecretFields {
    /// The fields by name; a plain string is the field [`MAIN_FIELD`].
    pub fn into_fields(self) -> BTreeMap<String, Zeroizing<String>> {
        self.0
    }

    /// The names of the fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = SecretFields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret as a string, or an object of strings by field name")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretFields, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<SecretFields, E> {
        Ok(SecretFields(BTreeMap::from([(
            MAIN_FIELD.to_owned(),
            Zeroizing::new(text),
        )])))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretFields, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, String>()? {
            if fields.insert(name, Zeroizing::new(value)).is_some() {
                return Err(A::Error::custom("a field of the secret is given twice"));
            }
        }
        Ok(SecretFields(fields))
    }
}

impl<'de> Deserialize<'de> for SecretFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldsVisitor)
    }
}

impl utoipa::PartialSchema for SecretFields {
    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new()
            .item(secret_string())
            .item(
                ObjectBuilder::new()
                    .schema_type(Type::Object)
                    .additional_properties(Some(AdditionalProperties::from(RefOr::T(Schema::from(
                        secret_string(),
                    ))))),
            )
            .description(Some(
                "The provider's key, or an object of its fields where it needs several. Never returned.",
            ))
            .into()
    }
}

impl utoipa::ToSchema for SecretFields {}

fn secret_string() -> utoipa::openapi::schema::Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(
            utoipa::openapi::KnownFormat::Password,
        )))
        .write_only(true)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Option<Vec<(String, String)>> {
        let secret = serde_json::from_str::<SecretFields>(json).ok()?;
        Some(
            secret
                .into_fields()
                .into_iter()
                .map(|(name, value)| (name, value.to_string()))
                .collect(),
        )
    }

    #[test]
    fn a_string_is_the_main_field() {
        assert_eq!(
            fields(r#""sk-1""#),
            Some(vec![("key".to_owned(), "sk-1".to_owned())])
        );
        assert_eq!(
            fields(r#"{"user":"a","key":"b\n"}"#),
            Some(vec![
                ("key".to_owned(), "b\n".to_owned()),
                ("user".to_owned(), "a".to_owned())
            ])
        );
    }

    #[test]
    fn other_forms_are_refused() {
        for json in ["1", "null", "[]", r#"{"key":1}"#, r#"{"key":"a","key":"b"}"#] {
            assert_eq!(fields(json), None, "{json}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_the_secret() {
        let error = serde_json::from_str::<SecretFields>(r#"{"key":"a-secret","key":"another-secret"}"#)
            .err()
            .unwrap()
            .to_string();
        assert!(!error.contains("secret\""), "{error}");
        assert!(!error.contains("another"), "{error}");
    }
}
