//! The one thing that is being done to an organization's keys: moving what is sealed to the active generation, or looking whether
//! everything opens. A row says how far it is, so that it goes on after a restart.

use keystore_core::Micros;
use keystore_core::ids::{CredentialId, OrgId};
use uuid::Uuid;

use crate::column::named;
use crate::db::{Conn, Tx, execute, fetch_all, fetch_optional, row, sql};
use crate::error::StoreError;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KekStep {
    /// Data keys are wrapped by the active generation; verification follows.
    Rewrap,
    /// Everything is opened once.
    Verify,
}

named!(KekStep { Rewrap = "rewrap", Verify = "verify" });

row! {
    /// What is being done, or was done last.
    #[derive(Debug, Clone, PartialEq)]
    pub struct KekJob {
        /// The organization.
        pub org: OrgId,
        /// What is done.
        pub step: KekStep,
        /// The last credential that was looked at in this step.
        pub credential: CredentialId,
        /// Its version.
        pub version: u32,
        /// How many versions were looked at in this step.
        pub done: u64,
        /// How many there were to look at when the step began.
        pub total: u64,
        /// How many of them do not open.
        pub failed: u64,
        /// What went wrong last.
        pub problem: Option<String>,
        /// When it began.
        pub started_at: Micros,
        /// When it was over.
        pub ended_at: Option<Micros>,
    }
}

impl KekJob {
    /// A step that begins.
    pub fn begin(org: OrgId, step: KekStep, total: u64, at: Micros) -> Self {
        Self {
            org,
            step,
            credential: CredentialId::new(Uuid::nil()),
            version: 0,
            done: 0,
            total,
            failed: 0,
            problem: None,
            started_at: at,
            ended_at: None,
        }
    }
}

sql! {
    GET = "SELECT * FROM kek_jobs WHERE org = $1";
    RUNNING = "SELECT * FROM kek_jobs WHERE ended_at IS NULL ORDER BY started_at, org";
    PUT = "INSERT INTO kek_jobs (org, step, credential, version, done, total, failed, problem, started_at, ended_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
        ON CONFLICT (org) DO UPDATE SET step = excluded.step, credential = excluded.credential, version = excluded.version, \
            done = excluded.done, total = excluded.total, failed = excluded.failed, problem = excluded.problem, \
            started_at = excluded.started_at, ended_at = excluded.ended_at";
}

/// What is being done to an organization's keys, or was done last.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId) -> Result<Option<KekJob>, StoreError> {
    Ok(fetch_optional!(conn, KekJob, GET, org)?)
}

/// What is under way, of all organizations.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn running(conn: &mut Conn) -> Result<Vec<KekJob>, StoreError> {
    Ok(fetch_all!(conn, KekJob, RUNNING)?)
}

/// Writes what is being done, in place of what was.
///
/// # Errors
///
/// `Unavailable`.
pub async fn put(tx: &mut Tx, job: &KekJob) -> Result<(), StoreError> {
    execute!(
        tx,
        PUT,
        job.org,
        job.step,
        job.credential,
        job.version,
        job.done,
        job.total,
        job.failed,
        job.problem,
        job.started_at,
        job.ended_at
    )?;
    Ok(())
}
