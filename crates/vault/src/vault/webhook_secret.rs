//! Secrets of webhooks, sealed under their organization's KEK and bound to where they sign for: a row that is pointed at another
//! address in the database signs nothing any more.

use keystore_core::ids::WebhookId;

use super::{Vault, WrappedKek};
use crate::error::VaultError;
use crate::format::field;
use crate::webhook::WebhookSecret;

/// What a webhook's secret is bound to, beside its organization and KEK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretPlace<'a> {
    /// The webhook.
    pub webhook: WebhookId,
    /// Its address.
    pub url: &'a str,
}

impl Vault {
    /// Seals a secret.
    ///
    /// # Errors
    ///
    /// `Sealed`, `NoRandomness`.
    pub async fn seal_webhook_secret(
        &self,
        kek: &WrappedKek,
        place: SecretPlace<'_>,
        secret: &WebhookSecret,
    ) -> Result<Vec<u8>, VaultError> {
        self.seal_small(kek, &self.webhook_aad(kek, place), secret.bytes())
            .await
    }

    /// Opens a secret, to sign with it.
    ///
    /// # Errors
    ///
    /// `Sealed`; `Corrupt`, `BadFormat` when it was not sealed for this place under this KEK.
    pub async fn open_webhook_secret(
        &self,
        kek: &WrappedKek,
        place: SecretPlace<'_>,
        sealed: &[u8],
    ) -> Result<WebhookSecret, VaultError> {
        let bytes = self
            .open_small(kek, &self.webhook_aad(kek, place), sealed)
            .await?;
        Ok(WebhookSecret::of(bytes))
    }

    fn webhook_aad(&self, kek: &WrappedKek, place: SecretPlace<'_>) -> Vec<u8> {
        let mut aad = Vec::with_capacity(192 + place.url.len());
        field(&mut aad, b"keystore/webhook-secret/v1");
        field(&mut aad, self.deployment().uuid().as_bytes());
        field(&mut aad, kek.org.uuid().as_bytes());
        field(&mut aad, kek.id.uuid().as_bytes());
        field(&mut aad, &kek.generation.to_be_bytes());
        field(&mut aad, place.webhook.uuid().as_bytes());
        field(&mut aad, place.url.as_bytes());
        aad
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use keystore_core::ids::{DeploymentId, KekId, OrgId};
    use uuid::Uuid;

    use super::*;
    use crate::vault::tests::TestClock;
    use crate::{LocalKms, RootKey};

    #[tokio::test]
    async fn a_secret_opens_for_its_webhook_address_and_organization_alone() {
        let kms = LocalKms::new(&RootKey::generate().unwrap()).unwrap();
        let vault = Vault::new(
            Arc::new(kms),
            DeploymentId::new(Uuid::from_u128(1)),
            Duration::from_secs(60),
            Arc::new(TestClock::default()),
        );
        let kek = |org, id| {
            let (org, id) = (OrgId::new(Uuid::from_u128(org)), KekId::new(Uuid::from_u128(id)));
            vault.new_kek(org, id, 1, None)
        };
        let (own, next, foreign) = (
            kek(2, 3).await.unwrap(),
            kek(2, 4).await.unwrap(),
            kek(5, 6).await.unwrap(),
        );
        let place = |number, url| SecretPlace {
            webhook: WebhookId::new(Uuid::from_u128(number)),
            url,
        };
        let here = place(7, "https://example.com/hook");
        let secret = WebhookSecret::generate().unwrap();
        let sealed = vault.seal_webhook_secret(&own, here, &secret).await.unwrap();
        let opened = vault.open_webhook_secret(&own, here, &sealed).await.unwrap();
        assert!(opened.text() == secret.text());
        assert_ne!(
            sealed,
            vault.seal_webhook_secret(&own, here, &secret).await.unwrap()
        );
        for (kek, place) in [
            (&own, place(8, here.url)),
            (&own, place(7, "https://attacker.example/hook")),
            (&next, here),
            (&foreign, here),
        ] {
            assert!(vault.open_webhook_secret(kek, place, &sealed).await.is_err());
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(
                vault.open_webhook_secret(&own, here, &changed).await.is_err(),
                "byte {at}"
            );
        }
    }
}
