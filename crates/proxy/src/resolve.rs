//! Step 7: which credential version serves the call: the customer's own, or one of the pool's. It stays sealed; only `inject` opens it.

use std::sync::Arc;

use keystore_core::Deny;
use keystore_core::ids::CredentialId;
use keystore_core::policy::Source;
use keystore_core::pool::{Call, Outcome, Refusal};
use keystore_vault::{Opened, VaultError};

use crate::Proxy;
use crate::authorize::Permit;
use crate::cache::ReadyCredential;
use crate::health::Pass;
use crate::pools::{self, Place, Pool};

/// How long a call may wait for a place at a pool.
const LONGEST_QUEUE: std::time::Duration = std::time::Duration::from_secs(3);

/// The credential that serves a call.
pub(crate) struct Served {
    pub(crate) credential: Arc<ReadyCredential>,
    /// On the heap, so that calls without a pool carry no room for it.
    pub(crate) pooled: Option<Box<Pooled>>,
}

/// What a call has of a pool.
pub(crate) struct Pooled {
    /// Its place.
    pub(crate) place: Place,
    /// Its way to the host.
    pub(crate) pass: Pass,
}

impl Proxy {
    /// The credential of the permit's grant, bound for the host that the request names. `None` where the pool serves, which the permit
    /// tells from then on: a place there is asked for when the call is ready to be made ([`Proxy::seat`]).
    pub(crate) async fn resolve(self: &Arc<Self>, permit: &mut Permit) -> Result<Option<Served>, Deny> {
        let grant = &permit.grant().grant;
        if grant.source == Source::Marketplace {
            return Box::pin(self.resolve_pooled(permit)).await;
        }
        match self.own_credential(permit).await {
            Ok(credential) => {
                return Ok(Some(Served {
                    credential,
                    pooled: None,
                }));
            }
            // Only where the grant says so: another's credential never serves silently.
            Err(Deny::CredentialMissing { .. } | Deny::CredentialExpired { .. })
                if permit.grant().grant.fallback.is_some() => {}
            Err(deny) => return Err(deny),
        }
        Box::pin(self.resolve_pooled(permit)).await
    }

    async fn own_credential(&self, permit: &Permit) -> Result<Arc<ReadyCredential>, Deny> {
        let provider = || permit.provider().slug.to_string();
        let grant = permit.grant();
        let missing = || Deny::CredentialMissing { provider: provider() };
        if grant.is_known_bad() && grant.grant.fallback.is_some() {
            return Err(missing());
        }
        let credential = match grant.credential(&self.vault).await {
            // It was rotated while the call was on its way.
            Err(VaultError::PutBack) if !permit.agent.is_current() => return Err(Deny::AuthStale),
            credential => credential
                .map_err(|error| unusable(&error, &provider()))?
                .ok_or_else(missing)?,
        };
        if credential.expires_at.is_some_and(|at| at <= self.clock.now()) {
            return Err(Deny::CredentialExpired {
                provider: provider(),
                credential: credential.name.clone(),
            });
        }
        check_host(permit, Source::Byok, &credential)?;
        Ok(credential)
    }

    async fn resolve_pooled(&self, permit: &mut Permit) -> Result<Option<Served>, Deny> {
        let provider = permit.provider().slug.to_string();
        permit.agent.check_enabled(&provider)?;
        permit
            .agent
            .check_labels(Source::Marketplace, &provider, None, &[])?;
        let pool = self.pools.get(&provider).await?;
        pool.tenants.check(permit.agent.policy.org, &provider)?;
        permit.pool = Some(pool);
        Ok(None)
    }

    /// What serves a call that is ready to be made: what [`Proxy::resolve`] found, or a member of the pool. Whoever sends a body slowly has
    /// no place there meanwhile.
    pub(crate) async fn seat(
        self: &Arc<Self>,
        permit: &mut Permit,
        served: Option<Served>,
    ) -> Result<Served, Deny> {
        match served {
            Some(served) => Ok(served),
            None => Box::pin(self.next_member(permit, &mut Vec::new())).await,
        }
    }

