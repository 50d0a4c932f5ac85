//! What a request chooses of what its price row offers: the members that the row's choices name, where they stand.
//!
//! Only the place that the row names counts: the same name elsewhere chooses nothing at the vendor.

use std::borrow::Cow;

use keystore_core::price::{Chosen, ModelPrice};

use super::form::Form;
use super::scan::{Kind, Scan, Scanner};
use super::value::same_name;

/// A value that no choice has.
const UNKNOWN: &str = "";

/// What a JSON body chooses. A body that is not JSON chooses nothing.
pub(crate) fn of_body(body: &[u8], price: Option<&ModelPrice>) -> Vec<Chosen> {
    let mut chosen = Vec::new();
    let wanted = wanted(price);
    if !wanted.is_empty()
        && let Ok(mut scanner) = Scanner::new(body)
        // What was read before the end of what is JSON stays.
        && scanner.kind().is_ok_and(|kind| kind == Kind::Object)
    {
        let _ = members(&mut scanner, &wanted, "", &mut chosen);
    }
    chosen
}

/// What a form chooses.
pub(crate) fn of_form(form: &Form<'_>, price: Option<&ModelPrice>) -> Vec<Chosen> {
    let mut chosen = Vec::new();
    let wanted = wanted(price);
    for (name, value) in &form.parts {
        if let Some((member, exact)) = find(&wanted, name) {
            let value = std::str::from_utf8(value).unwrap_or(UNKNOWN);
            choose(&mut chosen, member, if exact { value } else { UNKNOWN });
        }
    }
    chosen
}

/// What a body that is not read chooses: something that is not known, if there is a choice.
pub(crate) fn of_unread(price: Option<&ModelPrice>) -> Vec<Chosen> {
    let mut chosen = Vec::new();
    for member in wanted(price) {
        choose(&mut chosen, member, UNKNOWN);
    }
    chosen
}

fn wanted(price: Option<&ModelPrice>) -> Vec<&str> {
    let mut wanted: Vec<_> = price.into_iter().flat_map(ModelPrice::chosen_by).collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// The wanted member of this name, and whether that is how it is written.
fn find<'a>(wanted: &[&'a str], name: &str) -> Option<(&'a str, bool)> {
    let alike = *wanted.iter().find(|member| same_name(member, name))?;
    Some((alike, alike == name))
}

fn members(scanner: &mut Scanner<'_>, wanted: &[&str], within: &str, chosen: &mut Vec<Chosen>) -> Scan<()> {
    scanner.object(|scanner, name| {
        let name = format!("{within}{}", name.decode()?);
        if let Some((member, exact)) = find(wanted, &name) {
            let value = value(scanner)?;
            if let Some(value) = value {
                choose(chosen, member, if exact { &value } else { UNKNOWN });
            }
            return Ok(());
        }
        let below = format!("{name}.");
        let leads_on = wanted.iter().any(|member| member.starts_with(&below));
        if leads_on && scanner.kind()? == Kind::Object {
            return members(scanner, wanted, &below, chosen);
        }
        scanner.skip()
    })
}

/// A text, or a number as it is written; `None` for null.
fn value<'a>(scanner: &mut Scanner<'a>) -> Scan<Option<Cow<'a, str>>> {
    Ok(match scanner.kind()? {
        Kind::String => Some(scanner.string()?.decode()?),
        Kind::Number => Some(Cow::Borrowed(scanner.slice()?)),
        Kind::Null => {
            scanner.skip()?;
            None
        }
        _ => {
            scanner.skip()?;
            Some(Cow::Borrowed(UNKNOWN))
        }
    })
}

/// What is said twice says nothing that is known.
fn choose(chosen: &mut Vec<Chosen>, member: &str, value: &str) {
    match chosen.iter_mut().find(|said| said.member == member) {
        Some(said) => said.value = UNKNOWN.to_owned(),
        None => chosen.push(Chosen {
            member: member.to_owned().into(),
            value: value.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> ModelPrice {
        let file = r#"
            [[models]]
            id = "m"
            units = { seconds = "1" }
            [[models.choices]]
            when = { size = "1080p" }
            units = { seconds = "2" }
            [[models.choices]]
            when = { "parameters.resolution" = "1080p" }
            units = { seconds = "3" }
            [[models.choices]]
            when = { size = "4k" }
            units = { seconds = "4" }
        "#;
        keystore_catalog::parse_prices("p", file).unwrap().rows[0]
            .price
            .clone()
    }

    #[test]
    fn only_the_place_that_the_row_names_chooses() {
        for (body, expected) in [
            ("{}", vec![]),
            (r#"{"size":null,"resolution":"720p"}"#, vec![]),
            (r#"{"size":"1080p"}"#, vec![("size", "1080p")]),
            (r#"{"size":512}"#, vec![("size", "512")]),
            (r#"{"size":["1080p"]}"#, vec![("size", "")]),
            (r#"{"Size":"720p"}"#, vec![("size", "")]),
            (
                r#"{"parameters":{"size":"x","resolution":"720p"}}"#,
                vec![("parameters.resolution", "720p")],
            ),
            (
                r#"{"parameters":{"resolution":"1080p","resolution":"720p"}}"#,
                vec![("parameters.resolution", "")],
            ),
            (r#"{"parameters":"720p"}"#, vec![]),
            ("[]", vec![]),
            ("", vec![]),
        ] {
            let chosen = of_body(body.as_bytes(), Some(&row()));
            let found: Vec<_> = chosen
                .iter()
                .map(|said| (said.member.as_ref(), said.value.as_str()))
                .collect();
            assert_eq!(found, expected, "{body}");
        }
        assert!(of_body(br#"{"size":"1080p"}"#, None).is_empty());
    }
}
