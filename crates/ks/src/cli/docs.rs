//! The pages for people against the product: commands parse, links lead somewhere, and tables name all that there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use keystore_server::config::Config;
use keystore_wire::Code;

use super::Cli;

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
}

/// Every page with its text.
fn pages() -> BTreeMap<PathBuf, String> {
    let root = root();
    let mut paths = vec![
        root.join("README.md"),
        root.join("ARCHITECTURE.md"),
        root.join("catalog/README.md"),
    ];
    files(&root.join("docs"), "md", &mut paths);
    paths
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// The text outside of fenced blocks.
fn prose(text: &str) -> String {
    let parts = text.split("```").step_by(2);
    parts.collect::<Vec<_>>().join("\n")
}

/// The lines behind `$ ` in console blocks, with their continuations.
fn console_lines(text: &str) -> Vec<String> {
    let blocks = text.split("```").skip(1).step_by(2);
    let mut lines = Vec::new();
    for block in blocks.filter_map(|block| block.strip_prefix("console\n")) {
        let mut rest = block.lines();
        while let Some(line) = rest.next() {
            let Some(line) = line.strip_prefix("$ ") else {
                continue;
            };
            let mut whole = line.to_owned();
            while let Some(begun) = whole.strip_suffix('\\') {
                whole = format!("{begun} {}", rest.next().unwrap().trim());
            }
            lines.push(whole);
        }
    }
    lines
}

/// The words of every call of `ks` in a line of a shell: pipes, substitutions, variables, redirections and comments apart.
fn calls(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut quote) = (String::new(), None);
    let mut letters = line.chars().peekable();
    let end_word = |word: &mut String, commands: &mut Vec<Vec<String>>| {
        if !word.is_empty() {
            commands.last_mut().unwrap().push(std::mem::take(word));
        }
    };
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some(_), letter) => word.push(letter),
            (None, '\'' | '"') => quote = Some(letter),
            (None, '$') if letters.peek() == Some(&'(') => {}
            (None, '|' | ';' | '&' | '(' | ')' | '>') => {
                word.clear();
                commands.push(Vec::new());
            }
            (None, '#') if word.is_empty() => break,
            (None, letter) if letter.is_whitespace() => end_word(&mut word, &mut commands),
            (None, letter) => word.push(letter),
        }
        // A word that an operator ends stands before it.
        if quote.is_none() && matches!(letters.peek(), Some('|' | ';' | '&' | '(' | ')' | '>')) {
            end_word(&mut word, &mut commands);
        }
    }
    end_word(&mut word, &mut commands);
    let is_setting = |word: &String| {
        word.split_once('=').is_some_and(|(name, _)| {
            name.chars()
                .all(|letter| letter.is_ascii_uppercase() || letter == '_')
        })
    };
    commands
        .into_iter()
        .map(|words| {
            words
                .into_iter()
                .skip_while(|word| is_setting(word))
                .collect::<Vec<_>>()
        })
        .filter(|words| words.first().is_some_and(|word| word == "ks"))
        .collect()
}

/// What is wrong with a call, if anything is. An `abridged` one may leave out what is required.
fn fault(words: &[String], abridged: bool) -> Option<String> {
    let error = Cli::try_parse_from(words).err()?;
    let fine = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => abridged,
        _ => false,
    };
    (!fine).then(|| format!("{}: {error}", words.join(" ")))
}

/// Calls that stand between backticks on one line, with something in place of what the reader has to fill in.
fn inline_calls(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in text.lines() {
        for code in line.split('`').skip(1).step_by(2) {
            if !code.starts_with("ks ") {
                continue;
            }
            let mut filled = String::new();
            let mut rest = code.replace("{option}", "--rpm-limit");
            while let Some(start) = rest.find(['<', '{']) {
                let close = if rest[start..].starts_with('<') { '>' } else { '}' };
                let Some(length) = rest[start..].find(close) else {
                    break;
                };
                filled.push_str(&rest[..start]);
                filled.push('1');
                rest = rest[start + length + 1..].to_owned();
            }
            filled.push_str(&rest);
            found.extend(calls(&filled));
        }
    }
    found
}

#[test]
fn calls_are_found_in_lines_of_a_shell() {
    let words = |line: &str| {
        calls(line)
            .iter()
            .map(|words| words.join(" "))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        words("printf %s \"$KEY\" | ks provider add openai --key-stdin"),
        ["ks provider add openai --key-stdin"]
    );
    assert_eq!(
        words("KS_TOKEN=$(ks token create --agent bot)"),
        ["ks token create --agent bot"]
    );
    assert_eq!(words("KS_A=1 ks serve   # runs"), ["ks serve"]);
    assert_eq!(words("ks completions zsh > ~/.zfunc/_ks"), ["ks completions zsh"]);
    assert_eq!(
        words("ks agent update bot --model 'gpt-5*'"),
        ["ks agent update bot --model gpt-5*"]
    );
    assert_eq!(words("make run"), Vec::<String>::new());
    assert!(fault(&["ks", "agent", "frob"].map(str::to_owned), true).is_some());
    assert!(fault(&["ks", "token", "create"].map(str::to_owned), false).is_some());
}

