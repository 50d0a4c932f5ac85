//! The store itself: what is open, and how to get at it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keystore_core::{Clock, IdSource};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::changes::{Feed, Listener};
use crate::db::{Conn, Tx};
use crate::error::{OpenError, StoreError};
use crate::journal::Journal;
use crate::open::Engine;
use crate::projections::Projector;
use crate::recovery::Recovery;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where outcomes go while the database cannot be written. Default: `spool.bin` beside the SQLite file; for PostgreSQL
    /// it must be named.
    pub spool: Option<PathBuf>,
    /// How large the spool is made in advance, in bytes. Default 64 MiB.
    pub spool_bytes: u64,
    /// Connections for reading. Default 4.
    pub readers: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { spool: None, spool_bytes: 64 << 20, readers: 4 }
    }
}

/// An open database with its journal. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) changes: Feed,
    pub(crate) tasks: TaskTracker,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
}

impl Store {
    /// Opens the database at `url` (`sqlite://path` or `postgres://…`), brings its schema up to date, and recovers: imports
    /// the spool, brings the projections to the head of the journal, and settles every intent without an outcome at its
    /// full hold. Creates a SQLite file that does not exist.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; a second server on the same database is one of them.
    pub async fn open(
        _url: &str,
        _options: Options,
        _clock: Arc<dyn Clock>,
        _ids: Arc<dyn IdSource>,
    ) -> Result<(Self, Recovery), OpenError> {
        todo!()
    }

    /// A connection for reading.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    pub async fn read(&self) -> Result<Conn, StoreError> {
        self.shared.engine.read().await
    }

    /// A write transaction. On SQLite there is one at a time, and the journal waits for it: be brief.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(Tx::new(self.shared.engine.begin().await?, Arc::clone(&self.shared)))
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        todo!()
    }

    /// Calls `listener` on every commit that changed something a cache may hold, until the store is closed.
    pub fn on_change(&self, listener: Listener) {
        self.shared.changes.listen(listener);
    }

    /// The epoch: bumped by every commit that changed something a cache may hold.
    pub fn epoch(&self) -> u64 {
        self.shared.changes.epoch.load(Ordering::SeqCst)
    }

    /// The epoch's own cell, for the request path.
    pub fn epoch_cell(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.changes.epoch)
    }

    /// Brings the projections to the head of the journal: everything that was recorded before the call is visible in
    /// `requests` and `usage` afterwards.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    pub async fn project_now(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Throws all projections away and makes them anew from the journal.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    pub async fn rebuild_projections(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// The number (`seq`) of the newest row of `requests`; changes wake whoever waits.
    pub fn requests_notice(&self) -> watch::Receiver<i64> {
        todo!()
    }

    /// Writes what waits, stops the tasks and gives the database free. Calls after it fail.
    pub async fn close(&self) {
        todo!()
    }
}
