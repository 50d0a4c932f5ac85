//! Usage by UTC day, projected from the journal, and grouped sums over it.

use std::collections::HashMap;

use keystore_core::ids::{AgentId, OrgId, ProjectId};
use keystore_core::policy::Source;
use keystore_core::{Micros, NanoUsd};

use crate::column::Bind;
use crate::db::{Conn, fetch_built, row};
use crate::error::StoreError;
use crate::holds;
use keystore_core::time::utc_day;

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

impl By {
    const ALL: [Self; 6] = [
        Self::Project,
        Self::Agent,
        Self::Provider,
        Self::Model,
        Self::Source,
        Self::Day,
    ];

    /// The column as it is selected and as it is grouped by, and what is selected when it is not: a NULL of the column's
    /// own type, which PostgreSQL insists on.
    const fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Project => ("project", "usage_daily.project", "CAST(NULL AS UUID) AS project"),
            Self::Agent => ("agent", "usage_daily.agent", "CAST(NULL AS UUID) AS agent"),
            Self::Provider => (
                "provider",
                "usage_daily.provider",
                "CAST(NULL AS TEXT) AS provider",
            ),
            Self::Model => ("model", "usage_daily.model", "CAST(NULL AS TEXT) AS model"),
            Self::Source => (
                "NULLIF(source, '') AS source",
                "usage_daily.source",
                "CAST(NULL AS TEXT) AS source",
            ),
            Self::Day => ("day", "usage_daily.day", "CAST(NULL AS BIGINT) AS day"),
        }
    }
}

/// The sums of columns. A row counts for at most 2^56 of one, beyond anything that was used, so that rows which answers have claimed up to
/// the largest number can be summed.
macro_rules! totals {
    ($first:literal $(, $column:literal)*) => {
        concat!(totals!(@ $first) $(, ", ", totals!(@ $column))*, " FROM usage_daily WHERE org = ")
    };
    (@ $column:literal) => {
        concat!(
            "CAST(COALESCE(SUM(CASE WHEN ", $column, " > 72057594037927936 THEN 72057594037927936 ELSE ", $column,
            " END), 0) AS BIGINT) AS ", $column
        )
    };
}

const SUMS: &str = totals!(
    "calls",
    "errors",
    "refused",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost"
);

row! {
    /// A sum. The columns that were not grouped by are `None`.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
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

/// What one sum is of: what it was grouped by is set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The project.
    pub project: Option<ProjectId>,
    /// The agent.
    pub agent: Option<AgentId>,
    /// The provider.
    pub provider: Option<String>,
    /// The model; empty where none was named.
    pub model: Option<String>,
    /// Whose credential.
    pub source: Option<Source>,
    /// Days since 1970-01-01.
    pub day: Option<i64>,
}

impl UsageRow {
    /// What it is the sum of.
    pub fn key(&self) -> Key {
        Key {
            project: self.project,
            agent: self.agent,
            provider: self.provider.clone(),
            model: self.model.clone(),
            source: self.source,
            day: self.day,
        }
    }

    /// The sum of nothing.
    pub fn empty(key: Key) -> Self {
        Self {
            project: key.project,
            agent: key.agent,
            provider: key.provider,
            model: key.model,
            source: key.source,
            day: key.day,
            ..Self::default()
        }
    }
}

/// What calls that run hold, summed as [`grouped`] sums what has ended.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn held(
    conn: &mut Conn,
    org: OrgId,
    by: &[By],
    filter: &Filter,
) -> Result<HashMap<Key, NanoUsd>, StoreError> {
    let mut held: HashMap<Key, NanoUsd> = HashMap::new();
    for hold in holds::running(conn, org).await? {
        let day = utc_day(hold.at);
        let is_wanted = filter.project.is_none_or(|wanted| wanted == hold.project)
            && filter.agent.is_none_or(|wanted| wanted == hold.agent)
            && filter
                .provider
                .as_ref()
                .is_none_or(|wanted| *wanted == hold.provider)
            && filter
                .model
                .as_ref()
                .is_none_or(|wanted| Some(wanted) == hold.model.as_ref())
            && filter.since.is_none_or(|since| day >= utc_day(since))
            && filter
                .until
                .is_none_or(|until| day <= utc_day(Micros(until.0 - 1)));
        if !is_wanted {
            continue;
        }
        let key = Key {
            project: by.contains(&By::Project).then_some(hold.project),
            agent: by.contains(&By::Agent).then_some(hold.agent),
            provider: by.contains(&By::Provider).then_some(hold.provider),
            model: by.contains(&By::Model).then(|| hold.model.unwrap_or_default()),
            source: by.contains(&By::Source).then_some(hold.source),
            day: by.contains(&By::Day).then_some(day),
        };
        let sum = held.entry(key).or_default();
        *sum = sum.checked_add(hold.amount).unwrap_or(NanoUsd::MAX);
    }
    Ok(held)
}

/// Sums, grouped by what `by` names (by nothing: one row), ordered by the groups, at most `limit` rows.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn grouped(
    conn: &mut Conn,
    org: OrgId,
    by: &[By],
    filter: &Filter,
    limit: u32,
) -> Result<Vec<UsageRow>, StoreError> {
    let groups: Vec<By> = By::ALL.into_iter().filter(|column| by.contains(column)).collect();
    Ok(fetch_built!(conn, UsageRow, "SELECT ", |builder| {
        for column in By::ALL {
            let (present, _, absent) = column.texts();
            builder.push(if groups.contains(&column) { present } else { absent });
            builder.push(", ");
        }
        builder.push(SUMS).push_bind(org.raw());
        if let Some(project) = filter.project {
            builder.push(" AND project = ").push_bind(project.raw());
        }
        if let Some(agent) = filter.agent {
            builder.push(" AND agent = ").push_bind(agent.raw());
        }
        if let Some(provider) = &filter.provider {
            builder.push(" AND provider = ").push_bind(provider.raw());
        }
        if let Some(model) = &filter.model {
            builder.push(" AND model = ").push_bind(model.raw());
        }
        if let Some(since) = filter.since {
            builder.push(" AND day >= ").push_bind(utc_day(since));
        }
        if let Some(until) = filter.until {
            builder
                .push(" AND day <= ")
                .push_bind(utc_day(Micros(until.0.saturating_sub(1))));
        }
        if !groups.is_empty() {
            let names: Vec<&str> = groups.iter().map(|column| column.texts().1).collect();
            let names = names.join(", ");
            builder
                .push(" GROUP BY ")
                .push(&names)
                .push(" ORDER BY ")
                .push(&names);
        }
        builder.push(" LIMIT ").push_bind(i64::from(limit));
    })?)
}
