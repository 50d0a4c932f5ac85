//! The credential of a grant: as it is stored, and with its keys unwrapped.

use std::sync::{Arc, Mutex};

use keystore_catalog::ProviderRef;
use keystore_core::Micros;
use keystore_core::destination::DestinationPolicy;
use keystore_core::ids::{CredentialId, OrgId};
use keystore_core::policy::{AgentPolicy, Grant, Source};
use keystore_core::rate::Rates;
use keystore_store::credentials::CredentialStatus;
use keystore_store::keks::Kek;
use keystore_store::policies::LoadedCredential;
use keystore_vault::{SealContext, SealedCredential, Vault, VaultError, WrappedKek, policy_sha256};
use tokio::sync::OnceCell;

use crate::counters::{Counters, RateKey};
use crate::learned::{Learned, Limits};
use crate::upstream::CredentialKey;

/// A grant with its provider, its counters and its credential.
pub(crate) struct ReadyGrant {
    pub(crate) grant: Grant,
    pub(crate) provider: ProviderRef,
    pub(crate) rates: Arc<Mutex<Rates>>,
    org: OrgId,
    learned: Arc<Learned>,
    stored: Option<LoadedCredential>,
    /// The credential that it was moved away from.
    former: Option<LoadedCredential>,
    ready: OnceCell<Arc<ReadyCredential>>,
}

/// A credential version, sealed, with where it may go.
pub(crate) struct ReadyCredential {
    pub(crate) org: OrgId,
    pub(crate) id: CredentialId,
    pub(crate) version: u32,
    pub(crate) name: String,
    /// From this time on it is not used.
    pub(crate) expires_at: Option<Micros>,
    pub(crate) labels: Vec<String>,
    /// Whether it is under a key that its organization holds itself.
    pub(crate) customer_key: bool,
    /// The kinds of agreements that are on record with it.
    pub(crate) agreements: Vec<String>,
    pub(crate) sealed: SealedCredential,
    pub(crate) policy: DestinationPolicy,
    /// What its vendor says of its limits.
    pub(crate) learned: Arc<Learned>,
}

impl ReadyCredential {
    /// What its connections are kept by.
    pub(crate) fn key(&self) -> CredentialKey {
        CredentialKey {
            credential: self.id,
            version: self.version,
        }
    }
}

impl ReadyGrant {
    pub(super) fn new(
        grant: &Grant,
        provider: ProviderRef,
        policy: &AgentPolicy,
        credentials: &[LoadedCredential],
        (counters, limits): (&Counters, &Limits),
    ) -> Self {
        let find = |credential: Option<CredentialId>| {
            let fits = |row: &&LoadedCredential| {
                Some(row.id) == credential
                    && row.provider == grant.provider
                    && row.source == Source::Byok
                    && row.status != CredentialStatus::Disabled
            };
            credentials.iter().find(fits).cloned()
        };
        let stored = find(grant.credential.filter(|_| grant.source == Source::Byok));
        Self {
            former: find(grant.former.and_then(|former| former.credential)),
            rates: counters.rates(RateKey::Agent(policy.agent, grant.provider.clone())),
            grant: grant.clone(),
            provider,
            org: policy.org,
            learned: stored.as_ref().map(|row| limits.of(row.id)).unwrap_or_default(),
            stored,
            ready: OnceCell::new(),
        }
    }

    /// The version of a credential of the organization's own under which calls of this grant may run: that which serves it, or that
    /// which served it before it was moved.
    pub(crate) fn version(&self, credential: CredentialId) -> Option<u32> {
        self.own(credential).map(|row| row.version)
    }

    fn own(&self, credential: CredentialId) -> Option<&LoadedCredential> {
        let rows = self.stored.iter().chain(&self.former);
        rows.into_iter().find(|row| row.id == credential)
    }

