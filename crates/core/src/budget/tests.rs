mod machine;

use super::windows::KEPT_WINDOWS;
use super::*;
use crate::ids::OrgId;
use crate::policy::BudgetAction;
use crate::window::Window;
use jiff::tz::TimeZone;
use uuid::Uuid;

fn id(number: u8) -> BudgetId {
    BudgetId::new(Uuid::from_u128(number.into()))
}

fn terms(number: u8, limit: i64, window: Window) -> BudgetTerms {
    let org = OrgId::new(Uuid::from_u128(7));
    BudgetTerms {
        policy: BudgetPolicy::new(id(number), org, limit, window),
        zone: TimeZone::UTC.into(),
    }
}

fn dollars(amount: NanoUsd) -> Amounts {
    Amounts {
        usd: amount,
        ..Amounts::NONE
    }
}

fn all(terms: &[BudgetTerms]) -> Vec<Applied<'_>> {
    terms.iter().map(Applied::all).collect()
}

impl Book {
    fn admit_usd(
        &mut self,
        now: Micros,
        terms: &[BudgetTerms],
        amount: NanoUsd,
    ) -> Result<Vec<HeldBudget>, BudgetExceeded> {
        let ask = Ask {
            bound: dollars(amount),
            estimate: amount,
        };
        self.admit(now, &all(terms), &ask)
    }

    fn settle_usd(&mut self, held: &[HeldBudget], cost: NanoUsd) {
        self.settle(held, &dollars(cost));
    }

    fn room_of(&mut self, now: Micros, terms: &[BudgetTerms]) -> Option<NanoUsd> {
        self.headroom(now, &all(terms))
    }

    fn view_of(&mut self, now: Micros, terms: &BudgetTerms) -> BudgetView {
        self.view(now, &Applied::all(terms))
    }
}

fn time(text: &str) -> Micros {
    text.parse().unwrap()
}

#[test]
fn all_or_nothing_up_to_the_limit_exactly() {
    let mut book = Book::default();
    let now = time("2026-11-23T12:00:00Z");
    let both = [terms(1, 100, Window::Month), terms(2, 30, Window::Day)];
    let held = book.admit_usd(now, &both, NanoUsd(30)).unwrap();
    assert_eq!(
        held,
        [
            HeldBudget {
                budget: id(1),
                window_start: time("2026-11-01T00:00:00Z"),
                unit: Unit::Usd,
                amount: Some(30),
            },
            HeldBudget {
                budget: id(2),
                window_start: time("2026-11-23T00:00:00Z"),
                unit: Unit::Usd,
                amount: Some(30),
            },
        ]
    );
    let refused = book.admit_usd(now, &both, NanoUsd(1)).unwrap_err();
    assert_eq!(
        refused,
        BudgetExceeded {
            budget: id(2),
            unit: Unit::Usd,
            limit: 30,
            spent: 0,
            held: 30,
            needed: 1,
            resets_at: Some(time("2026-11-24T00:00:00Z")),
        }
    );
    // The month's budget, which comes first, was not touched by the refusal.
    assert_eq!(book.view_of(now, &both[0]).held, 30);
    book.settle_usd(&held, NanoUsd(12));
    assert_eq!(book.room_of(now, &both), Some(NanoUsd(18)));
    assert_eq!(book.room_of(now, &[]), None);
    let held = book.admit_usd(now, &both, NanoUsd(18)).unwrap();
    book.release(&held);
    let view = book.view_of(now, &both[0]);
    assert_eq!((view.settled, view.held), (12, 0));
}

#[test]
fn a_budget_named_twice_holds_once() {
    let mut book = Book::default();
    let twice = [terms(1, 100, Window::Total), terms(1, 100, Window::Total)];
    let held = book.admit_usd(Micros(1), &twice, NanoUsd(60)).unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(book.view_of(Micros(1), &twice[0]).held, 60);
}

