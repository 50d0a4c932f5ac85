//! Every priced model is charged what its file says.
//!
//! The oracle reads the TOML as it stands and calculates with decimal fractions of dollars, knowing nothing of the tables that
//! `build.rs` wrote: buckets without a price, tiers, variants, choices, surcharges and windows are told here a second time, in other words.

use std::collections::BTreeMap;
use std::path::PathBuf;

use keystore_catalog::{Provider, providers};
use keystore_core::price::{Chosen, Terms, Unpriced};
use keystore_core::time::Micros;
use keystore_core::usage::{Bucket, Usage};
use toml::{Table, Value};

/// Dollars, exactly: an integer of 10^-15.
type Dollars = i128;
const DOLLAR: Dollars = 1_000_000_000_000_000;
/// A nano-dollar.
const NANO: Dollars = 1_000_000;

/// The price of one unit, by the name of the bucket. Tokens are written per million.
type Prices = BTreeMap<String, Dollars>;

fn dollars(text: &str) -> Dollars {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction: Dollars = format!("{fraction:0<15}").parse().unwrap();
    whole.parse::<Dollars>().unwrap() * DOLLAR + fraction
}

/// What a table says of prices; per unit, tokens times a million.
fn said(table: &Table) -> Prices {
    let list = |key: &str| {
        table
            .get(key)
            .and_then(Value::as_table)
            .cloned()
            .unwrap_or_default()
    };
    let tokens = list("tokens");
    let units = list("units");
    let price = |value: &Value, scale| dollars(value.as_str().unwrap()) * scale;
    tokens
        .iter()
        .map(|(name, value)| (name.clone(), price(value, 1)))
        .chain(
            units
                .iter()
                .map(|(name, value)| (name.clone(), price(value, 1_000_000))),
        )
        .collect()
}

fn laid_over(base: &Prices, over: &Prices) -> Prices {
    let mut prices = base.clone();
    prices.extend(over.clone());
    prices
}

/// The price of a bucket, or of what vendors charge no less for.
fn of(prices: &Prices, bucket: &str) -> Option<Dollars> {
    if let Some(price) = prices.get(bucket) {
        return Some(*price);
    }
    let first = |names: &[&str]| names.iter().find_map(|name| prices.get(*name).copied());
    match bucket {
        "reasoning" | "audio_out" | "image_out" | "video_out" => first(&["output_text"]),
        "cache_write" | "cache_write_5m" | "cache_write_1h" => {
            ["cache_write", "cache_write_5m", "cache_write_1h"]
                .iter()
                .filter_map(|name| prices.get(*name).copied())
                .max()
                .or_else(|| first(&["input_uncached"]))
        }
        "audio_cache_read" | "audio_cache_write" => first(&["audio_in", "input_uncached"]),
        "image_cache_read" => first(&["image_in", "input_uncached"]),
        "cache_read" | "audio_in" | "image_in" | "video_in" | "citations" => first(&["input_uncached"]),
        _ => None,
    }
}

/// The dearer of two lists of prices, bucket by bucket.
fn dearer(left: &Prices, right: &Prices) -> Prices {
    let names = Bucket::ALL.map(Bucket::name);
    names
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), of(left, name).max(of(right, name))?)))
        .collect()
}

fn tables(table: &Table, key: &str) -> Vec<Table> {
    let list = table.get(key).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .map(|value| value.as_table().unwrap().clone())
        .collect()
}

/// The tier that this much input reaches: the last one in the file whose threshold is passed.
fn tier(table: &Table, input: i64) -> Option<Prices> {
    let reached = |tier: &Table| input > tier["above_input_tokens"].as_integer().unwrap();
    tables(table, "tiers")
        .into_iter()
        .rfind(reached)
        .map(|tier| said(&tier))
}

/// What a request asks for and the vendor says that it served.
#[derive(Debug, Clone, Default)]
struct Case {
    tier: Option<String>,
    /// Members of the request and their values.
    chosen: Vec<(String, String)>,
    geo: Option<String>,
    host: String,
}

