//! Passkeys of people: public keys, found by the id that the authenticator chose. What they sign is checked by the vault.

use keystore_core::Micros;
use keystore_core::ids::{PasskeyId, UserId};

use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

row! {
    /// A passkey.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Passkey {
        /// Its id here.
        pub id: PasskeyId,
        /// Whose it is.
        pub user_id: UserId,
        /// Its id at the authenticator.
        pub credential: Vec<u8>,
        /// Its public key, as a COSE key.
        pub public_key: Vec<u8>,
        /// How often it was used, as it says; 0 for those that do not count.
        pub sign_count: u32,
        /// Whether it can be on several devices.
        pub backup_eligible: bool,
        /// Whether it is.
        pub backed_up: bool,
        /// What its owner calls it.
        pub name: String,
        /// When it was made.
        pub created_at: Micros,
        /// When it was last used.
        pub last_used_at: Option<Micros>,
    }
}

sql! {
    INSERT = "INSERT INTO passkeys (id, user_id, credential, public_key, sign_count, backup_eligible, backed_up, name, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    OF_USER = "SELECT id, user_id, credential, public_key, sign_count, backup_eligible, backed_up, name, created_at, last_used_at \
        FROM passkeys WHERE user_id = $1 ORDER BY id";
    BY_CREDENTIAL = "SELECT id, user_id, credential, public_key, sign_count, backup_eligible, backed_up, name, created_at, \
        last_used_at FROM passkeys WHERE credential = $1";
    USED = "UPDATE passkeys SET sign_count = $3, backed_up = $4, last_used_at = $5 WHERE id = $1 AND sign_count = $2";
    DELETE = "DELETE FROM passkeys WHERE user_id = $1 AND id = $2";
    DELETE_OF_USER = "DELETE FROM passkeys WHERE user_id = $1";
}

/// Adds a passkey; `last_used_at` is not written.
///
/// # Errors
///
/// `Conflict` when it is registered already, by whomever.
pub async fn insert(tx: &mut Tx, new: &Passkey) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        new.id,
        new.user_id,
        new.credential,
        new.public_key,
        new.sign_count,
        new.backup_eligible,
        new.backed_up,
        new.name,
        new.created_at
    )
    .map_err(unique("a passkey with this id"))?;
    Ok(())
}

/// The passkeys of a person, oldest first.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn of_user(conn: &mut Conn, user: UserId) -> Result<Vec<Passkey>, StoreError> {
    Ok(fetch_all!(conn, Passkey, OF_USER, user)?)
}

/// The passkey with this id at its authenticator.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn by_credential(conn: &mut Conn, credential: &[u8]) -> Result<Option<Passkey>, StoreError> {
    Ok(fetch_optional!(
        conn,
        Passkey,
        BY_CREDENTIAL,
        credential.to_vec()
    )?)
}

/// Notes a use of the passkey as it was read. `false` when it was used or removed meanwhile.
///
/// # Errors
///
/// `Unavailable`.
pub async fn used(
    tx: &mut Tx,
    read: &Passkey,
    sign_count: u32,
    backed_up: bool,
    at: Micros,
) -> Result<bool, StoreError> {
    Ok(execute!(tx, USED, read.id, read.sign_count, sign_count, backed_up, at)? == 1)
}

/// Deletes a passkey of this person. `false` when they have none with this id.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete(tx: &mut Tx, user: UserId, id: PasskeyId) -> Result<bool, StoreError> {
    Ok(execute!(tx, DELETE, user, id)? == 1)
}

/// Deletes the passkeys of a person. Gives how many.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete_of(tx: &mut Tx, user: UserId) -> Result<u64, StoreError> {
    Ok(execute!(tx, DELETE_OF_USER, user)?)
}