#[test]
fn a_hold_settles_in_the_window_it_began_in() {
    let mut book = Book::default();
    let budget = [terms(1, 100, Window::Day)];
    let evening = time("2026-11-23T23:59:59Z");
    let morning = time("2026-11-24T00:00:00Z");
    let held = book.admit_usd(evening, &budget, NanoUsd(80)).unwrap();
    assert_eq!(book.room_of(morning, &budget), Some(NanoUsd(100)));
    book.settle_usd(&held, NanoUsd(70));
    assert_eq!(book.room_of(morning, &budget), Some(NanoUsd(100)));
    // A clock that is set back finds yesterday as it was.
    assert_eq!(book.room_of(evening, &budget), Some(NanoUsd(30)));
}

#[test]
fn a_limit_bites_at_once_and_resets_nothing() {
    let mut book = Book::default();
    let now = time("2026-11-23T12:00:00Z");
    let held = book
        .admit_usd(now, &[terms(1, 100, Window::Month)], NanoUsd(60))
        .unwrap();
    book.settle_usd(&held, NanoUsd(60));
    let lowered = [terms(1, 50, Window::Month)];
    assert_eq!(book.room_of(now, &lowered), Some(NanoUsd(0)));
    assert!(book.admit_usd(now, &lowered, NanoUsd(1)).is_err());
    let raised = [terms(1, 61, Window::Month)];
    assert!(book.admit_usd(now, &raised, NanoUsd(2)).is_err());
    assert!(book.admit_usd(now, &raised, NanoUsd(1)).is_ok());
}

#[test]
fn a_zone_changes_with_the_next_window() {
    let mut book = Book::default();
    let utc = terms(1, 100, Window::Day);
    let honolulu = BudgetTerms {
        zone: TimeZone::get("Pacific/Honolulu").unwrap().into(),
        ..utc.clone()
    };
    let now = time("2026-11-23T12:00:00Z");
    let held = book.admit_usd(now, &[utc], NanoUsd(40)).unwrap();
    book.settle_usd(&held, NanoUsd(40));
    let view = book.view_of(now, &honolulu);
    assert_eq!(view.settled, 40);
    assert_eq!(view.bounds.end, Some(time("2026-11-24T00:00:00Z")));
    // The next window begins where the last one ended and ends with the day in Honolulu.
    let view = book.view_of(time("2026-11-24T00:00:00Z"), &honolulu);
    assert_eq!(view.settled, 0);
    assert_eq!(view.bounds.start, time("2026-11-24T00:00:00Z"));
    assert_eq!(view.bounds.end, Some(time("2026-11-24T10:00:00Z")));
    // Restored after a restart, that short window is the same.
    let mut restarted = Book::default();
    restarted.restore(id(1), view.bounds.start, 7);
    let again = restarted.view_of(time("2026-11-24T09:59:59Z"), &honolulu);
    assert_eq!((again.settled, again.bounds), (7, view.bounds));
}

#[test]
fn a_restart_after_a_change_of_zone_does_not_end_a_window_early() {
    let mut restarted = Book::default();
    let honolulu = BudgetTerms {
        zone: Zone {
            now: TimeZone::get("Pacific/Honolulu").unwrap(),
            before: Some((TimeZone::UTC, time("2026-11-23T09:00:00Z"))),
        },
        ..terms(1, 100, Window::Day)
    };
    restarted.restore(id(1), time("2026-11-23T00:00:00Z"), 40);
    // The day in Honolulu ended at 10:00.
    let view = restarted.view_of(time("2026-11-23T12:00:00Z"), &honolulu);
    assert_eq!(view.settled, 40);
    assert_eq!(view.bounds.end, Some(time("2026-11-24T00:00:00Z")));
    let next = restarted.view_of(time("2026-11-24T00:00:00Z"), &honolulu);
    assert_eq!(next.settled, 0);
    assert_eq!(next.bounds.end, Some(time("2026-11-24T10:00:00Z")));
}

