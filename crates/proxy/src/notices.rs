//! What the data plane notices that somebody may want to hear of, kept in memory until the control plane takes it and writes it down.
//! The request path waits for none of it.
//!
//! A thing that happens with every call is told once: a key that its vendor refuses, once until that is taken; a host that fails and
//! answers by turns, once for as long as it does ([`outages`]).

mod outages;

use std::sync::Mutex;

use keystore_core::abuse::{Found, Rule};
use keystore_core::budget;
use keystore_core::circuit::Change;
use keystore_core::ids::{AgentId, CredentialId, OrgId, ProjectId, RequestId};
use tokio::sync::Notify;

use crate::Proxy;
use crate::authorize::Permit;
use crate::cache::ReadyCredential;
use crate::lock::lock;
pub(crate) use outages::Host;
use outages::Outages;

/// Something that was noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Of a budget.
    Budget(budget::Notice),
    /// A host fails, or answers again.
    Circuit(CircuitNotice),
    /// A vendor refuses a key.
    RefusedKey(RefusedKey),
    /// A rule against abuse found too much.
    Abuse(AbuseNotice),
    /// A vendor held too many calls of a customer of a pool to be abuse.
    Signs(SignsNotice),
    /// An answer held what looks like a key.
    KeyInAnswer(KeyInAnswer),
}

/// A host of a credential fails so often that calls are held back, or has answered again for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitNotice {
    /// The organization.
    pub org: OrgId,
    /// The credential that is sent there.
    pub credential: CredentialId,
    /// The host, without its port.
    pub host: String,
    /// Whether it fails; else it answers again.
    pub fails: bool,
}

/// A vendor refuses a version of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedKey {
    /// The organization.
    pub org: OrgId,
    /// The credential.
    pub credential: CredentialId,
    /// The version.
    pub version: u32,
}

/// A rule against abuse found too much of what an agent does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbuseNotice {
    /// The organization.
    pub org: OrgId,
    /// The agent's project.
    pub project: ProjectId,
    /// The agent.
    pub agent: AgentId,
    /// The rule, and how much it found.
    pub found: Found,
}

/// A vendor held too many calls of a customer of a pool to be abuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignsNotice {
    /// The provider's slug.
    pub provider: String,
    /// The customer.
    pub tenant: OrgId,
    /// The rule of the pool.
    pub rule: Rule,
    /// How many there were within its window.
    pub amount: i64,
}

/// An answer held what looks like a vendor's key, which the proxy had not put into the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInAnswer {
    /// The organization.
    pub org: OrgId,
    /// The agent's project.
    pub project: ProjectId,
    /// The agent.
    pub agent: AgentId,
    /// Whose answer it was: a provider's slug.
    pub provider: String,
    /// Whose key it looks like, such as `github`.
    pub form: &'static str,
    /// The request.
    pub request: RequestId,
    /// Whether the agent was given asterisks in its place.
    pub taken_out: bool,
}

/// What was noticed and not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    kept: Mutex<Kept>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    waiting: Vec<Notice>,
    outages: Outages,
}

impl Notices {
    /// Keeps a notice, unless the same one waits already.
    pub(crate) fn add(&self, notice: Notice) {
        let mut kept = lock(&self.kept);
        if !kept.waiting.contains(&notice) {
            kept.waiting.push(notice);
            drop(kept);
            self.came.notify_one();
        }
    }
}

impl Proxy {
    /// What was noticed since this was asked last, oldest first of each kind.
    pub fn take_notices(&self) -> Vec<Notice> {
        let mut all: Vec<_> = self
            .counters
            .take_notices()
            .into_iter()
            .map(Notice::Budget)
            .collect();
        let mut kept = lock(&self.notices.kept);
        all.append(&mut kept.waiting);
        let over = kept.outages.over(self.clock.boottime());
        all.extend(over.map(|host| Notice::Circuit(host.answers())));
        all
    }

    /// Returns once there is something to take that should not wait.
    pub async fn noticed(&self) {
        self.notices.came.notified().await;
    }

    /// The vendor refused `credential`.
    pub(crate) fn note_bad_key(&self, permit: &Permit, credential: &ReadyCredential) {
        let is_known = permit.pool.is_none() && permit.grant().is_known_bad();
        if !is_known {
            self.note_refused(credential);
        }
    }

    /// As [`Proxy::note_bad_key`], where no call says whether that is known.
    pub(crate) fn note_refused(&self, credential: &ReadyCredential) {
        self.notices.add(Notice::RefusedKey(RefusedKey {
            org: credential.org,
            credential: credential.id,
            version: credential.version,
        }));
    }

    /// An answer held what looks like a key. The first that an agent is given, and is not told yet, stands for all.
    pub(crate) fn note_key_in_answer(&self, key: KeyInAnswer) {
        let told = |notice: &Notice| matches!(notice, Notice::KeyInAnswer(other) if other.agent == key.agent);
        if !lock(&self.notices.kept).waiting.iter().any(told) {
            self.notices.add(Notice::KeyInAnswer(key));
        }
    }

    /// The circuit of a host opened or closed.
    pub(crate) fn note_circuit(&self, host: Host, change: Change) {
        let mut kept = lock(&self.notices.kept);
        match change {
            Change::Closed => kept.outages.answers(&host, self.clock.boottime()),
            Change::Opened(_) if kept.outages.fails(&host) => {
                drop(kept);
                self.notices.add(Notice::Circuit(host.fails()));
            }
            Change::Opened(_) => {}
        }
    }
}
