//! What is sold for how much.

use uuid::Uuid;

use super::*;
use crate::price::{ModelPrice, Terms, UnitPrices};
use crate::usage::Usage;

fn org(number: u128) -> OrgId {
    OrgId::new(Uuid::from_u128(number))
}

fn listed() -> ModelPrice {
    let prices = UnitPrices::NONE
        .with(Bucket::InputUncached, 1_000)
        .with(Bucket::OutputText, 8_000);
    ModelPrice::flat("gpt-x".into(), prices)
}

const fn rule(rate: Rate) -> PriceRule {
    PriceRule {
        provider: None,
        model: None,
        org: None,
        from: None,
        until: None,
        rate,
    }
}

fn percent(basis_points: i32) -> PriceRule {
    rule(Rate::Markup(Markup::new(None, basis_points, 0)))
}

fn sold_at(rules: Vec<PriceRule>, at: i64) -> Option<Sold> {
    let book = PriceBook {
        version: 1,
        listings: Vec::new(),
        rules,
    };
    book.sell(org(1), "openai", "gpt-x-latest", Some(&listed()), Micros(at))
}

fn input(rules: Vec<PriceRule>) -> i64 {
    let sold = sold_at(rules, 0).unwrap();
    sold.price.prices.get(Bucket::InputUncached).unwrap()
}

#[test]
fn a_book_in_which_nobody_wrote_sells_at_cost() {
    let sold = sold_at(Vec::new(), 0).unwrap();
    assert_eq!((Some(sold.price), sold.until), (sold.cost, None));
    assert_eq!(
        PriceBook::default().sell(org(1), "openai", "gpt-y", None, Micros(0)),
        None
    );
}

#[test]
fn a_share_comes_before_an_amount_and_both_round_up() {
    let both = Markup::new(None, 1_250, 7);
    assert_eq!(both.on(1_000), 1_132);
    assert_eq!(both.on(1), 9, "1.125 rounds up to 2");
    assert_eq!(Markup::new(None, -10_000, 0).on(5), 0);
    assert_eq!(Markup::new(None, 0, -10).on(5), 0, "nothing is sold below zero");
    assert_eq!(Markup::new(None, 10_000, 0).on(i64::MAX), i64::MAX);
    assert_eq!(both.on_amount(1_000), 1_125);
}

#[test]
fn the_nearest_rule_counts() {
    let all = percent(100);
    let provider = PriceRule {
        provider: Some("openai".into()),
        ..percent(200)
    };
    let pattern = PriceRule {
        model: Some("gpt-*".into()),
        ..percent(300)
    };
    let model = PriceRule {
        model: Some("gpt-x".into()),
        ..percent(400)
    };
    let bucket = PriceRule {
        rate: Rate::Markup(Markup::new(Some(Bucket::InputUncached), 500, 0)),
        ..model.clone()
    };
    let own = PriceRule {
        org: Some(org(1)),
        ..percent(600)
    };
    let other = PriceRule {
        org: Some(org(2)),
        ..percent(9_000)
    };
    let elsewhere = PriceRule {
        provider: Some("anthropic".into()),
        ..percent(9_000)
    };
    let ladder = [all, provider, pattern, model, bucket, own];
    for nearest in 0..ladder.len() {
        let mut rules = vec![other.clone(), elsewhere.clone()];
        // In whatever order they stand.
        rules.extend(ladder[..=nearest].iter().rev().cloned());
        let expected = 1_000 + 10 * i64::try_from(nearest + 1).unwrap();
        assert_eq!(input(rules), expected);
    }
}

#[test]
fn a_rule_for_one_kind_of_unit_reaches_a_price_that_stands_for_it() {
    let reasoning = rule(Rate::Markup(Markup::new(Some(Bucket::Reasoning), 10_000, 0)));
    let sold = sold_at(vec![reasoning], 0).unwrap().price.prices;
    assert_eq!(sold.get(Bucket::Reasoning), Some(16_000));
    assert_eq!(sold.get(Bucket::OutputText), Some(8_000));
    // In a tier, too, whose own output stands for it: or it is sold for less than it costs.
    let cost = rule(Rate::Cost {
        units: vec![UnitPrice::new(Bucket::OutputText, 400)],
        tiers: vec![PriceTier {
            above_input_tokens: 100,
            units: vec![UnitPrice::new(Bucket::OutputText, 2_000)],
        }],
        context_window: None,
        max_output_tokens: None,
    });
    let reasoning = rule(Rate::Markup(Markup::new(Some(Bucket::Reasoning), 2_000, 0)));
    let sold = sold_at(vec![cost, reasoning], 0).unwrap().price;
    let of = |bucket, input| {
        let usage = Usage::ZERO.with(bucket, 1_000_000);
        let input = Usage::ZERO.with(Bucket::InputUncached, input);
        let cost = |usage: &Usage| sold.charge(usage, &Terms::default()).unwrap().0;
        cost(&usage.with(Bucket::InputUncached, input.input_tokens())) - cost(&input)
    };
    assert_eq!((of(Bucket::Reasoning, 0), of(Bucket::OutputText, 0)), (480, 400));
    assert_eq!(
        (of(Bucket::Reasoning, 200), of(Bucket::OutputText, 200)),
        (2_400, 2_000)
    );
}

#[test]
fn what_is_set_outright_counts_whatever_it_costs() {
    let cost = rule(Rate::Cost {
        units: vec![UnitPrice::new(Bucket::InputUncached, 500)],
        tiers: vec![PriceTier {
            above_input_tokens: 100,
            units: vec![UnitPrice::new(Bucket::InputUncached, 800)],
        }],
        context_window: Some(1_000),
        max_output_tokens: None,
    });
    let sell = rule(Rate::Sell {
        units: vec![UnitPrice::new(Bucket::OutputText, 9_999)],
        tiers: Vec::new(),
    });
    let sold = sold_at(vec![cost, percent(1_000), sell], 0).unwrap();
    let cost_of = |row: &ModelPrice, input: u64| {
        let usage = Usage::ZERO.with(Bucket::InputUncached, input * 1_000_000);
        row.charge(&usage, &Terms::default()).unwrap().0
    };
    let cost = sold.cost.unwrap();
    assert_eq!(cost.context_window, Some(1_000));
    assert_eq!(cost_of(&cost, 1), 800);
    assert_eq!(cost_of(&sold.price, 1), 880, "tiers carry the markup");
    assert_eq!(sold.price.prices.get(Bucket::InputUncached), Some(550));
    assert_eq!(sold.price.prices.get(Bucket::OutputText), Some(9_999));
}

#[test]
fn a_price_changes_at_its_time() {
    let now = PriceRule {
        until: Some(Micros(100)),
        ..percent(1_000)
    };
    let then = PriceRule {
        from: Some(Micros(100)),
        ..percent(2_000)
    };
    let at = |at| {
        let sold = sold_at(vec![then.clone(), now.clone()], at).unwrap();
        (sold.price.prices.get(Bucket::InputUncached).unwrap(), sold.until)
    };
    assert_eq!(at(99), (1_100, Some(Micros(100))));
    assert_eq!(at(100), (1_200, None));
}

#[test]
fn the_stored_form_goes_round() {
    let book = PriceBook {
        version: 7,
        listings: vec![Listing {
            provider: "openai".into(),
            published: true,
        }],
        rules: vec![
            percent(5),
            rule(Rate::Sell {
                units: vec![UnitPrice::new(Bucket::Requests, 1)],
                tiers: Vec::new(),
            }),
        ],
    };
    assert_eq!(minicbor::decode::<PriceBook>(&book.canonical()).unwrap(), book);
}
