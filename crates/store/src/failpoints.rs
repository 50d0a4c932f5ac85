//! Points at which a test makes the product fail: one before and one after every durable write of the store, and one in every
//! state of an exchange of the data plane. Compiled into tests only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// What it is called where it stands.
    pub name: &'static str,
    /// Whether [`Action::Fail`] means something there: the step can fail.
    pub fails: bool,
}

const fn step(name: &'static str) -> Point {
    Point { name, fails: true }
}

/// Nothing can fail here but the process or the task.
const fn state(name: &'static str) -> Point {
    Point { name, fails: false }
}

/// Every point there is.
pub const POINTS: [Point; 28] = [
    step("journal.before_append"),
    step("journal.after_append"),
    step("project.before_commit"),
    step("project.after_commit"),
    step("clear.before_commit"),
    step("clear.after_commit"),
    step("tx.begin"),
    step("tx.before_commit"),
    step("tx.after_commit"),
    step("spool.before_append"),
    step("spool.after_append"),
    step("spool.before_reset"),
    step("spool.after_reset"),
    step("checkpoint.before"),
    step("checkpoint.after"),
    step("recover.before_import"),
    step("recover.after_import"),
    step("recover.before_crash"),
    step("recover.after_crash"),
    step("exchange.reserved"),
    step("exchange.opened"),
    step("exchange.connected"),
    step("exchange.sending"),
    step("exchange.answered"),
    step("exchange.chunk"),
    state("exchange.metered"),
    state("exchange.settling"),
    state("exchange.settled"),
];

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The step fails as if the disk were full.
    Fail,
    /// The process ends at once, as by `kill -9`.
    Kill,
    /// The thread sleeps.
    Delay(Duration),
    /// The task panics.
    Panic,
}

/// The points of one process that are set. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Failpoints(Arc<Mutex<Points>>);

#[derive(Debug, Default)]
struct Points {
    /// What happens, and how often it still does; `None` for ever.
    set: HashMap<&'static str, (Action, Option<u32>)>,
    acted: HashMap<&'static str, u64>,
}

impl Failpoints {
    /// Sets a point until it is cleared.
    ///
    /// # Panics
    ///
    /// There is no such point.
    pub fn set(&self, point: &str, action: Action) {
        self.lock().set.insert(known(point).name, (action, None));
    }

    /// Sets a point for the next `times` that it is passed.
    ///
    /// # Panics
    ///
    /// There is no such point.
    pub fn set_times(&self, point: &str, action: Action, times: u32) {
        self.lock().set.insert(known(point).name, (action, Some(times)));
    }

    /// Clears a point.
    pub fn clear(&self, point: &str) {
        self.lock().set.remove(point);
    }

    /// How often a point did what it was set to do.
    pub fn acted(&self, point: &str) -> u64 {
        self.lock().acted.get(point).copied().unwrap_or(0)
    }

    /// Passes a point. Use [`failpoint!`](crate::failpoint).
    ///
    /// # Errors
    ///
    /// `StorageFull`, where the point is to fail.
    ///
    /// # Panics
    ///
    /// Where it is to, or when the point is not in [`POINTS`].
    pub fn check(&self, point: &'static str) -> std::io::Result<()> {
        match self.pass(point) {
            None => Ok(()),
            Some(Action::Fail) => Err(std::io::ErrorKind::StorageFull.into()),
            Some(Action::Delay(time)) => {
                std::thread::sleep(time);
                Ok(())
            }
            Some(Action::Panic) => panic!("told to panic at {point}"),
            Some(Action::Kill) => {
                let _ =
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                Ok(())
            }
        }
    }

    fn pass(&self, point: &'static str) -> Option<Action> {
        known(point);
        let mut points = self.lock();
        let (action, left) = points.set.get_mut(point)?;
        let action = *action;
        if let Some(left) = left {
            *left -= 1;
            if *left == 0 {
                points.set.remove(point);
            }
        }
        *points.acted.entry(point).or_default() += 1;
        Some(action)
    }

    fn lock(&self) -> MutexGuard<'_, Points> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn known(name: &str) -> &'static Point {
    let point = POINTS.iter().find(|point| point.name == name);
    point.unwrap_or_else(|| panic!("{name} is in no list of points"))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};

    use super::*;

    /// The sources of the crates that have points: this one and the data plane.
    fn sources() -> BTreeMap<PathBuf, String> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = BTreeMap::new();
        for crate_root in [own.to_owned(), own.with_file_name("proxy")] {
            read(&crate_root.join("src"), &mut found);
        }
        found
    }

    fn read(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, found);
            } else if path.file_name().unwrap() != "failpoints.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                found.insert(path, text);
            }
        }
    }

    #[test]
    fn the_list_names_what_stands_in_the_code_and_nothing_else() {
        let mut standing = Vec::new();
        for text in sources().values() {
            for call in text.split("failpoint!(").skip(1) {
                let name = call.split('"').nth(1).unwrap_or_default();
                standing.push(name.to_owned());
            }
        }
        let listed: BTreeSet<&str> = POINTS.iter().map(|point| point.name).collect();
        assert_eq!(listed.len(), POINTS.len(), "each once");
        let named: BTreeSet<&str> = standing.iter().map(String::as_str).collect();
        assert_eq!(named, listed);
    }

    /// What writes to the disk, and in which files: those that are called from elsewhere, with a point on both sides there.
    const WRITES: [(&str, &[&str]); 6] = [
        (".commit_only(", &[]),
        ("spool.append(", &["spool.rs"]),
        ("spool.reset(", &["spool.rs"]),
        ("engine.append(", &[]),
        ("engine.checkpoint(", &[]),
        ("sync_data(", &["spool.rs"]),
    ];

    #[test]
    fn every_durable_write_has_a_point_before_and_after_it() {
        let mut writes = 0;
        for (path, text) in sources() {
            let name = path.file_name().unwrap().to_str().unwrap();
            let lines: Vec<String> = one_statement_a_line(&text);
            for (write, inside) in WRITES {
                if inside.contains(&name) {
                    continue;
                }
                for (number, _) in lines.iter().enumerate().filter(|(_, line)| line.contains(write)) {
                    let around = |near: &[String]| near.iter().any(|line| line.contains("failpoint!("));
                    assert!(
                        around(&lines[number.saturating_sub(2)..number])
                            && around(&lines[number + 1..(number + 3).min(lines.len())]),
                        "{}: `{}` stands without points",
                        path.display(),
                        lines[number]
                    );
                    writes += 1;
                }
            }
        }
        assert!(writes >= 8, "{writes} were found");
    }

    /// Statements that rustfmt broke are put together: a line that begins with a dot belongs to the one before.
    fn one_statement_a_line(text: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines().map(str::trim) {
            match lines.last_mut() {
                Some(last) if line.starts_with('.') => last.push_str(line),
                _ => lines.push(line.to_owned()),
            }
        }
        lines
    }

    #[test]
    fn a_point_acts_as_often_as_it_is_told_to() {
        let points = Failpoints::default();
        points.set_times("tx.before_commit", Action::Fail, 2);
        let failed: Vec<bool> = (0..3)
            .map(|_| points.check("tx.before_commit").is_err())
            .collect();
        assert_eq!(failed, [true, true, false]);
        points.set("tx.before_commit", Action::Fail);
        assert!((0..3).all(|_| points.check("tx.before_commit").is_err()));
        points.clear("tx.before_commit");
        assert!(points.check("tx.before_commit").is_ok());
        assert_eq!(points.acted("tx.before_commit"), 5);
    }
}
