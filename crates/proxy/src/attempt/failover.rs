//! Whether a pooled credential failed a call, so that another one is to be tried: before anything of the answer has gone to the client,
//! and only where the vendor has certainly not carried the call out.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt as _;
use keystore_catalog::Provider;
use keystore_core::pool::Outcome;

use crate::answer::AnswerBody;
use crate::learned;

/// The most bytes of an answer that are looked at.
const MOST_BYTES: usize = 64 << 10;
/// The longest that they may take.
const LONGEST: Duration = Duration::from_secs(2);
/// How long a key whose account has no money left is out.
const UNPAID: Duration = Duration::from_secs(60);

/// Whether the answer may go to the client. It may not where it shows that the credential failed: by its head, and by its body where the catalog's rule needs that.
///
/// # Errors
///
/// What it shows of the credential.
pub(super) async fn served(response: &mut Response<AnswerBody>, provider: &Provider) -> Result<(), Outcome> {
    let status = response.status();
    let retry_after = learned::pause(response.headers());
    if !status.is_client_error() {
        return Ok(());
    }
    // Read to its end, the connection can be used again.
    let begun = begun(response.body_mut()).await;
    match status {
        StatusCode::TOO_MANY_REQUESTS => return Err(Outcome::Limited { retry_after }),
        StatusCode::PAYMENT_REQUIRED => {
            return Err(Outcome::Limited {
                retry_after: Some(retry_after.unwrap_or(UNPAID)),
            });
        }
        _ => {}
    }
    if provider.is_bad_key(status.as_u16(), &begun) {
        return Err(Outcome::KeyRefused);
    }
    response.body_mut().unread(begun);
    Ok(())
}

/// The first bytes of a body, as far as they come in time: what has come by then is not lost.
async fn begun<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Bytes {
    let mut begun = BytesMut::new();
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            if let Ok(data) = frame.into_data() {
                begun.extend_from_slice(&data);
            }
            if begun.len() >= MOST_BYTES {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(LONGEST, reading).await;
    begun.freeze()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body::Frame;

    use super::*;

    /// A body that stops behind its first piece and does not end.
    struct Stalled(Option<Bytes>);

    impl Body for Stalled {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0
                .take()
                .map_or(Poll::Pending, |data| Poll::Ready(Some(Ok(Frame::data(data)))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_of_an_answer_that_stalls_is_not_lost() {
        let mut body = Stalled(Some(Bytes::from_static(b"{\"error\":")));
        assert_eq!(begun(&mut body).await, "{\"error\":");
    }
}
