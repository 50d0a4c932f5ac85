//! KEKs: made, wrapped by those who hold the keys above them, unwrapped, and kept for as long as they may be.
//!
//! The root key wraps every KEK. Where an organization holds a key of its own, that one wraps first and the root key wraps what
//! comes out: it takes both to open one, and whoever writes to the database alone can put neither another key nor another
//! customer's in place.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::*;
use crate::kms::{Context, KeyName, KmsError, KmsFault};

/// How long a KMS that did not answer well is left alone. What comes meanwhile has its answer.
const PAUSE: Duration = Duration::from_secs(1);

/// An unwrapped KEK and until when (boot time) it may be used.
pub(super) struct Kek {
    pub(super) key: Key,
    pub(super) until: Duration,
}

/// Where a KEK is kept, and who asks the KMS for it: one at a time.
#[derive(Default)]
pub(super) struct Slot {
    kept: Mutex<Option<Arc<Kek>>>,
    /// How the last try ended that failed, and until when (boot time) there is no other.
    asking: tokio::sync::Mutex<Option<(VaultError, Duration)>>,
}

impl Slot {
    fn kept(&self, now: Duration) -> Option<Arc<Kek>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // An expired key is wiped when it is noticed.
        kept.take_if(|kek| now >= kek.until);
        kept.clone()
    }

    fn keep(&self, kek: Arc<Kek>) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kek);
    }
}

/// What a failure of the root key's holder comes to.
impl From<&KmsError> for VaultError {
    fn from(error: &KmsError) -> Self {
        match error.fault {
            KmsFault::Refused => Self::Corrupt,
            _ => Self::Sealed,
        }
    }
}

/// What a failure of a customer's own KMS comes to.
fn of_customer(error: &KmsError) -> VaultError {
    match error.fault {
        KmsFault::Refused => VaultError::Corrupt,
        _ => VaultError::CustomerKey,
    }
}

impl Vault {
    /// A new KEK of an organization; its first generation is 1.
    ///
    /// # Errors
    ///
    /// `Sealed`, `CustomerKey`, `NoRandomness`.
    pub async fn new_kek(
        &self,
        org: OrgId,
        id: KekId,
        generation: u32,
        customer: Option<&KeyName>,
    ) -> Result<WrappedKek, VaultError> {
        self.kek_of(random::key()?, (org, id, generation), customer).await
    }

    /// A KEK that a customer made.
    ///
    /// # Errors
    ///
    /// As [`Vault::new_kek`].
    pub async fn kek_of(
        &self,
        key: Secret,
        (org, id, generation): (OrgId, KekId, u32),
        customer: Option<&KeyName>,
    ) -> Result<WrappedKek, VaultError> {
        let mut kek = WrappedKek {
            id,
            generation,
            org,
            bytes: Vec::new(),
            customer: customer.map(ToString::to_string),
        };
        kek.bytes = self.wrap_kek(&key, &kek).await?;
        Ok(kek)
    }

    /// The same KEK, wrapped by another key of the organization's own inside, or by none.
    ///
    /// # Errors
    ///
    /// As [`Vault::new_kek`]; `Destroyed`; `Corrupt`.
    pub async fn under_customer(
        &self,
        kek: &WrappedKek,
        customer: Option<&KeyName>,
    ) -> Result<WrappedKek, VaultError> {
        let (id, place) = (kek.id, kek.generation);
        self.kek_of(self.unwrap_kek(kek).await?, (kek.org, id, place), customer)
            .await
    }

    /// The same KEK, wrapped by another root key outside. What the organization's own key does inside stays.
    ///
    /// # Errors
    ///
    /// The KMSs'; `Refused` when it was wrapped by another root key than this vault's.
    pub async fn under_root(&self, kek: &WrappedKek, root: &dyn Kms) -> Result<Vec<u8>, KmsError> {
        let context = self.kek_context(kek);
        let inner = self.kms.unwrap(&kek.bytes, &context).await?;
        root.wrap(&inner, &context).await
    }

    /// Tries a key of an organization's own: whether it wraps, and unwraps that to the same.
    ///
    /// # Errors
    ///
    /// The KMS's, in words for whoever named the key.
    pub async fn try_customer(&self, org: OrgId, name: &KeyName) -> Result<(), KmsError> {
        let holder = self.customer(&name.to_string())?;
        let text = name.to_string();
        let probe = KekId::new(self.deployment.uuid());
        let context = Context::kek(self.deployment, (org, probe, 0), Some(&text));
        let key = random::key().map_err(|_| KmsError::new(KmsFault::Unavailable, "no randomness"))?;
        let wrapped = holder.wrap(&key, &context).await?;
        let unwrapped = holder.unwrap(&wrapped, &context).await?;
        if aead::same(key.expose(), unwrapped.expose()) {
            Ok(())
        } else {
            Err(KmsError::new(
                KmsFault::Refused,
                "what it unwraps is not what it wrapped",
            ))
        }
    }

