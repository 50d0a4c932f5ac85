//! Organizations, members, projects, management keys and the audit log, from the command line.

use serde_json::Value;

use crate::flow::{Dev, wait_for};
use crate::home::Home;

/// The code in the newest mail to this address whose subject begins so.
fn mailed_code(home: &Home, to: &str, subject: &str) -> String {
    wait_for(|| {
        let log = std::fs::read_to_string(home.log()).ok()?;
        let (_, mail) = log.rsplit_once(&format!("Mail to {to}: {subject}"))?;
        let (_, rest) = mail.split_once("--code ")?;
        Some(rest.split_whitespace().next()?.to_owned())
    })
}

fn names(list: &Value, member: &str) -> Vec<String> {
    let entries = list.as_array().unwrap().iter();
    entries
        .map(|entry| entry[member].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn people_come_and_go() {
    let home = Home::new();
    let dev = Dev::start(&home);
    let json = |args: &[&str]| home.ks(&[args, &["--output", "json"]].concat()).ok().json();

    // A management key has one organization and cannot make another one.
    assert_eq!(home.ks(&["org", "create", "Labs"]).code, Some(1));
    home.ks_with(
        &["login", "--email", dev.text("email"), "--password-stdin"],
        dev.text("password"),
    )
    .ok();
    let away = Home::new();
    away.ks_with(
        &[
            "login",
            "--api-url",
            dev.text("apiUrl"),
            "--email",
            dev.text("email"),
            "--password-stdin",
        ],
        dev.text("password"),
    )
    .ok();
    let sessions = json(&["session", "list"]);
    let this = |session: &&Value| session["current"] == true;
    let this = sessions.as_array().unwrap().iter().find(this).unwrap();
    assert!(
        this["client"].as_str().unwrap().starts_with("ks/"),
        "{sessions:#}"
    );
    let password = dev.text("password");
    home.ks_with(
        &["account", "change-password", "--passwords-stdin"],
        &format!("{password}\n{password}"),
    )
    .ok();
    assert_eq!(away.ks(&["whoami"]).code, Some(1), "the other session has ended");
    home.ks(&["session", "end-all"])
        .code
        .filter(|code| *code == 1)
        .unwrap();
    home.ks(&["session", "end-all", "--yes"]).ok();
    let database = format!("sqlite://{}", home.data_dir().join("keystore.db").display());
    let reset = ["db", "reset-factors", dev.text("email"), "--database", &database];
    assert_eq!(home.ks(&reset).code, Some(1), "a server runs on it");
    let enrolment = home.ks_with(
        &["factor", "add", "--password-stdin", "--output", "json"],
        password,
    );
    assert!(
        enrolment.ok().json()["uri"]
            .as_str()
            .unwrap()
            .starts_with("otpauth://totp/")
    );
    assert_eq!(home.ks(&["factor", "confirm", "none"]).code, Some(1));
    let factors = json(&["factor", "show"]);
    assert_eq!(
        factors["recoveryCodesLeft"], 0,
        "nothing counts before a code confirmed it"
    );
    json(&["org", "create", "Labs", "--time-zone", "Europe/Berlin"]);
    assert_eq!(
        names(&json(&["org", "list"]), "slug"),
        ["dev", "operator", "labs"]
    );
    home.ks(&["org", "switch", "labs"]).ok();
    assert_eq!(json(&["org", "show"])["timeZone"], "Europe/Berlin");
    assert_eq!(
        json(&["org", "update", "--name", "Laboratory"])["name"],
        "Laboratory"
    );
    assert_eq!(home.ks(&["org", "update"]).code, Some(2), "nothing to change");

    home.ks(&["member", "invite", "grace@example.com", "--role", "viewer"])
        .ok();
    let people = json(&["member", "list"]);
    assert_eq!(names(&people["invitations"], "email"), ["grace@example.com"]);
    let code = mailed_code(&home, "grace@example.com", "Join");
    let grace = Home::new();
    let url = dev.text("apiUrl");
    let accept = [
        "account",
        "accept",
        "--api-url",
        url,
        "--code",
        &code,
        "--name",
        "Grace",
        "--password-stdin",
    ];
    grace.ks_with(&accept, "correct horse battery").ok();
    assert!(grace.ks(&["whoami"]).ok().stdout.contains("grace@example.com"));
    assert_eq!(
        grace.ks(&["member", "list"]).code,
        Some(1),
        "a viewer does not see members"
    );
    home.ks(&["member", "role", "grace@example.com", "admin"]).ok();
    grace.ks(&["api-key", "create", "hers", "--role", "admin"]).ok();
    let gone = home.ks(&["member", "remove", "grace@example.com", "--yes"]).ok();
    assert!(
        gone.stderr.contains("`hers` (admin) was revoked"),
        "{}",
        gone.stderr
    );
    assert_eq!(grace.ks(&["whoami"]).code, Some(1));

    grace
        .ks(&[
            "account",
            "forgot-password",
            "--api-url",
            url,
            "--email",
            "grace@example.com",
        ])
        .ok();
    let code = mailed_code(&home, "grace@example.com", "Your Keystore password");
    let reset = [
        "account",
        "reset-password",
        "--api-url",
        url,
        "--code",
        &code,
        "--password-stdin",
    ];
    grace.ks_with(&reset, "another horse battery").ok();
    assert_eq!(
        grace.ks_with(&reset, "another horse battery").code,
        Some(1),
        "good once"
    );

    let audit = json(&["audit", "list", "--action", "remove_member"]);
    assert_eq!(audit[0]["before"]["email"], "grace@example.com");
    assert!(
        home.ks(&["audit", "list"])
            .ok()
            .stdout
            .contains("accept_invitation")
    );
    home.ks(&["org", "delete", "labs", "--yes"]).ok();
    assert_eq!(names(&json(&["org", "list"]), "slug"), ["dev", "operator"]);
    dev.stop();
}

#[test]
fn without_a_terminal_a_password_is_asked_for_on_stdin() {
    let home = Home::new();
    for (args, remedy) in [
        (&["login", "--email", "ada@example.com"][..], "`--password-stdin`"),
        (
            &["account", "reset-password", "--code", "ksc_x"],
            "`--password-stdin`",
        ),
        (&["account", "accept", "--code", "ksc_x"], "`--password-stdin`"),
        (&["account", "change-password"], "`--passwords-stdin`"),
        (&["factor", "add"], "`--password-stdin`"),
        (&["factor", "remove"], "`--password-stdin`"),
        (&["factor", "recovery-codes"], "`--password-stdin`"),
    ] {
        let left = home.ks(args);
        assert_eq!(left.code, Some(1), "{args:?}: {}", left.stderr);
        assert!(
            left.stderr.contains(remedy) && !left.stderr.contains("--key"),
            "{args:?}: {}",
            left.stderr
        );
    }
}

#[test]
fn projects_and_keys() {
    let home = Home::new();
    let dev = Dev::start(&home);
    let json = |args: &[&str]| home.ks(&[args, &["--output", "json"]].concat()).ok().json();
    json(&["project", "create", "Customer 42", "--label", "phi"]);
    assert_eq!(
        names(&json(&["project", "list"]), "slug"),
        ["default", "customer-42"]
    );
    json(&["agent", "create", "bot", "--project", "customer-42"]);
    let kept = home.ks(&["project", "delete", "customer-42", "--yes"]);
    assert_eq!(kept.code, Some(1));
    assert!(
        kept.stderr.contains("1 agents") && kept.stderr.contains("--force"),
        "{}",
        kept.stderr
    );
    assert_eq!(
        home.ks(&["project", "delete", "customer-42"]).code,
        Some(1),
        "nobody to ask"
    );

    let made = home
        .ks(&[
            "api-key",
            "create",
            "reader",
            "--role",
            "viewer",
            "--project",
            "customer-42",
        ])
        .ok();
    let bound = [
        "--api-key",
        made.stdout.trim_end(),
        "project",
        "list",
        "--output",
        "json",
    ];
    assert_eq!(names(&home.ks(&bound).ok().json(), "slug"), ["customer-42"]);
    home.ks(&["api-key", "rename", "reader", "dashboards"]).ok();
    home.ks(&["api-key", "revoke", "dashboards", "--yes"]).ok();
    assert_eq!(home.ks(&bound).code, Some(1));
    assert!(!home.ks(&["api-key", "list"]).ok().stdout.contains("dashboards"));
    assert!(
        home.ks(&["api-key", "list", "--all"])
            .ok()
            .stdout
            .contains("dashboards")
    );

    let gone = json(&["project", "delete", "customer-42", "--force", "--yes"]);
    assert_eq!(gone["agents"], 1);
    assert_eq!(
        json(&["project", "update", "default", "--label", "none"])["labels"],
        Value::Array(vec![])
    );
    dev.stop();
}
