//! What is spent and what is held, per budget and window, and whether a call may be held on top.
//!
//! A call is admitted if, for every budget that applies, `settled + held + amount <= limit`; then the amount is held against
//! each of them until the call is settled or released. So nothing is overspent as long as no call costs more than was held
//! for it. A hold that ends in a later window than it began in counts where it began.
//!
//! The book is the truth of one node, in memory: it is not durable (the journal is) and takes no lock (its owner does). It
//! does not know what a call costs, and it trusts that every hold is ended exactly once.

use std::collections::HashMap;

use crate::deny::BudgetExceeded;
use crate::ids::BudgetId;
use crate::money::NanoUsd;
use crate::record::HeldBudget;
use crate::time::Micros;
use crate::window::{Bounds, Window, Zone};

/// Windows of one budget that are kept, besides those that are older and still hold something.
const KEPT_WINDOWS: usize = 3;

/// What a budget allows at this moment. Terms are handed in with every call, so a changed limit holds for the next request;
/// a changed window or time zone holds from the end of the current window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetTerms {
    /// The budget.
    pub id: BudgetId,
    /// What may be spent in a window.
    pub limit: NanoUsd,
    /// How long that lasts.
    pub window: Window,
    /// Whose midnight counts.
    pub zone: Zone,
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

/// What is settled and held of every budget.
#[derive(Debug, Default)]
pub struct Book {
    budgets: HashMap<BudgetId, Windows>,
}

impl Book {
    /// Holds `amount` against every budget, or against none of them. A negative amount holds nothing.
    ///
    /// # Errors
    /// The first budget of `terms` that does not afford it.
    pub fn admit(
        &mut self,
        now: Micros,
        terms: &[BudgetTerms],
        amount: NanoUsd,
    ) -> Result<Vec<HeldBudget>, BudgetExceeded> {
        let amount = amount.max(NanoUsd::ZERO);
        let mut held = Vec::with_capacity(terms.len());
        for terms in terms {
            let period = self.current(now, terms);
            if period.room(terms.limit) < i128::from(amount.0) {
                return Err(BudgetExceeded {
                    budget: terms.id,
                    limit: terms.limit,
                    spent: period.settled,
                    held: period.held,
                    needed: amount,
                    resets_at: period.bounds().end,
                });
            }
            let hold = HeldBudget {
                budget: terms.id,
                window_start: period.start,
            };
            if !held.contains(&hold) {
                held.push(hold);
            }
        }
        for hold in &held {
            if let Some(period) = self.period(hold) {
                period.held = plus(period.held, amount);
            }
        }
        Ok(held)
    }

    /// Ends a hold of `hold` with what the call cost. A negative cost is zero.
    pub fn settle(&mut self, held: &[HeldBudget], hold: NanoUsd, cost: NanoUsd) {
        for budget in held {
            if let Some(period) = self.period(budget) {
                period.held = NanoUsd(period.held.0.saturating_sub(hold.0.max(0)).max(0));
                period.settled = plus(period.settled, cost.max(NanoUsd::ZERO));
            }
        }
    }

    /// Ends a hold of a call that cost nothing because it was not made.
    pub fn release(&mut self, held: &[HeldBudget], hold: NanoUsd) {
        self.settle(held, hold, NanoUsd::ZERO);
    }

    /// What the tightest budget still affords, never negative; `None` without a budget.
    pub fn headroom(&mut self, now: Micros, terms: &[BudgetTerms]) -> Option<NanoUsd> {
        terms
            .iter()
            .map(|terms| {
                let room = self.current(now, terms).room(terms.limit).max(0);
                NanoUsd(i64::try_from(room).unwrap_or(i64::MAX))
            })
            .min()
    }

    /// At start: sets what was spent in the window that began at `window_start`. To be called for every window that may not
    /// have ended, before the first request.
    pub fn restore(&mut self, budget: BudgetId, window_start: Micros, settled: NanoUsd) {
        let windows = self.budgets.entry(budget).or_default();
        windows.at(window_start).settled = settled;
    }

    /// The budget in its current window.
    pub fn view(&mut self, now: Micros, terms: &BudgetTerms) -> BudgetView {
        let period = self.current(now, terms);
        BudgetView {
            settled: period.settled,
            held: period.held,
            bounds: period.bounds(),
        }
    }

