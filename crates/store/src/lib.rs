//! Everything that is kept: the one crate that knows SQL.
//!
//! One SQL text serves SQLite and PostgreSQL (the house dialect is in this crate's README). A [`Store`] gives connections
//! for reading ([`Store::read`]) and transactions for writing ([`Store::begin`]); every resource is a module of free
//! functions over them. What the proxy records goes through the [`Journal`]; requests, usage and spending are projections
//! of it. The crate decides nothing: it neither checks rights nor opens what is sealed.

mod column;
mod db;
mod error;
mod journal;
mod look;
mod open;
mod projections;
mod recovery;
mod rows;
mod store;

pub mod access_requests;
pub mod agents;
pub mod api_keys;
pub mod audit;
pub mod audit_keys;
pub mod audit_tree;
pub mod backup;
pub mod billing;
pub mod budgets;
pub mod changes;
pub mod credentials;
pub mod credits;
pub mod deliveries;
pub mod deployment;
pub mod events;
pub mod factors;
pub mod holds;
pub mod idempotency;
pub mod invitations;
pub mod kek_jobs;
pub mod keks;
pub mod key_plans;
pub mod ledger;
pub mod login_attempts;
pub mod mails;
pub mod members;
pub mod moves;
pub mod orgs;
pub mod passkeys;
pub mod payments;
pub mod policies;
pub mod pool_tenants;
pub mod pool_uses;
pub mod pools;
pub mod price_books;
pub mod projects;
pub mod providers;
pub mod requests;
pub mod rotations;
pub mod sales;
pub mod scopes;
pub mod sessions;
pub mod sign_in_codes;
pub mod tokens;
pub mod top_ups;
pub mod usage;
pub mod users;
pub mod uses;
pub mod webhooks;

#[cfg(any(test, feature = "failpoints"))]
pub mod failpoints;
#[cfg(test)]
mod prepared;

pub use changes::{Change, Listener};
pub use db::{Conn, Tx};
pub use error::{OpenError, StoreError};
pub use journal::{Durability, Journal, JournalError};
pub use look::Look;
pub use recovery::{DailyCount, Recovery, ServedVersion};
pub use store::{Options, Store};

/// Passes a point of [`failpoints`], where the crate is built for tests; otherwise it is nothing. Where the point is to fail, it ends
/// the function around it, with `?` and the named error; `infallible` says that nothing can fail there.
#[macro_export]
macro_rules! failpoint {
    ($points:expr, $name:literal) => {
        #[cfg(any(test, feature = "failpoints"))]
        $points.check($name)?;
    };
    ($points:expr, $name:literal, infallible) => {
        #[cfg(any(test, feature = "failpoints"))]
        let _ = $points.check($name);
    };
    ($points:expr, $name:literal, $error:expr) => {
        #[cfg(any(test, feature = "failpoints"))]
        $points.check($name).map_err(|_| $error)?;
    };
}
