//! The one feed for cache invalidation.
//!
//! Every write that matters to authentication notes a [`Change`] in its transaction. The commit bumps the epoch and writes
//! the changes in the same transaction, then bumps the epoch in memory and calls the listeners, in this order, before it
//! returns. Commits do this one after the other, in the order of their epochs: whoever is told of a change was told of
//! every earlier one.
//!
//! A cache reads the epoch *before* it loads an entry and keeps the entry only if the epoch is still the same afterwards:
//! a load that overlaps a commit may have seen the old rows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use keystore_core::ids::{AgentId, BudgetId, CredentialId, OrgId, ProjectId, ProviderId};
use keystore_core::token::TokenHash;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::db::{Conn, execute, fetch_one, sql};
use crate::error::StoreError;

/// Something that a cache may hold was changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The agent's policy, status or existence.
    Agent(AgentId),
    /// The token's policy or existence.
    Token(TokenHash),
    /// The credential: a new current version, its status, its existence.
    Credential(CredentialId),
    /// The budget's terms or existence.
    Budget(BudgetId),
    /// The definition of a custom provider, or its existence.
    Provider(ProviderId),
    /// Everything in the project.
    Project(ProjectId),
    /// Everything in the organization.
    Org(OrgId),
    /// A pool, or the price book.
    Market,
}

impl std::fmt::Debug for Change {
    /// The ids; of a token's hash nothing.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Agent(id) => write!(f, "Agent({id})"),
            Self::Token(_) => write!(f, "Token(…)"),
            Self::Credential(id) => write!(f, "Credential({id})"),
            Self::Budget(id) => write!(f, "Budget({id})"),
            Self::Provider(id) => write!(f, "Provider({id})"),
            Self::Project(id) => write!(f, "Project({id})"),
            Self::Org(id) => write!(f, "Org({id})"),
            Self::Market => f.write_str("Market"),
        }
    }
}

/// Is called with the changes of one commit and the epoch they made. It must be quick and must not block: the caller that
/// made the change waits for it.
pub type Listener = Arc<dyn Fn(&[Change], u64) + Send + Sync>;

/// The epoch in memory and who listens.
#[derive(Default)]
pub(crate) struct Feed {
    pub(crate) epoch: Arc<AtomicU64>,
    /// Whose turn it is to make an epoch and to tell of it.
    pub(crate) turn: Mutex<()>,
    listeners: RwLock<Vec<Listener>>,
}

impl Feed {
    pub(crate) fn listen(&self, listener: Listener) {
        self.listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(listener);
    }

    pub(crate) fn deliver(&self, changes: &[Change], epoch: u64) {
        self.epoch.fetch_max(epoch, Ordering::SeqCst);
        for listener in self
            .listeners
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            listener(changes, epoch);
        }
    }
}

sql! {
    BUMP = "UPDATE auth_epoch SET epoch = CASE WHEN epoch < $1 THEN $1 ELSE epoch END + 1 WHERE id = 1 RETURNING epoch";
    CURRENT = "SELECT epoch FROM auth_epoch WHERE id = 1";
    INSERT = "INSERT INTO changes (epoch, position, kind, subject) VALUES ($1, $2, $3, $4)";
}

/// Makes an epoch and writes the changes, in the caller's transaction. Gives the new epoch, which is later than `told`: what was told of a
/// commit that failed has used up the one that the database does not know.
pub(crate) async fn record(conn: &mut Conn, changes: &[Change], told: u64) -> Result<u64, StoreError> {
    let told = i64::try_from(told).unwrap_or(i64::MAX);
    let (epoch,) = fetch_one!(conn, (i64,), BUMP, told)?;
    for (position, change) in (0_i64..).zip(changes) {
        let id = |uuid: Uuid| uuid.into_bytes().to_vec();
        let (kind, subject) = match change {
            Change::Agent(agent) => ("agent", id(agent.uuid())),
            Change::Token(hash) => ("token", hash.0.to_vec()),
            Change::Credential(credential) => ("credential", id(credential.uuid())),
            Change::Budget(budget) => ("budget", id(budget.uuid())),
            Change::Provider(provider) => ("provider", id(provider.uuid())),
            Change::Project(project) => ("project", id(project.uuid())),
            Change::Org(org) => ("org", id(org.uuid())),
            Change::Market => ("market", Vec::new()),
        };
        execute!(conn, INSERT, epoch, position, kind, subject)?;
    }
    Ok(u64::try_from(epoch).unwrap_or(0))
}

/// The epoch in the database.
pub(crate) async fn current(conn: &mut Conn) -> Result<u64, StoreError> {
    let (epoch,) = fetch_one!(conn, (i64,), CURRENT)?;
    Ok(u64::try_from(epoch).unwrap_or(0))
}
