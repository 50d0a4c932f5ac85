//! Budgets and what is spent in them. As with agents, the policy's canonical bytes and their MAC decide; the columns are for
//! lists. Spending is a projection of the journal.

use keystore_core::ids::{AgentId, BudgetId, OrgId, ProjectId};
use keystore_core::policy::{BudgetMode, BudgetPolicy};
use keystore_core::window::Window;
use keystore_core::{Micros, NanoUsd};

use crate::changes::Change;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::StoreError;

row! {
    /// A stored budget.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Budget {
        /// Its id.
        pub id: BudgetId,
        /// Its organization.
        pub org: OrgId,
        /// Only this project's spending.
        pub project: Option<ProjectId>,
        /// Only this agent's spending.
        pub agent: Option<AgentId>,
        /// Only spending at this provider.
        pub provider: Option<String>,
        /// Only spending on this model.
        pub model: Option<String>,
        /// Only spending for this end user.
        pub end_user: Option<String>,
        /// What may be spent in a window.
        pub limit_nanos: NanoUsd,
        /// How long the limit lasts.
        pub window_kind: Window,
        /// How it holds.
        pub mode: BudgetMode,
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

row! {
    /// What a budget has spent in one window.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Spend {
        /// The budget.
        pub budget: BudgetId,
        /// When the window began.
        pub window_start: Micros,
        /// What calls that were admitted in it cost.
        pub settled: NanoUsd,
    }
}

sql! {
    INSERT = "INSERT INTO budgets (id, org, project, agent, provider, model, end_user, limit_nanos, window_kind, mode, \
        policy, mac, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)";
    UPDATE = "UPDATE budgets SET limit_nanos = $3, window_kind = $4, mode = $5, policy = $6, mac = $7, updated_at = $8 \
        WHERE org = $1 AND id = $2";
    GET = "SELECT * FROM budgets WHERE org = $1 AND id = $2";
    LIST = "SELECT * FROM budgets WHERE org = $1 AND COALESCE($2, project) IS NOT DISTINCT FROM project AND id > $3 ORDER BY id LIMIT $4";
    OF_AGENT = "SELECT * FROM budgets WHERE org = $1 AND agent = $2 ORDER BY id";
    DELETE = "DELETE FROM budgets WHERE org = $1 AND id = $2";
    SPENT = "SELECT budget, window_start, settled FROM budget_spend WHERE budget = $1 AND window_start = $2";
}

/// Adds a budget; every column comes from the policy. `mac` is over `policy.canonical()`.
///
/// # Errors
///
/// `Unavailable`.
pub async fn insert(tx: &mut Tx, policy: &BudgetPolicy, mac: &[u8], at: Micros) -> Result<(), StoreError> {
    execute!(
        tx,
        INSERT,
        policy.budget,
        policy.org,
        policy.project,
        policy.agent,
        policy.provider,
        policy.model,
        policy.end_user,
        policy.limit,
        policy.window,
        policy.mode,
        policy.canonical(),
        mac,
        at
    )?;
    note(tx, policy);
    Ok(())
}

/// Writes limit, window and mode. What was spent stays. `false` when there is no such budget.
///
/// # Errors
///
/// `Unavailable`.
pub async fn update(tx: &mut Tx, policy: &BudgetPolicy, mac: &[u8], at: Micros) -> Result<bool, StoreError> {
    let rows = execute!(
        tx,
        UPDATE,
        policy.org,
        policy.budget,
        policy.limit,
        policy.window,
        policy.mode,
        policy.canonical(),
        mac,
        at
    )?;
    note(tx, policy);
    Ok(rows == 1)
}

fn note(tx: &mut Tx, policy: &BudgetPolicy) {
    tx.changed(Change::Budget(policy.budget));
    if let Some(agent) = policy.agent {
        tx.changed(Change::Agent(agent));
    }
}

/// The budget.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, id: BudgetId) -> Result<Option<Budget>, StoreError> {
    Ok(fetch_optional!(conn, Budget, GET, org, id)?)
}

/// The budgets, oldest first, of one project or all, from after `after` on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    project: Option<ProjectId>,
    after: Option<BudgetId>,
    limit: u32,
) -> Result<Vec<Budget>, StoreError> {
    let after = after.unwrap_or(BudgetId::new(uuid::Uuid::nil()));
    Ok(fetch_all!(conn, Budget, LIST, org, project, after, limit)?)
}

/// The budgets of an agent, oldest first. `budgetCentsMonthly` is the one that is monthly and narrowed by nothing else.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn of_agent(conn: &mut Conn, org: OrgId, agent: AgentId) -> Result<Vec<Budget>, StoreError> {
    Ok(fetch_all!(conn, Budget, OF_AGENT, org, agent)?)
}

/// Deletes a budget. The agent whose policy names it must be written in the same transaction.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete(tx: &mut Tx, org: OrgId, id: BudgetId) -> Result<bool, StoreError> {
    let rows = execute!(tx, DELETE, org, id)?;
    tx.changed(Change::Budget(id));
    Ok(rows == 1)
}

/// What a budget has spent in the window that began at `window_start`, as far as the projections are.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn spent(conn: &mut Conn, budget: BudgetId, window_start: Micros) -> Result<NanoUsd, StoreError> {
    let row = fetch_optional!(conn, Spend, SPENT, budget, window_start)?;
    Ok(row.map_or(NanoUsd::ZERO, |spend| spend.settled))
}