/// The lists that may be laid over the prices of the model for what the request chose: one, or all where none is known to fit.
fn choices(model: &Table, case: &Case) -> Vec<Prices> {
    let all = tables(model, "choices");
    if case.chosen.is_empty() {
        return vec![Prices::new()];
    }
    let fits = |choice: &&Table| {
        choice["when"].as_table().unwrap().iter().all(|(member, value)| {
            let wanted = (member.clone(), value.as_str().unwrap().to_owned());
            case.chosen.contains(&wanted)
        })
    };
    match all.iter().find(fits) {
        Some(choice) => vec![said(choice)],
        None => std::iter::once(Prices::new())
            .chain(all.iter().map(said))
            .collect(),
    }
}

/// The prices of a model at this length of input, as it was served.
fn prices_of(model: &Table, base: &Prices, input: i64, case: &Case) -> Prices {
    choices(model, case)
        .iter()
        .map(|choice| prices_in_tier(model, &laid_over(base, choice), input, case.tier.as_deref()))
        .reduce(|left, right| dearer(&left, &right))
        .unwrap()
}

fn prices_in_tier(model: &Table, base: &Prices, input: i64, served: Option<&str>) -> Prices {
    let plain = laid_over(base, &tier(model, input).unwrap_or_default());
    let variant = |variant: &Table| {
        let own = laid_over(base, &said(variant));
        match tier(variant, input) {
            Some(tier) => laid_over(&own, &tier),
            None if tables(variant, "tiers").is_empty() && tier(model, input).is_some() => {
                dearer(&own, &plain)
            }
            None => own,
        }
    };
    let variants = tables(model, "variants");
    match served {
        None => plain,
        Some(name) => match variants
            .iter()
            .find(|known| known["service_tier"].as_str() == Some(name))
        {
            Some(known) => variant(known),
            None => variants
                .iter()
                .fold(plain.clone(), |dearest, known| dearer(&dearest, &variant(known))),
        },
    }
}

/// How many thousandths of their price tokens cost at the place: of a place that the file does not name, the most.
fn surcharge(model: &Table, case: &Case) -> Dollars {
    let thousandths = |table: &Table| dollars(table["tokens"].as_str().unwrap()) / (DOLLAR / 1_000);
    let all = tables(model, "surcharges");
    let by_host = all
        .iter()
        .filter(|table| table.get("host").and_then(Value::as_str) == Some(&case.host))
        .map(thousandths);
    let geos: Vec<&Table> = all
        .iter()
        .filter(|table| table.contains_key("inference_geo"))
        .collect();
    let named = geos
        .iter()
        .filter(|table| table["inference_geo"].as_str() == case.geo.as_deref())
        .map(|table| thousandths(table))
        .max();
    let by_geo = match case.geo.as_deref() {
        None | Some("global") => None,
        Some(_) => named.or(geos.iter().map(|table| thousandths(table)).max()),
    };
    by_host.chain(by_geo).max().unwrap_or(1_000)
}

/// What a usage costs in nano-dollars: each line rounded up. Or the first bucket without a price.
fn cost(prices: &Prices, usage: &Usage, surcharge: Dollars) -> Result<i64, Bucket> {
    let mut sum = 0;
    let mut without = None;
    for (bucket, units) in usage.iter() {
        match of(prices, bucket.name()) {
            Some(price) => {
                let more = if bucket.is_tokens() { surcharge } else { 1_000 };
                sum += (i128::from(units) * price * more).div_ceil_by(NANO * 1_000_000 * 1_000);
            }
            None => without = without.or(Some(bucket)),
        }
    }
    match without {
        None => Ok(i64::try_from(sum).unwrap()),
        Some(bucket) => Err(bucket),
    }
}

trait DivCeil {
    fn div_ceil_by(self, by: Self) -> Self;
}

impl DivCeil for i128 {
    fn div_ceil_by(self, by: Self) -> Self {
        self / by + Self::from(self % by > 0)
    }
}

