//! What holds for everything in an organization or in a project. As with agents, the policy's canonical bytes and their MAC decide.

use keystore_core::Micros;
use keystore_core::ids::{OrgId, ProjectId};
use keystore_core::policy::ScopePolicy;
use uuid::Uuid;

use crate::changes::Change;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::StoreError;

row! {
    /// A stored policy of an organization or a project.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Scope {
        /// Its organization.
        pub org: OrgId,
        /// The project; none for the organization itself.
        pub project: Option<ProjectId>,
        /// The policy's canonical bytes.
        pub policy: Vec<u8>,
        /// Their MAC.
        pub mac: Vec<u8>,
    }
}

impl Scope {
    /// The policy. It counts only if the MAC over [`Scope::policy`] is right, which is the vault's to say.
    ///
    /// # Errors
    ///
    /// `Damaged`.
    pub fn decode(&self) -> Result<ScopePolicy, StoreError> {
        minicbor::decode(&self.policy).map_err(|error| StoreError::damaged(error.to_string()))
    }
}

sql! {
    PUT = "INSERT INTO scope_policies (id, org, project, policy, mac, updated_at) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (id) DO UPDATE SET policy = excluded.policy, mac = excluded.mac, updated_at = excluded.updated_at";
    GET = "SELECT org, project, policy, mac FROM scope_policies WHERE org = $1 AND project IS NOT DISTINCT FROM $2";
    OF_ORG = "SELECT org, project, policy, mac FROM scope_policies WHERE org = $1 ORDER BY id";
    MISSING_ORGS = "SELECT id FROM orgs o \
        WHERE NOT EXISTS (SELECT 1 FROM scope_policies s WHERE s.org = o.id AND s.project IS NULL)";
    MISSING_PROJECTS = "SELECT org, id FROM projects p \
        WHERE NOT EXISTS (SELECT 1 FROM scope_policies s WHERE s.org = p.org AND s.project = p.id)";
}

/// Writes the policy of an organization or a project. `mac` is over `policy.canonical()`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn put(tx: &mut Tx, policy: &ScopePolicy, mac: &[u8], at: Micros) -> Result<(), StoreError> {
    let id = policy.project.map_or(policy.org.uuid(), ProjectId::uuid);
    execute!(
        tx,
        PUT,
        id,
        policy.org,
        policy.project,
        policy.canonical(),
        mac,
        at
    )?;
    tx.changed(match policy.project {
        Some(project) => Change::Project(project),
        None => Change::Org(policy.org),
    });
    Ok(())
}

/// The policy of an organization, or of one of its projects.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(
    conn: &mut Conn,
    org: OrgId,
    project: Option<ProjectId>,
) -> Result<Option<Scope>, StoreError> {
    Ok(fetch_optional!(conn, Scope, GET, org, project)?)
}

/// The policies of an organization and of all of its projects.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn of_org(conn: &mut Conn, org: OrgId) -> Result<Vec<Scope>, StoreError> {
    Ok(fetch_all!(conn, Scope, OF_ORG, org)?)
}

/// Organizations and projects without a policy, as those of a version that knew none.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn missing(conn: &mut Conn) -> Result<Vec<ScopePolicy>, StoreError> {
    let orgs = fetch_all!(conn, (Uuid,), MISSING_ORGS)?;
    let projects = fetch_all!(conn, (Uuid, Uuid), MISSING_PROJECTS)?;
    let orgs = orgs
        .into_iter()
        .map(|(org,)| ScopePolicy::open(OrgId::new(org), None));
    let projects = projects
        .into_iter()
        .map(|(org, id)| ScopePolicy::open(OrgId::new(org), Some(ProjectId::new(id))));
    Ok(orgs.chain(projects).collect())
}
