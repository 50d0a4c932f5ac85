//! The one way in for a credential: whatever is created, rotated or minted passes here before it is sealed.

use std::collections::BTreeMap;

use crate::fields::Fields;
use crate::secret::Secret;

/// The name of the main field.
pub const MAIN_FIELD: &str = "key";

/// The most fields of a credential.
const MAX_FIELDS: usize = 16;
/// The most bytes of all values together.
const MAX_BYTES: usize = 64 << 10;

/// A field that a provider's credentials have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether a credential without it is refused.
    pub required: bool,
}

/// What somebody handed in.
pub enum Submitted {
    /// One text: the main field.
    Single(Secret),
    /// Values by field name.
    Fields(BTreeMap<String, Secret>),
}

/// Why a credential was not taken. Never holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// A field that must be there is not.
    #[error("the field `{name}` is missing")]
    Missing {
        /// The field.
        name: String,
    },
    /// A field that the provider's credentials do not have.
    #[error("there is no field `{name}`; the fields are: {known}")]
    Unknown {
        /// What was handed in.
        name: String,
        /// What there is.
        known: String,
    },
    /// Nothing but white space.
    #[error("the field `{name}` is empty")]
    Empty {
        /// The field.
        name: String,
    },
    /// A character that no credential has: NUL or another control character outside of a multi-line key.
    #[error("the field `{name}` holds a control character; was it copied whole?")]
    ControlCharacter {
        /// The field.
        name: String,
    },
    /// More than 16 fields or 64 KiB.
    #[error("a credential has at most 16 fields and 64 KiB")]
    TooLarge,
}

/// Checks what was handed in against the provider's fields. White space around a value is taken off: it comes from copying.
///
/// # Errors
///
/// See [`IntakeError`].
pub fn intake(submitted: Submitted, declared: &[Declared<'_>]) -> Result<Fields, IntakeError> {
    let given = match submitted {
        Submitted::Single(value) => BTreeMap::from([(MAIN_FIELD.to_owned(), value)]),
        Submitted::Fields(given) => given,
    };
    let size: usize = given.values().map(Secret::len).sum();
    if given.len() > MAX_FIELDS || size > MAX_BYTES {
        return Err(IntakeError::TooLarge);
    }
    let mut fields = BTreeMap::new();
    for (name, value) in given {
        if !declared.iter().any(|field| field.name == name) {
            let known = declared
                .iter()
                .map(|field| field.name)
                .collect::<Vec<_>>()
                .join(", ");
            return Err(IntakeError::Unknown { name, known });
        }
        let value = checked(&name, &value)?;
        fields.insert(name, value);
    }
    if let Some(missing) = declared
        .iter()
        .find(|field| field.required && !fields.contains_key(field.name))
    {
        return Err(IntakeError::Missing {
            name: missing.name.to_owned(),
        });
    }
    Ok(Fields(fields))
}

fn checked(name: &str, value: &Secret) -> Result<Secret, IntakeError> {
    let trimmed = value.expose().trim_ascii();
    if trimmed.is_empty() {
        return Err(IntakeError::Empty {
            name: name.to_owned(),
        });
    }
    // Keys in PEM have several lines.
    let allowed = |byte: &u8| !byte.is_ascii_control() || matches!(byte, b'\n' | b'\r' | b'\t');
    if !trimmed.iter().all(allowed) {
        return Err(IntakeError::ControlCharacter {
            name: name.to_owned(),
        });
    }
    Ok(Secret::new(trimmed.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::find;

    const TWO: &[Declared<'_>] = &[
        Declared {
            name: "key",
            required: true,
        },
        Declared {
            name: "account_sid",
            required: false,
        },
    ];

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    fn fields(pairs: &[(&str, &str)]) -> Submitted {
        Submitted::Fields(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), secret(value)))
                .collect(),
        )
    }

    fn refused(submitted: Submitted) -> IntakeError {
        intake(submitted, TWO).err().unwrap()
    }

    #[test]
    fn what_is_taken_can_be_found_again_without_the_white_space_of_copying() {
        let taken = intake(fields(&[("key", " sk-1\n"), ("account_sid", "AC2")]), TWO)
            .unwrap()
            .to_plaintext();
        assert!(find(taken.expose(), "key") == Some(b"sk-1"));
        assert!(find(taken.expose(), "account_sid") == Some(b"AC2"));
        assert!(find(taken.expose(), "other").is_none());
        let single = intake(Submitted::Single(secret("-----BEGIN-----\nabc\n")), TWO)
            .unwrap()
            .to_plaintext();
        assert!(find(single.expose(), "key") == Some(b"-----BEGIN-----\nabc"));
    }

    #[test]
    fn every_refusal_says_which_field() {
        let name = |text: &str| text.to_owned();
        assert_eq!(
            refused(fields(&[("account_sid", "AC")])),
            IntakeError::Missing { name: name("key") }
        );
        let known = name("key, account_sid");
        assert_eq!(
            refused(fields(&[("kee", "x")])),
            IntakeError::Unknown {
                name: name("kee"),
                known
            }
        );
        assert_eq!(
            refused(Submitted::Single(secret(" \n"))),
            IntakeError::Empty { name: name("key") }
        );
        assert_eq!(
            refused(Submitted::Single(secret("a\0b"))),
            IntakeError::ControlCharacter { name: name("key") }
        );
        assert_eq!(
            refused(Submitted::Single(Secret::new(vec![b'a'; (64 << 10) + 1]))),
            IntakeError::TooLarge
        );
    }
}
