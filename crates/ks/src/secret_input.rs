//! Reading secrets: from a prompt that does not echo, from stdin, from a file, or, with a warning, from the command line.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Read};
use std::path::Path;

use anyhow::Context;
use zeroize::Zeroizing;

use crate::cli::SecretArgs;
use crate::output::{Output, advice};

/// Whether somebody can be asked.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a secret without showing it. `remedy` says how else it can be given.
///
/// # Errors
/// Nobody can be asked, or they would not say.
pub(crate) fn ask(question: &str, remedy: &str) -> anyhow::Result<Zeroizing<String>> {
    if !can_ask() {
        return Err(advice(
            format!("{question} is needed, and there is no terminal to ask for it"),
            remedy,
        ));
    }
    let answer = inquire::Password::new(&format!("{question}:"))
        .without_confirmation()
        .with_display_mode(inquire::PasswordDisplayMode::Masked)
        .prompt()
        .context("no answer")?;
    checked(Zeroizing::new(answer), question)
}

/// A password: from stdin where the command has `--password-stdin`, else it is asked for.
///
/// # Errors
/// Nobody can be asked, or stdin has none.
pub(crate) fn password(is_on_stdin: bool) -> anyhow::Result<Zeroizing<String>> {
    match is_on_stdin {
        true => from_stdin("the password"),
        false => ask("Password", "give it on stdin with `--password-stdin`"),
    }
}

/// Asks before something that cannot be undone. `yes` answers beforehand.
///
/// # Errors
/// Nobody can be asked, or they said no.
pub(crate) fn confirm(question: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !can_ask() {
        return Err(advice(
            "this cannot be undone, and there is no terminal to ask whether you are sure",
            "add `--yes`",
        ));
    }
    match inquire::Confirm::new(question).with_default(false).prompt() {
        Ok(true) => Ok(()),
        Ok(false) => anyhow::bail!("nothing was changed"),
        Err(error) => Err(error).context("nothing was changed"),
    }
}

/// All of stdin, without the line break at its end.
///
/// # Errors
/// Stdin cannot be read, is empty, or is not text.
pub(crate) fn from_stdin(what: &str) -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin()
        .read_to_string(&mut text)
        .context("cannot read stdin as text")?;
    checked(trimmed(&text), what)
}

fn from_file(path: &Path, what: &str) -> anyhow::Result<Zeroizing<String>> {
    let text = Zeroizing::new(
        std::fs::read_to_string(path).with_context(|| format!("cannot read {} as text", path.display()))?,
    );
    checked(trimmed(&text), what)
}

fn trimmed(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.trim().to_owned())
}

fn checked(secret: Zeroizing<String>, what: &str) -> anyhow::Result<Zeroizing<String>> {
    anyhow::ensure!(!secret.is_empty(), "{what} is empty");
    Ok(secret)
}

/// A field that a provider's secret has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its name.
    pub(crate) name: String,
    /// Its name for people.
    pub(crate) label: String,
    /// Whether it must be given.
    pub(crate) required: bool,
}

/// The fields of a provider's secret: the main one by `--key`, `--key-stdin`, `--key-file` or `--field key=…`, others by
/// `--field`; what is required and missing is asked for.
///
/// # Errors
/// A field is unknown, missing with nobody to ask, or cannot be read.
pub(crate) fn fields(
    args: &SecretArgs,
    wanted: &[Wanted],
    output: &Output,
) -> anyhow::Result<BTreeMap<String, Zeroizing<String>>> {
    let mut fields = BTreeMap::new();
    if args.key.is_some() || args.fields.iter().any(|(_, value)| !value.starts_with('@')) {
        output.warn("shells keep what is typed in their history; `--key-stdin`, `--key-file` and `--field NAME=@FILE` do not");
    }
    if let Some(main) = wanted.first()
        && let Some(secret) = main_secret(args, &main.label)?
    {
        fields.insert(main.name.clone(), secret);
    }
    for (name, value) in &args.fields {
        if !wanted.iter().any(|field| field.name == *name) {
            let known: Vec<_> = wanted.iter().map(|field| field.name.as_str()).collect();
            return Err(advice(
                format!("there is no field `{name}`"),
                format!("its fields are: {}", known.join(", ")),
            ));
        }
        let secret = match value.strip_prefix('@') {
            Some(path) => from_file(Path::new(path), name)?,
            None => checked(Zeroizing::new(value.clone()), name)?,
        };
        anyhow::ensure!(
            fields.insert(name.clone(), secret).is_none(),
            "`{name}` is given twice"
        );
    }
    for (index, field) in wanted.iter().enumerate().filter(|(_, field)| field.required) {
        if !fields.contains_key(&field.name) {
            let secret = ask(&field.label, &remedy(&field.name, index == 0))?;
            fields.insert(field.name.clone(), secret);
        }
    }
    Ok(fields)
}

/// How a field is given where nobody can be asked: `--key-stdin` and `--key-file` are of the main one alone.
fn remedy(name: &str, is_main: bool) -> String {
    match is_main {
        true => "give it on stdin with `--key-stdin`, or in a file with `--key-file`".to_owned(),
        false => format!("give it in a file with `--field {name}=@FILE`"),
    }
}

fn main_secret(args: &SecretArgs, label: &str) -> anyhow::Result<Option<Zeroizing<String>>> {
    if let Some(key) = &args.key {
        return checked(Zeroizing::new(key.clone()), label).map(Some);
    }
    if args.key_stdin {
        return from_stdin(label).map(Some);
    }
    args.key_file
        .as_deref()
        .map(|path| from_file(path, label))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    fn wanted() -> Vec<Wanted> {
        let field = |name: &str, required| Wanted {
            name: name.into(),
            label: name.into(),
            required,
        };
        vec![field("key", true), field("sid", true), field("note", false)]
    }

    fn read(args: &SecretArgs) -> anyhow::Result<Vec<(String, String)>> {
        let fields = fields(args, &wanted(), &Output::new(Format::Json))?;
        Ok(fields
            .into_iter()
            .map(|(name, value)| (name, value.to_string()))
            .collect())
    }

    #[test]
    fn fields_come_from_options_and_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sid");
        std::fs::write(&path, "AC1\n").unwrap();
        let args = SecretArgs {
            key: Some("sk-1".into()),
            fields: vec![("sid".into(), format!("@{}", path.display()))],
            ..SecretArgs::default()
        };
        assert_eq!(
            read(&args).unwrap(),
            [("key".into(), "sk-1".into()), ("sid".into(), "AC1".into())]
        );
    }

    #[test]
    fn each_field_can_be_given_as_its_remedy_says() {
        assert!(remedy("key", true).contains("`--key-stdin`"));
        assert!(remedy("sid", false).contains("`--field sid=@FILE`"));
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        let with = |key: &str, fields: &[(&str, &str)]| SecretArgs {
            key: Some(key.into()),
            fields: fields
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            ..SecretArgs::default()
        };
        for (args, words) in [
            (with("", &[]), "is empty"),
            (with("k", &[("other", "x")]), "no field `other`"),
            (with("k", &[("key", "x")]), "given twice"),
            (with("k", &[("sid", "@/no/such/file")]), "cannot read"),
        ] {
            let error = format!("{:#}", read(&args).unwrap_err());
            assert!(error.contains(words), "{error}");
        }
    }
}
