//! The price book.

use keystore_catalog::{Billing, parse_prices, providers};
use keystore_core::price::{ModelPrice, UnitPrices};
use keystore_core::time::Micros;
use keystore_core::usage::Bucket;

use crate::provider;

fn at(day: &str) -> Micros {
    format!("{day}T12:00:00Z").parse().unwrap()
}

/// A price in nano-dollars per million of a bucket.
fn nanos(prices: &UnitPrices, bucket: Bucket) -> Option<i64> {
    prices.written(bucket)
}

fn row(slug: &str, model: &str, day: &str) -> &'static ModelPrice {
    provider(slug)
        .price(model, at(day))
        .unwrap_or_else(|| panic!("{slug} {model}"))
}

#[test]
fn known_prices() {
    let gpt = row("openai", "gpt-5.2", "2026-11-23");
    assert_eq!(nanos(&gpt.prices, Bucket::InputUncached), Some(1_750_000_000));
    assert_eq!(nanos(&gpt.prices, Bucket::CacheRead), Some(175_000_000));
    assert_eq!(nanos(&gpt.prices, Bucket::OutputText), Some(14_000_000_000));
    assert_eq!(
        nanos(&gpt.prices, Bucket::WebSearches),
        Some(10_000_000_000_000),
        "a cent each"
    );
    assert_eq!(
        nanos(&gpt.prices, Bucket::Reasoning),
        None,
        "reasoning is priced as output"
    );
    assert_eq!(
        (gpt.context_window, gpt.max_output_tokens),
        (Some(400_000), Some(128_000))
    );
    for (tier, input) in [
        ("flex", 875_000_000),
        ("priority", 3_500_000_000),
        ("fast", 3_500_000_000),
        ("batch", 875_000_000),
    ] {
        let variant = gpt
            .variants
            .iter()
            .find(|variant| variant.service_tier == tier)
            .unwrap();
        assert_eq!(
            nanos(&variant.prices, Bucket::InputUncached),
            Some(input),
            "{tier}"
        );
    }
    let opus = row("anthropic", "claude-opus-4-6", "2026-11-23");
    assert_eq!(nanos(&opus.prices, Bucket::InputUncached), Some(5_000_000_000));
    assert_eq!(nanos(&opus.prices, Bucket::OutputText), Some(25_000_000_000));
    assert_eq!(nanos(&opus.prices, Bucket::CacheWrite5m), Some(6_250_000_000));
    assert_eq!(nanos(&opus.prices, Bucket::CacheWrite1h), Some(10_000_000_000));
}

#[test]
fn a_price_holds_in_its_time() {
    // Long prompts of Opus 4.6 were dearer until 13 March 2026.
    let before = row("anthropic", "claude-opus-4-6", "2026-03-12");
    let after = row("anthropic", "claude-opus-4-6", "2026-03-13");
    assert_eq!(before.tiers[0].above_input_tokens, 200_000);
    assert_eq!(
        nanos(&before.tiers[0].prices, Bucket::InputUncached),
        Some(10_000_000_000)
    );
    assert_eq!(
        nanos(&before.tiers[0].prices, Bucket::OutputText),
        Some(37_500_000_000)
    );
    assert!(after.tiers.is_empty());
    let midnight: Micros = "2026-03-13T00:00:00Z".parse().unwrap();
    let opus = |time: Micros| provider("anthropic").price("claude-opus-4-6", time).unwrap();
    assert_eq!(opus(midnight), after);
    assert_eq!(opus(Micros(midnight.0 - 1)), before);
}

#[test]
fn deepseek_is_dearer_at_its_rush_hours() {
    let price = |time: &str| {
        let row = provider("deepseek")
            .price("deepseek-flash", time.parse().unwrap())
            .unwrap();
        nanos(&row.prices, Bucket::InputUncached)
    };
    assert_eq!(price("2026-11-23T00:59:59Z"), Some(150_000_000));
    assert_eq!(price("2026-11-23T01:00:00Z"), Some(300_000_000));
    assert_eq!(price("2026-11-23T09:59:59Z"), Some(300_000_000));
    assert_eq!(price("2026-11-22T09:59:59Z"), Some(150_000_000), "a Sunday");
}

