//! What a provider is sold for: the rows that the price book makes, each made once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use keystore_catalog::{PriceRef, ProviderRef};
use keystore_core::Micros;
use keystore_core::ids::OrgId;
use keystore_core::policy::{Markup, PriceBook};
use keystore_core::price::ModelPrice;

use crate::lock::lock;

/// As many rows are kept.
const MOST_KEPT: usize = 8_192;

/// The prices of one provider, by one version of the book.
pub(crate) struct Selling {
    book: PriceBook,
    made: Mutex<HashMap<(OrgId, String), Made>>,
}

/// A row, from when it was made until when it is in force.
#[derive(Clone)]
struct Made {
    /// Of which row of the list it was made.
    listed: Option<usize>,
    since: Micros,
    until: Option<Micros>,
    offer: Arc<Offer>,
}

/// What a model is sold for, and what it costs the operator.
pub(crate) struct Offer {
    /// What the customer pays.
    pub(crate) price: PriceRef,
    /// What the operator pays the vendor, where somebody has said it.
    pub(crate) cost: Option<ModelPrice>,
    /// What is put on a cost that the vendor states itself.
    pub(crate) on_stated: Markup,
}

impl Selling {
    /// Those of the book that concern the provider.
    pub(crate) fn of(provider: &str, mut book: PriceBook) -> Self {
        book.rules
            .retain(|rule| rule.provider.as_deref().is_none_or(|only| only == provider));
        Self {
            book,
            made: Mutex::default(),
        }
    }

    /// The book's version.
    pub(crate) fn version(&self) -> u64 {
        self.book.version
    }

    /// What `org` pays for `model` at a time, and what the operator pays; `None` where nobody has set a price.
    pub(crate) fn find(
        &self,
        org: OrgId,
        provider: &ProviderRef,
        model: &str,
        at: Micros,
    ) -> Option<Arc<Offer>> {
        let listed = provider.find_price(model, at);
        // Rows of the catalog never move.
        let place = listed.as_deref().map(|row| std::ptr::from_ref(row) as usize);
        let key = (org, model.to_owned());
        let kept = lock(&self.made).get(&key).cloned();
        let holds = |made: &Made| {
            made.listed == place && made.since <= at && made.until.is_none_or(|until| at < until)
        };
        if let Some(made) = kept.filter(holds) {
            return Some(made.offer);
        }
        let sold = self
            .book
            .sell(org, &provider.slug, model, listed.as_deref(), at)?;
        let offer = Arc::new(Offer {
            price: PriceRef::Own(Arc::new(sold.price)),
            cost: sold.cost,
            on_stated: sold.on_stated,
        });
        let made = Made {
            listed: place,
            since: at,
            until: sold.until,
            offer: Arc::clone(&offer),
        };
        let mut all = lock(&self.made);
        // Agents name models: what they name must not fill the memory.
        if all.len() >= MOST_KEPT {
            all.clear();
        }
        all.insert(key, made);
        Some(offer)
    }
}
