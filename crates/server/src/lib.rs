//! The control plane: REST API, authentication, configuration, wiring, and the sandbox provider.
//!
//! It writes what the data plane reads (agents, tokens, credentials, budgets) and starts both listeners. It forwards nothing
//! to a provider itself: every call with a credential, verification included, goes through `keystore-proxy`.

mod access_requests;
mod agents;
pub mod api;
mod api_keys;
pub mod app;
pub mod audit;
mod auth;
pub mod backup;
mod billing;
mod body;
pub mod break_glass;
mod budgets;
pub mod clock;
pub mod config;
mod credentials;
mod credits;
pub mod custody;
pub mod dev;
mod events;
mod exposure;
mod grants;
mod invitations;
mod jobs;
mod keks;
mod labels;
mod log;
pub mod mail;
mod marketplace;
mod mcp;
mod members;
mod moves;
mod names;
mod operator;
mod orgs;
mod otlp;
pub mod payments;
mod pool_tenants;
mod pool_uses;
mod pools;
mod price_book;
mod prices;
mod probe;
mod projects;
mod providers;
mod reminders;
mod revocations;
mod rotations;
pub mod run;
mod sales;
pub mod sandbox;
mod scopes;
mod sealed;
mod tokens;
mod ui;
mod webhooks;

pub use keystore_vault::memory::Wiping;
