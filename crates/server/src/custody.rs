//! The root key and the deployment: taken into custody once at start.
//!
//! A database is bound to one root key when it is made. Another one is refused before anything is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use keystore_core::ids::DeploymentId;
use keystore_core::{Clock, IdSource};
use keystore_store::deployment::{self, Deployment};
use keystore_store::{Store, StoreError};
use keystore_vault::{DeploymentKey, Kms, LocalKms, PassphraseParams, PolicyMac, RootKey, Vault, VaultError};

use crate::config::SecretText;

/// Where the root key comes from.
pub enum RootKeySource {
    /// A file that must exist.
    File(PathBuf),
    /// A file that is made when the database is new and it does not exist.
    FileOrNew(PathBuf),
    /// The key as text.
    Text(SecretText),
    /// A passphrase.
    Passphrase(SecretText),
}

/// What custody gives.
pub(crate) struct Custody {
    /// Seals and opens.
    pub(crate) vault: Arc<Vault>,
    /// Holds the root key.
    pub(crate) kms: Arc<dyn Kms>,
    /// Authenticates policy rows.
    pub(crate) policy_mac: PolicyMac,
}

/// Reads the root key and opens the deployment with it; makes the deployment in a new database.
///
/// # Errors
/// In words for the operator.
pub(crate) async fn open(
    store: &Store,
    source: RootKeySource,
    kek_ttl: Duration,
    clock: &Arc<dyn Clock>,
    ids: &dyn IdSource,
) -> anyhow::Result<Custody> {
    let found = deployment::get(&mut store.read().await?).await?;
    let (root, salt) = root_key(source, found.as_ref()).await?;
    let kms: Arc<dyn Kms> = Arc::new(LocalKms::new(&root)?);
    drop(root);
    let (id, key) = match found {
        Some(row) => (row.id, unwrap(kms.as_ref(), &row).await?),
        None => make(store, kms.as_ref(), salt, clock.as_ref(), ids).await?,
    };
    let vault = Vault::new(Arc::clone(&kms), id, kek_ttl, Arc::clone(clock));
    Ok(Custody {
        vault: Arc::new(vault),
        kms,
        policy_mac: key.policy_mac()?,
    })
}

/// The root key, and what must be kept with the deployment to derive it again.
async fn root_key(source: RootKeySource, found: Option<&Deployment>) -> anyhow::Result<(RootKey, Vec<u8>)> {
    let key = match source {
        RootKeySource::FileOrNew(path) if found.is_none() && !path.exists() => RootKey::create_file(&path)?,
        RootKeySource::File(path) | RootKeySource::FileOrNew(path) => RootKey::from_file(&path)?,
        RootKeySource::Text(text) => RootKey::from_text(text.expose())?,
        RootKeySource::Passphrase(passphrase) => {
            let params = match found.map(|row| serde_json::from_slice(&row.kdf_salt)) {
                Some(Ok(params)) => params,
                Some(Err(_)) => {
                    bail!("this database was made with a root key, not with a passphrase: see `[kms]`")
                }
                None => PassphraseParams::generate()?,
            };
            let kept = serde_json::to_vec(&params)?;
            let derive = move || RootKey::from_passphrase(passphrase.expose(), &params);
            return Ok((tokio::task::spawn_blocking(derive).await??, kept));
        }
    };
    Ok((key, Vec::new()))
}

async fn unwrap(kms: &dyn Kms, row: &Deployment) -> anyhow::Result<DeploymentKey> {
    match DeploymentKey::unwrap(kms, row.id, &row.wrapped_key).await {
        Ok(key) => Ok(key),
        Err(VaultError::Corrupt) => bail!(
            "this is not the root key that the database was made with; give that one (`[kms]`), or start with an empty \
             database"
        ),
        Err(error) => Err(error).context("the deployment key cannot be unwrapped"),
    }
}

async fn make(
    store: &Store,
    kms: &dyn Kms,
    kdf_salt: Vec<u8>,
    clock: &dyn Clock,
    ids: &dyn IdSource,
) -> anyhow::Result<(DeploymentId, DeploymentKey)> {
    let id = DeploymentId::new(ids.next());
    let (key, wrapped_key) = DeploymentKey::generate(kms, id).await?;
    let row = Deployment {
        id,
        wrapped_key,
        kdf_salt,
        root_key: "local".to_owned(),
        created_at: clock.now(),
        operator_org: None,
    };
    let mut tx = store.begin().await?;
    match deployment::insert(&mut tx, &row).await {
        Err(StoreError::Conflict { .. }) => {
            bail!("another server has just set up this database; start again")
        }
        done => done?,
    }
    tx.commit().await?;
    Ok((id, key))
}

/// Whether the root key can be reached and is the right one.
pub(crate) async fn is_open(kms: &dyn Kms, row: &Deployment) -> bool {
    DeploymentKey::unwrap(kms, row.id, &row.wrapped_key).await.is_ok()
}
