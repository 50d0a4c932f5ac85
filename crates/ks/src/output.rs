//! What is written: data to stdout, words to stderr. The only module that prints.
//!
//! Colour is never the only carrier of a meaning, and is left out where stderr is not a terminal or `NO_COLOR` is set.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use keystore_core::unseen::is_unseen;
use serde::Serialize;

use crate::client::Refused;
use crate::settings;

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Columns for people
    Table,
    /// JSON for programs, in the API's own shapes
    Json,
    /// Comma-separated values for spreadsheets; of reports alone
    Csv,
}

/// The two channels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
    colour: bool,
    terminal: bool,
}

/// A failure of the client itself, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Advice {
    message: String,
    remedy: String,
}

/// A failure with what to do about it.
pub(crate) fn advice(message: impl Into<String>, remedy: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Advice {
        message: message.into(),
        remedy: remedy.into(),
    })
}

impl Output {
    /// Channels in this format.
    pub(crate) fn new(format: Format) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            format,
            colour: terminal && !settings::no_colour(),
            terminal,
        }
    }

    /// Whether data is written as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Data: `value` as JSON, or what `table` makes of it.
    pub(crate) fn data<T: Serialize>(&self, value: &T, table: impl FnOnce() -> String) -> anyhow::Result<()> {
        match self.format {
            Format::Json => self.line(&escaped(&serde_json::to_string_pretty(value)?)),
            Format::Table => self.line(&table()),
            Format::Csv => Err(advice(
                "this has no comma-separated values",
                "ask for --output json; csv is of reports: ks usage, ks operator sales, pool-use, exposure and reconcile",
            )),
        }
    }

    /// A report: `value` as JSON, or its rows under headings. Where people read it, `shown` makes a table of them and the total.
    pub(crate) fn report<T: Serialize>(
        &self,
        value: &T,
        (mut rows, total): (Vec<Vec<String>>, Vec<String>),
        shown: impl FnOnce(Vec<Vec<String>>) -> String,
    ) -> anyhow::Result<()> {
        match self.format {
            Format::Csv => {
                let lines = rows.iter().map(|row| {
                    let cells = row.iter().map(|cell| csv_cell(cell));
                    cells.collect::<Vec<_>>().join(",")
                });
                self.line(&lines.collect::<Vec<_>>().join("\r\n"))
            }
            Format::Json | Format::Table => self.data(value, || {
                rows.push(total);
                shown(rows)
            }),
        }
    }

    /// One line (or block) of data.
    pub(crate) fn line(&self, text: &str) -> anyhow::Result<()> {
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            // Whoever read our data has seen enough: `ks requests | head`.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
            result => Ok(result?),
        }
    }

    /// Words: something was done.
    pub(crate) fn note(&self, text: &str) {
        self.words(text);
    }

    /// Words: something deserves attention.
    pub(crate) fn warn(&self, text: &str) {
        self.words(&format!("{} {text}", self.paint("warning:", "33;1")));
    }

    /// Words: a command failed. In JSON mode the words are one JSON object.
    pub(crate) fn failure(&self, error: &anyhow::Error) {
        if self.is_json() {
            let value = json_of(error);
            return self.words(&escaped(&value.to_string()));
        }
        let label = self.paint("error:", "31;1");
        match error.downcast_ref::<Refused>() {
            Some(refused) => self.words(&format!("{label} {refused}")),
            None => self.words(&format!("{label} {}", told(error))),
        }
        for hint in hints(error) {
            self.words(&format!("{} {hint}", self.paint("hint:", "36;1")));
        }
    }

    /// A spinner on stderr while something takes long; nothing where stderr is not a terminal.
    pub(crate) fn working(&self, words: &str) -> Working {
        if !self.terminal || self.is_json() {
            return Working(None);
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.set_message(words.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Working(Some(bar))
    }

    /// A bar on stderr that counts; nothing where stderr is not a terminal.
    pub(crate) fn counting(&self, what: &str) -> Working {
        if !self.terminal || self.is_json() {
            return Working(None);
        }
        let bar = ProgressBar::no_length();
        if let Ok(style) =
            ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} {msg} {per_sec} {eta}")
        {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        Working(Some(bar))
    }

    /// A bar on stderr that tells how far something is; nothing where stderr is not a terminal.
    pub(crate) fn progress(&self) -> Progress {
        if !self.terminal || self.is_json() {
            return Progress(None);
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {eta}") {
            bar.set_style(style);
        }
        Progress(Some(bar))
    }

    fn words(&self, text: &str) {
        // Nothing can be done for words that cannot be written.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    fn paint(&self, text: &str, code: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A spinner or bar that goes away when it is dropped.
pub(crate) struct Working(Option<ProgressBar>);

impl Working {
    /// So many of so many are done; a total of 0 is not known.
    pub(crate) fn at(&self, done: u64, total: u64) {
        if let Some(bar) = &self.0 {
            if total > 0 {
                bar.set_length(total);
            }
            bar.set_position(done);
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// A bar that goes away when it is dropped.
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    /// Tells that `done` of `total` are done, and what is done.
    pub(crate) fn at(&self, done: u64, total: u64, words: String) {
        if let Some(bar) = &self.0 {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(words);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// The error with what caused it, in one line; of libraries, many an error repeats its cause.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = cause;
        } else if !words.contains(&cause) {
            words.push_str(": ");
            words.push_str(&cause);
        }
    }
    words
}

fn hints(error: &anyhow::Error) -> Vec<String> {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return refused.hints();
    }
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<Advice>())
        .map(|advice| advice.remedy.clone())
        .collect()
}

fn json_of(error: &anyhow::Error) -> serde_json::Value {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return serde_json::to_value(&*refused.0).unwrap_or_default();
    }
    let mut value = serde_json::json!({"code": "client", "detail": told(error)});
    if let Some(hint) = hints(error).first() {
        value["remedy"] = hint.clone().into();
    }
    value
}

/// What stands where there is nothing.
const NOTHING: &str = "-";

/// A cell for spreadsheets: in quotes where it must be; what would be taken for a formula, and is no number, is made text by an apostrophe.
fn csv_cell(text: &str) -> String {
    if text == NOTHING {
        return String::new();
    }
    let is_number = text.parse::<f64>().is_ok_and(f64::is_finite) && !text.starts_with('+');
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) && !is_number;
    let text = match is_formula {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    match text.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

/// The rows of a report under their headings.
pub(crate) fn grid(rows: Vec<Vec<String>>) -> String {
    let mut rows = rows.into_iter();
    let headings = rows.next().unwrap_or_default();
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings);
    for row in rows {
        table.add_row(row.iter().map(|cell| one_line(cell)));
    }
    text_of(&mut table)
}

/// Columns under capitals, without lines. Rows are as wide as they are, so that `grep` and `awk` see one row a line.
pub(crate) fn table<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.map(str::to_owned));
    for row in rows {
        table.add_row(row.map(|cell| one_line(&cell)));
    }
    text_of(&mut table)
}

