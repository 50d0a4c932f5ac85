//! Traffic: one row for every attempt that ended and for every refusal, projected from the journal.
//!
//! The database has them by pages: up to 64 calls of one organization, as the records that made them (`requests/page.rs`). Whoever
//! looks for some reads the pages that may have them, and picks.

pub(crate) mod page;
mod read;

use keystore_core::ids::{AgentId, AttemptId, CredentialId, OrgId, ProjectId, RequestId, TokenId};
use keystore_core::policy::Source;
use keystore_core::record::{Ending, HeldBudget, Intent, Outcome, Refusal, Steps};
use keystore_core::{Micros, NanoUsd, Usage};

use self::page::Call;
#[cfg(test)]
pub(crate) use self::read::SQL;
pub use self::read::{Found, get, list, newest, of_all, since_seq};
pub(crate) use self::read::{each_between, hour, id_head, refused_of};

/// One attempt that ended, or a refusal.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestRow {
    /// Position in the order of endings; the key of pages and of `Last-Event-ID`. Has no gaps.
    pub seq: i64,
    /// The request.
    pub id: RequestId,
    /// The attempt; none for a refusal.
    pub attempt: Option<AttemptId>,
    /// When it was admitted or refused.
    pub at: Micros,
    /// When it ended.
    pub ended_at: Micros,
    /// The tenant.
    pub org: OrgId,
    /// The agent's project.
    pub project: ProjectId,
    /// The agent.
    pub agent: AgentId,
    /// The token.
    pub token: TokenId,
    /// The provider's slug.
    pub provider: String,
    /// The operation's name, or `other`; none for a refusal.
    pub operation: Option<String>,
    /// The HTTP method; none for a refusal.
    pub method: Option<String>,
    /// The upstream path; none for a refusal.
    pub path: Option<String>,
    /// The model that the body named.
    pub model: Option<String>,
    /// For whom it was made, where the agent said so.
    pub end_user: Option<String>,
    /// The model that the vendor says it served.
    pub served_model: Option<String>,
    /// Whose credential; none for a refusal.
    pub source: Option<Source>,
    /// The credential; none for a refusal.
    pub credential: Option<CredentialId>,
    /// Its version; none for a refusal.
    pub credential_version: Option<u32>,
    /// How the attempt ended; none for a refusal.
    pub ending: Option<Ending>,
    /// The status of the answer; 0 when there was none.
    pub status: u16,
    /// The error code that the client was given in place of an upstream's answer.
    pub refusal: Option<String>,
    /// How many requests this stands for; more than 1 only for coalesced refusals.
    pub count: u32,
    /// What was held.
    pub hold: NanoUsd,
    /// The budgets that it was held against.
    pub budgets: Vec<HeldBudget>,
    /// When the attempt came to its steps.
    pub steps: Option<Steps>,
    /// What it cost.
    pub cost: NanoUsd,
    /// The usage was estimated.
    pub estimated: bool,
    /// There was no price.
    pub unpriced: bool,
    /// The vendor reported more than was held.
    pub over_hold: bool,
    /// The vendor bills it in another way.
    pub external: bool,
    /// What was used, by bucket name.
    pub usage: serde_json::Value,
    /// Microseconds to the first byte of the answer's body; 0 when there was none.
    pub first_byte_us: u64,
    /// Microseconds to the end.
    pub total_us: u64,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
}

impl RequestRow {
    fn of(seq: i64, call: &Call<'_>) -> Self {
        match call {
            Call::Ended(intent, outcome) => Self::ended(seq, intent, outcome),
            Call::Refused(refusal) => Self::refused(seq, refusal),
        }
    }

