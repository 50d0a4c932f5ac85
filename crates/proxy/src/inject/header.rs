//! A header of the vendor's own, such as `x-api-key`.

use http::{HeaderMap, HeaderName};

use super::{Fields, InjectError, write_header};

pub(super) fn inject(
    headers: &mut HeaderMap,
    name: &str,
    template: &str,
    fields: &mut Fields<'_, '_>,
) -> Result<(), InjectError> {
    let name = HeaderName::try_from(name).map_err(|_| InjectError::Template)?;
    let value = fields.fill_plain(template)?;
    write_header(headers, name, &value)
}
