//! Signatures of what others send us.

use aws_lc_rs::hmac;

use crate::aead::{mac, same};

/// The secret that a sender shares with us: HMAC-SHA256.
pub struct WebhookKey(hmac::Key);

impl WebhookKey {
    /// The key of this secret; `None` for an empty one, under which anybody could sign.
    pub fn new(secret: &str) -> Option<Self> {
        (!secret.trim().is_empty()).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())))
    }

    /// Whether `signature` is that of `parts` one after the other. Takes as long whatever it is.
    pub fn verifies(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        same(&mac(&self.0, parts), signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_secret_makes_no_key() {
        assert!(WebhookKey::new("").is_none() && WebhookKey::new(" \n").is_none());
    }

    #[test]
    fn only_the_signature_of_the_bytes_is_taken() {
        let key = WebhookKey::new("whsec_test").unwrap();
        let right = mac(&key.0, &[b"5.", b"{}"]);
        assert!(key.verifies(&[b"5", b".", b"{}"], &right));
        let mut wrong = right;
        wrong[31] ^= 1;
        for signature in [&wrong[..], &right[..31], &[]] {
            assert!(!key.verifies(&[b"5.", b"{}"], signature));
        }
        assert!(!key.verifies(&[b"5.", b"{ }"], &right));
        let other = WebhookKey::new("whsec_other").unwrap();
        assert!(!other.verifies(&[b"5.", b"{}"], &right));
    }
}
