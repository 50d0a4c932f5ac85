//! `catalog/prices/<slug>.toml`.

#[path = "prices/rules.rs"]
mod rules;
#[path = "prices/windows.rs"]
mod windows;

use keystore_core::money::scaled;
use keystore_core::price::{Choice, ModelPrice, Place, Surcharge, Tier, UnitPrices, Variant};
use keystore_core::usage::Bucket;

use super::section::{Read, Section, nearest};
use crate::provider::{PriceRow, PriceTable, Str};

/// Decimals of a price per million that are exact in nano-dollars.
const PER_MILLION_DECIMALS: usize = 9;
/// Decimals of a surcharge.
const PER_MILLE_DECIMALS: usize = 3;
/// Decimals of a price per unit that are exact in nano-dollars per million.
const PER_UNIT_DECIMALS: usize = 15;

/// Reads a price file.
pub(crate) fn read(mut file: Section) -> Read<PriceTable> {
    let mut rows = Vec::new();
    for model in file.sections("models")? {
        read_model(model, &mut rows)?;
    }
    let table = index(&file, rows)?;
    file.finish()?;
    Ok(table)
}

/// One model: a row, and before it one for each of its time windows, which thus wins while it is in force.
fn read_model(mut model: Section, rows: &mut Vec<PriceRow>) -> Read<()> {
    let row = ModelPrice {
        model: model.required("id")?.into(),
        aliases: model.texts("aliases")?.into_iter().map(Str::from).collect(),
        rule: rules::read(&mut model)?,
        prices: read_prices(&mut model)?,
        tiers: read_tiers(&mut model)?.into(),
        variants: read_variants(&mut model)?.into(),
        choices: read_choices(&mut model)?.into(),
        surcharges: read_surcharges(&mut model)?.into(),
        context_window: model.count("context_window")?,
        max_input_tokens: model.count("max_input_tokens")?,
        max_output_tokens: model.count("max_output_tokens")?,
        effective_from: model.day("effective_from")?,
        effective_to: model.day("effective_to")?,
    };
    if let (Some(from), Some(to)) = (row.effective_from, row.effective_to)
        && from >= to
    {
        return Err(model.error("effective_to", "must be after effective_from"));
    }
    if row.prices == UnitPrices::NONE {
        return Err(model.error(
            "tokens",
            "has neither `tokens` nor `units`; write a price, or leave the model out",
        ));
    }
    for mut window in model.sections("time_windows")? {
        let windows = windows::read(&mut window)?;
        let over = read_prices(&mut window)?;
        window.finish()?;
        let prices = row.prices.overlaid(&over);
        rows.push(PriceRow {
            price: ModelPrice {
                prices,
                ..row.clone()
            },
            windows: windows.into(),
        });
    }
    // Where a price comes from is for the people who maintain the file.
    model.text("source")?;
    model.day("checked")?;
    model.finish()?;
    rows.push(PriceRow {
        price: row,
        windows: Vec::new().into(),
    });
    Ok(())
}

fn read_prices(section: &mut Section) -> Read<UnitPrices> {
    let mut prices = UnitPrices::NONE;
    let (tokens, units): (Vec<_>, Vec<_>) = Bucket::ALL.into_iter().partition(|bucket| bucket.is_tokens());
    read_buckets(section, "tokens", &tokens, PER_MILLION_DECIMALS, &mut prices)?;
    read_buckets(section, "units", &units, PER_UNIT_DECIMALS, &mut prices)?;
    Ok(prices)
}

fn read_buckets(
    section: &mut Section,
    key: &'static str,
    buckets: &[Bucket],
    decimals: usize,
    prices: &mut UnitPrices,
) -> Read<()> {
    for (name, price) in section.named_texts(key)? {
        let at = format!("{key}.{name}");
        let Some(bucket) = buckets.iter().find(|bucket| bucket.name() == name) else {
            let names = buckets.iter().map(|bucket| bucket.name());
            let instead = match nearest(&name, names.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "write one of {}",
                    super::section::quoted(&names.collect::<Vec<_>>())
                ),
            };
            return Err(section.error(&at, format!("is not counted under `{key}`; {instead}")));
        };
        let Some(nanos) = scaled(&price, decimals) else {
            let problem = format!(
                "`{price}` is not a price; write dollars as \"1.75\", with at most {decimals} decimals"
            );
            return Err(section.error(&at, problem));
        };
        *prices = std::mem::replace(prices, UnitPrices::NONE).with(*bucket, nanos);
    }
    Ok(())
}

fn read_tiers(section: &mut Section) -> Read<Vec<Tier>> {
    let mut tiers: Vec<Tier> = Vec::new();
    for mut tier in section.sections("tiers")? {
        let Some(above_input_tokens) = tier.count("above_input_tokens")? else {
            return Err(tier.error(
                "above_input_tokens",
                "is missing; write the number of tokens above which the tier applies",
            ));
        };
        if tiers
            .last()
            .is_some_and(|last| last.above_input_tokens >= above_input_tokens)
        {
            return Err(tier.error(
                "above_input_tokens",
                "must be more than in the tier before; order the tiers",
            ));
        }
        let prices = read_prices(&mut tier)?;
        tier.finish()?;
        tiers.push(Tier {
            above_input_tokens,
            prices,
        });
    }
    Ok(tiers)
}

