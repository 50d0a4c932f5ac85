//! `/v1/org`: the caller's organization.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use keystore_store::orgs as rows;
use keystore_wire::orgs::Org;

use super::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::auth::require::{Require, SeeOrg};

/// The caller's organization.
#[utoipa::path(get, path = "/v1/org", tag = "organization", responses((status = 200, body = Org)))]
pub(super) async fn get_org(State(app): State<Arc<App>>, caller: Require<SeeOrg>) -> ApiResult<Json<Org>> {
    let row = rows::get(&mut app.store.read().await?, caller.org)
        .await?
        .ok_or_else(|| ApiError::not_found("organization"))?;
    Ok(Json(Org {
        id: row.id,
        slug: row.slug,
        name: row.name,
        time_zone: row.time_zone,
        created_at: row.created_at.into(),
        updated_at: row.updated_at.into(),
    }))
}
