//! A request that the server makes itself, with a stored credential: to verify one ([`crate::probe`]), or to the API by which a vendor
//! makes and revokes keys.
//!
//! It is built by the same `inject` and sent by the same `forward` as every other request, under a reservation of its own, and recorded as
//! an attempt of no agent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use http_body_util::{BodyExt as _, Limited};
use keystore_core::Deny;
use keystore_core::destination::TokenGrant;
use keystore_vault::Opened;
use zeroize::Zeroizing;

use crate::Proxy;
use crate::answer::{self, AnswerBody};
use crate::cache::{self, ReadyCredential};
use crate::forward::{self, ForwardError, OutgoingBody};
use crate::inject::{self, BuildParts, Outgoing, Token};
use crate::probe::ProbeTarget;
use crate::refuse::{ProxyError, Refusal};
use crate::reserve::Reservation;
use crate::resolve::unusable;
use crate::upstream::Client;

/// How much of an answer is read.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How long the body may take once the head is there.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A request of the server's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRequest {
    /// What it is recorded as, such as `credential.verify`.
    pub operation: &'static str,
    /// The method.
    pub method: Method,
    /// The host's alias.
    pub alias: String,
    /// The path.
    pub path: String,
    /// The query.
    pub query: Option<String>,
    /// The body: JSON, if there is one.
    pub body: Option<Bytes>,
}

/// What a vendor answered.
pub struct OwnAnswer {
    /// The status.
    pub status: u16,
    /// The body, which may hold a new secret.
    pub body: Zeroizing<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The request cannot be made, or the answer cannot be read.
    #[error("{0}")]
    Unclear(String),
    /// No answer came; whether the request had an effect is not known.
    #[error("{0}")]
    Unreachable(String),
    /// The vendor gives no token for the credential, so that nothing was asked.
    #[error("the vendor gives no token for this credential")]
    Refused,
}

impl Proxy {
    /// Makes a request with a stored credential, and gives what the vendor answered.
    ///
    /// # Errors
    ///
    /// The credential cannot be opened, or the intent cannot be recorded; inside, there is no answer.
    pub async fn administer(
        self: &Arc<Self>,
        target: &ProbeTarget,
        request: OwnRequest,
    ) -> Result<Result<OwnAnswer, Unanswered>, Deny> {
        let (credential, opened) = self.unsealed(target).await?;
        let (own, answer) = self.own(target, (&credential, &opened), request).await?;
        let answer = match answer {
            Err(unanswered) => Err(unanswered),
            Ok(response) => {
                let status = response.status().as_u16();
                let body = body_of(response, MAX_BODY_BYTES).await;
                body.map(|body| OwnAnswer { status, body })
            }
        };
        own.end();
        Ok(answer)
    }

    /// The credential of a target, and what it holds.
    pub(crate) async fn unsealed(
        &self,
        target: &ProbeTarget,
    ) -> Result<(Arc<ReadyCredential>, Opened), Deny> {
        let row = &target.credential;
        let credential = cache::ready(&self.vault, target.org, row, self.agents.limits().of(row.id))
            .await
            .map_err(|error| unusable(&error, &row.name))?;
        let opened = self.open(&credential).await?;
        Ok((credential, opened))
    }

    /// Makes a request; what is given is ended when the answer was read.
    pub(crate) async fn own(
        self: &Arc<Self>,
        target: &ProbeTarget,
        (credential, opened): (&ReadyCredential, &Opened),
        request: OwnRequest,
    ) -> Result<(Own, Result<Response<AnswerBody>, Unanswered>), Deny> {
        let mut reservation = self.reserve_own(target, &request).await?;
        let answer = self
            .send_own(&mut reservation, target, (credential, opened), request)
            .await;
        let status = answer.as_ref().ok().map(|response| response.status().as_u16());
        reservation.answered(status.unwrap_or(0));
        let own = Own {
            reservation,
            is_answered: status.is_some(),
        };
        Ok((own, answer))
    }

