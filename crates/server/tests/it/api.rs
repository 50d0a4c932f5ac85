//! The control plane, by path.

mod abuse;
mod access_requests;
mod agents;
mod api_keys;
mod audit;
mod auth;
mod credentials;
mod dashboard;
mod factors;
mod health;
mod idempotency;
mod isolation;
mod mcp;
mod members;
mod operations;
mod orgs;
mod passkeys;
mod problems;
mod projects;
mod providers;
mod recovery;
mod requests;
mod roles;
mod sessions;
mod tokens;
mod unconfirmed;
