//! The catalog: what is known of each provider, and what its operations cost.
//!
//! The data are the files of `catalog/`. `build.rs` reads and validates them and writes them down as constant tables, so that
//! they cost nothing to load and are read in place. The same schema reads a custom provider at run time ([`parse_provider`]).
//! This crate does no I/O and knows no credential.

mod matching;
mod policy;
mod provider;

use std::collections::BTreeMap;

pub use matching::OperationMatch;
pub use policy::PolicyError;
pub use provider::{
    BadKey, BaseUrlVar, Billing, Env, Field, HeaderPair, Host, InjectionTemplate, KeyPattern, List, Operation,
    PriceTable, Provider, Slot, Str, UrlParam, UsageShape, Verify,
};

use keystore_core::destination::DestinationPolicy;
use keystore_core::price::ModelPrice;
use keystore_core::time::Micros;

/// Every provider, sorted by slug.
pub fn providers() -> &'static [Provider] {
    todo!()
}

/// The provider with this slug.
pub fn provider(_slug: &str) -> Option<&'static Provider> {
    todo!()
}

/// The slug most like `slug`, where one is near enough to be what was meant.
pub fn nearest(_slug: &str) -> Option<&'static str> {
    todo!()
}

/// The providers whose keys, recognisable by themselves, look like `key`. More than one is a choice to be shown, not guessed.
pub fn recognise_key(_key: &str) -> Vec<&'static Provider> {
    todo!()
}

/// Every header of the catalog that can hold a credential, in lower case, sorted: stripped from every request.
pub fn credential_slots() -> &'static [&'static str] {
    todo!()
}

/// Every query parameter of the catalog that can hold a credential, sorted.
pub fn credential_queries() -> &'static [&'static str] {
    todo!()
}

impl Provider {
    /// What is known of a request with this method, host alias (empty for the base host) and upstream path (raw, without the
    /// query). Allocates nothing.
    pub fn operation(&self, _method: &str, _alias: &str, _path: &str) -> OperationMatch<'_> {
        todo!()
    }

    /// The price of `model` at a time: its own row, else the row it is an alias of, else the first row whose rule it matches.
    pub fn price(&self, _model: &str, _at: Micros) -> Option<&ModelPrice> {
        todo!()
    }

    /// Where a credential of this provider may go. `base_url` replaces the base host, and then no other host is allowed;
    /// `allow_upstream` says whether the operator listed a `host:port` by hand.
    ///
    /// # Errors
    /// A parameter is missing, unknown or does not match; a base URL is needed, not a URL, or not allowed.
    pub fn destination_policy(
        &self,
        _params: &BTreeMap<String, String>,
        _base_url: Option<&str>,
        _allow_upstream: &dyn Fn(&str) -> bool,
    ) -> Result<DestinationPolicy, PolicyError> {
        todo!()
    }

    /// Whether an answer with this status can say that the credential is not valid, so that its body is worth reading.
    pub fn may_be_bad_key(&self, _status: u16) -> bool {
        todo!()
    }

    /// Whether this answer says that the credential is not valid.
    pub fn is_bad_key(&self, _status: u16, _body: &[u8]) -> bool {
        todo!()
    }

    /// The field with this name.
    pub fn field(&self, _name: &str) -> Option<&Field> {
        todo!()
    }
}