#[test]
fn aliases_and_rules_find_their_row() {
    for (slug, asked, model) in [
        ("openai", "gpt-5.2", "gpt-5.2"),
        ("openai", "gpt-5.2-2025-12-11", "gpt-5.2"),
        ("anthropic", "claude-opus-4-6-20260205", "claude-opus-4-6"),
        ("anthropic", "claude-opus-4-6-something", "claude-opus-4-6"),
        ("anthropic", "claude-opus-5-20260901", "claude-opus-5"),
        ("anthropic", "claude-opus-5-5-20260901", "claude-opus-5-5"),
        ("openai", "gpt-6-sol-2026-10-01", "gpt-6-sol"),
        ("gemini", "gemini-2.5-pro", "gemini-2.5-pro"),
        ("gemini", "gemini-2.5-pro-preview-05-06", "gemini-2.5-pro"),
        ("sandbox", "sandbox-chat", "sandbox-chat"),
        ("sandbox", "sandbox-anything", "sandbox-chat"),
    ] {
        assert_eq!(row(slug, asked, "2026-11-23").model, model, "{slug} {asked}");
    }
    // A speech model has its own price, or none; not that of the text model whose name it begins with.
    let speech = provider("gemini").price("gemini-2.5-pro-preview-tts", at("2026-11-23"));
    assert_ne!(speech.map(|row| row.model.as_ref()), Some("gemini-2.5-pro"));
    for (slug, asked) in [
        ("openai", "gpt-99"),
        ("openai", ""),
        ("anthropic", "claude-opus-5-"),
        ("stripe", "gpt-5.2"),
    ] {
        assert!(
            provider(slug).price(asked, at("2026-11-23")).is_none(),
            "{slug} {asked}"
        );
    }
}

/// Everything that a row is called finds a row of that model, as long as the row is in force.
#[test]
fn every_row_is_found_by_its_names() {
    let mut rows = 0;
    for provider in providers() {
        for priced in provider.prices.rows.iter().filter(|row| row.windows.is_empty()) {
            let price = &priced.price;
            let time = Micros::from_seconds(
                price
                    .effective_from
                    .or(price.effective_to.map(|to| to - 1))
                    .unwrap_or(0),
            );
            assert!(priced.in_force(time));
            let found = provider.price(&price.model, time).unwrap();
            assert_eq!(found.model, price.model);
            for alias in price.aliases.iter() {
                assert_eq!(
                    provider.price(alias, time).unwrap().model,
                    price.model,
                    "{} {alias}",
                    provider.slug
                );
            }
            rows += 1;
        }
    }
    assert!(rows > 600, "{rows}");
}

#[test]
fn a_call_with_a_price_has_one_today() {
    for provider in providers() {
        for operation in provider
            .operations
            .iter()
            .filter(|operation| operation.billing == Billing::PerCall)
        {
            let price = provider
                .price(operation.price_model.as_deref().unwrap(), at("2026-11-23"))
                .unwrap();
            assert!(
                nanos(&price.prices, Bucket::Requests).unwrap() > 0,
                "{} {}",
                provider.slug,
                operation.name
            );
        }
    }
    let search = row("tavily", "search-advanced", "2026-11-23");
    assert_eq!(
        nanos(&search.prices, Bucket::Requests),
        Some(16_000_000_000_000),
        "1.6 cents each"
    );
}

/// A strict budget needs to know how much a chat model can say at most.
#[test]
fn the_usual_models_have_bounds() {
    for (slug, model) in [
        ("openai", "gpt-5.2"),
        ("openai", "gpt-4o-mini"),
        ("anthropic", "claude-opus-4-6"),
        ("gemini", "gemini-2.5-pro"),
        ("deepseek", "deepseek-chat"),
        ("sandbox", "sandbox-chat"),
    ] {
        let row = row(slug, model, "2026-11-23");
        let window = row.context_window.unwrap();
        assert!(
            row.max_output_tokens.unwrap() > 0 && row.max_input_tokens.is_none_or(|input| input <= window),
            "{slug} {model}"
        );
    }
}

#[test]
fn the_version_follows_the_rows() {
    let table = |price: &str| {
        parse_prices(
            "p",
            &format!("# x\n[[models]]\nid = \"a\"\ntokens = {{ input_uncached = \"{price}\" }}\n"),
        )
        .unwrap()
        .version
    };
    assert_eq!(table("1"), table("1.0"), "the same price");
    assert_ne!(table("1"), table("1.000000001"));
    assert_eq!(table("1").len(), 16);
    assert_eq!(parse_prices("p", "").unwrap().version, "");
}
