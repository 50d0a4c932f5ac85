//! The upstream's bytes as they come, with what limits them: the deadline and the reservation.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use keystore_core::Deny;
use keystore_core::record::Ending;
use keystore_store::failpoint;
use tokio::time::{Instant, Sleep, sleep_until};

use super::tap::Tap;
use crate::answer::AnswerBody;
use crate::meter::Metered;
use crate::reserve::Reservation;
use crate::settle::{Charge, End};

/// The upstream's body with its deadline and its reservation.
pub(super) struct Flow {
    /// `None` once it was settled: with the body goes the connection, if the answer has not ended.
    body: Option<AnswerBody>,
    reservation: Option<Reservation>,
    idle: Idle,
}

impl Flow {
    pub(super) fn new(body: AnswerBody, reservation: Reservation, idle: Duration) -> Self {
        Self {
            body: Some(body),
            reservation: Some(reservation),
            idle: Idle::new(idle),
        }
    }

    /// Whether the answer has no body, or none that is left.
    pub(super) fn is_end(&self) -> bool {
        self.body.as_ref().is_none_or(AnswerBody::is_end_stream)
    }

    /// The next chunk; `None` at the end; how it ended where that is not well.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Ending>>> {
        loop {
            let Some(body) = &mut self.body else {
                return Poll::Ready(None);
            };
            let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) else {
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
                        failpoint!(reservation.failpoints(), "exchange.chunk", Ending::UpstreamError);
                        reservation.first_byte();
                    }
                    return Poll::Ready(Some(Ok(chunk)));
                }
            }
        }
    }

    /// Whether the call is settled.
    pub(super) fn is_settled(&self) -> bool {
        self.reservation.is_none()
    }

    pub(super) async fn next(&mut self) -> Option<Result<Bytes, Ending>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Makes the hold grow with what the call has cost so far, where it holds by estimate.
    ///
    /// # Errors
    ///
    /// A budget affords no more.
    pub(super) fn grow(&mut self, tap: &Tap) -> Result<(), Deny> {
        match (&mut self.reservation, tap.meter()) {
            (Some(reservation), Some(meter)) => reservation.grow(meter),
            _ => Ok(()),
        }
    }

    /// Settles the call, and lets go of the upstream.
    pub(super) fn settle(
        &mut self,
        (metered, response_bytes): (Option<Metered>, u64),
        ending: Ending,
        refusal: Option<&'static str>,
    ) -> Option<Charge> {
        self.body = None;
        let reservation = self.reservation.take()?;
        failpoint!(reservation.failpoints(), "exchange.metered", infallible);
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
