//! What a call may cost, and what is sent for it: decided before anything is recorded.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use keystore_catalog::{Billing, OutputCap, PriceRef, UsageShape};
use keystore_core::deny::Malformed;
use keystore_core::price::{BoundInput, MIN_OUTPUT_CAP, ModelPrice};
use keystore_core::record::HeldBudget;
use keystore_core::{Bucket, Deny, Micros, NanoUsd, Usage};

use super::Asked;
use crate::Proxy;
use crate::authorize::Permit;
use crate::body::{self, Edits, RequestFacts};
use crate::forward::OutgoingBody;
use crate::meter::{self, MeterSetup};

/// The most bytes of a metered operation's body: it is read whole before anything is decided.
const MAX_METERED_BODY: u64 = 32 << 20;
/// The longest that such a body may take: nobody keeps memory and a connection by sending slowly.
const BODY_TIMEOUT: Duration = Duration::from_secs(300);
/// The most bytes of any other body, where the catalog does not say otherwise.
const MAX_BODY: u64 = 1 << 30;
/// Without a budget nothing is held; a crash settles at an estimate that takes at most this much output.
const ESTIMATED_OUTPUT: u64 = 1_024;

/// What a call may cost and what is sent for it.
pub(super) struct Plan {
    pub(super) model: Option<String>,
    pub(super) price: Option<PriceRef>,
    pub(super) per_call: Usage,
    pub(super) hold: NanoUsd,
    pub(super) budgets: Vec<HeldBudget>,
    pub(super) body: OutgoingBody,
    pub(super) request_bytes: u64,
    pub(super) service_tier: Option<String>,
    pub(super) meter: Option<MeterSetup>,
    pub(super) stream: bool,
    pub(super) output_cap: Option<u64>,
}

impl Proxy {
    /// The plan of a call. What it holds is held already: make the reservation at once.
    pub(super) async fn plan(&self, permit: &Permit, request: Asked<'_>, now: Micros) -> Result<Plan, Deny> {
        match permit.operation.billing {
            Billing::Metered if meter::reads(permit.operation.usage_shape) => {
                self.plan_metered(permit, request, now).await
            }
            Billing::Metered => plan_unread(permit, request),
            Billing::PerCall => self.plan_per_call(permit, request, now),
            Billing::External => unbilled(permit, request),
        }
    }

    /// An operation whose usage is read from its answer: the body is read whole, bounded, priced, held, and spliced.
    async fn plan_metered(&self, permit: &Permit, request: Asked<'_>, now: Micros) -> Result<Plan, Deny> {
        if request.headers.contains_key(CONTENT_ENCODING) {
            return Err(Deny::UnsupportedEncoding);
        }
        if !is_json(request.headers) {
            return Err(Deny::Malformed(Malformed::Json));
        }
        let shape = permit.operation.usage_shape;
        let limit = permit
            .operation
            .max_body_bytes
            .unwrap_or(MAX_METERED_BODY)
            .min(MAX_METERED_BODY);
        let bytes = read_whole(request.body, limit).await?;
        let facts = body::read(&bytes, cap_member(permit)).map_err(Deny::Malformed)?;
        let in_path = permit
            .known()
            .and_then(|known| known.model_in_path(permit.target.upstream_path()));
        // Where the path names the model, the vendor serves that one, whatever the body says.
        let model = in_path.or(facts.model.as_deref()).or(permit.price_model());
        permit.agent.check_model(model)?;
        let price = model.and_then(|model| permit.provider().find_price(model, now));
        let (hold, budgets, output_cap) = self.hold(permit, &facts, model, price.as_deref(), now)?;
        let ask_usage = permit.known().is_some_and(|known| known.ask_usage);
        let hide_usage_chunk = ask_usage && facts.stream && facts.include_usage != Some(true);
        let edits = Edits {
            include_usage: hide_usage_chunk,
            output_cap: cap_member(permit).zip(output_cap),
        };
        let (model, stream) = (model.map(str::to_owned), facts.stream);
        let service_tier = facts
            .service_tier
            .as_deref()
            .filter(|tier| *tier != "auto")
            .map(str::to_owned);
        let sent = body::splice(&bytes, &facts.layout, edits);
        Ok(Plan {
            model,
            price,
            per_call: Usage::ZERO,
            hold,
            budgets,
            request_bytes: sent.len() as u64,
            service_tier,
            meter: Some(MeterSetup {
                shape,
                streamed: stream,
                hide_usage_chunk,
                request_bytes: bytes.len() as u64,
            }),
            stream,
            output_cap,
            body: OutgoingBody::Full(sent),
        })
    }

