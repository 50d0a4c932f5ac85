//! `[kms]`: the root key, from which every other key follows, and the KMSs that keys are held at.
//!
//! What identities the server has at a KMS is not set here: the ecosystems' own variables and files say it, of which
//! [`ambient`] takes the variables.

use std::path::PathBuf;
use std::time::Duration;

use keystore_vault::fips;
use keystore_vault::kms::{Ambient, KeyKind, KeyName, KmsSettings, TransitAuth, TransitSettings};
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::secret::{self, SecretText};

/// The root key: exactly one of `root`, `key_file`, `key`, `passphrase` and `passphrase_file`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KmsSection {
    /// A key at a KMS, by its name: `aws:arn:…`, `gcp:projects/…`, `azure:https://…`, `vault:MOUNT/KEY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// A file of mode 0600 with the root key, outside the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The root key itself: 32 bytes in base64 or hexadecimal. Meant for `KS_KMS__KEY`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret::mask")]
    pub key: Option<SecretText>,
    /// A passphrase that the root key is derived from by Argon2id.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret::mask")]
    pub passphrase: Option<SecretText>,
    /// A file with the passphrase in its first line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
    /// How long an unwrapped key may be kept; `0s` unwraps on each use. Default 10 minutes.
    #[serde(with = "super::duration")]
    pub kek_ttl: Duration,
    /// After so many wraps an organization gets another key-encryption key by itself. Default 2^30.
    pub max_wraps: u64,
    /// After so long an organization gets another key-encryption key by itself. Default a year.
    #[serde(with = "super::duration")]
    pub max_age: Duration,
    /// At which KMSs organizations may hold keys of their own: `aws`, `gcp`, `azure`, `vault`. None by default: their names make
    /// this server call a KMS with its own identity.
    pub customer_keys: Vec<KeyKind>,
    /// The root key before this one, in one of the same five ways: at the next start all keys are wrapped anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousSection>,
    /// Where AWS KMS is, instead of the region's own endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_endpoint: Option<String>,
    /// Where Google Cloud KMS is, instead of its own address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gcp_endpoint: Option<String>,
    /// Where Azure Key Vaults are, instead of the host in the key's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure_endpoint: Option<String>,
    /// PEM certificates that are trusted at KMSs beside those of the public authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_ca: Option<PathBuf>,
    /// The HashiCorp Vault or OpenBao.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultSection>,
}

/// `[kms.previous]`: the root key before the present one.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PreviousSection {
    /// As `kms.root`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// As `kms.key_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// As `kms.key`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret::mask")]
    pub key: Option<SecretText>,
    /// As `kms.passphrase`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret::mask")]
    pub passphrase: Option<SecretText>,
    /// As `kms.passphrase_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
}

/// `[kms.vault]`: a HashiCorp Vault or an OpenBao.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VaultSection {
    /// Its address; `VAULT_ADDR` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The namespace; `VAULT_NAMESPACE` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// How the server signs in.
    pub auth: VaultAuth,
    /// Where that is mounted; `approle` or `kubernetes` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<String>,
    /// For `auth = "token"`: a file with the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// For `auth = "approle"`: the id of the role. For `auth = "kubernetes"`: its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// For `auth = "approle"`: a file with the secret id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_id_file: Option<PathBuf>,
}

/// How the server signs in to a Vault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VaultAuth {
    /// With a token: `VAULT_TOKEN`, a file, or `~/.vault-token`.
    #[default]
    Token,
    /// With a role and a secret id.
    AppRole,
    /// With the pod's service account.
    Kubernetes,
}

/// Where a root key comes from.
#[derive(Debug)]
pub enum RootKey {
    /// A key at a KMS.
    Kms(KeyName),
    /// A key file.
    File(PathBuf),
    /// The key as text.
    Text(SecretText),
    /// A passphrase.
    Passphrase(SecretText),
}

impl Default for KmsSection {
    fn default() -> Self {
        Self {
            root: None,
            key_file: None,
            key: None,
            passphrase: None,
            passphrase_file: None,
            kek_ttl: Duration::from_secs(600),
            max_wraps: 1 << 30,
            max_age: Duration::from_secs(365 * 86_400),
            customer_keys: Vec::new(),
            previous: None,
            aws_endpoint: None,
            gcp_endpoint: None,
            azure_endpoint: None,
            extra_ca: None,
            vault: None,
        }
    }
}

