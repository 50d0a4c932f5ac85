//! An identity that ends: renewed before that by one caller, while the others wait or go on with the one there is.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use keystore_core::Clock;
use tokio::sync::Mutex;

use super::KmsError;

/// How long before its end an identity is renewed, at most; at least a fifth of its life.
const AHEAD: Duration = Duration::from_secs(300);

/// How long an identity without an end is kept: files that hold it may change.
const KEPT: Duration = Duration::from_secs(300);

/// Something with an end.
pub(super) struct Expiring<T> {
    clock: Arc<dyn Clock>,
    held: Mutex<Option<Held<T>>>,
}

struct Held<T> {
    value: Arc<T>,
    /// When it is renewed, by boot time.
    renew_at: Duration,
    /// When it is of no use any more; never, when it does not end.
    ends_at: Option<Duration>,
}

impl<T> Expiring<T> {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            held: Mutex::default(),
        }
    }

    /// The value; `fresh` makes one, and tells how long it is good for. While the one there is has not ended, a failure to renew it
    /// is not one.
    pub(super) async fn get<F>(&self, fresh: impl FnOnce() -> F) -> Result<Arc<T>, KmsError>
    where
        F: Future<Output = Result<(T, Option<Duration>), KmsError>>,
    {
        let mut held = self.held.lock().await;
        let now = self.clock.boottime();
        if let Some(held) = held.as_ref().filter(|held| now < held.renew_at) {
            return Ok(Arc::clone(&held.value));
        }
        let made = fresh().await;
        if let (Err(_), Some(held)) = (&made, held.as_ref())
            && held.ends_at.is_some_and(|end| now < end)
        {
            return Ok(Arc::clone(&held.value));
        }
        let (value, life) = made?;
        let value = Arc::new(value);
        let kept = life.map_or(KEPT, |life| life.saturating_sub(AHEAD.min(life / 5)));
        *held = Some(Held {
            value: Arc::clone(&value),
            renew_at: now + kept,
            ends_at: life.map(|life| now + life),
        });
        Ok(value)
    }

    /// Forgets the value, because it was refused; unless there is another one already.
    pub(super) async fn forget(&self, refused: &Arc<T>) {
        let mut held = self.held.lock().await;
        held.take_if(|held| Arc::ptr_eq(&held.value, refused));
    }
}