#[test]
fn what_is_restored_counts() {
    let mut book = Book::default();
    let budget = [terms(1, 100, Window::Month)];
    book.restore(id(1), time("2026-10-01T00:00:00Z"), 99);
    book.restore(id(1), time("2026-11-01T00:00:00Z"), 95);
    let now = time("2026-11-23T12:00:00Z");
    assert_eq!(book.room_of(now, &budget), Some(NanoUsd(5)));
    assert_eq!(
        book.room_of(time("2026-12-01T00:00:00Z"), &budget),
        Some(NanoUsd(100))
    );
    assert_eq!(
        book.room_of(time("2026-10-31T23:00:00Z"), &budget),
        Some(NanoUsd(1))
    );
    book.forget(id(1));
    assert_eq!(book.room_of(now, &budget), Some(NanoUsd(100)));
}

#[test]
fn sums_beyond_the_range_refuse() {
    let mut book = Book::default();
    let budget = [terms(1, i64::MAX, Window::Total)];
    let held = book.admit_usd(Micros(0), &budget, NanoUsd::MAX).unwrap();
    assert!(book.admit_usd(Micros(0), &budget, NanoUsd(1)).is_err());
    book.settle_usd(&held, NanoUsd::MAX);
    assert!(book.admit_usd(Micros(0), &budget, NanoUsd(1)).is_err());
    book.settle_usd(&held, NanoUsd::MAX);
    assert_eq!(book.room_of(Micros(0), &budget), Some(NanoUsd(0)));
    // A negative amount does not make room.
    let tight = [terms(2, 0, Window::Total)];
    let held = book.admit_usd(Micros(0), &tight, NanoUsd(-5)).unwrap();
    assert!(book.admit_usd(Micros(0), &tight, NanoUsd(1)).is_err());
    book.settle_usd(&held, NanoUsd(-5));
    assert_eq!(book.room_of(Micros(0), &tight), Some(NanoUsd(0)));
}

#[test]
fn old_windows_are_dropped_and_do_not_come_back_empty() {
    let mut book = Book::default();
    let budget = [terms(1, 10, Window::Day)];
    let day = |day: i64| Micros::from_seconds(day * 86_400);
    for number in 0..100 {
        let held = book.admit_usd(day(number), &budget, NanoUsd(10)).unwrap();
        book.settle_usd(&held, NanoUsd(10));
    }
    assert!(book.budgets[&id(1)].periods.len() <= KEPT_WINDOWS);
    for number in 0..100 {
        assert_eq!(
            book.room_of(day(number), &budget),
            Some(NanoUsd(0)),
            "day {number}"
        );
    }
    assert_eq!(book.room_of(day(100), &budget), Some(NanoUsd(10)));
}

#[test]
fn a_budget_that_alerts_refuses_nothing_and_counts_all() {
    let mut book = Book::default();
    let mut alert = terms(1, 10, Window::Total);
    alert.policy.action = BudgetAction::Alert;
    let held = book
        .admit_usd(Micros(1), std::slice::from_ref(&alert), NanoUsd(50))
        .unwrap();
    assert_eq!(book.view_of(Micros(1), &alert).held, 50);
    assert_eq!(book.room_of(Micros(1), std::slice::from_ref(&alert)), None);
    book.settle_usd(&held, NanoUsd(40));
    let view = book.view_of(Micros(1), &alert);
    assert_eq!((view.settled, view.held), (40, 0));
}

#[test]
fn a_raise_is_in_force_until_its_end() {
    let mut book = Book::default();
    let mut raised = terms(1, 10, Window::Total);
    raised.policy.raise = Some(crate::policy::Raise {
        limit: 100,
        until: Micros(50),
    });
    let raised = [raised];
    let held = book.admit_usd(Micros(49), &raised, NanoUsd(60)).unwrap();
    book.settle_usd(&held, NanoUsd(60));
    assert_eq!(book.room_of(Micros(49), &raised), Some(NanoUsd(40)));
    let refused = book.admit_usd(Micros(50), &raised, NanoUsd(1)).unwrap_err();
    assert_eq!(
        (refused.limit, refused.spent),
        (10, 60),
        "nothing that was spent is forgotten"
    );
}

