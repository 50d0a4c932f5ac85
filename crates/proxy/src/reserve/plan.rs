//! What a call may cost, and what is sent for it: decided before anything is recorded.
//!
//! A vendor charges by tokens, by units that the request asks for, or by units that only the answer can tell. The last kind has no
//! bound: under a budget it is refused, and its body is passed on unread (`passed.rs`).

mod bound;
mod moving;
mod passed;
mod whole;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_ENCODING;
use keystore_catalog::{Billing, OutputCap, PriceRef, UsageShape};
use keystore_core::deny::Malformed;
use keystore_core::record::HeldBudget;
use keystore_core::{Deny, Micros, NanoUsd, Usage, hex};
use keystore_vault::policy_sha256;

use self::bound::{Called, Held, Needs, Prices};
use super::{Asked, AskedTerms};
use crate::Proxy;
use crate::authorize::Permit;
use crate::body::form::{self, Form};
use crate::body::{self, Edits, RequestFacts, chosen};
use crate::budgets::Limited;
use crate::forward::OutgoingBody;
use crate::meter::{self, Asked as AskedUnits, MeterSetup};
use crate::resolve::Served;

/// What a call may cost and what is sent for it.
pub(super) struct Plan {
    pub(super) model: Option<String>,
    pub(super) price: Option<PriceRef>,
    pub(super) others: Vec<(String, Option<PriceRef>)>,
    /// What it uses as far as the request says.
    pub(super) asked: Usage,
    pub(super) hold: NanoUsd,
    pub(super) budgets: Vec<HeldBudget>,
    pub(super) limited: Limited,
    /// How many tokens of input and output it is expected to use.
    pub(super) tokens: u64,
    pub(super) body: OutgoingBody,
    pub(super) request_bytes: u64,
    pub(super) terms: AskedTerms,
    pub(super) meter: Option<MeterSetup>,
    pub(super) stream: bool,
    pub(super) output_cap: Option<u64>,
}

impl Plan {
    /// Nothing is held, and nothing is sent.
    const UNBILLED: Self = Self {
        model: None,
        price: None,
        others: Vec::new(),
        asked: Usage::ZERO,
        hold: NanoUsd::ZERO,
        budgets: Vec::new(),
        limited: Limited::No,
        tokens: 0,
        body: OutgoingBody::Empty,
        request_bytes: 0,
        terms: AskedTerms::NONE,
        meter: None,
        stream: false,
        output_cap: None,
    };

    /// The plan of a call whose body was read: what it needs is held.
    fn metered(
        model: Option<&str>,
        price: Option<PriceRef>,
        held: Held,
        terms: AskedTerms,
        meter: MeterSetup,
        body: Bytes,
    ) -> Self {
        Self {
            model: model.map(str::to_owned),
            price,
            others: Vec::new(),
            asked: meter.asked.map_or(Usage::ZERO, AskedUnits::usage),
            hold: held.amount,
            budgets: held.budgets,
            limited: held.limited,
            tokens: meter.input_tokens.saturating_add(held.expected_output),
            request_bytes: body.len() as u64,
            terms,
            meter: Some(meter),
            stream: false,
            output_cap: held.output_cap,
            body: OutgoingBody::Full(body),
        }
    }
}

/// What tells how much a call may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tells {
    /// The body: it names a model, and what the model reads.
    Request,
    /// The body: it asks for so many units.
    Units,
    /// Nothing but the answer.
    Answer,
}

impl Tells {
    fn of(shape: UsageShape, method: &Method) -> Self {
        match shape {
            _ if matches!(*method, Method::GET | Method::HEAD) => Self::Answer,
            UsageShape::Tavily
            | UsageShape::Serper
            | UsageShape::Resend
            | UsageShape::Exa
            | UsageShape::Deepl => Self::Units,
            UsageShape::Replicate
            | UsageShape::Deepgram
            | UsageShape::Assemblyai
            | UsageShape::Elevenlabs
            | UsageShape::Fal
            | UsageShape::Firecrawl
            | UsageShape::Pinecone => Self::Answer,
            _ => Self::Request,
        }
    }
}

