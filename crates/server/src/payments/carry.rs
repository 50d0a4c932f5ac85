//! Payments from saved cards, carried on until an answer comes, across restarts. Stripe is asked under the payment's id, with the same
//! words each time, so that a payment whose answer was lost is not made twice; and not any more once Stripe may have forgotten it.

use keystore_core::policy::CardCharge;
use keystore_core::top_up::{SAFE_TO_ASK, pause_between};
use keystore_core::{Micros, NanoUsd};
use keystore_store::payments::{self, Payment};
use keystore_wire::events::Kind;
use serde_json::json;

use super::stripe::Outcome;
use super::{ending, memo};
use crate::agents::Forged;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::billing::open;
use crate::events::{self, New};
use crate::operator;

/// The purpose of the MACs.
const MAC: &str = "card_charge";

/// Payments that are carried on at once.
const AT_A_TIME: u32 = 100;

/// The MAC of a charge.
pub(super) fn tag(app: &App, charge: &[u8]) -> Vec<u8> {
    app.policy_mac.tag(MAC, charge).to_vec()
}

/// Carries on what is open and due.
///
/// # Errors
/// The store's. What goes wrong with one payment keeps no other from going on.
pub(super) async fn all(app: &App) -> ApiResult<()> {
    let due = payments::due(&mut app.store.read().await?, app.clock.now(), AT_A_TIME).await?;
    for payment in due {
        if let Err(error) = one(app, &payment).await {
            tracing::error!(%error, payment = %payment.id, "a payment was not carried on; it is tried again");
        }
    }
    Ok(())
}

async fn one(app: &App, payment: &Payment) -> ApiResult<()> {
    // Without Stripe the operator settles what is open.
    let Some(stripe) = &app.payments else {
        return Ok(());
    };
    let charge = authentic(app, payment)?;
    let now = app.clock.now();
    let is_lost =
        payment.asks > 0 && payment.session.is_none() && now.since(payment.created_at) > SAFE_TO_ASK;
    if is_lost {
        return give_up(app, payment).await;
    }
    let again = now.plus(pause_between(payment.asks.saturating_add(1)));
    let mut tx = app.store.begin().await?;
    if !payments::asked(&mut tx, payment.id, again).await? {
        return Ok(());
    }
    tx.commit().await?;
    let outcome = match &payment.session {
        Some(intent) => stripe.look_at(intent).await,
        None => stripe.charge(&charge).await,
    };
    end(app, payment, outcome).await
}

async fn end(app: &App, payment: &Payment, outcome: Outcome) -> ApiResult<()> {
    let (mut tx, lives) = open(app, payment.org).await?;
    let happened = match outcome {
        Outcome::Paid { intent, cents, usd } => {
            if !usd || NanoUsd::from_cents(cents) != Some(payment.amount) {
                tracing::error!(payment = %payment.id, intent, cents, "a payment is not what was asked for; nothing was credited");
                return Ok(());
            }
            let words = (intent.as_str(), memo(payment.way));
            payments::open(&mut tx, payment.id, &intent).await?;
            ending::paid(app, &mut tx, payment, lives, words).await?
        }
        Outcome::Declined(reason) => ending::declined(app, &mut tx, payment, &reason).await?,
        Outcome::Pending(intent) => payments::open(&mut tx, payment.id, &intent).await?,
        Outcome::Unclear(reason) => {
            tracing::warn!(payment = %payment.id, reason, "Stripe has not said whether it made a payment; it is asked again");
            false
        }
    };
    match happened {
        true => ending::commit(app, tx).await,
        false => Ok(()),
    }
}

/// Nobody knows whether the card was charged, and asking might charge it again: the operator looks, and says.
async fn give_up(app: &App, payment: &Payment) -> ApiResult<()> {
    let mut tx = app.store.begin().await?;
    payments::asked(&mut tx, payment.id, Micros(i64::MAX)).await?;
    if let Some(operator) = operator::org(&mut tx).await? {
        let told = New {
            org: operator,
            project: None,
            kind: Kind::TopUpUnclear,
            subject: payment.id.to_string(),
            data: json!({"orgId": payment.org, "amount": payment.amount, "asks": payment.asks}),
            once: Some(payment.id.to_string()),
            mailed: true,
        };
        events::raise(app, &mut tx, told).await?;
    }
    ending::commit(app, tx).await
}

/// What is charged, which only this server can have written.
fn authentic(app: &App, payment: &Payment) -> ApiResult<CardCharge> {
    let forged = || ApiError::internal(Forged("charge of a card"));
    let (Some(bytes), Some(mac)) = (&payment.charge, &payment.mac) else {
        return Err(forged());
    };
    if !app.policy_mac.verify(MAC, bytes, mac) {
        return Err(forged());
    }
    let charge = payment.decode_charge()?.ok_or_else(forged)?;
    let fits = charge.payment == payment.id && charge.org == payment.org && charge.amount == payment.amount;
    match fits {
        true => Ok(charge),
        false => Err(forged()),
    }
}
