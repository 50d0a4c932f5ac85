//! The kill switch from the command line.

use serde_json::json;

use crate::flow::Dev;
use crate::home::Home;

#[test]
fn what_is_killed_is_listed_and_goes_on() {
    let home = Home::new();
    let dev = Dev::start(&home);
    let json = |args: &[&str]| home.ks(&[args, &["--output", "json"]].concat()).ok().json();
    home.ks(&["agent", "create", "bot", "--provider", "sandbox"]).ok();

    let unasked = home.ks(&["kill", "org"]);
    assert_ne!(unasked.code, Some(0), "nobody said yes");
    let killed = json(&["kill", "project", "default", "--reason", "a drill", "--yes"]);
    assert_eq!(
        (&killed["scope"], &killed["propagated"]),
        (&json!("project"), &json!(true))
    );
    home.ks(&["kill", "provider", "openai", "--yes"]).ok();
    home.ks(&["kill", "org", "--yes"]).ok();
    let list = json(&["kill", "list"]);
    let scopes: Vec<_> = (0..3).map(|at| &list[at]["scope"]).collect();
    assert_eq!(scopes, ["project", "provider", "org"], "{list:#}");
    assert_eq!(
        (&list[0]["reason"], &list[1]["subject"]),
        (&json!("a drill"), &json!("openai"))
    );

    for undo in [&["project", "default"][..], &["provider", "openai"], &["org"]] {
        let undo = [&["kill"], undo, &["--undo"]].concat();
        home.ks(&undo).ok();
        let again = home.ks(&undo);
        assert_eq!(again.code, Some(1));
        assert!(again.stderr.contains("not stopped"), "{}", again.stderr);
    }
    assert_eq!(json(&["kill", "list"]), json!([]));

    let killed = home.ks(&["kill", "agent", "bot", "--yes"]).ok();
    assert!(killed.stderr.contains("for good"), "{}", killed.stderr);
    assert_eq!(json(&["agent", "show", "bot"])["status"], "revoked");
    dev.stop();
}
