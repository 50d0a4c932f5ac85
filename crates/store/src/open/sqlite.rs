//! SQLite: one connection that writes, and a pool that reads.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keystore_core::Micros;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::direct::Direct;
use super::{APPEND, HEAD, PATIENCE, newest_migration};
use crate::error::{OpenError, StoreError};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Moves the log into the database as far as readers allow, and says: whether it was blocked, how many pages the log has, and how many
/// of them are in the database.
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// Pages of the log after which any commit moves them (16 MiB).
const WAL_PAGES_AT_MOST: &str = "4096";

/// Pages of the log after which a checkpoint has the writer move them (8 MiB): under constant load only the writer finds the moment at
/// which the log can begin anew, and what another connection has moved before makes that short. It is half of what any commit takes as
/// its reason, so that an append, which is not to wait for a sync, hardly ever comes to do it.
const WAL_PAGES: i64 = 2048;

/// An append that took so long did wait for the disk. The next one is made where waiting stops nobody.
const SLOW: Duration = Duration::from_millis(1);

pub(crate) struct Sqlite {
    options: SqliteConnectOptions,
    writer: Arc<Mutex<Writer>>,
    readers: SqlitePool,
    path: PathBuf,
    lock: File,
    pub(super) found_schema: i64,
}

/// The one connection that writes.
struct Writer {
    /// Stands before the connection, whose handle it borrows: fields are dropped in order.
    direct: Direct,
    connection: SqliteConnection,
    /// A transaction was begun and not known to be over.
    unfinished: bool,
    /// What it commits is synced to the disk; otherwise that is left to the system.
    synced: bool,
    /// The last append was slow.
    slow: bool,
}

/// The writer, inside a transaction.
pub(crate) struct WriterGuard(OwnedMutexGuard<Writer>);

impl WriterGuard {
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.0.connection
    }

    pub(crate) async fn commit(mut self) -> sqlx::Result<()> {
        sqlx::query("COMMIT").execute(&mut self.0.connection).await?;
        self.0.unfinished = false;
        Ok(())
    }
}

impl Writer {
    async fn new(mut connection: SqliteConnection) -> sqlx::Result<Self> {
        Ok(Self {
            direct: Direct::new(&mut connection).await?,
            connection,
            unfinished: false,
            synced: false,
            slow: false,
        })
    }

    /// Rolls back what a dropped transaction left.
    async fn settle(&mut self) {
        if self.unfinished {
            // It fails when the transaction was already over, which is as good.
            let _ = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
            self.unfinished = false;
        }
    }

    /// From now on commits are synced, or not. Not within a transaction.
    async fn sync(&mut self, synced: bool) -> sqlx::Result<()> {
        if self.synced != synced {
            let level = match synced {
                true => "PRAGMA synchronous = FULL",
                false => "PRAGMA synchronous = NORMAL",
            };
            sqlx::query(level).execute(&mut self.connection).await?;
            self.synced = synced;
        }
        Ok(())
    }

    /// Appends a row on this thread, unless it would have to wait.
    async fn append(&mut self, seq: i64, at: Micros, body: &[u8], power: bool) -> sqlx::Result<()> {
        self.settle().await;
        if self.direct.is_in_transaction() {
            return Err(io::Error::other("a transaction is open that nobody began").into());
        }
        self.sync(power).await?;
        let begun = Instant::now();
        let done = !power && !self.slow && self.direct.append(seq, at, body)?;
        if !done {
            self.append_patiently(seq, at, body).await?;
        }
        self.slow = begun.elapsed() > SLOW;
        Ok(())
    }

    /// Appends a row on the thread of the connection.
    async fn append_patiently(&mut self, seq: i64, at: Micros, body: &[u8]) -> sqlx::Result<()> {
        let insert = sqlx::query(APPEND).bind(seq).bind(at.0).bind(body);
        insert.execute(&mut self.connection).await.map(|_| ())
    }

    async fn checkpoint(&mut self) -> sqlx::Result<()> {
        sqlx::query(CHECKPOINT)
            .execute(&mut self.connection)
            .await
            .map(|_| ())
    }

    async fn close(self) -> sqlx::Result<()> {
        // SQLite closes no connection that has a statement.
        drop(self.direct);
        self.connection.close().await
    }
}

