//! Where checkpoints go besides the database: a file, syslog, or an S3-compatible bucket, set in the configuration file alone. Whoever
//! can write the database cannot take back what stands there.
//!
//! A sink that fails is told of: in the log, by an event, in `/readyz` and `/metrics`; so is a log that cannot be signed. Where the
//! configuration says so, calls are refused when no checkpoint got through for as long as the grace; they go on with the next one that does.

mod file;
mod s3;
mod syslog;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keystore_store::audit_tree::Checkpoint;
use keystore_wire::events::Kind;
use serde_json::json;

pub use self::file::FileSink;
pub use self::s3::{S3Settings, S3Sink};
pub use self::syslog::SyslogSink;
use crate::api::problem::ApiResult;
use crate::app::App;
use crate::events::{self, New};
use crate::operator;

/// How long a sink may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A place for checkpoints.
pub enum Sink {
    /// A file that is appended to.
    File(FileSink),
    /// A syslog server.
    Syslog(SyslogSink),
    /// A bucket.
    S3(S3Sink),
}

/// The sinks of a deployment.
#[derive(Default)]
pub struct Sinks {
    sinks: Vec<Sink>,
    /// Calls are refused when a sink took nothing for so long; never without.
    refuse_after: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failing: Option<Failure>,
    /// The event about it is written.
    told: bool,
    refusing: bool,
}

/// Why the newest records are not signed, or their checkpoint is not everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The names of the sinks that do not take it; none where no checkpoint could be made.
    pub(crate) sinks: Vec<&'static str>,
    /// In words, for the log and the operator.
    pub(crate) why: String,
    /// Since when, in boot time.
    since: Duration,
}

/// How the sinks are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// None where the newest checkpoint is everywhere.
    pub(crate) failing: Option<Failure>,
    /// Calls are refused because of it.
    pub(crate) refusing: bool,
}

impl Sink {
    fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Syslog(_) => "syslog",
            Self::S3(_) => "s3",
        }
    }

    async fn append(&self, app: &App, new: &Checkpoint) -> anyhow::Result<()> {
        let now = app.clock.now();
        let appended = async {
            match self {
                Self::File(sink) => sink.append(&new.note).await,
                Self::Syslog(sink) => sink.append(&new.note, now).await,
                Self::S3(sink) => sink.append(new, now).await,
            }
        };
        match tokio::time::timeout(TIMEOUT, appended).await {
            Ok(done) => done,
            Err(_) => anyhow::bail!("no answer within {} seconds", TIMEOUT.as_secs()),
        }
    }
}

impl Sinks {
    /// These sinks. Calls are refused when a checkpoint did not get through for as long as `refuse_after`.
    pub fn new(sinks: Vec<Sink>, refuse_after: Option<Duration>) -> Self {
        Self {
            sinks,
            refuse_after,
            state: Mutex::default(),
        }
    }

    #[cfg(test)]
    pub(crate) const fn refuse_after(&self) -> Option<Duration> {
        self.refuse_after
    }

    /// Hands a checkpoint to every sink, and notes which of them do not take it.
    pub(super) async fn append(&self, app: &App, new: &Checkpoint) {
        let (mut failed, mut why) = (Vec::new(), Vec::new());
        for sink in &self.sinks {
            if let Err(error) = sink.append(app, new).await {
                failed.push(sink.name());
                why.push(format!("{}: {error:#}", sink.name()));
            }
        }
        if failed.is_empty() {
            let mut state = self.lock();
            if state.failing.take().is_some() {
                tracing::info!("the audit checkpoints are made and get to their sinks again");
            }
            state.told = false;
        } else {
            let why = why.join("; ");
            tracing::error!(why, "an audit checkpoint did not get to every sink");
            self.fail(failed, why, app.clock.boottime());
        }
    }

    /// Notes that no checkpoint can be made, since then (boot time).
    pub(super) fn nothing_signed(&self, why: String, since: Duration) {
        self.fail(Vec::new(), why, since);
    }

    fn fail(&self, sinks: Vec<&'static str>, why: String, now: Duration) {
        let mut state = self.lock();
        let since = state.failing.take().map_or(now, |before| before.since);
        state.failing = Some(Failure { sinks, why, since });
    }

    /// Whether a failure is still to be tried again at once.
    pub(super) fn is_failing(&self) -> bool {
        self.lock().failing.is_some()
    }

    /// Refuses calls where a sink has failed for too long, lets them in again where none does, and raises the event.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn judge(&self, app: &App) -> ApiResult<()> {
        let (refuse, untold) = {
            let mut state = self.lock();
            let failed_for = state
                .failing
                .as_ref()
                .map(|failure| app.clock.boottime().saturating_sub(failure.since));
            // Without a sink nobody has said how long calls may go on.
            let refuse_after = self.refuse_after.filter(|_| !self.sinks.is_empty());
            let refuse = failed_for
                .zip(refuse_after)
                .is_some_and(|(so_far, most)| so_far >= most);
            if refuse != state.refusing {
                tracing::warn!(refuse, "whether calls are refused because an audit sink fails");
            }
            state.refusing = refuse;
            let untold = state
                .failing
                .as_ref()
                .filter(|_| !state.told)
                .map(|failure| failure.why.clone());
            (refuse, untold)
        };
        app.store.journal().withhold(refuse);
        if let Some(why) = untold {
            self.lock().told = tell(app, &why).await?;
        }
        Ok(())
    }

    /// How they are; none where there are none and all is signed.
    pub(super) fn standing(&self) -> Option<Standing> {
        let state = self.lock();
        let standing = Standing {
            failing: state.failing.clone(),
            refusing: state.refusing,
        };
        Some(standing).filter(|standing| !self.sinks.is_empty() || standing.failing.is_some())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the operator's organization. Whether there is one.
async fn tell(app: &App, why: &str) -> ApiResult<bool> {
    let mut tx = app.store.begin().await?;
    let Some(org) = operator::org(&mut tx).await? else {
        return Ok(false);
    };
    let new = New {
        org,
        project: None,
        kind: Kind::AuditSinkFailed,
        subject: app.vault.deployment().to_string(),
        data: json!({"why": why}),
        once: None,
        mailed: false,
    };
    events::raise(app, &mut tx, new).await?;
    tx.commit().await?;
    Ok(true)
}
