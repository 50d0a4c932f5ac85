//! The control plane, by path.

mod agents;
mod api_keys;
mod auth;
mod credentials;
mod health;
mod isolation;
mod problems;
mod requests;
mod roles;
mod tokens;
