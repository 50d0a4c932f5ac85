//! Projects inside an organization. They hold credentials, agents and budgets.

use keystore_core::Micros;
use keystore_core::ids::{OrgId, ProjectId};

use crate::changes::Change;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

row! {
    /// A project.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Project {
        /// Its id.
        pub id: ProjectId,
        /// Its organization.
        pub org: OrgId,
        /// Its name in paths and commands; unique in the organization. Every organization starts with `default`.
        pub slug: String,
        /// Its name for people.
        pub name: String,
        /// Labels.
        pub labels: Vec<String>,
        /// When it was made.
        pub created_at: Micros,
        /// When it was last changed.
        pub updated_at: Micros,
    }
}

sql! {
    INSERT = "INSERT INTO projects (id, org, slug, name, labels, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    GET = "SELECT id, org, slug, name, labels, created_at, updated_at FROM projects WHERE org = $1 AND id = $2";
    BY_SLUG = "SELECT id, org, slug, name, labels, created_at, updated_at FROM projects WHERE org = $1 AND slug = $2";
    LIST = "SELECT id, org, slug, name, labels, created_at, updated_at \
        FROM projects WHERE org = $1 AND id > $2 ORDER BY id LIMIT $3";
    UPDATE = "UPDATE projects SET name = $3, labels = $4, updated_at = $5 WHERE org = $1 AND id = $2";
}

/// Adds a project.
///
/// # Errors
///
/// `Conflict` when the slug is taken.
pub async fn insert(tx: &mut Tx, new: &Project) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        new.id,
        new.org,
        new.slug,
        new.name,
        new.labels,
        new.created_at,
        new.updated_at
    )
    .map_err(unique("a project with this slug"))?;
    Ok(())
}

/// The project.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, id: ProjectId) -> Result<Option<Project>, StoreError> {
    Ok(fetch_optional!(conn, Project, GET, org, id)?)
}

/// The project with this slug.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn by_slug(conn: &mut Conn, org: OrgId, slug: &str) -> Result<Option<Project>, StoreError> {
    Ok(fetch_optional!(conn, Project, BY_SLUG, org, slug)?)
}

/// The projects, oldest first, from after `after` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    after: Option<ProjectId>,
    limit: u32,
) -> Result<Vec<Project>, StoreError> {
    let after = after.unwrap_or(ProjectId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(conn, Project, LIST, org, after, limit)?)
}

/// Writes name and labels. `false` when there is no such project.
///
/// # Errors
///
/// `Unavailable`.
pub async fn update(
    tx: &mut Tx,
    org: OrgId,
    id: ProjectId,
    name: &str,
    labels: &[String],
    at: Micros,
) -> Result<bool, StoreError> {
    let rows = execute!(tx, UPDATE, org, id, name, labels.to_vec(), at)?;
    tx.changed(Change::Project(id));
    Ok(rows == 1)
}
