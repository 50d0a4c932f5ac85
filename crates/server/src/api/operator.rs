//! `/v1/operator`: pools, what is sold, and for how much.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_core::pool::{MemberState, MemberStatus};
use keystore_wire::Page;
use keystore_wire::credentials::VerifyFirst;
use keystore_wire::operator::{
    ChangePrices, CreatePoolCredential, ListPool, Operator, PoolCredential, PoolHealth, PriceBook,
    PriceChange, SetListing, UpdatePoolCredential,
};

use super::credentials::status;
use super::extract::{Body, Query};
use super::page::Slice;
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::require::{ManageOrg, Operate, Require, Target};
use crate::operator;
use crate::pools::{self, Member};
use crate::price_book::{self, shown};

/// Sets up the organization in which the operator acts, and gives a management key of it, once. Only for the person who set the
/// deployment up.
#[utoipa::path(post, path = "/v1/operator", tag = "operator", responses((status = 200, body = Operator)))]
pub(super) async fn set_up_operator(
    State(app): State<Arc<App>>,
    caller: Require<ManageOrg>,
) -> ApiResult<Json<Operator>> {
    let (org, key) = operator::set_up(&app, &caller).await?;
    Ok(Json(Operator {
        org_id: org,
        api_key: key.map(|key| key.into_text().to_string()),
    }))
}

/// The keys of the pools, oldest first.
#[utoipa::path(get, path = "/v1/operator/pool", tag = "operator", params(ListPool),
    responses((status = 200, body = Page<PoolCredential>)))]
pub(super) async fn list_pool_credentials(
    State(app): State<Arc<App>>,
    caller: Require<Operate>,
    Query(query): Query<ListPool>,
) -> ApiResult<Json<Page<PoolCredential>>> {
    let slice = Slice::<String>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let found = pools::of_org(&app, &mut conn, caller.org, query.provider.as_deref()).await?;
    let id = |member: &Member| member.credential.id.to_string();
    Ok(Json(slice.of_all(found, id, |member| wire(&app, &member))))
}

/// Adds a key to its provider's pool, and publishes the provider where it is new; with `verify` unless the vendor refuses it.
#[utoipa::path(post, path = "/v1/operator/pool", tag = "operator", request_body = CreatePoolCredential, params(VerifyFirst),
    responses((status = 201, body = PoolCredential)))]
pub(super) async fn create_pool_credential(
    State(app): State<Arc<App>>,
    caller: Require<Operate>,
    Query(query): Query<VerifyFirst>,
    Body(body): Body<CreatePoolCredential>,
) -> ApiResult<(StatusCode, Json<PoolCredential>)> {
    let member = pools::add(&app, &caller, body, query.verify).await?;
    Ok((StatusCode::CREATED, Json(wire(&app, &member))))
}

/// A key of a pool.
#[utoipa::path(get, path = "/v1/operator/pool/{pooled}", tag = "operator",
    params(("pooled" = String, Path, description = "Id of the credential")), responses((status = 200, body = PoolCredential)))]
pub(super) async fn get_pool_credential(
    State(app): State<Arc<App>>,
    target: Target<Operate, Member>,
) -> ApiResult<Json<PoolCredential>> {
    let (_, member) = target.read(&app).await?;
    Ok(Json(wire(&app, &member)))
}

/// Changes whom a key serves and how much. In force on the next request.
#[utoipa::path(patch, path = "/v1/operator/pool/{pooled}", tag = "operator", request_body = UpdatePoolCredential,
    params(("pooled" = String, Path, description = "Id of the credential")), responses((status = 200, body = PoolCredential)))]
pub(super) async fn update_pool_credential(
    State(app): State<Arc<App>>,
    target: Target<Operate, Member>,
    Body(body): Body<UpdatePoolCredential>,
) -> ApiResult<Json<PoolCredential>> {
    let (mut tx, member) = target.change(&app).await?;
    let member = pools::update(&app, &mut tx, &target, member, body).await?;
    tx.commit().await?;
    Ok(Json(wire(&app, &member)))
}

/// Takes a key out of its pool and deletes it. No request that begins after the answer uses it; calls that run end on it.
#[utoipa::path(delete, path = "/v1/operator/pool/{pooled}", tag = "operator",
    params(("pooled" = String, Path, description = "Id of the credential")), responses((status = 204)))]
