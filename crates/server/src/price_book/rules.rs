//! Rules of the price book as the API writes them.

use std::collections::BTreeMap;

use keystore_core::money::scaled;
use keystore_core::policy::{Markup, PriceRule, PriceTier, Rate, Unit, UnitPrice};
use keystore_core::{Bucket, Micros, NanoUsd};
use keystore_store::{Conn, orgs};
use keystore_wire::operator as wire;

use crate::api::problem::{ApiResult, Fields};
use crate::app::App;
use crate::budgets;
use crate::names::is_short;
use crate::prices::priced;
use crate::providers;

/// The longest name of a model.
const MAX_MODEL: usize = 200;
/// Hundredths of a per cent: nothing at all, and a hundred times as much.
const MARKUP: std::ops::RangeInclusive<i32> = -10_000..=1_000_000;

/// The rules that a request means.
///
/// # Errors
/// `invalid_request`, which points at each that is wrong.
pub(super) async fn read(app: &App, conn: &mut Conn, rules: &[wire::PriceRule]) -> ApiResult<Vec<PriceRule>> {
    let mut fields = Fields::default();
    let mut read = Vec::with_capacity(rules.len());
    for (number, rule) in rules.iter().enumerate() {
        let at = format!("/add/{number}");
        if let Some(provider) = &rule.provider
            && providers::catalog(provider, app.settings.dev).is_err()
        {
            fields.wrong(
                format!("{at}/provider"),
                "there is no such provider in the catalog",
            );
        }
        if let Some(org) = rule.org
            && orgs::get(conn, org).await?.is_none()
        {
            fields.wrong(format!("{at}/org"), "there is no such organization");
        }
        read.extend(one(&mut fields, &at, rule));
    }
    fields.check()?;
    Ok(read)
}

fn one(fields: &mut Fields, at: &str, rule: &wire::PriceRule) -> Option<PriceRule> {
    if rule
        .model
        .as_ref()
        .is_some_and(|model| !is_short(model, MAX_MODEL))
    {
        fields.wrong(
            format!("{at}/model"),
            format!("expected 1 to {MAX_MODEL} characters"),
        );
    }
    let (from, until) = (
        rule.effective_from.map(Micros::from),
        rule.effective_to.map(Micros::from),
    );
    if from.zip(until).is_some_and(|(from, until)| until <= from) {
        fields.wrong(
            format!("{at}/effectiveTo"),
            "expected a time after `effectiveFrom`",
        );
    }
    let rate = match (&rule.cost, &rule.markup, &rule.sell) {
        (Some(cost), None, None) => Rate::Cost {
            units: units(fields, &format!("{at}/cost/units"), &cost.units),
            tiers: tiers(fields, &format!("{at}/cost/tiers"), &cost.tiers),
            context_window: cost.context_window,
            max_output_tokens: cost.max_output_tokens,
        },
        (None, Some(markup), None) => Rate::Markup(self::markup(fields, &format!("{at}/markup"), markup)?),
        (None, None, Some(sell)) => Rate::Sell {
            units: units(fields, &format!("{at}/sell/units"), &sell.units),
            tiers: tiers(fields, &format!("{at}/sell/tiers"), &sell.tiers),
        },
        _ => {
            fields.wrong(at, "expected exactly one of `cost`, `markup` and `sell`");
            return None;
        }
    };
    Some(PriceRule {
        provider: rule.provider.clone(),
        model: rule.model.clone(),
        org: rule.org,
        from,
        until,
        rate,
    })
}

fn units(fields: &mut Fields, at: &str, units: &BTreeMap<String, String>) -> Vec<UnitPrice> {
    let mut read = Vec::new();
    if units.is_empty() {
        fields.wrong(
            at,
            "expected the price of one unit at least, such as `input_uncached`",
        );
    }
    for (name, text) in units {
        let at = format!("{at}/{name}");
        match priced(name) {
            Some(bucket) => {
                let per_million = budgets::amount(fields, &at, Unit::Usd, text);
                read.push(UnitPrice::new(bucket, per_million));
            }
            None => fields.wrong(at, "is no unit that has a price"),
        }
    }
    read
}

fn tiers(fields: &mut Fields, at: &str, tiers: &[wire::PriceTier]) -> Vec<PriceTier> {
    let ascend = tiers
        .windows(2)
        .all(|pair| pair[0].above_input_tokens < pair[1].above_input_tokens);
    if !ascend {
        fields.wrong(at, "expected tiers with ascending `aboveInputTokens`");
    }
    let mut read = Vec::new();
    for (number, tier) in tiers.iter().enumerate() {
        read.push(PriceTier {
            above_input_tokens: tier.above_input_tokens,
            units: units(fields, &format!("{at}/{number}/units"), &tier.units),
        });
    }
    read
}

