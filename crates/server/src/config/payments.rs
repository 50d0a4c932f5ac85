//! `[payments]`: top-ups by Stripe Checkout.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::secret::{self, SecretText};

/// How customers pay by card. Without `stripe_key` they do not.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PaymentsSection {
    /// The secret key of the Stripe account.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret::mask")]
    pub stripe_key: Option<SecretText>,
    /// A file with it, in place of `stripe_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stripe_key_file: Option<PathBuf>,
    /// The signing secret of the webhook that Stripe has for `/v1/payments/stripe`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret::mask")]
    pub stripe_webhook_secret: Option<SecretText>,
    /// A file with it, in place of `stripe_webhook_secret`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stripe_webhook_secret_file: Option<PathBuf>,
    /// Where Stripe is. Default `https://api.stripe.com`.
    pub stripe_url: String,
}

impl Default for PaymentsSection {
    fn default() -> Self {
        Self {
            stripe_key: None,
            stripe_key_file: None,
            stripe_webhook_secret: None,
            stripe_webhook_secret_file: None,
            stripe_url: "https://api.stripe.com".to_owned(),
        }
    }
}

impl PaymentsSection {
    /// Whether anything says that Stripe is to be used.
    pub fn is_on(&self) -> bool {
        self.stripe_key.is_some()
            || self.stripe_key_file.is_some()
            || self.stripe_webhook_secret.is_some()
            || self.stripe_webhook_secret_file.is_some()
    }

    /// The secret key and the webhook's secret, from wherever they are given; empty where one is not.
    ///
    /// # Errors
    /// `File`.
    pub fn stripe(&self) -> Result<Option<(SecretText, SecretText)>, ConfigError> {
        if !self.is_on() {
            return Ok(None);
        }
        let key = secret::read(
            self.stripe_key.as_ref(),
            self.stripe_key_file.as_deref(),
            "payments.stripe_key_file",
        )?;
        let webhook = secret::read(
            self.stripe_webhook_secret.as_ref(),
            self.stripe_webhook_secret_file.as_deref(),
            "payments.stripe_webhook_secret_file",
        )?;
        let or_empty = |secret: Option<SecretText>| secret.unwrap_or_else(|| SecretText::new(String::new()));
        Ok(Some((or_empty(key), or_empty(webhook))))
    }
}
