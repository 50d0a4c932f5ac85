//! Steps 8 to 13 as one attempt: one hold, one intent, one upstream request, one outcome. Where a pooled credential fails before the
//! client has got anything, the next one is tried: another intent under the same hold, and one charge.

mod failover;

use std::sync::Arc;

use http::{HeaderMap, Method, Response};
use hyper::body::Incoming;
use keystore_core::Deny;
use keystore_core::deny::Malformed;
use keystore_core::ids::RequestId;
use keystore_core::pool::{FIRST_PAUSE, Outcome};
use keystore_core::record::Ending;
use keystore_store::failpoint;

use crate::admit::Admission;
use crate::answer::AnswerBody;
use crate::authorize::Permit;
use crate::cache::ReadyCredential;
use crate::forward::{self, ForwardError, OutgoingBody};
use crate::health::Pass;
use crate::idempotency;
use crate::inject::{self, BuildParts, Built, InjectError, Needles, Token};
use crate::leash::Leash;
use crate::outlive::Outlive;
use crate::parse::CleanRequest;
use crate::pools;
use crate::refuse::{ProxyError, Refusal};
use crate::relay::{self, Answer};
use crate::reserve::{Asked, Reservation, Reserved, Rest};
use crate::resolve::{Pooled, Served};
use crate::settle::End;
use crate::upstream::{Client, Lease};
use crate::{Body, Proxy, Trail};

/// How often a call begins anew because its pool changed in the very moment.
const MOST_STALE: u32 = 8;

/// What an attempt needs to know of the request once its body is on its way.
pub(crate) struct Exchange {
    pub(crate) request: RequestId,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) permit: Permit,
    pub(crate) credential: Arc<ReadyCredential>,
    /// Until it is known how the host behaves.
    pub(crate) pass: Option<Pass>,
}

impl Exchange {
    /// What is relayed.
    fn answer(self, dialled: Dialled, rest: Rest) -> Answer {
        Answer {
            request: self.request,
            permit: self.permit,
            credential: self.credential,
            token: dialled.token,
            response: dialled.response,
            needles: dialled.needles,
            rest,
            leash: dialled.leash,
        }
    }
}

