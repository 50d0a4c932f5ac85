//! Step 13: what a call cost, and that it ended. Every reservation passes here exactly once.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use keystore_catalog::{Billing, PriceRef};
use keystore_core::budget::Amounts;
use keystore_core::price::{Line, Terms};
use keystore_core::record::{ChargeFlags, ChargeLine, Ending, MarketCharge, Outcome};
use keystore_core::{Bucket, Micros, NanoUsd, Usage};

use crate::Proxy;
use crate::authorize::Permit;
use crate::budgets::Limited;
use crate::meter::{Basis, Metered};
use crate::pools::Offer;
use crate::reserve::{Open, micros};

/// How an exchange ended, as far as the step that ends it knows.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) ending: Ending,
    /// What the meter read; `None` when no answer was read.
    pub(crate) metered: Option<Metered>,
    /// Bytes of the answer's body.
    pub(crate) response_bytes: u64,
    /// The code of the refusal that the client was given in place of the answer.
    pub(crate) refusal: Option<&'static str>,
}

/// A usage with its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Charge {
    pub(crate) usage: Usage,
    pub(crate) cost: NanoUsd,
    pub(crate) flags: ChargeFlags,
    pub(crate) by: By,
}

/// What a cost comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// Nothing was charged.
    Nothing,
    /// The usage, by its prices.
    Prices,
    /// What the vendor says that it costs, in nano-dollars.
    Stated(u64),
    /// What was held.
    Hold,
}

/// What a call with a pooled credential is sold for.
pub(crate) struct Sale {
    /// The version of the price book.
    pub(crate) prices: u64,
    /// `None` where nothing of the kind is sold; what is not sold is not called.
    pub(crate) offer: Option<Arc<Offer>>,
}

impl Permit {
    /// What a call is sold for, if the pool serves it.
    pub(crate) fn sale(&self, model: Option<&str>, now: Micros) -> Option<Sale> {
        let pool = self.pool.as_ref()?;
        let row = model.or(self.price_row());
        Some(Sale {
            prices: pool.selling.version(),
            offer: row.and_then(|row| self.offer(pool, row, now)),
        })
    }
}

impl Charge {
    /// Nothing.
    pub(crate) const FREE: Self = Self {
        usage: Usage::ZERO,
        cost: NanoUsd::ZERO,
        flags: ChargeFlags {
            estimated: false,
            unpriced: false,
            over_hold: false,
            external: false,
        },
        by: By::Nothing,
    };
}

impl Proxy {
    /// Turns the hold into a charge, in the counters and in the journal, and gives the charge.
    pub(crate) fn settle(&self, open: &Open, end: &End) -> Charge {
        let charge = charge(open, end);
        let after = self.clock.boottime().saturating_sub(open.began);
        self.metrics.settled(open, end, &charge, after);
        let used = self.record(open, end, &charge, after);
        self.counters.settle(&open.budgets, &used);
        if let Some(run) = &open.run
            && (end.metered.is_some() || end.ending.is_void())
        {
            run.used(
                charge
                    .usage
                    .input_tokens()
                    .saturating_add(charge.usage.output_tokens()),
            );
        }
        if let Some(watched) = &open.watched {
            self.watch_cost(watched, charge.cost);
        }
        charge
    }

    /// Writes the outcome of an attempt, so long after it began, into the journal; gives what it used.
    pub(crate) fn record(&self, open: &Open, end: &End, charge: &Charge, after: Duration) -> Amounts {
        let outcome = Outcome {
            attempt: open.attempt,
            at: self.clock.now(),
            ending: end.ending,
            status: open.status,
            served_model: end
                .metered
                .as_ref()
                .and_then(|metered| metered.served_model.as_deref()),
            usage: charge.usage,
            cost: charge.cost,
            flags: charge.flags,
            first_byte_us: open
                .first_byte
                .map_or(0, |first| micros(first.saturating_sub(open.began))),
            total_us: micros(after),
            request_bytes: open.request_bytes,
            response_bytes: end.response_bytes,
            refusal: end.refusal,
            market: open.sale.as_ref().map(|sale| market(sale, open, end, charge)),
            steps: Some(open.steps),
        };
        self.store.journal().outcome(&outcome);
        outcome.used()
    }
}

