//! A segment before the upstream path, such as `/bot<key>`.

use super::{Fields, InjectError, percent_encode};

/// What may stand in a segment besides the unreserved characters (RFC 3986, 3.3).
const SEGMENT: &[u8] = b"!$&'()*+,;=:@";

pub(super) fn inject(
    path: &mut String,
    template: &str,
    fields: &mut Fields<'_, '_>,
) -> Result<(), InjectError> {
    if !template.starts_with('/') || template.ends_with('/') {
        return Err(InjectError::Template);
    }
    let segment = fields.fill(template, |value, filled| percent_encode(value, SEGMENT, filled))?;
    if segment.split('/').any(|part| part == "." || part == "..") {
        return Err(InjectError::Unfit { slot: "a path" });
    }
    path.push_str(&segment);
    Ok(())
}