/// The five ways to give a root key, from either section.
struct Ways<'a> {
    root: Option<&'a str>,
    key_file: Option<&'a PathBuf>,
    key: Option<&'a SecretText>,
    passphrase: Option<&'a SecretText>,
    passphrase_file: Option<&'a PathBuf>,
    keys: [&'static str; 2],
}

impl Ways<'_> {
    fn count(&self) -> usize {
        [
            self.root.is_some(),
            self.key_file.is_some(),
            self.key.is_some(),
            self.passphrase.is_some(),
            self.passphrase_file.is_some(),
        ]
        .into_iter()
        .filter(|given| *given)
        .count()
    }

    fn root_key(&self) -> Result<RootKey, ConfigError> {
        let none = || ConfigError::Unsafe(format!("- {}", super::safety::ONE_ROOT_KEY));
        if self.count() != 1 {
            return Err(none());
        }
        let [root, passphrase_file] = self.keys;
        if let Some(name) = self.root {
            let name = name.parse();
            return name
                .map(RootKey::Kms)
                .map_err(|error| ConfigError::Invalid(format!("`{root}`: {error}")));
        }
        if let Some(path) = self.key_file {
            return Ok(RootKey::File(path.clone()));
        }
        if let Some(text) = secret::read(self.key, None, root)? {
            return Ok(RootKey::Text(text));
        }
        if fips::BUILT {
            let why = format!(
                "`{passphrase_file}`: Argon2id stretches a passphrase, which is no approved function. {}",
                super::safety::ONE_ROOT_KEY
            );
            return Err(ConfigError::Unsafe(format!("- {why}")));
        }
        let file = self.passphrase_file.map(PathBuf::as_path);
        secret::read(self.passphrase, file, passphrase_file)?
            .map(RootKey::Passphrase)
            .ok_or_else(none)
    }
}

impl KmsSection {
    fn own(&self) -> Ways<'_> {
        Ways {
            root: self.root.as_deref(),
            key_file: self.key_file.as_ref(),
            key: self.key.as_ref(),
            passphrase: self.passphrase.as_ref(),
            passphrase_file: self.passphrase_file.as_ref(),
            keys: ["kms.root", "kms.passphrase_file"],
        }
    }

    /// How many of the ways to give a root key are used.
    pub(super) fn ways(&self) -> usize {
        self.own().count()
    }

    /// The root key's origin.
    ///
    /// # Errors
    /// `Unsafe` unless exactly one way is used; `Invalid` when the name of a key is none; `File` when the passphrase's file cannot
    /// be read.
    pub fn root_key(&self) -> Result<RootKey, ConfigError> {
        self.own().root_key()
    }

    /// The origin of the root key before, where one is named.
    ///
    /// # Errors
    /// As [`KmsSection::root_key`].
    pub fn previous(&self) -> Result<Option<RootKey>, ConfigError> {
        let Some(previous) = &self.previous else {
            return Ok(None);
        };
        let ways = Ways {
            root: previous.root.as_deref(),
            key_file: previous.key_file.as_ref(),
            key: previous.key.as_ref(),
            passphrase: previous.passphrase.as_ref(),
            passphrase_file: previous.passphrase_file.as_ref(),
            keys: ["kms.previous.root", "kms.previous.passphrase_file"],
        };
        ways.root_key().map(Some)
    }

    /// Where the KMSs are and how the server signs in to a Vault.
    ///
    /// # Errors
    /// `File`, `Invalid`.
    pub fn settings(&self, ambient: &Ambient) -> Result<KmsSettings, ConfigError> {
        let pem = |path: &PathBuf| {
            std::fs::read(path).map_err(|source| ConfigError::File {
                key: "kms.extra_ca",
                path: path.clone(),
                source,
            })
        };
        let is_needed = |name: &Option<String>| name.as_ref().is_some_and(|name| name.starts_with("vault:"));
        let previous = self
            .previous
            .as_ref()
            .is_some_and(|previous| is_needed(&previous.root));
        let named = self.vault.is_some() || is_needed(&self.root) || previous;
        let fallback = VaultSection::default();
        let vault = self.vault.as_ref().unwrap_or(&fallback);
        Ok(KmsSettings {
            aws_endpoint: self.aws_endpoint.clone(),
            gcp_endpoint: self.gcp_endpoint.clone(),
            azure_endpoint: self.azure_endpoint.clone(),
            transit: if named {
                Some(vault.settings(ambient)?)
            } else {
                None
            },
            extra_ca: self.extra_ca.as_ref().map(pem).transpose()?,
        })
    }
}

