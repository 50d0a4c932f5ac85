//! The constructors: one for each kind of business.

use super::{About, Account, Entry, Kind, LedgerError, Transaction};
use crate::money::NanoUsd;

/// What a call that was open when the process died is charged in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashRuling {
    /// What the customer pays: from nothing to the whole hold. The rest goes back to its credit.
    pub charge: NanoUsd,
    /// What the vendor takes for it.
    pub vendor_cost: NanoUsd,
}

/// What an invoice posts when its month closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close {
    /// The rounded lines less the exact ones; may be negative.
    pub rounding: NanoUsd,
    /// Taxes; negative where more was given back than used.
    pub tax: NanoUsd,
    /// What credit does not cover: from now on it is owed by invoice.
    pub due: NanoUsd,
}

/// The entries of a transaction that is being made: amounts go from one account to another, so that they always balance.
struct Moves([i128; Account::ALL.len()]);

impl Moves {
    const fn none() -> Self {
        Self([0; Account::ALL.len()])
    }

    /// Debits one account and credits another.
    const fn with(mut self, debit: Account, credit: Account, amount: NanoUsd) -> Self {
        self.0[debit as usize] += amount.0 as i128;
        self.0[credit as usize] -= amount.0 as i128;
        self
    }

    fn post(self, about: About, kind: Kind) -> Result<Transaction, LedgerError> {
        let moved = Account::ALL.into_iter().zip(self.0);
        let entries = moved.filter(|(_, amount)| *amount != 0);
        let entries = entries.map(|(account, amount)| {
            let amount = i64::try_from(amount).map_err(|_| LedgerError::Overflow)?;
            // The one amount without an opposite cannot be reversed.
            match amount {
                i64::MIN => Err(LedgerError::Overflow),
                _ => Ok(Entry {
                    account,
                    amount: NanoUsd(amount),
                }),
            }
        });
        Transaction::stored(about, kind, None, entries.collect::<Result<_, _>>()?)
    }
}

fn positive(amount: NanoUsd) -> Result<NanoUsd, LedgerError> {
    match amount {
        NanoUsd(1..) => Ok(amount),
        _ => Err(LedgerError::NotPositive(amount)),
    }
}

fn not_negative(amount: NanoUsd) -> Result<NanoUsd, LedgerError> {
    match amount {
        NanoUsd(0..) => Ok(amount),
        _ => Err(LedgerError::NotPositive(amount)),
    }
}

fn at_most(asked: NanoUsd, there: NanoUsd) -> Result<NanoUsd, LedgerError> {
    match asked <= there {
        true => Ok(asked),
        false => Err(LedgerError::TooMuch { asked, there }),
    }
}

impl Transaction {
    /// A call was served: the customer is charged `cost`, the vendor will bill `vendor_cost`.
    ///
    /// # Errors
    ///
    /// `NotPositive` for an amount below zero, `Empty` where both are zero.
    pub fn usage(about: About, cost: NanoUsd, vendor_cost: NanoUsd) -> Result<Self, LedgerError> {
        Moves::none()
            .with(Account::CustomerCredit, Account::Revenue, not_negative(cost)?)
            .with(
                Account::Cogs,
                Account::ProviderPayable,
                not_negative(vendor_cost)?,
            )
            .post(about, Kind::Usage)
    }

    /// A call was open when the process died. Its hold is charged, and waits in `suspense` for a ruling.
    ///
    /// # Errors
    ///
    /// `NotPositive`.
    pub fn crash(about: About, hold: NanoUsd) -> Result<Self, LedgerError> {
        Moves::none()
            .with(Account::CustomerCredit, Account::Suspense, positive(hold)?)
            .post(about, Kind::Crash)
    }

    /// It is ruled what the call of `crash` costs: a part of the hold up to all of it becomes revenue, the
    /// rest goes back.
    ///
    /// # Errors
    ///
    /// `WrongKind` where `crash` is none, `NotPositive` for an amount below zero, `TooMuch` for a charge above the hold.
    pub fn rule_on_crash(about: About, crash: &Self, ruling: CrashRuling) -> Result<Self, LedgerError> {
        if crash.kind != Kind::Crash {
            return Err(LedgerError::WrongKind(crash.kind));
        }
        let hold = crash.amount(Account::CustomerCredit);
        let charge = at_most(not_negative(ruling.charge)?, hold)?;
        let rest = hold.checked_sub(charge).ok_or(LedgerError::Overflow)?;
        Moves::none()
            .with(Account::Suspense, Account::Revenue, charge)
            .with(Account::Suspense, Account::CustomerCredit, rest)
            .with(
                Account::Cogs,
                Account::ProviderPayable,
                not_negative(ruling.vendor_cost)?,
            )
            .post(about, Kind::CrashRuling)
            .map(|ruling| ruling.regarding(crash))
    }

