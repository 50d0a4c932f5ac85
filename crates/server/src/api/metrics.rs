//! `/metrics`: what is counted, in the OpenMetrics text format.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::problem::{ApiError, ApiResult};
use crate::app::App;

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
    let mut text = String::new();
    encode(&mut text, &registry).map_err(ApiError::internal)?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
