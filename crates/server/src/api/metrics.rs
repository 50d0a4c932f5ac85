//! `/metrics`: what is counted, in the OpenMetrics text format.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use keystore_store::deliveries;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use super::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::webhooks;

/// Providers have pools because the operator says so: they are few.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    provider: String,
}

/// What is counted. Holds no name of a customer.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> ApiResult<Response> {
    let mut registry = Registry::default();
    app.proxy.metrics().register(&mut registry);
    registry.register(
        "keystore_journal_available",
        "1 while the journal can be written; while it cannot, requests are refused",
        ConstGauge::new(i64::from(app.store.journal().is_available())),
    );
    let epoch = i64::try_from(app.store.epoch()).unwrap_or(i64::MAX);
    registry.register(
        "keystore_auth_epoch",
        "Changes of what decides over requests",
        ConstGauge::new(epoch),
    );
    let waiting = Family::<PoolLabels, Gauge>::default();
    for (provider, calls) in app.proxy.pools_waiting() {
        let gauge = waiting.get_or_create(&PoolLabels { provider });
        gauge.set(i64::try_from(calls).unwrap_or(i64::MAX));
    }
    registry.register(
        "keystore_pool_waiting",
        "Calls that wait for a key of a pool",
        waiting,
    );
    let seen = app.notary.seen();
    let gauge = |number: u64| ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
    registry.register(
        "keystore_audit_leaves",
        "Records in the tree over the audit log",
        gauge(seen.leaves),
    );
    registry.register(
        "keystore_audit_signed_leaves",
        "Records that the newest checkpoint of the audit log covers",
        gauge(seen.signed),
    );
    if let Some(standing) = app.notary.sinks() {
        registry.register(
            "keystore_audit_sink_up",
            "1 while checkpoints of the audit log get to every place that the configuration names",
            ConstGauge::new(i64::from(standing.failing.is_none())),
        );
    }
    app.hooks.counts.register(&mut registry);
    // Without a database there is nothing to say about what waits, and the rest of the scrape is wanted all the more.
    let now = app.clock.now();
    if let Ok(mut conn) = app.store.read().await
        && let Ok(backlog) = deliveries::backlog(&mut conn, now).await
    {
        webhooks::metrics::register(&backlog, now, &mut registry);
    }
    let mut text = String::new();
    encode(&mut text, &registry).map_err(ApiError::internal)?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