    async fn send_own(
        self: &Arc<Self>,
        reservation: &mut Reservation,
        target: &ProbeTarget,
        (credential, opened): (&ReadyCredential, &Opened),
        request: OwnRequest,
    ) -> Result<Response<AnswerBody>, Unanswered> {
        let provider = &*target.provider;
        let token = self.own_token(target, (credential, opened)).await?;
        let client = self
            .upstreams
            .client(credential.key(), &credential.policy, &request.alias);
        let body = request.body.map_or(OutgoingBody::Empty, OutgoingBody::Full);
        let built = inject::build(
            BuildParts {
                method: &request.method,
                path: &request.path,
                query: request.query.as_deref(),
                headers: headers(!matches!(body, OutgoingBody::Empty)),
                provider,
                alias: &request.alias,
                policy: &credential.policy,
                body_bytes: body.length(),
                body_sha256: credential
                    .policy
                    .signs_body(&request.alias)
                    .then(|| body.sha256())
                    .flatten(),
                token: token.as_deref(),
                now: self.clock.now(),
            },
            opened,
        )
        .map_err(|error| Unanswered::Unclear(error.to_string()))?;
        let response = self.send_built(reservation, &client, built.request, body).await?;
        answer::clean(response, provider, &built.needles)
            .map_err(|error| Unanswered::Unclear(error.to_string()))
    }

    /// The token that the policy of a target injects, if it does. A refresh token is tried only as it is stored: the vendor may give another
    /// in its place.
    async fn own_token(
        self: &Arc<Self>,
        target: &ProbeTarget,
        (credential, opened): (&ReadyCredential, &Opened),
    ) -> Result<Option<Arc<Token>>, Unanswered> {
        let Some(source) = credential.policy.token() else {
            return Ok(None);
        };
        let token = match source.grant {
            TokenGrant::RefreshToken => self.token(credential, &target.provider).await,
            _ => self
                .exchange_for_token(target, (credential, opened), source)
                .await
                .map(|fetched| Arc::new(fetched.token)),
        };
        token.map(Some).map_err(|refusal| match refusal {
            Refusal::Failed(ProxyError::CredentialInvalid { .. }) => Unanswered::Refused,
            Refusal::Failed(error) => Unanswered::Unreachable(error.to_string()),
            Refusal::Deny(_) => Unanswered::Unclear("no token can be had for the credential now".to_owned()),
        })
    }

    /// Sends a request that is built.
    pub(crate) async fn send_built(
        &self,
        reservation: &mut Reservation,
        client: &Client,
        request: Outgoing,
        body: OutgoingBody,
    ) -> Result<Response<AnswerBody>, Unanswered> {
        let sent = async {
            let lease = forward::lease(client).await?;
            reservation.sending();
            forward::forward(reservation, (client, lease), request, body, &self.config, &|| {
                true
            })
            .await
        };
        sent.await.map_err(|error| match error {
            ForwardError::NotSent { reason, .. } | ForwardError::Broken { reason } => {
                Unanswered::Unreachable(reason)
            }
            ForwardError::Timeout => Unanswered::Unreachable("no answer in time".to_owned()),
            // The body is there, and nobody's permission is needed.
            ForwardError::RequestBody(_) | ForwardError::Stale => Unanswered::Unclear(error.to_string()),
        })
    }
}

/// The body of an answer, of at most so many bytes.
pub(crate) async fn body_of(
    response: Response<AnswerBody>,
    most: usize,
) -> Result<Zeroizing<Vec<u8>>, Unanswered> {
    let body = Limited::new(response.into_body(), most).collect();
    match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(whole)) => Ok(Zeroizing::new(whole.to_bytes().to_vec())),
        _ => Err(Unanswered::Unreachable("the answer broke off".to_owned())),
    }
}

/// A request that was made, until its answer was read.
pub(crate) struct Own {
    reservation: Reservation,
    is_answered: bool,
}

impl Own {
    pub(crate) fn end(self) {
        self.reservation.end_own(self.is_answered);
    }
}

fn headers(has_body: bool) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    let mut insert = |name, value| {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    };
    insert("accept", "application/json");
    insert("user-agent", "keystore");
    if has_body {
        insert("content-type", "application/json");
    }
    headers
}
