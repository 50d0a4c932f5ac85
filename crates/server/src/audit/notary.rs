//! The notary: grows the tree, signs checkpoints of it, and hands these on to a place of their own (`sinks`).
//!
//! One at a time, once a second, and never on the request path. A checkpoint is signed when 1,000 leaves came or a minute went by,
//! whichever is first, also when nothing came. What a sink missed needs no repetition: the next checkpoint says all that it said.

use std::future::pending;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use keystore_core::Micros;
use keystore_core::ids::OrgId;
use keystore_store::audit_tree::{self as rows, Checkpoint};
use keystore_vault::commitment::sha256;
use keystore_vault::note::{NoteSigner, Verifier};
use tokio::sync::Mutex;

use super::Event;
use super::sinks::{Sinks, Standing};
use super::tree::Grown;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;

/// How often what was recorded is taken in.
const TURN: Duration = Duration::from_secs(1);

/// A checkpoint is signed after so many leaves,
const LEAVES: u64 = 1_000;
/// or after so long.
const EVERY: Duration = Duration::from_secs(60);
/// While a sink fails, it is tried with a new one after so long.
const AGAIN: Duration = Duration::from_secs(4);

/// Signs the deployment's log.
pub(crate) struct Notary {
    /// One turn at a time.
    turn: Mutex<Turn>,
    /// Where checkpoints go besides the database.
    sinks: Sinks,
    /// What is told of it.
    seen: StdMutex<Seen>,
}

#[derive(Default)]
struct Turn {
    /// The tree; none until it is read, and after a failure.
    grown: Option<Grown>,
    signer: Option<Arc<NoteSigner>>,
    /// The newest checkpoint: its size, its time, and the boot time when it was signed.
    signed: Option<(u64, Micros, Duration)>,
}

/// What the notary has done, for metrics and readiness.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// Leaves of the tree.
    pub(crate) leaves: u64,
    /// Leaves that the newest checkpoint covers.
    pub(crate) signed: u64,
}

impl Notary {
    /// One with these sinks.
    pub(crate) fn new(sinks: Sinks) -> Self {
        Self {
            turn: Mutex::default(),
            sinks,
            seen: StdMutex::default(),
        }
    }

    /// What it has done.
    pub(crate) fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the sinks are; none where there are none.
    pub(crate) fn sinks(&self) -> Option<Standing> {
        self.sinks.standing()
    }
}

/// The log of the deployment itself: what belongs to no organization, such as the signing key.
pub(crate) fn deployment_log(app: &App) -> OrgId {
    OrgId::new(app.vault.deployment().uuid())
}

/// Runs until the server stops.
pub(crate) async fn run(app: Arc<App>) {
    let mut failing = None;
    while app.next_turn(TURN, pending()).await {
        tend(&app, &mut failing).await;
    }
}

/// One turn. `failing` says since when (boot time) they fail: what goes on for longer than a checkpoint is due is told of as a sink is
/// that fails.
async fn tend(app: &App, failing: &mut Option<Duration>) {
    let Err(error) = turn(app, false).await else {
        *failing = None;
        return;
    };
    tracing::warn!(%error, "the audit log was not signed; it is tried again in a second");
    let now = app.clock.boottime();
    let since = *failing.get_or_insert(now);
    if now.saturating_sub(since) >= EVERY {
        let why = format!("nothing can be signed: {error}");
        app.notary.sinks.nothing_signed(why, since);
        if let Err(error) = app.notary.sinks.judge(app).await {
            tracing::warn!(%error, "it could not be told that the audit log is not signed");
        }
    }
}

/// Takes in what was recorded, and signs a checkpoint where one is due, or in any case.
///
/// # Errors
/// The store's and the vault's.
pub(crate) async fn turn(app: &App, in_any_case: bool) -> ApiResult<()> {
    let mut turn = app.notary.turn.lock().await;
    // Made first, so that the entry that tells of it is among the leaves.
    let signer = signer(app, &mut turn).await;
    let mut grown = match turn.grown.take() {
        Some(grown) => grown,
        None => Grown::read(&mut app.store.read().await?).await?,
    };
    grown.catch_up(&app.store).await?;
    let size = grown.tree.size();
    let root = grown.tree.root(sha256);
    turn.grown = Some(grown);
    app.notary.see(|seen| seen.leaves = size);
    let signer = signer?;
    let signed = newest(app, &mut turn).await?;
    let now = app.clock.boottime();
    let every = match app.notary.sinks.is_failing() {
        true => AGAIN,
        false => EVERY,
    };
    let is_due = signed.is_none_or(|(before, _, then)| {
        size - before.min(size) >= LEAVES || now.saturating_sub(then) >= every
    });
    if size > 0 && (is_due || in_any_case) {
        // The clock may have been set back; checkpoints never are.
        let at = signed.map_or(app.clock.now(), |(_, before, _)| app.clock.now().max(before));
        let note = signer.checkpoint(size, &root, at);
        let mut tx = app.store.begin().await?;
        let new = Checkpoint { size, at, note };
        rows::put_checkpoint(&mut tx, &new).await?;
        tx.commit().await?;
        turn.signed = Some((size, at, now));
        app.notary.see(|seen| seen.signed = size);
        drop(turn);
        app.notary.sinks.append(app, &new).await;
    }
    app.notary.sinks.judge(app).await
}

