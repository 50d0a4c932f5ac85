//! What the journal records: the intent before a request goes out, what more is held for it while it runs, the outcome after it, and
//! refusals.
//!
//! The CBOR form of these types is durable. Fields have numbers; a number is never reused, and a new field is optional.
//! Texts are borrowed: from the request when a record is written, from the journal's bytes when it is read.

use std::borrow::Cow;

use crate::budget::Amounts;
use crate::ids::{AgentId, AttemptId, BudgetId, CredentialId, OrgId, ProjectId, RequestId, TokenId};
use crate::money::NanoUsd;
use crate::policy::{Source, Unit};
use crate::time::Micros;
use crate::usage::{Bucket, Usage};

/// The longest name of a model that is taken, in bytes. The longest that vendors have are of about 100.
pub const MODEL_BYTES: usize = 256;

/// Whether a model may be called so. The names become keys of tables: PostgreSQL takes neither NUL in a text nor a long key.
pub fn is_model_name(name: &str) -> bool {
    name.len() <= MODEL_BYTES && !name.bytes().any(|byte| byte.is_ascii_control())
}

/// What the tables call a model: its name, of one that may not be called so ([`is_model_name`]) its beginning. The journal may hold such a
/// record, and must not stop at it.
pub fn model_key(model: Option<&str>) -> &str {
    let name = model.unwrap_or_default();
    let plain = name.split(|letter: char| letter.is_ascii_control()).next();
    let plain = plain.unwrap_or_default();
    &plain[..plain.floor_char_boundary(MODEL_BYTES)]
}

/// A budget that a hold counts against, and the window it was admitted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct HeldBudget {
    /// The budget, or its counter for one end user.
    #[n(0)]
    pub budget: BudgetId,
    /// When the window that admitted the hold began; a settlement counts in that window.
    #[n(1)]
    pub window_start: Micros,
    /// What it counts.
    #[n(2)]
    #[cbor(default)]
    pub unit: Unit,
    /// What is held against it, in its unit; in records that do not say, the intent's `hold`.
    #[n(3)]
    pub amount: Option<i64>,
}

impl Intent<'_> {
    /// Whether an agent made the call; otherwise it is one of the server's own, such as the test of a credential.
    pub fn is_of_an_agent(&self) -> bool {
        !self.agent.uuid().is_nil()
    }

    /// The intent as it stands after this.
    pub fn grow(&mut self, topup: &Topup<'_>) {
        self.hold = topup.hold;
        self.budgets = Cow::Owned(topup.budgets.to_vec());
    }
}

impl HeldBudget {
    /// What a call with this outcome counts in the budget, in its unit. After a crash nothing is known: all that was held.
    pub fn used(&self, intent_hold: NanoUsd, outcome: &Outcome<'_>) -> i64 {
        match outcome.ending {
            Ending::Crash => self.amount.unwrap_or(intent_hold.0),
            _ => outcome.used().of(self.unit),
        }
    }

    /// Whether it is this counter's, in the window that began then.
    pub fn is(&self, counter: BudgetId, window_start: Micros) -> bool {
        self.budget == counter && self.window_start == window_start
    }
}

/// Durable before the first byte goes to an upstream: who calls what with which credential, and what is held for it.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Intent<'a> {
    /// The billing identity of this physical attempt.
    #[n(0)]
    pub attempt: AttemptId,
    /// The request it belongs to.
    #[n(1)]
    pub request: RequestId,
    /// When it was admitted.
    #[n(2)]
    pub at: Micros,
    /// The tenant.
    #[n(3)]
    pub org: OrgId,
    /// The agent's project.
    #[n(4)]
    pub project: ProjectId,
    /// The agent; nil for a request of the server's own.
    #[n(5)]
    pub agent: AgentId,
    /// The token it came with.
    #[n(6)]
    pub token: TokenId,
    /// The provider's slug.
    #[b(7)]
    pub provider: &'a str,
    /// The operation's name in the catalog, or `other`.
    #[b(8)]
    pub operation: &'a str,
    /// The HTTP method.
    #[b(9)]
    pub method: &'a str,
    /// The upstream path without its query and without credential slots; at most 512 bytes.
    #[b(10)]
    pub path: &'a str,
    /// The model that the body named.
    #[b(11)]
    pub model: Option<&'a str>,
    /// Whose credential.
    #[n(12)]
    pub source: Source,
    /// The credential.
    #[n(13)]
    pub credential: CredentialId,
    /// Its version.
    #[n(14)]
    pub credential_version: u32,
    /// What is held against each of `budgets`; without a budget, the estimate that a crash would settle at.
    #[n(15)]
    pub hold: NanoUsd,
    /// The budgets that the hold counts against; empty without a budget.
    #[n(16)]
    pub budgets: Cow<'a, [HeldBudget]>,
    /// For whom the call is made, where the agent says so.
    #[b(17)]
    pub end_user: Option<&'a str>,
    /// The query without credential slots, each value hashed under a key of the organization.
    #[b(18)]
    pub query: Option<&'a str>,
}

