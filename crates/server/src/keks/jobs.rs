//! What takes long: moving data keys to the active generation, and opening everything once. In batches, each with how far it is in
//! one transaction, so that it goes on where it ended; beside the traffic, which it does not stop.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use keystore_core::ids::{KekId, OrgId};
use keystore_store::credentials::{self, Replacement, SealedVersion};
use keystore_store::kek_jobs::{self, KekJob, KekStep};
use keystore_store::keks::{self as rows, Kek};
use keystore_vault::{SealContext, VaultError, WrappedKek, policy_sha256};

use super::{record, rotate};
use crate::api::keks::job as shown;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::Event;
use crate::custody::wrapped;

/// How often is looked whether there is something to do.
const TURN: Duration = Duration::from_secs(10);
/// How many versions are in a batch.
const BATCH: u32 = 200;

/// Works until the server stops: on what was under way when it started, too.
pub(crate) async fn run(app: Arc<App>) {
    while app.next_turn(TURN, app.kek_work.notified()).await {
        if let Err(error) = turn(&app).await {
            tracing::warn!(%error, "keys were not looked after; it is tried again in a moment");
        }
    }
}

impl App {
    /// Does at once for keys what the server otherwise does by itself within seconds.
    ///
    /// # Errors
    /// The store's.
    pub async fn carry_keys_on(&self) -> Result<(), ApiError> {
        turn(self).await
    }
}

async fn turn(app: &App) -> ApiResult<()> {
    let _alone = app.kek_turn.lock().await;
    rotate_due(app).await?;
    loop {
        let running = kek_jobs::running(&mut app.store.read().await?).await?;
        let mut went_on = false;
        for job in running {
            if app.stop.is_cancelled() {
                return Ok(());
            }
            went_on |= batch(app, job).await?;
        }
        if !went_on {
            return Ok(());
        }
    }
}

/// Makes another generation where one has wrapped often or is old.
async fn rotate_due(app: &App) -> ApiResult<()> {
    let made_by = app.clock.now().minus(app.custody.max_age);
    let due = rows::due(&mut app.store.read().await?, app.custody.max_wraps, made_by).await?;
    for kek in due {
        tracing::info!(org = %kek.org, generation = kek.generation, wraps = kek.wraps, "rotating a key-encryption key");
        if let Err(error) = rotate(app, None, kek.org, None).await {
            tracing::warn!(org = %kek.org, %error, "a key-encryption key was not rotated; it is tried again");
        }
    }
    Ok(())
}

/// Does the next batch of a job. Whether it went on; not when a KMS does not answer.
async fn batch(app: &App, job: KekJob) -> ApiResult<bool> {
    let org = job.org;
    let mut conn = app.store.read().await?;
    let all = rows::list(&mut conn, org).await?;
    let Some(active) = all.iter().find(|kek| kek.state == rows::KekState::Active) else {
        drop(conn);
        return end(app, job, Some("there is no active key".to_owned())).await;
    };
    let but = (job.step == KekStep::Rewrap).then_some(active.id);
    let found = credentials::sealed(&mut conn, org, but, (job.credential, job.version), BATCH).await?;
    drop(conn);
    let Some(last) = found.last() else {
        return match job.step {
            KekStep::Rewrap => verify(app, &job).await,
            KekStep::Verify => end(app, job, None).await,
        };
    };
    let mut next = KekJob {
        credential: last.credential,
        version: last.version,
        done: job.done + found.len() as u64,
        problem: unopened(&job),
        ..job.clone()
    };
    let keks: HashMap<KekId, WrappedKek> = all.iter().map(|kek| (kek.id, wrapped(kek))).collect();
    let work = Work {
        app,
        org,
        keks: &keks,
    };
    let moved = match job.step {
        KekStep::Rewrap => work.rewrap(active, &found, &mut next).await?,
        KekStep::Verify => work.verify(&found, &mut next).await.map(|()| Vec::new()),
    };
    let (moved, next, went_on) = match moved {
        Ok(moved) => (moved, next, true),
        Err(error) => {
            // Nothing of the batch is written: it is done again when the KMS is back.
            let waits = KekJob {
                problem: unopened(&job).or_else(|| Some(error.to_string())),
                ..job.clone()
            };
            (Vec::new(), waits, false)
        }
    };
    let mut tx = app.store.begin().await?;
    if kek_jobs::get(&mut tx, org).await?.as_ref() != Some(&job) {
        // Somebody began another one.
        return Ok(true);
    }
    for Moved { row, sealed } in &moved {
        let replacement = Replacement {
            credential: row.credential,
            version: row.version,
            from: &row.sealed,
            sealed,
            kek: active.id,
            kek_generation: active.generation,
        };
        // Where it is not as it was read any more, it was replaced meanwhile, by somebody who sealed it under the active key.
        credentials::replace_sealed(&mut tx, org, &replacement).await?;
    }
    kek_jobs::put(&mut tx, &next).await?;
    tx.commit().await?;
    Ok(went_on)
}

