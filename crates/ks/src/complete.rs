//! What the shell offers at TAB: the words of the command line, and names. The slugs of providers stand in the program; the names
//! of agents, keys, projects and organizations are asked from the server, which has [`PATIENCE`]. Whatever goes wrong, nothing is
//! offered and nothing is said.
//!
//! The script of `ks completions` calls the program with [`VARIABLE`] set and the words typed so far.

use std::time::Duration;

use clap::CommandFactory;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use keystore_wire::agents::{Agent, ListAgents};
use keystore_wire::auth::Membership;
use keystore_wire::credentials::{Credential, ListCredentials};
use keystore_wire::projects::Project;

use crate::cli::{Cli, Global};
use crate::client::Client;
use crate::commands::name_of_key;
use crate::output::Format;
use crate::settings::Settings;

/// What the script sets.
const VARIABLE: &str = "KS_COMPLETE";

/// How long a server may take to tell names: nobody waits longer for a TAB.
const PATIENCE: Duration = Duration::from_millis(700);

/// The most names that are asked for.
const MOST: usize = 500;

/// Answers the shell, if it is the shell that asks; then there is nothing else to do.
///
/// # Errors
/// The shell is unknown, or stdout is closed.
pub(crate) fn answer() -> clap::error::Result<bool> {
    CompleteEnv::with_factory(Cli::command)
        .var(VARIABLE)
        .try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref())
}

/// The script that makes a shell ask.
///
/// # Errors
/// The shell is unknown.
pub(crate) fn script(shell: clap_complete::Shell) -> anyhow::Result<String> {
    let shells = Shells::builtins();
    let completer = shells
        .completer(&shell.to_string())
        .ok_or_else(|| anyhow::anyhow!("there are no completions for {shell}"))?;
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, "ks", "ks", "ks", &mut script)?;
    Ok(String::from_utf8(script)?)
}

/// The slugs of the catalog.
pub(crate) fn providers() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        keystore_catalog::providers()
            .iter()
            .map(|provider| candidate(&provider.slug, &provider.name))
            .collect()
    })
}

/// The agents of the project.
pub(crate) fn agents() -> ArgValueCandidates {
    names(async |client, settings| {
        let query = ListAgents {
            project: settings.project.clone(),
            ..ListAgents::default()
        };
        let agents: Vec<Agent> = client.list(&["agents"], &query, MOST).await?;
        Ok(agents
            .iter()
            .map(|agent| candidate(&agent.name, agent.status.as_str()))
            .collect())
    })
}

/// The stored keys of the project, as commands name them.
pub(crate) fn credentials() -> ArgValueCandidates {
    names(async |client, settings| {
        let query = ListCredentials {
            project: settings.project.clone(),
            ..ListCredentials::default()
        };
        let stored: Vec<Credential> = client.list(&["credentials"], &query, MOST).await?;
        Ok(stored
            .iter()
            .map(|key| candidate(&name_of_key(key), key.status.as_str()))
            .collect())
    })
}

/// The projects of the organization.
pub(crate) fn projects() -> ArgValueCandidates {
    names(async |client, _| {
        let projects: Vec<Project> = client.list(&["projects"], &(), MOST).await?;
        Ok(projects
            .iter()
            .map(|project| candidate(&project.slug, &project.name))
            .collect())
    })
}

/// The organizations of the person.
pub(crate) fn orgs() -> ArgValueCandidates {
    names(async |client, _| {
        let orgs: Vec<Membership> = client.list(&["orgs"], &(), MOST).await?;
        Ok(orgs.iter().map(|org| candidate(&org.slug, &org.name)).collect())
    })
}

fn candidate(value: &str, help: &str) -> CompletionCandidate {
    CompletionCandidate::new(value).help(Some(help.to_owned().into()))
}

/// What `ask` learns from the server that the words typed so far, or the settings, name.
fn names(
    ask: impl AsyncFn(&Client, &Settings) -> anyhow::Result<Vec<CompletionCandidate>> + Send + Sync + 'static,
) -> ArgValueCandidates {
    ArgValueCandidates::new(move || asked(&ask).unwrap_or_default())
}

fn asked(
    ask: &impl AsyncFn(&Client, &Settings) -> anyhow::Result<Vec<CompletionCandidate>>,
) -> anyhow::Result<Vec<CompletionCandidate>> {
    let words: Vec<String> = std::env::args_os()
        .filter_map(|word| word.into_string().ok())
        .collect();
    let settings = Settings::load(&global(&words))?;
    let client = Client::new(&settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async { tokio::time::timeout(PATIENCE, ask(&client, &settings)).await? })
}

/// The global options among the words, the unfinished command line being no command line yet.
fn global(words: &[String]) -> Global {
    Global {
        api_url: option(words, "--api-url"),
        api_key: option(words, "--api-key"),
        project: option(words, "--project"),
        output: Format::Table,
    }
}

fn option(words: &[String], name: &str) -> Option<String> {
    let with_value = |word: &String| Some(word.strip_prefix(name)?.strip_prefix('=')?.to_owned());
    let before = |pair: &[String]| (pair[0] == name).then(|| pair[1].clone());
    words
        .iter()
        .find_map(with_value)
        .or_else(|| words.windows(2).find_map(before))
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_among_unfinished_words() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let of = |line: &str| option(&words(line), "--project");
        assert_eq!(of("ks agent show --project c42 "), Some("c42".to_owned()));
        assert_eq!(of("ks --project=c42 agent show b"), Some("c42".to_owned()));
        assert_eq!(of("ks agent show --project "), None);
        assert_eq!(of("ks agent show"), None);
    }

    #[test]
    fn each_shell_has_a_script_that_calls_the_program() {
        for shell in <clap_complete::Shell as clap::ValueEnum>::value_variants() {
            let script = script(*shell).unwrap();
            assert!(
                script.contains(VARIABLE) && script.contains("ks"),
                "{shell}: {script}"
            );
        }
    }
}
