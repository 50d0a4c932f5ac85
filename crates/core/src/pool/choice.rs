//! Which member is next: smooth weighted round robin.
//!
//! A choice gives every candidate credit by its share of all their weights, and takes the sum from the one that has the most, which
//! is chosen. Credit is in parts of one choice, so that weights may change from one choice to the next.

use std::time::Duration;

use super::member::Member;
use crate::ids::{CredentialId, OrgId};

/// The credit of one choice.
const CHOICE: u128 = 1 << 32;

/// Begins anew: everybody is even.
pub(super) fn begin(members: &mut [Member]) {
    for member in members {
        member.credit = 0;
    }
}

/// The place of the free member that serves a call of `tenant`; among equals the first.
pub(super) fn choose(
    members: &mut [Member],
    now: Duration,
    tenant: OrgId,
    excluded: &[CredentialId],
) -> Option<usize> {
    let candidates: Vec<usize> = candidates(members, now, tenant, excluded).collect();
    let weight = |place: usize| u128::from(members[place].weight(now));
    let total: u128 = candidates.iter().map(|place| weight(*place)).sum();
    let gains: Vec<i64> = candidates
        .iter()
        .map(|place| i64::try_from(weight(*place) * CHOICE / total).unwrap_or(i64::MAX))
        .collect();
    for (place, gain) in candidates.iter().zip(&gains) {
        members[*place].credit += gain;
    }
    let best = candidates
        .into_iter()
        .rev()
        .max_by_key(|place| members[*place].credit)?;
    members[best].credit -= gains.iter().sum::<i64>();
    Some(best)
}

/// Whether a free member could serve a call of `tenant` now.
pub(super) fn is_possible(
    members: &[Member],
    now: Duration,
    tenant: OrgId,
    excluded: &[CredentialId],
) -> bool {
    candidates(members, now, tenant, excluded).next().is_some()
}

/// The free ones among the usable members for a call of `tenant`: its own, if it has any, otherwise the shared ones.
fn candidates<'a>(
    members: &'a [Member],
    now: Duration,
    tenant: OrgId,
    excluded: &'a [CredentialId],
) -> impl Iterator<Item = usize> + 'a {
    let is_usable = move |member: &Member| {
        member.stands_for(tenant) && member.is_usable(now) && !excluded.contains(&member.id())
    };
    let has_own = members
        .iter()
        .any(|member| member.is_dedicated() && is_usable(member));
    members
        .iter()
        .enumerate()
        .filter(move |(_, member)| member.is_dedicated() == has_own && is_usable(member) && member.is_free())
        .map(|(place, _)| place)
}