impl VaultSection {
    fn settings(&self, ambient: &Ambient) -> Result<TransitSettings, ConfigError> {
        let missing = |key: &str| ConfigError::Invalid(format!("`kms.vault.{key}` is missing"));
        let ambient = |name| ambient.get(name).map(str::to_owned);
        let mount = |usual: &str| self.mount.clone().unwrap_or_else(|| usual.to_owned());
        let role = || self.role.clone().ok_or_else(|| missing("role"));
        let auth = match self.auth {
            VaultAuth::Token => TransitAuth::Token {
                file: self.token_file.clone(),
            },
            VaultAuth::AppRole => TransitAuth::AppRole {
                mount: mount("approle"),
                role_id: role()?,
                secret_id_file: self
                    .secret_id_file
                    .clone()
                    .ok_or_else(|| missing("secret_id_file"))?,
            },
            VaultAuth::Kubernetes => TransitAuth::Kubernetes {
                mount: mount("kubernetes"),
                role: role()?,
                token_file: self.token_file.clone(),
            },
        };
        let address = self.address.clone().or_else(|| ambient("VAULT_ADDR"));
        Ok(TransitSettings {
            address: address.ok_or_else(|| missing("address"))?,
            namespace: self.namespace.clone().or_else(|| ambient("VAULT_NAMESPACE")),
            auth,
        })
    }
}

/// What the environment says of the server's identities at KMSs.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the module that reads the environment"
)]
pub fn ambient() -> Ambient {
    Ambient::read(|name| std::env::var(name).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn section(text: &str) -> KmsSection {
        Config::parse(text).unwrap().kms
    }

    #[test]
    fn a_root_key_at_a_kms_is_named_and_a_name_that_is_none_is_told() {
        let named = section("[kms]\nroot = \"vault:transit/keystore\"\n");
        assert!(matches!(named.root_key(), Ok(RootKey::Kms(_))));
        let wrong = section("[kms]\nroot = \"aws:key/1\"\n").root_key().unwrap_err();
        assert!(
            wrong
                .to_string()
                .starts_with("`kms.root`: expected aws: and the ARN"),
            "{wrong}"
        );
        let both = section("[kms]\nroot = \"vault:transit/keystore\"\nkey = \"a\"\n");
        assert!(both.root_key().is_err());
    }

    #[test]
    fn the_root_key_before_is_given_in_the_same_ways() {
        let moved = section(
            "[kms]\nroot = \"vault:transit/keystore\"\n[kms.previous]\nkey_file = \"/etc/keystore/root.key\"\n",
        );
        assert!(matches!(moved.previous(), Ok(Some(RootKey::File(_)))));
        assert!(
            section("[kms]\nkey = \"a\"\n[kms.previous]\n")
                .previous()
                .is_err()
        );
        assert!(matches!(section("[kms]\nkey = \"a\"\n").previous(), Ok(None)));
    }

    #[test]
    fn a_vault_is_needed_where_a_key_is_in_one() {
        let ambient = |address: Option<&'static str>| {
            Ambient::read(move |name| {
                (name == "VAULT_ADDR")
                    .then(|| address.map(str::to_owned))
                    .flatten()
            })
        };
        let root = section("[kms]\nroot = \"vault:transit/keystore\"\n");
        let error = root.settings(&ambient(None)).err().unwrap().to_string();
        assert_eq!(error, "`kms.vault.address` is missing");
        let found = root.settings(&ambient(Some("https://v:8200"))).ok().unwrap();
        assert_eq!(found.transit.unwrap().address, "https://v:8200");
        let none = section("[kms]\nkey = \"a\"\n")
            .settings(&ambient(None))
            .ok()
            .unwrap();
        assert!(none.transit.is_none());
        let role = section("[kms.vault]\naddress = \"https://v\"\nauth = \"approle\"\nrole = \"r\"\n");
        let error = role.settings(&ambient(None)).err().unwrap().to_string();
        assert_eq!(error, "`kms.vault.secret_id_file` is missing");
    }
}
