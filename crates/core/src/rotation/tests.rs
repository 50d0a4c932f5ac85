//! A rotation against a vendor and a database of a few lines, with an end of the process before and after everything that happens.

use proptest::prelude::*;

use super::*;

const START: Micros = Micros(1_000_000_000_000_000);
const OVERLAP: Duration = Duration::from_secs(600);

fn rotation() -> Rotation {
    Rotation::new(
        "keystore-rot_1".to_owned(),
        Some("key_0".to_owned()),
        OVERLAP,
        START,
    )
}

fn key(id: &str, name: &str) -> VendorKey {
    VendorKey {
        id: id.to_owned(),
        name: name.to_owned(),
    }
}

/// What may go wrong next; drawn for every operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Works,
    /// The process ends before it.
    EndsBefore,
    /// The process ends after it.
    EndsAfter,
    /// It fails, and has no effect.
    Fails,
    /// The answer is lost, and it has its effect.
    Unheard,
    /// The answer is lost, and it has its effect later.
    Late,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        4 => Just(Fate::Works),
        1 => Just(Fate::EndsBefore),
        1 => Just(Fate::EndsAfter),
        1 => Just(Fate::Fails),
        1 => Just(Fate::Unheard),
        1 => Just(Fate::Late),
    ];
    prop::collection::vec(fate, 0..60)
}

/// The process has ended.
struct Ended;

struct World {
    now: Micros,
    /// What the vendor has, and what it is still about to make.
    keys: Vec<VendorKey>,
    late: Vec<VendorKey>,
    made: u32,
    /// What is stored.
    rotation: Rotation,
    old: PoolState,
    new: Option<PoolState>,
    running: usize,
    trial: Trial,
    fates: std::vec::IntoIter<Fate>,
}

impl World {
    fn new(fates: Vec<Fate>, trial: Trial, running: usize) -> Self {
        Self {
            now: START,
            keys: vec![key("key_0", "by hand"), key("key_x", "of somebody else")],
            late: Vec::new(),
            made: 0,
            rotation: rotation(),
            old: PoolState::Active,
            new: None,
            running,
            trial,
            fates: fates.into_iter(),
        }
    }

    fn fate(&mut self) -> Fate {
        self.fates.next().unwrap_or(Fate::Works)
    }

    /// Something that the vendor does. `None`: no answer came.
    fn at_vendor<T>(&mut self, effect: impl FnOnce(&mut Self, bool) -> T) -> Result<Option<T>, Ended> {
        let fate = self.fate();
        let result = match fate {
            Fate::EndsBefore => return Err(Ended),
            Fate::Fails => return Ok(None),
            Fate::Late => {
                effect(self, true);
                return Ok(None);
            }
            Fate::Works | Fate::EndsAfter | Fate::Unheard => effect(self, false),
        };
        self.check();
        match fate {
            Fate::EndsAfter => Err(Ended),
            Fate::Unheard => Ok(None),
            _ => Ok(Some(result)),
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut Self)) -> Result<(), Ended> {
        match self.fate() {
            Fate::EndsBefore => return Err(Ended),
            Fate::EndsAfter => {
                write(self);
                self.check();
                return Err(Ended);
            }
            Fate::Fails => return Ok(()),
            Fate::Works | Fate::Unheard | Fate::Late => write(self),
        }
        self.check();
        Ok(())
    }

    fn failed(&mut self) -> Result<(), Ended> {
        let now = self.now;
        self.write(|world| world.rotation = world.rotation.clone().failed(now))
    }

    /// There is always an active credential whose key the vendor has.
    fn check(&self) {
        let has = |id: &str| self.keys.iter().any(|key| key.id == id);
        let old = self.old == PoolState::Active && has("key_0");
        let new = self.new == Some(PoolState::Active) && self.rotation.new_key.as_deref().is_some_and(has);
        assert!(old || new, "no active key: {:?}", self.rotation);
        assert!(has("key_x"), "a key of somebody else");
    }

    fn turn(&mut self) -> Result<bool, Ended> {
        let listed = self.at_vendor(|world, _| world.keys.clone())?;
        let Some(listed) = listed else {
            self.failed()?;
            return Ok(true);
        };
        let act = self.rotation.next(&Seen {
            now: self.now,
            keys: Some(&listed),
            new: self.new,
            running: self.running,
        });
        let now = self.now;
        match act {
            Act::Nothing => return Ok(false),
            Act::Wait(until) => {
                self.now = until;
                self.keys.append(&mut self.late);
                self.running = self.running.saturating_sub(1);
            }
            Act::Revoke(id) => {
                if self
                    .at_vendor(|world, _| world.keys.retain(|key| key.id != id))?
                    .is_none()
                {
                    self.failed()?;
                }
            }
            Act::Mint => {
                self.made += 1;
                let made = key(&format!("key_{}", self.made), &self.rotation.name);
                let id = made.id.clone();
                let minted = self.at_vendor(|world, is_late| match is_late {
                    true => world.late.push(made),
                    false => world.keys.push(made),
                })?;
                match minted {
                    None => self.failed()?,
                    Some(()) => self.write(|world| {
                        world.new = Some(PoolState::Pending);
                        world.rotation = world.rotation.clone().minted(Some(id), now);
                    })?,
                }
            }
            Act::Verify => {
                let trial = self.at_vendor(|world, _| world.trial)?.unwrap_or(Trial::Unclear);
                self.write(|world| {
                    world.rotation = world.rotation.clone().tried(trial, now);
                    if trial == Trial::Taken {
                        world.new = Some(PoolState::Verified);
                    }
                })?;
            }
            Act::Write(change) => self.write(|world| {
                let States { old, new } = change.states();
                world.old = old.unwrap_or(world.old);
                world.new = new.filter(|_| world.new.is_some()).or(world.new);
                world.rotation = world.rotation.clone().after(change, now);
            })?,
            Act::AskForKey | Act::AskToRevoke => unreachable!("the vendor lists its keys"),
        }
        Ok(true)
    }

