//! A circuit: calls to a host that fails again and again are held back, so that they neither wait for it nor load it further.
//!
//! Closed, it lets every call through and counts. It opens after [`FAILURES_IN_A_ROW`], or when more than half of at least
//! [`LEAST_CALLS`] calls of the last [`WINDOW`] failed. Open, it lets nothing through for a pause, and then one call, the probe,
//! which decides: an answer closes the circuit, a failure begins a pause of twice the length. While a probe is under way the
//! others wait for it, but not longer than another pause: then one more is let through, so that a slow call keeps nobody out.
//!
//! Only calls that were let through since the circuit last opened or closed count, so that calls that began before, and fail
//! late, do not open it again. Times are boot time. Nothing here locks: the proxy keeps one circuit for each host of a credential.

use std::time::Duration;

/// So many failures without an answer between them open a circuit.
pub const FAILURES_IN_A_ROW: u32 = 10;
/// The fewest calls of which a share says something.
pub const LEAST_CALLS: u32 = 20;
/// How far back calls count, to a sixth of it.
pub const WINDOW: Duration = Duration::from_secs(60);
/// How long an open circuit lets nothing through at first.
pub const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);

const SLOTS: usize = 6;
const SLOT_SECONDS: u64 = WINDOW.as_secs() / SLOTS as u64;

/// How a call that was let through ended, as far as it says something about the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The host answered, if only to refuse.
    Answered,
    /// It did not, or said that it could not.
    Failed,
    /// Nothing is known: the call was not made, or its client left.
    Unknown,
}

/// What a call did to its circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It opened, for so long.
    Opened(Duration),
    /// It closed.
    Closed,
}

/// A call that was let through. Its end is told by [`Circuit::leave`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the circuit waits for how the call ends"]
pub struct Entry {
    /// How often the circuit had opened.
    openings: u64,
    /// Its number among the probes, if it is one.
    probe: Option<u64>,
}

/// The circuit of one host.
#[derive(Debug, Clone, Default)]
pub struct Circuit {
    state: State,
    openings: u64,
    probes: u64,
}

#[derive(Debug, Clone)]
enum State {
    Closed(Calls),
    Open {
        /// When the next call is let through.
        until: Duration,
        pause: Duration,
    },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed(Calls::default())
    }
}

impl Circuit {
    /// Lets a call through.
    ///
    /// # Errors
    ///
    /// How long it is, more than nothing and at most [`LONGEST_PAUSE`], until a call is let through again.
    pub fn enter(&mut self, boottime: Duration) -> Result<Entry, Duration> {
        let probe = match &mut self.state {
            State::Closed(_) => None,
            State::Open { until, .. } if boottime < *until => return Err(*until - boottime),
            State::Open { until, pause } => {
                *until = boottime.saturating_add(*pause);
                self.probes += 1;
                Some(self.probes)
            }
        };
        Ok(Entry {
            openings: self.openings,
            probe,
        })
    }

    /// Takes in how a call ended.
    pub fn leave(&mut self, entry: Entry, verdict: Verdict, boottime: Duration) -> Option<Change> {
        if entry.openings != self.openings {
            return None;
        }
        let is_latest = entry.probe == Some(self.probes);
        match (&mut self.state, verdict) {
            (State::Closed(calls), Verdict::Answered | Verdict::Failed) if entry.probe.is_none() => {
                let failed = verdict == Verdict::Failed;
                calls.count(failed, boottime);
                (failed && calls.are_too_bad()).then(|| self.open(boottime))
            }
            (State::Open { .. }, Verdict::Answered) => {
                self.state = State::default();
                Some(Change::Closed)
            }
            (State::Open { until, pause }, Verdict::Failed) if is_latest => {
                *pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                *until = boottime.saturating_add(*pause);
                None
            }
            // The next call takes its place.
            (State::Open { until, .. }, Verdict::Unknown) if is_latest => {
                *until = boottime;
                None
            }
            _ => None,
        }
    }

    fn open(&mut self, boottime: Duration) -> Change {
        self.openings += 1;
        self.state = State::Open {
            until: boottime.saturating_add(FIRST_PAUSE),
            pause: FIRST_PAUSE,
        };
        Change::Opened(FIRST_PAUSE)
    }
}

/// The calls of a closed circuit.
#[derive(Debug, Clone, Default)]
struct Calls {
    failures_in_a_row: u32,
    /// The newest slot, in [`SLOT_SECONDS`] of boot time.
    head: u64,
    /// The slot `s` is at `s % SLOTS`.
    slots: [Slot; SLOTS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    calls: u32,
    failed: u32,
}

impl Calls {
    fn count(&mut self, failed: bool, boottime: Duration) {
        self.failures_in_a_row = match failed {
            true => self.failures_in_a_row.saturating_add(1),
            false => 0,
        };
        // Boot time does not go back; if it did, the newest slot would go on counting.
        let slot = (boottime.as_secs() / SLOT_SECONDS).max(self.head);
        for passed in (self.head..slot).rev().take(SLOTS) {
            self.slots[place(passed + 1)] = Slot::default();
        }
        self.head = slot;
        let slot = &mut self.slots[place(slot)];
        slot.calls = slot.calls.saturating_add(1);
        slot.failed = slot.failed.saturating_add(u32::from(failed));
    }

