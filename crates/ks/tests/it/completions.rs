//! What a real shell offers at TAB.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::flow::Dev;
use crate::home::{Home, Left};

/// Runs a script in a shell of this home, with the binary in its path.
fn shell(home: &Home, shell: &str, script: &str) -> Left {
    let ks = home.command(&[]);
    let bin = Path::new(ks.get_program()).parent().unwrap();
    let mut command = Command::new(shell);
    command.env_clear();
    for (name, value) in ks.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()))
        .args(["-c", script])
        .stdin(Stdio::null());
    Left::of(command.output().unwrap())
}

/// What bash offers for the last of these words.
fn offered(home: &Home, words: &[&str]) -> Vec<String> {
    let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    let (last, before) = (words.len() - 1, words.len() - 2);
    let script = format!(
        "source <(ks completions bash); COMP_WORDS=({words}); COMP_CWORD={last}; COMP_TYPE=9\n\
         _clap_complete_ks ks \"${{COMP_WORDS[{last}]}}\" \"${{COMP_WORDS[{before}]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words = quoted.join(" ")
    );
    let left = shell(home, "bash", &script).ok();
    left.stdout.lines().map(str::to_owned).collect()
}

/// The names among them. A server that is too slow tells none: it is asked again.
fn names(home: &Home, words: &[&str]) -> Vec<String> {
    let ask = || {
        let mut names = offered(home, words);
        names.retain(|word| !word.is_empty() && !word.starts_with('-'));
        names
    };
    let mut answers = std::iter::repeat_with(ask).take(5);
    answers.find(|names| !names.is_empty()).unwrap_or_default()
}

#[test]
fn words_and_the_slugs_of_the_catalog_need_no_server() {
    let home = Home::new();
    assert_eq!(offered(&home, &["ks", "prov"]), ["provider"]);
    assert_eq!(offered(&home, &["ks", "provider", "add", "mistr"]), ["mistral"]);
    let slugs = offered(&home, &["ks", "agent", "create", "bot", "--provider", ""]);
    assert!(slugs.len() >= keystore_catalog::providers().len(), "{slugs:?}");
    // Nobody is signed in and nothing answers: no names, and no words about it.
    assert_eq!(offered(&home, &["ks", "agent", "show", "b"]), [""]);
}

#[test]
fn names_come_from_the_server() {
    let home = Home::new();
    let dev = Dev::start(&home);
    home.ks(&["agent", "create", "researcher"]).ok();
    home.ks_with(
        &[
            "provider",
            "add",
            "openai",
            "--name",
            "staging",
            "--key-stdin",
            "--no-verify",
        ],
        "sk-none",
    )
    .ok();
    home.ks(&["project", "create", "Customer 42"]).ok();
    home.ks(&["agent", "create", "elsewhere", "--project", "customer-42"])
        .ok();
    assert_eq!(names(&home, &["ks", "agent", "show", "res"]), ["researcher"]);
    assert_eq!(
        names(&home, &["ks", "requests", "--agent", "res"]),
        ["researcher"]
    );
    assert_eq!(
        names(&home, &["ks", "provider", "rotate", "op"]),
        ["openai/staging"]
    );
    assert_eq!(names(&home, &["ks", "project", "show", "c"]), ["customer-42"]);
    assert_eq!(
        names(&home, &["ks", "--project", "customer-42", "agent", "show", ""]),
        ["elsewhere"]
    );
    let orgs = names(&home, &["ks", "org", "switch", ""]);
    assert!(!orgs.is_empty());

    // Another instance than the one beside us tells its own address.
    let elsewhere = Home::new();
    let shown = elsewhere
        .command(&["provider", "show", "openai"])
        .env("KS_API_URL", dev.text("apiUrl"))
        .env("KS_API_KEY", dev.text("apiKey"))
        .output()
        .unwrap();
    let shown = Left::of(shown).ok().stdout;
    let setting = format!("OPENAI_BASE_URL={}/v1/openai", dev.text("proxyUrl"));
    assert!(shown.contains(&setting), "{shown}");
}
