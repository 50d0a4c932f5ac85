use uuid::Uuid;

use super::*;

mod fairness;
mod machine;

const ROOMY: QueueTerms = QueueTerms {
    per_tenant: 1_000,
    in_all: 10_000,
};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn many(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn key(number: u128) -> CredentialId {
    CredentialId::new(Uuid::from_u128(number))
}

fn tenant(number: u128) -> OrgId {
    OrgId::new(Uuid::from_u128(number))
}

/// A shared member of weight 1 without a cap.
fn member(number: u128) -> MemberTerms {
    MemberTerms {
        id: key(number),
        version: 1,
        weight: NonZeroU32::MIN,
        dedicated_to: None,
        max_in_flight: None,
        is_draining: false,
    }
}

fn capped(number: u128, most: u32) -> MemberTerms {
    MemberTerms {
        max_in_flight: Some(many(most)),
        ..member(number)
    }
}

fn pool(members: &[MemberTerms]) -> Pool {
    let mut pool = Pool::new(ROOMY);
    assert!(pool.configure(Duration::ZERO, ROOMY, members).is_empty());
    pool
}

/// A call that waits for up to a minute.
fn call(number: u128, now: Duration) -> Call {
    Call {
        tenant: tenant(number),
        terms: TenantTerms::default(),
        excluded: Vec::new(),
        deadline: now + s(60),
    }
}

fn ask(pool: &mut Pool, now: Duration, call: Call) -> Asked {
    let (asked, turns) = pool.ask(now, call);
    assert_eq!(turns, []);
    asked
}

fn granted(pool: &mut Pool, now: Duration, call: Call) -> (Ticket, CredentialId) {
    match ask(pool, now, call) {
        Asked::Granted(ticket, chosen) => (ticket, chosen.member),
        other => panic!("{other:?}"),
    }
}

fn waits(pool: &mut Pool, now: Duration, call: Call) -> Ticket {
    match ask(pool, now, call) {
        Asked::Waits(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

fn refused(pool: &mut Pool, now: Duration, call: Call) -> Refusal {
    match ask(pool, now, call) {
        Asked::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

/// Calls one after the other, each answered before the next: who served how many.
fn served(pool: &mut Pool, now: Duration, by: u128, calls: usize) -> BTreeMap<CredentialId, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..calls {
        let (ticket, member) = granted(pool, now, call(by, now));
        *counts.entry(member).or_default() += 1;
        assert_eq!(pool.release(now, ticket, Outcome::Answered), []);
    }
    counts
}

fn state(pool: &Pool, now: Duration, number: u128) -> MemberState {
    let members = pool.members(now);
    members
        .iter()
        .find(|member| member.id == key(number))
        .unwrap()
        .state
}

#[test]
fn weights_hold_and_choices_are_smooth() {
    let weights = [5, 1, 2].map(many);
    let members: Vec<_> = (1..)
        .zip(weights)
        .map(|(number, weight)| MemberTerms {
            weight,
            ..member(number)
        })
        .collect();
    let mut pool = pool(&members);
    let mut row = Vec::new();
    for _ in 0..8 {
        row.push(granted(&mut pool, s(1), call(1, s(1))).1);
    }
    assert_eq!(row, [1, 3, 1, 1, 2, 1, 3, 1].map(key));
    let counts = served(&mut pool, s(1), 1, 8_000);
    assert_eq!(
        counts,
        BTreeMap::from([(key(1), 5_000), (key(2), 1_000), (key(3), 2_000)])
    );
}

#[test]
fn what_is_left_of_a_limit_lowers_a_members_weight() {
    let mut pool = pool(&[member(1), member(2)]);
    let quota = Quota {
        counts_requests: false,
        limit: Some(1_000),
        remaining: 250,
        resets_at: Some(s(9)),
    };
    assert_eq!(pool.learn(s(1), key(1), &[quota]), []);
    assert_eq!(pool.members(s(1))[0].left_permille, 250);
    let counts = served(&mut pool, s(1), 1, 1_000);
    assert_eq!(counts[&key(1)], 200, "a quarter against a whole");
    let spent = Quota {
        remaining: 0,
        ..quota
    };
    assert_eq!(pool.learn(s(1), key(1), &[spent]), []);
    assert_eq!(state(&pool, s(1), 1), MemberState::Out(s(9)));
    assert_eq!(served(&mut pool, s(1), 1, 100), BTreeMap::from([(key(2), 100)]));
    assert_eq!(served(&mut pool, s(9), 1, 100)[&key(1)], 50);
}

#[test]
fn a_refused_key_is_out_until_its_version_changes() {
    let mut pool = pool(&[member(1)]);
    let (ticket, _) = granted(&mut pool, s(1), call(1, s(1)));
    let (late, _) = granted(&mut pool, s(1), call(1, s(1)));
    assert_eq!(pool.release(s(1), ticket, Outcome::KeyRefused), []);
    assert_eq!(state(&pool, s(1), 1), MemberState::KeyRefused);
    assert_eq!(refused(&mut pool, s(9), call(1, s(9))), Refusal::NoMember);
    let next = MemberTerms {
        version: 2,
        ..member(1)
    };
    assert_eq!(pool.configure(s(9), ROOMY, &[member(1)]), []);
    assert_eq!(
        state(&pool, s(9), 1),
        MemberState::KeyRefused,
        "nothing has changed"
    );
    assert_eq!(pool.configure(s(9), ROOMY, &[next]), []);
    assert_eq!(pool.running(key(1), 1), 1);
    assert_eq!(pool.release(s(9), late, Outcome::KeyRefused), []);
    assert_eq!(state(&pool, s(9), 1), MemberState::Usable, "that was the old key");
    let _ = granted(&mut pool, s(9), call(1, s(9)));
    assert_eq!((pool.running(key(1), 1), pool.running(key(1), 2)), (0, 1));
}

#[test]
fn a_tenant_uses_its_own_members_while_it_can() {
    let own = MemberTerms {
        dedicated_to: Some(tenant(1)),
        ..capped(1, 1)
    };
    let mut pool = pool(&[own, member(2)]);
    let (first, by) = granted(&mut pool, s(1), call(1, s(1)));
    assert_eq!(by, key(1));
    let second = waits(&mut pool, s(1), call(1, s(1)));
    assert_eq!(
        granted(&mut pool, s(1), call(2, s(1))).1,
        key(2),
        "another tenant never has it"
    );
    // It goes out, and whoever waited for it goes to the shared one.
    let turns = pool.release(s(1), first, Outcome::Limited { retry_after: None });
    let shared = Chosen {
        member: key(2),
        version: 1,
    };
    assert_eq!(
        turns,
        [Turn {
            ticket: second,
            result: Ok(shared)
        }]
    );
    assert_eq!(granted(&mut pool, s(2), call(1, s(2))).1, key(1), "it is back");
}

#[test]
fn a_call_that_fails_over_does_not_meet_what_it_has_tried() {
    let mut pool = pool(&[member(1), member(2)]);
    let mut again = call(1, s(1));
    for number in [1, 2] {
        let (ticket, by) = granted(&mut pool, s(1), again.clone());
        assert_eq!(by, key(number));
        assert_eq!(pool.release(s(1), ticket, Outcome::Failed { pause: None }), []);
        again.excluded.push(by);
    }
    assert_eq!(refused(&mut pool, s(1), again), Refusal::AllTried);
    assert_eq!(
        state(&pool, s(1), 1),
        MemberState::Usable,
        "a failure says nothing of a key"
    );
}

#[test]
fn who_cannot_hope_is_refused_at_once() {
    let mut pool = pool(&[capped(1, 1)]);
    let (running, _) = granted(&mut pool, s(1), call(1, s(1)));
    let short = waits(
        &mut pool,
        s(1),
        Call {
            deadline: s(3),
            ..call(1, s(1))
        },
    );
    let long = waits(&mut pool, s(1), call(2, s(1)));
    let at_once = Call {
        deadline: s(1),
        ..call(1, s(1))
    };
    let waited = Refusal::Waited {
        retry_after: COME_AGAIN,
    };
    assert_eq!(refused(&mut pool, s(1), at_once), waited);
    assert_eq!(pool.next_wake(s(1)), Some(s(3)));
    let limited = Outcome::Limited {
        retry_after: Some(s(5)),
    };
    let out = Refusal::Out { retry_after: s(5) };
    assert_eq!(
        pool.release(s(1), running, limited),
        [Turn {
            ticket: short,
            result: Err(out)
        }]
    );
    assert_eq!(out.retry_after(), Some(s(5)));
    assert_eq!(pool.next_wake(s(1)), Some(s(6)), "it is back before the deadline");
    assert_eq!(pool.wake(s(6) - ms(1)), []);
    let turns = pool.wake(s(6));
    assert_eq!(turns.len(), 1);
    assert!(turns[0].ticket == long && turns[0].result.is_ok());
    let third = waits(&mut pool, s(6), call(3, s(6)));
    assert_eq!(
        pool.configure(s(6), ROOMY, &[]),
        [Turn {
            ticket: third,
            result: Err(Refusal::NoMember)
        }]
    );
}

#[test]
fn a_place_ends_once_and_a_waiting_one_without_a_trace() {
    let mut pool = pool(&[capped(1, 1)]);
    let (running, _) = granted(&mut pool, s(1), call(1, s(1)));
    let gone = waits(&mut pool, s(1), call(1, s(1)));
    let next = waits(&mut pool, s(1), call(1, s(1)));
    assert_eq!(pool.release(s(1), gone, Outcome::Unknown), []);
    assert_eq!(pool.waiting(), 1);
    let turns = pool.release(s(1), running, Outcome::Answered);
    assert_eq!(turns.iter().map(|turn| turn.ticket).collect::<Vec<_>>(), [next]);
    for ticket in [running, gone] {
        assert_eq!(pool.release(s(1), ticket, Outcome::KeyRefused), []);
    }
    assert_eq!(pool.members(s(1))[0].in_flight, 1);
}

#[test]
fn members_come_and_go_with_their_calls() {
    let mut pool = pool(&[capped(1, 2), capped(2, 2)]);
    let first = [(); 4].map(|()| granted(&mut pool, s(1), call(1, s(1))).0);
    assert_eq!(pool.configure(s(1), ROOMY, &[capped(2, 3)]), []);
    assert_eq!(state(&pool, s(1), 1), MemberState::Draining);
    assert_eq!(granted(&mut pool, s(1), call(1, s(1))).1, key(2));
    assert_eq!(pool.configure(s(1), ROOMY, &[capped(1, 2), capped(2, 3)]), []);
    let waiting = waits(&mut pool, s(1), call(1, s(1)));
    assert_eq!(pool.members(s(1))[0].in_flight, 2, "it came back with its calls");
    let draining = [1, 2].map(|number| MemberTerms {
        is_draining: true,
        ..capped(number, 3)
    });
    assert_eq!(
        pool.configure(s(1), ROOMY, &draining),
        [Turn {
            ticket: waiting,
            result: Err(Refusal::NoMember)
        }]
    );
    assert_eq!(pool.configure(s(1), ROOMY, &[]), []);
    for ticket in first {
        assert_eq!(pool.release(s(1), ticket, Outcome::Answered), []);
    }
    let left: Vec<_> = pool
        .members(s(1))
        .iter()
        .map(|member| (member.id, member.in_flight))
        .collect();
    assert_eq!(left, [(key(2), 1)], "the other one is gone");
}

#[test]
fn a_full_queue_takes_from_who_has_the_most() {
    let terms = QueueTerms {
        per_tenant: 4,
        in_all: 5,
    };
    let mut pool = Pool::new(terms);
    assert_eq!(pool.configure(s(0), terms, &[capped(1, 1)]), []);
    let _ = granted(&mut pool, s(1), call(1, s(1)));
    let full = Refusal::Full {
        retry_after: COME_AGAIN,
    };
    let flood = [(); 4].map(|()| waits(&mut pool, s(1), call(1, s(1))));
    assert_eq!(
        refused(&mut pool, s(1), call(1, s(1))),
        full,
        "as many as one may"
    );
    let _ = waits(&mut pool, s(1), call(2, s(1)));
    let (asked, turns) = pool.ask(s(1), call(2, s(1)));
    assert!(matches!(asked, Asked::Waits(_)));
    assert_eq!(
        turns,
        [Turn {
            ticket: flood[3],
            result: Err(full)
        }]
    );
    assert_eq!(
        refused(&mut pool, s(1), call(2, s(1))),
        full,
        "three against two, not more"
    );
    let heavy = TenantTerms {
        weight: many(2),
        ..TenantTerms::default()
    };
    let (asked, turns) = pool.ask(
        s(1),
        Call {
            terms: heavy,
            ..call(2, s(1))
        },
    );
    assert!(matches!(asked, Asked::Waits(_)), "three for two shares");
    assert_eq!(turns[0].ticket, flood[2]);
}

#[test]
fn a_tenants_cap_holds_inside_the_pool() {
    let mut pool = pool(&[member(1)]);
    let two = |now| Call {
        terms: TenantTerms {
            max_in_flight: Some(many(2)),
            ..TenantTerms::default()
        },
        ..call(1, now)
    };
    let (first, _) = granted(&mut pool, s(1), two(s(1)));
    let _ = granted(&mut pool, s(1), two(s(1)));
    let third = waits(&mut pool, s(1), two(s(1)));
    let _ = granted(&mut pool, s(1), call(2, s(1)));
    let turns = pool.release(s(1), first, Outcome::Unknown);
    assert_eq!(turns.iter().map(|turn| turn.ticket).collect::<Vec<_>>(), [third]);
}
