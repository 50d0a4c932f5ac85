//! A span for each call and each refusal, with the attributes of OpenTelemetry's conventions for HTTP and for generative AI. The trace has
//! the request's id, which the agent has in `x-keystore-request-id` and a person in `ks requests`; attempts of one request share it.

use keystore_core::ids::AttemptId;
use keystore_core::policy::Source;
use keystore_core::record::Ending;
use keystore_core::{Bucket, Micros, Usage};
use keystore_store::requests::RequestRow;
use serde_json::{Value, json};

use super::{number, resource, scope, text};

/// `SPAN_KIND_SERVER` and `SPAN_KIND_CLIENT`: a refusal ends here, a call goes on to the vendor.
const KINDS: [u8; 2] = [2, 3];
/// `STATUS_CODE_UNSET` and `STATUS_CODE_ERROR`.
const STATUSES: [u8; 2] = [0, 2];

/// The body of a delivery.
pub(super) fn of(rows: &[RequestRow]) -> Value {
    let spans: Vec<_> = rows.iter().map(span).collect();
    json!({"resourceSpans": [{"resource": resource(), "scopeSpans": [{"scope": scope(), "spans": spans}]}]})
}

fn span(row: &RequestRow) -> Value {
    let failed = error(row);
    let operation = row.operation.as_deref().unwrap_or("refused");
    let name = match &row.model {
        Some(model) => format!("{operation} {model}"),
        None => format!("{operation} {}", row.provider),
    };
    let status = match &failed {
        Some(why) => json!({"code": STATUSES[1], "message": why}),
        None => json!({"code": STATUSES[0]}),
    };
    json!({
        "traceId": format!("{:032x}", row.id.uuid().as_u128()),
        "spanId": span_id(row),
        "name": name,
        "kind": KINDS[usize::from(row.attempt.is_some())],
        "startTimeUnixNano": nanos(row.at),
        "endTimeUnixNano": nanos(row.ended_at.max(row.at)),
        "attributes": attributes(row, failed.as_deref()),
        "status": status,
    })
}

/// The random half of the attempt's id; of the request's, where nothing was attempted.
fn span_id(row: &RequestRow) -> String {
    let id = row.attempt.map_or(row.id.uuid(), AttemptId::uuid);
    // All zeros would be no id; the bits of a UUID that say its variant are not all zero.
    format!("{:016x}", id.as_u128() & u128::from(u64::MAX))
}

fn nanos(at: Micros) -> String {
    (i128::from(at.0) * 1_000).to_string()
}

/// Why it failed: the refusal's code, the vendor's status, or how it ended.
fn error(row: &RequestRow) -> Option<String> {
    match (&row.refusal, row.ending) {
        (Some(code), _) => Some(code.clone()),
        (None, Some(Ending::Complete)) if row.status >= 400 => Some(row.status.to_string()),
        (None, Some(Ending::Complete) | None) => None,
        (None, Some(ending)) => Some(ending.as_str().to_owned()),
    }
}

fn attributes(row: &RequestRow, failed: Option<&str>) -> Vec<Value> {
    let mut all = vec![
        text("gen_ai.provider.name", &row.provider),
        text("keystore.request.id", &row.id.to_string()),
        text("keystore.organization.id", &row.org.to_string()),
        text("keystore.project.id", &row.project.to_string()),
        text("keystore.agent.id", &row.agent.to_string()),
        text("keystore.cost_usd", &row.cost.to_string()),
    ];
    let texts = [
        ("keystore.operation", row.operation.as_deref()),
        ("gen_ai.request.model", row.model.as_deref()),
        ("gen_ai.response.model", row.served_model.as_deref()),
        ("http.request.method", row.method.as_deref()),
        ("url.path", row.path.as_deref()),
        ("enduser.id", row.end_user.as_deref()),
        ("keystore.source", row.source.map(Source::as_str)),
        ("error.type", failed),
    ];
    all.extend(
        texts
            .into_iter()
            .filter_map(|(key, value)| Some(text(key, value?))),
    );
    let units = |bucket: Bucket| row.usage[bucket.name()].as_u64().unwrap_or(0);
    let used = Bucket::ALL
        .into_iter()
        .fold(Usage::ZERO, |usage, bucket| usage.with(bucket, units(bucket)));
    let numbers = [
        ("http.response.status_code", u64::from(row.status)),
        ("gen_ai.usage.input_tokens", used.input_tokens()),
        ("gen_ai.usage.output_tokens", used.output_tokens()),
        ("http.request.body.size", row.request_bytes),
        ("http.response.body.size", row.response_bytes),
    ];
    all.extend(
        numbers
            .into_iter()
            .filter(|(_, value)| *value > 0)
            .map(|(key, value)| number(key, value)),
    );
    all
}
