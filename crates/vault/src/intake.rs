//! The one way in: whatever accepts a credential hands it to [`intake`] first.
//!
//! It knows no provider: which fields one wants is told as plain data. It does not judge whether a value fits the place it will
//! be injected into (the proxy refuses that) nor whether it works (a probe tells).

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use zeroize::Zeroizing;

use crate::fields::{self, Fields, is_name};
use crate::secret::Secret;

/// Most fields of a credential.
pub const MAX_FIELDS: usize = fields::MAX_FIELDS;
/// Most bytes of all its values together.
pub const MAX_BYTES: usize = fields::MAX_BYTES;
/// The field that a lone text fills.
pub const MAIN_FIELD: &str = "key";

/// A secret as it was given: one text, or a text per field. Wiped on drop; deserialises from a string or an object of strings.
pub enum Given {
    /// One text, for the main field.
    Text(Zeroizing<String>),
    /// A text for each field.
    Fields(BTreeMap<String, Zeroizing<String>>),
}

/// A field that the provider declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeclaredField<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether a credential is useless without it.
    pub required: bool,
}

/// A secret was not accepted. The messages hold nothing of what was given, not even a name that is not declared: people paste
/// secrets into the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// A required field is not there.
    #[error("the field `{field}` is missing")]
    Missing {
        /// The field.
        field: String,
    },
    /// A field is there, with nothing in it.
    #[error("the field `{field}` is empty")]
    Empty {
        /// The field.
        field: String,
    },
    /// A field is there that the provider does not declare.
    #[error("a field is not known; this provider takes {expected}")]
    Unknown {
        /// The names of the declared fields, for people.
        expected: String,
    },
    /// One text was given, and it is not clear which field it is for.
    #[error("this secret has several parts; give an object with {expected}")]
    NeedsFields {
        /// The names of the declared fields, for people.
        expected: String,
    },
    /// A value holds a character that no credential has.
    #[error("the field `{field}` holds a control character")]
    ControlCharacter {
        /// The field.
        field: String,
    },
    /// More than [`MAX_FIELDS`] fields, or more than [`MAX_BYTES`] bytes.
    #[error("the secret is too large; at most 16 fields and 64 KiB are kept")]
    TooLarge,
}

/// The fields of what was given, as `declared` wants them. Surrounding ASCII white space goes: it comes from copying.
///
/// # Errors
///
/// See [`IntakeError`].
pub fn intake(given: Given, declared: &[DeclaredField<'_>]) -> Result<Fields, IntakeError> {
    let given = match given {
        Given::Text(text) => BTreeMap::from([(lone_field(declared)?.to_owned(), text)]),
        Given::Fields(fields) => fields,
    };
    if given.len() > MAX_FIELDS || given.values().map(|value| value.len()).sum::<usize>() > MAX_BYTES {
        return Err(IntakeError::TooLarge);
    }
    if given
        .keys()
        .any(|name| !is_name(name) || declared.iter().all(|field| field.name != name))
    {
        return Err(IntakeError::Unknown {
            expected: names(declared),
        });
    }
    if let Some(missing) = declared
        .iter()
        .find(|field| field.required && !given.contains_key(field.name))
    {
        return Err(IntakeError::Missing {
            field: missing.name.to_owned(),
        });
    }
    let mut checked = BTreeMap::new();
    for (name, value) in given {
        let value = clean(&name, &value)?;
        checked.insert(name, value);
    }
    Ok(Fields::checked(checked))
}

/// The fields of a credential of which one has another value from now on: what a vendor gave in its place.
///
/// # Errors
///
/// See [`IntakeError`].
pub(crate) fn replace(plaintext: &Secret, field: &str, value: &str) -> Result<Fields, IntakeError> {
    let mut fields = fields::read(plaintext.expose());
    let unknown = || IntakeError::Unknown {
        expected: fields
            .keys()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", "),
    };
    if !fields.contains_key(field) {
        return Err(unknown());
    }
    fields.insert(field.to_owned(), clean(field, value)?);
    if fields.values().map(|value| value.len()).sum::<usize>() > MAX_BYTES {
        return Err(IntakeError::TooLarge);
    }
    Ok(Fields::checked(fields))
}

