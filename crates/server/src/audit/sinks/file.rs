//! A file that checkpoints are appended to and synced. It lies best on another disk, or on one that takes no changes.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::Context;

/// A file.
pub struct FileSink {
    path: PathBuf,
}

impl FileSink {
    /// The file at `path`, made when it does not exist. It is opened for each checkpoint, so that it may be moved away.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) async fn append(&self, note: &str) -> anyhow::Result<()> {
        let (path, text) = (self.path.clone(), format!("{note}\n"));
        let append = move || -> std::io::Result<()> {
            let mut options = std::fs::File::options();
            let mut file = options.append(true).create(true).mode(0o600).open(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        let appended = tokio::task::spawn_blocking(append).await?;
        appended.with_context(|| format!("{} cannot be written", self.path.display()))
    }
}
