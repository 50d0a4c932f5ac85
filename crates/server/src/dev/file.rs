//! `dev.json`: how to reach a development server, for scripts and for the person at the terminal. For its owner alone.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// What the file holds.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DevFile {
    pub(super) proxy_url: String,
    pub(super) api_url: String,
    pub(super) api_key: String,
    /// A management key of the operator's organization.
    #[serde(default)]
    pub(super) operator_key: String,
    pub(super) token: String,
    pub(super) email: String,
    pub(super) password: String,
}

impl DevFile {
    /// The file, if there is one.
    pub(super) fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        let file = serde_json::from_slice(&text).with_context(|| {
            format!(
                "{} is damaged; remove it, and a new one is written",
                path.display()
            )
        })?;
        Ok(Some(file))
    }

    /// Writes the file whole: a reader sees the old or the new one.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let part = path.with_extension("json.part");
        let written = || -> std::io::Result<()> {
            match std::fs::remove_file(&part) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&part)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            std::fs::rename(&part, path)
        };
        written().with_context(|| format!("{} cannot be written", path.display()))
    }
}
