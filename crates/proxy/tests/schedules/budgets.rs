//! Budgets: whoever comes when, nothing is held or settled beyond a limit at any instant.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::tz::TimeZone;
use keystore_core::budget::{Amounts, Applied, Ask, BudgetTerms, Notice, Noticed};
use keystore_core::ids::{BudgetId, OrgId};
use keystore_core::policy::{BudgetAction, BudgetMode, BudgetPolicy, Unit};
use keystore_core::record::HeldBudget;
use keystore_core::window::Window;
use keystore_core::{Micros, NanoUsd};
use shuttle::rand::{Rng as _, thread_rng};
use shuttle::sync::atomic::{AtomicI64, Ordering};
use shuttle::thread;
use uuid::Uuid;

use crate::counters::Counters;
use crate::{under_all_schedules, under_schedules_until_caught};

/// 2026-11-23T23:59:59Z.
const EVENING: Micros = Micros::from_seconds(1_795_478_399);
/// Two seconds later, on the next day.
const MORNING: Micros = Micros::from_seconds(1_795_478_401);

fn terms(number: u128, limit: i64, change: impl FnOnce(&mut BudgetPolicy)) -> BudgetTerms {
    let (budget, org) = (BudgetId::new(Uuid::from_u128(number)), OrgId::new(Uuid::nil()));
    let mut policy = BudgetPolicy {
        thresholds: vec![50, 100],
        ..BudgetPolicy::new(budget, org, limit, Window::Total)
    };
    change(&mut policy);
    BudgetTerms {
        policy,
        zone: TimeZone::UTC.into(),
    }
}

/// One node, and what really happened on it.
struct World {
    counters: Counters,
    budgets: [BudgetTerms; 5],
    now: AtomicI64,
    /// No thread of the test changes place while it has this.
    truth: std::sync::Mutex<Truth>,
}