impl Sqlite {
    pub(super) async fn open(url: &str, readers: u32) -> Result<Self, OpenError> {
        let options = SqliteConnectOptions::from_str(url).map_err(|_| OpenError::Url(url.to_owned()))?;
        let path = options.get_filename().to_path_buf();
        let lock = lock_file(&path)?;
        let existed = path.exists();
        if !existed {
            private()
                .create_new(true)
                .open(&path)
                .map_err(|source| OpenError::File {
                    path: path.display().to_string(),
                    source,
                })?;
        }
        let writer_options = options
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(PATIENCE)
            .foreign_keys(true)
            .pragma("wal_autocheckpoint", WAL_PAGES_AT_MOST)
            // `Direct` uses it from other threads than its own.
            .serialized(true);
        let damaged = |error: sqlx::Error| corrupt(&path, error);
        let mut connection = writer_options.connect().await.map_err(damaged)?;
        if existed {
            quick_check(&mut connection, &path).await?;
        }
        let found_schema = newest_migration(&mut connection, &MIGRATIONS).await?;
        MIGRATIONS.run(&mut connection).await?;
        let reader_options = options
            .busy_timeout(PATIENCE)
            .foreign_keys(true)
            .pragma("query_only", "ON");
        let readers = SqlitePoolOptions::new()
            .max_connections(readers.max(1))
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(reader_options);
        Ok(Self {
            options: writer_options,
            writer: Arc::new(Mutex::new(Writer::new(connection).await?)),
            readers,
            path,
            lock,
            found_schema,
        })
    }

    /// A file in the folder of the database.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }

    pub(super) async fn read(&self) -> sqlx::Result<PoolConnection<sqlx::Sqlite>> {
        self.readers.acquire().await
    }

    pub(super) async fn begin(&self, synced: bool) -> sqlx::Result<WriterGuard> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        writer.settle().await;
        writer.sync(synced).await?;
        writer.unfinished = true;
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut writer.connection)
            .await?;
        Ok(WriterGuard(writer))
    }

    pub(super) async fn append(&self, seq: i64, at: Micros, body: &[u8], power: bool) -> sqlx::Result<()> {
        self.writer.lock().await.append(seq, at, body, power).await
    }

    /// Everything in the log is synced and moved into the database first: what a failed sync left in doubt is not built upon.
    pub(super) async fn reconnect(&self) -> sqlx::Result<i64> {
        let mut writer = self.writer.lock().await;
        let fresh = Writer::new(self.options.connect().await?).await?;
        let _ = std::mem::replace(&mut *writer, fresh).close().await;
        writer.checkpoint().await?;
        let (head,): (i64,) = sqlx::query_as(HEAD).fetch_one(&mut writer.connection).await?;
        Ok(head)
    }

    pub(super) async fn checkpoint(&self) -> sqlx::Result<()> {
        let moved = sqlx::query_as(CHECKPOINT).fetch_one(&self.readers).await?;
        let (_, pages, _): (i64, i64, i64) = moved;
        if pages > WAL_PAGES {
            let mut writer = self.writer.lock().await;
            writer.settle().await;
            writer.checkpoint().await?;
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        let mut writer = self.writer.lock().await;
        writer.settle().await;
        let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut writer.connection)
            .await;
        let _ = self.lock.unlock();
    }
}

/// Makes files for their owner alone, wherever they lie; SQLite gives its log the mode of the database.
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = File::options();
    options.write(true).mode(0o600);
    options
}

/// Takes the lock file beside the database, or says that another server has it.
fn lock_file(database: &Path) -> Result<File, OpenError> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let failed = |source| OpenError::File {
        path: Path::new(&path).display().to_string(),
        source,
    };
    let file = private()
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::InUse {
            database: database.display().to_string(),
        }),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

async fn quick_check(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let found: Result<Vec<(String,)>, _> = sqlx::query_as("PRAGMA quick_check(1)")
        .fetch_all(connection)
        .await;
    match found.map_err(|error| corrupt(path, error))?.first() {
        Some((verdict,)) if verdict == "ok" => Ok(()),
        other => Err(OpenError::Corrupt {
            path: path.display().to_string(),
            detail: other.map_or_else(|| "no answer".to_owned(), |(detail,)| detail.clone()),
        }),
    }
}

/// SQLite's extended code.
fn code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// Whether SQLite could not sync a file (`SQLITE_IOERR_FSYNC`, `SQLITE_IOERR_DIR_FSYNC`).
pub(crate) fn is_failed_sync(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(error) if matches!(code(error), Some(1034 | 1290)))
}

