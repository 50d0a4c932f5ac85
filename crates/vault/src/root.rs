//! The root key of a deployment: from a file, from a text, or from a passphrase.
//!
//! The environment is the caller's to read, but for the folder of systemd's credentials, and the parameters of a passphrase are the
//! caller's to store. Whoever has the root key and the database has every credential: neither belongs into the other's backup.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use keystore_core::hex;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::aead::{self, KEY};
use crate::error::VaultError;
use crate::random;
use crate::secret::Secret;

/// The longest key file that is read: more than any of the accepted forms.
const MAX_FILE_BYTES: u64 = 256;
/// Fewest characters of a passphrase. It is guessed offline by whoever takes the database.
const MIN_PASSPHRASE: usize = 12;

/// A root key. Wiped on drop.
pub struct RootKey(Secret);

/// A root key cannot be had. Never holds the key or the passphrase.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The key file cannot be read or made.
    #[error("the root key file {} cannot be used: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says; `NotFound` and `AlreadyExists` are worth a branch.
        source: io::Error,
    },
    /// Others than its owner may use the key file.
    #[error("the root key file {} has mode {mode:04o}; others may use it: run `chmod 600` on it", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is no key.
    #[error("expected 32 bytes as base64 or as 64 hexadecimal digits")]
    Malformed,
    /// The passphrase is short.
    #[error("expected a passphrase of at least {MIN_PASSPHRASE} characters")]
    ShortPassphrase,
    /// The stored parameters of the passphrase are damaged or out of range.
    #[error("the stored parameters of the passphrase are not valid")]
    Params,
    /// The operating system gave no randomness.
    #[error("no randomness")]
    NoRandomness,
}

impl From<VaultError> for RootKeyError {
    fn from(_: VaultError) -> Self {
        Self::NoRandomness
    }
}

/// How a passphrase becomes a root key: Argon2id (RFC 9106), version 19. Not secret; serialised and stored
/// beside the data. Read back, they are at most 1 GiB, 16 passes, 16 lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct PassphraseParams {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: [u8; 16],
}

impl PassphraseParams {
    /// For a new deployment: 64 MiB, 3 passes, 1 lane (more than OWASP's 2024 minimum of 46 MiB and 1 pass), and a random salt.
    ///
    /// # Errors
    ///
    /// `NoRandomness`.
    pub fn generate() -> Result<Self, RootKeyError> {
        Ok(Self {
            memory_kib: 64 * 1024,
            passes: 3,
            lanes: 1,
            salt: random::bytes()?,
        })
    }
}

/// [`PassphraseParams`] as they were stored.
#[derive(Deserialize)]
struct Stored {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: [u8; 16],
}

impl TryFrom<Stored> for PassphraseParams {
    type Error = RootKeyError;

    /// Whoever changes the parameters in the database gets another key, and with these bounds cannot stop the machine.
    fn try_from(stored: Stored) -> Result<Self, RootKeyError> {
        let Stored {
            memory_kib,
            passes,
            lanes,
            salt,
        } = stored;
        let in_range = (8 * 1024..=1024 * 1024).contains(&memory_kib)
            && (1..=16).contains(&passes)
            && (1..=16).contains(&lanes);
        if in_range {
            Ok(Self {
                memory_kib,
                passes,
                lanes,
                salt,
            })
        } else {
            Err(RootKeyError::Params)
        }
    }
}

