//! Writes down which files the built dashboard (`ui/dist`) has, so that they become part of the binary.
//!
//! It builds nothing: that is `npm run build` in `ui/`. Where nothing was built the list is empty, and the server says so at `/`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

#[expect(
    clippy::disallowed_methods,
    reason = "cargo says in the environment where the crate is and where to write; `env!` would say where the crate was when \
              this was compiled"
)]
fn main() -> ExitCode {
    let (Some(from), Some(to)) = (
        std::env::var_os("CARGO_MANIFEST_DIR"),
        std::env::var_os("OUT_DIR"),
    ) else {
        println!("cargo::error=CARGO_MANIFEST_DIR and OUT_DIR are not set");
        return ExitCode::FAILURE;
    };
    let dist = Path::new(&from).join("../../ui/dist");
    println!("cargo::rerun-if-changed=build.rs");
    // The folder is always there, and stands for every file in it, those to come included.
    println!("cargo::rerun-if-changed={}", dist.display());
    match files(&dist).and_then(|files| fs::write(Path::new(&to).join("ui.rs"), listed(&dist, &files))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={}: {error}", dist.display());
            ExitCode::FAILURE
        }
    }
}

/// Every file below `folder` whose name does not begin with a dot, sorted.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => found.extend(files(&entry.path())?),
            false => found.push(entry.path().canonicalize()?),
        }
    }
    found.sort();
    Ok(found)
}

/// The list as Rust: `(path below dist, bytes)`.
fn listed(dist: &Path, files: &[PathBuf]) -> String {
    let base = dist.canonicalize().unwrap_or_else(|_| dist.to_owned());
    let mut text = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(&base).unwrap_or(file);
        let _ = writeln!(
            text,
            "    ({:?}, include_bytes!({:?})),",
            name.to_string_lossy(),
            file
        );
    }
    text.push_str("]\n");
    text
}
