//! A member of a pool: one key of the operator.

use std::num::NonZeroU32;
use std::time::Duration;

use super::health::{Entry, Health, Outcome, WHOLE};
use crate::ids::{CredentialId, OrgId};

/// What the operator has set for a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberTerms {
    /// Which credential it is.
    pub id: CredentialId,
    /// The version of its key that new calls use.
    pub version: u32,
    /// Its share of the calls, against the other members that may serve them.
    pub weight: NonZeroU32,
    /// The one tenant that it serves, and that prefers it.
    pub dedicated_to: Option<OrgId>,
    /// The most calls that it serves at the same time.
    pub max_in_flight: Option<NonZeroU32>,
    /// It takes no new call.
    pub is_draining: bool,
}

/// What may keep a member from new calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// Nothing does.
    Usable,
    /// The vendor's limits do, until then.
    Out(Duration),
    /// Its key was refused, and has no newer version.
    KeyRefused,
    /// It is being drained, or was removed while it served calls.
    Draining,
}

/// How a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberStatus {
    /// Which credential it is.
    pub id: CredentialId,
    /// The version of its key that new calls use.
    pub version: u32,
    /// What keeps it from new calls.
    pub state: MemberState,
    /// How many calls it serves.
    pub in_flight: u32,
    /// How much of the vendor's limit is left, in thousandths; 1,000 where nothing is known.
    pub left_permille: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Member {
    terms: MemberTerms,
    /// The operator has removed it, and calls still run.
    is_removed: bool,
    in_flight: u32,
    /// How far it is behind its share of the choices; see [`super::choice`].
    pub(super) credit: i64,
    pub(super) health: Health,
}

impl Member {
    pub(super) fn new(terms: MemberTerms) -> Self {
        Self {
            terms,
            is_removed: false,
            in_flight: 0,
            credit: 0,
            health: Health::default(),
        }
    }

    pub(super) fn id(&self) -> CredentialId {
        self.terms.id
    }

    pub(super) const fn version(&self) -> u32 {
        self.terms.version
    }

    pub(super) const fn is_dedicated(&self) -> bool {
        self.terms.dedicated_to.is_some()
    }

    /// What the operator has set now.
    pub(super) fn set(&mut self, terms: MemberTerms) {
        self.terms = terms;
        self.is_removed = false;
    }

    /// The operator does not name it any more.
    pub(super) fn retire(&mut self) {
        self.is_removed = true;
    }

    /// It was removed, and nothing runs.
    pub(super) const fn is_over(&self) -> bool {
        self.is_removed && self.in_flight == 0
    }

    pub(super) fn enter(&mut self, now: Duration) -> Entry {
        self.in_flight = self.in_flight.saturating_add(1);
        self.health.enter(now, self.terms.version)
    }

    pub(super) fn leave(&mut self, now: Duration, entry: Entry, outcome: Outcome) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.health.leave(now, entry, outcome);
    }

    /// Whether it may serve calls of `tenant`, if not at this moment.
    pub(super) fn stands_for(&self, tenant: OrgId) -> bool {
        let serves = self.terms.dedicated_to.is_none_or(|org| org == tenant);
        serves && !self.is_closed() && !self.health.is_refused(self.terms.version)
    }

    const fn is_closed(&self) -> bool {
        self.is_removed || self.terms.is_draining
    }

    /// When the vendor lets it work again; `None` when it does now.
    pub(super) fn back_at(&self, now: Duration) -> Option<Duration> {
        self.health.back_at(now)
    }

    /// Whether nothing but its running calls keeps it from new ones.
    pub(super) fn is_usable(&self, now: Duration) -> bool {
        self.state(now) == MemberState::Usable
    }

    /// Whether it may have one more call.
    pub(super) fn is_free(&self) -> bool {
        self.terms
            .max_in_flight
            .is_none_or(|most| self.in_flight < most.get())
    }

    /// Its weight in the choice: what the operator has set, by the share of the vendor's limit that is left.
    pub(super) fn weight(&self, now: Duration) -> u64 {
        u64::from(self.terms.weight.get()) * self.health.share_left(now)
    }

    fn state(&self, now: Duration) -> MemberState {
        if self.is_closed() {
            return MemberState::Draining;
        }
        if self.health.is_refused(self.terms.version) {
            return MemberState::KeyRefused;
        }
        self.back_at(now).map_or(MemberState::Usable, MemberState::Out)
    }

    pub(super) fn status(&self, now: Duration) -> MemberStatus {
        let permille = self.health.share_left(now) * 1_000 / WHOLE;
        MemberStatus {
            id: self.id(),
            version: self.version(),
            state: self.state(now),
            in_flight: self.in_flight,
            left_permille: u32::try_from(permille).unwrap_or(1_000),
        }
    }
}
