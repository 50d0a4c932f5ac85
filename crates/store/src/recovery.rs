//! What a start finds and what it hands to the proxy's counters in memory.

use keystore_core::ids::AgentId;

use crate::budgets::Spend;
use crate::db::row;

row! {
    /// How many requests of an agent to a provider were admitted on one UTC day.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct DailyCount {
        /// The agent.
        pub agent: AgentId,
        /// The provider's slug.
        pub provider: String,
        /// Days since 1970-01-01.
        pub day: i64,
        /// Requests admitted.
        pub admitted: u64,
    }
}

/// The state that admission starts from.
#[derive(Debug, Clone, Default)]
pub struct Recovery {
    /// What every budget has spent in its latest window. For an older window ask [`crate::budgets::spent`].
    pub spent: Vec<Spend>,
    /// Requests admitted on the current UTC day.
    pub daily_requests: Vec<DailyCount>,
    /// Intents that had no outcome and were settled at their full hold.
    pub crashed: u64,
}
