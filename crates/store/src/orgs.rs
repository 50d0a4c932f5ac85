//! Organizations: the tenants.

use keystore_core::Micros;
use keystore_core::ids::OrgId;

use crate::changes::Change;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

row! {
    /// An organization.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Org {
        /// Its id.
        pub id: OrgId,
        /// Its name in paths and commands; unique in the deployment.
        pub slug: String,
        /// Its name for people.
        pub name: String,
        /// The IANA time zone that sets the windows of its budgets.
        pub time_zone: String,
        /// When it was made.
        pub created_at: Micros,
        /// When it was last changed.
        pub updated_at: Micros,
    }
}

sql! {
    INSERT = "INSERT INTO orgs (id, slug, name, time_zone, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6)";
    GET = "SELECT id, slug, name, time_zone, created_at, updated_at FROM orgs WHERE id = $1";
    BY_SLUG = "SELECT id, slug, name, time_zone, created_at, updated_at FROM orgs WHERE slug = $1";
    LIST = "SELECT id, slug, name, time_zone, created_at, updated_at FROM orgs WHERE id > $1 ORDER BY id LIMIT $2";
    UPDATE = "UPDATE orgs SET name = $2, time_zone = $3, updated_at = $4 WHERE id = $1";
}

/// Adds an organization.
///
/// # Errors
///
/// `Conflict` when the slug is taken.
pub async fn insert(tx: &mut Tx, new: &Org) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        new.id,
        new.slug,
        new.name,
        new.time_zone,
        new.created_at,
        new.updated_at
    )
    .map_err(unique("an organization with this slug"))?;
    Ok(())
}

/// The organization.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, id: OrgId) -> Result<Option<Org>, StoreError> {
    Ok(fetch_optional!(conn, Org, GET, id)?)
}

/// The organization with this slug.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn by_slug(conn: &mut Conn, slug: &str) -> Result<Option<Org>, StoreError> {
    Ok(fetch_optional!(conn, Org, BY_SLUG, slug)?)
}

/// All organizations, oldest first, from after `after` on, at most `limit`: for the operator.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(conn: &mut Conn, after: Option<OrgId>, limit: u32) -> Result<Vec<Org>, StoreError> {
    let after = after.unwrap_or(OrgId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(conn, Org, LIST, after, limit)?)
}

/// Writes name and time zone. `false` when there is no such organization.
///
/// # Errors
///
/// `Unavailable`.
pub async fn update(
    tx: &mut Tx,
    id: OrgId,
    name: &str,
    time_zone: &str,
    at: Micros,
) -> Result<bool, StoreError> {
    let rows = execute!(tx, UPDATE, id, name, time_zone, at)?;
    tx.changed(Change::Org(id));
    Ok(rows == 1)
}
