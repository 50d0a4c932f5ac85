//! Payloads of the audit log: sealed for their organization when they are written, opened for who may read the log.
//!
//! A key pair is made with its organization. Older organizations, and payloads that were written before, are seen to by a job, which
//! also moves private halves to the active KEK.

use std::collections::HashMap;
use std::sync::Arc;

use keystore_core::audit::Leaf;
use keystore_core::ids::OrgId;
use keystore_store::audit_keys::{self, AuditKey, Sealer};
use keystore_store::{Conn, StoreError, Tx, keks};
use keystore_vault::{
    AuditOpener, PolicyMac, SealedAuditKey, Vault, VaultError, WrappedKek, payload_generation,
};

use crate::api::problem::ApiResult;
use crate::app::App;
use crate::custody::wrapped;
use crate::jobs::go_on_after;

/// Organizations and payloads that are seen to at a time.
const AT_A_TIME: u32 = 64;

/// What the MAC of a key pair is for.
const PURPOSE: &str = "audit-key";

/// Seals payloads for the key pairs of the database, if they are what was put there.
pub(crate) struct PayloadSealer {
    pub(crate) vault: Arc<Vault>,
    pub(crate) mac: PolicyMac,
}

impl Sealer for PayloadSealer {
    fn seal(&self, key: &AuditKey, payload: &str, sha256: &[u8; 32]) -> Result<Vec<u8>, StoreError> {
        let bytes = said(key.org, key.generation, &key.public);
        if !self.mac.verify(PURPOSE, &bytes, &key.mac) {
            return Err(StoreError::damaged(
                "the audit key of an organization was changed in the database",
            ));
        }
        let sealed = self
            .vault
            .seal_payload(key.org, (key.generation, &key.public), payload, sha256);
        sealed.map_err(|error| StoreError::damaged(error.to_string()))
    }
}

/// What the MAC of a key pair is over.
fn said(org: OrgId, generation: u32, public: &[u8]) -> Vec<u8> {
    [org.uuid().as_bytes(), &generation.to_be_bytes()[..], public].concat()
}

/// Stores a key pair that was made under a KEK.
///
/// # Errors
/// The store's.
pub(crate) async fn put(
    app: &App,
    tx: &mut Tx,
    kek: &WrappedKek,
    generation: u32,
    new: SealedAuditKey,
) -> ApiResult<()> {
    let bytes = said(kek.org, generation, &new.public);
    let key = AuditKey {
        org: kek.org,
        generation,
        mac: app.policy_mac.tag(PURPOSE, &bytes).to_vec(),
        public: new.public,
        sealed: new.sealed,
        kek: kek.id,
        created_at: app.clock.now(),
    };
    Ok(audit_keys::insert(tx, &key).await?)
}

/// A payload, as far as it is there.
pub(crate) enum Payload {
    /// It is there.
    Text(String),
    /// It was erased: with its key, or by itself.
    Erased,
    /// It is there and not what was put there.
    Damaged,
}

/// The opened key pairs of one organization.
pub(crate) struct Openers(HashMap<u32, Option<AuditOpener>>);

impl Openers {
    /// Opens the key pairs of an organization as far as their KEKs are there.
    ///
    /// # Errors
    /// `sealed` where the KMS cannot be reached; the store's.
    pub(crate) async fn of(app: &App, org: OrgId) -> ApiResult<Self> {
        let mut conn = app.store.read().await?;
        let mut found = Vec::new();
        for key in audit_keys::of_org(&mut conn, org).await? {
            let kek = keks::get(&mut conn, org, key.kek).await?.as_ref().map(wrapped);
            found.push((key, kek));
        }
        drop(conn);
        let mut openers = HashMap::new();
        for (key, kek) in found {
            let opener = match kek {
                Some(kek) => match app.vault.open_audit_key(&kek, key.generation, &key.sealed).await {
                    Ok(opener) => Some(opener),
                    Err(VaultError::Corrupt | VaultError::BadFormat | VaultError::Destroyed) => None,
                    Err(error) => return Err(error.into()),
                },
                None => None,
            };
            openers.insert(key.generation, opener);
        }
        Ok(Self(openers))
    }

    /// A payload by its two columns and what its leaf commits to.
    pub(crate) fn open(&self, plain: Option<String>, sealed: Option<&[u8]>, sha256: &[u8; 32]) -> Payload {
        let text = match (plain, sealed) {
            (Some(text), _) => Some(text),
            (None, None) => return Payload::Erased,
            (None, Some(sealed)) => {
                match payload_generation(sealed).map(|generation| self.0.get(&generation)) {
                    Some(Some(Some(opener))) => opener.open(sealed, sha256).ok(),
                    Some(Some(None)) => return Payload::Erased,
                    _ => None,
                }
            }
        };
        match text {
            Some(text) if keystore_vault::commitment::commitment(text.as_bytes()) == *sha256 => {
                Payload::Text(text)
            }
            _ => Payload::Damaged,
        }
    }
}

