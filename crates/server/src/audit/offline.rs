//! The audit log without a server: its database, opened for reading alone, and checkpoints from wherever they were kept.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keystore_store::Look;

use super::Verifier;
use super::check::{Report, check};

/// Checks the whole log of a database, which a server may be using, against the checkpoints in it and those from outside.
///
/// # Errors
/// The database cannot be read.
pub async fn check_database(
    url: &str,
    key: &Verifier,
    outside: &[String],
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> anyhow::Result<Report> {
    let look = Look::open(url).await.context("the database cannot be opened")?;
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
