//! The providers that organizations defined for themselves, read once for each definition and shared by every agent.

use std::collections::BTreeMap;
use std::sync::Arc;

use keystore_catalog::{Provider, ProviderRef};
use keystore_core::policy::ProviderPolicy;
use keystore_store::policies::LoadedToken;
use keystore_vault::PolicyMac;
use quick_cache::sync::Cache;

use super::agent::authentic;

/// How many definitions are kept ready.
const CAPACITY: usize = 4096;

/// What authenticates a definition's row.
const PURPOSE: &str = "provider";

/// Definitions by the MAC of their row, which no other row has.
pub(super) struct Providers(Cache<Vec<u8>, Arc<Provider>>);

impl Default for Providers {
    fn default() -> Self {
        Self(Cache::new(CAPACITY))
    }
}

/// The custom providers of one agent, by slug.
pub(super) struct OwnProviders(BTreeMap<String, Arc<Provider>>);

impl Providers {
    /// The custom providers of an agent, each row checked to be ours and its organization's.
    ///
    /// # Errors
    ///
    /// What does not fit, for the log.
    pub(super) fn read(&self, loaded: &LoadedToken, mac: &PolicyMac) -> Result<OwnProviders, &'static str> {
        let mut own = BTreeMap::new();
        for row in &loaded.providers {
            let policy: ProviderPolicy = authentic(mac, PURPOSE, &row.policy, &row.mac)?;
            if policy.provider != row.id || policy.org != loaded.identity.org {
                return Err("a custom provider belongs elsewhere");
            }
            let provider = self.0.get_or_insert_with(&row.mac, || define(&policy));
            own.insert(policy.slug, provider?);
        }
        Ok(OwnProviders(own))
    }
}

fn define(policy: &ProviderPolicy) -> Result<Arc<Provider>, &'static str> {
    match Provider::define(&policy.slug, &policy.definition, policy.prices.as_deref()) {
        Ok(provider) => Ok(Arc::new(provider)),
        Err(error) => {
            tracing::error!(provider = %policy.slug, %error, "a custom provider cannot be read");
            Err("a custom provider cannot be read")
        }
    }
}

impl OwnProviders {
    /// The provider with this slug: the organization's own, else the catalog's.
    pub(super) fn find(&self, slug: &str) -> Option<ProviderRef> {
        match self.0.get(slug) {
            Some(own) => Some(ProviderRef::Custom(Arc::clone(own))),
            None => keystore_catalog::provider(slug).map(ProviderRef::Catalog),
        }
    }
}
