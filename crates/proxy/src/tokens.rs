//! The tokens that credentials are exchanged for: fetched when a call needs one, kept in memory until shortly before they end.
//!
//! For each credential version at most one task fetches, whoever waits for it, and it goes on when they leave: a vendor may have taken
//! the refresh token that it was sent and given another, which must not be lost. A token is used only beside the credential that it was
//! fetched with, which is opened for every call all the same, so that a token does not outlive the keys.
//!
//! How a token is asked for and read is in [`crate::inject::token`].

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use keystore_catalog::ProviderRef;
use keystore_core::Deny;
use keystore_core::destination::TokenSource;
use keystore_store::{StoreError, credentials, keks};
use keystore_vault::{Opened, VaultError, WrappedKek};
use quick_cache::sync::Cache;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::Proxy;
use crate::administer::{OwnRequest, body_of};
use crate::cache::{self, ReadyCredential, wrapped_kek};
use crate::forward::OutgoingBody;
use crate::inject::Token;
use crate::inject::token::{self, Fetched, TokenError};
use crate::probe::ProbeTarget;
use crate::refuse::{ProxyError, Refusal};
use crate::resolve::unusable;
use crate::upstream::CredentialKey;

/// What a request for a token is recorded as.
const OPERATION: &str = "credential.token";
/// So many credentials have tokens in memory; the least used go first.
const MAX_CREDENTIALS: usize = 4_096;
/// How long after a failure nobody asks again.
const PAUSE: Duration = Duration::from_secs(5);
/// So long before its end a token is replaced, or a tenth of its life where that is less.
const MARGIN: Duration = Duration::from_secs(60);
/// A token that the vendor refuses so soon after it gave it shows that the credential is refused.
const NEW: Duration = Duration::from_secs(30);
/// How often what is stored may be moved to another KEK while a refresh token is kept.
const MOST_MOVES: usize = 3;
/// How much of an answer is read.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The tokens of a process.
pub(crate) struct Tokens {
    slots: Cache<CredentialKey, Arc<Slot>>,
}

/// What there is of one credential version.
#[derive(Default)]
struct Slot {
    held: RwLock<Option<Held>>,
    /// Held while one is fetched; and the last failure.
    fetching: Arc<Mutex<Option<Failure>>>,
}

/// A token and its times, since the machine's start.
struct Held {
    token: Arc<Token>,
    fetched: Duration,
    /// From then on the next one is fetched.
    replaced_from: Duration,
    ends: Duration,
}

struct Failure {
    at: Duration,
    refusal: Refusal,
}

impl Held {
    /// A token that was asked for at `asked`.
    fn new(fetched: Fetched, asked: Duration) -> Self {
        let Fetched { token, life, .. } = fetched;
        Self {
            token: Arc::new(token),
            fetched: asked,
            replaced_from: asked + life.saturating_sub(MARGIN.min(life / 10)),
            ends: asked + life,
        }
    }
}

impl Slot {
    fn held(&self, fits: impl Fn(&Held) -> bool) -> Option<Arc<Token>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref()
            .filter(|held| fits(held))
            .map(|held| Arc::clone(&held.token))
    }

    fn set(&self, held: Held) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
    }

    /// Holds this token no more. Whether it was an old one, or another one is held.
    fn take_back(&self, token: &Arc<Token>, now: Duration) -> bool {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let refused = held.take_if(|held| Arc::ptr_eq(&held.token, token));
        refused.is_none_or(|held| now >= held.fetched + NEW)
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            slots: Cache::new(MAX_CREDENTIALS),
        }
    }
}

impl Tokens {
    fn slot(&self, key: CredentialKey) -> Arc<Slot> {
        let made = || Ok::<_, std::convert::Infallible>(Arc::default());
        match self.slots.get_or_insert_with(&key, made) {
            Ok(slot) => slot,
            Err(never) => match never {},
        }
    }

    /// The vendor did not take a call with this token of the credential: it is forgotten. Whether it had been taken for a while, so that
    /// the credential itself may be all right and the next call, with the next token, may succeed. Of a token that is not held any more,
    /// because another call said the same before, that is so too: what was fetched since is not forgotten for it.
    pub(crate) fn refused(&self, key: CredentialKey, token: &Arc<Token>, now: Duration) -> bool {
        let slot = self.slots.get(&key);
        slot.is_none_or(|slot| slot.take_back(token, now))
    }
}

