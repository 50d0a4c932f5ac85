//! The root key and the deployment: taken into custody once at start, and watched from then on.
//!
//! A database is bound to one root key. Another one is refused before anything is opened, unless the one before is named beside it:
//! then all keys are wrapped anew, in one transaction. A KMS that does not answer is no reason to give up: the caller tries again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use keystore_core::ids::DeploymentId;
use keystore_core::{Clock, IdSource};
pub(crate) use keystore_proxy::wrapped_kek as wrapped;
use keystore_store::deployment::{self, Deployment};
use keystore_store::{Store, StoreError, keks};
use keystore_vault::kms::{Ambient, Holders, KeyKind, KeyName, KmsSettings};
use keystore_vault::{
    DeploymentKey, Kms, KmsError, KmsFault, LocalKms, PassphraseParams, PolicyMac, RootKey, Vault,
};
use tokio::sync::Mutex;

use crate::config::SecretText;

/// What older versions called every root key.
const UNNAMED: &str = "local";

/// How long the answer of a check stands: whoever asks for readiness a thousand times asks the KMS once.
const CHECKED_FOR: Duration = Duration::from_secs(2);

/// Where a root key comes from.
pub enum RootKeySource {
    /// A file that must exist.
    File(PathBuf),
    /// A file that is made when the database is new and it does not exist.
    FileOrNew(PathBuf),
    /// The key as text.
    Text(SecretText),
    /// A passphrase.
    Passphrase(SecretText),
    /// A key at a KMS.
    Kms(KeyName),
}

/// What custody is told beside the root key.
pub struct CustodyParts {
    /// The root key before this one.
    pub previous: Option<RootKeySource>,
    /// Where the KMSs are.
    pub kms: KmsSettings,
    /// The server's identities there.
    pub ambient: Ambient,
    /// How long an unwrapped key may be kept.
    pub kek_ttl: Duration,
    /// At which KMSs organizations may hold keys of their own.
    pub customer_keys: Vec<KeyKind>,
    /// After so many wraps an organization gets another KEK.
    pub max_wraps: u64,
    /// After so long an organization gets another KEK.
    pub max_age: Duration,
}

impl Default for CustodyParts {
    fn default() -> Self {
        let usual = crate::config::KmsSection::default();
        Self {
            previous: None,
            kms: KmsSettings::default(),
            ambient: Ambient::default(),
            kek_ttl: usual.kek_ttl,
            customer_keys: usual.customer_keys,
            max_wraps: usual.max_wraps,
            max_age: usual.max_age,
        }
    }
}

/// What custody gives.
pub(crate) struct Custody {
    /// Seals and opens.
    pub(crate) vault: Arc<Vault>,
    /// Watches the root key.
    pub(crate) root: RootWatch,
    /// Authenticates policy rows.
    pub(crate) policy_mac: PolicyMac,
}

/// Custody that is being taken: all that needs no KMS is done.
pub(crate) struct Taking<'a> {
    store: &'a Store,
    root: Root,
    previous: Option<Root>,
    holders: Arc<Holders>,
    kek_ttl: Duration,
    clock: &'a Arc<dyn Clock>,
    ids: &'a dyn IdSource,
}

/// A root key that is at hand.
struct Root {
    kms: Arc<dyn Kms>,
    /// What it is called in the database: `local:` and a fingerprint, or the name of the key at its KMS.
    name: String,
    /// What must be kept to derive it again.
    kdf_salt: Vec<u8>,
}

impl<'a> Taking<'a> {
    /// Reads what is on this machine.
    ///
    /// # Errors
    /// In words for the operator.
    pub(crate) async fn begin(
        store: &'a Store,
        source: RootKeySource,
        parts: CustodyParts,
        clock: &'a Arc<dyn Clock>,
        ids: &'a dyn IdSource,
    ) -> anyhow::Result<Self> {
        let found = deployment::get(&mut store.read().await?).await?;
        let holders = Arc::new(Holders::new(parts.kms, parts.ambient, clock)?);
        let moves = parts.previous.is_some();
        let kept_nothing = found.as_ref().is_some_and(|row| row.kdf_salt.is_empty());
        let previous = match parts.previous {
            // What derived it is gone with the change to the present one.
            Some(RootKeySource::Passphrase(_)) if kept_nothing => None,
            Some(source) => Some(root(source, found.as_ref(), &holders, false).await?),
            None => None,
        };
        // What is stored of a passphrase belongs to the root key that the database names.
        let is_moved = previous
            .as_ref()
            .zip(found.as_ref())
            .is_some_and(|(previous, row)| previous.name != row.root_key && row.root_key != UNNAMED);
        Ok(Self {
            root: root(source, found.as_ref(), &holders, moves && !is_moved).await?,
            previous,
            store,
            holders,
            kek_ttl: parts.kek_ttl,
            clock,
            ids,
        })
    }

