//! The API against the commands: `sdk/commands.json` says for each operation which command calls it, why none does (`none`), or why
//! no client does at all (`nobody`).

use std::collections::BTreeSet;
use std::fs;

use clap::{Command, CommandFactory};
use serde_json::{Map, Value};

use super::Cli;
use super::docs::root;

fn read(path: &str) -> Map<String, Value> {
    let text = fs::read_to_string(root().join(path)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn operations() -> BTreeSet<String> {
    let document = Value::Object(read("openapi.json"));
    let items = document["paths"].as_object().unwrap().values();
    let ids = items.flat_map(|item| item.as_object().unwrap().values());
    ids.map(|operation| operation["operationId"].as_str().unwrap().to_owned())
        .collect()
}

/// The command that these words name, if it does something by itself.
fn find<'a>(cli: &'a Command, words: &str) -> Option<&'a Command> {
    let found = words
        .split(' ')
        .try_fold(cli, |command, word| command.find_subcommand(word))?;
    (!found.is_subcommand_required_set()).then_some(found)
}

#[test]
fn every_operation_has_its_methods_and_a_command_or_a_reason() {
    let (operations, methods, commands) = (operations(), read("sdk/methods.json"), read("sdk/commands.json"));
    let cli = Cli::command();
    let rows = |rows: &Map<String, Value>| rows.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(rows(&commands), operations, "each operation has a row");
    // What nobody calls but a vendor has no method, either.
    let called = |name: &String| commands[name]["nobody"].is_null();
    let called: BTreeSet<_> = operations.into_iter().filter(called).collect();
    assert_eq!(rows(&methods), called, "each operation has its methods");
    let mut missing = Vec::new();
    for (operation, row) in &commands {
        match (row.as_str(), row["none"].as_str().or(row["nobody"].as_str())) {
            (Some(words), _) if find(&cli, words).is_none() => missing.push(format!("{operation}: {words}")),
            (Some(_), _) => {}
            (None, reason) => {
                let reason = reason.unwrap_or_default();
                assert!(reason.split(' ').count() > 3, "{operation}: why is there none?");
            }
        }
    }
    assert!(missing.is_empty(), "no such commands: {missing:#?}");
    let without = commands.values().filter(|row| row.is_object()).count();
    assert!(
        without * 20 < commands.len(),
        "{without} operations without a command"
    );
}

#[test]
fn a_command_is_found_by_its_words_alone() {
    let cli = Cli::command();
    assert!(find(&cli, "agent list").is_some() && find(&cli, "kek import begin").is_some());
    assert!(find(&cli, "whoami").is_some());
    for words in ["agent", "agent lst", "kek import", "agents", ""] {
        assert!(find(&cli, words).is_none(), "{words}");
    }
}