impl Proxy {
    /// The vendor refused a call with this credential and this token of it, if it takes one: the token is forgotten. Whether that was the
    /// token's fault, which may have ended before its time.
    pub(crate) fn drop_token(&self, credential: &ReadyCredential, token: Option<&Arc<Token>>) -> bool {
        let now = self.clock.boottime();
        token.is_some_and(|token| self.tokens.refused(credential.key(), token, now))
    }

    /// The token of a credential whose policy injects one: the kept one, or another.
    ///
    /// # Errors
    ///
    /// The vendor refuses the credential, or gives no token.
    pub(crate) async fn token(
        self: &Arc<Self>,
        credential: &ReadyCredential,
        provider: &ProviderRef,
    ) -> Result<Arc<Token>, Refusal> {
        let slot = self.tokens.slot(credential.key());
        let is_new = |held: &Held| self.clock.boottime() < held.replaced_from;
        if let Some(token) = slot.held(is_new) {
            return Ok(token);
        }
        let fetching = match Arc::clone(&slot.fetching).try_lock_owned() {
            Ok(fetching) => fetching,
            // Somebody fetches the next one; until then this one does.
            Err(_) => match slot.held(|held| self.clock.boottime() < held.ends) {
                Some(token) => return Ok(token),
                None => Arc::clone(&slot.fetching).lock_owned().await,
            },
        };
        if let Some(token) = slot.held(is_new) {
            return Ok(token);
        }
        let now = self.clock.boottime();
        if let Some(failure) = fetching.as_ref().filter(|failure| now < failure.at + PAUSE) {
            return Err(failure.refusal.clone());
        }
        let wanted = Wanted {
            org: credential.org,
            key: credential.key(),
            provider: provider.clone(),
        };
        let task = Arc::clone(self).fetch(slot, fetching, wanted);
        let task = self.afterlife.tasks.spawn_on(task, &self.afterlife.runtime);
        task.await.unwrap_or(Err(ProxyError::Internal.into()))
    }

    /// Fetches a token, once, and keeps it, or the failure.
    async fn fetch(
        self: Arc<Self>,
        slot: Arc<Slot>,
        mut fetching: OwnedMutexGuard<Option<Failure>>,
        wanted: Wanted,
    ) -> Result<Arc<Token>, Refusal> {
        let asked = self.clock.boottime();
        match self.fetch_stored(&wanted).await {
            Ok(fetched) => {
                let held = Held::new(fetched, asked);
                let token = Arc::clone(&held.token);
                slot.set(held);
                *fetching = None;
                Ok(token)
            }
            Err(refusal) => {
                *fetching = Some(Failure {
                    at: self.clock.boottime(),
                    refusal: refusal.clone(),
                });
                Err(refusal)
            }
        }
    }

    /// A token for what is stored now of a credential: its refresh token may be another one than when the credential was loaded. A
    /// successor of it is stored before the token is used.
    async fn fetch_stored(self: &Arc<Self>, wanted: &Wanted) -> Result<Fetched, Refusal> {
        let stored = self.stored(wanted).await?;
        let (credential, opened) = self.unsealed(&stored.target).await?;
        let Some(source) = credential.policy.token() else {
            return Err(ProxyError::Internal.into());
        };
        let mut fetched = self
            .exchange_for_token(&stored.target, (&credential, &opened), source)
            .await?;
        drop(opened);
        if let Some(successor) = fetched.successor.take() {
            self.keep_successor(wanted, stored, &successor).await?;
        }
        Ok(fetched)
    }

    async fn stored(&self, wanted: &Wanted) -> Result<Stored, Deny> {
        let unavailable = |error: StoreError| {
            tracing::error!(%error, "a credential cannot be read for its token");
            Deny::AuthStale
        };
        let read = async {
            let mut conn = self.store.read().await?;
            let (org, id) = (wanted.org, wanted.key.credential);
            let row = credentials::get(&mut conn, org, id).await?;
            let version = credentials::current(&mut conn, org, id).await?;
            let (Some(row), Some(version)) = (row, version) else {
                return Ok(None);
            };
            let kek = keks::get(&mut conn, org, version.kek).await?;
            let active = keks::active(&mut conn, org).await?;
            Ok(kek.zip(active).map(|(kek, active)| (row, version, kek, active)))
        };
        // What was deleted or rotated meanwhile is looked up again by the next call.
        let (row, version, kek, active) = read
            .await
            .map_err(unavailable)?
            .filter(|(_, version, ..)| version.version == wanted.key.version)
            .ok_or(Deny::AuthStale)?;
        Ok(Stored {
            target: ProbeTarget::new(&row, wanted.provider.clone(), version, kek),
            active: wrapped_kek(&active),
        })
    }

