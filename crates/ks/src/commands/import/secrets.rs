//! What looks like a secret, by its shape or by the name of its variable. A guess, made to be shown to people: it names places and never values.

use std::collections::BTreeSet;

use keystore_core::token::is_token;
use serde::Serialize;

use super::dotenv::{Dotenv, line_number};

/// Words of names whose variables hold secrets.
const NAMES: [&str; 11] = [
    "KEY",
    "APIKEY",
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PWD",
    "PASS",
    "CREDENTIAL",
    "CREDENTIALS",
];

/// The shortest value that is a secret by its variable's name, and by its shape alone.
const SHORTEST_NAMED: usize = 8;
const SHORTEST_UNNAMED: usize = 32;

/// A place that seems to hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Suspect {
    /// The line, from 1.
    pub(super) line: usize,
    /// The variable; none in comments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) variable: Option<String>,
    /// Why it is one.
    pub(super) why: String,
}

/// Every place of a file that seems to hold a secret, but for variables that are left on purpose.
pub(super) fn suspects(text: &str, left: &BTreeSet<String>) -> Vec<Suspect> {
    let file = Dotenv::parse(text).ok();
    let assigned = file.as_ref().map_or(&[][..], Dotenv::assigned);
    let mut found: Vec<Suspect> = Vec::new();
    for one in assigned.iter().filter(|one| !left.contains(&one.name)) {
        found.extend(reason(&one.name, &one.value).map(|why| Suspect {
            line: one.line,
            variable: Some(one.name.clone()),
            why,
        }));
    }
    let on_purpose: BTreeSet<usize> = assigned.iter().map(|one| one.line).collect();
    for (at, line) in text.split(['\n', '\r']).map(|line| (offset(text, line), line)) {
        let number = line_number(text, at);
        if !on_purpose.contains(&number)
            && let Some(vendor) = known_key(line)
        {
            found.push(Suspect {
                line: number,
                variable: None,
                why: format!("has the shape of a key of {vendor}"),
            });
        }
    }
    found.sort_by_key(|one| one.line);
    found
}

/// The lines of `text` that hold one of these values as they are, from 1.
pub(super) fn lines_with(text: &str, values: &[&str]) -> Vec<usize> {
    let places = values
        .iter()
        .flat_map(|value| text.match_indices(value).map(|(at, _)| line_number(text, at)));
    places.collect::<BTreeSet<_>>().into_iter().collect()
}

fn offset(text: &str, part: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}

/// The vendor of a key that stands somewhere in a line.
fn known_key(line: &str) -> Option<String> {
    line.split(|letter: char| letter.is_whitespace() || "=\"'`,;()<>".contains(letter))
        .find_map(|word| Some(keystore_catalog::recognise_key(word).first()?.name.to_string()))
}

/// Why a variable seems to hold a secret.
fn reason(name: &str, value: &str) -> Option<String> {
    if is_token(value.as_bytes()) || value.starts_with('$') {
        return None;
    }
    if let Some(provider) = keystore_catalog::recognise_key(value).first() {
        return Some(format!("has the shape of a key of {}", provider.name));
    }
    if value.contains("PRIVATE KEY-----") {
        return Some("is a private key".to_owned());
    }
    if let Some((_, rest)) = value.split_once("://") {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let password = authority
            .rsplit_once('@')
            .and_then(|(user, _)| user.split_once(':'));
        return password
            .filter(|(_, password)| !password.is_empty() && !password.starts_with('$'))
            .map(|_| "is an address with a password".to_owned());
    }
    let named = name
        .split(['_', '-', '.'])
        .any(|word| NAMES.contains(&word.to_ascii_uppercase().as_str()));
    if named && value.len() >= SHORTEST_NAMED && is_opaque(value) {
        return Some("is a secret by its name".to_owned());
    }
    (value.len() >= SHORTEST_UNNAMED && is_random(value)).then(|| "looks random".to_owned())
}

/// Whether a value may be a secret at all: one word with a digit or with letters of both kinds, no number, no path, no placeholder.
fn is_opaque(value: &str) -> bool {
    let has = |is: fn(&char) -> bool| value.chars().any(|letter| is(&letter));
    let mixed = has(char::is_ascii_digit) || (has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase));
    let is_word = !has(|letter| letter.is_whitespace() || "<>{}".contains(*letter));
    let is_path = value.starts_with(['/', '.', '~']);
    mixed && is_word && !is_path && value.parse::<f64>().is_err()
}

fn is_random(value: &str) -> bool {
    let is_one_of_64 = |letter: char| letter.is_ascii_alphanumeric() || "+/=_-".contains(letter);
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let letters = value.chars().filter(char::is_ascii_alphabetic).count();
    value.chars().all(is_one_of_64) && digits >= 4 && letters >= 4 && !value.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn openai() -> String {
        format!("sk-proj-{}", "a".repeat(40))
    }

    #[test]
    fn secrets_are_known_by_name_or_shape() {
        let token = format!("ks_{}", "0".repeat(64));
        for (name, value, is_one) in [
            ("LLM", openai().as_str(), true),
            ("INTERNAL_API_KEY", "a1b2c3d4", true),
            ("db.password", "Hunter2Hunter2", true),
            ("DATABASE_URL", "postgres://app:pa55@db/app", true),
            ("SIGNING", "-----BEGIN RSA PRIVATE KEY-----\nMII", true),
            ("SESSION", "9f86d081884c7d659a2feaa0c55ad015", true),
            ("OPENAI_API_KEY", "your-key-here", false),
            ("OPENAI_API_KEY", token.as_str(), false),
            ("REF_KEY", "${OPENAI_API_KEY}", false),
            ("KEY_FILE", "/etc/ssl/Key1.pem", false),
            ("TOKEN_LIMIT", "4096000000", false),
            ("KEYBOARD", "Qwerty123", false),
            ("DATABASE_URL", "postgres://db/app", false),
            ("GREETING", "hello to the 99 of you out there, dear", false),
        ] {
            assert_eq!(reason(name, value).is_some(), is_one, "{name}={value}");
        }
    }

    #[test]
    fn they_are_found_in_comments_too_and_never_shown() {
        let key = openai();
        let text = format!(
            "# OPENAI_API_KEY=\"{key}\"\nA=1\r\nMY_SECRET=s3cr3t-s3cr3t\nLEFT_KEY={key}\n#\n  # {key}"
        );
        let left = BTreeSet::from(["LEFT_KEY".to_owned()]);
        let found = suspects(&text, &left);
        let places: Vec<_> = found
            .iter()
            .map(|one| (one.line, one.variable.as_deref()))
            .collect();
        assert_eq!(places, [(1, None), (3, Some("MY_SECRET")), (6, None)]);
        assert!(!format!("{found:?}").contains("sk-proj"));
        assert_eq!(lines_with(&text, &[&key, "nowhere"]), [1, 4, 6]);
    }
}
