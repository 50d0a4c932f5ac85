//! People and keys of the control plane: who calls, and what they may do.
//!
//! Sessions (`kss_`) and management keys (`ksm_`) are opaque and kept as hashes. Agents' tokens (`ks_`) are the data plane's
//! matter; `/mcp` alone takes them here ([`agent`]).

pub(crate) mod accounts;
pub(crate) mod agent;
pub(crate) mod caller;
pub(crate) mod factors;
pub(crate) mod origin;
pub(crate) mod passkeys;
pub(crate) mod password;
pub(crate) mod person;
pub(crate) mod recovery;
pub(crate) mod require;
pub(crate) mod rights;
pub(crate) mod sessions;
mod throttle;
pub(crate) mod visitor;
