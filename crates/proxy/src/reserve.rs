//! Step 8: bounds and prices the call, holds the amount, and writes the durable intent.
//!
//! What comes out is a guard. Only this file makes one, only `forward` can send, and it wants to see one: nothing reaches an
//! upstream without an intent in the journal and a hold in every budget. Whatever ends the exchange, the guard settles it once.

mod growth;
mod plan;
mod query;
mod terms;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};
use hyper::body::Incoming;
use keystore_catalog::{Billing, PriceRef};
use keystore_core::budget::Amounts;
use keystore_core::ids::{AgentId, AttemptId, RequestId, TokenId};
use keystore_core::policy::Source;
use keystore_core::pool::Outcome;
use keystore_core::record::{Ending, HeldBudget, Intent, Steps, Topup};
use keystore_core::{Deny, Micros, NanoUsd, Usage};
use keystore_store::{Durability, JournalError, failpoint};
use keystore_wire::problem::Code;
use uuid::Uuid;

use self::growth::Growth;
use self::plan::Plan;
pub(crate) use self::terms::AskedTerms;
use crate::Proxy;
use crate::administer::OwnRequest;
use crate::admit::{Admission, RateLeft, Run};
use crate::authorize::Permit;
use crate::budgets::Limited;
use crate::cache::ReadyCredential;
use crate::forward::OutgoingBody;
use crate::health::Pass;
use crate::meter::{Meter, MeterSetup};
use crate::metrics;
use crate::pools::Place;
use crate::probe::ProbeTarget;
use crate::resolve::Served;
use crate::settle::{Charge, End, Sale};
use crate::watch::Watched;

/// The longest path that a record keeps, in bytes.
const MAX_RECORDED_PATH: usize = 512;

/// A call that is held, recorded, and not yet settled.
pub(crate) struct Open {
    pub(crate) attempt: AttemptId,
    pub(crate) began: Duration,
    pub(crate) steps: Steps,
    /// The provider's name among the metrics.
    pub(crate) provider: &'static str,
    pub(crate) billing: Billing,
    pub(crate) price: Option<PriceRef>,
    /// Other models that the request lets serve it, with their prices.
    pub(crate) others: Vec<(String, Option<PriceRef>)>,
    /// What it uses as far as the request says: what counts where nothing is known of the answer.
    pub(crate) asked: Usage,
    pub(crate) budgets: Vec<HeldBudget>,
    /// How firmly they limit what it costs.
    pub(crate) limited: Limited,
    pub(crate) hold: NanoUsd,
    /// Where the hold may grow, if it is an estimate.
    pub(crate) growth: Option<Growth>,
    /// Its places in the rates, until it is settled.
    pub(crate) run: Option<Run>,
    /// Its place at the pool, until it is settled.
    pub(crate) place: Option<Place>,
    /// What it is sold for, of a call with a pooled credential.
    pub(crate) sale: Option<Sale>,
    /// The model that was asked for.
    pub(crate) model: Option<String>,
    /// What its operation and its model are called among the metrics of models.
    pub(crate) gen_ai: Option<(&'static str, &'static str)>,
    /// Who is told what it cost, where a rule against abuse asks.
    pub(crate) watched: Option<Arc<Watched>>,
    pub(crate) request_bytes: u64,
    /// What was asked for: what counts where the vendor does not say what it served.
    pub(crate) terms: AskedTerms,
    /// Whether a byte may have gone to the upstream.
    pub(crate) sent: bool,
    /// The upstream's status; 0 while there is none.
    pub(crate) status: u16,
    pub(crate) first_byte: Option<Duration>,
}

/// The proof that a call may be sent, and the guard that settles it. Dropping it settles by what is known.
#[must_use]
pub(crate) struct Reservation {
    proxy: Arc<Proxy>,
    open: Option<Box<Open>>,
}

/// A reserved call with what it sends and how its answer is read.
pub(crate) struct Reserved {
    pub(crate) reservation: Reservation,
    pub(crate) body: OutgoingBody,
    pub(crate) rest: Rest,
}

/// What the relay of an answer needs to know of its request.
pub(crate) struct Rest {
    /// How to read the usage; `None` where there is nothing to read.
    pub(crate) meter: Option<MeterSetup>,
    /// The request asked for a stream.
    pub(crate) stream: bool,
    /// The output cap that was put into the body.
    pub(crate) output_cap: Option<u64>,
    pub(crate) left: Option<RateLeft>,
}

