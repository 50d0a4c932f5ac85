//! Customers inside a pool: their share and their cap, whether they are paused, and what vendors held to be abuse in their calls.

use std::collections::HashMap;

use keystore_core::Deny;
use keystore_core::abuse;
use keystore_core::ids::OrgId;
use keystore_core::policy::{PausedBy, PoolRule, TenantPolicy};
use keystore_core::pool::TenantTerms;
use keystore_store::pool_tenants::{PoolTenant, StoredRule};
use keystore_vault::PolicyMac;

use crate::Proxy;
use crate::authorize::Permit;
use crate::cache::authentic;
use crate::lock::lock;
use crate::notices::{Notice, SignsNotice};

/// What the operator says of the customers of a provider.
pub(crate) struct Tenants {
    said: HashMap<OrgId, TenantPolicy>,
    rule: Option<abuse::Rule>,
}

impl Tenants {
    /// As it is stored.
    ///
    /// # Errors
    ///
    /// What is not authentic.
    pub(super) fn of(
        mac: &PolicyMac,
        provider: &str,
        said: &[PoolTenant],
        rules: &[StoredRule],
    ) -> Result<Self, &'static str> {
        let one = |row: &PoolTenant| {
            let policy: TenantPolicy = authentic(mac, "pool_tenant", &row.policy, &row.mac)?;
            match policy.org == row.org && policy.provider == provider {
                true => Ok((row.org, policy)),
                false => Err("what was said of a customer of a pool belongs elsewhere"),
            }
        };
        let rule = rules.iter().find(|rule| rule.provider == provider);
        let rule = rule.map(|row| {
            let rule: PoolRule = authentic(mac, "pool_rule", &row.policy, &row.mac)?;
            match rule.provider == provider {
                true => Ok(rule.abuse),
                false => Err("the rule of a pool belongs elsewhere"),
            }
        });
        Ok(Self {
            said: said.iter().map(one).collect::<Result<_, _>>()?,
            rule: rule.transpose()?,
        })
    }

    /// What the queue goes by.
    pub(crate) fn terms(&self, tenant: OrgId) -> TenantTerms {
        let said = self.said.get(&tenant);
        said.map_or_else(TenantTerms::default, TenantPolicy::terms)
    }

    /// Who has paused the customer.
    pub(crate) fn paused(&self, tenant: OrgId) -> Option<PausedBy> {
        self.said.get(&tenant)?.paused
    }

    /// That the customer is not paused.
    ///
    /// # Errors
    ///
    /// `PoolPaused`.
    pub(crate) fn check(&self, tenant: OrgId, provider: &str) -> Result<(), Deny> {
        match self.paused(tenant) {
            None => Ok(()),
            Some(by) => Err(Deny::PoolPaused {
                provider: provider.to_owned(),
                by,
            }),
        }
    }
}

impl Proxy {
    /// An answer to a call was read whole. Where a pooled key got it, and the vendor holds the request to break its rules for use, that
    /// is counted against the customer.
    pub(crate) fn watch_answer(&self, permit: &Permit, status: u16, body: &[u8]) {
        let Some(pool) = &permit.pool else { return };
        let Some(rule) = pool.tenants.rule else { return };
        if !permit.provider().is_abuse(status, body) {
            return;
        }
        let tenant = permit.agent.policy.org;
        let provider = permit.provider().slug.to_string();
        let mut signs = lock(&self.pools.signs);
        let signs = signs.entry((provider.clone(), tenant)).or_default();
        if let Some(amount) = signs.seen(rule, self.clock.boottime()) {
            self.notices.add(Notice::Signs(SignsNotice {
                provider,
                tenant,
                rule,
                amount,
            }));
        }
    }
}