/// What is held for a call from now on: it grew with what the answer has cost so far. Not waited for.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Topup<'a> {
    /// The attempt. One without an open intent changes nothing.
    #[n(0)]
    pub attempt: AttemptId,
    /// What a crash would settle at.
    #[n(1)]
    pub hold: NanoUsd,
    /// What is held against each budget, as a whole.
    #[n(2)]
    pub budgets: Cow<'a, [HeldBudget]>,
}

/// How an attempt ended.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    minicbor::Encode,
    minicbor::Decode,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Ending {
    /// The answer came to its end.
    #[n(0)]
    Complete,
    /// The upstream broke off, timed out, or answered with something that is not HTTP.
    #[n(1)]
    UpstreamError,
    /// The client left; metering went on.
    #[n(2)]
    ClientGone,
    /// A deadline ended it.
    #[n(3)]
    Deadline,
    /// Provably nothing was sent: no charge.
    #[n(4)]
    NotSent,
    /// The process ended before the outcome was written; settled at the full hold on the next start.
    #[n(5)]
    Crash,
    /// What permitted it was taken back while it ran.
    #[n(6)]
    Revoked,
    /// It cost more than its budgets afford, and was cut.
    #[n(7)]
    OverBudget,
    /// A pooled credential was refused or had reached its limit, and the call went on with another one: no charge.
    #[n(8)]
    FailedOver,
}

impl Ending {
    /// Whether the attempt counts as no call: nothing was sent, or another attempt took its place.
    pub const fn is_void(self) -> bool {
        matches!(self, Self::NotSent | Self::FailedOver)
    }

    /// The name in the API and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::UpstreamError => "upstream_error",
            Self::ClientGone => "client_gone",
            Self::Deadline => "deadline",
            Self::NotSent => "not_sent",
            Self::Crash => "crash",
            Self::Revoked => "revoked",
            Self::OverBudget => "over_budget",
            Self::FailedOver => "failed_over",
        }
    }
}

/// Marks on a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct ChargeFlags {
    /// The vendor reported no usage; it was estimated from the relayed bytes.
    #[n(0)]
    pub estimated: bool,
    /// There was no price; the cost is zero because it is unknown.
    #[n(1)]
    pub unpriced: bool,
    /// The vendor reported more than was held.
    #[n(2)]
    pub over_hold: bool,
    /// The vendor bills this operation in another way; the cost is an explicit zero.
    #[n(3)]
    pub external: bool,
}

/// After the request: what it used and what it cost.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Outcome<'a> {
    /// The attempt that this ends. The first outcome of an attempt counts; later ones are ignored.
    #[n(0)]
    pub attempt: AttemptId,
    /// When it ended.
    #[n(1)]
    pub at: Micros,
    /// How it ended.
    #[n(2)]
    pub ending: Ending,
    /// The upstream's status; 0 when there was none.
    #[n(3)]
    pub status: u16,
    /// The model that the vendor says it served.
    #[b(4)]
    pub served_model: Option<&'a str>,
    /// What was used.
    #[n(5)]
    pub usage: Usage,
    /// What it cost.
    #[n(6)]
    pub cost: NanoUsd,
    /// Marks.
    #[n(7)]
    pub flags: ChargeFlags,
    /// Microseconds from the intent to the first byte of the answer's body; 0 when there was none.
    #[n(8)]
    pub first_byte_us: u64,
    /// Microseconds from the intent to the end.
    #[n(9)]
    pub total_us: u64,
    /// Bytes of the request's body.
    #[n(10)]
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    #[n(11)]
    pub response_bytes: u64,
    /// The error code that the client was given in place of the upstream's answer, or at the end of one that was cut.
    #[b(12)]
    pub refusal: Option<&'a str>,
    /// How the charge was made up, of a call with a pooled credential.
    #[b(13)]
    pub market: Option<MarketCharge<'a>>,
    /// How far the attempt came, and when; absent where nothing was there to see it, and in records that are older than this.
    #[n(14)]
    pub steps: Option<Steps>,
}