    /// A place at the pool, at a member that was not tried and whose host is worth calling, with its credential. Takes those that are not
    /// into what was tried.
    pub(crate) async fn next_member(
        self: &Arc<Self>,
        permit: &mut Permit,
        tried: &mut Vec<CredentialId>,
    ) -> Result<Served, Deny> {
        let provider = permit.provider().slug.to_string();
        let none = || Deny::NoPoolCredential {
            provider: provider.clone(),
        };
        let mut held_back = None;
        loop {
            let pool = self.pools.get(&provider).await?;
            let tenant = permit.agent.policy.org;
            // It may have been paused while the call waited.
            pool.tenants.check(tenant, &provider)?;
            let call = Call {
                tenant,
                terms: pool.tenants.terms(tenant),
                excluded: tried.clone(),
                deadline: self.clock.boottime() + LONGEST_QUEUE,
            };
            let mut place = match pool.queue.place(call).await {
                Ok(place) => place,
                Err(refusal) => {
                    self.pools
                        .uses
                        .refused(pools::of(self.clock.now(), &provider, tenant, None));
                    // Where waiting helps, that is what the client is told.
                    let held_back = held_back.filter(|_| refusal.retry_after().is_none());
                    return Err(held_back.unwrap_or_else(|| self.no_place(refusal, &provider)));
                }
            };
            let credential = match self.at(&pool, &place, none).await {
                Ok(Some(credential)) => credential,
                // A pool that was changed while the call waited is looked at again.
                Ok(None) => continue,
                Err(deny @ (Deny::Sealed | Deny::CustomerKey)) => return Err(deny),
                // One that has expired, or does not open, is no reason not to ask the next.
                Err(deny) => {
                    place.shows(Outcome::Failed { pause: None });
                    tried.push(place.member());
                    held_back = Some(deny);
                    continue;
                }
            };
            check_host(permit, Source::Marketplace, &credential)?;
            match self.pass(permit, &credential) {
                Ok(pass) => {
                    let of = pools::of(self.clock.now(), &provider, tenant, Some(place.member()));
                    self.pools.uses.granted(of, place.waited());
                    permit.pool = Some(pool);
                    return Ok(Served {
                        credential,
                        pooled: Some(Box::new(Pooled { place, pass })),
                    });
                }
                Err(deny) => {
                    place.shows(Outcome::Failed { pause: None });
                    tried.push(place.member());
                    held_back = Some(deny);
                }
            }
        }
    }

    /// The credential of a place; `None` where the pool has changed.
    async fn at(
        &self,
        pool: &Pool,
        place: &Place,
        none: impl Fn() -> Deny,
    ) -> Result<Option<Arc<ReadyCredential>>, Deny> {
        let Some(member) = pool.member(place).filter(|_| self.pools.is_current(pool)) else {
            return Ok(None);
        };
        if member.expires_at().is_some_and(|at| at <= self.clock.now()) {
            return Err(none());
        }
        let credential = match member.credential(&self.vault).await {
            // It was rotated while the call was on its way.
            Err(VaultError::PutBack) if !self.pools.is_current(pool) => return Ok(None),
            credential => credential,
        };
        credential.map(Some).map_err(|error| match unusable(&error, "") {
            Deny::CredentialMissing { .. } => none(),
            deny => deny,
        })
    }

    fn no_place(&self, refusal: Refusal, provider: &str) -> Deny {
        let provider = provider.to_owned();
        match refusal.retry_after() {
            None => Deny::NoPoolCredential { provider },
            Some(wait) => Deny::PoolBusy {
                provider,
                resets_at: self.clock.now().plus(wait),
            },
        }
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

/// That the credential may be sent to the host that the request names, and that no label forbids it.
fn check_host(permit: &Permit, source: Source, credential: &ReadyCredential) -> Result<(), Deny> {
    let slug = &permit.provider().slug;
    let alias = permit.target.alias();
    let host = credential.policy.host(alias).ok_or_else(|| Deny::UnknownHost {
        provider: slug.to_string(),
        alias: alias.to_owned(),
    })?;
    permit.agent.check_demands(slug, credential)?;
    permit
        .agent
        .check_labels(source, slug, Some(&host.host), &credential.labels)
}

/// A credential that cannot be opened: without the keys everything is closed; anything else is as good as no credential.
pub(crate) fn unusable(error: &VaultError, what: &str) -> Deny {
    tracing::error!(credential = what, %error, "a credential cannot be opened");
    match error {
        VaultError::Sealed | VaultError::Stale => Deny::Sealed,
        VaultError::CustomerKey => Deny::CustomerKey,
        // The pool is not to stand in for it: whoever put it back would choose who pays.
        VaultError::PutBack => Deny::AuthStale,
        _ => Deny::CredentialMissing {
            provider: what.to_owned(),
        },
    }
}
