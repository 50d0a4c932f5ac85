//! What an organization pays by contracts of its own. Its policy holds it, so that a price in the database that nobody set is missed.

use keystore_core::policy::{OwnPrice, Unit, UnitPrice};
use keystore_core::usage::Bucket;
use keystore_store::Tx;
use keystore_wire::prices::{MAX_PRICES, SetPrice, UnsetPrice};
use keystore_wire::problem::Code;

use crate::api::prices::shown;
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::names::check_model;
use crate::{budgets, providers, scopes};

/// Sets the price of a model.
///
/// # Errors
/// `invalid_request`, `not_found` for the provider, `conflict` when there are too many.
pub(crate) async fn set(app: &App, tx: &mut Tx, caller: &Caller, new: SetPrice) -> ApiResult<OwnPrice> {
    providers::find(app, tx, caller.org, &new.provider).await?;
    let own = OwnPrice {
        units: check(&new)?,
        provider: new.provider,
        model: new.model,
        context_window: new.context_window,
        max_output_tokens: new.max_output_tokens,
        set_at: app.clock.now(),
    };
    let mut scope = scopes::get(app, tx, caller.org, None).await?;
    let at = position(&scope.prices, &own.provider, &own.model);
    let event = Event::new("set_price", &caller.org);
    let event = match at {
        Some(at) => event.before(&shown(&std::mem::replace(&mut scope.prices[at], own.clone())))?,
        None if scope.prices.len() >= MAX_PRICES => {
            let said = format!("an organization sets at most {MAX_PRICES} prices");
            return Err(ApiError::new(Code::Conflict, said).remedy("take one away: `ks price unset`"));
        }
        None => {
            scope.prices.push(own.clone());
            event
        }
    };
    scopes::put(app, tx, &scope).await?;
    event.after(&shown(&own))?.by(tx, caller)?;
    Ok(own)
}

/// Takes the price of a model away.
///
/// # Errors
/// `not_found`.
pub(crate) async fn unset(app: &App, tx: &mut Tx, caller: &Caller, which: &UnsetPrice) -> ApiResult<()> {
    let mut scope = scopes::get(app, tx, caller.org, None).await?;
    let at = position(&scope.prices, &which.provider, &which.model).ok_or_else(|| {
        let said = format!("no price is set for `{}` of {}", which.model, which.provider);
        ApiError::new(Code::NotFound, said)
    })?;
    let own = scope.prices.remove(at);
    scopes::put(app, tx, &scope).await?;
    Event::new("unset_price", &caller.org)
        .before(&shown(&own))?
        .by(tx, caller)
}

fn position(prices: &[OwnPrice], provider: &str, model: &str) -> Option<usize> {
    prices
        .iter()
        .position(|own| own.provider == provider && own.model == model)
}

fn check(new: &SetPrice) -> ApiResult<Vec<UnitPrice>> {
    let mut fields = Fields::default();
    check_model(&mut fields, &new.model);
    if new.units.is_empty() {
        fields.wrong(
            "/units",
            "expected the price of one unit at least, such as `input_uncached`",
        );
    }
    let mut units = Vec::new();
    for (name, text) in &new.units {
        let at = format!("/units/{name}");
        match priced(name) {
            Some(bucket) => {
                let per_million = budgets::amount(&mut fields, &at, Unit::Usd, text);
                units.push(UnitPrice::new(bucket, per_million));
            }
            None => fields.wrong(
                at,
                "is no unit that has a price; `ks price show` names those of a model",
            ),
        }
    }
    fields.check()?;
    Ok(units)
}

/// The unit of this name. What a vendor states of its cost, and money that moves, have no price.
pub(crate) fn priced(name: &str) -> Option<Bucket> {
    let mut buckets = Bucket::ALL.into_iter();
    buckets
        .find(|bucket| bucket.name() == name)
        .filter(|bucket| !matches!(bucket, Bucket::VendorCostNanos | Bucket::UsdMovedNanos))
}