    /// Drops a deleted budget. A hold that still runs against it settles into nothing.
    pub fn forget(&mut self, budget: BudgetId) {
        self.budgets.remove(&budget);
    }

    fn current(&mut self, now: Micros, terms: &BudgetTerms) -> &mut Period {
        self.budgets.entry(terms.id).or_default().current(now, terms)
    }

    fn period(&mut self, held: &HeldBudget) -> Option<&mut Period> {
        let windows = self.budgets.get_mut(&held.budget)?;
        (held.window_start >= windows.dropped_until).then(|| windows.at(held.window_start))
    }
}

fn plus(sum: NanoUsd, amount: NanoUsd) -> NanoUsd {
    sum.checked_add(amount).unwrap_or(NanoUsd::MAX)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Restored, or settled late: found out when terms are next at hand.
    Unknown,
    At(Micros),
    Never,
}

/// One window of one budget.
#[derive(Debug)]
struct Period {
    start: Micros,
    end: End,
    settled: NanoUsd,
    held: NanoUsd,
}

impl Period {
    /// What is left under `limit`; negative when it is overspent.
    fn room(&self, limit: NanoUsd) -> i128 {
        i128::from(limit.0) - i128::from(self.settled.0) - i128::from(self.held.0)
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            start: self.start,
            end: match self.end {
                End::At(end) => Some(end),
                End::Never | End::Unknown => None,
            },
        }
    }

    /// Makes `end` agree with the terms as far as it does not yet say when this window ends.
    fn find_end(&mut self, now: Micros, terms: &BudgetTerms) {
        let around = match self.end {
            End::Unknown => self.start,
            End::Never if terms.window != Window::Total => now.max(self.start),
            End::At(_) | End::Never => return,
        };
        self.end = match terms.window.bounds(around, terms.zone.at(around)).end {
            Some(end) => End::At(end),
            None => End::Never,
        };
    }
}

/// The windows of one budget. They do not overlap; a moment that lies in one that is known counts there, however often the
/// clock is set, so that no window ever begins anew.
#[derive(Debug)]
struct Windows {
    /// By start, ascending.
    periods: Vec<Period>,
    /// Windows before this were dropped; a moment before it counts in the oldest that is left.
    dropped_until: Micros,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            periods: Vec::new(),
            dropped_until: Micros(i64::MIN),
        }
    }
}

impl Windows {
    /// The window that began at `start`.
    fn at(&mut self, start: Micros) -> &mut Period {
        let index = match self.periods.binary_search_by_key(&start, |period| period.start) {
            Ok(index) => index,
            Err(index) => {
                let period = Period {
                    start,
                    end: End::Unknown,
                    settled: NanoUsd::ZERO,
                    held: NanoUsd::ZERO,
                };
                self.periods.insert(index, period);
                index
            }
        };
        &mut self.periods[index]
    }

    fn current(&mut self, now: Micros, terms: &BudgetTerms) -> &mut Period {
        for period in &mut self.periods {
            period.find_end(now, terms);
        }
        let known = self
            .periods
            .iter()
            .rposition(|period| period.bounds().contains(now));
        let start = match known {
            Some(index) => self.periods[index].start,
            None if now < self.dropped_until && !self.periods.is_empty() => self.periods[0].start,
            None => self.begin(now, terms),
        };
        self.at(start)
    }

    /// Begins the window around `now`, cut so that it overlaps no other, and gives its start.
    fn begin(&mut self, now: Micros, terms: &BudgetTerms) -> Micros {
        let calendar = terms.window.bounds(now, terms.zone.at(now));
        let mut bounds = Bounds {
            start: calendar.start.max(self.dropped_until.min(now)),
            end: calendar.end,
        };
        for period in &self.periods {
            match period.bounds().end {
                Some(end) if end <= now => bounds.start = bounds.start.max(end),
                _ if period.start > now => {
                    bounds.end = Some(bounds.end.map_or(period.start, |end| end.min(period.start)));
                }
                _ => {}
            }
        }
        self.at(bounds.start).end = bounds.end.map_or(End::Never, End::At);
        while self.periods.len() > KEPT_WINDOWS
            && self.periods[0].held == NanoUsd::ZERO
            && self.periods[0].start != bounds.start
        {
            let oldest = self.periods.remove(0);
            let until = oldest.bounds().end.unwrap_or(oldest.start);
            self.dropped_until = self.dropped_until.max(until);
        }
        bounds.start
    }
}

#[cfg(test)]
mod tests;
