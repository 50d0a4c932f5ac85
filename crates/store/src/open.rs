//! Opening a database on either engine: connections, the one-server lock, checks.

use sqlx::SqliteConnection;

use crate::db::Conn;
use crate::error::StoreError;

/// The database that is open.
pub(crate) enum Engine {}

impl Engine {
    pub(crate) async fn read(&self) -> Result<Conn, StoreError> {
        todo!()
    }
    pub(crate) async fn begin(&self) -> Result<Conn, StoreError> {
        todo!()
    }
}

/// The one writer connection of SQLite, inside a transaction.
pub(crate) struct WriterGuard;

impl WriterGuard {
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        todo!()
    }
    pub(crate) async fn commit(self) -> sqlx::Result<()> {
        todo!()
    }
}
