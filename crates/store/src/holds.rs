//! What running calls hold: the intents without an outcome, as far as the projections are.

use std::collections::BTreeMap;

use keystore_core::ids::{AgentId, AttemptId, OrgId, ProjectId, RequestId};
use keystore_core::policy::Source;
use keystore_core::record::{HeldBudget, Intent};
use keystore_core::{Micros, NanoUsd};
use uuid::Uuid;

use crate::db::{Conn, fetch_all, sql};
use crate::error::StoreError;
use crate::journal::batch;

/// Open intents that are read at a time.
const AT_A_TIME: u32 = 500;

sql! {
    AFTER = "SELECT attempt, body FROM open_intents WHERE attempt > $1 ORDER BY attempt LIMIT $2";
}

/// A call that runs, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The attempt: the id of the hold.
    pub attempt: AttemptId,
    /// The request it belongs to.
    pub request: RequestId,
    /// The agent's project.
    pub project: ProjectId,
    /// The agent.
    pub agent: AgentId,
    /// The provider's slug.
    pub provider: String,
    /// The model that the body named.
    pub model: Option<String>,
    /// Whose credential.
    pub source: Source,
    /// When it was admitted.
    pub at: Micros,
    /// What it may cost, or about costs where no budget limits that.
    pub amount: NanoUsd,
    /// What it holds against each budget.
    pub budgets: Vec<HeldBudget>,
}

/// The calls of an organization that run, oldest first. Reads what is open of all organizations: as many as run at the same time.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn running(conn: &mut Conn, org: OrgId) -> Result<Vec<Hold>, StoreError> {
    let mut running = Vec::new();
    each(conn, |intent| {
        if intent.org == org {
            running.push(Hold {
                attempt: intent.attempt,
                request: intent.request,
                project: intent.project,
                agent: intent.agent,
                provider: intent.provider.to_owned(),
                model: intent.model.map(str::to_owned),
                source: intent.source,
                at: intent.at,
                amount: intent.hold,
                budgets: intent.budgets.into_owned(),
            });
        }
    })
    .await?;
    Ok(running)
}

/// What the calls that run with pooled credentials hold, by organization.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn sold(conn: &mut Conn) -> Result<BTreeMap<OrgId, NanoUsd>, StoreError> {
    let mut sold: BTreeMap<OrgId, NanoUsd> = BTreeMap::new();
    each(conn, |intent| {
        if intent.source == Source::Marketplace {
            let sum = sold.entry(intent.org).or_default();
            *sum = sum.checked_add(intent.hold).unwrap_or(NanoUsd::MAX);
        }
    })
    .await?;
    Ok(sold)
}

async fn each(conn: &mut Conn, mut see: impl FnMut(Intent<'_>)) -> Result<(), StoreError> {
    let mut after = Uuid::nil();
    loop {
        let rows = fetch_all!(conn, (Uuid, Vec<u8>), AFTER, after, AT_A_TIME)?;
        let Some((last, _)) = rows.last() else {
            return Ok(());
        };
        after = *last;
        for (_, body) in &rows {
            let (intent, _) = batch::open_intent(body)?;
            see(intent);
        }
    }
}
