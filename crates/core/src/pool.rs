//! The pool of a provider: which of the operator's keys, its *members*, serves a tenant's call, and who waits while none is free.
//!
//! Of the members that may serve a call the next is chosen by smooth weights, in proportion to how much of the vendor's own limit
//! each has left. While a tenant has usable members of its own it uses only those. A member that said 429 is out for a while, one
//! whose key was refused until it has another version.
//!
//! When no member is free, calls wait in one bounded queue. Between tenants it is start-time fair queueing: a grant moves a tenant
//! on by the inverse of its weight, and the one that is furthest behind is next. Within a tenant the first to come is the first to
//! go, except that a call that no free member may serve keeps nobody waiting. A backlog begins with everybody even, and grants are
//! counted only while somebody waits, so that no one pays for having used what nobody else wanted.
//!
//! A call has a [`Ticket`] from [`Pool::ask`] until [`Pool::release`], whether it waits or runs. Whatever may let others go, or ends
//! their hope, gives the [`Turn`]s that follow from it: after every step nobody waits whom a free member could serve.
//!
//! Times are boot time. Nothing here locks or stores; the proxy keeps one `Pool` for each provider.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::ids::{CredentialId, OrgId};

mod choice;
mod health;
mod member;
mod queue;

pub use health::{FIRST_PAUSE, LONGEST_BACKOFF, LONGEST_PAUSE, Outcome, Quota};
pub use member::{MemberState, MemberStatus, MemberTerms};

use member::Member;
use queue::{Queue, Waiter};

/// When a refused call may come again, where nothing better is known.
pub const COME_AGAIN: Duration = Duration::from_secs(1);

/// A call, from when it asks until it is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// How many may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueTerms {
    /// Calls of one tenant; 0 and nobody waits.
    pub per_tenant: usize,
    /// Calls of all tenants. When so many wait, a call of a tenant that waits with less than its share takes the place of the newest
    /// of the tenant that waits with the most.
    pub in_all: usize,
}

/// What holds for a tenant inside the pool. What its last call came with is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantTerms {
    /// Its share of the grants, against the other tenants that wait.
    pub weight: NonZeroU32,
    /// The most calls that it has running at the same time.
    pub max_in_flight: Option<NonZeroU32>,
}

impl Default for TenantTerms {
    fn default() -> Self {
        Self {
            weight: NonZeroU32::MIN,
            max_in_flight: None,
        }
    }
}

/// A call that asks for a member.
#[derive(Debug, Clone)]
pub struct Call {
    /// Whose it is.
    pub tenant: OrgId,
    /// What holds for that tenant.
    pub terms: TenantTerms,
    /// Members that it does not want: it has tried them.
    pub excluded: Vec<CredentialId>,
    /// Until when it waits; a time that is not in the future and it does not wait at all.
    pub deadline: Duration,
}

/// A member that was chosen for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// The member.
    pub member: CredentialId,
    /// Which version of its key counts for this call.
    pub version: u32,
}

/// What became of a call that asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a ticket is released, whatever becomes of its call"]
pub enum Asked {
    /// It runs.
    Granted(Ticket, Chosen),
    /// It waits for its [`Turn`].
    Waits(Ticket),
    /// It is not served. There is no ticket.
    Refused(Refusal),
}

/// What became of a call that waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The call. Where it is refused its ticket has ended.
    pub ticket: Ticket,
    /// It runs with this member, or is not served.
    pub result: Result<Chosen, Refusal>,
}

/// Why a call is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No member may serve the tenant: there is none, or all are draining or have a refused key. Waiting does not help.
    NoMember,
    /// Every member that could serve it was excluded.
    AllTried,
    /// The members that may serve it are out, by the vendor's limits, for longer than it would wait.
    Out {
        /// When the first of them is back, from now; more than nothing.
        retry_after: Duration,
    },
    /// As many wait as may.
    Full {
        /// When to come again, from now.
        retry_after: Duration,
    },
    /// It waited for as long as it would.
    Waited {
        /// When to come again, from now.
        retry_after: Duration,
    },
}

impl Refusal {
    /// When to come again, from now, where that may help.
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::NoMember | Self::AllTried => None,
            Self::Out { retry_after } | Self::Full { retry_after } | Self::Waited { retry_after } => {
                Some(retry_after)
            }
        }
    }
}

/// A call that runs.
#[derive(Debug, Clone, Copy)]
struct Running {
    tenant: OrgId,
    chosen: Chosen,
    entry: health::Entry,
}

