//! Step 11: the answer's bytes to the client, and a tap on the way.
//!
//! A small buffered answer is read whole, so that its cost can stand in its head, and an error can be looked at. Everything else
//! is relayed as it arrives: one body that ends in exactly one of five ways (complete, upstream error, client gone, deadline,
//! revoked) and settles once. When the client leaves a metered answer, the same body is read to its end by a task of its own.

mod border;
mod flow;
mod last_words;
mod stream;
mod tap;
mod whole;

use std::sync::Arc;

use http::header::CONTENT_LENGTH;
use http::response::Parts;
use http::{HeaderMap, Response};
use keystore_core::ids::RequestId;
use keystore_core::policy::Source;
use keystore_core::record::Ending;

use crate::answer::{self, AnswerBody};
use crate::authorize::Permit;
use crate::cache::ReadyCredential;
use crate::inject::{Needles, Token};
use crate::learned;
use crate::leash::Leash;
use crate::meter::{Framing, Meter};
use crate::pools;
use crate::refuse::{ProxyError, Refusal};
use crate::reserve::{Reservation, Rest};
use crate::response::{self, Marks};
use crate::scrub::Stray;
use crate::settle::End;
use crate::{Body, Proxy};

use flow::Flow;
use last_words::LastWords;
pub(crate) use stream::Relay;
use tap::Tap;
use whole::Read;

/// The largest answer that is read whole before its head goes out, in bytes.
const MAX_WHOLE: usize = 64 << 10;

/// An upstream's answer, with what it takes to relay it.
pub(crate) struct Answer {
    pub(crate) request: RequestId,
    pub(crate) permit: Permit,
    pub(crate) credential: Arc<ReadyCredential>,
    /// The token of the credential that the call was made with, where it takes one.
    pub(crate) token: Option<Arc<Token>>,
    pub(crate) response: Response<AnswerBody>,
    pub(crate) needles: Needles,
    pub(crate) rest: Rest,
    pub(crate) leash: Leash,
}

/// An answer whose head is clean and whose body has not been read.
struct Cleaned {
    head: Parts,
    framing: Framing,
    marks: Marks,
    meter: Option<Meter>,
    needles: Needles,
    stray: Stray,
    flow: Flow,
    leash: Leash,
    /// How the client can be told in the stream itself why it is cut.
    last_words: Option<LastWords>,
    proxy: Arc<Proxy>,
}

/// Gives the client its answer: whole where that is possible and useful, otherwise as it arrives. No `async fn`: its future would have room
/// for the answer in every state that the answer goes through before anything is waited for.
pub(crate) fn relay(
    proxy: Arc<Proxy>,
    answer: Answer,
    reservation: Reservation,
) -> impl Future<Output = Result<Response<Body>, Refusal>> + Send {
    let mut begun = begin(proxy, answer, reservation);
    async move {
        let read = match &mut begun {
            Ok(begun) if begun.whole => {
                let Cleaned { flow, leash, .. } = &mut begun.cleaned;
                Some(whole::read(flow, leash).await)
            }
            _ => None,
        };
        begun?.end(read)
    }
}

/// An answer that is about to be given to the client.
struct Begun {
    cleaned: Cleaned,
    permit: Permit,
    credential: Arc<ReadyCredential>,
    token: Option<Arc<Token>>,
    /// It is read before its head goes out.
    whole: bool,
    bodiless: bool,
}

impl Begun {
    fn end(self, read: Option<Read>) -> Result<Response<Body>, Refusal> {
        match read {
            Some(read) => {
                let with = (&self.permit, &self.credential, self.token.as_ref());
                self.cleaned.whole(read, with, self.bodiless)
            }
            None => Ok(self.cleaned.streamed(None)),
        }
    }
}

/// Takes an answer whose body has not been read. One that cannot be given to the client is settled.
fn begin(proxy: Arc<Proxy>, answer: Answer, reservation: Reservation) -> Result<Begun, Refusal> {
    let Answer {
        request,
        permit,
        credential,
        token,
        response,
        needles,
        rest:
            Rest {
                meter,
                stream,
                output_cap,
                left,
            },
        leash,
    } = answer;
    let looked = credential.learned.observe(
        response.status(),
        response.headers(),
        proxy.clock.boottime(),
        || proxy.clock.now(),
    );
    if let Some(pool) = permit.pool.as_ref().filter(|_| looked) {
        let quotas = credential
            .learned
            .quotas(proxy.clock.now(), proxy.clock.boottime());
        pool.queue.learn(credential.id, &quotas);
        let of = pools::of_call(&permit, credential.id, proxy.clock.now());
        proxy.pools.uses.left(of, &quotas);
    }
    let Ok(response) = answer::clean(response, permit.provider(), &needles) else {
        return Err(undecodable(reservation, &permit));
    };
    let (mut head, body) = response.into_parts();
    if permit.source() == Source::Marketplace {
        learned::conceal(&mut head.headers);
    }
    let framing = Framing::of(&head.headers);
    if framing == Framing::Events && meter.is_some_and(|setup| setup.hide_usage_chunk) {
        // An event will be taken out.
        head.headers.remove(CONTENT_LENGTH);
    }
    // Where a length is promised, nothing can be said on top of it.
    let last_words = (!head.headers.contains_key(CONTENT_LENGTH)).then(|| LastWords {
        framing,
        shape: permit.operation.usage_shape,
        agent: Arc::clone(&permit.agent),
    });
    let buffered = meter.is_some() && !stream && !framing.is_stream();
    let whole = (buffered || !head.status.is_success()) && may_be_small(&head.headers);
    let cleaned = Cleaned {
        marks: Marks {
            request,
            source: permit.source(),
            left,
            output_cap,
            cost: None,
        },
        meter: meter.map(|setup| Meter::new(setup, &head.headers)),
        flow: Flow::new(body, reservation, proxy.config.idle_timeout),
        head,
        framing,
        needles,
        stray: Stray::new(&proxy, &permit, request),
        leash,
        last_words,
        proxy,
    };
    let bodiless = cleaned.flow.is_end();
    Ok(Begun {
        // hyper never asks for a body that must not be there (HEAD, 204, 304), which would look like a client that left.
        whole: whole || bodiless,
        bodiless,
        cleaned,
        permit,
        credential,
        token,
    })
}

impl Cleaned {
    /// Relays what was read already and the rest as it arrives.
    fn streamed(self, read: Option<bytes::Bytes>) -> Response<Body> {
        let Self {
            mut head,
            framing,
            marks,
            meter,
            needles,
            stray,
            flow,
            leash,
            last_words,
            proxy,
        } = self;
        let mut tap = Tap::new(meter, needles, stray, framing);
        if let Some(read) = read {
            tap.push(read);
        }
        response::mark(&mut head.headers, &marks);
        Response::from_parts(
            head,
            Body::Relayed(Relay::new(tap, flow, last_words, leash, &proxy)),
        )
    }
}

/// An answer in an encoding that was not asked for is no valid answer: it could not be scrubbed.
fn undecodable(reservation: Reservation, permit: &Permit) -> Refusal {
    let reason = "the answer has a content encoding that was not asked for".to_owned();
    let refusal = Refusal::from(ProxyError::Upstream {
        provider: permit.provider().slug.to_string(),
        reason,
    });
    let code = Some(refusal.code().as_str());
    reservation.settle(&End {
        ending: Ending::UpstreamError,
        metered: None,
        response_bytes: 0,
        refusal: code,
    });
    refusal
}

/// Whether the answer is not known to be too long to be read whole.
fn may_be_small(headers: &HeaderMap) -> bool {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    length.is_none_or(|length| length <= MAX_WHOLE)
}
