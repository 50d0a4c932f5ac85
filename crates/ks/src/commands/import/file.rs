//! Replacing a file that holds keys: in one step, with a copy of what it was beside it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::output::advice;

/// What the name of a copy ends with.
const BACKUP: &str = ".before-keystore";

/// Where the copy of a file goes.
///
/// # Errors
/// There is one: it holds keys of an earlier import that nobody else may have any more.
pub(super) fn backup_of(file: &Path) -> anyhow::Result<PathBuf> {
    let backup = beside(file, BACKUP);
    match backup.symlink_metadata().is_ok() {
        true => Err(advice(
            format!("{} is there already", backup.display()),
            "it holds what an earlier import took out; move it away, or delete it",
        )),
        false => Ok(backup),
    }
}

/// Replaces a file, which keeps its mode, and puts what it was into `backup`, readable by its owner alone.
///
/// # Errors
/// The file is not `before` any more, or cannot be written. Then it is as it was, and there is no copy.
pub(super) fn replace(file: &Path, backup: &Path, before: &str, after: &str) -> anyhow::Result<()> {
    // Behind a link is the file that is meant.
    let file = fs::canonicalize(file)?;
    if fs::read(&file)? != before.as_bytes() {
        anyhow::bail!("{} was changed meanwhile", file.display());
    }
    let mode = fs::metadata(&file)?.permissions().mode() & 0o777;
    write(backup, 0o600, before)?;
    let new = beside(&file, ".keystore-new");
    let replaced = write(&new, mode, after).and_then(|()| {
        fs::rename(&new, &file)
            .inspect_err(|_| drop(fs::remove_file(&new)))
            .with_context(|| format!("{} cannot be replaced", file.display()))
    });
    replaced.inspect_err(|_| drop(fs::remove_file(backup)))
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// A new file with this mode, whatever the umask is.
pub(super) fn write(path: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let put = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()
    };
    put().with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_behind_its_link_and_kept_beside() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join(".env"));
        write(&real, 0o640, "before").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let backup = backup_of(&link).unwrap();
        replace(&link, &backup, "before", "after").unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "after");
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&backup).unwrap(), "before");
        assert_eq!((mode(&real), mode(&backup)), (0o640, 0o600));
        assert!(backup_of(&link).is_err(), "the first copy is never written over");
    }

    #[test]
    fn a_file_that_changed_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        write(&file, 0o600, "now").unwrap();
        let backup = backup_of(&file).unwrap();
        assert!(replace(&file, &backup, "before", "after").is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "now");
        assert!(!backup.exists());
    }
}