#[test]
fn each_unit_counts_by_itself() {
    let mut book = Book::default();
    let of = |number, unit| {
        let mut terms = terms(number, 3, Window::Total);
        terms.policy.unit = unit;
        terms
    };
    let units = [of(1, Unit::Calls), of(2, Unit::Emails)];
    let ask = Ask {
        bound: Amounts {
            usd: NanoUsd(1_000_000),
            calls: 1,
            emails: 3,
            ..Amounts::NONE
        },
        estimate: NanoUsd::ZERO,
    };
    let held = book.admit(Micros(1), &all(&units), &ask).unwrap();
    assert_eq!(
        held.iter().map(|held| held.amount).collect::<Vec<_>>(),
        [Some(1), Some(3)]
    );
    let refused = book.admit(Micros(1), &all(&units), &ask).unwrap_err();
    assert_eq!((refused.budget, refused.unit), (id(2), Unit::Emails));
    book.settle(
        &held,
        &Amounts {
            calls: 1,
            emails: 1,
            ..Amounts::NONE
        },
    );
    let used = units
        .each_ref()
        .map(|terms| book.view_of(Micros(1), terms).settled);
    assert_eq!(used, [1, 1]);
}

#[test]
fn an_estimate_grows_while_the_budget_affords_it() {
    let mut book = Book::default();
    let mut estimate = terms(1, 100, Window::Total);
    estimate.policy.mode = BudgetMode::Estimate;
    let budgets = [estimate, terms(2, 1_000, Window::Total)];
    let applied = all(&budgets);
    let ask = Ask {
        bound: dollars(NanoUsd(500)),
        estimate: NanoUsd(40),
    };
    let mut held = book.admit(Micros(1), &applied, &ask).unwrap();
    assert_eq!((held[0].amount, held[1].amount), (Some(40), Some(500)));
    book.extend(Micros(1), &applied, &mut held, NanoUsd(60)).unwrap();
    let refused = book
        .extend(Micros(1), &applied, &mut held, NanoUsd(1))
        .unwrap_err();
    assert_eq!((refused.budget, refused.held, refused.needed), (id(1), 100, 1));
    assert_eq!((held[0].amount, held[1].amount), (Some(100), Some(500)));
    assert_eq!(book.view_of(Micros(1), &budgets[0]).held, 100);
    book.settle_usd(&held, NanoUsd(90));
    let views = budgets.each_ref().map(|terms| book.view_of(Micros(1), terms));
    assert_eq!(views.map(|view| (view.settled, view.held)), [(90, 0), (90, 0)]);
}

#[test]
fn thresholds_and_the_first_refusal_are_announced_once_a_window() {
    let mut book = Book::default();
    let mut terms = terms(1, 100, Window::Day);
    terms.policy.thresholds = vec![50, 80, 100];
    let budget = [terms];
    let monday = time("2026-11-23T12:00:00Z");
    let spend = |book: &mut Book, now, cost| {
        let held = book.admit_usd(now, &budget, NanoUsd(cost))?;
        book.settle_usd(&held, NanoUsd(cost));
        Ok::<_, BudgetExceeded>(book.take_notices())
    };
    let what = |notices: Vec<Notice>| notices.iter().map(|notice| notice.what).collect::<Vec<_>>();
    assert_eq!(what(spend(&mut book, monday, 49).unwrap()), []);
    assert_eq!(
        what(spend(&mut book, monday, 1).unwrap()),
        [Noticed::Threshold(50)]
    );
    assert_eq!(
        what(spend(&mut book, monday, 50).unwrap()),
        [Noticed::Threshold(80), Noticed::Threshold(100)]
    );
    for _ in 0..2 {
        spend(&mut book, monday, 1).unwrap_err();
    }
    let notices = book.take_notices();
    assert_eq!(what(notices.clone()), [Noticed::Exceeded]);
    assert_eq!((notices[0].settled, notices[0].limit), (100, 100));
    let tuesday = time("2026-11-24T12:00:00Z");
    assert_eq!(
        what(spend(&mut book, tuesday, 60).unwrap()),
        [Noticed::Threshold(50)]
    );
}
