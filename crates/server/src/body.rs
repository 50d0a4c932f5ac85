//! A response body that is written by a task: for event streams.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc;

/// What a task writes into its sender; it ends when the sender is dropped. A writer learns from a failed `send` that the
/// reader is gone.
pub(crate) struct ChannelBody(mpsc::Receiver<Bytes>);

impl ChannelBody {
    /// A body and its writing end. At most `buffered` pieces wait; then the writer waits.
    pub(crate) fn new(buffered: usize) -> (mpsc::Sender<Bytes>, Self) {
        let (sender, receiver) = mpsc::channel(buffered);
        (sender, Self(receiver))
    }
}

impl Body for ChannelBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(context)
            .map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}
