//! `Authorization: Bearer …` (RFC 6750).

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::{Fields, InjectError, write_header};

pub(super) fn inject(
    headers: &mut HeaderMap,
    template: &str,
    fields: &mut Fields<'_, '_>,
) -> Result<(), InjectError> {
    let mut value = fields.fill_plain(template)?;
    if value.contains(' ') {
        return Err(InjectError::Unfit {
            slot: "a bearer token",
        });
    }
    value.insert_str(0, "Bearer ");
    write_header(headers, AUTHORIZATION, &value)
}
