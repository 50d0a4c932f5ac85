//! Step 11: the answer's bytes to the client, and a tap on the way.
//!
//! A small buffered answer is read whole, so that its cost can stand in its head, and an error can be looked at. Everything else
//! is relayed as it arrives: one body that ends in exactly one of four ways (complete, upstream error, client gone, deadline) and
//! settles once. When the client leaves a metered answer, the same body is read to its end by a task of its own.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::response::Parts;
use http::{HeaderMap, Response};
use http_body::{Body as _, Frame};
use keystore_core::ids::RequestId;
use keystore_core::record::Ending;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::admit::RateLeft;
use crate::answer::{self, AnswerBody};
use crate::authorize::Permit;
use crate::cache::ReadyCredential;
use crate::inject::Needles;
use crate::meter::{Meter, MeterSetup, Metered};
use crate::outlive::Afterlife;
use crate::refuse::{ProxyError, Refusal};
use crate::reserve::Reservation;
use crate::response::{self, Marks};
use crate::scrub::{self, Scrubber};
use crate::settle::{Charge, End};
use crate::{Body, Proxy};

/// The largest answer that is read whole before its head goes out, in bytes.
const MAX_WHOLE: usize = 64 << 10;

type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// An upstream's answer, with what it takes to relay it.
pub(crate) struct Answer {
    pub(crate) request: RequestId,
    pub(crate) permit: Permit,
    pub(crate) credential: Arc<ReadyCredential>,
    pub(crate) response: Response<AnswerBody>,
    pub(crate) needles: Needles,
    pub(crate) meter: Option<MeterSetup>,
    /// The request asked for a stream.
    pub(crate) stream: bool,
    pub(crate) output_cap: Option<u64>,
    pub(crate) left: Option<RateLeft>,
}

/// Gives the client its answer: whole where that is possible and useful, otherwise as it arrives.
pub(crate) async fn relay(
    proxy: Arc<Proxy>,
    answer: Answer,
    reservation: Reservation,
) -> Result<Response<Body>, Refusal> {
    let Answer {
        request,
        permit,
        credential,
        response,
        needles,
        meter,
        stream,
        output_cap,
        left,
    } = answer;
    let provider = || permit.provider.slug.to_string();
    let Ok(response) = answer::clean(response, permit.provider, &needles) else {
        let reason = "the answer has a content encoding that was not asked for".to_owned();
        let refusal = Refusal::from(ProxyError::Upstream {
            provider: provider(),
            reason,
        });
        reservation.settle(End {
            ending: Ending::UpstreamError,
            metered: None,
            response_bytes: 0,
            refusal: Some(refusal.code().as_str()),
        });
        return Err(refusal);
    };
    let (mut head, body) = response.into_parts();
    let status = head.status;
    let events = is_event_stream(&head.headers);
    let whole = wants_whole(
        &head.headers,
        status.is_success(),
        meter.is_some() && !stream && !events,
    );
    let mut marks = Marks {
        request,
        source: permit.grant().grant.source,
        left,
        output_cap,
        cost: None,
    };
    if events && meter.is_some_and(|setup| setup.hide_usage_chunk) {
        // An event will be taken out.
        head.headers.remove(CONTENT_LENGTH);
    }
    let meter = meter.map(|setup| {
        Meter::new(MeterSetup {
            streamed: events,
            ..setup
        })
    });
    let mut flow = Flow {
        body,
        reservation: Some(reservation),
        idle: Idle::new(proxy.config.idle_timeout),
    };
    let stream = |tap: Tap, flow: Flow, mut head: Parts, marks: &Marks| {
        response::mark(&mut head.headers, marks);
        Response::from_parts(head, Body::Relayed(Box::new(Relay::new(tap, flow, &proxy))))
    };
    if !whole {
        return Ok(stream(Tap::new(meter, needles), flow, head, &marks));
    }

    let mut collected = BytesMut::new();
    let ending = loop {
        match flow.next().await {
            Some(Ok(chunk)) => collected.extend_from_slice(&chunk),
            Some(Err(ending)) => break ending,
            None => break Ending::Complete,
        }
        if collected.len() > MAX_WHOLE {
            // Longer than it seemed: relay what is here and the rest as it arrives.
            let mut tap = Tap::new(meter, needles);
            tap.push(collected.freeze());
            return Ok(stream(tap, flow, head, &marks));
        }
    };
    let collected = collected.freeze();
    let refusal = match ending {
        Ending::Complete if permit.provider.is_bad_key(status.as_u16(), &collected) => {
            let credential = credential.name.clone();
            Some(Refusal::from(ProxyError::CredentialInvalid {
                provider: provider(),
                credential,
            }))
        }
        Ending::Complete => None,
        Ending::Deadline => Some(Refusal::from(ProxyError::UpstreamTimeout {
            provider: provider(),
        })),
        _ => {
            let reason = "the answer broke off".to_owned();
            Some(Refusal::from(ProxyError::Upstream {
                provider: provider(),
                reason,
            }))
        }
    };
    let scrubbed = if status.is_success() {
        needles.mask(&collected)
    } else {
        match scrub::scrub_error_body(&collected, permit.provider, &needles) {
            Cow::Owned(scrubbed) => Some(scrubbed),
            Cow::Borrowed(_) => None,
        }
    };
    let body = scrubbed.map_or_else(|| collected.clone(), Bytes::from);
    let metered = meter.map(|mut meter| {
        meter.on_chunk(collected.clone()).for_each(drop);
        meter.on_end();
        meter.finish()
    });
    let is_metered = metered.is_some();
    let code = refusal.as_ref().map(|refusal| refusal.code().as_str());
    let charge = flow.settle((metered, collected.len() as u64), ending, code);
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    marks.cost = charge.filter(|_| is_metered).map(|charge| charge.cost);
    head.headers.insert(CONTENT_LENGTH, body.len().into());
    response::mark(&mut head.headers, &marks);
    Ok(Response::from_parts(head, Body::whole(body)))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .map_or(&b""[..], |value| value.as_bytes());
    value
        .get(..17)
        .is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"))
}

