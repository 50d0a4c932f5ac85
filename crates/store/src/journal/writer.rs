//! The one writer: takes the batch that was collected, appends it as one row, tells who waits; and what it does while the
//! database cannot be written.
//!
//! A failed append is never assumed to have had no effect. The intents of the batch are refused and noted as `not_sent`
//! (harmless where the intent is not there), the rest is kept, and nothing is admitted until a fresh connection has read
//! the head of the journal and taken everything that was kept. Importing twice is harmless: the first outcome of an attempt
//! counts, and a refusal is known by its request.

use std::io;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keystore_core::record::{ChargeFlags, Ending, Outcome, Record};
use keystore_core::{Clock, NanoUsd, Usage};

use super::appended::Appended;
use super::batch::{self, Framed, RecordRef};
use super::spool::Spool;
use super::{Done, FAILED, Journal, WRITTEN, Waiting};
use crate::error::StoreError;
use crate::failpoint;
use crate::open::Engine;

/// How long outcomes and refusals alone wait for an intent to share a row with.
const LINGER: Duration = Duration::from_millis(2);

/// How long refusals that are counted may be held back.
const COUNTING: Duration = Duration::from_secs(1);

/// A batch of this size is not waited for to grow.
const LARGE_BYTES: usize = 64 << 10;

/// The pauses between attempts during an outage.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Rows that are made from the spool are at most about this large.
const IMPORT_ROW_BYTES: usize = 1 << 20;

/// What the writer needs and reports to.
pub(crate) struct Writer {
    pub(crate) journal: Journal,
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) appended: Arc<Appended>,
    pub(crate) store: KeptOutside,
    /// The number of the newest row.
    pub(crate) head: i64,
    #[cfg(any(test, feature = "failpoints"))]
    pub(crate) failpoints: crate::failpoints::Failpoints,
}

/// Where records stay while the database cannot be written: the spool, and memory when there is none or it is full.
pub(crate) struct KeptOutside {
    pub(crate) spool: Option<Spool>,
    pub(crate) path: Option<PathBuf>,
    pub(crate) memory: Vec<Vec<u8>>,
    #[cfg(any(test, feature = "failpoints"))]
    pub(crate) failpoints: crate::failpoints::Failpoints,
}

struct Batch {
    body: Vec<u8>,
    power: bool,
    doubted: bool,
    done: Arc<Done>,
}

impl Writer {
    /// Writes until the journal is closed. A panic ends the process: nothing could be recorded any more, and nobody would
    /// notice.
    pub(crate) async fn run(self) {
        or_abort(self.write()).await;
    }

    async fn write(mut self) {
        while let Some(batch) = self.next_batch().await {
            let written = match batch.doubted {
                true => Err(io::Error::other("the disk could not be synced").into()),
                false => self.append(&batch.body, batch.power).await,
            };
            match written {
                Ok(()) => {
                    batch.done.finish(WRITTEN);
                    self.tell(batch.body);
                }
                Err(error) => {
                    self.begin_outage(&error, batch);
                    if !self.end_outage().await {
                        return;
                    }
                }
            }
        }
    }

    /// The next batch; `None` when the journal is closed and everything is written.
    async fn next_batch(&self) -> Option<Batch> {
        let inner = &self.journal.inner;
        let mut pause: Option<Duration> = None;
        // A batch was just written, so outcomes are to be expected: they need not wake anybody for the time being.
        let mut busy = true;
        loop {
            let timed_out = match pause {
                None => false,
                Some(pause) => tokio::time::timeout(pause, inner.wake.notified()).await.is_err(),
            };
            busy &= !timed_out;
            let wait = {
                let mut waiting = inner.lock();
                let Waiting {
                    flood,
                    body,
                    urgent,
                    asleep,
                    closed,
                    ..
                } = &mut *waiting;
                if timed_out && body.is_empty() && !flood.is_empty() {
                    let _ = flood.release(body);
                }
                if *urgent || *closed || (timed_out && !body.is_empty()) {
                    if *closed && body.is_empty() && !*urgent {
                        return None;
                    }
                    *asleep = false;
                    break;
                }
                let wait = match (body.is_empty(), flood.is_empty()) {
                    (false, _) => Some(LINGER),
                    (true, false) => Some(COUNTING),
                    (true, true) if busy => Some(LINGER),
                    (true, true) => None,
                };
                *asleep = wait != Some(LINGER);
                wait
            };
            if wait.is_none() {
                inner.wake.notified().await;
                // Look again at once: what came may be urgent.
                pause = None;
            } else {
                pause = wait;
            }
        }
        Some(self.collect().await)
    }

