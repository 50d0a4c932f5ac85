//! A person's home folder of their own, so that no test sees this machine's profile or data.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// What a command left.
pub(crate) struct Left {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Left {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The same, if it went well.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(
            self.code,
            Some(0),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Where `ks dev` keeps its data in this home.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data/keystore")
    }

    /// What `ks dev` says on stderr, mails included.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("dev.log")
    }

    pub(crate) fn profile(&self) -> PathBuf {
        self.folder.path().join("config/keystore/profile.toml")
    }

    /// The binary with these arguments and nothing of this machine's environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ks"));
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.folder.path())
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            .env("XDG_DATA_HOME", self.folder.path().join("data"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn ks(&self, args: &[&str]) -> Left {
        Left::of(self.command(args).output().unwrap())
    }

    /// The same, with something on stdin.
    pub(crate) fn ks_with(&self, args: &[&str], stdin: &str) -> Left {
        use std::io::Write;
        let mut command = self.command(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        Left::of(child.wait_with_output().unwrap())
    }
}
