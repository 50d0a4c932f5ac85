//! Text that must not be shown.

use serde::{Deserialize, Deserializer, Serializer};

/// A secret from the configuration. It has no `Display`; its `Debug` and its serialised form are a mask.
pub struct SecretText(String);

/// What is shown in a secret's place.
const MASK: &str = "********";

impl SecretText {
    /// The secret around `text`.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one use that it is kept for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(MASK)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// Writes the mask in place of the secret; for `serialize_with`.
pub(super) fn mask<S: Serializer>(secret: &Option<SecretText>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(_) => serializer.serialize_str(MASK),
        None => serializer.serialize_none(),
    }
}

/// The secret from `value`, else from the first line of `file`.
///
/// # Errors
/// `File` when the file cannot be read.
pub(super) fn read(
    value: Option<&SecretText>,
    file: Option<&std::path::Path>,
    key: &'static str,
) -> Result<Option<SecretText>, super::ConfigError> {
    if let Some(secret) = value {
        return Ok(Some(SecretText(secret.0.clone())));
    }
    let Some(path) = file else { return Ok(None) };
    let text = std::fs::read_to_string(path).map_err(|source| super::ConfigError::File {
        key,
        path: path.to_owned(),
        source,
    })?;
    let mut text = zeroize::Zeroizing::new(text);
    let line = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(line);
    Ok(Some(SecretText(std::mem::take(&mut *text))))
}
