//! What holds for every row and every request.

use proptest::prelude::*;

use super::super::charge::{DearestTokens, INPUT, OUTPUT, UNITS_PER_PRICE, per_price};
use super::super::list::Layers;
use super::*;

fn prices() -> impl Strategy<Value = UnitPrices> {
    let price = prop_oneof![
        3 => Just(None),
        1 => Just(Some(0)),
        4 => (1_i64..100_000_000_000).prop_map(Some),
    ];
    prop::collection::vec(price, Bucket::COUNT).prop_map(|prices| {
        Bucket::ALL
            .into_iter()
            .zip(prices)
            .filter_map(|(bucket, price)| Some((bucket, price?)))
            .fold(UnitPrices::NONE, |list, (bucket, price)| list.with(bucket, price))
    })
}

fn tiers() -> impl Strategy<Value = Vec<Tier>> {
    prop::collection::vec(
        (0_u64..300_000, prices()).prop_map(|(above_input_tokens, prices)| Tier {
            above_input_tokens,
            prices,
        }),
        0..3,
    )
}

/// What a resolution costs, by its number.
fn choices() -> impl Strategy<Value = Vec<Choice>> {
    prop::collection::vec(prices(), 0..3).prop_map(|lists| {
        let number = |(number, prices): (usize, UnitPrices)| Choice {
            when: vec![("resolution".into(), number.to_string().into())].into(),
            prices,
        };
        lists.into_iter().enumerate().map(number).collect()
    })
}

fn surcharges() -> impl Strategy<Value = Vec<Surcharge>> {
    let surcharge = (any::<bool>(), 1_000_u32..3_000).prop_map(|(by_host, per_mille)| Surcharge {
        place: match by_host {
            true => Place::Host("eu".into()),
            false => Place::Inference("us".into()),
        },
        per_mille,
    });
    prop::collection::vec(surcharge, 0..3)
}

const NAMES: [&str; 4] = ["flex", "priority", "batch", "default"];

fn any_row() -> impl Strategy<Value = ModelPrice> {
    let variants = prop::collection::vec((0_usize..3, prices(), tiers()), 0..3).prop_map(|variants| {
        variants
            .into_iter()
            .map(|(name, prices, tiers)| Variant {
                service_tier: NAMES[name].into(),
                prices,
                tiers: tiers.into(),
            })
            .collect::<Vec<_>>()
    });
    let sizes = (
        prop::option::of(1_u64..400_000),
        prop::option::of(1_u64..400_000),
        prop::option::of(1_u64..100_000),
    );
    let special = (choices(), surcharges());
    (prices(), 0_i64..10_000_000_000, tiers(), variants, sizes, special).prop_map(
        |(prices, input, tiers, variants, sizes, (choices, surcharges))| {
            let (context_window, max_input_tokens, max_output_tokens) = sizes;
            ModelPrice {
                tiers: tiers.into(),
                variants: variants.into(),
                choices: choices.into(),
                surcharges: surcharges.into(),
                context_window,
                max_input_tokens,
                max_output_tokens,
                ..row(prices.with(Bucket::InputUncached, input))
            }
        },
    )
}

