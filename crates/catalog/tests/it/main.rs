//! The catalog from outside: every file of `catalog/`, and the schema with hostile ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod operations;
mod policies;
mod price_oracle;
mod prices;
mod providers;
mod schema;

use keystore_catalog::Provider;

/// The provider with this slug, which must exist.
fn provider(slug: &str) -> &'static Provider {
    keystore_catalog::provider(slug).unwrap_or_else(|| panic!("{slug}"))
}
