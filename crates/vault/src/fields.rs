//! A credential's plaintext: a map from field names to values, and its binary form.
//!
//! ```text
//! count(1) | count × ( name_len(1) | name | value_len(4) | value )
//! ```
//!
//! Lengths are big-endian, names ascend and occur once. Values are UTF-8. What a field may be called and hold is checked here;
//! which fields a provider wants is checked in [`crate::intake`].

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::secret::Secret;

/// Most fields of a credential.
pub(crate) const MAX_FIELDS: usize = 16;
/// Most bytes of a field's name.
pub(crate) const MAX_NAME_BYTES: usize = 64;
/// Most bytes of all values together.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// The fields of a credential, in plaintext. Only [`crate::intake`] makes them.
pub struct Fields(BTreeMap<String, Zeroizing<String>>);

impl Fields {
    /// The caller has checked names, values and limits.
    pub(crate) fn checked(fields: BTreeMap<String, Zeroizing<String>>) -> Self {
        Self(fields)
    }

    /// The names of the fields, ascending.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The binary form: what is encrypted.
    pub(crate) fn to_plaintext(&self) -> Secret {
        let length: usize = self
            .0
            .iter()
            .map(|(name, value)| 5 + name.len() + value.len())
            .sum();
        // All of it at once: a buffer that grew would leave half a copy in freed memory.
        let mut bytes = Vec::with_capacity(1 + length);
        bytes.push(u8::try_from(self.0.len()).unwrap_or(u8::MAX));
        for (name, value) in &self.0 {
            bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(value.as_bytes());
        }
        Secret::new(bytes)
    }
}

/// Whether `name` is `[a-z][a-z0-9_]{0,63}`.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// The value of the field `name` in a binary form.
pub(crate) fn find<'a>(plaintext: &'a [u8], name: &str) -> Option<&'a str> {
    let value =
        entries(plaintext).find_map(|(candidate, value)| (candidate == name.as_bytes()).then_some(value))?;
    std::str::from_utf8(value).ok()
}

/// Every field of a binary form. One that is not UTF-8 is left out.
pub(crate) fn read(plaintext: &[u8]) -> BTreeMap<String, Zeroizing<String>> {
    entries(plaintext)
        .filter_map(|(name, value)| {
            let name = std::str::from_utf8(name).ok()?.to_owned();
            let value = std::str::from_utf8(value).ok()?.to_owned();
            Some((name, Zeroizing::new(value)))
        })
        .collect()
}

/// Whether `plaintext` is exactly the form that [`Fields::to_plaintext`] writes.
pub(crate) fn is_valid(plaintext: &[u8]) -> bool {
    let Some((count, mut rest)) = plaintext.split_first() else {
        return false;
    };
    let mut previous: &[u8] = b"";
    for _ in 0..*count {
        let Some((name, value, after)) = entry(rest) else {
            return false;
        };
        if name <= previous || std::str::from_utf8(value).is_err() {
            return false;
        }
        (previous, rest) = (name, after);
    }
    rest.is_empty()
}

fn entries(plaintext: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = plaintext.get(1..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (name, value, after) = entry(rest)?;
        rest = after;
        Some((name, value))
    })
}

/// The first entry of `rest` and what follows it.
fn entry(rest: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = rest.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((name, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_found_again(
            fields in proptest::collection::btree_map("[a-z][a-z0-9_]{0,63}", "\\PC{1,200}", 1..MAX_FIELDS),
            absent in "[A-Z]{1,4}", cut: usize,
        ) {
            let kept = fields.iter().map(|(name, value)| (name.clone(), Zeroizing::new(value.clone()))).collect();
            let plaintext = Fields::checked(kept).to_plaintext();
            let plaintext = plaintext.expose();
            prop_assert!(is_valid(plaintext));
            for (name, value) in &fields {
                prop_assert_eq!(find(plaintext, name), Some(value.as_str()));
            }
            prop_assert_eq!(find(plaintext, &absent), None);
            prop_assert!(!is_valid(&plaintext[..cut % plaintext.len()]));
            prop_assert!(!is_valid(&[plaintext, &[0]].concat()));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            find(&bytes, "key");
            is_valid(&bytes);
        }
    }

    #[test]
    fn the_form_is_stable() {
        let fields = Fields::checked(BTreeMap::from([
            ("region".to_owned(), Zeroizing::new("eu".to_owned())),
            ("key".to_owned(), Zeroizing::new("sk-1".to_owned())),
        ]));
        assert_eq!(fields.names().collect::<Vec<_>>(), ["key", "region"]);
        assert!(fields.to_plaintext().expose() == b"\x02\x03key\0\0\0\x04sk-1\x06region\0\0\0\x02eu");
    }

    #[test]
    fn a_field_may_stand_only_once_and_in_order() {
        assert!(is_valid(b"\x02\x01a\0\0\0\x01x\x01b\0\0\0\x01y"));
        assert!(!is_valid(b"\x02\x01b\0\0\0\x01x\x01a\0\0\0\x01y"));
        assert!(!is_valid(b"\x02\x01a\0\0\0\x01x\x01a\0\0\0\x01y"));
    }

    #[test]
    fn names_are_plain() {
        for good in ["key", "a", "secret_key_2", &"a".repeat(64)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "Key", "1key", "_key", "a-b", "a b", "ä", &"a".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
