//! Who waits: tenants, each with its calls in the order in which they came, and how far each tenant has been served.
//!
//! Start-time fair queueing (Goyal, Vin, Cheng 1996), with one tag for each tenant: the virtual time at which its next call starts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::{TenantTerms, Ticket};
use crate::ids::{CredentialId, OrgId};

/// How far one grant moves a tenant of weight 1.
const GRANT: u128 = 1 << 32;

/// A call that waits.
#[derive(Debug, Clone)]
pub(super) struct Waiter {
    pub(super) ticket: Ticket,
    pub(super) excluded: Vec<CredentialId>,
    pub(super) deadline: Duration,
}

#[derive(Debug, Clone, Default)]
struct Tenant {
    terms: TenantTerms,
    running: u32,
    waiting: VecDeque<Waiter>,
    /// The virtual time at which its next call starts.
    start: u128,
}

impl Tenant {
    fn may_run(&self) -> bool {
        self.terms
            .max_in_flight
            .is_none_or(|most| self.running < most.get())
    }

    /// Whether it is as good as one that never came.
    fn is_idle(&self, virtual_time: u128) -> bool {
        self.running == 0 && self.waiting.is_empty() && self.start <= virtual_time
    }

    fn weight(&self) -> u128 {
        u128::from(self.terms.weight.get())
    }
}

/// The tenants that have calls which run or wait, or were served beyond the others while those waited.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    tenants: BTreeMap<OrgId, Tenant>,
    /// Whose each call is that waits, and until when they wait.
    waiting: BTreeMap<Ticket, OrgId>,
    deadlines: BTreeSet<(Duration, Ticket)>,
    /// Somebody has waited since everybody was even.
    is_backlogged: bool,
    /// The start of the last call that was granted out of the queue.
    virtual_time: u128,
}