/// How a charge of the marketplace is made up, and what the call costs the operator: by the prices that it pays. Where what was held is
/// charged, or nobody has said what the operator pays, that is taken to be as much.
fn market(sale: &Sale, open: &Open, end: &End, charge: &Charge) -> MarketCharge<'static> {
    let whole = |bucket, units| vec![ChargeLine::new(bucket, units, charge.cost)];
    let (terms, price) = match &end.metered {
        Some(read) => {
            let terms = open.terms.served(read.served());
            (terms, row(open, read, &terms))
        }
        None => (open.terms.terms(), open.price.as_ref()),
    };
    let at_cost = || {
        // What the operator pays is known of the model that was asked for.
        let (charged, asked) = price.zip(open.price.as_ref())?;
        let offer = sale.offer.as_ref().filter(|_| std::ptr::eq(charged, asked))?;
        let cost = offer.cost.as_ref()?;
        // What has no price is not known to cost anything.
        Some(
            cost.charge(&charge.usage, &terms)
                .unwrap_or_else(|unpriced| unpriced.priced),
        )
    };
    let (vendor_cost, lines) = match charge.by {
        By::Nothing => (NanoUsd::ZERO, Vec::new()),
        By::Hold => (charge.cost, whole(None, 1)),
        By::Stated(nanos) => (
            NanoUsd(i64::try_from(nanos).unwrap_or(i64::MAX)),
            whole(Some(Bucket::VendorCostNanos), nanos),
        ),
        By::Prices => {
            let lines = price.map(|price| price.lines(&charge.usage, &terms));
            let line = |line: Line| ChargeLine::new(Some(line.bucket), line.units, line.amount);
            let lines: Vec<_> = lines.into_iter().flatten().map(line).collect();
            (at_cost().unwrap_or(charge.cost), lines)
        }
    };
    MarketCharge {
        vendor_cost,
        prices: sale.prices,
        lines: Cow::Owned(lines),
    }
}

/// What the call cost. Nothing was sent: nothing. The vendor answered with an error and no usage: nothing. Nothing is known:
/// the hold.
fn charge(open: &Open, end: &End) -> Charge {
    let free = Charge::FREE;
    if end.ending.is_void() {
        return free;
    }
    match open.billing {
        Billing::External => Charge {
            usage: effect(open, end),
            flags: ChargeFlags {
                external: true,
                ..free.flags
            },
            ..free
        },
        Billing::PerCall => per_call(open, free),
        Billing::Metered => metered(open, end, free),
    }
}

/// What a call did that the vendor bills in another way: as the answer says, else as the request asked. What the vendor refused has
/// done nothing; of one that failed at the vendor nobody knows.
fn effect(open: &Open, end: &End) -> Usage {
    match &end.metered {
        _ if (400..500).contains(&open.status) => Usage::ZERO,
        Some(read) if read.basis == Basis::Reported => read.usage,
        _ => open.asked,
    }
}

fn per_call(open: &Open, free: Charge) -> Charge {
    if open.status >= 400 {
        return free;
    }
    Charge {
        usage: open.asked,
        cost: open.hold,
        flags: ChargeFlags {
            unpriced: open.price.is_none(),
            estimated: open.status == 0,
            ..free.flags
        },
        by: By::Prices,
    }
}