impl RootKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// `NoRandomness`.
    pub fn generate() -> Result<Self, RootKeyError> {
        Ok(Self(random::key()?))
    }

    /// A new key in a new file of mode 0600, in base64, on the disk when this returns.
    ///
    /// # Errors
    ///
    /// `File` (with `AlreadyExists` rather than another key in a file that is there), `NoRandomness`.
    pub fn create_file(path: &Path) -> Result<Self, RootKeyError> {
        let key = Self::generate()?;
        let failed = |source| RootKeyError::File {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        if let Err(source) = key.write(&mut file, path) {
            // Half a key must not stand in the way of the next attempt.
            drop(fs::remove_file(path));
            return Err(failed(source));
        }
        Ok(key)
    }

    fn write(&self, file: &mut File, path: &Path) -> io::Result<()> {
        let mut text = Zeroizing::new(String::with_capacity(48));
        STANDARD.encode_string(self.0.expose(), &mut text);
        text.push('\n');
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    /// The key in a file that only its owner may use, or in a credential of systemd's: 32 raw bytes, base64, or hexadecimal digits.
    ///
    /// # Errors
    ///
    /// `File` (with `NotFound`), `Permissions`, `Malformed`.
    pub fn from_file(path: &Path) -> Result<Self, RootKeyError> {
        Self::from_file_beside(path, credentials_folder().as_deref())
    }

    /// As [`RootKey::from_file`], where systemd keeps the credentials of this service in the folder `credentials`.
    fn from_file_beside(path: &Path, credentials: Option<&Path>) -> Result<Self, RootKeyError> {
        let failed = |source| RootKeyError::File {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
        let is_credential = credentials.is_some_and(|folder| is_credential(path, mode, folder));
        if mode & 0o077 != 0 && !is_credential {
            return Err(RootKeyError::Permissions {
                path: path.to_owned(),
                mode,
            });
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(512));
        file.take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() == KEY {
            return Ok(Self(Secret::new(std::mem::take(&mut *bytes))));
        }
        Self::from_text(std::str::from_utf8(&bytes).map_err(|_| RootKeyError::Malformed)?)
    }

    /// The key in a text: base64 (padded or not) or 64 hexadecimal digits, white space around it ignored.
    ///
    /// # Errors
    ///
    /// `Malformed`.
    pub fn from_text(text: &str) -> Result<Self, RootKeyError> {
        let text = text.trim();
        let bytes = Zeroizing::new(match text.len() {
            64 => hexadecimal(text).ok_or(RootKeyError::Malformed)?,
            44 => STANDARD.decode(text).map_err(|_| RootKeyError::Malformed)?,
            43 => STANDARD_NO_PAD
                .decode(text)
                .map_err(|_| RootKeyError::Malformed)?,
            _ => return Err(RootKeyError::Malformed),
        });
        if bytes.len() == KEY {
            Ok(Self(Secret::new(bytes.to_vec())))
        } else {
            Err(RootKeyError::Malformed)
        }
    }

    /// The key that a passphrase makes. Takes a few hundred milliseconds: not for an async task.
    ///
    /// # Errors
    ///
    /// `ShortPassphrase`, `Params`.
    pub fn from_passphrase(passphrase: &str, params: &PassphraseParams) -> Result<Self, RootKeyError> {
        if passphrase.chars().count() < MIN_PASSPHRASE {
            return Err(RootKeyError::ShortPassphrase);
        }
        let costs = Params::new(params.memory_kib, params.passes, params.lanes, Some(KEY));
        let argon2 = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            costs.map_err(|_| RootKeyError::Params)?,
        );
        let mut key = Zeroizing::new(vec![0; KEY]);
        argon2
            .hash_password_into(passphrase.as_bytes(), &params.salt, &mut key)
            .map_err(|_| RootKeyError::Params)?;
        Ok(Self(Secret::new(std::mem::take(&mut *key))))
    }

    /// Sixteen hexadecimal digits that tell one root key from another and tell nothing about it.
    ///
    /// # Errors
    ///
    /// The cryptographic library refuses.
    pub fn fingerprint(&self) -> Result<String, VaultError> {
        let derived = aead::derive(&self.0, "keystore/root/fingerprint/v1")?;
        Ok(hex(&derived.expose()[..8]))
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.0
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some((digit(pair[0])? << 4) | digit(pair[1])?))
        .collect()
}

/// Where systemd keeps the credentials of this service (`LoadCredential=`), if it gave it any.
#[expect(
    clippy::disallowed_methods,
    reason = "it is no setting: systemd says by it which folder it opens to this service alone"
)]
fn credentials_folder() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