impl Proxy {
    /// Reserves the call: after this it may be sent. Gives the credential that serves it with it, and the way to its host where it is one of
    /// the pool's.
    pub(crate) async fn reserve(
        self: &Arc<Self>,
        permit: &mut Permit,
        admission: Admission,
        served: Option<Served>,
        request: Asked<'_>,
    ) -> Result<(Reserved, Arc<ReadyCredential>, Option<Pass>), Deny> {
        let now = self.clock.now();
        let (names, arrived) = ((request.id, request.method), request.arrived);
        let (plan, Served { credential, pooled }) = self.plan(permit, served, request, now).await?;
        let (place, pass) = pooled.map(|pooled| (pooled.place, pooled.pass)).unzip();
        let (reserved, written) = self.begin(permit, admission, (&credential, place), (names, now), plan)?;
        let Reserved {
            mut reservation,
            body,
            rest,
        } = reserved;
        reservation.arrived(arrived);
        let reserved = Reserved {
            reservation: reservation.once(written).await?,
            body,
            rest,
        };
        Ok((reserved, credential, pass))
    }

    /// The reservation of a call whose amount is held, and what is waited for before it counts. No step of it waits, so that nothing of the
    /// plan is kept while the intent is written.
    fn begin(
        self: &Arc<Self>,
        permit: &Permit,
        mut admission: Admission,
        (credential, place): (&ReadyCredential, Option<Place>),
        (names, now): ((RequestId, &Method), Micros),
        plan: Plan,
    ) -> Result<(Reserved, impl Future<Output = Result<(), JournalError>> + use<>), Deny> {
        if let Err(deny) = admission.count_tokens(self.arrival(), plan.tokens) {
            self.counters.settle(&plan.budgets, &Amounts::NONE);
            return Err(deny);
        }
        let (run, left) = admission.keep();
        let gen_ai = metrics::operation(permit.operation.usage_shape, permit.operation_name());
        let gen_ai = gen_ai.map(|operation| {
            let (price, model) = (plan.price.as_ref(), plan.model.as_deref());
            (operation, metrics::listed(permit.provider(), price, model, now))
        });
        let attempt = AttemptId::new(self.ids.next());
        let query = self.recorded_query(permit);
        let held = Holding {
            query: query.as_deref(),
            model: plan.model.as_deref(),
            hold: plan.hold,
            budgets: &plan.budgets,
        };
        let intent = intent(permit, credential, names, (now, attempt), held);
        let durability = self.durability(intent.source);
        let written = self.store.journal().intent(&intent, durability);
        let reservation = Reservation {
            proxy: Arc::clone(self),
            open: Some(Box::new(Open {
                attempt,
                began: self.clock.boottime(),
                steps: Steps::default(),
                provider: permit.provider().label(),
                billing: permit.billing(),
                sale: permit.sale(plan.model.as_deref(), now),
                price: plan.price,
                others: plan.others,
                asked: plan.asked,
                growth: Growth::of(permit, plan.limited, &plan.budgets, plan.hold),
                budgets: plan.budgets,
                limited: plan.limited,
                hold: plan.hold,
                run: Some(run),
                place,
                watched: permit.agent.watched.clone(),
                request_bytes: plan.request_bytes,
                terms: plan.terms,
                model: plan.model,
                gen_ai,
                sent: false,
                status: 0,
                first_byte: None,
            })),
        };
        let reserved = Reserved {
            reservation,
            body: plan.body,
            rest: Rest {
                meter: plan.meter,
                stream: plan.stream,
                output_cap: plan.output_cap,
                left,
            },
        };
        Ok((reserved, written))
    }
}

impl Proxy {
    /// What an intent must survive: what is paid for with the operator's keys is not to be lost with the machine either.
    fn durability(&self, source: Source) -> Durability {
        match source {
            Source::Byok => self.config.durability,
            Source::Marketplace => Durability::Power,
        }
    }