    /// Holds the most that the call can cost, with the output cap that makes it so where the client set none. Without a budget
    /// nothing is held, and the amount is what a crash would settle at.
    fn hold(
        &self,
        permit: &Permit,
        facts: &RequestFacts<'_>,
        model: Option<&str>,
        price: Option<&ModelPrice>,
        now: Micros,
    ) -> Result<(NanoUsd, Vec<HeldBudget>, Option<u64>), Deny> {
        let terms = &permit.agent.budgets;
        let mut bound = facts.bound_input();
        if terms.is_empty() {
            let estimate = BoundInput {
                input_tokens: bound.input_tokens / 4,
                unbounded_input: false,
                max_output: Some(bound.max_output.unwrap_or(ESTIMATED_OUTPUT).min(ESTIMATED_OUTPUT)),
                calls: &[],
                ..bound
            };
            let hold = price
                .and_then(|price| price.bound(&estimate))
                .unwrap_or(NanoUsd::ZERO);
            return Ok((hold, Vec::new(), None));
        }
        let unpriced = || Deny::UnpricedOperation {
            provider: permit.provider().slug.to_string(),
            what: model.unwrap_or(permit.operation_name()).to_owned(),
        };
        let price = price.filter(|_| !facts.background).ok_or_else(unpriced)?;
        let mut cap = None;
        if permit.operation.usage_shape == UsageShape::OpenaiEmbeddings {
            bound.max_output = Some(0);
        } else if bound.max_output.is_none() && cap_member(permit).is_some() {
            let headroom = self.counters.headroom(now, terms).unwrap_or(NanoUsd::ZERO);
            let longest = price
                .max_output_tokens
                .or(price.context_window)
                .ok_or_else(unpriced)?;
            let affordable = price.affordable_output(&bound, headroom).unwrap_or(0);
            cap = Some(affordable.max(MIN_OUTPUT_CAP).min(longest));
            bound.max_output = cap;
        }
        let amount = price.bound(&bound).ok_or_else(unpriced)?;
        let budgets = self
            .counters
            .hold(now, terms, amount)
            .map_err(Deny::BudgetExceeded)?;
        Ok((amount, budgets, cap))
    }

    /// An operation with a price per call: the price is held, and charged when the vendor takes the call.
    fn plan_per_call(&self, permit: &Permit, request: Asked<'_>, now: Micros) -> Result<Plan, Deny> {
        let row = permit
            .price_model()
            .and_then(|model| permit.provider().find_price(model, now));
        let priced = row.and_then(|row| one_call(&row).map(|(usage, cost)| (row, usage, cost)));
        let terms = &permit.agent.budgets;
        if priced.is_none() && !terms.is_empty() {
            let (provider, what) = (
                permit.provider().slug.to_string(),
                permit.operation_name().to_owned(),
            );
            return Err(Deny::UnpricedOperation { provider, what });
        }
        let mut plan = unbilled(permit, request)?;
        if let Some((row, usage, cost)) = priced {
            plan.budgets = self
                .counters
                .hold(now, terms, cost)
                .map_err(Deny::BudgetExceeded)?;
            (plan.price, plan.per_call, plan.hold) = (Some(row), usage, cost);
        }
        Ok(plan)
    }
}

/// A metered operation whose usage cannot be read yet: refused under a budget, otherwise passed on and marked unpriced.
fn plan_unread(permit: &Permit, request: Asked<'_>) -> Result<Plan, Deny> {
    if !permit.agent.budgets.is_empty() {
        let (provider, what) = (
            permit.provider().slug.to_string(),
            permit.operation_name().to_owned(),
        );
        return Err(Deny::UnpricedOperation { provider, what });
    }
    // The body is not read here: a model that it names cannot be checked, so only the path's counts.
    let in_path = permit
        .known()
        .and_then(|known| known.model_in_path(permit.target.upstream_path()));
    permit.agent.check_model(in_path.or(permit.price_model()))?;
    unbilled(permit, request)
}

