//! `ks audit` and `ks db` as an auditor and an operator use them: with files, a key, and a server that may be gone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::flow::Dev;
use crate::home::Home;

#[test]
fn what_is_not_there_is_named() {
    let home = Home::new();
    let key = home.ks(&[
        "audit",
        "verify",
        "--file",
        "audit.ndjson",
        "--key",
        "missing.key",
    ]);
    assert_eq!(key.code, Some(2));
    assert!(
        key.stderr.contains("missing.key") && key.stderr.contains("No such file"),
        "{}",
        key.stderr
    );
    let url = "sqlite:///no/such/keystore.db";
    let copy = home.data_dir().with_extension("copy").display().to_string();
    fs::create_dir_all(home.data_dir().parent().unwrap()).unwrap();
    for args in [
        &["db", "check", "--database", url][..],
        &["db", "backup", &copy, "--database", url],
    ] {
        let database = home.ks(args);
        assert_eq!(database.code, Some(1), "{args:?}");
        let said = |words: &str| database.stderr.matches(words).count();
        assert_eq!(
            ["/no/such/keystore.db", "cannot be", "unable to open"].map(said),
            [1; 3],
            "{args:?}: {}",
            database.stderr
        );
        assert!(
            database.stderr.contains("--config") && database.stderr.contains("--database"),
            "{args:?}: {}",
            database.stderr
        );
    }
    assert!(!fs::exists(&copy).unwrap());
}

#[test]
fn an_auditor_needs_a_file_and_a_key_and_an_operator_gets_a_backup_back() {
    let home = Home::new();
    let dev = Dev::start(&home);
    let file = |name: &str| home.data_dir().join(name).display().to_string();
    let key = home.ks(&["audit", "key"]).ok().stdout;
    let (key_file, notes) = (file("audit.key"), file("checkpoint.txt"));
    fs::write(&key_file, &key).unwrap();
    home.ks(&["agent", "create", "audited"]).ok();

    let verified = home
        .ks(&["audit", "verify", "--key", &key_file, "--output", "json"])
        .ok();
    assert_eq!(verified.json()["ok"], true);
    assert!(verified.json()["records"].as_u64().unwrap() > 3);
    fs::write(&notes, home.ks(&["audit", "checkpoints", "--note"]).ok().stdout).unwrap();
    home.ks(&["audit", "verify", "--key", &key_file, "--from", &notes])
        .ok();
    assert!(
        home.ks(&["audit", "verify"])
            .ok()
            .stderr
            .contains("server's own word")
    );

    let proof = file("one.proof");
    home.ks(&["audit", "prove", "1", "--out", &proof]).ok();
    home.ks(&["audit", "verify-proof", &proof, "--key", key.trim()])
        .ok();
    let forged = fs::read_to_string(&proof)
        .unwrap()
        .replacen("\"index\": ", "\"index\": 1", 1);
    fs::write(&proof, forged).unwrap();
    assert_eq!(
        home.ks(&["audit", "verify-proof", &proof, "--key", &key_file])
            .code,
        Some(1)
    );

    let export = file("audit.ndjson");
    home.ks(&["audit", "export", "--out", &export]).ok();
    home.ks(&["audit", "verify", "--file", &export, "--key", &key_file])
        .ok();
    let whole = fs::read_to_string(&export).unwrap();
    let cut: Vec<&str> = whole
        .lines()
        .filter(|line| !line.contains("\"seq\":2,"))
        .collect();
    fs::write(&export, cut.join("\n")).unwrap();
    let found = home.ks(&["audit", "verify", "--file", &export, "--key", &key_file]);
    assert_eq!((found.code, found.stdout.contains("WRONG")), (Some(1), true));
    assert_eq!(
        home.ks(&["audit", "verify", "--file", "/none", "--key", &key_file])
            .code,
        Some(2)
    );
    assert!(
        home.ks(&["audit", "export", "--format", "csv"])
            .ok()
            .stdout
            .starts_with("index,kind,at,")
    );
    assert!(
        home.ks(&["audit", "hash", "a value"])
            .ok()
            .stdout
            .starts_with("hmac-")
    );

    // While it runs, and beside it.
    let url = format!("sqlite://{}", file("keystore.db"));
    home.ks(&["audit", "verify", "--database", &url, "--key", &key_file])
        .ok();
    let (copy, restored) = (file("copy.db"), file("restored.db"));
    home.ks(&["db", "backup", &copy, "--database", &url]).ok();
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        home.ks(&["db", "backup", &copy, "--database", &url]).code,
        Some(1),
        "nothing is overwritten"
    );
    let done = home
        .ks(&[
            "db", "restore", &copy, "--to", &restored, "--key", &key_file, "--from", &notes,
        ])
        .ok();
    assert!(done.stderr.contains("is not revoked in it"), "{}", done.stderr);
    dev.stop();
    let restored = format!("sqlite://{restored}");
    home.ks(&["db", "check", "--database", &restored, "--key", &key_file])
        .ok();
    home.ks(&[
        "audit",
        "verify",
        "--database",
        &url,
        "--key",
        &key_file,
        "--from",
        &notes,
    ])
    .ok();
}
