//! `/v1/orgs`: the organizations of a person. `/v1/org`: the one that the caller speaks for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_core::ids::OrgId;
use keystore_store::orgs::{self as rows, Org as Row};
use keystore_wire::Page;
use keystore_wire::auth::Membership;
use keystore_wire::members::TransferOrg;
use keystore_wire::orgs::{CreateOrg, DeleteOrg, Org, UpdateOrg};
use keystore_wire::page::PageQuery;

use super::extract::{Body, Query};
use super::page::Slice;
use super::problem::{ApiError, ApiResult};
use super::roles;
use crate::app::App;
use crate::auth::accounts;
use crate::auth::caller::Caller;
use crate::auth::require::{ManageOrg, Require, SeeOrg};
use crate::orgs;

/// The organizations that the person belongs to, and what they are there. A management key sees its own.
#[utoipa::path(get, path = "/v1/orgs", tag = "organization", params(PageQuery),
    responses((status = 200, body = Page<Membership>)))]
pub(super) async fn list_orgs(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<Membership>>> {
    let slice = Slice::<OrgId>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let mut found = match caller.person() {
        Ok((user, _)) => accounts::orgs_of(&mut conn, user).await?,
        Err(_) => {
            let own = rows::get(&mut conn, caller.org).await?;
            own.map(|org| (org, caller.role)).into_iter().collect()
        }
    };
    found.sort_by_key(|(org, _)| org.id);
    found.retain(|(org, _)| slice.after.is_none_or(|after| org.id > after));
    Ok(Json(slice.page(
        found,
        |(org, _)| org.id.to_string(),
        |(org, role)| Membership {
            id: org.id,
            name: org.name,
            slug: org.slug,
            role: roles::wire(role),
        },
    )))
}

/// Makes another organization, which the person owns. Their session stays where it is: `POST /v1/auth/switch-org` moves it.
#[utoipa::path(post, path = "/v1/orgs", tag = "organization", request_body = CreateOrg,
    responses((status = 201, body = Org)))]
pub(super) async fn create_org(
    State(app): State<Arc<App>>,
    caller: Require<SeeOrg>,
    Body(body): Body<CreateOrg>,
) -> ApiResult<(StatusCode, Json<Org>)> {
    let made = orgs::create(&app, &caller, body).await?;
    Ok((StatusCode::CREATED, Json(wire(made))))
}

/// The caller's organization.
#[utoipa::path(get, path = "/v1/org", tag = "organization", responses((status = 200, body = Org)))]
pub(super) async fn get_org(State(app): State<Arc<App>>, caller: Require<SeeOrg>) -> ApiResult<Json<Org>> {
    let row = rows::get(&mut app.store.read().await?, caller.org)
        .await?
        .ok_or_else(|| ApiError::not_found("organization"))?;
    Ok(Json(wire(row)))
}

/// Changes what is named. Budgets follow another time zone from their next window.
#[utoipa::path(patch, path = "/v1/org", tag = "organization", request_body = UpdateOrg,
    responses((status = 200, body = Org)))]
pub(super) async fn update_org(
    State(app): State<Arc<App>>,
    caller: Require<ManageOrg>,
    Body(body): Body<UpdateOrg>,
) -> ApiResult<Json<Org>> {
    let mut tx = app.store.begin().await?;
    let changed = orgs::update(&app, &mut tx, &caller, body).await?;
    tx.commit().await?;
    Ok(Json(wire(changed)))
}

/// Ends the organization at once and for good, with its members, projects, agents, tokens, credentials, budgets and management
/// keys. The session goes on in another organization of the person.
#[utoipa::path(delete, path = "/v1/org", tag = "organization", params(DeleteOrg), responses((status = 204)))]
pub(super) async fn delete_org(
    State(app): State<Arc<App>>,
    caller: Require<ManageOrg>,
    Query(query): Query<DeleteOrg>,
) -> ApiResult<StatusCode> {
    orgs::delete(&app, &caller, &query.confirm).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives the organization to another member. The caller becomes an admin.
#[utoipa::path(post, path = "/v1/org/transfer", tag = "organization", request_body = TransferOrg,
    responses((status = 204)))]
pub(super) async fn transfer_org(
    State(app): State<Arc<App>>,
    caller: Require<ManageOrg>,
    Body(body): Body<TransferOrg>,
) -> ApiResult<StatusCode> {
    let mut tx = app.store.begin().await?;
    orgs::transfer(&app, &mut tx, &caller, body.user_id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The organization as an answer and the audit log show it.
pub(crate) fn wire(row: Row) -> Org {
    Org {
        id: row.id,
        slug: row.slug,
        name: row.name,
        time_zone: row.time_zone,
        event_mails: row.event_mails,
        second_factor_required: row.second_factor_required,
        created_at: row.created_at.into(),
        updated_at: row.updated_at.into(),
    }
}
