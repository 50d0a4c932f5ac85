//! Step 10: sends a built request and waits for the head of the answer.
//!
//! The one way to an upstream, and it asks for a [`Reservation`], which only `reserve` makes. A redirect is an answer like any
//! other. A request is sent again only where the connection gave it back unsent; whether anything may have been sent is what
//! the errors tell apart, because it decides over the charge. Errors never hold a URL's query or a header's value.

mod outgoing;

use std::time::Duration;

use http::header::{HOST, TRANSFER_ENCODING};
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use keystore_core::Deny;
use tokio::time::Instant;

pub(crate) use outgoing::{OutgoingBody, Progress, SentBody};

use crate::answer::AnswerBody;
use crate::config::ProxyConfig;
use crate::inject::Outgoing;
use crate::reserve::Reservation;
use crate::upstream::{Client, Lease, LeaseError};

/// Why there is no answer. Reasons are safe to show: no secret, no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    /// Provably no byte of the request was sent.
    #[error("not sent: {reason}")]
    NotSent {
        /// What happened.
        reason: String,
        /// It was not even tried, for a reason on our side.
        is_ours: bool,
    },
    /// What permitted the call changed while another connection was made. Nothing was sent.
    #[error("not sent: what permitted the call has changed")]
    Stale,
    /// The client's own body failed or was too large. A part of it may have been sent.
    #[error("the request's body was refused")]
    RequestBody(Deny),
    /// The request, or a part of it, may have been sent; no valid answer came.
    #[error("broken off: {reason}")]
    Broken {
        /// What happened.
        reason: String,
    },
    /// The request was sent, and no head of an answer came in time.
    #[error("no answer in time")]
    Timeout,
}

/// A connection for one request. Nothing is sent yet, so that who waited for it can look once more at what permits the call.
///
/// # Errors
///
/// [`ForwardError::NotSent`].
pub(crate) async fn lease(client: &Client) -> Result<Lease, ForwardError> {
    client.lease().await.map_err(|error| not_sent(&error))
}

/// Sends the request of `reservation` on `lease` and waits for the head of its answer, at most `config.head_timeout` from the
/// last byte of the request. Where another connection has to be made, `is_current` is asked again before anything is sent.
///
/// # Errors
///
/// See [`ForwardError`].
pub(crate) fn forward(
    _reservation: &Reservation,
    (client, lease): (&Client, Lease),
    request: Outgoing,
    body: OutgoingBody,
    config: &ProxyConfig,
    is_current: &(dyn Fn() -> bool + Sync),
) -> impl Future<Output = Result<Response<AnswerBody>, ForwardError>> + Send {
    send((client, lease), request, body, config.head_timeout, is_current)
}

/// Sends a message that is no call of a provider and carries no credential: it needs no reservation.
///
/// # Errors
///
/// See [`ForwardError`].
pub(crate) async fn message(
    client: &Client,
    request: Outgoing,
    body: OutgoingBody,
    head_timeout: Duration,
) -> Result<Response<AnswerBody>, ForwardError> {
    let lease = lease(client).await?;
    send((client, lease), request, body, head_timeout, &|| true).await
}

async fn send(
    (client, mut lease): (&Client, Lease),
    request: Outgoing,
    body: OutgoingBody,
    head_timeout: Duration,
    is_current: &(dyn Fn() -> bool + Sync),
) -> Result<Response<AnswerBody>, ForwardError> {
    let Outgoing {
        method,
        path_and_query,
        headers,
    } = request;
    let (body, progress) = body.into_sent();
    let mut request = head(method, headers, body);
    loop {
        address(&mut request, &lease, &path_and_query)?;
        let Some(sent) = head_in_time(lease.send(request), progress.as_deref(), head_timeout).await else {
            return Err(ForwardError::Timeout);
        };
        let mut failure = match sent {
            Ok(response) => return received(response, lease),
            Err(failure) => failure,
        };
        if let Some(deny) = progress.as_deref().and_then(Progress::fault) {
            return Err(ForwardError::RequestBody(deny));
        }
        let Some(unsent) = failure.take_message() else {
            tracing::warn!(
                host = lease.host(),
                error = error_chain(failure.error()),
                "upstream broke off"
            );
            return Err(ForwardError::Broken {
                reason: format!("{} broke off the connection", lease.host()),
            });
        };
        if !lease.is_reused() {
            return Err(ForwardError::NotSent {
                reason: format!("{} closed the connection at once", lease.host()),
                is_ours: false,
            });
        }
        // A kept connection that the upstream closed before it took the request: nothing was sent, another one will do.
        request = unsent;
        lease = self::lease(client).await?;
        if !is_current() {
            return Err(ForwardError::Stale);
        }
    }
}

fn head(method: Method, headers: HeaderMap, body: SentBody) -> Request<SentBody> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    request
}

/// Writes the target as the connection's protocol wants it.
fn address(
    request: &mut Request<SentBody>,
    lease: &Lease,
    path_and_query: &PathAndQuery,
) -> Result<(), ForwardError> {
    let form = lease.form();
    if let Some((scheme, authority)) = form.absolute {
        request.headers_mut().remove(HOST);
        request.headers_mut().remove(TRANSFER_ENCODING);
        let absolute = Uri::builder()
            .scheme(scheme.clone())
            .authority(authority.clone())
            .path_and_query(path_and_query.clone())
            .build();
        *request.uri_mut() = absolute.map_err(|_| ForwardError::NotSent {
            reason: "the upstream's URL is not valid".to_owned(),
            is_ours: true,
        })?;
    } else {
        *request.uri_mut() = Uri::from(path_and_query.clone());
        request.headers_mut().insert(HOST, form.host.clone());
        // Said outright, because hyper would send no body at all with a GET of unknown length.
        if request.body().size_hint().exact().is_none() {
            request
                .headers_mut()
                .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
    Ok(())
}

/// The head of an answer, or `None` when there is none within `limit` from the start or from the last byte of the body.
async fn head_in_time<T>(
    answer: impl Future<Output = T>,
    progress: Option<&Progress>,
    limit: Duration,
) -> Option<T> {
    let mut answer = std::pin::pin!(answer);
    let mut seen = 0;
    loop {
        if let Ok(answer) = tokio::time::timeout_at(Instant::now() + limit, &mut answer).await {
            return Some(answer);
        }
        let now = progress.map_or(0, Progress::bytes);
        if now == seen {
            return None;
        }
        seen = now;
    }
}

fn received(response: Response<Incoming>, lease: Lease) -> Result<Response<AnswerBody>, ForwardError> {
    if response.status().is_informational() {
        return Err(ForwardError::Broken {
            reason: format!("{} answered with an upgrade that was not asked for", lease.host()),
        });
    }
    let (parts, body) = response.into_parts();
    Ok(Response::from_parts(parts, AnswerBody::new(body, lease)))
}

fn not_sent(error: &LeaseError) -> ForwardError {
    tracing::warn!(error = error_chain(error), "no upstream connection");
    ForwardError::NotSent {
        reason: error.reason(),
        is_ours: error.is_ours(),
    }
}

/// An error and what it came from, on one line.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
