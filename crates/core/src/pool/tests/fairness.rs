//! Tenants on one pool, over twenty simulated seconds: who gets how much of it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;

/// A tenant that asks every so often, or, with `every` of nothing, keeps so many calls under way.
#[derive(Debug, Clone, Copy)]
struct Load {
    every: Duration,
    under_way: usize,
    weight: u32,
    cap: Option<u32>,
}

const BACKLOG: Load = Load {
    every: Duration::ZERO,
    under_way: 200,
    weight: 1,
    cap: None,
};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Got {
    granted: usize,
    refused: usize,
    longest_wait: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ask(usize),
    End(Ticket, usize),
}

struct Simulation {
    pool: Pool,
    loads: Vec<Load>,
    got: Vec<Got>,
    events: BinaryHeap<Reverse<(Duration, Event)>>,
    /// Whose a call is that waits, and since when.
    waiting: BTreeMap<Ticket, (usize, Duration)>,
    /// How long calls take; one after the other.
    lengths: Box<dyn Iterator<Item = Duration>>,
    patience: Duration,
}

impl Simulation {
    /// `loads` on `members` of ten places each, with calls of 50 to 150 ms.
    fn run(loads: &[Load], members: u128, patience: Duration, until: Duration) -> Vec<Got> {
        let terms = QueueTerms {
            per_tenant: 100,
            in_all: 150,
        };
        let mut pool = Pool::new(terms);
        let members: Vec<_> = (1..=members).map(|number| capped(number, 10)).collect();
        let _ = pool.configure(Duration::ZERO, terms, &members);
        let mut random = 7_u64;
        let lengths = std::iter::repeat_with(move || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ms(50 + (random >> 33) % 101)
        });
        let mut simulation = Self {
            pool,
            loads: loads.to_vec(),
            got: vec![Got::default(); loads.len()],
            events: BinaryHeap::new(),
            waiting: BTreeMap::new(),
            lengths: Box::new(lengths),
            patience,
        };
        for (who, load) in loads.iter().enumerate() {
            let calls = if load.every.is_zero() { load.under_way } else { 1 };
            for _ in 0..calls {
                simulation.events.push(Reverse((Duration::ZERO, Event::Ask(who))));
            }
        }
        simulation.play(until);
        simulation.got
    }

    fn play(&mut self, until: Duration) {
        while let Some(Reverse((at, _))) = self.events.peek() {
            let at = *at;
            if at > until {
                return;
            }
            if let Some(wake) = self.pool.next_wake(at).filter(|wake| *wake <= at) {
                let turns = self.pool.wake(wake);
                self.turns(wake, &turns);
            }
            let Some(Reverse((now, event))) = self.events.pop() else {
                return;
            };
            match event {
                Event::Ask(who) => self.ask(now, who),
                Event::End(ticket, who) => {
                    let turns = self.pool.release(now, ticket, Outcome::Answered);
                    self.turns(now, &turns);
                    self.again(now, who);
                }
            }
        }
    }

    fn ask(&mut self, now: Duration, who: usize) {
        let load = self.loads[who];
        let call = Call {
            tenant: tenant(who as u128),
            terms: TenantTerms {
                weight: many(load.weight),
                max_in_flight: load.cap.and_then(NonZeroU32::new),
            },
            excluded: Vec::new(),
            deadline: now + self.patience,
        };
        let (asked, turns) = self.pool.ask(now, call);
        self.turns(now, &turns);
        match asked {
            Asked::Granted(ticket, _) => self.granted(now, ticket, who, now),
            Asked::Waits(ticket) => {
                self.waiting.insert(ticket, (who, now));
            }
            Asked::Refused(_) => self.refused(now, who),
        }
        if !load.every.is_zero() {
            self.events.push(Reverse((now + load.every, Event::Ask(who))));
        }
    }

    fn turns(&mut self, now: Duration, turns: &[Turn]) {
        for turn in turns {
            let (who, since) = self.waiting.remove(&turn.ticket).unwrap();
            match turn.result {
                Ok(_) => self.granted(now, turn.ticket, who, since),
                Err(_) => self.refused(now, who),
            }
        }
    }

    fn granted(&mut self, now: Duration, ticket: Ticket, who: usize, since: Duration) {
        let got = &mut self.got[who];
        got.granted += 1;
        got.longest_wait = got.longest_wait.max(now - since);
        let length = self.lengths.next().unwrap();
        self.events.push(Reverse((now + length, Event::End(ticket, who))));
    }

    fn refused(&mut self, now: Duration, who: usize) {
        self.got[who].refused += 1;
        self.again(now + ms(200), who);
    }

    /// Who keeps calls under way makes the next one.
    fn again(&mut self, now: Duration, who: usize) {
        if self.loads[who].every.is_zero() {
            self.events.push(Reverse((now, Event::Ask(who))));
        }
    }
}

