//! Values as vendors read them, and where they stand.

use std::borrow::Cow;

use super::scan::{Kind, NotJson, Scan, Scanner, Text};
use super::{Nested, Object};

/// Whether two names are one to a vendor that knows names with capitals and names with underscores (protobuf's JSON).
pub(super) fn same_name(left: &str, right: &str) -> bool {
    left.len().abs_diff(right.len()) <= 4 && letters(left).eq(letters(right))
}

fn letters(name: &str) -> impl Iterator<Item = u8> {
    let letters = name.bytes().filter(|byte| *byte != b'_');
    letters.map(|byte| byte.to_ascii_lowercase())
}

/// Reads a value that a member is spliced into. `member` is called at each value of the object with its name, and whether it is the
/// wanted one, and must read it.
pub(super) fn nested<'a>(
    scanner: &mut Scanner<'a>,
    is_wanted: impl Fn(&str) -> bool,
    mut member: impl FnMut(&mut Scanner<'a>, &str, bool) -> Scan<()>,
) -> Scan<Nested> {
    let kind = scanner.kind()?;
    let start = scanner.position();
    let mut found = Nested {
        value: start..start,
        object: None,
        member: None,
    };
    if kind == Kind::Object {
        let mut object = Object {
            inside: start + 1,
            empty: true,
        };
        scanner.object(|scanner, name| {
            object.empty = false;
            let name = name.decode()?;
            let wanted = is_wanted(&name);
            if wanted && found.member.is_some() {
                return Err(NotJson);
            }
            scanner.kind()?;
            let at = scanner.position();
            member(scanner, &name, wanted)?;
            if wanted {
                found.member = Some(at..scanner.position());
            }
            Ok(())
        })?;
        found.object = Some(object);
    } else {
        scanner.skip()?;
    }
    found.value.end = scanner.position();
    Ok(found)
}

pub(super) fn text<'a>(scanner: &mut Scanner<'a>) -> Scan<Option<Cow<'a, str>>> {
    match scanner.kind()? {
        Kind::String => scanner.string().and_then(Text::decode).map(Some),
        _ => scanner.value().map(|_| None),
    }
}

/// `None` for null. Anything else is refused: some vendors take `"true"` and 1 for true, others do not.
pub(super) fn boolean(scanner: &mut Scanner<'_>) -> Scan<Option<bool>> {
    let kind = scanner.kind()?;
    let place = scanner.value()?;
    match kind {
        Kind::Boolean => Ok(Some(place.len() == "true".len())),
        Kind::Null => Ok(None),
        _ => Err(NotJson),
    }
}

/// How many: `None` for null, and for what no vendor takes. A text that is no plain number is refused, because vendors read
/// such texts in ways of their own (`"1_000"`).
pub(super) fn count(scanner: &mut Scanner<'_>) -> Scan<Option<u64>> {
    let is_text = scanner.kind()? == Kind::String;
    match number(scanner)? {
        None if is_text => Err(NotJson),
        count => Ok(count),
    }
}

/// A whole number, rounded up, that is not negative, also where it stands in a string, since some vendors take that;
/// `None` for anything else.
pub(super) fn number(scanner: &mut Scanner<'_>) -> Scan<Option<u64>> {
    let digits = match scanner.kind()? {
        Kind::String => scanner.string()?.decode()?,
        Kind::Number => Cow::Borrowed(scanner.slice()?),
        _ => return scanner.value().map(|_| None),
    };
    let digits = digits.trim();
    Ok(digits.parse::<u64>().ok().or_else(|| {
        let value = digits.parse::<f64>().ok().filter(|value| *value >= 0.0)?;
        // A float beyond the range becomes the end of the range.
        Some(value.ceil() as u64)
    }))
}
