//! People with a login. A user may be a member of several organizations.

use keystore_core::Micros;
use keystore_core::ids::UserId;

use crate::db::{Conn, Tx, execute, fetch_one, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

row! {
    /// A person with a login.
    #[derive(Clone)]
    pub struct User {
        /// Its id.
        pub id: UserId,
        /// The address, in lower case; unique.
        pub email: String,
        /// The name for people.
        pub name: String,
        /// The password in the PHC string form of Argon2id; none for people who sign in otherwise.
        pub password_hash: Option<String>,
        /// Whether this is an operator of the deployment.
        pub operator: bool,
        /// When the address was verified.
        pub verified_at: Option<Micros>,
        /// When it was made.
        pub created_at: Micros,
        /// When it was last changed.
        pub updated_at: Micros,
    }
}

sql! {
    INSERT = "INSERT INTO users (id, email, name, password_hash, operator, verified_at, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    GET = "SELECT id, email, name, password_hash, operator, verified_at, created_at, updated_at \
        FROM users WHERE id = $1";
    BY_EMAIL = "SELECT id, email, name, password_hash, operator, verified_at, created_at, updated_at \
        FROM users WHERE email = $1";
    SET_PASSWORD = "UPDATE users SET password_hash = $2, updated_at = $3 WHERE id = $1";
    SET_VERIFIED = "UPDATE users SET verified_at = $2, updated_at = $2 WHERE id = $1 AND verified_at IS NULL";
    COUNT = "SELECT COUNT(*) FROM users";
}

/// Adds a user. The address must be in lower case.
///
/// # Errors
///
/// `Conflict` when the address is taken.
pub async fn insert(tx: &mut Tx, new: &User) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        new.id,
        new.email,
        new.name,
        new.password_hash,
        new.operator,
        new.verified_at,
        new.created_at,
        new.updated_at
    )
    .map_err(unique("a user with this address"))?;
    Ok(())
}

/// The user.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, id: UserId) -> Result<Option<User>, StoreError> {
    Ok(fetch_optional!(conn, User, GET, id)?)
}

/// The user with this address (in lower case).
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn by_email(conn: &mut Conn, email: &str) -> Result<Option<User>, StoreError> {
    Ok(fetch_optional!(conn, User, BY_EMAIL, email)?)
}

/// Writes the password's hash. Ending the sessions is the caller's matter ([`crate::sessions::revoke_all`]).
///
/// # Errors
///
/// `Unavailable`.
pub async fn set_password(tx: &mut Tx, id: UserId, hash: &str, at: Micros) -> Result<bool, StoreError> {
    Ok(execute!(tx, SET_PASSWORD, id, hash, at)? == 1)
}

/// Notes that the address was verified; keeps the first time.
///
/// # Errors
///
/// `Unavailable`.
pub async fn set_verified(tx: &mut Tx, id: UserId, at: Micros) -> Result<bool, StoreError> {
    Ok(execute!(tx, SET_VERIFIED, id, at)? == 1)
}

/// How many users there are: the first to sign up owns the deployment.
///
/// # Errors
///
/// `Unavailable`.
pub async fn count(conn: &mut Conn) -> Result<u64, StoreError> {
    let (count,) = fetch_one!(conn, (i64,), COUNT)?;
    Ok(u64::try_from(count).unwrap_or(0))
}
