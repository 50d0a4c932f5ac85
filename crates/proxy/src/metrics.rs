//! What is counted, in the Prometheus sense. Labels are bounded: slugs of the catalog, endings and codes, never anything that
//! a caller writes.

mod gen_ai;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use keystore_core::record::Ending;
use keystore_wire::problem::Code;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::lock::lock;
use crate::reserve::Open;
use crate::settle::{Charge, End};
use gen_ai::GenAi;
pub(crate) use gen_ai::{listed, operation};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    provider: &'static str,
    ending: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabels {
    provider: &'static str,
}

/// Where a provider's calls count that ended in one way. Kept, because a family hashes every label to find a series.
#[derive(Debug)]
struct Ended {
    requests: Counter,
    /// None before the first charge: what was never counted does not show.
    cost_nanos: OnceLock<Counter>,
}

/// The counters of the data plane.
#[derive(Debug, Default)]
pub struct Metrics {
    /// By provider and ending.
    ended: Mutex<BTreeMap<(&'static str, &'static str), Arc<Ended>>>,
    requests: Family<RequestLabels, Counter>,
    refusals: Family<CodeLabels, Counter>,
    cost_nanos: Family<ProviderLabels, Counter>,
    over_hold: Counter,
    unpriced: Family<ProviderLabels, Counter>,
    estimated: Family<ProviderLabels, Counter>,
    circuits_opened: Family<ProviderLabels, Counter>,
    circuits_closed: Family<ProviderLabels, Counter>,
    /// What opened and did not close. Circuits are kept for as long as the process lives, so none is lost from it; one that nobody calls
    /// through any more stays as it is.
    circuits_open: Family<ProviderLabels, Gauge>,
    gen_ai: GenAi,
}

impl Metrics {
    /// Adds the counters to what a scrape shows.
    pub fn register(&self, registry: &mut Registry) {
        self.gen_ai.register(registry);
        registry.register(
            "keystore_requests",
            "Calls that were reserved, by how they ended",
            self.requests.clone(),
        );
        registry.register(
            "keystore_refusals",
            "Requests that were refused, by code",
            self.refusals.clone(),
        );
        registry.register(
            "keystore_cost_nanos",
            "Charges in nano-dollars",
            self.cost_nanos.clone(),
        );
        registry.register(
            "keystore_over_hold_charges",
            "Charges above what was held for them; stays 0 in strict mode",
            self.over_hold.clone(),
        );
        registry.register(
            "keystore_unpriced_charges",
            "Calls without a price",
            self.unpriced.clone(),
        );
        registry.register(
            "keystore_estimated_charges",
            "Calls whose usage was not reported",
            self.estimated.clone(),
        );
        registry.register(
            "keystore_circuits_opened",
            "Circuits that opened: a host failed so often that calls are held back",
            self.circuits_opened.clone(),
        );
        registry.register(
            "keystore_circuits_closed",
            "Circuits that closed again",
            self.circuits_closed.clone(),
        );
        registry.register(
            "keystore_circuits_open",
            "Circuits that are open now",
            self.circuits_open.clone(),
        );
    }

    pub(crate) fn refused(&self, code: Code) {
        self.refusals
            .get_or_create(&CodeLabels { code: code.as_str() })
            .inc();
    }

    pub(crate) fn circuit_opened(&self, provider: &'static str) {
        let labels = ProviderLabels { provider };
        self.circuits_opened.get_or_create(&labels).inc();
        self.circuits_open.get_or_create(&labels).inc();
    }

    pub(crate) fn circuit_closed(&self, provider: &'static str) {
        let labels = ProviderLabels { provider };
        self.circuits_closed.get_or_create(&labels).inc();
        self.circuits_open.get_or_create(&labels).dec();
    }

    /// A call was settled, so long after it was admitted.
    pub(crate) fn settled(&self, open: &Open, end: &End, charge: &Charge, after: Duration) {
        self.gen_ai.settled(open, end, charge, after);
        let labels = ProviderLabels {
            provider: open.provider,
        };
        let ended = self.ended(open.provider, end.ending.as_str());
        ended.requests.inc();
        if let Ok(nanos) = u64::try_from(charge.cost.0)
            && nanos > 0
        {
            let series = || self.cost_nanos.get_or_create_owned(&labels);
            ended.cost_nanos.get_or_init(series).inc_by(nanos);
        }
        if charge.flags.over_hold {
            self.over_hold.inc();
        }
        if charge.flags.unpriced {
            self.unpriced.get_or_create(&labels).inc();
        }
        if charge.flags.estimated && end.ending != Ending::NotSent {
            self.estimated.get_or_create(&labels).inc();
        }
    }

    fn ended(&self, provider: &'static str, ending: &'static str) -> Arc<Ended> {
        let mut kept = lock(&self.ended);
        let ended = kept.entry((provider, ending)).or_insert_with(|| {
            let labels = RequestLabels { provider, ending };
            Arc::new(Ended {
                requests: self.requests.get_or_create_owned(&labels),
                cost_nanos: OnceLock::new(),
            })
        });
        Arc::clone(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circuits_are_open_until_they_close() {
        let metrics = Metrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let open = |provider: &str| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            let name = format!("keystore_circuits_open{{provider=\"{provider}\"}} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&name));
            line.map(|count| count.parse::<u32>().unwrap())
        };
        assert_eq!(open("openai"), None, "what never opened does not show");
        metrics.circuit_opened("openai");
        assert_eq!(open("openai"), Some(1), "the first one shows at once");
        metrics.circuit_opened("openai");
        metrics.circuit_opened("anthropic");
        assert_eq!((open("openai"), open("anthropic")), (Some(2), Some(1)));
        metrics.circuit_closed("openai");
        assert_eq!((open("openai"), open("anthropic")), (Some(1), Some(1)));
        metrics.circuit_closed("openai");
        assert_eq!(open("openai"), Some(0), "the end of an outage is seen");
        metrics.circuit_opened("openai");
        assert_eq!(open("openai"), Some(1));
    }
}
