//! The store itself: what is open, and how to get at it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use keystore_core::{Clock, IdSource, Month};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit_keys::Sealer;
use crate::changes::{self, Feed, Listener};
use crate::db::{Conn, Tx};
use crate::error::{OpenError, StoreError};
use crate::failpoint;
use crate::journal::appended::Appended;
use crate::journal::spool::Spool;
use crate::journal::writer::{KeptOutside, Writer, or_abort};
use crate::journal::{Durability, Journal, JournalError};
use crate::open::Engine;
use crate::projections::Projector;
use crate::recovery::{self, Recovery};

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
    /// The write-ahead log of SQLite is moved into the database when so many bytes were journalled. Default 2 MiB.
    pub checkpoint_bytes: u64,
    /// What a write transaction must survive. The journal is told with each intent. Default `Process`.
    pub durability: Durability,
    /// Where tests make the store fail.
    #[cfg(any(test, feature = "failpoints"))]
    pub failpoints: crate::failpoints::Failpoints,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            spool: None,
            spool_bytes: 64 << 20,
            readers: 4,
            checkpoint_bytes: 2 << 20,
            durability: Durability::Process,
            #[cfg(any(test, feature = "failpoints"))]
            failpoints: crate::failpoints::Failpoints::default(),
        }
    }
}

