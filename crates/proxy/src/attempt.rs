//! Steps 8 to 13 as one attempt: one hold, one intent, one upstream request, one outcome.

use std::sync::Arc;

use http::{HeaderMap, Method, Response};
use hyper::body::Incoming;
use keystore_core::Deny;
use keystore_core::ids::RequestId;
use keystore_core::record::Ending;
use keystore_store::failpoint;

use crate::admit::Admission;
use crate::answer::AnswerBody;
use crate::authorize::Permit;
use crate::cache::ReadyCredential;
use crate::forward::{self, ForwardError, OutgoingBody};
use crate::health::Pass;
use crate::inject::{self, BuildParts, Built, Outgoing};
use crate::leash::Leash;
use crate::outlive::Outlive;
use crate::parse::CleanRequest;
use crate::refuse::{ProxyError, Refusal};
use crate::relay::{self, Answer};
use crate::reserve::{Asked, Reservation, Reserved};
use crate::settle::End;
use crate::upstream::{Client, Lease};
use crate::{Body, Proxy, Trail};

/// What an attempt needs to know of the request once its body is on its way.
pub(crate) struct Exchange {
    pub(crate) request: RequestId,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) permit: Permit,
    pub(crate) credential: Arc<ReadyCredential>,
    pub(crate) pass: Pass,
}

impl Proxy {
    /// Reserves the call and makes it, where its host is worth calling. From the reservation on, a client that leaves does not stop it where its usage has to be
    /// read.
    pub(crate) async fn attempt(
        self: &Arc<Self>,
        permit: Permit,
        admission: Admission,
        credential: Arc<ReadyCredential>,
        request: CleanRequest<Incoming>,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Refusal> {
        let pass = self.pass(&permit, &credential)?;
        let method = request.method().clone();
        let (headers, body) = request.into_parts();
        let asked = Asked {
            id: trail.request,
            method: &method,
            headers: &headers,
            body,
        };
        let reserved = self.reserve(&permit, admission, &credential, asked).await?;
        trail.attempted = true;
        let metered = reserved.meter.is_some();
        let exchange = Exchange {
            request: trail.request,
            method,
            headers,
            permit,
            credential,
            pass,
        };
        // On the heap, so that the request's own future is small, and so that it can go on without it.
        let exchange = Box::pin(Arc::clone(self).exchange(exchange, reserved));
        if metered {
            Outlive::new(exchange, self.afterlife.clone()).await
        } else {
            exchange.await
        }
    }

    async fn exchange(
        self: Arc<Self>,
        mut exchange: Exchange,
        reserved: Reserved,
    ) -> Result<Response<Body>, Refusal> {
        let Reserved {
            mut reservation,
            body,
            meter,
            stream,
            output_cap,
            left,
        } = reserved;
        let mut leash = Leash::new(&self, &exchange.permit, &exchange.credential);
        let built = match self.build(&mut exchange, body.length()).await {
            Ok(built) => built,
            Err(refusal) => return Err(end(reservation, Ending::NotSent, refusal)),
        };
        let Exchange {
            request,
            permit,
            credential,
            pass,
            ..
        } = exchange;
        let client = self
            .upstreams
            .client(credential.key(), &credential.policy, permit.target.alias());
        let lease = match self.connect(&client).await {
            Ok(lease) => lease,
            Err(error) => return Err(failed(reservation, pass, &permit, error)),
        };
        // What was permitted a moment ago may have been taken back while the credential was opened and the connection was made.
        if let Err(deny) = leash.confirm().await {
            return Err(end(reservation, Ending::NotSent, deny.into()));
        }
        reservation.sending();
        let agent = Arc::clone(leash.agent());
        let is_current = || agent.is_current();
        let sending = self.send(&reservation, (&client, lease), built.request, body, &is_current);
        let sent = tokio::select! {
            biased;
            sent = sending => sent,
            deny = leash.ended() => {
                leash.count_cut();
                return Err(end(reservation, Ending::Revoked, deny.into()));
            }
        };
        let response = match sent {
            Ok(response) => response,
            Err(error) => return Err(failed(reservation, pass, &permit, error)),
        };
        pass.answered(response.status());
        reservation.answered(response.status().as_u16());
        let needles = built.needles;
        let answer = Answer {
            request,
            permit,
            credential,
            response,
            needles,
            meter,
            stream,
            output_cap,
            left,
            leash,
        };
        relay::relay(self, answer, reservation).await
    }

    async fn connect(&self, client: &Client) -> Result<Lease, ForwardError> {
        let lease = forward::lease(client).await?;
        failpoint!(self.store.failpoints(), "exchange.connected", ForwardError::Stale);
        Ok(lease)
    }

    async fn send(
        &self,
        reservation: &Reservation,
        connection: (&Client, Lease),
        request: Outgoing,
        body: OutgoingBody,
        is_current: &(dyn Fn() -> bool + Sync),
    ) -> Result<Response<AnswerBody>, ForwardError> {
        failpoint!(self.store.failpoints(), "exchange.sending", ForwardError::Timeout);
        let answered =
            forward::forward(reservation, connection, request, body, &self.config, is_current).await?;
        failpoint!(
            self.store.failpoints(),
            "exchange.answered",
            ForwardError::Timeout
        );
        Ok(answered)
    }

    /// The upstream's request, credential and all.
    async fn build(&self, exchange: &mut Exchange, body_bytes: Option<u64>) -> Result<Built, Refusal> {
        failpoint!(self.store.failpoints(), "exchange.reserved", ProxyError::Internal);
        let Exchange {
            method,
            headers,
            permit,
            credential,
            ..
        } = exchange;
        let opened = self.open(credential).await?;
        let parts = BuildParts {
            method,
            path: permit.target.upstream_path(),
            query: permit.target.query(),
            headers: std::mem::take(headers),
            provider: permit.provider(),
            alias: permit.target.alias(),
            policy: &credential.policy,
            body_bytes,
        };
        let built = inject::build(parts, &opened).map_err(|error| {
            tracing::error!(provider = %permit.provider().slug, %error, "an upstream request cannot be built");
            ProxyError::Internal
        })?;
        failpoint!(self.store.failpoints(), "exchange.opened", ProxyError::Internal);
        Ok(built)
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
fn failed(reservation: Reservation, pass: Pass, permit: &Permit, error: ForwardError) -> Refusal {
    pass.failed(&error);
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
