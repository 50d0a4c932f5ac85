//! Step 7: which credential version serves the call. It stays sealed; only `inject` opens it.

use std::sync::Arc;

use keystore_core::Deny;
use keystore_vault::{Opened, VaultError};

use crate::Proxy;
use crate::authorize::Permit;
use crate::cache::ReadyCredential;

impl Proxy {
    /// The credential of the permit's grant, bound for the host that the request names.
    pub(crate) async fn resolve(&self, permit: &Permit) -> Result<Arc<ReadyCredential>, Deny> {
        let provider = || permit.provider().slug.to_string();
        let credential = permit
            .grant()
            .credential(&self.vault)
            .await
            .map_err(|error| unusable(&error, &provider()))?
            .ok_or_else(|| Deny::CredentialMissing { provider: provider() })?;
        if credential.expires_at.is_some_and(|at| at <= self.clock.now()) {
            return Err(Deny::CredentialExpired {
                provider: provider(),
                credential: credential.name.clone(),
            });
        }
        let alias = permit.target.alias();
        if credential.policy.host(alias).is_none() {
            return Err(Deny::UnknownHost {
                provider: provider(),
                alias: alias.to_owned(),
            });
        }
        Ok(credential)
    }

    /// Opens the credential, unwrapping its keys again when they have been kept for long enough.
    pub(crate) async fn open(&self, credential: &ReadyCredential) -> Result<Opened, Deny> {
        let opened = match credential.sealed.open() {
            Err(VaultError::Stale) => Box::pin(credential.sealed.open_fresh(&self.vault)).await,
            opened => opened,
        };
        opened.map_err(|error| unusable(&error, &credential.name))
    }
}

/// A credential that cannot be opened: without the keys everything is closed; anything else is as good as no credential.
pub(crate) fn unusable(error: &VaultError, what: &str) -> Deny {
    tracing::error!(credential = what, %error, "a credential cannot be opened");
    match error {
        VaultError::Sealed | VaultError::Stale => Deny::Sealed,
        _ => Deny::CredentialMissing {
            provider: what.to_owned(),
        },
    }
}
