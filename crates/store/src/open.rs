//! The engines: connections, the one-server lock, and the one place where they differ in how a journal row is appended.

mod direct;
mod postgres;
mod sqlite;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use keystore_core::Micros;
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;

use crate::db::{Conn, Held, fetch_one, sql};
use crate::error::{OpenError, StoreError};

use postgres::Postgres;
pub(crate) use postgres::WriteTransaction;
use sqlite::Sqlite;
pub(crate) use sqlite::{WriterGuard, is_failed_sync};

sql! {
    APPEND = "INSERT INTO journal (seq, at, body) VALUES ($1, $2, $3)";
    HEAD = "SELECT COALESCE(MAX(seq), 0) FROM journal";
}

/// How long a statement waits for another process, or a call for a connection.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The database that is open.
pub(crate) enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
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
            Self::Sqlite(sqlite) => Some(sqlite.beside("spool.bin")),
            Self::Postgres(_) => None,
        }
    }

    pub(crate) async fn read(&self) -> Result<Conn, StoreError> {
        Ok(Conn::new(match self {
            Self::Sqlite(sqlite) => Held::SqliteRead(sqlite.read().await?),
            Self::Postgres(postgres) => Held::PostgresRead(postgres.read().await?),
        }))
    }

    /// A write transaction; `synced` says that it must be on the disk when it has committed. PostgreSQL decides that itself.
    pub(crate) async fn begin(&self, synced: bool) -> Result<Conn, StoreError> {
        Ok(Conn::new(match self {
            Self::Sqlite(sqlite) => Held::SqliteWrite(sqlite.begin(synced).await?),
            Self::Postgres(postgres) => Held::PostgresWrite(postgres.begin().await?),
        }))
    }

    /// Appends one row to the journal, in a transaction of its own; `power` says that it must be on the disk afterwards.
    pub(crate) async fn append(&self, seq: i64, at: Micros, body: &[u8], power: bool) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(sqlite) => sqlite.append(seq, at, body, power).await,
            Self::Postgres(postgres) => postgres.append(seq, at, body).await,
        }
    }

    /// The number of the newest row of the journal.
    pub(crate) async fn head(&self) -> Result<i64, StoreError> {
        let mut conn = self.read().await?;
        let (head,): (i64,) = fetch_one!(conn, (i64,), HEAD)?;
        Ok(head)
    }

    /// After a failure: a fresh connection for the journal, and the number of the newest row that is really there.
    pub(crate) async fn reconnect(&self) -> sqlx::Result<i64> {
        match self {
            Self::Sqlite(sqlite) => sqlite.reconnect().await,
            Self::Postgres(postgres) => postgres.reconnect().await,
        }
    }

    /// Waits until another server has taken over: on SQLite, whose lock ends with the process, for ever.
    pub(crate) async fn superseded(&self) {
        match self {
            Self::Sqlite(_) => std::future::pending().await,
            Self::Postgres(postgres) => postgres.superseded().await,
        }
    }

    /// Moves the WAL into the database file, as far as readers allow. Nothing on PostgreSQL.
    pub(crate) async fn checkpoint(&self) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(sqlite) => sqlite.checkpoint().await,
            Self::Postgres(_) => Ok(()),
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
            Self::Postgres(postgres) => postgres.close().await,
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
