//! Where upstream connections come from: addresses that were checked ([`resolver`]), TLS with our roots ([`tls`]), and
//! connections kept for the next call with the same credential ([`pool`]).
//!
//! Nothing here knows a credential, follows a redirect, reads the environment for a proxy, or sends a request twice.

pub(crate) mod pool;
pub(crate) mod resolver;
pub(crate) mod tls;

pub(crate) use pool::{Client, CredentialKey, Lease, LeaseError, Upstreams};
