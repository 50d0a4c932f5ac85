//! What customers see of the marketplace: which providers are sold, for how much, and which of them an organization has enabled.

use std::collections::BTreeSet;

use keystore_catalog::Provider;
use keystore_core::ids::OrgId;
use keystore_core::policy::{PriceBook, Sold};
use keystore_core::price::{ModelPrice, Terms};
use keystore_core::{Bucket, Micros, NanoUsd, Usage};
use keystore_store::{Conn, Tx};
use keystore_wire::marketplace::{Listing, ListingDetail, ListingPrice, TypicalCall};
use keystore_wire::problem::Code;
use serde_json::json;

use crate::api::prices::units;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::{operator, pools, price_book, providers, scopes};

/// A call that is thought typical: as many tokens of input, and of output.
const TYPICAL: (u64, u64) = (1_000, 500);

/// The marketplace as one organization sees it.
pub(crate) struct Shop {
    org: OrgId,
    pub(crate) book: PriceBook,
    enabled: Vec<String>,
    available: BTreeSet<String>,
    now: Micros,
}

impl Shop {
    /// As `org` sees it now.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn of(app: &App, conn: &mut Conn, org: OrgId) -> ApiResult<Self> {
        let book = price_book::get(app, conn).await?;
        let enabled = scopes::get(app, conn, org, None).await?.marketplace;
        let members = match operator::org(conn).await? {
            Some(operator) => pools::of_org(app, conn, operator, None).await?,
            None => Vec::new(),
        };
        let serves = |member: &&pools::Member| pools::may_serve(member) && member.policy.serves(org);
        let available = members
            .iter()
            .filter(serves)
            .map(|member| member.policy.provider.clone())
            .collect();
        Ok(Self {
            org,
            book,
            enabled,
            available,
            now: app.clock.now(),
        })
    }

    /// Whether the organization has enabled the provider.
    pub(crate) fn has_enabled(&self, provider: &str) -> bool {
        self.enabled.iter().any(|slug| slug == provider)
    }

    /// What the organization pays for a model now.
    pub(crate) fn sold(&self, provider: &Provider, model: &str) -> Option<Sold> {
        let listed = provider.price(model, self.now);
        self.book.sell(self.org, &provider.slug, model, listed, self.now)
    }

    /// Every provider that the organization may see: what is published, and what it has enabled.
    pub(crate) fn providers(&self, dev: bool) -> Vec<&'static Provider> {
        let seen = self
            .book
            .listings
            .iter()
            .filter(|listing| listing.published || self.has_enabled(&listing.provider));
        let mut seen: Vec<_> = seen
            .filter_map(|listing| providers::catalog(&listing.provider, dev).ok())
            .collect();
        seen.sort_by(|one, other| one.slug.cmp(&other.slug));
        seen
    }

    /// The provider as it stands in the list.
    pub(crate) fn listing(&self, provider: &'static Provider) -> Listing {
        let sold = self.all_sold(provider);
        Listing {
            provider: provider.slug.to_string(),
            name: provider.name.to_string(),
            category: provider.category.to_string(),
            enabled: self.has_enabled(&provider.slug),
            available: self.available.contains(&*provider.slug),
            models: u32::try_from(sold.len()).unwrap_or(u32::MAX),
            typical_call: typical(&sold),
        }
    }

    /// The provider with its prices.
    pub(crate) fn detail(&self, provider: &'static Provider) -> ListingDetail {
        let prices = self.all_sold(provider).into_iter().map(|price| ListingPrice {
            model: price.model.to_string(),
            units: units(price.prices.iter()),
        });
        ListingDetail {
            listing: self.listing(provider),
            price_version: self.book.version,
            prices: prices.collect(),
        }
    }

    /// The prices of everything that is sold of a provider: what is listed, and what the book names.
    fn all_sold(&self, provider: &'static Provider) -> Vec<ModelPrice> {
        let rows = provider.prices.rows.iter().filter(|row| row.in_force(self.now));
        let listed = rows.map(|row| row.price.model.to_string());
        let named =
            self.book.rules.iter().filter(|rule| {
                rule.provider.as_deref() == Some(&*provider.slug) && rule.is_in_force(self.now)
            });
        let named = named.filter_map(|rule| rule.model.clone().filter(|model| !model.ends_with('*')));
        let models: BTreeSet<String> = listed.chain(named).collect();
        let sold = models.iter().filter_map(|model| self.sold(provider, model));
        sold.map(|sold| sold.price).collect()
    }
}

