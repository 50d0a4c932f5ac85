//! Money between customers and the operator: what stands in the ledger beside the calls that the projector posts, and what follows
//! from it for what a customer may spend.
//!
//! [`post`] is the one way into the ledger from here: it changes the credit policy, on which the data plane admits, by the same amount
//! in the same transaction. A customer's books are changed by one transaction at a time ([`open`]).

pub(crate) mod close;
pub(crate) mod postings;
pub(crate) mod promos;
pub(crate) mod terms;

use keystore_core::NanoUsd;
use keystore_core::ids::{OrgId, TransactionId};
use keystore_core::ledger::{About, Account, LedgerError, Transaction, unused};
use keystore_core::policy::Source;
use keystore_store::{Conn, Tx, holds, ledger, orgs};
use keystore_wire::billing::{Balance, Promo};
use keystore_wire::problem::Code;

use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::credits;

/// A transaction in which a customer's books are changed by nobody else. `false` beside it where the organization has ended: its books
/// stay, its credit does not.
///
/// # Errors
/// The store's.
pub(crate) async fn open(app: &App, org: OrgId) -> ApiResult<(Tx, bool)> {
    let mut tx = app.store.begin().await?;
    let lives = orgs::hold(&mut tx, org).await?;
    Ok((tx, lives))
}

/// Posts a transaction, and grants what it says.
///
/// # Errors
/// `already_exists` for what is done once; `conflict` where an amount leaves its range.
pub(crate) async fn post(app: &App, tx: &mut Tx, transaction: &Transaction, lives: bool) -> ApiResult<()> {
    ledger::post(tx, transaction).await?;
    let granted = transaction.granted()?;
    if granted == NanoUsd::ZERO || !lives {
        return Ok(());
    }
    let mut credit = credits::get(app, tx, transaction.about().org).await?;
    credit.granted = credit.granted.checked_add(granted).ok_or(LedgerError::Overflow)?;
    credits::put(app, tx, &credit).await
}

/// A new transaction's head.
pub(crate) fn about(app: &App, org: OrgId, subject: &str, memo: &str) -> About {
    About {
        id: TransactionId::new(app.ids.next()),
        org,
        at: app.clock.now(),
        subject: subject.to_owned(),
        memo: memo.to_owned(),
    }
}

/// What an organization may still spend, and why.
///
/// # Errors
/// `internal` when its credit is not ours; the store's.
pub(crate) async fn balance(app: &App, org: OrgId) -> ApiResult<Balance> {
    app.store.project_now().await?;
    let mut conn = app.store.read().await?;
    let credit = credits::get(app, &mut conn, org).await?;
    let charged = ledger::charged(&mut conn, org).await?;
    let balances = ledger::balances(&mut conn, org).await?;
    let held = held(&mut conn, org).await?;
    let left = unused(&ledger::grants(&mut conn, org).await?, charged);
    let lasting = left
        .into_iter()
        .filter(|(grant, left)| grant.charged_at_end.is_none() && *left > NanoUsd::ZERO);
    let available = credit
        .granted
        .0
        .saturating_add(credit.limit.0)
        .saturating_sub(charged.0)
        .saturating_sub(held.0);
    Ok(Balance {
        available: NanoUsd(available),
        granted: credit.granted,
        limit: credit.limit,
        charged,
        held,
        receivable: balances.of(Account::Receivable),
        promos: lasting
            .map(|(grant, left)| Promo {
                id: grant.id,
                amount: grant.amount,
                left,
                expires_at: grant.expires_at.map(Into::into),
            })
            .collect(),
    })
}

/// What running calls with pooled credentials hold.
async fn held(conn: &mut Conn, org: OrgId) -> ApiResult<NanoUsd> {
    let running = holds::running(conn, org).await?.into_iter();
    let sold = running.filter(|hold| hold.source == Source::Marketplace);
    Ok(sold.fold(NanoUsd::ZERO, |sum, hold| {
        sum.checked_add(hold.amount).unwrap_or(NanoUsd::MAX)
    }))
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::NotPositive(_) | LedgerError::TooMuch { .. } | LedgerError::Empty => {
                Self::field("/amount", error.to_string())
            }
            LedgerError::WrongKind(_) => Self::field("/regards", error.to_string()),
            LedgerError::Overflow => {
                Self::new(Code::Conflict, "an amount would leave the range of the books")
            }
            LedgerError::Unbalanced(_) => Self::internal(error),
        }
    }
}