    /// Reserves a request of the server's own: an intent like any other, of no agent, without a hold.
    pub(crate) async fn reserve_own(
        self: &Arc<Self>,
        target: &ProbeTarget,
        request: &OwnRequest,
    ) -> Result<Reservation, Deny> {
        let now = self.clock.now();
        let attempt = AttemptId::new(self.ids.next());
        let intent = Intent {
            attempt,
            request: RequestId::new(self.ids.next()),
            at: now,
            org: target.org,
            project: target.project,
            agent: AgentId::new(Uuid::nil()),
            token: TokenId::new(Uuid::nil()),
            provider: &target.provider.slug,
            operation: request.operation,
            method: request.method.as_str(),
            path: &request.path,
            model: None,
            source: target.credential.source,
            credential: target.credential.id,
            credential_version: target.credential.version,
            hold: NanoUsd::ZERO,
            budgets: Cow::Borrowed(&[]),
            end_user: None,
            query: None,
        };
        let reservation = Reservation {
            proxy: Arc::clone(self),
            open: Some(Box::new(Open {
                attempt,
                began: self.clock.boottime(),
                steps: Steps::default(),
                provider: target.provider.label(),
                billing: Billing::External,
                price: None,
                others: Vec::new(),
                asked: Usage::ZERO,
                budgets: Vec::new(),
                growth: None,
                limited: Limited::No,
                hold: NanoUsd::ZERO,
                run: None,
                place: None,
                sale: None,
                model: None,
                gen_ai: None,
                watched: None,
                request_bytes: 0,
                terms: AskedTerms::default(),
                sent: false,
                status: 0,
                first_byte: None,
            })),
        };
        let durability = self.durability(intent.source);
        let written = self.store.journal().intent(&intent, durability);
        reservation.once(written).await
    }
}

/// The parts of a request that reserving needs.
pub(crate) struct Asked<'a> {
    pub(crate) id: RequestId,
    /// When its head was there, by the clock that never goes back.
    pub(crate) arrived: Duration,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Incoming,
}

/// What is held for a call.
#[derive(Clone, Copy)]
struct Holding<'a> {
    model: Option<&'a str>,
    hold: NanoUsd,
    budgets: &'a [HeldBudget],
    query: Option<&'a str>,
}

fn intent<'a>(
    permit: &'a Permit,
    credential: &ReadyCredential,
    (request, method): (RequestId, &'a Method),
    (now, attempt): (Micros, AttemptId),
    held: Holding<'a>,
) -> Intent<'a> {
    let path = permit.target.upstream_path();
    Intent {
        attempt,
        request,
        at: now,
        org: permit.agent.policy.org,
        project: permit.agent.policy.project,
        agent: permit.agent.policy.agent,
        token: permit.agent.token.token,
        provider: &permit.provider().slug,
        operation: permit.operation_name(),
        method: method.as_str(),
        // The front door lets only ASCII through, so any byte is a boundary.
        path: path.get(..MAX_RECORDED_PATH).unwrap_or(path),
        model: held.model,
        source: permit.source(),
        credential: credential.id,
        credential_version: credential.version,
        hold: held.hold,
        budgets: Cow::Borrowed(held.budgets),
        end_user: permit.end_user.as_deref(),
        query: held.query,
    }
}

impl Reservation {
    /// Itself, once the intent is written. A hold whose intent is not written is undone, and nothing may be sent.
    async fn once(mut self, written: impl Future<Output = Result<(), JournalError>>) -> Result<Self, Deny> {
        if written.await.is_err() {
            self.release();
            return Err(Deny::AuditUnavailable);
        }
        self.step(|open, after| open.steps.recorded = after);
        Ok(self)
    }

    /// The head of its request was there at this time.
    fn arrived(&mut self, arrived: Duration) {
        if let Some(open) = &mut self.open {
            open.steps.checked = micros(open.began.saturating_sub(arrived));
        }
    }

    /// Notes what a step brought, and how many microseconds after the intent.
    fn step(&mut self, note: impl FnOnce(&mut Open, u64)) {
        if let Some(open) = &mut self.open {
            let after = self.proxy.clock.boottime().saturating_sub(open.began);
            note(open, micros(after));
        }
    }

    /// The same hold for another attempt with another pooled credential: the one before ends without a charge, and its successor has an
    /// intent of its own.
    ///
    /// # Errors
    ///
    /// [`Deny::AuditUnavailable`]; then nothing is held any more.
    pub(crate) async fn again(
        mut self,
        permit: &Permit,
        (credential, place): (&ReadyCredential, Option<Place>),
        names: (RequestId, &Method),
    ) -> Result<Self, Deny> {
        let Some(open) = &mut self.open else {
            return Ok(self);
        };
        let proxy = &self.proxy;
        let end = End {
            ending: Ending::FailedOver,
            metered: None,
            response_bytes: 0,
            refusal: None,
        };
        let ended = proxy.clock.boottime();
        proxy.record(open, &end, &Charge::FREE, ended.saturating_sub(open.began));
        let now = proxy.clock.now();
        open.attempt = AttemptId::new(proxy.ids.next());
        open.began = ended;
        open.place = place;
        (open.sent, open.status, open.first_byte) = (false, 0, None);
        open.steps = Steps::default();
        let query = proxy.recorded_query(permit);
        let held = Holding {
            query: query.as_deref(),
            model: open.model.as_deref(),
            hold: open.hold,
            budgets: &open.budgets,
        };
        let intent = intent(permit, credential, names, (now, open.attempt), held);
        let written = proxy
            .store
            .journal()
            .intent(&intent, proxy.durability(intent.source));
        self.once(written).await
    }

