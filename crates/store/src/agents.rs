//! Agents. What decides over requests is the policy: its canonical bytes are stored with their MAC, and the columns beside
//! them, for lists and filters, are written from the same struct and decide nothing.

use keystore_core::Micros;
use keystore_core::ids::{AgentId, CredentialId, OrgId, ProjectId};
use keystore_core::policy::{AgentPolicy, AgentStatus};

use crate::changes::Change;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::{StoreError, unique};

/// An agent to be written: the policy, its MAC, and what is not part of it.
#[derive(Clone, Copy)]
pub struct NewAgent<'a> {
    /// Its name; unique in the project.
    pub name: &'a str,
    /// The policy; id, organization, project and status come from it.
    pub policy: &'a AgentPolicy,
    /// The MAC over `policy.canonical()`.
    pub mac: &'a [u8],
    /// When it is made or changed.
    pub at: Micros,
}

row! {
    /// A stored agent.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Agent {
        /// Its id.
        pub id: AgentId,
        /// Its organization.
        pub org: OrgId,
        /// Its project.
        pub project: ProjectId,
        /// Its name.
        pub name: String,
        /// The status, as in the policy.
        pub status: AgentStatus,
        /// The policy's canonical bytes.
        pub policy: Vec<u8>,
        /// Their MAC.
        pub mac: Vec<u8>,
        /// When it was made.
        pub created_at: Micros,
        /// When it was last changed.
        pub updated_at: Micros,
    }
}

impl Agent {
    /// The policy. It counts only if the MAC over [`Agent::policy`] is right, which is the vault's to say.
    ///
    /// # Errors
    ///
    /// `Damaged`.
    pub fn decode(&self) -> Result<AgentPolicy, StoreError> {
        minicbor::decode(&self.policy).map_err(|error| StoreError::damaged(error.to_string()))
    }
}

sql! {
    INSERT = "INSERT INTO agents (id, org, project, name, status, expires_at, policy, mac, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)";
    UPDATE = "UPDATE agents SET name = $4, status = $5, expires_at = $6, policy = $7, mac = $8, updated_at = $9 \
        WHERE org = $1 AND project = $2 AND id = $3";
    INSERT_GRANT = "INSERT INTO agent_grants (agent, org, provider, source, credential, former) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    DELETE_GRANTS = "DELETE FROM agent_grants WHERE agent = $1";
    GET = "SELECT id, org, project, name, status, policy, mac, created_at, updated_at \
        FROM agents WHERE org = $1 AND id = $2";
    BY_NAME = "SELECT id, org, project, name, status, policy, mac, created_at, updated_at \
        FROM agents WHERE org = $1 AND project = $2 AND name = $3";
    LIST = "SELECT id, org, project, name, status, policy, mac, created_at, updated_at \
        FROM agents WHERE org = $1 AND project = COALESCE($2, project) AND id > $3 ORDER BY id LIMIT $4";
    DELETE = "DELETE FROM agents WHERE org = $1 AND id = $2";
}

/// Adds an agent.
///
/// # Errors
///
/// `Conflict` when the name is taken or a provider is granted twice.
pub async fn insert(tx: &mut Tx, new: &NewAgent<'_>) -> Result<(), StoreError> {
    let policy = new.policy;
    execute!(
        tx,
        INSERT,
        policy.agent,
        policy.org,
        policy.project,
        new.name,
        policy.status,
        policy.expires_at,
        policy.canonical(),
        new.mac,
        new.at
    )
    .map_err(unique("an agent with this name"))?;
    write_grants(tx, policy).await?;
    tx.changed(Change::Agent(policy.agent));
    Ok(())
}

/// Writes name, policy and MAC. `false` when there is no such agent in the policy's project.
///
/// # Errors
///
/// `Conflict` when the name is taken or a provider is granted twice.
pub async fn update(tx: &mut Tx, changed: &NewAgent<'_>) -> Result<bool, StoreError> {
    let policy = changed.policy;
    let rows = execute!(
        tx,
        UPDATE,
        policy.org,
        policy.project,
        policy.agent,
        changed.name,
        policy.status,
        policy.expires_at,
        policy.canonical(),
        changed.mac,
        changed.at
    )
    .map_err(unique("an agent with this name"))?;
    if rows != 1 {
        return Ok(false);
    }
    execute!(tx, DELETE_GRANTS, policy.agent)?;
    write_grants(tx, policy).await?;
    tx.changed(Change::Agent(policy.agent));
    Ok(true)
}

async fn write_grants(tx: &mut Tx, policy: &AgentPolicy) -> Result<(), StoreError> {
    for grant in &policy.grants {
        let former: Option<CredentialId> = grant.former.and_then(|former| former.credential);
        execute!(
            tx,
            INSERT_GRANT,
            policy.agent,
            policy.org,
            grant.provider,
            grant.source,
            grant.credential,
            former
        )
        .map_err(unique("a grant of this provider to the agent"))?;
    }
    Ok(())
}

/// The agent.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, id: AgentId) -> Result<Option<Agent>, StoreError> {
    Ok(fetch_optional!(conn, Agent, GET, org, id)?)
}

/// The agent with this name.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn by_name(
    conn: &mut Conn,
    org: OrgId,
    project: ProjectId,
    name: &str,
) -> Result<Option<Agent>, StoreError> {
    Ok(fetch_optional!(conn, Agent, BY_NAME, org, project, name)?)
}

/// The agents, oldest first, of one project or all, from after `after` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    project: Option<ProjectId>,
    after: Option<AgentId>,
    limit: u32,
) -> Result<Vec<Agent>, StoreError> {
    let after = after.unwrap_or(AgentId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(conn, Agent, LIST, org, project, after, limit)?)
}

/// Deletes the agent with its tokens and its budgets. What it did stays in `requests` and `usage`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete(tx: &mut Tx, org: OrgId, id: AgentId) -> Result<bool, StoreError> {
    let rows = execute!(tx, DELETE, org, id)?;
    tx.changed(Change::Agent(id));
    Ok(rows == 1)
}
