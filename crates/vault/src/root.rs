//! The root key, from a file, a text, or a passphrase.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::aead::KEY;
use crate::error::VaultError;
use crate::random;
use crate::secret::Secret;

/// 32 bytes from which everything else can be opened.
pub struct RootKey(Secret);

/// Why there is no root key.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The file cannot be read or written.
    #[error("the root key file {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Others than the owner may read the file.
    #[error("the root key file {path} can be read by others (mode {mode:04o}): run `chmod 600 {path}`")]
    Permissions {
        /// The file.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// It is not 32 bytes, in base64, in hexadecimal, or as they are.
    #[error("the root key must be 32 bytes: in base64 (44 characters), in hexadecimal (64), or as they are")]
    Form,
    /// The passphrase is too short, or its parameters do not make a key.
    #[error("the passphrase must have at least 12 characters")]
    Passphrase,
    /// The operating system gave no randomness.
    #[error(transparent)]
    Random(#[from] VaultError),
}

/// How a passphrase becomes a key: Argon2id (RFC 9106). Not secret; must be kept with the deployment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PassphraseParams {
    /// The salt.
    pub salt: [u8; 16],
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl PassphraseParams {
    /// A new salt with 256 MiB, three passes and one lane: well above the second recommended option of RFC 9106 (64 MiB, three
    /// passes), because it is done once per start.
    ///
    /// # Errors
    ///
    /// No randomness.
    pub fn generate() -> Result<Self, VaultError> {
        Ok(Self {
            salt: random::bytes()?,
            memory_kib: 256 << 10,
            passes: 3,
            lanes: 1,
        })
    }
}

impl RootKey {
    /// Reads the key in a file, which nobody but its owner may read.
    ///
    /// # Errors
    ///
    /// `File`, `Permissions`, `Form`.
    pub fn from_file(path: &Path) -> Result<Self, RootKeyError> {
        let failed = |source| RootKeyError::File {
            path: path.display().to_string(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(RootKeyError::Permissions {
                path: path.display().to_string(),
                mode,
            });
        }
        let mut text = Zeroizing::new(Vec::with_capacity(128));
        file.take(128).read_to_end(&mut text).map_err(failed)?;
        Self::from_bytes(&text)
    }

    /// Makes a key and writes it to a file that must not exist yet, for its owner alone.
    ///
    /// # Errors
    ///
    /// `File` (also when the file exists), `Random`.
    pub fn create_file(path: &Path) -> Result<Self, RootKeyError> {
        let failed = |source| RootKeyError::File {
            path: path.display().to_string(),
            source,
        };
        let key = random::key()?;
        let mut text = Zeroizing::new(STANDARD.encode(key.expose()));
        text.push('\n');
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        Ok(Self(key))
    }

    /// Reads the key in a text, such as the value of a variable.
    ///
    /// # Errors
    ///
    /// `Form`.
    pub fn from_text(text: &str) -> Result<Self, RootKeyError> {
        Self::from_bytes(text.as_bytes())
    }

    /// Derives the key from a passphrase. Takes about a second and the memory that `params` say: call it where blocking is
    /// allowed.
    ///
    /// # Errors
    ///
    /// `Passphrase`.
    pub fn from_passphrase(passphrase: &str, params: &PassphraseParams) -> Result<Self, RootKeyError> {
        if passphrase.chars().count() < 12 {
            return Err(RootKeyError::Passphrase);
        }
        let costs = Params::new(params.memory_kib, params.passes, params.lanes, Some(KEY))
            .map_err(|_| RootKeyError::Passphrase)?;
        let mut key = vec![0; KEY];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, costs)
            .hash_password_into(passphrase.as_bytes(), &params.salt, &mut key)
            .map_err(|_| RootKeyError::Passphrase)?;
        Ok(Self(Secret::new(key)))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RootKeyError> {
        if bytes.len() == KEY {
            return Ok(Self(Secret::new(bytes.to_vec())));
        }
        let text = bytes.trim_ascii();
        let decoded = match text.len() {
            64 => from_hex(text),
            _ => STANDARD.decode(text).ok(),
        };
        let key = Secret::new(decoded.ok_or(RootKeyError::Form)?);
        if key.len() == KEY {
            Ok(Self(key))
        } else {
            Err(RootKeyError::Form)
        }
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.0
    }
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok();
    text.chunks_exact(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_and_read_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        let made = RootKey::create_file(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(RootKey::from_file(&path).unwrap().0.expose() == made.0.expose());
        assert!(
            matches!(RootKey::create_file(&path), Err(RootKeyError::File { .. })),
            "never overwritten"
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            RootKey::from_file(&path),
            Err(RootKeyError::Permissions { mode: 0o640, .. })
        ));
        assert!(matches!(
            RootKey::from_file(&folder.path().join("none")),
            Err(RootKeyError::File { .. })
        ));
    }

    #[test]
    fn a_key_is_taken_in_three_forms_and_no_other() {
        let raw = [7; 32];
        let hexadecimal = "07".repeat(32);
        let encoded = STANDARD.encode(raw);
        for text in [&hexadecimal, &encoded, &format!("  {encoded}\n")] {
            assert!(
                RootKey::from_text(text).is_ok_and(|key| key.0.expose() == raw),
                "{text}"
            );
        }
        for text in [
            "",
            "short",
            &"0g".repeat(32),
            &"07".repeat(31),
            &STANDARD.encode([7; 31]),
        ] {
            assert!(
                matches!(RootKey::from_text(text), Err(RootKeyError::Form)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_passphrase_gives_the_same_key_with_the_same_parameters_alone() {
        let params = PassphraseParams {
            salt: [1; 16],
            memory_kib: 64,
            passes: 1,
            lanes: 1,
        };
        let key =
            |phrase: &str, params: &PassphraseParams| RootKey::from_passphrase(phrase, params).unwrap().0;
        let first = key("correct horse battery", &params);
        assert!(first.expose() == key("correct horse battery", &params).expose());
        assert!(first.expose() != key("correct horse batterz", &params).expose());
        assert!(
            first.expose()
                != key(
                    "correct horse battery",
                    &PassphraseParams {
                        salt: [2; 16],
                        ..params.clone()
                    }
                )
                .expose()
        );
        assert!(matches!(
            RootKey::from_passphrase("short", &params),
            Err(RootKeyError::Passphrase)
        ));
    }
}
