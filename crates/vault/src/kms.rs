//! Custody of the keys that wrap other keys: whoever can wrap and unwrap the KEKs.
//!
//! One file a holder: a key on this machine ([`crate::local`]), AWS KMS, Google Cloud KMS, Azure Key Vault, and HashiCorp Vault's
//! Transit engine, which OpenBao speaks too. What all of them authenticate with a key is a [`Context`]. Which identity the server
//! has there is found as that ecosystem's own tools find it, from what the caller hands over in [`Ambient`]; nothing here reads
//! the environment, and nothing here knows what is wrapped or where it is stored.

mod ambient;
mod aws;
mod azure;
mod context;
mod crc32c;
mod expiring;
mod gcp;
mod http;
mod name;
mod transit;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use keystore_core::Clock;

use crate::secret::Secret;

pub use ambient::{Ambient, VARIABLES};
pub use context::Context;
pub use http::may_carry_secrets;
pub use name::{InvalidKeyName, KeyKind, KeyName};
pub use transit::{TransitAuth, TransitSettings};

/// What a KMS answers, some time later.
pub type KmsFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, KmsError>> + Send + 'a>>;

/// Why a KMS did not do what it was asked, as far as somebody does something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KmsFault {
    /// It cannot be reached, or not now. Passes by itself.
    Unavailable,
    /// It takes no more calls just now. Passes by itself.
    Throttled,
    /// The server has no identity there, or that identity may not use the key.
    Denied,
    /// The key exists no more, is disabled, or is about to be deleted.
    Disabled,
    /// It was reached and refused: wrapped by another key, for another context, or changed since.
    Refused,
}

impl KmsFault {
    /// Whether the same call may succeed in a moment, with nobody doing anything.
    pub const fn passes(self) -> bool {
        matches!(self, Self::Unavailable | Self::Throttled)
    }

    /// What an operator does about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Unavailable => {
                "check that the KMS runs and that this machine reaches it; it is tried again by itself"
            }
            Self::Throttled => {
                "raise the quota of the KMS, or raise `kms.kek_ttl`; it is tried again by itself"
            }
            Self::Denied => {
                "check the identity that the server has at the KMS, and that it may encrypt and decrypt with the key"
            }
            Self::Disabled => {
                "enable the key at the KMS, or cancel its deletion; it is tried again by itself"
            }
            Self::Refused => "name the key under which the keys were wrapped (`[kms]`)",
        }
    }

    /// What happened, in words that name nothing.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unavailable => "the KMS cannot be reached",
            Self::Throttled => "the KMS takes no more calls just now",
            Self::Denied => "the KMS does not let this server use the key",
            Self::Disabled => "the key at the KMS is disabled or gone",
            Self::Refused => "the KMS refused: wrong key or context",
        }
    }
}

/// A KMS did not do what it was asked. The detail is the KMS's own word for it, without anything that was wrapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", fault.words())]
pub struct KmsError {
    /// What kind of failure it is.
    pub fault: KmsFault,
    /// What exactly was said.
    pub detail: String,
}

impl KmsError {
    /// A failure with the words of the one who tells.
    pub fn new(fault: KmsFault, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if detail.len() > 500 {
            let cut = (0..=500).rev().find(|at| detail.is_char_boundary(*at));
            detail.truncate(cut.unwrap_or(0));
        }
        Self { fault, detail }
    }
}

/// A holder of a key. The context is authenticated: unwrapping under another one fails.
pub trait Kms: Send + Sync {
    /// `key`, wrapped for `context`.
    fn wrap<'a>(&'a self, key: &'a Secret, context: &'a Context) -> KmsFuture<'a, Vec<u8>>;

    /// The key in `wrapped`, if it was wrapped for `context`.
    fn unwrap<'a>(&'a self, wrapped: &'a [u8], context: &'a Context) -> KmsFuture<'a, Secret>;
}

/// What the operator says about the KMSs beside their keys' names.
#[derive(Default)]
pub struct KmsSettings {
    /// Where AWS KMS is, instead of the region's own endpoint.
    pub aws_endpoint: Option<String>,
    /// Where Google Cloud KMS is, instead of `https://cloudkms.googleapis.com`.
    pub gcp_endpoint: Option<String>,
    /// Where Azure Key Vaults are, instead of the host in the key's name.
    pub azure_endpoint: Option<String>,
    /// The Vault or OpenBao.
    pub transit: Option<TransitSettings>,
    /// PEM certificates to be trusted beside those of the public authorities.
    pub extra_ca: Option<Vec<u8>>,
}

/// Opens keys by their names. Keys at one KMS share the server's identity there, which is renewed by one of them at a time.
pub struct Holders {
    aws: Arc<aws::Account>,
    gcp: Arc<gcp::Account>,
    azure: Arc<azure::Account>,
    transit: Option<Arc<transit::Server>>,
}

impl Holders {
    /// Makes no call.
    ///
    /// # Errors
    ///
    /// `Denied` when the settings cannot be used.
    pub fn new(settings: KmsSettings, ambient: Ambient, clock: &Arc<dyn Clock>) -> Result<Self, KmsError> {
        let ambient = Arc::new(ambient);
        let http = http::Http::new(settings.extra_ca.as_deref())?;
        let parts = || (http.clone(), Arc::clone(&ambient), Arc::clone(clock));
        Ok(Self {
            aws: Arc::new(aws::Account::new(settings.aws_endpoint, parts())?),
            gcp: Arc::new(gcp::Account::new(settings.gcp_endpoint.as_deref(), parts())?),
            azure: Arc::new(azure::Account::new(settings.azure_endpoint, parts())?),
            transit: match settings.transit {
                Some(transit) => Some(Arc::new(transit::Server::new(transit, parts())?)),
                None => None,
            },
        })
    }

    /// The key of this name. Makes no call.
    ///
    /// # Errors
    ///
    /// `Denied` for a key in a Vault when the operator has named no Vault.
    pub fn open(&self, name: &KeyName) -> Result<Arc<dyn Kms>, KmsError> {
        Ok(match name {
            KeyName::Aws(key) => Arc::new(aws::AwsKey::new(Arc::clone(&self.aws), key.clone())),
            KeyName::Gcp(key) => Arc::new(gcp::GcpKey::new(Arc::clone(&self.gcp), key.clone())),
            KeyName::Azure(key) => Arc::new(azure::AzureKey::new(Arc::clone(&self.azure), key.clone())),
            KeyName::Vault(key) => {
                let server = self.transit.as_ref().ok_or_else(|| {
                    KmsError::new(
                        KmsFault::Denied,
                        "no Vault is set up on this server (`kms.vault.address`)",
                    )
                })?;
                Arc::new(transit::TransitKey::new(Arc::clone(server), key.clone()))
            }
        })
    }
}

/// What every account at a KMS is made of.
type Parts = (http::Http, Arc<Ambient>, Arc<dyn Clock>);

#[cfg(test)]
mod tests;
