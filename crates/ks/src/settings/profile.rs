//! The profile: what `ks login` remembers, in `profile.toml`, readable by its owner alone.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::config_dir;

/// What is remembered.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Profile {
    /// The control plane.
    pub(crate) api_url: String,
    /// A session or a management key for it.
    pub(crate) token: String,
    /// Who signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
}

impl Profile {
    /// A profile of these parts.
    pub(crate) fn new(api_url: String, token: String, email: Option<String>) -> Self {
        Self {
            api_url,
            token,
            email,
        }
    }

    /// Where it is kept; `None` without a home directory.
    pub(crate) fn path() -> Option<PathBuf> {
        config_dir().map(|dir| dir.join("profile.toml"))
    }

    /// The profile, if there is one.
    ///
    /// # Errors
    /// It exists and cannot be read.
    pub(crate) fn read() -> anyhow::Result<Option<Self>> {
        Self::path().map_or(Ok(None), |path| read(&path))
    }

    /// Writes it, in place of the one before. Answers where.
    ///
    /// # Errors
    /// There is no home directory, or the file cannot be written.
    pub(crate) fn write(&self) -> anyhow::Result<PathBuf> {
        let path =
            Self::path().context("there is no home directory to keep the profile in; set XDG_CONFIG_HOME")?;
        write(self, &path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Removes it. Answers whether there was one.
    ///
    /// # Errors
    /// It exists and cannot be removed.
    pub(crate) fn remove() -> anyhow::Result<bool> {
        let Some(path) = Self::path() else {
            return Ok(false);
        };
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).with_context(|| format!("cannot remove {}", path.display())),
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Option<Profile>> {
    match fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map(Some).map_err(|_| {
            crate::output::advice(
                format!("{} is damaged", path.display()),
                "remove it and run `ks login`",
            )
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Whole or not at all: a new file beside it, renamed over it.
fn write(profile: &Profile, path: &Path) -> anyhow::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let fresh = path.with_extension(format!("toml.{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    let written = file
        .write_all(toml::to_string(profile)?.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        // The failure to write is what matters.
        let _ = fs::remove_file(&fresh);
    }
    Ok(written?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_profile_is_its_owners_alone_and_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keystore/profile.toml");
        assert!(read(&path).unwrap().is_none());
        for token in ["kss_one", "kss_two"] {
            let profile = Profile::new(
                "http://127.0.0.1:8401".into(),
                token.into(),
                Some("a@b.example".into()),
            );
            write(&profile, &path).unwrap();
            assert_eq!(read(&path).unwrap().unwrap().token, token);
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn a_damaged_profile_says_so_without_repeating_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("profile.toml");
        fs::write(&path, "token = kss_secret").unwrap();
        let words = format!("{:#}", read(&path).err().unwrap());
        assert!(
            words.contains("damaged") && !words.contains("kss_secret"),
            "{words}"
        );
    }
}