/// Usages that reach every bucket that the model has a price for, and some that it has none for, with `input` tokens of input.
fn usages(prices: &Prices, input: u64) -> Vec<Usage> {
    let text = Usage::ZERO
        .with(Bucket::InputUncached, input - input / 3)
        .with(Bucket::CacheRead, input / 3)
        .with(Bucket::OutputText, 999);
    let writes = Usage::ZERO
        .with(Bucket::InputUncached, input - 2 * (input / 4))
        .with(Bucket::CacheWrite5m, input / 4)
        .with(Bucket::CacheWrite1h, input / 4)
        .with(Bucket::Reasoning, 77);
    let mut usages = vec![text, writes];
    // Each priced bucket by itself, an odd number of it.
    usages.extend(
        Bucket::ALL
            .into_iter()
            .filter(|bucket| prices.contains_key(bucket.name()))
            .map(|bucket| Usage::ZERO.with(bucket, 123_457)),
    );
    usages
}

fn begin_of(day: &Value) -> i64 {
    format!("{day}T00:00:00Z").parse::<Micros>().unwrap().seconds()
}

/// The days of the week on which a window is.
fn is_on(window: &Table, at: i64) -> bool {
    // The epoch was a Thursday.
    const DAYS: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
    let today = DAYS[usize::try_from(at.div_euclid(86_400).rem_euclid(7)).unwrap()];
    let days = window.get("weekdays").and_then(Value::as_array);
    days.is_none_or(|days| days.iter().any(|day| day.as_str() == Some(today)))
}

/// The times of day at which a window is, in seconds.
fn spans(window: &Table) -> Vec<(i64, i64)> {
    let seconds = |text: &str| {
        let (hours, minutes) = text.split_once(':').unwrap();
        hours.parse::<i64>().unwrap() * 3_600 + minutes.parse::<i64>().unwrap() * 60
    };
    let texts = window["utc"].as_array().unwrap().iter();
    texts
        .map(|text| text.as_str().unwrap().split_once('-').unwrap())
        .map(|(from, to)| (seconds(from), seconds(to)))
        .collect()
}

fn covers(window: &Table, at: i64) -> bool {
    let time = at.rem_euclid(86_400);
    is_on(window, at)
        && spans(window)
            .iter()
            .any(|(from, to)| (*from..*to).contains(&time))
}

/// A time at which the row holds and none of its windows does.
fn a_time(model: &Table) -> i64 {
    const THE_DAY_OF_THE_FACTS: i64 = 1_795_392_000;
    let noon = match (model.get("effective_from"), model.get("effective_to")) {
        (Some(from), _) => begin_of(from) + 43_200,
        (None, Some(to)) => begin_of(to) - 43_200,
        (None, None) => THE_DAY_OF_THE_FACTS + 43_200,
    };
    let windows = tables(model, "time_windows");
    let hours = (0..7 * 24).map(|hour| noon + hour * 3_600);
    hours
        .into_iter()
        .find(|at| !windows.iter().any(|window| covers(window, *at)))
        .unwrap()
}

