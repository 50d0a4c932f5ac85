//! The deployment: one row, made once with the database, that everything sealed is bound to.

use keystore_core::Micros;
use keystore_core::ids::{DeploymentId, OrgId};

use crate::db::{Conn, Tx, execute, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

row! {
    /// The deployment.
    #[derive(Clone)]
    pub struct Deployment {
        /// Its id, part of the associated data of everything sealed.
        pub id: DeploymentId,
        /// The deployment key, wrapped by the root key.
        pub wrapped_key: Vec<u8>,
        /// The salt from which a passphrase makes the root key; empty when the root key comes from a file or a KMS.
        pub kdf_salt: Vec<u8>,
        /// Which root key wraps: its kind and fingerprint, so that a wrong one is named before anything is opened.
        pub root_key: String,
        /// When it was made.
        pub created_at: Micros,
        /// The organization in which the operator acts, once there is one.
        pub operator_org: Option<OrgId>,
    }
}

sql! {
    GET = "SELECT id, wrapped_key, kdf_salt, root_key, created_at, operator_org FROM deployment WHERE one = 1";
    INSERT = "INSERT INTO deployment (one, id, wrapped_key, kdf_salt, root_key, created_at) \
        VALUES (1, $1, $2, $3, $4, $5)";
    SET_OPERATOR_ORG = "UPDATE deployment SET operator_org = $1 WHERE one = 1 AND operator_org IS NULL";
    REWRAP = "UPDATE deployment SET wrapped_key = $1, kdf_salt = $2, root_key = $3 WHERE one = 1";
}

/// The deployment, once it is made.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn) -> Result<Option<Deployment>, StoreError> {
    Ok(fetch_optional!(conn, Deployment, GET)?)
}

/// Makes the deployment.
///
/// # Errors
///
/// `Conflict` when there is one already.
pub async fn insert(tx: &mut Tx, new: &Deployment) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        new.id,
        new.wrapped_key,
        new.kdf_salt,
        new.root_key,
        new.created_at
    )
    .map_err(unique("a deployment in this database"))?;
    Ok(())
}

/// Makes an organization the operator's. `false` when there is one already.
///
/// # Errors
///
/// `Unavailable`.
pub async fn set_operator_org(tx: &mut Tx, org: OrgId) -> Result<bool, StoreError> {
    Ok(execute!(tx, SET_OPERATOR_ORG, org)? == 1)
}

/// Puts the deployment key under another root key.
///
/// # Errors
///
/// `Unavailable`.
pub async fn rewrap(
    tx: &mut Tx,
    wrapped_key: &[u8],
    kdf_salt: &[u8],
    root_key: &str,
) -> Result<(), StoreError> {
    execute!(tx, REWRAP, wrapped_key, kdf_salt, root_key)?;
    Ok(())
}
