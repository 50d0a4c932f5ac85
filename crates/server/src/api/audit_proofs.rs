//! `/v1/audit/key`, `checkpoints`, `proofs`, `export`, `verify`, `hash`: what shows that the log is whole. Each caller is shown the
//! records of their organization alone, with proofs that need nobody else's.

use std::sync::Arc;

use axum::Json;
use axum::body::Body as AnswerBody;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use keystore_core::ids::RequestId;
use keystore_store::audit_tree as rows;
use keystore_wire::Page;
use keystore_wire::audit_proofs::{
    AuditCheckpoint, AuditKey, AuditProof, AuditVerified, ExportAudit, ExportForm, HashAuditValue,
    HashedAuditValue, ListAuditCheckpoints, VerifyAudit,
};

use super::extract::{Body, Id, Query};
use super::page::Slice;
use super::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::export::Export;
use crate::audit::exported::Exported;
use crate::audit::walk::Scope;
use crate::audit::{notary, prove};
use crate::auth::require::{Require, SeeAudit};
use crate::body::ChannelBody;

/// The key that checkpoints of the audit log are checked with.
#[utoipa::path(get, path = "/v1/audit/key", tag = "audit", responses((status = 200, body = AuditKey)))]
pub(super) async fn get_audit_key(
    State(app): State<Arc<App>>,
    _caller: Require<SeeAudit>,
) -> ApiResult<Json<AuditKey>> {
    let key = notary::verifier(&app).await?.to_string();
    Ok(Json(AuditKey { key }))
}

/// Signed checkpoints of the audit log, the newest first. They are about the whole deployment's log, and name nobody.
#[utoipa::path(get, path = "/v1/audit/checkpoints", tag = "audit", params(ListAuditCheckpoints),
    responses((status = 200, body = Page<AuditCheckpoint>)))]
pub(super) async fn list_audit_checkpoints(
    State(app): State<Arc<App>>,
    _caller: Require<SeeAudit>,
    Query(query): Query<ListAuditCheckpoints>,
) -> ApiResult<Json<Page<AuditCheckpoint>>> {
    let slice = Slice::<u64>::of(query.limit, query.after.as_deref())?;
    let found = rows::checkpoints(&mut app.store.read().await?, slice.after, slice.read()).await?;
    Ok(Json(slice.page(
        found,
        |row| row.size.to_string(),
        |row| AuditCheckpoint {
            size: row.size,
            at: row.at.into(),
            note: row.note,
        },
    )))
}

/// The proof that a call (by its id) or a change (by its number in the audit log) is in the log.
#[utoipa::path(get, path = "/v1/audit/proofs/{request}", tag = "audit",
    params(("request" = String, Path, description = "A request's id, or the number of an entry", example = "req_01jd3w8f0qe7ys4c9p2m5n6r7t")),
    responses((status = 200, body = AuditProof)))]
pub(super) async fn get_audit_proof(
    State(app): State<Arc<App>>,
    caller: Require<SeeAudit>,
    Id(id): Id<String>,
) -> ApiResult<Json<AuditProof>> {
    if let Ok(seq) = id.parse() {
        return Ok(Json(prove::entry(&app, caller.org, caller.project, seq).await?));
    }
    let request: RequestId = id.parse().map_err(|_| ApiError::not_found("request"))?;
    Ok(Json(
        prove::call(&app, caller.org, caller.project, request).await?,
    ))
}

/// The caller's part of the audit log, changes and calls: with a proof for each record, or for other tools.
#[utoipa::path(get, path = "/v1/audit/export", tag = "audit", params(ExportAudit),
    responses((status = 200, description = "One record a line", body = String, content_type = "application/x-ndjson")))]
pub(super) async fn export_audit(
    State(app): State<Arc<App>>,
    caller: Require<SeeAudit>,
    Query(query): Query<ExportAudit>,
) -> ApiResult<Response> {
    let project = caller
        .narrow(&mut app.store.read().await?, query.project.as_deref())
        .await?;
    let scope = Scope {
        org: caller.org,
        project,
        since: query.since.map(Into::into),
        until: query.until.map(Into::into),
    };
    let form = query.format.unwrap_or_default();
    app.store.project_now().await?;
    let export = Export::begin(&app, form, scope, query.from).await?;
    let (sender, body) = ChannelBody::new(4);
    let (stop, tasks) = (app.stop.clone(), app.tasks.clone());
    tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            sent = export.send(sender) => if let Err(error) = sent {
                // The reader sees it: the last line is missing.
                tracing::warn!(%error, "an export of the audit log was broken off");
            },
        }
    });
    let kind = match form {
        ExportForm::Ndjson | ExportForm::Ocsf => "application/x-ndjson",
        ExportForm::Csv => "text/csv; charset=utf-8",
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, AnswerBody::new(body)).into_response())
}

/// Checks the caller's part of the audit log here. Who does not trust this server checks an export instead: `ks audit verify`.
#[utoipa::path(post, path = "/v1/audit/verify", tag = "audit", request_body = VerifyAudit,
    responses((status = 200, body = AuditVerified)))]
pub(super) async fn verify_audit(
    State(app): State<Arc<App>>,
    caller: Require<SeeAudit>,
    Body(asked): Body<VerifyAudit>,
) -> ApiResult<Json<AuditVerified>> {
    let key = notary::verifier(&app).await?;
    let from = match asked.checkpoint {
        Some(note) => {
            let said = key.open(&note);
            Some(said.map_err(|error| ApiError::field("/checkpoint", error.to_string()))?)
        }
        None => None,
    };
    let scope = Scope {
        org: caller.org,
        project: caller.project,
        since: None,
        until: None,
    };
    app.store.project_now().await?;
    let size = from.as_ref().map(|from| from.size);
    let mut export = Export::begin(&app, ExportForm::Ndjson, scope, size).await?;
    let mut exported = Exported::new(&key, from);
    let mut problem = None;
    'lines: while let Some(lines) = export.next().await? {
        for line in lines.lines() {
            if let Err(found) = exported.line(line) {
                problem = Some(found);
                break 'lines;
            }
        }
    }
    let records = exported.records();
    let good = match problem {
        None => exported.end(),
        Some(problem) => Err(problem),
    };
    Ok(Json(match good {
        Ok(good) => AuditVerified {
            ok: true,
            records,
            size: good.size,
            first_bad_index: None,
            problem: None,
        },
        Err(problem) => AuditVerified {
            ok: false,
            records,
            size: 0,
            first_bad_index: Some(problem.first),
            problem: Some(problem.to_string()),
        },
    }))
}

/// How a value of a query stands in the records of this organization's calls, to find it there.
#[utoipa::path(post, path = "/v1/audit/hash", tag = "audit", request_body = HashAuditValue,
    responses((status = 200, body = HashedAuditValue)))]
pub(super) async fn hash_audit_value(
    State(app): State<Arc<App>>,
    caller: Require<SeeAudit>,
    Body(asked): Body<HashAuditValue>,
) -> ApiResult<Json<HashedAuditValue>> {
    let hash = app.policy_mac.value_hasher(caller.org).hash(&asked.value);
    Ok(Json(HashedAuditValue { hash }))
}
