//! Help, completions and exit codes.

use crate::home::Home;

/// Nothing listens here: the port is reserved (IANA, tcpmux) and needs privileges.
const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn every_command_has_help_with_examples() {
    let home = Home::new();
    for command in [
        "",
        "dev",
        "serve",
        "login",
        "logout",
        "whoami",
        "doctor",
        "provider",
        "provider list",
        "provider show",
        "provider add",
        "provider test",
        "provider rotate",
        "provider remove",
        "agent",
        "agent create",
        "agent list",
        "agent show",
        "agent update",
        "agent pause",
        "agent resume",
        "agent revoke",
        "agent delete",
        "token",
        "token create",
        "token list",
        "token revoke",
        "token rotate",
        "run",
        "requests",
        "usage",
        "billing top-up",
        "billing auto-top-up",
        "credit payments",
        "credit settle",
        "operator pool-use",
        "operator exposure",
        "pool tenants",
        "pool tenant",
        "pool abuse",
    ] {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = home.ks(&args).ok();
        assert!(help.stdout.contains("Example"), "{command}: {}", help.stdout);
        assert_eq!(help.stderr, "", "{command}");
    }
}

#[test]
fn bad_usage_is_2() {
    let home = Home::new();
    for args in [
        &["no-such-command"][..],
        &[],
        &["agent", "create"],
        &["agent", "update", "bot", "--rpm-limit", "many"],
        &["token", "create"],
        &["token", "create", "--agent", "bot", "--budget", "5"],
        &["provider", "add", "openai", "--key", "a", "--key-stdin"],
        &["usage", "--by", "weekday"],
        &["requests", "--since", "yesterday"],
        &["run"],
        &["whoami", "--output", "yaml"],
        &["dev", "--proxy-addr", "everywhere"],
    ] {
        let left = home.ks(args);
        assert_eq!(left.code, Some(2), "{args:?}: {}", left.stderr);
        assert_eq!(left.stdout, "", "{args:?}");
    }
}

#[test]
fn an_unreachable_server_is_1_with_a_hint() {
    let home = Home::new();
    let left = home.ks(&["whoami", "--api-url", NOBODY]);
    assert_eq!((left.code, left.stdout.as_str()), (Some(1), ""));
    assert!(
        left.stderr.contains("cannot reach http://127.0.0.1:1") && left.stderr.contains("ks dev"),
        "{}",
        left.stderr
    );
    assert!(!left.stderr.contains('\x1b'), "no colour without a terminal");
    let json = home.ks(&["whoami", "--api-url", NOBODY, "--output", "json"]);
    let error: serde_json::Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!((json.code, error["code"].as_str()), (Some(1), Some("client")));
}

#[test]
fn certificates_are_read_for_tls_alone() {
    let home = Home::new();
    for (url, words) in [
        (NOBODY, "cannot reach"),
        ("https://127.0.0.1:1", "No CA certificates"),
        // A proxy on the way may be spoken to in TLS.
        ("http://keystore.invalid", "No CA certificates"),
    ] {
        let left = home
            .command(&["whoami", "--api-url", url])
            .env("SSL_CERT_FILE", "/none")
            .env("SSL_CERT_DIR", "/none")
            .output();
        let left = crate::home::Left::of(left.unwrap());
        assert_eq!(left.code, Some(1));
        assert!(left.stderr.contains(words), "{url}: {}", left.stderr);
    }
}

#[test]
fn the_doctor_finds_that_nothing_runs() {
    let home = Home::new();
    let left = home
        .command(&["doctor", "--output", "json", "--api-url", NOBODY])
        .env("KS_PROXY_URL", NOBODY)
        .output();
    let left = crate::home::Left::of(left.unwrap());
    assert_eq!(left.code, Some(1));
    let findings = left.json();
    assert_eq!(findings["ok"], false);
    let failed: Vec<_> = findings["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["ok"] == false)
        .map(|check| (check["name"].as_str().unwrap(), check["remedy"].is_string()))
        .collect();
    assert_eq!(failed, [("api", true), ("proxy", true)]);
}

/// Whatever listens at the default address of this machine is not its proxy.
#[test]
fn the_doctor_looks_for_no_proxy_of_a_server_elsewhere_here() {
    // An address of which no machine can be.
    let left = Home::new().ks(&["doctor", "--output", "json", "--api-url", "http://0.0.0.1:8401"]);
    assert_eq!(left.code, Some(1));
    let findings = left.json();
    let proxy = findings["checks"].as_array().unwrap().last().unwrap();
    assert_eq!((&proxy["name"], &proxy["ok"]), (&"proxy".into(), &false.into()));
    assert!(
        proxy["remedy"].as_str().unwrap().contains("KS_PROXY_URL"),
        "{proxy}"
    );
}

#[test]
fn the_settings_of_the_server_can_be_shown() {
    let left = Home::new().ks(&["serve", "--print-config"]).ok();
    assert!(left.stdout.contains("[proxy]"), "{}", left.stdout);
}

#[test]
fn destructive_commands_ask_first() {
    let left = Home::new().ks(&["agent", "revoke", "bot"]);
    assert_eq!(left.code, Some(1));
    assert!(left.stderr.contains("--yes"), "{}", left.stderr);
}
