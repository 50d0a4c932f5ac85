//! `ks run` with a token that is given: no server is asked, except for its proxy by who may ask.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::flow::Dev;
use crate::home::{Home, Left};

fn token() -> String {
    format!("ks_{}", "0123456789abcdef".repeat(4))
}

fn run(home: &Home, script: &str) -> std::process::Command {
    let mut command = home.command(&["run", "--token", &token(), "--", "sh", "-c", script]);
    command.env("KS_PROXY_URL", "http://127.0.0.1:8400/");
    command
}

#[test]
fn the_program_gets_the_token_and_no_real_key() {
    let home = Home::new();
    let output = run(&home, "env")
        .env("OPENAI_API_KEY", "sk-proj-a-real-one")
        .env("STRIPE_API_KEY", "sk_live_a_real_one")
        .env("KS_API_KEY", "ksm_a_real_one")
        .output();
    let left = Left::of(output.unwrap()).ok();
    let has = |line: String| left.stdout.lines().any(|other| other == line);
    assert!(
        has("OPENAI_BASE_URL=http://127.0.0.1:8400/v1/openai/v1".into()),
        "{}",
        left.stdout
    );
    assert!(
        has("ANTHROPIC_BASE_URL=http://127.0.0.1:8400/v1/anthropic".into()),
        "{}",
        left.stdout
    );
    assert!(has(format!("OPENAI_API_KEY={}", token())) && has(format!("KS_TOKEN={}", token())));
    assert!(
        !left.stdout.contains("real_one") && !left.stdout.contains("a-real"),
        "{}",
        left.stdout
    );
    assert!(
        left.stderr.contains("`OPENAI_API_KEY` holds a key") && !left.stderr.contains("a-real"),
        "{}",
        left.stderr
    );
}

#[test]
fn the_exit_code_is_the_programs() {
    let home = Home::new();
    for code in [0, 1, 7] {
        let left = Left::of(run(&home, &format!("exit {code}")).output().unwrap());
        assert_eq!(left.code, Some(code), "{}", left.stderr);
    }
    let missing = home.ks(&["run", "--token", &token(), "--", "no-such-program"]);
    assert_eq!(missing.code, Some(127), "{}", missing.stderr);
    let folder = home.ks(&["run", "--token", &token(), "--", "/tmp"]);
    assert_eq!(folder.code, Some(126), "{}", folder.stderr);
    let killed = Left::of(run(&home, "kill -KILL $$").output().unwrap());
    assert_eq!(killed.code, Some(137));
}

#[test]
fn signals_reach_the_program() {
    let home = Home::new();
    for (signal, name) in [(Signal::TERM, "TERM"), (Signal::INT, "INT"), (Signal::HUP, "HUP")] {
        let script =
            format!("trap 'echo got {name}; exit 9' {name}; echo ready; while :; do sleep 0.05; done");
        let mut child = run(&home, &script).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), format!("got {name}"));
        assert_eq!(child.wait().unwrap().code(), Some(9), "{name}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_is_not_a_token_is_refused() {
    let left = Home::new().ks(&["run", "--token", "sk-proj-oops", "--", "true"]);
    assert_eq!(left.code, Some(1));
    assert!(
        left.stderr.contains("not an agent's token") && !left.stderr.contains("oops"),
        "{}",
        left.stderr
    );
}

#[test]
fn a_token_goes_where_the_server_says() {
    let home = Home::new();
    let dev = Dev::start(&home);
    let away = Home::new();
    let args = [
        "run",
        "--token",
        &token(),
        "--provider",
        "openai",
        "--print-env",
        "--output",
        "json",
    ];
    let shown = away
        .command(&args)
        .env("KS_API_URL", dev.text("apiUrl"))
        .env("KS_API_KEY", dev.text("apiKey"))
        .output();
    let shown = Left::of(shown.unwrap()).ok().json();
    assert_eq!(
        shown["set"]["OPENAI_BASE_URL"],
        format!("{}/v1/openai/v1", dev.text("proxyUrl"))
    );
    dev.stop();
}

#[test]
fn a_token_of_a_server_elsewhere_goes_nowhere_by_default() {
    let home = Home::new();
    let args = [
        "run",
        "--token",
        &token(),
        "--provider",
        "openai",
        "--print-env",
        "--api-url",
        "https://keystore.example",
    ];
    let refused = home.ks(&args);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(
        refused.stderr.contains("KS_PROXY_URL") && refused.stderr.contains("https://keystore.example"),
        "{}",
        refused.stderr
    );
    let told = home
        .command(&args)
        .env("KS_PROXY_URL", "https://proxy.keystore.example")
        .output();
    let told = Left::of(told.unwrap()).ok();
    assert!(
        told.stdout
            .contains("OPENAI_BASE_URL=https://proxy.keystore.example/v1/openai/v1"),
        "{}",
        told.stdout
    );
}

#[test]
fn what_would_be_set_can_be_shown() {
    let home = Home::new();
    let args = [
        "run",
        "--token",
        &token(),
        "--provider",
        "openai",
        "--print-env",
        "--output",
        "json",
    ];
    let shown = home.ks(&args).ok().json();
    assert_eq!(
        shown["set"]["OPENAI_BASE_URL"],
        "http://127.0.0.1:8400/v1/openai/v1"
    );
    assert_eq!(shown["set"]["OPENAI_API_KEY"], "ks_012…cdef", "masked");
    assert!(shown["set"].get("ANTHROPIC_BASE_URL").is_none());
    let wrong = home.ks(&["run", "--token", &token(), "--provider", "opnai", "--print-env"]);
    assert!(
        wrong.stderr.contains("did you mean `openai`?"),
        "{}",
        wrong.stderr
    );
}
