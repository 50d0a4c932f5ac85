use super::*;
use proptest::prelude::*;

fn at(millis: u64) -> Arrival {
    Arrival {
        now: Micros(1_795_000_000_000_000 + i64::try_from(millis).unwrap() * 1_000),
        boottime: Duration::from_millis(millis),
    }
}

const NO_RPD: u32 = MAX_LIMIT;

fn rpm(rpm: u32) -> RateLimits {
    limits(rpm, NO_RPD)
}

fn limits(rpm: u32, rpd: u32) -> RateLimits {
    RateLimits {
        rpm: Some(rpm),
        rpd: Some(rpd),
        ..RateLimits::default()
    }
}

impl Rates {
    fn admit(&mut self, arrival: Arrival, limits: RateLimits) -> Result<Admitted, RateLimited> {
        self.try_admit(arrival, &limits, RateScope::Agent)
    }
}

#[test]
fn a_key_is_small() {
    assert!(size_of::<Rates>() <= 320, "{}", size_of::<Rates>());
}

#[test]
fn the_sixty_first_waits_until_the_first_is_a_minute_old() {
    let mut rates = Rates::new();
    for index in 0..60 {
        let admitted = rates.admit(at(500), rpm(60)).unwrap();
        assert_eq!(admitted.remaining, 59 - index);
        assert_eq!(admitted.resets_at, at(61_000).now);
    }
    let refused = rates.admit(at(30_000), rpm(60)).unwrap_err();
    assert_eq!(refused.kind, RateKind::Rpm);
    assert_eq!(refused.limit, 60);
    assert_eq!(refused.resets_at, Some(at(61_000).now));
    assert!(rates.admit(at(60_999), rpm(60)).is_err());
    assert_eq!(rates.admit(at(61_000), rpm(60)).unwrap().remaining, 59);
}

#[test]
fn what_is_used_is_what_counts_at_that_moment() {
    let mut rates = Rates::new();
    assert_eq!(rates.used(at(0)), Used::default());
    let limits = limits(60, 100);
    for second in [0, 10] {
        let _ = rates.admit(at(second * 1_000), limits).unwrap();
    }
    let _ = rates
        .try_tokens(at(10_000), 1_000, 300, RateScope::Agent)
        .unwrap();
    rates.ended();
    let used = |minute, day, tokens| Used {
        minute,
        day,
        tokens,
        running: 1,
    };
    assert_eq!(rates.used(at(10_000)), used(2, 2, 300));
    assert_eq!(rates.used(at(61_000)), used(1, 2, 300));
    assert_eq!(rates.used(at(80_000)), used(0, 2, 0));
}

#[test]
fn limits_change_between_requests() {
    let mut rates = Rates::new();
    for second in 0..10 {
        let _ = rates.admit(at(second * 1_000), rpm(60)).unwrap();
    }
    // Ten count; under a limit of four, seven of them must age.
    let refused = rates.admit(at(10_000), rpm(4)).unwrap_err();
    assert_eq!(refused.resets_at, Some(at(67_000).now));
    assert!(rates.admit(at(66_999), rpm(4)).is_err());
    assert_eq!(rates.admit(at(67_000), rpm(4)).unwrap().remaining, 0);
    assert_eq!(
        rates.admit(at(67_000), rpm(MAX_LIMIT)).unwrap().remaining,
        MAX_LIMIT - 5
    );
}

#[test]
fn zero_blocks_for_ever() {
    let mut rates = Rates::new();
    assert_eq!(rates.admit(at(0), rpm(0)).unwrap_err().resets_at, None);
    let limits = limits(60, 0);
    let refused = rates.admit(at(0), limits).unwrap_err();
    assert_eq!((refused.kind, refused.resets_at), (RateKind::Rpd, None));
}

#[test]
fn what_is_given_back_was_never_there() {
    let mut rates = Rates::new();
    let limits = limits(2, 2);
    let first = rates.admit(at(0), limits).unwrap();
    let second = rates.admit(at(100), limits).unwrap();
    assert!(rates.admit(at(200), limits).is_err());
    rates.give_back(first);
    let third = rates.admit(at(200), limits).unwrap();
    assert!(rates.admit(at(200), limits).is_err());
    rates.give_back(second);
    rates.give_back(third);
    assert_eq!(rates.day_count(at(200).now), 0);
    // A minute later there is nothing in the ring to give back.
    let old = rates.admit(at(300), limits).unwrap();
    let _ = rates.admit(at(61_300), limits).unwrap();
    rates.give_back(old);
    assert_eq!(rates.admit(at(61_300), limits).unwrap().remaining, 0);
}

#[test]
fn the_day_is_a_utc_day_and_ends_at_midnight() {
    let limits = limits(60, 3);
    let mut rates = Rates::new();
    let evening: Micros = "2026-11-23T23:59:59Z".parse().unwrap();
    rates.restore_day(evening, 2);
    let arrival = |now: &str| Arrival {
        now: now.parse().unwrap(),
        boottime: Duration::ZERO,
    };
    let _ = rates.admit(arrival("2026-11-23T23:59:59Z"), limits).unwrap();
    let refused = rates.admit(arrival("2026-11-23T23:59:59Z"), limits).unwrap_err();
    assert_eq!(refused.kind, RateKind::Rpd);
    assert_eq!(refused.resets_at, Some("2026-11-24T00:00:00Z".parse().unwrap()));
    // The refused one did not count in the minute: one of 60 is used, and this is the second.
    assert_eq!(
        rates
            .admit(arrival("2026-11-24T00:00:00Z"), limits)
            .unwrap()
            .remaining,
        58
    );
    // The clock steps back over midnight, further back, and far ahead: the full day stays full.
    assert!(rates.admit(arrival("2026-11-23T23:00:00Z"), limits).is_err());
    assert!(rates.admit(arrival("2026-11-20T23:00:00Z"), limits).is_err());
    let _ = rates.admit(arrival("2027-11-23T23:00:00Z"), limits).unwrap();
    assert_eq!(rates.day_count("2026-11-24T00:00:00Z".parse().unwrap()), 1);
    // And the day after it is a fresh one, although a later one was seen.
    assert_eq!(rates.day_count("2026-11-25T00:00:00Z".parse().unwrap()), 0);
}

