//! Envelope encryption, key custody, tokens, passwords and randomness.
//!
//! Root key → one KEK per organization → one DEK per credential version → AES-256-GCM. Everything cryptographic of the house is
//! here, on one library (aws-lc-rs). This crate stores nothing, reads no environment, and never says what is inside a secret:
//! no type that holds one has `Debug`, `Display`, `Serialize` or `Clone`.

mod aead;
pub mod commitment;
mod credential;
mod deployment;
mod error;
mod fields;
pub mod fips;
mod format;
mod ids;
mod import;
pub mod intake;
pub mod jwt;
pub mod kms;
mod local;
pub mod memory;
pub mod note;
pub mod password;
mod random;
mod recovery_code;
mod root;
mod secret;
pub mod sigv4;
mod token;
pub mod totp;
mod value_hash;
mod vault;
pub mod webauthn;
mod webhook;

pub use credential::{Opened, SealedCredential};
pub use deployment::{DeploymentKey, PolicyMac};
pub use error::VaultError;
pub use fields::Fields;
pub use format::{SealContext, policy_sha256};
pub use ids::SystemIds;
pub use import::{ImportKey, UnfitKey};
pub use kms::{Kms, KmsError, KmsFault};
pub use local::LocalKms;
pub use recovery_code::{RecoveryCode, hash_recovery_code};
pub use root::{PassphraseParams, RootKey, RootKeyError};
pub use secret::Secret;
pub use token::{NewToken, TokenKind, hash_token, same_token};
pub use value_hash::ValueHasher;
pub use vault::audit_key::{AuditOpener, SealedAuditKey, payload_generation};
pub use vault::webhook_secret::SecretPlace;
pub use vault::{Vault, WrappedKek};
pub use webhook::{WebhookKey, WebhookSecret};