impl Proxy {
    /// The plan of a call, and what serves it. What it holds is held already: make the reservation at once.
    pub(super) async fn plan(
        self: &Arc<Self>,
        permit: &mut Permit,
        served: Option<Served>,
        request: Asked<'_>,
        now: Micros,
    ) -> Result<(Plan, Served), Deny> {
        let shape = permit.operation.usage_shape;
        let reads = permit.billing() == Billing::Metered && meter::reads(shape);
        let tells = reads.then(|| Tells::of(shape, request.method));
        match tells {
            Some(Tells::Request) => return self.plan_by_request(permit, served, request, now).await,
            Some(Tells::Units) => return self.plan_by_units(permit, served, request, now).await,
            Some(Tells::Answer) | None => {}
        }
        let served = self.seat(permit, served).await?;
        let plan = match permit.billing() {
            Billing::Metered if reads => self.plan_by_answer(permit, request, now),
            Billing::Metered => self.plan_unread(permit, request, now),
            Billing::PerCall => self.plan_per_call(permit, request, now),
            Billing::External => self.plan_external(permit, request, now).await,
        };
        Ok((plan?, served))
    }

    /// An operation whose body names a model: it is read whole, bounded, priced, held, and spliced.
    async fn plan_by_request(
        self: &Arc<Self>,
        permit: &mut Permit,
        served: Option<Served>,
        request: Asked<'_>,
        now: Micros,
    ) -> Result<(Plan, Served), Deny> {
        let shape = permit.operation.usage_shape;
        if request.headers.contains_key(CONTENT_ENCODING) {
            return Err(Deny::UnsupportedEncoding);
        }
        let takes_forms = matches!(
            shape,
            UsageShape::OpenaiAudio | UsageShape::OpenaiImages | UsageShape::Video
        );
        let boundary = match takes_forms {
            true => form::boundary(request.headers).map_err(Deny::Malformed)?,
            false => None,
        };
        if boundary.is_none() && !whole::is_json(request.headers) {
            return Err(Deny::Malformed(Malformed::Json));
        }
        let bytes = self.read_whole(permit, request.method, request.body).await?;
        let served = self.seat(permit, served).await?;
        if let Some(boundary) = boundary {
            let form = form::read(&bytes, boundary).map_err(Deny::Malformed)?;
            return Ok((self.plan_form(permit, &bytes, &form, now)?, served));
        }
        let facts = body::read(&bytes, cap_member(permit)).map_err(Deny::Malformed)?;
        let in_path = model_in_path(permit);
        // Where the path names the model, the vendor serves that one, whatever the body says.
        let model = in_path
            .as_deref()
            .or(facts.model.as_deref())
            .or(permit.price_model());
        permit.agent.check_model(model)?;
        let price = model.and_then(|model| permit.find_price(model, now));
        let mut others = Vec::new();
        for other in &facts.other_models {
            permit.agent.check_model(Some(other))?;
            others.push(permit.find_price(other, now));
        }
        let path = permit.target.upstream_path();
        let chosen = chosen::of_body(&bytes, price.as_deref());
        let terms = AskedTerms::new(permit.target.alias(), chosen).with(shape, &facts);
        let needs = Needs::of_body(
            Called::of(permit),
            &bytes,
            &facts,
            terms.terms(),
            price.as_deref(),
        );
        let held = self.hold(
            permit,
            &needs,
            model,
            Prices {
                price: price.as_deref(),
                others: &others,
                other_names: &facts.other_models,
            },
            now,
        )?;
        let ask_usage = permit.known().is_some_and(|known| known.ask_usage);
        let hide_usage_chunk = ask_usage && facts.stream && facts.include_usage != Some(true);
        let end_user = end_user(permit, &facts);
        let edits = Edits {
            end_user: end_user.as_ref().map(|(member, value)| (*member, value.as_str())),
            include_usage: hide_usage_chunk,
            output_cap: cap_member(permit).zip(held.output_cap),
        };
        let sent = body::splice(&bytes, &facts.layout, edits);
        let meter = MeterSetup {
            shape,
            hide_usage_chunk,
            input_tokens: meter::tokens_of_text(bytes.len() as u64),
            asked: needs.asked,
        };
        let names = facts.other_models.iter().map(|name| name.clone().into_owned());
        let plan = Plan {
            others: names.zip(others).collect(),
            // Gemini writes a list piece by piece, which its head does not tell.
            stream: facts.stream || path.ends_with(":streamGenerateContent"),
            ..Plan::metered(model, price, held, terms, meter, sent)
        };
        Ok((plan, served))
    }

