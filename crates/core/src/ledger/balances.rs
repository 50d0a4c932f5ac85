//! The sums of transactions by account.

use super::{Account, LedgerError, Transaction};
use crate::money::NanoUsd;

/// What stands in every account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balances([i64; Account::ALL.len()]);

impl Balances {
    /// The balance of `account`.
    pub const fn of(&self, account: Account) -> NanoUsd {
        NanoUsd(self.0[account as usize])
    }

    /// Puts an amount into `account`, in place of what was there.
    pub const fn set(&mut self, account: Account, amount: NanoUsd) {
        self.0[account as usize] = amount.0;
    }

    /// Adds a transaction: all of it, or nothing where an error is given.
    ///
    /// # Errors
    ///
    /// `Overflow`.
    pub fn add(&mut self, transaction: &Transaction) -> Result<(), LedgerError> {
        let mut sums = *self;
        for entry in transaction.entries() {
            let sum = &mut sums.0[entry.account as usize];
            *sum = sum.checked_add(entry.amount.0).ok_or(LedgerError::Overflow)?;
        }
        *self = sums;
        Ok(())
    }

    /// The sum over all accounts, in nano-dollars: zero, always.
    pub fn sum(&self) -> i128 {
        self.0.iter().map(|amount| i128::from(*amount)).sum()
    }

    /// What the customer owes for services, billed or not, in nano-dollars; negative is credit that is left.
    pub const fn owed(&self) -> i128 {
        self.of(Account::CustomerCredit).0 as i128 + self.of(Account::Receivable).0 as i128
    }
}
