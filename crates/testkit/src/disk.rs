//! A disk that fails when a test says so: a library that is preloaded into the process under test (`disk_faults.c`).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the disk does to the files below its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Takes no further byte: `ENOSPC`. What was allocated in advance can be written.
    Full = 1,
    /// Takes no write at all: `EROFS`.
    ReadOnly = 2,
    /// Takes writes and cannot sync them: `EIO`.
    NoSync = 3,
}

/// The disk of one process.
#[derive(Debug)]
pub struct Disk {
    library: PathBuf,
    control: PathBuf,
    file: File,
    folder: PathBuf,
    spared: PathBuf,
}

/// What the control file holds: the fault, and from the eighth byte on how many calls were refused.
const CONTROL_BYTES: usize = 16;

impl Disk {
    /// A disk without a fault. Its library and its control file stand in `own`; it is about the files below `folder`, of which
    /// the one named `spared` is allocated in advance.
    ///
    /// # Errors
    ///
    /// The files cannot be made, or there is no C compiler.
    pub fn new(own: &Path, folder: &Path, spared: &str) -> io::Result<Self> {
        let library = own.join("disk_faults.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("disk_faults.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]);
        let compiled = compiler.arg(&library).arg(source).arg("-ldl").output()?;
        if !compiled.status.success() {
            return Err(io::Error::other(
                String::from_utf8_lossy(&compiled.stderr).into_owned(),
            ));
        }
        let control = own.join("disk_faults.control");
        std::fs::write(&control, [0; CONTROL_BYTES])?;
        let file = File::options().read(true).write(true).open(&control)?;
        Ok(Self {
            library,
            control,
            file,
            // As the kernel names it.
            folder: folder.canonicalize()?,
            spared: folder.canonicalize()?.join(spared),
        })
    }

    /// The environment of a process on this disk.
    pub fn environment(&self) -> [(&'static str, &Path); 4] {
        [
            ("LD_PRELOAD", &self.library),
            ("KS_FAULTS_CONTROL", &self.control),
            ("KS_FAULTS_DIR", &self.folder),
            ("KS_FAULTS_SPARED", &self.spared),
        ]
    }

    /// From now on the disk fails.
    ///
    /// # Errors
    ///
    /// The control file cannot be written.
    pub fn fail(&self, fault: Fault) -> io::Result<()> {
        self.file.write_all_at(&[fault as u8], 0)
    }

    /// From now on it works.
    ///
    /// # Errors
    ///
    /// As [`Disk::fail`].
    pub fn mend(&self) -> io::Result<()> {
        self.file.write_all_at(&[0], 0)
    }

    /// How many calls were refused so far.
    ///
    /// # Errors
    ///
    /// The control file cannot be read.
    pub fn refused(&self) -> io::Result<u64> {
        let mut count = [0; 8];
        self.file.read_exact_at(&mut count, 8)?;
        Ok(u64::from_ne_bytes(count))
    }
}
