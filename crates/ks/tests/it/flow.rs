//! The newcomer's flow, with the real server: dev, keys, agents, tokens, run, traffic, sessions.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::home::Home;

/// A running `ks dev`, ended with the test.
pub(crate) struct Dev {
    child: Child,
    about: Value,
}

impl Dev {
    pub(crate) fn start(home: &Home) -> Self {
        let file = home.data_dir().join("dev.json");
        let _ = fs::remove_file(&file);
        let child = home
            .command(&["dev", "--proxy-addr", "127.0.0.1:0", "--api-addr", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(fs::File::create(home.log()).unwrap())
            .spawn()
            .unwrap();
        let mut dev = Self {
            child,
            about: Value::Null,
        };
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            assert!(
                dev.child.try_wait().unwrap().is_none(),
                "`ks dev` ended by itself"
            );
            assert!(Instant::now() < patience, "`ks dev` does not start");
            if let Some(about) = read(&file) {
                dev.about = about;
                if home.ks(&["whoami"]).code == Some(0) {
                    return dev;
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "a clean end");
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.about[name]
            .as_str()
            .unwrap_or_else(|| panic!("dev.json has no {name}"))
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(file: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A chat completion of the sandbox, called as an SDK would be: from the variables alone.
const CALL: &str = r#"curl -sS --fail-with-body "$OPENAI_BASE_URL/chat/completions" -H "authorization: Bearer $OPENAI_API_KEY" -H 'content-type: application/json' -d '{"model":"sandbox-1","messages":[{"role":"user","content":"hello"}]}'"#;

#[test]
fn a_provider_of_ones_own_is_a_file_and_a_key() {
    let home = Home::new();
    let _dev = Dev::start(&home);
    let file = home.data_dir().join("acme.toml");
    let write = |text: &str| fs::write(&file, text).unwrap();
    let define = || home.ks(&["provider", "define", "--file", file.to_str().unwrap()]);
    write("name = \"Acme\"\ncategry = \"llm\"\n");
    let refused = define();
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("category"), "{}", refused.stderr);

    write(
        "name = \"Acme\"\ncategory = \"llm\"\nbase_url = \"https://api.acme.example\"\n[[inject]]\nheader = \"x-acme-key\"\n",
    );
    define().ok();
    assert!(
        home.ks(&["provider", "list", "--custom"])
            .ok()
            .stdout
            .contains("acme")
    );
    let shown = home.ks(&["provider", "show", "acme"]).ok().stdout;
    assert!(
        shown.contains("x-acme-key: {key}") && shown.contains("/v1/acme"),
        "{shown}"
    );

    let add = [
        "provider",
        "add",
        "acme",
        "--key-stdin",
        "--no-verify",
        "--expires",
        "5d",
        "--rotate-after",
        "90d",
    ];
    home.ks_with(&add, "secret-of-acme").ok();
    let due = home.ks(&["provider", "list", "--due", "7d"]).ok().stdout;
    assert!(due.contains("expires in 5 d"), "{due}");
    home.ks(&[
        "provider",
        "update",
        "acme",
        "--expires",
        "none",
        "--label",
        "phi",
    ])
    .ok();
    let due = home
        .ks(&["provider", "list", "--due", "7d", "--output", "json"])
        .ok();
    assert_eq!(due.json(), Value::Array(Vec::new()));

    write("name = \"Acme\"\ncategory = \"llm\"\nbase_url = \"https://eu.acme.example\"\n");
    define().ok();
    assert!(home.ks(&["provider", "list"]).ok().stdout.contains("reseal"));
    assert_eq!(home.ks(&["doctor"]).code, Some(1), "a stale key is worth a word");
    home.ks(&["provider", "reseal", "acme"]).ok();
    home.ks(&["doctor"]).ok();

    assert_eq!(
        home.ks(&["provider", "undefine", "acme", "--yes"]).code,
        Some(1),
        "it is used"
    );
    home.ks(&["provider", "undefine", "acme", "--force", "--yes"])
        .ok();
    let left = home.ks(&["provider", "list", "--output", "json"]).ok().json();
    assert!(
        left.as_array()
            .unwrap()
            .iter()
            .all(|key| key["provider"] != "acme"),
        "{left}"
    );
}

#[test]
fn a_newcomer_gets_from_nothing_to_a_metered_call() {
    let home = Home::new();
    let dev = Dev::start(&home);
    assert_eq!(mode(&home.data_dir().join("dev.json")), 0o600);

    // Keys: stored, listed without their value, removed.
    let secret = "sk-proj-canary-0123456789abcdefghijklmnop";
    let added = home
        .ks_with(
            &["provider", "add", "openai", "--key-stdin", "--no-verify"],
            secret,
        )
        .ok();
    assert!(!added.stdout.contains(secret) && !added.stderr.contains(secret));
    let listed = home.ks(&["provider", "list"]).ok().stdout;
    let heading: Vec<_> = listed.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(heading, ["NAME", "SOURCE", "STATUS", "ADDED"]);
    assert!(
        listed
            .lines()
            .any(|line| line.starts_with("openai ") && line.contains("byok")),
        "{listed}"
    );
    assert!(
        home.ks(&["provider", "list", "--all"])
            .ok()
            .stdout
            .contains("anthropic")
    );
    assert!(
        home.ks(&["provider", "show", "openai"])
            .ok()
            .stdout
            .contains("OPENAI_API_KEY")
    );
    assert_eq!(
        home.ks(&["provider", "add", "openai", "--key", secret, "--no-verify"])
            .code,
        Some(1),
        "the name is taken"
    );
    home.ks_with(
        &["provider", "rotate", "openai", "--key-stdin", "--no-verify"],
        secret,
    )
    .ok();
    home.ks(&["provider", "remove", "openai", "--yes"]).ok();

    // An agent and its token in one step; the value alone on stdout.
    let made = home
        .ks(&[
            "token",
            "create",
            "--name",
            "bot",
            "--provider",
            "sandbox",
            "--budget",
            "500",
        ])
        .ok();
    assert!(
        keystore_core::token::is_token(made.stdout.trim_end().as_bytes()),
        "{}",
        made.stdout
    );

    // A program without any real key, metered.
    let ran = home.ks(&["run", "--agent", "bot", "--", "sh", "-c", CALL]).ok();
    assert!(
        ran.json()["choices"][0]["message"]["content"].is_string(),
        "{}",
        ran.stdout
    );
    let traffic = wait_for(|| {
        let requests = home
            .ks(&["requests", "--agent", "bot", "--output", "json"])
            .ok()
            .json();
        (requests.as_array().unwrap().len() == 1).then_some(requests)
    });
    assert_eq!(
        (&traffic[0]["status"], &traffic[0]["provider"]),
        (&Value::from(200), &Value::from("sandbox"))
    );
    assert_ne!(traffic[0]["cost"], "0.00");
    home.ks(&["requests", traffic[0]["id"].as_str().unwrap()]).ok();
    let usage = home
        .ks(&["usage", "--by", "agent,provider", "--output", "json"])
        .ok()
        .json();
    assert!(
        usage["data"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["agentName"] == "bot" && row["calls"] == 1),
        "{usage}"
    );

    // The token of the run is gone, whatever became of the program.
    let tokens = home
        .ks(&["token", "list", "--agent", "bot", "--output", "json"])
        .ok()
        .json();
    let run: Vec<_> = tokens
        .as_array()
        .unwrap()
        .iter()
        .filter(|token| token["name"] == "ks run")
        .collect();
    assert_eq!((run.len(), &run[0]["status"]), (1, &Value::from("revoked")));

    // Limits bite at once.
    home.ks(&["agent", "pause", "bot"]).ok();
    let refused = home.ks(&["run", "--agent", "bot", "--", "sh", "-c", CALL]);
    assert_eq!(
        refused.code,
        Some(22),
        "curl's own code is passed on: {}",
        refused.stderr
    );
    assert!(refused.stdout.contains("agent_paused"), "{}", refused.stdout);
    home.ks(&["agent", "resume", "bot"]).ok();
    let changed = home
        .ks(&[
            "agent",
            "update",
            "bot",
            "--rpm-limit",
            "1",
            "--budget",
            "none",
            "--output",
            "json",
        ])
        .ok()
        .json();
    assert_eq!(
        (&changed["rpmLimit"], &changed["budgetCentsMonthly"]),
        (&Value::from(1), &Value::Null)
    );

    // Everything is well, and stays after a restart.
    home.ks(&["doctor"]).ok();
    dev.stop();
    let again = Dev::start(&home);
    assert!(home.ks(&["agent", "list"]).ok().stdout.contains("bot"));
    home.ks(&["agent", "delete", "bot", "--yes"]).ok();
    let gone = home.ks(&["agent", "show", "bot"]);
    assert_eq!(gone.code, Some(1));
    assert!(gone.stderr.contains("there is no agent `bot`"), "{}", gone.stderr);
    again.stop();
}

#[test]
fn a_session_is_remembered_and_forgotten() {
    let home = Home::new();
    let dev = Dev::start(&home);
    let wrong = home.ks_with(
        &["login", "--email", dev.text("email"), "--password-stdin"],
        "not the password",
    );
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.contains("invalid_credentials"), "{}", wrong.stderr);
    assert!(!home.profile().exists());
    home.ks_with(
        &["login", "--email", dev.text("email"), "--password-stdin"],
        dev.text("password"),
    )
    .ok();
    assert_eq!(mode(&home.profile()), 0o600);
    let me = home.ks(&["whoami", "--output", "json"]).ok().json();
    assert_eq!(
        (&me["via"], &me["user"]["email"]),
        (&Value::from("session"), &dev.about["email"])
    );
    home.ks(&["logout"]).ok();
    assert!(!home.profile().exists());
    let me = home.ks(&["whoami", "--output", "json"]).ok().json();
    assert_eq!(me["via"], "api_key", "the key of dev.json is left");
    dev.stop();
}

#[test]
fn a_stopped_run_revokes_its_token() {
    let home = Home::new();
    let dev = Dev::start(&home);
    home.ks(&["token", "create", "--name", "bot", "--provider", "sandbox"])
        .ok();
    let mut run = home
        .command(&["run", "--agent", "bot", "--", "sleep", "600"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = || {
        let tokens = home
            .ks(&["token", "list", "--agent", "bot", "--output", "json"])
            .ok()
            .json();
        let found = tokens
            .as_array()
            .unwrap()
            .iter()
            .find(|token| token["name"] == "ks run")
            .cloned();
        found.map(|token| token["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(wait_for(status), "active");
    // The program may not have begun yet when its token is made.
    std::thread::sleep(Duration::from_millis(300));
    kill_process(Pid::from_child(&run), Signal::TERM).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(128 + 15));
    assert_eq!(status().as_deref(), Some("revoked"));
    dev.stop();
}

pub(crate) fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let patience = Instant::now() + Duration::from_secs(15);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < patience, "it does not come");
        std::thread::sleep(Duration::from_millis(100));
    }
}
