//! The two engines behind one connection type, and the macros that run one static SQL text with the same binds on either.
//!
//! [`Conn`] is for reading; [`Tx`] is a write transaction that also collects the entries of the audit log that it is worth, and
//! the [`Change`]s it makes, which it delivers when it commits. A `&mut Tx` serves wherever a `&mut Conn` is asked for. Neither may be held across a network call.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection};

use crate::audit::{self, NewEntry};
use crate::changes::{self, Change};
use crate::error::StoreError;
use crate::failpoint;
use crate::open::{WriteTransaction, WriterGuard};
use crate::store::Shared;

/// A connection for reading. Give it back soon: there are few.
pub struct Conn(Held);

pub(crate) enum Held {
    SqliteRead(PoolConnection<Sqlite>),
    SqliteWrite(WriterGuard),
    PostgresRead(PoolConnection<Postgres>),
    PostgresWrite(WriteTransaction),
}

/// What a statement runs on.
pub(crate) enum Handle<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Conn {
    pub(crate) fn new(held: Held) -> Self {
        Self(held)
    }

    pub(crate) fn handle(&mut self) -> Handle<'_> {
        match &mut self.0 {
            Held::SqliteRead(connection) => Handle::Sqlite(connection),
            Held::SqliteWrite(guard) => Handle::Sqlite(guard.connection()),
            Held::PostgresRead(connection) => Handle::Postgres(connection),
            Held::PostgresWrite(transaction) => Handle::Postgres(transaction.connection()),
        }
    }
}

impl Conn {
    /// Commits what this connection is the transaction of, without changes to deliver.
    pub(crate) async fn commit_only(self) -> sqlx::Result<()> {
        match self.0 {
            Held::SqliteWrite(guard) => guard.commit().await,
            Held::PostgresWrite(transaction) => transaction.commit().await,
            Held::SqliteRead(_) | Held::PostgresRead(_) => Ok(()),
        }
    }
}

/// A write transaction. Dropped without [`Tx::commit`], it leaves no trace.
pub struct Tx {
    conn: Conn,
    changes: Vec<Change>,
    audit: Vec<NewEntry>,
    shared: Arc<Shared>,
}

impl Deref for Tx {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

impl Tx {
    pub(crate) fn new(conn: Conn, shared: Arc<Shared>) -> Self {
        Self {
            conn,
            changes: Vec::new(),
            audit: Vec::new(),
            shared,
        }
    }

    /// Notes what this transaction does, for the audit log. The entry is written by the commit, in the same transaction: what
    /// cannot be recorded does not happen.
    pub fn audit(&mut self, entry: NewEntry) {
        self.audit.push(entry);
    }

    /// Notes that something changed that a cache may hold.
    pub(crate) fn changed(&mut self, change: Change) {
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    /// Commits. When it returns, every listener has heard of the changes, so no cache serves the old state any more. It
    /// runs to its end even if the caller goes away.
    ///
    /// # Errors
    ///
    /// `Unavailable`: the database did not confirm. Listeners are told all the same, because the commit may have happened.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.commit_epoch().await.map(drop)
    }

    /// As [`Tx::commit`]; gives the epoch that its changes made, or the present one where it made none.
    ///
    /// # Errors
    ///
    /// As [`Tx::commit`].
    pub async fn commit_epoch(self) -> Result<u64, StoreError> {
        let tracker = self.shared.tasks.clone();
        // In a task of its own: a client that hangs up between the commit and the delivery must not keep a cache stale.
        let done = tracker.spawn(self.commit_and_deliver()).await;
        done.map_err(std::io::Error::other)?
    }

