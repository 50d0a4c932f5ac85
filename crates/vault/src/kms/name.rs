//! The name of a key at a KMS, in one line: which KMS, and which key there.
//!
//! ```text
//! aws:arn:aws:kms:eu-central-1:111122223333:key/1234abcd-…
//! gcp:projects/p/locations/europe-west3/keyRings/r/cryptoKeys/k
//! azure:https://acme.vault.azure.net/keys/keystore
//! vault:transit/keystore      vault:acme-ns#transit/keystore
//! ```
//!
//! An organization's administrator may give one, so a name chooses no host: of AWS and Google it chooses a region, of Azure a vault
//! of Azure's own, and of a Vault a key in the one that the operator has set up.

use std::fmt;
use std::str::FromStr;

/// A key at a KMS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyName {
    /// AWS KMS.
    Aws(AwsName),
    /// Google Cloud KMS: the key's resource name.
    Gcp(String),
    /// Azure Key Vault.
    Azure(AzureName),
    /// HashiCorp Vault or OpenBao, engine Transit.
    Vault(VaultName),
}

/// Which KMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// AWS KMS.
    Aws,
    /// Google Cloud KMS.
    Gcp,
    /// Azure Key Vault.
    Azure,
    /// HashiCorp Vault or OpenBao.
    Vault,
}

/// A key or an alias of AWS KMS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AwsName {
    pub(super) arn: String,
    pub(super) partition: String,
    pub(super) region: String,
}

/// A key of Azure Key Vault; new keys are wrapped by its newest version where none is named.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AzureName {
    pub(super) host: String,
    pub(super) key: String,
    pub(super) version: Option<String>,
}

/// A key of Transit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VaultName {
    pub(super) namespace: Option<String>,
    pub(super) mount: String,
    pub(super) key: String,
}

/// A text names no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidKeyName(&'static str);

/// Where Azure's vaults are, and what their tokens are for.
pub(super) const AZURE_CLOUDS: [(&str, &str); 6] = [
    (".vault.azure.net", "https://vault.azure.net"),
    (".managedhsm.azure.net", "https://managedhsm.azure.net"),
    (".vault.azure.cn", "https://vault.azure.cn"),
    (".managedhsm.azure.cn", "https://managedhsm.azure.cn"),
    (".vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net"),
    (
        ".managedhsm.usgovcloudapi.net",
        "https://managedhsm.usgovcloudapi.net",
    ),
];

impl KeyName {
    /// Which KMS it is at.
    pub const fn kind(&self) -> KeyKind {
        match self {
            Self::Aws(_) => KeyKind::Aws,
            Self::Gcp(_) => KeyKind::Gcp,
            Self::Azure(_) => KeyKind::Azure,
            Self::Vault(_) => KeyKind::Vault,
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aws(key) => write!(f, "aws:{}", key.arn),
            Self::Gcp(key) => write!(f, "gcp:{key}"),
            Self::Azure(key) => {
                write!(f, "azure:https://{}/keys/{}", key.host, key.key)?;
                key.version
                    .as_ref()
                    .map_or(Ok(()), |version| write!(f, "/{version}"))
            }
            Self::Vault(key) => {
                f.write_str("vault:")?;
                if let Some(namespace) = &key.namespace {
                    write!(f, "{namespace}#")?;
                }
                write!(f, "{}/{}", key.mount, key.key)
            }
        }
    }
}

impl FromStr for KeyName {
    type Err = InvalidKeyName;

    fn from_str(text: &str) -> Result<Self, InvalidKeyName> {
        if text.len() > 500 {
            return Err(InvalidKeyName("expected at most 500 characters"));
        }
        match text.split_once(':') {
            Some(("aws", arn)) => aws(arn).ok_or(InvalidKeyName(
                "expected aws: and the ARN of a key or an alias: aws:arn:aws:kms:REGION:ACCOUNT:key/ID",
            )),
            Some(("gcp", name)) => gcp(name).ok_or(InvalidKeyName(
                "expected gcp:projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY",
            )),
            Some(("azure", url)) => azure(url).ok_or(InvalidKeyName(
                "expected azure:https://VAULT.vault.azure.net/keys/KEY, with or without a version",
            )),
            Some(("vault", path)) => vault(path).ok_or(InvalidKeyName(
                "expected vault:MOUNT/KEY, or vault:NAMESPACE#MOUNT/KEY",
            )),
            _ => Err(InvalidKeyName(
                "expected a key that begins with aws:, gcp:, azure: or vault:",
            )),
        }
    }
}

