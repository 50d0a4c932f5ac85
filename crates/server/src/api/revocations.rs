//! `/v1/revocations`: the kill switch.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_core::ids::RevocationId;
use keystore_proxy::Propagation;
use keystore_wire::Page;
use keystore_wire::page::PageQuery;
use keystore_wire::revocations::{CreateRevocation, Revocation, RevocationQuery, Revoked};

use super::extract::{Body, Query};
use super::page::Slice;
use super::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::auth::require::{Administer, ManageAgents, Require, SeeAgents, Target};
use crate::revocations::{self, Standing, shown};

/// How long an answer waits for calls that are under way.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What is stopped and can be lifted, oldest first.
#[utoipa::path(get, path = "/v1/revocations", tag = "revocations", params(PageQuery),
    responses((status = 200, body = Page<Revocation>)))]
pub(super) async fn list_revocations(
    State(app): State<Arc<App>>,
    caller: Require<SeeAgents>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<Revocation>>> {
    let slice = Slice::<RevocationId>::of(query.limit, query.after.as_deref())?;
    let all = revocations::standing(&app, &mut app.store.read().await?, &caller).await?;
    let from = slice.after.map_or(0, |after| {
        let at = all.iter().position(|one| one.suspension.id == after);
        at.map_or(all.len(), |at| at + 1)
    });
    let found = all.into_iter().skip(from).take(slice.read() as usize).collect();
    Ok(Json(slice.page(
        found,
        |one: &Standing| one.suspension.id.to_string(),
        shown,
    )))
}

/// Stops the organization, a project or a provider until that is lifted, or an agent or a token for good. When this returns, no
/// request that arrives later is forwarded. Calls that are under way are cut within a second, which it waits for.
#[utoipa::path(post, path = "/v1/revocations", tag = "revocations", request_body = CreateRevocation, params(RevocationQuery),
    responses((status = 200, body = Revoked, description = "In force, and every call under way that it concerns has ended"),
        (status = 202, body = Revoked, description = "In force; calls under way are still ending")))]
pub(super) async fn create_revocation(
    State(app): State<Arc<App>>,
    caller: Require<ManageAgents>,
    Query(query): Query<RevocationQuery>,
    Body(body): Body<CreateRevocation>,
) -> ApiResult<(StatusCode, Json<Revoked>)> {
    let limit = match query.wait {
        0 => None,
        1 => Some(LONGEST_WAIT),
        _ => return Err(ApiError::field("?wait", "must be 0 or 1")),
    };
    let mut tx = app.store.begin().await?;
    let stopped = revocations::create(&app, &mut tx, &caller, &body).await?;
    let epoch = tx.commit_epoch().await?;
    let came = match limit {
        Some(limit) => app.proxy.propagation(epoch, limit).await,
        None => Propagation::default(),
    };
    let status = match came.propagated {
        true => StatusCode::OK,
        false => StatusCode::ACCEPTED,
    };
    let answer = Revoked {
        id: stopped.id,
        scope: body.scope,
        subject: stopped.subject,
        propagated: came.propagated,
        waited_ms: u64::try_from(came.waited.as_millis()).unwrap_or(u64::MAX),
        streams_cut: came.streams_cut,
    };
    Ok((status, Json(answer)))
}

/// Lets the organization, the project or the provider go on.
#[utoipa::path(delete, path = "/v1/revocations/{revocation}", tag = "revocations",
    params(("revocation" = String, Path, description = "Id")), responses((status = 204)))]
pub(super) async fn delete_revocation(
    State(app): State<Arc<App>>,
    target: Target<Administer, Standing>,
) -> ApiResult<StatusCode> {
    let (mut tx, standing) = target.change(&app).await?;
    revocations::lift(&app, &mut tx, &target, standing).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
