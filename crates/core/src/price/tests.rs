mod properties;

use super::*;
use crate::money::NanoUsd;
use crate::usage::{Bucket, Usage};

/// Served in a service tier, and nothing else.
fn tier(service_tier: Option<&str>) -> Terms<'_> {
    Terms {
        service_tier,
        ..Terms::default()
    }
}

fn row(prices: UnitPrices) -> ModelPrice {
    ModelPrice {
        context_window: Some(200_000),
        max_output_tokens: Some(64_000),
        ..ModelPrice::flat("model".into(), prices)
    }
}

/// $3 a million in, $0.30 cached, $15 out.
fn base() -> UnitPrices {
    UnitPrices::NONE
        .with(Bucket::InputUncached, 3_000_000_000)
        .with(Bucket::CacheRead, 300_000_000)
        .with(Bucket::OutputText, 15_000_000_000)
}

fn long_context() -> ModelPrice {
    let dear = UnitPrices::NONE
        .with(Bucket::InputUncached, 6_000_000_000)
        .with(Bucket::OutputText, 22_500_000_000);
    ModelPrice {
        tiers: vec![Tier {
            above_input_tokens: 100_000,
            prices: dear,
        }]
        .into(),
        ..row(base())
    }
}

fn with_variants() -> ModelPrice {
    let variant = |name: &'static str, input, output| Variant {
        service_tier: name.into(),
        prices: UnitPrices::NONE
            .with(Bucket::InputUncached, input)
            .with(Bucket::OutputText, output),
        tiers: Cow::Borrowed(&[]),
    };
    ModelPrice {
        variants: vec![
            variant("flex", 1_500_000_000, 7_500_000_000),
            variant("priority", 6_000_000_000, 30_000_000_000),
        ]
        .into(),
        ..long_context()
    }
}

fn request() -> BoundInput<'static> {
    BoundInput {
        input_tokens: 1_000,
        unbounded_input: false,
        rounds: Some(1),
        n: 1,
        max_output: Some(1_000),
        terms: tier(Some("default")),
        calls: &[],
    }
}

#[test]
fn lines_are_rounded_up_and_added() {
    let usage = Usage::ZERO
        .with(Bucket::InputUncached, 25)
        .with(Bucket::CacheRead, 12_000)
        .with(Bucket::OutputText, 480);
    // 75,000 + 3,600,000 + 7,200,000 nano-dollars.
    assert_eq!(
        row(base()).charge(&usage, &Terms::default()),
        Ok(NanoUsd(10_875_000))
    );
    let tiny = UnitPrices::NONE
        .with(Bucket::InputUncached, 1)
        .with(Bucket::OutputText, 1_000_001);
    let usage = Usage::ZERO
        .with(Bucket::InputUncached, 1)
        .with(Bucket::OutputText, 1);
    assert_eq!(row(tiny).charge(&usage, &Terms::default()), Ok(NanoUsd(3)));
    assert_eq!(
        row(base()).charge(&Usage::ZERO, &Terms::default()),
        Ok(NanoUsd(0))
    );
}

#[test]
fn substitutes_are_never_cheaper_kinds() {
    use Bucket::{
        AudioCacheRead, AudioIn, CacheRead, CacheWrite, CacheWrite1h, CacheWrite5m, Reasoning, WebSearches,
    };
    let prices = UnitPrices::NONE
        .with(Bucket::InputUncached, 10)
        .with(Bucket::OutputText, 20);
    for (bucket, price) in [
        (CacheRead, Some(10)),
        (CacheWrite, Some(10)),
        (CacheWrite1h, Some(10)),
        (AudioIn, Some(10)),
        (Reasoning, Some(20)),
        (Bucket::ImageOut, Some(20)),
        (WebSearches, None),
        (Bucket::Requests, None),
        (Bucket::VendorCostNanos, None),
    ] {
        assert_eq!(prices.get(bucket), price, "{bucket:?}");
    }
    let writes = prices.clone().with(CacheWrite5m, 12).with(CacheWrite1h, 20);
    assert_eq!(writes.get(CacheWrite), Some(20));
    assert_eq!(prices.clone().with(CacheWrite5m, 12).get(CacheWrite1h), Some(12));
    assert_eq!(prices.clone().with(AudioIn, 40).get(AudioCacheRead), Some(40));
    assert_eq!(
        prices.with(Reasoning, 0).get(Reasoning),
        Some(0),
        "zero is a price"
    );
    assert_eq!(UnitPrices::NONE.with(AudioIn, 1).get(Bucket::InputUncached), None);
}

