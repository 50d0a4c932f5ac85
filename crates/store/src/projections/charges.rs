//! What calls with pooled credentials were charged: transactions of the ledger, and the lines of invoices.
//!
//! The ledger is never made anew. It knows up to which row of the journal calls are in it ([`Books::mark`]), so that every call gets
//! in once, however often the lines, which are a projection, are.

use std::collections::BTreeMap;

use keystore_core::ids::{OrgId, ProjectId, TransactionId};
use keystore_core::ledger::{About, LedgerError, Transaction};
use keystore_core::policy::Source;
use keystore_core::record::{Ending, Intent, Outcome, model_key};
use keystore_core::{Micros, Month};

use crate::billing;
use crate::db::Conn;
use crate::error::StoreError;
use crate::ledger;

/// What stands in the item of a line where nobody knows what was used.
const HELD: &str = "held";

/// What is in the books before a chunk.
#[derive(Default)]
pub(super) struct Books {
    /// Up to which row of the journal calls are in the ledger.
    mark: i64,
    /// The months that are closed, and up to which row they go.
    closed: BTreeMap<Month, i64>,
}

/// What a chunk brings into the books.
#[derive(Default)]
pub(super) struct Charges<'a> {
    /// New transactions.
    pub(super) posted: Vec<Transaction>,
    /// New sums by line.
    pub(super) lines: BTreeMap<LineKey<'a>, LineSums>,
}

/// The key of `billing_lines`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineKey<'a> {
    pub(super) org: OrgId,
    pub(super) month: Month,
    pub(super) project: ProjectId,
    pub(super) provider: &'a str,
    pub(super) model: &'a str,
    pub(super) bucket: &'static str,
}

/// The sums of `billing_lines`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LineSums {
    pub(super) units: i64,
    pub(super) amount: i64,
    pub(super) calls: i64,
}

/// Whether an outcome may be of a call that is charged: the books are needed for it.
pub(super) const fn is_charged(outcome: &Outcome<'_>) -> bool {
    outcome.market.is_some() || matches!(outcome.ending, Ending::Crash)
}

impl Books {
    pub(super) async fn read(conn: &mut Conn) -> Result<Self, StoreError> {
        Ok(Self {
            mark: ledger::mark(conn).await?,
            closed: billing::closed_months(conn).await?.into_iter().collect(),
        })
    }

    /// The month in which a call is billed: that of its end, or, where that was closed before row `row`, the first one that was not.
    fn month(&self, at: Micros, row: i64) -> Month {
        let mut month = Month::of(at);
        while self.closed.get(&month).is_some_and(|last| row > *last) {
            month = month.next();
        }
        month
    }
}

impl<'a> Charges<'a> {
    /// Takes in a call that ended in row `row` of the journal.
    pub(super) fn add(
        &mut self,
        books: &Books,
        row: i64,
        intent: &Intent<'a>,
        outcome: &Outcome<'a>,
    ) -> Result<(), StoreError> {
        if intent.source != Source::Marketplace || !is_charged(outcome) {
            return Ok(());
        }
        let month = books.month(outcome.at, row);
        if row > books.mark {
            match posting(month, intent, outcome) {
                Ok(transaction) => self.posted.push(transaction),
                // It cost nothing.
                Err(LedgerError::Empty) => {}
                Err(error) => return Err(StoreError::damaged(error)),
            }
        }
        for line in outcome.market.iter().flat_map(|market| market.lines.iter()) {
            let key = LineKey {
                org: intent.org,
                month,
                project: intent.project,
                provider: intent.provider,
                model: model_key(intent.model),
                bucket: line.bucket().map_or(HELD, keystore_core::Bucket::name),
            };
            let sums = self.lines.entry(key).or_default();
            let units = i64::try_from(line.units).unwrap_or(i64::MAX);
            sums.units = sums.units.saturating_add(units);
            sums.amount = sums.amount.saturating_add(line.amount.0);
            sums.calls += 1;
        }
        Ok(())
    }
}

/// The transaction of a call.
fn posting(month: Month, intent: &Intent<'_>, outcome: &Outcome<'_>) -> Result<Transaction, LedgerError> {
    let memo = match intent.model {
        Some(_) => format!("{} {}", intent.provider, model_key(intent.model)),
        None => intent.provider.to_owned(),
    };
    let about = About {
        id: TransactionId::new(intent.attempt.uuid()),
        org: intent.org,
        // What came late counts in the month that bills it.
        at: outcome.at.max(month.start()),
        subject: intent.request.to_string(),
        memo,
    };
    match &outcome.market {
        Some(market) => Transaction::usage(about, outcome.cost, market.vendor_cost),
        None if outcome.cost.0 == 0 => Err(LedgerError::Empty),
        None => Transaction::crash(about, outcome.cost),
    }
}