/// When an attempt came to its steps, in microseconds. Each but the first counts from the intent; 0 for a step that it did not come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Steps {
    /// From the head of the request to the intent: its checks, the wait for a place at a pool, the reading of its body. Of a second
    /// attempt 0.
    #[n(0)]
    pub checked: u64,
    /// The intent was durable.
    #[n(1)]
    pub recorded: u64,
    /// The credential was opened, a connection was there, and what permits the call still stood: from here on bytes may have gone out.
    #[n(2)]
    pub sending: u64,
    /// The head of the answer was there.
    #[n(3)]
    pub answered: u64,
}

/// A charge of the marketplace.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct MarketCharge<'a> {
    /// What the call costs the operator.
    #[n(0)]
    pub vendor_cost: NanoUsd,
    /// The version of the price book that it was priced by.
    #[n(1)]
    pub prices: u64,
    /// What makes it up; the amounts sum to the outcome's cost.
    #[n(2)]
    pub lines: Cow<'a, [ChargeLine]>,
}

/// A part of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct ChargeLine {
    /// The number of the bucket; `None` where what was held is charged, because nobody knows what was used.
    #[n(0)]
    bucket: Option<u8>,
    /// How many units.
    #[n(1)]
    pub units: u64,
    /// What they cost.
    #[n(2)]
    pub amount: NanoUsd,
}

impl ChargeLine {
    /// `units` of `bucket` for `amount`.
    pub fn new(bucket: Option<Bucket>, units: u64, amount: NanoUsd) -> Self {
        Self {
            bucket: bucket.map(|bucket| bucket as u8),
            units,
            amount,
        }
    }

    /// The kind of the units; `None` for what was held, and for one that a newer version knows.
    pub fn bucket(self) -> Option<Bucket> {
        Bucket::ALL.get(usize::from(self.bucket?)).copied()
    }
}

impl Outcome<'_> {
    /// What the call used, in every unit that budgets count.
    pub fn used(&self) -> Amounts {
        let sent = !self.ending.is_void();
        let units = |bucket| i64::try_from(self.usage.get(bucket)).unwrap_or(i64::MAX);
        Amounts {
            usd: self.cost,
            calls: i64::from(sent),
            emails: units(Bucket::Emails),
            usd_moved: NanoUsd(units(Bucket::UsdMovedNanos)),
        }
    }
}

/// Requests of an agent that were refused, coalesced by second and code when there are many.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Refusal<'a> {
    /// The first request that was refused.
    #[n(0)]
    pub request: RequestId,
    /// When it was refused.
    #[n(1)]
    pub at: Micros,
    /// The tenant.
    #[n(2)]
    pub org: OrgId,
    /// The agent's project.
    #[n(3)]
    pub project: ProjectId,
    /// The agent.
    #[n(4)]
    pub agent: AgentId,
    /// The token it came with.
    #[n(5)]
    pub token: TokenId,
    /// The provider's slug, as far as it was known.
    #[b(6)]
    pub provider: &'a str,
    /// The stable code of the refusal.
    #[b(7)]
    pub code: &'a str,
    /// The status of the answer.
    #[n(8)]
    pub status: u16,
    /// How many requests this stands for, at least 1.
    #[n(9)]
    pub count: u32,
    /// The model that the body named, where it was read.
    #[b(10)]
    pub model: Option<&'a str>,
}

/// One record of the journal.
#[expect(
    clippy::large_enum_variant,
    reason = "it is read one at a time, and kept nowhere"
)]
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Record<'a> {
    /// Before.
    #[n(0)]
    Intent(#[b(0)] Intent<'a>),
    /// After.
    #[n(1)]
    Outcome(#[b(0)] Outcome<'a>),
    /// Instead.
    #[n(2)]
    Refusal(#[b(0)] Refusal<'a>),
    /// Between.
    #[n(3)]
    Topup(#[b(0)] Topup<'a>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_table_takes_is_cut_to_one_that_it_takes() {
        let long = "é".repeat(200);
        for (name, key) in [
            ("gpt-5-nano", "gpt-5-nano"),
            ("a\0b", "a"),
            ("\u{7f}", ""),
            ("zwei Wörter", "zwei Wörter"),
            (&long, &long[..256]),
            (&long[..257 - 1], &long[..256]),
        ] {
            assert_eq!(model_key(Some(name)), key);
            assert_eq!(is_model_name(name), name == key, "{name:?}");
            assert!(is_model_name(key));
        }
        let odd = format!("x{long}");
        assert_eq!(model_key(Some(&odd)).len(), 255, "no letter is cut in two");
        assert_eq!(model_key(None), "");
    }
}