#[test]
fn what_has_no_price_is_named_and_the_rest_is_known() {
    let usage = Usage::ZERO
        .with(Bucket::InputUncached, 1_000)
        .with(Bucket::WebSearches, 2)
        .with(Bucket::Pages, 1);
    assert_eq!(
        row(base()).charge(&usage, &Terms::default()),
        Err(Unpriced {
            bucket: Bucket::WebSearches,
            priced: NanoUsd(3_000_000)
        })
    );
}

#[test]
fn all_input_together_chooses_the_tier_of_the_whole_request() {
    let usage = |cached| {
        Usage::ZERO
            .with(Bucket::InputUncached, 1_000)
            .with(Bucket::CacheRead, cached)
            .with(Bucket::OutputText, 1_000)
    };
    let row = long_context();
    assert_eq!(
        row.charge(&usage(99_000), &Terms::default()),
        Ok(NanoUsd(3_000_000 + 29_700_000 + 15_000_000))
    );
    // One more: uncached and output at the tier's price, cache reads keep the base price.
    assert_eq!(
        row.charge(&usage(99_001), &Terms::default()),
        Ok(NanoUsd(6_000_000 + 29_700_300 + 22_500_000))
    );
}

#[test]
fn the_served_tier_chooses_the_variant() {
    let row = with_variants();
    let usage = Usage::ZERO
        .with(Bucket::InputUncached, 1_000)
        .with(Bucket::OutputText, 1_000);
    for (name, nanos) in [
        (None, 18_000_000),
        (Some("default"), 18_000_000),
        (Some("Standard"), 18_000_000),
        (Some("flex"), 9_000_000),
        (Some("PRIORITY"), 36_000_000),
        (Some("scale"), 36_000_000),
    ] {
        assert_eq!(row.charge(&usage, &tier(name)), Ok(NanoUsd(nanos)), "{name:?}");
    }
    // A variant without tiers is not cheaper than the base prices' tier.
    let long = Usage::ZERO.with(Bucket::InputUncached, 150_000);
    assert_eq!(row.charge(&long, &tier(Some("flex"))), Ok(NanoUsd(900_000_000)));
}

#[test]
fn what_is_beyond_belief_is_not_believed() {
    let prices = UnitPrices::NONE
        .with(Bucket::InputUncached, i64::MAX)
        .with(Bucket::OutputText, i64::MAX);
    let row = ModelPrice {
        context_window: None,
        ..row(prices)
    };
    let usage = Usage::ZERO
        .with(Bucket::InputUncached, u64::MAX)
        .with(Bucket::OutputText, u64::MAX);
    // A million dollars for each kind.
    assert_eq!(
        row.charge(&usage, &Terms::default()),
        Ok(NanoUsd(2_000_000_000_000_000))
    );
    let lines = row.lines(&usage, &Terms::default());
    assert_eq!(
        lines.iter().map(|line| line.amount.0).sum::<i64>(),
        2_000_000_000_000_000
    );
    // A bound is what it is: nothing is let through that could cost as much.
    let request = BoundInput {
        input_tokens: u64::MAX,
        n: u64::MAX / 2,
        max_output: Some(2),
        ..request()
    };
    assert_eq!(row.bound(&request), Some(NanoUsd::MAX));
    assert_eq!(row.affordable_output(&request, NanoUsd::MAX), None);
}

#[test]
fn a_bound_needs_something_that_bounds() {
    let known = row(base());
    // 1,000 x $3 + 1,000 x $15, and room for rounding.
    assert_eq!(known.bound(&request()), Some(NanoUsd(18_000_024)));
    let open = BoundInput {
        unbounded_input: true,
        ..request()
    };
    assert_eq!(known.bound(&open), Some(NanoUsd(600_000_000 + 15_000_000 + 24)));
    let uncapped = BoundInput {
        max_output: None,
        ..request()
    };
    assert_eq!(
        known.bound(&uncapped),
        Some(NanoUsd(3_000_000 + 960_000_000 + 24))
    );
    let huge = BoundInput {
        input_tokens: 33_554_432,
        ..request()
    };
    assert_eq!(known.bound(&huge), known.bound(&open));

    let unknown = ModelPrice {
        context_window: None,
        max_output_tokens: None,
        ..row(base())
    };
    assert_eq!(unknown.bound(&request()), Some(NanoUsd(18_000_024)));
    assert_eq!(unknown.bound(&uncapped), None);
    assert_eq!(unknown.bound(&open), None);
    assert_eq!(row(UnitPrices::NONE).bound(&request()), None);
    // A tier that begins at the window says that the vendor takes more than that.
    let more = ModelPrice {
        context_window: Some(100_000),
        ..long_context()
    };
    assert_eq!(more.bound(&open), None);
    assert_eq!(
        more.bound(&huge),
        Some(NanoUsd(33_554_432 * 6_000 + 22_500_000 + 24))
    );
}

