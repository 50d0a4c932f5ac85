use std::borrow::Cow;

use keystore_catalog::PriceRef;
use keystore_core::Bucket;
use keystore_core::ids::{AttemptId, BudgetId};
use keystore_core::price::{ModelPrice, UnitPrices};
use keystore_core::record::HeldBudget;
use keystore_core::time::Micros;
use uuid::Uuid;

use super::*;

const HOLD: NanoUsd = NanoUsd(1_000_000);

static PRICE: ModelPrice = ModelPrice {
    model: Cow::Borrowed("m"),
    aliases: Cow::Borrowed(&[]),
    rule: None,
    prices: UnitPrices::NONE
        .with(Bucket::InputUncached, 1_000_000)
        .with(Bucket::OutputText, 1_000_000),
    tiers: Cow::Borrowed(&[]),
    variants: Cow::Borrowed(&[]),
    context_window: None,
    max_input_tokens: None,
    max_output_tokens: None,
    effective_from: None,
    effective_to: None,
};

fn open(limited: bool) -> Open {
    let held = HeldBudget {
        budget: BudgetId::new(Uuid::nil()),
        window_start: Micros(0),
    };
    Open {
        attempt: AttemptId::new(Uuid::nil()),
        began: Duration::ZERO,
        provider: "openai",
        billing: Billing::Metered,
        price: Some(PriceRef::Catalog(&PRICE)),
        per_call: Usage::ZERO,
        budgets: if limited { vec![held] } else { Vec::new() },
        hold: HOLD,
        request_bytes: 0,
        service_tier: None,
        sent: true,
        status: 200,
        first_byte: None,
    }
}

fn end(ending: Ending, reported: bool) -> End {
    End {
        ending,
        metered: Some(Metered {
            usage: Usage::ZERO.with(Bucket::OutputText, 7),
            reported,
            served_model: None,
            service_tier: None,
            output_bytes_seen: 21,
            failed: false,
        }),
        response_bytes: 21,
        refusal: None,
    }
}

/// Hidden reasoning makes what was relayed a bad measure: somebody who leaves early, again and again, must not get it for less
/// than was held.
#[test]
fn an_answer_that_is_left_early_costs_its_hold_under_a_budget() {
    for ending in [Ending::ClientGone, Ending::Deadline] {
        assert_eq!(charge(&open(true), &end(ending, false)).cost, HOLD, "{ending:?}");
        assert_eq!(
            charge(&open(true), &end(ending, true)).cost,
            NanoUsd(7),
            "{ending:?}"
        );
        assert_eq!(
            charge(&open(false), &end(ending, false)).cost,
            NanoUsd(7),
            "{ending:?}"
        );
    }
    for ending in [Ending::Complete, Ending::UpstreamError] {
        assert_eq!(
            charge(&open(true), &end(ending, false)).cost,
            NanoUsd(7),
            "{ending:?}"
        );
    }
}
