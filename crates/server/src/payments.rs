//! Money that customers pay in advance: on a page of Stripe's, by a saved card without anybody there, or as the operator sees to it.
//!
//! Every payment is written down before anybody is asked for money, and goes by its own id at Stripe, so that asking again charges
//! nothing twice. What Stripe tells counts only with its signature, once, and for the amount that was asked for; what it answers counts
//! in the same way ([`ending`]).

pub(crate) mod auto;
pub(crate) mod carry;
mod ending;
pub(crate) mod rule;
pub(crate) mod signature;
mod stripe;

use keystore_core::NanoUsd;
use keystore_core::ids::PaymentId;
use keystore_store::Conn;
use keystore_store::payments::{self, Payment, Way};
use keystore_wire::payments::{CreateTopUp, SettlePayment, TopUp};
use keystore_wire::problem::Code;

use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::auth::require::Resource;
use crate::billing::open;

use stripe::{News, Told, told};
pub use stripe::{Stripe, StripeError};

/// What can be paid at once, in dollars.
const LEAST: i64 = 1;
const MOST: i64 = 100_000;

/// The most characters of a subject.
const MAX_SUBJECT: usize = 200;

impl Resource for Payment {
    type Key = PaymentId;
    const NOUN: &'static str = "payment";

    async fn find(_: &App, conn: &mut Conn, _: &Caller, key: &PaymentId) -> ApiResult<Self> {
        let found = payments::get(conn, *key).await?;
        let by_itself = |payment: &Self| matches!(payment.way, Way::Card | Way::Operator);
        found
            .filter(by_itself)
            .ok_or_else(|| ApiError::not_found(Self::NOUN))
    }
}

/// Begins a payment, and gives the page to pay on.
///
/// # Errors
/// `invalid_request`; `payments_unavailable` without Stripe; `upstream_error` when it does not answer.
pub(crate) async fn begin(app: &App, caller: &Caller, body: &CreateTopUp) -> ApiResult<TopUp> {
    let org = caller.whole_org()?;
    let stripe = app.stripe()?;
    let amount = amount("/amount", &body.amount)?;
    let payment = Payment {
        id: PaymentId::new(app.ids.next()),
        org,
        amount,
        way: match body.save_card {
            true => Way::SavingPage,
            false => Way::Page,
        },
        charge: None,
        mac: None,
        session: None,
        transaction_id: None,
        asks: 0,
        failed_at: None,
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
    let back = &app.settings.api_url;
    let session = stripe.checkout(payment.id, amount, body.save_card, back).await?;
    let mut tx = app.store.begin().await?;
    payments::open(&mut tx, payment.id, &session.id).await?;
    tx.commit().await?;
    Ok(shown(session.url))
}

/// An amount that can be paid at once.
///
/// # Errors
/// `invalid_request`.
fn amount(pointer: &str, text: &str) -> ApiResult<NanoUsd> {
    let within = |amount: &NanoUsd| {
        (LEAST * 1_000_000_000..=MOST * 1_000_000_000).contains(&amount.0) && amount.rounded() == *amount
    };
    let amount = text.parse().ok().filter(within);
    amount.ok_or_else(|| {
        ApiError::field(
            pointer,
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
        news,
    }) = told(body)?
    else {
        // Of something else in the same account.
        return Ok(());
    };
    let begun = payments::get(&mut app.store.read().await?, payment).await?;
    let Some(begun) = begun else {
        return Err(ApiError::not_found("payment"));
    };
    let is_it = begun.session.as_ref().is_none_or(|known| *known == session);
    let as_asked = match &news {
        News::Paid { cents, usd, .. } => *usd && NanoUsd::from_cents(*cents) == Some(begun.amount),
        News::Declined(_) => true,
    };
    if !is_it || !as_asked {
        tracing::error!(%payment, event, ?news, asked = %begun.amount, "a payment is not what was asked for; nothing was credited");
        return Err(ApiError::new(
            Code::Conflict,
            "the payment is not of the amount, the currency or the session that was asked for",
        ));
    }
    let (mut tx, lives) = open(app, begun.org).await?;
    if !payments::told(&mut tx, &event, app.clock.now()).await? {
        return Ok(());
    }
    let happened = match news {
        News::Paid { card, .. } => {
            let (subject, memo) = (session.as_str(), memo(begun.way));
            let card = card.filter(|_| begun.way == Way::SavingPage && lives);
            if let Some(card) = card {
                rule::save_card(app, &mut tx, begun.org, card).await?;
            }
            payments::open(&mut tx, payment, &session).await?;
            ending::paid(app, &mut tx, &begun, lives, (subject, memo)).await?
        }
        News::Declined(reason) => ending::declined(app, &mut tx, &begun, &reason).await?,
    };
    match happened {
        true => ending::commit(app, tx).await,
        false => Ok(()),
    }
}

/// Says what came of an open payment, where the operator knows it.
///
/// # Errors
/// `invalid_request`; `conflict` for one that is not open.
pub(crate) async fn settle(
    app: &App,
    caller: &Caller,
    payment: &Payment,
    body: &SettlePayment,
) -> ApiResult<()> {
    if body.subject.len() > MAX_SUBJECT || body.subject.chars().any(char::is_control) {
        return Err(ApiError::field(
            "/subject",
            format!("expected at most {MAX_SUBJECT} characters in one line"),
        ));
    }
    let (mut tx, lives) = open(app, payment.org).await?;
    let is_open = payment.failed_at.is_none();
    let happened = is_open
        && match body.paid {
            true => {
                let words = (body.subject.as_str(), memo(payment.way));
                ending::paid(app, &mut tx, payment, lives, words).await?
            }
            false => {
                let reason = "the operator says that no money came";
                ending::declined(app, &mut tx, payment, reason).await?
            }
        };
    if !happened {
        return Err(ApiError::new(Code::Conflict, "the payment is not open any more"));
    }
    Event::new("settle_payment", &payment.id)
        .after(body)?
        .by(&mut tx, caller)?;
    ending::commit(app, tx).await
}

/// What customers read about a payment in their ledger.
const fn memo(way: Way) -> &'static str {
    match way {
        Way::Page | Way::SavingPage => "Stripe Checkout",
        Way::Card => "topped up by itself, by card",
        Way::Operator => "topped up by itself",
    }
}
