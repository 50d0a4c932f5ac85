//! What a start finds and what it hands to the proxy's counters in memory.

use std::sync::Arc;

use keystore_core::ids::{AgentId, CredentialId, OrgId, ProjectId};
use keystore_core::record::{ChargeFlags, Ending, Intent, Outcome};
use keystore_core::{Micros, Usage};

use crate::budgets::Spend;
use crate::db::{fetch_all, row, sql};
use crate::error::StoreError;
use crate::failpoint;
use crate::journal::batch::{self, RecordRef};
use crate::journal::writer::pack;
use crate::open::Engine;
use crate::projections::{Projector, open_intents};
use keystore_core::time::utc_day;

row! {
    /// How many requests of an agent to a provider were admitted on one UTC day.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct DailyCount {
        /// The agent.
        pub agent: AgentId,
        /// Its organization, unless it was deleted.
        pub org: Option<OrgId>,
        /// Its project, unless it was deleted.
        pub project: Option<ProjectId>,
        /// The provider's slug.
        pub provider: String,
        /// Days since 1970-01-01.
        pub day: i64,
        /// Requests admitted.
        pub admitted: u64,
    }
}

row! {
    /// The newest version of a credential that a call was made with.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ServedVersion {
        /// The credential.
        pub credential: CredentialId,
        /// Its version.
        pub version: u32,
    }
}

/// The state that admission starts from.
#[derive(Debug, Clone, Default)]
pub struct Recovery {
    /// What every budget has spent in its latest window. For an older window ask [`crate::budgets::spent`].
    pub spent: Vec<Spend>,
    /// Requests admitted on the current UTC day.
    pub daily_requests: Vec<DailyCount>,
    /// Versions of credentials below which no call is made.
    pub served: Vec<ServedVersion>,
    /// Intents that had no outcome and were settled at their full hold.
    pub crashed: u64,
    /// The number of the newest migration that the database had before this start; 0 for a new one.
    pub found_schema: i64,
}

/// Open intents that are settled at a time.
const AT_A_TIME: u32 = 500;

sql! {
    SPENT = "SELECT b.budget, b.window_start, b.settled FROM budget_spend b JOIN \
        (SELECT budget, MAX(window_start) AS latest FROM budget_spend GROUP BY budget) l \
        ON l.budget = b.budget AND l.latest = b.window_start";
    DAILY = "SELECT d.agent, a.org, a.project, d.provider, d.day, d.admitted \
        FROM daily_requests d LEFT JOIN agents a ON a.id = d.agent WHERE d.day = $1 AND d.admitted > 0";
    SERVED = "SELECT credential, version FROM served_versions";
}

/// Brings a database that is not being served into a state to start from. Every step may be interrupted and done again.
pub(crate) async fn recover(
    engine: &Arc<Engine>,
    projector: &Projector,
    spooled: Vec<Vec<u8>>,
    now: Micros,
) -> Result<Recovery, StoreError> {
    let mut head = engine.head().await?;
    for row in pack(spooled) {
        head += 1;
        failpoint!(projector.failpoints, "recover.before_import");
        engine.append(head, now, &row, true).await?;
        failpoint!(projector.failpoints, "recover.after_import");
    }
    projector.catch_up().await?;
    let mut crashed = 0;
    loop {
        let open = open_intents(&mut engine.read().await?, AT_A_TIME).await?;
        if open.is_empty() {
            break;
        }
        let mut body = Vec::new();
        for intent in &open {
            let outcome = crash_outcome(&batch::open_intent(intent)?.0, now);
            batch::push(&mut body, RecordRef::Outcome(&outcome))?;
        }
        head += 1;
        failpoint!(projector.failpoints, "recover.before_crash");
        engine.append(head, now, &body, true).await?;
        failpoint!(projector.failpoints, "recover.after_crash");
        projector.catch_up().await?;
        crashed += open.len() as u64;
    }
    let mut conn = engine.read().await?;
    let spent = fetch_all!(conn, Spend, SPENT)?;
    let daily_requests = fetch_all!(conn, DailyCount, DAILY, utc_day(now))?;
    let served = fetch_all!(conn, ServedVersion, SERVED)?;
    Ok(Recovery {
        spent,
        daily_requests,
        served,
        crashed,
        found_schema: engine.found_schema(),
    })
}

/// An intent without an outcome settles at its full hold: it may have been sent.
fn crash_outcome(intent: &Intent<'_>, now: Micros) -> Outcome<'static> {
    Outcome {
        attempt: intent.attempt,
        at: now,
        ending: Ending::Crash,
        status: 0,
        served_model: None,
        usage: Usage::ZERO,
        cost: intent.hold,
        flags: ChargeFlags {
            estimated: intent.budgets.is_empty(),
            ..ChargeFlags::default()
        },
        first_byte_us: 0,
        total_us: 0,
        request_bytes: 0,
        response_bytes: 0,
        refusal: None,
        market: None,
        steps: None,
    }
}
