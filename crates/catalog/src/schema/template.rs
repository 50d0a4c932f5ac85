//! Texts with `{placeholders}`, and URLs of hosts.

/// The names between braces, in order; `Err` says what is wrong with the braces.
pub(crate) fn placeholders(template: &str) -> Result<Vec<&str>, &'static str> {
    let mut names = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find(['{', '}']) {
        let inside = rest[open..]
            .strip_prefix('{')
            .ok_or("has a `}` without its `{`")?;
        let close = inside.find('}').ok_or("has a `{` without its `}`")?;
        let name = &inside[..close];
        if !is_name(name) {
            return Err("has a placeholder that is not a name of lower-case letters, digits and `_`");
        }
        names.push(name);
        rest = &inside[close + 1..];
    }
    Ok(names)
}

/// `template` with each placeholder for which `value` has one replaced; the others stay.
pub(crate) fn fill<'v>(template: &str, value: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        match value(name) {
            Some(value) => filled.push_str(value),
            None => {
                filled.push('{');
                filled.push_str(name);
                filled.push('}');
            }
        }
        rest = tail;
    }
    filled.push_str(rest);
    filled
}

/// Whether this is a name of a field, a parameter or an alias: lower-case letters, digits and `_`, a letter first.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Whether this is a slug or an alias: lower-case letters and digits in groups joined by single hyphens, at most 40 bytes.
pub(crate) fn is_slug(text: &str) -> bool {
    let is_group = |group: &str| {
        !group.is_empty()
            && group
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    text.len() <= 40 && text.split('-').all(is_group)
}

/// Whether this is a header name (RFC 9110, 5.6.2) in lower case.
pub(crate) fn is_header_name(text: &str) -> bool {
    let is_token =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token)
}

/// Whether this can be the value of a header: visible ASCII and blanks.
pub(crate) fn is_header_value(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}
