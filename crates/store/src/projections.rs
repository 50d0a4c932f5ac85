//! Projections of the journal: what is open, requests, spending, admitted requests and usage by day.
//!
//! One task takes in the journal in chunks: every chunk is folded in memory (`fold.rs`), and its effects are written with
//! the watermarks in one transaction (`tables.rs`), so each record counts exactly once whatever is killed when. Everything
//! here can be thrown away and made again from the journal; no decision is taken from it while the process lives.

mod fold;
mod insert;
mod tables;

pub(crate) use fold::utc_day;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::db::{Conn, execute, fetch_all, fetch_one, sql};
use crate::error::StoreError;
use crate::journal::batch;
use crate::journal::writer::Appended;
use crate::open::Engine;

/// The least time between two runs of the task.
const EVERY: Duration = Duration::from_millis(200);

/// After a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Journal rows that are read at a time, and records after which a transaction ends: the journal waits for it on SQLite.
const ROWS_AT_A_TIME: u32 = 64;
const RECORDS_AT_A_TIME: usize = 256;

/// The WAL is moved into the database when this much was appended.
const CHECKPOINT_BYTES: u64 = 2 << 20;

sql! {
    WATERMARKS = "SELECT MIN(seq), MAX(seq) FROM watermarks";
    ADVANCE = "UPDATE watermarks SET seq = $1";
    ROWS = "SELECT seq, body FROM journal WHERE seq > $1 ORDER BY seq LIMIT $2";
    LAST_REQUEST = "SELECT COALESCE(MAX(seq), 0) FROM requests";
    OPEN = "SELECT body FROM open_intents ORDER BY attempt LIMIT $1";
    CLEAR_OPEN_INTENTS = "DELETE FROM open_intents";
    CLEAR_REQUESTS = "DELETE FROM requests";
    CLEAR_BUDGET_SPEND = "DELETE FROM budget_spend";
    CLEAR_DAILY_REQUESTS = "DELETE FROM daily_requests";
    CLEAR_USAGE_DAILY = "DELETE FROM usage_daily";
}

/// Brings the projections forward.
pub(crate) struct Projector {
    engine: Arc<Engine>,
    /// One run at a time: nobody else writes the projections.
    turn: Mutex<()>,
    last_request: watch::Sender<i64>,
    #[cfg(any(test, feature = "failpoints"))]
    failpoints: crate::failpoints::Failpoints,
}

impl Projector {
    pub(crate) fn new(
        engine: Arc<Engine>,
        #[cfg(any(test, feature = "failpoints"))] failpoints: crate::failpoints::Failpoints,
    ) -> Self {
        Self {
            engine,
            turn: Mutex::new(()),
            last_request: watch::Sender::new(0),
            #[cfg(any(test, feature = "failpoints"))]
            failpoints,
        }
    }

    pub(crate) fn notice(&self) -> watch::Receiver<i64> {
        self.last_request.subscribe()
    }

    /// Runs until `stop`.
    pub(crate) async fn run(self: Arc<Self>, appended: Arc<Appended>, stop: CancellationToken) {
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
            if appended.bytes.load(Ordering::Relaxed) >= CHECKPOINT_BYTES {
                appended.bytes.store(0, Ordering::Relaxed);
                if let Err(error) = self.engine.checkpoint().await {
                    tracing::warn!(%error, "the write-ahead log was not moved into the database");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Takes in everything up to the head of the journal.
    pub(crate) async fn catch_up(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        self.catch_up_in_turn().await
    }

    async fn catch_up_in_turn(&self) -> Result<(), StoreError> {
        let mut conn = self.engine.read().await?;
        let (least, most): (i64, i64) = fetch_one!(conn, (i64, i64), WATERMARKS)?;
        drop(conn);
        // A projection that a newer version added starts at 0: it is made together with the others.
        if least != most {
            self.clear().await?;
        }
        while self.step().await? {}
        Ok(())
    }

    /// Throws the projections away and makes them anew.
    pub(crate) async fn rebuild(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        self.clear().await?;
        self.catch_up_in_turn().await
    }

    async fn clear(&self) -> Result<(), StoreError> {
        let mut tx = self.engine.begin().await?;
        execute!(tx, CLEAR_OPEN_INTENTS)?;
        execute!(tx, CLEAR_REQUESTS)?;
        execute!(tx, CLEAR_BUDGET_SPEND)?;
        execute!(tx, CLEAR_DAILY_REQUESTS)?;
        execute!(tx, CLEAR_USAGE_DAILY)?;
        execute!(tx, ADVANCE, 0_i64)?;
        tx.commit_only().await?;
        Ok(())
    }

    /// Takes in the next chunk of rows; `false` when there is none. Reads and folds before it begins the transaction:
    /// only this task writes what it reads.
    async fn step(&self) -> Result<bool, StoreError> {
        let mut conn = self.engine.read().await?;
        let (mark, _): (i64, i64) = fetch_one!(conn, (i64, i64), WATERMARKS)?;
        let rows = fetch_all!(conn, (i64, Vec<u8>), ROWS, mark, ROWS_AT_A_TIME)?;
        if rows.is_empty() {
            let (last,): (i64,) = fetch_one!(conn, (i64,), LAST_REQUEST)?;
            self.publish(last);
            return Ok(false);
        }
        let mut records = Vec::new();
        let mut mark = mark;
        for (seq, body) in &rows {
            for framed in batch::records(body) {
                records.push((*seq, framed?));
            }
            mark = *seq;
            if records.len() >= RECORDS_AT_A_TIME {
                break;
            }
        }
        let (last,): (i64,) = fetch_one!(conn, (i64,), LAST_REQUEST)?;
        let known = tables::known(&mut conn, &records).await?;
        drop(conn);
        let effects = fold::fold(records, &known, last)?;
        let last = last + i64::try_from(effects.rows.len()).unwrap_or(0);
        let mut tx = self.engine.begin().await?;
        tables::write(&mut tx, &effects).await?;
        execute!(tx, ADVANCE, mark)?;
        #[cfg(any(test, feature = "failpoints"))]
        self.failpoints
            .check("project.before_commit")
            .map_err(sqlx::Error::from)?;
        tx.commit_only().await?;
        self.publish(last);
        Ok(true)
    }

    fn publish(&self, last: i64) {
        self.last_request
            .send_if_modified(|seen| std::mem::replace(seen, last) != last);
    }
}

/// Intents that are still open, at most `limit`, each as a batch of its own.
pub(crate) async fn open_intents(conn: &mut Conn, limit: u32) -> Result<Vec<Vec<u8>>, StoreError> {
    let rows = fetch_all!(conn, (Vec<u8>,), OPEN, limit)?;
    Ok(rows.into_iter().map(|(body,)| body).collect())
}
