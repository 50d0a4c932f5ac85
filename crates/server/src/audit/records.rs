//! A leaf of the log in words: JSON for people and machines, made from the leaf's own bytes alone, so that whoever has the bytes can make
//! it again and compare.

use keystore_core::Micros;
use keystore_core::audit::{Entry, Leaf};
use keystore_core::ids::{AttemptId, OrgId, ProjectId};
use keystore_core::record::{Intent, Outcome, Record, Refusal, Topup};
use keystore_core::usage::Usage;
use keystore_wire::time::Time;
use serde_json::{Map, Value, json};

/// What a record is about, for who may see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// Of an organization, and of one of its projects where it belongs to one.
    Org(OrgId, Option<ProjectId>),
    /// The continuation of an attempt whose intent says whose it is.
    Attempt(AttemptId),
}

/// Whose a leaf is.
pub(crate) fn about(leaf: &Leaf<'_>) -> About {
    match leaf {
        Leaf::Change(entry) => About::Org(entry.org, entry.project),
        Leaf::Call(Record::Intent(intent)) => About::Org(intent.org, Some(intent.project)),
        Leaf::Call(Record::Refusal(refusal)) => About::Org(refusal.org, Some(refusal.project)),
        Leaf::Call(Record::Outcome(outcome)) => About::Attempt(outcome.attempt),
        Leaf::Call(Record::Topup(topup)) => About::Attempt(topup.attempt),
    }
}

/// When what a leaf tells of happened; a top-up does not say.
pub(crate) fn time(leaf: &Leaf<'_>) -> Option<Micros> {
    match leaf {
        Leaf::Change(entry) => Some(entry.at),
        Leaf::Call(Record::Intent(intent)) => Some(intent.at),
        Leaf::Call(Record::Refusal(refusal)) => Some(refusal.at),
        Leaf::Call(Record::Outcome(outcome)) => Some(outcome.at),
        Leaf::Call(Record::Topup(_)) => None,
    }
}

/// The record in words.
pub(super) fn record(leaf: &Leaf<'_>) -> Value {
    let mut value = match leaf {
        Leaf::Change(entry) => change(entry),
        Leaf::Call(Record::Intent(record)) => intent(record),
        Leaf::Call(Record::Outcome(record)) => outcome(record),
        Leaf::Call(Record::Refusal(record)) => refusal(record),
        Leaf::Call(Record::Topup(record)) => topup(record),
    };
    if let Value::Object(members) = &mut value {
        members.retain(|_, member| !member.is_null());
    }
    value
}

fn at(at: Micros) -> Time {
    at.into()
}

fn change(entry: &Entry) -> Value {
    json!({
        "kind": "change",
        "at": at(entry.at),
        "orgId": entry.org.to_string(),
        "seq": entry.seq,
        "action": entry.action,
        "actor": entry.actor,
        "subject": entry.subject,
        "projectId": entry.project.map(|id| id.to_string()),
        "address": entry.address,
        "requestId": entry.request.map(|id| id.to_string()),
    })
}

fn intent(intent: &Intent<'_>) -> Value {
    json!({
        "kind": "call",
        "at": at(intent.at),
        "orgId": intent.org.to_string(),
        "projectId": intent.project.to_string(),
        "requestId": intent.request.to_string(),
        "attemptId": intent.attempt.to_string(),
        "agentId": intent.agent.to_string(),
        "tokenId": intent.token.to_string(),
        "provider": intent.provider,
        "operation": intent.operation,
        "method": intent.method,
        "path": intent.path,
        "query": intent.query,
        "model": intent.model,
        "source": intent.source.as_str(),
        "credentialId": intent.credential.to_string(),
        "credentialVersion": intent.credential_version,
        "endUser": intent.end_user,
    })
}

fn outcome(outcome: &Outcome<'_>) -> Value {
    json!({
        "kind": "outcome",
        "at": at(outcome.at),
        "attemptId": outcome.attempt.to_string(),
        "ending": outcome.ending.as_str(),
        "status": outcome.status,
        "servedModel": outcome.served_model,
        "code": outcome.refusal,
        "costNanoUsd": outcome.cost.0,
        "usage": usage(&outcome.usage),
        "totalMicros": outcome.total_us,
        "requestBytes": outcome.request_bytes,
        "responseBytes": outcome.response_bytes,
    })
}

fn refusal(refusal: &Refusal<'_>) -> Value {
    json!({
        "kind": "refusal",
        "at": at(refusal.at),
        "orgId": refusal.org.to_string(),
        "projectId": refusal.project.to_string(),
        "requestId": refusal.request.to_string(),
        "agentId": refusal.agent.to_string(),
        "tokenId": refusal.token.to_string(),
        "provider": refusal.provider,
        "code": refusal.code,
        "status": refusal.status,
        "count": refusal.count,
        "model": refusal.model,
    })
}

fn topup(topup: &Topup<'_>) -> Value {
    json!({
        "kind": "hold",
        "attemptId": topup.attempt.to_string(),
        "holdNanoUsd": topup.hold.0,
    })
}

fn usage(usage: &Usage) -> Value {
    let members = usage
        .iter()
        .map(|(bucket, units)| (bucket.name().to_owned(), units.into()));
    Value::Object(members.collect::<Map<_, _>>())
}
