//! The way to SQLite on the caller's own thread.
//!
//! sqlx gives every connection a thread and hands each statement over to it, so that an append to the journal would wake two threads
//! for what takes as long as waking one. This is the same connection, for the one statement of ours that waits for nothing: it is not
//! synced, and gives up where another process has the database.

use std::time::Duration;

use keystore_core::Micros;
use rusqlite::{Connection, ErrorCode, params};
use sqlx::SqliteConnection;

use super::{APPEND, PATIENCE};

/// Borrows the handle of a connection of sqlx: to be dropped before it.
pub(super) struct Direct(Connection);

impl Direct {
    /// `connection` must have been opened with `serialized`.
    pub(super) async fn new(connection: &mut SqliteConnection) -> sqlx::Result<Self> {
        let mut locked = connection.lock_handle().await?;
        let handle = locked.as_raw_handle().as_ptr();
        #[expect(
            unsafe_code,
            reason = "sqlx lends its handle, and rusqlite takes one, as a pointer only"
        )]
        // SAFETY: the handle is open, and is closed by the connection, which outlives this (`Writer`). It is used from this thread and
        // from that of the connection, which SQLite keeps apart by itself (https://www.sqlite.org/threadsafe.html, "serialized").
        let connection = unsafe { Connection::from_handle(handle) };
        connection.map(Self).map_err(failed)
    }

    /// Whether what is done now would be part of something that can still be undone.
    pub(super) fn is_in_transaction(&self) -> bool {
        !self.0.is_autocommit()
    }

    /// Appends a row to the journal, in a transaction of its own. `false` where another process has the database: nothing was done.
    pub(super) fn append(&self, seq: i64, at: Micros, body: &[u8]) -> sqlx::Result<bool> {
        let appended = self.0.busy_timeout(Duration::ZERO).and_then(|()| {
            let mut insert = self.0.prepare_cached(APPEND)?;
            insert.execute(params![seq, at.0, body])
        });
        self.0.busy_timeout(PATIENCE).map_err(failed)?;
        match appended {
            Ok(_) => Ok(true),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(error: rusqlite::Error) -> sqlx::Error {
    std::io::Error::other(error).into()
}
