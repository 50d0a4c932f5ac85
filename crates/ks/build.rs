//! Keeps in the program what its code is laid out anew by, behind the linker (`scripts/lay-out`).

fn main() {
    const KEEP: &str = "KS_KEEP_RELOCATIONS";
    println!("cargo::rerun-if-env-changed={KEEP}");
    #[expect(
        clippy::disallowed_methods,
        reason = "it says how to build, and is no setting"
    )]
    if std::env::var_os(KEEP).is_some() {
        println!("cargo::rustc-link-arg-bins=-Wl,--emit-relocs");
    }
}
