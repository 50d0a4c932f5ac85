//! What agents ask for and have not, and what a person decided. One that is open and past its end is expired: nothing writes that
//! down, whoever reads it sees it.

use keystore_core::Micros;
use keystore_core::ids::{AccessRequestId, AgentId, OrgId, ProjectId, TokenId};
use keystore_core::policy::Source;

use crate::column::named;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_one, fetch_optional, row, sql};
use crate::error::StoreError;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody decided.
    Open,
    /// It was granted, or a part of it.
    Approved,
    /// It was refused.
    Denied,
}

named!(State { Open = "open", Approved = "approved", Denied = "denied" });

row! {
    /// A request.
    #[derive(Debug, Clone, PartialEq)]
    pub struct AccessRequest {
        /// Its id; ids ascend with time.
        pub id: AccessRequestId,
        /// The agent's organization.
        pub org: OrgId,
        /// The agent's project.
        pub project: ProjectId,
        /// Who asks.
        pub agent: AgentId,
        /// The token that it asked with.
        pub token: TokenId,
        /// The provider that it wants to use.
        pub provider: Option<String>,
        /// Whose credential it wants.
        pub source: Option<Source>,
        /// The scopes that it wants; empty is every one that a grant can have.
        pub scopes: Vec<String>,
        /// The models that it wants beside those that it may use.
        pub models: Vec<String>,
        /// The month's budget that it wants, in US cents.
        pub budget_cents: Option<i64>,
        /// Why, in the agent's own words.
        pub reason: String,
        /// What became of it.
        pub state: State,
        /// When it was filed.
        pub created_at: Micros,
        /// From this time on nobody decides it any more.
        pub expires_at: Micros,
        /// When it was decided.
        pub decided_at: Option<Micros>,
        /// Who decided it: the id of a person or a management key.
        pub decided_by: Option<String>,
        /// What they said.
        pub note: Option<String>,
        /// What was granted.
        pub granted: Option<serde_json::Value>,
    }
}

/// Which requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Of this project.
    pub project: Option<ProjectId>,
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// Decided so, or not decided.
    pub state: Option<State>,
    /// With an end after this time.
    pub ends_after: Option<Micros>,
    /// With an end at or before this time.
    pub ended_by: Option<Micros>,
}

/// What a person decided.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Approved or denied.
    pub state: State,
    /// When.
    pub at: Micros,
    /// Who.
    pub by: String,
    /// What they said.
    pub note: Option<String>,
    /// What was granted.
    pub granted: Option<serde_json::Value>,
}

sql! {
    INSERT = "INSERT INTO access_requests (id, org, project, agent, token, provider, source, scopes, models, budget_cents, reason, \
        state, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    GET = "SELECT * FROM access_requests WHERE org = $1 AND id = $2";
    LIST = "SELECT * FROM access_requests WHERE org = $1 AND id < $2 AND project = COALESCE($3, project) \
        AND agent = COALESCE($4, agent) AND state = COALESCE($5, state) AND expires_at > COALESCE($6, expires_at - 1) \
        AND expires_at <= COALESCE($7, expires_at) ORDER BY id DESC LIMIT $8";
    FILED_SINCE = "SELECT COUNT(*) FROM access_requests WHERE org = $1 AND agent = $2 AND created_at > $3";
    DECIDE = "UPDATE access_requests SET state = $4, decided_at = $5, decided_by = $6, note = $7, granted = $8 \
        WHERE org = $1 AND id = $2 AND state = 'open' AND expires_at > $3";
    OLD = "SELECT COUNT(*) FROM access_requests WHERE expires_at <= $1";
    FORGET = "DELETE FROM access_requests WHERE expires_at <= $1";
}

/// Adds a request that nobody decided yet.
///
/// # Errors
///
/// `Unavailable`.
pub async fn insert(tx: &mut Tx, new: &AccessRequest) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        new.id,
        new.org,
        new.project,
        new.agent,
        new.token,
        new.provider,
        new.source,
        new.scopes,
        new.models,
        new.budget_cents,
        new.reason,
        State::Open,
        new.created_at,
        new.expires_at
    )?;
    Ok(())
}

/// The request.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(
    conn: &mut Conn,
    org: OrgId,
    id: AccessRequestId,
) -> Result<Option<AccessRequest>, StoreError> {
    Ok(fetch_optional!(conn, AccessRequest, GET, org, id)?)
}

/// The requests of an organization, newest first, from before `before` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    filter: &Filter,
    before: Option<AccessRequestId>,
    limit: u32,
) -> Result<Vec<AccessRequest>, StoreError> {
    let before = before.unwrap_or(AccessRequestId::new(uuid::Uuid::max()));
    Ok(fetch_all!(
        conn,
        AccessRequest,
        LIST,
        org,
        before,
        filter.project,
        filter.agent,
        filter.state,
        filter.ends_after,
        filter.ended_by,
        limit
    )?)
}

/// How many requests an agent has filed after `since`, whatever became of them.
///
/// # Errors
///
/// `Unavailable`.
pub async fn filed_since(
    conn: &mut Conn,
    org: OrgId,
    agent: AgentId,
    since: Micros,
) -> Result<u64, StoreError> {
    let (count,) = fetch_one!(conn, (i64,), FILED_SINCE, org, agent, since)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Writes what was decided. `false` when it was decided before, or has expired by then.
///
/// # Errors
///
/// `Unavailable`.
pub async fn decide(
    tx: &mut Tx,
    org: OrgId,
    id: AccessRequestId,
    decision: &Decision,
) -> Result<bool, StoreError> {
    let rows = execute!(
        tx,
        DECIDE,
        org,
        id,
        decision.at,
        decision.state,
        decision.at,
        decision.by,
        decision.note,
        decision.granted
    )?;
    Ok(rows == 1)
}

/// How many requests ended at or before `by`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn old(conn: &mut Conn, by: Micros) -> Result<u64, StoreError> {
    let (count,) = fetch_one!(conn, (i64,), OLD, by)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Deletes the requests that ended at or before `by`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn forget(tx: &mut Tx, by: Micros) -> Result<(), StoreError> {
    execute!(tx, FORGET, by)?;
    Ok(())
}