/// Which field a lone text is for: the main one, or the only one.
fn lone_field<'a>(declared: &[DeclaredField<'a>]) -> Result<&'a str, IntakeError> {
    match declared {
        _ if declared.iter().any(|field| field.name == MAIN_FIELD) => Ok(MAIN_FIELD),
        [only] => Ok(only.name),
        _ => Err(IntakeError::NeedsFields {
            expected: names(declared),
        }),
    }
}

fn clean(name: &str, value: &str) -> Result<Zeroizing<String>, IntakeError> {
    let value = value.trim_matches(|character: char| character.is_ascii_whitespace());
    if value.is_empty() {
        return Err(IntakeError::Empty {
            field: name.to_owned(),
        });
    }
    // Line ends and tabs stand inside PEM and JSON keys.
    if value
        .chars()
        .any(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t'))
    {
        return Err(IntakeError::ControlCharacter {
            field: name.to_owned(),
        });
    }
    Ok(Zeroizing::new(value.to_owned()))
}

fn names(declared: &[DeclaredField<'_>]) -> String {
    declared
        .iter()
        .map(|field| format!("`{}`", field.name))
        .collect::<Vec<_>>()
        .join(", ")
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GivenVisitor)
    }
}

/// Reads without an intermediate copy, which a derived untagged enum would make and not wipe.
struct GivenVisitor;

