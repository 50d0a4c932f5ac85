//! Credit that was given away ends: what is left of it is taken back.

use keystore_core::NanoUsd;
use keystore_core::ledger::{Transaction, unused};
use keystore_store::ledger::{self, DueGrant};

use super::{about, open, post};
use crate::api::problem::ApiResult;
use crate::app::App;

/// Grants that are ended in a turn.
const AT_A_TIME: u32 = 500;

/// Ends the grants whose time has come.
///
/// # Errors
/// The store's.
pub(crate) async fn end(app: &App) -> ApiResult<()> {
    let now = app.clock.now();
    let due = ledger::ended_by(&mut app.store.read().await?, now, AT_A_TIME).await?;
    if due.is_empty() {
        return Ok(());
    }
    // What was charged before counts against it.
    app.store.project_now().await?;
    for grant in due {
        end_one(app, grant).await?;
    }
    Ok(())
}

async fn end_one(app: &App, due: DueGrant) -> ApiResult<()> {
    let (mut tx, lives) = open(app, due.org).await?;
    let charged = ledger::charged(&mut tx, due.org).await?;
    let grants = ledger::grants(&mut tx, due.org).await?;
    if !ledger::end_grant(&mut tx, due, charged).await? {
        return Ok(());
    }
    let left = unused(&grants, charged)
        .into_iter()
        .find(|(grant, _)| grant.id == due.id)
        .map_or(NanoUsd::ZERO, |(_, left)| left);
    if left > NanoUsd::ZERO {
        let about = about(
            app,
            due.org,
            &due.id.to_string(),
            "what was left of credit that was given",
        );
        post(app, &mut tx, &Transaction::promo_expiry(about, left)?, lives).await?;
    }
    Ok(tx.commit().await?)
}
