//! `/v1/credentials`. A value goes in and never comes out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_core::ids::CredentialId;
use keystore_proxy::ProbeOutcome;
use keystore_store::credentials::{self as rows, Credential as Row, CredentialStatus as Stored};
use keystore_wire::Page;
use keystore_wire::credentials::{
    CreateCredential, Credential, CredentialStatus, CredentialTest, ListCredentials, RotateCredential,
    TestVerdict,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Body, Query};
use super::page::Slice;
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::require::{ManageCredentials, Require, SeeAgents, Target};
use crate::credentials;

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
    let found = rows::list(
        &mut conn,
        caller.org,
        project,
        provider,
        slice.after,
        slice.read(),
    )
    .await?;
    Ok(Json(slice.page(found, |row| row.id.to_string(), wire)))
}

/// Seals a provider's secret and stores it. It is not tested: `POST /v1/credentials/{credential}/test` does that.
#[utoipa::path(post, path = "/v1/credentials", tag = "credentials", request_body = CreateCredential,
    responses((status = 201, body = Credential)))]
pub(super) async fn create_credential(
    State(app): State<Arc<App>>,
    caller: Require<ManageCredentials>,
    Body(body): Body<CreateCredential>,
) -> ApiResult<(StatusCode, Json<Credential>)> {
    let row = credentials::create(&app, &caller, body).await?;
    Ok((StatusCode::CREATED, Json(wire(row))))
}

/// The credential, without its value.
#[utoipa::path(get, path = "/v1/credentials/{credential}", tag = "credentials",
    params(("credential" = String, Path, description = "Id")), responses((status = 200, body = Credential)))]
pub(super) async fn get_credential(
    State(app): State<Arc<App>>,
    target: Target<SeeAgents, Row>,
) -> ApiResult<Json<Credential>> {
    let (_, row) = target.read(&app).await?;
    Ok(Json(wire(row)))
}

/// Puts a new secret in place of the old one. Requests that begin after the answer use the new one.
#[utoipa::path(post, path = "/v1/credentials/{credential}/rotate", tag = "credentials", request_body = RotateCredential,
    params(("credential" = String, Path, description = "Id")), responses((status = 200, body = Credential)))]
pub(super) async fn rotate_credential(
    State(app): State<Arc<App>>,
    target: Target<ManageCredentials, Row>,
    Body(body): Body<RotateCredential>,
) -> ApiResult<Json<Credential>> {
    let (_, row) = target.read(&app).await?;
    Ok(Json(wire(credentials::rotate(&app, &target, row, body).await?)))
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
        credential: wire(row),
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

/// The credential as an answer and the audit log show it: everything but its value.
pub(crate) fn wire(row: Row) -> Credential {
    let status = match row.status {
        Stored::Untested => CredentialStatus::Untested,
        Stored::Active => CredentialStatus::Active,
        Stored::Invalid => CredentialStatus::Invalid,
        Stored::Disabled => CredentialStatus::Disabled,
    };
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
        created_at: row.created_at.into(),
        updated_at: row.updated_at.into(),
    }
}