fn read_variants(section: &mut Section) -> Read<Vec<Variant>> {
    let mut variants: Vec<Variant> = Vec::new();
    for mut variant in section.sections("variants")? {
        let service_tier: Str = variant.required("service_tier")?.into();
        if variants.iter().any(|other| other.service_tier == service_tier) {
            return Err(variant.error(
                "service_tier",
                format!("`{service_tier}` stands twice; remove one"),
            ));
        }
        let prices = read_prices(&mut variant)?;
        let tiers = read_tiers(&mut variant)?.into();
        variant.finish()?;
        variants.push(Variant {
            service_tier,
            prices,
            tiers,
        });
    }
    Ok(variants)
}

/// The prices of what a request chooses, in the order in which they are tried.
fn read_choices(section: &mut Section) -> Read<Vec<Choice>> {
    let mut choices: Vec<Choice> = Vec::new();
    for mut choice in section.sections("choices")? {
        let when: Vec<(Str, Str)> = choice
            .named_texts("when")?
            .into_iter()
            .map(|(member, value)| (Str::from(member), Str::from(value)))
            .collect();
        if when.is_empty() {
            return Err(choice.error(
                "when",
                "is missing; write the members of the request and their values as { size = \"1024x1024\" }",
            ));
        }
        let hides = |earlier: &Choice| earlier.when.iter().all(|condition| when.contains(condition));
        if choices.iter().any(hides) {
            return Err(choice.error(
                "when",
                "is never reached, because a choice before it holds as well; move it before that one",
            ));
        }
        let prices = read_prices(&mut choice)?;
        if prices == UnitPrices::NONE {
            return Err(choice.error(
                "units",
                "has neither `tokens` nor `units`; write what the choice costs",
            ));
        }
        choice.finish()?;
        choices.push(Choice {
            when: when.into(),
            prices,
        });
    }
    Ok(choices)
}

fn read_surcharges(section: &mut Section) -> Read<Vec<Surcharge>> {
    let mut surcharges: Vec<Surcharge> = Vec::new();
    for mut surcharge in section.sections("surcharges")? {
        let place = match (surcharge.text("inference_geo")?, surcharge.text("host")?) {
            (Some(geo), None) => Place::Inference(geo.into()),
            (None, Some(alias)) => Place::Host(alias.into()),
            _ => return Err(surcharge.error("", "needs a place; write either `inference_geo` or `host`")),
        };
        if surcharges.iter().any(|other| other.place == place) {
            return Err(surcharge.error("", "names a place that another names as well; remove one"));
        }
        let multiplier = surcharge.required("tokens")?;
        let per_mille = scaled(&multiplier, PER_MILLE_DECIMALS).and_then(|number| u32::try_from(number).ok());
        let Some(per_mille) = per_mille.filter(|per_mille| *per_mille >= 1_000) else {
            let problem = format!(
                "`{multiplier}` does not multiply a price; write \"1.1\" for a tenth more, with at most {PER_MILLE_DECIMALS} decimals"
            );
            return Err(surcharge.error("tokens", problem));
        };
        surcharge.finish()?;
        surcharges.push(Surcharge { place, per_mille });
    }
    Ok(surcharges)
}

/// Builds the index, and refuses two rows for one name at one time.
fn index(file: &Section, rows: Vec<PriceRow>) -> Read<PriceTable> {
    let mut entries: Vec<(&str, bool, usize)> = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        entries.push((&row.price.model, false, number));
        entries.extend(
            row.price
                .aliases
                .iter()
                .map(|alias| (alias.as_ref(), true, number)),
        );
    }
    entries.sort_unstable();
    for pair in entries.chunk_by(|left, right| left.0 == right.0 && left.1 == right.1) {
        for (position, (name, _, left)) in pair.iter().enumerate() {
            if let Some((_, _, right)) = pair[position + 1..]
                .iter()
                .find(|(_, _, right)| clash(&rows[*left], &rows[*right]))
            {
                let (left, right) = (&rows[*left].price.model, &rows[*right].price.model);
                let problem = format!(
                    "`{name}` names both `{left}` and `{right}` at the same time; give one an end, or remove the alias"
                );
                return Err(file.error("models", problem));
            }
        }
    }
    let number = |row: usize| u32::try_from(row).map_err(|_| file.error("models", "has too many rows"));
    let index = entries
        .into_iter()
        .map(|(name, _, row)| Ok((Str::from(name.to_owned()), number(row)?)))
        .collect::<Read<Vec<_>>>()?;
    let ruled = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row.price.rule.is_some())
        .map(|(row, _)| number(row))
        .collect::<Read<Vec<_>>>()?;
    let version = if rows.is_empty() {
        String::new()
    } else {
        fingerprint(&format!("{rows:?}"))
    };
    Ok(PriceTable {
        version: version.into(),
        rows: rows.into(),
        index: index.into(),
        ruled: ruled.into(),
    })
}

fn clash(left: &PriceRow, right: &PriceRow) -> bool {
    let begins = |row: &PriceRow| row.price.effective_from.unwrap_or(i64::MIN);
    let ends = |row: &PriceRow| row.price.effective_to.unwrap_or(i64::MAX);
    // A row with windows stands before the row that holds the rest of the time.
    left.windows.is_empty()
        && right.windows.is_empty()
        && begins(left) < ends(right)
        && begins(right) < ends(left)
}

/// FNV-1a with 64 bits: tells versions apart, protects nothing.
fn fingerprint(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