/// Splits `total` over buckets by weights.
fn split(total: u64, weights: &[u8], buckets: &[Bucket], mut usage: Usage) -> Usage {
    let all: u64 = weights
        .iter()
        .map(|weight| u64::from(*weight))
        .sum::<u64>()
        .max(1);
    let mut rest = total;
    for (bucket, weight) in buckets.iter().zip(weights) {
        let share = total * u64::from(*weight) / all;
        usage.set(*bucket, share);
        rest -= share;
    }
    usage.set(buckets[0], usage.get(buckets[0]) + rest);
    usage
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(1_000)))]

    /// No usage within the bounds, in no tier in which the request may be served, costs more than the bound.
    #[test]
    fn no_charge_passes_its_bound(
        row in any_row(),
        asked in prop::option::of(prop::sample::select(&["auto", "flex", "priority", "default", "unheard-of"][..])),
        served in prop::sample::select(&["flex", "priority", "batch", "default", "scale"][..]),
        body_tokens in 0_u64..500_000,
        unbounded_input: bool,
        n in 1_u64..5,
        cap in prop::option::of(0_u64..100_000),
        searches in 0_u64..10,
        resolution in prop::option::of(0_u8..4),
        geo in prop::option::of(prop::sample::select(&["us", "global", "mars"][..])),
        reported in prop::option::of(prop::sample::select(&["us", "global", "mars"][..])),
        host in prop::sample::select(&["", "eu"][..]),
        shares in (0_u64..=100, 0_u64..=100),
        weights in prop::collection::vec(any::<u8>(), INPUT.len() + OUTPUT.len()),
    ) {
        let calls = [(Bucket::WebSearches, Some(searches))];
        let chosen: Vec<Chosen> = resolution
            .map(|number| Chosen { member: "resolution".into(), value: number.to_string() })
            .into_iter()
            .collect();
        let terms = Terms { service_tier: asked, inference_geo: geo, host, chosen: &chosen };
        let request = BoundInput {
            input_tokens: body_tokens, unbounded_input, n, max_output: cap, terms, calls: &calls, rounds: Some(1),
        };
        let Some(bound) = row.bound(&request) else { return Ok(()) };

        // What the request does not contain is limited by the vendor's window, and what it contains by both.
        let window = row.context_window.max(row.max_input_tokens);
        let most_input = if unbounded_input { window.unwrap() } else { body_tokens };
        let lists = std::iter::once(&row.prices).chain(row.choices.iter().map(|choice| &choice.prices));
        let makes_output = lists.flat_map(UnitPrices::iter).any(|(bucket, _)| OUTPUT.contains(&bucket));
        let most_output = match makes_output {
            true => n * cap.or(row.max_output_tokens).or(row.context_window).unwrap_or(0),
            false => 0,
        };
        let beyond = row.input_ceiling().is_none();
        let most_input = if beyond { most_input } else { most_input.min(window.unwrap_or(u64::MAX)) };
        let usage = split(most_input * shares.0 / 100, &weights[..INPUT.len()], &INPUT, Usage::ZERO);
        let usage = split(most_output * shares.1 / 100, &weights[INPUT.len()..], &OUTPUT, usage)
            .with(Bucket::WebSearches, searches);

        // The tiers in which the request may be served: see `bound`.
        let named = asked.filter(|name| *name == "default" || row.variant(name).is_some());
        let served = match named {
            None => served,
            Some(name) if served == name => name,
            Some(_) => "default",
        };
        // Inference runs where it was asked for, or where the account says.
        let inference_geo = geo.or(reported);
        let terms = Terms { service_tier: Some(served), inference_geo, ..terms };
        match row.charge(&usage, &terms) {
            Ok(cost) => prop_assert!(cost <= bound, "{cost:?} > {bound:?}"),
            Err(unpriced) => prop_assert!(unpriced.priced <= bound),
        }
    }

    /// The dearest price of a kind of tokens is what asking for each bucket of the kind would say.
    #[test]
    fn the_dearest_tokens_are_found_without_asking_for_each(
        lists in prop::collection::vec([prices(), prices()], 1..4),
    ) {
        let layers: Vec<_> = lists.iter().map(|[over, under]| Layers::of([over, under])).collect();
        let of = |bucket: &Bucket| layers.iter().filter_map(|list| list.get(*bucket)).max();
        for (kind, plain) in [(&INPUT[..], Bucket::InputUncached), (&OUTPUT[..], Bucket::OutputText)] {
            let mut found = DearestTokens::new(kind, plain);
            layers.iter().for_each(|list| found.see(list));
            let each = kind.iter().map(of).try_fold(0, |dearest: i64, price| Some(dearest.max(price?)));
            prop_assert_eq!(found.get(), each);
            prop_assert_eq!(found.is_known(), kind.iter().any(|bucket| of(bucket).is_some()));
        }
    }

    /// What fits into 64 bits is divided as all else is.
    #[test]
    fn a_division_is_the_same_in_64_bits(beyond: u64, near in -2_i128..3) {
        for product in [beyond.into(), i128::from(u64::MAX) + near, i128::from(beyond) << 40] {
            prop_assert_eq!(per_price(product), product / UNITS_PER_PRICE);
        }
    }

    /// The affordable cap fits, and one more does not, unless the model ends there.
    #[test]
    fn the_affordable_cap_is_the_largest_that_fits(row in any_row(), n in 1_u64..5, headroom in 0_i64..5_000_000_000) {
        let with_cap = |cap| BoundInput { n, max_output: Some(cap), ..request() };
        let headroom = NanoUsd(headroom);
        match row.affordable_output(&with_cap(0), headroom) {
            Some(u64::MAX) => prop_assert!(row.bound(&with_cap(u64::MAX)) <= Some(headroom)),
            Some(cap) => {
                prop_assert!(row.bound(&with_cap(cap)).unwrap() <= headroom);
                let at_the_end = Some(cap) == row.max_output_tokens.or(row.context_window);
                prop_assert!(at_the_end || row.bound(&with_cap(cap + 1)).unwrap() > headroom);
            }
            None => prop_assert!(row.bound(&with_cap(0)).is_none_or(|bound| bound > headroom)),
        }
    }
}
