//! Calls whose body is passed on as it arrives: with a price for each call, with a price that only the answer tells, without one.

use std::borrow::Cow;

use hyper::body::Body as _;
use keystore_catalog::UsageShape;
use keystore_core::budget::{Amounts, Applied, Ask};
use keystore_core::price::{ModelPrice, Terms};
use keystore_core::record::HeldBudget;
use keystore_core::{Bucket, Deny, Micros, NanoUsd, Usage};

use super::bound;
use super::moving::{self, beside_cost};
use super::whole::declared_length;
use super::{Plan, model_in_path, unpriced};
use crate::Proxy;
use crate::authorize::Permit;
use crate::body::chosen;
use crate::budgets::Limited;
use crate::forward::OutgoingBody;
use crate::meter::{self, MeterSetup};
use crate::reserve::{Asked, AskedTerms};

/// The most bytes of a body that is passed on as it arrives, where the catalog does not say otherwise.
const MAX_BODY: u64 = 1 << 30;

/// A call that costs nothing that is known.
pub(super) const ONE_CALL: Amounts = Amounts {
    calls: 1,
    ..Amounts::NONE
};

impl Proxy {
    /// An operation with a price per call: the price is held, and charged when the vendor takes the call.
    pub(super) fn plan_per_call(
        &self,
        permit: &Permit,
        request: Asked<'_>,
        now: Micros,
    ) -> Result<Plan, Deny> {
        let row = permit.price_row().and_then(|row| permit.find_price(row, now));
        let priced = row.and_then(|row| one_call(&row).map(|(usage, cost)| (row, usage, cost)));
        let names: Vec<_> = permit.price_model().into_iter().collect();
        let budgets = permit.budgets(&names);
        let limited = Limited::by(&budgets);
        if permit.pool.is_some() && moving::counts(&budgets, request.method) {
            moving::allow_unknown(permit, &budgets)?;
        }
        if priced.is_none() && limited != Limited::No {
            return Err(unpriced(permit, None, false));
        }
        let mut plan = unbilled(permit, request)?;
        if let Some((row, usage, cost)) = priced {
            (plan.price, plan.asked, plan.hold) = (Some(row), usage, cost);
        }
        let ask = Ask {
            bound: Amounts {
                usd: plan.hold,
                ..ONE_CALL
            },
            estimate: plan.hold,
        };
        let held = self.counters.hold(now, &budgets, &ask);
        let held = held.map_err(|exceeded| permit.exceeded(exceeded))?;
        (plan.budgets, plan.limited) = (held, limited);
        Ok(plan)
    }

    /// An operation of which only the answer tells what it costs: refused where a budget limits that, otherwise passed on as it arrives.
    pub(super) fn plan_by_answer(
        &self,
        permit: &Permit,
        request: Asked<'_>,
        now: Micros,
    ) -> Result<Plan, Deny> {
        let shape = permit.operation.usage_shape;
        let path = permit.target.upstream_path();
        let model = named_outside(permit, shape, path);
        let model = model.as_deref();
        if !matches!(shape, UsageShape::Firecrawl | UsageShape::Pinecone) {
            permit.agent.check_model(model.or(permit.price_model()))?;
        }
        let row = model.or(permit.price_model());
        let price = row.and_then(|row| permit.find_price(row, now));
        let names: Vec<_> = row
            .into_iter()
            .chain(price.as_deref().map(|price| &*price.model))
            .collect();
        let mut plan = unbilled(permit, request)?;
        plan.budgets = self.hold_unpriced(permit, model, &names, now)?;
        plan.terms = AskedTerms::new(permit.target.alias(), chosen::of_unread(price.as_deref()));
        plan.meter = Some(MeterSetup {
            shape,
            hide_usage_chunk: false,
            input_tokens: meter::tokens_of_text(plan.request_bytes),
            asked: bound::least(shape, plan.request_bytes, price.as_deref()),
        });
        (plan.model, plan.price) = (model.map(str::to_owned), price);
        Ok(plan)
    }

