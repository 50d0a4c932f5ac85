//! A credential's plaintext: secret values by field name.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::format::Reader;
use crate::secret::Secret;

/// The fields of a credential. The main one is `key`. Made by `intake` alone.
pub struct Fields(pub(crate) BTreeMap<String, Secret>);

impl Fields {
    /// The names of the fields, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The plaintext that is sealed: for each field, in order, the length of its name, its name, the length of its value, its
    /// value.
    pub(crate) fn to_plaintext(&self) -> Secret {
        let length = self
            .0
            .iter()
            .map(|(name, value)| 8 + name.len() + value.len())
            .sum();
        // Never grows, so that no copy is left behind in a buffer that was too small.
        let mut text = Zeroizing::new(Vec::with_capacity(length));
        for (name, value) in &self.0 {
            crate::format::field(&mut text, name.as_bytes());
            crate::format::field(&mut text, value.expose());
        }
        Secret::new(std::mem::take(&mut *text))
    }
}

/// Where the value of `name` stands in a plaintext.
pub(crate) fn find<'a>(plaintext: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut reader = Reader(plaintext);
    while !reader.0.is_empty() {
        let found = next(&mut reader).ok()?;
        let value = next(&mut reader).ok()?;
        if found == name.as_bytes() {
            return Some(value);
        }
    }
    None
}

fn next<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], VaultError> {
    let length = u32::from_be_bytes(reader.array()?);
    reader.slice(usize::try_from(length).map_err(|_| VaultError::Corrupt)?)
}
