//! Projects inside an organization. They hold credentials, agents and budgets.

use keystore_core::Micros;
use keystore_core::ids::{CredentialId, OrgId, ProjectId};

use crate::changes::Change;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_one, fetch_optional, row, sql};
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
    LABELLED = "SELECT * FROM projects WHERE labels <> '[]' ORDER BY id";
    LIST = "SELECT id, org, slug, name, labels, created_at, updated_at \
        FROM projects WHERE org = $1 AND id > $2 ORDER BY id LIMIT $3";
    UPDATE = "UPDATE projects SET slug = $3, name = $4, labels = $5, updated_at = $6 WHERE org = $1 AND id = $2";
    CONTENTS = "SELECT \
        (SELECT COUNT(*) FROM agents WHERE org = $1 AND project = $2) AS agents, \
        (SELECT COUNT(*) FROM tokens t JOIN agents a ON a.id = t.agent \
            WHERE a.org = $1 AND a.project = $2 AND t.revoked_at IS NULL) AS tokens, \
        (SELECT COUNT(*) FROM credentials WHERE org = $1 AND project = $2) AS credentials, \
        (SELECT COUNT(*) FROM budgets WHERE org = $1 AND project = $2) AS budgets, \
        (SELECT COUNT(*) FROM api_keys WHERE org = $1 AND project = $2 AND revoked_at IS NULL) AS api_keys";
    CREDENTIALS = "SELECT id FROM credentials WHERE org = $1 AND project = $2";
    DELETE_AGENTS = "DELETE FROM agents WHERE org = $1 AND project = $2";
    DELETE_BUDGETS = "DELETE FROM budgets WHERE org = $1 AND project = $2";
    DELETE_CREDENTIALS = "DELETE FROM credentials WHERE org = $1 AND project = $2";
    DELETE_API_KEYS = "DELETE FROM api_keys WHERE org = $1 AND project = $2";
    DELETE = "DELETE FROM projects WHERE org = $1 AND id = $2";
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

/// The projects of all organizations that have labels.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn labelled(conn: &mut Conn) -> Result<Vec<Project>, StoreError> {
    Ok(fetch_all!(conn, Project, LABELLED)?)
}

/// Writes names and labels. `false` when there is no such project.
///
/// # Errors
///
/// `Conflict` when the slug is taken.
pub async fn update(tx: &mut Tx, changed: &Project) -> Result<bool, StoreError> {
    let rows = execute!(
        tx,
        UPDATE,
        changed.org,
        changed.id,
        changed.slug,
        changed.name,
        changed.labels,
        changed.updated_at
    )
    .map_err(unique("a project with this slug"))?;
    tx.changed(Change::Project(changed.id));
    Ok(rows == 1)
}

row! {
    /// How much a project holds.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Contents {
        /// Agents.
        pub agents: u64,
        /// Their tokens that are not revoked.
        pub tokens: u64,
        /// Credentials.
        pub credentials: u64,
        /// Budgets.
        pub budgets: u64,
        /// Management keys bound to it that are not revoked.
        pub api_keys: u64,
    }
}

/// What the project holds.
///
/// # Errors
///
/// `Unavailable`.
pub async fn contents(conn: &mut Conn, org: OrgId, id: ProjectId) -> Result<Contents, StoreError> {
    Ok(fetch_one!(conn, Contents, CONTENTS, org, id)?)
}

/// Deletes the project with everything that it holds. What its agents did stays in `requests` and `usage`. `false` when there is
/// no such project.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete(tx: &mut Tx, org: OrgId, id: ProjectId) -> Result<bool, StoreError> {
    for (credential,) in fetch_all!(tx, (uuid::Uuid,), CREDENTIALS, org, id)? {
        tx.changed(Change::Credential(CredentialId::new(credential)));
    }
    for statement in [DELETE_AGENTS, DELETE_BUDGETS, DELETE_CREDENTIALS, DELETE_API_KEYS] {
        execute!(tx, statement, org, id)?;
    }
    tx.changed(Change::Project(id));
    Ok(execute!(tx, DELETE, org, id)? == 1)
}