/// A call without a price: nothing is held, and the body is passed on as it arrives.
fn unbilled(permit: &Permit, request: Asked<'_>) -> Result<Plan, Deny> {
    let limit = permit.operation.max_body_bytes.unwrap_or(MAX_BODY);
    let declared = declared_length(request.headers);
    if declared.is_some_and(|length| length > limit) {
        return Err(Deny::BodyTooLarge { limit_bytes: limit });
    }
    let model = None;
    Ok(Plan {
        model,
        price: None,
        per_call: Usage::ZERO,
        hold: NanoUsd::ZERO,
        budgets: Vec::new(),
        request_bytes: declared.unwrap_or(0),
        service_tier: None,
        meter: None,
        stream: false,
        output_cap: None,
        body: if request.body.is_end_stream() {
            OutgoingBody::Empty
        } else {
            OutgoingBody::Stream {
                body: request.body,
                length: declared,
                limit,
            }
        },
    })
}

/// The member of the request that caps its output, where the operation has one.
fn cap_member(permit: &Permit) -> Option<OutputCap> {
    permit.known().and_then(|known| known.output_cap)
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the vendor reads the body as we do: JSON in UTF-8, by every `content-type` that there is. Without one it is taken
/// for JSON.
fn is_json(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_TYPE).iter().all(|value| {
        let value = value.as_bytes().to_ascii_lowercase();
        let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let kind = parts.next().unwrap_or_default();
        let is_json =
            kind == b"application/json" || (kind.starts_with(b"application/") && kind.ends_with(b"+json"));
        is_json
            && parts
                .filter_map(|parameter| parameter.strip_prefix(b"charset="))
                .all(|charset| matches!(charset, b"utf-8" | b"\"utf-8\"" | b"utf8"))
    })
}

/// The whole body, of at most `limit` bytes, if it comes within [`BODY_TIMEOUT`].
async fn read_whole(body: Incoming, limit: u64) -> Result<Bytes, Deny> {
    if body.size_hint().lower() > limit {
        return Err(Deny::BodyTooLarge { limit_bytes: limit });
    }
    tokio::time::timeout(BODY_TIMEOUT, read_to_end(body, limit))
        .await
        .unwrap_or(Err(Deny::Malformed(Malformed::Body)))
}

/// Reads a body of at most `limit` bytes; one in one piece is not copied. Its trailers are dropped.
async fn read_to_end(mut body: Incoming, limit: u64) -> Result<Bytes, Deny> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Deny::Malformed(Malformed::Body))?;
        let Ok(data) = frame.into_data() else { continue };
        if (read.len() + data.len()) as u64 > limit {
            return Err(Deny::BodyTooLarge { limit_bytes: limit });
        }
        if read.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

/// What one call uses and costs by its price row: one unit of the first thing that the row prices.
fn one_call(row: &ModelPrice) -> Option<(Usage, NanoUsd)> {
    [
        Bucket::Requests,
        Bucket::Searches,
        Bucket::Credits,
        Bucket::Emails,
        Bucket::Pages,
        Bucket::Images,
    ]
    .into_iter()
    .map(|bucket| Usage::ZERO.with(bucket, 1))
    .find_map(|usage| row.charge(&usage, None).ok().map(|cost| (usage, cost)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_only_where_the_vendor_reads_it_so() {
        let is_json_by = |values: &[&str]| {
            let headers: HeaderMap = values
                .iter()
                .map(|value| (CONTENT_TYPE, value.parse().unwrap()))
                .collect();
            is_json(&headers)
        };
        assert!(is_json_by(&[]));
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"; x=y",
            "application/vnd.api+json",
        ] {
            assert!(is_json_by(&[good]), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonp",
            "application/json; charset=utf-7",
            "application/json;charset=utf-16le",
            "image/x+json",
        ] {
            assert!(!is_json_by(&[bad]), "{bad}");
        }
    }
}