#[test]
fn a_bound_covers_every_tier_in_which_the_request_may_be_served() {
    let row = with_variants();
    let at = |service_tier| {
        row.bound(&BoundInput {
            terms: tier(service_tier),
            ..request()
        })
        .unwrap()
        .0 - 24
    };
    assert_eq!(at(Some("default")), 18_000_000);
    assert_eq!(at(Some("flex")), 18_000_000, "flex may be served as default");
    for dear in [None, Some("auto"), Some("priority"), Some("something new")] {
        assert_eq!(at(dear), 36_000_000, "{dear:?}");
    }
}

#[test]
fn what_was_chosen_has_its_price_or_the_dearest() {
    let when = |member: &'static str, value: &'static str| (Cow::Borrowed(member), Cow::Borrowed(value));
    let choice = |when: Vec<_>, price| Choice {
        when: when.into(),
        prices: UnitPrices::NONE.with(Bucket::Images, price),
    };
    let row = ModelPrice {
        choices: vec![
            choice(vec![when("quality", "hd"), when("size", "large")], 120_000_000),
            choice(vec![when("quality", "hd")], 80_000_000),
            choice(vec![when("quality", "standard")], 40_000_000),
        ]
        .into(),
        ..row(UnitPrices::NONE.with(Bucket::Images, 40_000_000))
    };
    for (said, nanos) in [
        (vec![], 40),
        (vec![("quality", "standard")], 40),
        (vec![("quality", "HD")], 80),
        (vec![("quality", "hd"), ("size", "small")], 80),
        (vec![("quality", "hd"), ("size", "large")], 120),
        (vec![("quality", "best")], 120),
        (vec![("size", "large")], 120),
    ] {
        let chosen: Vec<Chosen> = said
            .iter()
            .map(|(member, value)| Chosen {
                member: (*member).into(),
                value: (*value).to_owned(),
            })
            .collect();
        let terms = Terms {
            chosen: &chosen,
            ..Terms::default()
        };
        let one = Usage::ZERO.with(Bucket::Images, 1);
        assert_eq!(row.charge(&one, &terms), Ok(NanoUsd(nanos)), "{said:?}");
        let request = BoundInput {
            input_tokens: 0,
            max_output: Some(0),
            terms,
            calls: &[(Bucket::Images, Some(2))],
            ..request()
        };
        assert_eq!(row.bound(&request), Some(NanoUsd(2 * nanos + 24)), "{said:?}");
    }
}

#[test]
fn a_place_costs_more_and_only_by_the_token() {
    let surcharge = |place, per_mille| Surcharge { place, per_mille };
    let row = ModelPrice {
        surcharges: vec![
            surcharge(Place::Inference("us".into()), 1_100),
            surcharge(Place::Host("eu".into()), 1_250),
        ]
        .into(),
        ..row(base().with(Bucket::WebSearches, 10_000_000_000))
    };
    let usage = Usage::ZERO
        .with(Bucket::InputUncached, 1_000)
        .with(Bucket::WebSearches, 2);
    let fee = 20_000;
    for (geo, host, charged, bound) in [
        (None, "", 3_000_000, 3_300_000),
        (Some("global"), "", 3_000_000, 3_000_000),
        (Some("not_available"), "", 3_000_000, 3_000_000),
        (Some("US"), "", 3_300_000, 3_300_000),
        (Some("mars"), "", 3_300_000, 3_300_000),
        (None, "eu", 3_750_000, 3_750_000),
        (Some("us"), "eu", 3_750_000, 3_750_000),
        (Some("global"), "us", 3_000_000, 3_000_000),
    ] {
        let terms = Terms {
            inference_geo: geo,
            host,
            ..tier(Some("default"))
        };
        assert_eq!(
            row.charge(&usage, &terms),
            Ok(NanoUsd(charged + fee)),
            "{geo:?} {host}"
        );
        let request = BoundInput {
            max_output: Some(0),
            terms,
            calls: &[(Bucket::WebSearches, Some(2))],
            ..request()
        };
        assert_eq!(
            row.bound(&request),
            Some(NanoUsd(bound + fee + 24)),
            "{geo:?} {host}"
        );
    }
    // Each line is rounded up once, with the surcharge in it.
    let one = Usage::ZERO.with(Bucket::CacheRead, 1);
    let eu = Terms {
        host: "eu",
        ..Terms::default()
    };
    assert_eq!(row.charge(&one, &eu), Ok(NanoUsd(375)));
}

