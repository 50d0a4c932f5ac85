//! The truth about admission on this node: rates and budgets, in memory.
//!
//! Rebuilt at start from the journal's projections; from then on every decision is made here, without a round trip. What is held
//! or settled here is also in the journal, which is what survives.

use std::collections::HashMap;
use std::sync::Arc;

use keystore_core::abuse::Watch;
use keystore_core::budget::{Amounts, Applied, Ask, Book, BudgetView, Notice};
use keystore_core::deny::BudgetExceeded;
use keystore_core::ids::{AgentId, OrgId, ProjectId};
use keystore_core::rate::Rates;
use keystore_core::record::HeldBudget;
use keystore_core::{Micros, NanoUsd};
use keystore_store::Recovery;

use crate::lock::lock;
use crate::sync::Mutex;

/// Whose rates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RateKey {
    /// Those of an agent at a provider.
    Agent(AgentId, String),
    /// Those of a project.
    Project(ProjectId),
    /// Those of an organization.
    Org(OrgId),
}

/// All counters of this node.
#[derive(Debug, Default)]
pub struct Counters {
    rates: Mutex<HashMap<RateKey, Arc<Mutex<Rates>>>>,
    book: Mutex<Book>,
    watches: Mutex<HashMap<AgentId, Arc<Mutex<Watch>>>>,
}

impl Counters {
    /// The rates of this key; the same ones for as long as the process lives.
    pub fn rates(&self, key: RateKey) -> Arc<Mutex<Rates>> {
        Arc::clone(lock(&self.rates).entry(key).or_default())
    }

    /// What is counted of an agent for the rules against abuse; the same for as long as the process lives.
    pub(crate) fn watch(&self, agent: AgentId) -> Arc<Mutex<Watch>> {
        Arc::clone(lock(&self.watches).entry(agent).or_default())
    }

    /// Puts back what was admitted on the current day and settled in the current windows before a restart.
    pub fn restore(&self, now: Micros, recovery: &Recovery) {
        for count in &recovery.daily_requests {
            let admitted = u32::try_from(count.admitted).unwrap_or(u32::MAX);
            let key = RateKey::Agent(count.agent, count.provider.clone());
            lock(&self.rates(key)).restore_day(now, admitted);
            let wider = count.org.map(RateKey::Org).into_iter();
            for key in wider.chain(count.project.map(RateKey::Project)) {
                let rates = self.rates(key);
                let mut rates = lock(&rates);
                let before = rates.day_count(now);
                rates.restore_day(now, before.saturating_add(admitted));
            }
        }
        let mut book = lock(&self.book);
        for spent in &recovery.spent {
            book.restore(spent.budget, spent.window_start, spent.settled);
        }
    }

    /// Holds what is asked for in every one of the budgets, or in none.
    ///
    /// # Errors
    ///
    /// The first budget that does not afford it.
    pub fn hold(
        &self,
        now: Micros,
        budgets: &[Applied<'_>],
        ask: &Ask,
    ) -> Result<Vec<HeldBudget>, BudgetExceeded> {
        lock(&self.book).admit(now, budgets, ask)
    }

    /// What the tightest of the budgets that hold by a bound still affords; `None` without one.
    pub fn headroom(&self, now: Micros, budgets: &[Applied<'_>]) -> Option<NanoUsd> {
        lock(&self.book).headroom(now, budgets)
    }

    /// Holds more of what is held by estimate, in every budget or in none.
    ///
    /// # Errors
    ///
    /// The first budget that does not afford it.
    pub fn extend(
        &self,
        now: Micros,
        budgets: &[Applied<'_>],
        held: &mut [HeldBudget],
        more: NanoUsd,
    ) -> Result<(), BudgetExceeded> {
        lock(&self.book).extend(now, budgets, held, more)
    }

    /// Ends holds with what the call used.
    pub fn settle(&self, held: &[HeldBudget], used: &Amounts) {
        if !held.is_empty() {
            lock(&self.book).settle(held, used);
        }
    }

    /// What a budget has settled and held in the window of `now`.
    pub fn view(&self, now: Micros, budget: &Applied<'_>) -> BudgetView {
        lock(&self.book).view(now, budget)
    }

    /// What happened to budgets since this was asked last.
    pub fn take_notices(&self) -> Vec<Notice> {
        lock(&self.book).take_notices()
    }
}