pub(super) async fn delete_pool_credential(
    State(app): State<Arc<App>>,
    target: Target<Operate, Member>,
) -> ApiResult<StatusCode> {
    let (mut tx, member) = target.change(&app).await?;
    pools::remove(&mut tx, &target, member).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Publishes or hides a provider.
#[utoipa::path(post, path = "/v1/operator/listings", tag = "operator", request_body = SetListing,
    responses((status = 200, body = PriceBook)))]
pub(super) async fn set_listing(
    State(app): State<Arc<App>>,
    caller: Require<Operate>,
    Body(body): Body<SetListing>,
) -> ApiResult<Json<PriceBook>> {
    let mut tx = app.store.begin().await?;
    let book = price_book::set_listing(&app, &mut tx, &caller, body).await?;
    tx.commit().await?;
    Ok(Json(book_wire(&book)))
}

/// The price book in force.
#[utoipa::path(get, path = "/v1/operator/prices", tag = "operator", responses((status = 200, body = PriceBook)))]
pub(super) async fn get_price_book(
    State(app): State<Arc<App>>,
    _caller: Require<Operate>,
) -> ApiResult<Json<PriceBook>> {
    let book = price_book::get(&app, &mut app.store.read().await?).await?;
    Ok(Json(book_wire(&book)))
}

/// Changes the rules of the price book, or says what would change. In force on the next request; what was charged stays.
#[utoipa::path(post, path = "/v1/operator/prices", tag = "operator", request_body = ChangePrices,
    responses((status = 200, body = PriceChange)))]
pub(super) async fn change_prices(
    State(app): State<Arc<App>>,
    caller: Require<Operate>,
    Body(body): Body<ChangePrices>,
) -> ApiResult<Json<PriceChange>> {
    let mut tx = app.store.begin().await?;
    let changed = price_book::change(&app, &mut tx, &caller, &body).await?;
    if !body.dry_run {
        tx.commit().await?;
    }
    Ok(Json(PriceChange {
        version: changed.version,
        added: changed.added.iter().map(shown).collect(),
        removed: changed.removed.iter().map(shown).collect(),
    }))
}

fn book_wire(book: &keystore_core::policy::PriceBook) -> PriceBook {
    let listing = |listing: &keystore_core::policy::Listing| SetListing {
        provider: listing.provider.clone(),
        published: listing.published,
    };
    PriceBook {
        version: book.version,
        listings: book.listings.iter().map(listing).collect(),
        rules: book.rules.iter().map(shown).collect(),
    }
}

/// A member as answers show it, with how it does.
fn wire(app: &App, member: &Member) -> PoolCredential {
    let (known, _) = app.proxy.pool_status(&member.policy.provider);
    let known = known.into_iter().find(|one| one.id == member.credential.id);
    PoolCredential {
        health: health(app, known.as_ref()),
        ..recorded(member)
    }
}

/// A member as the audit log keeps it.
pub(crate) fn recorded(member: &Member) -> PoolCredential {
    let Member { credential, policy } = member;
    PoolCredential {
        id: credential.id,
        provider: credential.provider.clone(),
        name: credential.name.clone(),
        state: policy.state.as_str().to_owned(),
        status: status(credential.status),
        version: credential.current_version,
        weight: policy.weight,
        dedicated_to: policy.dedicated_to,
        max_concurrency: policy.max_concurrency,
        health: PoolHealth::default(),
        expires_at: credential.expires_at.map(Into::into),
        created_at: credential.created_at.into(),
    }
}

fn health(app: &App, known: Option<&MemberStatus>) -> PoolHealth {
    let Some(known) = known else {
        return PoolHealth {
            state: "idle".to_owned(),
            left_permille: 1_000,
            ..PoolHealth::default()
        };
    };
    let (state, usable_at) = match known.state {
        MemberState::Usable => ("usable", None),
        MemberState::Out(until) => {
            let wait = until.checked_sub(app.clock.boottime()).unwrap_or(Duration::ZERO);
            ("cooling", Some(app.clock.now().plus(wait).into()))
        }
        MemberState::KeyRefused => ("key_refused", None),
        MemberState::Draining => ("draining", None),
    };
    PoolHealth {
        state: state.to_owned(),
        in_flight: known.in_flight,
        left_permille: known.left_permille,
        usable_at,
    }
}
