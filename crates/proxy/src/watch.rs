//! Beside the request path: what the rules against abuse look at. An agent that no rule watches has no [`Watched`], and nothing is
//! counted of it; of one that is watched, each thing costs one lock that it has for itself.
//!
//! A request is told from others by a digest of its method, its path and its body under a secret of this process: nothing of it is kept.

use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Method;
use keystore_core::NanoUsd;
use keystore_core::abuse::{self, Found, Rules, Watch};
use keystore_core::ids::{AgentId, OrgId, ProjectId};
use keystore_core::policy::AgentPolicy;

use crate::Proxy;
use crate::authorize::Permit;
use crate::cache::Agent;
use crate::counters::Counters;
use crate::lock::lock;
use crate::notices::{AbuseNotice, Notice};
use crate::refuse::Refusal;

/// An agent that rules watch.
#[derive(Debug)]
pub(crate) struct Watched {
    org: OrgId,
    project: ProjectId,
    agent: AgentId,
    /// Those in force.
    rules: Rules,
    /// The same one for as long as the process lives.
    counts: Arc<Mutex<Watch>>,
}

impl Watched {
    /// The agent, if a rule watches it: its own, its project's or its organization's.
    pub(crate) fn of(
        policy: &AgentPolicy,
        [org, project]: [Rules; 2],
        counters: &Counters,
    ) -> Option<Arc<Self>> {
        let rules = policy.abuse.under(project.under(org)).in_force();
        if rules.is_none() {
            return None;
        }
        Some(Arc::new(Self {
            org: policy.org,
            project: policy.project,
            agent: policy.agent,
            rules,
            counts: counters.watch(policy.agent),
        }))
    }
}

impl Proxy {
    /// A request of the agent was refused.
    pub(crate) fn watch_refusal(&self, agent: &Agent, refusal: &Refusal) {
        let Some(watched) = &agent.watched else { return };
        if matches!(refusal, Refusal::Deny(deny) if abuse::blames_agent(deny)) {
            let found = lock(&watched.counts).refused(&watched.rules, self.clock.boottime());
            self.note_abuse(watched, found);
        }
    }

    /// A request asks for something, with a body that was read.
    pub(crate) fn watch_request(&self, permit: &Permit, method: &Method, body: &Bytes) {
        let Some(watched) = &permit.agent.watched else {
            return;
        };
        if watched.rules.identical_requests.is_none() {
            return;
        }
        let target = &permit.target;
        let place = (
            target.slug(),
            target.alias(),
            target.upstream_path(),
            target.query(),
        );
        let digest = self.digests.hash_one((method, place, body));
        let found = lock(&watched.counts).asked(&watched.rules, digest, self.clock.boottime());
        self.note_abuse(watched, found);
    }

    /// A call was settled.
    pub(crate) fn watch_cost(&self, watched: &Watched, cost: NanoUsd) {
        let found = lock(&watched.counts).spent(&watched.rules, cost, self.clock.boottime());
        self.note_abuse(watched, found);
    }

    fn note_abuse(&self, watched: &Watched, found: Option<Found>) {
        if let Some(found) = found {
            self.notices.add(Notice::Abuse(AbuseNotice {
                org: watched.org,
                project: watched.project,
                agent: watched.agent,
                found,
            }));
        }
    }
}
