//! The body of an answer: whole, or in pieces that can be late, stop, break off or go on for very long.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::behaviour::Behaviour;
use super::log::Log;
use super::socket::Lever;

const FILLER: Bytes = Bytes::from_static(&[b'x'; 64 * 1024]);

/// A body, and the record of how far it came.
pub(super) struct Answer {
    pieces: VecDeque<Bytes>,
    /// Bytes of filler after the pieces.
    filler: u64,
    /// What `content-length` promises, where it is promised.
    declared: Option<u64>,
    trailers: Option<HeaderMap>,
    delay: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Ends the poll after each piece, so that every piece becomes a write of its own.
    one_by_one: bool,
    paused: bool,
    sent_pieces: usize,
    stall_after: Option<usize>,
    abort_after: Option<usize>,
    lever: Option<Arc<Lever>>,
    record: Option<(Arc<Log>, usize)>,
    sent_bytes: u64,
    complete: bool,
}

impl Answer {
    /// `body`, in one piece.
    pub(super) fn whole(body: Bytes) -> Self {
        Self::pieces([body].into(), false)
    }

    /// `pieces`, each in a write of its own if `one_by_one`.
    pub(super) fn pieces(pieces: VecDeque<Bytes>, one_by_one: bool) -> Self {
        let declared = (!one_by_one).then(|| pieces.iter().map(|piece| piece.len() as u64).sum());
        Self {
            pieces,
            filler: 0,
            declared,
            trailers: None,
            delay: Duration::ZERO,
            sleep: None,
            one_by_one,
            paused: false,
            sent_pieces: 0,
            stall_after: None,
            abort_after: None,
            lever: None,
            record: None,
            sent_bytes: 0,
            complete: false,
        }
    }

    /// `bytes` bytes of `x`.
    pub(super) fn filler(bytes: u64) -> Self {
        let mut answer = Self::pieces(VecDeque::new(), false);
        answer.filler = bytes;
        answer.declared = Some(bytes);
        answer
    }

    /// Takes on what `behaviour` says of bodies.
    pub(super) fn behave(mut self, behaviour: &Behaviour, lever: &Arc<Lever>) -> Self {
        self.delay = behaviour.chunk_delay;
        self.stall_after = behaviour.stall_after;
        self.abort_after = behaviour.abort_after;
        self.lever = Some(Arc::clone(lever));
        if behaviour.trailers {
            let mut trailers = HeaderMap::new();
            trailers.insert("authorization", HeaderValue::from_static("Bearer from-a-trailer"));
            trailers.insert("x-checksum", HeaderValue::from_static("1"));
            self.trailers = Some(trailers);
            self.declared = None;
        }
        if behaviour.truncate {
            self.halve();
        }
        // What was sent must have left before the connection ends.
        self.one_by_one |= self.abort_after.is_some() || self.stall_after.is_some();
        self
    }

    /// Sends half and breaks off, with the length of the whole declared.
    fn halve(&mut self) {
        let whole: Vec<u8> = self.pieces.iter().flatten().copied().collect();
        let half = Bytes::copy_from_slice(&whole[..whole.len() / 2]);
        self.pieces = [half].into();
        self.abort_after = Some(1);
    }

    pub(super) fn recorded(mut self, log: &Arc<Log>, index: usize) -> Self {
        self.record = Some((Arc::clone(log), index));
        self
    }

    fn abort(&self) -> io::Error {
        if let Some(lever) = &self.lever {
            lever.cut();
        }
        io::Error::other("told to abort")
    }

    fn next_piece(&mut self) -> Option<Bytes> {
        self.pieces.pop_front().or_else(|| {
            let take = self.filler.min(FILLER.len() as u64);
            self.filler -= take;
            (take > 0).then(|| FILLER.slice(..usize::try_from(take).unwrap_or(0)))
        })
    }

    /// Whether the next piece has to wait; arranges to be woken.
    fn waits(&mut self, cx: &mut Context<'_>) -> bool {
        if self.delay > Duration::ZERO {
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(self.delay)));
            if sleep.as_mut().poll(cx).is_pending() {
                return true;
            }
            self.sleep = None;
        } else if self.one_by_one && self.sent_pieces > 0 && !self.paused {
            self.paused = true;
            cx.waker().wake_by_ref();
            return true;
        }
        self.paused = false;
        false
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if this.waits(cx) || this.stall_after == Some(this.sent_pieces) {
            return Poll::Pending;
        }
        if this.abort_after == Some(this.sent_pieces) {
            return Poll::Ready(Some(Err(this.abort())));
        }
        if let Some(piece) = this.next_piece() {
            this.sent_pieces += 1;
            this.sent_bytes += piece.len() as u64;
            this.complete = this.is_end_stream();
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        this.complete = true;
        Poll::Ready(this.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        let breaks = self.abort_after == Some(self.sent_pieces) || self.stall_after == Some(self.sent_pieces);
        self.pieces.is_empty() && self.filler == 0 && self.trailers.is_none() && !breaks
    }

    fn size_hint(&self) -> SizeHint {
        self.declared.map_or_else(SizeHint::default, |bytes| {
            SizeHint::with_exact(bytes - self.sent_bytes)
        })
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some((log, index)) = &self.record {
            log.answered(*index, |entry| {
                entry.sent.body_bytes = self.sent_bytes;
                entry.sent.complete = self.complete || self.is_end_stream();
                entry.sent.ended = true;
            });
        }
    }
}
