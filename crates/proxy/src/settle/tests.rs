use std::borrow::Cow;

use keystore_catalog::PriceRef;
use keystore_core::Bucket;
use keystore_core::ids::{AttemptId, BudgetId};
use keystore_core::policy::Unit;
use keystore_core::price::{ModelPrice, UnitPrices};
use keystore_core::record::{HeldBudget, Steps};
use keystore_core::time::Micros;
use uuid::Uuid;

use super::*;
use crate::reserve::AskedTerms;

const HOLD: NanoUsd = NanoUsd(1_000_000);

static PRICE: ModelPrice = ModelPrice::flat(
    Cow::Borrowed("m"),
    // Uncached input and text output.
    UnitPrices::from_parts(0b10_0001, &[1_000_000, 1_000_000]),
);

fn open(limited: bool) -> Open {
    let held = HeldBudget {
        budget: BudgetId::new(Uuid::nil()),
        window_start: Micros(0),
        unit: Unit::Usd,
        amount: None,
    };
    Open {
        attempt: AttemptId::new(Uuid::nil()),
        began: Duration::ZERO,
        steps: Steps::default(),
        provider: "openai",
        billing: Billing::Metered,
        price: Some(PriceRef::Catalog(&PRICE)),
        others: Vec::new(),
        asked: Usage::ZERO,
        budgets: if limited { vec![held] } else { Vec::new() },
        limited: if limited { Limited::Strictly } else { Limited::No },
        hold: HOLD,
        growth: None,
        run: None,
        place: None,
        sale: None,
        model: None,
        gen_ai: None,
        watched: None,
        request_bytes: 0,
        terms: AskedTerms::default(),
        sent: true,
        status: 200,
        first_byte: None,
    }
}

fn end(ending: Ending, basis: Basis) -> End {
    End {
        ending,
        metered: Some(Metered {
            usage: Usage::ZERO.with(Bucket::OutputText, 7),
            basis,
            cost: None,
            served_model: None,
            service_tier: None,
            inference_geo: None,
            output_bytes_seen: 21,
            failed: false,
        }),
        response_bytes: 21,
        refusal: None,
    }
}

/// Hidden reasoning makes what was relayed a bad measure: an answer that does not say what it used must not cost less than was held,
/// neither for somebody who leaves early, again and again, nor for somebody whose vendor does not tell.
#[test]
fn an_answer_that_does_not_say_what_it_used_costs_its_hold_under_a_budget() {
    for ending in [
        Ending::ClientGone,
        Ending::Deadline,
        Ending::Complete,
        Ending::UpstreamError,
    ] {
        let cost = |limited, basis| charge(&open(limited), &end(ending, basis)).cost;
        assert_eq!(cost(true, Basis::Estimated), HOLD, "{ending:?}");
        for basis in [Basis::Reported, Basis::Asked] {
            assert_eq!(cost(true, basis), NanoUsd(7), "{ending:?}");
        }
        assert_eq!(cost(false, Basis::Estimated), NanoUsd(7), "{ending:?}");
    }
}

/// What is counted by the bytes that were seen may be more than the call can have cost: that is no reason to pass a strict limit.
#[test]
fn an_estimate_costs_no_more_than_a_bound() {
    let mut much = end(Ending::UpstreamError, Basis::Estimated);
    let tokens = HOLD.0 as u64 + 5;
    much.metered.as_mut().unwrap().usage = Usage::ZERO.with(Bucket::OutputText, tokens);
    assert_eq!(charge(&open(true), &much).cost, HOLD);
    let by_estimate = Open {
        limited: Limited::ByEstimate,
        ..open(true)
    };
    assert_eq!(charge(&by_estimate, &much).cost, NanoUsd(HOLD.0 + 5));
}

#[test]
fn only_estimates_are_marked() {
    for (basis, estimated) in [
        (Basis::Reported, false),
        (Basis::Asked, false),
        (Basis::Estimated, true),
    ] {
        assert_eq!(
            charge(&open(true), &end(Ending::Complete, basis)).flags.estimated,
            estimated
        );
    }
}

#[test]
fn an_error_costs_only_what_the_vendor_reports() {
    let failed = Open {
        status: 500,
        ..open(true)
    };
    for (basis, cost) in [(Basis::Reported, 7), (Basis::Asked, 0), (Basis::Estimated, 0)] {
        assert_eq!(
            charge(&failed, &end(Ending::Complete, basis)).cost,
            NanoUsd(cost),
            "{basis:?}"
        );
    }
}

#[test]
fn what_the_vendor_says_that_it_costs_is_what_it_costs() {
    for (stated, limited, over_hold) in [
        (0, true, false),
        (5, true, false),
        (HOLD.0 as u64 + 1, true, true),
        (5, false, false),
    ] {
        let mut end = end(Ending::Complete, Basis::Reported);
        end.metered.as_mut().unwrap().cost = Some(stated);
        for price in [Some(PriceRef::Catalog(&PRICE)), None] {
            let charge = charge(
                &Open {
                    price,
                    ..open(limited)
                },
                &end,
            );
            assert_eq!(charge.cost, NanoUsd(stated as i64));
            assert_eq!(
                (charge.flags.over_hold, charge.flags.unpriced),
                (over_hold, false)
            );
        }
    }
}

static DEAR: ModelPrice = ModelPrice::flat(
    Cow::Borrowed("dear"),
    UnitPrices::from_parts(0b10_0001, &[9_000_000, 9_000_000]),
);

/// A request may let a cheap model fail, so that a dear one serves it.
#[test]
fn what_another_model_served_costs_what_that_one_costs() {
    let cost = |served: Option<&str>| {
        let open = Open {
            model: Some("v/m".to_owned()),
            others: vec![
                ("v/dear".to_owned(), Some(PriceRef::Catalog(&DEAR))),
                ("v/x".to_owned(), None),
            ],
            ..open(false)
        };
        let mut end = end(Ending::Complete, Basis::Reported);
        end.metered.as_mut().unwrap().served_model = served.map(str::to_owned);
        let charge = charge(&open, &end);
        (charge.cost.0, charge.flags.unpriced)
    };
    assert_eq!(cost(Some("v/m")), (7, false));
    assert_eq!(cost(Some("v/dear-2026-05-01")), (63, false));
    assert_eq!(
        cost(Some("dear-2026-05-01")),
        (63, false),
        "as its price is listed"
    );
    assert_eq!(cost(Some("v/x")), (0, true), "of which nobody knows the price");
    for unknown in [None, Some("else")] {
        assert_eq!(
            cost(unknown),
            (63, false),
            "{unknown:?}: the dearest that it may be"
        );
    }
}
