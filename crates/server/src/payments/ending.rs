//! How payments end, each once, whoever tells it first: Stripe's webhook, Stripe's answer, or the operator.

use keystore_core::Micros;
use keystore_core::ledger::Transaction;
use keystore_core::top_up;
use keystore_store::payments::{self, Payment, Way};
use keystore_store::{Tx, top_ups};
use keystore_wire::events::Kind;
use serde_json::json;

use crate::api::problem::ApiResult;
use crate::app::App;
use crate::audit::Event;
use crate::billing::{about, post};
use crate::events::{self, New};

/// Credits a payment whose money is there; `words` are what the ledger says of it. `false` when it was credited before.
///
/// # Errors
/// `conflict` where an amount leaves its range, and the store's.
pub(super) async fn paid(
    app: &App,
    tx: &mut Tx,
    payment: &Payment,
    lives: bool,
    (subject, memo): (&str, &str),
) -> ApiResult<bool> {
    let about = about(app, payment.org, subject, memo);
    let top_up = Transaction::top_up(about, payment.amount)?;
    if !payments::paid(tx, payment.id, top_up.about().id).await? {
        return Ok(false);
    }
    post(app, tx, &top_up, lives).await?;
    if matches!(payment.way, Way::Card | Way::Operator) {
        top_ups::worked(tx, payment.org).await?;
    }
    Event::new("receive_payment", &payment.id)
        .after(&payment.amount)?
        .by_system(tx, payment.org)?;
    Ok(true)
}

/// Ends a payment that began by itself and was refused, and counts that: what follows waits, or stops. `false` when it ended before.
///
/// # Errors
/// The store's.
pub(super) async fn declined(app: &App, tx: &mut Tx, payment: &Payment, reason: &str) -> ApiResult<bool> {
    if !payments::fail(tx, payment.id, app.clock.now()).await? {
        return Ok(false);
    }
    let failures = match top_ups::get(tx, payment.org).await? {
        Some(row) => row.failures.saturating_add(1),
        None => 1,
    };
    let pause = top_up::pause_after(failures);
    let not_before = pause.map_or(Micros(i64::MAX), |pause| app.clock.now().plus(pause));
    top_ups::failed(tx, payment.org, not_before).await?;
    Event::new("fail_payment", &payment.id)
        .after(&json!({"reason": reason}))?
        .by_system(tx, payment.org)?;
    let told = New {
        org: payment.org,
        project: None,
        kind: Kind::TopUpFailed,
        subject: payment.id.to_string(),
        data: json!({
            "amount": payment.amount,
            "reason": reason,
            "failures": failures,
            "stopped": pause.is_none(),
        }),
        once: None,
        mailed: true,
    };
    events::raise(app, tx, told).await?;
    Ok(true)
}

/// Commits, and has the mails sent that are waiting by then.
///
/// # Errors
/// The store's.
pub(super) async fn commit(app: &App, tx: Tx) -> ApiResult<()> {
    tx.commit().await?;
    app.mails_wait.notify_one();
    Ok(())
}