impl Proxy {
    /// Reserves the call and makes it, where its host is worth calling. From the reservation on, a client that leaves does not stop it where
    /// its usage has to be read.
    pub(crate) async fn attempt(
        self: &Arc<Self>,
        mut permit: Permit,
        admission: Admission,
        served: Option<Served>,
        request: CleanRequest<Incoming>,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Refusal> {
        let own = match &served {
            Some(served) => Some(self.pass(&permit, &served.credential)?),
            None => None,
        };
        let method = request.method().clone();
        let (headers, body) = request.into_parts();
        let asked = Asked {
            id: trail.request,
            arrived: trail.arrived,
            method: &method,
            headers: &headers,
            body,
        };
        let (reserved, credential, pooled) = self.reserve(&mut permit, admission, served, asked).await?;
        trail.attempted = true;
        let metered = reserved.rest.meter.is_some();
        let exchange = Exchange {
            request: trail.request,
            method,
            headers,
            permit,
            credential,
            pass: own.or(pooled),
        };
        // On the heap, so that the request's own future is small, and so that it can go on without it.
        let exchange = Box::pin(Arc::clone(self).exchange(exchange, reserved));
        if metered {
            Outlive::new(exchange, self.afterlife.clone()).await
        } else {
            exchange.await
        }
    }

    /// From the reservation to the answer.
    #[expect(
        clippy::manual_async_fn,
        reason = "the future of an `async fn` has room for its arguments twice, and this one is made, moved and wiped for every call"
    )]
    fn exchange(
        self: Arc<Self>,
        mut exchange: Exchange,
        reserved: Reserved,
    ) -> impl Future<Output = Result<Response<Body>, Refusal>> + Send {
        async move {
            if exchange.permit.pool.is_some() {
                return Box::pin(self.exchange_pooled(exchange, reserved)).await;
            }
            let Reserved {
                mut reservation,
                body,
                rest,
            } = reserved;
            let dialled = match self.dial(&mut exchange, &mut reservation, body).await {
                Ok(dialled) => dialled,
                Err(stop) => return Err(stop.end(reservation, exchange)),
            };
            relay::relay(self, exchange.answer(dialled, rest), reservation).await
        }
    }

    /// As [`Proxy::exchange`], with other members of the pool in the place of one that fails.
    async fn exchange_pooled(
        self: Arc<Self>,
        mut exchange: Exchange,
        reserved: Reserved,
    ) -> Result<Response<Body>, Refusal> {
        let Reserved {
            mut reservation,
            mut body,
            rest,
        } = reserved;
        let (mut tried, mut stale) = (Vec::new(), 0);
        loop {
            let again = body.copy().map(|body| (body, exchange.headers.clone()));
            let dialled = self.dial(&mut exchange, &mut reservation, body).await;
            let (mut outcome, stop, token) = match dialled {
                Err(stop) => (stop.shows(), stop, None),
                Ok(mut dialled) => {
                    let Dialled { response, leash, .. } = &mut dialled;
                    let looking = failover::served(response, exchange.permit.provider());
                    match leash.during(looking).await {
                        Ok(Ok(())) => {
                            reservation.shows(Outcome::Answered);
                            let answer = exchange.answer(dialled, rest);
                            return relay::relay(self, answer, reservation).await;
                        }
                        Ok(Err(outcome)) => {
                            let stop = Stop::of_member(outcome, &exchange, &self);
                            (Some(outcome), stop, dialled.token)
                        }
                        Err(deny) => {
                            leash.count_cut();
                            (None, Stop::Refused(Ending::Revoked, deny.into()), None)
                        }
                    }
                }
            };
            // Its token was refused, which the next one may not be.
            if outcome == Some(Outcome::KeyRefused) && self.drop_token(&exchange.credential, token.as_ref()) {
                outcome = Some(Outcome::Failed { pause: None });
            }
            // What changed meanwhile says nothing of the member: it may be chosen again.
            match stop {
                Stop::Failed(ForwardError::Stale) => stale += 1,
                _ => tried.push(exchange.credential.id),
            }
            if let Some(outcome) = outcome {
                reservation.shows(outcome);
            }
            match outcome {
                Some(Outcome::KeyRefused) => self.note_bad_key(&exchange.permit, &exchange.credential),
                Some(Outcome::Limited { .. }) => {
                    let of = pools::of_call(&exchange.permit, exchange.credential.id, self.clock.now());
                    self.pools.uses.limited(of);
                }
                _ => {}
            }
            let goes_on = outcome.is_some() && stale < MOST_STALE;
            let Some((copy, headers)) = again.filter(|_| goes_on) else {
                return Err(stop.end(reservation, exchange));
            };
            let of_failed = pools::of_call(&exchange.permit, exchange.credential.id, self.clock.now());
            // While it waits for the next one it runs with none, and the pool knows what became of this one.
            reservation.leave_pool();
            let next = self.next_member(&mut exchange.permit, &mut tried).await;
            let Ok(Served {
                credential,
                pooled: Some(pooled),
            }) = next
            else {
                return Err(stop.end(reservation, exchange));
            };
            self.pools.uses.failed_over(of_failed);
            if let (Some(pass), Stop::Failed(error)) = (exchange.pass.take(), &stop) {
                pass.failed(error);
            }
            let Pooled { place, pass } = *pooled;
            let names = (exchange.request, &exchange.method);
            reservation = reservation
                .again(&exchange.permit, (&credential, Some(place)), names)
                .await?;
            (body, exchange.headers) = (copy, headers);
            (exchange.credential, exchange.pass) = (credential, Some(pass));
        }
    }

    /// From the opened credential to the head of the answer.
    async fn dial(
        self: &Arc<Self>,
        exchange: &mut Exchange,
        reservation: &mut Reservation,
        body: OutgoingBody,
    ) -> Result<Dialled, Stop> {
        let mut leash = Leash::new(self, &exchange.permit, &exchange.credential);
        let not_sent = |refusal| Stop::Refused(Ending::NotSent, refusal);
        let built = leash.during(self.build(exchange, body)).await;
        let Ready { built, body, token } = built.map_err(Refusal::from).flatten().map_err(not_sent)?;
        let Exchange {
            permit, credential, ..
        } = &*exchange;
        let client = self
            .upstreams
            .client(credential.key(), &credential.policy, permit.target.alias());
        let connected = leash.during(self.connect(&client)).await;
        let lease = connected
            .map_err(|deny| not_sent(deny.into()))?
            .map_err(Stop::Failed)?;
        // What was permitted a moment ago may have been taken back while the credential was opened and the connection was made, and the
        // agent's rights while the pool was asked.
        loop {
            leash.confirm().await.map_err(|deny| not_sent(deny.into()))?;
            if let Some(pool) = &permit.pool
                && !Box::pin(self.pools.keeps(pool, credential.key(), permit.agent.policy.org)).await
            {
                return Err(Stop::Failed(ForwardError::Stale));
            }
            if leash.agent().is_current() {
                break;
            }
        }
        reservation.sending();
        let (agent, ends) = (Arc::clone(leash.agent()), leash.ends_at());
        let is_current = || agent.is_current() && ends.is_none_or(|at| self.clock.now() < at);
        failpoint!(
            self.store.failpoints(),
            "exchange.sending",
            Stop::Failed(ForwardError::Timeout)
        );
        let sending = forward::forward(
            reservation,
            (&client, lease),
            built.request,
            body,
            &self.config,
            &is_current,
        );
        let sent = tokio::select! {
            biased;
            sent = sending => sent,
            deny = leash.ended() => {
                leash.count_cut();
                return Err(Stop::Refused(Ending::Revoked, deny.into()));
            }
        };
        let response = sent.map_err(Stop::Failed)?;
        failpoint!(
            self.store.failpoints(),
            "exchange.answered",
            Stop::Failed(ForwardError::Timeout)
        );
        if let Some(pass) = exchange.pass.take() {
            pass.answered(response.status());
        }
        reservation.answered(response.status().as_u16());
        Ok(Dialled {
            response,
            needles: built.needles,
            token,
            leash,
        })
    }

    async fn connect(&self, client: &Client) -> Result<Lease, ForwardError> {
        let lease = forward::lease(client).await?;
        failpoint!(self.store.failpoints(), "exchange.connected", ForwardError::Stale);
        Ok(lease)
    }

    /// The upstream's request, credential and all, and its body: read to its end where it is signed.
    async fn build(
        self: &Arc<Self>,
        exchange: &mut Exchange,
        mut body: OutgoingBody,
    ) -> Result<Ready, Refusal> {
        failpoint!(self.store.failpoints(), "exchange.reserved", ProxyError::Internal);
        let Exchange {
            method,
            headers,
            permit,
            credential,
            ..
        } = exchange;
        if permit.pool.is_some() {
            let of = &permit.agent.policy;
            idempotency::make_own(headers, &self.policy_mac.value_hasher(of.org), of.agent);
        }
        let alias = permit.target.alias();
        let signs_body = credential.policy.signs_body(alias);
        if signs_body {
            body = Box::pin(body.whole()).await?;
        }
        let opened = self.open(credential).await?;
        let token = match credential.policy.token() {
            Some(_) => Some(Box::pin(self.token(credential, permit.provider())).await?),
            None => None,
        };
        let parts = BuildParts {
            method,
            path: permit.target.upstream_path(),
            query: permit.target.query(),
            headers: std::mem::take(headers),
            provider: permit.provider(),
            alias,
            policy: &credential.policy,
            body_bytes: body.length(),
            body_sha256: signs_body.then(|| body.sha256()).flatten(),
            token: token.as_deref(),
            now: self.clock.now(),
        };
        let built = inject::build(parts, &opened).map_err(|error| match error {
            InjectError::SignedChunks => Refusal::from(Deny::Malformed(Malformed::SignedChunks)),
            error => {
                tracing::error!(provider = %permit.provider().slug, %error, "an upstream request cannot be built");
                ProxyError::Internal.into()
            }
        })?;
        failpoint!(self.store.failpoints(), "exchange.opened", ProxyError::Internal);
        Ok(Ready { built, body, token })
    }
}

