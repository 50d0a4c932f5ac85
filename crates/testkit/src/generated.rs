//! Files that are made from the code and committed, so that a change is a diff in review.

/// Asserts that `path` (from the root of the repository) holds `made`. `make gen`, which sets `KEYSTORE_WRITE_GENERATED`, writes it.
///
/// # Panics
///
/// It holds something else, or cannot be written.
#[expect(
    clippy::disallowed_methods,
    reason = "the environment says whether files are written"
)]
pub fn is_up_to_date(path: &str, made: &str) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../").to_owned() + path;
    if std::env::var_os("KEYSTORE_WRITE_GENERATED").is_some() {
        std::fs::write(&file, made).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = made.lines().zip(kept.lines()).position(|(new, old)| new != old);
    assert!(
        made == kept,
        "{path} is out of date (first difference in line {:?}): run `make gen`",
        differs.map(|line| line + 1)
    );
}