impl Queue {
    pub(super) const NEW: Self = Self {
        tenants: BTreeMap::new(),
        waiting: BTreeMap::new(),
        deadlines: BTreeSet::new(),
        is_backlogged: false,
        virtual_time: 0,
    };

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Of how many tenants something is kept.
    #[cfg(test)]
    pub(super) fn tenants(&self) -> usize {
        self.tenants.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len_of(&self, tenant: OrgId) -> usize {
        self.tenants.get(&tenant).map_or(0, |tenant| tenant.waiting.len())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (OrgId, &Waiter)> {
        self.tenants
            .iter()
            .flat_map(|(org, tenant)| tenant.waiting.iter().map(|waiter| (*org, waiter)))
    }

    /// Those that have waited for as long as they would.
    pub(super) fn overdue(&self, now: Duration) -> impl Iterator<Item = (OrgId, &Waiter)> {
        let due = self
            .deadlines
            .iter()
            .take_while(move |(deadline, _)| *deadline <= now);
        due.filter_map(|(_, ticket)| {
            let (org, at) = self.find(*ticket)?;
            Some((org, self.tenants.get(&org)?.waiting.get(at)?))
        })
    }

    pub(super) fn first_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    pub(super) fn set_terms(&mut self, tenant: OrgId, terms: TenantTerms) {
        self.tenants.entry(tenant).or_default().terms = terms;
    }

    /// Whether the tenant may have another call running.
    pub(super) fn may_run(&self, tenant: OrgId) -> bool {
        self.tenants.get(&tenant).is_none_or(Tenant::may_run)
    }

    /// A call of the tenant runs.
    pub(super) fn began(&mut self, tenant: OrgId) {
        let tenant = self.tenants.entry(tenant).or_default();
        tenant.running = tenant.running.saturating_add(1);
    }

    /// A call of the tenant does not run any more.
    pub(super) fn ended(&mut self, tenant: OrgId) {
        if let Some(tenant) = self.tenants.get_mut(&tenant) {
            tenant.running = tenant.running.saturating_sub(1);
        }
        self.forget_idle(tenant);
    }

    /// Forgets a tenant of which nothing is left to know.
    pub(super) fn forget_idle(&mut self, tenant: OrgId) {
        let is_idle = |of: &Tenant| of.is_idle(self.virtual_time);
        if self.tenants.get(&tenant).is_some_and(is_idle) {
            self.tenants.remove(&tenant);
        }
    }

    pub(super) fn push(&mut self, tenant: OrgId, waiter: Waiter) {
        self.waiting.insert(waiter.ticket, tenant);
        self.deadlines.insert((waiter.deadline, waiter.ticket));
        let tenant = self.tenants.entry(tenant).or_default();
        if tenant.waiting.is_empty() {
            tenant.start = tenant.start.max(self.virtual_time);
        }
        tenant.waiting.push_back(waiter);
        self.is_backlogged = true;
    }

    /// Who is next among those that can go: of the tenant that is furthest behind, the first.
    pub(super) fn next(&self, can_go: impl Fn(OrgId, &Waiter) -> bool) -> Option<(OrgId, usize)> {
        let first = |org: OrgId, tenant: &Tenant| {
            // Those that exclude nothing are all alike.
            let mut is_open = true;
            let at = tenant
                .waiting
                .iter()
                .position(|waiter| match waiter.excluded.is_empty() {
                    true => {
                        is_open = is_open && can_go(org, waiter);
                        is_open
                    }
                    false => can_go(org, waiter),
                })?;
            Some((tenant.start, tenant.waiting[at].ticket, org, at))
        };
        let next = self
            .tenants
            .iter()
            .filter(|(_, tenant)| tenant.may_run())
            .filter_map(|(org, tenant)| first(*org, tenant))
            .min()?;
        let (_, _, org, at) = next;
        Some((org, at))
    }

    pub(super) fn take(&mut self, tenant: OrgId, at: usize) -> Option<Waiter> {
        let waiter = self.tenants.get_mut(&tenant)?.waiting.remove(at)?;
        self.waiting.remove(&waiter.ticket);
        self.deadlines.remove(&(waiter.deadline, waiter.ticket));
        Some(waiter)
    }

    /// Counts a grant out of the queue. A tenant that could not go for a while has nothing saved up.
    pub(super) fn charge(&mut self, tenant: OrgId) {
        if let Some(tenant) = self.tenants.get_mut(&tenant) {
            self.virtual_time = self.virtual_time.max(tenant.start);
            tenant.start = self.virtual_time + GRANT / tenant.weight();
        }
    }

    /// Takes a call out that does not wait any more.
    pub(super) fn forget(&mut self, ticket: Ticket) {
        if let Some((tenant, at)) = self.find(ticket) {
            self.take(tenant, at);
        }
    }

    fn find(&self, ticket: Ticket) -> Option<(OrgId, usize)> {
        let org = *self.waiting.get(&ticket)?;
        let waiting = &self.tenants.get(&org)?.waiting;
        // They came in the order of their tickets.
        let at = waiting.binary_search_by_key(&ticket, |waiter| waiter.ticket);
        Some((org, at.ok()?))
    }

    /// Makes room for a call of `tenant`: the newest call goes of the tenant that waits with the most for its weight, if that is more
    /// than `tenant` waits with then.
    pub(super) fn displace(&mut self, tenant: OrgId) -> Option<Ticket> {
        let asking = self.tenants.get(&tenant)?;
        let (count, weight) = (asking.waiting.len() as u128 + 1, asking.weight());
        // By what one more call of the asking tenant would be, in each one's weight.
        let (longest, _) = self
            .tenants
            .iter()
            .map(|(org, tenant)| (*org, (tenant.waiting.len() as u128, tenant.weight())))
            .max_by(|(_, (count, weight)), (_, (other, others))| (count * others).cmp(&(other * weight)))
            .filter(|(_, (longest, its))| longest * weight > count * its)?;
        let last = self.tenants.get(&longest)?.waiting.len().checked_sub(1)?;
        self.take(longest, last).map(|waiter| waiter.ticket)
    }

    /// After a step of a backlog: where nobody waits any more everybody is even again, and who is idle is forgotten.
    pub(super) fn tidy(&mut self) {
        if !self.is_backlogged {
            return;
        }
        if self.waiting.is_empty() {
            self.is_backlogged = false;
            self.virtual_time = 0;
            for tenant in self.tenants.values_mut() {
                tenant.start = 0;
            }
        }
        let virtual_time = self.virtual_time;
        self.tenants.retain(|_, tenant| !tenant.is_idle(virtual_time));
    }
}
