//! What is used and what is held, per budget and window, and whether a call may be held on top.
//!
//! A call is admitted if, for every budget that applies and denies, `settled + held + amount <= limit`; then its amount is held
//! against each of them until the call is settled or released. So nothing is overspent as long as no call uses more than was held
//! for it. A hold that ends in a later window than it began in counts where it began. Amounts are in the unit of the budget:
//! nano-dollars, or a number of things.
//!
//! The book is the truth of one node, in memory: it is not durable (the journal is) and takes no lock (its owner does). It
//! does not know what a call costs, and it trusts that every hold is ended exactly once.

mod windows;

use std::collections::HashMap;

use crate::deny::BudgetExceeded;
use crate::ids::BudgetId;
use crate::money::NanoUsd;
use crate::policy::{BudgetMode, BudgetPolicy, Unit};
use crate::record::HeldBudget;
use crate::time::Micros;
use crate::window::{Bounds, Zone};

use windows::{Period, Windows};

/// What a budget allows. Terms are handed in with every call, so a changed limit holds for the next request; a changed window or
/// time zone holds from the end of the current window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetTerms {
    /// What it allows.
    pub policy: BudgetPolicy,
    /// Whose midnight counts.
    pub zone: Zone,
}

/// A budget that applies to a call.
#[derive(Debug, Clone, Copy)]
pub struct Applied<'a> {
    /// Where the call counts: the budget's own number, or that of one of the end users that it counts apart.
    pub counter: BudgetId,
    /// Its terms.
    pub terms: &'a BudgetTerms,
}

impl<'a> Applied<'a> {
    /// A budget that counts all of its calls together.
    pub const fn all(terms: &'a BudgetTerms) -> Self {
        Self {
            counter: terms.policy.budget,
            terms,
        }
    }
}

/// What a call uses, in every unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amounts {
    /// What it costs.
    pub usd: NanoUsd,
    /// Calls that it is.
    pub calls: i64,
    /// E-mails, one for each recipient.
    pub emails: i64,
    /// Money that it moves.
    pub usd_moved: NanoUsd,
}

impl Amounts {
    /// Nothing: a call that was not sent.
    pub const NONE: Self = Self {
        usd: NanoUsd::ZERO,
        calls: 0,
        emails: 0,
        usd_moved: NanoUsd::ZERO,
    };

    /// The amount in one unit, never negative.
    pub fn of(&self, unit: Unit) -> i64 {
        let amount = match unit {
            Unit::Usd => self.usd.0,
            Unit::Calls => self.calls,
            Unit::Emails => self.emails,
            Unit::UsdMoved => self.usd_moved.0,
        };
        amount.max(0)
    }
}

/// What a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ask {
    /// The most that it can use.
    pub bound: Amounts,
    /// What it costs about: held where a budget holds by estimate.
    pub estimate: NanoUsd,
}

impl Ask {
    /// What is held against a budget, in its unit.
    pub fn of(&self, policy: &BudgetPolicy) -> i64 {
        match (policy.unit, policy.mode) {
            (Unit::Usd, BudgetMode::Estimate) => self.estimate.min(self.bound.usd).0.max(0),
            (unit, _) => self.bound.of(unit),
        }
    }
}

/// A budget as people see it, in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetView {
    /// Used in this window.
    pub settled: i64,
    /// Held by running calls that were admitted in this window.
    pub held: i64,
    /// What is left under the limit in force; negative when it is overspent.
    pub room: i128,
    /// The window.
    pub bounds: Bounds,
}

/// Something happened to a budget for the first time in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// The budget.
    pub budget: BudgetId,
    /// Which of its counters; the budget itself where it has only one.
    pub counter: BudgetId,
    /// When the window began.
    pub window_start: Micros,
    /// What happened.
    pub what: Noticed,
    /// What was used by then.
    pub settled: i64,
    /// The limit by then.
    pub limit: i64,
}

/// What happened to a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noticed {
    /// This share of it was used, in percent.
    Threshold(u8),
    /// A call was refused.
    Exceeded,
}

/// What is settled and held of every budget.
#[derive(Debug, Default)]
pub struct Book {
    budgets: HashMap<BudgetId, Windows>,
    notices: Vec<Notice>,
}