/// SQLITE_CORRUPT (11) and SQLITE_NOTADB (26) mean damage; everything else that it cannot be opened.
fn corrupt(path: &Path, error: sqlx::Error) -> OpenError {
    match code(&error).map(|code| code & 0xff) {
        Some(11 | 26) => OpenError::Corrupt {
            path: path.display().to_string(),
            detail: error.to_string(),
        },
        _ => OpenError::Unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    async fn opened(folder: &Path) -> Sqlite {
        Sqlite::open(&url(folder), 1).await.unwrap()
    }

    fn url(folder: &Path) -> String {
        format!("sqlite://{}", folder.join("keystore.db").display())
    }

    /// The numbers of the rows of the journal.
    async fn rows(sqlite: &Sqlite) -> Vec<i64> {
        let mut reader = sqlite.read().await.unwrap();
        let rows = sqlx::query_scalar("SELECT seq FROM journal ORDER BY seq").fetch_all(&mut *reader);
        rows.await.unwrap()
    }

    #[tokio::test]
    async fn what_must_survive_the_machine_is_synced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = opened(folder.path()).await;
        let mut levels: Vec<i64> = Vec::new();
        for synced in [false, true, true, false, true] {
            let mut tx = sqlite.begin(synced).await.unwrap();
            let level = sqlx::query_scalar("PRAGMA synchronous").fetch_one(tx.connection());
            levels.push(level.await.unwrap());
            // One that is dropped changes nothing of that.
            if levels.len() != 2 {
                tx.commit().await.unwrap();
            }
        }
        assert_eq!(levels, [1, 2, 2, 1, 2], "1 is NORMAL, 2 is FULL");
        for (seq, power) in [(1, false), (2, true), (3, false)] {
            sqlite.append(seq, Micros(1), b"row", power).await.unwrap();
            assert_eq!(sqlite.writer.lock().await.synced, power);
        }
        assert_eq!(rows(&sqlite).await, [1, 2, 3]);
        sqlite.close().await;
    }

    /// The folder may have been made by a package, for everybody to read.
    #[tokio::test]
    async fn a_new_database_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = opened(folder.path()).await;
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        }
        assert!(sqlite.path.exists());
        sqlite.close().await;
    }

    #[tokio::test]
    async fn a_row_is_appended_in_every_way() {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = opened(folder.path()).await;
        sqlite
            .append(1, Micros(1), b"on this thread", false)
            .await
            .unwrap();
        sqlite.append(2, Micros(2), b"synced", true).await.unwrap();
        sqlite.writer.lock().await.slow = true;
        sqlite
            .append(3, Micros(3), b"after a slow one", false)
            .await
            .unwrap();
        let mut unfinished = sqlite.begin(false).await.unwrap();
        let lost = sqlx::query(APPEND).bind(9).bind(9).bind(b"lost".as_slice());
        lost.execute(unfinished.connection()).await.unwrap();
        drop(unfinished);
        sqlite
            .append(4, Micros(4), b"after a transaction that was dropped", false)
            .await
            .unwrap();
        sqlite.reconnect().await.unwrap();
        sqlite
            .append(5, Micros(5), b"on a fresh connection", false)
            .await
            .unwrap();
        assert!(sqlite.append(5, Micros(5), b"twice", false).await.is_err());
        let mut writer = sqlite.writer.lock().await;
        let begin = sqlx::query("BEGIN IMMEDIATE").execute(&mut writer.connection);
        begin.await.unwrap();
        drop(writer);
        let uncommitted = sqlite.append(6, Micros(6), b"uncommitted", false).await;
        assert!(uncommitted.is_err());
        assert_eq!(sqlite.reconnect().await.unwrap(), 5);
        assert_eq!(rows(&sqlite).await, [1, 2, 3, 4, 5]);
        sqlite.close().await;
        drop(sqlite);
        assert_eq!(rows(&opened(folder.path()).await).await, [1, 2, 3, 4, 5]);
    }

    /// On the one thread of this test nothing would be given free while an append waits on it.
    #[tokio::test]
    async fn an_append_that_waits_for_another_process_stops_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = opened(folder.path()).await;
        let other = SqliteConnectOptions::from_str(&url(folder.path())).unwrap();
        let mut other = other.connect().await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        let (appended, ended) = tokio::join!(
            sqlite.append(1, Micros(1), b"patient", false),
            sqlx::query("ROLLBACK").execute(&mut other)
        );
        ended.unwrap();
        appended.unwrap();
        assert_eq!(rows(&sqlite).await, [1]);
        sqlite.append(2, Micros(2), b"at once", false).await.unwrap();
        assert_eq!(rows(&sqlite).await, [1, 2]);
        sqlite.close().await;
    }
}
