//! Organizations: the tenants.
//!
//! An organization ends with everything that it holds but its records: what it did stays in the journal and its projections, who
//! changed what in the audit log.

use keystore_core::Micros;
use keystore_core::ids::{CredentialId, OrgId};

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
        /// The one before, as long as a window that was open at the change may still be running in it.
        pub previous_time_zone: Option<String>,
        /// When the time zone was last changed.
        pub time_zone_changed_at: Option<Micros>,
        /// Whether events are mailed to its owners and admins.
        pub event_mails: bool,
        /// Whether its members need a second factor.
        pub second_factor_required: bool,
        /// When it was made.
        pub created_at: Micros,
        /// When it was last changed.
        pub updated_at: Micros,
    }
}

sql! {
    INSERT = "INSERT INTO orgs (id, slug, name, time_zone, event_mails, second_factor_required, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    GET = "SELECT * FROM orgs WHERE id = $1";
    BY_SLUG = "SELECT * FROM orgs WHERE slug = $1";
    LIST = "SELECT * FROM orgs WHERE id > $1 ORDER BY id LIMIT $2";
    REQUIRES_FACTOR = "SELECT second_factor_required FROM orgs WHERE id = $1";
    HOLD = "UPDATE orgs SET updated_at = updated_at WHERE id = $1";
    UPDATE = "UPDATE orgs SET slug = $2, name = $3, time_zone = $4, previous_time_zone = $5, time_zone_changed_at = $6, \
        event_mails = $7, second_factor_required = $8, updated_at = $9 WHERE id = $1";
    CREDENTIALS = "SELECT id FROM credentials WHERE org = $1";
    DELETE_AGENTS = "DELETE FROM agents WHERE org = $1";
    DELETE_BUDGETS = "DELETE FROM budgets WHERE org = $1";
    DELETE_CREDENTIALS = "DELETE FROM credentials WHERE org = $1";
    DELETE_KEKS = "DELETE FROM keks WHERE org = $1";
    DELETE_API_KEYS = "DELETE FROM api_keys WHERE org = $1";
    DELETE_INVITATIONS = "DELETE FROM invitations WHERE org = $1";
    DELETE_SESSIONS = "DELETE FROM sessions WHERE org = $1";
    DELETE_MEMBERS = "DELETE FROM members WHERE org = $1";
    DELETE_PROJECTS = "DELETE FROM projects WHERE org = $1";
    DELETE = "DELETE FROM orgs WHERE id = $1";
}

/// What an organization holds, in an order in which it can be deleted. Tokens and grants go with their agents, versions with
/// their credentials.
const HOLDINGS: [&str; 9] = [
    DELETE_AGENTS,
    DELETE_BUDGETS,
    DELETE_CREDENTIALS,
    DELETE_KEKS,
    DELETE_API_KEYS,
    DELETE_INVITATIONS,
    DELETE_SESSIONS,
    DELETE_MEMBERS,
    DELETE_PROJECTS,
];

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
        new.event_mails,
        new.second_factor_required,
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

/// Whether members of the organization need a second factor. Where there is no such organization, yes.
///
/// # Errors
///
/// `Unavailable`.
pub async fn requires_second_factor(conn: &mut Conn, id: OrgId) -> Result<bool, StoreError> {
    let row = fetch_optional!(conn, (bool,), REQUIRES_FACTOR, id)?;
    Ok(row.is_none_or(|(required,)| required))
}

/// Keeps every other transaction that asks for this from going on until this one ends. `false` when there is no such
/// organization.
///
/// # Errors
///
/// `Unavailable`.
pub async fn hold(tx: &mut Tx, id: OrgId) -> Result<bool, StoreError> {
    Ok(execute!(tx, HOLD, id)? == 1)
}

/// Writes names, time zones, whether events are mailed and whether a second factor is required. `false` when there is no such organization.
///
/// # Errors
///
/// `Conflict` when the slug is taken.
pub async fn update(tx: &mut Tx, changed: &Org) -> Result<bool, StoreError> {
    let rows = execute!(
        tx,
        UPDATE,
        changed.id,
        changed.slug,
        changed.name,
        changed.time_zone,
        changed.previous_time_zone,
        changed.time_zone_changed_at,
        changed.event_mails,
        changed.second_factor_required,
        changed.updated_at
    )
    .map_err(unique("an organization with this slug"))?;
    tx.changed(Change::Org(changed.id));
    Ok(rows == 1)
}

/// Deletes the organization with everything that it holds, its keys included: what was sealed under them opens no more. Its
/// journal, the projections and the audit log stay. `false` when there is no such organization.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete(tx: &mut Tx, id: OrgId) -> Result<bool, StoreError> {
    if !hold(tx, id).await? {
        return Ok(false);
    }
    for (credential,) in fetch_all!(tx, (uuid::Uuid,), CREDENTIALS, id)? {
        tx.changed(Change::Credential(CredentialId::new(credential)));
    }
    for statement in HOLDINGS {
        execute!(tx, statement, id)?;
    }
    tx.changed(Change::Org(id));
    Ok(execute!(tx, DELETE, id)? == 1)
}