    /// Takes the batch. Whoever is ready to record something does so first, and then whoever became ready by that: under load
    /// this makes one row of many, and costs nobody time, because only what can run meanwhile is waited for.
    async fn collect(&self) -> Batch {
        let mut bytes = self.journal.inner.lock().body.len();
        loop {
            tokio::task::yield_now().await;
            let mut waiting = self.journal.inner.lock();
            let before = std::mem::replace(&mut bytes, waiting.body.len());
            if bytes == before || bytes > LARGE_BYTES {
                return take(&mut waiting);
            }
        }
    }

    async fn append(&mut self, body: &[u8], power: bool) -> sqlx::Result<()> {
        if body.is_empty() {
            // Somebody flushed and there was nothing.
            return Ok(());
        }
        let (next, now) = (self.head + 1, self.clock.now());
        failpoint!(self.failpoints, "journal.before_append");
        self.engine.append(next, now, body, power).await?;
        failpoint!(self.failpoints, "journal.after_append");
        self.head += 1;
        Ok(())
    }

    /// Tells of the row that was just appended.
    fn tell(&self, body: Vec<u8>) {
        if !body.is_empty() {
            self.appended.tell(self.head, body);
        }
    }

    /// Refuses the intents of the batch and of what came meanwhile, and keeps the rest.
    fn begin_outage(&mut self, error: &sqlx::Error, batch: Batch) {
        tracing::error!(%error, "the journal cannot be written: requests are refused until it can");
        let second = {
            let inner = Arc::clone(&self.journal.inner);
            let mut waiting = inner.lock();
            inner.available.store(false, Ordering::Release);
            waiting.asleep = true;
            take(&mut waiting)
        };
        for batch in [batch, second] {
            self.store.keep(&survivors(&batch.body, &*self.clock));
            batch.done.finish(FAILED);
        }
    }

    /// Tries until everything that was kept is in the journal. `false` when the store closes first.
    async fn end_outage(&mut self) -> bool {
        let mut pause = FIRST_PAUSE;
        loop {
            let closed = self.keep_meanwhile(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            match self.import().await {
                Ok(()) => {
                    tracing::info!("the journal is written again");
                    self.journal.inner.available.store(true, Ordering::Release);
                    return true;
                }
                Err(error) if closed => {
                    tracing::error!(%error, "closing while the journal cannot be written: the spool keeps what is left");
                    return false;
                }
                Err(error) => tracing::warn!(%error, "the journal still cannot be written"),
            }
        }
    }

    /// Keeps what comes for as long as `pause`. Whether the journal was closed.
    async fn keep_meanwhile(&mut self, pause: Duration) -> bool {
        let inner = Arc::clone(&self.journal.inner);
        let mut over = std::pin::pin!(tokio::time::sleep(pause));
        loop {
            let is_over = tokio::select! {
                () = over.as_mut() => true,
                () = inner.wake.notified() => false,
            };
            if !is_over {
                tokio::time::sleep(LINGER).await;
            }
            let (batch, closed) = {
                let mut waiting = inner.lock();
                // What comes next wakes us.
                waiting.asleep = true;
                (take(&mut waiting), waiting.closed)
            };
            self.store.keep(&survivors(&batch.body, &*self.clock));
            batch.done.finish(FAILED);
            if is_over {
                return closed;
            }
        }
    }

    async fn import(&mut self) -> Result<(), StoreError> {
        self.head = self.engine.reconnect().await?;
        let mut rows = pack(self.store.frames()?);
        if rows.is_empty() {
            // A row without records, as a proof that the journal can be written.
            rows.push(vec![batch::FORMAT]);
        }
        for row in rows {
            self.append(&row, true).await?;
            self.tell(row);
        }
        self.store.clear();
        Ok(())
    }
}

fn take(waiting: &mut Waiting) -> Batch {
    waiting.urgent = false;
    // The next batch will be about as large.
    let next = Vec::with_capacity(waiting.body.len());
    Batch {
        body: std::mem::replace(&mut waiting.body, next),
        power: std::mem::take(&mut waiting.power),
        doubted: std::mem::take(&mut waiting.doubted),
        done: std::mem::take(&mut waiting.done),
    }
}

/// What must be kept of a batch that may not be in the journal.
fn survivors(body: &[u8], clock: &dyn Clock) -> Vec<u8> {
    let mut kept = Vec::new();
    let records: Vec<Framed<'_>> = match batch::records(body).collect() {
        Ok(records) => records,
        Err(error) => {
            tracing::error!(%error, "a batch of our own cannot be read");
            return body.to_vec();
        }
    };
    for framed in records {
        let pushed = match framed.record {
            Record::Intent(intent) => {
                let outcome = Outcome {
                    attempt: intent.attempt,
                    at: clock.now(),
                    ending: Ending::NotSent,
                    status: 0,
                    served_model: None,
                    usage: Usage::ZERO,
                    cost: NanoUsd::ZERO,
                    flags: ChargeFlags::default(),
                    first_byte_us: 0,
                    total_us: 0,
                    request_bytes: 0,
                    response_bytes: 0,
                    refusal: Some("audit_unavailable"),
                    market: None,
                    steps: None,
                };
                batch::push(&mut kept, RecordRef::Outcome(&outcome))
            }
            Record::Outcome(outcome) => batch::push(&mut kept, RecordRef::Outcome(&outcome)),
            Record::Refusal(refusal) => batch::push(&mut kept, RecordRef::Refusal(&refusal)),
            Record::Topup(topup) => batch::push(&mut kept, RecordRef::Topup(&topup)),
        };
        if let Err(error) = pushed {
            tracing::error!(%error, "a record was not kept");
        }
    }
    kept
}