    async fn commit_and_deliver(self) -> Result<u64, StoreError> {
        let Self {
            mut conn,
            changes,
            audit,
            shared,
        } = self;
        // Last of all, and always in this order: log, then epoch. Both rows are locks, and nobody may wait for one with the other.
        let at = shared.clock.now();
        audit::append(&mut conn, audit, at, shared.sealer.get().map(AsRef::as_ref)).await?;
        // A panic drops them in the opposite order: the turn ends when the change was told.
        let (mut turn, mut told) = (None, None);
        if !changes.is_empty() {
            turn = Some(shared.changes.turn.lock().await);
            let before = shared.changes.epoch.load(Ordering::SeqCst);
            let epoch = changes::record(&mut conn, &changes, before).await?;
            told = Some(Told {
                changes,
                epoch,
                shared: Arc::clone(&shared),
            });
        }
        let epoch = told.as_ref().map(|told| told.epoch);
        failpoint!(shared.failpoints, "tx.before_commit");
        conn.commit_only().await?;
        failpoint!(shared.failpoints, "tx.after_commit");
        drop(told);
        drop(turn);
        Ok(epoch.unwrap_or_else(|| shared.changes.epoch.load(Ordering::SeqCst)))
    }
}

/// Tells the listeners of the changes of a commit when it is dropped: also when the commit failed, or panicked, because it may
/// have happened.
struct Told {
    changes: Vec<Change>,
    epoch: u64,
    shared: Arc<Shared>,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.shared.changes.deliver(&self.changes, self.epoch);
    }
}

/// Runs a statement; gives the number of rows it touched.
macro_rules! execute {
    ($conn:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $conn.handle() {
            $crate::db::Handle::Sqlite(connection) => sqlx::query($sql)
                $(.bind($crate::column::Bind::raw(&$bind)))*
                .execute(connection)
                .await
                .map(|done| done.rows_affected()),
            $crate::db::Handle::Postgres(connection) => sqlx::query($sql)
                $(.bind($crate::column::Bind::raw(&$bind)))*
                .execute(connection)
                .await
                .map(|done| done.rows_affected()),
        }
    };
}

macro_rules! fetch {
    ($how:ident, $conn:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $conn.handle() {
            $crate::db::Handle::Sqlite(connection) => sqlx::query_as::<_, $row>($sql)
                $(.bind($crate::column::Bind::raw(&$bind)))*
                .$how(connection)
                .await,
            $crate::db::Handle::Postgres(connection) => sqlx::query_as::<_, $row>($sql)
                $(.bind($crate::column::Bind::raw(&$bind)))*
                .$how(connection)
                .await,
        }
    };
}

/// The one row of a query.
macro_rules! fetch_one {
    ($($arguments:tt)*) => { $crate::db::fetch!(fetch_one, $($arguments)*) };
}

/// The row of a query, if there is one.
macro_rules! fetch_optional {
    ($($arguments:tt)*) => { $crate::db::fetch!(fetch_optional, $($arguments)*) };
}

/// The rows of a query.
macro_rules! fetch_all {
    ($($arguments:tt)*) => { $crate::db::fetch!(fetch_all, $($arguments)*) };
}

/// The rows of a query that is put together: a static head, and what `$build` pushes onto sqlx's `QueryBuilder`. Only
/// static texts are pushed; values are bound.
macro_rules! fetch_built {
    ($conn:expr, $row:ty, $head:expr, |$builder:ident| $build:expr) => {
        match $conn.handle() {
            $crate::db::Handle::Sqlite(connection) => {
                let mut $builder = sqlx::QueryBuilder::<sqlx::Sqlite>::new($head);
                $build;
                $builder.build_query_as::<$row>().fetch_all(connection).await
            }
            $crate::db::Handle::Postgres(connection) => {
                let mut $builder = sqlx::QueryBuilder::<sqlx::Postgres>::new($head);
                $build;
                $builder.build_query_as::<$row>().fetch_all(connection).await
            }
        }
    };
}

/// Declares a struct that is a row of both engines; its fields are named as the columns.
macro_rules! row {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        $vis struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }
        $crate::db::row!(@ sqlx::sqlite::SqliteRow, $name, $($field,)*);
        $crate::db::row!(@ sqlx::postgres::PgRow, $name, $($field,)*);
    };
    (@ $row:ty, $name:ident, $($field:ident,)*) => {
        impl<'r> sqlx::FromRow<'r, $row> for $name {
            fn from_row(row: &'r $row) -> sqlx::Result<Self> {
                Ok(Self { $($field: $crate::column::column(row, stringify!($field))?,)* })
            }
        }
    };
}

/// Declares the SQL texts of a module, so that a test can prepare every one of them on both engines.
macro_rules! sql {
    ($($name:ident = $text:expr;)*) => {
        $(const $name: &str = $text;)*
        #[cfg(test)]
        pub(crate) const SQL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

pub(crate) use {execute, fetch, fetch_all, fetch_built, fetch_one, fetch_optional, row, sql};
