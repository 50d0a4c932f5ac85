//! Signatures of what others send us ([`WebhookKey`]), and of what we send them ([`WebhookSecret`]), by Standard Webhooks
//! (<https://www.standardwebhooks.com>, version 1.0).

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystore_core::hex;
use zeroize::Zeroizing;

use crate::aead::{mac, mac_key, same};
use crate::error::VaultError;
use crate::random;
use crate::secret::Secret;

/// What the text of a secret begins with.
const PREFIX: &str = "whsec_";

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

/// The secret that we share with a receiver: 32 random bytes. Cannot be printed, serialised or copied.
pub struct WebhookSecret(Secret);

impl WebhookSecret {
    /// A new one.
    ///
    /// # Errors
    ///
    /// `NoRandomness`.
    pub fn generate() -> Result<Self, VaultError> {
        random::key().map(Self)
    }

    pub(crate) fn of(bytes: Secret) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.expose()
    }

    /// `whsec_` and the bytes in base64, for its owner. Told once.
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 44));
        text.push_str(PREFIX);
        STANDARD.encode_string(self.0.expose(), &mut text);
        text
    }

    /// The signature of a message that is sent at `timestamp`, in seconds: `v1,` and the HMAC-SHA256 in base64.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let signed = format!("{id}.{timestamp}.");
        let tag = mac(&mac_key(&self.0), &[signed.as_bytes(), body]);
        format!("v1,{}", STANDARD.encode(tag))
    }

    /// The HMAC-SHA256 of the body alone under the secret as its owner has it, `whsec_` included, in hexadecimal digits.
    pub fn sign_body(&self, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.text().as_bytes());
        hex(&mac(&key, &[body]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_answer_of_standard_webhooks() {
        // The example of the specification's reference libraries.
        let bytes = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let secret = WebhookSecret::of(Secret::new(bytes));
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(secret.text().as_str(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }

    #[test]
    fn a_new_secret_has_the_length_that_receivers_take() {
        let (one, other) = (
            WebhookSecret::generate().unwrap().text(),
            WebhookSecret::generate().unwrap().text(),
        );
        assert_ne!(*one, *other);
        let bytes = STANDARD.decode(one.strip_prefix(PREFIX).unwrap()).unwrap();
        assert_eq!(bytes.len(), 32, "24 to 64 bytes, says the specification");
    }

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
