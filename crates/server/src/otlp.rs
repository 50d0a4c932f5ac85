//! Traces and logs for a collector of OpenTelemetry: OTLP over HTTP, in JSON (the OpenTelemetry Protocol's specification, 1.x).
//!
//! Spans are made from the requests as they are recorded, so that the path of a call waits for nothing here, and what a collector that is
//! away did not take is sent when it is back. Log lines are what the log shows; what does not fit into memory meanwhile is dropped, and
//! counted. Metrics are not sent: `/metrics` is there to be scraped.

mod logs;
mod spans;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::app::App;
use logs::Line;
pub(crate) use logs::Lines;

/// The least time between two deliveries.
const TURN: Duration = Duration::from_secs(1);
/// After a delivery that failed.
const PAUSE: Duration = Duration::from_secs(10);
/// The most requests in one delivery.
const BATCH: i64 = 500;
/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where telemetry goes.
pub(crate) struct Exporter {
    http: reqwest::Client,
    /// Without a slash at its end; `/v1/traces` and `/v1/logs` follow.
    base: String,
    headers: HeaderMap,
    lines: Lines,
}

/// Why something was not delivered.
#[derive(Debug, thiserror::Error)]
enum Undelivered {
    #[error("the collector is not reached: {0}")]
    Unreached(#[from] reqwest::Error),
    #[error("the collector answers with {0}")]
    Refused(http::StatusCode),
}

impl Exporter {
    /// For the collector at `endpoint`, with `headers` as `OTEL_EXPORTER_OTLP_HEADERS` has them: `name=value,name=value`.
    ///
    /// # Errors
    /// A header that is none.
    pub(crate) fn new(endpoint: &str, headers: &str) -> anyhow::Result<Self> {
        let mut map = HeaderMap::new();
        for pair in headers.split(',').filter(|pair| !pair.trim().is_empty()) {
            // What is wrong with it may be the secret: it is not shown.
            let wrong = || anyhow::anyhow!("`telemetry.otlp_headers` must be `name=value,name=value`");
            let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
            let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
            let mut value: HeaderValue = value.trim().parse().map_err(|_| wrong())?;
            value.set_sensitive(true);
            map.append(name, value);
        }
        Ok(Self {
            http: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .timeout(PATIENCE)
                .build()?,
            base: endpoint.trim_end_matches('/').to_owned(),
            headers: map,
            lines: Lines::default(),
        })
    }

    /// The way for lines of the log.
    pub(crate) fn lines(&self) -> Lines {
        self.lines.clone()
    }

    async fn deliver(&self, signal: &str, body: &Value) -> Result<(), Undelivered> {
        let request = self.http.post(format!("{}/v1/{signal}", self.base)).json(body);
        let status = request.headers(self.headers.clone()).send().await?.status();
        match status.is_success() {
            true => Ok(()),
            false => Err(Undelivered::Refused(status)),
        }
    }
}

/// Who tells it.
fn resource() -> Value {
    json!({"attributes": [
        text("service.name", "keystore"),
        text("service.version", env!("CARGO_PKG_VERSION")),
    ]})
}

fn scope() -> Value {
    json!({"name": "keystore", "version": env!("CARGO_PKG_VERSION")})
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn number(key: &str, value: u64) -> Value {
    // 64 bits are a text in the JSON of protocol buffers.
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

/// Delivers until the server stops.
pub(crate) async fn run(app: Arc<App>, exporter: Exporter) {
    let mut notice = app.store.requests_notice();
    let mut sent = *notice.borrow_and_update();
    let mut waiting = Vec::new();
    loop {
        let came = async {
            let _ = notice.changed().await;
        };
        if !app.next_turn(TURN, came).await {
            // What the last moments brought, if the collector takes it at once.
            let _ = turn(&app, &exporter, &mut sent, &mut waiting).await;
            return;
        }
        if let Err(error) = turn(&app, &exporter, &mut sent, &mut waiting).await {
            // Not with the log's own telemetry: it would tell of itself for ever.
            tracing::warn!(target: logs::SILENT, %error, "telemetry was not delivered; it is tried again");
            if !app.next_turn(PAUSE, std::future::pending()).await {
                return;
            }
        }
    }
}

/// Delivers what there is. `sent` is the newest request that was delivered, `waiting` log lines that were taken and were not.
async fn turn(app: &App, exporter: &Exporter, sent: &mut i64, waiting: &mut Vec<Line>) -> anyhow::Result<()> {
    loop {
        let mut conn = app.store.read().await?;
        let rows = keystore_store::requests::of_all(&mut conn, *sent, *sent + BATCH).await?;
        drop(conn);
        let Some(newest) = rows.last().map(|row| row.seq) else {
            break;
        };
        exporter.deliver("traces", &spans::of(&rows)).await?;
        *sent = newest;
    }
    exporter.lines.take(waiting);
    if !waiting.is_empty() {
        exporter.deliver("logs", &logs::of(waiting)).await?;
        waiting.clear();
    }
    Ok(())
}