#[test]
fn tokens_count_as_expected_until_it_is_known_better() {
    let mut rates = Rates::new();
    let ask = |rates: &mut Rates, millis, tokens| rates.try_tokens(at(millis), 1_000, tokens, RateScope::Org);
    let first = ask(&mut rates, 0, 600).unwrap();
    let refused = ask(&mut rates, 1_000, 401).unwrap_err();
    assert_eq!(
        (refused.kind, refused.scope, refused.limit),
        (RateKind::Tpm, RateScope::Org, 1_000)
    );
    assert_eq!(refused.resets_at, Some(at(61_000).now));
    // It used less: what is left is free at once.
    rates.correct(first, 100);
    let second = ask(&mut rates, 1_000, 900).unwrap();
    // It used more: those that come later wait for it.
    rates.correct(second, 5_000);
    assert_eq!(
        ask(&mut rates, 2_000, 1).unwrap_err().resets_at,
        Some(at(62_000).now)
    );
    let third = ask(&mut rates, 62_000, 1_000_000).unwrap();
    assert!(
        ask(&mut rates, 62_000, 1).is_err(),
        "one that is too large is alone"
    );
    rates.correct(third, 0);
    assert!(ask(&mut rates, 62_000, 1_000).is_ok());
    assert_eq!(
        rates
            .try_tokens(at(0), 0, 1, RateScope::Agent)
            .unwrap_err()
            .resets_at,
        None
    );
}

#[test]
fn as_many_calls_run_as_the_cap_says() {
    let mut rates = Rates::new();
    let cap = RateLimits {
        concurrency: Some(2),
        ..RateLimits::default()
    };
    let first = rates.admit(at(0), cap).unwrap();
    let _ = rates.admit(at(0), cap).unwrap();
    let refused = rates.admit(at(0), cap).unwrap_err();
    assert_eq!(
        (refused.kind, refused.limit, refused.resets_at),
        (RateKind::Concurrency, 2, None)
    );
    rates.ended();
    let _ = rates.admit(at(0), cap).unwrap();
    rates.give_back(first);
    assert_eq!(rates.running(), 1);
}

#[derive(Debug, Clone)]
enum Step {
    /// A request, this many milliseconds of boot time after the one before.
    Request(u64),
    /// Gives back the admission with this index, counted from the newest.
    GiveBack(usize),
    /// Sets the wall clock by this many seconds.
    SetClock(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let gap = prop_oneof![
        4 => Just(0_u64),
        4 => 0_u64..1_500,
        1 => prop::sample::select(vec![999_u64, 1_000, 1_001, 59_999, 60_000, 60_001, 60_999, 61_000, 61_001]),
        1 => 0_u64..200_000,
    ];
    let step = prop_oneof![
        20 => gap.prop_map(Step::Request),
        2 => (0_usize..5).prop_map(Step::GiveBack),
        1 => (-7_200_i64..7_200).prop_map(Step::SetClock),
    ];
    prop::collection::vec(step, 1..300)
}

proptest! {
    /// Whatever the spacing and however the wall clock is set: no 60 seconds hold more than the limit, and nobody who would
    /// be within the limit by whole seconds is refused.
    #[test]
    fn never_more_than_the_limit_in_any_minute(limit in 1_u32..12, steps in steps()) {
        let mut rates = Rates::new();
        let mut millis = 0;
        let mut skew = 0;
        let mut admitted: Vec<(u64, Admitted)> = Vec::new();
        for step in steps {
            match step {
                Step::SetClock(seconds) => skew = seconds,
                Step::GiveBack(from_the_end) => {
                    if let Some(index) = admitted.len().checked_sub(1 + from_the_end) {
                        rates.give_back(admitted.remove(index).1);
                    }
                }
                Step::Request(gap) => {
                    millis += gap;
                    let mut arrival = at(millis);
                    arrival.now = Micros(arrival.now.0 + skew * 1_000_000);
                    let in_whole_seconds = admitted.iter().filter(|(then, _)| then / 1_000 + 60 >= millis / 1_000).count();
                    match rates.admit(arrival, rpm(limit)) {
                        Ok(admission) => {
                            let in_sixty_seconds = admitted.iter().filter(|(then, _)| then + 60_000 > millis).count();
                            prop_assert!(in_sixty_seconds < limit as usize);
                            prop_assert_eq!(admission.remaining as usize, limit as usize - in_whole_seconds - 1);
                            admitted.push((millis, admission));
                        }
                        Err(refused) => {
                            prop_assert!(in_whole_seconds >= limit as usize);
                            // It says the truth about when to come back, and that is at most 61 seconds away.
                            let wait = refused.resets_at.unwrap().since(arrival.now);
                            prop_assert!(wait > Duration::ZERO && wait <= Duration::from_secs(61));
                            let mut later = rates.clone();
                            let boottime = arrival.boottime + wait;
                            let outcome = later.admit(Arrival { boottime, ..arrival }, rpm(limit));
 prop_assert!(outcome.is_ok());
                            let mut sooner = rates.clone();
                            let boottime = boottime - Duration::from_millis(1);
                            let outcome = sooner.admit(Arrival { boottime, ..arrival }, rpm(limit));
 prop_assert!(outcome.is_err());
                        }
                    }
                }
            }
        }
    }
}
