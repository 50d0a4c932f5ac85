//! `Authorization: Basic …` (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use super::{Fields, InjectError, write_header};

pub(super) fn inject(
    headers: &mut HeaderMap,
    username: &str,
    password: &str,
    fields: &mut Fields<'_, '_>,
) -> Result<(), InjectError> {
    let username = fields.fill_plain(username)?;
    let password = fields.fill_plain(password)?;
    let control = |text: &str| text.chars().any(char::is_control);
    if username.contains(':') || control(&username) || control(&password) {
        return Err(InjectError::Unfit {
            slot: "Basic credentials",
        });
    }
    let pair = Zeroizing::new(format!("{}:{}", username.as_str(), password.as_str()));
    let mut value = Zeroizing::new(String::with_capacity(6 + pair.len().div_ceil(3) * 4));
    value.push_str("Basic ");
    STANDARD.encode_string(pair.as_bytes(), &mut value);
    fields.needles.add_written(&value["Basic ".len()..]);
    write_header(headers, AUTHORIZATION, &value)
}
