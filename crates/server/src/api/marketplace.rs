//! `/v1/marketplace` and `/v1/migrations`: what is sold, and moving between one's own credentials and the pool.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_core::ids::MoveId;
use keystore_store::moves::{self as rows, Move};
use keystore_wire::Page;
use keystore_wire::marketplace::{CreateMigration, ListListings, Listing, ListingDetail, Migration};
use keystore_wire::page::PageQuery;

use super::extract::{Body, Id, Query};
use super::page::Slice;
use super::problem::ApiResult;
use crate::app::App;
use crate::auth::require::{ManageMarketplace, Require, SeeAgents, SeeMoney, Target};
use crate::marketplace::{self, Shop, not_sold};
use crate::moves;

/// What is sold, by slug.
#[utoipa::path(get, path = "/v1/marketplace", tag = "marketplace", params(ListListings),
    responses((status = 200, body = Page<Listing>)))]
pub(super) async fn list_listings(
    State(app): State<Arc<App>>,
    caller: Require<SeeMoney>,
    Query(query): Query<ListListings>,
) -> ApiResult<Json<Page<Listing>>> {
    let slice = Slice::<String>::of(query.limit, query.after.as_deref())?;
    let shop = Shop::of(&app, &mut app.store.read().await?, caller.org).await?;
    let mut found = shop.providers(app.settings.dev);
    let search = query.search.map(|text| text.to_lowercase());
    found.retain(|provider| {
        let fits = |text: &str| {
            search
                .as_ref()
                .is_none_or(|search| text.to_lowercase().contains(search))
        };
        query
            .category
            .as_ref()
            .is_none_or(|category| *category == *provider.category)
            && query
                .enabled
                .is_none_or(|wanted| wanted == shop.has_enabled(&provider.slug))
            && (fits(&provider.slug) || fits(&provider.name) || fits(&provider.category))
    });
    let slug = |provider: &&'static keystore_catalog::Provider| provider.slug.to_string();
    Ok(Json(slice.of_all(found, slug, |provider| shop.listing(provider))))
}

/// What is sold of a provider, and for how much.
#[utoipa::path(get, path = "/v1/marketplace/{listing}", tag = "marketplace",
    params(("listing" = String, Path, description = "The provider's slug")), responses((status = 200, body = ListingDetail)))]
pub(super) async fn get_listing(
    State(app): State<Arc<App>>,
    caller: Require<SeeMoney>,
    Id(slug): Id<String>,
) -> ApiResult<Json<ListingDetail>> {
    let shop = Shop::of(&app, &mut app.store.read().await?, caller.org).await?;
    let seen = shop.providers(app.settings.dev);
    let provider = seen.into_iter().find(|provider| *provider.slug == slug);
    let provider = provider.ok_or_else(|| not_sold(&slug))?;
    Ok(Json(shop.detail(provider)))
}

/// Enables a provider: from now on agents can be granted it with `"source": "marketplace"`.
#[utoipa::path(post, path = "/v1/marketplace/{listing}/enable", tag = "marketplace",
    params(("listing" = String, Path, description = "The provider's slug")), responses((status = 204)))]
pub(super) async fn enable_listing(
    State(app): State<Arc<App>>,
    caller: Require<ManageMarketplace>,
    Id(slug): Id<String>,
) -> ApiResult<StatusCode> {
    let mut tx = app.store.begin().await?;
    marketplace::enable(&app, &mut tx, &caller, &slug).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Disables a provider. Calls with pooled credentials of it are refused when this returns, and running ones are cut.
#[utoipa::path(post, path = "/v1/marketplace/{listing}/disable", tag = "marketplace",
    params(("listing" = String, Path, description = "The provider's slug")), responses((status = 204)))]
pub(super) async fn disable_listing(
    State(app): State<Arc<App>>,
    caller: Require<ManageMarketplace>,
    Id(slug): Id<String>,
) -> ApiResult<StatusCode> {
    let mut tx = app.store.begin().await?;
    marketplace::disable(&app, &mut tx, &caller, &slug).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The moves, newest first.
#[utoipa::path(get, path = "/v1/migrations", tag = "marketplace", params(PageQuery),
    responses((status = 200, body = Page<Migration>)))]
pub(super) async fn list_migrations(
    State(app): State<Arc<App>>,
    caller: Require<SeeAgents>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<Migration>>> {
    caller.whole_org()?;
    let slice = Slice::<MoveId>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let found = rows::list(&mut conn, caller.org, slice.after, slice.read()).await?;
    let page = slice.page(found, |row| row.id.to_string(), |row| row);
    let data = page.data.into_iter().map(moves::wire).collect::<ApiResult<_>>()?;
    Ok(Json(Page {
        data,
        next: page.next,
    }))
}

/// Moves grants of a provider between the agents' own credentials and the pool, all in one step, or says what that would do. Tokens
/// stay as they are, and calls that run end where they began.
#[utoipa::path(post, path = "/v1/migrations", tag = "marketplace", request_body = CreateMigration,
    responses((status = 200, body = Migration)))]
pub(super) async fn create_migration(
    State(app): State<Arc<App>>,
    caller: Require<ManageMarketplace>,
    Body(body): Body<CreateMigration>,
) -> ApiResult<Json<Migration>> {
    let is_dry = body.dry_run;
    let mut tx = app.store.begin().await?;
    let made = moves::create(&app, &mut tx, &caller, body).await?;
    if !is_dry {
        tx.commit().await?;
    }
    Ok(Json(made))
}

/// Moves the agents back, where none was changed since.
#[utoipa::path(post, path = "/v1/migrations/{migration}/undo", tag = "marketplace",
    params(("migration" = String, Path, description = "Id")), responses((status = 200, body = Migration)))]
pub(super) async fn undo_migration(
    State(app): State<Arc<App>>,
    target: Target<ManageMarketplace, Move>,
) -> ApiResult<Json<Migration>> {
    let (mut tx, row) = target.change(&app).await?;
    let undone = moves::undo(&app, &mut tx, &target, row).await?;
    tx.commit().await?;
    Ok(Json(undone))
}
