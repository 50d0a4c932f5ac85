//! The catalog: what is known of each provider, and what its operations cost.
//!
//! The data are the files of `catalog/`. `build.rs` reads and validates them and writes them down as constant tables, so that
//! they cost nothing to load and are read in place. The same schema reads a custom provider at run time ([`Provider::define`]).
//! This crate does no I/O, holds no secret, and does not say what a usage costs: that is `core::price`.

mod custom;
mod matching;
mod origin;
mod policy;
mod prices;
mod provider;
mod schema;
mod shared;
mod sign;
mod table;

use std::collections::BTreeMap;

use keystore_core::destination::DestinationPolicy;
use keystore_core::price::ModelPrice;
use keystore_core::time::Micros;

pub use matching::OperationMatch;
pub use policy::PolicyError;
pub use provider::{
    Alternative, BaseUrlVar, Billing, ClientAuth, Env, Field, HeaderPair, Host, InjectionTemplate,
    KeyPattern, List, MOVES_NOTHING, Operation, OutputCap, PriceRow, PriceTable, Provider, Sign, Slot, Str,
    TimeWindow, TokenGrant, TokenTemplate, UrlParam, UsageShape, Verify,
};
pub use schema::{SchemaError, parse_prices, parse_provider, read_provider};
pub use shared::{PriceRef, ProviderRef};
pub use table::{credential_queries, credential_slots, nearest, provider, providers, recognise_key};

impl Provider {
    /// What is known of a request with this method, host alias (empty for the base host) and upstream path (raw, without the
    /// query). Allocates nothing.
    pub fn operation(&self, method: &str, alias: &str, path: &str) -> OperationMatch<'_> {
        matching::find(&self.operations, self.default_billing, method, alias, path)
    }

    /// The price of `model` at a time: its own row, else the row it is an alias of, else the first row whose rule it matches.
    pub fn price(&self, model: &str, at: Micros) -> Option<&ModelPrice> {
        self.prices.find(model, at)
    }

    /// Where a credential of this provider may go. `base_url` replaces the base host, and then no other host is allowed;
    /// `allow_upstream` says whether the operator listed a `host:port` (IPv6 in brackets) by hand.
    ///
    /// # Errors
    /// A parameter is missing, unknown or does not match; a base URL is needed, not a URL, or not allowed.
    pub fn destination_policy(
        &self,
        params: &BTreeMap<String, String>,
        base_url: Option<&str>,
        allow_upstream: &dyn Fn(&str) -> bool,
    ) -> Result<DestinationPolicy, PolicyError> {
        policy::draw_up(self, params, base_url, allow_upstream)
    }

    /// Whether an answer with this status can say that the credential is not valid, so that its body is worth reading.
    pub fn may_be_bad_key(&self, status: u16) -> bool {
        self.bad_key.iter().any(|rule| rule.status == status)
    }

    /// Whether this answer says that the credential is not valid.
    pub fn is_bad_key(&self, status: u16, body: &[u8]) -> bool {
        sign::fits(&self.bad_key, status, body)
    }

    /// Whether this answer says that the vendor holds the request to break its rules for use.
    pub fn is_abuse(&self, status: u16, body: &[u8]) -> bool {
        sign::fits(&self.abuse, status, body)
    }

    /// The field with this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The query parameters in which this vendor takes a credential: never forwarded.
    pub fn credential_queries(&self) -> impl Iterator<Item = &str> {
        let slots = self.token_slots.iter().filter_map(|slot| match slot {
            Slot::Query(name) => Some(name.as_ref()),
            _ => None,
        });
        let injected = self.injections.iter().filter_map(|injection| match injection {
            InjectionTemplate::Query { name, .. } => Some(name.as_ref()),
            _ => None,
        });
        slots.chain(injected)
    }
}