    /// A metered operation whose usage cannot be read: refused where a budget limits its cost, otherwise passed on and marked unpriced.
    pub(super) fn plan_unread(&self, permit: &Permit, request: Asked<'_>, now: Micros) -> Result<Plan, Deny> {
        // The body is not read here: a model that it names cannot be checked, so only the path's counts.
        let in_path = model_in_path(permit);
        let row = in_path.as_deref().or(permit.price_model());
        permit.agent.check_model(row)?;
        let names: Vec<_> = row.into_iter().collect();
        let mut plan = unbilled(permit, request)?;
        plan.budgets = self.hold_unpriced(permit, None, &names, now)?;
        Ok(plan)
    }

    /// An operation that the vendor bills in another way: it costs nothing here, counts as a call, and may move money.
    pub(super) async fn plan_external(
        &self,
        permit: &mut Permit,
        request: Asked<'_>,
        now: Micros,
    ) -> Result<Plan, Deny> {
        let budgets = beside_cost(permit);
        if moving::counts(&budgets, request.method) {
            drop(budgets);
            return self.plan_moving(permit, request, now).await;
        }
        let mut plan = unbilled(permit, request)?;
        plan.budgets = self.hold_call(&budgets, now)?;
        Ok(plan)
    }

    /// Holds a call of which nobody knows what it costs, unless a budget limits that.
    fn hold_unpriced(
        &self,
        permit: &Permit,
        model: Option<&str>,
        names: &[&str],
        now: Micros,
    ) -> Result<Vec<HeldBudget>, Deny> {
        let budgets = permit.budgets(names);
        match Limited::by(&budgets) {
            Limited::No => self.hold_call(&budgets, now),
            Limited::ByEstimate | Limited::Strictly => Err(unpriced(permit, model, false)),
        }
    }

    pub(super) fn hold_call(&self, budgets: &[Applied<'_>], now: Micros) -> Result<Vec<HeldBudget>, Deny> {
        let ask = Ask {
            bound: ONE_CALL,
            estimate: NanoUsd::ZERO,
        };
        self.counters
            .hold(now, budgets, &ask)
            .map_err(Deny::BudgetExceeded)
    }
}

/// The model that a request names outside of its body.
fn named_outside<'a>(permit: &'a Permit, shape: UsageShape, path: &'a str) -> Option<Cow<'a, str>> {
    match shape {
        // The path is the model.
        UsageShape::Fal => Some(Cow::Borrowed(path.trim_matches('/'))),
        UsageShape::Replicate => {
            let named = path.strip_prefix("/v1/models/")?;
            Some(Cow::Borrowed(named.strip_suffix("/predictions").unwrap_or(named)))
        }
        UsageShape::Deepgram => {
            let query = permit.target.query()?;
            let model = query.split('&').find_map(|pair| pair.strip_prefix("model="))?;
            (!model.contains(['%', '+'])).then_some(Cow::Borrowed(model))
        }
        _ => model_in_path(permit),
    }
}

/// A call without a price: nothing is held, and the body is passed on as it arrives.
pub(super) fn unbilled(permit: &Permit, request: Asked<'_>) -> Result<Plan, Deny> {
    let limit = permit.operation.max_body_bytes.unwrap_or(MAX_BODY);
    let declared = declared_length(request.headers);
    if declared.is_some_and(|length| length > limit) {
        return Err(Deny::BodyTooLarge { limit_bytes: limit });
    }
    Ok(Plan {
        request_bytes: declared.unwrap_or(0),
        body: if request.body.is_end_stream() {
            OutgoingBody::Empty
        } else {
            OutgoingBody::Stream {
                body: request.body,
                length: declared,
                limit,
            }
        },
        ..Plan::UNBILLED
    })
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
    .find_map(|usage| {
        row.charge(&usage, &Terms::default())
            .ok()
            .map(|cost| (usage, cost))
    })
}
