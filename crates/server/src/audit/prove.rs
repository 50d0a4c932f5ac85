//! Proofs for one call, or one entry of the audit log, as a document that whoever has the verifier key can check.

use std::collections::HashSet;
use std::sync::Arc;

use keystore_core::audit::Leaf;
use keystore_core::ids::{AttemptId, OrgId, ProjectId, RequestId};
use keystore_core::record::Record;
use keystore_store::audit as entries;
use keystore_store::audit_tree::{self as rows, Checkpoint};
use keystore_store::requests;
use keystore_wire::audit_proofs::{AuditProof, PROOF_FORMAT};

use super::export::proven;
use super::notary;
use super::payloads::Openers;
use super::proofs::Hashes;
use super::walk::{Found, Scope, Walk};
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;

/// Proves a call that has ended: each intent with its outcome, or its refusal.
///
/// # Errors
/// `not_found` when the organization, or the project, has no such call.
pub(crate) async fn call(
    app: &Arc<App>,
    org: OrgId,
    project: Option<ProjectId>,
    request: RequestId,
) -> ApiResult<AuditProof> {
    app.store.project_now().await?;
    let newest = notary::up_to_date(app).await?;
    let rows = requests::get(&mut app.store.read().await?, org, request).await?;
    let rows: Vec<_> = rows
        .into_iter()
        .filter(|row| project.is_none_or(|project| row.project == project))
        .collect();
    let Some(since) = rows.iter().map(|row| row.at).min() else {
        return Err(ApiError::not_found("request"));
    };
    let attempts: HashSet<AttemptId> = rows.iter().filter_map(|row| row.attempt).collect();
    // An attempt has an intent and an outcome; a refusal stands for itself.
    let wanted = attempts.len() * 2 + rows.iter().filter(|row| row.attempt.is_none()).count();
    let scope = Scope {
        org,
        project,
        since: Some(since),
        until: None,
    };
    let whole = Scope { since: None, ..scope };
    for scope in [scope, whole] {
        let found = look(app, scope, &newest, request, &attempts, wanted).await?;
        if !found.is_empty() {
            return prove(app, org, newest, found).await;
        }
    }
    Err(ApiError::not_found("record of the request in the audit log"))
}

/// What the log has of the call; nothing where that is not all of it.
async fn look(
    app: &App,
    scope: Scope,
    newest: &Checkpoint,
    request: RequestId,
    attempts: &HashSet<AttemptId>,
    wanted: usize,
) -> ApiResult<Vec<Found>> {
    let mut walk = Walk::begin(&mut app.store.read().await?, scope, newest.size).await?;
    let (mut found, mut ends) = (Vec::new(), 0);
    loop {
        let mut conn = app.store.read().await?;
        let Some(step) = walk.step(&mut conn).await? else {
            return Ok(Vec::new());
        };
        for record in step {
            let Ok(Leaf::Call(call)) = Leaf::read(&record.leaf) else {
                continue;
            };
            let (is_its, counts) = match &call {
                Record::Intent(intent) => (attempts.contains(&intent.attempt), true),
                Record::Outcome(outcome) => (attempts.contains(&outcome.attempt), true),
                Record::Refusal(refusal) => (refusal.request == request, true),
                Record::Topup(topup) => (attempts.contains(&topup.attempt), false),
            };
            if is_its {
                found.push(record);
                ends += usize::from(counts);
            }
        }
        if ends >= wanted {
            return Ok(found);
        }
    }
}

/// Proves an entry of the organization's audit log by its number.
///
/// # Errors
/// `not_found` when there is none, or the retention has removed it.
pub(crate) async fn entry(
    app: &Arc<App>,
    org: OrgId,
    project: Option<ProjectId>,
    seq: u64,
) -> ApiResult<AuditProof> {
    let newest = notary::up_to_date(app).await?;
    let missing = || ApiError::not_found("entry of the audit log");
    let mut conn = app.store.read().await?;
    let before = i64::try_from(seq)
        .ok()
        .and_then(|seq| seq.checked_sub(1))
        .ok_or_else(missing)?;
    let found = entries::rows_after(&mut conn, org, before, 1).await?;
    let row = found
        .into_iter()
        .find(|row| row.seq.unsigned_abs() == seq)
        .ok_or_else(missing)?;
    if project.is_some_and(|project| row.project != Some(project)) {
        return Err(missing());
    }
    let index = rows::leaf_of_entry(&mut conn, org, seq)
        .await?
        .ok_or_else(missing)?;
    drop(conn);
    let found = Found {
        index,
        leaf: row.leaf,
        payload: (row.payload, row.sealed),
    };
    prove(app, org, newest, vec![found]).await
}

async fn prove(app: &Arc<App>, org: OrgId, newest: Checkpoint, found: Vec<Found>) -> ApiResult<AuditProof> {
    let openers = Openers::of(app, org).await?;
    let mut hashes = Hashes::of(newest.size);
    let mut conn = app.store.read().await?;
    let mut records = Vec::with_capacity(found.len());
    for found in found {
        records.push(proven(&mut conn, &mut hashes, &openers, found).await?);
    }
    Ok(AuditProof {
        format: PROOF_FORMAT.to_owned(),
        checkpoint: newest.note,
        records,
    })
}
