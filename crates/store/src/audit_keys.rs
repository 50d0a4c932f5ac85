//! The key pairs that payloads of the audit log are sealed with: the public half as it is, the private one sealed under the
//! organization's KEK. Who destroys that KEK erases the payloads, and the log stays whole.

use keystore_core::Micros;
use keystore_core::ids::{KekId, OrgId};

use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

row! {
    /// A key pair of an organization.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AuditKey {
        /// The organization.
        pub org: OrgId,
        /// Counts from 1 in the organization. What is new is sealed for the newest.
        pub generation: u32,
        /// The public half.
        pub public: Vec<u8>,
        /// The private half, sealed.
        pub sealed: Vec<u8>,
        /// The KEK that it is sealed under.
        pub kek: KekId,
        /// Authenticates organization, generation and public half.
        pub mac: Vec<u8>,
        /// When it was made.
        pub created_at: Micros,
    }
}

/// Seals payloads. The store is told of one, because it does no cryptography.
pub trait Sealer: Send + Sync {
    /// `payload`, which has this SHA-256, sealed for `key`.
    ///
    /// # Errors
    ///
    /// The key is not the organization's.
    fn seal(&self, key: &AuditKey, payload: &str, sha256: &[u8; 32]) -> Result<Vec<u8>, StoreError>;
}

/// A payload that is not sealed.
#[derive(Debug, Clone)]
pub struct Plain {
    /// Its place in the log of its organization.
    pub seq: i64,
    /// The payload.
    pub payload: String,
    /// The leaf that commits to it.
    pub leaf: Vec<u8>,
}

sql! {
    INSERT = "INSERT INTO audit_keys (org, generation, public, sealed, kek, mac, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    NEWEST = "SELECT org, generation, public, sealed, kek, mac, created_at FROM audit_keys \
        WHERE org = $1 ORDER BY generation DESC LIMIT 1";
    OF_ORG = "SELECT org, generation, public, sealed, kek, mac, created_at FROM audit_keys WHERE org = $1 ORDER BY generation";
    UNDER = "SELECT org, generation, public, sealed, kek, mac, created_at FROM audit_keys WHERE org = $1 AND kek = $2";
    RESEAL = "UPDATE audit_keys SET sealed = $4, kek = $5 WHERE org = $1 AND generation = $2 AND kek = $3";
    PLAIN = "SELECT seq, payload, leaf FROM audit_log \
        WHERE org = $1 AND payload IS NOT NULL AND seq > $2 ORDER BY seq LIMIT $3";
    SEAL = "UPDATE audit_log SET payload = NULL, sealed = $3 WHERE org = $1 AND seq = $2 AND payload IS NOT NULL";
    WITHOUT = "SELECT o.id FROM orgs o LEFT JOIN audit_keys k ON k.org = o.id WHERE k.org IS NULL AND o.id > $1 ORDER BY o.id LIMIT $2";
    MOVED = "SELECT a.org FROM audit_keys a JOIN keks k ON k.org = a.org AND k.state = 'active' \
        WHERE a.kek <> k.id AND a.org > $1 GROUP BY a.org ORDER BY a.org LIMIT $2";
    UNSEALED = "SELECT o.id FROM orgs o WHERE o.id > $1 \
        AND EXISTS (SELECT 1 FROM audit_log l WHERE l.org = o.id AND l.payload IS NOT NULL) ORDER BY o.id LIMIT $2";
}

/// Adds a key pair.
///
/// # Errors
///
/// `Conflict` when there is one of this generation.
pub async fn insert(tx: &mut Tx, new: &AuditKey) -> Result<(), StoreError> {
    let AuditKey {
        org,
        generation,
        public,
        sealed,
        kek,
        mac,
        created_at,
    } = new;
    execute!(tx, INSERT, org, generation, public, sealed, kek, mac, created_at)
        .map_err(unique("an audit key of this generation"))?;
    Ok(())
}

/// The key pair that new payloads of an organization are sealed for.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn newest(conn: &mut Conn, org: OrgId) -> Result<Option<AuditKey>, StoreError> {
    Ok(fetch_optional!(conn, AuditKey, NEWEST, org)?)
}

/// All key pairs of an organization, the oldest first.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn of_org(conn: &mut Conn, org: OrgId) -> Result<Vec<AuditKey>, StoreError> {
    Ok(fetch_all!(conn, AuditKey, OF_ORG, org)?)
}

/// The key pairs whose private half is sealed under a KEK: it cannot be retired while there are some.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn under(conn: &mut Conn, org: OrgId, kek: KekId) -> Result<Vec<AuditKey>, StoreError> {
    Ok(fetch_all!(conn, AuditKey, UNDER, org, kek)?)
}

/// Puts a private half under another KEK, unless it is no longer under the one that `before` names. `false` when it is not.
///
/// # Errors
///
/// `Unavailable`.
pub async fn reseal(tx: &mut Tx, before: &AuditKey, sealed: &[u8], kek: KekId) -> Result<bool, StoreError> {
    Ok(execute!(tx, RESEAL, before.org, before.generation, before.kek, sealed, kek)? == 1)
}

/// Organizations after `after` without a key pair, at most `limit`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn without(conn: &mut Conn, after: Option<OrgId>, limit: u32) -> Result<Vec<OrgId>, StoreError> {
    orgs(fetch_all!(
        conn,
        (uuid::Uuid,),
        WITHOUT,
        after.unwrap_or(NONE),
        limit
    )?)
}

/// Organizations after `after` with a key pair that is not under their active KEK, at most `limit`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn moved(conn: &mut Conn, after: Option<OrgId>, limit: u32) -> Result<Vec<OrgId>, StoreError> {
    orgs(fetch_all!(
        conn,
        (uuid::Uuid,),
        MOVED,
        after.unwrap_or(NONE),
        limit
    )?)
}

/// Organizations after `after` with payloads that are not sealed, at most `limit`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn unsealed(conn: &mut Conn, after: Option<OrgId>, limit: u32) -> Result<Vec<OrgId>, StoreError> {
    orgs(fetch_all!(
        conn,
        (uuid::Uuid,),
        UNSEALED,
        after.unwrap_or(NONE),
        limit
    )?)
}

/// Before every organization.
const NONE: OrgId = OrgId::new(uuid::Uuid::nil());

fn orgs(rows: Vec<(uuid::Uuid,)>) -> Result<Vec<OrgId>, StoreError> {
    Ok(rows.into_iter().map(|(org,)| OrgId::new(org)).collect())
}

/// Payloads of an organization after `seq` that are not sealed, at most `limit`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn plain(conn: &mut Conn, org: OrgId, seq: i64, limit: u32) -> Result<Vec<Plain>, StoreError> {
    let rows = fetch_all!(conn, (i64, String, Vec<u8>), PLAIN, org, seq, limit)?;
    let plain = |(seq, payload, leaf)| Plain { seq, payload, leaf };
    Ok(rows.into_iter().map(plain).collect())
}

/// Puts a sealed payload in the place of the plain one.
///
/// # Errors
///
/// `Unavailable`.
pub async fn seal(tx: &mut Tx, org: OrgId, seq: i64, sealed: &[u8]) -> Result<(), StoreError> {
    execute!(tx, SEAL, org, seq, sealed)?;
    Ok(())
}
