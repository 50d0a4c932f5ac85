//! Names of organizations and projects, the one for people and the one in URLs and commands; and those of models, which are their
//! vendors'.

use crate::api::problem::Fields;

/// Most characters of a slug.
const SLUG_MAX: usize = 40;

/// The most bytes of a model's name.
const MAX_MODEL: usize = 200;

/// Whether a text has at least one byte, at most `most`, and nothing that does not print.
pub(crate) fn is_short(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Notes what is wrong with the name of a model.
pub(crate) fn check_model(fields: &mut Fields, model: &str) {
    if !is_short(model, MAX_MODEL) {
        fields.wrong("/model", format!("expected 1 to {MAX_MODEL} characters"));
    }
}

/// `Acme Inc` becomes `acme-inc`; what leaves nothing becomes `fallback`.
pub(crate) fn slug_of(name: &str, fallback: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars().flat_map(char::to_lowercase) {
        match letter {
            'a'..='z' | '0'..='9' => slug.push(letter),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
        if slug.len() == SLUG_MAX {
            break;
        }
    }
    match slug.trim_end_matches('-') {
        "" => fallback.to_owned(),
        slug => slug.to_owned(),
    }
}

/// Notes what is wrong with a slug that somebody chose.
pub(crate) fn check_slug(fields: &mut Fields, slug: &str) {
    let plain = slug
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if slug.is_empty() || slug.len() > SLUG_MAX || !plain || slug.starts_with('-') || slug.ends_with('-') {
        fields.wrong(
            "/slug",
            format!("expected 1 to {SLUG_MAX} lower-case letters, digits and hyphens, such as acme-inc"),
        );
    }
}

/// Notes what is wrong with a name for people.
pub(crate) fn check_title(fields: &mut Fields, pointer: &str, name: &str) {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        fields.wrong(pointer, "expected 1 to 100 characters without control characters");
    }
}

/// Notes what is wrong with labels.
pub(crate) fn check_labels(fields: &mut Fields, labels: &[String]) {
    let odd = |label: &String| label.is_empty() || label.len() > 200 || label.chars().any(char::is_control);
    if labels.len() > 100 || labels.iter().any(odd) {
        fields.wrong("/labels", "expected at most 100 labels of 1 to 200 characters");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs() {
        for (name, expected) in [
            ("Acme Inc", "acme-inc"),
            ("  Ünïcode & Söhne! ", "n-code-s-hne"),
            ("---", "org"),
            ("日本", "org"),
            ("a".repeat(80).as_str(), "a".repeat(40).as_str()),
        ] {
            let made = slug_of(name, "org");
            assert_eq!(made, expected, "{name}");
            let mut fields = Fields::default();
            check_slug(&mut fields, &made);
            assert!(fields.check().is_ok(), "what is made may be chosen: {made}");
        }
        for bad in ["", "-a", "a-", "A", "a b", "a_b", "ä", &"a".repeat(41)] {
            let mut fields = Fields::default();
            check_slug(&mut fields, bad);
            assert!(fields.check().is_err(), "{bad}");
        }
    }
}
