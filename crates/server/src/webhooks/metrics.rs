//! What is counted of messages to webhooks. Names no customer and no address.

use keystore_core::Micros;
use keystore_core::webhook::Outcome;
use keystore_store::deliveries::Backlog;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: &'static str,
}

/// Since the start of the server.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    attempts: Family<Labels, Counter>,
    dead: Counter,
}

impl Counts {
    /// Counts an attempt; `None` is one without an answer.
    pub(super) fn tried(&self, outcome: Option<Outcome>) {
        let outcome = match outcome {
            Some(Outcome::Taken) => "taken",
            Some(Outcome::Refused) => "refused",
            Some(Outcome::Gone) => "gone",
            None => "no_answer",
        };
        self.attempts.get_or_create(&Labels { outcome }).inc();
    }

    /// Counts messages that nobody took in time.
    pub(super) fn died(&self, messages: u64) {
        self.dead.inc_by(messages);
    }

    /// Adds the counters to what a scrape shows.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "keystore_webhook_attempts",
            "Messages that were sent to webhooks, by what came of it",
            self.attempts.clone(),
        );
        registry.register(
            "keystore_webhook_dead",
            "Messages that no receiver took in time",
            self.dead.clone(),
        );
    }
}

/// Adds what waits to what a scrape shows.
pub(crate) fn register(backlog: &Backlog, now: Micros, registry: &mut Registry) {
    let seconds = |since: Option<Micros>| {
        let age = since
            .filter(|since| *since < now)
            .map(|since| now.since(since).as_secs());
        ConstGauge::new(i64::try_from(age.unwrap_or(0)).unwrap_or(i64::MAX))
    };
    registry.register(
        "keystore_webhook_pending",
        "Messages that wait for a webhook to take them",
        ConstGauge::new(i64::try_from(backlog.pending).unwrap_or(i64::MAX)),
    );
    registry.register(
        "keystore_webhook_oldest_pending_seconds",
        "How long the oldest of them waits",
        seconds(backlog.oldest),
    );
    registry.register(
        "keystore_webhook_overdue_seconds",
        "For how long a message could have been sent and was not",
        seconds(backlog.due),
    );
}
