//! The vendor, and what it knows: which calls it served, and what they cost. The truth that a run is compared with.

use std::collections::BTreeSet;

use keystore_core::ids::RequestId;

/// Nano-dollars for a token of input and of output, of the model that every call asks for.
const PRICES: [i64; 2] = [150, 600];

/// What must never happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Broken {
    /// More was settled and held, or really spent, than a strict budget allows.
    OverLimit,
    /// The vendor got a call that the journal does not know.
    NoIntent,
    /// The vendor got a call, or went on with one, after the agent's revocation was acknowledged.
    AfterRevocation,
    /// A call was charged less than it cost.
    Undercharged,
    /// A call was charged more than it cost, although that was known.
    Overcharged,
    /// A call was settled more than once, or the sums do not add up to the charges.
    Miscounted,
    /// Something is held, and no call runs.
    HeldForEver,
    /// A step did not come to its end.
    Stuck,
}

/// One call, as the vendor and the driver of the run know it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) agent: usize,
    pub(super) request: RequestId,
    /// The vendor has it.
    pub(super) served: bool,
    /// Tokens of input, and of output so far.
    pub(super) tokens: [i64; 2],
    /// The vendor answered with an error, which costs nothing.
    pub(super) failed: bool,
    /// The vendor told what the call used, to its end.
    pub(super) reported: bool,
    /// Something on the node panicked.
    pub(super) panicked: bool,
    /// What it had cost when everything that was recorded was last surely written.
    pub(super) sure: i64,
    /// The node ended before the outcome of the call was surely written.
    pub(super) lost: bool,
}

impl Call {
    /// What it costs, in nano-dollars.
    pub(super) fn cost(&self) -> i64 {
        match self.served && !self.failed {
            true => self.tokens[0] * PRICES[0] + self.tokens[1] * PRICES[1],
            false => 0,
        }
    }
}

/// What is true of a run.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) calls: Vec<Call>,
    /// Agents whose revocation was acknowledged.
    pub(super) revoked: BTreeSet<usize>,
    pub(super) broken: BTreeSet<Broken>,
    /// What happened, to be read where a run fails.
    pub(super) steps: Vec<String>,
}

impl Truth {
    /// The vendor gets the call.
    pub(super) fn serve(&mut self, call: usize) {
        self.calls[call].served = true;
        self.note_late(call);
    }

    /// The vendor makes so many tokens of output.
    pub(super) fn generate(&mut self, call: usize, tokens: i64) {
        self.calls[call].tokens[1] += tokens;
        self.note_late(call);
    }

    fn note_late(&mut self, call: usize) {
        if self.revoked.contains(&self.calls[call].agent) {
            self.broken(Broken::AfterRevocation, &format!("call {call}"));
        }
    }

    pub(super) fn broken(&mut self, what: Broken, why: &str) {
        self.step(format!("!! {what:?}: {why}"));
        self.broken.insert(what);
    }

    pub(super) fn step(&mut self, step: String) {
        self.steps.push(step);
    }
}
