//! What the process does so that its memory is not written to disk or read by a neighbour.
//!
//! Call [`harden`] once, before any key is read. It does not lock pages into memory (the machine's swap must be off or
//! encrypted) and does not keep root out.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Switches core dumps off and, on Linux, refuses `ptrace` and `/proc/pid/mem` to everyone but root.
///
/// # Errors
///
/// The operating system refuses.
pub fn harden() -> io::Result<()> {
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::process::{DumpableBehavior, dumpable_behavior, getrlimit};

    #[test]
    fn the_process_leaves_no_core_dump() {
        harden().unwrap();
        assert_eq!(
            getrlimit(Resource::Core),
            Rlimit {
                current: Some(0),
                maximum: Some(0)
            }
        );
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
