//! The lines of the log on their way to a collector.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::{number, resource, scope, text};

/// So many lines wait for a collector; those that come when it is full are dropped.
const MOST: usize = 10_000;
/// The target of lines about telemetry itself, which are not part of it.
pub(super) const SILENT: &str = "keystore_server::otlp::silent";

/// The way from the log to the exporter. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Line>,
    dropped: u64,
}

/// One line of the log.
pub(super) struct Line {
    at: u64,
    level: Level,
    target: String,
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Lines {
    fn push(&self, line: Line) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.lines.len() < MOST {
            true => waiting.lines.push_back(line),
            false => waiting.dropped += 1,
        }
    }

    /// Adds what waits to `taken`, as long as that is not too much.
    pub(super) fn take(&self, taken: &mut Vec<Line>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MOST.saturating_sub(taken.len()).min(waiting.lines.len());
        taken.extend(waiting.lines.drain(..room));
        let dropped = std::mem::take(&mut waiting.dropped);
        drop(waiting);
        if dropped > 0 {
            tracing::warn!(
                dropped,
                "lines of the log were not delivered: the collector did not take them in time"
            );
        }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let of = event.metadata();
        if of.target() == SILENT {
            return;
        }
        let mut line = Line {
            at: now(),
            level: *of.level(),
            target: of.target().to_owned(),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut line);
        self.push(line);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a line of the log has the time of the machine, as the log itself does"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            name => self.fields.push((name, value.to_owned())),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut shown = String::new();
        let _ = write!(shown, "{value:?}");
        self.record_str(field, &shown);
    }
}

/// The body of a delivery.
pub(super) fn of(lines: &[Line]) -> Value {
    let records: Vec<_> = lines.iter().map(record).collect();
    json!({"resourceLogs": [{"resource": resource(), "scopeLogs": [{"scope": scope(), "logRecords": records}]}]})
}

fn record(line: &Line) -> Value {
    let mut attributes = vec![text("code.namespace", &line.target)];
    attributes.extend(line.fields.iter().map(|(name, value)| match value.parse() {
        Ok(value) => number(name, value),
        Err(_) => text(name, value),
    }));
    json!({
        "timeUnixNano": line.at.to_string(),
        "observedTimeUnixNano": line.at.to_string(),
        "severityNumber": severity(line.level),
        "severityText": line.level.as_str(),
        "body": {"stringValue": line.message},
        "attributes": attributes,
    })
}

/// The first number of each range of OpenTelemetry's data model for logs.
const fn severity(level: Level) -> u8 {
    match level {
        Level::TRACE => 1,
        Level::DEBUG => 5,
        Level::INFO => 9,
        Level::WARN => 13,
        Level::ERROR => 17,
    }
}
