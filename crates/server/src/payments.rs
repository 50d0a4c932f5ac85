//! Top-ups by Stripe Checkout: a customer asks for a page to pay on, and Stripe tells when the money is there. What it tells counts only
//! with its signature, once, and for the amount that was asked for.

pub(crate) mod signature;
mod stripe;

use keystore_core::NanoUsd;
use keystore_core::ids::PaymentId;
use keystore_core::ledger::Transaction;
use keystore_store::payments::{self, Payment};
use keystore_wire::billing::{CreateTopUp, TopUp};
use keystore_wire::problem::Code;

use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::billing::{about, open, post};

pub use stripe::{Stripe, StripeError};
use stripe::{Told, told};

/// What can be paid at once, in dollars.
const LEAST: i64 = 1;
const MOST: i64 = 100_000;

/// Begins a payment, and gives the page to pay on.
///
/// # Errors
/// `invalid_request`; `payments_unavailable` without Stripe; `upstream_error` when it does not answer.
pub(crate) async fn begin(app: &App, caller: &Caller, body: &CreateTopUp) -> ApiResult<TopUp> {
    let org = caller.whole_org()?;
    let stripe = app.stripe()?;
    let amount = amount(&body.amount)?;
    let payment = Payment {
        id: PaymentId::new(app.ids.next()),
        org,
        amount,
        session: None,
        transaction_id: None,
        created_at: app.clock.now(),
    };
    let shown = |url: String| TopUp {
        id: payment.id,
        amount,
        url,
    };
    let mut tx = app.store.begin().await?;
    payments::insert(&mut tx, &payment).await?;
    Event::new("create_top_up", &payment.id)
        .after(&shown(String::new()))?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    let session = stripe.checkout(payment.id, amount, &app.settings.api_url).await?;
    let mut tx = app.store.begin().await?;
    payments::open(&mut tx, payment.id, &session.id).await?;
    tx.commit().await?;
    Ok(shown(session.url))
}

fn amount(text: &str) -> ApiResult<NanoUsd> {
    let within = |amount: &NanoUsd| {
        (LEAST * 1_000_000_000..=MOST * 1_000_000_000).contains(&amount.0) && amount.rounded() == *amount
    };
    let amount = text.parse().ok().filter(within);
    amount.ok_or_else(|| {
        ApiError::field(
            "/amount",
            format!("expected {LEAST} to {MOST} dollars in whole cents, such as \"50\""),
        )
    })
}

/// Takes in what Stripe says it tells. `signature` is the header `Stripe-Signature`, `body` the bytes as they came.
///
/// # Errors
/// `unauthenticated` for what Stripe did not sign just now; `conflict` for another amount than was asked for.
pub(crate) async fn hear(app: &App, signature: &str, body: &[u8]) -> ApiResult<()> {
    let stripe = app.stripe()?;
    stripe.verify(signature, body, app.clock.now())?;
    let Some(Told {
        event,
        payment,
        session,
        cents,
        usd,
    }) = told(body)?
    else {
        // Of something else in the same account.
        return Ok(());
    };
    let begun = payments::get(&mut app.store.read().await?, payment).await?;
    let Some(begun) = begun else {
        return Err(ApiError::not_found("payment"));
    };
    let as_asked = usd
        && NanoUsd::from_cents(cents) == Some(begun.amount)
        && begun.session.as_ref().is_none_or(|known| *known == session);
    if !as_asked {
        tracing::error!(%payment, event, cents, asked = %begun.amount, "a payment is not what was asked for; nothing was credited");
        return Err(ApiError::new(
            Code::Conflict,
            "the payment is not of the amount, the currency or the session that was asked for",
        ));
    }
    let (mut tx, lives) = open(app, begun.org).await?;
    let top_up = Transaction::top_up(about(app, begun.org, &session, "Stripe Checkout"), begun.amount)?;
    let is_new = payments::told(&mut tx, &event, app.clock.now()).await?
        && payments::paid(&mut tx, payment, top_up.about().id).await?;
    if !is_new {
        return Ok(());
    }
    post(app, &mut tx, &top_up, lives).await?;
    Event::new("receive_payment", &payment)
        .after(&begun.amount)?
        .by_system(&mut tx, begun.org)?;
    Ok(tx.commit().await?)
}