#[test]
fn every_command_in_the_pages_parses() {
    let mut faults = Vec::new();
    let mut seen = 0;
    // What is made from the commands shows how they are used, not uses.
    let written = |path: &PathBuf| !path.ends_with("docs/cli-reference.md");
    for (path, text) in pages().into_iter().filter(|(path, _)| written(path)) {
        let whole = console_lines(&text)
            .iter()
            .flat_map(|line| calls(line))
            .collect::<Vec<_>>();
        let abridged = inline_calls(&prose(&text));
        seen += whole.len();
        let found = whole.iter().map(|words| fault(words, false));
        let found = found.chain(abridged.iter().map(|words| fault(words, true)));
        faults.extend(
            found
                .flatten()
                .map(|fault| format!("{}: {fault}", path.display())),
        );
    }
    assert!(seen > 60, "only {seen} commands were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Remedies and other messages tell people what to type.
#[test]
fn every_command_that_the_sources_name_exists() {
    let mut paths = Vec::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        files(&entry.unwrap().path().join("src"), "rs", &mut paths);
    }
    let mut faults = Vec::new();
    let mut seen = 0;
    for path in paths.iter().filter(|path| !path.ends_with("cli/docs.rs")) {
        let found = inline_calls(&fs::read_to_string(path).unwrap());
        seen += found.len();
        let found = found.iter().filter_map(|words| fault(words, true));
        faults.extend(found.map(|fault| format!("{}: {fault}", path.display())));
    }
    assert!(seen > 60, "only {seen} commands were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What `--help` shows can be typed.
#[test]
fn every_example_of_the_help_parses() {
    fn examples(command: &clap::Command, found: &mut Vec<String>) {
        let help = command.get_after_help().map(ToString::to_string);
        let lines = help.iter().flat_map(|help| help.lines()).map(str::trim);
        // Behind some of them stands what they do.
        let lines = lines.map(|line| line.split("  ").next().unwrap_or(line));
        found.extend(lines.filter(|line| line.starts_with("ks ")).map(str::to_owned));
        command.get_subcommands().for_each(|sub| examples(sub, found));
    }
    let mut lines = Vec::new();
    examples(&Cli::command(), &mut lines);
    assert!(lines.len() > 150, "only {} examples were found", lines.len());
    let found = lines.iter().flat_map(|line| calls(line));
    let faults: Vec<_> = found.filter_map(|words| fault(&words, true)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_command_has_an_example_on_its_page() {
    fn leaves(command: &clap::Command, name: &str, found: &mut Vec<String>) {
        let mut subs = command
            .get_subcommands()
            .filter(|sub| !sub.is_hide_set())
            .peekable();
        if subs.peek().is_none() {
            found.push(name.to_owned());
        }
        for sub in subs {
            leaves(sub, &format!("{name} {}", sub.get_name()), found);
        }
    }
    let mut expected = Vec::new();
    leaves(&Cli::command(), "ks", &mut expected);
    let shown: Vec<String> = console_lines(&page("cli.md"))
        .iter()
        .flat_map(|line| calls(line))
        .map(|words| words.join(" ") + " ")
        .collect();
    let missing: Vec<_> = expected
        .iter()
        .filter(|name| !shown.iter().any(|line| line.starts_with(&format!("{name} "))))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The first two cells of table rows whose first cell is one piece of code.
fn rows(text: &str) -> Vec<(String, String)> {
    let cells = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let first = cells.next()?.strip_suffix('`')?;
        Some((first.to_owned(), cells.next()?.to_owned()))
    });
    cells.collect()
}

#[test]
fn every_code_is_explained_with_its_status() {
    let (proxy, api) = (page("proxy.md"), page("api.md"));
    for code in Code::ALL {
        let name = format!("`{code}`");
        assert!(
            proxy.contains(&name) || api.contains(&name),
            "{code} is explained nowhere"
        );
    }
    let mut explained = BTreeSet::new();
    for (name, status) in rows(&proxy).into_iter().chain(rows(&api)) {
        let Some(code) = Code::of(&name) else { continue };
        explained.insert(name);
        assert!(status.starts_with(&code.status().to_string()), "{code}: {status}");
    }
    assert_eq!(explained.len(), Code::ALL.len(), "all codes have a row");
}

#[test]
fn every_setting_is_explained_in_its_section() {
    let known = |text: &str| {
        let message = Config::parse(text).unwrap_err().to_string();
        let list = message.split_once("known here: ").expect(&message).1.to_owned();
        list.split(", ").map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let text = page("configuration.md").replace("\n### ", "\n## ");
    let sections: BTreeMap<String, BTreeSet<String>> = text
        .split("\n## `[")
        .skip(1)
        .map(|section| {
            let (name, rest) = section.split_once(']').unwrap();
            let rest = rest.split("\n## ").next().unwrap();
            (
                name.to_owned(),
                rows(rest).into_iter().map(|(key, _)| key).collect(),
            )
        })
        .collect();
    let outermost = sections.keys().filter(|name| !name.contains('.'));
    assert_eq!(outermost.cloned().collect::<BTreeSet<_>>(), known("qqqq = 1\n"));
    for (section, keys) in &sections {
        assert_eq!(*keys, known(&format!("[{section}]\nqqqq = 1\n")), "[{section}]");
    }
}

#[test]
fn providers_that_are_named_exist() {
    let text = page("providers.md");
    for (slug, _) in rows(&text) {
        assert!(
            keystore_catalog::provider(&slug).is_some(),
            "{slug} is not in the catalog"
        );
    }
}

/// A heading as an anchor, by the rules of GitHub.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let pages = pages();
    let mut broken = Vec::new();
    for (path, text) in &pages {
        let text = prose(text);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, heading) = target
                .split_once('#')
                .map_or((target, None), |(file, heading)| (file, Some(heading)));
            let file = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            let whole = fs::canonicalize(&file)
                .ok()
                .and_then(|file| fs::read(file).ok())
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let leads = match (&whole, heading) {
                (None, _) => file.is_dir() && heading.is_none(),
                (Some(_), None) => true,
                (Some(text), Some(heading)) => prose(text)
                    .lines()
                    .filter_map(|line| line.strip_prefix('#'))
                    .any(|line| anchor(line.trim_start_matches('#')) == heading),
            };
            if !leads {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
