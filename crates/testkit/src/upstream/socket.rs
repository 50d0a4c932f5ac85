//! A connection that can be made to break rules that hyper keeps: bytes before an answer, and a reset at any time.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The lever of one connection, held by its requests.
#[derive(Debug, Default)]
pub(super) struct Lever {
    /// Written before hyper's next bytes.
    ahead: Mutex<Vec<u8>>,
    has_ahead: AtomicBool,
    cut: AtomicBool,
}

impl Lever {
    /// Has `bytes` written before the next bytes of hyper.
    pub(super) fn write_ahead(&self, bytes: &[u8]) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.extend_from_slice(bytes);
        self.has_ahead.store(true, Ordering::Release);
    }

    /// Lets no more bytes of hyper out.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
    }
}

/// `io` under a [`Lever`].
pub(super) struct Socket<I> {
    pub(super) io: I,
    pub(super) lever: Arc<Lever>,
}

impl<I: AsyncWrite + Unpin> Socket<I> {
    fn before(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lever.has_ahead.load(Ordering::Acquire) {
            let mut ahead = self.lever.ahead.lock().unwrap_or_else(PoisonError::into_inner);
            while !ahead.is_empty() {
                let written = ready!(Pin::new(&mut self.io).poll_write(cx, &ahead))?;
                ahead.drain(..written);
            }
            self.lever.has_ahead.store(false, Ordering::Release);
        }
        if self.lever.cut.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Socket<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Socket<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.before(cx))?;
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.before(cx))?;
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
