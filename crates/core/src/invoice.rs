//! Invoices: one for each organization and UTC month.
//!
//! A [`Draft`] has everything that an invoice is made from, and [`Draft::invoice`] decides: it rounds each line once, adds taxes and
//! totals, and says what credit does not cover. The same draft always gives the same invoice, and an invoice the same bytes in every
//! form: `csv`, `html` and `pdf` show one.

mod csv;
mod draft;
mod html;
mod pdf;
mod shown;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::ids::{OrgId, ProjectId};
use crate::money::NanoUsd;
use crate::month::Month;

pub use draft::{Draft, Exact, InvoiceError};

/// A place in the one row of invoices of an operator: numbers begin with 1 in each year and have no gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// The year in which the invoice is issued.
    pub year: i32,
    /// Its place in the year, from 1 on.
    pub place: u32,
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KS-{:04}-{:06}", self.year, self.place)
    }
}

/// Who sells or buys.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Party {
    /// The name.
    pub name: String,
    /// The lines of the address.
    #[serde(default)]
    pub address: Vec<String>,
    /// The number under which it is known for taxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_id: Option<String>,
}

/// A tax, and what it is on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaxRule {
    /// The name, such as `VAT 19 %`.
    pub name: String,
    /// The rate in thousandths of the taxed amount: 190 is 19 percent. At most 1,000.
    pub per_mille: u32,
    /// On lines of these providers only; on every line where there is none.
    #[serde(default)]
    pub providers: Vec<String>,
}

impl TaxRule {
    /// Whether a line is taxed by it.
    pub fn is_on(&self, provider: &str) -> bool {
        self.providers.is_empty() || self.providers.iter().any(|slug| slug == provider)
    }
}

/// Who bills a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BilledBy {
    /// The operator, with this invoice.
    Operator,
    /// The provider: the customer's own key was used.
    Provider,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Who bills it.
    pub billed_by: BilledBy,
    /// The project; none for a correction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Its name when the month closed.
    pub project: String,
    /// The provider's slug; empty for a correction.
    pub provider: String,
    /// The model; empty where none was named.
    pub model: String,
    /// What was used: the name of a bucket of usage, or a word for what is billed otherwise.
    pub item: String,
    /// How much of it.
    pub units: u64,
    /// In how many calls.
    pub calls: u64,
    /// What it costs exactly, in US dollars.
    pub exact: NanoUsd,
    /// The same in whole cents.
    pub amount: NanoUsd,
}

/// One tax.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaxLine {
    /// The name.
    pub name: String,
    /// The rate in thousandths.
    pub per_mille: u32,
    /// What is taxed.
    pub base: NanoUsd,
    /// The tax, in whole cents.
    pub amount: NanoUsd,
}

/// An invoice. Written as JSON, this is what is stored: the order of the fields is part of its form.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invoice {
    /// Its number, such as `KS-2026-000001`.
    pub number: String,
    /// The organization that is billed.
    pub org_id: OrgId,
    /// What was used in this month is billed.
    pub month: Month,
    /// The day after it (`YYYY-MM-DD`): the invoice's date.
    pub issued_on: String,
    /// `USD`.
    pub currency: String,
    /// Who bills.
    pub seller: Party,
    /// Who is billed.
    pub buyer: Party,
    /// What is billed, and after it what providers bill by themselves.
    pub lines: Vec<Line>,
    /// The sum of the lines.
    pub subtotal: NanoUsd,
    /// The taxes.
    pub taxes: Vec<TaxLine>,
    /// The sum of the taxes.
    pub tax: NanoUsd,
    /// What this month costs.
    pub total: NanoUsd,
    /// What of it credit has paid; negative where something from before is due with it.
    pub from_credit: NanoUsd,
    /// What is to be paid.
    pub due: NanoUsd,
    /// The lines in cents less the exact ones.
    pub rounding: NanoUsd,
}

impl Invoice {
    /// The form that is stored and that everything else is made from.
    ///
    /// # Errors
    ///
    /// None that is known: every field can be written.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// The invoice that was stored so.
    ///
    /// # Errors
    ///
    /// The text is not one.
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// One row a line, for spreadsheets (RFC 4180). No text can become a formula.
    pub fn csv(&self) -> String {
        csv::csv(self)
    }

    /// A page to read and print: everything escaped, nothing that runs or is loaded.
    pub fn html(&self) -> String {
        html::html(self)
    }

    /// A document of A4 pages. Characters outside of Windows-1252 are shown as `?`.
    pub fn pdf(&self) -> Vec<u8> {
        pdf::pdf(self)
    }
}