/// Makes key pairs that are missing, moves those whose KEK is no longer the active one, and seals payloads that are not. An organization
/// whose KMS does not answer holds none of the others up.
///
/// # Errors
/// The store's; the next turn goes on.
pub(crate) async fn keep(app: &App) -> ApiResult<()> {
    let mut after = None;
    loop {
        let orgs = audit_keys::without(&mut app.store.read().await?, after, AT_A_TIME).await?;
        let Some(last) = orgs.last().copied() else { break };
        for org in orgs {
            go_on_after(org, make(app, org, 1).await, "no audit key was made")?;
        }
        after = Some(last);
    }
    let mut after = None;
    loop {
        let orgs = audit_keys::moved(&mut app.store.read().await?, after, AT_A_TIME).await?;
        let Some(last) = orgs.last().copied() else { break };
        for org in orgs {
            let what = "the audit keys were not moved to the active key";
            go_on_after(org, follow(app, org).await, what)?;
        }
        after = Some(last);
    }
    let mut after = None;
    loop {
        let orgs = audit_keys::unsealed(&mut app.store.read().await?, after, AT_A_TIME).await?;
        let Some(last) = orgs.last().copied() else {
            return Ok(());
        };
        for org in orgs {
            let what = "old payloads of the audit log were not sealed";
            go_on_after(org, seal_old(app, org).await, what)?;
        }
        after = Some(last);
    }
}

async fn active(conn: &mut Conn, org: OrgId) -> ApiResult<Option<WrappedKek>> {
    Ok(keks::active(conn, org).await?.as_ref().map(wrapped))
}

async fn make(app: &App, org: OrgId, generation: u32) -> ApiResult<()> {
    let kek = active(&mut app.store.read().await?, org).await?;
    let Some(kek) = kek else {
        return Ok(());
    };
    let new = app.vault.new_audit_key(&kek, generation).await?;
    let mut tx = app.store.begin().await?;
    match put(app, &mut tx, &kek, generation, new).await {
        Err(error) if error.code() == keystore_wire::problem::Code::AlreadyExists => return Ok(()),
        done => done?,
    }
    Ok(tx.commit().await?)
}

/// Puts the private halves of an organization under its active KEK. Where the newest one is lost with its KEK, a new one begins.
///
/// # Errors
/// The vault's and the store's.
pub(crate) async fn follow(app: &App, org: OrgId) -> ApiResult<()> {
    let mut conn = app.store.read().await?;
    let Some(to) = active(&mut conn, org).await? else {
        return Ok(());
    };
    let keys = audit_keys::of_org(&mut conn, org).await?;
    let newest = keys.last().map_or(0, |key| key.generation);
    let mut moves = Vec::new();
    for key in keys.into_iter().filter(|key| key.kek != to.id) {
        let from = keks::get(&mut conn, org, key.kek).await?.as_ref().map(wrapped);
        moves.push((key, from));
    }
    drop(conn);
    for (key, from) in moves {
        let resealed = match &from {
            Some(from) => {
                app.vault
                    .reseal_audit_key((from, &key.sealed), &to, key.generation)
                    .await
            }
            None => Err(VaultError::Corrupt),
        };
        match resealed {
            Ok(sealed) => {
                let mut tx = app.store.begin().await?;
                audit_keys::reseal(&mut tx, &key, &sealed, to.id).await?;
                tx.commit().await?;
            }
            Err(VaultError::Corrupt | VaultError::BadFormat | VaultError::Destroyed)
                if key.generation == newest =>
            {
                make(app, org, newest + 1).await?;
            }
            Err(VaultError::Corrupt | VaultError::BadFormat | VaultError::Destroyed) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn seal_old(app: &App, org: OrgId) -> ApiResult<()> {
    let sealer = PayloadSealer {
        vault: Arc::clone(&app.vault),
        mac: app.policy_mac.clone(),
    };
    let mut after = 0;
    loop {
        let mut conn = app.store.read().await?;
        let Some(key) = audit_keys::newest(&mut conn, org).await? else {
            return Ok(());
        };
        let found = audit_keys::plain(&mut conn, org, after, AT_A_TIME).await?;
        drop(conn);
        let Some(last) = found.last().map(|row| row.seq) else {
            return Ok(());
        };
        let mut tx = app.store.begin().await?;
        for row in &found {
            let Ok(Leaf::Change(entry)) = Leaf::read(&row.leaf) else {
                continue;
            };
            let sealed = sealer.seal(&key, &row.payload, &entry.payload_sha256)?;
            audit_keys::seal(&mut tx, org, row.seq, &sealed).await?;
        }
        tx.commit().await?;
        after = last;
    }
}

impl From<Payload> for Option<String> {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Text(text) => Some(text),
            Payload::Erased | Payload::Damaged => None,
        }
    }
}