fn markup(fields: &mut Fields, at: &str, markup: &wire::Markup) -> Option<Markup> {
    let bucket = match &markup.unit {
        None => None,
        Some(name) => {
            let found = priced(name);
            if found.is_none() {
                fields.wrong(format!("{at}/unit"), "is no unit that has a price");
            }
            Some(found?)
        }
    };
    let basis_points = match markup.percent.as_deref().map(basis_points) {
        None => 0,
        Some(Some(basis_points)) => basis_points,
        Some(None) => {
            fields.wrong(
                format!("{at}/percent"),
                "expected per cent from -100 to 10000 with at most two decimals, such as \"12.5\"",
            );
            0
        }
    };
    let per_million = match &markup.per_million {
        None => 0,
        Some(text) => budgets::amount(fields, &format!("{at}/perMillion"), Unit::Usd, text),
    };
    if markup.percent.is_none() && markup.per_million.is_none() {
        fields.wrong(at, "expected `percent`, `perMillion`, or both");
    }
    Some(Markup::new(bucket, basis_points, per_million))
}

/// `12.5` is 1,250.
fn basis_points(text: &str) -> Option<i32> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let basis_points = i32::try_from(scaled(digits, 2)?).ok()? * sign;
    MARKUP.contains(&basis_points).then_some(basis_points)
}

fn percent(basis_points: i32) -> String {
    let sign = if basis_points < 0 { "-" } else { "" };
    let (whole, hundredths) = (
        basis_points.unsigned_abs() / 100,
        basis_points.unsigned_abs() % 100,
    );
    let text = format!("{sign}{whole}.{hundredths:02}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Whether a new rule takes the place of another: both set the same for the same, from the same time on.
pub(super) fn takes_the_place(new: &PriceRule, old: &PriceRule) -> bool {
    let kind = |rate: &Rate| match rate {
        Rate::Cost { .. } => (0, None),
        Rate::Markup(markup) => (1, markup.bucket()),
        Rate::Sell { .. } => (2, None),
    };
    (&new.provider, &new.model, new.org, new.from) == (&old.provider, &old.model, old.org, old.from)
        && kind(&new.rate) == kind(&old.rate)
}

/// A rule as the API shows it.
pub(crate) fn shown(rule: &PriceRule) -> wire::PriceRule {
    let mut shown = wire::PriceRule {
        provider: rule.provider.clone(),
        model: rule.model.clone(),
        org: rule.org,
        effective_from: rule.from.map(Into::into),
        effective_to: rule.until.map(Into::into),
        ..wire::PriceRule::default()
    };
    match &rule.rate {
        Rate::Cost {
            units,
            tiers,
            context_window,
            max_output_tokens,
        } => {
            shown.cost = Some(wire::CostPrice {
                units: shown_units(units),
                tiers: shown_tiers(tiers),
                context_window: *context_window,
                max_output_tokens: *max_output_tokens,
            });
        }
        Rate::Markup(markup) => {
            shown.markup = Some(wire::Markup {
                unit: markup.bucket().map(|bucket| bucket.name().to_owned()),
                percent: (markup.basis_points != 0 || markup.per_million == 0)
                    .then(|| percent(markup.basis_points)),
                per_million: (markup.per_million != 0).then(|| NanoUsd(markup.per_million).to_string()),
            });
        }
        Rate::Sell { units, tiers } => {
            shown.sell = Some(wire::SellPrice {
                units: shown_units(units),
                tiers: shown_tiers(tiers),
            });
        }
    }
    shown
}

fn shown_tiers(tiers: &[PriceTier]) -> Vec<wire::PriceTier> {
    let tier = |tier: &PriceTier| wire::PriceTier {
        above_input_tokens: tier.above_input_tokens,
        units: shown_units(&tier.units),
    };
    tiers.iter().map(tier).collect()
}

fn shown_units(units: &[UnitPrice]) -> BTreeMap<String, String> {
    let named = |unit: &UnitPrice| {
        let bucket: Bucket = unit.bucket()?;
        Some((bucket.name().to_owned(), NanoUsd(unit.per_million).to_string()))
    };
    units.iter().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn per_cent_with_two_decimals() {
        for (text, points) in [
            ("12.5", 1_250),
            ("0", 0),
            ("-100", -10_000),
            ("0.01", 1),
            ("10000", 1_000_000),
        ] {
            assert_eq!(basis_points(text), Some(points), "{text}");
            assert_eq!(percent(points), text);
        }
        for text in [
            "",
            "-",
            ".5",
            "5.",
            "1.234",
            "+1",
            "1e2",
            "-100.01",
            "10000.01",
            "99999999999",
            "1,5",
        ] {
            assert_eq!(basis_points(text), None, "{text}");
        }
    }
}
