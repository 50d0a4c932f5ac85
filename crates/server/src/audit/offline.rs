//! The audit log without a server: its database, opened for reading alone, and checkpoints from wherever they were kept.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keystore_store::{Look, OpenError};

use super::Verifier;
use super::check::{Report, check};

/// A database that cannot be opened or copied. Perhaps it is not the one that was meant.
#[derive(Debug, thiserror::Error)]
#[error("{database} cannot be {what}: {cause}")]
pub struct Unusable {
    database: String,
    what: &'static str,
    cause: String,
}

impl Unusable {
    /// The database at `url` cannot be `what`. Of the error the root cause alone: what is above it says the same.
    pub(crate) fn new(url: &str, what: &'static str, error: OpenError) -> Self {
        Self {
            database: named(url),
            what,
            cause: anyhow::Error::from(error).root_cause().to_string(),
        }
    }
}

/// A database as it may be told, because its address may hold a password: the file, or the machine.
fn named(url: &str) -> String {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return path.split('?').next().unwrap_or(path).to_owned();
    }
    let uri: http::Uri = url.parse().unwrap_or_default();
    match (uri.scheme(), uri.host()) {
        (Some(_), Some(host)) => format!("the database at {host}"),
        _ => "the database".to_owned(),
    }
}

/// Opens the database for reading alone.
///
/// # Errors
/// It cannot be opened.
pub(crate) async fn open(url: &str) -> Result<Look, Unusable> {
    Look::open(url)
        .await
        .map_err(|error| Unusable::new(url, "opened", error))
}

/// Checks the whole log of a database, which a server may be using, against the checkpoints in it and those from outside.
///
/// # Errors
/// [`Unusable`], or the database cannot be read.
pub async fn check_database(
    url: &str,
    key: &Verifier,
    outside: &[String],
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> anyhow::Result<Report> {
    let look = open(url).await?;
    let report = check(&mut look.read().await?, Some(key), outside, progress).await;
    look.close().await;
    report.context("the database cannot be read; has a server of this version been started on it?")
}

/// The signed notes in a text: as they are, one after the other, or as messages of syslog.
pub fn notes(text: &str) -> Vec<String> {
    let (mut notes, mut note, mut is_signed) = (Vec::new(), String::new(), false);
    for line in text.lines() {
        if let Some((_, message)) = line.split_once("keystore-checkpoint ") {
            let decoded = BASE64.decode(message.trim()).ok();
            notes.extend(decoded.and_then(|bytes| String::from_utf8(bytes).ok()));
            continue;
        }
        let is_signature = line.starts_with('\u{2014}');
        if is_signed && !is_signature {
            notes.push(std::mem::take(&mut note));
            is_signed = false;
        }
        // Between notes, and not inside of one.
        if note.is_empty() && line.is_empty() {
            continue;
        }
        is_signed |= is_signature;
        note.push_str(line);
        note.push('\n');
    }
    if !note.is_empty() {
        notes.push(note);
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_without_its_password() {
        for (url, name) in [
            ("sqlite:///var/lib/keystore.db?mode=ro", "/var/lib/keystore.db"),
            ("sqlite:keystore.db", "keystore.db"),
            (
                "postgres://u:secret@db.example:5432/keystore?password=secret",
                "the database at db.example",
            ),
            ("postgres:///keystore", "the database"),
            ("postgres://u:sec/ret@db.example/keystore", "the database at u"),
            ("secret", "the database"),
            ("", "the database"),
        ] {
            assert_eq!(named(url), name, "{url}");
        }
    }

    #[tokio::test]
    async fn what_is_no_database_is_named_once_with_its_cause() {
        let error = open("sqlite:///no/such/keystore.db").await.err().unwrap();
        assert_eq!(
            format!("{:#}", anyhow::Error::from(error)),
            "/no/such/keystore.db cannot be opened: (code: 14) unable to open database file"
        );
    }

    #[test]
    fn notes_are_found_wherever_they_were_kept() {
        let note =
            |size: u8| format!("keystore/dep_x\n{size}\nAAAA\ntime 5\n\n\u{2014} keystore/dep_x AAAA\n");
        let file = format!("{}\n{}\n", note(1), note(2));
        assert_eq!(notes(&file), [note(1), note(2)]);
        assert_eq!(notes(&note(1)), [note(1)]);
        let syslog = format!(
            "Nov 26 host keystore: keystore-checkpoint {}\nelse\n",
            BASE64.encode(note(3))
        );
        assert_eq!(notes(&syslog)[0], note(3));
        assert_eq!(notes(""), Vec::<String>::new());
    }
}
