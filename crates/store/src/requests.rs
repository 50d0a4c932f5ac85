//! Traffic: one row for every attempt that ended and for every refusal, projected from the journal.
//!
//! A row has columns for what it is filtered and ordered by, and keeps the records that made it: the rest is read from them.

use keystore_core::ids::{AgentId, AttemptId, CredentialId, OrgId, ProjectId, RequestId, TokenId};
use keystore_core::policy::Source;
use keystore_core::record::{Ending, Intent, Outcome, Record, Refusal};
use keystore_core::{Micros, NanoUsd, Usage};

use crate::column::Bind;
use crate::db::{Conn, fetch_all, fetch_built, sql};
use crate::error::StoreError;
use crate::journal::batch;

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
    /// A row from the records that made it.
    pub(crate) fn read((seq, body): (i64, Vec<u8>)) -> Result<Self, StoreError> {
        let mut records = batch::records(&body);
        let mut next = || Ok::<_, StoreError>(records.next().transpose()?.map(|framed| framed.record));
        match (next()?, next()?) {
            (Some(Record::Intent(intent)), Some(Record::Outcome(outcome))) => {
                Ok(Self::ended(seq, &intent, &outcome))
            }
            (Some(Record::Refusal(refusal)), None) => Ok(Self::refused(seq, &refusal)),
            _ => Err(StoreError::damaged("a request that is neither ended nor refused")),
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
            served_model: outcome.served_model.map(str::to_owned),
            source: Some(intent.source),
            credential: Some(intent.credential),
            credential_version: Some(intent.credential_version),
            ending: Some(outcome.ending),
            status: outcome.status,
            refusal: outcome.refusal.map(str::to_owned),
            count: 1,
            hold: intent.hold,
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
}

sql! {
    GET = "SELECT seq, body FROM requests WHERE org = $1 AND id = $2 ORDER BY seq DESC";
}

const LIST: &str = "SELECT seq, body FROM requests WHERE org = ";

/// Pushes the conditions of a filter onto a query builder.
macro_rules! push_filter {
    ($builder:ident, $org:expr, $filter:expr) => {{
        $builder.push_bind($org.raw());
        let filter: &Filter = $filter;
        if let Some(project) = filter.project {
            $builder.push(" AND project = ").push_bind(project.raw());
        }
        if let Some(agent) = filter.agent {
            $builder.push(" AND agent = ").push_bind(agent.raw());
        }
        if let Some(provider) = &filter.provider {
            $builder.push(" AND provider = ").push_bind(provider.raw());
        }
        if let Some(model) = &filter.model {
            $builder.push(" AND model = ").push_bind(model.raw());
        }
        if let Some(since) = filter.since {
            $builder.push(" AND at >= ").push_bind(since.raw());
        }
        if let Some(until) = filter.until {
            $builder.push(" AND at < ").push_bind(until.raw());
        }
        if let Some(status) = filter.status {
            $builder.push(" AND status = ").push_bind(status.raw());
        }
        if let Some(refusal) = &filter.refusal {
            $builder.push(" AND refusal = ").push_bind(refusal.raw());
        }
        match filter.refused {
            Some(true) => $builder.push(" AND refusal IS NOT NULL"),
            Some(false) => $builder.push(" AND refusal IS NULL"),
            None => &mut $builder,
        };
    }};
}

/// The rows that fit, the newest first, from before `before` (a `seq`) on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    filter: &Filter,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<RequestRow>, StoreError> {
    let rows = fetch_built!(conn, (i64, Vec<u8>), LIST, |builder| {
        push_filter!(builder, org, filter);
        builder.push(" AND seq < ").push_bind(before.unwrap_or(i64::MAX));
        builder
            .push(" ORDER BY seq DESC LIMIT ")
            .push_bind(i64::from(limit));
    })?;
    rows.into_iter().map(RequestRow::read).collect()
}

/// The rows of a request, the newest first: one for each attempt.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, id: RequestId) -> Result<Vec<RequestRow>, StoreError> {
    let rows = fetch_all!(conn, (i64, Vec<u8>), GET, org, id)?;
    rows.into_iter().map(RequestRow::read).collect()
}

/// The rows that fit and came after `after` (a `seq`), the oldest first, at most `limit`: for following.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn since_seq(
    conn: &mut Conn,
    org: OrgId,
    filter: &Filter,
    after: i64,
    limit: u32,
) -> Result<Vec<RequestRow>, StoreError> {
    let rows = fetch_built!(conn, (i64, Vec<u8>), LIST, |builder| {
        push_filter!(builder, org, filter);
        builder.push(" AND seq > ").push_bind(after);
        builder.push(" ORDER BY seq LIMIT ").push_bind(i64::from(limit));
    })?;
    rows.into_iter().map(RequestRow::read).collect()
}
