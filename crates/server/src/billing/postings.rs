//! What the operator posts by hand.

use keystore_core::NanoUsd;
use keystore_core::ids::OrgId;
use keystore_core::ledger::{Account, CrashRuling, Grant, Kind, Transaction};
use keystore_store::{Conn, Tx, ledger};
use keystore_wire::billing::{Post, Posting};
use keystore_wire::problem::Code;

use super::{about, open, post};
use crate::api::billing::books;
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;

/// The most characters of a subject and of a memo.
const MAX_SUBJECT: usize = 200;
const MAX_MEMO: usize = 500;

/// Posts what the operator says.
///
/// # Errors
/// `invalid_request`, `not_found` for the organization and for what is regarded, `already_exists` for what is done once.
pub(crate) async fn by_hand(app: &App, caller: &Caller, body: &Post) -> ApiResult<Transaction> {
    let org = customer(&body.org)?;
    let amounts = check(app, caller, org, body)?;
    // What is charged and not in the books yet decides over what is left of credit that is given away.
    app.store.project_now().await?;
    let (mut tx, lives) = open(app, org).await?;
    if !lives {
        return Err(ApiError::not_found("organization"));
    }
    let transaction = make(app, &mut tx, org, body, amounts).await?;
    post(app, &mut tx, &transaction, lives).await?;
    if body.kind == Posting::PromoGrant {
        let grant = Grant {
            id: transaction.about().id,
            amount: amounts.amount,
            expires_at: body.expires_at.map(Into::into),
            charged_before: ledger::charged(&mut tx, org).await?,
            charged_at_end: None,
        };
        ledger::insert_grant(&mut tx, org, &grant).await?;
    }
    Event::new("post_to_ledger", &transaction.about().id)
        .after(&books(&transaction)?)?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    Ok(transaction)
}

/// The organization with this id.
///
/// # Errors
/// `not_found` for a text that is no id.
pub(crate) fn customer(text: &str) -> ApiResult<OrgId> {
    text.parse().map_err(|_| ApiError::not_found("organization"))
}

/// The amounts of a posting.
#[derive(Debug, Clone, Copy)]
struct Amounts {
    amount: NanoUsd,
    vendor_cost: NanoUsd,
}

fn check(app: &App, caller: &Caller, org: OrgId, body: &Post) -> ApiResult<Amounts> {
    let mut fields = Fields::default();
    let regards = matches!(
        body.kind,
        Posting::PayBack | Posting::CrashRuling | Posting::Reversal
    );
    if regards != body.regards.is_some() {
        let said = match regards {
            true => "expected the id of the transaction that this is about",
            false => "is nothing that this kind has",
        };
        fields.wrong("/regards", said);
    }
    let mut read = |pointer: &str, text: Option<&String>| match text.map(|text| text.parse()) {
        None => NanoUsd::ZERO,
        Some(Ok(amount)) => amount,
        Some(Err(_)) => {
            fields.wrong(
                pointer,
                "expected dollars with at most nine decimals, such as \"12.50\"",
            );
            NanoUsd::ZERO
        }
    };
    let amount = read("/amount", body.amount.as_ref());
    let vendor_cost = read("/vendorCost", body.vendor_cost.as_ref());
    let of_cents = matches!(
        body.kind,
        Posting::TopUp | Posting::PromoGrant | Posting::PayBack | Posting::Payment
    );
    if of_cents && amount != amount.rounded() {
        fields.wrong("/amount", "expected whole cents");
    }
    if body.amount.is_some() == (body.kind == Posting::Reversal) {
        let said = match body.amount {
            Some(_) => "a reversal undoes the whole transaction",
            None => "is missing",
        };
        fields.wrong("/amount", said);
    }
    if body.vendor_cost.is_some() && body.kind != Posting::CrashRuling {
        fields.wrong("/vendorCost", "only a ruling has one");
    }
    if let Some(end) = body.expires_at
        && (body.kind != Posting::PromoGrant || keystore_core::Micros::from(end) <= app.clock.now())
    {
        fields.wrong(
            "/expiresAt",
            "expected a time to come, for credit that is given away",
        );
    }
    if body.kind == Posting::CostAdjustment && org != caller.org {
        fields.wrong("/org", "costs are adjusted in the operator's own books");
    }
    for (pointer, text, most) in [
        ("/subject", &body.subject, MAX_SUBJECT),
        ("/memo", &body.memo, MAX_MEMO),
    ] {
        if text.len() > most || text.chars().any(char::is_control) {
            fields.wrong(pointer, format!("expected at most {most} characters in one line"));
        }
    }
    fields.check()?;
    Ok(Amounts { amount, vendor_cost })
}

async fn make(
    app: &App,
    tx: &mut Tx,
    org: OrgId,
    body: &Post,
    Amounts { amount, vendor_cost }: Amounts,
) -> ApiResult<Transaction> {
    let about = about(app, org, &body.subject, &body.memo);
    Ok(match body.kind {
        Posting::TopUp => Transaction::top_up(about, amount),
        Posting::PromoGrant => Transaction::promo_grant(about, amount),
        Posting::Refund => Transaction::refund(about, amount),
        Posting::Payment => {
            let owed = ledger::balances(tx, org).await?.of(Account::Receivable);
            Transaction::payment(about, owed, amount)
        }
        Posting::PayBack => {
            let paid = regarded(tx, org, body).await?;
            let before = ledger::paid_back(tx, org, paid.about().id).await?;
            Transaction::pay_back(about, &paid, before, amount)
        }
        Posting::CrashRuling => {
            let crash = regarded(tx, org, body).await?;
            let ruling = CrashRuling {
                charge: amount,
                vendor_cost,
            };
            Transaction::rule_on_crash(about, &crash, ruling)
        }
        Posting::CostAdjustment => Transaction::cost_adjustment(about, amount),
        Posting::Reversal => {
            let other = regarded(tx, org, body).await?;
            let back = ledger::paid_back(tx, org, other.about().id).await?;
            if other.kind() == Kind::TopUp && back > NanoUsd::ZERO {
                return Err(ApiError::new(
                    Code::Conflict,
                    "a part of this top-up went back to its payer already",
                )
                .remedy("pay back the rest of it"));
            }
            Transaction::reversal(about, &other)
        }
    }?)
}

async fn regarded(conn: &mut Conn, org: OrgId, body: &Post) -> ApiResult<Transaction> {
    let found = match body.regards {
        Some(id) => ledger::get(conn, org, id).await?,
        None => None,
    };
    found.ok_or_else(|| ApiError::not_found("transaction of this organization"))
}
