//! What an organization says about credit that is topped up by itself: read, changed and signed again.

use keystore_core::ids::OrgId;
use keystore_core::policy::{Card, TopUpPolicy};
use keystore_core::top_up::{MOST_FAILURES, Rule};
use keystore_core::{Micros, Month, NanoUsd};
use keystore_store::top_ups::{self, TopUps};
use keystore_store::{Conn, Tx, payments};
use keystore_wire::payments::{AutoTopUp, AutoTopUpState, Payer, SetAutoTopUp};
use keystore_wire::problem::Code;
use serde_json::json;

use super::amount;
use crate::agents::Forged;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::billing::open;
use crate::credits;

/// The purpose of the MACs.
const MAC: &str = "top_ups";

/// The policy of a row.
///
/// # Errors
/// `internal` when it is not ours.
pub(super) fn authentic(app: &App, row: &TopUps) -> ApiResult<TopUpPolicy> {
    let forged = || ApiError::internal(Forged("rule for top-ups"));
    if !app.policy_mac.verify(MAC, &row.policy, &row.mac) {
        return Err(forged());
    }
    let policy = row.decode()?;
    match policy.org == row.org {
        true => Ok(policy),
        false => Err(forged()),
    }
}

async fn get(app: &App, conn: &mut Conn, org: OrgId) -> ApiResult<TopUpPolicy> {
    match top_ups::get(conn, org).await? {
        Some(row) => authentic(app, &row),
        None => Ok(TopUpPolicy::none(org)),
    }
}

async fn put(app: &App, tx: &mut Tx, policy: &TopUpPolicy) -> ApiResult<()> {
    let mac = app.policy_mac.tag(MAC, &policy.canonical());
    Ok(top_ups::put(tx, policy, &mac, app.clock.now()).await?)
}

/// Keeps a card that was saved with a payment, in place of the one before. What the one before was refused is forgotten.
///
/// # Errors
/// `internal` when what is kept is not ours; the store's.
pub(super) async fn save_card(app: &App, tx: &mut Tx, org: OrgId, card: Card) -> ApiResult<()> {
    let policy = TopUpPolicy {
        card: Some(card),
        ..get(app, tx, org).await?
    };
    put(app, tx, &policy).await?;
    Event::new("save_card", &org)
        .after(&json!({"cardSaved": true}))?
        .by_system(tx, org)
}

/// How the credit of an organization is topped up by itself.
///
/// # Errors
/// `internal` when what is kept is not ours; the store's.
pub(crate) async fn show(app: &App, conn: &mut Conn, org: OrgId) -> ApiResult<AutoTopUp> {
    let now = app.clock.now();
    let row = top_ups::get(conn, org).await?;
    let policy = match &row {
        Some(row) => authentic(app, row)?,
        None => TopUpPolicy::none(org),
    };
    let (failures, not_before) = row.map_or((0, Micros(0)), |row| (row.failures, row.not_before));
    let by_card = app.payments.is_some();
    let by_invoice = credits::get(app, conn, org).await?.limit > NanoUsd::ZERO;
    let state = match policy.rule {
        None => AutoTopUpState::Off,
        Some(_) if by_invoice => AutoTopUpState::ByInvoice,
        Some(_) if by_card && policy.card.is_none() => AutoTopUpState::NoCard,
        Some(_) if failures >= MOST_FAILURES => AutoTopUpState::Stopped,
        Some(_) if not_before > now => AutoTopUpState::Paused,
        Some(_) => AutoTopUpState::On,
    };
    Ok(AutoTopUp {
        state,
        by: match by_card {
            true => Payer::Card,
            false => Payer::Operator,
        },
        card_saved: policy.card.is_some(),
        below: policy.rule.map(|rule| rule.below),
        amount: policy.rule.map(|rule| rule.amount),
        monthly: policy.rule.map(|rule| rule.monthly),
        this_month: payments::by_itself(conn, org, Month::of(now).start()).await?,
        failures,
        not_before: (state == AutoTopUpState::Paused).then(|| not_before.into()),
        open: payments::open_of(conn, org).await?.map(|payment| payment.id),
    })
}

/// Says when and by how much; what was refused is forgotten.
///
/// # Errors
/// `invalid_request`; `conflict` without a card where cards are charged, and for who pays by invoice.
pub(crate) async fn set(app: &App, caller: &Caller, body: &SetAutoTopUp) -> ApiResult<AutoTopUp> {
    let org = caller.whole_org()?;
    let rule = Rule {
        below: amount("/below", &body.below)?,
        amount: amount("/amount", &body.amount)?,
        monthly: amount("/monthly", &body.monthly)?,
    };
    if rule.monthly < rule.amount {
        return Err(ApiError::field("/monthly", "is less than one top-up"));
    }
    let (mut tx, _) = open(app, org).await?;
    if credits::get(app, &mut tx, org).await?.limit > NanoUsd::ZERO {
        return Err(ApiError::new(
            Code::Conflict,
            "the organization pays by invoice, so there is nothing to top up",
        ));
    }
    let policy = get(app, &mut tx, org).await?;
    if app.payments.is_some() && policy.card.is_none() {
        return Err(
            ApiError::new(Code::Conflict, "no card is saved that could be charged")
                .remedy("pay once on a page that saves it: `ks billing top-up 50 --save-card`"),
        );
    }
    let before = show(app, &mut tx, org).await?;
    let policy = TopUpPolicy {
        rule: Some(rule),
        ..policy
    };
    put(app, &mut tx, &policy).await?;
    let after = show(app, &mut tx, org).await?;
    Event::new("set_auto_top_up", &org)
        .before(&before)?
        .after(&after)?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    Ok(after)
}

/// Ends it, and forgets the card. A payment that is open goes on.
///
/// # Errors
/// The store's.
pub(crate) async fn delete(app: &App, caller: &Caller) -> ApiResult<()> {
    let org = caller.whole_org()?;
    let (mut tx, _) = open(app, org).await?;
    let before = show(app, &mut tx, org).await?;
    if !top_ups::delete(&mut tx, org).await? {
        return Ok(());
    }
    Event::new("delete_auto_top_up", &org)
        .before(&before)?
        .by(&mut tx, caller)?;
    Ok(tx.commit().await?)
}
