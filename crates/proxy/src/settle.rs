//! Step 13: what a call cost, and that it ended. Every reservation passes here exactly once.

use std::time::Duration;

use keystore_catalog::Billing;
use keystore_core::record::{ChargeFlags, Ending, Outcome};
use keystore_core::{NanoUsd, Usage};

use crate::Proxy;
use crate::budgets::Limited;
use crate::meter::{Basis, Metered};
use crate::reserve::Open;

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
}

impl Proxy {
    /// Turns the hold into a charge, in the counters and in the journal, and gives the charge.
    pub(crate) fn settle(&self, open: &Open, end: &End) -> Charge {
        let charge = charge(open, end);
        self.metrics.settled(open, end, &charge);
        let elapsed =
            |until: Duration| u64::try_from(until.saturating_sub(open.began).as_micros()).unwrap_or(u64::MAX);
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
            first_byte_us: open.first_byte.map_or(0, elapsed),
            total_us: elapsed(self.clock.boottime()),
            request_bytes: open.request_bytes,
            response_bytes: end.response_bytes,
            refusal: end.refusal,
            market: None,
        };
        self.counters.settle(&open.budgets, &outcome.used());
        if let Some(run) = &open.run
            && (end.metered.is_some() || end.ending == Ending::NotSent)
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
        self.store.journal().outcome(&outcome);
        charge
    }
}

/// What the call cost. Nothing was sent: nothing. The vendor answered with an error and no usage: nothing. Nothing is known:
/// the hold.
fn charge(open: &Open, end: &End) -> Charge {
    let free = Charge {
        usage: Usage::ZERO,
        cost: NanoUsd::ZERO,
        flags: ChargeFlags::default(),
    };
    if end.ending == Ending::NotSent {
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
    let priced = match read.cost {
        // What the vendor says that it costs is what it costs, whatever the list says.
        Some(nanos) => Some(Ok(NanoUsd(i64::try_from(nanos).unwrap_or(i64::MAX)))),
        None => open.price.as_ref().map(|price| price.charge(&read.usage, &terms)),
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
        },
        Some(Ok(cost)) => {
            let over_hold = open.limited == Limited::Strictly && cost > open.hold;
            Charge {
                usage: read.usage,
                cost,
                flags: ChargeFlags { over_hold, ..flags },
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
        },
    }
}

#[cfg(test)]
mod tests;