impl App {
    /// What checkpoints of this deployment are checked with.
    ///
    /// # Errors
    /// The store's and the vault's.
    pub async fn audit_key(&self) -> Result<Verifier, ApiError> {
        verifier(self).await
    }

    /// Signs everything that is recorded to these sinks, besides those of the configuration. What they failed with, where they did.
    ///
    /// # Errors
    /// The store's and the vault's.
    pub async fn sign_to(&self, sinks: &Sinks) -> Result<Option<String>, ApiError> {
        let newest = up_to_date(self).await?;
        sinks.append(self, &newest).await;
        Ok(sinks
            .standing()
            .and_then(|standing| standing.failing)
            .map(|failure| failure.why))
    }
}

impl Notary {
    fn see(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

async fn newest(app: &App, turn: &mut Turn) -> ApiResult<Option<(u64, Micros, Duration)>> {
    if turn.signed.is_none() {
        let newest = rows::newest_checkpoint(&mut app.store.read().await?).await?;
        // How long ago in boot time nobody knows: the first turn of a process signs.
        turn.signed = newest.map(|newest| (newest.size, newest.at, Duration::ZERO));
        if let Some((size, ..)) = turn.signed {
            app.notary.see(|seen| seen.signed = size);
        }
    }
    Ok(turn.signed)
}

/// The signer; made at the first call of a deployment, and kept once it is unwrapped.
async fn signer(app: &App, turn: &mut Turn) -> ApiResult<Arc<NoteSigner>> {
    if let Some(signer) = &turn.signer {
        return Ok(Arc::clone(signer));
    }
    let deployment = app.vault.deployment();
    let kept = rows::signer(&mut app.store.read().await?).await?;
    let signer = match kept {
        Some(sealed) => NoteSigner::open(&app.policy_mac, deployment, &sealed)?,
        None => {
            let (signer, sealed) = NoteSigner::generate(&app.policy_mac, deployment)?;
            let mut tx = app.store.begin().await?;
            rows::put_signer(&mut tx, &sealed, app.clock.now()).await?;
            Event::new("create_audit_key", signer.verifier()).by_system(&mut tx, deployment_log(app))?;
            tx.commit().await?;
            signer
        }
    };
    Ok(Arc::clone(turn.signer.insert(Arc::new(signer))))
}

/// A checkpoint over everything that is recorded now.
///
/// # Errors
/// The store's and the vault's.
pub(crate) async fn up_to_date(app: &App) -> ApiResult<Checkpoint> {
    let is_behind =
        |newest: &Option<Checkpoint>, size: u64| newest.as_ref().is_none_or(|newest| newest.size < size);
    let mut conn = app.store.read().await?;
    let newest = rows::newest_checkpoint(&mut conn).await?;
    let waiting = rows::is_behind(&mut conn).await? || is_behind(&newest, rows::taken(&mut conn).await?.size);
    drop(conn);
    if let Some(newest) = newest.filter(|_| !waiting) {
        return Ok(newest);
    }
    turn(app, true).await?;
    let newest = rows::newest_checkpoint(&mut app.store.read().await?).await?;
    newest.ok_or_else(|| ApiError::not_found("record in the audit log"))
}

/// What checkpoints of this deployment are checked with.
///
/// # Errors
/// The store's and the vault's.
pub(crate) async fn verifier(app: &App) -> ApiResult<Verifier> {
    Ok(signer_of(app).await?.verifier().clone())
}

/// What signs for this deployment.
///
/// # Errors
/// The store's and the vault's.
pub(crate) async fn signer_of(app: &App) -> ApiResult<Arc<NoteSigner>> {
    let mut turn = app.notary.turn.lock().await;
    signer(app, &mut turn).await
}