    /// Keeps the refresh token that the vendor gave in the place of the stored one. Where the stored one was moved to another KEK
    /// meanwhile, it is read again: what the vendor gave must not be lost for that.
    async fn keep_successor(
        &self,
        wanted: &Wanted,
        mut stored: Stored,
        successor: &str,
    ) -> Result<(), Refusal> {
        for _ in 0..MOST_MOVES {
            if self.replace(wanted, &stored, successor).await? {
                return Ok(());
            }
            // Of a credential that was rotated meanwhile, this version is gone: what it holds now is newer than what the vendor gave.
            stored = self.stored(wanted).await?;
        }
        Err(Deny::AuthStale.into())
    }

    /// Seals a refresh token in the place of the stored one. Whether what is stored was as it was read.
    async fn replace(&self, wanted: &Wanted, stored: &Stored, successor: &str) -> Result<bool, Refusal> {
        let Stored { target, active } = stored;
        let row = &target.credential;
        let (kek, context) = cache::place(&self.vault, wanted.org, row);
        let sealed = self
            .vault
            .replace_field((&kek, active), &context, &row.sealed, ("key", successor))
            .await
            .map_err(|error: VaultError| Refusal::from(unusable(&error, &row.name)))?;
        let write = async {
            let mut tx = self.store.begin().await?;
            let replacement = credentials::Replacement {
                credential: row.id,
                version: row.version,
                from: &row.sealed,
                sealed: &sealed,
                kek: active.id,
                kek_generation: active.generation,
            };
            let replaced = credentials::replace_sealed(&mut tx, wanted.org, &replacement).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(replaced)
        };
        match write.await {
            Ok(replaced) => Ok(replaced),
            Err(error) => {
                tracing::error!(credential = %row.id, %error, "a new refresh token cannot be stored: the credential may have to be authorized again");
                Err(Deny::AuditUnavailable.into())
            }
        }
    }

    /// Exchanges an opened credential for a token, recorded as a request of the server's own.
    pub(crate) async fn exchange_for_token(
        self: &Arc<Self>,
        target: &ProbeTarget,
        (credential, opened): (&ReadyCredential, &Opened),
        source: &TokenSource,
    ) -> Result<Fetched, Refusal> {
        let provider = target.provider.slug.to_string();
        let failed = |reason: String| {
            Refusal::from(ProxyError::Upstream {
                provider: provider.clone(),
                reason: format!("no token can be had for the credential: {reason}"),
            })
        };
        let now = self.clock.now();
        let refused = || {
            self.note_refused(credential);
            Refusal::from(ProxyError::CredentialInvalid {
                provider: provider.clone(),
                credential: credential.name.clone(),
            })
        };
        let Ok((request, body)) = token::request(source, &target.provider, opened, now) else {
            // Such as a private key that is none.
            return Err(refused());
        };
        let own = OwnRequest {
            operation: OPERATION,
            method: request.method.clone(),
            alias: String::new(),
            path: request.path_and_query.path().to_owned(),
            query: None,
            body: None,
        };
        let body = match body.is_empty() {
            true => OutgoingBody::Empty,
            false => OutgoingBody::Full(body),
        };
        let client = self.upstreams.client_to(credential.key(), &source.endpoint);
        let mut reservation = self.reserve_own(target, &own).await?;
        let answer = self.send_built(&mut reservation, &client, request, body).await;
        let read = match answer {
            Ok(response) => {
                let status = response.status().as_u16();
                reservation.answered(status);
                let body = body_of(response, MAX_BODY_BYTES).await;
                body.map(|body| (status, body))
            }
            Err(unanswered) => Err(unanswered),
        };
        reservation.end_own(read.is_ok());
        let (status, body) = read.map_err(|unanswered| failed(unanswered.to_string()))?;
        token::read(source, status, &body, now).map_err(|error| {
            tracing::warn!(credential = %credential.id, %error, "no token");
            match error {
                TokenError::Refused { .. } => refused(),
                TokenError::NoToken { .. } => failed(error.to_string()),
            }
        })
    }
}

/// Whose token is wanted.
struct Wanted {
    org: keystore_core::ids::OrgId,
    key: CredentialKey,
    provider: ProviderRef,
}

/// A credential as it is stored.
struct Stored {
    target: ProbeTarget,
    /// The KEK that is in use.
    active: WrappedKek,
}
