//! The shape of the workspace, read from `cargo metadata`: dependencies point one way, and there is one cryptographic and
//! one TLS library.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What each crate of the house may depend on. Test-only dependencies are not counted.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("keystore-core", &[]),
    ("keystore-wire", &["core"]),
    ("keystore-catalog", &["core"]),
    ("keystore-vault", &["core"]),
    ("keystore-store", &["core"]),
    ("keystore-proxy", &["core", "wire", "catalog", "vault", "store"]),
    (
        "keystore-server",
        &["core", "wire", "catalog", "vault", "store", "proxy"],
    ),
    ("ks", &["core", "wire", "catalog", "server"]),
    ("keystore-testkit", &["core"]),
    // Measures; shipped to nobody.
    (
        "keystore-bench",
        &[
            "core", "wire", "catalog", "vault", "store", "proxy", "server", "testkit",
        ],
    ),
];

/// Second implementations of what aws-lc-rs and rustls do, and crates that bring them.
const REFUSED: [&str; 6] = ["ring", "openssl", "openssl-sys", "native-tls", "rsa", "boring"];

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--manifest-path",
            MANIFEST,
        ])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn dependencies_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let metadata = metadata();
    let members: BTreeSet<&str> = metadata["workspace_members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    let packages = metadata["packages"].as_array().unwrap();
    let house: Vec<&Value> = packages
        .iter()
        .filter(|package| members.contains(package["id"].as_str().unwrap()))
        .collect();
    let names: BTreeSet<&str> = house
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    for package in &house {
        let name = package["name"].as_str().unwrap();
        let Some(may) = allowed.get(name) else {
            panic!("`{name}` has no row in this table");
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            if dependency["kind"] == "dev" || !names.contains(on) {
                continue;
            }
            let short = on.strip_prefix("keystore-").unwrap_or(on);
            assert!(may.contains(&short), "`{name}` must not depend on `{on}`");
        }
    }
}

/// `cargo tree` and not `cargo metadata`, which lists what optional features could bring.
#[test]
fn there_is_one_cryptographic_and_one_tls_library() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--offline", "--manifest-path", MANIFEST])
        .args([
            "--edges",
            "normal,build,dev",
            "--target",
            "x86_64-unknown-linux-gnu",
        ])
        .args(["--prefix", "none", "--format", "{p}"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).unwrap();
    let used: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(
        used.contains("aws-lc-rs") && used.len() > 100,
        "names are read as they should be"
    );
    for refused in REFUSED {
        assert!(!used.contains(refused), "`{refused}` is in the dependency graph");
    }
}
