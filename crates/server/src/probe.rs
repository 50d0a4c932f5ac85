//! Asking a vendor whether it takes a stored credential.

use keystore_proxy::{ProbeOutcome, ProbeTarget};
use keystore_store::credentials::{self, Credential};
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
                sealed: version.sealed,
                policy: version.policy,
                kek: version.kek,
                kek_generation: version.kek_generation,
                kek_wrapped: kek.wrapped,
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
