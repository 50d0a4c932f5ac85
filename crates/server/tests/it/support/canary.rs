//! Looks for secrets, in every form in which one is likely to be written down by accident.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The forms of secrets, ready to be searched for all at once.
pub(crate) struct Canaries {
    /// Which first two bytes any form has: most places are dismissed by these.
    begins: Vec<bool>,
    forms: HashMap<[u8; LEAST], Vec<Form>>,
}

struct Form {
    bytes: Vec<u8>,
    name: String,
}

/// No form is shorter, in bytes.
const LEAST: usize = 8;

impl Canaries {
    pub(crate) fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let mut canaries = Self {
            begins: vec![false; 1 << 16],
            forms: HashMap::new(),
        };
        for secret in secrets {
            for (form, bytes) in forms(secret) {
                // The name must not be the secret: it is printed.
                let name = format!("{}… {form}", &secret[..3]);
                canaries.begins[begin(&bytes)] = true;
                let first = *bytes
                    .first_chunk()
                    .unwrap_or_else(|| panic!("{name} is too short to be searched for"));
                canaries
                    .forms
                    .entry(first)
                    .or_default()
                    .push(Form { bytes, name });
            }
        }
        canaries
    }

    /// The forms that `bytes` hold.
    pub(crate) fn in_bytes(&self, bytes: &[u8]) -> Vec<&str> {
        let mut found = Vec::new();
        for (at, window) in bytes.windows(LEAST).enumerate() {
            if !self.begins[begin(window)] {
                continue;
            }
            let Some(forms) = window.first_chunk().and_then(|first| self.forms.get(first)) else {
                continue;
            };
            let here = forms.iter().filter(|form| bytes[at..].starts_with(&form.bytes));
            found.extend(here.map(|form| form.name.as_str()));
        }
        found
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
            let used = bytes
                .iter()
                .rposition(|byte| *byte != 0)
                .map_or(0, |last| last + 1);
            let name = path.file_name().unwrap().to_string_lossy();
            found.extend(
                self.in_bytes(&bytes[..used])
                    .into_iter()
                    .map(|form| format!("{name}: {form}")),
            );
        }
        found
    }
}

fn begin(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
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

/// Keeps what the product logs at any level, from now on, in this process.
pub(super) fn listen_to_logs() {
    static LISTENING: OnceLock<()> = OnceLock::new();
    LISTENING.get_or_init(|| {
        let ours = ["core", "wire", "catalog", "vault", "store", "proxy", "server"];
        let ours = ours.map(|name| (format!("keystore_{name}"), LevelFilter::TRACE));
        tracing_subscriber::registry()
            .with(tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Log))
            .with(Targets::new().with_targets(ours))
            .init();
    });
}

/// What was logged until now.
pub(super) fn logged() -> Vec<u8> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
