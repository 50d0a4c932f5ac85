//! The rotation of a pooled credential's key: a new key is made at the vendor and takes the place of the old one.
//!
//! mint → verify → promote → overlap → drain → revoke → sweep → done. The new key is a credential of its own, which goes from pending to
//! verified to active; the old one serves beside it for a while, then drains, and is revoked at the vendor when nothing runs on it.
//! Until the old one drains, everything can be undone: undo → undone.
//!
//! [`Rotation::next`] says what to do, one act at a time. An act is either something that the vendor does, or one transaction; whoever
//! carries it out may end between any two of them, and asks again. What the vendor lists is the truth: a rotation gives its key a name
//! that no other key there has, so that a key that was made, but whose secret was lost, is found and revoked, before another one is made
//! and once more at the end. A new key is active, by one transaction, before the old one drains by another: there is always one.
//!
//! Nothing here does anything; the secret is never seen.

use std::time::Duration;

use crate::policy::PoolState;
use crate::time::Micros;
use crate::words::words;

/// How long a key that was just made may be refused before that is believed.
pub const SETTLING: Duration = Duration::from_secs(120);
/// How long a new key is tried that is neither taken nor refused.
pub const LONGEST_TRIAL: Duration = Duration::from_secs(24 * 3600);
/// How long calls may run on a key that drains.
pub const LONGEST_DRAIN: Duration = Duration::from_secs(3600);
/// The first pause after something failed; each is twice the one before.
pub const FIRST_RETRY: Duration = Duration::from_secs(5);
/// The longest pause between two tries.
pub const LONGEST_RETRY: Duration = Duration::from_secs(900);

words! {
    /// Who makes and revokes the keys of a pooled credential.
    Driver {
        /// OpenAI's administration API: each key is that of a service account of its own.
        #[serde(rename = "openai")]
        OpenAi = 0 "openai",
        /// OpenRouter's API for keys.
        #[serde(rename = "openrouter")]
        OpenRouter = 1 "openrouter",
        /// The operator, by hand.
        Manual = 2 "manual",
    }

    /// How far a rotation is.
    Step {
        /// The new key is made at the vendor, and sealed.
        Mint = 0 "mint",
        /// The vendor is asked whether it takes the new key.
        Verify = 1 "verify",
        /// The new key begins to serve.
        Promote = 2 "promote",
        /// Both keys serve.
        Overlap = 3 "overlap",
        /// The old key ends what it began.
        Drain = 4 "drain",
        /// The old key is revoked at the vendor.
        Revoke = 5 "revoke",
        /// The vendor's list is looked through for keys that this rotation made and lost.
        Sweep = 6 "sweep",
        /// The new key serves, and the old one is gone.
        Done = 7 "done",
        /// The new key is revoked at the vendor; the old one serves on.
        Undo = 8 "undo",
        /// The old key serves as before.
        Undone = 9 "undone",
    }
}

impl Step {
    /// Whether there is nothing left to do.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Undone)
    }

    /// Whether the old key still serves whatever happens, so that the rotation can be undone.
    pub const fn can_be_undone(self) -> bool {
        matches!(self, Self::Mint | Self::Verify | Self::Promote | Self::Overlap)
    }

    /// Whether what to do depends on the vendor's list.
    pub const fn needs_list(self) -> bool {
        matches!(self, Self::Mint | Self::Revoke | Self::Sweep | Self::Undo)
    }
}

/// A key as its vendor lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorKey {
    /// The vendor's id of it.
    pub id: String,
    /// The name that it was made with.
    pub name: String,
}

/// A rotation, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// How far it is.
    pub step: Step,
    /// When the step began.
    pub since: Micros,
    /// How often something failed since then.
    pub failures: u32,
    /// Nothing is done before this time.
    pub not_before: Micros,
    /// How long both keys serve.
    pub overlap: Duration,
    /// The name of the new key at the vendor: no other key there has it.
    pub name: String,
    /// The vendor's id of the old key; `None` where nobody has said it.
    pub old_key: Option<String>,
    /// The vendor's id of the new key, once it is sealed; `None` also where the vendor has no API for keys.
    pub new_key: Option<String>,
}

/// What there is to see when it is asked what to do.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The time.
    pub now: Micros,
    /// What the vendor lists; `None` where it has no API for keys.
    pub keys: Option<&'a [VendorKey]>,
    /// Where the new credential stands, if there is one that can be used.
    pub new: Option<PoolState>,
    /// How many calls run on the key that goes: the old one, or the new one while it is undone.
    pub running: usize,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Revoke the key of this id at the vendor, and ask again.
    Revoke(String),
    /// Make a key of the rotation's name at the vendor, seal it, and write it with [`Rotation::minted`] in one transaction.
    Mint,
    /// Ask the operator for a new key, which goes the same way.
    AskForKey,
    /// Try the new key, and write [`Rotation::tried`].
    Verify,
    /// Write the change with [`Rotation::after`], in one transaction.
    Write(Change),
    /// Ask the operator to revoke the old key, who says when it is done ([`Change::Revoked`]).
    AskToRevoke,
    /// Nothing before this time.
    Wait(Micros),
    /// Nothing any more.
    Nothing,
}

/// What is written down in one transaction with the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The new credential is active.
    Promoted,
    /// The old credential drains.
    Drains,
    /// Nothing runs on the old credential any more.
    Drained,
    /// The old credential is revoked.
    Revoked,
    /// No key of the rotation is left at the vendor but the new one.
    Done,
    /// The new credential, if there is one, drains, and its key is going to be revoked.
    Undo,
    /// The new credential, if there is one, is revoked.
    Undone,
}