    /// Audio or images in a form.
    fn plan_form(&self, permit: &Permit, bytes: &Bytes, form: &Form<'_>, now: Micros) -> Result<Plan, Deny> {
        let shape = permit.operation.usage_shape;
        let in_path = model_in_path(permit);
        let model = in_path
            .as_deref()
            .or(form.model.as_deref())
            .or(permit.price_model());
        permit.agent.check_model(model)?;
        let price = model.and_then(|model| permit.find_price(model, now));
        let terms = AskedTerms::new(permit.target.alias(), chosen::of_form(form, price.as_deref()));
        let needs = Needs::of_form(Called::of(permit), bytes, form, terms.terms(), price.as_deref());
        let held = self.hold(permit, &needs, model, price.as_deref().into(), now)?;
        let meter = MeterSetup {
            shape,
            hide_usage_chunk: false,
            input_tokens: meter::tokens_of_media(bytes.len() as u64),
            asked: needs.asked,
        };
        Ok(Plan {
            stream: form.stream,
            ..Plan::metered(model, price, held, terms, meter, bytes.clone())
        })
    }

    /// An operation that is charged by what its body asks for: it is read whole, counted, priced and held.
    async fn plan_by_units(
        self: &Arc<Self>,
        permit: &mut Permit,
        served: Option<Served>,
        request: Asked<'_>,
        now: Micros,
    ) -> Result<(Plan, Served), Deny> {
        let shape = permit.operation.usage_shape;
        if request.headers.contains_key(CONTENT_ENCODING) {
            return Err(Deny::UnsupportedEncoding);
        }
        let bytes = self.read_whole(permit, request.method, request.body).await?;
        let served = self.seat(permit, served).await?;
        // A row of prices, and no model.
        let row = permit.price_model();
        let price = row.and_then(|row| permit.find_price(row, now));
        let terms = AskedTerms::new(permit.target.alias(), chosen::of_body(&bytes, price.as_deref()));
        let needs = Needs::of_units(Called::of(permit), &bytes, terms.terms());
        let held = self.hold(permit, &needs, None, price.as_deref().into(), now)?;
        let meter = MeterSetup {
            shape,
            hide_usage_chunk: false,
            input_tokens: 0,
            asked: needs.asked,
        };
        Ok((Plan::metered(None, price, held, terms, meter, bytes), served))
    }
}

fn unpriced(permit: &Permit, model: Option<&str>, can_be_priced: bool) -> Deny {
    Deny::UnpricedOperation {
        provider: permit.provider().slug.to_string(),
        what: model.unwrap_or(permit.operation_name()).to_owned(),
        can_be_priced: can_be_priced && permit.pool.is_none(),
        source: permit.source(),
    }
}

fn model_in_path(permit: &Permit) -> Option<Cow<'_, str>> {
    permit
        .known()
        .and_then(|known| known.model_in_path(permit.target.upstream_path()))
}

/// For whom a call with a pooled credential is, where the vendor wants to be told and the request does not say it: a pseudonym, which
/// says nothing outside of this deployment.
fn end_user<'a>(permit: &'a Permit, facts: &RequestFacts<'_>) -> Option<(&'a str, String)> {
    let member = permit.pool.as_ref().and(permit.known()?.end_user.as_deref())?;
    let outer = member.split_once('.').map_or(member, |(object, _)| object);
    if facts.names.iter().any(|name| *name == outer) {
        return None;
    }
    let policy = &permit.agent.policy;
    let (org, agent) = (policy.org.uuid(), policy.agent.uuid());
    let who = match &permit.end_user {
        Some(named) => [org.as_bytes(), named.as_bytes()].concat(),
        None => [org.as_bytes().as_slice(), agent.as_bytes()].concat(),
    };
    let digest = policy_sha256(&who);
    Some((member, hex(&digest[..16])))
}

/// The member of the request that caps its output, where the operation has one.
fn cap_member(permit: &Permit) -> Option<OutputCap> {
    permit.known().and_then(|known| known.output_cap)
}
