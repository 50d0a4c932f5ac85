//! What can go wrong, as far as a caller acts on it.

/// A query or a transaction failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is one already: a name or an address that must be unique is taken.
    #[error("there is already {what}")]
    Conflict {
        /// What is taken, as the end of the sentence "there is already …".
        what: &'static str,
    },
    /// The database cannot be reached, cannot be written, or refused the statement. Nothing was changed, except where the
    /// connection broke during a commit.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// A row is not what this version writes.
    #[error("a stored row is damaged: {0}")]
    Damaged(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
                Self::Damaged(error)
            }
            other => Self::Unavailable(other),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

impl StoreError {
    /// A journal row or projection that cannot be read.
    pub fn damaged(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Damaged(sqlx::Error::Decode(what.into()))
    }
}

/// For `map_err` of an insert: a broken uniqueness rule becomes `Conflict { what }`.
pub(crate) fn unique(what: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| match error.as_database_error() {
        Some(database) if database.is_unique_violation() => StoreError::Conflict { what },
        _ => error.into(),
    }
}

/// The store could not be opened. Every message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is neither `sqlite://path` nor `postgres://…`.
    #[error("`{0}` is not a store URL: use sqlite://path/to/file or postgres://user@host/database")]
    Url(String),
    /// Another server has this database open.
    #[error("another Keystore server is running on {database}; stop it first (one server per database)")]
    InUse {
        /// The file, or the database's name.
        database: String,
    },
    /// SQLite found damage.
    #[error("{path} is damaged ({detail}); keep it for inspection and put a backup in its place")]
    Corrupt {
        /// The database file.
        path: String,
        /// What `quick_check` says.
        detail: String,
    },
    /// The schema could not be brought up to date.
    #[error("the schema could not be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A file beside the database cannot be used.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The database cannot be reached or does not answer.
    #[error("the database cannot be opened: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// Recovery failed.
    #[error("recovery failed: {0}")]
    Recovery(#[from] StoreError),
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error)
    }
}
