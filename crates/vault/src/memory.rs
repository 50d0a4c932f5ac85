//! What a process that holds secrets asks of the operating system.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps, and other processes of the same user to read this one's memory. Call it first.
///
/// # Errors
///
/// The system refused one of the two; neither is undone.
pub fn harden() -> Result<(), std::io::Error> {
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
