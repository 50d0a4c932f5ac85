//! `/v1/credentials`. A value goes in and never comes out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_catalog as catalog;
use keystore_core::ids::CredentialId;
use keystore_proxy::ProbeOutcome;
use keystore_store::Conn;
use keystore_store::credentials::{self as rows, Credential as Row, CredentialStatus as Stored};
use keystore_wire::Page;
use keystore_wire::credentials::{
    CreateCredential, Credential, CredentialStatus, CredentialTest, ListCredentials, RotateCredential,
    TestVerdict, UpdateCredential, UpstreamLimit, VerifyFirst,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Body, Query};
use super::page::Slice;
use super::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::auth::require::{ManageCredentials, Require, SeeAgents, Target};
use crate::{credentials, providers};

/// The credentials, oldest first, without their values.
#[utoipa::path(get, path = "/v1/credentials", tag = "credentials", params(ListCredentials),
    responses((status = 200, body = Page<Credential>)))]
pub(super) async fn list_credentials(
    State(app): State<Arc<App>>,
    caller: Require<SeeAgents>,
    Query(query): Query<ListCredentials>,
) -> ApiResult<Json<Page<Credential>>> {
    let slice = Slice::<CredentialId>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let project = caller.narrow(&mut conn, query.project.as_deref()).await?;
    let provider = query.provider.as_deref();
    let (org, after, read) = (caller.org, slice.after, slice.read());
    let found = match query.due {
        None => rows::list(&mut conn, org, project, provider, after, read).await?,
        Some(days) if days <= MAX_DUE_DAYS => {
            let by = app
                .clock
                .now()
                .plus(Duration::from_secs(u64::from(days) * 86_400));
            rows::due(&mut conn, org, project, provider, (after, read), by).await?
        }
        Some(_) => {
            return Err(ApiError::field(
                "?due",
                format!("must be 0 to {MAX_DUE_DAYS} days"),
            ));
        }
    };
    let page = slice.page(found, |row| row.id.to_string(), |row| row);
    Ok(Json(Page {
        data: shown(&app, &mut conn, page.data).await?,
        next: page.next,
    }))
}

/// The longest time ahead for which a list of what is due is given.
const MAX_DUE_DAYS: u16 = 365;

/// Seals a provider's secret and stores it, with `verify` unless the vendor refuses it.
#[utoipa::path(post, path = "/v1/credentials", tag = "credentials", request_body = CreateCredential, params(VerifyFirst),
    responses((status = 201, body = Credential)))]
pub(super) async fn create_credential(
    State(app): State<Arc<App>>,
    caller: Require<ManageCredentials>,
    Query(query): Query<VerifyFirst>,
    Body(body): Body<CreateCredential>,
) -> ApiResult<(StatusCode, Json<Credential>)> {
    let row = credentials::create(&app, &caller, body, query.verify).await?;
    Ok((StatusCode::CREATED, Json(one(&app, row).await?)))
}

/// The credential, without its value.
#[utoipa::path(get, path = "/v1/credentials/{credential}", tag = "credentials",
    params(("credential" = String, Path, description = "Id")), responses((status = 200, body = Credential)))]
pub(super) async fn get_credential(
    State(app): State<Arc<App>>,
    target: Target<SeeAgents, Row>,
) -> ApiResult<Json<Credential>> {
    let (_, row) = target.read(&app).await?;
    Ok(Json(one(&app, row).await?))
}

/// Changes what is known of a credential beside its secret.
#[utoipa::path(patch, path = "/v1/credentials/{credential}", tag = "credentials", request_body = UpdateCredential,
    params(("credential" = String, Path, description = "Id")), responses((status = 200, body = Credential)))]
pub(super) async fn update_credential(
    State(app): State<Arc<App>>,
    target: Target<ManageCredentials, Row>,
    Body(body): Body<UpdateCredential>,
) -> ApiResult<Json<Credential>> {
    let (mut tx, row) = target.change(&app).await?;
    let row = credentials::update(&app, &mut tx, &target, row, body).await?;
    tx.commit().await?;
    Ok(Json(one(&app, row).await?))
}

/// Seals the same secret for where its provider is now. Requests that begin after the answer go there.
#[utoipa::path(post, path = "/v1/credentials/{credential}/reseal", tag = "credentials",
    params(("credential" = String, Path, description = "Id")), responses((status = 200, body = Credential)))]
pub(super) async fn reseal_credential(
    State(app): State<Arc<App>>,
    target: Target<ManageCredentials, Row>,
) -> ApiResult<Json<Credential>> {
    let (_, row) = target.read(&app).await?;
    let row = credentials::reseal(&app, &target, row).await?;
    Ok(Json(one(&app, row).await?))
}

/// Puts a new secret in place of the old one, with `verify` unless the vendor refuses it. Requests that begin after the answer use
/// the new one; calls that run end on the old one.
#[utoipa::path(post, path = "/v1/credentials/{credential}/rotate", tag = "credentials", request_body = RotateCredential,
    params(("credential" = String, Path, description = "Id"), VerifyFirst), responses((status = 200, body = Credential)))]
pub(super) async fn rotate_credential(
    State(app): State<Arc<App>>,
    target: Target<ManageCredentials, Row>,
    Query(query): Query<VerifyFirst>,
    Body(body): Body<RotateCredential>,
) -> ApiResult<Json<Credential>> {
    let (_, row) = target.read(&app).await?;
    let row = credentials::rotate(&app, &target, row, body, query.verify).await?;
    Ok(Json(one(&app, row).await?))
}

