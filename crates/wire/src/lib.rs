//! What crosses HTTP: the requests and answers of the control plane, and the one catalogue of public error codes.
//!
//! One file a resource, named as on the other floors. These types hold no rule beyond their own form: what a caller may do,
//! and whether names exist, is decided in the server. JSON is camelCase; a request with an unknown field is refused; an answer
//! may grow fields, so a client ignores those that it does not know. Times are RFC 3339 in UTC ([`time::Time`]), amounts are
//! decimal strings of US dollars (`keystore_core::NanoUsd`), ids are TypeIDs.

pub mod abuse;
pub mod access_requests;
pub mod agents;
pub mod api_keys;
pub mod audit;
pub mod audit_proofs;
pub mod auth;
pub mod billing;
pub mod budgets;
pub mod credentials;
pub mod events;
pub mod exposure;
pub mod factors;
pub mod health;
pub mod keks;
pub mod labels;
pub mod limits;
pub mod marketplace;
pub mod mcp;
pub mod members;
pub mod once;
pub mod operator;
pub mod orgs;
pub mod page;
pub mod passkeys;
pub mod patch;
pub mod payments;
pub mod pool_tenants;
pub mod pool_uses;
pub mod prices;
pub mod problem;
pub mod projects;
pub mod providers;
pub mod requests;
pub mod revocations;
pub mod role;
pub mod rotations;
pub mod sales;
mod schema;
pub mod secret;
pub mod sessions;
pub mod time;
pub mod tokens;
pub mod usage;
pub mod webhooks;

pub use once::ShownOnce;
pub use page::Page;
pub use patch::Patch;
pub use problem::{Code, Problem};
pub use role::Role;
pub use secret::{SecretFields, SecretText};
pub use time::Time;
