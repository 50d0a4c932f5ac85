//! What the operator sold, and how that compares with what a vendor says it bills.

use std::collections::{BTreeMap, BTreeSet};

use keystore_core::ids::{OrgId, TransactionId};
use keystore_core::ledger::{Kind, Transaction};
use keystore_core::time::date;
use keystore_core::{Micros, NanoUsd};
use keystore_store::sales::{self, By, Sale};
use keystore_store::{Conn, ledger};
use keystore_wire::sales::{ReconciledDay, Reconciliation, Sale as Shown};
use serde::Deserialize;

use crate::api::billing::books;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::billing;

/// The most sums of an answer.
pub(crate) const MOST: u32 = 100_000;

const SECONDS_A_DAY: i64 = 86_400;

/// The UTC day with this number, counted from 1970-01-01, as a text; empty outside of the calendar.
pub(crate) fn day(number: i64) -> String {
    date(number).unwrap_or_default()
}

/// A sum as answers show it.
pub(crate) fn shown(sale: Sale) -> Shown {
    Shown {
        provider: sale.provider,
        org_id: sale.org,
        credential_id: sale.credential,
        day: sale.day.map(day),
        calls: sale.calls,
        failed_over: sale.failed_over,
        sold: sale.cost,
        vendor_cost: sale.vendor_cost,
        margin: NanoUsd(sale.cost.0.saturating_sub(sale.vendor_cost.0)),
    }
}

/// A page of OpenAI's costs API, as far as it is read.
#[derive(Deserialize)]
struct Page {
    data: Vec<Bucket>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Bucket {
    start_time: i64,
    end_time: i64,
    results: Vec<Cost>,
}

#[derive(Deserialize)]
struct Cost {
    amount: Amount,
}

#[derive(Deserialize)]
struct Amount {
    /// A number, or a text with one.
    value: serde_json::Value,
    currency: String,
}

/// What a vendor bills, by UTC day (counted from 1970-01-01).
///
/// # Errors
/// `invalid_request`: not such a report, not by whole UTC days, not in dollars, a day that stands twice, or pages that are missing.
pub(crate) fn read_report(report: &serde_json::Value) -> ApiResult<BTreeMap<i64, NanoUsd>> {
    let wrong = |detail: String| ApiError::field("/report", detail);
    let pages: Vec<Page> = match report {
        serde_json::Value::Array(_) => serde_json::from_value(report.clone()),
        _ => serde_json::from_value(report.clone()).map(|page| vec![page]),
    }
    .map_err(|error| {
        wrong(format!(
            "is not a page of OpenAI's costs API, nor a list of them: {error}"
        ))
    })?;
    if pages.last().is_some_and(|page| page.has_more) {
        return Err(wrong(
            "says that there is another page (`has_more`); send all of them as a list".to_owned(),
        ));
    }
    let mut days = BTreeMap::new();
    for bucket in pages.iter().flat_map(|page| &page.data) {
        let is_day = bucket.start_time % SECONDS_A_DAY == 0
            && bucket.end_time.checked_sub(bucket.start_time) == Some(SECONDS_A_DAY);
        if !is_day || date(bucket.start_time / SECONDS_A_DAY).is_none() {
            return Err(wrong("is not by whole UTC days (`bucket_width=1d`)".to_owned()));
        }
        let number = bucket.start_time / SECONDS_A_DAY;
        let mut sum = 0_i64;
        for cost in &bucket.results {
            if !cost.amount.currency.eq_ignore_ascii_case("usd") {
                return Err(wrong(format!("is in {}, not in dollars", cost.amount.currency)));
            }
            let amount = dollars(&cost.amount.value)
                .ok_or_else(|| wrong(format!("`{}` is no amount", cost.amount.value)))?;
            sum = sum.saturating_add(amount);
        }
        if days.insert(number, NanoUsd(sum)).is_some() {
            return Err(wrong(format!("has the day {} twice", day(number))));
        }
    }
    match days.is_empty() {
        true => Err(wrong("has no day".to_owned())),
        false => Ok(days),
    }
}

/// A decimal number in nano-dollars; what is finer is cut off.
fn dollars(value: &serde_json::Value) -> Option<i64> {
    let text = match value {
        // As it stands in the JSON: no float is made of it.
        serde_json::Value::Number(number) => number.to_string(),
        serde_json::Value::String(text) => text.clone(),
        _ => return None,
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa.to_owned(), exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, mantissa.as_str()),
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(decimals) {
        return None;
    }
    // The number as digits, and how many of them stand behind the point.
    let all: i128 = format!("{whole}{decimals}").parse().ok()?;
    let places = i32::try_from(decimals.len()).ok()?.checked_sub(exponent)?;
    let nanos = match places.checked_sub(9)? {
        excess if excess >= 0 => {
            all.checked_div(10_i128.checked_pow(excess.unsigned_abs()).unwrap_or(i128::MAX))?
        }
        missing => all.checked_mul(10_i128.checked_pow(missing.unsigned_abs())?)?,
    };
    i64::try_from(nanos).ok().map(|nanos| sign * nanos)
}

/// What the vendor bills beside what its calls were thought to cost, on the days of the report.
///
/// # Errors
/// The store's.
pub(crate) async fn compare(
    conn: &mut Conn,
    operator: OrgId,
    provider: &str,
    billed: &BTreeMap<i64, NanoUsd>,
) -> ApiResult<Reconciliation> {
    let posted = posted(conn, operator).await?;
    let first = billed.keys().next().copied().unwrap_or(0);
    let last = billed.keys().next_back().copied().unwrap_or(0);
    let bounds = (
        Micros::from_seconds(first * SECONDS_A_DAY),
        Micros::from_seconds(last * SECONDS_A_DAY),
    );
    let sold = sales::grouped(conn, &[By::Day], bounds, Some(provider), MOST).await?;
    let metered: BTreeMap<i64, NanoUsd> = sold
        .into_iter()
        .filter_map(|sale| Some((sale.day?, sale.vendor_cost)))
        .collect();
    let days: Vec<_> = billed
        .iter()
        .map(|(number, billed)| {
            let metered = metered.get(number).copied().unwrap_or(NanoUsd::ZERO);
            ReconciledDay {
                day: day(*number),
                billed: *billed,
                metered,
                drift: NanoUsd(billed.0.saturating_sub(metered.0)),
                transaction_id: posted.get(&subject(provider, *number)).copied(),
            }
        })
        .collect();
    let sum = |of: fn(&ReconciledDay) -> NanoUsd| {
        let amounts = days.iter().map(|day| of(day).0);
        NanoUsd(amounts.fold(0_i64, i64::saturating_add))
    };
    Ok(Reconciliation {
        provider: provider.to_owned(),
        billed: sum(|day| day.billed),
        metered: sum(|day| day.metered),
        drift: sum(|day| day.drift),
        days,
    })
}

/// What the adjustment of a provider's day is filed under.
fn subject(provider: &str, number: i64) -> String {
    format!("{provider} {}", day(number))
}

/// The adjustments that were posted before and not undone, by what they are filed under.
async fn posted(conn: &mut Conn, operator: OrgId) -> ApiResult<BTreeMap<String, TransactionId>> {
    let undone = all(conn, operator, Kind::Reversal).await?;
    let undone: BTreeSet<_> = undone.iter().filter_map(Transaction::regards).collect();
    let adjustments = all(conn, operator, Kind::CostAdjustment).await?;
    let standing = adjustments
        .into_iter()
        .map(|transaction| transaction.about().clone())
        .filter(|about| !undone.contains(&about.id));
    Ok(standing.map(|about| (about.subject, about.id)).collect())
}

/// All transactions of a kind in an organization's books.
async fn all(conn: &mut Conn, org: OrgId, kind: Kind) -> ApiResult<Vec<Transaction>> {
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let page = ledger::list(conn, org, Some(kind), before, MOST).await?;
        let is_last = page.len() < MOST as usize;
        before = page.last().map(|transaction| transaction.about().id);
        found.extend(page);
        if is_last {
            return Ok(found);
        }
    }
}