/// A request that is ready to be sent.
struct Ready {
    built: Built,
    body: OutgoingBody,
    /// The token in it, where the credential takes one.
    token: Option<Arc<Token>>,
}

/// The head of an answer, with what goes with it.
struct Dialled {
    response: Response<AnswerBody>,
    needles: Needles,
    token: Option<Arc<Token>>,
    leash: Leash,
}

/// Why there is no answer.
enum Stop {
    /// The call is refused.
    Refused(Ending, Refusal),
    /// The upstream, or the way to it, failed.
    Failed(ForwardError),
}

impl Stop {
    /// What a client is told where no member of the pool is left.
    fn of_member(outcome: Outcome, exchange: &Exchange, proxy: &Proxy) -> Self {
        let provider = exchange.permit.provider().slug.to_string();
        let deny = match outcome {
            Outcome::Limited { retry_after } => Deny::PoolBusy {
                provider,
                resets_at: proxy.clock.now().plus(retry_after.unwrap_or(FIRST_PAUSE)),
            },
            _ => Deny::NoPoolCredential { provider },
        };
        Self::Refused(Ending::FailedOver, deny.into())
    }

    /// What it shows of a pooled credential, where the call may go on with another one: nothing was carried out.
    const fn shows(&self) -> Option<Outcome> {
        match self {
            Self::Failed(ForwardError::NotSent { is_ours: false, .. }) => {
                Some(Outcome::Failed { pause: None })
            }
            Self::Failed(ForwardError::Stale) => Some(Outcome::Unknown),
            _ => None,
        }
    }

