//! The engines: connections, the one-server lock, and the one place where they differ in how a journal row is appended.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use keystore_core::Micros;
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::db::{Conn, Held, fetch_one, sql};
use crate::error::{OpenError, StoreError};

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

sql! {
    APPEND = "INSERT INTO journal (seq, at, body) VALUES ($1, $2, $3)";
    HEAD = "SELECT COALESCE(MAX(seq), 0) FROM journal";
}

/// The session advisory lock that says "a server runs on this database": `keystore` in ASCII.
const SERVER_LOCK: i64 = 0x6b65_7973_746f_7265;

/// How often, and how far apart, the PostgreSQL lock is tried: the server may need a moment to notice that the process
/// that held it is gone.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// WAL pages after which the writer itself checkpoints (16 MiB): under constant load only the writer finds the moment at
/// which the log can begin anew, and what another connection has moved before makes that short.
const WAL_PAGES_AT_MOST: &str = "4096";

/// The database that is open.
pub(crate) enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

pub(crate) struct Sqlite {
    options: SqliteConnectOptions,
    writer: Arc<Mutex<Writer>>,
    readers: SqlitePool,
    path: PathBuf,
    lock: File,
    found_schema: i64,
}

/// The one connection that writes.
pub(crate) struct Writer {
    connection: SqliteConnection,
    /// A transaction was begun and not known to be over.
    unfinished: bool,
}

pub(crate) struct Postgres {
    options: PgConnectOptions,
    pool: PgPool,
    /// Appends to the journal and holds the server lock: when this session is lost, so is the right to append.
    appender: Mutex<Option<PgConnection>>,
    found_schema: i64,
}

/// The writer connection of SQLite, inside a transaction.
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
    /// Rolls back what a dropped transaction left.
    async fn settle(&mut self) {
        if self.unfinished {
            // It fails when the transaction was already over, which is as good.
            let _ = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
            self.unfinished = false;
        }
    }
}

impl Engine {
    pub(crate) async fn open(url: &str, readers: u32) -> Result<Self, OpenError> {
        match url.split_once("://") {
            Some(("sqlite", path)) if !path.is_empty() && path != ":memory:" => {
                Ok(Self::Sqlite(Sqlite::open(url, readers).await?))
            }
            Some(("postgres" | "postgresql", _)) => {
                let options = PgConnectOptions::from_str(url).map_err(|_| OpenError::Url(redacted(url)))?;
                Ok(Self::Postgres(Postgres::open(options, readers).await?))
            }
            _ => Err(OpenError::Url(redacted(url))),
        }
    }

    /// The number of the newest migration that the database had when it was opened; 0 for a new one.
    pub(crate) fn found_schema(&self) -> i64 {
        match self {
            Self::Sqlite(sqlite) => sqlite.found_schema,
            Self::Postgres(postgres) => postgres.found_schema,
        }
    }

    /// Where the spool stands unless the options say it.
    pub(crate) fn default_spool(&self) -> Option<PathBuf> {
        match self {
            Self::Sqlite(sqlite) => Some(sqlite.path.with_file_name("spool.bin")),
            Self::Postgres(_) => None,
        }
    }

    pub(crate) async fn read(&self) -> Result<Conn, StoreError> {
        Ok(Conn::new(match self {
            Self::Sqlite(sqlite) => Held::SqliteRead(sqlite.readers.acquire().await?),
            Self::Postgres(postgres) => Held::PostgresRead(postgres.pool.acquire().await?),
        }))
    }

    pub(crate) async fn begin(&self) -> Result<Conn, StoreError> {
        Ok(Conn::new(match self {
            Self::Sqlite(sqlite) => {
                let mut guard = Arc::clone(&sqlite.writer).lock_owned().await;
                guard.settle().await;
                guard.unfinished = true;
                sqlx::query("BEGIN IMMEDIATE")
                    .execute(&mut guard.connection)
                    .await?;
                Held::SqliteWrite(WriterGuard(guard))
            }
            Self::Postgres(postgres) => Held::PostgresWrite(postgres.pool.begin().await?),
        }))
    }