    /// Whether calls are served as under `other`: at the same provider, by the same version of the same credential.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        let stored = |grant: &Self| grant.stored.as_ref().map(|row| (row.id, row.version, row.status));
        self.grant == other.grant && self.provider.is_same(&other.provider) && stored(self) == stored(other)
    }

    /// Whether calls may run on pooled credentials: new ones, or those that began before the grant was moved.
    pub(crate) fn may_use_pool(&self) -> bool {
        let before = self.grant.former.map(|former| former.source);
        self.grant.reaches_pool() || before == Some(Source::Marketplace)
    }

    /// Whether a credential of the organization's own is there for it.
    pub(crate) fn has_credential(&self) -> bool {
        self.stored.is_some()
    }

    /// Whether it is stored already that the vendor refuses its credential.
    pub(crate) fn is_known_bad(&self) -> bool {
        let known = self.stored.as_ref().map(|row| row.status);
        known == Some(CredentialStatus::Invalid)
    }

    /// From when on a credential of the organization's own is not used.
    pub(crate) fn expires_at(&self, credential: CredentialId) -> Option<Micros> {
        self.own(credential)?.expires_at
    }

    /// The credential, its keys unwrapped at first use; `None` when there is none.
    pub(crate) async fn credential(&self, vault: &Vault) -> Result<Option<Arc<ReadyCredential>>, VaultError> {
        let Some(row) = &self.stored else {
            return Ok(None);
        };
        if let Some(ready) = self.ready.get() {
            return Ok(Some(Arc::clone(ready)));
        }
        let init = self
            .ready
            .get_or_try_init(|| serving(vault, self.org, row, Arc::clone(&self.learned)));
        // On the heap: it happens once, and every request would carry room for it.
        Ok(Some(Arc::clone(Box::pin(init).await?)))
    }
}

/// As [`ready`], to serve calls: which it does not once a newer version has.
pub(crate) async fn serving(
    vault: &Vault,
    org: OrgId,
    row: &LoadedCredential,
    learned: Arc<Learned>,
) -> Result<Arc<ReadyCredential>, VaultError> {
    vault.serves(row.id, row.version)?;
    ready(vault, org, row, learned).await
}

/// A stored credential version of an organization, its keys unwrapped, checked to be what we sealed for this very place.
pub(crate) async fn ready(
    vault: &Vault,
    org: OrgId,
    row: &LoadedCredential,
    learned: Arc<Learned>,
) -> Result<Arc<ReadyCredential>, VaultError> {
    let policy = serde_json::from_slice(&row.policy).map_err(|_| VaultError::Corrupt)?;
    let (kek, context) = place(vault, org, row);
    let sealed = vault.load(&kek, context, &row.sealed).await?;
    Ok(Arc::new(ReadyCredential {
        org,
        id: row.id,
        version: row.version,
        name: row.name.clone(),
        expires_at: row.expires_at,
        labels: row.labels.clone(),
        customer_key: row.kek_customer.is_some(),
        agreements: row
            .agreements
            .as_object()
            .map(|kinds| kinds.keys().cloned().collect())
            .unwrap_or_default(),
        sealed,
        policy,
        learned,
    }))
}

/// A KEK as the vault takes it.
pub fn wrapped_kek(row: &Kek) -> WrappedKek {
    WrappedKek {
        id: row.id,
        generation: row.generation,
        org: row.org,
        bytes: row.wrapped.clone(),
        customer: row.customer.clone(),
    }
}

/// The key that a stored credential version is under, and what it is sealed for.
pub(crate) fn place(vault: &Vault, org: OrgId, row: &LoadedCredential) -> (WrappedKek, SealContext) {
    let kek = WrappedKek {
        id: row.kek,
        generation: row.kek_generation,
        org,
        bytes: row.kek_wrapped.clone(),
        customer: row.kek_customer.clone(),
    };
    let context = SealContext {
        deployment: vault.deployment(),
        org,
        credential: row.id,
        version: row.version,
        provider: row.provider.clone(),
        source: row.source,
        policy_sha256: policy_sha256(&row.policy),
    };
    (kek, context)
}