/// One thing: names to the left, values to the right.
pub(crate) fn facts(rows: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    for (name, value) in rows {
        table.add_row([name.to_owned(), one_line(&value)]);
    }
    text_of(&mut table)
}

fn text_of(table: &mut Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// What came from elsewhere cannot move the cursor, begin a new row, hide or turn around.
fn one_line(text: &str) -> String {
    if text.is_empty() {
        return NOTHING.to_owned();
    }
    text.chars()
        .map(|letter| if is_unseen(letter) { '?' } else { letter })
        .collect()
}

/// JSON whose strings say the same without letters that act: the controls that JSON itself does not escape, and what turns words around.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() && letter != '\x7f' || !is_unseen(letter) {
            text.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    text
}

/// A secret of which enough is shown to tell it from another: the first six and the last four characters of a long one.
pub(crate) fn masked(secret: &str) -> String {
    let letters: Vec<char> = secret.chars().collect();
    if letters.len() < 24 {
        return "****".to_owned();
    }
    let head: String = letters[..6].iter().collect();
    let tail: String = letters[letters.len() - 4..].iter().collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_was_told_is_not_told_again() {
        let error = anyhow::anyhow!("Connection refused (os error 111)")
            .context("error communicating with database: Connection refused (os error 111)")
            .context("the database cannot be opened")
            .context("ks serve");
        assert_eq!(
            told(&error),
            "ks serve: the database cannot be opened: error communicating with database: Connection refused (os error 111)"
        );
        assert_eq!(told(&anyhow::anyhow!("alone")), "alone");
    }

    #[test]
    fn a_table_has_headings_and_one_line_a_row() {
        let text = table(
            ["NAME", "SOURCE"],
            [
                ["openai".into(), "byok".into()],
                ["a\nb\x1b[31m".into(), String::new()],
            ],
        );
        assert_eq!(text, "NAME      SOURCE\nopenai    byok\na?b?[31m  -");
    }

    #[test]
    fn json_says_the_same_without_letters_that_act() {
        let hostile = "a\u{9b}2J\u{202e}b\u{e0041}\x7f ü\n\x1b";
        let text = escaped(&serde_json::to_string(hostile).unwrap());
        assert_eq!(text, r#""a\u009b2J\u202eb\udb40\udc41\u007f ü\n\u001b""#);
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), hostile);
        assert_eq!(escaped("{\n  \"a\": 1\n}"), "{\n  \"a\": 1\n}");
        assert_eq!(table(["A"], [[hostile.to_owned()]]), "A\na?2J?b?? ü??");
    }

    #[test]
    fn a_cell_is_never_a_formula() {
        for (text, cell) in [
            ("openai", "openai"),
            ("-1.25", "-1.25"),
            ("", ""),
            ("-", ""),
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("-a", "'-a"),
            ("-inf", "'-inf"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("a,\"b\"", "\"a,\"\"b\"\"\""),
            ("=\"x\",1", "\"'=\"\"x\"\",1\""),
        ] {
            assert_eq!(csv_cell(text), cell, "{text}");
        }
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(grid(vec![row(["A", "B"]), row(["1", ""])]), "A  B\n1  -");
    }

    #[test]
    fn a_masked_secret_does_not_give_itself_away() {
        assert_eq!(masked("ks_0123456789abcdef0123456789"), "ks_012…6789");
        assert_eq!(masked("short-secret"), "****");
    }

    #[test]
    fn a_failure_of_our_own_has_its_remedy_in_json() {
        let error = advice("There is no agent `x`", "`ks agent list` lists them").context("while resolving");
        let value = json_of(&error);
        assert_eq!(value["remedy"], "`ks agent list` lists them");
        assert_eq!(value["detail"], "while resolving: There is no agent `x`");
    }
}