    /// Opens the deployment; makes it in a new database.
    ///
    /// # Errors
    /// Outside, what the operator has to change. Inside, that the KMS does not do it now: worth another try.
    pub(crate) async fn take(&self) -> anyhow::Result<Result<Custody, KmsError>> {
        let found = deployment::get(&mut self.store.read().await?).await?;
        let opened = match &found {
            Some(row) => self.open(row).await?,
            None => self.make().await?,
        };
        let (id, key) = match opened {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error)),
        };
        let vault = Arc::new(self.vault(&self.root, id));
        Ok(Ok(Custody {
            vault,
            root: RootWatch {
                kms: Arc::clone(&self.root.kms),
                clock: Arc::clone(self.clock),
                last: Mutex::default(),
            },
            policy_mac: key.policy_mac()?,
        }))
    }

    fn vault(&self, root: &Root, id: DeploymentId) -> Vault {
        let (kms, clock) = (Arc::clone(&root.kms), Arc::clone(self.clock));
        Vault::new(kms, id, self.kek_ttl, clock).with_holders(Arc::clone(&self.holders))
    }

    async fn open(
        &self,
        row: &Deployment,
    ) -> anyhow::Result<Result<(DeploymentId, DeploymentKey), KmsError>> {
        let unwrapped = DeploymentKey::unwrap(self.root.kms.as_ref(), row.id, &row.wrapped_key).await;
        match (unwrapped, &self.previous) {
            (Ok(key), _) => {
                if row.root_key != self.root.name {
                    self.rename(row).await?;
                }
                if self.previous.is_some() {
                    tracing::info!("the root key was changed before; `kms.previous` can be taken away");
                }
                Ok(Ok((row.id, key)))
            }
            (Err(error), None) if error.fault == KmsFault::Refused => bail!(
                "this is not the root key that the database was made with ({}): {error}; give that one (`[kms]`), name it as \
                 `[kms.previous]` to change to another, or start with an empty database",
                row.root_key
            ),
            (Err(error), Some(previous)) if error.fault == KmsFault::Refused => {
                self.change(row, previous).await
            }
            (Err(error), _) => Ok(Err(error)),
        }
    }

    /// Writes how the root key is called.
    async fn rename(&self, row: &Deployment) -> anyhow::Result<()> {
        let mut tx = self.store.begin().await?;
        deployment::rewrap(&mut tx, &row.wrapped_key, &row.kdf_salt, &self.root.name).await?;
        Ok(tx.commit().await?)
    }

    /// Wraps the deployment key and every KEK under the new root key. What the KMSs say is gathered first, and written in one
    /// transaction: whenever it ends, all keys are under the one root key or under the other.
    async fn change(
        &self,
        row: &Deployment,
        previous: &Root,
    ) -> anyhow::Result<Result<(DeploymentId, DeploymentKey), KmsError>> {
        tracing::info!(from = previous.name, to = self.root.name, "changing the root key");
        let key = match DeploymentKey::unwrap(previous.kms.as_ref(), row.id, &row.wrapped_key).await {
            Ok(key) => key,
            Err(error) if error.fault == KmsFault::Refused => bail!(
                "neither `[kms]` nor `[kms.previous]` is the root key that the database was made with ({}): {error}",
                row.root_key
            ),
            Err(error) => return Ok(Err(error)),
        };
        let wrapped_key = match key.wrap(self.root.kms.as_ref(), row.id).await {
            Ok(wrapped) => wrapped,
            Err(error) => return Ok(Err(error)),
        };
        let before = self.vault(previous, row.id);
        let mut moved = Vec::new();
        let mut after = None;
        loop {
            let keks = keks::all(&mut self.store.read().await?, after, 500).await?;
            let Some(last) = keks.last() else { break };
            after = Some(last.id);
            for kek in keks.into_iter().filter(|kek| !kek.wrapped.is_empty()) {
                match before.under_root(&wrapped(&kek), self.root.kms.as_ref()).await {
                    Ok(bytes) => moved.push((kek, bytes)),
                    Err(error) => return Ok(Err(error)),
                }
            }
        }
        let mut tx = self.store.begin().await?;
        for (kek, bytes) in &moved {
            if !keks::rewrap(&mut tx, kek, bytes).await? {
                bail!("another server is changing keys in this database; start again");
            }
        }
        deployment::rewrap(&mut tx, &wrapped_key, &self.root.kdf_salt, &self.root.name).await?;
        tx.commit().await?;
        tracing::info!(
            keys = moved.len(),
            "the root key is changed; `kms.previous` can be taken away"
        );
        Ok(Ok((row.id, key)))
    }

    async fn make(&self) -> anyhow::Result<Result<(DeploymentId, DeploymentKey), KmsError>> {
        let id = DeploymentId::new(self.ids.next());
        let key = DeploymentKey::generate()?;
        let wrapped_key = match key.wrap(self.root.kms.as_ref(), id).await {
            Ok(wrapped) => wrapped,
            Err(error) => return Ok(Err(error)),
        };
        let row = Deployment {
            id,
            wrapped_key,
            kdf_salt: self.root.kdf_salt.clone(),
            root_key: self.root.name.clone(),
            created_at: self.clock.now(),
            operator_org: None,
        };
        let mut tx = self.store.begin().await?;
        match deployment::insert(&mut tx, &row).await {
            Err(StoreError::Conflict { .. }) => {
                bail!("another server has just set up this database; start again")
            }
            done => done?,
        }
        tx.commit().await?;
        Ok(Ok((id, key)))
    }
}

