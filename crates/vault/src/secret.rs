//! Bytes that are wiped when they are dropped.

use zeroize::Zeroizing;

/// Secret bytes. Wiped on drop; cannot be printed, serialised or copied.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes `bytes`; this is their only copy from now on.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Keeps the first `length` bytes. The rest is wiped with the buffer.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.0[length..].fill(0);
        self.0.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use crate::intake::Given;
    use crate::{
        DeploymentKey, Fields, LocalKms, NewToken, Opened, PolicyMac, RootKey, SealedCredential, Secret,
        Vault, WebhookSecret,
    };

    /// Compiles only for a type without the trait: with it, two impls fit `_` and neither can be chosen.
    macro_rules! lacks {
        ($kind:ty: $($bound:path),+) => {$(
            const _: fn() = || {
                trait Ambiguous<Impl> {
                    fn item() {}
                }
                impl<T: ?Sized> Ambiguous<()> for T {}
                impl<T: ?Sized + $bound> Ambiguous<u8> for T {}
                let _ = <$kind as Ambiguous<_>>::item;
            };
        )+};
    }

    /// What holds a plaintext or a key cannot be printed, serialised or copied.
    macro_rules! closed {
        ($($kind:ty),+) => {$(
            lacks!($kind: std::fmt::Debug, std::fmt::Display, serde::Serialize, Clone);
        )+};
    }

    closed!(
        Secret,
        Fields,
        Given,
        Opened,
        SealedCredential,
        NewToken,
        RootKey,
        LocalKms,
        DeploymentKey,
        Vault,
        WebhookSecret
    );
    lacks!(PolicyMac: std::fmt::Debug, std::fmt::Display, serde::Serialize);

    #[test]
    fn what_is_cut_off_is_wiped_first() {
        let mut secret = Secret::new(b"sk-canary".to_vec());
        let start = secret.expose().as_ptr();
        secret.truncate(3);
        assert!(secret.expose() == b"sk-" && secret.len() == 3 && !secret.is_empty());
        assert_eq!(secret.expose().as_ptr(), start, "cut in place, without a copy");
    }
}
