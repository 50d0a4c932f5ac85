//! Calls under a budget of the money that they move: a payment, a refund, a payout.

use http::Method;
use http::header::CONTENT_ENCODING;
use keystore_catalog::MOVES_NOTHING;
use keystore_core::budget::{Amounts, Applied, Ask};
use keystore_core::policy::Unit;
use keystore_core::{Bucket, Deny, Micros, NanoUsd, Usage};

use super::Plan;
use super::passed::{ONE_CALL, unbilled};
use crate::Proxy;
use crate::authorize::Permit;
use crate::body::{asked, moved};
use crate::forward::OutgoingBody;
use crate::meter::{self, MeterSetup};
use crate::reserve::Asked;

/// Whether one of the budgets counts what the call moves, so that its request must be read.
pub(super) fn counts(budgets: &[Applied<'_>], method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
        && budgets
            .iter()
            .any(|applied| applied.terms.policy.unit == Unit::UsdMoved)
}

impl Proxy {
    /// An operation that may move money: the most that it moves is held, and confirmed by the answer where that says it.
    pub(super) async fn plan_moving(
        &self,
        permit: &mut Permit,
        request: Asked<'_>,
        now: Micros,
    ) -> Result<Plan, Deny> {
        let field = permit.known().and_then(|known| known.moves.clone());
        let Some(field) = field.as_deref().filter(|field| *field != MOVES_NOTHING) else {
            let budgets = beside_cost(permit);
            if field.is_none() {
                allow_unknown(permit, &budgets)?;
            }
            let mut plan = unbilled(permit, request)?;
            plan.budgets = self.hold_call(&budgets, now)?;
            return Ok(plan);
        };
        if request.headers.contains_key(CONTENT_ENCODING) {
            return Err(Deny::UnsupportedEncoding);
        }
        let bytes = self.read_whole(permit, request.method, request.body).await?;
        let budgets = beside_cost(permit);
        let nanos = moved::read(request.headers, permit.target.query(), &bytes, field);
        if nanos.is_none() {
            allow_unknown(permit, &budgets)?;
        }
        let moved = nanos.unwrap_or(0);
        let ask = Ask {
            bound: Amounts {
                usd_moved: NanoUsd(i64::try_from(moved).unwrap_or(i64::MAX)),
                ..ONE_CALL
            },
            estimate: NanoUsd::ZERO,
        };
        let held = self.counters.hold(now, &budgets, &ask);
        let shape = permit.operation.usage_shape;
        Ok(Plan {
            budgets: held.map_err(Deny::BudgetExceeded)?,
            asked: Usage::ZERO.with(Bucket::UsdMovedNanos, moved),
            request_bytes: bytes.len() as u64,
            meter: meter::reads(shape).then(|| MeterSetup {
                shape,
                hide_usage_chunk: false,
                input_tokens: 0,
                asked: Some(asked::known(Bucket::UsdMovedNanos, moved)),
            }),
            body: OutgoingBody::Full(bytes),
            ..Plan::UNBILLED
        })
    }
}

/// The budgets that count what a call does beside its cost.
pub(super) fn beside_cost(permit: &Permit) -> Vec<Applied<'_>> {
    let mut budgets = permit.budgets(&[]);
    budgets.retain(|applied| applied.terms.policy.unit != Unit::Usd);
    budgets
}

/// What moves nobody knows how much passes where budgets refuse nothing.
pub(super) fn allow_unknown(permit: &Permit, budgets: &[Applied<'_>]) -> Result<(), Deny> {
    let limits = |applied: &Applied<'_>| {
        let policy = &applied.terms.policy;
        policy.unit == Unit::UsdMoved && policy.denies()
    };
    match budgets.iter().find(|applied| limits(applied)) {
        None => Ok(()),
        Some(applied) => Err(Deny::UnknownAmount {
            budget: applied.terms.policy.budget,
            what: permit.operation_name().to_owned(),
        }),
    }
}
