//! The journal: an append-only table that one writer fills, everything that waits as one row in one statement (group
//! commit).
//!
//! Callers encode their record straight into the batch that is being collected. An intent waits until its batch is in the
//! database; outcomes and refusals do not wait, and alone they give the next intent a moment to come along. While the
//! database cannot be written, intents are refused at once, and the rest goes to the spool until it can (`writer.rs`). What
//! records mean is the projections' matter.

pub(crate) mod appended;
pub(crate) mod batch;
mod flood;
pub(crate) mod spool;
pub(crate) mod writer;

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keystore_core::record::{Intent, Outcome, Refusal, Topup};
use tokio::sync::Notify;

use batch::RecordRef;
use flood::Flood;

/// More bytes than this waiting, and intents are refused: the writer is stuck.
const WAITING_AT_MOST: usize = 32 << 20;

/// What an intent must survive before it counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// The end of the process, however it comes.
    #[default]
    Process,
    /// The end of the machine: synced to the disk.
    Power,
}

/// The record could not be written: refuse the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The journal cannot be written now. It recovers by itself.
    #[error("the journal cannot be written")]
    Unavailable,
}

/// The way into the journal. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

/// What callers and the writer share.
struct Inner {
    waiting: Mutex<Waiting>,
    /// Wakes the writer.
    wake: Notify,
    available: AtomicBool,
    /// Somebody else says that nothing may be called.
    withheld: AtomicBool,
}

/// The batch that is being collected.
#[derive(Default)]
struct Waiting {
    body: Vec<u8>,
    /// Somebody waits for this batch.
    urgent: bool,
    /// The writer sleeps until it is woken. Otherwise it looks again by itself before what does not wait is late.
    asleep: bool,
    /// An intent in it asked for `Durability::Power`.
    power: bool,
    /// The disk did not take what it was given before: nothing is written until it proves itself.
    doubted: bool,
    /// Tells those who wait for this batch.
    done: Arc<Done>,
    flood: Flood,
    closed: bool,
}

/// The end of a batch, for all who wait for it: one allocation a batch, one wake a waiter.
#[derive(Default)]
struct Done {
    state: AtomicU8,
    notify: Notify,
}

const WRITTEN: u8 = 1;
const FAILED: u8 = 2;

impl Done {
    fn finish(&self, state: u8) {
        self.state.store(state, Ordering::Release);
        self.notify.notify_waiters();
    }

    async fn wait(&self) -> Result<(), JournalError> {
        let mut notified = std::pin::pin!(self.notify.notified());
        loop {
            // Enlisted before the state is read, so that no end is missed.
            notified.as_mut().enable();
            match self.state.load(Ordering::Acquire) {
                WRITTEN => return Ok(()),
                FAILED => return Err(JournalError::Unavailable),
                _ => {}
            }
            notified.as_mut().await;
            notified.set(self.notify.notified());
        }
    }
}