    /// Settles the call.
    fn end(self, reservation: Reservation, exchange: Exchange) -> Refusal {
        match self {
            Self::Refused(ending, refusal) => end(reservation, ending, refusal),
            Self::Failed(error) => failed(reservation, exchange.pass, &exchange.permit, error),
        }
    }
}

/// Settles a call that ends with a refusal.
fn end(reservation: Reservation, ending: Ending, refusal: Refusal) -> Refusal {
    let code = Some(refusal.code().as_str());
    reservation.settle(&End {
        ending,
        metered: None,
        response_bytes: 0,
        refusal: code,
    });
    refusal
}

/// Settles a call that brought no answer.
fn failed(reservation: Reservation, pass: Option<Pass>, permit: &Permit, error: ForwardError) -> Refusal {
    if let Some(pass) = pass {
        pass.failed(&error);
    }
    let provider = permit.provider().slug.to_string();
    match error {
        ForwardError::NotSent { reason, .. } => end(
            reservation,
            Ending::NotSent,
            ProxyError::Upstream { provider, reason }.into(),
        ),
        ForwardError::Broken { reason } => end(
            reservation,
            Ending::UpstreamError,
            ProxyError::Upstream { provider, reason }.into(),
        ),
        ForwardError::Stale => end(reservation, Ending::NotSent, Deny::AuthStale.into()),
        ForwardError::RequestBody(deny) => end(reservation, Ending::ClientGone, deny.into()),
        ForwardError::Timeout => end(
            reservation,
            Ending::Deadline,
            ProxyError::UpstreamTimeout { provider }.into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::size_of_future;

    /// It is made, moved to the heap and wiped for every call.
    #[test]
    fn the_future_of_an_exchange_is_small() {
        let size = size_of_future(Proxy::exchange);
        assert!(size <= 4096, "{size} bytes");
    }
}
