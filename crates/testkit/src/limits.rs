//! What the system lets a test do.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process, and those that it starts, have so many files open.
///
/// # Errors
///
/// The system does not allow it: the hard limit is lower.
pub fn raise_open_files(files: u64) -> io::Result<()> {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= files) {
        return Ok(());
    }
    let wanted = Rlimit {
        current: Some(files),
        maximum: now.maximum,
    };
    Ok(setrlimit(Resource::Nofile, wanted)?)
}
