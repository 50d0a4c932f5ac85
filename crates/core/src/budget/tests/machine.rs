//! The book against a model that is simple enough to be believed: sums by counter and window, and a list of what is held.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Admit {
        /// Numbers of counters; one may come twice.
        counters: Vec<usize>,
        bound: i64,
        /// In percent of the bound.
        estimate: i64,
        emails: i64,
    },
    Extend {
        call: Index,
        more: i64,
    },
    /// At this share of the bound, in percent.
    Settle {
        call: Index,
        percent: i64,
    },
    Release(Index),
    SetLimit {
        budget: usize,
        limit: i64,
    },
    Raise {
        budget: usize,
        limit: i64,
        seconds: i64,
    },
    SetWindow {
        budget: usize,
        window: usize,
    },
    /// By so many seconds, in either direction.
    MoveClock(i64),
    /// The process ends and starts: what was held is settled, and the newest windows are restored.
    Restart,
    Forget(usize),
}

const WINDOWS: [Window; 4] = [Window::Day, Window::Week, Window::Month, Window::Total];

/// Counters, each with the number of its budget: two of them are those of two end users of one budget.
const COUNTERS: [(u8, usize); 7] = [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (50, 5), (51, 5)];

fn budgets() -> Vec<BudgetTerms> {
    let changed = |number, limit, window, change: fn(&mut BudgetPolicy)| {
        let mut terms = terms(number, limit, window);
        terms.policy.thresholds = vec![50, 100];
        change(&mut terms.policy);
        terms
    };
    vec![
        changed(0, 1_000, Window::Day, |_| ()),
        changed(1, 2_000, Window::Week, |_| ()),
        changed(2, 1_000, Window::Month, |policy| {
            policy.mode = BudgetMode::Estimate;
        }),
        changed(3, 6, Window::Total, |policy| policy.unit = Unit::Calls),
        changed(4, 5, Window::Day, |policy| {
            policy.unit = Unit::Emails;
            policy.action = BudgetAction::Alert;
        }),
        changed(5, 800, Window::Total, |_| ()),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let admit = (
        prop::collection::vec(0..COUNTERS.len(), 0..5),
        1_i64..500,
        1_i64..100,
        1_i64..4,
    )
        .prop_map(|(counters, bound, estimate, emails)| Step::Admit {
            counters,
            bound,
            estimate,
            emails,
        });
    let step = prop_oneof![
        8 => admit,
        3 => (any::<Index>(), 1_i64..300).prop_map(|(call, more)| Step::Extend { call, more }),
        5 => (any::<Index>(), 0_i64..=100).prop_map(|(call, percent)| Step::Settle { call, percent }),
        2 => any::<Index>().prop_map(Step::Release),
        1 => (0_usize..6, 0_i64..2_000).prop_map(|(budget, limit)| Step::SetLimit { budget, limit }),
        1 => (0_usize..6, 0_i64..4_000, 0_i64..200_000)
            .prop_map(|(budget, limit, seconds)| Step::Raise { budget, limit, seconds }),
        1 => (0_usize..6, 0..WINDOWS.len()).prop_map(|(budget, window)| Step::SetWindow { budget, window }),
        2 => (-100_000_i64..200_000).prop_map(Step::MoveClock),
        1 => (-4_000_000_i64..8_000_000).prop_map(Step::MoveClock),
        1 => Just(Step::Restart),
        1 => (0..COUNTERS.len()).prop_map(Step::Forget),
    ];
    prop::collection::vec(step, 1..120)
}

#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    settled: i64,
    held: i64,
}

/// A call that runs: where it is held, against which counters it was admitted, and the most that it can use.
struct Running {
    held: Vec<HeldBudget>,
    counters: Vec<usize>,
    bound: Amounts,
}

/// The book, and what it should be.
struct Machine {
    book: Book,
    budgets: Vec<BudgetTerms>,
    highest: Vec<i64>,
    now: Micros,
    sums: BTreeMap<(BudgetId, Micros), Sums>,
    running: Vec<Running>,
    announced: BTreeSet<(BudgetId, Micros, u8)>,
}

impl Machine {
    fn new() -> Self {
        let budgets = budgets();
        Self {
            book: Book::default(),
            highest: budgets.iter().map(|terms| terms.policy.limit).collect(),
            budgets,
            now: time("2026-11-23T12:00:00Z"),
            sums: BTreeMap::new(),
            running: Vec::new(),
            announced: BTreeSet::new(),
        }
    }

