//! What is sent to a webhook: the event as JSON, signed by Standard Webhooks, with the two headers of older receivers beside.

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue};
use keystore_core::Micros;
use keystore_core::destination::{Destination, Scheme};
use keystore_proxy::Message;
use keystore_store::events::Event;
use keystore_store::webhooks::Webhook;
use keystore_wire::webhooks as wire;
use reqwest::Url;
use serde_json::{Value, json};

use super::secrets::Signing;
use crate::api::problem::{ApiError, ApiResult};

/// The host that an address names; `None` where it is none for messages.
pub(crate) fn destination(url: &Url) -> Option<Destination> {
    let scheme = match url.scheme() {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return None,
    };
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
    Some(Destination {
        alias: String::new(),
        scheme,
        host: host.to_owned(),
        port: url.port().unwrap_or(scheme.default_port()),
        base_path: String::new(),
    })
}

/// What events say of a webhook. Not its address, which more people see than may see that.
pub(crate) fn facts(webhook: &Webhook) -> Value {
    let url = Url::parse(&webhook.url).ok();
    let host = url.as_ref().and_then(Url::host_str);
    json!({"name": webhook.name, "host": host})
}

/// The message that tells a webhook of an event, signed as of `now`.
///
/// # Errors
/// `internal`: the stored address is none.
pub(super) fn message(
    webhook: &Webhook,
    event: &Event,
    signing: &Signing,
    now: Micros,
) -> ApiResult<Message> {
    let url = Url::parse(&webhook.url).map_err(ApiError::internal)?;
    let to = destination(&url).ok_or_else(|| ApiError::internal(NoAddress))?;
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let path_and_query: PathAndQuery = target.parse().map_err(ApiError::internal)?;
    let body = body(event)?;
    Ok(Message {
        to,
        path_and_query,
        headers: headers(event, signing, &body, now).map_err(ApiError::internal)?,
        body,
    })
}

/// The same bytes in every attempt.
fn body(event: &Event) -> ApiResult<Bytes> {
    let message = wire::Message {
        id: event.id,
        event: event.kind.clone(),
        kind: event.kind.clone(),
        timestamp: event.at.into(),
        org_id: event.org,
        project_id: event.project,
        subject: event.subject.clone(),
        data: event.data.clone(),
    };
    let text = serde_json::to_vec(&message).map_err(ApiError::internal)?;
    Ok(text.into())
}

fn headers(
    event: &Event,
    signing: &Signing,
    body: &[u8],
    now: Micros,
) -> Result<HeaderMap, http::header::InvalidHeaderValue> {
    let (id, at) = (event.id.to_string(), now.seconds());
    let signatures: Vec<String> = signing.iter().map(|secret| secret.sign(&id, at, body)).collect();
    let newest = signing.first().map(|secret| secret.sign_body(body));
    let mut headers = HeaderMap::with_capacity(10);
    let mut insert = |name: &'static str, value: &str| {
        HeaderValue::from_str(value).map(|value| headers.insert(HeaderName::from_static(name), value))
    };
    insert("accept", "*/*")?;
    insert("content-type", "application/json")?;
    insert("content-length", &body.len().to_string())?;
    insert(
        "user-agent",
        concat!("keystore-webhooks/", env!("CARGO_PKG_VERSION")),
    )?;
    insert("webhook-id", &id)?;
    insert("webhook-timestamp", &at.to_string())?;
    insert("webhook-signature", &signatures.join(" "))?;
    insert("x-webhook-event", &event.kind)?;
    insert("x-webhook-signature", &newest.unwrap_or_default())?;
    Ok(headers)
}

/// The stored address of a webhook is none.
#[derive(Debug, thiserror::Error)]
#[error("the stored address of a webhook is none")]
struct NoAddress;