/// Frames put together into rows of a sensible size.
pub(crate) fn pack(frames: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut rows: Vec<Vec<u8>> = Vec::new();
    for frame in frames {
        match rows.last_mut() {
            Some(row) if row.len() + frame.len() <= IMPORT_ROW_BYTES && frame.first() == row.first() => {
                row.extend_from_slice(&frame[1..]);
            }
            _ => rows.push(frame),
        }
    }
    rows
}

impl KeptOutside {
    fn keep(&mut self, body: &[u8]) {
        if body.is_empty() {
            return;
        }
        if let Err(error) = self.spool(body) {
            tracing::warn!(%error, spool = ?self.path, "records are kept in memory until the journal can be written");
            self.memory.push(body.to_vec());
        }
    }

    fn spool(&mut self, body: &[u8]) -> io::Result<()> {
        match &mut self.spool {
            Some(spool) if self.memory.is_empty() => {
                failpoint!(self.failpoints, "spool.before_append");
                spool.append(body)?;
                failpoint!(self.failpoints, "spool.after_append");
                Ok(())
            }
            // What once went to memory keeps its place behind the spool.
            _ => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    /// What was kept. Where it cannot be read, nothing of it may be forgotten.
    fn frames(&self) -> io::Result<Vec<Vec<u8>>> {
        let spooled = self.spool.as_ref().map(Spool::frames).transpose()?;
        let mut frames = spooled.unwrap_or_default();
        frames.extend(self.memory.iter().cloned());
        Ok(frames)
    }

    /// Forgets what is in the journal now.
    pub(crate) fn clear(&mut self) {
        self.memory.clear();
        if let Err(error) = self.reset_spool() {
            tracing::error!(%error, "the spool cannot be emptied; it is imported again, which is harmless");
        }
    }

    fn reset_spool(&mut self) -> io::Result<()> {
        if let Some(spool) = self.spool.as_mut().filter(|spool| !spool.is_empty()) {
            failpoint!(self.failpoints, "spool.before_reset");
            spool.reset()?;
            failpoint!(self.failpoints, "spool.after_reset");
        }
        Ok(())
    }
}

/// Runs a task without which nothing is true any more: a panic in it ends the process.
pub(crate) async fn or_abort<T>(task: impl Future<Output = T>) -> T {
    let mut task = std::pin::pin!(task);
    std::future::poll_fn(|context| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context)));
        polled.unwrap_or_else(|_| std::process::abort())
    })
    .await
}
