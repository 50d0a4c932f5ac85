//! `multipart/form-data` (RFC 7578) as audio and images are sent: the few fields that name a model and bound a call.
//!
//! A form that two parsers could read in two ways is refused: a boundary or a head that is not in the plain form, a name that is
//! written with escapes, a field that stands twice or differs only by case from one that is read here. Files are passed over.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use keystore_core::deny::Malformed;
use memchr::memmem;

/// More fields than any vendor's form has.
const MAX_PARTS: usize = 64;
/// The longest head of a part.
const MAX_HEAD: usize = 1_024;
/// The names that are read here.
const NAMES: [&str; 4] = ["model", "n", "stream", "response_format"];

/// A name and its value.
type Part<'a> = (&'a str, &'a [u8]);

/// What a form says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Form<'a> {
    /// `model`.
    pub(crate) model: Option<Cow<'a, str>>,
    /// `n`; `None` where it is absent.
    pub(crate) n: Option<u64>,
    /// `stream`.
    pub(crate) stream: bool,
    /// The names and values of all parts.
    pub(crate) parts: Vec<Part<'a>>,
}

/// The boundary, if these headers announce a form.
///
/// # Errors
/// A form without one plain boundary.
pub(crate) fn boundary(headers: &HeaderMap) -> Result<Option<&str>, Malformed> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let Some(value) = values.next().and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    let (kind, parameters) = value.split_once(';').unwrap_or((value, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Ok(None);
    }
    let parameter = parameters.trim();
    let boundary = parameter
        .split_once('=')
        .filter(|(name, _)| name.eq_ignore_ascii_case("boundary"))
        .map(|(_, boundary)| boundary)
        .map(|quoted| {
            quoted
                .strip_prefix('"')
                .and_then(|quoted| quoted.strip_suffix('"'))
                .unwrap_or(quoted)
        });
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_'()+,./:=?".contains(&byte);
    match boundary {
        Some(boundary)
            if values.next().is_none()
                && (1..=70).contains(&boundary.len())
                && boundary.bytes().all(is_plain) =>
        {
            Ok(Some(boundary))
        }
        _ => Err(Malformed::Form),
    }
}

/// Reads the fields of a form.
///
/// # Errors
/// It can be read in two ways.
pub(crate) fn read<'a>(body: &'a [u8], boundary: &str) -> Result<Form<'a>, Malformed> {
    parts(body, boundary).and_then(form).ok_or(Malformed::Form)
}

/// The names and values of the parts.
fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<Part<'a>>> {
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(&delimiter);
    let mut rest = body.strip_prefix(&delimiter.as_bytes()[2..])?;
    let mut parts = Vec::new();
    loop {
        if let Some(end) = rest.strip_prefix(b"--") {
            return matches!(end, b"" | b"\r\n").then_some(parts);
        }
        let part = rest.strip_prefix(b"\r\n")?;
        let end = finder.find(part)?;
        parts.push(part_of(&part[..end])?);
        rest = &part[end + delimiter.len()..];
        if parts.len() > MAX_PARTS {
            return None;
        }
    }
}

fn part_of(part: &[u8]) -> Option<Part<'_>> {
    let end = memmem::find(&part[..part.len().min(MAX_HEAD)], b"\r\n\r\n")?;
    let head = std::str::from_utf8(&part[..end]).ok()?;
    let mut name = None;
    for line in head.split("\r\n") {
        let (header, value) = line.split_once(':')?;
        if header.eq_ignore_ascii_case("content-transfer-encoding") {
            return None;
        }
        if header.eq_ignore_ascii_case("content-disposition") && name.replace(field_name(value)?).is_some() {
            return None;
        }
    }
    Some((name?, &part[end + 4..]))
}

/// The `name` of ` form-data; name="…"; filename="…"`.
fn field_name(disposition: &str) -> Option<&str> {
    let rest = disposition.trim_start().strip_prefix("form-data;")?;
    let (name, rest) = rest.trim_start().strip_prefix("name=\"")?.split_once('"')?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-[].".contains(&byte);
    (!name.is_empty() && name.bytes().all(is_plain) && names_nothing(rest)?).then_some(name)
}

/// Whether further parameters are none of the field's name; `None` if they are not in the plain form.
fn names_nothing(mut rest: &str) -> Option<bool> {
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(true);
        }
        let (key, value) = rest.strip_prefix(';')?.split_once('=')?;
        if key.trim().trim_end_matches('*').eq_ignore_ascii_case("name") {
            return Some(false);
        }
        rest = match value.strip_prefix('"') {
            Some(quoted) => {
                let (text, rest) = quoted.split_once('"')?;
                if text.ends_with('\\') {
                    return None;
                }
                rest
            }
            None => &value[value.find(';').unwrap_or(value.len())..],
        };
    }
}