/// The pool of one provider.
#[derive(Debug, Clone)]
pub struct Pool {
    terms: QueueTerms,
    /// By id.
    members: Vec<Member>,
    queue: Queue,
    running: BTreeMap<Ticket, Running>,
    /// A member has become worse: some that wait may have nothing to hope for any more.
    has_worsened: bool,
    tickets: u64,
}

impl Pool {
    /// A pool without members.
    pub const fn new(terms: QueueTerms) -> Self {
        Self {
            terms,
            members: Vec::new(),
            queue: Queue::NEW,
            running: BTreeMap::new(),
            has_worsened: false,
            tickets: 0,
        }
    }

    /// Takes in what the operator has set. Members that stay keep their health and count their calls; a new version makes a refused
    /// key a good one. Members that are not named any more end with their last call.
    pub fn configure(&mut self, now: Duration, terms: QueueTerms, members: &[MemberTerms]) -> Vec<Turn> {
        self.terms = terms;
        for member in &mut self.members {
            member.retire();
        }
        for terms in members {
            match self.members.iter_mut().find(|member| member.id() == terms.id) {
                Some(member) => member.set(*terms),
                None => self.members.push(Member::new(*terms)),
            }
        }
        self.members.retain(|member| !member.is_over());
        self.members.sort_unstable_by_key(Member::id);
        choice::begin(&mut self.members);
        self.has_worsened = true;
        self.wake(now)
    }

    /// Asks for a member. Those that have waited and can go by now go first.
    pub fn ask(&mut self, now: Duration, call: Call) -> (Asked, Vec<Turn>) {
        self.queue.set_terms(call.tenant, call.terms);
        let mut turns = self.turns(now);
        let tenant = call.tenant;
        let asked = match self.choose(now, tenant, &call.excluded) {
            Some(place) => {
                let ticket = self.ticket();
                Asked::Granted(ticket, self.run(now, ticket, tenant, place))
            }
            None => self.wait(now, call, &mut turns),
        };
        // The last that a vendor allows has others hope for less.
        self.refuse_hopeless(now, &mut turns);
        self.queue.forget_idle(tenant);
        self.queue.tidy();
        (asked, turns)
    }

    /// Ends a call, wherever it is: one that runs as `outcome` says, one that waits without a trace. Ending it again does nothing.
    pub fn release(&mut self, now: Duration, ticket: Ticket, outcome: Outcome) -> Vec<Turn> {
        match self.running.remove(&ticket) {
            None => {
                self.queue.forget(ticket);
            }
            Some(running) => {
                self.queue.ended(running.tenant);
                if let Ok(place) = self.place(running.chosen.member) {
                    self.members[place].leave(now, running.entry, outcome);
                    self.look_at(now, place);
                }
                self.members.retain(|member| !member.is_over());
            }
        }
        self.wake(now)
    }

    /// Takes in what the vendor said of a member's limits, in place of what it said before.
    pub fn learn(&mut self, now: Duration, member: CredentialId, quotas: &[Quota]) -> Vec<Turn> {
        if let Ok(place) = self.place(member) {
            self.members[place].health.learn(now, quotas);
            self.look_at(now, place);
        }
        self.wake(now)
    }

    /// Lets those go that can by now, and refuses those that have waited for long enough or have nothing to hope for.
    pub fn wake(&mut self, now: Duration) -> Vec<Turn> {
        let turns = self.turns(now);
        self.queue.tidy();
        turns
    }

    /// When [`Pool::wake`] has something to do at the latest, if nothing else happens before; `None` while nobody waits.
    pub fn next_wake(&self, now: Duration) -> Option<Duration> {
        let deadline = self.queue.first_deadline()?;
        let back = self.members.iter().filter_map(|member| member.back_at(now));
        Some(back.fold(deadline, Duration::min))
    }

    /// How the members are, by id.
    pub fn members(&self, now: Duration) -> Vec<MemberStatus> {
        self.members.iter().map(|member| member.status(now)).collect()
    }

    /// How many calls run with a version of a member's key.
    pub fn running(&self, member: CredentialId, version: u32) -> usize {
        let chosen = Chosen { member, version };
        self.running
            .values()
            .filter(|running| running.chosen == chosen)
            .count()
    }