/// The root key of a source. A passphrase is derived as the database says, or `anew`.
async fn root(
    source: RootKeySource,
    found: Option<&Deployment>,
    holders: &Holders,
    anew: bool,
) -> anyhow::Result<Root> {
    let mut kdf_salt = Vec::new();
    let key = match source {
        RootKeySource::Kms(name) => {
            return Ok(Root {
                kms: holders.open(&name).context("the root key cannot be used")?,
                name: name.to_string(),
                kdf_salt,
            });
        }
        RootKeySource::FileOrNew(path) if found.is_none() && !path.exists() => RootKey::create_file(&path)?,
        RootKeySource::File(path) | RootKeySource::FileOrNew(path) => RootKey::from_file(&path)?,
        RootKeySource::Text(text) => RootKey::from_text(text.expose())?,
        RootKeySource::Passphrase(passphrase) => {
            let params = match found
                .filter(|_| !anew)
                .map(|row| serde_json::from_slice(&row.kdf_salt))
            {
                Some(Ok(params)) => params,
                Some(Err(_)) => {
                    bail!("this database was made with a root key, not with a passphrase: see `[kms]`")
                }
                None => PassphraseParams::generate()?,
            };
            kdf_salt = serde_json::to_vec(&params)?;
            let derive = move || RootKey::from_passphrase(passphrase.expose(), &params);
            tokio::task::spawn_blocking(derive).await??
        }
    };
    Ok(Root {
        kms: Arc::new(LocalKms::new(&key)?),
        name: format!("local:{}", key.fingerprint()?),
        kdf_salt,
    })
}

/// Whether the root key can be used, asked for at most every two seconds.
pub(crate) struct RootWatch {
    kms: Arc<dyn Kms>,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<(Duration, Result<(), KmsError>)>>,
}

impl RootWatch {
    /// Whether the root key opens the deployment.
    ///
    /// # Errors
    /// What its holder says.
    pub(crate) async fn check(&self, row: &Deployment) -> Result<(), KmsError> {
        let mut last = self.last.lock().await;
        let now = self.clock.boottime();
        if let Some((at, outcome)) = last.as_ref()
            && now.saturating_sub(*at) < CHECKED_FOR
        {
            return outcome.clone();
        }
        let opened = DeploymentKey::unwrap(self.kms.as_ref(), row.id, &row.wrapped_key).await;
        let outcome = opened.map(drop);
        *last = Some((now, outcome.clone()));
        outcome
    }
}
