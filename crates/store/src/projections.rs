//! Projections of the journal: what is open, requests, spending, admitted requests and usage by day.
//!
//! One task takes in the journal in chunks: every chunk is folded in memory (`fold.rs`), and its effects are written with
//! the watermarks in one transaction (`tables.rs`), so each record counts exactly once whatever is killed when. Everything
//! here can be thrown away and made again from the journal; no decision is taken from it while the process lives.

mod charges;
mod fold;
mod pages;
mod tables;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keystore_core::{Micros, Month};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::billing;
use crate::db::{Conn, execute, fetch_all, fetch_one, sql};
use crate::error::StoreError;
use crate::failpoint;
use crate::journal::Journal;
use crate::journal::appended::Appended;
use crate::journal::batch;
use crate::open::{Engine, is_failed_sync};
use crate::requests;

/// The least time between two runs of the task.
const EVERY: Duration = Duration::from_millis(200);

/// After a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Bytes of journal after which a transaction ends, about 500 calls: the journal waits for it on SQLite.
const CHUNK_BYTES: usize = 160 << 10;

/// Journal rows that are read from the table at a time.
const ROWS_AT_A_TIME: u32 = 128;

sql! {
    WATERMARKS = "SELECT MIN(seq), MAX(seq) FROM watermarks";
    ADVANCE = "UPDATE watermarks SET seq = $2 WHERE seq = $1";
    RESET = "UPDATE watermarks SET seq = 0";
    ROWS = "SELECT seq, body FROM journal WHERE seq > $1 ORDER BY seq LIMIT $2";
    OPEN = "SELECT body FROM open_intents ORDER BY attempt LIMIT $1";
    CLEAR_OPEN_INTENTS = "DELETE FROM open_intents";
    CLEAR_REQUEST_PAGES = "DELETE FROM request_pages";
    CLEAR_REQUEST_AGENTS = "DELETE FROM request_agents";
    CLEAR_REQUEST_IDS = "DELETE FROM request_ids";
    CLEAR_REQUEST_HOURS = "DELETE FROM request_hours";
    CLEAR_BUDGET_SPEND = "DELETE FROM budget_spend";
    CLEAR_DAILY_REQUESTS = "DELETE FROM daily_requests";
    CLEAR_USAGE_DAILY = "DELETE FROM usage_daily";
    CLEAR_BILLING_LINES = "DELETE FROM billing_lines";
    CLEAR_POOL_SALES = "DELETE FROM pool_sales";
    CLEAR_SERVED_VERSIONS = "DELETE FROM served_versions";
}

/// Brings the projections forward.
pub(crate) struct Projector {
    engine: Arc<Engine>,
    appended: Arc<Appended>,
    journal: Journal,
    /// The WAL is moved into the database when this much was appended.
    checkpoint_bytes: u64,
    /// One run at a time: nobody else writes the projections. Where they stand, unless it must be read.
    turn: Mutex<Option<Position>>,
    last_request: watch::Sender<i64>,
    #[cfg(any(test, feature = "failpoints"))]
    pub(crate) failpoints: crate::failpoints::Failpoints,
}

/// Where the projections stand.
#[derive(Clone, Copy)]
struct Position {
    /// The newest journal row that was taken in.
    mark: i64,
    /// The newest `seq` of the requests.
    last: i64,
}

impl Projector {
    pub(crate) fn new(
        engine: Arc<Engine>,
        appended: Arc<Appended>,
        journal: Journal,
        checkpoint_bytes: u64,
        #[cfg(any(test, feature = "failpoints"))] failpoints: crate::failpoints::Failpoints,
    ) -> Self {
        Self {
            engine,
            appended,
            journal,
            checkpoint_bytes,
            turn: Mutex::new(None),
            last_request: watch::Sender::new(0),
            #[cfg(any(test, feature = "failpoints"))]
            failpoints,
        }
    }

    pub(crate) fn notice(&self) -> watch::Receiver<i64> {
        self.last_request.subscribe()
    }