    /// How many calls wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn place(&self, member: CredentialId) -> Result<usize, usize> {
        self.members.binary_search_by_key(&member, Member::id)
    }

    fn look_at(&mut self, now: Duration, place: usize) {
        self.has_worsened |= !self.members[place].is_usable(now);
    }

    /// A free member for a call of `tenant`, if the tenant may have another.
    fn choose(&mut self, now: Duration, tenant: OrgId, excluded: &[CredentialId]) -> Option<usize> {
        if !self.queue.may_run(tenant) {
            return None;
        }
        choice::choose(&mut self.members, now, tenant, excluded)
    }

    /// Counts a call that begins.
    fn run(&mut self, now: Duration, ticket: Ticket, tenant: OrgId, place: usize) -> Chosen {
        let member = &mut self.members[place];
        let chosen = Chosen {
            member: member.id(),
            version: member.version(),
        };
        let entry = member.enter(now);
        self.look_at(now, place);
        self.queue.began(tenant);
        self.running.insert(
            ticket,
            Running {
                tenant,
                chosen,
                entry,
            },
        );
        chosen
    }

    /// Puts a call that cannot run yet into the queue.
    fn wait(&mut self, now: Duration, call: Call, turns: &mut Vec<Turn>) -> Asked {
        if let Some(refusal) = self.hopeless(now, call.tenant, &call.excluded, call.deadline) {
            return Asked::Refused(refusal);
        }
        let full = Refusal::Full {
            retry_after: COME_AGAIN,
        };
        if self.queue.len_of(call.tenant) >= self.terms.per_tenant {
            return Asked::Refused(full);
        }
        if self.queue.len() >= self.terms.in_all {
            let Some(ticket) = self.queue.displace(call.tenant) else {
                return Asked::Refused(full);
            };
            turns.push(Turn {
                ticket,
                result: Err(full),
            });
        }
        let ticket = self.ticket();
        self.queue.push(
            call.tenant,
            Waiter {
                ticket,
                excluded: call.excluded,
                deadline: call.deadline,
            },
        );
        Asked::Waits(ticket)
    }

    fn turns(&mut self, now: Duration) -> Vec<Turn> {
        let mut turns = Vec::new();
        while let Some(turn) = self.next_turn(now) {
            turns.push(turn);
        }
        self.refuse_hopeless(now, &mut turns);
        turns
    }

    /// The next of those that wait and can go.
    fn next_turn(&mut self, now: Duration) -> Option<Turn> {
        let is_ready = |member: &Member| member.is_usable(now) && member.is_free();
        if self.queue.is_empty() || !self.members.iter().any(is_ready) {
            return None;
        }
        let members = &self.members;
        let can_go = |tenant, waiter: &Waiter| choice::is_possible(members, now, tenant, &waiter.excluded);
        let (tenant, at) = self.queue.next(can_go)?;
        let waiter = self.queue.take(tenant, at)?;
        let place = choice::choose(&mut self.members, now, tenant, &waiter.excluded)?;
        if !self.members[place].is_dedicated() {
            self.queue.charge(tenant);
        }
        let chosen = self.run(now, waiter.ticket, tenant, place);
        Some(Turn {
            ticket: waiter.ticket,
            result: Ok(chosen),
        })
    }

    fn refuse_hopeless(&mut self, now: Duration, turns: &mut Vec<Turn>) {
        let refusal = |(tenant, waiter): (OrgId, &Waiter)| {
            let refusal = self.hopeless(now, tenant, &waiter.excluded, waiter.deadline)?;
            Some((waiter.ticket, refusal))
        };
        let hopeless: Vec<_> = match self.has_worsened {
            true => self.queue.iter().filter_map(refusal).collect(),
            false => self.queue.overdue(now).filter_map(refusal).collect(),
        };
        self.has_worsened = false;
        for (ticket, refusal) in hopeless {
            self.queue.forget(ticket);
            turns.push(Turn {
                ticket,
                result: Err(refusal),
            });
        }
    }

    /// Why a call that cannot run now need not wait, if so.
    fn hopeless(
        &self,
        now: Duration,
        tenant: OrgId,
        excluded: &[CredentialId],
        deadline: Duration,
    ) -> Option<Refusal> {
        let standing = || self.members.iter().filter(|member| member.stands_for(tenant));
        let untried = standing().filter(|member| !excluded.contains(&member.id()));
        // Nothing, that is at once, comes before every time.
        match untried.map(|member| member.back_at(now)).min() {
            None if standing().next().is_none() => Some(Refusal::NoMember),
            None => Some(Refusal::AllTried),
            Some(Some(at)) if at > deadline => Some(Refusal::Out {
                retry_after: at - now,
            }),
            Some(_) if deadline <= now => Some(Refusal::Waited {
                retry_after: COME_AGAIN,
            }),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
