//! How the keys of pooled credentials are renewed: who makes them, and when.

use keystore_core::Micros;
use keystore_core::ids::{CredentialId, OrgId};
use keystore_core::rotation::Driver;

use crate::column::named;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::StoreError;

named!(Driver {
    OpenAi = "openai",
    OpenRouter = "openrouter",
    Manual = "manual"
});

row! {
    /// How the key of a pooled credential is renewed.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct KeyPlan {
        /// The credential.
        pub credential: CredentialId,
        /// The operator's organization.
        pub org: OrgId,
        /// Who makes and revokes its keys.
        pub driver: Driver,
        /// The credential that the vendor's API for keys takes; `None` where there is no API.
        pub admin: Option<CredentialId>,
        /// Where the vendor keeps the keys: at OpenAI, the project.
        pub account: Option<String>,
        /// The vendor's id of the key that is in use, where it is known.
        pub vendor_key: Option<String>,
        /// A rotation begins so many days after the last one; `None` and none begins by itself.
        pub every_days: Option<u32>,
        /// How many seconds the old and the new key serve side by side.
        pub overlap_s: u32,
        /// When the next rotation begins by itself.
        pub due_at: Option<Micros>,
        /// When it was last changed.
        pub updated_at: Micros,
    }
}

sql! {
    PUT = "INSERT INTO key_plans (credential, org, driver, admin, account, vendor_key, every_days, overlap_s, due_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
        ON CONFLICT (credential) DO UPDATE SET driver = excluded.driver, admin = excluded.admin, account = excluded.account, \
            vendor_key = excluded.vendor_key, every_days = excluded.every_days, overlap_s = excluded.overlap_s, \
            due_at = excluded.due_at, updated_at = excluded.updated_at";
    GET = "SELECT credential, org, driver, admin, account, vendor_key, every_days, overlap_s, due_at, updated_at \
        FROM key_plans WHERE org = $1 AND credential = $2";
    DUE = "SELECT credential, org, driver, admin, account, vendor_key, every_days, overlap_s, due_at, updated_at \
        FROM key_plans WHERE due_at <= $1 ORDER BY due_at, credential";
    DELETE = "DELETE FROM key_plans WHERE org = $1 AND credential = $2";
}

/// Writes the plan of a credential in place of the one before.
///
/// # Errors
///
/// `Unavailable`.
pub async fn put(tx: &mut Tx, plan: &KeyPlan) -> Result<(), StoreError> {
    execute!(
        tx,
        PUT,
        plan.credential,
        plan.org,
        plan.driver,
        plan.admin,
        plan.account,
        plan.vendor_key,
        plan.every_days,
        plan.overlap_s,
        plan.due_at,
        plan.updated_at
    )?;
    Ok(())
}

/// The plan of a credential.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(
    conn: &mut Conn,
    org: OrgId,
    credential: CredentialId,
) -> Result<Option<KeyPlan>, StoreError> {
    Ok(fetch_optional!(conn, KeyPlan, GET, org, credential)?)
}

/// The plans by which a rotation begins by `by`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn due(conn: &mut Conn, by: Micros) -> Result<Vec<KeyPlan>, StoreError> {
    Ok(fetch_all!(conn, KeyPlan, DUE, by)?)
}

/// Takes the plan of a credential away.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete(tx: &mut Tx, org: OrgId, credential: CredentialId) -> Result<bool, StoreError> {
    Ok(execute!(tx, DELETE, org, credential)? == 1)
}