/// Where a change puts the two credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct States {
    /// The old one; `None` leaves it as it is.
    pub old: Option<PoolState>,
    /// The new one.
    pub new: Option<PoolState>,
}

impl Change {
    /// Where it puts the two credentials.
    pub const fn states(self) -> States {
        let (old, new) = match self {
            Self::Promoted => (None, Some(PoolState::Active)),
            Self::Drains => (Some(PoolState::Draining), None),
            Self::Revoked => (Some(PoolState::Revoked), None),
            Self::Undo => (None, Some(PoolState::Draining)),
            Self::Undone => (None, Some(PoolState::Revoked)),
            Self::Drained | Self::Done => (None, None),
        };
        States { old, new }
    }

    const fn next(self) -> Step {
        match self {
            Self::Promoted => Step::Overlap,
            Self::Drains => Step::Drain,
            Self::Drained => Step::Revoke,
            Self::Revoked => Step::Sweep,
            Self::Done => Step::Done,
            Self::Undo => Step::Undo,
            Self::Undone => Step::Undone,
        }
    }
}

/// What trying the new key has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// The vendor takes it.
    Taken,
    /// The vendor refuses it.
    Refused,
    /// Neither is known.
    Unclear,
}

impl Rotation {
    /// A rotation that begins.
    pub const fn new(name: String, old_key: Option<String>, overlap: Duration, now: Micros) -> Self {
        Self {
            step: Step::Mint,
            since: now,
            failures: 0,
            not_before: now,
            overlap,
            name,
            old_key,
            new_key: None,
        }
    }

    /// What to do.
    pub fn next(&self, seen: &Seen<'_>) -> Act {
        if self.step.is_over() {
            return Act::Nothing;
        }
        if seen.now < self.not_before {
            return Act::Wait(self.not_before);
        }
        match self.step {
            Step::Mint => match seen.keys {
                None => Act::AskForKey,
                Some(keys) => self.lost(keys).unwrap_or(Act::Mint),
            },
            // Somebody took the new credential away.
            Step::Verify | Step::Promote | Step::Overlap if !self.can_serve(seen.new) => {
                Act::Write(Change::Undo)
            }
            Step::Verify => Act::Verify,
            Step::Promote => Act::Write(Change::Promoted),
            Step::Overlap => self.until(seen.now, self.overlap, Change::Drains),
            Step::Drain if seen.running == 0 => Act::Write(Change::Drained),
            Step::Drain => self.until(seen.now, LONGEST_DRAIN, Change::Drained),
            Step::Revoke => match (seen.keys, &self.old_key) {
                (Some(keys), Some(old)) if keys.iter().any(|key| key.id == *old) => Act::Revoke(old.clone()),
                (Some(_), Some(_)) => Act::Write(Change::Revoked),
                _ => Act::AskToRevoke,
            },
            Step::Sweep => self
                .lost(seen.keys.unwrap_or_default())
                .unwrap_or(Act::Write(Change::Done)),
            Step::Undo if seen.running > 0 && seen.now < self.since.plus(LONGEST_DRAIN) => {
                Act::Wait(self.since.plus(LONGEST_DRAIN))
            }
            Step::Undo => {
                let keys = seen.keys.unwrap_or_default();
                let made = keys.iter().find(|key| key.name == self.name);
                made.map_or(Act::Write(Change::Undone), |key| Act::Revoke(key.id.clone()))
            }
            Step::Done | Step::Undone => Act::Nothing,
        }
    }

    /// After the new key was sealed, in the transaction that stores it.
    #[must_use]
    pub fn minted(self, key: Option<String>, now: Micros) -> Self {
        Self {
            new_key: key,
            ..self.at(Step::Verify, now)
        }
    }

    /// After the new key was tried; where it is taken, the new credential is verified in the same transaction.
    #[must_use]
    pub fn tried(self, trial: Trial, now: Micros) -> Self {
        let patience = match trial {
            Trial::Taken => return self.at(Step::Promote, now),
            Trial::Refused => SETTLING,
            Trial::Unclear => LONGEST_TRIAL,
        };
        match now.since(self.since) < patience {
            true => self.failed(now),
            false => self.at(Step::Undo, now),
        }
    }

    /// After a change was written.
    #[must_use]
    pub fn after(self, change: Change, now: Micros) -> Self {
        self.at(change.next(), now)
    }

    /// After an act failed: it is tried again, later each time.
    #[must_use]
    pub fn failed(self, now: Micros) -> Self {
        let times = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        Self {
            failures: self.failures.saturating_add(1),
            not_before: now.plus(FIRST_RETRY.saturating_mul(times).min(LONGEST_RETRY)),
            ..self
        }
    }

    fn at(self, step: Step, now: Micros) -> Self {
        Self {
            step,
            since: now,
            failures: 0,
            not_before: now,
            ..self
        }
    }

    /// A key of this rotation whose secret nobody has.
    fn lost(&self, keys: &[VendorKey]) -> Option<Act> {
        let is_lost = |key: &&VendorKey| key.name == self.name && Some(&key.id) != self.new_key.as_ref();
        keys.iter().find(is_lost).map(|key| Act::Revoke(key.id.clone()))
    }

    /// Whether the new credential is where it must be at this step.
    fn can_serve(&self, new: Option<PoolState>) -> bool {
        match self.step {
            Step::Overlap => new == Some(PoolState::Active),
            _ => matches!(new, Some(PoolState::Pending | PoolState::Verified)),
        }
    }

    fn until(&self, now: Micros, most: Duration, then: Change) -> Act {
        let end = self.since.plus(most);
        match now < end {
            true => Act::Wait(end),
            false => Act::Write(then),
        }
    }
}

#[cfg(test)]
mod tests;
