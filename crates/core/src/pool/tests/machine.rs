//! The pool against what must hold after every step, told by a model that keeps every call's story and what each member was told.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Ask {
        tenant: u128,
        cap: u32,
        excluded: Vec<u128>,
        patience_ms: u64,
    },
    Release(Index, Outcome),
    Learn(u128, u64, u64),
    Pass(u64),
    Configure(Vec<MemberTerms>),
}

const QUEUE: QueueTerms = QueueTerms {
    per_tenant: 4,
    in_all: 7,
};

fn members() -> impl Strategy<Value = Vec<MemberTerms>> {
    let terms = (1_u32..3, 1_u32..4, 0_u32..4, 0_u128..6, 0_u32..8);
    let set = prop::option::weighted(0.8, terms);
    prop::collection::vec(set, 4).prop_map(|members| {
        let named = (1..)
            .zip(members)
            .filter_map(|(number, terms)| Some((number, terms?)));
        named
            .map(|(number, (version, weight, cap, owner, draining))| MemberTerms {
                version,
                weight: many(weight),
                max_in_flight: NonZeroU32::new(cap),
                dedicated_to: (1..=2).contains(&owner).then(|| tenant(owner)),
                is_draining: draining == 0,
                ..member(number)
            })
            .collect()
    })
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let pause = || prop::option::of((0_u64..4_000).prop_map(ms));
    prop_oneof![
        6 => Just(Outcome::Answered),
        2 => pause().prop_map(|retry_after| Outcome::Limited { retry_after }),
        1 => Just(Outcome::KeyRefused),
        1 => pause().prop_map(|pause| Outcome::Failed { pause }),
        2 => Just(Outcome::Unknown),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ask = (
        1_u128..4,
        0_u32..4,
        prop::collection::vec(1_u128..5, 0..3),
        0_u64..5_000,
    );
    let step = prop_oneof![
        8 => ask.prop_map(|(tenant, cap, excluded, patience_ms)| Step::Ask { tenant, cap, excluded, patience_ms }),
        6 => (any::<Index>(), outcomes()).prop_map(|(call, outcome)| Step::Release(call, outcome)),
        1 => (1_u128..5, 0_u64..4, 0_u64..4_000).prop_map(|(of, left, ms)| Step::Learn(of, left, ms)),
        2 => (0_u64..2_000).prop_map(Step::Pass),
        1 => members().prop_map(Step::Configure),
    ];
    prop::collection::vec(step, 1..120)
}

#[derive(Debug, Clone)]
struct Told {
    call: Call,
    /// What it runs with, if it runs.
    chosen: Option<Chosen>,
}

#[derive(Debug, Default)]
struct Model {
    members: BTreeMap<CredentialId, MemberTerms>,
    /// Calls that wait or run.
    calls: BTreeMap<Ticket, Told>,
    ended: BTreeSet<Ticket>,
    /// The cap that a tenant's last call came with.
    caps: BTreeMap<OrgId, Option<NonZeroU32>>,
    /// What was said of a member: out until then at least, by a 429 or a failure, and by its limits.
    out: BTreeMap<CredentialId, [Duration; 2]>,
    refused: BTreeSet<(CredentialId, u32)>,
}

impl Model {
    fn running(&self, is: impl Fn(&Told, Chosen) -> bool) -> usize {
        let running = self
            .calls
            .values()
            .filter(|told| told.chosen.is_some_and(|chosen| is(told, chosen)));
        running.count()
    }

    fn below(cap: Option<NonZeroU32>, running: usize) -> bool {
        cap.is_none_or(|cap| running < cap.get() as usize)
    }

    /// A grant must be one that was possible at that moment.
    fn grant(&mut self, now: Duration, ticket: Ticket, call: Call, chosen: Chosen) {
        let terms = self.members[&chosen.member];
        assert!(!terms.is_draining && terms.version == chosen.version);
        assert!(terms.dedicated_to.is_none_or(|org| org == call.tenant));
        assert!(!call.excluded.contains(&chosen.member));
        assert!(
            !self.refused.contains(&(chosen.member, chosen.version)),
            "a disabled member"
        );
        let out = self.out.get(&chosen.member).copied().unwrap_or_default();
        assert!(out.iter().all(|until| *until <= now), "a member that is out");
        let on_member = self.running(|_, other| other.member == chosen.member);
        assert!(
            Self::below(terms.max_in_flight, on_member),
            "over the member's cap"
        );
        let of_tenant = self.running(|told, _| told.call.tenant == call.tenant);
        assert!(
            Self::below(self.caps[&call.tenant], of_tenant),
            "over the tenant's cap"
        );
        let chosen = Some(chosen);
        assert!(!self.ended.contains(&ticket));
        self.calls.insert(ticket, Told { call, chosen });
    }

    fn turns(&mut self, now: Duration, turns: &[Turn]) {
        for turn in turns {
            let told = self
                .calls
                .remove(&turn.ticket)
                .expect("a turn for a call that waits");
            assert_eq!(told.chosen, None, "granted twice");
            match turn.result {
                Ok(chosen) => {
                    let earlier = self.calls.range(..turn.ticket).find(|(_, other)| {
                        let is_ahead = other.chosen.is_none() && other.call.tenant == told.call.tenant;
                        is_ahead && other.call.excluded == told.call.excluded
                    });
                    assert!(earlier.is_none(), "first come, first served");
                    self.grant(now, turn.ticket, told.call, chosen);
                }
                Err(refusal) => {
                    if matches!(refusal, Refusal::Waited { .. }) {
                        assert!(told.call.deadline <= now);
                    }
                    assert!(self.ended.insert(turn.ticket));
                }
            }
        }
    }

    fn ended(&mut self, now: Duration, ticket: Ticket, outcome: Outcome) {
        assert!(self.ended.insert(ticket));
        let Some(chosen) = self.calls.remove(&ticket).and_then(|told| told.chosen) else {
            return;
        };
        match outcome {
            Outcome::KeyRefused => {
                self.refused.insert((chosen.member, chosen.version));
            }
            Outcome::Limited { retry_after: pause } | Outcome::Failed { pause } => {
                let until = &mut self.out.entry(chosen.member).or_default()[0];
                *until = (*until).max(now + pause.unwrap_or_default());
            }
            Outcome::Answered | Outcome::Unknown => {}
        }
        self.forget();
    }

    fn configure(&mut self, members: &[MemberTerms]) {
        self.members = members.iter().map(|terms| (terms.id, *terms)).collect();
        self.forget();
    }

    /// A member that was removed and has no call is forgotten, with all that was said of it.
    fn forget(&mut self) {
        let running: BTreeSet<_> = self
            .calls
            .values()
            .filter_map(|told| Some(told.chosen?.member))
            .collect();
        let is_known = |id: &CredentialId| self.members.contains_key(id) || running.contains(id);
        self.out.retain(|id, _| is_known(id));
        self.refused.retain(|(id, _)| is_known(id));
    }

    /// What must hold after every step.
    fn check(&self, pool: &Pool, now: Duration) {
        let waiting: Vec<_> = self.calls.values().filter(|told| told.chosen.is_none()).collect();
        assert_eq!(pool.waiting(), waiting.len());
        let statuses = pool.members(now);
        for status in &statuses {
            assert_eq!(
                status.in_flight as usize,
                self.running(|_, chosen| chosen.member == status.id)
            );
        }
        assert_eq!(
            statuses
                .iter()
                .map(|status| status.in_flight as usize)
                .sum::<usize>(),
            self.running(|_, _| true)
        );
        for told in &waiting {
            assert!(told.call.deadline > now, "it has waited for long enough");
            let of_tenant = self.running(|other, _| other.call.tenant == told.call.tenant);
            if !Self::below(self.caps[&told.call.tenant], of_tenant) {
                continue;
            }
            let usable = statuses.iter().filter(|status| {
                let serves =
                    |terms: &MemberTerms| terms.dedicated_to.is_none_or(|org| org == told.call.tenant);
                status.state == MemberState::Usable
                    && self.members.get(&status.id).is_some_and(serves)
                    && !told.call.excluded.contains(&status.id)
            });
            let usable: Vec<_> = usable.map(|status| self.members[&status.id]).collect();
            let has_own = usable.iter().any(|terms| terms.dedicated_to.is_some());
            for terms in usable
                .iter()
                .filter(|terms| terms.dedicated_to.is_some() == has_own)
            {
                let on_member = self.running(|_, chosen| chosen.member == terms.id);
                assert!(
                    !Self::below(terms.max_in_flight, on_member),
                    "a free member, and a call that waits"
                );
            }
        }
        // A wake is early enough, and not earlier than it must be.
        match pool.next_wake(now) {
            None => assert!(waiting.is_empty()),
            Some(at) => {
                assert!(at > now);
                assert_eq!(pool.clone().wake(at - Duration::from_nanos(1)), []);
            }
        }
    }
}

fn play(steps: Vec<Step>) {
    let mut pool = Pool::new(QUEUE);
    let mut model = Model::default();
    let mut now = s(1);
    let first = [capped(1, 2), capped(2, 1), member(3)];
    assert!(pool.configure(now, QUEUE, &first).is_empty());
    model.configure(&first);
    for step in steps {
        let turns = match step {
            Step::Ask {
                tenant: number,
                cap,
                excluded,
                patience_ms,
            } => {
                let terms = TenantTerms {
                    max_in_flight: NonZeroU32::new(cap),
                    ..TenantTerms::default()
                };
                let call = Call {
                    terms,
                    excluded: excluded.into_iter().map(key).collect(),
                    deadline: now + ms(patience_ms),
                    ..call(number, now)
                };
                model.caps.insert(call.tenant, terms.max_in_flight);
                let (asked, turns) = pool.ask(now, call.clone());
                model.turns(now, &turns);
                match asked {
                    Asked::Granted(ticket, chosen) => model.grant(now, ticket, call, chosen),
                    Asked::Waits(ticket) => {
                        assert!(!model.ended.contains(&ticket));
                        assert!(model.calls.insert(ticket, Told { call, chosen: None }).is_none());
                    }
                    Asked::Refused(refusal) => {
                        assert!(refusal.retry_after().is_none_or(|wait| !wait.is_zero()));
                    }
                }
                Vec::new()
            }
            Step::Release(call, outcome) => {
                let tickets: Vec<_> = model.calls.keys().copied().collect();
                if tickets.is_empty() {
                    continue;
                }
                let ticket = tickets[call.index(tickets.len())];
                model.ended(now, ticket, outcome);
                let turns = pool.release(now, ticket, outcome);
                assert_eq!(pool.release(now, ticket, Outcome::KeyRefused), [], "it has ended");
                turns
            }
            Step::Learn(number, remaining, until) => {
                let resets_at = now + ms(until);
                let quota = Quota {
                    counts_requests: number % 2 == 0,
                    limit: Some(10),
                    remaining,
                    resets_at: Some(resets_at),
                };
                let is_known = pool.members(now).iter().any(|status| status.id == key(number));
                if is_known {
                    let spent = if remaining == 0 { resets_at } else { Duration::ZERO };
                    model.out.entry(key(number)).or_default()[1] = spent;
                }
                pool.learn(now, key(number), &[quota])
            }
            Step::Pass(milliseconds) => {
                now += ms(milliseconds);
                pool.wake(now)
            }
            Step::Configure(members) => {
                model.configure(&members);
                pool.configure(now, QUEUE, &members)
            }
        };
        model.turns(now, &turns);
        model.check(&pool, now);
    }
    // Everybody leaves, and nothing is left.
    while let Some(ticket) = model.calls.keys().next().copied() {
        model.ended(now, ticket, Outcome::Unknown);
        let turns = pool.release(now, ticket, Outcome::Unknown);
        model.turns(now, &turns);
    }
    assert_eq!(
        (pool.waiting(), pool.running.len(), pool.queue.tenants()),
        (0, 0, 0)
    );
    assert!(pool.members(now).iter().all(|status| status.in_flight == 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_step_leaves_it_whole(steps in steps()) {
        play(steps);
    }
}
