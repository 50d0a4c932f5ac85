//! Asking a vendor whether it takes a stored credential.

use keystore_catalog::ProviderRef;
use keystore_proxy::{ProbeOutcome, ProbeTarget};
use keystore_store::credentials::{self, Credential, CredentialStatus, CredentialVersion};
use keystore_store::keks;
use keystore_store::policies::LoadedCredential;
use keystore_wire::problem::Code;

use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::providers;

impl App {
    /// What a probe of the credential's current version shows, and the vendor's status where it answered.
    ///
    /// # Errors
    /// `not_found` when it was deleted meanwhile, `sealed`, `audit_unavailable`.
    pub(crate) async fn probe(&self, row: &Credential) -> ApiResult<(ProbeOutcome, Option<u16>)> {
        let gone = || ApiError::not_found("credential");
        let (provider, version, kek) = {
            let mut conn = self.store.read().await?;
            let provider = providers::find(self, &mut conn, row.org, &row.provider).await?;
            let version = credentials::current(&mut conn, row.org, row.id)
                .await?
                .ok_or_else(gone)?;
            let kek = keks::get(&mut conn, row.org, version.kek)
                .await?
                .ok_or_else(gone)?;
            (provider, version, kek)
        };
        self.probe_version(row, provider, version, kek.wrapped).await
    }

    /// What is known of a version that is not stored yet, after the vendor was asked. Where it gives no clear answer: untested.
    ///
    /// # Errors
    /// `credential_refused`, `sealed`, `audit_unavailable`.
    pub(crate) async fn verify(
        &self,
        row: &Credential,
        version: &CredentialVersion,
    ) -> ApiResult<CredentialStatus> {
        let (provider, kek) = {
            let mut conn = self.store.read().await?;
            let provider = providers::find(self, &mut conn, row.org, &row.provider).await?;
            let kek = keks::get(&mut conn, row.org, version.kek).await?;
            (provider, kek.ok_or_else(|| ApiError::not_found("credential"))?)
        };
        let name = provider.name.to_string();
        let (outcome, _) = self
            .probe_version(row, provider, version.clone(), kek.wrapped)
            .await?;
        match outcome {
            ProbeOutcome::Valid => Ok(CredentialStatus::Active),
            ProbeOutcome::Invalid { status } => Err(ApiError::new(
                Code::CredentialRefused,
                format!("{name} does not accept the secret (it answered {status}); nothing was stored"),
            )
            .remedy("check the key, or store it untried: `--no-verify`, `?verify=false` in the API")),
            ProbeOutcome::Unclear { reason } | ProbeOutcome::Unreachable { reason } => {
                tracing::info!(provider = name, reason, "a credential is stored untested");
                Ok(CredentialStatus::Untested)
            }
        }
    }

    async fn probe_version(
        &self,
        row: &Credential,
        provider: ProviderRef,
        version: CredentialVersion,
        kek_wrapped: Vec<u8>,
    ) -> ApiResult<(ProbeOutcome, Option<u16>)> {
        let target = ProbeTarget {
            org: row.org,
            project: row.project,
            provider,
            credential: LoadedCredential {
                id: row.id,
                version: version.version,
                provider: row.provider.clone(),
                name: row.name.clone(),
                source: row.source,
                status: row.status,
                params: row.params.clone(),
                expires_at: row.expires_at,
                labels: row.labels.clone(),
                sealed: version.sealed,
                policy: version.policy,
                kek: version.kek,
                kek_generation: version.kek_generation,
                kek_wrapped,
            },
        };
        self.proxy.probe(&target).await.map_err(|deny| {
            let code = Code::of_deny(&deny);
            ApiError::new(
                code,
                format!("the credential was not tested: {}", code.title().to_lowercase()),
            )
        })
    }
}