/// What a job has found that does not open. Without that, its problem is that it waits for a KMS, which passes.
fn unopened(job: &KekJob) -> Option<String> {
    job.problem.clone().filter(|_| job.failed > 0)
}

/// One batch.
struct Work<'a> {
    app: &'a App,
    org: OrgId,
    keks: &'a HashMap<KekId, WrappedKek>,
}

/// A version, and what it becomes.
struct Moved<'a> {
    row: &'a SealedVersion,
    sealed: Vec<u8>,
}

impl Work<'_> {
    /// The versions with their data keys wrapped by the active generation. Inside, that the KMS does not do it now.
    async fn rewrap<'b>(
        &self,
        active: &Kek,
        found: &'b [SealedVersion],
        next: &mut KekJob,
    ) -> ApiResult<Result<Vec<Moved<'b>>, VaultError>> {
        let to = wrapped(active);
        self.app.count_wraps(&to, found.len() as u64).await?;
        let mut moved = Vec::with_capacity(found.len());
        for row in found {
            let Some(from) = self.keks.get(&row.kek) else {
                continue;
            };
            let outcome = self
                .app
                .vault
                .rewrap(from, &to, &self.context(row), &row.sealed)
                .await;
            match outcome {
                Ok(sealed) => moved.push(Moved { row, sealed }),
                Err(error) => {
                    if let Err(waits) = noted(next, row, error) {
                        return Ok(Err(waits));
                    }
                }
            }
        }
        Ok(Ok(moved))
    }

    /// Opens every version. Inside, that the KMS does not do it now.
    async fn verify(&self, found: &[SealedVersion], next: &mut KekJob) -> Result<(), VaultError> {
        for row in found {
            let Some(kek) = self.keks.get(&row.kek) else {
                continue;
            };
            if let Err(error) = self.app.vault.check(kek, &self.context(row), &row.sealed).await {
                noted(next, row, error)?;
            }
        }
        Ok(())
    }

    fn context(&self, row: &SealedVersion) -> SealContext {
        SealContext {
            deployment: self.app.vault.deployment(),
            org: self.org,
            credential: row.credential,
            version: row.version,
            provider: row.provider.clone(),
            source: row.source,
            policy_sha256: policy_sha256(&row.policy),
        }
    }
}

/// Notes that a version does not open; gives the error back when that is for want of a KMS. What was sealed under a destroyed key is
/// meant not to open.
fn noted(next: &mut KekJob, row: &SealedVersion, error: VaultError) -> Result<(), VaultError> {
    match error {
        VaultError::Sealed | VaultError::CustomerKey | VaultError::NoRandomness => Err(error),
        VaultError::Destroyed => Ok(()),
        _ => {
            next.failed += 1;
            next.problem = Some(format!(
                "{} in version {} does not open: {error}",
                row.credential, row.version
            ));
            Ok(())
        }
    }
}

/// Goes over from moving to looking.
async fn verify(app: &App, job: &KekJob) -> ApiResult<bool> {
    let mut tx = app.store.begin().await?;
    if kek_jobs::get(&mut tx, job.org).await?.as_ref() != Some(job) {
        return Ok(true);
    }
    let total = credentials::not_under_kek(&mut tx, job.org, None).await?;
    let next = KekJob {
        started_at: job.started_at,
        ..KekJob::begin(job.org, KekStep::Verify, total, app.clock.now())
    };
    kek_jobs::put(&mut tx, &next).await?;
    tx.commit().await?;
    Ok(true)
}

/// Ends a job. When everything opened, the generations under which nothing is sealed any more may be retired.
async fn end(app: &App, job: KekJob, problem: Option<String>) -> ApiResult<bool> {
    let now = app.clock.now();
    let ended = KekJob {
        problem: problem.or(unopened(&job)),
        ended_at: Some(now),
        ..job.clone()
    };
    let mut tx = app.store.begin().await?;
    if kek_jobs::get(&mut tx, job.org).await?.as_ref() != Some(&job) {
        return Ok(true);
    }
    if ended.failed == 0 && ended.problem.is_none() {
        rows::set_verified(&mut tx, job.org, now).await?;
    }
    kek_jobs::put(&mut tx, &ended).await?;
    let event = Event::new("finish_kek_job", &job.org)
        .before(&shown(&job))?
        .after(&shown(&ended))?;
    record(event, &mut tx, None, job.org)?;
    tx.commit().await?;
    Ok(true)
}
