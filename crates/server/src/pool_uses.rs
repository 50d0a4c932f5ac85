//! How the pools are used: what the data plane counted is written down every minute, before a report, and at the end.

use keystore_core::Micros;
use keystore_core::ids::CredentialId;
use keystore_store::pool_uses::{self as rows, PoolUse};
use keystore_wire::Time;
use keystore_wire::pool_uses::PoolUse as Shown;

use crate::api::problem::ApiResult;
use crate::app::App;

/// Writes down what was counted. What cannot be written is counted on.
///
/// # Errors
/// The store's.
pub(crate) async fn write(app: &App) -> ApiResult<()> {
    let counted = app.proxy.take_pool_uses();
    if counted.is_empty() {
        return Ok(());
    }
    let written = async {
        let mut tx = app.store.begin().await?;
        rows::add(&mut tx, &counted).await?;
        tx.commit().await
    };
    let written = written.await;
    if written.is_err() {
        app.proxy.put_pool_uses_back(counted);
    }
    Ok(written?)
}

/// A sum as answers show it.
pub(crate) fn shown(used: PoolUse) -> Shown {
    let is_key = |id: &CredentialId| !id.uuid().is_nil();
    let hour = |hour: i64| Time::from(Micros::from_seconds(hour.saturating_mul(3_600)));
    Shown {
        provider: used.provider,
        org_id: used.org,
        credential_id: used.credential.filter(is_key),
        from: used.hour.map(hour),
        granted: used.granted,
        waited: used.waited,
        waited_ms: used.waited_ms,
        refused: used.refused,
        failed_over: used.failed_over,
        most_used_permille: u32::try_from(used.most_used).unwrap_or(1_000),
    }
}