    /// Appends one row to the journal, in a transaction of its own; `power` says that it must be on the disk afterwards.
    pub(crate) async fn append(&self, seq: i64, at: Micros, body: &[u8], power: bool) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(sqlite) => {
                let mut writer = sqlite.writer.lock().await;
                writer.settle().await;
                let connection = &mut writer.connection;
                if power {
                    sqlx::query("PRAGMA synchronous = FULL")
                        .execute(&mut *connection)
                        .await?;
                }
                let insert = sqlx::query(APPEND).bind(seq).bind(at.0).bind(body);
                let inserted = insert.execute(&mut *connection).await;
                if power {
                    sqlx::query("PRAGMA synchronous = NORMAL")
                        .execute(&mut *connection)
                        .await?;
                }
                inserted.map(|_| ())
            }
            Self::Postgres(postgres) => {
                let mut slot = postgres.appender.lock().await;
                let mut connection = match slot.take() {
                    Some(connection) => connection,
                    None => postgres.locked_session().await?.ok_or(sqlx::Error::PoolClosed)?,
                };
                let insert = sqlx::query(APPEND).bind(seq).bind(at.0).bind(body);
                insert.execute(&mut connection).await?;
                // Only a session that just worked is kept; after an error, or when this future is dropped, a new one is made.
                *slot = Some(connection);
                Ok(())
            }
        }
    }

    /// The number of the newest row of the journal.
    pub(crate) async fn head(&self) -> Result<i64, StoreError> {
        let mut conn = self.read().await?;
        let (head,): (i64,) = fetch_one!(conn, (i64,), HEAD)?;
        Ok(head)
    }

    /// After a failure: a fresh connection for the journal, and the number of the newest row that is really there. On SQLite
    /// everything in the write-ahead log is synced and moved into the database first: what a failed sync left in doubt is not
    /// built upon.
    pub(crate) async fn reconnect(&self) -> sqlx::Result<i64> {
        match self {
            Self::Sqlite(sqlite) => {
                let mut writer = sqlite.writer.lock().await;
                let fresh = sqlite.options.connect().await?;
                writer.unfinished = false;
                let old = std::mem::replace(&mut writer.connection, fresh);
                let _ = old.close().await;
                sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
                    .execute(&mut writer.connection)
                    .await?;
                let head: (i64,) = sqlx::query_as(HEAD).fetch_one(&mut writer.connection).await?;
                Ok(head.0)
            }
            Self::Postgres(postgres) => {
                let mut slot = postgres.appender.lock().await;
                *slot = None;
                let mut connection = postgres.locked_session().await?.ok_or(sqlx::Error::PoolClosed)?;
                let head: (i64,) = sqlx::query_as(HEAD).fetch_one(&mut connection).await?;
                *slot = Some(connection);
                Ok(head.0)
            }
        }
    }

    /// Moves the WAL into the database file, as far as readers allow. Nothing on PostgreSQL.
    pub(crate) async fn checkpoint(&self) -> sqlx::Result<()> {
        if let Self::Sqlite(sqlite) = self {
            sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
                .execute(&sqlite.readers)
                .await?;
        }
        Ok(())
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => {
                sqlite.readers.close().await;
                let mut writer = sqlite.writer.lock().await;
                writer.settle().await;
                let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
                    .execute(&mut writer.connection)
                    .await;
                let _ = sqlite.lock.unlock();
            }
            Self::Postgres(postgres) => {
                postgres.pool.close().await;
                if let Some(connection) = postgres.appender.lock().await.take() {
                    let _ = connection.close().await;
                }
            }
        }
    }
}

/// A URL without what stands before `@`, for messages.
fn redacted(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}…{}", &url[..scheme + 3], &url[at..]),
        _ => url.to_owned(),
    }
}

/// The number of the newest migration that a database has; 0 without any.
async fn newest_migration(connection: &mut impl Migrate, migrations: &Migrator) -> Result<i64, MigrateError> {
    connection.ensure_migrations_table(&migrations.table_name).await?;
    let applied = connection.list_applied_migrations(&migrations.table_name).await?;
    Ok(applied
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0))
}

impl Sqlite {
    async fn open(url: &str, readers: u32) -> Result<Self, OpenError> {
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
            .busy_timeout(Duration::from_secs(10))
            .foreign_keys(true)
            .pragma("wal_autocheckpoint", WAL_PAGES_AT_MOST);
        let damaged = |error: sqlx::Error| corrupt(&path, error);
        let mut connection = writer_options.connect().await.map_err(damaged)?;
        if existed {
            quick_check(&mut connection, &path).await?;
        }
        let found_schema = newest_migration(&mut connection, &SQLITE_MIGRATIONS).await?;
        SQLITE_MIGRATIONS.run(&mut connection).await?;
        let reader_options = options
            .busy_timeout(Duration::from_secs(10))
            .foreign_keys(true)
            .pragma("query_only", "ON");
        let readers = SqlitePoolOptions::new()
            .max_connections(readers.max(1))
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(reader_options);
        let writer = Arc::new(Mutex::new(Writer {
            connection,
            unfinished: false,
        }));
        Ok(Self {
            options: writer_options,
            writer,
            readers,
            path,
            lock,
            found_schema,
        })
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

impl Postgres {
    async fn open(options: PgConnectOptions, readers: u32) -> Result<Self, OpenError> {
        let pool = PgPoolOptions::new()
            // Writers of the control plane and the projector come on top of the readers.
            .max_connections(readers.max(1) + 4)
            .acquire_timeout(Duration::from_secs(10))
            .connect_lazy_with(options.clone());
        let mut postgres = Self {
            found_schema: 0,
            options,
            pool,
            appender: Mutex::new(None),
        };
        let session = postgres.locked_session().await?.ok_or_else(|| OpenError::InUse {
            database: postgres
                .options
                .get_database()
                .unwrap_or("the database")
                .to_owned(),
        })?;
        *postgres.appender.lock().await = Some(session);
        let mut connection = postgres.pool.acquire().await?;
        postgres.found_schema = newest_migration(&mut *connection, &POSTGRES_MIGRATIONS).await?;
        drop(connection);
        POSTGRES_MIGRATIONS.run(&postgres.pool).await?;
        Ok(postgres)
    }

    /// A session that holds the server lock; `None` when another process has it.
    async fn locked_session(&self) -> sqlx::Result<Option<PgConnection>> {
        let mut connection = self.options.connect().await?;
        for attempt in 0..LOCK_TRIES {
            if attempt > 0 {
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            let (locked,): (bool,) = sqlx::query_as("SELECT pg_try_advisory_lock($1)")
                .bind(SERVER_LOCK)
                .fetch_one(&mut connection)
                .await?;
            if locked {
                return Ok(Some(connection));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::Engine;

    /// The folder may have been made by a package, for everybody to read.
    #[tokio::test]
    async fn a_new_database_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keystore.db");
        let engine = Engine::open(&format!("sqlite://{}", path.display()), 1)
            .await
            .unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        }
        assert!(path.exists());
        engine.close().await;
    }
}