fn percent(of: usize, got: &[Got]) -> usize {
    let all: usize = got.iter().map(|got| got.granted).sum();
    got[of].granted * 100 / all
}

#[test]
fn two_with_a_backlog_share_evenly_however_much_each_asks() {
    for under_way in [[200, 200], [20, 200], [200, 3_000]] {
        let loads = under_way.map(|under_way| Load { under_way, ..BACKLOG });
        let got = Simulation::run(&loads, 1, s(5), s(20));
        assert!((45..=55).contains(&percent(0, &got)), "{under_way:?}: {got:?}");
        assert!(got[0].granted + got[1].granted > 1_950, "100 a second: {got:?}");
    }
}

#[test]
fn weights_of_tenants_hold() {
    let loads = [1, 2, 5].map(|weight| Load { weight, ..BACKLOG });
    let got = Simulation::run(&loads, 2, s(5), s(20));
    let shares = [0, 1, 2].map(|of| percent(of, &got));
    for (share, wanted) in shares.into_iter().zip([12, 25, 62]) {
        assert!(share.abs_diff(wanted) <= 1, "{shares:?}");
    }
}

#[test]
fn a_flood_of_fifty_times_as_much_refuses_nothing_to_who_stays_below_its_share() {
    let steady = Load {
        every: ms(22),
        ..BACKLOG
    };
    let flood = Load {
        every: Duration::from_micros(440),
        ..BACKLOG
    };
    // 45 a second of the 50 that are its share.
    let got = Simulation::run(&[steady, flood], 1, s(2), s(20));
    assert_eq!(got[0].refused, 0, "{got:?}");
    assert!(got[0].granted >= 900 && got[0].longest_wait < ms(500), "{got:?}");
    assert!(got[1].refused > 40_000, "{got:?}");
}

#[test]
fn many_that_flood_leave_a_newcomer_its_place() {
    let flood = Load {
        every: ms(1),
        ..BACKLOG
    };
    let steady = Load {
        every: ms(125),
        ..BACKLOG
    };
    let mut loads = vec![flood; 9];
    loads.push(steady);
    let got = Simulation::run(&loads, 1, s(2), s(20));
    assert_eq!(got[9].refused, 0, "8 a second of 10: {got:?}");
    for of in 0..9 {
        assert!((9..=11).contains(&percent(of, &got)), "{got:?}");
    }
}

#[test]
fn what_one_may_not_have_the_others_get() {
    let capped = Load {
        cap: Some(2),
        ..BACKLOG
    };
    let got = Simulation::run(&[capped, BACKLOG], 1, s(5), s(20));
    assert!((19..=21).contains(&percent(0, &got)), "{got:?}");
    assert!(got[0].granted + got[1].granted > 1_950, "{got:?}");
}

#[test]
fn nothing_is_saved_up_while_one_cannot_go() {
    // The first tenant waits for its own member while the second one is served a hundred times by the shared one.
    let own = MemberTerms {
        dedicated_to: Some(tenant(1)),
        ..capped(1, 1)
    };
    let mut pool = pool(&[own, capped(2, 1)]);
    let (held, _) = granted(&mut pool, s(1), call(1, s(1)));
    let (mut running, _) = granted(&mut pool, s(1), call(2, s(1)));
    for _ in 0..40 {
        let _ = waits(&mut pool, s(1), call(1, s(1)));
    }
    let next = |pool: &mut Pool, running: &mut Ticket| {
        let ticket = waits(pool, s(1), call(2, s(1)));
        let turns = pool.release(s(1), *running, Outcome::Answered);
        *running = turns[0].ticket;
        (ticket, turns[0].ticket)
    };
    for _ in 0..100 {
        let (asked, got) = next(&mut pool, &mut running);
        assert_eq!(asked, got);
    }
    // Its own goes out, and it comes to the shared one: they take turns from the beginning.
    assert_eq!(
        pool.release(
            s(1),
            held,
            Outcome::Limited {
                retry_after: Some(s(50))
            }
        ),
        []
    );
    let mut of_second = 0;
    for _ in 0..20 {
        let (_, got) = next(&mut pool, &mut running);
        of_second += usize::from(pool.running[&got].tenant == tenant(2));
    }
    assert!((9..=11).contains(&of_second), "{of_second} of 20");
}
