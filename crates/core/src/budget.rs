//! What is spent and what is held, per budget and window, and whether a call may be held on top.

use std::collections::HashMap;

use jiff::tz::TimeZone;

use crate::deny::BudgetExceeded;
use crate::ids::BudgetId;
use crate::money::NanoUsd;
use crate::record::HeldBudget;
use crate::time::Micros;
use crate::window::{Bounds, Window};

/// What a budget allows at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetTerms {
    /// The budget.
    pub id: BudgetId,
    /// What may be spent in a window.
    pub limit: NanoUsd,
    /// How long that lasts.
    pub window: Window,
    /// Whose midnight counts.
    pub zone: TimeZone,
}

/// A budget as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetView {
    /// Spent in this window.
    pub settled: NanoUsd,
    /// Held by running calls that were admitted in this window.
    pub held: NanoUsd,
    /// The window.
    pub bounds: Bounds,
}

/// The truth over budgets on this node.
#[derive(Debug, Default)]
pub struct Book {}

impl Book {
    /// Holds `amount` against every budget, or against none.
    pub fn admit(&mut self, now: Micros, terms: &[BudgetTerms], amount: NanoUsd) -> Result<Vec<HeldBudget>, BudgetExceeded> {
        todo!()
    }
    /// Ends a hold with what the call cost.
    pub fn settle(&mut self, held: &[HeldBudget], hold: NanoUsd, cost: NanoUsd) {
        todo!()
    }
    /// Ends a hold of a call that was not made.
    pub fn release(&mut self, held: &[HeldBudget], hold: NanoUsd) {
        todo!()
    }
    /// What the tightest budget still affords; `None` without a budget.
    pub fn headroom(&mut self, now: Micros, terms: &[BudgetTerms]) -> Option<NanoUsd> {
        todo!()
    }
    /// At start: what was spent in the window that began at `window_start`. Call it for every window that has not ended.
    pub fn restore(&mut self, budget: BudgetId, window_start: Micros, settled: NanoUsd) {
        todo!()
    }
    /// The budget in its current window.
    pub fn view(&mut self, now: Micros, terms: &BudgetTerms) -> BudgetView {
        todo!()
    }
    /// Drops a deleted budget.
    pub fn forget(&mut self, budget: BudgetId) {
        todo!()
    }
}
