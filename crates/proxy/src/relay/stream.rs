//! An answer that is relayed as it arrives.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame};
use keystore_core::record::Ending;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::Proxy;
use crate::answer::AnswerBody;
use crate::inject::Needles;
use crate::meter::{Meter, Metered};
use crate::outlive::Afterlife;
use crate::reserve::Reservation;
use crate::scrub::Scrubber;
use crate::settle::{Charge, End};

type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// What stands between the upstream's bytes and the client's.
pub(super) struct Tap {
    meter: Option<Meter>,
    scrubber: Scrubber,
    out: VecDeque<Bytes>,
    /// Bytes of the answer so far, as the upstream sent them.
    bytes: u64,
}

impl Tap {
    pub(super) fn new(meter: Option<Meter>, needles: Needles) -> Self {
        Self {
            meter,
            scrubber: Scrubber::new(needles),
            out: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Takes a chunk; what may be forwarded now is put into `out`.
    pub(super) fn push(&mut self, chunk: Bytes) {
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
pub(super) struct Flow {
    body: AnswerBody,
    reservation: Option<Reservation>,
    idle: Idle,
}

impl Flow {
    pub(super) fn new(body: AnswerBody, reservation: Reservation, idle: Duration) -> Self {
        Self {
            body,
            reservation: Some(reservation),
            idle: Idle::new(idle),
        }
    }

    /// Whether the answer has no body, or none that is left.
    pub(super) fn is_end(&self) -> bool {
        self.body.is_end_stream()
    }

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

    pub(super) async fn next(&mut self) -> Option<Result<Bytes, Ending>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    pub(super) fn settle(
        &mut self,
        (metered, response_bytes): (Option<Metered>, u64),
        ending: Ending,
        refusal: Option<&'static str>,
    ) -> Option<Charge> {
        let reservation = self.reservation.take()?;
        reservation.settle(&End {
            ending,
            metered,
            response_bytes,
            refusal,
        })
    }
}

/// A deadline that moves with every chunk, at the cost of a clock reading: the timer itself is set again only when it fires.
struct Idle {
    limit: Duration,
    last: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    fn new(limit: Duration) -> Self {
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
    /// The upstream's answer ended badly; the client is still to be told.
    broken: bool,
}

impl Relay {
    pub(super) fn new(tap: Tap, flow: Flow, proxy: &Proxy) -> Self {
        let mut stream = Stream {
            tap,
            flow,
            broken: false,
        };
        stream.settle_at_end();
        Self {
            stream: Some(stream),
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
                let broken = stream.broken;
                self.stream = None;
                return Poll::Ready(broken.then(|| Err("the upstream's answer broke off".into())));
            }
            match ready!(stream.flow.poll_next(cx)) {
                Some(Ok(chunk)) => {
                    stream.tap.push(chunk);
                    stream.settle_at_end();
                }
                None => stream.complete(),
                Some(Err(ending)) => {
                    stream.flow.settle(stream.tap.finish(), ending, None);
                    // When a body fails, hyper drops what it has not written yet; a pause lets it write first.
                    stream.broken = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
    }

    /// Whether there is nothing more to come.
    pub(crate) fn is_done(&self) -> bool {
        self.stream.as_ref().is_none_or(|stream| {
            stream.flow.reservation.is_none() && stream.tap.out.is_empty() && !stream.broken
        })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let Some(mut stream) = self
            .stream
            .take()
            .filter(|stream| stream.flow.reservation.is_some() && !std::thread::panicking())
        else {
            // After a panic the tap cannot be trusted: the reservation settles by itself.
            return;
        };
        if stream.tap.meter.is_some() {
            self.afterlife.adopt(Abandoned(stream).read());
        } else {
            stream.flow.settle(stream.tap.finish(), Ending::ClientGone, None);
        }
    }
}

impl Stream {
    /// Settles with the last chunk: a connection that has written an answer of known length does not ask for its end, but drops
    /// it, as it does when the client leaves.
    fn settle_at_end(&mut self) {
        if self.flow.is_end() {
            self.complete();
        }
    }

    fn complete(&mut self) {
        self.tap.end();
        self.flow.settle(self.tap.finish(), Ending::Complete, None);
    }
}

/// An answer that nobody waits for. Settles by what was read when its reading ends, however it does, and if it never begins.
struct Abandoned(Stream);

impl Abandoned {
    /// Reads the rest, for what it used.
    async fn read(mut self) {
        let Stream { tap, flow, .. } = &mut self.0;
        while let Some(Ok(chunk)) = flow.next().await {
            tap.push(chunk);
            tap.out.clear();
        }
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        // A second panic, out of the tap of the first one, would end the process.
        if std::thread::panicking() {
            return;
        }
        let Stream { tap, flow, .. } = &mut self.0;
        flow.settle(tap.finish(), Ending::ClientGone, None);
    }
}
