//! PostgreSQL: a pool, and one session more that appends to the journal.

use std::sync::Arc;
use std::time::Duration;

use keystore_core::Micros;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, Transaction};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

use super::{APPEND, HEAD, PATIENCE, newest_migration};
use crate::error::OpenError;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// The session advisory lock that says "a server runs on this database": `keystore` in ASCII.
const SERVER_LOCK: i64 = 0x6b65_7973_746f_7265;

/// A server that has the lock begins its term. It waits for a transaction of the one before that still runs, and for it alone.
const BEGIN_TERM: &str = "UPDATE server_term SET term = term + 1 RETURNING term";
const TERM: &str = "SELECT term FROM server_term";
/// In a transaction: until its end, no other term begins.
const TERM_HELD: &str = "SELECT term FROM server_term FOR SHARE";

/// How often, and how far apart, the lock is tried: the server may need a moment to notice that the process that held it is gone.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// How PostgreSQL watches our sessions: when this process is gone without a word, the next one is let in within a minute.
const WATCHED: [(&str, &str); 4] = [
    ("tcp_keepalives_idle", "20"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "30s"),
];

pub(crate) struct Postgres {
    options: PgConnectOptions,
    pool: PgPool,
    /// Held by the write transaction that runs: what it reads stays true until it has committed, as on SQLite.
    writing: Arc<Mutex<()>>,
    /// Appends to the journal and holds the server lock: when this session is lost, so is the right to append.
    appender: Mutex<Option<PgConnection>>,
    /// The term of this server: it writes until another one begins.
    term: i64,
    /// Another term has begun.
    superseded: CancellationToken,
    pub(super) found_schema: i64,
}

/// A write transaction, of which there is one at a time: one server runs on a database ([`SERVER_LOCK`]), and policies are read, changed
/// and written back whole.
pub(crate) struct WriteTransaction {
    transaction: Transaction<'static, sqlx::Postgres>,
    writing: OwnedMutexGuard<()>,
}

impl WriteTransaction {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    pub(crate) async fn commit(self) -> sqlx::Result<()> {
        let committed = self.transaction.commit().await;
        drop(self.writing);
        committed
    }
}

impl Postgres {
    pub(super) async fn open(options: PgConnectOptions, readers: u32) -> Result<Self, OpenError> {
        let options = options.options(WATCHED);
        let pool = PgPoolOptions::new()
            // Writers of the control plane and the projector come on top of the readers.
            .max_connections(readers.max(1) + 4)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(options.clone());
        let mut postgres = Self {
            found_schema: 0,
            term: 0,
            superseded: CancellationToken::new(),
            options,
            pool,
            writing: Arc::default(),
            appender: Mutex::new(None),
        };
        let mut session = postgres.locked_session().await?.ok_or_else(|| OpenError::InUse {
            database: postgres
                .options
                .get_database()
                .unwrap_or("the database")
                .to_owned(),
        })?;
        let mut connection = postgres.pool.acquire().await?;
        postgres.found_schema = newest_migration(&mut *connection, &MIGRATIONS).await?;
        drop(connection);
        MIGRATIONS.run(&postgres.pool).await?;
        // Given up there, too, when it is given up here.
        sqlx::query("SET lock_timeout = '9s'")
            .execute(&mut session)
            .await?;
        let begun = sqlx::query_as(BEGIN_TERM).fetch_one(&mut session);
        (postgres.term,) = in_time(begun).await?;
        sqlx::query("SET lock_timeout = 0").execute(&mut session).await?;
        *postgres.appender.lock().await = Some(session);
        Ok(postgres)
    }

    pub(super) async fn read(&self) -> sqlx::Result<PoolConnection<sqlx::Postgres>> {
        self.pool.acquire().await
    }

    pub(super) async fn begin(&self) -> sqlx::Result<WriteTransaction> {
        let writing = tokio::time::timeout(PATIENCE, Arc::clone(&self.writing).lock_owned())
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?;
        let mut transaction = self.pool.begin().await?;
        let term = sqlx::query_as(TERM_HELD).fetch_one(&mut *transaction);
        self.check(term.await?)?;
        Ok(WriteTransaction { transaction, writing })
    }

    /// Waits until another server has taken over, as far as that was noticed.
    pub(super) async fn superseded(&self) {
        self.superseded.cancelled().await;
    }

    /// Whether the term that the database is in is our own.
    fn check(&self, (term,): (i64,)) -> sqlx::Result<()> {
        if term == self.term {
            return Ok(());
        }
        self.superseded.cancel();
        Err(std::io::Error::other("another server has taken over this database").into())
    }

    pub(super) async fn append(&self, seq: i64, at: Micros, body: &[u8]) -> sqlx::Result<()> {
        let mut slot = self.appender.lock().await;
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => self.regained_session().await?,
        };
        let insert = sqlx::query(APPEND).bind(seq).bind(at.0).bind(body);
        in_time(insert.execute(&mut connection)).await?;
        // Only a session that just worked is kept; after an error, or when this future is dropped, a new one is made.
        *slot = Some(connection);
        Ok(())
    }

    pub(super) async fn reconnect(&self) -> sqlx::Result<i64> {
        let mut slot = self.appender.lock().await;
        *slot = None;
        let mut connection = self.regained_session().await?;
        let (head,): (i64,) = sqlx::query_as(HEAD).fetch_one(&mut connection).await?;
        *slot = Some(connection);
        Ok(head)
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
        if let Some(connection) = self.appender.lock().await.take() {
            let _ = connection.close().await;
        }
    }

    /// A session that holds the server lock anew, unless another server had it meanwhile: what this one remembers is not true any more.
    async fn regained_session(&self) -> sqlx::Result<PgConnection> {
        match self.locked_session().await? {
            Some(mut session) => {
                let term = sqlx::query_as(TERM).fetch_one(&mut session);
                self.check(in_time(term).await?)?;
                Ok(session)
            }
            None => {
                self.check(sqlx::query_as(TERM).fetch_one(&self.pool).await?)?;
                Err(std::io::Error::other("another session holds the lock of this database").into())
            }
        }
    }

    /// A session that holds the server lock; `None` when another process has it.
    async fn locked_session(&self) -> sqlx::Result<Option<PgConnection>> {
        let mut connection = in_time(self.options.connect()).await?;
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

/// A session that the network dropped without a word would be waited for as long as TCP tries, a quarter of an hour.
async fn in_time<T>(answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    tokio::time::timeout(PATIENCE, answer)
        .await
        .map_err(|_| sqlx::Error::PoolTimedOut)?
}