/// Posts the difference of every day that has one and was not posted before, or whose posting was undone, all or none. The operator's organization is held from the
/// comparison to the end, so that two reconciliations at once post no day twice.
///
/// # Errors
/// `conflict` where an amount leaves its range, and the store's.
pub(crate) async fn post(
    app: &App,
    caller: &Caller,
    provider: &str,
    billed: &BTreeMap<i64, NanoUsd>,
) -> ApiResult<Reconciliation> {
    let (mut tx, lives) = billing::open(app, caller.org).await?;
    let mut compared = compare(&mut tx, caller.org, provider, billed).await?;
    for day in &mut compared.days {
        if day.drift == NanoUsd::ZERO || day.transaction_id.is_some() {
            continue;
        }
        let memo = format!("billed {}, metered {}", day.billed, day.metered);
        let about = billing::about(app, caller.org, &format!("{provider} {}", day.day), &memo);
        let adjustment = Transaction::cost_adjustment(about, day.drift)?;
        billing::post(app, &mut tx, &adjustment, lives).await?;
        Event::new("post_to_ledger", &adjustment.about().id)
            .after(&books(&adjustment)?)?
            .by(&mut tx, caller)?;
        day.transaction_id = Some(adjustment.about().id);
    }
    tx.commit().await?;
    Ok(compared)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_read_as_they_stand() {
        for (value, nanos) in [
            (json!(0.06), 60_000_000),
            (json!("1.25"), 1_250_000_000),
            (json!(-3), -3_000_000_000),
            (json!(1e-7), 100),
            (json!(1.5e3), 1_500_000_000_000),
            (json!("0.1234567899"), 123_456_789),
        ] {
            assert_eq!(dollars(&value), Some(nanos), "{value}");
        }
        for value in [json!("x"), json!(null), json!(""), json!("1e99"), json!(".5")] {
            assert_eq!(dollars(&value), None, "{value}");
        }
    }

    fn page(start: i64, end: i64, currency: &str) -> serde_json::Value {
        json!({"object": "page", "has_more": false, "data": [{"object": "bucket", "start_time": start, "end_time": end, "results": [
            {"object": "organization.costs.result", "amount": {"value": 0.5, "currency": currency}, "line_item": null},
            {"object": "organization.costs.result", "amount": {"value": "0.25", "currency": currency}},
        ]}]})
    }

    #[test]
    fn a_report_is_by_whole_days_and_in_dollars() {
        let read = read_report(&page(86_400, 172_800, "usd")).unwrap();
        assert_eq!(read, BTreeMap::from([(1, NanoUsd(750_000_000))]));
        assert_eq!(day(1), "1970-01-02");
        let day = |number: i64| page(number * 86_400, (number + 1) * 86_400, "usd");
        assert_eq!(read_report(&json!([day(1), day(2)])).unwrap().len(), 2);
        let mut more = day(1);
        more["has_more"] = json!(true);
        for wrong in [
            page(86_400, 172_800, "eur"),
            page(86_400, 90_000, "usd"),
            page(1, 86_401, "usd"),
            page(i64::MIN, i64::MAX, "usd"),
            page(1_000_000_000_000 * 86_400, 1_000_000_000_001 * 86_400, "usd"),
            json!([day(1), day(1)]),
            more,
            json!({"data": []}),
            json!("x"),
        ] {
            assert!(read_report(&wrong).is_err(), "{wrong}");
        }
    }
}
