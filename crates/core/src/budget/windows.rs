//! The windows of one budget: what is settled and held in each, when it ends, and what is announced of it.

use super::{BudgetTerms, Notice, Noticed};
use crate::deny::BudgetExceeded;
use crate::ids::BudgetId;
use crate::policy::BudgetPolicy;
use crate::time::Micros;
use crate::window::{Bounds, Window};

/// Windows of one budget that are kept, besides those that are older and still hold something.
pub(super) const KEPT_WINDOWS: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Restored, or settled late: found out when terms are next at hand.
    Unknown,
    At(Micros),
    Never,
}

/// One window of one budget.
#[derive(Debug)]
pub(super) struct Period {
    pub(super) start: Micros,
    end: End,
    pub(super) settled: i64,
    pub(super) held: i64,
    watched: Option<Watched>,
}

/// What is announced of a window.
#[derive(Debug)]
struct Watched {
    budget: BudgetId,
    counter: BudgetId,
    limit: i64,
    /// Percentages that were not reached so far, descending.
    thresholds: Vec<u8>,
    refused: bool,
}

impl Period {
    /// What is left under `limit`; negative when it is overspent.
    pub(super) fn room(&self, limit: i64) -> i128 {
        i128::from(limit) - i128::from(self.settled) - i128::from(self.held)
    }

    /// That it does not afford `needed`.
    pub(super) fn exceeded(&self, policy: &BudgetPolicy, limit: i64, needed: i64) -> BudgetExceeded {
        BudgetExceeded {
            budget: policy.budget,
            unit: policy.unit,
            limit,
            spent: self.settled,
            held: self.held,
            needed,
            resets_at: self.bounds().end,
        }
    }

    /// Knows from here on what to announce. What was reached is not announced twice, whatever the limit becomes.
    pub(super) fn watch(&mut self, counter: BudgetId, policy: &BudgetPolicy, now: Micros) {
        let limit = policy.limit_at(now);
        match &mut self.watched {
            Some(watched) => watched.limit = limit,
            None => {
                self.watched = Some(Watched {
                    budget: policy.budget,
                    counter,
                    limit,
                    thresholds: policy.thresholds.iter().rev().copied().collect(),
                    refused: false,
                });
            }
        }
    }

    fn notice(&self, watched: &Watched, what: Noticed) -> Notice {
        Notice {
            budget: watched.budget,
            counter: watched.counter,
            window_start: self.start,
            what,
            settled: self.settled,
            limit: watched.limit,
        }
    }

    /// The first refusal of the window.
    pub(super) fn refused(&mut self) -> Option<Notice> {
        let watched = self.watched.as_mut().filter(|watched| !watched.refused)?;
        watched.refused = true;
        let watched = self.watched.as_ref()?;
        Some(self.notice(watched, Noticed::Exceeded))
    }

    /// The thresholds that have just been reached.
    pub(super) fn reached(&mut self) -> Vec<Notice> {
        let Some(mut watched) = self.watched.take() else {
            return Vec::new();
        };
        let mut notices = Vec::new();
        while let Some(percent) = watched.thresholds.last().copied()
            && i128::from(self.settled) * 100 >= i128::from(watched.limit) * i128::from(percent)
        {
            watched.thresholds.pop();
            notices.push(self.notice(&watched, Noticed::Threshold(percent)));
        }
        self.watched = Some(watched);
        notices
    }

    pub(super) fn bounds(&self) -> Bounds {
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
            End::Never if terms.policy.window != Window::Total => now.max(self.start),
            End::At(_) | End::Never => return,
        };
        self.end = match terms.policy.window.bounds(around, terms.zone.at(around)).end {
            Some(end) => End::At(end),
            None => End::Never,
        };
    }
}

/// The windows of one budget. They do not overlap; a moment that lies in one that is known counts there, however often the
/// clock is set, so that no window ever begins anew.
#[derive(Debug)]
pub(super) struct Windows {
    /// By start, ascending.
    pub(super) periods: Vec<Period>,
    /// Windows before this were dropped; a moment before it counts in the oldest that is left.
    pub(super) dropped_until: Micros,
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
    pub(super) fn at(&mut self, start: Micros) -> &mut Period {
        let index = match self.periods.binary_search_by_key(&start, |period| period.start) {
            Ok(index) => index,
            Err(index) => {
                let period = Period {
                    start,
                    end: End::Unknown,
                    settled: 0,
                    held: 0,
                    watched: None,
                };
                self.periods.insert(index, period);
                index
            }
        };
        &mut self.periods[index]
    }

    pub(super) fn current(&mut self, now: Micros, terms: &BudgetTerms) -> &mut Period {
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
        let calendar = terms.policy.window.bounds(now, terms.zone.at(now));
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
            && self.periods[0].held == 0
            && self.periods[0].start != bounds.start
        {
            let oldest = self.periods.remove(0);
            let until = oldest.bounds().end.unwrap_or(oldest.start);
            self.dropped_until = self.dropped_until.max(until);
        }
        bounds.start
    }
}
