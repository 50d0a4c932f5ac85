//! The body of an upstream request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use keystore_core::Deny;
use keystore_core::deny::Malformed;
use keystore_vault::sigv4::payload_hash;

use crate::body;

/// What is sent with a request.
pub(crate) enum OutgoingBody {
    /// Nothing.
    Empty,
    /// Bytes that are there already.
    Full(Bytes),
    /// The client's body as it arrives, no faster than the upstream takes it.
    Stream {
        /// The client's body. Its trailers are dropped.
        body: Incoming,
        /// Its length in bytes, where the client declared one.
        length: Option<u64>,
        /// The most bytes that are passed on; beyond it the upstream request is aborted.
        limit: u64,
    },
}

impl OutgoingBody {
    /// The length in bytes, where it is known; such a body is sent with a `content-length`, any other one in chunks.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Full(bytes) => Some(bytes.len() as u64),
            Self::Stream { length, .. } => *length,
        }
    }

    /// The SHA-256 of a body that is there as a whole, in hexadecimal digits.
    pub(crate) fn sha256(&self) -> Option<String> {
        match self {
            Self::Empty => Some(payload_hash(b"")),
            Self::Full(bytes) => Some(payload_hash(bytes)),
            Self::Stream { .. } => None,
        }
    }

    /// The same, read to its end where it was to be passed on as it arrives.
    ///
    /// # Errors
    ///
    /// It breaks off, is too long, or takes too long.
    pub(crate) async fn whole(self) -> Result<Self, Deny> {
        match self {
            Self::Stream { body, limit, .. } => body::read_whole(body, limit).await.map(Self::Full),
            whole => Ok(whole),
        }
    }

    /// The same once more, where it can be sent twice.
    pub(crate) fn copy(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Full(bytes) => Some(Self::Full(bytes.clone())),
            Self::Stream { .. } => None,
        }
    }

    pub(crate) fn into_sent(self) -> (SentBody, Option<Arc<Progress>>) {
        match self {
            Self::Empty => (SentBody(Sent::Whole(None)), None),
            Self::Full(bytes) => (
                SentBody(Sent::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))),
                None,
            ),
            Self::Stream { body, length, limit } => {
                let progress = Arc::new(Progress {
                    bytes: AtomicU64::new(0),
                    fault: AtomicU8::new(NO_FAULT),
                    limit,
                });
                let sent = SentBody(Sent::Stream {
                    body,
                    length,
                    progress: Arc::clone(&progress),
                });
                (sent, Some(progress))
            }
        }
    }
}

const NO_FAULT: u8 = 0;
const TOO_LARGE: u8 = 1;
const BROKEN: u8 = 2;

/// How far a streamed body has got, and what was wrong with it.
#[derive(Debug)]
pub(crate) struct Progress {
    bytes: AtomicU64,
    fault: AtomicU8,
    limit: u64,
}

impl Progress {
    /// The bytes that were passed on.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What ended the body before its end.
    pub(crate) fn fault(&self) -> Option<Deny> {
        match self.fault.load(Ordering::Acquire) {
            TOO_LARGE => Some(Deny::BodyTooLarge {
                limit_bytes: self.limit,
            }),
            BROKEN => Some(Deny::Malformed(Malformed::Body)),
            _ => None,
        }
    }

    fn fail(&self, fault: u8) -> BodyFault {
        self.fault.store(fault, Ordering::Release);
        BodyFault
    }
}

/// The client's body failed; hyper aborts the upstream request.
#[derive(Debug, thiserror::Error)]
#[error("the client's body failed")]
pub(crate) struct BodyFault;

/// The body as the connection reads it.
pub(crate) struct SentBody(Sent);

enum Sent {
    Whole(Option<Bytes>),
    Stream {
        body: Incoming,
        length: Option<u64>,
        progress: Arc<Progress>,
    },
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let (body, progress) = match &mut self.0 {
            Sent::Whole(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Sent::Stream { body, progress, .. } => (body, progress),
        };
        loop {
            let data = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(_)) => return Poll::Ready(Some(Err(progress.fail(BROKEN)))),
                Some(Ok(frame)) => frame.into_data(),
            };
            let Ok(data) = data else { continue };
            let total = progress.bytes().saturating_add(data.len() as u64);
            if total > progress.limit {
                return Poll::Ready(Some(Err(progress.fail(TOO_LARGE))));
            }
            progress.bytes.store(total, Ordering::Relaxed);
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Sent::Whole(bytes) => bytes.is_none(),
            Sent::Stream { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Sent::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Sent::Stream {
                length: Some(length), ..
            } => SizeHint::with_exact(*length),
            Sent::Stream { body, .. } => body.size_hint(),
        }
    }
}
