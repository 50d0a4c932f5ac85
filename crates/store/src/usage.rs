//! Usage by UTC day, projected from the journal, and grouped sums over it.

use keystore_core::ids::{AgentId, OrgId, ProjectId};
use keystore_core::policy::Source;
use keystore_core::{Micros, NanoUsd};

use crate::db::{Conn, row};
use crate::error::StoreError;

/// What sums are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// The project.
    Project,
    /// The agent.
    Agent,
    /// The provider.
    Provider,
    /// The model that the body named.
    Model,
    /// Whose credential.
    Source,
    /// The UTC day.
    Day,
}

/// Which usage.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of this project.
    pub project: Option<ProjectId>,
    /// Only of this agent.
    pub agent: Option<AgentId>,
    /// Only at this provider.
    pub provider: Option<String>,
    /// Only on this model.
    pub model: Option<String>,
    /// Only of UTC days that end after this time.
    pub since: Option<Micros>,
    /// Only of UTC days that begin before this time.
    pub until: Option<Micros>,
}

row! {
    /// A sum. The columns that were not grouped by are `None`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct UsageRow {
        /// The project.
        pub project: Option<ProjectId>,
        /// The agent.
        pub agent: Option<AgentId>,
        /// The provider.
        pub provider: Option<String>,
        /// The model; empty where none was named.
        pub model: Option<String>,
        /// Whose credential; none for refusals.
        pub source: Option<Source>,
        /// Days since 1970-01-01.
        pub day: Option<i64>,
        /// Attempts that ended.
        pub calls: u64,
        /// Those of them that did not end well: a status of 400 or more, or none, or an ending other than complete.
        pub errors: u64,
        /// Requests that were refused.
        pub refused: u64,
        /// Input tokens that were neither read from nor written to a cache.
        pub input_tokens: u64,
        /// Input tokens read from a cache.
        pub cache_read_tokens: u64,
        /// Input tokens written to a cache.
        pub cache_write_tokens: u64,
        /// Output tokens without reasoning.
        pub output_tokens: u64,
        /// Reasoning tokens.
        pub reasoning_tokens: u64,
        /// What it cost.
        pub cost: NanoUsd,
    }
}

/// Sums, grouped by what `by` names (at least nothing: one row), ordered by the groups, at most `limit` rows.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn grouped(
    _conn: &mut Conn,
    _org: OrgId,
    _by: &[By],
    _filter: &Filter,
    _limit: u32,
) -> Result<Vec<UsageRow>, StoreError> {
    todo!()
}