/// Asks the vendor whether it takes the credential, by the cheapest request that the catalog knows.
#[utoipa::path(post, path = "/v1/credentials/{credential}/test", tag = "credentials",
    params(("credential" = String, Path, description = "Id")), responses((status = 200, body = CredentialTest)))]
pub(super) async fn test_credential(
    State(app): State<Arc<App>>,
    target: Target<ManageCredentials, Row>,
) -> ApiResult<Json<CredentialTest>> {
    let (_, row) = target.read(&app).await?;
    let started = app.clock.boottime();
    let (outcome, status) = app.probe(&row).await?;
    let elapsed = app.clock.boottime().saturating_sub(started);
    let (verdict, detail, found) = match outcome {
        ProbeOutcome::Valid => (
            TestVerdict::Valid,
            "the provider accepts it".to_owned(),
            Some(Stored::Active),
        ),
        ProbeOutcome::Invalid { .. } => (
            TestVerdict::Invalid,
            "the provider refuses it; rotate it with a key that works".to_owned(),
            Some(Stored::Invalid),
        ),
        ProbeOutcome::Unclear { reason } | ProbeOutcome::Unreachable { reason } => {
            (TestVerdict::Unknown, reason, None)
        }
    };
    let row = credentials::note_test(&app, &target, &row, found).await?;
    Ok(Json(CredentialTest {
        verdict,
        upstream_status: status,
        detail,
        latency_ms: status.map(|_| millis(elapsed)),
        credential: one(&app, row).await?,
    }))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whether to delete a credential that agents use.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteCredential {
    /// Delete it though agents are granted it: their requests are then refused with `credential_missing`.
    #[serde(default)]
    force: bool,
}

/// Deletes the credential with all its versions.
#[utoipa::path(delete, path = "/v1/credentials/{credential}", tag = "credentials",
    params(("credential" = String, Path, description = "Id"), DeleteCredential), responses((status = 204)))]
pub(super) async fn delete_credential(
    State(app): State<Arc<App>>,
    target: Target<ManageCredentials, Row>,
    Query(query): Query<DeleteCredential>,
) -> ApiResult<StatusCode> {
    let (tx, row) = target.change(&app).await?;
    credentials::delete(tx, &target, row, query.force).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn one(app: &App, row: Row) -> ApiResult<Credential> {
    let shown = shown(app, &mut app.store.read().await?, vec![row]).await?;
    shown
        .into_iter()
        .next()
        .ok_or_else(|| ApiError::not_found("credential"))
}

/// Credentials of one organization as clients see them, in the order of their ids.
async fn shown(app: &App, conn: &mut Conn, found: Vec<Row>) -> ApiResult<Vec<Credential>> {
    let (Some(first), Some(last)) = (found.first(), found.last()) else {
        return Ok(Vec::new());
    };
    let policies = rows::policies(conn, first.org, first.id, last.id).await?;
    let own = match found.iter().all(|row| catalog::provider(&row.provider).is_some()) {
        true => Vec::new(),
        false => providers::all_own(app, conn, first.org).await?,
    };
    let provider_of = |slug: &str| {
        let own = own
            .iter()
            .find(|own| own.policy.slug == slug)
            .map(|own| &*own.provider);
        own.or_else(|| catalog::provider(slug))
    };
    let each = found.into_iter().map(|row| {
        let policy = policies.get(&row.id).map(Vec::as_slice).unwrap_or_default();
        let reseal_needed = credentials::needs_reseal(app, provider_of(&row.provider), &row, policy);
        Credential {
            reseal_needed,
            upstream_limits: app.proxy.limits_of(row.id).into_iter().map(limit).collect(),
            ..wire(row)
        }
    });
    Ok(each.collect())
}

fn limit(limit: keystore_proxy::LearnedLimit) -> UpstreamLimit {
    UpstreamLimit {
        subject: limit.subject,
        limit: limit.limit,
        remaining: limit.remaining,
        resets_at: limit.resets_at.map(Into::into),
        observed_at: limit.observed_at.into(),
    }
}

/// What is known of a credential, as answers show it.
pub(super) const fn status(stored: Stored) -> CredentialStatus {
    match stored {
        Stored::Untested => CredentialStatus::Untested,
        Stored::Active => CredentialStatus::Active,
        Stored::Invalid => CredentialStatus::Invalid,
        Stored::Disabled => CredentialStatus::Disabled,
    }
}

/// The credential as the audit log shows it, and all of an answer that its row says: everything but its value.
pub(crate) fn wire(row: Row) -> Credential {
    let status = status(row.status);
    // Opaque in the store; written by this crate from the same type.
    let agreements: BTreeMap<_, _> = serde_json::from_value(row.agreements).unwrap_or_default();
    Credential {
        id: row.id,
        project_id: row.project,
        provider: row.provider,
        name: row.name,
        source: row.source,
        status,
        version: row.current_version,
        params: row.params,
        base_url: row.base_url,
        labels: row.labels,
        agreements,
        expires_at: row.expires_at.map(Into::into),
        rotate_after: row.rotate_after.map(Into::into),
        last_used_at: row.last_used_at.map(Into::into),
        tested_at: row.tested_at.map(Into::into),
        reseal_needed: false,
        upstream_limits: Vec::new(),
        created_at: row.created_at.into(),
        updated_at: row.updated_at.into(),
    }
}