    /// Runs until `stop`.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let appended = &self.appended;
        loop {
            tokio::select! {
                () = appended.notify.notified() => {}
                () = stop.cancelled() => return,
            }
            let pause = match self.catch_up().await {
                Ok(()) => EVERY,
                Err(error) => {
                    tracing::warn!(%error, "the projections are behind");
                    // What woke us is still to be done.
                    appended.notify.notify_one();
                    PAUSE
                }
            };
            if appended.bytes.load(Ordering::Relaxed) >= self.checkpoint_bytes {
                appended.bytes.store(0, Ordering::Relaxed);
                if let Err(error) = self.checkpoint().await {
                    tracing::warn!(%error, "the write-ahead log was not moved into the database");
                    if is_failed_sync(&error) {
                        self.journal.doubt();
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn checkpoint(&self) -> Result<(), StoreError> {
        failpoint!(self.failpoints, "checkpoint.before");
        self.engine.checkpoint().await?;
        failpoint!(self.failpoints, "checkpoint.after");
        Ok(())
    }

    /// Takes in everything up to what is now the head of the journal. What comes meanwhile waits for the next time, so that
    /// it is taken in by large chunks.
    pub(crate) async fn catch_up(&self) -> Result<(), StoreError> {
        let mut turn = self.turn.lock().await;
        self.catch_up_from(&mut turn).await
    }

    async fn catch_up_from(&self, turn: &mut Option<Position>) -> Result<(), StoreError> {
        let head = self.engine.head().await?;
        // After a failure nothing is known of where they stand.
        let mut position = match turn.take() {
            Some(position) => position,
            None => self.position().await?,
        };
        self.publish(position.last);
        while position.mark < head {
            position = self.step(position).await?;
            self.publish(position.last);
        }
        *turn = Some(position);
        Ok(())
    }

    async fn position(&self) -> Result<Position, StoreError> {
        let mut conn = self.engine.read().await?;
        let (least, mark): (i64, i64) = fetch_one!(conn, (i64, i64), WATERMARKS)?;
        let last = requests::newest(&mut conn).await?;
        drop(conn);
        if least == mark {
            return Ok(Position { mark, last });
        }
        // A projection that a newer version added starts at 0: it is made together with the others.
        self.clear().await?;
        Ok(Position { mark: 0, last: 0 })
    }

    /// Throws the projections away and makes them anew.
    pub(crate) async fn rebuild(&self) -> Result<(), StoreError> {
        let mut turn = self.turn.lock().await;
        *turn = None;
        self.clear().await?;
        self.catch_up_from(&mut turn).await
    }

    /// Closes a month with everything that is in the journal now. `false` when it was closed already.
    pub(crate) async fn close_month(&self, month: Month, at: Micros) -> Result<bool, StoreError> {
        let mut turn = self.turn.lock().await;
        self.catch_up_from(&mut turn).await?;
        let Some(Position { mark, .. }) = *turn else {
            return Ok(false);
        };
        let mut tx = self.engine.begin(false).await?;
        let closed = billing::close(&mut tx, month, mark, at).await?;
        self.commit(tx).await?;
        Ok(closed)
    }

    async fn clear(&self) -> Result<(), StoreError> {
        let mut tx = self.engine.begin(false).await?;
        execute!(tx, CLEAR_OPEN_INTENTS)?;
        execute!(tx, CLEAR_REQUEST_PAGES)?;
        execute!(tx, CLEAR_REQUEST_AGENTS)?;
        execute!(tx, CLEAR_REQUEST_IDS)?;
        execute!(tx, CLEAR_REQUEST_HOURS)?;
        execute!(tx, CLEAR_BUDGET_SPEND)?;
        execute!(tx, CLEAR_DAILY_REQUESTS)?;
        execute!(tx, CLEAR_USAGE_DAILY)?;
        execute!(tx, CLEAR_BILLING_LINES)?;
        execute!(tx, CLEAR_POOL_SALES)?;
        execute!(tx, CLEAR_SERVED_VERSIONS)?;
        execute!(tx, RESET)?;
        failpoint!(self.failpoints, "clear.before_commit");
        tx.commit_only().await?;
        failpoint!(self.failpoints, "clear.after_commit");
        Ok(())
    }

    /// Takes in the next chunk of rows, of which there is one. Reads and folds before it begins the transaction: only this
    /// task writes what it reads.
    async fn step(&self, Position { mark, last }: Position) -> Result<Position, StoreError> {
        let mut conn = self.engine.read().await?;
        let mut rows = self.appended.take_after(mark, CHUNK_BYTES);
        if rows.is_empty() {
            rows = fetch_all!(conn, (i64, Vec<u8>), ROWS, mark, ROWS_AT_A_TIME)?;
            rows.truncate(chunk(&rows));
        }
        let (from, mark) = (mark, rows.last().map_or(mark, |(seq, _)| *seq));
        // A decoded record is large, and there are many: room is made for them once.
        let count = rows.iter().map(|(_, body)| batch::frames(body).count()).sum();
        let mut records = Vec::with_capacity(count);
        for (seq, body) in &rows {
            for framed in batch::records(body) {
                records.push((*seq, framed?));
            }
        }
        let known = tables::known(&mut conn, &records).await?;
        drop(conn);
        let effects = fold::fold(&records, &known, last)?;
        let last = last + i64::try_from(effects.ended_calls.len()).unwrap_or(0);
        let mut tx = self.engine.begin(false).await?;
        tables::write(&mut tx, &effects, mark).await?;
        // A turn that nobody waited for to its end may have taken the same rows in meanwhile.
        if execute!(tx, ADVANCE, from, mark)? == 0 {
            return Err(StoreError::damaged("the projections stand elsewhere"));
        }
        self.commit(tx).await?;
        Ok(Position { mark, last })
    }

    async fn commit(&self, tx: Conn) -> Result<(), StoreError> {
        failpoint!(self.failpoints, "project.before_commit");
        tx.commit_only().await?;
        failpoint!(self.failpoints, "project.after_commit");
        Ok(())
    }

    fn publish(&self, last: i64) {
        self.last_request
            .send_if_modified(|seen| std::mem::replace(seen, last) != last);
    }
}

/// How many of the rows make up a chunk: as many as it takes to fill one.
fn chunk(rows: &[(i64, Vec<u8>)]) -> usize {
    let mut bytes = 0;
    let filling = rows.iter().position(|(_, body)| {
        bytes += body.len();
        bytes >= CHUNK_BYTES
    });
    filling.map_or(rows.len(), |last| last + 1)
}

/// Intents that are still open, at most `limit`, each as a batch of its own.
pub(crate) async fn open_intents(conn: &mut Conn, limit: u32) -> Result<Vec<Vec<u8>>, StoreError> {
    let rows = fetch_all!(conn, (Vec<u8>,), OPEN, limit)?;
    Ok(rows.into_iter().map(|(body,)| body).collect())
}