    /// Whether a failure was one too many.
    fn are_too_bad(&self) -> bool {
        let sum = |of: fn(&Slot) -> u32| self.slots.iter().map(|slot| u64::from(of(slot))).sum::<u64>();
        let (calls, failed) = (sum(|slot| slot.calls), sum(|slot| slot.failed));
        self.failures_in_a_row >= FAILURES_IN_A_ROW || (calls >= u64::from(LEAST_CALLS) && failed * 2 > calls)
    }
}

const fn place(slot: u64) -> usize {
    (slot % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const TICK: Duration = Duration::from_nanos(1);

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn call(circuit: &mut Circuit, verdict: Verdict, at: Duration) -> Option<Change> {
        let entry = circuit.enter(at).unwrap();
        circuit.leave(entry, verdict, at)
    }

    fn opened(at: Duration) -> Circuit {
        let mut circuit = Circuit::default();
        for _ in 1..FAILURES_IN_A_ROW {
            assert_eq!(call(&mut circuit, Verdict::Failed, at), None);
        }
        let last = call(&mut circuit, Verdict::Failed, at);
        assert_eq!(last, Some(Change::Opened(FIRST_PAUSE)));
        circuit
    }

    #[test]
    fn an_answer_between_failures_begins_the_row_anew() {
        let mut circuit = Circuit::default();
        // Seldom enough that no share of a window says anything.
        for round in 0..50 {
            for failure in 1..FAILURES_IN_A_ROW {
                let at = s(round * 10_000 + u64::from(failure) * 100);
                assert_eq!(call(&mut circuit, Verdict::Failed, at), None);
            }
            assert_eq!(
                call(&mut circuit, Verdict::Answered, s(round * 10_000 + 5_000)),
                None
            );
        }
    }

    #[test]
    fn more_than_half_of_enough_calls_open_it() {
        let mut circuit = Circuit::default();
        for _ in 0..LEAST_CALLS / 2 {
            assert_eq!(call(&mut circuit, Verdict::Answered, s(7)), None);
            assert_eq!(
                call(&mut circuit, Verdict::Failed, s(7)),
                None,
                "half is not more"
            );
        }
        assert!(matches!(
            call(&mut circuit, Verdict::Failed, s(7)),
            Some(Change::Opened(_))
        ));
    }

    #[test]
    fn an_answer_never_opens_it() {
        let mut circuit = Circuit::default();
        for verdict in [Verdict::Failed, Verdict::Failed, Verdict::Answered].repeat(6) {
            assert_eq!(call(&mut circuit, verdict, s(7)), None);
        }
        assert_eq!(call(&mut circuit, Verdict::Failed, s(7)), None, "19 calls");
        assert_eq!(call(&mut circuit, Verdict::Answered, s(7)), None, "13 of 20");
        assert!(call(&mut circuit, Verdict::Failed, s(7)).is_some());
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let mut circuit = Circuit::default();
        for _ in 0..FAILURES_IN_A_ROW - 1 {
            assert_eq!(call(&mut circuit, Verdict::Failed, s(9)), None);
        }
        assert_eq!(call(&mut circuit, Verdict::Answered, s(60)), None);
        for _ in 0..9 {
            assert_eq!(call(&mut circuit, Verdict::Failed, s(60)), None, "9 of 10");
        }
        assert_eq!(call(&mut circuit, Verdict::Answered, s(119)), None, "9 of 11");
        assert_eq!(call(&mut circuit, Verdict::Answered, s(1_000_000)), None);
    }

    #[test]
    fn pauses_double_to_a_minute_and_begin_anew_after_it_closed() {
        let mut circuit = opened(s(1));
        let mut now = s(1);
        for pause in [5, 10, 20, 40, 60, 60] {
            assert_eq!(circuit.enter(now), Err(s(pause)));
            assert_eq!(circuit.enter(now + s(pause) - TICK), Err(TICK));
            now += s(pause);
            assert_eq!(call(&mut circuit, Verdict::Failed, now), None);
        }
        now += s(60);
        assert_eq!(call(&mut circuit, Verdict::Answered, now), Some(Change::Closed));
        for _ in 1..FAILURES_IN_A_ROW {
            assert_eq!(
                call(&mut circuit, Verdict::Failed, now),
                None,
                "the row begins anew"
            );
        }
        let again = call(&mut circuit, Verdict::Failed, now);
        assert_eq!(again, Some(Change::Opened(FIRST_PAUSE)));
    }

    #[test]
    fn one_probe_at_a_time_and_a_slow_one_is_not_waited_for() {
        let mut circuit = opened(s(0));
        let slow = circuit.enter(s(5)).unwrap();
        assert_eq!(circuit.enter(s(5)), Err(s(5)));
        let second = circuit.enter(s(10)).unwrap();
        assert_eq!(circuit.enter(s(10)), Err(s(5)));
        assert_eq!(circuit.leave(slow, Verdict::Failed, s(11)), None);
        assert_eq!(
            circuit.enter(s(11)),
            Err(s(4)),
            "the failure of the older one changes nothing"
        );
        assert_eq!(
            circuit.leave(second, Verdict::Unknown, s(12)),
            None,
            "its client left"
        );
        let third = circuit.enter(s(12)).unwrap();
        assert_eq!(
            circuit.leave(third, Verdict::Answered, s(13)),
            Some(Change::Closed)
        );
        assert!(circuit.enter(s(13)).is_ok() && circuit.enter(s(13)).is_ok());
    }

    #[test]
    fn calls_from_before_it_opened_say_nothing() {
        let mut circuit = Circuit::default();
        let late: Vec<_> = (0..30).map(|_| circuit.enter(s(0)).unwrap()).collect();
        for _ in 0..FAILURES_IN_A_ROW {
            let _ = call(&mut circuit, Verdict::Failed, s(1));
        }
        assert_eq!(circuit.leave(late[0], Verdict::Answered, s(2)), None);
        assert_eq!(circuit.enter(s(2)), Err(s(4)), "it is open all the same");
        assert_eq!(call(&mut circuit, Verdict::Answered, s(6)), Some(Change::Closed));
        for entry in late {
            assert_eq!(circuit.leave(entry, Verdict::Failed, s(7)), None);
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Enter,
        Leave(usize, Verdict),
        Pass(u64),
    }

    fn verdicts() -> impl Strategy<Value = Verdict> {
        prop_oneof![
            2 => Just(Verdict::Failed),
            1 => Just(Verdict::Answered),
            1 => Just(Verdict::Unknown)
        ]
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Enter),
            4 => (0..8_usize, verdicts()).prop_map(|(call, verdict)| Step::Leave(call, verdict)),
            1 => (0..30_000_u64).prop_map(Step::Pass),
        ];
        vec(step, 0..400)
    }

    proptest! {
        #[test]
        fn a_wait_is_exact_and_every_change_has_its_reason(steps in steps()) {
            let mut circuit = Circuit::default();
            let mut now = Duration::ZERO;
            let mut running: Vec<Entry> = Vec::new();
            let mut is_open = false;
            let mut failed = 0;
            for step in steps {
                match step {
                    Step::Enter => match circuit.enter(now) {
                        Ok(entry) => {
                            prop_assert_eq!(entry.probe.is_some(), is_open);
                            if is_open {
                                prop_assert!(circuit.enter(now).is_err(), "one probe at a time");
                            }
                            running.push(entry);
                        }
                        Err(wait) => {
                            prop_assert!(is_open && wait > Duration::ZERO && wait <= LONGEST_PAUSE);
                            prop_assert_eq!(circuit.clone().enter(now + wait - TICK), Err(TICK));
                            prop_assert!(circuit.clone().enter(now + wait).is_ok());
                        }
                    },
                    Step::Leave(at, verdict) if !running.is_empty() => {
                        let entry = running.remove(at % running.len());
                        failed += u32::from(verdict == Verdict::Failed);
                        match circuit.leave(entry, verdict, now) {
                            None => {}
                            Some(Change::Opened(pause)) => {
                                prop_assert!(!is_open && verdict == Verdict::Failed);
                                prop_assert!(failed >= FAILURES_IN_A_ROW, "after {}", failed);
                                prop_assert_eq!(circuit.enter(now), Err(pause));
                                (is_open, failed) = (true, 0);
                            }
                            Some(Change::Closed) => {
                                prop_assert!(is_open && verdict == Verdict::Answered && entry.probe.is_some());
                                (is_open, failed) = (false, 0);
                            }
                        }
                    }
                    Step::Leave(..) => {}
                    Step::Pass(milliseconds) => now += Duration::from_millis(milliseconds),
                }
            }
        }

        #[test]
        fn it_does_not_open_while_half_of_the_calls_are_answered(gaps in vec(0..20_000_u64, 0..300)) {
            let mut circuit = Circuit::default();
            let mut now = Duration::ZERO;
            for gap in gaps {
                now += Duration::from_millis(gap);
                prop_assert_eq!(call(&mut circuit, Verdict::Answered, now), None);
                prop_assert_eq!(call(&mut circuit, Verdict::Failed, now), None);
            }
        }
    }
}