    /// Until it is over, with a new process after each that ended.
    fn play(&mut self) {
        for _ in 0..2_000 {
            match self.turn() {
                Ok(true) | Err(Ended) => {}
                Ok(false) => return,
            }
        }
        panic!("it does not end: {:?}", self.rotation);
    }

    fn names(&self) -> Vec<&str> {
        self.keys.iter().map(|key| key.id.as_str()).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn it_ends_with_the_new_key_alone_whatever_happens_between(fates in fates(), running in 0_usize..4) {
        let mut world = World::new(fates, Trial::Taken, running);
        world.play();
        prop_assert_eq!(world.rotation.step, Step::Done);
        let new = world.rotation.new_key.clone().unwrap();
        prop_assert_eq!(world.names(), ["key_x", new.as_str()]);
        prop_assert_eq!((world.old, world.new), (PoolState::Revoked, Some(PoolState::Active)));
    }

    #[test]
    fn it_ends_with_the_old_key_alone_where_the_new_one_is_not_taken(
        fates in fates(),
        trial in prop::sample::select(vec![Trial::Refused, Trial::Unclear]),
    ) {
        let mut world = World::new(fates, trial, 0);
        world.play();
        prop_assert_eq!(world.rotation.step, Step::Undone);
        prop_assert_eq!(world.names(), ["key_0", "key_x"]);
        prop_assert_eq!(world.old, PoolState::Active);
        prop_assert_eq!(world.new, Some(PoolState::Revoked));
    }
}

fn seen(keys: Option<&[VendorKey]>, new: Option<PoolState>) -> Seen<'_> {
    Seen {
        now: START,
        keys,
        new,
        running: 0,
    }
}

#[test]
fn a_vendor_without_an_api_is_asked_through_the_operator() {
    let begun = Rotation {
        old_key: None,
        ..rotation()
    };
    assert_eq!(begun.next(&seen(None, None)), Act::AskForKey);
    let given = begun.minted(None, START);
    assert_eq!(given.next(&seen(None, Some(PoolState::Pending))), Act::Verify);
    let old = given.after(Change::Drained, START);
    assert_eq!(old.next(&seen(None, Some(PoolState::Active))), Act::AskToRevoke);
    let told = old.after(Change::Revoked, START);
    assert_eq!(
        told.next(&seen(None, Some(PoolState::Active))),
        Act::Write(Change::Done)
    );
}

#[test]
fn the_old_key_of_which_nobody_knows_the_vendors_id_is_revoked_by_the_operator() {
    let drained = Rotation {
        old_key: None,
        ..rotation().minted(Some("key_1".to_owned()), START)
    }
    .after(Change::Drained, START);
    let listed = [key("key_0", "by hand"), key("key_1", "keystore-rot_1")];
    assert_eq!(
        drained.next(&seen(Some(&listed), Some(PoolState::Active))),
        Act::AskToRevoke
    );
}

#[test]
fn a_new_credential_that_somebody_took_away_undoes_it() {
    let minted = rotation().minted(Some("key_1".to_owned()), START);
    for new in [None, Some(PoolState::Draining), Some(PoolState::Revoked)] {
        assert_eq!(minted.next(&seen(None, new)), Act::Write(Change::Undo), "{new:?}");
    }
    let overlap = minted.after(Change::Promoted, START);
    for new in [None, Some(PoolState::Verified), Some(PoolState::Draining)] {
        assert_eq!(
            overlap.next(&seen(None, new)),
            Act::Write(Change::Undo),
            "{new:?}"
        );
    }
    let active = seen(None, Some(PoolState::Active));
    assert_eq!(overlap.next(&active), Act::Wait(START.plus(OVERLAP)));
    assert!(overlap.step.can_be_undone());
    assert!(!overlap.after(Change::Drains, START).step.can_be_undone());
}

#[test]
fn tries_are_further_and_further_apart() {
    let mut rotation = rotation();
    let mut now = START;
    for pause in [5, 10, 20, 40, 80, 160, 320, 640, 900, 900] {
        rotation = rotation.failed(now);
        assert_eq!(
            rotation.next(&Seen {
                now,
                ..seen(None, None)
            }),
            Act::Wait(now.plus(Duration::from_secs(pause)))
        );
        now = rotation.not_before;
    }
    rotation.failures = u32::MAX;
    assert_eq!(rotation.failed(now).not_before, now.plus(LONGEST_RETRY));
}

#[test]
fn a_drain_ends_when_nothing_runs_or_after_an_hour() {
    let drains = rotation()
        .minted(Some("key_1".to_owned()), START)
        .after(Change::Drains, START);
    let at = |now, running| {
        drains.next(&Seen {
            now,
            keys: None,
            new: None,
            running,
        })
    };
    assert_eq!(at(START, 0), Act::Write(Change::Drained));
    let end = START.plus(LONGEST_DRAIN);
    assert_eq!(at(START, 1), Act::Wait(end));
    assert_eq!(at(end, 1), Act::Write(Change::Drained));
}
