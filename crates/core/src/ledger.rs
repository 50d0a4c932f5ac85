//! The ledger: what customers, vendors and the operator owe each other, in double entry.
//!
//! A [`Transaction`] is a set of entries that sums to zero; only its constructors make one, and none that does not balance can
//! be made. Debit is positive, credit is negative: what a customer may still spend is a debt of the operator and stands in
//! `customer_credit` as a negative amount. Nothing is ever changed; what was wrong is reversed.
//!
//! `post` has the constructors, one for each kind of business; `balances` adds transactions up; `promo` says what is left of
//! credit that was given away.

mod balances;
mod post;
mod promo;
#[cfg(test)]
mod tests;

pub use balances::Balances;
pub use post::{Close, CrashRuling};
pub use promo::{Grant, unused};

use crate::ids::{OrgId, TransactionId};
use crate::money::NanoUsd;
use crate::time::Micros;
use crate::words::words;

words! {
    /// What an amount stands for.
    #[derive(PartialOrd, Ord)]
    Account {
        /// What the operator owes a customer in services (negative), or a customer has used and was not billed for (positive).
        CustomerCredit = 0 "customer_credit",
        /// Invoices that a customer has not paid.
        Receivable = 1 "receivable",
        /// What customers were charged.
        Revenue = 2 "revenue",
        /// What vendors will bill.
        ProviderPayable = 3 "provider_payable",
        /// What the served calls cost the operator.
        Cogs = 4 "cogs",
        /// Credit given away.
        Promo = 5 "promo",
        /// Charges given back.
        Refund = 6 "refund",
        /// What rounding invoices to cents gained or lost.
        Rounding = 7 "rounding",
        /// Charges of which nobody knows yet whether they are right.
        Suspense = 8 "suspense",
        /// Money that came in or went out.
        Cash = 9 "cash",
        /// Taxes that were billed and belong to an authority.
        TaxPayable = 10 "tax_payable",
    }
}

impl Account {
    /// Every account.
    pub const ALL: [Self; 11] = [
        Self::CustomerCredit,
        Self::Receivable,
        Self::Revenue,
        Self::ProviderPayable,
        Self::Cogs,
        Self::Promo,
        Self::Refund,
        Self::Rounding,
        Self::Suspense,
        Self::Cash,
        Self::TaxPayable,
    ];
}

words! {
    /// Which business a transaction records.
    Kind {
        /// A call was served.
        Usage = 0 "usage",
        /// A call was open when the process died: its hold waits in `suspense`.
        Crash = 1 "crash",
        /// It was ruled on what such a call costs.
        CrashRuling = 2 "crash_ruling",
        /// A customer paid in advance.
        TopUp = 3 "top_up",
        /// Credit was given away.
        PromoGrant = 4 "promo_grant",
        /// What was left of such credit ended.
        PromoExpiry = 5 "promo_expiry",
        /// A charge was given back as credit.
        Refund = 6 "refund",
        /// A top-up was paid back.
        PayBack = 7 "pay_back",
        /// A month was invoiced.
        Invoice = 8 "invoice",
        /// An invoice was paid.
        Payment = 9 "payment",
        /// A vendor's bill differs from what its calls were thought to cost.
        CostAdjustment = 10 "cost_adjustment",
        /// Another transaction was undone.
        Reversal = 11 "reversal",
    }
}

impl Kind {
    /// Whether the request path has counted it already: what a customer may spend sinks without anybody telling.
    pub const fn is_charge(self) -> bool {
        matches!(self, Self::Usage | Self::Crash)
    }
}

/// An amount in an account: debit positive, credit negative, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The account.
    pub account: Account,
    /// The amount.
    pub amount: NanoUsd,
}

/// What a transaction is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its id.
    pub id: TransactionId,
    /// Whose books it concerns.
    pub org: OrgId,
    /// When it counts.
    pub at: Micros,
    /// What it belongs to: a request, a payment, an invoice's number, another transaction.
    pub subject: String,
    /// A remark for people.
    pub memo: String,
}

/// A set of entries that sums to zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    about: About,
    kind: Kind,
    regards: Option<TransactionId>,
    entries: Vec<Entry>,
}

/// A transaction cannot be made, or not be added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// An amount must be more than nothing, or at least not less.
    #[error("an amount of {0} cannot be posted: it must be positive")]
    NotPositive(NanoUsd),
    /// There is nothing to post.
    #[error("there is nothing to post")]
    Empty,
    /// More is given back than there is.
    #[error("{asked} is more than the {there} that there is")]
    TooMuch {
        /// What was asked for.
        asked: NanoUsd,
        /// What there is.
        there: NanoUsd,
    },
    /// The transaction is not of the kind that this is done to.
    #[error("this cannot be done to a transaction of the kind {}", .0.as_str())]
    WrongKind(Kind),
    /// Stored entries do not sum to zero.
    #[error("the entries sum to {0} nano-dollars instead of zero")]
    Unbalanced(i128),
    /// An amount would leave the range of about ±9.2 billion dollars.
    #[error("an amount would leave the range")]
    Overflow,
}

impl Transaction {
    /// A transaction as it was stored.
    ///
    /// # Errors
    ///
    /// `Unbalanced`, `Empty`: it is not what was stored.
    pub fn stored(
        about: About,
        kind: Kind,
        regards: Option<TransactionId>,
        entries: Vec<Entry>,
    ) -> Result<Self, LedgerError> {
        if entries.is_empty() {
            return Err(LedgerError::Empty);
        }
        let sum: i128 = entries.iter().map(|entry| i128::from(entry.amount.0)).sum();
        if sum != 0 {
            return Err(LedgerError::Unbalanced(sum));
        }
        Ok(Self {
            about,
            kind,
            regards,
            entries,
        })
    }

    /// What it is about.
    pub const fn about(&self) -> &About {
        &self.about
    }

    /// Which business it records.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The transaction that it rules on, undoes or pays back.
    pub const fn regards(&self) -> Option<TransactionId> {
        self.regards
    }

    /// Its entries, at most one for each account.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The amount in `account`; zero without an entry there.
    pub fn amount(&self, account: Account) -> NanoUsd {
        let entry = self.entries.iter().find(|entry| entry.account == account);
        entry.map_or(NanoUsd::ZERO, |entry| entry.amount)
    }

    /// By how much it changes what was granted to the customer for spending: see `policy::CreditPolicy`. Zero for charges, which the
    /// request path counts by itself.
    ///
    /// # Errors
    ///
    /// `Overflow`.
    pub fn granted(&self) -> Result<NanoUsd, LedgerError> {
        if self.kind.is_charge() {
            return Ok(NanoUsd::ZERO);
        }
        let owed = self.owed()?;
        owed.0.checked_neg().map(NanoUsd).ok_or(LedgerError::Overflow)
    }

    /// By how much the customer owes more for it, billed or not; negative where it owes less.
    ///
    /// # Errors
    ///
    /// `Overflow`.
    pub fn owed(&self) -> Result<NanoUsd, LedgerError> {
        let credit = self.amount(Account::CustomerCredit);
        credit
            .checked_add(self.amount(Account::Receivable))
            .ok_or(LedgerError::Overflow)
    }
}