    /// Forgets the unwrapped KEKs of an organization, because they changed or are gone.
    pub fn forget(&self, org: OrgId) {
        self.slots().retain(|(owner, _, _), _| *owner != org);
    }

    async fn wrap_kek(&self, key: &Secret, kek: &WrappedKek) -> Result<Vec<u8>, VaultError> {
        let context = self.kek_context(kek);
        let told = |error: &KmsError| VaultError::from(error);
        let Some(customer) = &kek.customer else {
            let wrapped = self.kms.wrap(key, &context).await;
            return wrapped.map_err(|error| told(&error));
        };
        let holder = self.customer(customer).map_err(|error| of_customer(&error))?;
        let inner = holder.wrap(key, &context).await;
        let inner = inner.map_err(|error| of_customer(&error))?;
        let wrapped = self.kms.wrap(&Secret::new(inner), &context).await;
        wrapped.map_err(|error| told(&error))
    }

    async fn unwrap_kek(&self, kek: &WrappedKek) -> Result<Secret, VaultError> {
        if kek.bytes.is_empty() {
            return Err(VaultError::Destroyed);
        }
        let context = self.kek_context(kek);
        let key = self.kms.unwrap(&kek.bytes, &context).await.map_err(|error| {
            tracing::warn!(org = %kek.org, %error, "the root key did not unwrap a key of an organization");
            VaultError::from(&error)
        })?;
        let Some(customer) = &kek.customer else {
            return Ok(key);
        };
        let failed = |error: KmsError| {
            tracing::warn!(org = %kek.org, key = %customer, %error, "an organization's own key did not unwrap");
            of_customer(&error)
        };
        let holder = self.customer(customer).map_err(failed)?;
        holder.unwrap(key.expose(), &context).await.map_err(failed)
    }

    fn customer(&self, name: &str) -> Result<Arc<dyn Kms>, KmsError> {
        let denied = |detail: String| KmsError::new(KmsFault::Denied, detail);
        let parsed: KeyName = name
            .parse()
            .map_err(|error| denied(format!("{name} names no key: {error}")))?;
        let holders = self.holders.as_ref();
        holders
            .ok_or_else(|| denied("this server uses no keys of customers".to_owned()))?
            .open(&parsed)
    }

    /// The unwrapped KEK, kept or from the KMS. Calls that miss at the same time ask once; a failure stands for a moment.
    pub(super) async fn kek(&self, wrapped: &WrappedKek) -> Result<Arc<Kek>, VaultError> {
        if self.kek_ttl.is_zero() {
            return self.ask(wrapped).await;
        }
        let slot = self.slot(wrapped);
        if let Some(kek) = slot.kept(self.clock.boottime()) {
            return Ok(kek);
        }
        let mut failed = slot.asking.lock().await;
        let now = self.clock.boottime();
        if let Some(kek) = slot.kept(now) {
            return Ok(kek);
        }
        if let Some((error, until)) = *failed
            && now < until
        {
            return Err(error);
        }
        match self.ask(wrapped).await {
            Ok(kek) => {
                *failed = None;
                slot.keep(Arc::clone(&kek));
                Ok(kek)
            }
            Err(error) => {
                *failed = Some((error, self.clock.boottime().saturating_add(PAUSE)));
                Err(error)
            }
        }
    }

    async fn ask(&self, wrapped: &WrappedKek) -> Result<Arc<Kek>, VaultError> {
        // The lifetime counts from before the KMS was asked: a slow answer is no longer good than a fast one.
        let now = self.clock.boottime();
        Ok(Arc::new(Kek {
            key: Key::new(&self.unwrap_kek(wrapped).await?)?,
            until: now.saturating_add(self.kek_ttl),
        }))
    }

    fn slot(&self, wrapped: &WrappedKek) -> Arc<Slot> {
        let name = (wrapped.org, wrapped.id, wrapped.generation);
        let now = self.clock.boottime();
        let mut slots = self.slots();
        if let Some(slot) = slots.get(&name) {
            return Arc::clone(slot);
        }
        // Whoever waits for a slot holds it.
        slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.kept(now).is_some());
        Arc::clone(slots.entry(name).or_default())
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<(OrgId, KekId, u32), Arc<Slot>>> {
        self.keks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kek_context(&self, kek: &WrappedKek) -> Context {
        let place = (kek.org, kek.id, kek.generation);
        Context::kek(self.deployment, place, kek.customer.as_deref())
    }
}