/// How the model may be served: in each of its tiers, with each of its choices, at each of its places, and at ones that nobody
/// knows.
fn cases(model: &Table) -> Vec<Case> {
    let text = |table: &Table, key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut cases = vec![Case::default()];
    let variants = tables(model, "variants");
    let tiers = variants.iter().map(|variant| text(variant, "service_tier"));
    cases.extend(
        tiers
            .chain([Some("a tier that nobody knows".to_owned())])
            .map(|tier| Case {
                tier,
                ..Case::default()
            }),
    );
    for choice in tables(model, "choices") {
        let chosen: Vec<(String, String)> = choice["when"]
            .as_table()
            .unwrap()
            .iter()
            .map(|(member, value)| (member.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        let other = vec![(chosen[0].0.clone(), "what nobody knows".to_owned())];
        cases.extend([chosen, other].map(|chosen| Case {
            chosen,
            ..Case::default()
        }));
    }
    let surcharges = tables(model, "surcharges");
    let tier = variants.first().and_then(|variant| text(variant, "service_tier"));
    for place in &surcharges {
        cases.push(Case {
            geo: text(place, "inference_geo"),
            host: text(place, "host").unwrap_or_default(),
            tier: tier.clone(),
            ..Case::default()
        });
    }
    if !surcharges.is_empty() {
        cases.extend(["global", "a place that nobody knows"].map(|geo| Case {
            geo: Some(geo.to_owned()),
            host: "elsewhere".to_owned(),
            ..Case::default()
        }));
    }
    cases
}

/// Compares at a time, whatever the length of the input and however it is served. Gives how many charges were compared.
fn compare(provider: &Provider, model: &Table, base: &Prices, at: i64) -> usize {
    let id = model["id"].as_str().unwrap();
    let row = provider
        .price(id, Micros::from_seconds(at))
        .unwrap_or_else(|| panic!("{} {id} has no price", provider.slug));
    let mut thresholds: Vec<u64> = tables(model, "tiers")
        .iter()
        .chain(
            tables(model, "variants")
                .iter()
                .flat_map(|variant| tables(variant, "tiers"))
                .collect::<Vec<_>>()
                .iter(),
        )
        .map(|tier| u64::try_from(tier["above_input_tokens"].as_integer().unwrap()).unwrap())
        .flat_map(|threshold| [threshold, threshold + 1])
        .collect();
    thresholds.push(1_000);
    let mut compared = 0;
    for input in thresholds {
        for case in cases(model) {
            let chosen: Vec<Chosen> = case
                .chosen
                .iter()
                .map(|(member, value)| Chosen {
                    member: member.clone().into(),
                    value: value.clone(),
                })
                .collect();
            let terms = Terms {
                service_tier: case.tier.as_deref(),
                inference_geo: case.geo.as_deref(),
                host: &case.host,
                chosen: &chosen,
            };
            for usage in usages(base, input) {
                let length = i64::try_from(usage.input_tokens()).unwrap();
                let prices = prices_of(model, base, length, &case);
                let expected = cost(&prices, &usage, surcharge(model, &case));
                let charged = row
                    .charge(&usage, &terms)
                    .map(|charge| charge.0)
                    .map_err(|Unpriced { bucket, .. }| bucket);
                assert_eq!(
                    charged, expected,
                    "{} {id} served as {case:?}, {usage:?}",
                    provider.slug
                );
                compared += 1;
            }
        }
    }
    compared
}

/// The first and the last second of each span of a window, on its first day from `at` on.
fn in_window(window: &Table, at: i64) -> Vec<i64> {
    let mut days = (0..7).map(|day| at.div_euclid(86_400) * 86_400 + day * 86_400);
    let day = days.find(|day| is_on(window, *day)).unwrap();
    spans(window)
        .into_iter()
        .flat_map(|(from, to)| [day + from, day + to - 1])
        .collect()
}

#[test]
fn every_priced_model_is_charged_what_its_file_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../catalog/prices");
    let (mut models, mut compared, mut windows, mut choices, mut surcharges) = (0, 0, 0, 0, 0);
    for provider in providers() {
        let Ok(text) = std::fs::read_to_string(folder.join(format!("{}.toml", provider.slug))) else {
            continue;
        };
        for model in tables(&text.parse().unwrap(), "models") {
            let base = said(&model);
            let at = a_time(&model);
            compared += compare(provider, &model, &base, at);
            for window in tables(&model, "time_windows") {
                let prices = laid_over(&base, &said(&window));
                for at in in_window(&window, at) {
                    compared += compare(provider, &model, &prices, at);
                    windows += 1;
                }
            }
            models += 1;
            choices += tables(&model, "choices").len();
            surcharges += tables(&model, "surcharges").len();
        }
    }
    assert!(models >= 3_300, "{models} models");
    assert!(windows >= 10, "{windows} windows");
    assert!(choices >= 100, "{choices} choices");
    assert!(surcharges >= 40, "{surcharges} surcharges");
    assert!(compared > 4 * models, "{compared} charges of {models} models");
}
