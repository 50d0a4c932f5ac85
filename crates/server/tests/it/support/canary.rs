//! Looks for secrets, in every form in which one is likely to be written down by accident.

use std::io;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The forms of secrets, searched for all at once.
pub(crate) struct Canaries {
    forms: AhoCorasick,
    names: Vec<String>,
}

/// No form is shorter, in bytes.
const LEAST: usize = 8;

impl Canaries {
    pub(crate) fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let (mut bytes, mut names) = (Vec::new(), Vec::new());
        for secret in secrets {
            for (form, written) in forms(secret) {
                // The name must not be the secret: it is printed.
                let name = format!("{}… {form}", &secret[..3]);
                assert!(written.len() >= LEAST, "{name} is too short to be searched for");
                bytes.push(written);
                names.push(name);
            }
        }
        Self {
            forms: AhoCorasick::new(bytes).unwrap(),
            names,
        }
    }

    /// The forms that `bytes` hold.
    pub(crate) fn in_bytes(&self, bytes: &[u8]) -> Vec<&str> {
        let found = self.forms.find_overlapping_iter(bytes);
        found.map(|form| self.names[form.pattern()].as_str()).collect()
    }

    /// What the files below `folder` hold, as `file: form`.
    pub(crate) fn in_files(&self, folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(self.in_files(&path));
                continue;
            }
            // A file of SQLite may go away at any time.
            let Ok(bytes) = std::fs::read(&path) else { continue };
            let name = path.file_name().unwrap().to_string_lossy();
            found.extend(
                self.in_bytes(&bytes)
                    .into_iter()
                    .map(|form| format!("{name}: {form}")),
            );
        }
        found
    }
}

/// The secret raw, reversed, in UTF-16, in hexadecimal, percent-encoded whole, and as it shows in the base64 of a text around it,
/// at any offset.
fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = secret.as_bytes();
    let hex = |upper: bool, prefix: &str| -> Vec<u8> {
        let digits = bytes.iter().map(|byte| match upper {
            true => format!("{prefix}{byte:02X}"),
            false => format!("{prefix}{byte:02x}"),
        });
        digits.collect::<String>().into_bytes()
    };
    let mut forms = vec![
        ("raw", bytes.to_vec()),
        ("reversed", bytes.iter().rev().copied().collect()),
        (
            "UTF-16",
            secret.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        ("hexadecimal", hex(false, "")),
        ("HEXADECIMAL", hex(true, "")),
        ("percent-encoded", hex(false, "%")),
        ("PERCENT-ENCODED", hex(true, "%")),
    ];
    for offset in 0..3 {
        let around = [&vec![0; offset], bytes].concat();
        // Only the digits that the secret alone decides.
        let digits = (offset * 8).div_ceil(6)..around.len() * 8 / 6;
        for (name, encoded) in [
            ("base64", STANDARD.encode(&around)),
            ("base64url", URL_SAFE.encode(&around)),
        ] {
            forms.push((name, encoded.as_bytes()[digits.clone()].to_vec()));
        }
    }
    forms
}

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

/// Keeps what the product logs at any level, from now on, in this process. Gives the place in it where the caller's begins: what the tests
/// before it logged is theirs to search.
pub(super) fn listen_to_logs() -> usize {
    static LISTENING: OnceLock<()> = OnceLock::new();
    LISTENING.get_or_init(|| {
        let ours = ["core", "wire", "catalog", "vault", "store", "proxy", "server"];
        let ours = ours.map(|name| (format!("keystore_{name}"), LevelFilter::TRACE));
        tracing_subscriber::registry()
            .with(tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Log))
            .with(Targets::new().with_targets(ours))
            .init();
    });
    LOG.lock().unwrap_or_else(PoisonError::into_inner).len()
}

/// What was logged until now, from this place on.
pub(super) fn logged_since(place: usize) -> Vec<u8> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)[place..].to_vec()
}