/// Whether this is a credential in systemd's folder for the service, as systemd makes it. Nobody but root and the service gets into
/// that folder. With `DynamicUser=` the file is root's, an entry of its access control list lets the service read it, and the mask of
/// that list shows as the group's right to read (systemd 254 and newer, its issue 29435). Any other mode is not systemd's doing.
fn is_credential(path: &Path, mode: u32, folder: &Path) -> bool {
    let leads_out = path.components().any(|part| part == Component::ParentDir);
    mode == 0o440 && folder.is_absolute() && path.starts_with(folder) && !leads_out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn write(path: &Path, bytes: &[u8], mode: u32) {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn bytes(key: Result<RootKey, RootKeyError>) -> Vec<u8> {
        key.unwrap().0.expose().to_vec()
    }

    #[test]
    fn a_made_file_is_private_is_read_back_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        let made = bytes(RootKey::create_file(&path));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(bytes(RootKey::from_file(&path)), made);
        let again = RootKey::create_file(&path).err().unwrap();
        assert!(
            matches!(again, RootKeyError::File { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
        );
        assert_eq!(bytes(RootKey::from_file(&path)), made);
    }

    #[test]
    fn a_file_that_others_may_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        for mode in [0o640, 0o604, 0o660, 0o644, 0o601, 0o700 | 0o010] {
            write(&path, &[7; 32], mode);
            let error = RootKey::from_file(&path).err().unwrap();
            assert!(
                matches!(error, RootKeyError::Permissions { mode: found, .. } if found == mode),
                "{mode:o}"
            );
        }
        for mode in [0o600, 0o400] {
            write(&path, &[7; 32], mode);
            assert_eq!(bytes(RootKey::from_file(&path)), [7; 32]);
            fs::remove_file(&path).unwrap();
        }
        let missing = RootKey::from_file(&path).err().unwrap();
        assert!(
            matches!(missing, RootKeyError::File { source, .. } if source.kind() == io::ErrorKind::NotFound)
        );
    }

    #[test]
    fn a_credential_of_systemds_may_show_as_its_groups_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = folder.path().join("keystore.service");
        let elsewhere = folder.path().join("keystore.service.d");
        for folder in [&credentials, &elsewhere] {
            fs::create_dir(folder).unwrap();
            write(&folder.join("root.key"), &[7; 32], 0o440);
        }
        let is_refused = |path: &Path, credentials: Option<&Path>| {
            let error = RootKey::from_file_beside(path, credentials).err();
            matches!(error, Some(RootKeyError::Permissions { .. }))
        };
        let path = credentials.join("root.key");
        let read = RootKey::from_file_beside(&path, Some(&credentials));
        assert_eq!(bytes(read), [7; 32]);
        assert!(is_refused(&path, None), "there is no service");
        assert!(is_refused(&path, Some(&elsewhere)), "of another service");
        assert!(is_refused(&path, Some(Path::new(""))), "everything begins so");
        assert!(is_refused(&elsewhere.join("root.key"), Some(&credentials)));
        let around = credentials.join("../keystore.service.d/root.key");
        assert!(is_refused(&around, Some(&credentials)));
        for mode in [0o640, 0o444, 0o460, 0o450, 0o404] {
            let path = credentials.join(format!("{mode:o}"));
            write(&path, &[7; 32], mode);
            assert!(is_refused(&path, Some(&credentials)), "{mode:o}");
        }
    }

    #[test]
    fn a_key_is_read_in_every_form_and_nothing_else_is() {
        let key: Vec<u8> = (0..32).collect();
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let base64 = STANDARD.encode(&key);
        for text in [
            hex.clone(),
            hex.to_uppercase(),
            base64.clone(),
            base64.trim_end_matches('=').into(),
            format!(" {base64}\n"),
        ] {
            assert_eq!(bytes(RootKey::from_text(&text)), key, "{text}");
        }
        let raw_text = "a".repeat(32);
        for bad in [
            "",
            &hex[1..],
            &hex.replace('0', "g"),
            &base64.replace('A', "-"),
            raw_text.as_str(),
            &format!("{base64}{base64}"),
        ] {
            assert!(
                matches!(RootKey::from_text(bad), Err(RootKeyError::Malformed)),
                "{bad}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        write(&path, &[0xff; 33], 0o600);
        assert!(matches!(RootKey::from_file(&path), Err(RootKeyError::Malformed)));
        write(&path, hex.as_bytes(), 0o600);
        assert_eq!(bytes(RootKey::from_file(&path)), key);
    }

    #[test]
    fn a_passphrase_gives_the_same_key_as_ever() {
        // Pinned: a change would lock every deployment with a passphrase out.
        let params = PassphraseParams {
            memory_kib: 8 * 1024,
            passes: 1,
            lanes: 1,
            salt: *b"sixteen bytes ok",
        };
        let key = bytes(RootKey::from_passphrase("correct horse battery", &params));
        let other_salt = PassphraseParams {
            salt: *b"sixteen bytes no",
            ..params
        };
        assert_ne!(
            bytes(RootKey::from_passphrase("correct horse battery", &other_salt)),
            key
        );
        assert_ne!(
            bytes(RootKey::from_passphrase("correct horse batterx", &params)),
            key
        );
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "2d9367d898051cf061511cedfd49c1d20c49f3e2debdc5c61800ea033b8435a5"
        );
        assert!(matches!(
            RootKey::from_passphrase("short", &params),
            Err(RootKeyError::ShortPassphrase)
        ));
    }

    #[test]
    fn argon2id_gives_the_answer_of_rfc_9106() {
        // RFC 9106, 5.3.
        let params = argon2::ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(argon2::AssociatedData::new(&[4; 12]).unwrap())
            .output_len(32)
            .build()
            .unwrap();
        let argon2 = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
        let mut tag = [0; 32];
        argon2.hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
        let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
        );
    }

    #[test]
    fn stored_parameters_go_round_and_stay_in_their_bounds() {
        let params = PassphraseParams::generate().unwrap();
        let read = |params: &PassphraseParams| {
            serde_json::from_slice::<PassphraseParams>(&serde_json::to_vec(params).unwrap())
        };
        assert_eq!(read(&params).unwrap(), params);
        assert_ne!(PassphraseParams::generate().unwrap(), params);
        let costs = [
            (1024, 3, 1),
            (u32::MAX, 3, 1),
            (65536, 0, 1),
            (65536, 1000, 1),
            (65536, 3, 0),
            (65536, 3, 17),
        ];
        for (memory_kib, passes, lanes) in costs {
            let bad = PassphraseParams {
                memory_kib,
                passes,
                lanes,
                ..params
            };
            assert!(read(&bad).is_err(), "{bad:?}");
        }
        assert!(serde_json::from_slice::<PassphraseParams>(b"").is_err());
    }

    #[test]
    fn a_fingerprint_tells_keys_apart() {
        let key = |byte: u8| RootKey(Secret::new(vec![byte; 32])).fingerprint().unwrap();
        assert_eq!(key(1), key(1));
        assert_ne!(key(1), key(2));
        assert_eq!(key(1).len(), 16);
    }
}
