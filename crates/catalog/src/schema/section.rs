//! Reads one TOML table, and knows where it stands and which keys it was asked for, so that every mistake can be named.

use keystore_core::time::Micros;
use toml::{Table, Value};

/// What is wrong with a file of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {key}: {problem}")]
pub struct SchemaError {
    /// The file, as the caller named it.
    pub file: String,
    /// Where in it: `operations[3].billing`.
    pub key: String,
    /// What is wrong, and what to write instead.
    pub problem: String,
}

/// A result of reading the catalog.
pub(crate) type Read<T> = Result<T, SchemaError>;

/// A table of a file. Keys are taken out of it; [`Section::finish`] refuses those that nobody asked for.
#[derive(Debug)]
pub(crate) struct Section {
    file: String,
    path: String,
    table: Table,
    known: Vec<&'static str>,
}

impl Section {
    /// The whole of a file.
    pub(crate) fn parse(file: &str, text: &str) -> Read<Self> {
        match text.parse::<Table>() {
            Ok(table) => Ok(Self::of(file, table)),
            Err(error) => Err(SchemaError {
                file: file.to_owned(),
                key: error
                    .span()
                    .map_or_else(String::new, |span| line(text, span.start)),
                problem: format!("not valid TOML: {}", error.message()),
            }),
        }
    }

    /// The whole of a file that is already a table.
    pub(crate) fn of(file: &str, table: Table) -> Self {
        Self {
            file: file.to_owned(),
            path: String::new(),
            table,
            known: Vec::new(),
        }
    }

    /// An error at a key of this table.
    pub(crate) fn error(&self, key: &str, problem: impl Into<String>) -> SchemaError {
        SchemaError {
            file: self.file.clone(),
            key: self.at(key),
            problem: problem.into(),
        }
    }

    fn at(&self, key: &str) -> String {
        match (self.path.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (false, true) => self.path.clone(),
            (false, false) => format!("{}.{key}", self.path),
        }
    }

    fn inner(&self, path: String, table: Table) -> Self {
        Self {
            file: self.file.clone(),
            path,
            table,
            known: Vec::new(),
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    /// Whether the table has this key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A text.
    pub(crate) fn text(&mut self, key: &'static str) -> Read<Option<String>> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) if text.trim() == text => Ok(Some(text)),
            Some(Value::String(_)) => Err(self.error(key, "has blanks around it; remove them")),
            Some(_) => Err(self.error(key, "write a text in quotes")),
        }
    }

    /// A text that must be there and not be empty.
    pub(crate) fn required(&mut self, key: &'static str) -> Read<String> {
        match self.text(key)? {
            Some(text) if !text.is_empty() => return Ok(text),
            _ => {}
        }
        let instead = match nearest(key, self.table.keys().map(String::as_str)) {
            Some(near) => format!("write `{key} = \"…\"`; is `{near}` meant to be it?"),
            None => format!("write `{key} = \"…\"`"),
        };
        Err(self.error(key, format!("is missing; {instead}")))
    }

    /// A truth value, false where it does not stand.
    pub(crate) fn flag(&mut self, key: &'static str) -> Read<bool> {
        Ok(self.optional_flag(key)?.unwrap_or(false))
    }

    /// A truth value.
    pub(crate) fn optional_flag(&mut self, key: &'static str) -> Read<Option<bool>> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Boolean(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.error(key, "write true or false, without quotes")),
        }
    }

    /// A whole number of at least one.
    pub(crate) fn count(&mut self, key: &'static str) -> Read<Option<u64>> {
        let wrong = "write a whole number above zero, without quotes";
        match self.take(key) {
            None => Ok(None),
            Some(Value::Integer(number)) => match u64::try_from(number) {
                Ok(number) if number > 0 => Ok(Some(number)),
                _ => Err(self.error(key, wrong)),
            },
            Some(_) => Err(self.error(key, wrong)),
        }
    }

    /// An HTTP status.
    pub(crate) fn status(&mut self, key: &'static str) -> Read<Option<u16>> {
        match self.count(key)? {
            None => Ok(None),
            Some(status) => self.as_status(key, status).map(Some),
        }
    }

    /// A list of HTTP statuses.
    pub(crate) fn statuses(&mut self, key: &'static str) -> Read<Vec<u16>> {
        let mut statuses = Vec::new();
        for value in self.list(key)? {
            let number = value
                .as_integer()
                .and_then(|number| u64::try_from(number).ok())
                .unwrap_or(0);
            statuses.push(self.as_status(key, number)?);
        }
        Ok(statuses)
    }