impl Journal {
    /// A journal whose writer is not running yet.
    pub(crate) fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                waiting: Mutex::default(),
                wake: Notify::new(),
                available: AtomicBool::new(true),
                withheld: AtomicBool::new(false),
            }),
        }
    }

    /// Records an intent; resolves when it is durable. The record is taken when the function is called, not when the
    /// future is first polled; a future that is dropped does not take it back.
    ///
    /// # Errors
    ///
    /// `Unavailable`: it is not written; nothing may be sent upstream. The journal itself notes that nothing was sent.
    pub fn intent(
        &self,
        intent: &Intent<'_>,
        durability: Durability,
    ) -> impl Future<Output = Result<(), JournalError>> + Send + use<> {
        let done = self.enlist(intent, durability);
        async move {
            match done {
                Some(done) => done.wait().await,
                None => Err(JournalError::Unavailable),
            }
        }
    }

    fn enlist(&self, intent: &Intent<'_>, durability: Durability) -> Option<Arc<Done>> {
        let mut waiting = self.inner.lock();
        // Read under the lock: the writer clears it under the same lock, so no intent slips into an outage.
        if waiting.closed || !self.takes_intents() || waiting.body.len() > WAITING_AT_MOST {
            return None;
        }
        batch::push(&mut waiting.body, RecordRef::Intent(intent)).ok()?;
        waiting.power |= durability == Durability::Power;
        let wake = !std::mem::replace(&mut waiting.urgent, true);
        let done = Arc::clone(&waiting.done);
        drop(waiting);
        if wake {
            self.inner.wake.notify_one();
        }
        Some(done)
    }

    /// Records an outcome. Does not wait; it is not lost while the process lives.
    pub fn outcome(&self, outcome: &Outcome<'_>) {
        self.append(RecordRef::Outcome(outcome));
    }

    /// Records that more is held for a running call. Does not wait; it is not lost while the process lives.
    pub fn topup(&self, topup: &Topup<'_>) {
        self.append(RecordRef::Topup(topup));
    }

    fn append(&self, record: RecordRef<'_>) {
        let mut waiting = self.inner.lock();
        if let Err(error) = batch::push(&mut waiting.body, record) {
            tracing::error!(%error, "a record was not journalled");
        }
        let wake = std::mem::take(&mut waiting.asleep);
        drop(waiting);
        if wake {
            self.inner.wake.notify_one();
        }
    }

    /// Records a refusal. Does not wait. When an agent is refused very often with one code, the refusals of a second are
    /// kept as one with a count.
    pub fn refusal(&self, refusal: &Refusal<'_>) {
        let mut waiting = self.inner.lock();
        let idle = waiting.body.is_empty() && waiting.flood.is_empty();
        let Waiting { flood, body, .. } = &mut *waiting;
        if let Err(error) = flood.take(refusal, body) {
            tracing::error!(%error, "a refusal was not journalled");
        }
        drop(waiting);
        if idle {
            self.inner.wake.notify_one();
        }
    }

    /// Whether records can be written now. When not, an intent is refused at once.
    pub fn is_available(&self) -> bool {
        self.inner.available.load(Ordering::Acquire)
    }

    /// Whether an intent is taken now: it could be written, and nobody withholds it.
    pub fn takes_intents(&self) -> bool {
        self.is_available() && !self.inner.withheld.load(Ordering::Acquire)
    }

    /// Refuses intents, or takes them again, whether or not they could be written: what is written is not safe where it should be.
    /// Outcomes and refusals are taken in any case.
    pub fn withhold(&self, withhold: bool) {
        self.inner.withheld.store(withhold, Ordering::Release);
    }

    /// Waits until everything recorded before the call is in the database.
    ///
    /// # Errors
    ///
    /// `Unavailable`: it is in the spool.
    pub async fn flush(&self) -> Result<(), JournalError> {
        let done = {
            let mut waiting = self.inner.lock();
            if waiting.closed || !self.is_available() {
                return Err(JournalError::Unavailable);
            }
            waiting.urgent = true;
            let Waiting { flood, body, .. } = &mut *waiting;
            // What cannot be encoded was logged by the flood already.
            let _ = flood.release(body);
            Arc::clone(&waiting.done)
        };
        self.inner.wake.notify_one();
        done.wait().await
    }

    /// The disk could not be synced, so that what was written before may not be on it: refuses intents until it can be.
    pub(crate) fn doubt(&self) {
        let mut waiting = self.inner.lock();
        waiting.doubted = true;
        waiting.urgent = true;
        drop(waiting);
        self.inner.wake.notify_one();
    }

    /// Takes no more records; the writer ends when it has written what waits.
    pub(crate) fn close(&self) {
        let mut waiting = self.inner.lock();
        let Waiting { flood, body, .. } = &mut *waiting;
        let _ = flood.release(body);
        waiting.closed = true;
        drop(waiting);
        self.inner.wake.notify_one();
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
