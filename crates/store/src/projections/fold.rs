//! The fold: records in, effects out. Pure, so that a test can compare it with a naive one.

use std::collections::{BTreeMap, HashMap, HashSet};

use keystore_core::ids::{AgentId, AttemptId, BudgetId, OrgId, ProjectId, RequestId};
use keystore_core::record::{Ending, Intent, Outcome, Record, Refusal};
use keystore_core::{Bucket, Micros, Usage};

use crate::error::StoreError;
use crate::requests::RequestRow;

/// What the tables already know of the records' subjects.
#[derive(Default)]
pub(super) struct Known {
    /// Open intents that an outcome among the records may end.
    pub(super) open: HashMap<AttemptId, Intent>,
    /// Requests of refusals that were taken in before.
    pub(super) refused: HashSet<RequestId>,
}

/// What a chunk of records changes.
#[derive(Default)]
pub(super) struct Effects {
    /// Open at the end of the chunk and begun in it, with the journal row of the intent.
    pub(super) opened: BTreeMap<AttemptId, (i64, Intent)>,
    /// Open before the chunk and ended in it.
    pub(super) ended: Vec<AttemptId>,
    /// New rows of `requests`, in order.
    pub(super) rows: Vec<RequestRow>,
    /// Nano-dollars by budget and start of the window.
    pub(super) spend: BTreeMap<(BudgetId, Micros), i64>,
    /// Admitted requests by agent, provider and UTC day.
    pub(super) admitted: BTreeMap<(AgentId, String, i64), i64>,
    /// Usage by its key.
    pub(super) usage: BTreeMap<UsageKey, Sums>,
}

/// The key of `usage_daily`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UsageKey {
    pub(super) org: OrgId,
    pub(super) project: ProjectId,
    pub(super) agent: AgentId,
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) source: &'static str,
    pub(super) day: i64,
}

/// The sums of `usage_daily`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) calls: i64,
    pub(super) errors: i64,
    pub(super) refused: i64,
    pub(super) input: i64,
    pub(super) cache_read: i64,
    pub(super) cache_write: i64,
    pub(super) output: i64,
    pub(super) reasoning: i64,
    pub(super) cost: i64,
}

const MICROS_A_DAY: i64 = 86_400_000_000;

/// The UTC day of a time, counted from 1970-01-01.
pub(crate) const fn utc_day(at: Micros) -> i64 {
    at.0.div_euclid(MICROS_A_DAY)
}

/// Folds records of journal rows (each with the row's number); `last` is the newest `seq` of `requests` before them.
pub(super) fn fold(records: Vec<(i64, Record)>, known: Known, last: i64) -> Effects {
    let mut fold = Fold {
        effects: Effects::default(),
        known,
        next: last + 1,
    };
    for (seq, record) in records {
        match record {
            Record::Intent(intent) => fold.intent(seq, intent),
            Record::Outcome(outcome) => fold.outcome(&outcome),
            Record::Refusal(refusal) => fold.refusal(refusal),
        }
    }
    fold.effects
}

struct Fold {
    effects: Effects,
    known: Known,
    next: i64,
}

impl Fold {
    fn intent(&mut self, seq: i64, intent: Intent) {
        let key = (intent.agent, intent.provider.clone(), utc_day(intent.at));
        *self.effects.admitted.entry(key).or_default() += 1;
        self.effects.opened.insert(intent.attempt, (seq, intent));
    }

    /// The first outcome of an attempt counts. One without an open intent is a later one, or its intent was never written.
    fn outcome(&mut self, outcome: &Outcome) {
        let intent = match self.effects.opened.remove(&outcome.attempt) {
            Some((_, intent)) => intent,
            None => match self.known.open.remove(&outcome.attempt) {
                Some(intent) => {
                    self.effects.ended.push(outcome.attempt);
                    intent
                }
                None => return,
            },
        };
        if outcome.ending == Ending::NotSent {
            // It gives its place in the day back.
            let key = (intent.agent, intent.provider.clone(), utc_day(intent.at));
            *self.effects.admitted.entry(key).or_default() -= 1;
        }
        for held in &intent.budgets {
            let spent = self
                .effects
                .spend
                .entry((held.budget, held.window_start))
                .or_default();
            *spent = spent.saturating_add(outcome.cost.0);
        }
        let key = UsageKey {
            org: intent.org,
            project: intent.project,
            agent: intent.agent,
            provider: intent.provider.clone(),
            model: intent.model.clone().unwrap_or_default(),
            source: intent.source.as_str(),
            day: utc_day(intent.at),
        };
        self.effects.usage.entry(key).or_default().add(outcome);
        let seq = self.number();
        self.effects.rows.push(ended_row(seq, intent, outcome));
    }

