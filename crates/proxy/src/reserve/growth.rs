//! A hold by estimate that grows with what the answer has cost so far, while its budgets afford that.

use std::sync::Arc;

use keystore_core::budget::Applied;
use keystore_core::deny::BudgetExceeded;
use keystore_core::ids::BudgetId;
use keystore_core::record::HeldBudget;
use keystore_core::{Micros, NanoUsd};

use crate::authorize::Permit;
use crate::budgets::{Limited, counter};
use crate::cache::Agent;
use crate::counters::Counters;

/// Where a hold may grow, under the terms that were in force when the call was admitted.
pub(crate) struct Growth {
    agent: Arc<Agent>,
    /// The counters of the call, each with the number of its budget among the agent's.
    counters: Vec<(BudgetId, usize)>,
    /// How much is held on top at a time, if that is afforded.
    step: NanoUsd,
}

impl Growth {
    /// That of a call that holds by estimate.
    pub(super) fn of(permit: &Permit, limited: Limited, held: &[HeldBudget], hold: NanoUsd) -> Option<Self> {
        if limited != Limited::ByEstimate {
            return None;
        }
        let budgets = permit.agent.budgets.iter().enumerate();
        let counters = budgets.filter_map(|(number, terms)| {
            let each = terms.policy.each(permit.end_user.as_deref())?;
            Some((counter(terms.policy.budget, each), number))
        });
        let is_held = |(counter, _): &(BudgetId, usize)| held.iter().any(|held| held.budget == *counter);
        Some(Self {
            counters: counters.filter(is_held).collect(),
            agent: Arc::clone(&permit.agent),
            step: hold,
        })
    }

    /// Holds what is missing, and a step more if that is afforded; gives how much.
    ///
    /// # Errors
    ///
    /// The first budget that does not afford what is missing.
    pub(super) fn grow(
        &self,
        counters: &Counters,
        now: Micros,
        held: &mut [HeldBudget],
        missing: NanoUsd,
    ) -> Result<NanoUsd, BudgetExceeded> {
        let applied: Vec<_> = self
            .counters
            .iter()
            .map(|(counter, number)| Applied {
                counter: *counter,
                terms: &self.agent.budgets[*number],
            })
            .collect();
        let step = NanoUsd(missing.0.saturating_add(self.step.0));
        if counters.extend(now, &applied, held, step).is_ok() {
            return Ok(step);
        }
        counters.extend(now, &applied, held, missing).map(|()| missing)
    }
}
