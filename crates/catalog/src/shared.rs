//! A provider or a price as the request path holds it: of the constant table, which costs nothing, or made at run time and
//! shared.

use std::ops::Deref;
use std::sync::Arc;

use keystore_core::price::ModelPrice;
use keystore_core::time::Micros;

use crate::provider::Provider;

/// A provider, wherever it comes from.
#[derive(Debug, Clone)]
pub enum ProviderRef {
    /// Of the catalog.
    Catalog(&'static Provider),
    /// Defined by an organization.
    Custom(Arc<Provider>),
}

/// A row of a provider's prices.
#[derive(Debug, Clone)]
pub enum PriceRef {
    /// Of the catalog.
    Catalog(&'static ModelPrice),
    /// Of a provider that an organization defined: the row with this number.
    Custom(Arc<Provider>, usize),
    /// An organization's own.
    Own(Arc<ModelPrice>),
}

impl ProviderRef {
    /// As [`Provider::price`], to be kept.
    pub fn find_price(&self, model: &str, at: Micros) -> Option<PriceRef> {
        match self {
            Self::Catalog(provider) => provider.price(model, at).map(PriceRef::Catalog),
            Self::Custom(provider) => {
                let row = provider.prices.position(model, at)?;
                Some(PriceRef::Custom(Arc::clone(provider), row))
            }
        }
    }

    /// The slug, where it is one of the catalog; `custom` for every other: what may be a label of a metric.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Catalog(provider) => &provider.slug,
            Self::Custom(_) => "custom",
        }
    }

    /// Whether it is the same definition.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Catalog(one), Self::Catalog(other)) => std::ptr::eq(*one, *other),
            (Self::Custom(one), Self::Custom(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Whether an organization defined it.
    pub const fn is_custom(&self) -> bool {
        matches!(self, Self::Custom(_))
    }
}

impl Deref for ProviderRef {
    type Target = Provider;

    fn deref(&self) -> &Provider {
        match self {
            Self::Catalog(provider) => provider,
            Self::Custom(provider) => provider,
        }
    }
}

impl Deref for PriceRef {
    type Target = ModelPrice;

    fn deref(&self) -> &ModelPrice {
        match self {
            Self::Catalog(price) => price,
            Self::Custom(provider, row) => &provider.prices.rows[*row].price,
            Self::Own(price) => price,
        }
    }
}