/// Whether the head waits for the body: errors, and buffered answers that are metered, as far as they are not known to be long.
fn wants_whole(headers: &HeaderMap, success: bool, buffered: bool) -> bool {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    (buffered || !success) && length.is_none_or(|length| length <= MAX_WHOLE)
}

/// What stands between the upstream's bytes and the client's.
struct Tap {
    meter: Option<Meter>,
    scrubber: Scrubber,
    out: VecDeque<Bytes>,
    /// Bytes of the answer so far, as the upstream sent them.
    bytes: u64,
}

impl Tap {
    fn new(meter: Option<Meter>, needles: Needles) -> Self {
        Self {
            meter,
            scrubber: Scrubber::new(needles),
            out: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Takes a chunk; what may be forwarded now is put into `out`.
    fn push(&mut self, chunk: Bytes) {
        self.bytes += chunk.len() as u64;
        let Self {
            meter, scrubber, out, ..
        } = self;
        let mut forward = |piece| {
            let clean = scrubber.push(piece);
            if !clean.is_empty() {
                out.push_back(clean);
            }
        };
        match meter {
            Some(meter) => meter.on_chunk(chunk).for_each(forward),
            None => forward(chunk),
        }
    }

    /// At the end of the body: what was held back.
    fn end(&mut self) {
        let held = self.meter.as_mut().and_then(Meter::on_end);
        let clean = held.map(|held| self.scrubber.push(held));
        let rest = self.scrubber.finish();
        self.out
            .extend(clean.into_iter().chain([rest]).filter(|piece| !piece.is_empty()));
    }

    fn finish(&mut self) -> (Option<Metered>, u64) {
        (self.meter.take().map(Meter::finish), self.bytes)
    }
}

/// The upstream's body with its deadline and its reservation.
struct Flow {
    body: AnswerBody,
    reservation: Option<Reservation>,
    idle: Idle,
}

impl Flow {
    /// The next chunk; `None` at the end; how it ended where that is not well.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Ending>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                ready!(self.idle.poll(cx));
                return Poll::Ready(Some(Err(Ending::Deadline)));
            };
            self.idle.touch();
            match frame {
                None => return Poll::Ready(None),
                Some(Err(_)) => return Poll::Ready(Some(Err(Ending::UpstreamError))),
                Some(Ok(frame)) => {
                    // Trailers are dropped.
                    let Ok(chunk) = frame.into_data() else { continue };
                    if chunk.is_empty() {
                        continue;
                    }
                    if let Some(reservation) = &mut self.reservation {
                        reservation.first_byte();
                    }
                    return Poll::Ready(Some(Ok(chunk)));
                }
            }
        }
    }

    async fn next(&mut self) -> Option<Result<Bytes, Ending>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn settle(
        &mut self,
        (metered, response_bytes): (Option<Metered>, u64),
        ending: Ending,
        refusal: Option<&'static str>,
    ) -> Option<Charge> {
        let reservation = self.reservation.take()?;
        reservation.settle(End {
            ending,
            metered,
            response_bytes,
            refusal,
        })
    }
}

