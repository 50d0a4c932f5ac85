//! Asking a vendor with a stored credential: whether it takes it, and for what the server itself needs.

use keystore_core::Deny;
use keystore_core::destination::{DestinationPolicy, TokenGrant};
use keystore_proxy::{OwnAnswer, OwnRequest, ProbeOutcome, ProbeTarget, Unanswered};
use keystore_store::credentials::{self, Credential, CredentialStatus, CredentialVersion};
use keystore_store::keks;
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
        self.ask(&self.target(row).await?).await
    }

    /// Makes a request of the server's own with the credential's current version.
    ///
    /// # Errors
    /// As [`App::probe`]; inside, there is no answer.
    pub(crate) async fn administer(
        &self,
        row: &Credential,
        request: OwnRequest,
    ) -> ApiResult<Result<OwnAnswer, Unanswered>> {
        let target = self.target(row).await?;
        self.proxy
            .administer(&target, request)
            .await
            .map_err(|deny| unused(&deny))
    }

    /// The current version of a credential.
    async fn target(&self, row: &Credential) -> ApiResult<ProbeTarget> {
        let gone = || ApiError::not_found("credential");
        let mut conn = self.store.read().await?;
        let provider = providers::find(self, &mut conn, row.org, &row.provider).await?;
        let version = credentials::current(&mut conn, row.org, row.id)
            .await?
            .ok_or_else(gone)?;
        let kek = keks::get(&mut conn, row.org, version.kek)
            .await?
            .ok_or_else(gone)?;
        Ok(ProbeTarget::new(row, provider, version, kek))
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
        // A vendor may replace a refresh token by trying it: what would be stored then is of no use.
        let policy: DestinationPolicy =
            serde_json::from_slice(&version.policy).map_err(ApiError::internal)?;
        if policy
            .token()
            .is_some_and(|source| source.grant == TokenGrant::RefreshToken)
        {
            return Ok(CredentialStatus::Untested);
        }
        let name = provider.name.to_string();
        let target = ProbeTarget::new(row, provider, version.clone(), kek);
        let (outcome, _) = self.ask(&target).await?;
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

    async fn ask(&self, target: &ProbeTarget) -> ApiResult<(ProbeOutcome, Option<u16>)> {
        self.proxy.probe(target).await.map_err(|deny| unused(&deny))
    }
}

fn unused(deny: &Deny) -> ApiError {
    let code = Code::of_deny(deny);
    ApiError::new(
        code,
        format!("the credential was not used: {}", code.title().to_lowercase()),
    )
}