    fn sums(&self, counter: BudgetId, window: Micros) -> Sums {
        self.sums.get(&(counter, window)).copied().unwrap_or_default()
    }

    fn of(&mut self, held: &HeldBudget) -> &mut Sums {
        self.sums.entry((held.budget, held.window_start)).or_default()
    }

    fn limit(&self, budget: usize) -> i64 {
        self.budgets[budget].policy.limit_at(self.now)
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        let count = self.running.len();
        match step {
            Step::Admit {
                counters,
                bound,
                estimate,
                emails,
            } => {
                let bound = Amounts {
                    usd: NanoUsd(bound),
                    calls: 1,
                    emails,
                    ..Amounts::NONE
                };
                let estimate = NanoUsd((bound.usd.0 * estimate / 100).max(1));
                self.admit(counters, Ask { bound, estimate })?;
            }
            Step::Extend { call, more } if count > 0 => self.extend(call.index(count), more)?,
            Step::Settle { call, percent } if count > 0 => {
                let call = self.running.swap_remove(call.index(count));
                let used = Amounts {
                    usd: NanoUsd(call.bound.usd.0 * percent / 100),
                    ..call.bound
                };
                self.book.settle(&call.held, &used);
                self.end(&call, &used);
            }
            Step::Release(call) if count > 0 => {
                let call = self.running.swap_remove(call.index(count));
                self.book.release(&call.held);
                self.end(&call, &Amounts::NONE);
            }
            Step::Extend { .. } | Step::Settle { .. } | Step::Release(_) => {}
            Step::SetLimit { budget, limit } => {
                self.budgets[budget].policy.limit = limit;
                self.highest[budget] = self.highest[budget].max(limit);
            }
            Step::Raise {
                budget,
                limit,
                seconds,
            } => {
                let until = Micros(self.now.0 + seconds * 1_000_000);
                self.budgets[budget].policy.raise = Some(crate::policy::Raise { limit, until });
                self.highest[budget] = self.highest[budget].max(limit);
            }
            Step::SetWindow { budget, window } => self.budgets[budget].policy.window = WINDOWS[window],
            Step::MoveClock(seconds) => self.now = Micros(self.now.0 + seconds * 1_000_000),
            Step::Restart => self.restart(),
            Step::Forget(number) => {
                let counter = id(COUNTERS[number].0);
                self.book.forget(counter);
                self.sums.retain(|(one, _), _| *one != counter);
                // The agents' policies lose it in the same moment; what runs settles into nothing.
                for call in &mut self.running {
                    call.held.retain(|held| held.budget != counter);
                }
                self.announced.retain(|(one, ..)| *one != counter);
            }
        }
        self.check()
    }

    fn admit(&mut self, counters: Vec<usize>, ask: Ask) -> Result<(), TestCaseError> {
        let budgets = self.budgets.clone();
        let applied: Vec<_> = counters.iter().map(|number| applied(&budgets, *number)).collect();
        let mut refused = None;
        for (number, one) in counters.iter().zip(&applied) {
            let view = self.book.view(self.now, one);
            let sums = self.sums(one.counter, view.bounds.start);
            prop_assert_eq!((view.settled, view.held), (sums.settled, sums.held));
            let (limit, needed) = (self.limit(COUNTERS[*number].1), ask.of(&one.terms.policy));
            if refused.is_none() && one.terms.policy.denies() && sums.settled + sums.held + needed > limit {
                refused = Some((one.terms.policy.budget, limit, sums.settled, sums.held, needed));
            }
        }
        match self.book.admit(self.now, &applied, &ask) {
            Ok(held) => {
                prop_assert_eq!(refused, None);
                let distinct: BTreeSet<_> = counters.iter().copied().collect();
                prop_assert_eq!(held.len(), distinct.len());
                for held in &held {
                    let number = COUNTERS.iter().find(|(counter, _)| id(*counter) == held.budget);
                    let amount = ask.of(&budgets[number.unwrap().1].policy);
                    prop_assert_eq!(held.amount, Some(amount));
                    self.of(held).held += amount;
                }
                self.running.push(Running {
                    held,
                    counters,
                    bound: ask.bound,
                });
            }
            Err(exceeded) => prop_assert_eq!(Some(parts(&exceeded)), refused),
        }
        Ok(())
    }