/// A deadline that moves with every chunk, at the cost of a clock reading: the timer itself is set again only when it fires.
struct Idle {
    limit: std::time::Duration,
    last: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    fn new(limit: std::time::Duration) -> Self {
        Self {
            limit,
            last: Instant::now(),
            timer: None,
        }
    }

    fn touch(&mut self) {
        self.last = Instant::now();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let due = self.last + self.limit;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}

/// An answer on its way to the client.
pub struct Relay {
    stream: Option<Stream>,
    afterlife: Afterlife,
}

/// What is left of an answer.
struct Stream {
    tap: Tap,
    flow: Flow,
}

impl Relay {
    fn new(tap: Tap, flow: Flow, proxy: &Proxy) -> Self {
        Self {
            stream: Some(Stream { tap, flow }),
            afterlife: proxy.afterlife.clone(),
        }
    }

    /// The next piece for the client. An answer that does not end well ends with an error, which cuts the connection: the client
    /// must not take it for whole.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        loop {
            if let Some(piece) = stream.tap.out.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if stream.flow.reservation.is_none() {
                self.stream = None;
                return Poll::Ready(None);
            }
            match ready!(stream.flow.poll_next(cx)) {
                Some(Ok(chunk)) => stream.tap.push(chunk),
                None => {
                    stream.tap.end();
                    stream.flow.settle(stream.tap.finish(), Ending::Complete, None);
                }
                Some(Err(ending)) => {
                    stream.flow.settle(stream.tap.finish(), ending, None);
                    self.stream = None;
                    return Poll::Ready(Some(Err("the upstream's answer broke off".into())));
                }
            }
        }
    }

    /// Whether there is nothing more to come.
    pub(crate) fn is_done(&self) -> bool {
        self.stream.is_none()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let Some(mut stream) = self
            .stream
            .take()
            .filter(|stream| stream.flow.reservation.is_some())
        else {
            return;
        };
        if stream.tap.meter.is_some() {
            self.afterlife.adopt(stream.abandoned());
        } else {
            stream.flow.settle(stream.tap.finish(), Ending::ClientGone, None);
        }
    }
}

impl Stream {
    /// Reads the rest of an answer that nobody waits for, for what it used. Cut off at any point, it settles by what was read.
    async fn abandoned(self) {
        let mut left = Abandoned(self);
        let Abandoned(Self { tap, flow }) = &mut left;
        while let Some(Ok(chunk)) = flow.next().await {
            tap.push(chunk);
            tap.out.clear();
        }
    }
}

/// Settles an abandoned answer when its reading ends, however it does.
struct Abandoned(Stream);

impl Drop for Abandoned {
    fn drop(&mut self) {
        let Stream { tap, flow } = &mut self.0;
        flow.settle(tap.finish(), Ending::ClientGone, None);
    }
}
