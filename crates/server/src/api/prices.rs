//! `/v1/prices`: what the organization pays by contracts of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_core::policy::OwnPrice;
use keystore_core::price::ModelPrice;
use keystore_core::{Bucket, NanoUsd};
use keystore_wire::Page;
use keystore_wire::prices::{ListPrices, Price, PriceQuery, SetPrice, UnsetPrice};
use keystore_wire::problem::Code;

use super::extract::{Body, Query};
use super::page::Slice;
use super::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::auth::require::{Administer, Require, SeeMoney};
use crate::{prices, providers, scopes};

/// The prices that the organization has set, by provider and model.
#[utoipa::path(get, path = "/v1/prices", tag = "prices", params(ListPrices),
    responses((status = 200, body = Page<Price>)))]
pub(super) async fn list_prices(
    State(app): State<Arc<App>>,
    caller: Require<SeeMoney>,
    Query(query): Query<ListPrices>,
) -> ApiResult<Json<Page<Price>>> {
    let slice = Slice::<String>::of(query.limit, query.after.as_deref())?;
    let scope = scopes::get(&app, &mut app.store.read().await?, caller.org, None).await?;
    let mut found = scope.prices;
    found.retain(|own| {
        query
            .provider
            .as_ref()
            .is_none_or(|wanted| *wanted == own.provider)
    });
    found.sort_by_cached_key(key);
    Ok(Json(slice.of_all(found, key, |own| shown(&own))))
}

/// Sets what the organization pays for a model with its own keys. In force on the next request; what was charged stays.
#[utoipa::path(post, path = "/v1/prices", tag = "prices", request_body = SetPrice,
    responses((status = 200, body = Price)))]
pub(super) async fn set_price(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
    Body(body): Body<SetPrice>,
) -> ApiResult<Json<Price>> {
    caller.whole_org()?;
    let mut tx = app.store.begin().await?;
    let set = prices::set(&app, &mut tx, &caller, body).await?;
    tx.commit().await?;
    Ok(Json(shown(&set)))
}

/// Lets the price of the list count again.
#[utoipa::path(post, path = "/v1/prices/unset", tag = "prices", request_body = UnsetPrice, responses((status = 204)))]
pub(super) async fn unset_price(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
    Body(body): Body<UnsetPrice>,
) -> ApiResult<StatusCode> {
    caller.whole_org()?;
    let mut tx = app.store.begin().await?;
    prices::unset(&app, &mut tx, &caller, &body).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a call with the organization's own key is charged by now.
#[utoipa::path(get, path = "/v1/prices/in-force", tag = "prices", params(PriceQuery),
    responses((status = 200, body = Price)))]
pub(super) async fn get_price_in_force(
    State(app): State<Arc<App>>,
    caller: Require<SeeMoney>,
    Query(query): Query<PriceQuery>,
) -> ApiResult<Json<Price>> {
    let mut conn = app.store.read().await?;
    let provider = providers::find(&app, &mut conn, caller.org, &query.provider).await?;
    let scope = scopes::get(&app, &mut conn, caller.org, None).await?;
    let now = app.clock.now();
    let (price, own) = keystore_proxy::prices::find(&scope.prices, &provider, &query.model, now);
    let price = price.ok_or_else(|| {
        let said = format!("`{}` of {} has no price", query.model, query.provider);
        ApiError::new(Code::NotFound, said)
    })?;
    Ok(Json(Price {
        set_at: own.map(|own| own.set_at.into()),
        ..in_force(&query.provider, &price)
    }))
}

fn key(own: &OwnPrice) -> String {
    format!("{}/{}", own.provider, own.model)
}

fn in_force(provider: &str, price: &ModelPrice) -> Price {
    Price {
        provider: provider.to_owned(),
        model: price.model.to_string(),
        units: units(price.prices.iter()),
        context_window: price.context_window,
        max_output_tokens: price.max_output_tokens,
        set_at: None,
    }
}

/// A price of the organization's own, as answers and the audit log show it.
pub(crate) fn shown(own: &OwnPrice) -> Price {
    let known = own
        .units
        .iter()
        .filter_map(|unit| Some((unit.bucket()?, unit.per_million)));
    Price {
        provider: own.provider.clone(),
        model: own.model.clone(),
        units: units(known),
        context_window: own.context_window,
        max_output_tokens: own.max_output_tokens,
        set_at: Some(own.set_at.into()),
    }
}

pub(crate) fn units(prices: impl Iterator<Item = (Bucket, i64)>) -> BTreeMap<String, String> {
    prices
        .map(|(bucket, per_million)| (bucket.name().to_owned(), NanoUsd(per_million).to_string()))
        .collect()
}
