//! Budgets and what is used of them. The policy's canonical bytes and their MAC decide; the columns are what it is found by. What is
//! used is a projection of the journal.

use keystore_core::Micros;
use keystore_core::ids::{AgentId, BudgetId, OrgId, ProjectId};
use keystore_core::policy::BudgetPolicy;

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
    /// What was used of a budget in one window, in its unit.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Spend {
        /// The budget, or its counter for one end user.
        pub budget: BudgetId,
        /// When the window began.
        pub window_start: Micros,
        /// What calls that were admitted in it used.
        pub settled: i64,
    }
}

impl Budget {
    /// The policy. It counts only if the MAC over [`Budget::policy`] is right, which is the vault's to say.
    ///
    /// # Errors
    ///
    /// `Damaged`.
    pub fn decode(&self) -> Result<BudgetPolicy, StoreError> {
        minicbor::decode(&self.policy).map_err(|error| StoreError::damaged(error.to_string()))
    }
}

sql! {
    INSERT = "INSERT INTO budgets (id, org, project, agent, policy, mac, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";
    UPDATE = "UPDATE budgets SET policy = $3, mac = $4, updated_at = $5 WHERE org = $1 AND id = $2";
    GET = "SELECT * FROM budgets WHERE org = $1 AND id = $2";
    BY_ID = "SELECT * FROM budgets WHERE id = $1";
    LIST = "SELECT * FROM budgets WHERE org = $1 AND COALESCE($2, project) IS NOT DISTINCT FROM project AND id > $3 ORDER BY id LIMIT $4";
    OF_AGENT = "SELECT * FROM budgets WHERE org = $1 AND agent = $2 ORDER BY id";
    DELETE = "DELETE FROM budgets WHERE org = $1 AND id = $2";
    SPENT = "SELECT budget, window_start, settled FROM budget_spend WHERE budget = $1 AND window_start = $2";
    HISTORY = "SELECT budget, window_start, settled FROM budget_spend WHERE budget = $1 AND window_start < $2 \
        ORDER BY window_start DESC LIMIT $3";
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
        policy.canonical(),
        mac,
        at
    )?;
    note(tx, policy);
    Ok(())
}

/// Writes another policy of the same budget: whose calls it counts stays. What was used stays used. `false` when there is no such budget.
///
/// # Errors
///
/// `Unavailable`.
pub async fn update(tx: &mut Tx, policy: &BudgetPolicy, mac: &[u8], at: Micros) -> Result<bool, StoreError> {
    let rows = execute!(tx, UPDATE, policy.org, policy.budget, policy.canonical(), mac, at)?;
    note(tx, policy);
    Ok(rows == 1)
}

fn note(tx: &mut Tx, policy: &BudgetPolicy) {
    tx.changed(Change::Budget(policy.budget));
    tx.changed(match (policy.agent, policy.project) {
        (Some(agent), _) => Change::Agent(agent),
        (None, Some(project)) => Change::Project(project),
        (None, None) => Change::Org(policy.org),
    });
}

/// The budget.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, id: BudgetId) -> Result<Option<Budget>, StoreError> {
    Ok(fetch_optional!(conn, Budget, GET, org, id)?)
}

/// The budget, whosever it is: for what the server does by itself.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn by_id(conn: &mut Conn, id: BudgetId) -> Result<Option<Budget>, StoreError> {
    Ok(fetch_optional!(conn, Budget, BY_ID, id)?)
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

/// Deletes a budget. The policy that names it, an agent's or a scope's, must be written in the same transaction.
///
/// # Errors
///
/// `Unavailable`.
pub async fn delete(tx: &mut Tx, org: OrgId, id: BudgetId) -> Result<bool, StoreError> {
    let rows = execute!(tx, DELETE, org, id)?;
    tx.changed(Change::Budget(id));
    Ok(rows == 1)
}

/// What was used of a budget in the window that began at `window_start`, as far as the projections are.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn spent(conn: &mut Conn, budget: BudgetId, window_start: Micros) -> Result<i64, StoreError> {
    let row = fetch_optional!(conn, Spend, SPENT, budget, window_start)?;
    Ok(row.map_or(0, |spend| spend.settled))
}

/// What was used of a budget in the windows that began before `before`, the newest first, at most `limit`; windows without a call are
/// not there.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn history(
    conn: &mut Conn,
    budget: BudgetId,
    before: Option<Micros>,
    limit: u32,
) -> Result<Vec<Spend>, StoreError> {
    let before = before.unwrap_or(Micros(i64::MAX));
    Ok(fetch_all!(conn, Spend, HISTORY, budget, before, limit)?)
}