#[test]
fn a_list_keeps_what_it_is_given() {
    let list = UnitPrices::NONE
        .with(Bucket::OutputText, 3)
        .with(Bucket::InputUncached, 1)
        .with(Bucket::ImagesIn, 4)
        .with(Bucket::InputUncached, 2);
    let expected = [
        (Bucket::InputUncached, 2),
        (Bucket::OutputText, 3),
        (Bucket::ImagesIn, 4),
    ];
    assert!(list.iter().eq(expected));
    assert_eq!(list.written(Bucket::CacheRead), None);
    let over = UnitPrices::NONE
        .with(Bucket::OutputText, 9)
        .with(Bucket::Pages, 5);
    let both = list.overlaid(&over);
    assert_eq!(both.written(Bucket::OutputText), Some(9));
    assert_eq!(both.written(Bucket::Pages), Some(5));
    assert_eq!(both.written(Bucket::ImagesIn), Some(4));
}

#[test]
fn calls_with_a_fee_are_bounded_or_unpriced() {
    let row = row(base().with(Bucket::WebSearches, 10_000_000_000_000));
    let bound = |calls| row.bound(&BoundInput { calls, ..request() });
    assert_eq!(
        bound(&[(Bucket::WebSearches, Some(5))]),
        Some(NanoUsd(18_000_024 + 50_000_000))
    );
    assert_eq!(bound(&[(Bucket::WebSearches, None)]), None);
    assert_eq!(bound(&[(Bucket::FileSearches, Some(1))]), None);
}

#[test]
fn what_is_not_charged_by_tokens_needs_no_price_of_tokens() {
    let row = row(UnitPrices::NONE.with(Bucket::Images, 40_000_000_000_000));
    let images = BoundInput {
        input_tokens: 0,
        max_output: Some(0),
        calls: &[(Bucket::Images, Some(3))],
        ..request()
    };
    assert_eq!(row.bound(&images), Some(NanoUsd(120_000_024)));
    assert_eq!(
        row.bound(&BoundInput {
            input_tokens: 1,
            ..images
        }),
        None
    );
}

#[test]
fn every_round_of_a_tool_reads_a_full_window() {
    let row = ModelPrice {
        context_window: Some(10_000),
        ..row(base())
    };
    let rounds = |rounds| {
        row.bound(&BoundInput {
            rounds,
            max_output: Some(0),
            ..request()
        })
    };
    let window = 10_000 * 3_000;
    assert_eq!(rounds(Some(3)), Some(NanoUsd(3 * window + 24)));
    assert_eq!(rounds(None), None);
}

#[test]
fn embeddings_have_no_output() {
    let row = ModelPrice {
        max_output_tokens: None,
        context_window: None,
        ..row(UnitPrices::NONE.with(Bucket::InputUncached, 20_000_000))
    };
    let request = BoundInput {
        max_output: None,
        ..request()
    };
    assert_eq!(row.bound(&request), Some(NanoUsd(20_024)));
    assert_eq!(row.affordable_output(&request, NanoUsd(20_024)), Some(u64::MAX));
    assert_eq!(row.affordable_output(&request, NanoUsd(20_023)), None);
}

/// Written out or not, a price costs the same.
#[test]
fn a_price_that_is_written_out_costs_what_it_did() {
    let list = |output| {
        UnitPrices::NONE
            .with(Bucket::InputUncached, 1_000)
            .with(Bucket::OutputText, output)
    };
    let tiers = |output| -> Cow<'static, [Tier]> {
        Cow::Owned(vec![Tier {
            above_input_tokens: 100,
            prices: UnitPrices::NONE.with(Bucket::OutputText, output),
        }])
    };
    let plain = ModelPrice {
        tiers: tiers(7_000),
        variants: Cow::Owned(vec![Variant {
            service_tier: Cow::Borrowed("flex"),
            prices: UnitPrices::NONE.with(Bucket::OutputText, 3_000),
            tiers: tiers(5_000),
        }]),
        ..row(list(4_000).with(Bucket::CacheWrite5m, 1_250))
    };
    for bucket in [
        Bucket::Reasoning,
        Bucket::CacheWrite1h,
        Bucket::CacheRead,
        Bucket::WebSearches,
    ] {
        let written = plain.clone().with_written(bucket);
        for (input, flex) in [(1, false), (200, false), (1, true), (200, true)] {
            let usage = Usage::ZERO.with(Bucket::InputUncached, input).with(bucket, 50);
            let terms = tier(flex.then_some("flex"));
            assert_eq!(
                written.charge(&usage, &terms),
                plain.charge(&usage, &terms),
                "{bucket:?}"
            );
        }
    }
}
