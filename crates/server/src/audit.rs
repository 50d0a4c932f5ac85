//! What goes into the audit log: every change that the control plane makes, in the same transaction as the change; and failed
//! sign-ins.
//!
//! An entry says what a thing was before and is afterwards, in the words of the API, which never show a secret. The action is the
//! operation's name, so that the log, the description of the API and the SDKs speak of one thing in one word.
//!
//! What is recorded here, and what the journal has of calls, becomes leaves of one Merkle tree (`tree`), which is signed (`notary`).

pub mod check;
pub(crate) mod export;
pub mod exported;
pub(crate) mod notary;
pub mod offline;
pub(crate) mod payloads;
mod proofs;
pub(crate) mod prove;
mod records;
pub(crate) mod retention;
pub mod sinks;
mod tree;
pub(crate) mod walk;

pub use keystore_vault::note::{Checkpoint, Verifier};

use keystore_core::ids::{OrgId, ProjectId, UserId};
use keystore_store::Tx;
use keystore_store::audit::NewEntry;
use keystore_vault::commitment::{commitment, salt};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::problem::{ApiError, ApiResult};
use crate::auth::agent::AgentCaller;
use crate::auth::caller::{Caller, Who};
use crate::auth::origin::Origin;

/// The actor when nobody asked: `ks dev` setting itself up, and a rule that pauses an agent.
const SYSTEM: &str = "system";

/// The actor when it is not known who asked.
const NOBODY: &str = "anonymous";

/// Who the caller is in the log: the id of a person or a key.
pub(crate) fn actor(caller: &Caller) -> String {
    match caller.who {
        Who::User { user, .. } => user.to_string(),
        Who::Key { id, .. } => id.to_string(),
        Who::Machine { .. } => SYSTEM.to_owned(),
    }
}

/// One change of one thing.
#[derive(Debug)]
pub(crate) struct Event {
    action: &'static str,
    subject: String,
    project: Option<ProjectId>,
    before: Value,
    after: Value,
}

impl Event {
    /// The operation `action` on the thing with the id `subject`.
    pub(crate) fn new(action: &'static str, subject: &impl std::fmt::Display) -> Self {
        Self {
            action,
            subject: subject.to_string(),
            project: None,
            before: Value::Null,
            after: Value::Null,
        }
    }

    /// The project that the thing is in. Without one, only callers of the whole organization see the entry.
    pub(crate) fn within(mut self, project: impl Into<Option<ProjectId>>) -> Self {
        self.project = project.into();
        self
    }

    /// What it was.
    ///
    /// # Errors
    /// `internal`: it cannot be written as JSON.
    pub(crate) fn before(mut self, thing: &impl Serialize) -> ApiResult<Self> {
        self.before = serde_json::to_value(thing).map_err(ApiError::internal)?;
        Ok(self)
    }

    /// What it is now.
    ///
    /// # Errors
    /// `internal`: it cannot be written as JSON.
    pub(crate) fn after(mut self, thing: &impl Serialize) -> ApiResult<Self> {
        self.after = serde_json::to_value(thing).map_err(ApiError::internal)?;
        Ok(self)
    }

    /// Records that `caller` did this in their organization.
    ///
    /// # Errors
    /// The vault's.
    pub(crate) fn by(self, tx: &mut Tx, caller: &Caller) -> ApiResult<()> {
        self.record(tx, caller.org, actor(caller), caller.origin)
    }

    /// Records that an agent did this, with its own token.
    ///
    /// # Errors
    /// The vault's.
    pub(crate) fn by_agent(self, tx: &mut Tx, caller: &AgentCaller) -> ApiResult<()> {
        self.record(tx, caller.org(), caller.agent().to_string(), caller.origin())
    }

    /// Records that the server did this by itself.
    ///
    /// # Errors
    /// The vault's.
    pub(crate) fn by_system(self, tx: &mut Tx, org: OrgId) -> ApiResult<()> {
        self.record(tx, org, SYSTEM.to_owned(), Origin::default())
    }

    /// Records that a person did this who has no session yet, or not in this organization.
    ///
    /// # Errors
    /// The vault's.
    pub(crate) fn by_person(self, tx: &mut Tx, org: OrgId, user: UserId, origin: Origin) -> ApiResult<()> {
        self.record(tx, org, user.to_string(), origin)
    }

    /// Records that somebody tried this who did not prove who they are.
    ///
    /// # Errors
    /// The vault's.
    pub(crate) fn by_nobody(self, tx: &mut Tx, org: OrgId, origin: Origin) -> ApiResult<()> {
        self.record(tx, org, NOBODY.to_owned(), origin)
    }

    fn record(self, tx: &mut Tx, org: OrgId, actor: String, origin: Origin) -> ApiResult<()> {
        let address = origin.address.map(|address| address.to_string());
        let payload = json!({
            "before": self.before,
            "after": self.after,
            "address": address,
            "salt": salt()?,
        });
        let payload = payload.to_string();
        tx.audit(NewEntry {
            org,
            action: self.action,
            actor,
            subject: self.subject,
            project: self.project,
            request: origin.request,
            payload_sha256: commitment(payload.as_bytes()),
            payload,
        });
        Ok(())
    }
}
