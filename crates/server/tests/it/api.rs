//! The control plane, by path.

mod agents;
mod api_keys;
mod audit;
mod auth;
mod credentials;
mod health;
mod idempotency;
mod isolation;
mod operations;
mod problems;
mod providers;
mod requests;
mod roles;
mod tokens;
