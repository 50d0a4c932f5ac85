//! What the process does so that its memory is not written to disk, not read by a neighbour, and not left behind when it is given back.
//!
//! Call [`harden`] once, before any key is read, and make [`Wiping`] the program's allocator. Nothing here keeps root out.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering, compiler_fence};

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

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

/// Keeps what the process has in memory now and later out of swap, as far as it is ever touched. Gives whether that was done: only where
/// the process may lock as much as it wants (`RLIMIT_MEMLOCK` without a limit, such as `LimitMEMLOCK=infinity` of systemd, or
/// `CAP_IPC_LOCK`), because under a limit the next allocation beyond it would fail.
pub fn lock() -> bool {
    let unlimited = getrlimit(Resource::Memlock).current.is_none();
    let locked = (unlimited || has_the_capability())
        && mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).is_ok();
    LOCKED.store(locked, Ordering::Relaxed);
    locked
}

/// Whether [`lock`] did it.
pub fn is_locked() -> bool {
    LOCKED.load(Ordering::Relaxed)
}

static LOCKED: AtomicBool = AtomicBool::new(false);

#[cfg(target_os = "linux")]
fn has_the_capability() -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK))
}

#[cfg(not(target_os = "linux"))]
const fn has_the_capability() -> bool {
    false
}

/// The system's allocator, which overwrites whatever is given back: what a library copied of a secret (the write buffer of a connection,
/// a text that grew) does not outlive its use.
pub struct Wiping;

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe by its nature; this one adds nothing but writes within what it was handed"
)]
// SAFETY: every block comes from `System` and goes back to it with the layout that it was asked for; writes stay inside of the block.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is the caller's, of this size, and nobody reads it any more.
        unsafe {
            block.write_bytes(0, layout.size());
            // Writes before a `free` are what an optimizer likes to leave out.
            std::hint::black_box(block);
            compiler_fence(Ordering::SeqCst);
            System.dealloc(block, layout);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the alignment is one and that the new size does not overflow with it.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: as in `alloc`. The system's own `realloc` may leave the old block behind as it is.
        let moved = unsafe { self.alloc(new_layout) };
        if !moved.is_null() {
            // SAFETY: both blocks are at least as long as what is copied, and do not overlap; the old one is not used any more.
            unsafe {
                moved.copy_from_nonoverlapping(block, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
        }
        moved
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::process::{DumpableBehavior, dumpable_behavior, getrlimit};

    #[test]
    #[expect(
        unsafe_code,
        reason = "looks at a block that was given back, as nobody else may"
    )]
    fn what_is_given_back_or_moved_is_wiped() {
        let layout = Layout::from_size_align(48, 8).unwrap();
        // SAFETY: the layout is not empty; reads of a block that was given back are of mapped memory, whose first words the system's
        // allocator uses for itself.
        unsafe {
            for moves in [false, true] {
                let block = Wiping.alloc(layout);
                block.copy_from(b"sk-canary-0123456789-sk-canary-0123456789-canary".as_ptr(), 48);
                if moves {
                    let larger = Wiping.realloc(block, layout, 4_096);
                    assert_eq!(std::slice::from_raw_parts(larger, 9), b"sk-canary");
                    Wiping.dealloc(larger, Layout::from_size_align(4_096, 8).unwrap());
                } else {
                    Wiping.dealloc(block, layout);
                }
                let left: Vec<u8> = (16..48).map(|at| block.add(at).read_volatile()).collect();
                assert_eq!(left, [0; 32], "moves: {moves}");
            }
        }
    }

    #[test]
    fn memory_is_locked_only_without_a_limit() {
        // Of what a process may do, only the answer is looked at: it must not fail what comes after.
        let locked = lock();
        let block = vec![1_u8; 64 << 20];
        assert!(block.iter().all(|byte| *byte == 1), "locked: {locked}");
    }

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