/// A word of letters, digits and these signs, that no path climbs out by.
fn is_word(text: &str, signs: &str) -> bool {
    let fits = |byte: char| byte.is_ascii_alphanumeric() || signs.contains(byte);
    !text.is_empty() && text.chars().all(fits) && text != "." && text != ".."
}

fn aws(arn: &str) -> Option<KeyName> {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let ["arn", partition, "kms", region, account, key] = parts[..] else {
        return None;
    };
    let (kind, id) = key.split_once('/')?;
    let is_fit = (partition == "aws" || partition.starts_with("aws-"))
        && is_word(partition, "-")
        && is_word(region, "-")
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(kind, "key" | "alias")
        && id.split('/').all(|part| is_word(part, "-_"));
    is_fit.then(|| {
        KeyName::Aws(AwsName {
            arn: arn.to_owned(),
            partition: partition.to_owned(),
            region: region.to_owned(),
        })
    })
}

fn gcp(name: &str) -> Option<KeyName> {
    let parts: Vec<_> = name.split('/').collect();
    let [
        "projects",
        project,
        "locations",
        location,
        "keyRings",
        ring,
        "cryptoKeys",
        key,
    ] = parts[..]
    else {
        return None;
    };
    let is_fit = is_word(project, "-.:_") && [location, ring, key].iter().all(|part| is_word(part, "-_"));
    is_fit.then(|| KeyName::Gcp(name.to_owned()))
}

fn azure(url: &str) -> Option<KeyName> {
    let (host, path) = url.strip_prefix("https://")?.split_once("/keys/")?;
    let is_azure = AZURE_CLOUDS
        .iter()
        .any(|(suffix, _)| host.strip_suffix(suffix).is_some_and(|vault| is_word(vault, "-")));
    let (key, version) = match path.trim_end_matches('/').split_once('/') {
        Some((key, version)) => (key, Some(version)),
        None => (path.trim_end_matches('/'), None),
    };
    let is_fit = is_azure && is_word(key, "-") && version.is_none_or(|version| is_word(version, ""));
    is_fit.then(|| {
        KeyName::Azure(AzureName {
            host: host.to_owned(),
            key: key.to_owned(),
            version: version.map(str::to_owned),
        })
    })
}

fn vault(path: &str) -> Option<KeyName> {
    let (namespace, path) = match path.split_once('#') {
        Some((namespace, path)) => (Some(namespace), path),
        None => (None, path),
    };
    let (mount, key) = path.rsplit_once('/')?;
    let is_path = |path: &str| path.split('/').all(|part| is_word(part, "-_."));
    let is_fit = is_path(mount) && is_word(key, "-_.") && namespace.is_none_or(is_path);
    is_fit.then(|| {
        KeyName::Vault(VaultName {
            namespace: namespace.map(str::to_owned),
            mount: mount.to_owned(),
            key: key.to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_and_written_the_same() {
        for text in [
            "aws:arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "aws:arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/team/keystore",
            "aws:arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
            "gcp:projects/example.com:p-1/locations/europe-west3/keyRings/r/cryptoKeys/k",
            "azure:https://acme.vault.azure.net/keys/keystore",
            "azure:https://acme.managedhsm.usgovcloudapi.net/keys/keystore/0123456789abcdef",
            "vault:transit/keystore",
            "vault:acme/eu#transit/eu/keystore",
        ] {
            assert_eq!(text.parse::<KeyName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_name_chooses_no_host_and_climbs_out_of_no_path() {
        for text in [
            "",
            "aws:",
            "aws:arn:aws:kms:evil.example/:111122223333:key/1",
            "aws:arn:aws:kms:eu-central-1:1:key/1",
            "aws:arn:aws:s3:eu-central-1:111122223333:key/1",
            "aws:arn:evil:kms:eu-central-1:111122223333:key/1",
            "aws:arn:aws:kms:eu-central-1:111122223333:key/",
            "aws:arn:aws:kms:eu-central-1:111122223333:secret/1",
            "gcp:projects/../locations/l/keyRings/r/cryptoKeys/k",
            "gcp:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
            "gcp:projects/p/locations/l/keyRings/r/cryptoKeys/k:decrypt?",
            "azure:https://evil.example/keys/k",
            "azure:http://acme.vault.azure.net/keys/k",
            "azure:https://evil.example/.vault.azure.net/keys/k",
            "azure:https://.vault.azure.net/keys/k",
            "azure:https://a@b.vault.azure.net/keys/k",
            "azure:https://acme.vault.azure.net/keys/k/1/2",
            "vault:keystore",
            "vault:transit/../sys",
            "vault:../sys/transit/k",
            "vault:a?b/k",
            "vault:#transit/k",
            "local:00",
        ] {
            assert!(text.parse::<KeyName>().is_err(), "{text}");
        }
    }
}