#[derive(Default)]
struct Truth {
    used: BTreeMap<(BudgetId, Micros), i64>,
    refused: BTreeSet<BudgetId>,
    notices: Vec<Notice>,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            counters: Counters::default(),
            budgets: [
                terms(1, 100, |_| ()),
                terms(2, 60, |policy| policy.window = Window::Day),
                terms(3, 80, |policy| policy.mode = BudgetMode::Estimate),
                terms(4, 3, |policy| policy.unit = Unit::Calls),
                terms(5, 20, |policy| policy.action = BudgetAction::Alert),
            ],
            now: AtomicI64::new(EVENING.0),
            truth: std::sync::Mutex::default(),
        })
    }

    fn now(&self) -> Micros {
        Micros(self.now.load(Ordering::SeqCst))
    }

    /// A call against some of the budgets, from its admission to its end.
    fn call(&self) {
        let mut rng = thread_rng();
        let some: Vec<_> = self.budgets.iter().filter(|_| rng.gen_ratio(3, 4)).collect();
        let applied: Vec<_> = some.iter().map(|terms| Applied::all(terms)).collect();
        let bound = NanoUsd(rng.gen_range(1..=50));
        let ask = Ask {
            bound: Amounts {
                usd: bound,
                calls: 1,
                ..Amounts::NONE
            },
            estimate: NanoUsd(rng.gen_range(1..=bound.0)),
        };
        let mut held = match self.counters.hold(self.now(), &applied, &ask) {
            Ok(held) => held,
            Err(exceeded) => {
                self.truth.lock().unwrap().refused.insert(exceeded.budget);
                return;
            }
        };
        assert_eq!(held.len(), applied.len(), "in every budget or in none");
        for _ in 0..rng.gen_range(0..3) {
            let more = NanoUsd(rng.gen_range(1..=20));
            let before = held.clone();
            if let Err(exceeded) = self.counters.extend(self.now(), &applied, &mut held, more) {
                assert_eq!(held, before, "in every budget or in none");
                self.truth.lock().unwrap().refused.insert(exceeded.budget);
            }
        }
        let most = held.iter().filter(|held| held.unit == Unit::Usd);
        let most = most.filter_map(|held| held.amount).min().unwrap_or(bound.0);
        let used = match rng.gen_ratio(1, 4) {
            true => Amounts::NONE,
            false => Amounts {
                usd: NanoUsd(rng.gen_range(0..=most)),
                calls: 1,
                ..Amounts::NONE
            },
        };
        self.counters.settle(&held, &used);
        let mut truth = self.truth.lock().unwrap();
        for held in held {
            *truth.used.entry((held.budget, held.window_start)).or_default() += used.of(held.unit);
        }
    }

    /// Looks at every budget as it is right now.
    fn look(&self) {
        for terms in &self.budgets {
            let view = self.counters.view(self.now(), &Applied::all(terms));
            assert!(view.settled >= 0 && view.held >= 0);
            assert!(
                !terms.policy.denies() || view.settled + view.held <= terms.policy.limit,
                "over the limit of budget {}: {view:?}",
                terms.policy.budget
            );
        }
    }

    /// Takes what there is to announce.
    fn announce(&self) {
        let notices = self.counters.take_notices();
        self.truth.lock().unwrap().notices.extend(notices);
    }

    /// When every call has ended.
    fn check_end(&self) {
        self.announce();
        let truth = self.truth.lock().unwrap();
        let mut announced: BTreeSet<(BudgetId, Micros, u8)> = BTreeSet::new();
        for notice in &truth.notices {
            let what = match notice.what {
                Noticed::Threshold(percent) => percent,
                Noticed::Exceeded => 0,
            };
            let new = announced.insert((notice.budget, notice.window_start, what));
            assert!(new, "announced twice: {notice:?}");
        }
        for terms in &self.budgets {
            let budget = terms.policy.budget;
            for now in [EVENING, MORNING] {
                let view = self.counters.view(now, &Applied::all(terms));
                let window = view.bounds.start;
                let used = truth.used.get(&(budget, window)).copied().unwrap_or_default();
                assert_eq!((view.settled, view.held), (used, 0), "each call counts once");
                for percent in [50, 100] {
                    let reached = used * 100 >= terms.policy.limit * i64::from(percent);
                    let told = announced.contains(&(budget, window, percent));
                    assert_eq!(told, reached, "{percent} % of budget {budget}");
                }
            }
            let told = announced
                .iter()
                .any(|(one, _, what)| *one == budget && *what == 0);
            assert_eq!(
                told,
                truth.refused.contains(&budget),
                "refusals of budget {budget}"
            );
        }
    }
}

#[test]
fn no_instant_is_over_a_limit() {
    under_all_schedules(|| {
        let world = World::new();
        let steps: [fn(&World); 5] = [
            |world| (0..2).for_each(|_| world.call()),
            World::call,
            World::call,
            World::look,
            |world| {
                world.announce();
                world.now.store(MORNING.0, Ordering::SeqCst);
                world.announce();
            },
        ];
        let threads = steps.map(|steps| {
            let world = Arc::clone(&world);
            thread::spawn(move || steps(&world))
        });
        for thread in threads {
            thread.join().unwrap();
        }
        world.look();
        world.check_end();
    });
}

/// What looks first and counts afterwards passes the limit in some schedule, and that is seen.
#[test]
#[should_panic(expected = "over the limit")]
fn a_check_before_the_act_is_caught() {
    under_schedules_until_caught(|| {
        let world = World::new();
        let spend = |world: &World| {
            let budget = Applied::all(&world.budgets[0]);
            let view = world.counters.view(world.now(), &budget);
            if view.settled + view.held + 60 <= budget.terms.policy.limit {
                let held = HeldBudget {
                    budget: budget.counter,
                    window_start: view.bounds.start,
                    unit: Unit::Usd,
                    amount: Some(0),
                };
                let used = Amounts {
                    usd: NanoUsd(60),
                    ..Amounts::NONE
                };
                world.counters.settle(&[held], &used);
            }
        };
        let threads = [(); 2].map(|()| {
            let world = Arc::clone(&world);
            thread::spawn(move || spend(&world))
        });
        for thread in threads {
            thread.join().unwrap();
        }
        world.look();
    });
}
