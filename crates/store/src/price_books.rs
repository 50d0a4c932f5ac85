//! The operator's price books: all that were ever in force, of which the newest is.

use keystore_core::Micros;
use keystore_core::policy::PriceBook;

use crate::changes::Change;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

row! {
    /// A stored book.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct StoredBook {
        /// Counts from 1.
        pub version: u64,
        /// Its canonical bytes.
        pub policy: Vec<u8>,
        /// Their MAC.
        pub mac: Vec<u8>,
        /// Since when it is in force.
        pub at: Micros,
    }
}

impl StoredBook {
    /// The book. It counts only if the MAC over [`StoredBook::policy`] is right, which is the vault's to say.
    ///
    /// # Errors
    ///
    /// `Damaged`.
    pub fn decode(&self) -> Result<PriceBook, StoreError> {
        minicbor::decode(&self.policy).map_err(|error| StoreError::damaged(error.to_string()))
    }
}

sql! {
    INSERT = "INSERT INTO price_books (version, policy, mac, at) VALUES ($1, $2, $3, $4)";
    NEWEST = "SELECT version, policy, mac, at FROM price_books ORDER BY version DESC LIMIT 1";
    GET = "SELECT version, policy, mac, at FROM price_books WHERE version = $1";
    LIST = "SELECT version, policy, mac, at FROM price_books WHERE version > $1 ORDER BY version LIMIT $2";
}

/// Puts a book in force. Its version must be the one after the newest.
///
/// # Errors
///
/// `Conflict` when somebody else was quicker.
pub async fn insert(tx: &mut Tx, book: &PriceBook, mac: &[u8], at: Micros) -> Result<(), StoreError> {
    execute!(tx, INSERT, book.version, book.canonical(), mac, at)
        .map_err(unique("a price book of this version"))?;
    tx.changed(Change::Market);
    Ok(())
}

/// The book in force; `None` while nobody wrote one.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn newest(conn: &mut Conn) -> Result<Option<StoredBook>, StoreError> {
    Ok(fetch_optional!(conn, StoredBook, NEWEST)?)
}

/// The book of a version.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, version: u64) -> Result<Option<StoredBook>, StoreError> {
    Ok(fetch_optional!(conn, StoredBook, GET, version)?)
}

/// The books after a version, oldest first.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(conn: &mut Conn, after: u64, limit: u32) -> Result<Vec<StoredBook>, StoreError> {
    Ok(fetch_all!(conn, StoredBook, LIST, after, limit)?)
}