impl Book {
    /// Holds what is asked for against every budget, or against none of them.
    ///
    /// # Errors
    /// The first budget that denies and does not afford it.
    pub fn admit(
        &mut self,
        now: Micros,
        budgets: &[Applied<'_>],
        ask: &Ask,
    ) -> Result<Vec<HeldBudget>, BudgetExceeded> {
        let mut held: Vec<HeldBudget> = Vec::with_capacity(budgets.len());
        for applied in budgets {
            let policy = &applied.terms.policy;
            let amount = ask.of(policy);
            let limit = policy.limit_at(now);
            let period = self.current(now, applied);
            if policy.denies() && period.room(limit) < i128::from(amount) {
                let exceeded = period.exceeded(policy, limit, amount);
                let notice = period.refused();
                self.notices.extend(notice);
                return Err(exceeded);
            }
            let start = period.start;
            if !held.iter().any(|held| held.is(applied.counter, start)) {
                held.push(HeldBudget {
                    budget: applied.counter,
                    window_start: start,
                    unit: policy.unit,
                    amount: Some(amount),
                });
            }
        }
        for held in &held {
            if let Some(period) = self.period(held) {
                period.held = period.held.saturating_add(held.amount.unwrap_or(0));
            }
        }
        Ok(held)
    }

    /// Holds `more` nano-dollars on top of what a call holds by estimate, against every budget of `held` that does so, or against
    /// none.
    ///
    /// # Errors
    /// The first budget that denies and does not afford it.
    pub fn extend(
        &mut self,
        now: Micros,
        budgets: &[Applied<'_>],
        held: &mut [HeldBudget],
        more: NanoUsd,
    ) -> Result<(), BudgetExceeded> {
        let more = more.0.max(0);
        let mut growing = Vec::new();
        for (index, hold) in held.iter().enumerate() {
            let Some(applied) = budgets.iter().find(|applied| applied.counter == hold.budget) else {
                continue;
            };
            let policy = &applied.terms.policy;
            if policy.unit != Unit::Usd || policy.mode != BudgetMode::Estimate {
                continue;
            }
            let limit = policy.limit_at(now);
            if let Some(period) = self.period(hold)
                && policy.denies()
                && period.room(limit) < i128::from(more)
            {
                let exceeded = period.exceeded(policy, limit, more);
                let notice = period.refused();
                self.notices.extend(notice);
                return Err(exceeded);
            }
            growing.push(index);
        }
        for index in growing {
            let hold = &mut held[index];
            hold.amount = Some(hold.amount.unwrap_or(0).saturating_add(more));
            if let Some(period) = self.period(hold) {
                period.held = period.held.saturating_add(more);
            }
        }
        Ok(())
    }

    /// Ends the holds of a call with what it used.
    pub fn settle(&mut self, held: &[HeldBudget], used: &Amounts) {
        for budget in held {
            if let Some(period) = self.period(budget) {
                period.held = period.held.saturating_sub(budget.amount.unwrap_or(0)).max(0);
                period.settled = period.settled.saturating_add(used.of(budget.unit));
                let reached = period.reached();
                self.notices.extend(reached);
            }
        }
    }

    /// Ends the holds of a call that was not made.
    pub fn release(&mut self, held: &[HeldBudget]) {
        self.settle(held, &Amounts::NONE);
    }

    /// What the tightest of the budgets still affords of a cost that is held by its bound, never negative; `None` where no budget
    /// holds it so.
    pub fn headroom(&mut self, now: Micros, budgets: &[Applied<'_>]) -> Option<NanoUsd> {
        budgets
            .iter()
            .filter(|applied| {
                let policy = &applied.terms.policy;
                policy.denies() && policy.unit == Unit::Usd && policy.mode == BudgetMode::Strict
            })
            .map(|applied| {
                let limit = applied.terms.policy.limit_at(now);
                let room = self.current(now, applied).room(limit).max(0);
                NanoUsd(i64::try_from(room).unwrap_or(i64::MAX))
            })
            .min()
    }

    /// At start: sets what was used in the window that began at `window_start`. To be called for every window that may not
    /// have ended, before the first request.
    pub fn restore(&mut self, counter: BudgetId, window_start: Micros, settled: i64) {
        let windows = self.budgets.entry(counter).or_default();
        windows.at(window_start).settled = settled;
    }

    /// The budget in its current window.
    pub fn view(&mut self, now: Micros, applied: &Applied<'_>) -> BudgetView {
        let limit = applied.terms.policy.limit_at(now);
        let period = self.current(now, applied);
        BudgetView {
            settled: period.settled,
            held: period.held,
            room: period.room(limit),
            bounds: period.bounds(),
        }
    }

    /// Drops a deleted budget. A hold that still runs against it settles into nothing.
    pub fn forget(&mut self, counter: BudgetId) {
        self.budgets.remove(&counter);
    }

    /// What happened since the last call, oldest first. After a restart a notice of the current window may come again.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    fn current(&mut self, now: Micros, applied: &Applied<'_>) -> &mut Period {
        let Applied { counter, terms } = *applied;
        let period = self.budgets.entry(counter).or_default().current(now, terms);
        period.watch(counter, &terms.policy, now);
        period
    }

    fn period(&mut self, held: &HeldBudget) -> Option<&mut Period> {
        let windows = self.budgets.get_mut(&held.budget)?;
        (held.window_start >= windows.dropped_until).then(|| windows.at(held.window_start))
    }
}

#[cfg(test)]
mod tests;