    fn refusal(&mut self, refusal: Refusal) {
        if !self.known.refused.insert(refusal.request) {
            return;
        }
        let key = UsageKey {
            org: refusal.org,
            project: refusal.project,
            agent: refusal.agent,
            provider: refusal.provider.clone(),
            model: refusal.model.clone().unwrap_or_default(),
            source: "",
            day: utc_day(refusal.at),
        };
        self.effects.usage.entry(key).or_default().refused += i64::from(refusal.count);
        let seq = self.number();
        self.effects.rows.push(refused_row(seq, refusal));
    }

    fn number(&mut self) -> i64 {
        let seq = self.next;
        self.next += 1;
        seq
    }
}

impl Sums {
    fn add(&mut self, outcome: &Outcome) {
        let ended_well = outcome.ending == Ending::Complete && (1..400).contains(&outcome.status);
        let units = |buckets: &[Bucket]| {
            let sum = buckets.iter().fold(0_u64, |sum, bucket| {
                sum.saturating_add(outcome.usage.get(*bucket))
            });
            i64::try_from(sum).unwrap_or(i64::MAX)
        };
        let add = |to: &mut i64, units: i64| *to = to.saturating_add(units);
        self.calls += 1;
        self.errors += i64::from(!ended_well);
        add(
            &mut self.input,
            units(&[Bucket::InputUncached, Bucket::AudioIn, Bucket::ImageIn]),
        );
        let reads = [Bucket::CacheRead, Bucket::AudioCacheRead, Bucket::ImageCacheRead];
        add(&mut self.cache_read, units(&reads));
        let writes = [Bucket::CacheWrite, Bucket::CacheWrite5m, Bucket::CacheWrite1h];
        add(&mut self.cache_write, units(&writes));
        add(
            &mut self.output,
            units(&[Bucket::OutputText, Bucket::AudioOut, Bucket::ImageOut]),
        );
        add(&mut self.reasoning, units(&[Bucket::Reasoning]));
        add(&mut self.cost, outcome.cost.0);
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

fn ended_row(seq: i64, intent: Intent, outcome: &Outcome) -> RequestRow {
    RequestRow {
        seq,
        id: intent.request,
        attempt: Some(intent.attempt),
        at: intent.at,
        ended_at: outcome.at,
        org: intent.org,
        project: intent.project,
        agent: intent.agent,
        token: intent.token,
        provider: intent.provider,
        operation: Some(intent.operation),
        method: Some(intent.method),
        path: Some(intent.path),
        model: intent.model,
        served_model: outcome.served_model.clone(),
        source: Some(intent.source),
        credential: Some(intent.credential),
        credential_version: Some(intent.credential_version),
        ending: Some(outcome.ending),
        status: outcome.status,
        refusal: outcome.refusal.clone(),
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

fn refused_row(seq: i64, refusal: Refusal) -> RequestRow {
    RequestRow {
        seq,
        id: refusal.request,
        attempt: None,
        at: refusal.at,
        ended_at: refusal.at,
        org: refusal.org,
        project: refusal.project,
        agent: refusal.agent,
        token: refusal.token,
        provider: refusal.provider,
        operation: None,
        method: None,
        path: None,
        model: refusal.model,
        served_model: None,
        source: None,
        credential: None,
        credential_version: None,
        ending: None,
        status: refusal.status,
        refusal: Some(refusal.code),
        count: refusal.count,
        hold: keystore_core::NanoUsd::ZERO,
        cost: keystore_core::NanoUsd::ZERO,
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

/// The bytes of an open intent.
pub(super) fn encode_intent(intent: &Intent) -> Vec<u8> {
    minicbor::to_vec(intent).unwrap_or_default()
}

/// The open intent in these bytes.
pub(super) fn decode_intent(body: &[u8]) -> Result<Intent, StoreError> {
    minicbor::decode(body).map_err(|error| StoreError::damaged(error.to_string()))
}