    /// What the call shows of its pooled credential.
    pub(crate) fn shows(&mut self, outcome: Outcome) {
        if let Some(place) = self.open.as_mut().and_then(|open| open.place.as_mut()) {
            place.shows(outcome);
        }
    }

    /// Gives the place at the pool back, with what it showed of the credential.
    pub(crate) fn leave_pool(&mut self) {
        if let Some(open) = &mut self.open {
            open.place = None;
        }
    }

    /// From here on a byte may have gone to the upstream.
    pub(crate) fn sending(&mut self) {
        self.step(|open, after| (open.sent, open.steps.sending) = (true, after));
    }

    /// The head of the answer is there.
    pub(crate) fn answered(&mut self, status: u16) {
        self.step(|open, after| (open.status, open.steps.answered) = (status, after));
    }

    /// A byte of the answer's body is there.
    pub(crate) fn first_byte(&mut self) {
        let now = self.proxy.clock.boottime();
        if let Some(open) = &mut self.open {
            open.first_byte.get_or_insert(now);
        }
    }

    /// Makes the hold grow with what the call has cost so far, where it is an estimate.
    ///
    /// # Errors
    ///
    /// A budget affords no more.
    pub(crate) fn grow(&mut self, meter: &Meter) -> Result<(), Deny> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let Open {
            attempt,
            growth: Some(growth),
            price: Some(price),
            budgets,
            hold,
            terms,
            ..
        } = &mut **open
        else {
            return Ok(());
        };
        // What cannot be priced is found at the end.
        let Ok(cost) = price.charge(&meter.so_far(), &terms.served(meter.served())) else {
            return Ok(());
        };
        let Some(missing) = cost.checked_sub(*hold).filter(|missing| *missing > NanoUsd::ZERO) else {
            return Ok(());
        };
        let now = self.proxy.clock.now();
        let grown = growth.grow(&self.proxy.counters, now, budgets, missing);
        *hold = NanoUsd(hold.0.saturating_add(grown.map_err(Deny::BudgetExceeded)?.0));
        self.proxy.store.journal().topup(&Topup {
            attempt: *attempt,
            hold: *hold,
            budgets: Cow::Borrowed(budgets),
        });
        Ok(())
    }

    /// Turns the hold into a charge.
    pub(crate) fn settle(mut self, end: &End) -> Option<Charge> {
        failpoint!(self.failpoints(), "exchange.settling", infallible);
        let open = self.open.take()?;
        let charge = self.proxy.settle(&open, end);
        failpoint!(self.failpoints(), "exchange.settled", infallible);
        Some(charge)
    }

    /// Ends a request of the server's own, which costs nothing.
    pub(crate) fn end_own(self, is_answered: bool) {
        let is_sent = self.open.as_ref().is_some_and(|open| open.sent);
        self.settle(&End {
            ending: match (is_answered, is_sent) {
                (true, _) => Ending::Complete,
                (false, true) => Ending::UpstreamError,
                (false, false) => Ending::NotSent,
            },
            metered: None,
            response_bytes: 0,
            refusal: None,
        });
    }

    #[cfg(any(test, feature = "failpoints"))]
    pub(crate) fn failpoints(&self) -> &keystore_store::failpoints::Failpoints {
        self.proxy.store.failpoints()
    }

    /// Undoes a hold whose intent was not written: there is nothing to record.
    fn release(&mut self) {
        if let Some(open) = self.open.take() {
            self.proxy.counters.settle(&open.budgets, &Amounts::NONE);
        }
    }
}

/// Whole microseconds.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            let ending = if open.sent {
                Ending::ClientGone
            } else {
                Ending::NotSent
            };
            self.proxy.settle(
                &open,
                &End {
                    ending,
                    metered: None,
                    response_bytes: 0,
                    refusal: std::thread::panicking().then_some(Code::Internal.as_str()),
                },
            );
        }
    }
}
