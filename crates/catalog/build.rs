//! Reads and validates `catalog/` with the crate's own schema, and writes it down as constant tables.
#![expect(
    dead_code,
    unreachable_pub,
    reason = "these modules are the library's, which uses and exports more of them"
)]

#[path = "build/emit.rs"]
mod emit;
#[path = "src/matching.rs"]
mod matching;
#[path = "src/origin.rs"]
mod origin;
#[path = "src/provider.rs"]
mod provider;
#[path = "src/schema.rs"]
mod schema;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use provider::{PriceTable, Provider};

#[expect(
    clippy::disallowed_methods,
    reason = "cargo says in the environment where the crate is; `env!` would say where it was when this was compiled, which \
              can be another checkout with the same target folder"
)]
fn main() -> ExitCode {
    let Some(crate_folder) = std::env::var_os("CARGO_MANIFEST_DIR") else {
        println!("cargo::error=CARGO_MANIFEST_DIR is not set");
        return ExitCode::FAILURE;
    };
    let catalog = Path::new(&crate_folder).join("../../catalog");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src");
    // A folder stands for every file in it, those to come included.
    println!("cargo::rerun-if-changed={}", catalog.join("providers").display());
    println!("cargo::rerun-if-changed={}", catalog.join("prices").display());
    match read(&catalog).and_then(|providers| write(&providers)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => {
            for problem in problems {
                println!("cargo::error={problem}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Every provider of the catalog, sorted by slug, or everything that is wrong with it.
fn read(catalog: &Path) -> Result<Vec<Provider>, Vec<String>> {
    let mut problems = Vec::new();
    let mut prices: BTreeMap<String, PriceTable> = BTreeMap::new();
    for (slug, text) in files(&catalog.join("prices"))? {
        match schema::parse_prices(&format!("catalog/prices/{slug}.toml"), &text) {
            Ok(table) => {
                prices.insert(slug, table);
            }
            Err(error) => problems.push(error.to_string()),
        }
    }
    let mut providers = Vec::new();
    for (slug, text) in files(&catalog.join("providers"))? {
        let table = prices.remove(&slug).unwrap_or_default();
        match schema::parse_provider(&slug, &format!("catalog/providers/{slug}.toml"), &text, table) {
            Ok(provider) => providers.push(provider),
            Err(error) => problems.push(error.to_string()),
        }
    }
    for slug in prices.keys() {
        problems.push(format!(
            "catalog/prices/{slug}.toml: has no catalog/providers/{slug}.toml; write it, or rename the file"
        ));
    }
    if problems.is_empty() {
        Ok(providers)
    } else {
        Err(problems)
    }
}

/// The TOML files of a folder by name without ending, sorted.
fn files(folder: &Path) -> Result<BTreeMap<String, String>, Vec<String>> {
    let failed = |path: &Path, error: std::io::Error| vec![format!("{}: {error}", path.display())];
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        if path.extension().is_none_or(|ending| ending != "toml") {
            return Err(vec![format!("{}: only .toml files belong here", path.display())]);
        }
        let slug = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        files.insert(
            slug,
            std::fs::read_to_string(&path).map_err(|error| failed(&path, error))?,
        );
    }
    Ok(files)
}

#[expect(
    clippy::disallowed_methods,
    reason = "cargo says in the environment where to write"
)]
fn write(providers: &[Provider]) -> Result<(), Vec<String>> {
    let Some(folder) = std::env::var_os("OUT_DIR") else {
        return Err(vec!["OUT_DIR is not set".to_owned()]);
    };
    let file = PathBuf::from(folder).join("table.rs");
    std::fs::write(&file, emit::tables(providers))
        .map_err(|error| vec![format!("{}: {error}", file.display())])
}
