//! How an invoice is made.

use super::{BilledBy, Invoice, Line, Number, Party, TaxLine, TaxRule};
use crate::ids::{OrgId, ProjectId};
use crate::ledger::Close;
use crate::money::NanoUsd;
use crate::month::Month;

/// Everything that an invoice is made from.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The organization that is billed.
    pub org: OrgId,
    /// The month.
    pub month: Month,
    /// Who bills.
    pub seller: Party,
    /// Who is billed.
    pub buyer: Party,
    /// The lines, in any order.
    pub lines: Vec<Exact>,
    /// The taxes.
    pub taxes: Vec<TaxRule>,
    /// What the ledger has for these lines: revenue of the month less what was given back.
    pub net: NanoUsd,
    /// What the customer owes at the end of the month and was not billed for, without what is in suspense; negative is credit.
    pub owed: NanoUsd,
}

/// A line before it is rounded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact {
    /// Who bills it.
    pub billed_by: BilledBy,
    /// The name of the project; empty for a correction.
    pub project: String,
    /// The project.
    pub project_id: Option<ProjectId>,
    /// The provider's slug; empty for a correction.
    pub provider: String,
    /// The model; empty where none was named.
    pub model: String,
    /// What was used.
    pub item: String,
    /// How much of it.
    pub units: u64,
    /// In how many calls.
    pub calls: u64,
    /// What it costs.
    pub amount: NanoUsd,
}

/// No invoice can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvoiceError {
    /// The lines are not what the ledger says.
    #[error("the lines sum to {lines}, and the ledger has {ledger}")]
    DoesNotSum {
        /// The sum of the lines.
        lines: NanoUsd,
        /// What the ledger has.
        ledger: NanoUsd,
    },
    /// An amount would leave the range of about ±9.2 billion dollars.
    #[error("an amount would leave the range")]
    Overflow,
}

fn sum(amounts: impl Iterator<Item = NanoUsd>) -> Result<NanoUsd, InvoiceError> {
    let sum: i128 = amounts.map(|amount| i128::from(amount.0)).sum();
    i64::try_from(sum)
        .map(NanoUsd)
        .map_err(|_| InvoiceError::Overflow)
}

fn add(a: NanoUsd, b: NanoUsd) -> Result<NanoUsd, InvoiceError> {
    a.checked_add(b).ok_or(InvoiceError::Overflow)
}

fn less(a: NanoUsd, b: NanoUsd) -> Result<NanoUsd, InvoiceError> {
    a.checked_sub(b).ok_or(InvoiceError::Overflow)
}

impl Draft {
    /// The invoice, and what the ledger posts for it.
    ///
    /// # Errors
    ///
    /// See [`InvoiceError`].
    pub fn invoice(mut self, number: Number) -> Result<(Invoice, Close), InvoiceError> {
        self.lines.sort();
        let exact = sum(self.lines.iter().map(|line| line.amount))?;
        if exact != self.net {
            return Err(InvoiceError::DoesNotSum {
                lines: exact,
                ledger: self.net,
            });
        }
        let lines: Vec<_> = self.lines.into_iter().map(line).collect();
        let subtotal = sum(lines.iter().map(|line| line.amount))?;
        let taxes = self.taxes.into_iter().map(|rule| tax(rule, &lines));
        let taxes = taxes.collect::<Result<Vec<_>, _>>()?;
        let tax = sum(taxes.iter().map(|tax| tax.amount))?;
        let total = add(subtotal, tax)?;
        let rounding = less(subtotal, exact)?;
        let owed = add(add(self.owed, rounding)?, tax)?;
        // What is not whole cents waits for the next invoice.
        let due = NanoUsd::from_cents(owed.cents_floor().max(0)).ok_or(InvoiceError::Overflow)?;
        let first = self.month.next();
        let invoice = Invoice {
            number: number.to_string(),
            org_id: self.org,
            month: self.month,
            issued_on: format!("{first}-01"),
            currency: "USD".to_owned(),
            seller: self.seller,
            buyer: self.buyer,
            lines,
            subtotal,
            taxes,
            tax,
            total,
            from_credit: less(total, due)?,
            due,
            rounding,
        };
        Ok((invoice, Close { rounding, tax, due }))
    }
}

fn line(exact: Exact) -> Line {
    Line {
        billed_by: exact.billed_by,
        project_id: exact.project_id,
        project: exact.project,
        provider: exact.provider,
        model: exact.model,
        item: exact.item,
        units: exact.units,
        calls: exact.calls,
        exact: exact.amount,
        amount: exact.amount.rounded(),
    }
}

fn tax(rule: TaxRule, lines: &[Line]) -> Result<TaxLine, InvoiceError> {
    let taxed = lines
        .iter()
        .filter(|line| line.billed_by == BilledBy::Operator && rule.is_on(&line.provider));
    let base = sum(taxed.map(|line| line.amount))?;
    // Whole cents times thousandths: exact in nano-dollars.
    let amount = i128::from(base.0) * i128::from(rule.per_mille) / 1_000;
    let amount = i64::try_from(amount).map_err(|_| InvoiceError::Overflow)?;
    Ok(TaxLine {
        name: rule.name,
        per_mille: rule.per_mille,
        base,
        amount: NanoUsd(amount).rounded(),
    })
}