/// What a typical call costs: at the model of middling price, where anything is sold by the token; else one of the cheapest thing.
fn typical(sold: &[ModelPrice]) -> Option<TypicalCall> {
    let (input, output) = TYPICAL;
    let chat = Usage::ZERO
        .with(Bucket::InputUncached, input)
        .with(Bucket::OutputText, output);
    let cost = |price: &ModelPrice, usage: &Usage| price.charge(usage, &Terms::default()).ok();
    let mut chats: Vec<_> = sold
        .iter()
        .filter_map(|price| Some((cost(price, &chat)?, price.model.to_string())))
        .filter(|(cost, _)| *cost > NanoUsd::ZERO)
        .collect();
    chats.sort();
    let middling = chats.get(chats.len() / 2).cloned();
    let cheapest = || {
        let one = |price: &ModelPrice| {
            let (bucket, _) = price.prices.iter().next()?;
            let cost = cost(price, &Usage::ZERO.with(bucket, 1))?;
            Some((cost, price.model.to_string()))
        };
        sold.iter().filter_map(one).min()
    };
    let (cost, model) = middling.or_else(cheapest)?;
    Some(TypicalCall { model, cost })
}

/// Enables a provider for the organization.
///
/// # Errors
/// `not_found` for one that is not sold.
pub(crate) async fn enable(app: &App, tx: &mut Tx, caller: &Caller, slug: &str) -> ApiResult<()> {
    change(app, tx, caller, slug, true).await
}

/// Disables a provider: calls with pooled credentials of it are refused from now on, and running ones are cut.
///
/// # Errors
/// `not_found` for one that was never sold.
pub(crate) async fn disable(app: &App, tx: &mut Tx, caller: &Caller, slug: &str) -> ApiResult<()> {
    change(app, tx, caller, slug, false).await
}

async fn change(app: &App, tx: &mut Tx, caller: &Caller, slug: &str, enable: bool) -> ApiResult<()> {
    caller.whole_org()?;
    let listing = price_book::get(app, tx).await?.listing(slug).cloned();
    let mut scope = scopes::get(app, tx, caller.org, None).await?;
    let is_enabled = scope.marketplace.iter().any(|known| known == slug);
    let is_sold = listing.is_some_and(|listing| listing.published || is_enabled);
    if !is_sold && !is_enabled {
        return Err(not_sold(slug));
    }
    if is_enabled == enable {
        return Ok(());
    }
    let recorded = |enabled: bool| json!({"provider": slug, "enabled": enabled});
    match enable {
        true => scope.marketplace.push(slug.to_owned()),
        false => scope.marketplace.retain(|known| known != slug),
    }
    scope.marketplace.sort();
    scopes::put(app, tx, &scope).await?;
    let action = match enable {
        true => "enable_listing",
        false => "disable_listing",
    };
    Event::new(action, &caller.org)
        .before(&recorded(is_enabled))?
        .after(&recorded(enable))?
        .by(tx, caller)
}

/// That a provider is not sold here.
pub(crate) fn not_sold(slug: &str) -> ApiError {
    ApiError::new(Code::NotFound, format!("`{slug}` is not sold at this marketplace"))
        .remedy("`ks marketplace list` shows what is; with a credential of your own every provider can be used: `ks provider add`")
}