    fn extend(&mut self, call: usize, more: i64) -> Result<(), TestCaseError> {
        let budgets = self.budgets.clone();
        let Running { held, counters, .. } = &self.running[call];
        let applied: Vec<_> = counters.iter().map(|number| applied(&budgets, *number)).collect();
        let (mut held, mut refused) = (held.clone(), None);
        let mut growing = Vec::new();
        for hold in held.iter().filter(|hold| hold.budget == id(2)) {
            let (limit, sums) = (self.limit(2), self.sums(hold.budget, hold.window_start));
            if sums.settled + sums.held + more > limit {
                refused = Some((hold.budget, limit, sums.settled, sums.held, more));
            }
            growing.push(*hold);
        }
        let before = held.clone();
        match self.book.extend(self.now, &applied, &mut held, NanoUsd(more)) {
            Ok(()) => {
                prop_assert_eq!(refused, None);
                for hold in &growing {
                    self.of(hold).held += more;
                }
                for (hold, before) in held.iter().zip(&before) {
                    let grown = if hold.budget == id(2) { more } else { 0 };
                    prop_assert_eq!(hold.amount.unwrap(), before.amount.unwrap() + grown);
                }
                self.running[call].held = held;
            }
            Err(exceeded) => {
                prop_assert_eq!(Some(parts(&exceeded)), refused);
                prop_assert_eq!(held, before);
            }
        }
        Ok(())
    }

    fn end(&mut self, call: &Running, used: &Amounts) {
        for held in &call.held {
            let sums = self.of(held);
            sums.held -= held.amount.unwrap();
            sums.settled += used.of(held.unit);
        }
    }

    fn restart(&mut self) {
        for call in std::mem::take(&mut self.running) {
            for held in &call.held {
                let (sums, amount) = (self.of(held), held.amount.unwrap());
                sums.held -= amount;
                sums.settled += amount;
            }
        }
        self.book = Book::default();
        self.announced.clear();
        let newest: BTreeMap<BudgetId, Micros> = self.sums.keys().copied().collect();
        self.sums
            .retain(|(counter, window), _| newest[counter] == *window);
        for ((counter, window), sums) in &self.sums {
            self.book.restore(*counter, *window, sums.settled);
        }
    }

    /// What holds after every step.
    fn check(&mut self) -> Result<(), TestCaseError> {
        for notice in self.book.take_notices() {
            let what = match notice.what {
                Noticed::Threshold(percent) => {
                    prop_assert!(notice.settled * 100 >= notice.limit * i64::from(percent));
                    percent
                }
                Noticed::Exceeded => 0,
            };
            let new = self.announced.insert((notice.counter, notice.window_start, what));
            prop_assert!(new, "announced twice: {:?}", notice);
        }
        for ((counter, _), sums) in &self.sums {
            let (_, budget) = COUNTERS.iter().find(|(one, _)| id(*one) == *counter).unwrap();
            prop_assert!(sums.held >= 0);
            // Those that hold by an estimate, and those that only alert, may be overspent.
            if ![2, 4].contains(budget) {
                prop_assert!(sums.settled + sums.held <= self.highest[*budget]);
            }
        }
        Ok(())
    }
}

fn applied(budgets: &[BudgetTerms], number: usize) -> Applied<'_> {
    let (counter, budget) = COUNTERS[number];
    Applied {
        counter: id(counter),
        terms: &budgets[budget],
    }
}

fn parts(exceeded: &BudgetExceeded) -> (BudgetId, i64, i64, i64, i64) {
    (
        exceeded.budget,
        exceeded.limit,
        exceeded.spent,
        exceeded.held,
        exceeded.needed,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(512)))]

    /// Whatever happens in whatever order, and however the clock is moved: the book says what the model says, no admission passes a
    /// limit, none is refused that would not, nothing is announced twice, and at the end nothing is held.
    #[test]
    fn the_book_is_as_the_model(steps in steps()) {
        let mut machine = Machine::new();
        for step in steps {
            machine.step(step)?;
        }
        for call in std::mem::take(&mut machine.running) {
            machine.book.settle(&call.held, &call.bound);
        }
        for windows in machine.book.budgets.values() {
            prop_assert!(windows.periods.iter().all(|period| period.held == 0));
        }
    }
}
