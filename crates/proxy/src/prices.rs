//! By which row a model is charged: the catalog's, or the organization's own.

use std::sync::Arc;

use keystore_catalog::{PriceRef, ProviderRef};
use keystore_core::Micros;
use keystore_core::policy::OwnPrice;

use crate::authorize::Permit;
use crate::pools::{Offer, Pool};

/// The price of `model` at a time, and the organization's own that is in it, where `own` has one for it.
pub fn find<'a>(
    own: &'a [OwnPrice],
    provider: &ProviderRef,
    model: &str,
    at: Micros,
) -> (Option<PriceRef>, Option<&'a OwnPrice>) {
    let listed = provider.find_price(model, at);
    let for_it = own
        .iter()
        .find(|own| own.is_for(&provider.slug, model, listed.as_deref()));
    let price = match for_it {
        Some(own) => Some(PriceRef::Own(Arc::new(own.over(listed.as_deref())))),
        None => listed,
    };
    (price, for_it)
}

impl Permit {
    /// The price of a model for this call. An organization's own prices are those of its own keys.
    pub(crate) fn find_price(&self, model: &str, at: Micros) -> Option<PriceRef> {
        match &self.pool {
            None => find(&self.agent.own_prices, self.provider(), model, at).0,
            Some(pool) => Some(self.offer(pool, model, at)?.price.clone()),
        }
    }

    /// What the pool sells a model for.
    pub(crate) fn offer(&self, pool: &Pool, model: &str, at: Micros) -> Option<Arc<Offer>> {
        pool.selling
            .find(self.agent.policy.org, self.provider(), model, at)
    }
}
