//! A database that is only looked at: nothing is locked, brought up to date or recovered, and a server may be using it.

use std::str::FromStr as _;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

use crate::db::{Conn, Held};
use crate::error::{OpenError, StoreError};
use crate::open::PATIENCE;

/// An open database for reading.
pub struct Look(Pool);

enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Look {
    /// The database at `url` (`sqlite://path` or `postgres://…`), which exists.
    ///
    /// # Errors
    ///
    /// `Url`, `Unavailable`.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let wrong = |_| OpenError::Url("the database's URL".to_owned());
        let pool = match url.split_once("://") {
            Some(("sqlite", _)) => {
                let options = SqliteConnectOptions::from_str(url)
                    .map_err(wrong)?
                    .create_if_missing(false)
                    .busy_timeout(PATIENCE)
                    .pragma("query_only", "ON");
                Pool::Sqlite(
                    SqlitePoolOptions::new()
                        .max_connections(1)
                        .connect_with(options)
                        .await?,
                )
            }
            _ => {
                let options = PgConnectOptions::from_str(url).map_err(wrong)?;
                Pool::Postgres(
                    PgPoolOptions::new()
                        .max_connections(1)
                        .connect_with(options)
                        .await?,
                )
            }
        };
        Ok(Self(pool))
    }

    /// The connection, when nobody has it.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    pub async fn read(&self) -> Result<Conn, StoreError> {
        Ok(Conn::new(match &self.0 {
            Pool::Sqlite(pool) => Held::SqliteRead(pool.acquire().await?),
            Pool::Postgres(pool) => Held::PostgresRead(pool.acquire().await?),
        }))
    }

    /// Gives the database free.
    pub async fn close(self) {
        match self.0 {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}