/// An open database with its journal. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    pub(crate) changes: Feed,
    pub(crate) tasks: TaskTracker,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) journal: Journal,
    pub(crate) projector: Arc<Projector>,
    pub(crate) stop: CancellationToken,
    /// Write transactions are synced to the disk.
    pub(crate) synced: bool,
    /// Seals what the audit log keeps of a change.
    pub(crate) sealer: OnceLock<Arc<dyn Sealer>>,
    #[cfg(any(test, feature = "failpoints"))]
    pub(crate) failpoints: crate::failpoints::Failpoints,
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
        url: &str,
        options: Options,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Result<(Self, Recovery), OpenError> {
        let engine = Arc::new(Engine::open(url, options.readers).await?);
        let path = options.spool.clone().or_else(|| engine.default_spool());
        let (spool, spooled) = open_spool(path.as_deref(), options.spool_bytes)?;
        let (appended, journal) = (Arc::new(Appended::default()), Journal::new());
        let projector = Projector::new(
            Arc::clone(&engine),
            Arc::clone(&appended),
            journal.clone(),
            options.checkpoint_bytes,
            #[cfg(any(test, feature = "failpoints"))]
            options.failpoints.clone(),
        );
        let recovery = recovery::recover(&engine, &projector, spooled, clock.now()).await?;
        let changes = Feed::default();
        let epoch = changes::current(&mut engine.read().await?).await?;
        changes.epoch.store(epoch, Ordering::SeqCst);
        let mut kept = KeptOutside {
            spool,
            path,
            memory: Vec::new(),
            #[cfg(any(test, feature = "failpoints"))]
            failpoints: options.failpoints.clone(),
        };
        // What it held is in the journal now.
        kept.clear();
        let store = Self {
            shared: Arc::new(Shared {
                journal,
                projector: Arc::new(projector),
                changes,
                tasks: TaskTracker::new(),
                stop: CancellationToken::new(),
                synced: options.durability == Durability::Power,
                sealer: OnceLock::new(),
                clock,
                ids,
                engine,
                #[cfg(any(test, feature = "failpoints"))]
                failpoints: options.failpoints.clone(),
            }),
        };
        store.start(kept, appended, options).await?;
        Ok((store, recovery))
    }

    async fn start(
        &self,
        kept: KeptOutside,
        appended: Arc<Appended>,
        options: Options,
    ) -> Result<(), StoreError> {
        let Shared {
            journal,
            projector,
            tasks,
            stop,
            clock,
            engine,
            ..
        } = &*self.shared;
        let writer = Writer {
            journal: journal.clone(),
            engine: Arc::clone(engine),
            clock: Arc::clone(clock),
            appended,
            store: kept,
            head: engine.head().await?,
            #[cfg(any(test, feature = "failpoints"))]
            failpoints: options.failpoints.clone(),
        };
        drop(options);
        tasks.spawn(writer.run());
        tasks.spawn(or_abort(Arc::clone(projector).run(stop.clone())));
        Ok(())
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
        failpoint!(self.shared.failpoints, "tx.begin");
        Ok(Tx::new(
            self.shared.engine.begin(self.shared.synced).await?,
            Arc::clone(&self.shared),
        ))
    }

    /// Waits until this server has lost the database to another one. It writes nothing from then on, and what it remembers is not true
    /// any more: the process has to end. On PostgreSQL that is possible when the session that holds the lock is lost.
    pub async fn superseded(&self) {
        self.shared.engine.superseded().await;
    }

    /// Where tests make the product fail.
    #[cfg(any(test, feature = "failpoints"))]
    pub fn failpoints(&self) -> &crate::failpoints::Failpoints {
        &self.shared.failpoints
    }

    /// The clock that the store was opened with.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// From now on payloads of the audit log are sealed by `sealer`, where their organization has a key. Said once.
    pub fn seal_payloads(&self, sealer: Arc<dyn Sealer>) {
        let _ = self.shared.sealer.set(sealer);
    }

    /// Where new ids come from.
    pub fn ids(&self) -> &Arc<dyn IdSource> {
        &self.shared.ids
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// The number of the journal's newest row; 0 when there is none.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    pub async fn journal_head(&self) -> Result<i64, StoreError> {
        self.shared.engine.head().await
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
    /// `requests` and `usage` afterwards. While the journal cannot be written, they show what is there.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    pub async fn project_now(&self) -> Result<(), StoreError> {
        let flushed = self.shared.journal.flush().await;
        let projected = self.shared.projector.catch_up().await;
        match flushed {
            Ok(()) => projected,
            Err(JournalError::Unavailable) => Ok(()),
        }
    }

    /// Closes a month: what was recorded so far belongs to it, what ends later to the next one, whenever it ended. `false` when it was
    /// closed already.
    ///
    /// # Errors
    ///
    /// `Unavailable`: also while the journal cannot be written, because what belongs to the month may be waiting.
    pub async fn close_month(&self, month: Month) -> Result<bool, StoreError> {
        let JournalError::Unavailable = match self.shared.journal.flush().await {
            Ok(()) => {
                return self
                    .shared
                    .projector
                    .close_month(month, self.shared.clock.now())
                    .await;
            }
            Err(error) => error,
        };
        Err(std::io::Error::other("the journal cannot be written").into())
    }

    /// Throws all projections away and makes them anew from the journal.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    pub async fn rebuild_projections(&self) -> Result<(), StoreError> {
        self.shared.projector.rebuild().await
    }

    /// The number (`seq`) of the newest row of `requests`; changes wake whoever waits.
    pub fn requests_notice(&self) -> watch::Receiver<i64> {
        self.shared.projector.notice()
    }

    /// Writes what waits, stops the tasks and gives the database free. Nothing of the store may be used afterwards, by no
    /// clone. A store that is dropped without this keeps its tasks, and the database, until the runtime ends.
    pub async fn close(&self) {
        let Shared {
            journal,
            projector,
            tasks,
            stop,
            engine,
            ..
        } = &*self.shared;
        journal.close();
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        if let Err(error) = projector.catch_up().await {
            tracing::warn!(%error, "the projections are brought up to date at the next start");
        }
        engine.close().await;
    }
}

fn open_spool(path: Option<&Path>, bytes: u64) -> Result<(Option<Spool>, Vec<Vec<u8>>), OpenError> {
    let Some(path) = path else {
        return Ok((None, Vec::new()));
    };
    let opened = Spool::open(path, bytes);
    let (spool, frames) = opened.map_err(|source| OpenError::File {
        path: path.display().to_string(),
        source,
    })?;
    Ok((Some(spool), frames))
}