    fn as_status(&self, key: &str, number: u64) -> Read<u16> {
        u16::try_from(number)
            .ok()
            .filter(|status| (100..600).contains(status))
            .ok_or_else(|| self.error(key, "write an HTTP status, 100 to 599"))
    }

    fn list(&mut self, key: &'static str) -> Read<Vec<Value>> {
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => Ok(values),
            Some(_) => Err(self.error(key, "write a list in brackets")),
        }
    }

    /// A list of texts, none of which is empty or stands twice.
    pub(crate) fn texts(&mut self, key: &'static str) -> Read<Vec<String>> {
        let mut texts: Vec<String> = Vec::new();
        for value in self.list(key)? {
            match value {
                Value::String(text) if text.is_empty() => {
                    return Err(self.error(key, "holds an empty text; remove it"));
                }
                Value::String(text) if texts.contains(&text) => {
                    return Err(self.error(key, format!("`{text}` stands twice; remove one")));
                }
                Value::String(text) => texts.push(text),
                _ => return Err(self.error(key, "write a list of texts in quotes")),
            }
        }
        Ok(texts)
    }

    /// A day, as seconds since the epoch at its begin in UTC.
    pub(crate) fn day(&mut self, key: &'static str) -> Read<Option<i64>> {
        let text = match self.take(key) {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(Value::Datetime(day)) => day.to_string(),
            Some(_) => String::new(),
        };
        format!("{text}T00:00:00Z")
            .parse::<Micros>()
            .ok()
            .filter(|_| text.len() == "2026-11-23".len())
            .map(|begin| Some(begin.seconds()))
            .ok_or_else(|| self.error(key, "write a day, such as 2026-11-23"))
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Read<Option<T>> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        match choices.iter().find(|(name, _)| *name == text) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                let instead = match nearest(&text, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("write one of {}", quoted(&names)),
                };
                Err(self.error(key, format!("`{text}` is not known; {instead}")))
            }
        }
    }

    /// A table within this one.
    pub(crate) fn section(&mut self, key: &'static str) -> Read<Option<Self>> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(self.inner(self.at(key), table))),
            Some(_) => Err(self.error(key, "write a table: `{ … }` or `[key]`")),
        }
    }

    /// A list of tables.
    pub(crate) fn sections(&mut self, key: &'static str) -> Read<Vec<Self>> {
        let mut sections = Vec::new();
        for (number, value) in self.list(key)?.into_iter().enumerate() {
            let path = format!("{}[{number}]", self.at(key));
            match value {
                Value::Table(table) => sections.push(self.inner(path, table)),
                _ => return Err(self.error(key, "write a list of tables: `[[key]]`")),
            }
        }
        Ok(sections)
    }

    /// A table whose keys are names: each name with the table under it.
    pub(crate) fn named_sections(&mut self, key: &'static str) -> Read<Vec<(String, Self)>> {
        let Some(section) = self.section(key)? else {
            return Ok(Vec::new());
        };
        let mut named = Vec::new();
        for (name, value) in section.table.clone() {
            match value {
                Value::Table(table) => named.push((name.clone(), section.inner(section.at(&name), table))),
                _ => return Err(section.error(&name, "write a table: `{ … }`")),
            }
        }
        Ok(named)
    }

    /// A table whose keys are names and whose values are texts.
    pub(crate) fn named_texts(&mut self, key: &'static str) -> Read<Vec<(String, String)>> {
        let Some(section) = self.section(key)? else {
            return Ok(Vec::new());
        };
        let mut named = Vec::new();
        for (name, value) in section.table.clone() {
            match value {
                Value::String(text) => named.push((name, text)),
                _ => return Err(section.error(&name, "write a text in quotes")),
            }
        }
        Ok(named)
    }

    /// Refuses the keys that nobody asked for.
    pub(crate) fn finish(self) -> Read<()> {
        let Some(key) = self.table.keys().next() else {
            return Ok(());
        };
        let instead = match nearest(key, self.known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here are {}", quoted(&self.known)),
        };
        Err(self.error(key, format!("is not a known key; {instead}")))
    }
}

/// The name most like `text`, where one is near enough to be what was meant.
pub(crate) fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_ascii_lowercase();
    names
        .map(|name| (strsim::jaro_winkler(&text, name), name))
        .filter(|(likeness, _)| *likeness >= 0.84)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, name)| name)
}

/// Names for people: `` `a`, `b` ``.
pub(crate) fn quoted(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn line(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    format!("line {}", before.matches('\n').count() + 1)
}
