//! A panic in a request is the end of that request alone.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

/// The future panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request panicked")]
pub struct Panicked;

/// Runs `future` to its end or to its panic, which drops what it held. What it shares with others must be whole after every step. It
/// comes pinned, so that it is not moved into this one, which would be twice as large then.
///
/// # Errors
///
/// [`Panicked`]. What it said is on stderr by then.
pub async fn caught<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Result<T, Panicked> {
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(_) => {
                tracing::error!("a request panicked; its call ends, the process goes on");
                Poll::Ready(Err(Panicked))
            }
        },
    )
    .await
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_drops_what_was_held() {
        let held = std::sync::Arc::new(());
        let holding = std::sync::Arc::clone(&held);
        let panics = async move {
            let _holding = holding;
            tokio::task::yield_now().await;
            panic!("as a handler might");
        };
        assert_eq!(caught(pin!(panics)).await, Err::<(), _>(Panicked));
        assert_eq!(std::sync::Arc::strong_count(&held), 1);
        assert_eq!(caught(pin!(async { 7 })).await, Ok(7));
    }
}
