//! The fold: records in, effects out. Pure, so that a test can compare it with a naive one.

use std::collections::{BTreeMap, HashMap, HashSet};

use keystore_core::ids::{AgentId, AttemptId, BudgetId, CredentialId, OrgId, ProjectId, RequestId};
use keystore_core::policy::Source;
use keystore_core::record::{Ending, HeldBudget, Intent, Outcome, Record, Refusal, Topup, model_key};
use keystore_core::time::utc_day;
use keystore_core::{Bucket, Micros, NanoUsd};

use super::charges::{Books, Charges};
use crate::error::StoreError;
use crate::journal::batch::{self, Framed};

/// What the tables already know of the records' subjects.
#[derive(Default)]
pub(super) struct Known {
    /// Open intents of which the records may tell, each as it is kept.
    pub(super) open: Vec<Vec<u8>>,
    /// Requests of refusals that were taken in before.
    pub(super) refused: HashSet<RequestId>,
    /// The ledger and the months; as if there were none where no record needs them.
    pub(super) books: Books,
}

/// What a chunk of records changes.
#[derive(Default)]
pub(super) struct Effects<'a> {
    /// Open at the end of the chunk and begun or grown in it: the journal row that did, and the frames of the intent and of its
    /// last top-up, if there is one.
    pub(super) opened: BTreeMap<AttemptId, (i64, [&'a [u8]; 2])>,
    /// Open before the chunk and ended in it.
    pub(super) ended: Vec<AttemptId>,
    /// What ended, in order.
    pub(super) ended_calls: Vec<EndedCall<'a>>,
    /// What was used, by budget and start of the window, in the budget's unit.
    pub(super) spend: BTreeMap<(BudgetId, Micros), i64>,
    /// Admitted requests by agent, provider and UTC day.
    pub(super) admitted: BTreeMap<(AgentId, &'a str, i64), i64>,
    /// Usage by its key.
    pub(super) usage: BTreeMap<UsageKey<'a>, Sums>,
    /// What calls with pooled credentials were charged.
    pub(super) charges: Charges<'a>,
    /// What was sold, by UTC day, provider, customer and credential.
    pub(super) sales: BTreeMap<(i64, &'a str, OrgId, CredentialId), Sale>,
    /// The newest version of each credential that an agent's call was made with.
    pub(super) served: BTreeMap<CredentialId, u32>,
}

/// The sums of `pool_sales`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sale {
    pub(super) calls: i64,
    pub(super) failed_over: i64,
    pub(super) cost: i64,
    pub(super) vendor_cost: i64,
}

impl Sale {
    /// What a crash is charged is taken to be what it costs.
    fn add(&mut self, outcome: &Outcome<'_>) {
        let vendor_cost = outcome
            .market
            .as_ref()
            .map_or(outcome.cost, |market| market.vendor_cost);
        self.calls += i64::from(!outcome.ending.is_void());
        self.failed_over += i64::from(outcome.ending == Ending::FailedOver);
        self.cost = self.cost.saturating_add(outcome.cost.0);
        self.vendor_cost = self.vendor_cost.saturating_add(vendor_cost.0);
    }
}

/// A call for the pages of requests: what it is found by, and the frames of the records that made it.
pub(super) struct EndedCall<'a> {
    pub(super) seq: i64,
    pub(super) id: RequestId,
    pub(super) at: Micros,
    pub(super) org: OrgId,
    pub(super) agent: AgentId,
    /// Of the intent and its outcome, or of the refusal and nothing.
    pub(super) frames: [&'a [u8]; 2],
}

/// The key of `usage_daily`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UsageKey<'a> {
    pub(super) org: OrgId,
    pub(super) project: ProjectId,
    pub(super) agent: AgentId,
    pub(super) provider: &'a str,
    pub(super) model: &'a str,
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

/// Folds records of journal rows (each with the row's number); `last` is the newest `seq` of the requests before them.
pub(super) fn fold<'a>(
    records: &[(i64, Framed<'a>)],
    known: &'a Known,
    last: i64,
) -> Result<Effects<'a>, StoreError> {
    let mut kept = Vec::with_capacity(known.open.len());
    for body in &known.open {
        kept.push(batch::open_intent(body)?);
    }
    let mut fold = Fold {
        effects: Effects::default(),
        open: HashMap::new(),
        refused: known.refused.clone(),
        books: &known.books,
        next: last + 1,
    };
    for (intent, frame) in &kept {
        fold.open.insert(intent.attempt, Open::new(intent, frame));
    }
    for (row, Framed { record, frame }) in records {
        match record {
            Record::Intent(intent) => fold.intent(*row, intent, frame),
            Record::Topup(topup) => fold.topup(*row, topup, frame),
            Record::Outcome(outcome) => fold.outcome(*row, outcome, frame)?,
            Record::Refusal(refusal) => fold.refusal(refusal, frame),
        }
    }
    Ok(fold.end())
}

/// What is decoded stays where it is: it is large.
struct Fold<'r, 'a> {
    effects: Effects<'a>,
    open: HashMap<AttemptId, Open<'r, 'a>>,
    refused: HashSet<RequestId>,
    books: &'r Books,
    next: i64,
}

/// An intent without an outcome so far.
struct Open<'r, 'a> {
    intent: &'r Intent<'a>,
    frame: &'a [u8],
    /// It is in the table already.
    is_kept: bool,
    /// The journal row by which what is in the table changes.
    row: Option<i64>,
    /// Its last top-up in this chunk, with its frame.
    topup: Option<(&'r Topup<'a>, &'a [u8])>,
}

impl<'r, 'a> Open<'r, 'a> {
    const fn new(intent: &'r Intent<'a>, frame: &'a [u8]) -> Self {
        Self {
            intent,
            frame,
            is_kept: true,
            row: None,
            topup: None,
        }
    }

    /// What is held for it now, and against which budgets.
    fn held(&self) -> (NanoUsd, &'r [HeldBudget]) {
        match self.topup {
            Some((topup, _)) => (topup.hold, &topup.budgets),
            None => (self.intent.hold, &self.intent.budgets),
        }
    }
}

impl<'r, 'a> Fold<'r, 'a> {
    fn intent(&mut self, row: i64, intent: &'r Intent<'a>, frame: &'a [u8]) {
        let key = (intent.agent, intent.provider, utc_day(intent.at));
        *self.effects.admitted.entry(key).or_default() += 1;
        if intent.is_of_an_agent() {
            let served = self.effects.served.entry(intent.credential).or_default();
            *served = intent.credential_version.max(*served);
        }
        let open = Open {
            is_kept: false,
            row: Some(row),
            ..Open::new(intent, frame)
        };
        self.open.insert(intent.attempt, open);
    }

    /// One of a call that has ended changes nothing.
    fn topup(&mut self, row: i64, topup: &'r Topup<'a>, frame: &'a [u8]) {
        if let Some(open) = self.open.get_mut(&topup.attempt) {
            open.row.get_or_insert(row);
            open.topup = Some((topup, frame));
        }
    }

    /// The first outcome of an attempt counts. One without an open intent is a later one, or its intent was never written.
    fn outcome(&mut self, row: i64, outcome: &Outcome<'a>, frame: &'a [u8]) -> Result<(), StoreError> {
        let Some(open) = self.open.remove(&outcome.attempt) else {
            return Ok(());
        };
        if open.is_kept {
            self.effects.ended.push(outcome.attempt);
        }
        let intent = open.intent;
        if outcome.ending.is_void() {
            // It gives its place in the day back.
            let key = (intent.agent, intent.provider, utc_day(intent.at));
            *self.effects.admitted.entry(key).or_default() -= 1;
        }
        let (hold, budgets) = open.held();
        for held in budgets {
            let spent = self
                .effects
                .spend
                .entry((held.budget, held.window_start))
                .or_default();
            *spent = spent.saturating_add(held.used(hold, outcome));
        }
        let key = UsageKey {
            org: intent.org,
            project: intent.project,
            agent: intent.agent,
            provider: intent.provider,
            model: model_key(intent.model),
            source: intent.source.as_str(),
            day: utc_day(intent.at),
        };
        self.effects.usage.entry(key).or_default().add(outcome);
        self.effects.charges.add(self.books, row, intent, outcome)?;
        if intent.source == Source::Marketplace {
            let key = (utc_day(intent.at), intent.provider, intent.org, intent.credential);
            self.effects.sales.entry(key).or_default().add(outcome);
        }
        let seq = self.number();
        self.effects.ended_calls.push(EndedCall {
            seq,
            id: intent.request,
            at: intent.at,
            org: intent.org,
            agent: intent.agent,
            frames: [open.frame, frame],
        });
        Ok(())
    }

    fn refusal(&mut self, refusal: &Refusal<'a>, frame: &'a [u8]) {
        if !self.refused.insert(refusal.request) {
            return;
        }
        let key = UsageKey {
            org: refusal.org,
            project: refusal.project,
            agent: refusal.agent,
            provider: refusal.provider,
            model: model_key(refusal.model),
            source: "",
            day: utc_day(refusal.at),
        };
        self.effects.usage.entry(key).or_default().refused += i64::from(refusal.count);
        let seq = self.number();
        self.effects.ended_calls.push(EndedCall {
            seq,
            id: refusal.request,
            at: refusal.at,
            org: refusal.org,
            agent: refusal.agent,
            frames: [frame, &[]],
        });
    }

    fn number(&mut self) -> i64 {
        let seq = self.next;
        self.next += 1;
        seq
    }

    fn end(mut self) -> Effects<'a> {
        let changed = self.open.into_iter().filter_map(|(attempt, open)| {
            let topup = open.topup.map_or(&[][..], |(_, frame)| frame);
            Some((attempt, (open.row?, [open.frame, topup])))
        });
        self.effects.opened.extend(changed);
        self.effects
    }
}

impl Sums {
    fn add(&mut self, outcome: &Outcome<'_>) {
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
