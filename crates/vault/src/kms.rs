//! Custody of the root key: whoever can wrap and unwrap the KEKs.

use std::future::Future;
use std::pin::Pin;

use keystore_core::ids::DeploymentId;

use crate::format::field;
use crate::secret::Secret;

/// What a KMS answers, some time later.
pub type KmsFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, KmsError>> + Send + 'a>>;

/// Why a KMS did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KmsError {
    /// It cannot be reached, or not now.
    #[error("the KMS cannot be reached")]
    Unavailable,
    /// It was reached and refused: the wrong key, or another context.
    #[error("the KMS refused: wrong key or context")]
    Refused,
}

/// A holder of a root key. The context is authenticated: unwrapping under another one fails.
pub trait Kms: Send + Sync {
    /// `key`, wrapped under the root key for `context`.
    fn wrap<'a>(&'a self, key: &'a Secret, context: &'a [u8]) -> KmsFuture<'a, Vec<u8>>;

    /// The key in `wrapped`, if it was wrapped for `context`.
    fn unwrap<'a>(&'a self, wrapped: &'a [u8], context: &'a [u8]) -> KmsFuture<'a, Secret>;
}

/// What a KMS authenticates: the purpose, the deployment, and what else tells one key from another.
pub(crate) fn context(purpose: &str, deployment: DeploymentId, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Vec::with_capacity(96);
    field(&mut context, format!("keystore/{purpose}/v1").as_bytes());
    field(&mut context, deployment.uuid().as_bytes());
    parts.iter().for_each(|part| field(&mut context, part));
    context
}
