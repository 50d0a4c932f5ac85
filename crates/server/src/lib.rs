//! The control plane: REST API, authentication, configuration, wiring, and the sandbox provider.
//!
//! It writes what the data plane reads (agents, tokens, credentials, budgets) and starts both listeners. It forwards nothing
//! to a provider itself: every call with a credential, verification included, goes through `keystore-proxy`.

pub mod clock;
pub mod config;
pub mod run;
