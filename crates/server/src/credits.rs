//! What organizations may spend at the marketplace: read, changed and signed again.

use keystore_core::ids::OrgId;
use keystore_core::policy::CreditPolicy;
use keystore_store::{Conn, Tx, credits};

use crate::agents::Forged;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;

/// The purpose of the MACs, as the data plane checks them.
const CREDIT_MAC: &str = "credit";

/// The credit of an organization; nothing where it never had any.
///
/// # Errors
/// `internal` when it is not ours.
pub(crate) async fn get(app: &App, conn: &mut Conn, org: OrgId) -> ApiResult<CreditPolicy> {
    let Some(row) = credits::get(conn, org).await? else {
        return Ok(CreditPolicy::none(org));
    };
    if !app.policy_mac.verify(CREDIT_MAC, &row.policy, &row.mac) {
        return Err(ApiError::internal(Forged("credit")));
    }
    let policy = row.decode()?;
    match policy.org == org {
        true => Ok(policy),
        false => Err(ApiError::internal(Forged("credit"))),
    }
}

/// Writes the credit of an organization. What changes it other than its terms belongs into the ledger, in the same transaction.
///
/// # Errors
/// The store's.
pub(crate) async fn put(app: &App, tx: &mut Tx, policy: &CreditPolicy) -> ApiResult<()> {
    let mac = app.policy_mac.tag(CREDIT_MAC, &policy.canonical());
    credits::put(tx, policy, &mac, app.clock.now()).await?;
    Ok(())
}