    fn ended(seq: i64, intent: &Intent<'_>, outcome: &Outcome<'_>) -> Self {
        Self {
            seq,
            id: intent.request,
            attempt: Some(intent.attempt),
            at: intent.at,
            ended_at: outcome.at,
            org: intent.org,
            project: intent.project,
            agent: intent.agent,
            token: intent.token,
            provider: intent.provider.to_owned(),
            operation: Some(intent.operation.to_owned()),
            method: Some(intent.method.to_owned()),
            path: Some(intent.path.to_owned()),
            model: intent.model.map(str::to_owned),
            end_user: intent.end_user.map(str::to_owned),
            served_model: outcome.served_model.map(str::to_owned),
            source: Some(intent.source),
            credential: Some(intent.credential),
            credential_version: Some(intent.credential_version),
            ending: Some(outcome.ending),
            status: outcome.status,
            refusal: outcome.refusal.map(str::to_owned),
            count: 1,
            hold: intent.hold,
            budgets: intent.budgets.to_vec(),
            steps: outcome.steps,
            cost: outcome.cost,
            estimated: outcome.flags.estimated,
            unpriced: outcome.flags.unpriced,
            over_hold: outcome.flags.over_hold,
            external: outcome.flags.external,
            usage: usage_json(&outcome.usage),
            first_byte_us: outcome.first_byte_us,
            total_us: outcome.total_us,
            request_bytes: outcome.request_bytes,
            response_bytes: outcome.response_bytes,
        }
    }

    fn refused(seq: i64, refusal: &Refusal<'_>) -> Self {
        Self {
            seq,
            id: refusal.request,
            attempt: None,
            at: refusal.at,
            ended_at: refusal.at,
            org: refusal.org,
            project: refusal.project,
            agent: refusal.agent,
            token: refusal.token,
            provider: refusal.provider.to_owned(),
            operation: None,
            method: None,
            path: None,
            end_user: None,
            model: refusal.model.map(str::to_owned),
            served_model: None,
            source: None,
            credential: None,
            credential_version: None,
            ending: None,
            status: refusal.status,
            refusal: Some(refusal.code.to_owned()),
            count: refusal.count,
            hold: NanoUsd::ZERO,
            budgets: Vec::new(),
            steps: None,
            cost: NanoUsd::ZERO,
            estimated: false,
            unpriced: false,
            over_hold: false,
            external: false,
            usage: usage_json(&Usage::ZERO),
            first_byte_us: 0,
            total_us: 0,
            request_bytes: 0,
            response_bytes: 0,
        }
    }
}

fn usage_json(usage: &Usage) -> serde_json::Value {
    serde_json::Value::Object(
        usage
            .iter()
            .map(|(bucket, units)| (bucket.name().to_owned(), units.into()))
            .collect(),
    )
}

/// Which rows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of this project.
    pub project: Option<ProjectId>,
    /// Only of this agent.
    pub agent: Option<AgentId>,
    /// Only at this provider.
    pub provider: Option<String>,
    /// Only with this model in the body.
    pub model: Option<String>,
    /// Only admitted at or after this time.
    pub since: Option<Micros>,
    /// Only admitted before this time.
    pub until: Option<Micros>,
    /// Only with this status.
    pub status: Option<u16>,
    /// Only with this error code.
    pub refusal: Option<String>,
    /// Only refusals and errors of ours (`true`), or only the rest (`false`).
    pub refused: Option<bool>,
    /// Only what cost at least this.
    pub min_cost: Option<NanoUsd>,
}

impl Filter {
    fn admits(&self, call: &Call<'_>) -> bool {
        let (project, agent, provider, model, at, status, refusal, cost) = match call {
            Call::Ended(intent, outcome) => (
                intent.project,
                intent.agent,
                intent.provider,
                intent.model,
                intent.at,
                outcome.status,
                outcome.refusal,
                outcome.cost,
            ),
            Call::Refused(refusal) => (
                refusal.project,
                refusal.agent,
                refusal.provider,
                refusal.model,
                refusal.at,
                refusal.status,
                Some(refusal.code),
                NanoUsd::ZERO,
            ),
        };
        self.project.is_none_or(|wanted| wanted == project)
            && self.agent.is_none_or(|wanted| wanted == agent)
            && self.provider.as_deref().is_none_or(|wanted| wanted == provider)
            && self.model.as_deref().is_none_or(|wanted| model == Some(wanted))
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
            && self.status.is_none_or(|wanted| wanted == status)
            && self
                .refusal
                .as_deref()
                .is_none_or(|wanted| refusal == Some(wanted))
            && self.refused.is_none_or(|wanted| refusal.is_some() == wanted)
            && self.min_cost.is_none_or(|wanted| cost >= wanted)
    }
}