impl<'de> Visitor<'de> for GivenVisitor {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret: a string, or an object with a string for each field")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Given, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Given, E> {
        Ok(Given::Text(Zeroizing::new(text)))
    }

    // serde's own complaints quote what they found, which may be the secret.
    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Given, E> {
        Err(E::custom(NOT_TEXT))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Given, E> {
        Err(E::custom(NOT_TEXT))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Given, E> {
        Err(E::custom(NOT_TEXT))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, FieldText>()? {
            if fields.insert(name, value.0).is_some() {
                return Err(serde::de::Error::custom("a field is given twice"));
            }
        }
        Ok(Given::Fields(fields))
    }
}

const NOT_TEXT: &str = "a secret is text; put it in quotes";

/// The value of one field.
struct FieldText(Zeroizing<String>);

impl<'de> Deserialize<'de> for FieldText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(GivenVisitor)? {
            Given::Text(text) => Ok(Self(text)),
            Given::Fields(_) => Err(serde::de::Error::custom(NOT_TEXT)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::find;

    const KEY: DeclaredField<'_> = DeclaredField {
        name: "key",
        required: true,
    };
    const REGION: DeclaredField<'_> = DeclaredField {
        name: "region",
        required: false,
    };
    const ACCOUNT: DeclaredField<'_> = DeclaredField {
        name: "account",
        required: true,
    };

    fn text(text: &str) -> Given {
        Given::Text(Zeroizing::new(text.to_owned()))
    }

    fn fields(fields: &[(&str, &str)]) -> Given {
        let of = |(name, value): &(&str, &str)| ((*name).to_owned(), Zeroizing::new((*value).to_owned()));
        Given::Fields(fields.iter().map(of).collect())
    }

    fn refusal(given: Given, declared: &[DeclaredField<'_>]) -> IntakeError {
        intake(given, declared).err().unwrap()
    }

    fn value(given: Given, declared: &[DeclaredField<'_>], name: &str) -> Option<String> {
        let accepted = intake(given, declared).expect("accepted");
        find(accepted.to_plaintext().expose(), name).map(str::to_owned)
    }

    #[test]
    fn a_lone_text_is_the_main_field_or_the_only_one() {
        assert_eq!(
            value(text(" sk-1\r\n"), &[KEY, REGION], "key").as_deref(),
            Some("sk-1")
        );
        assert_eq!(value(text("x"), &[ACCOUNT], "account").as_deref(), Some("x"));
        let expected = "`account`, `region`".to_owned();
        assert_eq!(
            refusal(text("x"), &[ACCOUNT, REGION]),
            IntakeError::NeedsFields { expected }
        );
        assert_eq!(
            refusal(text("x"), &[KEY, ACCOUNT]),
            IntakeError::Missing {
                field: "account".into()
            }
        );
    }

    #[test]
    fn lines_inside_stay_and_control_characters_are_refused() {
        let pem = "-----BEGIN KEY-----\nAAAA\r\n-----END KEY-----";
        assert_eq!(
            value(text(&format!("\n{pem}\n")), &[KEY], "key").as_deref(),
            Some(pem)
        );
        for bad in ["a\0b", "a\x1bb", "a\x7fb", "a\u{85}b", "\0"] {
            assert_eq!(
                refusal(text(bad), &[KEY]),
                IntakeError::ControlCharacter { field: "key".into() },
                "{bad:?}"
            );
        }
        for empty in ["", " \t\r\n"] {
            assert_eq!(
                refusal(text(empty), &[KEY]),
                IntakeError::Empty { field: "key".into() }
            );
        }
    }

    #[test]
    fn only_declared_fields_are_taken_and_a_refusal_repeats_nothing() {
        let error = refusal(
            fields(&[("key", "a"), ("sk_canary_1", "sk-canary-2")]),
            &[KEY, REGION],
        );
        assert_eq!(
            error,
            IntakeError::Unknown {
                expected: "`key`, `region`".into()
            }
        );
        assert!(!error.to_string().contains("canary"));
        assert_eq!(
            refusal(fields(&[("region", "eu")]), &[KEY, REGION]),
            IntakeError::Missing { field: "key".into() }
        );
        assert_eq!(value(fields(&[("key", "a")]), &[KEY, REGION], "region"), None);
        let bad_name = DeclaredField {
            name: "Key",
            required: true,
        };
        assert!(matches!(
            refusal(fields(&[("Key", "a")]), &[bad_name]),
            IntakeError::Unknown { .. }
        ));
    }

    #[test]
    fn the_limits_hold_at_their_edges() {
        assert_eq!(
            value(text(&"x".repeat(MAX_BYTES)), &[KEY], "key").map(|value| value.len()),
            Some(MAX_BYTES)
        );
        assert_eq!(
            refusal(text(&"x".repeat(MAX_BYTES + 1)), &[KEY]),
            IntakeError::TooLarge
        );
        let names: Vec<String> = (0..=MAX_FIELDS).map(|number| format!("f{number}")).collect();
        let declared: Vec<_> = names
            .iter()
            .map(|name| DeclaredField {
                name,
                required: false,
            })
            .collect();
        let given: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
        assert!(intake(fields(&given[..MAX_FIELDS]), &declared).is_ok());
        assert_eq!(refusal(fields(&given), &declared), IntakeError::TooLarge);
    }

    #[test]
    fn json_is_a_string_or_an_object_of_strings_and_complaints_quote_nothing() {
        let read = serde_json::from_str::<Given>;
        assert!(matches!(read(r#""sk-1""#), Ok(Given::Text(text)) if *text == "sk-1"));
        assert!(matches!(read(r#"{"key":"a\u0041"}"#), Ok(Given::Fields(fields)) if *fields["key"] == "aA"));
        for bad in [
            "4242",
            "-4242",
            "4242.5",
            r#"{"key":4242}"#,
            r#"{"key":{"a":"4242"}}"#,
            r#"{"key":"4242","key":"4242"}"#,
            "[]",
            "null",
        ] {
            let complaint = read(bad).err().expect(bad).to_string();
            assert!(!complaint.contains("4242"), "{complaint}");
        }
    }
}
