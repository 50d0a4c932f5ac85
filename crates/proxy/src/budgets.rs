//! Which budgets a call counts against, and how firmly they limit what it costs.

use http::HeaderMap;
use keystore_core::budget::{Applied, BudgetTerms};
use keystore_core::deny::BudgetExceeded;
use keystore_core::ids::BudgetId;
use keystore_core::policy::{BudgetMode, Call, CreditPolicy, Each, MAX_END_USER, Unit};
use keystore_core::price::{BoundInput, ModelPrice, Terms};
use keystore_core::{Deny, NanoUsd};
use keystore_vault::policy_sha256;
use uuid::Uuid;

use crate::authorize::Permit;
use crate::cache::Agent;

/// The header that names the end user for whom a call is made. It goes no further than here, as every header of ours.
pub const END_USER: &str = "x-keystore-end-user";

/// How firmly a call's cost is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Limited {
    /// By nothing.
    No,
    /// By budgets that hold what it costs about.
    ByEstimate,
    /// By a budget that holds the most that it can cost.
    Strictly,
}

impl Limited {
    /// By these budgets.
    pub(crate) fn by(budgets: &[Applied<'_>]) -> Self {
        budgets
            .iter()
            .map(|applied| &applied.terms.policy)
            .filter(|policy| policy.denies() && policy.unit == Unit::Usd)
            .map(|policy| match policy.mode {
                BudgetMode::Strict => Self::Strictly,
                BudgetMode::Estimate => Self::ByEstimate,
            })
            .max()
            .unwrap_or(Self::No)
    }
}

impl Permit {
    /// The budgets that the call counts against if one of these models may serve it; each once.
    pub(crate) fn budgets(&self, models: &[&str]) -> Vec<Applied<'_>> {
        let call = Call {
            provider: &self.provider().slug,
            source: self.source(),
            models,
            end_user: self.end_user.as_deref(),
        };
        let budgets = self.agent.budgets.iter();
        budgets.filter_map(|terms| applied(terms, &call)).collect()
    }
}

impl Permit {
    /// That a budget, or the credit, does not afford the call.
    pub(crate) fn exceeded(&self, exceeded: BudgetExceeded) -> Deny {
        match exceeded.budget == CreditPolicy::counter(self.agent.policy.org) {
            true => Deny::InsufficientCredit(exceeded),
            false => Deny::BudgetExceeded(exceeded),
        }
    }
}

/// The budget as it applies to a call; `None` where it does not count it.
pub fn applied<'a>(terms: &'a BudgetTerms, call: &Call<'_>) -> Option<Applied<'a>> {
    let each = terms.policy.counts(call)?;
    let counter = counter(terms.policy.budget, each);
    Some(Applied { counter, terms })
}

/// A counter of a budget. That of one end user, in a budget that counts each by itself, is the same one in every process.
pub fn counter(budget: BudgetId, each: Each<'_>) -> BudgetId {
    let Each::EndUser(end_user) = each else {
        return budget;
    };
    let digest = policy_sha256(&[budget.uuid().as_bytes(), end_user.as_bytes()].concat());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    BudgetId::new(Uuid::from_bytes(bytes))
}

/// The most that a call with so many tokens costs; `None` where the price does not tell.
pub fn bound(price: &ModelPrice, input_tokens: u64, max_output: Option<u64>) -> Option<NanoUsd> {
    price.bound(&BoundInput {
        input_tokens,
        unbounded_input: false,
        rounds: Some(1),
        n: 1,
        max_output: max_output.or(price.max_output_tokens),
        terms: Terms::default(),
        calls: &[],
    })
}

/// The end user that the head names, where the agent must say so.
pub(crate) fn end_user(agent: &Agent, headers: &HeaderMap) -> Result<Option<String>, Deny> {
    if !agent.policy.end_users {
        return Ok(None);
    }
    let mut named = headers.get_all(END_USER).iter();
    let (Some(user), None) = (named.next(), named.next()) else {
        return Err(Deny::EndUserMissing);
    };
    let user = user.to_str().map_err(|_| Deny::EndUserMissing)?.trim();
    match user.len() {
        1..=MAX_END_USER => Ok(Some(user.to_owned())),
        _ => Err(Deny::EndUserMissing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_user_has_a_counter_of_its_own() {
        let of = |budget, user| counter(budget, Each::EndUser(user));
        let [one, other] = [1, 2].map(|number| BudgetId::new(Uuid::from_u128(number)));
        let counters = [of(one, "ada"), of(one, "bob"), of(other, "ada"), one, other];
        for (index, counter) in counters.iter().enumerate() {
            assert!(!counters[..index].contains(counter));
        }
        assert_eq!(of(one, "ada"), of(one, "ada"));
    }
}
