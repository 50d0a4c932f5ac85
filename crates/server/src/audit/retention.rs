//! What the audit log says is removed when it is older than the retention: leaves and payloads go, their hashes stay, so that everything
//! else is proven as before. The removal is an entry, whose subject says how far it went, and a signed note, which who checks the log
//! looks for: an entry can be forged by whoever can write the database.
//!
//! Records of calls stay: the journal is what budgets, usage and the ledger are made from.

use keystore_core::Micros;
use keystore_core::ids::OrgId;
use keystore_store::audit as rows;
use serde_json::json;

use super::{Event, notary};
use crate::api::problem::ApiResult;
use crate::app::App;

/// The operation that removes.
const PRUNE: &str = "prune_audit_log";

/// Entries that are removed at a time, because the journal waits for it on SQLite; and organizations.
const AT_A_TIME: u32 = 500;
const ORGS: u32 = 64;

/// In microseconds.
const DAY: i64 = 86_400_000_000;

/// Removes what is older than the retention, as far as it is in the tree. An organization's turn comes when something is a day older, so
/// that there are few entries about it.
///
/// # Errors
/// The store's; the next turn goes on.
pub(crate) async fn prune(app: &App) -> ApiResult<()> {
    let Some(retention) = app.settings.audit_retention else {
        return Ok(());
    };
    let kept = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
    let before = Micros(app.clock.now().0.saturating_sub(kept));
    let mut last = None;
    loop {
        let due = Micros(before.0.saturating_sub(DAY));
        let found = rows::prunable(&mut app.store.read().await?, due, last, ORGS).await?;
        let Some((org, ..)) = found.last() else {
            return Ok(());
        };
        last = Some(*org);
        for (org, pruned, taken) in found {
            let mut pruned = pruned;
            while let Some(to) = old(app, org, pruned, (before, taken)).await? {
                remove(app, org, to).await?;
                pruned = to;
            }
        }
    }
}

/// Up to which entry those after `pruned` are old; none where none of them says more than that others were removed.
async fn old(app: &App, org: OrgId, pruned: i64, (before, taken): (Micros, i64)) -> ApiResult<Option<i64>> {
    let found = rows::rows_after(&mut app.store.read().await?, org, pruned, AT_A_TIME).await?;
    let is_old = |row: &rows::EntryRow| row.at < before && row.seq <= taken;
    let old: Vec<_> = found.into_iter().take_while(is_old).collect();
    let says_more = old.iter().any(|row| row.action != PRUNE);
    Ok(old.last().map(|row| row.seq).filter(|_| says_more))
}

async fn remove(app: &App, org: OrgId, to: i64) -> ApiResult<()> {
    let note = notary::signer_of(app).await?.removal(org, to);
    let mut tx = app.store.begin().await?;
    rows::prune(&mut tx, org, to, &note).await?;
    Event::new(PRUNE, &format_args!("entries 1 to {to}"))
        .after(&json!({"removedTo": to}))?
        .by_system(&mut tx, org)?;
    Ok(tx.commit().await?)
}