fn form(parts: Vec<Part<'_>>) -> Option<Form<'_>> {
    let mut form = Form::default();
    for (index, (name, value)) in parts.iter().enumerate() {
        let Some(known) = NAMES.iter().find(|known| known.eq_ignore_ascii_case(name)) else {
            continue;
        };
        let again = parts[..index]
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name));
        if known != name || again {
            return None;
        }
        let text = std::str::from_utf8(value).ok()?;
        match *name {
            "model" => form.model = Some(Cow::Borrowed(text)),
            "n" => form.n = Some(text.parse().ok()?),
            "stream" => form.stream = matches!(text, "true" | "True" | "1"),
            _ => {}
        }
    }
    form.parts = parts;
    Some(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(head: &str, value: &str) -> String {
        format!("--b\r\n{head}\r\n\r\n{value}\r\n")
    }

    fn field(name: &str, value: &str) -> String {
        part(&format!("Content-Disposition: form-data; name=\"{name}\""), value)
    }

    fn with(parts: &[String]) -> Result<Form<'static>, Malformed> {
        let body = format!("{}--b--\r\n", parts.concat());
        read(body.as_bytes(), "b").map(|form| Form {
            model: form.model.map(|model| Cow::Owned(model.into_owned())),
            n: form.n,
            stream: form.stream,
            parts: Vec::new(),
        })
    }

    #[test]
    fn fields_and_files() {
        let file = part(
            "Content-Disposition: form-data; name=\"file\"; filename=\"my name.mp3\"; filename*=utf-8''a\r\nContent-Type: audio/mpeg",
            "\u{0}\r\n-- binary \r\n--bb",
        );
        let read = with(&[
            file.replace("--bb", "--c"),
            field("model", "whisper-1"),
            field("stream", "true"),
        ]);
        let expected = Form {
            model: Some("whisper-1".into()),
            stream: true,
            ..Form::default()
        };
        assert_eq!(read, Ok(expected));
        assert_eq!(
            with(&[field("n", "3"), field("image[]", "x"), field("image[]", "y")])
                .unwrap()
                .n,
            Some(3)
        );
        assert_eq!(with(&[]), Ok(Form::default()));
    }

    #[test]
    fn two_readings_are_refused() {
        for parts in [
            vec![field("model", "a"), field("model", "b")],
            vec![field("Model", "a")],
            vec![field("mod\\el", "a")],
            vec![field("mod%65l", "a")],
            vec![part("Content-Disposition: form-data; name=model", "a")],
            vec![part(
                "Content-Disposition: form-data; name=\"x\"; name=\"model\"",
                "a",
            )],
            vec![part(
                "Content-Disposition: form-data; name=\"x\";name*=utf-8''model",
                "a",
            )],
            vec![part(
                "Content-Disposition: form-data; filename=\"x\"; name=\"model\"",
                "a",
            )],
            vec![part("Content-Type: text/plain", "a")],
            vec![part(
                "Content-Disposition: form-data; name=\"x\"\r\nContent-Disposition: form-data; name=\"model\"",
                "a",
            )],
            vec![part(
                "Content-Disposition: form-data; name=\"model\"\r\nContent-Transfer-Encoding: base64",
                "YQ==",
            )],
            vec![part("Content-Disposition: form-data;\r\n name=\"model\"", "a")],
            vec![field("n", "many")],
        ] {
            assert_eq!(with(&parts), Err(Malformed::Form), "{parts:?}");
        }
        for body in [
            "",
            "--b",
            "--b\r\n",
            "--b--x",
            "preamble\r\n--b--\r\n",
            "--b--\r\nepilogue",
            "--b\nContent-Disposition: form-data; name=\"model\"\n\na\n--b--",
            "--b \r\nContent-Disposition: form-data; name=\"model\"\r\n\r\na\r\n--b--",
        ] {
            assert_eq!(read(body.as_bytes(), "b"), Err(Malformed::Form), "{body}");
        }
    }

    #[test]
    fn the_boundary_is_plain() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
            boundary(&headers).map(|boundary| boundary.map(str::to_owned))
        };
        assert_eq!(of("application/json"), Ok(None));
        assert_eq!(boundary(&HeaderMap::new()), Ok(None));
        for good in [
            "multipart/form-data; boundary=abc",
            "Multipart/Form-Data;Boundary=\"abc\"",
        ] {
            assert_eq!(of(good), Ok(Some("abc".to_owned())), "{good}");
        }
        for bad in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=a; boundary=b",
            "multipart/form-data; charset=utf-8; boundary=a",
            "multipart/form-data; boundary=\"a\\\"b\"",
            "multipart/form-data; boundary*=utf-8''a",
        ] {
            assert_eq!(of(bad), Err(Malformed::Form), "{bad}");
        }
    }
}
