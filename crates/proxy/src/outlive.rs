//! An exchange that outlives its client.
//!
//! When a client leaves, its connection drops the future that serves it. A metered exchange must go on all the same, or what it
//! costs would never be known. [`Outlive`] polls its future where it is and hands it to a task of its own only when it is dropped
//! half-way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// A future that continues in a task of its own when it is dropped before its end.
pub(crate) struct Outlive<T: Send + 'static> {
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    afterlife: Afterlife,
}

/// Where abandoned exchanges go on, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Afterlife {
    /// The tasks that a shutdown waits for.
    pub(crate) tasks: TaskTracker,
    /// The runtime that they run on.
    pub(crate) runtime: Handle,
    /// How long an abandoned exchange may go on; then it is dropped.
    pub(crate) limit: Duration,
    /// A place for each exchange that may go on at the same time; one that finds none is dropped at once.
    pub(crate) places: Arc<Semaphore>,
}

tokio::task_local! {
    static ABANDONED: ();
}

/// Whether the exchange that asks goes on without its client.
pub(crate) fn is_abandoned() -> bool {
    ABANDONED.try_with(|()| ()).is_ok()
}

impl Afterlife {
    /// Lets `exchange` go on without its client. What it would give back is dropped, which settles it.
    pub(crate) fn adopt<T>(&self, exchange: impl Future<Output = T> + Send + 'static) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return;
        };
        let limit = self.limit;
        let task = async move {
            drop(tokio::time::timeout(limit, exchange).await);
            drop(place);
        };
        self.tasks.spawn_on(ABANDONED.scope((), task), &self.runtime);
    }
}

impl<T: Send + 'static> Outlive<T> {
    /// `future`, with somewhere to go on.
    pub(crate) fn new(future: Pin<Box<dyn Future<Output = T> + Send>>, afterlife: Afterlife) -> Self {
        Self {
            future: Some(future),
            afterlife,
        }
    }
}

impl<T: Send + 'static> Future for Outlive<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(future) = self.future.as_mut() else {
            return Poll::Pending;
        };
        let output = std::task::ready!(future.as_mut().poll(cx));
        self.future = None;
        Poll::Ready(output)
    }
}

impl<T: Send + 'static> Drop for Outlive<T> {
    fn drop(&mut self) {
        // A future that panicked cannot go on; what it held was dropped with its panic.
        if let Some(future) = self.future.take().filter(|_| !std::thread::panicking()) {
            self.afterlife.adopt(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn afterlife(limit: Duration) -> Afterlife {
        Afterlife {
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
            limit,
            places: Arc::new(Semaphore::new(1)),
        }
    }

    #[tokio::test]
    async fn an_undisturbed_future_just_runs() {
        let home = afterlife(Duration::from_secs(1));
        assert!(!Outlive::new(Box::pin(async { is_abandoned() }), home.clone()).await);
        assert!(home.tasks.is_empty(), "no task was needed");
    }

    #[tokio::test]
    async fn a_dropped_future_goes_on_to_its_end() {
        let home = afterlife(Duration::from_secs(5));
        let done = Arc::new(AtomicBool::new(false));
        let (release, wait) = tokio::sync::oneshot::channel::<()>();
        let seen = done.clone();
        let mut exchange = Box::pin(Outlive::new(
            Box::pin(async move {
                wait.await.unwrap();
                seen.store(is_abandoned(), Ordering::SeqCst);
            }),
            home.clone(),
        ));
        assert!(std::future::poll_fn(|cx| Poll::Ready(exchange.as_mut().poll(cx).is_pending())).await);
        drop(exchange);
        release.send(()).unwrap();
        home.tasks.close();
        home.tasks.wait().await;
        assert!(done.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_future_that_panicked_is_not_polled_again() {
        let home = afterlife(Duration::from_secs(5));
        let exchange = Outlive::new(Box::pin(async { panic!("as a meter might") }), home.clone());
        let task = TaskTracker::new().spawn(exchange);
        assert!(task.await.unwrap_err().is_panic());
        assert!(home.tasks.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_abandoned_future_does_not_go_on_for_ever() {
        struct Dropped(Arc<AtomicBool>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let home = afterlife(Duration::from_secs(60));
        let dropped = Arc::new(AtomicBool::new(false));
        let guard = Dropped(dropped.clone());
        drop(Outlive::new(
            Box::pin(async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            }),
            home.clone(),
        ));
        home.tasks.close();
        home.tasks.wait().await;
        assert!(dropped.load(Ordering::SeqCst));
    }
}
