//! The tables that `build.rs` wrote, and how to find something in them.

use std::borrow::Cow;
use std::sync::OnceLock;

use keystore_core::policy::Access;
use keystore_core::price::{Choice, ModelMatch, ModelPrice, Place, Surcharge, Tier, UnitPrices, Variant};
use regex::Regex;

use crate::provider::{
    Alternative, BaseUrlVar, Billing, ClientAuth, Env, Field, HeaderPair, Host, InjectionTemplate,
    KeyPattern, Operation, OutputCap, PriceRow, PriceTable, Provider, Sign, Slot, Str, TimeWindow,
    TokenGrant, TokenTemplate, UrlParam, UsageShape, Verify,
};
use crate::schema::section;

include!(concat!(env!("OUT_DIR"), "/table.rs"));

/// Every provider, sorted by slug.
pub fn providers() -> &'static [Provider] {
    &PROVIDERS
}

/// The provider with this slug.
pub fn provider(slug: &str) -> Option<&'static Provider> {
    let at = PROVIDERS
        .binary_search_by(|provider| provider.slug.as_ref().cmp(slug))
        .ok()?;
    PROVIDERS.get(at)
}

/// The slug most like `slug`, where one is near enough to be what was meant.
pub fn nearest(slug: &str) -> Option<&'static str> {
    section::nearest(slug, PROVIDERS.iter().map(|provider| provider.slug.as_ref()))
}

/// The providers whose keys, recognisable by themselves, look like `key`. More than one is a choice to be shown, not guessed.
pub fn recognise_key(key: &str) -> Vec<&'static Provider> {
    static PATTERNS: OnceLock<Vec<(&'static Provider, Regex)>> = OnceLock::new();
    let patterns = PATTERNS.get_or_init(|| {
        PROVIDERS
            .iter()
            .filter_map(|provider| Some((provider, prefixed(provider)?)))
            .collect()
    });
    patterns
        .iter()
        .filter(|(_, pattern)| pattern.is_match(key))
        .map(|(provider, _)| *provider)
        .collect()
}

fn prefixed(provider: &Provider) -> Option<Regex> {
    let pattern = provider.key_pattern.as_ref().filter(|pattern| pattern.prefixed)?;
    Regex::new(&format!(r"\A(?:{})\z", pattern.regex)).ok()
}

/// Every header of the catalog that can hold a secret, in lower case, sorted: stripped from every request.
pub fn credential_slots() -> &'static [&'static str] {
    &CREDENTIAL_HEADERS
}

/// Every query parameter of the catalog that can hold a secret, sorted. One vendor's `key` is another vendor's ordinary
/// parameter: strip those of the provider ([`Provider::credential_queries`]), and use this list for what is written to logs.
pub fn credential_queries() -> &'static [&'static str] {
    &CREDENTIAL_QUERIES
}
