//! What the environment of the server says about its identities: handed over by whoever may read it.
//!
//! Files that a variable names are read when an identity is renewed, not here: they change while the server runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{KmsError, KmsFault};

/// The variables that the chains of the ecosystems ask for.
pub const VARIABLES: [&str; 34] = [
    "HOME",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_ENDPOINT_URL_KMS",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "CLOUDSDK_CONFIG",
    "GCE_METADATA_HOST",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "VAULT_TOKEN",
    "VAULT_ADDR",
    "VAULT_NAMESPACE",
];

/// What the environment says. Holds secrets: it cannot be printed.
#[derive(Default)]
pub struct Ambient(BTreeMap<&'static str, Zeroizing<String>>);

impl Ambient {
    /// What `read` knows of [`VARIABLES`]; an empty value is none.
    pub fn read(read: impl Fn(&str) -> Option<String>) -> Self {
        let known = VARIABLES.into_iter().filter_map(|name| {
            let value = Zeroizing::new(read(name)?);
            (!value.trim().is_empty()).then_some((name, value))
        });
        Self(known.collect())
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    /// A file at `path` below the home folder.
    pub(super) fn at_home(&self, path: &str) -> Option<PathBuf> {
        self.get("HOME").map(|home| Path::new(home).join(path))
    }

    /// The file that `variable` names, else the one at `path` below the home folder.
    pub(super) fn file(&self, variable: &str, path: &str) -> Option<PathBuf> {
        self.get(variable)
            .map(PathBuf::from)
            .or_else(|| self.at_home(path))
    }
}

/// The text of a file that a chain names, without white space around it.
pub(super) fn text_of(path: &Path) -> Result<Zeroizing<String>, KmsError> {
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| {
            KmsError::new(
                KmsFault::Denied,
                format!("{} cannot be read: {error}", path.display()),
            )
        })?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}