fn metered(open: &Open, end: &End, free: Charge) -> Charge {
    let Some(read) = &end.metered else {
        let flags = ChargeFlags {
            estimated: true,
            unpriced: open.price.is_none(),
            ..free.flags
        };
        return if open.status >= 400 {
            free
        } else {
            Charge {
                usage: open.asked,
                cost: open.hold,
                flags,
                by: By::Hold,
            }
        };
    };
    if open.status >= 400 && read.basis != Basis::Reported {
        return free;
    }
    let limited = open.limited != Limited::No;
    let flags = ChargeFlags {
        estimated: read.basis == Basis::Estimated,
        ..free.flags
    };
    let terms = open.terms.served(read.served());
    let (priced, by) = match read.cost {
        // What the vendor says that it costs is what it costs, whatever the list says.
        Some(nanos) => (Some(Ok(stated(open, nanos))), By::Stated(nanos)),
        None => {
            let priced = row(open, read, &terms).map(|price| price.charge(&read.usage, &terms));
            (priced, By::Prices)
        }
    };
    match priced {
        // What was read of an answer says little of what it cost: reasoning does not show. Under a budget an answer that does not
        // say what it used costs what was held for it, whoever is to blame: neither leaving early nor hiding it must pay. More than a
        // bound it cannot have cost.
        Some(Ok(cost)) if limited && read.basis == Basis::Estimated => Charge {
            usage: read.usage,
            cost: match open.limited {
                Limited::Strictly => open.hold,
                Limited::ByEstimate | Limited::No => cost.max(open.hold),
            },
            flags,
            by: By::Hold,
        },
        Some(Ok(cost)) => {
            let over_hold = open.limited == Limited::Strictly && cost > open.hold;
            Charge {
                usage: read.usage,
                cost,
                flags: ChargeFlags { over_hold, ..flags },
                by,
            }
        }
        // A unit without a price under a budget: the hold is the most that is known.
        Some(Err(_)) if limited => Charge {
            usage: read.usage,
            cost: open.hold,
            flags: ChargeFlags {
                unpriced: true,
                estimated: true,
                ..flags
            },
            by: By::Hold,
        },
        unpriced => Charge {
            usage: read.usage,
            cost: unpriced
                .and_then(Result::err)
                .map_or(NanoUsd::ZERO, |unpriced| unpriced.priced),
            flags: ChargeFlags {
                unpriced: true,
                ..flags
            },
            by,
        },
    }
}

/// The prices that a call is charged by: those of the model that served it. Where the request named several, and the answer none of them, the
/// dearest of them.
fn row<'a>(open: &'a Open, read: &Metered, terms: &Terms<'_>) -> Option<&'a PriceRef> {
    if open.others.is_empty() {
        return open.price.as_ref();
    }
    let asked = (open.model.as_deref().unwrap_or_default(), open.price.as_ref());
    let others = open
        .others
        .iter()
        .map(|(name, price)| (name.as_str(), price.as_ref()));
    let rows: Vec<_> = std::iter::once(asked).chain(others).collect();
    // A vendor may add the date of a version, or name what an alias stands for.
    let served = |(name, price): &&(&str, Option<&PriceRef>)| {
        let served = read.served_model.as_deref();
        served.is_some_and(|served| {
            served.starts_with(*name) || price.is_some_and(|row| served.starts_with(&*row.model))
        })
    };
    match rows.iter().filter(served).max_by_key(|(name, _)| name.len()) {
        Some((_, price)) => *price,
        None => rows
            .into_iter()
            .filter_map(|(_, price)| price)
            .max_by_key(|price| {
                let cost = price.charge(&read.usage, terms);
                cost.unwrap_or_else(|unpriced| unpriced.priced)
            }),
    }
}

/// What a call costs of which the vendor states the cost: that, with what the operator puts on it.
fn stated(open: &Open, nanos: u64) -> NanoUsd {
    let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
    let offer = open.sale.as_ref().and_then(|sale| sale.offer.as_deref());
    NanoUsd(offer.map_or(nanos, |offer| offer.on_stated.on_amount(nanos)))
}

#[cfg(test)]
mod tests;
