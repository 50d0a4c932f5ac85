//! The schema of `catalog/`: how a provider and its prices are written in TOML.
//!
//! Reading is strict: a key that is not known, a value of another kind, a name that leads nowhere is an error that says where
//! it stands and what to write instead. `build.rs` compiles this module too, and reads the built-in catalog with it; the same
//! functions read a custom provider at run time. What the keys mean is in `catalog/README.md`.

#[path = "schema/inject.rs"]
mod inject;
#[path = "schema/key.rs"]
mod key;
#[path = "schema/operations.rs"]
mod operations;
#[path = "schema/prices.rs"]
mod prices;
#[path = "schema/provider.rs"]
mod provider;
#[path = "schema/section.rs"]
pub(crate) mod section;
#[path = "schema/template.rs"]
pub(crate) mod template;
#[path = "schema/token.rs"]
mod token;

pub use section::SchemaError;
use section::Section;

use crate::provider::{PriceTable, Provider};

/// Reads a provider from TOML. `file` names it in errors.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse_provider(
    slug: &str,
    file: &str,
    text: &str,
    prices: PriceTable,
) -> Result<Provider, SchemaError> {
    provider::read(slug, Section::parse(file, text)?, prices)
}

/// Reads a provider from a table, such as the body of a request. `file` names it in errors.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read_provider(
    slug: &str,
    file: &str,
    table: toml::Table,
    prices: PriceTable,
) -> Result<Provider, SchemaError> {
    provider::read(slug, Section::of(file, table), prices)
}

/// Reads a price table from TOML. `file` names it in errors.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse_prices(file: &str, text: &str) -> Result<PriceTable, SchemaError> {
    prices::read(Section::parse(file, text)?)
}