    /// A customer paid `amount` in advance.
    ///
    /// # Errors
    ///
    /// `NotPositive`.
    pub fn top_up(about: About, amount: NanoUsd) -> Result<Self, LedgerError> {
        Moves::none()
            .with(Account::Cash, Account::CustomerCredit, positive(amount)?)
            .post(about, Kind::TopUp)
    }

    /// `amount` of the top-up `paid` goes back to the payer; `before` of it has gone back already.
    ///
    /// # Errors
    ///
    /// `WrongKind` where `paid` is no top-up, `NotPositive`, `TooMuch` for more than is left of it.
    pub fn pay_back(
        about: About,
        paid: &Self,
        before: NanoUsd,
        amount: NanoUsd,
    ) -> Result<Self, LedgerError> {
        if paid.kind != Kind::TopUp {
            return Err(LedgerError::WrongKind(paid.kind));
        }
        let left = paid.amount(Account::Cash).checked_sub(not_negative(before)?);
        let amount = at_most(positive(amount)?, left.ok_or(LedgerError::Overflow)?)?;
        Moves::none()
            .with(Account::CustomerCredit, Account::Cash, amount)
            .post(about, Kind::PayBack)
            .map(|back| back.regarding(paid))
    }

    /// Credit is given away.
    ///
    /// # Errors
    ///
    /// `NotPositive`.
    pub fn promo_grant(about: About, amount: NanoUsd) -> Result<Self, LedgerError> {
        Moves::none()
            .with(Account::Promo, Account::CustomerCredit, positive(amount)?)
            .post(about, Kind::PromoGrant)
    }

    /// What is left of credit that was given away ends: see [`super::unused`].
    ///
    /// # Errors
    ///
    /// `NotPositive`.
    pub fn promo_expiry(about: About, unused: NanoUsd) -> Result<Self, LedgerError> {
        Moves::none()
            .with(Account::CustomerCredit, Account::Promo, positive(unused)?)
            .post(about, Kind::PromoExpiry)
    }

    /// A charge is given back as credit.
    ///
    /// # Errors
    ///
    /// `NotPositive`.
    pub fn refund(about: About, amount: NanoUsd) -> Result<Self, LedgerError> {
        Moves::none()
            .with(Account::Refund, Account::CustomerCredit, positive(amount)?)
            .post(about, Kind::Refund)
    }

    /// A month is invoiced: rounding and taxes are charged, and what credit does not cover is owed from now on.
    ///
    /// # Errors
    ///
    /// `NotPositive` for an amount due below zero; `Empty` where there is nothing to post, as for an invoice without fractions
    /// of a cent that credit has paid.
    pub fn invoice(about: About, close: Close) -> Result<Self, LedgerError> {
        Moves::none()
            .with(Account::CustomerCredit, Account::Rounding, close.rounding)
            .with(Account::CustomerCredit, Account::TaxPayable, close.tax)
            .with(
                Account::Receivable,
                Account::CustomerCredit,
                not_negative(close.due)?,
            )
            .post(about, Kind::Invoice)
    }

    /// `amount` of what is owed by invoice was paid; `owed` is all that is.
    ///
    /// # Errors
    ///
    /// `NotPositive`, `TooMuch` for more than is owed.
    pub fn payment(about: About, owed: NanoUsd, amount: NanoUsd) -> Result<Self, LedgerError> {
        Moves::none()
            .with(
                Account::Cash,
                Account::Receivable,
                at_most(positive(amount)?, owed)?,
            )
            .post(about, Kind::Payment)
    }

    /// A vendor bills `more` than its calls were thought to cost, or less where it is negative.
    ///
    /// # Errors
    ///
    /// `Empty` for zero, `Overflow` for the least amount of all.
    pub fn cost_adjustment(about: About, more: NanoUsd) -> Result<Self, LedgerError> {
        Moves::none()
            .with(Account::Cogs, Account::ProviderPayable, more)
            .post(about, Kind::CostAdjustment)
    }

    /// Undoes `other`.
    ///
    /// # Errors
    ///
    /// `WrongKind` for what is undone otherwise: a reversal, an invoice and a ruling by what comes after them, credit that was given away by
    /// its end.
    pub fn reversal(about: About, other: &Self) -> Result<Self, LedgerError> {
        if matches!(
            other.kind,
            Kind::Reversal | Kind::Invoice | Kind::CrashRuling | Kind::PromoGrant | Kind::PromoExpiry
        ) {
            return Err(LedgerError::WrongKind(other.kind));
        }
        let opposite = other.entries.iter().map(|entry| {
            let amount = entry.amount.0.checked_neg().ok_or(LedgerError::Overflow)?;
            Ok(Entry {
                account: entry.account,
                amount: NanoUsd(amount),
            })
        });
        Self::stored(
            about,
            Kind::Reversal,
            Some(other.about.id),
            opposite.collect::<Result<_, _>>()?,
        )
    }

    fn regarding(mut self, other: &Self) -> Self {
        self.regards = Some(other.about.id);
        self
    }
}
